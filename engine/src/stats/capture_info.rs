//! The summary of a capture, from one pass over the whole file.
//!
//! Everything is decompressed and decoded, so that what is called intact was read.

mod counter;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use hashbrown::HashSet;
use scap_capture_format::Result;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{
    CaptureReader, Chunk, ChunkDecoder, Damages, Derivation, Header, Item, Loss, LossCause,
    LossReport, Origin, Snapshot,
};
use scap_capture_format::schema::ParamType;
use scap_capture_format::sysdig::{self, SysdigReader};

use self::counter::{Counter, is_failed};
use crate::event::Event;
use crate::event::async_event::ClockStep;
use crate::state::ContainerInfo;
use crate::stats::AlertCounts;

/// Chunks that wait for a thread.
const WAITING: usize = 2;

/// The summary of a capture.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CaptureInfo {
    /// True for .scap files of sysdig or Falco.
    pub is_sysdig: bool,
    /// The header.
    pub header: Header,
    /// Its length in bytes.
    pub bytes: u64,
    /// Events, hidden ones included.
    pub events: u64,
    /// Events kept for state only.
    pub hidden: u64,
    /// Times of the first and last event, in nanoseconds since the epoch.
    pub times: Option<(u64, u64)>,
    /// Number of events without a time.
    pub untimed: u64,
    /// Events by name.
    pub types: BTreeMap<String, u64>,
    /// Threads that events happened in.
    pub threads: u64,
    /// Processes that events happened in.
    pub processes: u64,
    /// Containers that a runtime described.
    pub containers: u64,
    /// Kubernetes audit events.
    pub audit: u64,
    /// Alerts of rules that were evaluated while recording.
    pub alerts: AlertCounts,
    /// Calls that returned an error.
    pub failed: u64,
    /// Calls that had not returned when the capture ended.
    pub in_flight: u64,
    /// What was cut.
    pub cut: CutCounts,
    /// Events with an argument that could not be read.
    pub faults: u64,
    /// Calls with an argument in memory that another thread changed meanwhile.
    pub changed: u64,
    /// Steps of the machine's wall clock; of many, the first.
    pub clock_steps: Vec<(u64, ClockStep)>,
    /// How many there are.
    pub clock_step_count: u64,
    /// Chunks of events.
    pub chunks: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Seals.
    pub seals: u64,
    /// Time stamps of seals.
    pub time_stamps: u64,
    /// Sections of an unknown kind.
    pub unknown_sections: u64,
    /// The recordings that the capture was merged from; empty for a single recording.
    pub origins: Vec<Origin>,
    /// What the capture was made from, if it says so.
    pub derivation: Option<Derivation>,
    /// Bytes of the events before compression.
    pub raw_bytes: u64,
    /// Losses by cause and CPU: count and time span.
    pub losses: BTreeMap<(LossCause, u16), LostSpan>,
    /// More was lost than the losses say: the capture was repaired, and how many events were missing was not known.
    pub has_unknown_losses: bool,
    /// True if there is an index.
    pub has_index: bool,
    /// True if the recorder completed the file.
    pub complete: bool,
    /// What is damaged.
    pub damages: Damages,
}

/// Numbers of events of which something was cut, by what it is. One event can be in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutCounts {
    /// Events with anything of these.
    pub events: u64,
    /// Data, to the snaplen.
    pub data: u64,
    /// Arguments of programs.
    pub command_lines: u64,
    /// Environments of programs.
    pub environments: u64,
    /// Paths.
    pub paths: u64,
    /// Buffers, messages or fds of a call.
    pub lists: u64,
    /// Other texts and structures.
    pub others: u64,
    /// Processes at the start of the recording with a command line that was cut. They are not events.
    pub command_lines_at_start: u64,
}

impl CutCounts {
    fn add(&mut self, event: &Event<'_>) {
        let flags = event.flags;
        if !flags.intersects(EventFlags::TRUNCATED.union(EventFlags::CUT)) {
            return;
        }
        self.events += 1;
        let info = event.ty.info();
        let is_path = |ty| matches!(ty, ParamType::FsPath | ParamType::FsRelPath);
        // Early versions had this flag for everything.
        let data = match info.and_then(|info| info.io_data_param()) {
            Some(_) => &mut self.data,
            None => &mut self.others,
        };
        *data += u64::from(flags.contains(EventFlags::TRUNCATED));
        let list = match info.and_then(|info| info.param("args")) {
            Some(_) => &mut self.command_lines,
            None => &mut self.lists,
        };
        *list += u64::from(flags.contains(EventFlags::CUT_LIST));
        self.environments += u64::from(flags.contains(EventFlags::CUT_ENV));
        let text = match info.is_some_and(|info| info.params.iter().any(|p| is_path(p.ty))) {
            true => &mut self.paths,
            false => &mut self.others,
        };
        *text += u64::from(flags.contains(EventFlags::CUT_TEXT));
    }

    /// Adds the counts of other events.
    fn join(&mut self, other: &Self) {
        let Self {
            events,
            data,
            command_lines,
            environments,
            paths,
            lists,
            others,
            command_lines_at_start,
        } = self;
        *events += other.events;
        *data += other.data;
        *command_lines += other.command_lines;
        *environments += other.environments;
        *paths += other.paths;
        *lists += other.lists;
        *others += other.others;
        *command_lines_at_start += other.command_lines_at_start;
    }
}

/// Lost events and their time range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostSpan {
    /// How many.
    pub count: u64,
    /// After this time, in nanoseconds since the epoch.
    pub from: u64,
    /// Not after this time.
    pub to: u64,
}

impl CaptureInfo {
    /// Whether all losses are known: the recorder finished, nothing is damaged, and its format says what was
    /// lost, which .scap files do not.
    pub fn knows_losses(&self) -> bool {
        let is_scap = self.is_sysdig || self.header.is_paired();
        self.complete && self.damages.is_empty() && !is_scap && !self.has_unknown_losses
    }

    /// Adds a report of lost events.
    pub fn add_losses(&mut self, report: &LossReport) {
        let is_unknown = |l: &Loss| l.cause == LossCause::DAMAGE && l.count == 0;
        self.has_unknown_losses |= report.losses.iter().any(is_unknown);
        for loss in report.losses.iter().filter(|l| l.count > 0) {
            let span = self
                .losses
                .entry((loss.cause, loss.cpu))
                .or_insert(LostSpan {
                    count: 0,
                    from: loss.from.0,
                    to: loss.to.0,
                });
            span.count = span.count.saturating_add(loss.count);
            span.from = span.from.min(loss.from.0);
            span.to = span.to.max(loss.to.0);
        }
    }

    /// Returns how many events were lost in total.
    pub fn lost(&self) -> u64 {
        self.losses
            .values()
            .fold(0, |sum, l| sum.saturating_add(l.count))
    }
}

/// Summarizes a capture, whose chunks are decoded by so many threads, at least one.
///
/// # Errors
///
/// If the input is not a capture, or cannot be read further. Damage is not an error.
pub fn capture_info(input: impl Read, threads: usize) -> Result<CaptureInfo> {
    let mut reader = CaptureReader::new(input)?;
    let empty = CaptureInfo {
        header: reader.header().clone(),
        origins: reader.header().origins(),
        ..CaptureInfo::default()
    };
    let mut counter = Counter::new(empty);
    let found = thread::scope(|scope| {
        let (queues, threads): (Vec<_>, Vec<_>) = (0..threads.max(1))
            .map(|_| {
                let (queue, chunks) = sync_channel(WAITING);
                let counter = counter.of_chunks();
                (queue, scope.spawn(move || count_chunks(counter, chunks)))
            })
            .unzip();
        let read = count_sections(&mut reader, &mut counter, &queues);
        drop(queues);
        let crashed = |_| Err(io::Error::other("a thread crashed").into());
        let parts = threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(crashed));
        let parts: Result<Vec<_>> = parts.collect();
        read.and(parts)
    })?;
    let mut damages = Vec::new();
    for (part, own) in found {
        counter.join(part);
        damages.push(own);
    }
    let mut capture_info = counter.finish();
    capture_info.bytes = reader.offset();
    capture_info.complete = reader.is_complete();
    capture_info.damages = reader.damages().clone();
    let mut own = Damages::in_order(damages);
    capture_info.damages.append(&mut own);
    Ok(capture_info)
}

/// Counts what is not an event, and passes chunks on in turns.
fn count_sections(
    reader: &mut CaptureReader<impl Read>,
    counter: &mut Counter,
    queues: &[SyncSender<Box<Chunk>>],
) -> Result<()> {
    let mut turns = queues.iter().cycle();
    while let Some(item) = reader.next_item()? {
        let capture_info = &mut counter.capture_info;
        match item {
            Item::Chunk(chunk) => {
                let queue = turns.next().map(|queue| queue.send(chunk));
                if queue.is_none_or(|sent| sent.is_err()) {
                    // The thread has an error, which is that of the whole.
                    return Ok(());
                }
            }
            Item::Snapshot(snapshot) => {
                if capture_info.snapshots == 0 {
                    capture_info.cut.command_lines_at_start = cut_command_lines(&snapshot);
                }
                capture_info.snapshots += 1;
                let ids: HashSet<_> = snapshot.containers.iter().map(|c| c.id).collect();
                for id in ids {
                    counter.container(snapshot.string(id));
                }
            }
            Item::Containers(report) => {
                for description in &report.descriptions {
                    counter.container(&description.id);
                }
            }
            Item::Loss(report) => capture_info.add_losses(&report),
            Item::Derivation(derivation) => {
                capture_info.derivation.get_or_insert(*derivation);
            }
            Item::Index(_) => capture_info.has_index = true,
            Item::Seal(_) => capture_info.seals += 1,
            Item::TimeStamp(_) => capture_info.time_stamps += 1,
            Item::Names(_) | Item::Footer => {}
            _ => capture_info.unknown_sections += 1,
        }
    }
    Ok(())
}

/// Counts the events of chunks. Also returns their damages.
fn count_chunks(
    mut counter: Counter,
    chunks: impl IntoIterator<Item = Box<Chunk>>,
) -> Result<(Counter, Damages)> {
    let mut damages = Damages::default();
    let mut decoder = ChunkDecoder::new();
    for chunk in chunks {
        if let Err(error) = counter.chunk(&chunk, &mut decoder) {
            damages.note(error, chunk.offset())?;
        }
    }
    Ok((counter, damages))
}

/// Returns the number of processes with a command line that was cut.
fn cut_command_lines(snapshot: &Snapshot) -> u64 {
    let is_cut = |args: &[u8]| args.last().is_some_and(|last| *last != 0);
    let processes = snapshot.threads.iter().filter(|t| t.tid.0 == t.pid.0);
    processes
        .filter(|t| is_cut(snapshot.string(t.args)))
        .count() as u64
}

/// Summarizes a .scap file of sysdig or Falco. `bytes` and `raw_bytes` are those of the
/// decompressed file.
///
/// # Errors
///
/// As [`capture_info`].
pub fn sysdig_capture_info(input: impl Read) -> Result<CaptureInfo> {
    let mut reader = SysdigReader::new(input)?;
    let mut counter = Counter::new(CaptureInfo::default());
    counter.capture_info.is_sysdig = true;
    while let Some(item) = reader.next_item()? {
        match item {
            sysdig::Item::Metadata(snapshot, machine) => {
                counter.capture_info.snapshots += 1;
                counter.capture_info.header.machine.clone_from(machine);
                counter
                    .processes
                    .extend(snapshot.threads.iter().map(|t| (t.tid.0, t.pid.0)));
            }
            sysdig::Item::Event(mut event) => {
                if let Some(pid) = counter.processes.get(&event.tid.0) {
                    event.pid.0 = *pid;
                }
                counter.capture_info.failed += u64::from(is_failed(&event));
                if let Some(info) = ContainerInfo::of(&event) {
                    counter.container(info.id.as_bytes());
                }
                counter.event(&event, None);
            }
        }
    }
    let unknown: u64 = reader.unknown_types().values().sum();
    let mut capture_info = counter.finish();
    capture_info.unknown_sections = unknown;
    capture_info.bytes = reader.offset();
    capture_info.raw_bytes = reader.offset();
    capture_info.complete = reader.is_complete();
    capture_info.damages = reader.damages().clone();
    Ok(capture_info)
}
