//! Segments of a native capture: a source that starts at any snapshot, and its replay.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use scap_capture_format::native::{
    ContainerPreload, Damages, IndexedReader, Load, OriginId, Snapshot, Want,
};
use scap_capture_format::schema::EventType;

use super::chunk::{ChunkEvents, Use};
use super::indexed::{self, IndexedCapture, IndexedCaptureError, Segment};
use super::source::origins_of;
use super::{Each, EventSink, Item, OriginState, Pipeline, ReplayError, Selection};
use crate::event::bytes::BufferFormat;
use crate::event::{Event, EventExt as _};
use crate::fields::{Context, Session, TimeFormat};
use crate::state;

/// What is needed of the events of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Only their effect on the state.
    State,
    /// The events, without the data of I/O calls.
    Events,
    /// The whole events.
    Everything,
    /// Nothing of this chunk or any after it.
    Stop,
}

/// Passes on the events of one segment.
struct SegmentSource {
    capture: Arc<IndexedCapture>,
    reader: IndexedReader<File>,
    events: ChunkEvents,
    origins: usize,
    /// Types of events that can change the state.
    stateful: Vec<EventType>,
}

/// Replays segments of a capture, each from its snapshot. Segments are independent of each other,
/// so that they can be replayed in any order and by several threads at once, each with its own
/// replayer.
pub struct SegmentReplayer {
    source: SegmentSource,
    pipeline: Pipeline,
}

impl SegmentReplayer {
    /// Opens the capture's file again.
    ///
    /// # Errors
    ///
    /// If it cannot be opened again.
    pub fn new(capture: &Arc<IndexedCapture>) -> Result<Self, IndexedCaptureError> {
        let open = || -> Result<_, IndexedCaptureError> {
            Ok(capture.reader.with_input(indexed::open(capture.path())?))
        };
        let reader = open()?;
        let header = capture.header();
        let origins = origins_of(header);
        let mut session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
        session.first_time = capture.first_time();
        session.exec_sessions = capture.exec_sessions().cloned();
        let mut pipeline = Pipeline::new(session, &origins, Selection::default());
        let mut preload = ContainerPreload::of(open()?);
        while let Some(report) = preload.next_report()? {
            pipeline.preload_containers(&report);
        }
        Ok(Self {
            source: SegmentSource {
                capture: Arc::clone(capture),
                events: ChunkEvents::new(header.is_paired(), reader.is_merged(), origins.len()),
                origins: origins.len(),
                stateful: state::state_affecting_types().collect(),
                reader,
            },
            pipeline,
        })
    }

    /// Returns the capture.
    pub fn capture(&self) -> &Arc<IndexedCapture> {
        &self.source.capture
    }

    /// Returns the states after the last replayed event, one for each origin.
    pub fn origins(&self) -> &[OriginState] {
        self.pipeline.origins()
    }

    /// Drops state that the last event ended, which is kept while that event is looked at.
    pub fn settle(&mut self) {
        for origin in self.pipeline.origins_mut() {
            origin.state.settle();
        }
    }

    /// Returns the damage found so far.
    pub fn damages(&self) -> &Damages {
        self.source.events.damages()
    }

    /// Replays a segment. `need` says what is needed of each chunk (by its index); `each` receives
    /// the events that are shown, with the state after them and the index of their chunk. Hidden
    /// and internal events only update the state. Damaged parts are skipped and noted.
    ///
    /// Returns `Break` if `each` or `need` stopped.
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
        let Self { source, pipeline } = self;
        let capture = Arc::clone(&source.capture);
        let Some(segment) = capture.segments().get(segment) else {
            return Ok(ControlFlow::Continue(()));
        };
        let place = Cell::new(segment.chunks.start);
        let mut sink = Shown {
            place: &place,
            each,
        };
        let mut need = |chunk: usize| {
            place.set(chunk);
            need(chunk)
        };
        let replayed = source.read(segment, &mut need, &mut |origin, item| {
            pipeline.item(origin, item, &mut sink)
        });
        replayed.map_err(|error| match error {
            ReplayError::Read(error) => error.into(),
            // The sink itself does not fail.
            ReplayError::Sink(error) => IndexedCaptureError::Capture(error.into()),
        })
    }

    /// Iterates over the shown events of a chunk, without state and parameters. Damaged parts are
    /// skipped and noted.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn columns(
        &mut self,
        chunk: usize,
        each: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), IndexedCaptureError> {
        let SegmentSource { reader, events, .. } = &mut self.source;
        let chunk = match reader.chunk(chunk) {
            Ok(chunk) => chunk,
            Err(error) => return Ok(events.note(error, 0)?),
        };
        Ok(events.columns(&chunk, &mut |_, event| {
            if indexed::is_shown(event) {
                each(event);
            }
        })?)
    }
}

impl SegmentSource {
    fn read(
        &mut self,
        segment: &Segment,
        need: &mut dyn FnMut(usize) -> Need,
        each: Each<'_>,
    ) -> Result<ControlFlow<()>, ReplayError> {
        self.restore(segment, each)?;
        self.events.forget_enters();
        if let Some(before) = segment.chunks.start.checked_sub(1) {
            self.remember_enters(before)?;
        }
        for place in segment.chunks.clone() {
            let need = need(place);
            if need == Need::Stop {
                return Ok(ControlFlow::Break(()));
            }
            let chunk = match self.reader.chunk(place) {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.events.note(error, 0)?;
                    continue;
                }
            };
            let load = match need {
                Need::State if !self.events.is_paired() => Load {
                    params: Want::Types(&self.stateful),
                    io_data: false,
                },
                Need::Everything => Load::ALL,
                _ => Load {
                    params: Want::All,
                    io_data: false,
                },
            };
            let r#use = match need {
                Need::State => Use::StateOnly,
                _ => Use::Events,
            };
            if self.events.replay(&chunk, load, r#use, each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Passes on the state at the start of a segment.
    fn restore(&mut self, segment: &Segment, each: Each<'_>) -> Result<(), ReplayError> {
        let mut restore = |origin, snapshot: &Snapshot| -> Result<(), ReplayError> {
            for item in [Item::Gap, Item::Snapshot(snapshot)] {
                // The pipeline never stops at these items.
                let _flow = each(origin, item).map_err(ReplayError::Sink)?;
            }
            Ok(())
        };
        // Origins without a readable snapshot start with an empty state, not with that of the
        // previous segment.
        if segment.snapshots.len() != self.origins || self.origins > 1 {
            let none = Snapshot::default();
            for origin in 0..u16::try_from(self.origins).unwrap_or(u16::MAX) {
                restore(OriginId(origin), &none)?;
            }
        }
        for place in segment.snapshots.clone() {
            match self.reader.snapshot(place) {
                Ok(snapshot) => restore(OriginId::of(&snapshot.extra), &snapshot)?,
                Err(error) => {
                    self.events.note(error, 0)?;
                    if self.origins == 1 {
                        restore(OriginId::FIRST, &Snapshot::default())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// In captures with enter and exit events, calls entered in the previous segment can return in
    /// this one.
    fn remember_enters(&mut self, last: usize) -> Result<(), ReplayError> {
        if !self.events.is_paired() {
            return Ok(());
        }
        let Some(before) = self.capture.segment_of(last) else {
            return Ok(());
        };
        let chunks = self
            .capture
            .segments()
            .get(before)
            .map(|s| s.chunks.clone());
        for place in chunks.into_iter().flatten() {
            match self.reader.chunk(place) {
                Ok(chunk) => self.events.remember_enters(&chunk, Load::ALL),
                Err(error) => self.events.note(error, 0)?,
            }
        }
        Ok(())
    }
}

/// Passes on the events that are shown.
struct Shown<'s> {
    place: &'s Cell<usize>,
    each: &'s mut dyn FnMut(&Context<'_>, usize) -> ControlFlow<()>,
}

impl EventSink for Shown<'_> {
    #[inline]
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() {
            return Ok(ControlFlow::Continue(()));
        }
        Ok((self.each)(cx, self.place.get()))
    }
}
