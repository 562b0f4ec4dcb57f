//! Events that wait until /proc has been read: before that nobody knows whose they are.

use crate::event::{Event, EventFlags, EventNum, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::EventType;

/// Most bytes that wait.
const FULL: usize = 64 << 20;

/// An event without its parameters, which are in the lists of the backlog.
struct Row {
    ts: u64,
    tid: i64,
    pid: i64,
    latency: Option<u64>,
    cpu: u16,
    ty: EventType,
    flags: EventFlags,
    /// Parameters and their bytes.
    params: u32,
    bytes: u32,
}

/// Events in the order in which they came.
#[derive(Default)]
pub(super) struct Backlog {
    rows: Vec<Row>,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

impl Backlog {
    /// Appends an event.
    pub(super) fn push(&mut self, event: &Event<'_>) {
        let (lens, bytes) = (self.lens.len(), self.bytes.len());
        for index in 0..event.params.lens().len() {
            let value = event.params.get(index).unwrap_or_default();
            self.lens.push(value.len() as u32);
            self.bytes.extend_from_slice(value);
        }
        self.rows.push(Row {
            ts: event.ts.0,
            tid: event.tid.0,
            pid: event.pid.0,
            latency: event.latency,
            cpu: event.cpu,
            ty: event.ty,
            flags: event.flags,
            params: (self.lens.len() - lens) as u32,
            bytes: (self.bytes.len() - bytes) as u32,
        });
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() * size_of::<Row>() + self.lens.len() * 4 + self.bytes.len() >= FULL
    }

    /// Hands over all events in order.
    pub(super) fn each(&self, mut see: impl FnMut(&Event<'_>)) {
        let (mut lens, mut bytes) = (&self.lens[..], &self.bytes[..]);
        for row in &self.rows {
            let (own_lens, more) = lens.split_at(row.params as usize);
            lens = more;
            let (own_bytes, more) = bytes.split_at(row.bytes as usize);
            bytes = more;
            see(&Event {
                num: EventNum(0),
                ts: Timestamp(row.ts),
                tid: Tid(row.tid),
                pid: Pid(row.pid),
                cpu: row.cpu,
                ty: row.ty,
                latency: row.latency,
                flags: row.flags,
                params: Params::new(own_lens, own_bytes).unwrap_or(Params::EMPTY),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scap_capture_format::schema::types;

    #[test]
    fn what_waits_comes_out_as_it_went_in() {
        let mut backlog = Backlog::default();
        let params: [(&[u32], &[u8]); 3] = [(&[2, 0, 1], b"abc"), (&[], b""), (&[1], b"z")];
        let event = |at: usize| Event {
            num: EventNum(0),
            ts: Timestamp(at as u64),
            tid: Tid(7),
            pid: Pid(8),
            cpu: 3,
            ty: types::SYSCALL_CLOSE_X,
            latency: Some(5),
            flags: EventFlags::FAULT,
            params: Params::new(params[at].0, params[at].1).unwrap(),
        };
        (0..3).for_each(|at| backlog.push(&event(at)));
        let mut next = 0;
        backlog.each(|out| {
            assert_eq!(*out, event(next));
            next += 1;
        });
        assert_eq!(next, 3);
        assert!(!backlog.is_full());
    }
}
