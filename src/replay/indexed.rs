//! A capture opened in any order, and the replay of its segments.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use scap_capture_format::Error;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{Damages, Header, Index, IndexedReader};
use thiserror::Error as ThisError;

use crate::event::EventExt as _;
use crate::replay;
use crate::replay::{LossInterval, Span};

/// Why a question to a capture has no answer.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum IndexedCaptureError {
    /// The capture cannot be read.
    #[error(transparent)]
    Capture(#[from] Error),
    /// The file cannot be opened again.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody wants the answer any more.
    #[error("stopped")]
    Stopped,
}

/// A part of a capture that can be replayed on its own: from a snapshot to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its snapshots, by their places in the index: one, or one for each origin. Only the first segment can
    /// be without.
    pub snapshots: Range<usize>,
    /// Its chunks, by their places in the index; not empty.
    pub chunks: Range<usize>,
    /// From the first event to the last.
    pub span: Span,
    /// How many events, hidden ones included.
    pub events: u64,
}

/// A native capture in a file, opened in any order.
#[derive(Debug)]
pub struct IndexedCapture {
    path: PathBuf,
    pub(super) reader: IndexedReader<File>,
    segments: Vec<Segment>,
    losses: Vec<LossInterval>,
    first_time: u64,
}

impl IndexedCapture {
    /// Opens a capture. Reads its index; without one all section headers.
    ///
    /// # Errors
    ///
    /// What is no native capture, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, IndexedCaptureError> {
        let file = open(path)?;
        let mut reader = IndexedReader::open(file)?;
        let first_time = replay::first_event(&mut reader).map_or(0, |(_, time)| time);
        // A report that cannot be read is a damage, and told as such by whoever reads the whole file.
        let reports = reader.losses().unwrap_or_default();
        let losses = reports.iter().flat_map(|report| &report.losses);
        let losses = losses
            .filter(|loss| loss.count > 0)
            .map(|loss| LossInterval {
                span: Span {
                    from: loss.from.0,
                    to: loss.to.0.max(loss.from.0),
                },
                count: loss.count,
                cpu: loss.cpu,
                cause: loss.cause,
            });
        Ok(Self {
            path: path.to_owned(),
            segments: segments(reader.index(), reader.is_merged()),
            losses: losses.collect(),
            first_time,
            reader,
        })
    }

    /// Returns where the capture is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what it says about itself.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Returns its index.
    pub fn index(&self) -> &Index {
        self.reader.index()
    }

    /// Returns the damages found so far.
    pub fn damages(&self) -> &Damages {
        self.reader.damages()
    }

    /// Whether it has no index of its own: it was cut off, or is still being recorded.
    pub fn is_cut_off(&self) -> bool {
        self.reader.is_rebuilt()
    }

    /// Returns its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.reader.file_len()
    }

    /// Returns its segments, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns what it lacks.
    pub fn losses(&self) -> &[LossInterval] {
        &self.losses
    }

    /// Returns the time of its first event (`+0s` of filters and `--from`).
    pub fn first_time(&self) -> u64 {
        self.first_time
    }

    /// Whether its calls have two events, enter and exit.
    pub fn is_in_pairs(&self) -> bool {
        self.header().is_paired()
    }

    /// Returns the span from the first event to the last; `None` if there are none.
    pub fn span(&self) -> Option<Span> {
        let (from, to) = self.index().time_range()?;
        Some(Span {
            from: from.0,
            to: to.0.max(from.0),
        })
    }

    /// Returns the segment that holds a chunk.
    pub fn segment_of(&self, chunk: usize) -> Option<usize> {
        let at = self.segments.partition_point(|s| s.chunks.end <= chunk);
        (at < self.segments.len()).then_some(at)
    }
}

pub(super) fn open(path: &Path) -> Result<File, IndexedCaptureError> {
    File::open(path).map_err(|source| IndexedCaptureError::Open {
        path: path.to_owned(),
        source,
    })
}

/// Cuts a capture at its snapshots. Where it `is_merged`, all between the same two chunks belong together.
fn segments(index: &Index, is_merged: bool) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut snapshots = 0..0;
    for (place, chunk) in index.chunks.iter().enumerate() {
        let end = index.snapshots.partition_point(|s| s.offset < chunk.offset);
        let is_new = end > snapshots.end;
        if is_new {
            let start = if is_merged { snapshots.end } else { end - 1 };
            snapshots = start..end;
        }
        let summary = &chunk.summary;
        let span = Span {
            from: summary.min_time.0,
            to: summary.max_time.0.max(summary.min_time.0),
        };
        match segments.last_mut() {
            Some(last) if !is_new => {
                last.chunks.end = place + 1;
                last.span.from = last.span.from.min(span.from);
                last.span.to = last.span.to.max(span.to);
                last.events += u64::from(summary.events);
            }
            _ => segments.push(Segment {
                snapshots: snapshots.clone(),
                chunks: place..place + 1,
                span,
                events: u64::from(summary.events),
            }),
        }
    }
    segments
}

/// Whether an event is shown: it is not hidden, and not the recorder's own bookkeeping, which sysdig numbers
/// and does not show either.
pub fn is_shown(event: &crate::event::Event<'_>) -> bool {
    !event.is_internal() && !event.flags.contains(EventFlags::HIDDEN)
}
