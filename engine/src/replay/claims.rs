//! What a capture says of the names in its chunks, compared with the events.
//!
//! Everything else in a summary follows from the chunk itself, and is compared when it is decoded. Names follow from the
//! state.

use std::io::{self, Read, Seek};
use std::ops::ControlFlow;
use std::sync::Arc;

use scap_capture_format::native::{ChunkEntry, ChunkNames, Index, IndexedReader};

use super::{EventSink, EventSource as _, NativeSource, Pipeline, ReplayError, Selection};
use crate::fields::{self, Context, NameScratch, Session};

/// Compares the events of each chunk with its summary, and with the names in its run.
struct Compare<R> {
    reader: IndexedReader<R>,
    index: Arc<Index>,
    /// Which chunk the events are of.
    place: usize,
    names: ChunkNames,
    scratch: NameScratch,
    /// Offsets of the chunks that lack a name.
    wrong: Vec<u64>,
}

impl<R: Read + Seek> Compare<R> {
    fn end_chunk(&mut self) -> Result<(), scap_capture_format::Error> {
        if let Some(chunk) = self.index.chunks.get(self.place) {
            let run = self.reader.names_of(self.place)?;
            if !self.names.are_in(&chunk.summary, run) {
                self.wrong.push(chunk.offset);
            }
        }
        self.names.clear();
        self.place += 1;
        Ok(())
    }
}

impl<R: Read + Seek> EventSink for Compare<R> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let is_over = |chunk: &ChunkEntry| chunk.summary.next_event() <= cx.event.num;
        while self.index.chunks.get(self.place).is_some_and(is_over) {
            self.end_chunk().map_err(io::Error::other)?;
        }
        let names = fields::names(cx.event, cx.view, &mut self.scratch);
        self.names.add(names);
        Ok(ControlFlow::Continue(()))
    }

    fn end(&mut self, _: &mut [super::OriginState]) -> io::Result<()> {
        self.end_chunk().map_err(io::Error::other)
    }
}

/// Returns the offsets of the chunks of an intact capture that lack names of their events: searches would skip them. `file` and
/// `again` are the same file, opened twice.
///
/// # Errors
///
/// If the capture cannot be read.
pub fn chunks_lacking_names(
    file: impl Read,
    again: impl Read + Seek,
) -> Result<Vec<u64>, ReplayError> {
    let mut source = NativeSource::new(file)?;
    let reader = IndexedReader::open(again)?;
    let mut compare = Compare {
        index: reader.shared_index(),
        reader,
        place: 0,
        names: ChunkNames::default(),
        scratch: NameScratch::default(),
        wrong: Vec::new(),
    };
    let mut pipeline = Pipeline::new(Session::default(), source.origins(), Selection::default());
    pipeline.run(&mut source, &mut compare)?;
    Ok(compare.wrong)
}
