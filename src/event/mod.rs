//! One event and its values.
//!
//! An [`Event`] borrows everything from the chunk it was decoded from, so that passing it through the
//! pipeline costs nothing. What its bytes mean is in the schema (`scap_capture_format::schema`); this
//! module decodes them ([`value`]) and prints them ([`render`]). It knows neither threads nor fds: the
//! names that printing needs come through the [`Names`] trait, which the state implements.

pub mod bytes;
pub mod flags;
pub mod net;
pub mod number;
pub mod render;
pub mod syscall;
pub mod text;
pub mod time;
pub mod value;

mod names;

pub use names::{FdLabel, Names, NoNames};

use bitflags::bitflags;
use scap_capture_format::schema::{Arch, EventInfo, EventType, ParamInfo};

bitflags! {
    /// What the recorder says about one event besides its parameters.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EventFlags: u32 {
        /// The call had not returned when the capture ended; it has no result and no latency.
        const IN_FLIGHT = 1;
        /// An argument lay in memory that could not be read; it is absent.
        const FAULT = 2;
        /// Kept only because state needs it; not shown.
        const HIDDEN = 4;
    }
}

/// One event, borrowed from its chunk.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Number of the event in its capture, from 1.
    pub num: u64,
    /// When it happened: nanoseconds since the Unix epoch. For a call: when it returned.
    pub timestamp: u64,
    /// The CPU it happened on.
    pub cpu: u16,
    /// The thread it happened in.
    pub tid: i64,
    /// Its type.
    pub ty: EventType,
    /// What the recorder noted about it.
    pub flags: EventFlags,
    /// Nanoseconds from the entry into the call to its return; `None` where there is none.
    pub latency: Option<u64>,
    /// The architecture whose syscall numbers it uses.
    pub arch: Option<Arch>,
    /// The parameters in schema order; an empty one is absent.
    pub params: &'a [&'a [u8]],
}

impl<'a> Event<'a> {
    /// Returns the schema's description of the type, if it has one.
    pub fn info(&self) -> Option<&'static EventInfo> {
        self.ty.info()
    }

    /// Returns the bytes of parameter `index`; `None` if it is absent.
    pub fn param(&self, index: usize) -> Option<&'a [u8]> {
        self.params.get(index).copied().filter(|p| !p.is_empty())
    }

    /// Returns parameter `index` as a signed number.
    pub fn int(&self, index: usize) -> Option<i64> {
        value::signed(self.param(index)?)
    }

    /// Returns parameter `index` as an unsigned number.
    pub fn uint(&self, index: usize) -> Option<u64> {
        value::unsigned(self.param(index)?)
    }

    /// Returns parameter `index` as text without its terminator.
    pub fn text(&self, index: usize) -> Option<&'a [u8]> {
        self.param(index).map(value::text)
    }

    /// Returns the result of the call: its first parameter, if the event is a call's exit.
    pub fn result(&self) -> Option<i64> {
        if self.flags.contains(EventFlags::IN_FLIGHT) || self.ty.is_enter() {
            return None;
        }
        self.int(syscall::result_param(self.ty))
    }

    /// Iterates over the parameters that both the event and the schema have.
    pub fn params_with_info(
        &self,
    ) -> impl Iterator<Item = (usize, &'static ParamInfo, &'a [u8])> + use<'a> {
        let infos = self.info().map_or(&[][..], |i| i.params);
        infos
            .iter()
            .zip(self.params.iter())
            .enumerate()
            .map(|(index, (info, bytes))| (index, info, *bytes))
    }
}
