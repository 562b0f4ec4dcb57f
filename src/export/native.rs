//! Writes events to a native capture.
//!
//! Rejected events that change the meaning of later ones are kept as hidden events, without I/O data, so that
//! a filtered capture shows as much as the whole one. The file begins with the state just before its first
//! event, and has further snapshots at the interval of a recorder, so that reading can start there.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use hashbrown::HashMap;
use scap_capture_format::event::{EventFlags, Timestamp};
use scap_capture_format::native::{
    CaptureWriter, ContainerDescription, Derivation, EventNames, Header, LossReport, Origin,
    OriginId, SchemaDescription, WriterOptions,
};
use scap_capture_format::schema::SourceCategory;

use super::containers::Containers;
use super::edit::{Edit, Unedited};
use crate::event::{Event, EventExt as _, OwnedEvent};
use crate::fields::{self, Context, NameScratch};
use crate::lanes;
use crate::replay::{EventSink, OriginState};
use crate::state::{self, SnapshotSchedule, State};

/// Most threads whose last enter event is kept.
const THREADS: usize = 1 << 18;

/// Writes events to a capture file.
pub struct NativeSink<W: Write, E: Edit = Unedited> {
    /// The output, until the first event.
    out: Option<W>,
    writer: Option<CaptureWriter<W>>,
    header: Header,
    derivation: Option<Derivation>,
    /// What is changed.
    edit: E,
    names: NameScratch,
    origins: Vec<Origin>,
    /// Enter events that were not written: their exit events can still pass.
    enters: HashMap<(OriginId, i64), OwnedEvent>,
    stripped: OwnedEvent,
    containers: Containers,
    snapshots: Snapshots,
    /// The time of the last event.
    last: Timestamp,
    shown: u64,
    hidden: u64,
    /// Limit of the events that pass.
    limit: u64,
}

impl<W: Write> NativeSink<W> {
    /// Makes a sink; nothing is written before the first event. `header` and `origins` are those of the
    /// source.
    pub fn new(out: W, header: &Header, origins: &[Origin], limit: u64) -> Self {
        Self::edited(out, header, origins, limit, Unedited)
    }
}

impl<W: Write, E: Edit> NativeSink<W, E> {
    /// Makes a sink that changes what it writes.
    pub fn edited(out: W, header: &Header, origins: &[Origin], limit: u64, edit: E) -> Self {
        let mut header = header.clone();
        header.schema = SchemaDescription::full();
        if origins.iter().any(|origin| origin.is_paired) && !header.is_paired() {
            header.set_paired();
        }
        Self {
            out: Some(out),
            writer: None,
            header,
            derivation: None,
            edit,
            names: NameScratch::default(),
            origins: origins.to_vec(),
            enters: HashMap::new(),
            stripped: OwnedEvent::default(),
            containers: Containers::default(),
            snapshots: Snapshots::default(),
            last: Timestamp(0),
            shown: 0,
            hidden: 0,
            limit,
        }
    }

    /// Adds information about the origin of the capture to the header, as name and value.
    pub fn note(&mut self, name: &str, value: &str) {
        self.header
            .options
            .push((name.to_owned(), value.to_owned()));
    }

    /// Says what the capture is made from.
    pub fn set_derivation(&mut self, derivation: Derivation) {
        self.derivation = Some(derivation);
    }

    /// Returns the number of events written, shown and hidden.
    pub fn counts(&self) -> (u64, u64) {
        (self.shown, self.hidden)
    }

    /// Writes pending data, and finishes the file. Returns the output, and what changed the events.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<(W, E)> {
        if self.writer.is_none() {
            // A capture without events is valid too.
            self.start(&mut [])?;
        }
        let rest = self.containers.rest();
        self.write_containers(rest)?;
        match self.writer {
            Some(writer) => Ok((writer.finish().map_err(failed)?, self.edit)),
            None => Err(io::ErrorKind::Other.into()),
        }
    }

    fn start(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        let Some(out) = self.out.take() else {
            return Ok(());
        };
        if let [origin] = origins
            && self.header.machine.host_name.is_empty()
        {
            self.header.machine.clone_from(&origin.session.machine);
        }
        if self.is_merged() {
            // For a .scap file, the machine is known only now.
            for (origin, own) in self.origins.iter_mut().zip(origins.iter()) {
                origin.machine.clone_from(&own.session.machine);
            }
        }
        self.edit.header(&mut self.header, &mut self.origins);
        if self.is_merged() {
            self.header.set_origins(&self.origins).map_err(failed)?;
        }
        let options = WriterOptions::default();
        let mut writer = CaptureWriter::new(out, &self.header, options).map_err(failed)?;
        if let Some(derivation) = &self.derivation {
            writer.write_derivation(derivation).map_err(failed)?;
        }
        if origins.is_empty() {
            writer
                .write_snapshot(&mut State::new().snapshot())
                .map_err(failed)?;
        }
        write_snapshots(&mut writer, &mut self.edit, origins, None)?;
        self.snapshots.written(&writer);
        self.writer = Some(writer);
        Ok(())
    }

    /// Whether the capture has several recordings.
    fn is_merged(&self) -> bool {
        self.origins.len() > 1
    }

    /// Whether calls of an origin have two events.
    fn is_paired(&self, origin: OriginId) -> bool {
        let origin = self.origins.get(usize::from(origin.0));
        origin.is_some_and(|origin| origin.is_paired)
    }

    /// Writes the description of the event's container, if it is due.
    fn meet_container(&mut self, cx: &Context<'_>) -> io::Result<()> {
        self.containers.meet(cx.event.ts, cx.view);
        let due = self.containers.due();
        self.write_containers(due)
    }

    fn write_containers(&mut self, mut due: Vec<ContainerDescription>) -> io::Result<()> {
        self.edit.containers(&mut due);
        match &mut self.writer {
            Some(writer) => writer.write_containers(&due).map_err(failed),
            None => Ok(()),
        }
    }

    /// Writes an event as hidden, without its I/O data.
    fn hide(&mut self, origin: OriginId, event: &Event<'_>) -> io::Result<()> {
        self.hidden += 1;
        match &mut self.writer {
            Some(writer) => {
                let hidden = self.stripped.hide(event);
                let event = origin.tag(&self.edit.event(&hidden));
                writer.push(&event).map_err(failed)
            }
            None => Ok(()),
        }
    }

    /// Keeps an enter event that is not written now.
    fn remember(&mut self, origin: OriginId, event: &Event<'_>) {
        let thread = (origin, event.tid.0);
        if self.enters.len() >= THREADS && !self.enters.contains_key(&thread) {
            self.enters.clear();
        }
        self.enters.entry(thread).or_default().set(event);
    }

    /// Writes the enter event of an exit event that passed, unless it was written.
    fn write_enter(&mut self, origin: OriginId, event: &Event<'_>) -> io::Result<()> {
        let Some(kept) = self.enters.get_mut(&(origin, event.tid.0)) else {
            return Ok(());
        };
        if !kept.is_set() || kept.event().ty != event.ty.enter() {
            return Ok(());
        }
        let mut enter = kept.event();
        enter.flags |= EventFlags::HIDDEN;
        self.hidden += 1;
        if let Some(writer) = &mut self.writer {
            let enter = origin.tag(&self.edit.event(&enter));
            writer.push(&enter).map_err(failed)?;
        }
        kept.clear();
        Ok(())
    }
}

/// Writes the state of each origin.
fn write_snapshots<W: Write>(
    writer: &mut CaptureWriter<W>,
    edit: &mut impl Edit,
    origins: &mut [OriginState],
    time: Option<Timestamp>,
) -> io::Result<()> {
    for origin in origins {
        let id = origin.session.origin.unwrap_or_default();
        let mut snapshot = edit.snapshot(id, origin);
        if let Some(time) = time {
            snapshot.time = time;
        }
        id.note(&mut snapshot.extra);
        writer.write_snapshot(&mut snapshot).map_err(failed)?;
    }
    Ok(())
}

/// Whether an event is the enter event of a call. A copy can have it hidden, just before the exit event.
pub fn is_enter_of_call(event: &Event<'_>) -> bool {
    let is_call = |i: &'static scap_capture_format::schema::EventInfo| {
        i.source_category.contains(SourceCategory::SYSCALL)
    };
    event.ty.is_enter() && event.info().is_some_and(is_call)
}

/// When the next snapshots are due.
#[derive(Debug, Default)]
struct Snapshots {
    /// `None` before the first event.
    schedule: Option<SnapshotSchedule>,
    /// Number of chunks at the last check.
    chunks: usize,
    /// Bytes of events since the last snapshot, before compression.
    bytes: u64,
    /// Size of the last snapshot in bytes.
    cost: u64,
}

/// Minimum ratio of the bytes of events to those of the snapshot before them, so that many threads in a quiet capture do
/// not make it many times larger.
const SHARE: u64 = 4;

impl Snapshots {
    /// Whether a snapshot is due after an event with this time: only at the end of a chunk. It is put off if it would not be complete.
    fn is_due<W: Write>(
        &mut self,
        writer: &CaptureWriter<W>,
        now: Timestamp,
        is_complete: bool,
    ) -> bool {
        let chunks = &writer.index().chunks;
        let new = chunks.get(self.chunks..).unwrap_or_default();
        let Some(first) = new.first() else {
            return false;
        };
        let began = first.summary.min_time;
        let schedule = self
            .schedule
            .get_or_insert_with(|| SnapshotSchedule::new(began.0));
        for chunk in new {
            let sizes = chunk.summary.sizes;
            let parts = [sizes.columns_raw, sizes.params_raw, sizes.io_data_raw];
            let bytes: u64 = parts.into_iter().map(u64::from).sum();
            self.bytes += bytes;
            schedule.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        self.chunks = chunks.len();
        now.known()
            .is_some_and(|now| schedule.is_due(now, is_complete))
            && self.bytes >= self.cost.saturating_mul(SHARE)
    }

    /// Records that a snapshot was written.
    fn written<W: Write>(&mut self, writer: &CaptureWriter<W>) {
        let last = writer.index().snapshots.last();
        self.cost = last.map_or(0, |snapshot| snapshot.body_len);
        self.bytes = 0;
    }

    fn taken(&mut self, now: Timestamp) {
        if let Some(schedule) = &mut self.schedule {
            // Nothing waits for the copy.
            schedule.taken(now.0, Duration::ZERO);
        }
    }
}

impl<W: Write, E: Edit> EventSink for NativeSink<W, E> {
    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        self.start(origins)
    }

    fn takes_between(&self) -> bool {
        true
    }

    fn between(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let awaits = |origin: &OriginState| origin.state.awaits_threads(self.last.0);
        let is_complete = !origins.iter().any(awaits);
        let is_due = self.snapshots.is_due(writer, self.last, is_complete);
        if !is_due && !self.edit.is_state_due(origins) {
            return Ok(());
        }
        write_snapshots(writer, &mut self.edit, origins, Some(self.last))?;
        self.snapshots.taken(self.last);
        self.snapshots.written(writer);
        Ok(())
    }

    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.last = cx.event.ts;
        if !self.edit.keeps(cx) {
            return Ok(ControlFlow::Continue(()));
        }
        let origin = cx.session.origin.unwrap_or_default();
        let is_paired = self.is_paired(origin);
        if is_paired && cx.event.ty.is_exit() {
            self.write_enter(origin, cx.event)?;
        }
        if let Some(container) = cx.view.container_id()
            && let Some(writer) = &mut self.writer
        {
            writer.add_container(&self.edit.container_id(container));
        }
        self.meet_container(cx)?;
        if let Some(writer) = &mut self.writer {
            let (lanes, waited) = lanes::classify(cx.event, cx.view);
            let names = match self.edit.renames() {
                true => EventNames::UNKNOWN,
                false => fields::names(cx.event, cx.view, &mut self.names),
            };
            let event = origin.tag(&self.edit.event(cx.event));
            let pushed = writer.push_in_lanes(&event, lanes, waited, names);
            pushed.map_err(failed)?;
        }
        if is_paired && is_enter_of_call(cx.event) {
            // It has been written, so the exit event must not write it again.
            self.enters.remove(&(origin, cx.event.tid.0));
        }
        self.shown += 1;
        Ok(match self.shown < self.limit {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        self.last = cx.event.ts;
        let origin = cx.session.origin.unwrap_or_default();
        // Asked of every event, so that it sees all of them.
        let is_kept = self.edit.keeps_hidden(cx);
        let is_paired = self.is_paired(origin);
        if is_paired && is_enter_of_call(cx.event) {
            self.remember(origin, cx.event);
            return Ok(());
        }
        if !is_kept {
            return Ok(());
        }
        if !state::affects_state(cx.view.full()) {
            return Ok(());
        }
        if is_paired && cx.event.ty.is_exit() {
            self.write_enter(origin, cx.event)?;
        }
        self.meet_container(cx)?;
        self.hide(origin, cx.event)
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) => {
                let mut report = report.clone();
                self.edit.loss(&mut report);
                writer.write_loss(&report).map_err(failed)
            }
            None => Ok(()),
        }
    }
}

/// Returns the output's own error, if there is one.
fn failed(error: scap_capture_format::Error) -> io::Error {
    match error {
        scap_capture_format::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
