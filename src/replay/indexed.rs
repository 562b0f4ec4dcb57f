//! A capture opened in any order, and the replay of its segments.

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scap_capture_format::Error;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::header::EVENT_MODEL;
use scap_capture_format::native::{
    ChunkDecoder, ContainerPreload, Damages, Header, Index, IndexedReader, Load, Want,
};
use scap_capture_format::schema::EventType;
use scap_capture_format::sysdig::Converter;
use thiserror::Error as ThisError;

use crate::event::bytes::BufferFormat;
use crate::event::{EventExt as _, PairedEvent};
use crate::fields::{Context, Session, TimeFormat};
use crate::replay;
use crate::replay::{LossInterval, Span};
use crate::state::{self, State};

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
    /// Its snapshot, by its place in the index. Only the first segment can be without.
    pub snapshot: Option<usize>,
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
    reader: IndexedReader<File>,
    segments: Vec<Segment>,
    losses: Vec<LossInterval>,
    first_time: u64,
    /// Calls have two events.
    pairs: bool,
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
        let model = |(name, value): &(String, String)| (&**name, &**value) == EVENT_MODEL;
        let pairs = reader.header().options.iter().any(model);
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
            segments: segments(reader.index()),
            losses: losses.collect(),
            first_time,
            pairs,
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
        self.pairs
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

fn open(path: &Path) -> Result<File, IndexedCaptureError> {
    File::open(path).map_err(|source| IndexedCaptureError::Open {
        path: path.to_owned(),
        source,
    })
}

/// Cuts a capture at its snapshots.
fn segments(index: &Index) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut snapshot = None;
    let mut snapshots = index.snapshots.iter().enumerate().peekable();
    for (place, chunk) in index.chunks.iter().enumerate() {
        let mut next = None;
        while let Some((at, _)) = snapshots.next_if(|(_, s)| s.offset < chunk.offset) {
            next = Some(at);
        }
        let summary = &chunk.summary;
        let span = Span {
            from: summary.min_time.0,
            to: summary.max_time.0.max(summary.min_time.0),
        };
        match segments.last_mut() {
            Some(last) if next.is_none() => {
                last.chunks.end = place + 1;
                last.span.from = last.span.from.min(span.from);
                last.span.to = last.span.to.max(span.to);
                last.events += u64::from(summary.events);
            }
            _ => {
                snapshot = next.or(snapshot);
                segments.push(Segment {
                    snapshot,
                    chunks: place..place + 1,
                    span,
                    events: u64::from(summary.events),
                });
            }
        }
    }
    segments
}

/// Replays segments of a capture, one at a time, each from its snapshot.
pub struct SegmentReplayer {
    library: Arc<IndexedCapture>,
    reader: IndexedReader<File>,
    decoder: ChunkDecoder,
    state: State,
    session: Session,
    damages: Damages,
    /// Types whose events can change the state.
    stateful: Vec<EventType>,
}

/// What a walk does with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Only what it does to the state counts.
    State,
    /// Its events are wanted, without the bytes that calls moved.
    Events,
    /// Its events are wanted, whole.
    Everything,
    /// Nothing in it or after it is wanted.
    Stop,
}

impl SegmentReplayer {
    /// Makes a replayer; each thread needs its own.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened again.
    pub fn new(library: &Arc<IndexedCapture>) -> Result<Self, IndexedCaptureError> {
        let reader = library.reader.with_input(open(&library.path)?);
        let arch = replay::arch(library.header());
        let mut session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
        session.set_machine(&library.header().machine);
        session.first_time = library.first_time;
        let mut state = State::new();
        let mut ahead = ContainerPreload::of(library.reader.with_input(open(&library.path)?));
        while let Some(report) = ahead.next_report()? {
            for description in &report.descriptions {
                state.preload_container(&description.json);
            }
        }
        Ok(Self {
            library: Arc::clone(library),
            reader,
            decoder: ChunkDecoder::new(),
            state,
            session,
            damages: Damages::default(),
            stateful: state::state_affecting_types().collect(),
        })
    }

    /// Returns the capture.
    pub fn library(&self) -> &Arc<IndexedCapture> {
        &self.library
    }

    /// Returns the state after what was walked over last.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Forgets what the last event ended, which stays for whoever looks at that event.
    pub fn settle(&mut self) {
        self.state.settle();
    }

    /// Returns what is the same for all events.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the damages met so far.
    pub fn damages(&self) -> &Damages {
        &self.damages
    }

    /// Replays a segment: `need` says what of each chunk (by its place in the index) is wanted, `each` takes
    /// the wanted events that are shown, with the state after them, and the chunk they are in. Hidden
    /// events and the recorder's own change only the state. What is damaged is passed over and noted.
    ///
    /// Returns `Break` if `each` or `need` wanted no more.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn segment(
        &mut self,
        segment: usize,
        need: &mut dyn FnMut(usize) -> Need,
        each: &mut dyn FnMut(&Context<'_>, usize) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, IndexedCaptureError> {
        let library = Arc::clone(&self.library);
        let Some(segment) = library.segments.get(segment) else {
            return Ok(ControlFlow::Continue(()));
        };
        self.restore(segment)?;
        let mut converter = library.pairs.then(Converter::new);
        if let (Some(converter), Some(before)) =
            (&mut converter, segment.chunks.start.checked_sub(1))
        {
            self.pair(before, converter)?;
        }
        for place in segment.chunks.clone() {
            let need = need(place);
            if need == Need::Stop {
                return Ok(ControlFlow::Break(()));
            }
            if self
                .chunk(place, need, converter.as_mut(), each)?
                .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Goes over the events of a chunk that are shown, without the state and without their parameters. What is
    /// damaged is passed over and noted.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn columns(
        &mut self,
        chunk: usize,
        each: &mut dyn FnMut(&crate::event::Event<'_>),
    ) -> Result<(), IndexedCaptureError> {
        let chunk = match self.reader.chunk(chunk) {
            Ok(chunk) => chunk,
            Err(error) => return self.note(error),
        };
        let mut rows = match chunk.decode(&mut self.decoder, Load::COLUMNS) {
            Ok(rows) => rows,
            Err(error) => return self.note(error),
        };
        let error = loop {
            match rows.next() {
                Ok(Some(event)) if is_shown(&event) => each(&event),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => break error,
            }
        };
        self.note(error)
    }

    fn restore(&mut self, segment: &Segment) -> Result<(), IndexedCaptureError> {
        let snapshot = segment.snapshot.map(|at| self.reader.snapshot(at));
        match snapshot {
            Some(Ok(snapshot)) => self.state.restore(&snapshot),
            Some(Err(error)) => {
                self.note(error)?;
                self.state.restore(&Default::default());
            }
            None => self.state.restore(&Default::default()),
        }
        Ok(())
    }

    /// Takes note of a damage; other errors are passed on.
    fn note(&mut self, error: Error) -> Result<(), IndexedCaptureError> {
        match error {
            Error::Damaged { offset, what } => self.damages.add(offset, what),
            Error::Limit { what, .. } => self.damages.add(0, what),
            other => return Err(other.into()),
        }
        Ok(())
    }

    /// Where calls have two events, those that entered in the segment before return in this one.
    fn pair(&mut self, last: usize, converter: &mut Converter) -> Result<(), IndexedCaptureError> {
        let Some(before) = self.library.segment_of(last) else {
            return Ok(());
        };
        let chunks = self.library.segments[before].chunks.clone();
        for place in chunks {
            let chunk = match self.reader.chunk(place) {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.note(error)?;
                    continue;
                }
            };
            let Ok(mut rows) = chunk.decode(&mut self.decoder, Load::ALL) else {
                continue;
            };
            while let Ok(Some(event)) = rows.next() {
                converter.pair(&event);
            }
        }
        Ok(())
    }

    fn chunk(
        &mut self,
        place: usize,
        need: Need,
        mut converter: Option<&mut Converter>,
        each: &mut dyn FnMut(&Context<'_>, usize) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, IndexedCaptureError> {
        let chunk = match self.reader.chunk(place) {
            Ok(chunk) => chunk,
            Err(error) => {
                self.note(error)?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let load = match need {
            Need::State if converter.is_none() => Load {
                params: Want::Types(&self.stateful),
                io_data: false,
            },
            Need::Everything => Load::ALL,
            _ => Load {
                params: Want::All,
                io_data: false,
            },
        };
        let Self {
            decoder,
            state,
            session,
            damages,
            ..
        } = self;
        let mut rows = match chunk.decode(decoder, load) {
            Ok(rows) => rows,
            Err(error) => {
                self.note(error)?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        loop {
            let event = match rows.next() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(ControlFlow::Continue(())),
                Err(Error::Damaged { offset, what }) => {
                    damages.add(offset, what);
                    return Ok(ControlFlow::Continue(()));
                }
                Err(Error::Limit { what, .. }) => {
                    damages.add(chunk.offset(), what);
                    return Ok(ControlFlow::Continue(()));
                }
                Err(error) => return Err(error.into()),
            };
            let converted = converter.as_mut().map(|c| c.convert(&event));
            let paired = match &converted {
                None => PairedEvent::from(&event),
                Some(converted) => PairedEvent {
                    event: &event,
                    full: converted.merged.as_ref().unwrap_or(&event),
                    enter_fd: converted.enter.as_ref().and_then(|e| e.fd),
                },
            };
            state.apply(paired);
            if need == Need::State || !is_shown(&event) {
                continue;
            }
            let view = state.view(paired);
            let cx = Context {
                event: &event,
                view: &view,
                session,
            };
            if each(&cx, place).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

/// Whether an event is shown: it is not hidden, and not the recorder's own bookkeeping, which sysdig numbers
/// and does not show either.
pub fn is_shown(event: &crate::event::Event<'_>) -> bool {
    !event.is_internal() && !event.flags.contains(EventFlags::HIDDEN)
}
