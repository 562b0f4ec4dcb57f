//! From a capture, through the state, to a sink.
//!
//! A push pipeline: the source hands over borrowed events, the state follows them, the sink sees each
//! with the state around it. Nothing is allocated per event.

mod native;
mod survey;

use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{Damages, Header, LossReport, Snapshot};
use scap_capture_format::schema::Arch;
use thiserror::Error;

pub use native::NativeSource;
pub use survey::{LostSpan, Survey, survey};

use crate::event::Event;
use crate::state::{State, View};

/// What a source hands over, in the order of the capture.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// State at one instant.
    Snapshot(&'a Snapshot),
    /// An event.
    Event(&'a Event<'a>),
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
}

/// Something that events go to.
pub trait EventSink {
    /// Takes an event with the state around it; `Break` ends the replay.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from taking more.
    fn event(&mut self, event: &Event<'_>, view: &View<'_>) -> io::Result<ControlFlow<()>>;

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
    sink: &mut dyn EventSink,
) -> Result<(), ReplayError> {
    // Events that are not there can have changed anything: the next snapshot knows better.
    let mut trusted = false;
    source.read(&mut |item| {
        match item {
            Item::Snapshot(snapshot) => {
                if !trusted {
                    state.restore(snapshot);
                    trusted = true;
                }
            }
            Item::Loss(report) => trusted &= report.losses.iter().all(|l| l.count == 0),
            Item::Gap => trusted = false,
            Item::Pause => sink.pause()?,
            Item::Event(event) => {
                state.apply(event);
                if !event.flags.contains(EventFlags::HIDDEN) {
                    return sink.event(event, &state.view(event));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Returns the architecture whose syscall numbers a capture has.
pub fn arch(header: &Header) -> Option<Arch> {
    Arch::from_name(&header.machine.arch)
}
