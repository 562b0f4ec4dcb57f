//! Events that are kept for a while, and events without the data that they moved.

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::EventType;

use super::EventExt as _;

/// A copy of an event; its buffers are used again for the next one.
#[derive(Debug, Default)]
pub struct OwnedEvent {
    num: EventNum,
    ts: Timestamp,
    tid: Tid,
    pid: Pid,
    cpu: u16,
    ty: EventType,
    latency: Option<u64>,
    flags: EventFlags,
    lens: Vec<u32>,
    bytes: Vec<u8>,
    is_set: bool,
}

impl OwnedEvent {
    /// Replaces what is kept by another event.
    pub fn set(&mut self, event: &EventRef<'_>) {
        self.is_set = true;
        self.num = event.num;
        self.ts = event.ts;
        self.tid = event.tid;
        self.pid = event.pid;
        self.cpu = event.cpu;
        self.ty = event.ty;
        self.latency = event.latency;
        self.flags = event.flags;
        self.lens.clear();
        self.bytes.clear();
        for (index, _) in event.params.lens().iter().enumerate() {
            let value = event.params.get(index).unwrap_or_default();
            self.lens.push(u32::try_from(value.len()).unwrap_or(0));
            self.bytes.extend_from_slice(value);
        }
    }

    /// Forgets the event; the buffers stay.
    pub fn clear(&mut self) {
        self.is_set = false;
    }

    /// Whether there is an event.
    pub fn is_set(&self) -> bool {
        self.is_set
    }

    /// Returns the event.
    pub fn event(&self) -> EventRef<'_> {
        EventRef {
            num: self.num,
            ts: self.ts,
            tid: self.tid,
            pid: self.pid,
            cpu: self.cpu,
            ty: self.ty,
            latency: self.latency,
            flags: self.flags,
            params: Params::new(&self.lens, &self.bytes).unwrap_or(Params::EMPTY),
        }
    }

    /// Makes a hidden event of another, without the data that it moved: what it did to the machine stays.
    pub fn hide(&mut self, event: &EventRef<'_>) -> EventRef<'_> {
        self.set(event);
        self.flags |= EventFlags::HIDDEN;
        let data = event.info().and_then(|i| i.io_data_param());
        if let Some(index) = data
            && let Some(len) = self.lens.get(index).copied()
            && len > 0
        {
            let start: usize = self.lens[..index].iter().map(|l| *l as usize).sum();
            self.bytes.drain(start..start + len as usize);
            self.lens[index] = 0;
            self.flags |= EventFlags::TRUNCATED;
        }
        self.event()
    }
}
