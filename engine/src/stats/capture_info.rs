//! The summary of a capture, from one pass over the whole file.
//!
//! Everything is decompressed and decoded, so that what is called intact was read.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::io::Read;

use hashbrown::{HashMap, HashSet};
use scap_capture_format::Result;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{
    CaptureReader, Chunk, ChunkDecoder, Damages, Derivation, Header, Item, Load, Loss, LossCause,
    LossReport, Origin, OriginId,
};
use scap_capture_format::schema::{Arch, ParamType, types};
use scap_capture_format::sysdig::{self, SysdigReader};

use crate::audit::is_audit;
use crate::event::async_event::{ALERT, CLOCK_STEP, ClockStep};
use crate::event::{Event, syscall};
use crate::state::{ContainerInfo, limits};
use crate::stats::AlertCounts;
use crate::stats::groups::{Counts, Groups};

/// Limit of the threads, and of the processes, that are counted.
const IDS: usize = 4 << 20;
/// Limit of the kinds of calls without an event type that are counted.
const CALLS: usize = 1 << 16;
/// Limit of the steps of the clock that are kept.
const CLOCK_STEPS: usize = 1000;

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

/// Summarizes a capture.
///
/// # Errors
///
/// If the input is not a capture, or cannot be read further. Damage is not an error.
pub fn capture_info(input: impl Read) -> Result<CaptureInfo> {
    let mut reader = CaptureReader::new(input)?;
    let mut counter = Counter::new(CaptureInfo {
        header: reader.header().clone(),
        origins: reader.header().origins(),
        ..CaptureInfo::default()
    });
    let mut own = Damages::default();
    let mut decoder = ChunkDecoder::new();
    while let Some(item) = reader.next_item()? {
        let capture_info = &mut counter.capture_info;
        match item {
            Item::Chunk(chunk) => match counter.chunk(&chunk, &mut decoder) {
                Ok(()) => {}
                Err(error) => own.note(error, chunk.offset())?,
            },
            Item::Snapshot(snapshot) => {
                if capture_info.snapshots == 0 {
                    let is_cut = |args: &[u8]| args.last().is_some_and(|last| *last != 0);
                    let processes = snapshot.threads.iter().filter(|t| t.tid.0 == t.pid.0);
                    let cut = processes.filter(|t| is_cut(snapshot.string(t.args)));
                    capture_info.cut.command_lines_at_start = cut.count() as u64;
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
    let mut capture_info = counter.finish();
    capture_info.bytes = reader.offset();
    capture_info.complete = reader.is_complete();
    capture_info.damages = reader.damages().clone();
    capture_info.damages.append(&mut own);
    Ok(capture_info)
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

/// Returns true for a call that returned an error.
fn is_failed(event: &Event<'_>) -> bool {
    crate::event::EventExt::result(event).is_some_and(|result| result < 0)
}

/// Counters that are updated with every event.
struct Counter {
    capture_info: CaptureInfo,
    by_type: Counts<u16>,
    /// Generic calls by code, number and ABI, with their names.
    calls: Groups<(u64, u64, u64), (u64, String)>,
    tids: HashSet<i64>,
    pids: HashSet<i64>,
    /// Hashes of the ids of containers.
    containers: HashSet<u64>,
    /// Processes by thread, for events without a process id.
    processes: HashMap<i64, i64>,
    last_tid: Option<i64>,
    /// Events of alerts.
    alert_events: u64,
}

impl Counter {
    fn new(capture_info: CaptureInfo) -> Self {
        Self {
            capture_info,
            by_type: Counts::new(1 << 16),
            calls: Groups::new(CALLS),
            tids: HashSet::new(),
            pids: HashSet::new(),
            containers: HashSet::new(),
            processes: HashMap::new(),
            last_tid: None,
            alert_events: 0,
        }
    }

    fn chunk(&mut self, chunk: &Chunk, decoder: &mut ChunkDecoder) -> Result<()> {
        let summary = chunk.summary();
        self.capture_info.chunks += 1;
        let sizes = summary.sizes;
        let raw = [sizes.columns_raw, sizes.params_raw, sizes.io_data_raw];
        self.capture_info.raw_bytes += raw.iter().map(|b| u64::from(*b)).sum::<u64>();
        let mut rows = chunk.decode(decoder, Load::ALL)?;
        let arch = Arch::from_name(&self.capture_info.header.machine.arch);
        while let Some(event) = rows.next()? {
            self.capture_info.failed += u64::from(is_failed(&event));
            self.event(&event, arch);
        }
        Ok(())
    }

    fn container(&mut self, id: &[u8]) {
        if self.containers.len() < limits::CONTAINERS {
            let hash = self.containers.hasher().hash_one(id);
            self.containers.insert(hash);
        }
    }

    fn event(&mut self, event: &Event<'_>, arch: Option<Arch>) {
        use crate::event::EventExt as _;
        let capture_info = &mut self.capture_info;
        capture_info.events += 1;
        let counts = [
            (EventFlags::HIDDEN, &mut capture_info.hidden),
            (EventFlags::IN_FLIGHT, &mut capture_info.in_flight),
            (EventFlags::FAULT, &mut capture_info.faults),
            (EventFlags::CHANGED, &mut capture_info.changed),
        ];
        for (flag, count) in counts {
            *count += u64::from(event.flags.contains(flag));
        }
        capture_info.cut.add(event);
        capture_info.audit += u64::from(is_audit(event));
        let is_alert = capture_info.alerts.add(event);
        match event.ts.known() {
            Some(now) => {
                let (first, last) = capture_info.times.unwrap_or((now, now));
                capture_info.times = Some((first.min(now), last.max(now)));
            }
            None => capture_info.untimed += 1,
        }
        if self.last_tid != Some(event.tid.0) {
            self.last_tid = Some(event.tid.0);
            // Events of a merged capture without a thread have an id of their origin.
            let own = OriginId::split(event).1;
            let ids = [
                (&mut self.tids, event.tid.0, own.tid.0),
                (&mut self.pids, event.pid.0, own.pid.0),
            ];
            for (seen, id, own) in ids {
                if own >= 0 && seen.len() < IDS {
                    seen.insert(id);
                }
            }
        }
        if is_alert && event.ty == types::ASYNCEVENT_E {
            self.alert_events += 1;
            return;
        }
        if event.ty == types::ASYNCEVENT_E
            && event.text(1) == Some(CLOCK_STEP)
            && let Some(step) = event.params.get(2).and_then(ClockStep::parse)
        {
            capture_info.clock_step_count += 1;
            if capture_info.clock_steps.len() < CLOCK_STEPS {
                capture_info.clock_steps.push((event.ts.0, step));
            }
        }
        if syscall::is_generic(event.ty) {
            let part = |index| event.uint(index).unwrap_or(0);
            let key = (part(0), part(1), part(9));
            let make = || (key, (0, name(event, arch)));
            if let Some(place) = self.calls.place(&key, |other| *other == key, make) {
                self.calls.row(place).0 += 1;
                return;
            }
        }
        self.by_type.add(event.ty.0);
    }

    fn finish(mut self) -> CaptureInfo {
        let capture_info = &mut self.capture_info;
        for (number, count) in self.by_type.into_rows() {
            let ty = scap_capture_format::schema::EventType(number);
            let known = ty.info().map(|i| i.name.to_owned());
            // A type newer than this program is described by the schema in the file.
            let described = || capture_info.header.schema.event(ty).map(|d| d.name.clone());
            let name = known.or_else(described).unwrap_or_else(|| ty.to_string());
            *capture_info.types.entry(name).or_insert(0) += count;
        }
        if self.alert_events > 0 {
            let name = String::from_utf8_lossy(ALERT).into_owned();
            *capture_info.types.entry(name).or_insert(0) += self.alert_events;
        }
        for (_, (count, name)) in self.calls.into_rows() {
            *capture_info.types.entry(name).or_insert(0) += count;
        }
        capture_info.threads = self.tids.len() as u64;
        capture_info.processes = self.pids.len() as u64;
        capture_info.containers = self.containers.len() as u64;
        self.capture_info
    }
}

fn name(event: &Event<'_>, arch: Option<Arch>) -> String {
    let mut out = Vec::new();
    syscall::event_name(&mut out, event, arch);
    String::from_utf8_lossy(&out).into_owned()
}
