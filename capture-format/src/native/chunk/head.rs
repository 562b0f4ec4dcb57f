//! The head of a chunk: summary, frames, streams.

use serde::{Deserialize, Serialize};

use super::activity::{self, ChunkActivity};
use super::names::{self, NameKind};
use crate::event::{EventNum, Pid, Tid, Timestamp};
use crate::native::{Extra, origin};
use crate::schema::EventType;

/// What is known about a chunk without decompressing it. Repeated in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkSummary {
    /// Earliest time of an event with a time; 0 if there is none.
    pub min_time: Timestamp,
    /// Latest time of an event with a time; 0 if there is none.
    pub max_time: Timestamp,
    /// Number of the first event; the others follow consecutively.
    pub first_event: EventNum,
    /// Number of events.
    pub events: u32,
    /// Number of events by type, ordered by type.
    pub types: Vec<(EventType, u32)>,
    /// The threads.
    pub threads: ThreadSet,
    /// Ids of the containers with threads in the chunk, as bytes.
    #[serde(with = "crate::native::codec::byte_strings")]
    pub containers: Vec<Vec<u8>>,
    /// Calls that returned an error.
    pub failed: u32,
    /// Events kept only for their effect on the state.
    pub hidden: u32,
    /// Events lost in the chunk's time range.
    pub lost: u64,
    /// Sizes in bytes.
    pub sizes: FrameSizes,
    /// Room for later versions.
    pub extra: Extra,
}

impl ChunkSummary {
    /// Returns the number of events of a type.
    pub fn count_of(&self, ty: EventType) -> u32 {
        match self.types.binary_search_by_key(&ty, |t| t.0) {
            Ok(i) => self.types.get(i).map_or(0, |t| t.1),
            Err(_) => 0,
        }
    }

    /// Returns the counts by lane and latency; `None` if the writer did not know the lanes of every event.
    pub fn activity(&self) -> Option<ChunkActivity> {
        let entry = self
            .extra
            .iter()
            .find(|(number, _)| *number == activity::EXTRA);
        entry.and_then(|(_, bytes)| ChunkActivity::decode(bytes))
    }

    /// Returns false if no event that is not hidden is of a thread with a name of a kind with one of these fingerprints
    /// ([`NameKind::fingerprint`]), which are sorted. A name that does not occur is taken for one that may in one of 2^32 cases for
    /// each fingerprint of the chunk. Names of what events are about are not in the summary, see [`NameKind::is_in_runs`].
    pub fn may_have_name(&self, kind: NameKind, fingerprints: &[u32]) -> bool {
        kind.is_in_runs() || names::may_have_thread(self, fingerprints)
    }

    /// Returns the summary of a chunk at this place of which no event can be read.
    pub fn without_events(&self) -> Self {
        Self {
            first_event: self.first_event,
            lost: self.lost,
            ..Self::default()
        }
    }

    /// Returns the number of the event after the last one.
    pub fn next_event(&self) -> EventNum {
        EventNum(self.first_event.0.saturating_add(u64::from(self.events)))
    }
}

/// Sizes of a chunk's frames by contents, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FrameSizes {
    /// Columns as stored.
    pub columns: u32,
    /// Columns decompressed.
    pub columns_raw: u32,
    /// Parameters as stored.
    pub params: u32,
    /// Parameters decompressed.
    pub params_raw: u32,
    /// I/O data as stored.
    pub io_data: u32,
    /// I/O data decompressed.
    pub io_data_raw: u32,
}

/// The threads of a chunk: exact if they are few, otherwise a filter without false negatives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ThreadSet {
    /// Every (tid, pid), in order of first appearance.
    Exact(Vec<(Tid, Pid)>),
    /// A Bloom filter of [`BLOOM_WORDS`] × 64 bits over tids and pids, three bits each.
    Bloom {
        /// Number of threads.
        count: u32,
        /// The bits over thread ids.
        tids: Vec<u64>,
        /// The bits over process ids.
        pids: Vec<u64>,
    },
}

impl Default for ThreadSet {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

/// Most threads of an exact set; more are stored as a Bloom filter.
pub(crate) const EXACT_THREADS: usize = 96;

/// Words of a Bloom filter.
pub const BLOOM_WORDS: usize = 64;

impl ThreadSet {
    /// A set that can contain any thread.
    pub(crate) const fn unknown() -> Self {
        Self::Bloom {
            count: 0,
            tids: Vec::new(),
            pids: Vec::new(),
        }
    }

    pub(crate) fn from_threads(threads: &[(Tid, Pid)]) -> Self {
        // The machine's own ids, so that a search does not depend on origins.
        let id = |stored: i64| origin::split(stored).1;
        let threads: Vec<(Tid, Pid)> = threads
            .iter()
            .map(|(tid, pid)| (Tid(id(tid.0)), Pid(id(pid.0))))
            .collect();
        if threads.len() <= EXACT_THREADS {
            return Self::Exact(threads);
        }
        Self::bloom_of(&threads)
    }

    fn bloom_of(threads: &[(Tid, Pid)]) -> Self {
        let (mut tids, mut pids) = (vec![0; BLOOM_WORDS], vec![0; BLOOM_WORDS]);
        for (tid, pid) in threads {
            bloom_insert(&mut tids, origin::split(tid.0).1);
            bloom_insert(&mut pids, origin::split(pid.0).1);
        }
        Self::Bloom {
            count: u32::try_from(threads.len()).unwrap_or(u32::MAX),
            tids,
            pids,
        }
    }

    /// Whether this is the set of exactly these threads. A filter of an unknown size says nothing, and is not wrong.
    pub(super) fn is_of(&self, threads: &[(Tid, Pid)]) -> bool {
        match self {
            Self::Exact(list) => {
                let sorted = |list: &[(Tid, Pid)]| {
                    let own =
                        |(tid, pid): &(Tid, Pid)| (origin::split(tid.0).1, origin::split(pid.0).1);
                    let mut list: Vec<_> = list.iter().map(own).collect();
                    list.sort_unstable();
                    list.dedup();
                    list
                };
                sorted(list) == sorted(threads)
            }
            Self::Bloom { tids, pids, .. } => {
                tids.len() != BLOOM_WORDS
                    || pids.len() != BLOOM_WORDS
                    || *self == Self::bloom_of(threads)
            }
        }
    }

    /// Whether the thread can be in the chunk; `false` is definite.
    pub fn may_contain_tid(&self, tid: Tid) -> bool {
        match self {
            Self::Exact(list) => list.iter().any(|t| t.0 == tid),
            Self::Bloom { tids, .. } => bloom_contains(tids, tid.0),
        }
    }

    /// Whether a thread of the process can be in the chunk; `false` is definite.
    pub fn may_contain_pid(&self, pid: Pid) -> bool {
        match self {
            Self::Exact(list) => list.iter().any(|t| t.1 == pid),
            Self::Bloom { pids, .. } => bloom_contains(pids, pid.0),
        }
    }
}

/// The three bits of an id: 12 bits each of a multiplicative hash. Part of the format.
fn bloom_bits(id: i64) -> [(usize, u64); 3] {
    let hash = id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [52u32, 40, 28].map(|shift| {
        let bit = (hash >> shift) & 0xfff;
        (usize::try_from(bit >> 6).unwrap_or(0), 1u64 << (bit & 63))
    })
}

fn bloom_insert(words: &mut [u64], id: i64) {
    for (word, bit) in bloom_bits(id) {
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
    }
}

fn bloom_contains(words: &[u64], id: i64) -> bool {
    // A filter of another size belongs to an unknown version: the result is not definite.
    words.len() != BLOOM_WORDS
        || bloom_bits(id)
            .iter()
            .all(|(word, bit)| words.get(*word).is_none_or(|w| w & bit != 0))
}

/// One frame: codec and lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// 0 = stored, 1 = zstd.
    pub(crate) codec: u8,
    pub(crate) raw_len: u32,
    pub(crate) stored_len: u32,
}

/// Frame codecs.
pub(crate) const STORED: u8 = 0;
pub(crate) const ZSTD: u8 = 1;

/// One stream: class, id, and length in its frame. Streams are in the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) class: u8,
    pub(crate) id: u16,
    pub(crate) frame: u32,
    pub(crate) raw_len: u32,
}

/// The head of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) summary: ChunkSummary,
    /// The time that the first row's time is relative to.
    pub(crate) base_time: Timestamp,
    pub(crate) frames: Vec<Frame>,
    pub(crate) streams: Vec<Stream>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bloom_knows_what_is_in_it() {
        let threads: Vec<_> = (0..300).map(|i| (Tid(i * 7), Pid(i * 11))).collect();
        let set = ThreadSet::from_threads(&threads);
        assert!(matches!(set, ThreadSet::Bloom { count: 300, .. }));
        assert!(
            threads
                .iter()
                .all(|t| set.may_contain_tid(t.0) && set.may_contain_pid(t.1))
        );
        let wrong = (1_000_000..1_010_000)
            .filter(|i| set.may_contain_tid(Tid(*i)))
            .count();
        assert!(wrong < 500, "{wrong} of 10000 false positives");
        assert!(ThreadSet::unknown().may_contain_tid(Tid(1)));
        let set = ThreadSet::from_threads(&threads[..3]);
        assert!(set.may_contain_tid(Tid(7)) && !set.may_contain_tid(Tid(11)));
    }
}
