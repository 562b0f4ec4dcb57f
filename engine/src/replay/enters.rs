//! Synthesis of enter events for captures with one event per call.

use scap_capture_format::schema::Arch;
use scap_capture_format::sysdig::{Downgrade, Target};

use crate::event::{Event, EventFlags};
use crate::filter::TypeSet;

/// Synthesizes enter events.
#[derive(Debug)]
pub struct EnterSynthesizer {
    types: TypeSet,
    maker: Downgrade,
}

impl EnterSynthesizer {
    /// Synthesizes enter events of these types, for calls of this architecture; `None` if there are
    /// no such types.
    pub fn new(types: TypeSet, arch: Arch) -> Option<Self> {
        let maker = || Downgrade::with_target(Target::EnterEvents, arch);
        (!types.is_empty()).then(|| Self {
            types,
            maker: maker(),
        })
    }

    /// Returns the enter event for the call of this event, if its type is among them.
    pub fn of<'s>(&'s mut self, event: &Event<'_>) -> Option<Event<'s>> {
        if !self.types.contains(event.ty.enter()) || event.flags.contains(EventFlags::HIDDEN) {
            return None;
        }
        self.maker.pair(event).enter
    }
}
