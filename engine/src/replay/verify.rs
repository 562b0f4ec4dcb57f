//! Verifies a capture that is opened for random access.
//!
//! Views and searches decode only what they show, and skip what the heads of the chunks say cannot matter. A [`Verifier`]
//! decodes all the rest, in the background: every section, row and parameter. What the heads said wrongly
//! is corrected in another [`IndexedCapture`] of the same file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scap_capture_format::native::{ChunkDecoder, ChunkSummary, Damages};

use super::indexed::{IndexedCapture, IndexedCaptureError};

/// Verifies a capture, which can grow meanwhile.
#[derive(Debug, Default)]
pub struct Verifier {
    decoder: ChunkDecoder,
    /// How many chunks, snapshots and other sections were verified.
    chunks: usize,
    snapshots: usize,
    others: usize,
    damages: Damages,
    /// The summaries that are wrong, by position in the index, as they should be.
    corrected: BTreeMap<usize, ChunkSummary>,
}

impl Verifier {
    /// Verifies a capture, or what was appended to it since the last call. Returns the corrected capture if anything is damaged,
    /// or `None` for an intact one.
    ///
    /// # Errors
    ///
    /// [`IndexedCaptureError::Stopped`] once `stop` is set, or if the file cannot be read.
    pub fn verify(
        &mut self,
        capture: &IndexedCapture,
        stop: &AtomicBool,
    ) -> Result<Option<Arc<IndexedCapture>>, IndexedCaptureError> {
        let mut reader = capture.reader_again()?;
        let index = capture.index();
        let check = || match stop.load(Ordering::Relaxed) {
            true => Err(IndexedCaptureError::Stopped),
            false => Ok(()),
        };
        for (place, entry) in index.chunks.iter().enumerate().skip(self.chunks) {
            check()?;
            let (summary, wrong) = match reader.chunk(place) {
                Ok(chunk) => chunk.verify(&mut self.decoder),
                Err(error) => (entry.summary.without_events(), Some(error)),
            };
            if let Some(error) = wrong {
                self.damages.note(error, entry.offset)?;
                self.corrected.insert(place, summary);
            }
            self.chunks = place + 1;
        }
        for (place, entry) in index.snapshots.iter().enumerate().skip(self.snapshots) {
            check()?;
            if let Err(error) = reader.snapshot(place) {
                self.damages.note(error, entry.offset)?;
            }
            self.snapshots = place + 1;
        }
        for (place, entry) in index.others.iter().enumerate().skip(self.others) {
            check()?;
            if let Err(error) = reader.check(*entry) {
                self.damages.note(error, entry.offset)?;
            }
            self.others = place + 1;
        }
        match self.damages.is_empty() {
            true => Ok(None),
            false => Ok(Some(Arc::new(
                capture.corrected(&self.corrected, &self.damages)?,
            ))),
        }
    }
}
