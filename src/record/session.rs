//! One recording from attach to summary: the loop that drains the rings into chunks.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use scap_capture_format::{
    event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp},
    native::{ChunkBuilder, ChunkPool, Loss, LossCause, LossReport},
    schema::Arch,
};
use scap_probe_common::wire::SEGMENT_BYTES;

use super::{
    CommandEnd, Options, RecordError, Summary, clock,
    command::Held,
    encode::{Encoder, Head, Out},
    inflight, machine,
    merge::{Merge, SETTLE_NS},
    output::{Output, Target},
    preflight::Kernel,
    probe::Probe,
    ring::{CpuCounters, Record, Rings},
    setup, snapshot,
};

/// A chunk is closed after this time even if it is small: what a killed recorder may lose.
const CHUNK_TIME_NS: u64 = 500_000_000;
/// Longest sleep between two looks at the rings.
const MAX_SLEEP: Duration = Duration::from_millis(5);
/// How fast events may come at most, in bytes per second and CPU; the sleep is chosen so that a
/// ring is at most half full after it.
const MAX_RATE: u64 = 500 << 20;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(500);

/// How a recording stands, for whoever watches it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Since the probe was attached.
    pub elapsed: Duration,
    /// Events written so far.
    pub events: u64,
    /// Bytes of the file so far.
    pub bytes: u64,
    /// Events lost so far.
    pub lost: u64,
}

/// Records until something ends it. `stop` is set by a signal handler; `watch` is told how it goes.
pub(super) fn run(
    options: &Options,
    target: Target,
    kernel: &Kernel,
    mut held: Option<Held>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Status),
) -> Result<Summary, RecordError> {
    let plan = setup::plan(options, kernel, held.as_ref().map(Held::pid))?;
    let ring_bytes = u64::from(plan.config.segments) * SEGMENT_BYTES as u64;
    let cpus = plan.cpus;
    let (mut probe, rings) = Probe::load(plan)?;
    let mut drain = Drain::new(kernel.arch, &rings);
    let header = machine::header(options, kernel, drain.boot_to_wall);

    let (send_snapshot, snapshot) = mpsc::sync_channel(1);
    let workers = (cpus as usize / 4).clamp(1, 4);
    let mut output = Output::start(target, header, snapshot, workers)?;

    let started = Instant::now();
    let begin = clock::boot();
    drain.losses.begin = begin;
    probe.attach()?;
    // From here on every change is in the stream, so what /proc shows can only be newer.
    let offset = drain.boot_to_wall;
    let scan = move || {
        let taken = snapshot::take(offset);
        // Nobody waits for it only if writing has failed, which is reported elsewhere.
        drop(send_snapshot.send(taken));
    };
    let scan = thread::Builder::new()
        .name("scap-snapshot".to_owned())
        .spawn(scan)
        .map_err(RecordError::Thread)?;
    let mut scan = Some(scan);
    if let Some(held) = &mut held {
        // The command inherits descriptors, which are in the snapshot if it still waits.
        drop(scan.take().map(thread::JoinHandle::join));
        held.release();
    }

    let sleep = Duration::from_nanos(ring_bytes * 500_000_000 / MAX_RATE).min(MAX_SLEEP);
    let mut told = Instant::now();
    let mut command = CommandEnd::None;
    drain.max_events = options.max_events.unwrap_or(u64::MAX);
    loop {
        let now = clock::boot();
        let fullest = drain.pass(now.saturating_sub(SETTLE_NS), &mut output);
        drain.close_due(now, &rings, &mut output);
        let elapsed = started.elapsed();
        let stopped = stop.load(Ordering::Relaxed)
            || output.progress.failed.load(Ordering::Relaxed)
            || drain.events >= drain.max_events
            || options.duration.is_some_and(|limit| elapsed >= limit);
        if stopped {
            break;
        }
        if let Some(held) = &mut held
            && let Some(status) = held.ended()
        {
            command = CommandEnd::Ended(status);
            break;
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            watch(&Status {
                elapsed,
                events: drain.events,
                bytes: output.progress.bytes.load(Ordering::Relaxed),
                lost: drain.losses.total(),
            });
        }
        // A ring that fills is looked at again at once.
        if fullest < ring_bytes / 8 {
            thread::sleep(sleep);
        }
    }

    probe.detach();
    // A program that was running when it was detached may still commit one record.
    thread::sleep(Duration::from_millis(2));
    let end = clock::boot();
    drain.pass(u64::MAX, &mut output);
    let elapsed = started.elapsed();
    let follows = |pid| options.command.is_empty() || probe.follows(pid);
    if drain.events < drain.max_events {
        inflight::each(kernel.arch, &rings, options, follows, |header, args| {
            drain.in_flight(header, args, end);
        });
    }
    drain.close(end, &rings, &mut output);
    drop(scan.map(thread::JoinHandle::join));
    let bytes = output.finish()?;
    if let (CommandEnd::None, Some(held)) = (&command, held) {
        command = held.abandon();
    }
    Ok(drain.summary(
        elapsed,
        bytes,
        ring_bytes * u64::from(cpus),
        &rings,
        command,
    ))
}

/// Between rings and chunks.
struct Drain {
    merge: Merge,
    encoder: Encoder,
    builder: ChunkBuilder,
    boot_to_wall: u64,
    /// When the current chunk was begun.
    opened: u64,
    /// Events put into chunks.
    events: u64,
    /// No more than these.
    max_events: u64,
    /// Events left behind because of `max_events`.
    surplus: u64,
    /// Records that are part of another event.
    joined: u64,
    /// Events beyond the first of their record.
    expanded: u64,
    /// Events refused by the format (too large).
    refused: u64,
    in_flight: u64,
    losses: Losses,
}

impl Drain {
    fn new(arch: Arch, rings: &Rings) -> Self {
        Self {
            merge: Merge::new(rings.readers()),
            encoder: Encoder::new(arch),
            builder: ChunkBuilder::new(ChunkPool::new()),
            boot_to_wall: clock::boot_to_wall(),
            opened: clock::boot(),
            events: 0,
            max_events: u64::MAX,
            surplus: 0,
            joined: 0,
            expanded: 0,
            refused: 0,
            in_flight: 0,
            losses: Losses::new(rings.possible_cpus()),
        }
    }

    /// Takes what the rings hold up to `limit`. Returns the most bytes that a ring held.
    fn pass(&mut self, limit: u64, output: &mut Output) -> u64 {
        let Self {
            merge,
            encoder,
            builder,
            boot_to_wall,
            events,
            max_events,
            surplus,
            joined,
            expanded,
            refused,
            ..
        } = self;
        merge.drain(limit, |record: &Record<'_>, cpu| {
            let header = &record.header;
            let ts = header.ts.wrapping_add(*boot_to_wall);
            let parts = encoder.parts(record);
            match parts {
                0 => *joined += 1,
                more => *expanded += u64::from(more) - 1,
            }
            for part in 0..parts {
                let Some((head, out)) = encoder.encode(record, part) else {
                    *refused += 1;
                    continue;
                };
                if *events >= *max_events {
                    *surplus += 1;
                    continue;
                }
                let flags = EventFlags::empty();
                match push(builder, head, out, ts, header.tid, header.pid, cpu, flags) {
                    true => *events += 1,
                    false => *refused += 1,
                }
            }
            if builder.is_full()
                && let Some(chunk) = builder.finish_raw()
            {
                output.chunk(chunk);
            }
            true
        })
    }

    /// Adds a call that has not returned.
    fn in_flight(&mut self, header: &scap_probe_common::wire::RecordHeader, args: usize, end: u64) {
        let raw = super::encode::Raw::in_flight(header, args);
        let Some((head, out)) = self.encoder.encode_in_flight(&raw) else {
            return;
        };
        let ts = end.wrapping_add(self.boot_to_wall);
        let flags = EventFlags::IN_FLIGHT;
        if push(
            &mut self.builder,
            head,
            out,
            ts,
            header.tid,
            header.pid,
            0,
            flags,
        ) {
            self.events += 1;
            self.in_flight += 1;
        }
    }

    fn close_due(&mut self, now: u64, rings: &Rings, output: &mut Output) {
        if now.saturating_sub(self.opened) >= CHUNK_TIME_NS {
            self.close(now, rings, output);
        }
    }

    /// Ends the chunk; what was lost meanwhile is told before it.
    fn close(&mut self, now: u64, rings: &Rings, output: &mut Output) {
        self.opened = now;
        if let Some(report) = self.losses.report(now, self.boot_to_wall, rings) {
            output.loss(report);
        }
        if let Some(chunk) = self.builder.finish_raw() {
            output.chunk(chunk);
        }
    }

    fn summary(
        &self,
        elapsed: Duration,
        bytes: u64,
        ring_bytes: u64,
        rings: &Rings,
        command: CommandEnd,
    ) -> Summary {
        let cpus = (0..rings.possible_cpus())
            .map(|cpu| rings.counters(cpu))
            .collect();
        Summary {
            elapsed,
            events: self.events,
            in_flight: self.in_flight,
            surplus: self.surplus,
            joined: self.joined,
            expanded: self.expanded,
            refused: self.refused,
            bytes,
            cpus,
            cpu_time: Duration::from_nanos(clock::cpu_time()),
            peak_memory: super::peak_memory(),
            ring_bytes,
            command,
        }
    }
}

/// Puts an event into the chunk. False: the format refused it.
#[expect(clippy::too_many_arguments, reason = "the columns of an event")]
fn push(
    builder: &mut ChunkBuilder,
    head: Head,
    out: &Out,
    ts: u64,
    tid: u32,
    pid: u32,
    cpu: usize,
    mut flags: EventFlags,
) -> bool {
    flags.set(EventFlags::FAULT, head.fault);
    flags.set(EventFlags::TRUNCATED, head.truncated);
    let Some(params) = Params::new(&out.lens, &out.data) else {
        return false;
    };
    let event = EventRef {
        num: EventNum(0),
        ts: Timestamp(ts),
        tid: Tid(i64::from(tid)),
        pid: Pid(i64::from(pid)),
        cpu: cpu as u16,
        ty: head.ty,
        latency: head.latency,
        flags,
        params,
    };
    builder.push(&event).is_ok()
}

/// Losses since the last report.
struct Losses {
    before: Vec<CpuCounters>,
    begin: u64,
}

impl Losses {
    fn new(cpus: usize) -> Self {
        Self {
            before: vec![CpuCounters::default(); cpus],
            begin: clock::boot(),
        }
    }

    /// Events lost up to the last report.
    fn total(&self) -> u64 {
        self.before.iter().map(CpuCounters::lost).sum()
    }

    /// What was lost since the last report; `None` if nothing was.
    fn report(&mut self, now: u64, boot_to_wall: u64, rings: &Rings) -> Option<LossReport> {
        let mut report = LossReport::default();
        let from = Timestamp(self.begin.wrapping_add(boot_to_wall));
        for (cpu, before) in self.before.iter_mut().enumerate() {
            let counters = rings.counters(cpu);
            let until = if counters.last_drop == 0 {
                now
            } else {
                counters.last_drop
            };
            let causes = [
                (LossCause::RING_FULL, counters.drop_full - before.drop_full),
                (LossCause::BUSY, counters.drop_busy - before.drop_busy),
                (
                    LossCause::NO_RING,
                    counters.drop_no_ring - before.drop_no_ring,
                ),
                (LossCause::MAP_FULL, counters.map_full - before.map_full),
            ];
            for (cause, count) in causes.into_iter().filter(|(_, count)| *count > 0) {
                report.losses.push(Loss {
                    cause,
                    cpu: cpu as u16,
                    count,
                    from,
                    to: Timestamp(until.wrapping_add(boot_to_wall)),
                });
            }
            report.faults += counters.faults - before.faults;
            *before = counters;
        }
        self.begin = now;
        (!report.losses.is_empty() || report.faults > 0).then_some(report)
    }
}
