//! What both readers check while they walk over the sections of a capture.
//!
//! A file is intact if its sections follow each other with consecutive numbers, every one of them decodes, the events
//! are numbered without gaps, and the index and the footer at the end describe exactly these sections. The sequential reader and the
//! indexed one each find the sections in their own way, and both report them here, so that they have one
//! opinion of a file.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

use super::chunk::{ChunkSummary, ThreadSet};
use super::index::{ChunkEntry, Index, parse_footer};
use super::loss::LossReport;
use super::reader::Damages;
use super::section::{HEADER_LEN, SectionHeader, SectionKind};
use super::snapshot::Snapshot;
use crate::event::{EventNum, Timestamp};
use crate::limits;

/// The state of a walk.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The damages found so far.
    pub(crate) damages: Damages,
    next_sequence: u32,
    /// The gap before the next section has been reported as damage.
    gap_reported: bool,
    /// Bytes of damaged bodies that were searched for sections.
    rescanned: u64,
    /// Sections were skipped, so that nothing can be said of the whole.
    is_partial: bool,
    next_event: Option<EventNum>,
    /// Losses in the reports, and in the summaries of chunks.
    lost: u64,
    lost_in_chunks: u64,
    sections: Digests,
    keys: RandomState,
    /// Offset and length of the index section, and whether the footer pointed to it.
    index: Option<(u64, u64)>,
    complete: bool,
}

/// Digests of the lists that an index has. They are compared instead of the lists, since a sequential reader of a large
/// capture has no room for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digests {
    /// How many chunks, snapshots and others there are.
    counts: [usize; 3],
    chunks: u64,
    /// The chunks without their thread sets, which the index of a large file omits.
    chunks_without_threads: u64,
    snapshots: u64,
    others: u64,
}

impl Walk {
    /// Whether the capture ended with an index and a footer.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Notes that the next section was searched for: what is missing before it was reported.
    pub(crate) const fn jump(&mut self) {
        self.gap_reported = true;
    }

    /// Notes that sections are left out on purpose.
    pub(crate) const fn skip(&mut self) {
        self.gap_reported = true;
        self.is_partial = true;
        self.next_event = None;
    }

    /// Sets the number that the next section should have.
    pub(crate) const fn expect(&mut self, sequence: u32) {
        self.next_sequence = sequence;
    }

    /// Checks the header of the next section. Returns false if its body cannot be so long.
    pub(crate) fn header(&mut self, offset: u64, header: &SectionHeader) -> bool {
        if header.sequence != self.next_sequence && !self.gap_reported {
            self.damages
                .add(offset, "sections are missing before this one");
        }
        self.gap_reported = false;
        self.next_sequence = header.sequence.wrapping_add(1);
        if self.complete {
            if !header.kind.is_appended() {
                self.damages
                    .add(offset, "a section after the end of the capture");
            }
        } else if self.index.is_some() && header.kind != SectionKind::FOOTER {
            self.damages.add(offset, "a section after the index");
        }
        let fits = header.body_len <= limits::SECTION_BODY;
        if !fits {
            self.damages
                .add(offset, "a section is longer than any may be");
        }
        fits
    }

    /// Whether a damaged body of `len` bytes that ends at `end` is searched for sections. Searches of nested false sections
    /// read the same bytes again and again, so all searches together may read a few times what was read before.
    pub(crate) fn may_search(&mut self, len: u64, end: u64) -> bool {
        let rescanned = self.rescanned.saturating_add(len);
        let may = rescanned <= end.saturating_mul(limits::RESCANS);
        if may {
            self.rescanned = rescanned;
        }
        may
    }

    /// Notes a chunk.
    pub(crate) fn chunk(&mut self, offset: u64, body_len: u64, summary: &ChunkSummary) {
        self.lost_in_chunks = self.lost_in_chunks.saturating_add(summary.lost);
        if self.damages.is_empty() {
            if self.next_event.is_some_and(|n| n != summary.first_event) {
                self.damages
                    .add(offset, "the numbers of events are not consecutive");
            } else if self.lost_in_chunks > self.lost && !self.is_partial {
                self.damages
                    .add(offset, "a chunk's summary counts losses that no report has");
            }
        }
        self.next_event = Some(summary.next_event());
        let [chunks, ..] = &mut self.sections.counts;
        *chunks = chunks.saturating_add(1);
        let entry = (offset, body_len, summary);
        self.sections.chunk(&self.keys, entry);
    }

    /// Notes a snapshot.
    pub(crate) fn snapshot(&mut self, offset: u64, body_len: u64, at: (Timestamp, EventNum)) {
        let (time, next_event) = at;
        if self.damages.is_empty() && self.next_event.is_some_and(|n| n != next_event) {
            self.damages
                .add(offset, "a snapshot is of another place of the capture");
        }
        self.next_event = self.next_event.or(Some(next_event));
        let [_, snapshots, _] = &mut self.sections.counts;
        *snapshots = snapshots.saturating_add(1);
        let entry = (offset, body_len, time, next_event);
        add(&self.keys, &mut self.sections.snapshots, entry);
    }

    /// Notes a section of any other kind.
    pub(crate) fn other(&mut self, kind: SectionKind, offset: u64, body_len: u64) {
        let [_, _, others] = &mut self.sections.counts;
        *others = others.saturating_add(1);
        let entry = (kind.0, offset, body_len);
        add(&self.keys, &mut self.sections.others, entry);
    }

    /// Notes a loss report, after [`Self::other`].
    pub(crate) fn loss(&mut self, report: &LossReport) {
        self.lost = self.lost.saturating_add(report.total());
    }

    /// Compares the index with the sections before it. Damage that is known already explains any difference.
    pub(crate) fn index(&mut self, offset: u64, body_len: u64, index: &Index) {
        self.index = Some((offset, body_len.saturating_add(HEADER_LEN as u64)));
        if self.damages.is_empty() && !self.is_partial && !self.is_of(index) {
            self.damages
                .add(offset, "the index is not that of the sections");
        }
    }

    fn is_of(&self, index: &Index) -> bool {
        let mut digests = Digests {
            counts: [
                index.chunks.len(),
                index.snapshots.len(),
                index.others.len(),
            ],
            ..Digests::default()
        };
        if digests.counts != self.sections.counts {
            return false;
        }
        for ChunkEntry {
            offset,
            body_len,
            summary,
        } in &index.chunks
        {
            digests.chunk(&self.keys, (*offset, *body_len, summary));
        }
        for s in &index.snapshots {
            let entry = (s.offset, s.body_len, s.time, s.next_event);
            add(&self.keys, &mut digests.snapshots, entry);
        }
        for s in &index.others {
            add(
                &self.keys,
                &mut digests.others,
                (s.kind, s.offset, s.body_len),
            );
        }
        let unknown = ThreadSet::unknown();
        if index.chunks.iter().all(|c| c.summary.threads == unknown) {
            digests.chunks = self.sections.chunks;
        }
        digests == self.sections && index.lost == self.lost
    }

    /// Returns the number of events that the loss reports have.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Notes the footer.
    pub(crate) fn footer(&mut self, offset: u64, body: &[u8]) {
        self.complete = true;
        if self.damages.is_empty() && parse_footer(body) != self.index {
            self.damages
                .add(offset, "the footer does not point to the index");
        }
    }
}

impl Digests {
    fn chunk(&mut self, keys: &RandomState, entry: (u64, u64, &ChunkSummary)) {
        add(keys, &mut self.chunks, entry);
        let (offset, body_len, summary) = entry;
        // Every field but the threads.
        let ChunkSummary {
            min_time,
            max_time,
            first_event,
            events,
            types,
            threads: _,
            containers,
            failed,
            hidden,
            lost,
            sizes,
            extra,
        } = summary;
        let place = (offset, body_len, min_time, max_time, first_event, events);
        let counts = (types, containers, failed, hidden, lost, sizes, extra);
        add(keys, &mut self.chunks_without_threads, (place, counts));
    }
}

/// Adds an entry to the digest of a list.
fn add(keys: &RandomState, digest: &mut u64, entry: impl std::hash::Hash) {
    let mut hasher = keys.build_hasher();
    digest.hash(&mut hasher);
    entry.hash(&mut hasher);
    *digest = hasher.finish();
}

impl LossReport {
    /// Returns the number of lost events.
    pub fn total(&self) -> u64 {
        let counts = self.losses.iter().map(|loss| loss.count);
        counts.fold(0, u64::saturating_add)
    }
}

/// Returns what an index has of a snapshot.
pub(crate) const fn place_of(snapshot: &Snapshot) -> (Timestamp, EventNum) {
    (snapshot.time, snapshot.next_event)
}
