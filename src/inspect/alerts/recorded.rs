//! Alerts that were recorded with the events: which event each is about.

use scap_capture_format::event::{EventNum, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::EventType;

use crate::event::alert::Alert;
use crate::event::{Event, EventFlags, syscall};
use crate::fields::Context;

/// The latest event of each recording, without most of its parameters. An alert comes right behind the event that it is
/// about.
#[derive(Debug, Default)]
pub(super) struct Latest {
    by_origin: Vec<Option<Seen>>,
}

/// An event, and which rules have found it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) num: u64,
    /// The indices of the rules.
    pub(super) raised: Vec<usize>,
    ts: Timestamp,
    tid: Tid,
    pid: Pid,
    ty: EventType,
    /// The number of the call, if the type does not say it.
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

fn origin(cx: &Context<'_>) -> usize {
    cx.session.origin.map_or(0, |origin| usize::from(origin.0))
}

impl Latest {
    /// Takes an event that is no alert; returns the list for the rules that find it.
    pub(super) fn event(&mut self, cx: &Context<'_>) -> &mut Vec<usize> {
        let origin = origin(cx);
        if self.by_origin.len() <= origin {
            self.by_origin.resize_with(origin + 1, || None);
        }
        let seen = self.by_origin[origin].get_or_insert_default();
        let event = cx.event;
        (seen.num, seen.ts, seen.tid) = (event.num.0, event.ts, event.tid);
        (seen.pid, seen.ty) = (event.pid, event.ty);
        seen.raised.clear();
        seen.lens.clear();
        seen.bytes.clear();
        if syscall::is_generic(event.ty)
            && let Some(call) = event.params.get(0)
        {
            seen.lens.extend(u32::try_from(call.len()));
            seen.bytes.extend_from_slice(call);
        }
        &mut seen.raised
    }

    /// Returns the event that an alert is about, if it is the latest one.
    pub(super) fn of(&mut self, alert: &Alert, cx: &Context<'_>) -> Option<&mut Seen> {
        let seen = self.by_origin.get_mut(origin(cx))?.as_mut()?;
        let event = Event {
            num: EventNum(seen.num),
            ts: seen.ts,
            tid: seen.tid,
            pid: seen.pid,
            cpu: 0,
            ty: seen.ty,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&seen.lens, &seen.bytes)?,
        };
        alert.is_about(&event, cx.session.arch).then_some(seen)
    }
}
