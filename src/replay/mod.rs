//! From a capture, through the state, to a sink.
//!
//! A push pipeline: the source hands over borrowed events, the state follows them, the sink sees each
//! with the state around it. Nothing is allocated per event.

mod capture_info;
pub mod enters;
pub mod indexed;
pub mod matcher;
mod native;
mod seek;
mod selection;
mod span;
mod sysdig;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{
    ContainerReport, Damages, Header, LossReport, MachineInfo, Snapshot,
};
use scap_capture_format::schema::{Arch, types};
use thiserror::Error;

pub use capture_info::{CaptureInfo, LostSpan, capture_info, sysdig_capture_info};
pub use enters::EnterSynthesizer;
pub use indexed::{IndexedCapture, IndexedCaptureError, Segment, SegmentReplayer};
pub use native::NativeSource;
pub use seek::{Start, first_event, start};
pub use selection::Selection;
pub use span::{LossInterval, Scope, Span};
pub use sysdig::SysdigSource;

use crate::event::{Event, PairedEvent};
use crate::fields::{Context, Session};
use crate::filter::TypeSet;
use crate::state::State;
use selection::WindowPosition;

/// What a source hands over, in the order of the capture.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The machine that what follows was recorded on, if the header did not tell.
    Machine(&'a MachineInfo),
    /// State at one instant.
    Snapshot(&'a Snapshot),
    /// An event.
    Event(PairedEvent<'a>),
    /// Descriptions of containers that later events give as well.
    Containers(&'a ContainerReport),
    /// Events that the capture lacks.
    Loss(&'a LossReport),
    /// A part of the capture that could not be read.
    Gap,
    /// Nothing more is at hand: what was taken so far can be shown.
    Pause,
}

/// What receives a source's items; `Break` ends the reading.
pub type Each<'e> = &'e mut dyn FnMut(Item<'_>) -> io::Result<ControlFlow<()>>;

/// What of events is looked at.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Types of the events whose parameters are.
    pub types: TypeSet,
    /// Whether the bytes that calls moved are.
    pub data: bool,
}

impl Needs {
    /// Everything.
    pub const ALL: Self = Self {
        types: TypeSet::ALL,
        data: true,
    };
}

/// Something that events come from.
pub trait EventSource {
    /// Returns what the capture says about itself.
    fn header(&self) -> &Header;

    /// Hands over everything in order.
    ///
    /// # Errors
    ///
    /// What makes reading on impossible, or what `each` returned. Damage is no error: it is passed over
    /// and told in [`Self::damages`].
    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError>;

    /// Says what of the events somebody will look at, besides the state: the rest need not be loaded.
    fn set_needs(&mut self, _: &Needs) {}

    /// Whether calls have two events, enter and exit, or can have.
    fn is_in_pairs(&self) -> bool;

    /// Returns the damages met so far.
    fn damages(&self) -> &Damages;

    /// Whether the recorder had finished the capture, and its end was reached.
    fn is_complete(&self) -> bool;

    /// Returns the types of events that were passed over because this program does not know them, with
    /// their counts; `None` if that cannot happen.
    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        None
    }
}

/// Something that events go to.
pub trait EventSink {
    /// Takes an event with the state around it; `Break` ends the replay.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from taking more.
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>>;

    /// Takes an enter event that was made up, of a capture with one event a call.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn synthesized_enter(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.event(cx)
    }

    /// Returns the types of the enter events that are to be made up where the capture has none. Asked once,
    /// after [`Self::begin`].
    fn enters(&self) -> TypeSet {
        TypeSet::NONE
    }

    /// Takes the state just before the first event that is wanted, or that would be.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn begin(&mut self, _: &mut State, _: &Session) -> io::Result<()> {
        Ok(())
    }

    /// Takes the state between two events, of which the second is of the window and not the first one there.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn between(&mut self, _: &mut State) -> io::Result<()> {
        Ok(())
    }

    /// Takes note of an event of the window that is not to be shown: the filter rejected it, or it was hidden already.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn hidden(&mut self, _: &Context<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Takes note of events that the capture lacks.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn loss(&mut self, _: &LossReport) -> io::Result<()> {
        Ok(())
    }

    /// Shows what was taken so far: the next event may be long in coming.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a replay ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The capture cannot be read on.
    #[error(transparent)]
    Read(#[from] scap_capture_format::Error),
    /// The sink failed.
    #[error("the output failed")]
    Sink(#[source] io::Error),
}

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of what the source has.
    Reached,
    /// Earlier: the sink or the selection wanted no more.
    Stopped,
}

/// Replays a capture: every event goes through the state, those that are wanted to the sink.
///
/// # Errors
///
/// As [`EventSource::read`] and [`EventSink::event`].
pub fn replay(
    source: &mut dyn EventSource,
    state: &mut State,
    session: &mut Session,
    selection: &mut Selection,
    sink: &mut dyn EventSink,
) -> Result<End, ReplayError> {
    session.set_machine(&source.header().machine);
    // Events that are not there can have changed anything: the next snapshot knows better.
    let mut trusted = false;
    let mut begun = false;
    // What a recorder's filter rejected it has seen, and this replay will not.
    let is_filtered = |(name, _): &(String, String)| name == FILTER;
    let is_filtered = source.header().options.iter().any(is_filtered);
    // Where calls have one event, the other one is made up for filters that ask for it.
    let asked = selection.filter.as_ref().map(|f| f.pushdown().enters);
    let asked = asked.unwrap_or(TypeSet::NONE);
    let arch = arch(source.header()).unwrap_or(Arch::X86_64);
    let lacks_enters = !source.is_in_pairs();
    let mut enters = None;
    let mut end = End::Reached;
    let mut one = |item: Item<'_>| {
        match item {
            Item::Machine(machine) => session.set_machine(machine),
            Item::Snapshot(snapshot) => {
                if !trusted || is_filtered {
                    state.restore(snapshot);
                    trusted = true;
                }
            }
            Item::Containers(report) => {
                let descriptions = report.descriptions.iter();
                descriptions.for_each(|description| state.preload_container(&description.json));
            }
            Item::Loss(report) => {
                trusted &= report.losses.iter().all(|l| l.count == 0);
                sink.loss(report)?;
            }
            Item::Gap => trusted = false,
            Item::Pause => sink.pause()?,
            Item::Event(paired) => {
                let event = paired.event;
                if session.first_time == 0 && !is_about_capture(event) {
                    session.first_time = event.ts.0;
                }
                let place = selection.place(event, session.first_time);
                match place {
                    WindowPosition::Before | WindowPosition::After => {
                        state.apply(paired);
                        return Ok(ControlFlow::Continue(()));
                    }
                    WindowPosition::PastEnd => return Ok(ControlFlow::Break(())),
                    WindowPosition::Within => {}
                }
                if begun {
                    sink.between(state)?;
                } else {
                    begun = true;
                    sink.begin(state, session)?;
                    if lacks_enters {
                        enters = EnterSynthesizer::new(asked.or(&sink.enters()), arch);
                    }
                }
                if let Some(enters) = &mut enters
                    && let Some(enter) = enters.of(event)
                {
                    let view = state.view(&enter);
                    let cx = Context {
                        event: &enter,
                        view: &view,
                        session,
                    };
                    if selection.passes(&cx) && sink.synthesized_enter(&cx)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                state.apply(paired);
                let view = state.view(paired);
                let cx = Context {
                    event,
                    view: &view,
                    session,
                };
                if !event.flags.contains(EventFlags::HIDDEN) && selection.passes(&cx) {
                    return sink.event(&cx);
                }
                sink.hidden(&cx)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    source.read(&mut |item| {
        let flow = one(item)?;
        if flow.is_break() {
            end = End::Stopped;
        }
        Ok(flow)
    })?;
    Ok(end)
}

/// The option of a capture, in its header, that says which filter its recorder had.
const FILTER: &str = "filter";

/// Whether an event tells of users or containers: it can be of a time before the capture.
pub(crate) fn is_about_capture(event: &Event<'_>) -> bool {
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

/// Returns the architecture whose syscall numbers a capture has.
pub fn arch(header: &Header) -> Option<Arch> {
    Arch::from_name(&header.machine.arch)
}
