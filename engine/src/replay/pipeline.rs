//! The main loop: source, enter synthesis, state, filter, sink.

use std::ops::ControlFlow;
use std::{fmt, io};

use scap_capture_format::event::{EventFlags, Timestamp};
use scap_capture_format::native::{ContainerReport, Loss, LossCause, Origin, OriginId};
use scap_capture_format::schema::{Arch, types};
use thiserror::Error;

use super::selection::WindowPosition;
use super::{EnterSynthesizer, EventSink, EventSource, Item, Selection};
use crate::event::{Event, EventExt as _, PairedEvent};
use crate::fields::{Context, Session};
use crate::filter::TypeSet;
use crate::state::State;

/// Why a replay ended early.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The capture cannot be read further.
    #[error(transparent)]
    Read(#[from] scap_capture_format::Error),
    /// The sink failed.
    #[error("the output failed")]
    Sink(#[source] io::Error),
}

/// How far a replay came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// To the end of the source.
    Reached,
    /// The sink or the selection stopped it early.
    Stopped,
}

/// The state of one recorded machine during a replay.
pub struct OriginState {
    /// Threads, fds, users and containers.
    pub state: State,
    /// Data that is the same for all events.
    pub session: Session,
    /// Nothing is missing since the last snapshot. Missing events can have changed anything, so
    /// after a gap the next snapshot replaces the state.
    is_trusted: bool,
    /// The recorder used a filter: the rejected events are missing everywhere.
    is_filtered: bool,
    /// Calls have one event: enter events are synthesized where needed.
    lacks_enters: bool,
    enters: Option<EnterSynthesizer>,
}

impl OriginState {
    fn new(mut session: Session, origin: &Origin) -> Self {
        session.is_filtered = origin.is_filtered;
        let mut state = State::new();
        state.set_arch(session.arch);
        Self {
            state,
            session,
            is_trusted: false,
            is_filtered: origin.is_filtered,
            lacks_enters: !origin.is_paired,
            enters: None,
        }
    }
}

impl fmt::Debug for OriginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginState")
            .field("is_trusted", &self.is_trusted)
            .finish_non_exhaustive()
    }
}

/// Passes the items of a source through state and selection to a sink. Nothing is allocated per
/// event.
///
/// [`Self::run`] reads a whole source; callers that have single items (the recorder, a segment of
/// an indexed capture) use [`Self::item`].
pub struct Pipeline {
    origins: Vec<OriginState>,
    selection: Selection,
    /// Types of the enter events that the filter needs.
    asked: TypeSet,
    /// Only events of these types update the state; `None` = all.
    applied: Option<TypeSet>,
    /// The first event of the window was reached.
    has_begun: bool,
    /// True if an event with a time was in the time window.
    has_hit: bool,
    /// The time of the last event that has one, if there is a time window.
    latest: u64,
    /// The sink takes the states between events.
    calls_between: bool,
}

impl Pipeline {
    /// Makes a pipeline. `session` has the output settings for the fields of all origins.
    pub fn new(session: Session, origins: &[Origin], selection: Selection) -> Self {
        let asked = selection.filter.as_ref().map(|f| f.pushdown().enters);
        let mut pipeline = Self {
            origins: Vec::with_capacity(origins.len().max(1)),
            selection,
            asked: asked.unwrap_or(TypeSet::NONE),
            applied: None,
            has_begun: false,
            has_hit: false,
            latest: 0,
            calls_between: false,
        };
        let own = [Origin::default()];
        let origins = if origins.is_empty() { &own } else { origins };
        for (number, origin) in (0..).zip(origins) {
            let is_merged = origins.len() > 1;
            let mut session = session.fork(is_merged.then_some(OriginId(number)));
            session.set_machine(&origin.machine);
            pipeline.origins.push(OriginState::new(session, origin));
        }
        pipeline
    }

    /// Restricts the state to events of these types: the others are known not to change it, which
    /// makes large numbers of them cheap. Not for filters, since fields can depend on such events
    /// (memory counters, times).
    pub fn apply_only(&mut self, types: TypeSet) {
        self.applied = Some(types);
    }

    /// Returns the states of all origins.
    pub fn origins(&self) -> &[OriginState] {
        &self.origins
    }

    /// Returns the states of all origins.
    pub fn origins_mut(&mut self) -> &mut [OriginState] {
        &mut self.origins
    }

    /// Returns the states after the last event.
    pub fn into_origins(self) -> Vec<OriginState> {
        self.origins
    }

    /// Replays a source to its end, or until the sink or the selection stops.
    ///
    /// # Errors
    ///
    /// As [`EventSource::read`] and [`EventSink::event`].
    pub fn run(
        &mut self,
        source: &mut dyn EventSource,
        sink: &mut dyn EventSink,
    ) -> Result<End, ReplayError> {
        let mut end = End::Reached;
        source.read(&mut |origin, item| {
            let flow = self.item(origin, item, sink)?;
            if flow.is_break() {
                end = End::Stopped;
            }
            Ok(flow)
        })?;
        sink.end(&mut self.origins).map_err(ReplayError::Sink)?;
        Ok(end)
    }

    /// Processes one item. `Break`: the sink or the selection stopped.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    #[inline(always)]
    pub fn item(
        &mut self,
        origin: OriginId,
        item: Item<'_>,
        sink: &mut dyn EventSink,
    ) -> io::Result<ControlFlow<()>> {
        let origin = usize::from(origin.0);
        let Some(own) = self.origins.get_mut(origin) else {
            // Items of undeclared origins are ignored.
            return Ok(ControlFlow::Continue(()));
        };
        match item {
            Item::Event(event) => return self.event(origin, event, sink),
            Item::StateOnly(event) => {
                // An event without a time in the window belongs to the one before it.
                if self.selection.has_window() {
                    self.latest = event.event.ts.known().unwrap_or(self.latest);
                }
                own.state.apply(event);
            }
            Item::Machine(machine) => {
                own.session.set_machine(machine);
                own.state.set_arch(own.session.arch);
            }
            Item::Snapshot(snapshot) => {
                if !own.is_trusted || own.is_filtered {
                    own.state.restore(snapshot);
                    own.is_trusted = true;
                }
            }
            Item::Containers(report, count) => {
                let end = origin.saturating_add(count).min(self.origins.len());
                preload(&mut self.origins[origin..end], report);
            }
            Item::Loss(report) => {
                // Audit events change no state.
                let is_harmless = |loss: &Loss| match loss.cause {
                    LossCause::AUDIT => true,
                    // How many is not always known.
                    LossCause::DAMAGE => false,
                    _ => loss.count == 0,
                };
                own.is_trusted &= report.losses.iter().all(is_harmless);
                sink.loss(report)?;
            }
            Item::Gap => own.is_trusted = false,
            Item::Pause => return sink.pause(None, &self.origins),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Makes descriptions of containers known to all origins.
    pub(super) fn preload_containers(&mut self, report: &ContainerReport) {
        preload(&mut self.origins, report);
    }

    /// Returns true if the selection has a time window and no event was in it.
    pub fn has_missed(&self) -> bool {
        self.selection.has_window() && !self.has_hit
    }

    /// Lets the sink flush its output: all events up to `time` were passed on.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn pause(
        &mut self,
        time: Timestamp,
        sink: &mut dyn EventSink,
    ) -> io::Result<ControlFlow<()>> {
        sink.pause(Some(time), &self.origins)
    }

    #[inline(always)]
    fn event(
        &mut self,
        origin: usize,
        paired: PairedEvent<'_>,
        sink: &mut dyn EventSink,
    ) -> io::Result<ControlFlow<()>> {
        let event = paired.event;
        let own = &mut self.origins[origin];
        if own.session.first_time == 0
            && let Some(time) = event.ts.known()
            && !is_about_capture(event)
        {
            // `+5s` counts from the first event of all origins.
            for origin in &mut self.origins {
                origin.session.first_time = time;
            }
        }
        let own = &mut self.origins[origin];
        let mut position = WindowPosition::Within;
        if self.selection.has_window() {
            // An event without a time belongs to the one before it.
            self.latest = event.ts.known().unwrap_or(self.latest);
            let first = own.session.first_time;
            position = self.selection.position(event, self.latest, first);
            self.has_hit |= position == WindowPosition::Within && event.ts.known().is_some();
        }
        match position {
            WindowPosition::Before | WindowPosition::After => {
                own.state.apply(paired);
                return Ok(ControlFlow::Continue(()));
            }
            WindowPosition::PastEnd
                if self.origins.len() > 1 && self.selection.ends_by_number() =>
            {
                // The numbers belong to one origin: others may not have reached them.
                self.origins[origin].state.apply(paired);
                return Ok(ControlFlow::Continue(()));
            }
            WindowPosition::PastEnd => return Ok(ControlFlow::Break(())),
            WindowPosition::Within => {}
        }
        if !self.has_begun {
            self.begin(sink)?;
        } else if self.calls_between {
            sink.between(&mut self.origins)?;
        }
        let OriginState {
            state,
            session,
            enters,
            ..
        } = &mut self.origins[origin];
        if let Some(enters) = enters
            && let Some(enter) = enters.of(event)
        {
            let view = state.view(&enter);
            let cx = Context {
                event: &enter,
                view: &view,
                session,
            };
            if self.selection.passes(&cx) && sink.synthesized_enter(&cx)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if changes(self.applied.as_ref(), event) {
            state.apply(paired);
        }
        let view = state.view(paired);
        let cx = Context {
            event,
            view: &view,
            session,
        };
        if !event.flags.contains(EventFlags::HIDDEN) && self.selection.passes(&cx) {
            return sink.event(&cx);
        }
        sink.hidden(&cx)?;
        Ok(ControlFlow::Continue(()))
    }

    #[cold]
    fn begin(&mut self, sink: &mut dyn EventSink) -> io::Result<()> {
        self.has_begun = true;
        sink.begin(&mut self.origins)?;
        self.calls_between = sink.takes_between();
        let wanted = self.asked.or(&sink.enters());
        for own in self.origins.iter_mut().filter(|own| own.lacks_enters) {
            let arch = own.session.arch.unwrap_or(Arch::X86_64);
            own.enters = EnterSynthesizer::new(wanted, arch);
        }
        Ok(())
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("origins", &self.origins)
            .field("has_begun", &self.has_begun)
            .finish_non_exhaustive()
    }
}

/// Replays a whole source, without filter and time window, and returns the pipeline with the final
/// states.
///
/// # Errors
///
/// As [`Pipeline::run`].
pub fn replay_all(
    source: &mut dyn EventSource,
    session: Session,
    sink: &mut dyn EventSink,
) -> Result<Pipeline, ReplayError> {
    let mut pipeline = Pipeline::new(session, source.origins(), Selection::default());
    let _end = pipeline.run(source, sink)?;
    Ok(pipeline)
}

/// Makes descriptions of containers known to origins, which share one list: a merged capture can have many origins.
fn preload(origins: &mut [OriginState], report: &ContainerReport) {
    let Some((first, others)) = origins.split_first_mut() else {
        return;
    };
    // The others release the list, so that it is changed in place.
    let none = State::new();
    for other in others.iter_mut() {
        other.state.share_preloaded(&none);
    }
    for description in &report.descriptions {
        first.state.preload_container(&description.json);
    }
    for other in others {
        other.state.share_preloaded(&first.state);
    }
}

/// Returns true if an event is applied to the state.
#[inline(always)]
fn changes(applied: Option<&TypeSet>, event: &Event<'_>) -> bool {
    let Some(types) = applied else {
        return true;
    };
    match event.ty {
        types::GENERIC_X => {
            let code = event.uint(0).and_then(|code| u16::try_from(code).ok());
            types.contains_call(code.unwrap_or(0))
        }
        ty => types.contains(ty),
    }
}

/// Returns true for events that describe users or containers: they can be from before the capture.
pub fn is_about_capture(event: &Event<'_>) -> bool {
    matches!(
        event.ty,
        types::CONTAINER_E
            | types::CONTAINER_JSON_E
            | types::CONTAINER_JSON_2_E
            | types::ASYNCEVENT_E
            | types::USER_ADDED_E
            | types::USER_DELETED_E
            | types::GROUP_ADDED_E
            | types::GROUP_DELETED_E
    )
}
