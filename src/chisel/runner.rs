//! The chisels of a run, as a sink of events.

use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use super::arguments::{self, Argument};
use super::call_context::{CallInput, HostState};
use super::error::ChiselError;
use super::info::Info;
use super::instance::Chisel;
use super::native;
use super::options::{Options, Progress};
use super::registry::{Script, ScriptRegistry};
use super::run::Run;
use super::sandbox::Policy;
use super::view::ViewInfo;
use super::watchdog::with_stack;
use crate::event::bytes::BufferFormat;
use crate::event::{EventFlags, Timestamp};
use crate::fields::{Context, Session};
use crate::filter::{Filter, TypeSet};
use crate::replay::{EventSink, Needs, OriginState};
use crate::state::State;

/// A chisel on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name or path.
    pub name: String,
    /// Its arguments, not split yet.
    pub arguments: String,
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The command line with which a script asked to restart the program.
    pub again: Option<String>,
    /// The exit code, if a script called `os.exit`.
    pub exit: Option<i32>,
}

/// The chisels of a run.
pub struct ChiselRunner {
    run: Rc<Run>,
    chisels: Vec<Chisel>,
    /// The number of events that are still passed on.
    left: u64,
    events: u64,
    begun: bool,
    /// True if the filter of the command line needs enter events.
    filter_wants_enter: bool,
    failed: Option<ChiselError>,
    /// True if a chisel has an interval. Valid for the same number of changes as `wanted`.
    has_intervals: bool,
    /// Types of events that some chisel needs, for their time or more; `None` = all. With the
    /// number of changes for which it is valid.
    wanted: (u64, Option<TypeSet>),
    /// The exit code of a script that ended the program before the capture was opened.
    exited: Option<i32>,
}

impl ChiselRunner {
    /// Loads and initializes the chisels. `limit` is the maximum number of events passed on.
    ///
    /// # Errors
    ///
    /// [`ChiselError`].
    pub fn new(options: Options, wanted: &[Wanted], limit: u64) -> Result<Self, ChiselError> {
        let run = Rc::new(Run::new(options));
        let mut host = Self {
            chisels: Vec::new(),
            left: limit,
            events: 0,
            begun: false,
            filter_wants_enter: false,
            failed: None,
            has_intervals: false,
            wanted: (u64::MAX, None),
            exited: None,
            run,
        };
        for Wanted { name, arguments } in wanted {
            let given = arguments::split(name, arguments)?;
            let started = Chisel::start(&host.run, name, &given);
            // Output before the failure may explain it.
            host.run.output.borrow_mut().flush();
            match started {
                Ok(chisel) => host.chisels.push(chisel),
                Err(ChiselError::Exited(code)) => host.exited = Some(code),
                Err(error) => return Err(error),
            }
        }
        if let Some(filter) = host.filter() {
            let filter = Filter::parse(&filter);
            host.filter_wants_enter = filter.is_ok_and(|f| !f.pushdown().enters.is_empty());
        }
        Ok(host)
    }

    /// Returns the filter of the capture: the user's, or one set by a script.
    pub fn filter(&self) -> Option<String> {
        self.run.filter.borrow().0.clone()
    }

    /// Returns the exit code of a script that ended the program before the capture was opened.
    pub fn exited(&self) -> Option<i32> {
        self.exited
    }

    /// Returns the format of data.
    pub fn buffers(&self) -> BufferFormat {
        self.run.buffer_format()
    }

    /// Returns the snaplen set by a script, if any.
    pub fn snaplen(&self) -> Option<u32> {
        self.run.snaplen.get()
    }

    /// Returns where to store the percentage of the capture that was read.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.run.progress)
    }

    /// Returns how many events were passed on.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns what the chisels need of events, according to their settings so far. Later settings
    /// that need more are refused.
    pub fn needs(&self) -> Needs {
        let mut all = Needs {
            types: TypeSet::NONE,
            data: false,
            verifies: true,
        };
        for chisel in &self.chisels {
            let needs = chisel.needs();
            all.types = all.types.or(&needs.types);
            all.data |= needs.data;
        }
        self.run.loaded.replace(Some(all.clone()));
        all
    }

    /// Flushes the output before a possible pause.
    pub fn flush(&mut self) {
        self.run.output.borrow_mut().flush();
    }

    /// Returns the types of the events that the chisels evaluate, besides types that change the
    /// state; `None` = all.
    pub fn looked_at(&self) -> Option<TypeSet> {
        // Memory counters are in the table of threads, which any script can read.
        let memory = TypeSet::of(crate::state::counts_memory);
        let mut chisels = self.chisels.iter();
        chisels.try_fold(memory, |types, chisel| Some(types.or(&chisel.looked_at()?)))
    }

    /// Handles a pause of live events: everything up to `time` was passed on. Calls `on_interval`
    /// if it is due and flushes the output.
    pub fn pause_at(
        &mut self,
        time: Timestamp,
        state: &State,
        session: &Session,
    ) -> ControlFlow<()> {
        if self.begun && self.failed.is_none() {
            let around = CallInput::HostState(HostState { state, session });
            let mut due = self.chisels.iter_mut();
            if let Err(error) = due.try_for_each(|chisel| chisel.interval(time, around)) {
                self.failed = Some(error);
            }
        }
        self.flush();
        self.go_on()
    }

    /// Calls `on_capture_end` of the chisels.
    ///
    /// # Errors
    ///
    /// The first error of a chisel, including earlier ones.
    pub fn finish(mut self, origins: &[OriginState]) -> Result<Ended, ChiselError> {
        let (state, session) = (State::new(), Session::default());
        // For merged captures, functions called at the end see the first origin.
        let world = origins.first().map_or(
            HostState {
                state: &state,
                session: &session,
            },
            |origin| HostState {
                state: &origin.state,
                session: &origin.session,
            },
        );
        if !self.begun && self.failed.is_none() {
            self.begin_all(&world);
        }
        if !matches!(self.failed, Some(ChiselError::Exited(_))) {
            for chisel in &mut self.chisels {
                if let Err(error) = chisel.end(&world) {
                    self.failed.get_or_insert(error);
                }
            }
        }
        let mut output = self.run.output.borrow_mut();
        output.flush();
        if let Some(error) = output.take_failure() {
            return Err(ChiselError::Output(error));
        }
        match self.failed.take() {
            Some(ChiselError::Exited(code)) => Ok(Ended {
                again: None,
                exit: Some(code),
            }),
            Some(error) => Err(error),
            None => Ok(Ended {
                again: self.run.again.take(),
                exit: None,
            }),
        }
    }

    fn begin_all(&mut self, world: &HostState<'_>) {
        self.begun = true;
        self.run.is_open.set(true);
        for chisel in &mut self.chisels {
            if let Err(error) = chisel.begin(world) {
                self.failed.get_or_insert(error);
                return;
            }
        }
    }

    /// Calls `on_interval` if it is due at the time of an event that is not passed on.
    fn pass_over(&mut self, cx: &Context<'_>) {
        if !self.meet(cx) {
            return;
        }
        for chisel in &mut self.chisels {
            if let Err(error) = chisel.interval(cx.event.ts, CallInput::Event(cx)) {
                self.failed.get_or_insert(error);
                return;
            }
        }
    }

    /// Passes an event to the chisels. `synthesized_enter`: it is a synthesised enter event.
    fn hand_over(&mut self, cx: &Context<'_>, synthesized_enter: bool) -> ControlFlow<()> {
        if self.left == 0 {
            return ControlFlow::Break(());
        }
        for chisel in &mut self.chisels {
            if synthesized_enter && !chisel.wants_enter() && !self.filter_wants_enter {
                continue;
            }
            let due = match self.has_intervals {
                true => chisel.interval(cx.event.ts, CallInput::Event(cx)),
                false => Ok(()),
            };
            if let Err(error) = due.and_then(|()| chisel.event(cx)) {
                self.failed.get_or_insert(error);
                return ControlFlow::Break(());
            }
            if self.run.ends.get() {
                return ControlFlow::Break(());
            }
        }
        if !synthesized_enter {
            self.events += 1;
            self.left -= 1;
        }
        if self.left == 0 || self.run.output.borrow().has_failed() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Handles an event of the capture.
    pub fn take(&mut self, cx: &Context<'_>) -> ControlFlow<()> {
        if self.left > 1 && self.is_unwanted(cx) {
            self.run.note_time(cx.event.ts);
            self.events += 1;
            self.left -= 1;
            return ControlFlow::Continue(());
        }
        match self.meet(cx) {
            true => self.hand_over(cx, false),
            false => self.go_on(),
        }
    }

    /// Handles a synthesised enter event.
    pub fn take_synthesized_enter(&mut self, cx: &Context<'_>) -> ControlFlow<()> {
        if self.is_unwanted(cx) {
            self.run.note_time(cx.event.ts);
            return ControlFlow::Continue(());
        }
        match self.meet(cx) {
            true => self.hand_over(cx, true),
            false => self.go_on(),
        }
    }

    /// Returns true if no chisel needs an event, which is the case for most events if all have
    /// filters.
    #[inline]
    fn is_unwanted(&self, cx: &Context<'_>) -> bool {
        let (changes, wanted) = &self.wanted;
        let wanted = wanted
            .as_ref()
            .filter(|_| *changes == self.run.changes.get());
        wanted.is_some_and(|wanted| !wanted.contains(cx.event.ty))
    }

    /// Notes an event and returns true if it is passed on: as in sysdig, events that describe users
    /// and containers before all other events are part of the start of the capture.
    #[inline]
    fn meet(&mut self, cx: &Context<'_>) -> bool {
        if self.wanted.0 == self.run.changes.get() && self.failed.is_none() {
            self.run.note_time(cx.event.ts);
            return true;
        }
        self.meet_first(cx)
    }

    /// The same for the first event, and after a change of settings.
    #[cold]
    fn meet_first(&mut self, cx: &Context<'_>) -> bool {
        if cx.session.first_time == 0 || self.failed.is_some() {
            return false;
        }
        if !self.begun {
            let world = HostState {
                state: cx.view.state(),
                session: cx.session,
            };
            self.begin_all(&world);
        }
        // A synthesised enter event can be from before the first event.
        let time = cx.event.ts.known().unwrap_or(0).max(cx.session.first_time);
        if self.run.first_time.get() == 0 {
            self.run.first_time.set(time);
        }
        self.run.note_time(Timestamp(time));
        if self.wanted.0 != self.run.changes.get() {
            self.settle();
        }
        self.failed.is_none()
    }

    /// Computes which events are needed.
    fn settle(&mut self) {
        let types = self
            .chisels
            .iter()
            .try_fold(TypeSet::NONE, |types, chisel| {
                Some(types.or(&chisel.wanted()?))
            });
        self.has_intervals = self.chisels.iter().any(Chisel::has_interval);
        self.wanted = (self.run.changes.get(), types);
    }

    fn go_on(&self) -> ControlFlow<()> {
        match self.failed {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    }

    /// Returns the types of the enter events to synthesise for chisels written for captures with
    /// two events per call.
    pub fn enters(&self) -> TypeSet {
        let want = self.chisels.iter().filter(|chisel| chisel.wants_enter());
        want.fold(TypeSet::NONE, |types, chisel| {
            types.or(&chisel.needs().types)
        })
    }
}

impl EventSink for ChiselRunner {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        Ok(self.take(cx))
    }

    fn synthesized_enter(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        Ok(self.take_synthesized_enter(cx))
    }

    fn enters(&self) -> TypeSet {
        Self::enters(self)
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if !cx.event.flags.contains(EventFlags::HIDDEN) {
            self.pass_over(cx);
        }
        Ok(())
    }

    fn pause(
        &mut self,
        time: Option<Timestamp>,
        origins: &[OriginState],
    ) -> io::Result<ControlFlow<()>> {
        if let (Some(time), Some(origin)) = (time, origins.first()) {
            return Ok(self.pause_at(time, &origin.state, &origin.session));
        }
        self.flush();
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns the metadata of a script.
///
/// # Errors
///
/// Those of loading the script.
pub fn info(
    registry: ScriptRegistry,
    mut policy: Policy,
    script: Script,
) -> Result<Info, ChiselError> {
    policy.describes = true;
    with_stack(|| {
        let run = Rc::new(Run::new(Options::quiet(registry, policy)));
        Chisel::load(&run, script).map(|chisel| chisel.info)
    })
    .map_err(ChiselError::Stack)?
}

/// Returns the arguments that a script declares; for one that cannot be loaded, those that it
/// declared before it failed.
pub fn declared_arguments(
    registry: ScriptRegistry,
    mut policy: Policy,
    script: Script,
) -> Vec<Argument> {
    policy.describes = true;
    let declared = with_stack(|| {
        let run = Rc::new(Run::new(Options::quiet(registry, policy)));
        Chisel::declared(&run, script)
    });
    declared.unwrap_or_default()
}

/// Returns the available views, by name; scripts without a valid view are skipped, and so are those of `./chisels`, which
/// nobody asked for.
pub fn views(registry: ScriptRegistry, policy: Policy) -> Vec<ViewInfo> {
    let found = with_stack(|| {
        let run = Rc::new(Run::new(Options::quiet(registry, policy)));
        native::views(&run)
    });
    found.unwrap_or_default()
}
