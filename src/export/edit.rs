//! What is changed in a capture while it is copied.

use std::borrow::Cow;

use scap_capture_format::native::{
    ContainerDescription, Header, LossReport, Origin, OriginId, Snapshot,
};

use crate::event::Event;
use crate::fields::Context;
use crate::replay::OriginState;

/// Changes what a [`super::NativeSink`] writes. Everything that can reach the file passes through here, except what the
/// maker of the sink puts into the header.
pub trait Edit {
    /// Changes the header, and the origins that it describes.
    fn header(&mut self, _: &mut Header, _: &mut [Origin]) {}

    /// Whether an event that passed the filter is written.
    fn keeps(&mut self, _: &Context<'_>) -> bool {
        true
    }

    /// Whether a hidden event is written.
    fn keeps_hidden(&mut self, _: &Context<'_>) -> bool {
        true
    }

    /// Whether the state has to be written before the next event.
    fn is_state_due(&mut self, _: &[OriginState]) -> bool {
        false
    }

    /// Returns the state of an origin as it is written.
    fn snapshot(&mut self, _: OriginId, origin: &mut OriginState) -> Snapshot {
        origin.state.snapshot()
    }

    /// Returns an event as it is written.
    fn event<'a>(&'a mut self, event: &Event<'a>) -> Event<'a> {
        *event
    }

    /// Whether names are changed, so that the summaries of chunks cannot have those of the events.
    fn renames(&self) -> bool {
        false
    }

    /// Returns the id of a container, as it is in the summaries of chunks.
    fn container_id<'a>(&mut self, id: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(id)
    }

    /// Changes the descriptions of containers.
    fn containers(&mut self, _: &mut Vec<ContainerDescription>) {}

    /// Changes a report of lost events.
    fn loss(&mut self, _: &mut LossReport) {}
}

/// Changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unedited;

impl Edit for Unedited {}
