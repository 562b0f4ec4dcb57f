//! Enter events, made up for those who ask for them where calls have one event.

use scap_capture_format::schema::Arch;
use scap_capture_format::sysdig::{Downgrade, Target};

use crate::event::{Event, EventFlags};
use crate::filter::TypeSet;

/// Makes enter events.
#[derive(Debug)]
pub struct EnterSynthesizer {
    types: TypeSet,
    maker: Downgrade,
}

impl EnterSynthesizer {
    /// Makes enter events of these types, for calls of this architecture; `None` if there are none.
    pub fn new(types: TypeSet, arch: Arch) -> Option<Self> {
        let maker = || Downgrade::with_target(Target::EnterEvents, arch);
        (!types.is_empty()).then(|| Self {
            types,
            maker: maker(),
        })
    }

    /// Returns the enter event of a call whose event this is, if it is one of those.
    pub fn of<'s>(&'s mut self, event: &Event<'_>) -> Option<Event<'s>> {
        if !self.types.contains(event.ty.enter()) || event.flags.contains(EventFlags::HIDDEN) {
            return None;
        }
        self.maker.pair(event).enter
    }
}
