//! A capture opened for random access, and its segments.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scap_capture_format::Error;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{ChunkSummary, Damages, Header, Index, IndexedReader};
use scap_capture_format::schema::{EventType, types};
use thiserror::Error as ThisError;

use crate::audit::sessions::ExecSessions;
use crate::event::EventExt as _;
use crate::replay;
use crate::replay::{LossInterval, Span};

/// Errors of indexed captures.
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
        /// The cause.
        source: io::Error,
    },
    /// A thread that read it panicked.
    #[error("internal error: please report it")]
    Crashed,
    /// The request was cancelled.
    #[error("stopped")]
    Stopped,
}

/// A part of a capture that can be replayed on its own: from a snapshot to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its snapshots, as indices into the capture's index: one per origin. Only the first segment
    /// can be without.
    pub snapshots: Range<usize>,
    /// Its chunks, as indices into the capture's index; not empty.
    pub chunks: Range<usize>,
    /// The time from its first to its last event.
    pub span: Span,
    /// Number of events, hidden ones included.
    pub events: u64,
}

/// A native capture file, opened for random access.
#[derive(Debug)]
pub struct IndexedCapture {
    path: PathBuf,
    pub(super) reader: IndexedReader<File>,
    segments: Vec<Segment>,
    losses: Vec<LossInterval>,
    first_time: u64,
    /// The sessions of `kubectl exec`, once they are found.
    exec_sessions: Option<Arc<ExecSessions>>,
}

impl IndexedCapture {
    /// Opens a capture. Reads all section headers and the heads of the chunks.
    ///
    /// # Errors
    ///
    /// If the file is not a native capture, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, IndexedCaptureError> {
        let file = open(path)?;
        Self::of(path, IndexedReader::open(file)?)
    }

    fn of(path: &Path, mut reader: IndexedReader<File>) -> Result<Self, IndexedCaptureError> {
        let first_time = replay::first_event(&mut reader).map_or(0, |(_, time)| time);
        let reports = reader.losses()?;
        let losses = reports.iter().flat_map(|(_, report)| &report.losses);
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
            exec_sessions: None,
        })
    }

    /// Returns another reader of the file.
    pub(super) fn reader_again(&self) -> Result<IndexedReader<File>, IndexedCaptureError> {
        Ok(self.reader.with_input(open(&self.path)?))
    }

    /// Returns the capture with other summaries, by position in the index, and more damage.
    pub(super) fn corrected(
        &self,
        summaries: &BTreeMap<usize, ChunkSummary>,
        damages: &Damages,
    ) -> Result<Self, IndexedCaptureError> {
        let mut reader = self.reader_again()?;
        reader.correct(summaries, self.reader.damages());
        reader.correct(&BTreeMap::new(), damages);
        let mut corrected = Self::of(&self.path, reader)?;
        corrected.exec_sessions.clone_from(&self.exec_sessions);
        Ok(corrected)
    }

    /// Returns the capture with sessions of `kubectl exec`.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened again.
    pub fn with_sessions(&self, sessions: Arc<ExecSessions>) -> Result<Self, IndexedCaptureError> {
        Ok(Self {
            path: self.path.clone(),
            reader: self.reader_again()?,
            segments: self.segments.clone(),
            losses: self.losses.clone(),
            first_time: self.first_time,
            exec_sessions: Some(sessions),
        })
    }

    /// Returns the sessions of `kubectl exec`, if they were found.
    pub fn exec_sessions(&self) -> Option<&Arc<ExecSessions>> {
        self.exec_sessions.as_ref()
    }

    /// Returns true if the capture has events of Kubernetes audit logs, or of other plugins.
    pub fn has_audit_events(&self) -> bool {
        let mut chunks = self.index().chunks.iter();
        let is_audit = |(ty, count): &(EventType, u32)| *ty == types::PLUGINEVENT_E && *count > 0;
        chunks.any(|chunk| chunk.summary.types.iter().any(is_audit))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Returns the index.
    pub fn index(&self) -> &Index {
        self.reader.index()
    }

    /// Returns the damage found so far.
    pub fn damages(&self) -> &Damages {
        self.reader.damages()
    }

    /// Returns true if the file does not end with its index: it is truncated, or still being recorded.
    pub fn is_cut_off(&self) -> bool {
        !self.reader.is_complete()
    }

    /// Returns the length in bytes.
    pub fn bytes(&self) -> u64 {
        self.reader.file_len()
    }

    /// Returns the segments, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the losses.
    pub fn losses(&self) -> &[LossInterval] {
        &self.losses
    }

    /// Returns the time of the first event (`+0s` of filters and `--from`).
    pub fn first_time(&self) -> u64 {
        self.first_time
    }

    /// Returns true if the capture has enter and exit events.
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

    /// Returns the segment of a chunk.
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

/// The span of a segment without an event with a time.
const NO_TIME: Span = Span { from: 0, to: 0 };

/// Splits a capture at its snapshots. In a merged capture all snapshots between the same two chunks
/// belong together.
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
        // Events without a time, and chunks without events, extend no span.
        let span = summary.min_time.known().map(|from| Span {
            from,
            to: summary.max_time.0.max(from),
        });
        match segments.last_mut() {
            Some(last) if !is_new => {
                last.chunks.end = place + 1;
                last.span = match span {
                    Some(span) if last.span == NO_TIME => span,
                    Some(span) => Span {
                        from: last.span.from.min(span.from),
                        to: last.span.to.max(span.to),
                    },
                    None => last.span,
                };
                last.events += u64::from(summary.events);
            }
            _ => segments.push(Segment {
                snapshots: snapshots.clone(),
                chunks: place..place + 1,
                span: span.unwrap_or(NO_TIME),
                events: u64::from(summary.events),
            }),
        }
    }
    segments
}

/// Returns true if an event is shown: it is neither hidden nor an internal event of the recorder.
/// sysdig numbers internal events without showing them, too.
pub fn is_shown(event: &crate::event::Event<'_>) -> bool {
    !event.is_internal() && !event.flags.contains(EventFlags::HIDDEN)
}
