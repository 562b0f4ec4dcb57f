//! Counting events, perhaps by several threads, each of which counts those of some chunks.

use std::hash::BuildHasher as _;

use hashbrown::{HashMap, HashSet};
use scap_capture_format::Result;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{Chunk, ChunkDecoder, Load, OriginId};
use scap_capture_format::schema::{Arch, types};

use super::CaptureInfo;
use crate::audit::is_audit;
use crate::event::async_event::{ALERT, CLOCK_STEP, ClockStep};
use crate::event::{Event, syscall};
use crate::state::limits;
use crate::stats::groups::{Counts, Groups};

/// Limit of the threads, and of the processes, that are counted.
const IDS: usize = 4 << 20;
/// Limit of the kinds of calls without an event type that are counted.
const CALLS: usize = 1 << 16;
/// Limit of the steps of the clock that are kept.
const CLOCK_STEPS: usize = 1000;

/// Returns true for a call that returned an error.
pub(super) fn is_failed(event: &Event<'_>) -> bool {
    crate::event::EventExt::result(event).is_some_and(|result| result < 0)
}

/// Counters that are updated with every event.
pub(super) struct Counter {
    pub(super) capture_info: CaptureInfo,
    by_type: Counts<u16>,
    /// Generic calls by code, number and ABI, with their names.
    calls: Groups<(u64, u64, u64), (u64, String)>,
    tids: HashSet<i64>,
    pids: HashSet<i64>,
    /// Hashes of the ids of containers.
    containers: HashSet<u64>,
    /// Processes by thread, for events without a process id.
    pub(super) processes: HashMap<i64, i64>,
    last_tid: Option<i64>,
    /// Events of alerts.
    alert_events: u64,
}

impl Counter {
    pub(super) fn new(capture_info: CaptureInfo) -> Self {
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

    /// Returns an empty one for some of the chunks.
    pub(super) fn of_chunks(&self) -> Self {
        let mut capture_info = CaptureInfo::default();
        let arch = &self.capture_info.header.machine.arch;
        capture_info.header.machine.arch.clone_from(arch);
        Self::new(capture_info)
    }

    /// Adds what another one has counted.
    pub(super) fn join(&mut self, other: Self) {
        let (own, theirs) = (&mut self.capture_info, other.capture_info);
        own.events += theirs.events;
        own.hidden += theirs.hidden;
        own.untimed += theirs.untimed;
        own.audit += theirs.audit;
        own.failed += theirs.failed;
        own.in_flight += theirs.in_flight;
        own.faults += theirs.faults;
        own.changed += theirs.changed;
        own.chunks += theirs.chunks;
        own.raw_bytes += theirs.raw_bytes;
        own.cut.join(&theirs.cut);
        own.alerts.join(theirs.alerts);
        own.times = match (own.times, theirs.times) {
            (Some(own), Some(theirs)) => Some((own.0.min(theirs.0), own.1.max(theirs.1))),
            (own, theirs) => own.or(theirs),
        };
        own.clock_step_count += theirs.clock_step_count;
        own.clock_steps.extend(theirs.clock_steps);
        own.clock_steps.sort_by_key(|(time, _)| *time);
        own.clock_steps.truncate(CLOCK_STEPS);
        self.alert_events += other.alert_events;
        for (ty, count) in other.by_type.into_rows() {
            self.by_type.add_times(ty, count);
        }
        for (key, (count, name)) in other.calls.into_rows() {
            let make = || (key, (0, name));
            match self.calls.place(&key, |other| *other == key, make) {
                Some(place) => self.calls.row(place).0 += count,
                None => {
                    self.by_type.add_times(types::GENERIC_X.0, count);
                }
            }
        }
        let ids = [(&mut self.tids, other.tids), (&mut self.pids, other.pids)];
        for (own, theirs) in ids {
            for id in theirs {
                if own.len() >= IDS {
                    break;
                }
                own.insert(id);
            }
        }
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk, decoder: &mut ChunkDecoder) -> Result<()> {
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

    pub(super) fn container(&mut self, id: &[u8]) {
        if self.containers.len() < limits::CONTAINERS {
            let hash = self.containers.hasher().hash_one(id);
            self.containers.insert(hash);
        }
    }

    pub(super) fn event(&mut self, event: &Event<'_>, arch: Option<Arch>) {
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

    pub(super) fn finish(mut self) -> CaptureInfo {
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
