//! The index section: where the sections are and what is in the chunks.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::chunk::ChunkSummary;
use super::section::SectionKind;
use crate::event::{EventNum, Timestamp};

/// Body of the index section; also what a reader rebuilds by scanning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The chunks, in file order.
    pub chunks: Vec<ChunkEntry>,
    /// The snapshots, in file order.
    pub snapshots: Vec<SnapshotEntry>,
    /// Every other section but index and footer, in file order.
    pub others: Vec<OtherEntry>,
    /// Events lost in all.
    pub lost: u64,
    /// Room for later versions.
    pub extra: Extra,
}

/// Where a chunk is, and its summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Offset of its section header in the file.
    pub offset: u64,
    /// Length of its body in bytes.
    pub body_len: u64,
    /// Its summary.
    pub summary: ChunkSummary,
}

/// Where a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// Offset of its section header in the file.
    pub offset: u64,
    /// Length of its body in bytes.
    pub body_len: u64,
    /// Its instant.
    pub time: Timestamp,
    /// The first event that is not yet part of it.
    pub next_event: EventNum,
}

/// Where another section is.
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
        let first = self.chunks.iter().map(|c| c.summary.min_time).min()?;
        let last = self.chunks.iter().map(|c| c.summary.max_time).max()?;
        Some((first, last))
    }

    /// Returns the position in [`Self::chunks`] of the chunk with this event, or of the first one after
    /// it; past the end if there is none.
    pub fn chunk_at_event(&self, num: EventNum) -> usize {
        self.chunks
            .partition_point(|c| c.summary.next_event() <= num)
    }

    /// Returns the position in [`Self::chunks`] of the first chunk that has an event at or after `time`;
    /// past the end if there is none.
    ///
    /// Times may run back a little between chunks, so this looks at each; there are few.
    pub fn chunk_at_time(&self, time: Timestamp) -> usize {
        let found = self.chunks.iter().position(|c| c.summary.max_time >= time);
        found.unwrap_or(self.chunks.len())
    }

    /// Returns the last snapshot taken at or before an event.
    pub fn snapshot_before(&self, num: EventNum) -> Option<&SnapshotEntry> {
        self.snapshots.iter().rev().find(|s| s.next_event <= num)
    }
}

/// Body of the footer: 16 bytes, offset and whole length of the index section.
pub(crate) fn footer(index_offset: u64, index_len: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&index_offset.to_le_bytes());
    out[8..].copy_from_slice(&index_len.to_le_bytes());
    out
}

/// Reads what [`footer`] wrote.
pub(crate) fn parse_footer(body: &[u8]) -> Option<(u64, u64)> {
    let (offset, rest) = body.split_first_chunk::<8>()?;
    Some((
        u64::from_le_bytes(*offset),
        u64::from_le_bytes(*rest.first_chunk()?),
    ))
}
