//! From the chunks of a native capture to events: decoding, damage, pairs of enter and exit,
//! origins. Shared by the sequential and the indexed source.

use std::ops::ControlFlow;

use scap_capture_format::native::{Chunk, ChunkDecoder, Damages, Load, OriginId};
use scap_capture_format::sysdig::Converter;
use scap_capture_format::{Error, Result};

use super::{Each, Item, ReplayError};
use crate::event::{Event, PairedEvent};

/// How the events of a chunk are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// They are passed to the sink.
    Events,
    /// They only update the state.
    StateOnly,
}

/// Decodes chunks, one after the other.
pub(super) struct ChunkEvents {
    decoder: ChunkDecoder,
    /// For captures with enter and exit events.
    converter: Option<Converter>,
    /// True if stored ids contain the origin.
    is_merged: bool,
    /// How many origins the header describes.
    origins: usize,
    damages: Damages,
}

impl ChunkEvents {
    pub(super) fn new(is_paired: bool, is_merged: bool, origins: usize) -> Self {
        Self {
            decoder: ChunkDecoder::new(),
            converter: is_paired.then(Converter::new),
            is_merged,
            origins,
            damages: Damages::default(),
        }
    }

    /// Returns true if the capture has enter and exit events; no part of an event may be skipped
    /// then, since the exit is completed from the enter.
    pub(super) fn is_paired(&self) -> bool {
        self.converter.is_some()
    }

    /// Forgets pending enter events: the next chunk is from another place of the capture.
    pub(super) fn forget_enters(&mut self) {
        if let Some(converter) = &mut self.converter {
            converter.clear();
        }
    }

    /// Returns the damage found while decoding.
    pub(super) fn damages(&self) -> &Damages {
        &self.damages
    }

    /// Notes damage; other errors are returned.
    pub(super) fn note(&mut self, error: Error, offset: u64) -> Result<()> {
        self.damages.note(error, offset)
    }

    /// Passes on the events of a chunk. Events after damage are skipped, with a [`Item::Gap`] for
    /// every origin.
    ///
    /// # Errors
    ///
    /// If the capture cannot be read further, or what `each` returned.
    pub(super) fn replay(
        &mut self,
        chunk: &Chunk,
        load: Load<'_>,
        r#use: Use,
        each: Each<'_>,
    ) -> std::result::Result<ControlFlow<()>, ReplayError> {
        let mut rows = match chunk.decode(&mut self.decoder, load) {
            Ok(rows) => rows,
            Err(error) => {
                self.note(error, chunk.offset())?;
                return self.gap(each);
            }
        };
        let mut one = |origin: OriginId, paired: PairedEvent<'_>| {
            let item = match r#use {
                Use::Events => Item::Event(paired),
                Use::StateOnly => Item::StateOnly(paired),
            };
            each(origin, item).map_err(ReplayError::Sink)
        };
        let error = loop {
            let event = match rows.next() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(ControlFlow::Continue(())),
                Err(error) => break error,
            };
            let flow = match (&mut self.converter, self.is_merged) {
                (None, false) => one(OriginId::FIRST, (&event).into()),
                (Some(converter), false) => {
                    let converted = converter.convert(&event);
                    one(
                        OriginId::FIRST,
                        PairedEvent {
                            event: &event,
                            full: converted.merged.as_ref().unwrap_or(&event),
                            enter_fd: converted.enter.and_then(|e| e.fd),
                        },
                    )
                }
                (converter, true) => {
                    let (origin, own) = OriginId::split(&event);
                    match converter {
                        None => one(origin, (&own).into()),
                        Some(converter) => {
                            // Calls are paired by stored ids, which differ between origins.
                            let converted = converter.convert(&event);
                            let full = converted.merged.map(|full| OriginId::split(&full).1);
                            one(
                                origin,
                                PairedEvent {
                                    event: &own,
                                    full: full.as_ref().unwrap_or(&own),
                                    enter_fd: converted.enter.and_then(|e| e.fd),
                                },
                            )
                        }
                    }
                }
            };
            if flow?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        };
        self.note(error, chunk.offset())?;
        self.gap(each)
    }

    fn gap(&self, each: Each<'_>) -> std::result::Result<ControlFlow<()>, ReplayError> {
        gap(self.origins, each)
    }

    /// Remembers pending enter events of a chunk that is not replayed.
    ///
    /// # Errors
    ///
    /// None for damage, which the replay of the chunk reports.
    pub(super) fn remember_enters(&mut self, chunk: &Chunk, load: Load<'_>) {
        let Some(converter) = &mut self.converter else {
            return;
        };
        let Ok(mut rows) = chunk.decode(&mut self.decoder, load) else {
            return;
        };
        while let Ok(Some(event)) = rows.next() {
            converter.pair(&event);
        }
    }

    /// Passes on the events of a chunk without their parameters, each with its origin. Damaged parts are skipped and
    /// noted.
    ///
    /// # Errors
    ///
    /// If the capture cannot be read further.
    pub(super) fn columns(
        &mut self,
        chunk: &Chunk,
        each: &mut dyn FnMut(OriginId, &Event<'_>),
    ) -> Result<()> {
        let mut rows = match chunk.decode(&mut self.decoder, Load::COLUMNS) {
            Ok(rows) => rows,
            Err(error) => return self.note(error, chunk.offset()),
        };
        let error = loop {
            match rows.next() {
                Ok(Some(event)) if self.is_merged => {
                    let (origin, own) = OriginId::split(&event);
                    each(origin, &own);
                }
                Ok(Some(event)) => each(OriginId::FIRST, &event),
                Ok(None) => return Ok(()),
                Err(error) => break error,
            }
        };
        self.note(error, chunk.offset())
    }
}

/// Reports a gap for every origin.
pub(super) fn gap(
    origins: usize,
    each: Each<'_>,
) -> std::result::Result<ControlFlow<()>, ReplayError> {
    for origin in 0..u16::try_from(origins).unwrap_or(u16::MAX) {
        let flow = each(OriginId(origin), Item::Gap).map_err(ReplayError::Sink)?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}
