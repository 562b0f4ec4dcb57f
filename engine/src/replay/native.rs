//! Native captures as a sequential source.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use scap_capture_format::native::{
    CaptureReader, Chunk, ContainerPreload, Damages, Header, Item as Section, Load, Origin,
    OriginId, Outline, Want,
};
use scap_capture_format::schema::EventType;
use scap_capture_format::{Error, Result};

use super::chunk::{ChunkEvents, Use, gap};
use super::plan::{Part, Plan};
use super::rest::RestVerifier;
use super::source::origins_of;
use super::{Each, EventSource, Item, Needs, ReplayError};
use crate::state;

/// A seekable input.
trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// A native capture: a file or a pipe.
pub struct NativeSource<R> {
    reader: CaptureReader<R>,
    origins: Vec<Origin>,
    events: ChunkEvents,
    /// Damage found by the reader and while decoding.
    damages: Damages,
    /// Descriptions of containers to report before the first event.
    preload: Option<ContainerPreload<Box<dyn ReadSeek>>>,
    /// What the section headers say, if the input is seekable.
    outline: Option<Outline>,
    /// Reading ended before the end of the capture.
    is_stopped: bool,
    /// Types of the events whose parameters are loaded; `None` = all.
    loaded: Option<Vec<EventType>>,
    /// True if the data of I/O calls is loaded.
    loads_data: bool,
    /// What is not loaded is verified.
    verifies: bool,
    /// Verifies what is not loaded.
    rest: Option<RestVerifier>,
    /// What is read, of a capture in a file, and how the reader skips the rest.
    plan: Option<(Plan, SkipTo<R>)>,
    /// Types of events that can change the state.
    stateful: Vec<EventType>,
}

/// Continues at the section at an offset.
type SkipTo<R> = fn(&mut CaptureReader<R>, u64) -> Result<()>;

impl<R: Read> NativeSource<R> {
    /// Opens a capture.
    ///
    /// # Errors
    ///
    /// If the input is not a capture, or cannot be read at all.
    pub fn new(input: R) -> Result<Self> {
        let reader = CaptureReader::new(input)?;
        let origins = origins_of(reader.header());
        let is_paired = reader.header().is_paired();
        Ok(Self {
            events: ChunkEvents::new(is_paired, reader.is_merged(), origins.len()),
            damages: reader.damages().clone(),
            origins,
            reader,
            preload: None,
            outline: None,
            is_stopped: false,
            loaded: None,
            loads_data: true,
            verifies: true,
            rest: None,
            plan: None,
            stateful: state::state_affecting_types().collect(),
        })
    }

    /// Makes container descriptions from anywhere in the capture known from the first event on.
    /// `again` is the same capture, seekable.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn preload_containers(&mut self, again: impl Read + Seek + Send + 'static) -> Result<()> {
        let again = Box::new(again) as Box<dyn ReadSeek>;
        let preload = ContainerPreload::find(again)?;
        self.outline = Some(preload.outline().clone());
        self.preload = Some(preload);
        Ok(())
    }

    fn read_all(&mut self, each: Each<'_>) -> std::result::Result<ControlFlow<()>, ReplayError> {
        if let Some(mut preload) = self.preload.take() {
            while let Some(report) = preload.next_report()? {
                let item = Item::Containers(&report, self.origins.len());
                if each(OriginId::FIRST, item)
                    .map_err(ReplayError::Sink)?
                    .is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        let mut seen = self.reader.damages().count();
        loop {
            let flow = self.skip(each)?;
            if flow.is_break() {
                return Ok(flow);
            }
            let Some(section) = self.reader.next_item()? else {
                return Ok(ControlFlow::Continue(()));
            };
            let damages = self.reader.damages().count();
            if damages != seen && gap(self.origins.len(), each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            seen = damages;
            let mut one = |extra, item| each(OriginId::of(extra), item).map_err(ReplayError::Sink);
            let flow = match section {
                Section::Snapshot(snapshot) => one(&snapshot.extra, Item::Snapshot(&snapshot))?,
                Section::Loss(report) => one(&report.extra, Item::Loss(&report))?,
                Section::Containers(report) => {
                    // Container ids are globally unique.
                    let item = Item::Containers(&report, self.origins.len());
                    each(OriginId::FIRST, item).map_err(ReplayError::Sink)?
                }
                Section::Chunk(chunk) => self.chunk(chunk, each)?,
                _ => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Passes on the events of a chunk.
    fn chunk(
        &mut self,
        chunk: Box<Chunk>,
        each: Each<'_>,
    ) -> std::result::Result<ControlFlow<()>, ReplayError> {
        let part = self
            .plan
            .as_ref()
            .map(|(plan, _)| plan.part(chunk.offset()));
        if part == Some(Part::State) {
            let params = match self.events.is_paired() {
                true => Want::All,
                false => Want::Types(&self.stateful),
            };
            let load = Load {
                params,
                io_data: false,
            };
            return self.events.replay(&chunk, load, Use::StateOnly, each);
        }
        let load = Load {
            params: match &self.loaded {
                Some(types) => Want::Types(types),
                None => Want::All,
            },
            io_data: self.loads_data,
        };
        let before = self.events.damages().count();
        let flow = self.events.replay(&chunk, load, Use::Events, each)?;
        if self.events.damages().count() == before
            && let Some(rest) = &self.rest
        {
            rest.verify(chunk);
        }
        match flow {
            ControlFlow::Continue(()) => {
                each(OriginId::FIRST, Item::Pause).map_err(ReplayError::Sink)
            }
            stop => Ok(stop),
        }
    }

    /// Skips the sections that the plan leaves out, if they begin here.
    fn skip(&mut self, each: Each<'_>) -> std::result::Result<ControlFlow<()>, ReplayError> {
        let Some((plan, skip_to)) = &self.plan else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(jump) = plan.jump(self.reader.offset()) else {
            return Ok(ControlFlow::Continue(()));
        };
        for (_, report) in plan.losses(jump) {
            let flow = each(OriginId::of(&report.extra), Item::Loss(report));
            if flow.map_err(ReplayError::Sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let Some(to) = jump.to else {
            return Ok(ControlFlow::Break(()));
        };
        if self.events.is_paired() {
            while self.reader.offset() < to
                && let Some(section) = self.reader.next_item()?
            {
                if let Section::Chunk(chunk) = section {
                    self.events.remember_enters(&chunk, Load::PARAMS);
                }
            }
        }
        skip_to(&mut self.reader, to)?;
        gap(self.origins.len(), each)
    }
}

impl<R: Read + Seek> NativeSource<R> {
    /// Reads only what the plan says, which was made of the same capture.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = Some((plan, CaptureReader::skip_to));
    }
}

impl<R: Read> EventSource for NativeSource<R> {
    fn header(&self) -> &Header {
        self.reader.header()
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn read(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        if self.verifies && (self.loaded.is_some() || !self.loads_data) {
            self.rest = Some(RestVerifier::new().map_err(Error::Io)?);
        }
        let result = self.read_all(each);
        self.damages = self.reader.damages().clone();
        self.damages.append(&mut self.events.damages().clone());
        if let Some(rest) = self.rest.take() {
            self.damages.append(&mut rest.finish()?);
        }
        self.is_stopped = result?.is_break();
        if let (true, Some(outline)) = (self.is_stopped, &self.outline) {
            let mut later = outline.damages.at_or_after(self.reader.offset());
            self.damages.append(&mut later);
        }
        Ok(())
    }

    fn set_needs(&mut self, needs: &Needs) {
        self.loads_data = needs.data;
        self.verifies = needs.verifies;
        if !self.events.is_paired() && !needs.types.is_all() {
            let mut types: Vec<EventType> = state::state_affecting_types().collect();
            types.extend(needs.types.iter());
            types.sort_unstable();
            types.dedup();
            self.loaded = Some(types);
        }
    }

    fn damages(&self) -> &Damages {
        &self.damages
    }

    fn is_complete(&self) -> bool {
        let has_end = || self.outline.as_ref().is_none_or(|outline| outline.has_end);
        self.reader.is_complete() || self.is_stopped && has_end()
    }
}
