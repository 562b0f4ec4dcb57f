//! Data shared with the functions that a script calls.

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

/// The options of all chisels of a run.
pub struct Options {
    /// The registry of scripts.
    pub registry: ScriptRegistry,
    /// Their permissions and limits.
    pub policy: Policy,
    /// True for live events of this machine.
    pub is_live: bool,
    /// True if standard output is a terminal.
    pub is_terminal: bool,
    /// Columns and lines of the terminal.
    pub terminal_size: Option<(u16, u16)>,
    /// The filter of the command line.
    pub filter: Option<String>,
    /// True if containers are shown (`-pc`, `-pk`).
    pub shows_containers: bool,
    /// True for JSON output.
    pub json: bool,
    /// The format of data, if set on the command line.
    pub buffers: Option<BufferFormat>,
    /// The capture's file name; empty while live.
    pub capture: String,
    /// The output of the chisels.
    pub output: Box<dyn std::io::Write>,
}

impl Options {
    /// Options for scripts of which only the metadata is read: their output is discarded.
    pub fn quiet(registry: ScriptRegistry, policy: Policy) -> Self {
        Self {
            registry,
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

/// The percentage of a capture that was read, updated by its reader.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// Sets the percentage.
    pub fn set(&self, percent: f64) {
        self.0.store(percent.to_bits(), Ordering::Relaxed);
    }

    /// Returns the percentage.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The state that all chisels of a run share.
pub(super) struct Run {
    pub(super) registry: ScriptRegistry,
    pub(super) policy: Policy,
    pub(super) is_live: bool,
    pub(super) terminal_size: Option<(u16, u16)>,
    pub(super) shows_containers: bool,
    pub(super) json: bool,
    /// The user's filter, and whether a script replaced it.
    pub(super) filter: RefCell<(Option<String>, bool)>,
    pub(super) buffers: Cell<Option<BufferFormat>>,
    /// True if the user chose the format of data.
    pub(super) buffers_chosen: bool,
    pub(super) capture: String,
    /// True once the capture is open.
    pub(super) is_open: Cell<bool>,
    /// True if the output is a terminal.
    pub(super) is_terminal: bool,
    pub(super) output: RefCell<Output>,
    pub(super) snaplen: Cell<Option<u32>>,
    /// Time of the first and of the last event; 0 = none yet.
    pub(super) first_time: Cell<u64>,
    pub(super) last_time: Cell<u64>,
    /// What is loaded of events; `None` = not decided yet.
    pub(super) loaded: RefCell<Option<Needs>>,
    /// How often a script has set a filter or an interval.
    pub(super) changes: Cell<u64>,
    /// True if a script ended the capture.
    pub(super) ends: Cell<bool>,
    /// The command line with which to restart.
    pub(super) again: RefCell<Option<String>>,
    /// Percentage of the capture that was read.
    pub(super) progress: Arc<Progress>,
    pub(super) socket: RefCell<Option<std::net::UdpSocket>>,
}

impl Run {
    pub(super) fn new(options: Options) -> Self {
        Self {
            registry: options.registry,
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

    /// Checks text of a capture that a script receives.
    #[inline]
    pub(super) fn handed(&self, text: &[u8]) {
        if self.is_terminal {
            self.output.borrow_mut().handed(text);
        }
    }

    /// Notes the time of an event; events of different CPUs and synthesised ones can be slightly
    /// out of order.
    #[inline]
    pub(super) fn note_time(&self, time: u64) {
        self.last_time.set(self.last_time.get().max(time));
    }

    /// Prints to standard error, escaped.
    pub(super) fn write_error(&self, bytes: &[u8]) {
        self.output.borrow_mut().flush();
        let mut safe = Vec::new();
        for (count, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if count > 0 {
                safe.push(b'\n');
            }
            text::escape(&mut safe, line);
        }
        // If standard error is not writable, there is no other place to report it.
        let _ignored = std::io::stderr().write_all(&safe);
    }

    /// Counts a change of a script's filter or interval.
    pub(super) fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Rejects a setting that comes too late: a script that needs more of events than is loaded
    /// would find absent values and take them for facts.
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

    /// Returns the format of data.
    pub(super) fn buffer_format(&self) -> BufferFormat {
        self.buffers.get().unwrap_or(BufferFormat::AllDots)
    }
}

/// The intervals of a script's `on_interval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    /// Nanoseconds between calls, aligned to multiples; 0 = none.
    pub(super) aligned: u64,
    /// Nanoseconds between calls, starting at the first event; 0 = none.
    pub(super) precise: u64,
}

/// A script's request to be replaced by another one.
#[derive(Clone, Debug)]
pub(super) struct Successor {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
}

/// The settings of a script, and the context of its current call.
pub(super) struct Shared {
    pub(super) run: Rc<Run>,
    pub(super) script: Script,
    pub(super) fields: Fields,
    pub(super) call_context: CallContext,
    /// The Lua state, once it is created.
    pub(super) state: Cell<*mut mlua::ffi::lua_State>,
    slot: Arc<Slot>,
    pub(super) filter: RefCell<Option<Filter>>,
    pub(super) formatter: RefCell<Option<Template>>,
    pub(super) interval: Cell<Interval>,
    pub(super) successor: RefCell<Option<Successor>>,
    /// The native implementation that replaces the script's functions.
    pub(super) native: RefCell<Option<Native>>,
    /// The exit code, if the script called `os.exit`.
    pub(super) exited: Cell<Option<i32>>,
    /// The arguments by name, for `scap.arg`.
    pub(super) arguments: RefCell<HashMap<String, String>>,
    /// The texts of compiled chunks, by their name in Lua.
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

    /// Starts a call into the script, which lasts until the result is dropped.
    #[must_use]
    #[inline]
    pub(super) fn begin_call(&self) -> Going<'_> {
        super::sandbox::allow(self.run.policy.instructions);
        watchdog::begin(&self.slot, self.state.get())
    }

    /// Compiles the text of a script.
    pub(super) fn compile(&self, lua: &Lua, script: &Script) -> mlua::Result<Function> {
        // Lua shortens longer names.
        let name: String = script.name.chars().take(40).chain(".lua".chars()).collect();
        self.texts
            .borrow_mut()
            .insert(name.clone(), script.text.clone());
        let text = script.text.as_ref();
        // A shebang line is not Lua.
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

    /// Converts an error reported by Lua.
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
                "it exceeded the limit of instructions for one call".to_owned(),
                Some("an endless loop? `--chisel-instructions` sets the limit".to_owned()),
            ),
            mlua::Error::MemoryError(_) => (
                "it exceeded its memory limit".to_owned(),
                Some("`--chisel-memory MIB` raises the limit".to_owned()),
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

/// Returns the error of an API function, if that is the cause.
fn api_error(error: &mlua::Error) -> Option<&ApiError> {
    match error {
        mlua::Error::CallbackError { cause, .. } => api_error(cause),
        mlua::Error::ExternalError(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Returns the message of an error on one line, with the script's line in front if Lua knows it.
fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { traceback, cause } => {
            let cause = message(cause);
            // The first line of a script in the traceback is the caller.
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

/// The context of a call into a script.
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

/// The state and the session of a call.
#[derive(Clone, Copy)]
pub(super) struct HostState<'a> {
    pub(super) state: &'a State,
    pub(super) session: &'a Session,
}
