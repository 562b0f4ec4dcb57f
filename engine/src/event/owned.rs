//! Events that outlive the chunk they were decoded from.

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::schema::EventType;

use super::{EventExt as _, PairedEvent};

/// An event without its parameters.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    num: EventNum,
    ts: Timestamp,
    tid: Tid,
    pid: Pid,
    cpu: u16,
    ty: EventType,
    latency: Option<u64>,
    flags: EventFlags,
}

impl Head {
    fn of(event: &EventRef<'_>) -> Self {
        Self {
            num: event.num,
            ts: event.ts,
            tid: event.tid,
            pid: event.pid,
            cpu: event.cpu,
            ty: event.ty,
            latency: event.latency,
            flags: event.flags,
        }
    }

    fn with<'a>(&self, lens: &'a [u32], bytes: &'a [u8]) -> EventRef<'a> {
        EventRef {
            num: self.num,
            ts: self.ts,
            tid: self.tid,
            pid: self.pid,
            cpu: self.cpu,
            ty: self.ty,
            latency: self.latency,
            flags: self.flags,
            params: Params::new(lens, bytes).unwrap_or(Params::EMPTY),
        }
    }
}

/// Appends an event's parameters.
fn append(lens: &mut Vec<u32>, bytes: &mut Vec<u8>, event: &EventRef<'_>) {
    for index in 0..event.params.lens().len() {
        let value = event.params.get(index).unwrap_or_default();
        lens.push(u32::try_from(value.len()).unwrap_or(0));
        bytes.extend_from_slice(value);
    }
}

/// A copy of an event, with reusable buffers.
#[derive(Debug, Default)]
pub struct OwnedEvent {
    head: Head,
    lens: Vec<u32>,
    bytes: Vec<u8>,
    is_set: bool,
}

impl OwnedEvent {
    /// Replaces the copy by another event's.
    pub fn set(&mut self, event: &EventRef<'_>) {
        self.is_set = true;
        self.head = Head::of(event);
        self.lens.clear();
        self.bytes.clear();
        append(&mut self.lens, &mut self.bytes, event);
    }

    /// Removes the event; the buffers are kept.
    pub fn clear(&mut self) {
        self.is_set = false;
    }

    /// Whether there is an event.
    pub fn is_set(&self) -> bool {
        self.is_set
    }

    /// Returns the event.
    pub fn event(&self) -> EventRef<'_> {
        self.head.with(&self.lens, &self.bytes)
    }

    /// Makes a hidden event of another one, without its I/O data; its effect on the state is kept.
    pub fn hide(&mut self, event: &EventRef<'_>) -> EventRef<'_> {
        self.set(event);
        self.head.flags |= EventFlags::HIDDEN;
        let data = event.info().and_then(|i| i.io_data_param());
        if let Some(index) = data
            && let Some(len) = self.lens.get(index).copied()
            && len > 0
        {
            let start: usize = self.lens[..index].iter().map(|l| *l as usize).sum();
            self.bytes.drain(start..start + len as usize);
            self.lens[index] = 0;
            self.head.flags |= EventFlags::TRUNCATED;
        }
        self.event()
    }
}

/// Copies of events, in order of arrival. Clearing keeps the buffers.
#[derive(Debug, Default)]
pub struct EventBuffer {
    rows: Vec<Row>,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Row {
    head: Head,
    enter_fd: Option<i64>,
    /// The next row is the same event in the newest schema.
    has_full: bool,
    /// Parameters and their bytes.
    params: u32,
    bytes: u32,
}

/// A position in an [`EventBuffer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct BufferCursor {
    row: usize,
    param: usize,
    byte: usize,
}

/// An event of an [`EventBuffer`].
#[derive(Debug)]
pub struct BufferedEvent<'b> {
    /// The event as it is stored and shown.
    pub event: EventRef<'b>,
    full: Option<EventRef<'b>>,
    enter_fd: Option<i64>,
}

impl BufferedEvent<'_> {
    /// Returns the event with the parameters of its enter event.
    pub fn paired(&self) -> PairedEvent<'_> {
        PairedEvent {
            event: &self.event,
            full: self.full.as_ref().unwrap_or(&self.event),
            enter_fd: self.enter_fd,
        }
    }
}

impl EventBuffer {
    /// Appends an event.
    pub fn push(&mut self, paired: PairedEvent<'_>) {
        let has_full = !std::ptr::eq(paired.event, paired.full);
        self.row(paired.event, paired.enter_fd, has_full);
        if has_full {
            self.row(paired.full, None, false);
        }
    }

    fn row(&mut self, event: &EventRef<'_>, enter_fd: Option<i64>, has_full: bool) {
        let (lens, bytes) = (self.lens.len(), self.bytes.len());
        append(&mut self.lens, &mut self.bytes, event);
        // Events are far smaller than 4 GiB (`limits::EVENT_BYTES`).
        let len = |all: usize, before: usize| u32::try_from(all - before).unwrap_or(0);
        self.rows.push(Row {
            head: Head::of(event),
            enter_fd,
            has_full,
            params: len(self.lens.len(), lens),
            bytes: len(self.bytes.len(), bytes),
        });
    }

    /// Returns the size of the events in bytes.
    pub fn size(&self) -> usize {
        self.rows.len() * size_of::<Row>() + self.lens.len() * 4 + self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes all events.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.lens.clear();
        self.bytes.clear();
    }

    /// Returns the event at a cursor, which moves on; the first one is at the default cursor.
    pub fn next(&self, cursor: &mut BufferCursor) -> Option<BufferedEvent<'_>> {
        let row = self.rows.get(cursor.row)?;
        let event = self.take(cursor, row)?;
        let full = match row.has_full {
            true => Some(self.take(cursor, self.rows.get(cursor.row)?)?),
            false => None,
        };
        Some(BufferedEvent {
            event,
            full,
            enter_fd: row.enter_fd,
        })
    }

    /// Returns the time of the event at a cursor.
    pub fn time(&self, cursor: BufferCursor) -> Option<Timestamp> {
        self.rows.get(cursor.row).map(|row| row.head.ts)
    }

    fn take(&self, cursor: &mut BufferCursor, row: &Row) -> Option<EventRef<'_>> {
        let (param, byte) = (cursor.param, cursor.byte);
        cursor.row += 1;
        cursor.param += row.params as usize;
        cursor.byte += row.bytes as usize;
        let lens = self.lens.get(param..cursor.param)?;
        Some(row.head.with(lens, self.bytes.get(byte..cursor.byte)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scap_capture_format::schema::types;

    #[test]
    fn events_come_out_as_they_went_in() {
        let params: [(&[u32], &[u8]); 3] = [(&[2, 0, 1], b"abc"), (&[], b""), (&[1], b"z")];
        let event = |at: usize| EventRef {
            num: EventNum(at as u64),
            ts: Timestamp(at as u64),
            tid: Tid(7),
            pid: Pid(8),
            cpu: 3,
            ty: types::SYSCALL_CLOSE_X,
            latency: Some(5),
            flags: EventFlags::FAULT,
            params: Params::new(params[at].0, params[at].1).unwrap(),
        };
        let mut buffer = EventBuffer::default();
        let events = [event(0), event(1), event(2)];
        buffer.push((&events[0]).into());
        buffer.push(PairedEvent {
            event: &events[1],
            full: &events[2],
            enter_fd: Some(4),
        });
        let mut cursor = BufferCursor::default();
        assert_eq!(buffer.time(cursor), Some(Timestamp(0)));
        let first = buffer.next(&mut cursor).unwrap();
        assert_eq!(
            (*first.paired().event, *first.paired().full),
            (events[0], events[0])
        );
        assert_eq!(buffer.time(cursor), Some(Timestamp(1)));
        let second = buffer.next(&mut cursor).unwrap();
        assert_eq!(
            (*second.paired().event, *second.paired().full),
            (events[1], events[2])
        );
        assert_eq!(second.paired().enter_fd, Some(4));
        assert!(buffer.next(&mut cursor).is_none());
        assert!(buffer.size() > 0);
        buffer.clear();
        assert!(buffer.is_empty() && buffer.next(&mut BufferCursor::default()).is_none());
    }
}
