//! Sorts events by time, with bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::{EventFlags, EventNum, EventRef, Loaded, Params, Pid, Tid, Timestamp};
use crate::limits;
use crate::schema::EventType;

/// Sorts events by time as they pass through.
///
/// Made for the events of [`Downgrade`](super::Downgrade): the enter event of a long call is known only when the call ends.
/// Events are held back up to a limit; beyond it, the oldest one is due. An event that is older than those already returned
/// gets their time.
///
/// ```
/// # use scap_capture_format::event::*;
/// # use scap_capture_format::schema::types;
/// # use scap_capture_format::sysdig::InOrder;
/// # let at = |ts| EventRef {
/// #     num: EventNum(0), ts: Timestamp(ts), tid: Tid(1), pid: Pid(1), cpu: 0, latency: None,
/// #     ty: types::SYSCALL_READ_X, flags: EventFlags::empty(), params: Params::EMPTY,
/// # };
/// let mut order = InOrder::new();
/// let mut times = Vec::new();
/// for ts in [3, 1, 2] {
///     order.push(&at(ts));
///     while let Some(event) = order.due() {
///         times.push(event.ts.0);
///     }
/// }
/// while let Some(event) = order.rest() {
///     times.push(event.ts.0);
/// }
/// assert_eq!(times, [1, 2, 3]);
/// ```
#[derive(Debug)]
pub struct InOrder {
    /// Time, order of arrival, slot.
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Held>,
    free: Vec<u32>,
    arrived: u64,
    /// Bytes of the held events.
    bytes: usize,
    most: usize,
    last: u64,
    /// The latest known time that was added.
    added: u64,
    moved: u64,
}

/// An event that is held back.
#[derive(Debug)]
struct Held {
    num: EventNum,
    tid: Tid,
    pid: Pid,
    cpu: u16,
    ty: EventType,
    latency: Option<u64>,
    /// Not known for an event that follows the one before it and keeps having no time.
    ts: Timestamp,
    flags: EventFlags,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

/// Approximate memory of a held event without its parameters, in bytes.
const EACH: usize = 160;

impl Default for InOrder {
    fn default() -> Self {
        Self::new()
    }
}

impl InOrder {
    /// Makes an empty sorter.
    pub const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            arrived: 0,
            bytes: 0,
            most: limits::ORDER_BYTES,
            last: 0,
            added: 0,
            moved: 0,
        }
    }

    /// Adds an event. Parameters that were not loaded become absent.
    pub fn push(&mut self, event: &EventRef<'_>) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Held {
                num: EventNum(0),
                tid: Tid(-1),
                pid: Pid(-1),
                cpu: 0,
                ty: EventType(0),
                latency: None,
                ts: Timestamp(0),
                flags: EventFlags::empty(),
                lens: Vec::new(),
                bytes: Vec::new(),
            });
            // The memory limit keeps the number far below the range.
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        let Some(held) = self.slots.get_mut(slot as usize) else {
            return;
        };
        held.num = event.num;
        held.tid = event.tid;
        held.pid = event.pid;
        held.cpu = event.cpu;
        held.ty = event.ty;
        held.latency = event.latency;
        held.ts = event.ts;
        held.flags = event.flags;
        held.lens.clear();
        held.bytes.clear();
        for value in event.params.iter() {
            let value = value.unwrap_or(&[]);
            held.lens.push(u32::try_from(value.len()).unwrap_or(0));
            held.bytes.extend_from_slice(value);
        }
        self.bytes = self.bytes.saturating_add(held.size());
        let time = event.ts.known().unwrap_or(self.added);
        self.added = self.added.max(time);
        self.heap.push(Reverse((time, self.arrived, slot)));
        self.arrived = self.arrived.wrapping_add(1);
    }

    /// Returns the oldest event if too many are held.
    pub fn due(&mut self) -> Option<EventRef<'_>> {
        if self.bytes > self.most {
            self.rest()
        } else {
            None
        }
    }

    /// Returns the oldest event, after the last one was added.
    pub fn rest(&mut self) -> Option<EventRef<'_>> {
        let Reverse((ts, _, slot)) = self.heap.pop()?;
        if ts < self.last {
            self.moved = self.moved.saturating_add(1);
        }
        self.last = self.last.max(ts);
        self.free.push(slot);
        let held = self.slots.get_mut(slot as usize)?;
        self.bytes = self.bytes.saturating_sub(held.size());
        Some(EventRef {
            num: held.num,
            ts: match held.ts.known() {
                Some(_) => Timestamp(self.last),
                None => held.ts,
            },
            tid: held.tid,
            pid: held.pid,
            cpu: held.cpu,
            ty: held.ty,
            latency: held.latency,
            flags: held.flags,
            params: Params::with_data_apart(&held.lens, &held.bytes, usize::MAX, &[], Loaded::All),
        })
    }

    /// Returns the number of events that came too late and got the time of a later one.
    pub const fn moved(&self) -> u64 {
        self.moved
    }
}

impl Held {
    fn size(&self) -> usize {
        self.bytes
            .len()
            .saturating_add(self.lens.len().saturating_mul(4))
            .saturating_add(EACH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ones_get_the_time_of_those_before() {
        let event = |ts| EventRef {
            num: EventNum(ts),
            ts: Timestamp(ts),
            tid: Tid(1),
            pid: Pid(2),
            cpu: 3,
            ty: EventType(7),
            latency: Some(4),
            flags: EventFlags::HIDDEN,
            params: Params::new(&[2, 0, 1], b"abc").unwrap(),
        };
        let mut order = InOrder::new();
        order.most = 3 * (EACH + 15);
        let mut out = Vec::new();
        for ts in [50, 40, 60, 45, 70, 1, 80, 80] {
            order.push(&event(ts));
            while let Some(e) = order.due() {
                assert_eq!(
                    EventRef {
                        ts: Timestamp(e.num.0),
                        ..e
                    },
                    event(e.num.0)
                );
                out.push((e.num.0, e.ts.0));
            }
        }
        while let Some(e) = order.rest() {
            out.push((e.num.0, e.ts.0));
        }
        let expected = [40, 45, 1, 50, 60, 70, 80, 80].map(|n| (n, if n == 1 { 45 } else { n }));
        assert_eq!(out, expected);
        assert_eq!((order.moved(), order.bytes, order.slots.len()), (1, 0, 4));
    }
}
