//! The state of a script, which the functions that it calls share.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua};

use super::call_context::CallContext;
use super::error::{ApiError, ChiselError, Place};
use super::fields::Fields;
use super::native::Native;
use super::registry::Script;
use super::run::Run;
use super::watchdog::{self, Called, Going, Slot};
use crate::filter::Filter;
use crate::format::Template;

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
pub(super) struct ScriptState {
    pub(super) run: Rc<Run>,
    pub(super) script: Script,
    pub(super) fields: Fields,
    pub(super) call_context: CallContext,
    /// The Lua state, once it is created.
    pub(super) state: Cell<*mut mlua::ffi::lua_State>,
    slot: Arc<Slot>,
    /// Distinguishes it from other scripts for the watchdog.
    number: u64,
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

impl ScriptState {
    pub(super) fn new(run: Rc<Run>, script: Script, slot: Arc<Slot>) -> Self {
        Self {
            run,
            script,
            fields: Fields::default(),
            call_context: CallContext::default(),
            state: Cell::new(std::ptr::null_mut()),
            slot,
            number: watchdog::number(),
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
        self.fields.lend(false);
        watchdog::begin(&self.slot, &self.called(self.state.get()))
    }

    #[inline]
    fn called(&self, state: *mut mlua::ffi::lua_State) -> Called<'_> {
        Called {
            state,
            output: &self.run.output,
            script: &self.script.name,
            number: self.number,
        }
    }

    /// Closes the script's Lua state, which runs the finalizers of files.
    pub(super) fn close(&self, lua: Lua) {
        if self.run.policy.unrestricted {
            // Finalizers of its own would run in a state that is half closed.
            std::mem::forget(lua);
            return;
        }
        let _going = watchdog::begin(&self.slot, &self.called(std::ptr::null_mut()));
        drop(lua);
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
