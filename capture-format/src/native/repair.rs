//! Saves what can be read of a damaged capture.
//!
//! The output is intact: it has the sections that decode, in their order, the events that decode of a chunk that does not as a whole,
//! and where anything is missing a loss report with the cause [`LossCause::DAMAGE`]. Readers show the same
//! events with the same state as of the damaged capture, where each damage makes them distrust the state up to the next snapshot.

use std::io::{Read, Write};

use super::chunk::{Chunk, ChunkDecoder, Load};
use super::index::Index;
use super::loss::{Loss, LossCause, LossReport};
use super::reader::{CaptureReader, Damages, Item};
use super::writer::{CaptureWriter, WriterOptions};
use crate::Result;
use crate::event::{EventNum, Timestamp};

/// What was saved of a capture, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Events saved.
    pub events: u64,
    /// Chunks that were copied as they are.
    pub chunks: u64,
    /// Chunks that were saved in part, or whole with a corrected summary.
    pub chunks_in_part: u64,
    /// Snapshots saved.
    pub snapshots: u64,
    /// Other sections saved: loss reports, descriptions of containers.
    pub others: u64,
    /// Sections left out, since they are true of the damaged file only or are of a newer scap: seals and those of unknown kinds.
    pub left_out: u64,
    /// Events known to be missing, by their numbers.
    pub missing: u64,
    /// Whether further events can be missing: how many is not known.
    pub has_unknown_missing: bool,
    /// Whether the capture had its end.
    pub was_complete: bool,
    /// What is damaged.
    pub damages: Damages,
}

impl Repaired {
    /// Whether there was nothing to repair.
    pub fn was_intact(&self) -> bool {
        self.damages.count() == 0 && self.was_complete
    }
}

/// Copies what can be read of a capture. `from` names the capture in the header of the new one.
///
/// # Errors
///
/// [`crate::Error::UnknownMandatorySection`]; [`crate::Error::Io`], of the input or the output.
pub fn repair<R: Read, W: Write>(
    mut reader: CaptureReader<R>,
    out: W,
    from: &str,
) -> Result<(Repaired, W)> {
    let mut header = reader.header().clone();
    header
        .options
        .push(("repaired-from".to_owned(), from.to_owned()));
    let mut copy = Copy {
        writer: CaptureWriter::new(out, &header, WriterOptions::default())?,
        has_begun: false,
        decoder: ChunkDecoder::new(),
        saved: Repaired::default(),
        own: Damages::default(),
        seen: 0,
        is_gap: false,
        last: Timestamp(0),
    };
    let mut end = None;
    while let Some(item) = reader.next_item()? {
        let damages = reader.damages().count();
        copy.is_gap |= damages != copy.seen;
        copy.seen = damages;
        let number = match &item {
            Item::Chunk(chunk) => Some((chunk.summary().first_event, chunk.summary().min_time)),
            Item::Snapshot(snapshot) => Some((snapshot.next_event, snapshot.time)),
            _ => None,
        };
        if let Some(place) = number {
            copy.gap(place)?;
        }
        match item {
            Item::Chunk(chunk) => copy.chunk(&chunk)?,
            Item::Snapshot(mut snapshot) => {
                copy.writer.write_snapshot(&mut snapshot)?;
                copy.saved.snapshots = copy.saved.snapshots.saturating_add(1);
            }
            Item::Loss(report) => {
                copy.writer.write_loss(&report)?;
                copy.saved.others = copy.saved.others.saturating_add(1);
            }
            Item::Containers(report) => {
                copy.writer.write_containers(&report.descriptions)?;
                copy.saved.others = copy.saved.others.saturating_add(1);
            }
            Item::Index(index) => end = next_event(&index),
            Item::Footer => {}
            _ => copy.saved.left_out = copy.saved.left_out.saturating_add(1),
        }
    }
    copy.is_gap |= reader.damages().count() != copy.seen;
    copy.saved.was_complete = reader.is_complete();
    copy.end(end)?;
    copy.saved.damages = reader.damages().clone();
    copy.saved.damages.append(&mut copy.own);
    Ok((copy.saved, copy.writer.finish()?))
}

/// Returns the number that the next event of an indexed capture would have.
fn next_event(index: &Index) -> Option<EventNum> {
    index.chunks.last().map(|c| c.summary.next_event())
}

struct Copy<W: Write> {
    writer: CaptureWriter<W>,
    /// A section with a number was there.
    has_begun: bool,
    decoder: ChunkDecoder,
    saved: Repaired,
    /// Damage found while decoding.
    own: Damages,
    /// How many damages of the reader were handled.
    seen: u64,
    /// Something before the next section is damaged.
    is_gap: bool,
    /// The latest time so far.
    last: Timestamp,
}

impl<W: Write> Copy<W> {
    /// Reports what is missing before a section that begins with an event of this number and time.
    fn gap(&mut self, (next, time): (EventNum, Timestamp)) -> Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            // Events keep their numbers as far as nothing is missing.
            self.writer.start_at(next);
        }
        // As many as were left out so far, the numbers of the output are behind.
        let written = self.writer.next_event().0;
        let expected = written.saturating_add(self.saved.missing);
        let missing = next.0.saturating_sub(expected);
        if !std::mem::take(&mut self.is_gap) {
            return Ok(());
        }
        self.saved.missing = self.saved.missing.saturating_add(missing);
        self.saved.has_unknown_missing |= missing == 0;
        self.report(missing, time)
    }

    fn report(&mut self, count: u64, to: Timestamp) -> Result<()> {
        let from = self.last.min(to);
        let loss = Loss {
            cause: LossCause::DAMAGE,
            cpu: Loss::ANY_CPU,
            count,
            from,
            to,
        };
        self.writer.write_loss(&LossReport {
            losses: vec![loss],
            ..LossReport::default()
        })
    }

    /// Copies a chunk as it is, or the events that decode.
    fn chunk(&mut self, chunk: &Chunk) -> Result<()> {
        self.last = self.last.max(chunk.summary().max_time);
        let (summary, wrong) = chunk.verify(&mut self.decoder);
        let Some(error) = wrong else {
            self.saved.chunks = self.saved.chunks.saturating_add(1);
            self.saved.events = self.saved.events.saturating_add(summary.events.into());
            return self.writer.write_chunk(&mut chunk.to_encoded());
        };
        self.own.note(error, chunk.offset())?;
        self.is_gap = true;
        let Ok(mut rows) = chunk.decode(&mut self.decoder, Load::ALL) else {
            return Ok(());
        };
        let mut events = 0u64;
        while let Ok(Some(event)) = rows.next() {
            self.writer.push(&event)?;
            events = events.saturating_add(1);
        }
        if events > 0 {
            self.saved.chunks_in_part = self.saved.chunks_in_part.saturating_add(1);
            let containers = summary.containers.iter();
            containers.for_each(|id| self.writer.add_container(id));
        }
        self.saved.events = self.saved.events.saturating_add(events);
        self.writer.flush_chunk()
    }

    /// Reports what is missing at the end. `next` is the number after the last event by the index.
    fn end(&mut self, next: Option<EventNum>) -> Result<()> {
        match next {
            Some(next) if self.saved.was_complete => {
                let written = self.writer.next_event().0;
                if next.0 <= written.saturating_add(self.saved.missing) {
                    return Ok(());
                }
                self.is_gap = true;
                self.gap((next, self.last))
            }
            // Only an index is missing, or there were no events.
            None if self.saved.was_complete && !self.is_gap => Ok(()),
            _ => {
                self.saved.has_unknown_missing = true;
                self.report(0, self.last)
            }
        }
    }
}
