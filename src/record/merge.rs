//! Brings the records of all CPUs into one order of time.
//!
//! Every ring is in order by itself. A record may be handed on once no other ring can still bring
//! an earlier one: the rings are looked at after the clock is read, so whatever they bring later
//! ended after that reading, but for the moment between a probe's look at the clock and its commit.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::probe::ring::{Record, RingReader};

/// What a probe may need between reading the clock and committing its record; a virtual CPU can be
/// stopped in between. Later ones are not lost, they only come out of order.
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

    /// Hands every record that ended at or before `limit` to `take`, in order, until it returns
    /// false. Returns the most bytes that a ring held.
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
            // As long as this ring is the earliest, it need not go through the heap.
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

/// Records after which the probe gets their room back in the middle of a long run.
const RELEASE_EVERY: u32 = 4096;
