//! The rings as the recorder sees them: memory that the probe writes while we read.
//!
//! The invariant is the probe's: everything before `head` is complete and is not touched again
//! until `tail` has moved past it. All `unsafe` of the recorder's data path is in this file.
#![expect(unsafe_code, reason = "reads memory that the kernel writes")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use memmap2::{MmapOptions, MmapRaw};
use scap_probe_common::{
    control::{CONTROL_BYTES, RingControl},
    wire::{ALIGN, HEADER_WITHOUT_ARGS, RecordHeader, SEGMENT_BYTES, kind},
};

const HEADER: usize = size_of::<RecordHeader>();

/// Memory of a map of the probe.
pub(crate) struct MapMemory(MmapRaw);

impl MapMemory {
    /// Maps `bytes` of the map behind `fd`.
    pub(crate) fn new(fd: &impl AsFd, bytes: usize) -> io::Result<Self> {
        // The kernel wants whole pages.
        let bytes = bytes.next_multiple_of(4096);
        let map = MmapOptions::new()
            .len(bytes)
            .map_raw(fd.as_fd().as_raw_fd())?;
        Ok(Self(map))
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.0.len(), "inside the map");
        self.0.as_mut_ptr().wrapping_add(offset)
    }
}

// SAFETY: the memory is shared with the kernel anyway; every access here is volatile, atomic, or of
// bytes that the other side does not touch while we read them.
unsafe impl Send for MapMemory {}
// SAFETY: as above.
unsafe impl Sync for MapMemory {}

struct Shared {
    control: MapMemory,
    memory: MapMemory,
    stamps: MapMemory,
    segments: usize,
    possible_cpus: usize,
}

impl Shared {
    fn control(&self, cpu: usize) -> *mut RingControl {
        self.control.at(cpu * CONTROL_BYTES).cast()
    }
}

/// What the probe has counted on one CPU since it was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuCounters {
    /// Events that passed the exclusions.
    pub seen: u64,
    /// Of these, written into the ring.
    pub written: u64,
    /// Lost because the ring was full.
    pub drop_full: u64,
    /// Lost because another event was under construction.
    pub drop_busy: u64,
    /// Lost because the CPU has no ring.
    pub drop_no_ring: u64,
    /// Kept, with an argument that could not be read.
    pub faults: u64,
    /// Kept, with an item that had no room.
    pub short: u64,
    /// Descendants that could not be remembered.
    pub map_full: u64,
    /// Left out by an exclusion.
    pub excluded: u64,
    /// Boot clock of the last loss, 0 = none.
    pub last_drop: u64,
}

impl CpuCounters {
    /// Events lost, for whatever cause.
    pub fn lost(&self) -> u64 {
        self.drop_full + self.drop_busy + self.drop_no_ring
    }
}

/// All rings of a loaded probe.
pub(crate) struct Rings {
    shared: Arc<Shared>,
    cpus: usize,
}

impl Rings {
    pub(crate) fn new(
        control: MapMemory,
        memory: MapMemory,
        stamps: MapMemory,
        cpus: usize,
        possible_cpus: usize,
        segments: usize,
    ) -> Self {
        let shared = Arc::new(Shared {
            control,
            memory,
            stamps,
            segments,
            possible_cpus,
        });
        Self { shared, cpus }
    }

    /// A reader for each CPU that has a ring.
    pub(crate) fn readers(&self) -> Vec<RingReader> {
        (0..self.cpus)
            .map(|cpu| RingReader::new(Arc::clone(&self.shared), cpu))
            .collect()
    }

    /// CPUs that the kernel may ever have.
    pub(crate) fn possible_cpus(&self) -> usize {
        self.shared.possible_cpus
    }

    /// The counters of a CPU.
    pub(crate) fn counters(&self, cpu: usize) -> CpuCounters {
        let control = self.shared.control(cpu);
        // SAFETY: the block lies in the mapped memory; the probe writes whole words, and a copy in
        // which one counter is newer than another is as good.
        let control = unsafe { control.read_volatile() };
        CpuCounters {
            seen: control.seen,
            written: control.written,
            drop_full: control.drop_full,
            drop_busy: control.drop_busy,
            drop_no_ring: control.drop_no_ring,
            faults: control.faults,
            short: control.short,
            map_full: control.map_full,
            excluded: control.excluded,
            last_drop: control.last_drop,
        }
    }

    /// The stamp of a thread that is inside a call: entry time << 10 | number; 0 = it is not.
    pub(crate) fn stamp(&self, tid: u32) -> u64 {
        let offset = tid as usize * 8;
        if offset + 8 > self.shared.stamps.0.len() {
            return 0;
        }
        // SAFETY: inside the map; the probe writes whole words.
        unsafe { self.shared.stamps.at(offset).cast::<u64>().read_volatile() }
    }
}

/// One record in a ring.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The fixed part.
    pub(crate) header: RecordHeader,
    /// Arguments in use; the rest are zero.
    pub(crate) args: usize,
    /// The items.
    pub(crate) items: &'a [u8],
}

/// Reads one CPU's ring.
pub(crate) struct RingReader {
    shared: Arc<Shared>,
    /// The CPU.
    pub(crate) cpu: usize,
    /// Bytes consumed.
    tail: u64,
    /// Place in the ring.
    segment: usize,
    offset: usize,
    /// Bytes that may be read.
    head: u64,
}

impl RingReader {
    fn new(shared: Arc<Shared>, cpu: usize) -> Self {
        Self {
            shared,
            cpu,
            tail: 0,
            segment: 0,
            offset: 0,
            head: 0,
        }
    }

    /// Looks how far the probe has come. Returns the bytes that wait.
    pub(crate) fn refresh(&mut self) -> u64 {
        let control = self.shared.control(self.cpu);
        // SAFETY: `head` is an aligned u64 in the mapped memory.
        let head = unsafe { AtomicU64::from_ptr(&raw mut (*control).head) };
        self.head = head.load(Ordering::Acquire);
        self.head - self.tail
    }

    /// Gives what was read back to the probe.
    pub(crate) fn release(&mut self) {
        let control = self.shared.control(self.cpu);
        // SAFETY: `tail` is an aligned u64 in the mapped memory.
        let tail = unsafe { AtomicU64::from_ptr(&raw mut (*control).tail) };
        tail.store(self.tail, Ordering::Release);
    }

    /// The time of the next record, if there is one before the head seen by `refresh`.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u64> {
        self.skip_padding();
        if self.tail >= self.head {
            return None;
        }
        // SAFETY: a record before `head` is complete, and its header lies in the segment.
        Some(unsafe { (&raw const (*self.header()).ts).read() })
    }

    /// Takes the next record. Call it only after `peek` returned a time.
    #[inline]
    pub(crate) fn next(&mut self) -> Record<'_> {
        let header = self.header();
        // SAFETY: as in `peek`.
        let len = unsafe { (&raw const (*header).len).read() } as usize;
        assert!(
            len >= HEADER_WITHOUT_ARGS
                && len.is_multiple_of(ALIGN)
                && self.offset + len <= SEGMENT_BYTES,
            "the probe writes whole records"
        );
        self.offset += len;
        self.tail += len as u64;
        let mut fixed = RecordHeader::default();
        let present = len.min(HEADER);
        // SAFETY: `present` bytes lie inside the record and inside a header.
        unsafe {
            header
                .cast::<u8>()
                .copy_to_nonoverlapping((&raw mut fixed).cast(), present);
        }
        // SAFETY: the record's bytes are complete and stay as they are until `release`, which
        // needs `&mut self` to have ended this borrow.
        let items =
            unsafe { std::slice::from_raw_parts(header.cast::<u8>().add(present), len - present) };
        Record {
            args: (present - HEADER_WITHOUT_ARGS) / 8,
            header: fixed,
            items,
        }
    }

    fn header(&self) -> *const RecordHeader {
        let segment = self.cpu * self.shared.segments + self.segment;
        self.shared
            .memory
            .at(segment * SEGMENT_BYTES + self.offset)
            .cast_const()
            .cast()
    }

    fn skip_padding(&mut self) {
        while self.tail < self.head {
            let rest = SEGMENT_BYTES - self.offset;
            if rest >= ALIGN {
                // SAFETY: the place holds a record's or a padding's first eight bytes.
                let what = unsafe { (&raw const (*self.header()).kind).read() };
                if what != kind::PAD {
                    return;
                }
            }
            self.tail += rest as u64;
            self.offset = 0;
            self.segment += 1;
            if self.segment == self.shared.segments {
                self.segment = 0;
            }
        }
    }
}
