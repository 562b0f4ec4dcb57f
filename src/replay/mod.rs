//! From a capture, through the state, to a sink.
//!
//! A push pipeline: the source hands over borrowed events, the state follows them, the sink sees each
//! with the state around it. Nothing is allocated per event.

mod native;
mod survey;
mod sysdig;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{Damages, Header, LossReport, MachineInfo, Snapshot};
use scap_capture_format::schema::{Arch, types};
use thiserror::Error;

pub use native::NativeSource;
pub use survey::{LostSpan, Survey, survey};
pub use sysdig::SysdigSource;

use crate::event::{Event, Occurrence};
use crate::filter::fields::{Context, Session};
use crate::state::State;

/// What a source hands over, in the order of the capture.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The machine that what follows was recorded on, if the header did not tell.
    Machine(&'a MachineInfo),
    /// State at one instant.
    Snapshot(&'a Snapshot),
    /// An event.
    Event(Occurrence<'a>),
    /// Events that the capture lacks.
    Loss(&'a LossReport),
    /// A part of the capture that could not be read.
    Gap,
    /// Nothing more is at hand: what was taken so far can be shown.
    Pause,
}

/// What receives a source's items; `Break` ends the reading.
pub type Each<'e> = &'e mut dyn FnMut(Item<'_>) -> io::Result<ControlFlow<()>>;

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

    /// Takes note of an event that is not to be shown: the filter rejected it, or it was hidden already.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn hidden(&mut self, _: &Context<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Takes note of state that the capture tells at this place.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn snapshot(&mut self, _: &Snapshot) -> io::Result<()> {
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

/// Replays a capture: every event goes through the state, those that are to be shown to the sink.
///
/// # Errors
///
/// As [`EventSource::read`] and [`EventSink::event`].
pub fn replay(
    source: &mut dyn EventSource,
    state: &mut State,
    session: &mut Session,
    sink: &mut dyn EventSink,
) -> Result<(), ReplayError> {
    session.machine(&source.header().machine);
    // Events that are not there can have changed anything: the next snapshot knows better.
    let mut trusted = false;
    source.read(&mut |item| {
        match item {
            Item::Machine(machine) => session.machine(machine),
            Item::Snapshot(snapshot) => {
                if !trusted {
                    state.restore(snapshot);
                    trusted = true;
                }
                sink.snapshot(snapshot)?;
            }
            Item::Loss(report) => {
                trusted &= report.losses.iter().all(|l| l.count == 0);
                sink.loss(report)?;
            }
            Item::Gap => trusted = false,
            Item::Pause => sink.pause()?,
            Item::Event(occurrence) => {
                state.apply(occurrence);
                let event = occurrence.event;
                if session.first_time == 0 && !is_about_capture(event) {
                    session.first_time = event.ts.0;
                }
                let view = state.view(occurrence);
                let cx = Context {
                    event,
                    view: &view,
                    session,
                };
                if event.flags.contains(EventFlags::HIDDEN) {
                    sink.hidden(&cx)?;
                } else {
                    return sink.event(&cx);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Whether an event tells of users or containers: it can be of a time before the capture.
fn is_about_capture(event: &Event<'_>) -> bool {
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
