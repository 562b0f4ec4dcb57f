//! One event and its values.
//!
//! An [`Event`] borrows everything from the chunk that it was decoded from, so that passing it through the
//! pipeline costs nothing. The meaning of its bytes is in the schema (`scap_capture_format::schema`); this
//! module decodes them ([`value`]) and prints them ([`render`]). It does not depend on the state: names for
//! printing come through the [`Names`] trait, which the state implements.

pub mod alert;
pub mod async_event;
pub mod bytes;
pub mod fds;
pub mod flags;
pub mod glob;
pub mod net;
pub mod number;
pub mod render;
pub mod suggest;
pub mod syscall;
pub mod text;
pub mod time;
pub mod value;
pub mod waits;

mod names;
mod owned;

pub use names::{FdLabel, Names, NoNames};
pub use owned::{BufferCursor, BufferedEvent, EventBuffer, OwnedEvent};
pub use render::errno_name;

pub use scap_capture_format::event::{
    EventFlags, EventNum, EventRef as Event, Params, Pid, Tid, Timestamp,
};

use scap_capture_format::schema::{EventInfo, EventType, ParamInfo, SourceCategory, types};

/// An event, combined with its enter event.
///
/// Old captures have two events for a call, enter and exit. The exit lacks the parameters of the enter event, so the
/// reader adds them.
#[derive(Clone, Copy, Debug)]
pub struct PairedEvent<'a> {
    /// The event as it is stored and shown.
    pub event: &'a Event<'a>,
    /// The event in the newest schema, with the parameters of its enter event; mostly `event` itself.
    pub full: &'a Event<'a>,
    /// The fd of its enter event.
    pub enter_fd: Option<i64>,
}

impl<'a> From<&'a Event<'a>> for PairedEvent<'a> {
    fn from(event: &'a Event<'a>) -> Self {
        Self {
            event,
            full: event,
            enter_fd: None,
        }
    }
}

/// Makes an event without a thread, for information from a recorder.
pub fn synthetic_event(ts: Timestamp, ty: EventType, params: Params<'_>) -> Event<'_> {
    Event {
        num: EventNum(0),
        ts,
        tid: Tid(-1),
        pid: Pid(-1),
        cpu: 0,
        ty,
        latency: None,
        flags: EventFlags::empty(),
        params,
    }
}

/// Access to an event's parameters by the schema.
pub trait EventExt<'a> {
    /// Returns the schema's description of the type, if it has one.
    fn info(&self) -> Option<&'static EventInfo>;

    /// Returns parameter `index` as a signed number.
    fn int(&self, index: usize) -> Option<i64>;

    /// Returns parameter `index` as an unsigned number.
    fn uint(&self, index: usize) -> Option<u64>;

    /// Returns parameter `index` as text without its terminator.
    fn text(&self, index: usize) -> Option<&'a [u8]>;

    /// Returns the result of a call; `None` for other events, for a call in flight, and for a call that
    /// has none.
    fn result(&self) -> Option<i64>;

    /// Whether it is the recorder's own bookkeeping, which sysdig numbers but does not show; what the recorder says of an
    /// fd is, too.
    fn is_internal(&self) -> bool;

    /// Iterates over the parameters that both the event and the schema have; absent ones are empty.
    fn params_with_info(&self) -> impl Iterator<Item = (usize, &'static ParamInfo, &'a [u8])>;
}

impl<'a> EventExt<'a> for Event<'a> {
    fn info(&self) -> Option<&'static EventInfo> {
        self.ty.info()
    }

    fn int(&self, index: usize) -> Option<i64> {
        value::signed(self.params.get(index)?)
    }

    fn uint(&self, index: usize) -> Option<u64> {
        value::unsigned(self.params.get(index)?)
    }

    fn text(&self, index: usize) -> Option<&'a [u8]> {
        self.params.get(index).map(value::text)
    }

    fn result(&self) -> Option<i64> {
        if self.flags.contains(EventFlags::IN_FLIGHT) || self.ty.is_enter() {
            return None;
        }
        if !syscall::has_result(self) {
            return None;
        }
        self.int(syscall::result_param(self.ty))
    }

    fn is_internal(&self) -> bool {
        let info = self.info();
        info.is_some_and(|i| i.source_category.contains(SourceCategory::INTERNAL))
            || self.ty == types::ASYNCEVENT_E
                && matches!(
                    self.text(1),
                    Some(async_event::FD | async_event::DIRECTORIES)
                )
    }

    fn params_with_info(&self) -> impl Iterator<Item = (usize, &'static ParamInfo, &'a [u8])> {
        let infos = self.info().map_or(&[][..], |i| i.params);
        infos
            .iter()
            .zip(self.params.iter())
            .enumerate()
            .map(|(index, (info, bytes))| (index, info, bytes.unwrap_or_default()))
    }
}
