//! A cache of the counts of whole segments.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::stats::tally::Tally;

/// Memory limit in bytes.
const BYTES: usize = 64 << 20;

/// The counts of a segment.
#[derive(Clone)]
pub(super) struct Counted {
    pub(super) tally: Arc<Tally>,
    /// Number of damaged places found while counting.
    pub(super) damages: u64,
}

/// Segments by filter; the least recently used ones are evicted first.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<(Arc<str>, usize), Entry>,
    bytes: usize,
    /// Counts the lookups.
    clock: u64,
}

struct Entry {
    counted: Counted,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(super) fn get(&mut self, filter: &str, segment: usize) -> Option<Counted> {
        self.clock += 1;
        let key = (Arc::from(filter), segment);
        let entry = self.entries.get_mut(&key)?;
        entry.used = self.clock;
        Some(entry.counted.clone())
    }

    pub(super) fn put(&mut self, filter: &str, segment: usize, counted: Counted) {
        let bytes = counted.tally.bytes();
        if bytes > BYTES {
            return;
        }
        self.clock += 1;
        let entry = Entry {
            counted,
            bytes,
            used: self.clock,
        };
        self.bytes += bytes;
        if let Some(old) = self.entries.insert((Arc::from(filter), segment), entry) {
            self.bytes -= old.bytes;
        }
        while self.bytes > BYTES {
            let entries = self.entries.iter();
            let oldest = entries.min_by_key(|(_, entry)| entry.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(old) = self.entries.remove(&key) {
                self.bytes -= old.bytes;
            }
        }
    }

    /// Removes the segments for which `keep` returns false.
    pub(super) fn keep(&mut self, keep: impl Fn(usize) -> bool) {
        let bytes = &mut self.bytes;
        self.entries.retain(|(_, segment), entry| {
            let keeps = keep(*segment);
            if !keeps {
                *bytes -= entry.bytes;
            }
            keeps
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Span;

    fn counted(events: u64) -> Counted {
        let tally = Tally {
            events,
            ..Tally::over(Span { from: 0, to: 9 })
        };
        Counted {
            tally: Arc::new(tally),
            damages: 0,
        }
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let mut cache = Cache::default();
        let one = counted(0).tally.bytes();
        let room = BYTES / one;
        for segment in 0..room {
            cache.put("", segment, counted(segment as u64));
        }
        assert_eq!(cache.get("", 0).unwrap().tally.events, 0);
        cache.put("proc.pid=1", 0, counted(77));
        assert!(cache.bytes <= BYTES && cache.bytes > BYTES - 2 * one);
        assert!(cache.get("", 1).is_none());
        assert_eq!(cache.get("", 2).unwrap().tally.events, 2);
        assert_eq!(cache.get("proc.pid=1", 0).unwrap().tally.events, 77);
        cache.keep(|segment| segment == 0);
        assert_eq!((cache.entries.len(), cache.bytes), (2, 2 * one));
    }
}
