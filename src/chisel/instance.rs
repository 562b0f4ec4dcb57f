//! A loaded script, from its text to its last call.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::rc::Rc;

use mlua::{Function, Lua, Table, Value};

use super::api;
use super::arguments::{self, Argument};
use super::call::Callback;
use super::call_context::{CallInput, HostState};
use super::clock::{Clock, Tick};
use super::error::ChiselError;
use super::info::Info;
use super::native::{Native, View};
use super::registry::Script;
use super::run::Run;
use super::sandbox;
use super::script_state::{Interval, ScriptState};
use super::view::{ViewError, ViewInfo};
use super::watchdog;
use crate::event::Timestamp;
use crate::event::time::NS_PER_S;
use crate::fields::{Context, Field, FieldFlags};
use crate::filter::{Filter, TypeSet};
use crate::replay::Needs;

/// Limit of the chisels that replace each other with `chisel.exec`.
const MAX_SUCCESSORS: usize = 16;

/// A Lua state, until it is closed under the watchdog.
struct OpenState {
    lua: ManuallyDrop<Lua>,
    shared: Rc<ScriptState>,
}

impl Deref for OpenState {
    type Target = Lua;

    fn deref(&self) -> &Lua {
        &self.lua
    }
}

impl Drop for OpenState {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        let lua = unsafe { ManuallyDrop::take(&mut self.lua) };
        self.shared.close(lua);
    }
}

/// A script in its sandbox.
pub(super) struct Chisel {
    pub(super) info: Info,
    on_event: Option<Callback>,
    on_interval: Option<Function>,
    lua: OpenState,
    pub(super) shared: Rc<ScriptState>,
    /// The native implementation that replaces its functions.
    native: Option<Native>,
    clock: Clock,
    /// True if enter events are synthesised for it; `None` = not decided yet.
    wants_enter: Cell<Option<bool>>,
    /// True after a failure because of a limit: it is not called again.
    is_dead: bool,
}

impl Chisel {
    /// Runs the text of a script, which defines its functions and metadata.
    pub(super) fn load(run: &Rc<Run>, script: Script) -> Result<Self, ChiselError> {
        let (lua, shared, loaded) = Self::run_script(run, script)?;
        loaded.map_err(|error| shared.error(&error, false))?;
        let info = Info::read(&shared.script, &lua.globals())?;
        Ok(Self {
            lua,
            info,
            on_event: None,
            on_interval: None,
            native: None,
            clock: Clock::default(),
            wants_enter: Cell::new(None),
            is_dead: false,
            shared,
        })
    }

    /// Returns the arguments that a script declares, as far as it could be loaded.
    pub(super) fn declared(run: &Rc<Run>, script: Script) -> Vec<Argument> {
        let arguments = || {
            let (lua, shared, _failed_later) = Self::run_script(run, script).ok()?;
            Info::read(&shared.script, &lua.globals()).ok()?.arguments
        };
        arguments().unwrap_or_default()
    }

    /// Makes a Lua state and runs a script in it; also returns whether that failed.
    fn run_script(
        run: &Rc<Run>,
        script: Script,
    ) -> Result<(OpenState, Rc<ScriptState>, mlua::Result<()>), ChiselError> {
        let slot = watchdog::slot().map_err(ChiselError::Stack)?;
        let shared = Rc::new(ScriptState::new(run.clone(), script, slot));
        let failed = |error: mlua::Error| shared.error(&error, false);
        sandbox::allow(run.policy.instructions);
        let lua = OpenState {
            lua: ManuallyDrop::new(sandbox::lua(&shared).map_err(failed)?),
            shared: Rc::clone(&shared),
        };
        api::install(&lua, &shared).map_err(failed)?;
        let chunk = shared.compile(&lua, &shared.script).map_err(failed)?;
        let going = shared.begin_call();
        let loaded = chunk.call::<()>(());
        drop(going);
        Ok((lua, shared, loaded))
    }

    /// Loads a chisel by name, passes its arguments and initializes it.
    pub(super) fn start(run: &Rc<Run>, name: &str, given: &[String]) -> Result<Self, ChiselError> {
        let (mut name, mut given) = (name.to_owned(), given.to_vec());
        for _ in 0..MAX_SUCCESSORS {
            let mut chisel = Self::load(run, run.registry.find(&name)?)?;
            if chisel.info.is_view {
                chisel.open_view(&given)?;
                return Ok(chisel);
            }
            chisel.set_arguments(&given)?;
            chisel.init()?;
            chisel.set_native(chisel.shared.native.take());
            match chisel.shared.successor.take() {
                None => return Ok(chisel),
                Some(next) => (name, given) = (next.name, next.arguments),
            }
        }
        Err(ChiselError::Refused {
            chisel: name,
            reason: "chisels replace each other in a cycle".to_owned(),
        })
    }

    fn wrong_view(&self, error: ViewError) -> ChiselError {
        ChiselError::View {
            chisel: self.info.name.clone(),
            error: Box::new(error),
        }
    }

    fn refused(&self, reason: &str) -> ChiselError {
        ChiselError::Refused {
            chisel: self.info.name.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Reads the view that the script describes.
    pub(super) fn view(&self) -> Result<ViewInfo, ChiselError> {
        let described = self.lua.globals().raw_get::<Table>("view_info");
        let described = described.map_err(|error| self.shared.error(&error, false))?;
        ViewInfo::from_script(&described).map_err(|error| self.wrong_view(error))
    }

    /// Makes the table of the view that the script describes.
    fn open_view(&mut self, given: &[String]) -> Result<(), ChiselError> {
        if !given.is_empty() {
            return Err(self.refused("views take no arguments"));
        }
        let view = View::new(self.view()?, &self.shared.run);
        let view = view.map_err(|error| self.wrong_view(error))?;
        self.set_native(Some(Native::View(Box::new(view))));
        Ok(())
    }

    fn set_native(&mut self, native: Option<Native>) {
        if let Some(native) = &native
            && self.shared.run.is_live
        {
            self.shared.interval.set(Interval {
                aligned: native.every(),
                precise: 0,
            });
        }
        self.native = native;
    }

    fn terminated(&self, reason: &'static str) -> ChiselError {
        ChiselError::Terminated {
            chisel: self.info.name.clone(),
            reason,
        }
    }

    fn function(&self, name: &str) -> Option<Function> {
        match self.lua.globals().raw_get::<Value>(name) {
            Ok(Value::Function(function)) => Some(function),
            _ => None,
        }
    }

    /// Calls a function of the script.
    fn call(
        &mut self,
        function: &Function,
        arguments: impl mlua::IntoLuaMulti,
        is_running: bool,
    ) -> Result<Value, ChiselError> {
        let shared = self.shared.clone();
        let _going = shared.begin_call();
        function.call::<Value>(arguments).map_err(|error| {
            let out_of_memory = matches!(error, mlua::Error::MemoryError(_));
            self.is_dead |= out_of_memory || sandbox::is_exhausted();
            self.shared.error(&error, is_running)
        })
    }

    fn set_arguments(&mut self, given: &[String]) -> Result<(), ChiselError> {
        let Some(declared) = self.info.arguments.clone() else {
            let reason = "it has no table `args`, so it is a library, not a chisel";
            return Err(self.refused(reason));
        };
        arguments::check(&self.info.name, &declared, given)?;
        for (argument, value) in declared.iter().zip(given) {
            let (name, value) = (argument.name.as_str(), value.as_str());
            let Some(set) = self.function("on_set_arg") else {
                let mut arguments = self.shared.arguments.borrow_mut();
                arguments.insert(name.to_owned(), value.to_owned());
                continue;
            };
            match self.call(&set, (name, value), false)? {
                Value::Boolean(true) => {}
                _ => return Err(self.refused(&format!("it does not accept the argument {name}"))),
            }
        }
        Ok(())
    }

    fn init(&mut self) -> Result<(), ChiselError> {
        let Some(init) = self.function("on_init") else {
            return Ok(());
        };
        let returned = self.call(&init, (), false)?;
        let hands_over = self.shared.successor.borrow().is_some();
        match returned {
            Value::Boolean(true) => Ok(()),
            _ if hands_over => Ok(()),
            _ => Err(self.refused("its on_init did not return true")),
        }
    }

    /// Calls `on_capture_start`.
    pub(super) fn begin(&mut self, world: &HostState<'_>) -> Result<(), ChiselError> {
        if let Some(start) = self.function("on_capture_start") {
            let shared = self.shared.clone();
            let returned = shared
                .call_context
                .with_world(world, || self.call(&start, (), true))?;
            if !matches!(returned, Value::Boolean(true)) {
                return Err(self.terminated("its on_capture_start did not return true"));
            }
        }
        let on_event = self.function("on_event");
        let callback = on_event.map(|function| Callback::new(&self.lua, &function));
        self.on_event = callback
            .transpose()
            .map_err(|e| self.shared.error(&e, true))?;
        self.on_interval = self.function("on_interval");
        // It may have changed its settings.
        self.wants_enter.set(None);
        Ok(())
    }

    /// Returns true if enter events are synthesised for it.
    pub(super) fn wants_enter(&self) -> bool {
        let known = self.wants_enter.get();
        let wants = known.unwrap_or_else(|| self.asks_for_enter());
        self.wants_enter.set(Some(wants));
        wants
    }

    /// Returns true if its filter or its fields distinguish enter events from exit events.
    fn asks_for_enter(&self) -> bool {
        if let Some(native) = &self.native {
            return native.wants_enter();
        }
        let filter = self.shared.filter.borrow();
        match &*filter {
            Some(filter) if filter.asks_for_direction() => !filter.pushdown().enters.is_empty(),
            _ => {
                let wants = |field: &Field| field.info.flags.contains(FieldFlags::WANTS_ENTER);
                self.shared.fields.any(wants)
            }
        }
    }

    /// Returns what it needs of events, according to its settings so far.
    pub(super) fn needs(&self) -> Needs {
        let evaluated = |filter: &Filter| *filter.evaluated_types();
        if let Some(native) = &self.native {
            return Needs {
                types: native.filter().map_or(TypeSet::ALL, evaluated),
                data: native.needs_payload(),
                verifies: true,
            };
        }
        let filter = self.shared.filter.borrow();
        let shows_data = self.shared.formatter.borrow().is_some();
        Needs {
            types: filter.as_ref().map_or(TypeSet::ALL, evaluated),
            data: shows_data
                || filter.as_ref().is_some_and(Filter::needs_payload)
                || self.shared.fields.any(Field::needs_payload),
            verifies: true,
        }
    }

    /// Returns true if it has an interval.
    pub(super) fn has_interval(&self) -> bool {
        self.shared.interval.get() != Interval::default()
    }

    /// Returns the types of the events that it has to be offered; `None` = all, possibly only for
    /// their times.
    pub(super) fn wanted(&self) -> Option<TypeSet> {
        match self.has_interval() {
            true => None,
            false => self.looked_at(),
        }
    }

    /// Returns the types of the events that it evaluates; `None` = all.
    pub(super) fn looked_at(&self) -> Option<TypeSet> {
        // A stateful field has to see every event.
        let types = |filter: &Filter| {
            let pushdown = filter.pushdown();
            pushdown.depends_on_all.is_none().then_some(pushdown.types)
        };
        match &self.native {
            Some(native) => native.filter().and_then(types),
            None => self.shared.filter.borrow().as_ref().and_then(types),
        }
    }

    /// Calls `on_interval` as often as it is due, by event time or by current time.
    pub(super) fn interval(
        &mut self,
        now: Timestamp,
        around: CallInput<'_>,
    ) -> Result<(), ChiselError> {
        let set = self.shared.interval.get();
        if set.aligned == 0 && set.precise == 0 {
            return Ok(());
        }
        let shared = self.shared.clone();
        while let Some(Tick { time, delta }) = self.clock.tick(set, now.0) {
            if let Some(native) = &mut self.native {
                native.refresh(&around.world(), &self.shared.run);
                continue;
            }
            let Some(function) = self.on_interval.clone() else {
                return Err(self.terminated("it has an interval but no on_interval"));
            };
            let arguments = (
                (time / NS_PER_S) as f64,
                (time % NS_PER_S) as f64,
                delta as f64,
            );
            let returned = shared
                .call_context
                .with(around, || self.call(&function, arguments, true))?;
            if !matches!(returned, Value::Boolean(true)) {
                let reason = "execution terminated: its on_interval did not return true";
                return Err(self.terminated(reason));
            }
        }
        Ok(())
    }

    /// Passes an event to `on_event`, and prints the event if the result is true and a format is
    /// set.
    pub(super) fn event(&mut self, cx: &Context<'_>) -> Result<(), ChiselError> {
        if let Some(native) = &mut self.native {
            native.event(cx);
            return Ok(());
        }
        let shared = &self.shared;
        if let Some(filter) = &mut *shared.filter.borrow_mut()
            && !filter.matches(cx)
        {
            return Ok(());
        }
        let prints = match &self.on_event {
            None => true,
            Some(function) => {
                let _going = shared.begin_call();
                let is_shown = shared.formatter.borrow().is_some();
                match shared
                    .call_context
                    .with_event(cx, || function.call(&self.lua, is_shown))
                {
                    Ok(prints) => prints,
                    Err(error) => {
                        let out_of_memory = matches!(error, mlua::Error::MemoryError(_));
                        self.is_dead |= out_of_memory || sandbox::is_exhausted();
                        return Err(shared.error(&error, true));
                    }
                }
            }
        };
        if prints && !shared.run.ends.get() {
            self.print(cx);
        }
        Ok(())
    }

    /// Prints an event in the format of the script, if it has one.
    fn print(&self, cx: &Context<'_>) {
        let run = &self.shared.run;
        let mut formatter = self.shared.formatter.borrow_mut();
        let Some(template) = &mut *formatter else {
            return;
        };
        let mut output = run.output.borrow_mut();
        let buffers = run.buffer_format();
        let out = output.buffer();
        let written = if run.json {
            template.write_json(out, cx, buffers)
        } else {
            template.write(out, cx, buffers)
        };
        if written {
            out.push(b'\n');
            output.written();
        }
    }

    /// Calls `on_capture_end`; after an earlier error its errors are ignored.
    pub(super) fn end(&mut self, world: &HostState<'_>) -> Result<(), ChiselError> {
        if self.is_dead {
            return Ok(());
        }
        if let Some(native) = &mut self.native {
            native.print(world, &self.shared.run);
            return Ok(());
        }
        let Some(function) = self.function("on_capture_end") else {
            return Ok(());
        };
        let run = self.shared.run.clone();
        let (first, last) = (run.first_time.get(), run.last_time.get());
        let arguments = (
            (last / NS_PER_S) as f64,
            (last % NS_PER_S) as f64,
            last.saturating_sub(first) as f64,
        );
        let shared = self.shared.clone();
        let ended = shared
            .call_context
            .with_world(world, || self.call(&function, arguments, true));
        ended.map(drop)
    }
}
