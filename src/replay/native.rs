//! Our own capture files as a source, read from front to back.

use std::io::{Read, Seek};

use scap_capture_format::native::header::EVENT_MODEL;
use scap_capture_format::native::{
    CaptureReader, ChunkDecoder, ContainerPreload, Damages, Header, Item, Load, Want,
};
use scap_capture_format::schema::EventType;
use scap_capture_format::sysdig::Converter;
use scap_capture_format::{Error, Result};

use super::{Each, EventSource, Needs, ReplayError};
use crate::event::PairedEvent;
use crate::state;

/// A file, or what is like one.
trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// A native capture: a file or a pipe.
pub struct NativeSource<R> {
    reader: CaptureReader<R>,
    decoder: ChunkDecoder,
    /// Damages of chunks that only their decoding shows; `all` has these and the reader's.
    own: Damages,
    all: Damages,
    /// What is to be known before the first event.
    ahead: Option<ContainerPreload<Box<dyn ReadSeek>>>,
    /// Types of the events whose parameters are loaded; `None` = all.
    loaded: Option<Vec<EventType>>,
    /// Whether the bytes that calls moved are loaded.
    loads_data: bool,
    /// For a capture made from one whose events come in pairs.
    converter: Option<Converter>,
}

impl<R: Read> NativeSource<R> {
    /// Opens a capture.
    ///
    /// # Errors
    ///
    /// What is no capture, or one that cannot be read at all.
    pub fn new(input: R) -> Result<Self> {
        let reader = CaptureReader::new(input)?;
        let all = reader.damages().clone();
        let model = |(name, value): &(String, String)| (&**name, &**value) == EVENT_MODEL;
        let in_pairs = reader.header().options.iter().any(model);
        Ok(Self {
            reader,
            converter: in_pairs.then(Converter::new),
            decoder: ChunkDecoder::new(),
            own: Damages::default(),
            all,
            ahead: None,
            loaded: None,
            loads_data: true,
        })
    }

    /// Makes the containers known from their first event on that the capture describes anywhere. `again` is
    /// the same capture, read in any order.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn know_ahead(&mut self, again: impl Read + Seek + 'static) -> Result<()> {
        self.ahead = Some(ContainerPreload::find(Box::new(again) as Box<dyn ReadSeek>)?);
        Ok(())
    }

    fn chunk(
        &mut self,
        chunk: &scap_capture_format::native::Chunk,
        each: Each<'_>,
    ) -> std::result::Result<bool, ReplayError> {
        let mut damaged = |error: Error| match error {
            Error::Damaged { offset, what } => {
                self.own.add(offset, what);
                Ok(())
            }
            Error::Limit { what, .. } => {
                self.own.add(chunk.offset(), what);
                Ok(())
            }
            other => Err(ReplayError::Read(other)),
        };
        let load = Load {
            params: match &self.loaded {
                Some(types) => Want::Types(types),
                None => Want::All,
            },
            io_data: self.loads_data,
        };
        let mut rows = match chunk.decode(&mut self.decoder, load) {
            Ok(rows) => rows,
            Err(error) => {
                damaged(error)?;
                return hand_over(each, super::Item::Gap);
            }
        };
        loop {
            match rows.next() {
                Ok(Some(event)) => {
                    let more = match &mut self.converter {
                        None => hand_over(each, super::Item::Event((&event).into())),
                        Some(converter) => {
                            let converted = converter.convert(&event);
                            let paired = PairedEvent {
                                event: &event,
                                full: converted.merged.as_ref().unwrap_or(&event),
                                enter_fd: converted.enter.and_then(|e| e.fd),
                            };
                            hand_over(each, super::Item::Event(paired))
                        }
                    };
                    if !more? {
                        return Ok(false);
                    }
                }
                Ok(None) => return Ok(true),
                Err(error) => {
                    damaged(error)?;
                    return hand_over(each, super::Item::Gap);
                }
            }
        }
    }

    fn gather_damages(&mut self) {
        self.all = self.reader.damages().clone();
        for damage in self.own.list() {
            self.all.add(damage.offset, damage.what);
        }
    }

    fn read_all(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        if let Some(mut ahead) = self.ahead.take() {
            while let Some(report) = ahead.next_report()? {
                if !hand_over(each, super::Item::Containers(&report))? {
                    return Ok(());
                }
            }
        }
        let mut seen = self.reader.damages().count();
        while let Some(item) = self.reader.next_item()? {
            let damages = self.reader.damages().count();
            if damages != seen && !hand_over(each, super::Item::Gap)? {
                return Ok(());
            }
            seen = damages;
            let more = match item {
                Item::Snapshot(snapshot) => hand_over(each, super::Item::Snapshot(&snapshot))?,
                Item::Containers(report) => hand_over(each, super::Item::Containers(&report))?,
                Item::Loss(report) => hand_over(each, super::Item::Loss(&report))?,
                Item::Chunk(chunk) => {
                    self.chunk(&chunk, each)? && hand_over(each, super::Item::Pause)?
                }
                _ => true,
            };
            if !more {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<R: Read + Seek> NativeSource<R> {
    /// Goes on at the section that begins at `offset`. Where calls have two events, those before it are looked
    /// at for what entered and has not returned.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn skip_to(&mut self, offset: u64) -> Result<()> {
        if let Some(converter) = &mut self.converter {
            while let Some(item) = self.reader.next_item()? {
                let Item::Chunk(chunk) = item else {
                    continue;
                };
                if chunk.offset() >= offset {
                    break;
                }
                // What is damaged is told by whoever reads it.
                let Ok(mut rows) = chunk.decode(&mut self.decoder, Load::PARAMS) else {
                    continue;
                };
                while let Ok(Some(event)) = rows.next() {
                    converter.pair(&event);
                }
            }
        }
        self.reader.skip_to(offset)
    }
}

fn hand_over(each: Each<'_>, item: super::Item<'_>) -> std::result::Result<bool, ReplayError> {
    let flow = each(item).map_err(ReplayError::Sink)?;
    Ok(flow.is_continue())
}

impl<R: Read> EventSource for NativeSource<R> {
    fn header(&self) -> &Header {
        self.reader.header()
    }

    fn read(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        let result = self.read_all(each);
        self.gather_damages();
        result
    }

    fn set_needs(&mut self, needs: &Needs) {
        self.loads_data = needs.data;
        // Where calls have two events, one completes the other.
        if self.converter.is_none() && !needs.types.is_all() {
            let mut types: Vec<EventType> = state::state_affecting_types().collect();
            types.extend(needs.types.iter());
            types.sort_unstable();
            types.dedup();
            self.loaded = Some(types);
        }
    }

    fn is_in_pairs(&self) -> bool {
        self.converter.is_some()
    }

    fn damages(&self) -> &Damages {
        &self.all
    }

    fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }
}
