//! Merges the records of all CPUs into order of time.
//!
//! Each ring is in order by itself. A record can be passed on once no other ring can still contain an earlier
//! one. The rings are read after the clock, so records that appear later ended after that reading, except for the
//! time that a probe needs between reading its clock and committing the record.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::probe::ring::{Record, RingReader};

/// Longest expected time between a probe's reading of the clock and its commit; a virtual CPU can be stopped in
/// between. Records committed even later are not lost, only out of order.
pub(crate) const SETTLE_NS: u64 = 2_000_000;

/// Merges rings.
pub(crate) struct Merge {
    readers: Vec<RingReader>,
    /// Next record of each ring that has one.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merge {
    pub(crate) fn new(readers: Vec<RingReader>) -> Self {
        let heap = BinaryHeap::with_capacity(readers.len());
        Self { readers, heap }
    }

    /// Passes every record that ended at or before `limit` to `take`, in order, until it returns false. Returns the
    /// most bytes that a ring held.
    pub(crate) fn drain(
        &mut self,
        limit: u64,
        mut take: impl FnMut(&Record<'_>, usize) -> bool,
    ) -> u64 {
        let mut fullest = 0;
        self.heap.clear();
        for (index, reader) in self.readers.iter_mut().enumerate() {
            fullest = fullest.max(reader.refresh());
            if let Some(ts) = reader.peek() {
                self.heap.push(Reverse((ts, index)));
            }
        }
        'rings: while let Some(Reverse((mut ts, index))) = self.heap.pop() {
            // While this ring has the earliest record, the heap is bypassed.
            let until = self
                .heap
                .peek()
                .map_or(limit, |Reverse((ts, _))| limit.min(*ts));
            let reader = &mut self.readers[index];
            let cpu = reader.cpu;
            let mut taken = 0u32;
            while ts <= until {
                let record = reader.next();
                let more = take(&record, cpu);
                taken += 1;
                if taken.is_multiple_of(RELEASE_EVERY) {
                    reader.release();
                }
                let Some(next) = reader.peek() else {
                    if !more {
                        break 'rings;
                    }
                    continue 'rings;
                };
                ts = next;
                if !more {
                    break 'rings;
                }
            }
            if ts > limit {
                break;
            }
            self.heap.push(Reverse((ts, index)));
        }
        for reader in &mut self.readers {
            reader.release();
        }
        fullest
    }
}

/// Number of records after which their room is returned to the probe in the middle of a long run.
const RELEASE_EVERY: u32 = 4096;
