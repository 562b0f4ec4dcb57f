//! What the functions that a script calls work on.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Function, Lua};

use super::call_context::CallContext;
use super::error::{ApiError, ChiselError, Place};
use super::fields::Fields;
use super::native::Native;
use super::output::Output;
use super::registry::{Script, ScriptRegistry};
use super::sandbox::Policy;
use super::watchdog::{self, Going, Slot};
use crate::event::bytes::BufferFormat;
use crate::event::text;
use crate::fields::{Context, Session};
use crate::filter::{Filter, TypeSet};
use crate::format::Template;
use crate::replay::Needs;
use crate::state::State;

/// How chisels are run, the same for all of one run.
pub struct Options {
    /// Where scripts are.
    pub library: ScriptRegistry,
    /// What they may do.
    pub policy: Policy,
    /// The events come from this machine, now.
    pub is_live: bool,
    /// Standard output is a terminal.
    pub is_terminal: bool,
    /// Columns and lines of the terminal.
    pub terminal_size: Option<(u16, u16)>,
    /// The filter of the command line.
    pub filter: Option<String>,
    /// Containers are to be shown (`-pc`, `-pk`).
    pub shows_containers: bool,
    /// Output is to be JSON.
    pub json: bool,
    /// How data is shown, if the command line says so.
    pub buffers: Option<BufferFormat>,
    /// The capture's file name; empty while live.
    pub capture: String,
    /// Where chisels print to.
    pub output: Box<dyn std::io::Write>,
}

impl Options {
    /// Options for scripts that are only to say what they are: nothing that they print is seen.
    pub fn quiet(library: ScriptRegistry, policy: Policy) -> Self {
        Self {
            library,
            policy,
            is_live: false,
            is_terminal: false,
            terminal_size: None,
            filter: None,
            shows_containers: false,
            json: false,
            buffers: None,
            capture: String::new(),
            output: Box::new(std::io::sink()),
        }
    }
}

/// How much of a capture was read, noted by whoever reads it.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// Notes how much was read, in percent.
    pub fn set(&self, percent: f64) {
        self.0.store(percent.to_bits(), Ordering::Relaxed);
    }

    /// Returns how much was read, in percent.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// What is the same for all chisels of a run, and what they ask of it.
pub(super) struct Run {
    pub(super) library: ScriptRegistry,
    pub(super) policy: Policy,
    pub(super) is_live: bool,
    pub(super) terminal_size: Option<(u16, u16)>,
    pub(super) shows_containers: bool,
    pub(super) json: bool,
    /// The user's filter, and whether a script set another one.
    pub(super) filter: RefCell<(Option<String>, bool)>,
    pub(super) buffers: Cell<Option<BufferFormat>>,
    /// The user chose how data is shown.
    pub(super) buffers_chosen: bool,
    pub(super) capture: String,
    /// The capture was opened.
    pub(super) is_open: Cell<bool>,
    /// What is printed goes to a terminal.
    pub(super) is_terminal: bool,
    pub(super) output: RefCell<Output>,
    pub(super) snaplen: Cell<Option<u32>>,
    /// Times of the first and the last event; 0 = none yet.
    pub(super) first_time: Cell<u64>,
    pub(super) last_time: Cell<u64>,
    /// What of the events is loaded; `None` = that is not settled yet.
    pub(super) loaded: RefCell<Option<Needs>>,
    /// How often a script has set a filter or an interval.
    pub(super) changes: Cell<u64>,
    /// A script wants no more events.
    pub(super) ends: Cell<bool>,
    /// The command line with which to start over.
    pub(super) again: RefCell<Option<String>>,
    /// Percent of the capture that was read.
    pub(super) progress: Arc<Progress>,
    pub(super) socket: RefCell<Option<std::net::UdpSocket>>,
}

impl Run {
    pub(super) fn new(options: Options) -> Self {
        Self {
            library: options.library,
            policy: options.policy,
            is_live: options.is_live,
            terminal_size: options.terminal_size,
            shows_containers: options.shows_containers,
            json: options.json,
            filter: RefCell::new((options.filter, false)),
            buffers_chosen: options.buffers.is_some(),
            buffers: Cell::new(options.buffers),
            capture: options.capture,
            is_open: Cell::new(false),
            is_terminal: options.is_terminal,
            output: RefCell::new(Output::new(options.output, options.is_terminal)),
            snaplen: Cell::new(None),
            first_time: Cell::new(0),
            last_time: Cell::new(0),
            loaded: RefCell::new(None),
            changes: Cell::new(0),
            ends: Cell::new(false),
            again: RefCell::new(None),
            progress: Arc::default(),
            socket: RefCell::new(None),
        }
    }

    /// Takes note of a text from a capture that a script is handed.
    #[inline]
    pub(super) fn handed(&self, text: &[u8]) {
        if self.is_terminal {
            self.output.borrow_mut().handed(text);
        }
    }

    /// Takes note of an event's time; of several CPUs, or made up, events can be a little out of order.
    #[inline]
    pub(super) fn note_time(&self, time: u64) {
        self.last_time.set(self.last_time.get().max(time));
    }

    /// Prints on standard error, safely.
    pub(super) fn write_error(&self, bytes: &[u8]) {
        self.output.borrow_mut().flush();
        let mut safe = Vec::new();
        for (count, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if count > 0 {
                safe.push(b'\n');
            }
            text::escape(&mut safe, line);
        }
        // Without standard error there is nobody to tell.
        let _told = std::io::stderr().write_all(&safe);
    }

    /// Takes note that a script has set a filter or an interval.
    pub(super) fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Refuses what comes too late: a script that looks at more of the events than is loaded would find
    /// nothing there, and take that for a fact.
    pub(super) fn check_loaded(
        &self,
        needs_payload: bool,
        types: Option<&TypeSet>,
    ) -> Result<(), ApiError> {
        let loaded = self.loaded.borrow();
        let Some(loaded) = &*loaded else {
            return Ok(());
        };
        let has_types = types.is_none_or(|types| types.iter().all(|ty| loaded.types.contains(ty)));
        if (needs_payload && !loaded.data) || !has_types {
            return Err(ApiError::Misuse(
                "fields that show data, formats and wider filters have to be set in on_init",
            ));
        }
        Ok(())
    }

    /// How data is shown.
    pub(super) fn buffer_format(&self) -> BufferFormat {
        self.buffers.get().unwrap_or(BufferFormat::AllDots)
    }
}

/// When a script's `on_interval` is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    /// Nanoseconds between calls, at multiples of them; 0 = none.
    pub(super) aligned: u64,
    /// Nanoseconds between calls, from the first event on; 0 = none.
    pub(super) precise: u64,
}

/// A script's wish to be replaced by another one.
#[derive(Clone, Debug)]
pub(super) struct Successor {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
}

/// What one script has set, and what is around it now.
pub(super) struct Shared {
    pub(super) run: Rc<Run>,
    pub(super) script: Script,
    pub(super) fields: Fields,
    pub(super) call_context: CallContext,
    /// Lua's state, once it is made.
    pub(super) state: Cell<*mut mlua::ffi::lua_State>,
    slot: Arc<Slot>,
    pub(super) filter: RefCell<Option<Filter>>,
    pub(super) formatter: RefCell<Option<Template>>,
    pub(super) interval: Cell<Interval>,
    pub(super) successor: RefCell<Option<Successor>>,
    /// What is done natively in place of calling the script.
    pub(super) native: RefCell<Option<Native>>,
    /// The code with which the script called `os.exit`.
    pub(super) exited: Cell<Option<i32>>,
    /// The arguments by name, for `scap.arg`.
    pub(super) arguments: RefCell<HashMap<String, String>>,
    /// The texts of what was compiled, by the name that Lua has for them.
    texts: RefCell<HashMap<String, Cow<'static, [u8]>>>,
}

impl Shared {
    pub(super) fn new(run: Rc<Run>, script: Script, slot: Arc<Slot>) -> Self {
        Self {
            run,
            script,
            fields: Fields::default(),
            call_context: CallContext::default(),
            state: Cell::new(std::ptr::null_mut()),
            slot,
            filter: RefCell::new(None),
            formatter: RefCell::new(None),
            interval: Cell::default(),
            successor: RefCell::new(None),
            native: RefCell::new(None),
            exited: Cell::new(None),
            arguments: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    /// Begins a call into the script, which goes on until the result is dropped.
    #[must_use]
    #[inline]
    pub(super) fn begin_call(&self) -> Going<'_> {
        super::sandbox::allow(self.run.policy.instructions);
        watchdog::begin(&self.slot, self.state.get())
    }

    /// Compiles a script's text.
    pub(super) fn compile(&self, lua: &Lua, script: &Script) -> mlua::Result<Function> {
        // Lua shortens longer names.
        let name: String = script.name.chars().take(40).chain(".lua".chars()).collect();
        self.texts
            .borrow_mut()
            .insert(name.clone(), script.text.clone());
        let text = script.text.as_ref();
        // A first line for the shell is none of Lua.
        let text: Cow<'_, [u8]> = if text.starts_with(b"#") {
            Cow::Owned([b"--", text].concat())
        } else {
            Cow::Borrowed(text)
        };
        lua.load(text.as_ref())
            .set_name(format!("@{name}"))
            .set_mode(mlua::chunk::ChunkMode::Text)
            .into_function()
    }

    /// Makes an error of what Lua reports.
    pub(super) fn error(&self, error: &mlua::Error, is_running: bool) -> ChiselError {
        if let Some(code) = self.exited.get() {
            return ChiselError::Exited(code);
        }
        if let Some(ApiError::Filter { text, error }) = api_error(error) {
            return ChiselError::Filter {
                chisel: self.script.name.clone(),
                text: text.clone(),
                error: error.clone(),
            };
        }
        let (text, hint) = match error {
            _ if super::sandbox::is_exhausted() => (
                "it ran through its limit of instructions in one call".to_owned(),
                Some("an endless loop? `--chisel-instructions` sets the limit".to_owned()),
            ),
            mlua::Error::MemoryError(_) => (
                "it used up its memory".to_owned(),
                Some("`--chisel-memory MIB` gives it more".to_owned()),
            ),
            other => (message(other), None),
        };
        let (place, message) = self.place(&text);
        ChiselError::Script {
            chisel: self.script.name.clone(),
            message,
            place,
            hint,
            is_running,
        }
    }

    /// Splits `file:line: message`.
    fn place(&self, text: &str) -> (Option<Box<Place>>, String) {
        let found = || {
            let (file, rest) = text.split_once(".lua:")?;
            let (line, message) = rest.split_once(": ")?;
            let line: usize = line.parse().ok()?;
            let file = format!("{file}.lua");
            let texts = self.texts.borrow();
            let source = texts.get(&file)?;
            let shown = source.split(|b| *b == b'\n').nth(line.checked_sub(1)?);
            let place = Place {
                file,
                line,
                text: shown.map(|line| String::from_utf8_lossy(line).into_owned()),
            };
            Some((Some(Box::new(place)), message.to_owned()))
        };
        found().unwrap_or_else(|| (None, text.to_owned()))
    }
}

/// Returns what a function of ours complained about, if it did.
fn api_error(error: &mlua::Error) -> Option<&ApiError> {
    match error {
        mlua::Error::CallbackError { cause, .. } => api_error(cause),
        mlua::Error::ExternalError(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Returns an error's message on one line, with the script's line in front where Lua knows it.
fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { traceback, cause } => {
            let cause = message(cause);
            // The first line of a script in the traceback called the function.
            let caller = traceback.lines().find_map(|line| {
                let line = line.trim();
                let (file, rest) = line.split_once(".lua:")?;
                let (number, _) = rest.split_once(':')?;
                number.parse::<usize>().ok()?;
                Some(format!("{file}.lua:{number}: {cause}"))
            });
            caller.unwrap_or(cause)
        }
        mlua::Error::SyntaxError { message, .. } => first_line(message),
        mlua::Error::RuntimeError(message) => first_line(message),
        other => first_line(&other.to_string()),
    }
}

/// Returns a message without the traceback that mlua appends.
fn first_line(message: &str) -> String {
    let end = message.find("\nstack traceback:").unwrap_or(message.len());
    message[..end].trim_end().to_owned()
}

/// What is around a script while it is called.
#[derive(Clone, Copy)]
pub(super) enum CallInput<'a> {
    Event(&'a Context<'a>),
    HostState(HostState<'a>),
}

impl<'a> CallInput<'a> {
    /// Returns the state and the session.
    pub(super) fn world(self) -> HostState<'a> {
        match self {
            Self::HostState(world) => world,
            Self::Event(cx) => HostState {
                state: cx.view.state(),
                session: cx.session,
            },
        }
    }
}

/// The state and session around a script, while there are some.
#[derive(Clone, Copy)]
pub(super) struct HostState<'a> {
    pub(super) state: &'a State,
    pub(super) session: &'a Session,
}
