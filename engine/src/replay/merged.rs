//! Merges several captures by time into one source.
//!
//! Each capture is read and decoded on a thread of its own, which passes on batches of copied
//! events. The queues are bounded, so that a thread that is ahead waits for the others. Events with
//! equal times are ordered by the position of their capture on the command line; events of one
//! capture keep their order.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use scap_capture_format::native::{
    ContainerReport, Damages, Header, LossReport, MachineInfo, Origin, OriginId, Snapshot,
};
use scap_capture_format::{Error, Result};

use super::source::FoundInParts;
use super::{Each, EventSource, Item, Needs, ReplayError};
use crate::event::{BufferCursor, EventBuffer};

/// Size of a batch in bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Number of batches that one capture can queue.
const BATCHES: usize = 4;
/// Limit of the merged captures: each has a thread and an open file.
const MAX_SOURCES: usize = 256;

/// Several captures merged into one source.
pub struct MergedSource {
    sources: Vec<Box<dyn EventSource + Send>>,
    header: Header,
    origins: Vec<Origin>,
    found: FoundInParts,
}

impl MergedSource {
    /// Merges captures with their names.
    ///
    /// # Errors
    ///
    /// If there are more than 256 captures, or none.
    pub fn new(sources: Vec<(String, Box<dyn EventSource + Send>)>) -> Result<Self> {
        if sources.len() > MAX_SOURCES {
            return Err(Error::Limit {
                what: "captures to merge",
                value: sources.len() as u64,
                limit: MAX_SOURCES as u64,
            });
        }
        let mut origins: Vec<Origin> = Vec::new();
        let mut is_paired = false;
        for (name, source) in &sources {
            for origin in source.origins() {
                let mut origin = origin.clone();
                if origin.name.is_empty() {
                    origin.name.clone_from(name);
                }
                is_paired |= origin.is_paired;
                origins.push(origin);
            }
        }
        let sources: Vec<_> = sources.into_iter().map(|(_, source)| source).collect();
        let mut header = match sources.first() {
            Some(first) => first.header().clone(),
            None => Header::default(),
        };
        let headers = || sources.iter().map(|source| source.header());
        header.start = headers().map(|h| h.start).min().unwrap_or_default();
        header.snaplen = headers().map(|h| h.snaplen).max().unwrap_or(0);
        // The recorder's settings of one capture do not apply to all.
        header.writer = concat!("scap ", env!("CARGO_PKG_VERSION")).to_owned();
        header.options.clear();
        let of_machines = sources.iter().filter(|source| source.has_machine());
        let mut machines = of_machines
            .flat_map(|source| source.origins())
            .map(|origin| &origin.machine);
        if machines.any(|machine| machine.boot_id != header.machine.boot_id) {
            // The description of one machine does not apply to the others.
            header.machine = MachineInfo::default();
        }
        if is_paired {
            header.set_paired();
        }
        header.set_origins(&origins)?;
        Ok(Self {
            sources,
            header,
            origins,
            found: FoundInParts::default(),
        })
    }

    fn merge(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        thread::scope(|scope| {
            let mut inputs = Vec::new();
            let mut workers = Vec::new();
            let mut first = 0_u16;
            for source in &mut self.sources {
                let (send, receive) = sync_channel(BATCHES);
                inputs.push(Input::new(receive, first));
                first += u16::try_from(source.origins().len()).unwrap_or(0);
                let worker = thread::Builder::new()
                    .name("scap-read".to_owned())
                    .spawn_scoped(scope, move || read_ahead(source.as_mut(), send))
                    .map_err(Error::Io)?;
                workers.push(worker);
            }
            let merged = merge(&mut inputs, each);
            // Threads that wait for space in a queue notice that it was closed.
            drop(inputs);
            let mut failed = Ok(());
            for worker in workers {
                let crashed =
                    || Err(Error::Io(io::Error::other("a reading thread crashed")).into());
                failed = failed.and(worker.join().unwrap_or_else(|_| crashed()));
            }
            merged.and(failed)
        })
    }
}

impl EventSource for MergedSource {
    fn header(&self) -> &Header {
        &self.header
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn read(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        let result = self.merge(each);
        self.found.collect(&self.sources);
        result
    }

    fn set_needs(&mut self, needs: &Needs) {
        self.sources.iter_mut().for_each(|s| s.set_needs(needs));
    }

    fn damages(&self) -> &Damages {
        &self.found.damages
    }

    fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.is_complete())
    }

    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        Some(&self.found.unknown_types)
    }

    fn parts(&self) -> Vec<&dyn EventSource> {
        self.sources
            .iter()
            .map(|s| s.as_ref() as &dyn EventSource)
            .collect()
    }
}

/// A batch of one capture, in order.
#[derive(Default)]
struct Batch {
    entries: Vec<(OriginId, Entry)>,
    events: EventBuffer,
}

enum Entry {
    /// The next event in the batch's buffer.
    Event,
    StateOnly,
    Machine(Box<MachineInfo>),
    Snapshot(Box<Snapshot>),
    Containers(Box<ContainerReport>, usize),
    Loss(LossReport),
    Gap,
    Pause,
}

/// Reads a capture into batches until its end, or until the receiver is gone.
fn read_ahead(
    source: &mut dyn EventSource,
    send: SyncSender<Batch>,
) -> std::result::Result<(), ReplayError> {
    let mut batch = Batch::default();
    source.read(&mut |origin, item| {
        let is_pause = matches!(item, Item::Pause);
        let entry = match item {
            Item::Event(event) => {
                batch.events.push(event);
                Entry::Event
            }
            Item::StateOnly(event) => {
                batch.events.push(event);
                Entry::StateOnly
            }
            Item::Machine(machine) => Entry::Machine(Box::new(machine.clone())),
            Item::Snapshot(snapshot) => Entry::Snapshot(Box::new(snapshot.clone())),
            Item::Containers(report, origins) => {
                Entry::Containers(Box::new(report.clone()), origins)
            }
            Item::Loss(report) => Entry::Loss(report.clone()),
            Item::Gap => Entry::Gap,
            Item::Pause => Entry::Pause,
        };
        batch.entries.push((origin, entry));
        if is_pause || batch.events.size() >= BATCH_BYTES {
            let full = std::mem::take(&mut batch);
            if send.send(full).is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    // The last batch is lost only if the receiver is gone.
    drop(send.send(batch));
    Ok(())
}

/// The received batches of one capture.
struct Input {
    receive: Receiver<Batch>,
    /// The first origin number of this capture in the merged one.
    first: u16,
    batch: Batch,
    /// The index of the next entry.
    next: usize,
    /// The time of the last event that has one: those without follow it.
    latest: u64,
    cursor: BufferCursor,
}

impl Input {
    fn new(receive: Receiver<Batch>, first: u16) -> Self {
        Self {
            receive,
            first,
            batch: Batch::default(),
            next: 0,
            latest: 0,
            cursor: BufferCursor::default(),
        }
    }

    fn origin(&self, own: OriginId) -> OriginId {
        OriginId(self.first.saturating_add(own.0))
    }

    /// Passes on everything before the next event, and waits for that event. Returns its time;
    /// `None` at the end.
    fn advance(&mut self, each: Each<'_>) -> io::Result<ControlFlow<(), Option<u64>>> {
        loop {
            let Some((origin, entry)) = self.batch.entries.get(self.next) else {
                let Ok(batch) = self.receive.recv() else {
                    return Ok(ControlFlow::Continue(None));
                };
                self.batch = batch;
                self.next = 0;
                self.cursor = BufferCursor::default();
                continue;
            };
            let mut noted;
            let item = match entry {
                Entry::Event | Entry::StateOnly => {
                    let time = self.batch.events.time(self.cursor);
                    let place = time.map(|time| time.known().unwrap_or(self.latest));
                    self.latest = place.unwrap_or(self.latest);
                    return Ok(ControlFlow::Continue(place));
                }
                Entry::Machine(machine) => Item::Machine(machine),
                Entry::Snapshot(snapshot) => Item::Snapshot(snapshot),
                Entry::Containers(report, origins) => Item::Containers(report, *origins),
                Entry::Loss(report) => {
                    noted = report.clone();
                    self.origin(*origin).note(&mut noted.extra);
                    Item::Loss(&noted)
                }
                Entry::Gap => Item::Gap,
                Entry::Pause => Item::Pause,
            };
            let origin = self.origin(*origin);
            self.next += 1;
            if each(origin, item)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Passes on the next event, which has been received.
    fn event(&mut self, each: Each<'_>) -> io::Result<ControlFlow<()>> {
        let Some((origin, entry)) = self.batch.entries.get(self.next) else {
            return Ok(ControlFlow::Continue(()));
        };
        let origin = self.origin(*origin);
        self.next += 1;
        let Some(event) = self.batch.events.next(&mut self.cursor) else {
            return Ok(ControlFlow::Continue(()));
        };
        let item = match entry {
            Entry::StateOnly => Item::StateOnly(event.paired()),
            _ => Item::Event(event.paired()),
        };
        each(origin, item)
    }
}

/// Passes on everything in time order.
fn merge(inputs: &mut [Input], each: Each<'_>) -> std::result::Result<(), ReplayError> {
    let sink = ReplayError::Sink;
    // The time of each capture's next event; `None` at its end.
    let mut times = Vec::with_capacity(inputs.len());
    for input in inputs.iter_mut() {
        match input.advance(each).map_err(sink)? {
            ControlFlow::Continue(time) => times.push(time),
            ControlFlow::Break(()) => return Ok(()),
        }
    }
    loop {
        let heads = times.iter().enumerate();
        let earliest = heads.filter_map(|(at, time)| Some(((*time)?, at))).min();
        let Some((_, at)) = earliest else {
            return Ok(());
        };
        let Some(input) = inputs.get_mut(at) else {
            return Ok(());
        };
        if input.event(each).map_err(sink)?.is_break() {
            return Ok(());
        }
        match input.advance(each).map_err(sink)? {
            ControlFlow::Continue(time) => times[at] = time,
            ControlFlow::Break(()) => return Ok(()),
        }
    }
}
