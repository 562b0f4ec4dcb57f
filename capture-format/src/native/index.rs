//! The index section: positions of the sections, and summaries of the chunks.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::chunk::ChunkSummary;
use super::section::{HEADER_LEN, SectionKind};
use crate::event::{EventNum, Timestamp};

/// Body of the index section, also when a reader rebuilds it from the section headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The chunks, in file order.
    pub chunks: Vec<ChunkEntry>,
    /// The snapshots, in file order.
    pub snapshots: Vec<SnapshotEntry>,
    /// All other sections except index and footer, in file order.
    pub others: Vec<OtherEntry>,
    /// Total number of lost events.
    pub lost: u64,
    /// Room for later versions.
    pub extra: Extra,
}

/// Position of a chunk, and its summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Offset of its section header in the file.
    pub offset: u64,
    /// Length of its body in bytes.
    pub body_len: u64,
    /// Its summary.
    pub summary: ChunkSummary,
}

impl ChunkEntry {
    /// Returns the offset of the next section.
    pub const fn end(&self) -> u64 {
        let body = self.offset.saturating_add(HEADER_LEN as u64);
        body.saturating_add(self.body_len)
    }
}

/// Position of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// Offset of its section header in the file.
    pub offset: u64,
    /// Length of its body in bytes.
    pub body_len: u64,
    /// Its time.
    pub time: Timestamp,
    /// The first event that is not yet part of the state.
    pub next_event: EventNum,
}

/// Position of another section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherEntry {
    /// Its kind.
    pub kind: u16,
    /// Offset of its section header in the file.
    pub offset: u64,
    /// Length of its body in bytes.
    pub body_len: u64,
}

impl OtherEntry {
    /// Returns its kind.
    pub const fn kind(&self) -> SectionKind {
        SectionKind(self.kind)
    }

    /// Returns the offset of what is behind the section.
    pub const fn end(&self) -> u64 {
        self.offset
            .saturating_add(HEADER_LEN as u64)
            .saturating_add(self.body_len)
    }
}

impl Index {
    /// Returns the number of events.
    pub fn events(&self) -> u64 {
        self.chunks
            .iter()
            .map(|c| u64::from(c.summary.events))
            .sum()
    }

    /// Returns the times of the first and the last event.
    pub fn time_range(&self) -> Option<(Timestamp, Timestamp)> {
        let is_known = |time: &Timestamp| time.known().is_some();
        let chunks = || self.chunks.iter().map(|c| &c.summary);
        let first = chunks().map(|s| s.min_time).filter(is_known).min()?;
        let last = chunks().map(|s| s.max_time).filter(is_known).max()?;
        Some((first, last))
    }

    /// Returns the position in [`Self::chunks`] of the chunk with this event, or of the first one after
    /// it; past the end if there is none.
    pub fn chunk_at_event(&self, num: EventNum) -> usize {
        self.chunks
            .partition_point(|c| c.summary.next_event() <= num)
    }

    /// Returns the position in [`Self::chunks`] of the first chunk with an event at or after `time`; past the end if there is
    /// none.
    ///
    /// Times can decrease a little between chunks, so all of the few chunks are checked.
    pub fn chunk_at_time(&self, time: Timestamp) -> usize {
        let found = self.chunks.iter().position(|c| c.summary.max_time >= time);
        found.unwrap_or(self.chunks.len())
    }

    /// Returns the last snapshot before an event.
    pub fn snapshot_before(&self, num: EventNum) -> Option<&SnapshotEntry> {
        self.snapshots.iter().rev().find(|s| s.next_event <= num)
    }
}

/// Body of the footer: 16 bytes, offset and total length of the index section.
pub(crate) fn footer(index_offset: u64, index_len: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&index_offset.to_le_bytes());
    out[8..].copy_from_slice(&index_len.to_le_bytes());
    out
}

/// Parses the body of the footer.
pub(crate) fn parse_footer(body: &[u8]) -> Option<(u64, u64)> {
    let (offset, rest) = body.split_first_chunk::<8>()?;
    Some((
        u64::from_le_bytes(*offset),
        u64::from_le_bytes(*rest.first_chunk()?),
    ))
}
