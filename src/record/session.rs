//! One recording, from attach to summary: the loop that drains the rings.

use std::{
    io,
    net::SocketAddr,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::{Header, Origin, Signer};
use scap_probe_common::wire::SEGMENT_BYTES;

use super::{
    CommandEnd, Destination, Options, RecordError, Summary,
    audit::AuditStage,
    cgroups::{Cgroups, Hierarchy},
    clock,
    command::StoppedChild,
    container_stage::ContainerStage,
    containers::{ContainerOptions, Resolver},
    detect::Detector,
    encode::{Encoder, Head, Out, Raw},
    host::Host,
    inflight,
    losses::Losses,
    machine,
    machine_watch::MachineWatch,
    merge::{Merge, SETTLE_NS},
    output::{BegunCapture, ChunkOutput, Until},
    pipeline::{Chunks, Output, RecordPipeline},
    preflight::Kernel,
    probe::Probe,
    probe::ring::{Record, Rings},
    probe::setup,
    procfs,
};
use crate::fields::{Session, TimeFormat};
use crate::replay::EventSink;
use crate::{event::bytes::BufferFormat, state};

/// A chunk is closed after this time even if it is small; a killed recorder loses no more than that.
const CHUNK_TIME_NS: u64 = 500_000_000;
/// Longest sleep between two passes over the rings.
const MAX_SLEEP: Duration = Duration::from_millis(5);
/// Assumed maximum rate of events, in bytes per second and CPU. The sleep is chosen so that a ring is at most
/// half full after it.
const MAX_RATE: u64 = 500 << 20;
/// Interval of progress reports.
const PROGRESS: Duration = Duration::from_millis(500);

/// Progress of a recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Time since the probe was attached.
    pub elapsed: Duration,
    /// Events written so far.
    pub events: u64,
    /// Bytes of the file so far.
    pub bytes: u64,
    /// Events lost so far.
    pub lost: u64,
}

/// A notice about a running recording.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// Progress, at intervals.
    Status(&'a Status),
    /// A container runtime cannot be asked, for this reason.
    Runtime(&'a str),
    /// Something happened to the output, and the recording goes on.
    Output(&'a str),
    /// The line of an alert, with its line break; safe to print.
    Alert(&'a str),
    /// The webhook is listened for at this address.
    Listening(SocketAddr),
}

/// The output of a recording.
pub(super) enum Mode<'a> {
    /// A capture, with alerts of these rules and seals by this key.
    Capture(Destination, Option<Box<Detector>>, Option<Box<dyn Signer>>),
    /// A sink that processes events at once; the session says how fields print.
    Sink(Box<Session>, &'a mut dyn EventSink),
}

/// The output before the first event.
enum Begun<'a> {
    Capture(Box<BegunCapture>, Option<Box<Detector>>),
    Sink(Box<Session>, &'a mut dyn EventSink),
}

/// Begins a capture. Loading the probe takes a while, in which this program can be killed, so the header is written
/// before; but a capture that is there already is replaced only when nothing more can go wrong.
fn begin(
    destination: Destination,
    signer: Option<Box<dyn Signer>>,
    header: &Header,
) -> Result<BegunCapture, RecordError> {
    let capture = BegunCapture::new(destination, signer, header)?;
    match capture.is_new() {
        true => capture.open(),
        false => Ok(capture),
    }
}

/// Records until a limit or a signal ends it. A signal handler sets `stop`; `watch` receives notices.
pub(super) fn run(
    options: &Options,
    mode: Mode<'_>,
    host: &Host,
    kernel: &Kernel,
    mut child: Option<StoppedChild>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Notice<'_>),
) -> Result<Summary, RecordError> {
    let hierarchy = Hierarchy::find(host);
    let cgroup_paths = hierarchy.paths(host);
    // The kernel's ids can differ from those in this process's pid namespace.
    let own_pid = host.own_pid().unwrap_or_else(std::process::id);
    let follow = child.as_ref().map(|child| {
        let unseen = || RecordError::Command {
            name: options.command.first().cloned().unwrap_or_default(),
            source: io::Error::other(format!("{} does not show it", host.proc())),
        };
        host.child(child.pid()).ok_or_else(unseen)
    });
    let follow = follow.transpose()?;
    let plan = setup::plan(options, own_pid, kernel, follow, hierarchy.clone())?;
    let ring_bytes = u64::from(plan.config.segments) * SEGMENT_BYTES as u64;
    let cpus = plan.cpus;
    let boot_to_wall = clock::boot_to_wall();
    let header = machine::header(options, host, kernel, boot_to_wall);
    // Before anything is written: the address may be in use.
    let audit = AuditStage::start(&options.audit, clock::boot().wrapping_add(boot_to_wall))?;
    let begun = match mode {
        Mode::Capture(destination, detector, signer) => {
            Begun::Capture(Box::new(begin(destination, signer, &header)?), detector)
        }
        Mode::Sink(session, sink) => Begun::Sink(session, sink),
    };
    let (mut probe, rings) = match Probe::load(plan) {
        Ok(loaded) => loaded,
        Err(error) => {
            if let Begun::Capture(capture, _) = begun {
                capture.discard();
            }
            return Err(error.into());
        }
    };

    let machine = header.machine;
    let until = Until {
        stop,
        deadline: options
            .duration
            .and_then(|limit| Instant::now().checked_add(limit)),
    };
    let workers = (cpus as usize / 4).clamp(1, 4);
    let (session, output) = match begun {
        Begun::Capture(capture, detector) => {
            let output = ChunkOutput::start(*capture, workers, until)?;
            let session = Session::new(Some(kernel.arch), BufferFormat::Dots, TimeFormat::Human);
            (
                session,
                Output::Capture(Box::new(Chunks::new(output, detector))),
            )
        }
        Begun::Sink(session, sink) => (*session, Output::Sink(sink)),
    };
    let filter = options.filter.clone();
    let cgroups = Cgroups::new(filter.as_ref(), probe.cgroups_out()?);
    let cgroups = cgroups.map(|cgroups| (hierarchy, cgroups));
    let runtimes = ContainerOptions {
        host_root: options.host_root.clone(),
        ..options.containers.clone()
    };
    let resolver = Resolver::start(runtimes).map_err(RecordError::Thread)?;
    let (send_snapshot, snapshot) = mpsc::sync_channel(1);
    let mut containers = ContainerStage::new(cgroups, resolver);
    if containers.follows_cgroups() {
        containers.prepare(procfs::cgroup_lists(host, &cgroup_paths));
    }
    let origin = Origin {
        machine,
        ..Origin::default()
    };
    let pipeline = RecordPipeline::new(session, origin, containers, output, snapshot, options);

    let started = Instant::now();
    let mut drain = Drain {
        merge: Merge::new(rings.readers()),
        encoder: Encoder::new(kernel.arch),
        pipeline,
        boot_to_wall,
        // Before /proc and the users are read for the snapshot, so that no change is between the two.
        watch: MachineWatch::new(host, boot_to_wall),
        opened: clock::boot(),
        joined: 0,
        expanded: 0,
        refused: 0,
        in_flight: 0,
        audit,
        losses: Losses::new(rings.possible_cpus()),
    };
    probe.attach()?;
    // From here on every change is an event, so /proc can only be newer than the events so far.
    let machine = host.clone();
    let scan = move || {
        let taken = procfs::take(&machine, cgroup_paths, boot_to_wall);
        // The receiver is gone only if writing failed, which is reported elsewhere.
        drop(send_snapshot.send(taken));
    };
    let scan = thread::Builder::new()
        .name("scap-snapshot".to_owned())
        .spawn(scan)
        .map_err(RecordError::Thread)?;
    let mut scan = Some(scan);
    if let Some(child) = &mut child {
        // If the command still waits in the holder, the snapshot has the fds that it inherits.
        drop(scan.take().map(thread::JoinHandle::join));
        child.release();
    }

    if let Some(address) = drain.audit.address() {
        watch(Notice::Listening(address));
    }
    let sleep = Duration::from_nanos(ring_bytes * 500_000_000 / MAX_RATE).min(MAX_SLEEP);
    let mut reported = Instant::now();
    let mut command = CommandEnd::None;
    loop {
        let now = clock::boot();
        drain.pipeline.settle(false);
        let settled = now.saturating_sub(SETTLE_NS);
        let fullest = drain.pass(settled);
        drain.look(now, settled);
        let time = Timestamp(settled.wrapping_add(boot_to_wall));
        drain.pipeline.pause(time);
        drain.containers(settled, watch);
        drain.warnings(watch);
        drain.close_due(now, &rings);
        drain.alerts(watch);
        let elapsed = started.elapsed();
        let stopped = stop.load(Ordering::Relaxed)
            || drain.pipeline.is_over()
            || options.duration.is_some_and(|limit| elapsed >= limit);
        if stopped {
            break;
        }
        if let Some(child) = &mut child
            && let Some(status) = child.ended()
        {
            command = CommandEnd::Ended(status);
            break;
        }
        if reported.elapsed() >= PROGRESS {
            reported = Instant::now();
            watch(Notice::Status(&Status {
                elapsed,
                events: drain.pipeline.counts().wanted,
                bytes: drain.pipeline.bytes(),
                lost: drain.losses.total(),
            }));
        }
        // If a ring fills quickly, the next pass follows at once.
        if fullest < ring_bytes / 8 {
            thread::sleep(sleep);
        }
    }

    probe.detach();
    // A probe program that was running during the detach can still commit one record.
    thread::sleep(Duration::from_millis(2));
    drain.audit.finish(clock::boot().wrapping_add(boot_to_wall));
    let end = clock::boot();
    drain.pass(u64::MAX);
    // However short ago the last look was.
    drain.look(u64::MAX, end);
    drain.pipeline.settle(true);
    let elapsed = started.elapsed();
    // A sink sees calls only when they end.
    if drain.pipeline.is_capture() && !drain.pipeline.is_over() {
        let follows = |pid| options.command.is_empty() || probe.follows(pid);
        inflight::each(
            kernel.arch,
            host,
            &rings,
            options,
            follows,
            |header, args| {
                drain.in_flight(header, args, end);
            },
        );
    }
    drain.pipeline.finish_lookups();
    drain.containers(end, watch);
    drain.close(end, &rings);
    drain.alerts(watch);
    drain.warnings(watch);
    drop(scan.map(thread::JoinHandle::join));
    if let (CommandEnd::None, Some(child)) = (&command, child) {
        command = child.abandon();
    }
    drain.summary(elapsed, ring_bytes * u64::from(cpus), &rings, command)
}

/// The step from rings to events.
struct Drain<'a> {
    merge: Merge,
    encoder: Encoder,
    pipeline: RecordPipeline<'a>,
    boot_to_wall: u64,
    watch: MachineWatch,
    /// Time at which the current chunk was begun.
    opened: u64,
    /// Records that became part of another event.
    joined: u64,
    /// Events beyond the first of their record.
    expanded: u64,
    /// Records that could not be made into an event.
    refused: u64,
    in_flight: u64,
    audit: AuditStage,
    losses: Losses,
}

impl Drain<'_> {
    /// Passes on the records up to `limit`. Returns the most bytes that a ring held.
    fn pass(&mut self, limit: u64) -> u64 {
        let Self {
            merge,
            encoder,
            pipeline,
            boot_to_wall,
            watch,
            joined,
            expanded,
            refused,
            audit,
            ..
        } = self;
        audit.collect(clock::boot().wrapping_add(*boot_to_wall));
        let follows_cgroups = pipeline.follows_cgroups();
        let fullest = merge.drain(limit, |record: &Record<'_>, cpu| {
            let header = &record.header;
            let ts = header.ts.wrapping_add(*boot_to_wall);
            if audit.next() < ts {
                audit.pass(ts, |event| pipeline.event(event));
            }
            let parts = encoder.parts(record);
            match parts {
                0 => *joined += 1,
                more => *expanded += u64::from(more) - 1,
            }
            for part in 0..parts {
                let encoded = encoder.encode(record, part);
                let flags = EventFlags::empty();
                let event = encoded.and_then(|(head, out)| {
                    event(head, out, ts, header.tid, header.pid, cpu, flags)
                });
                let Some(event) = event else {
                    *refused += 1;
                    continue;
                };
                if follows_cgroups && let Some((id, list)) = cgroup(record, &event) {
                    pipeline.cgroup(event.ty, id, list);
                }
                pipeline.event(&event);
                watch.after(&event, |ty, params| {
                    pipeline.synthetic(event.ts, ty, params);
                });
            }
            true
        });
        let limit = match limit {
            u64::MAX => u64::MAX,
            limit => limit.wrapping_add(*boot_to_wall),
        };
        audit.pass(limit, |event| pipeline.event(event));
        fullest
    }

    /// Looks for changes of the machine at `now`, which are events at `settled`, both on the boot clock.
    fn look(&mut self, now: u64, settled: u64) {
        let Self {
            watch, pipeline, ..
        } = self;
        let ts = settled.wrapping_add(self.boot_to_wall);
        watch.look(now, ts, |ty, params| {
            pipeline.synthetic(Timestamp(ts), ty, params);
        });
    }

    /// Adds a call that has not returned.
    fn in_flight(&mut self, header: &scap_probe_common::wire::RecordHeader, args: usize, end: u64) {
        let raw = Raw::in_flight(header, args);
        let ts = end.wrapping_add(self.boot_to_wall);
        let flags = EventFlags::IN_FLIGHT;
        let encoded = self.encoder.encode_in_flight(&raw);
        let event =
            encoded.and_then(|(head, out)| event(head, out, ts, header.tid, header.pid, 0, flags));
        if let Some(event) = event {
            let before = self.pipeline.counts().wanted;
            self.pipeline.event(&event);
            self.in_flight += self.pipeline.counts().wanted - before;
        }
    }

    /// Takes the descriptions from container runtimes, as of `now` on the boot clock.
    fn containers(&mut self, now: u64, watch: &mut dyn FnMut(Notice<'_>)) {
        let ts = Timestamp(now.wrapping_add(self.boot_to_wall));
        self.pipeline
            .containers(ts, &mut |text| watch(Notice::Runtime(text)));
    }

    /// Passes on problems that do not end the recording.
    fn warnings(&mut self, watch: &mut dyn FnMut(Notice<'_>)) {
        while let Some(text) = self.pipeline.warning().or_else(|| self.audit.warning()) {
            watch(Notice::Output(&text));
        }
    }

    /// Passes on the lines of alerts.
    fn alerts(&mut self, watch: &mut dyn FnMut(Notice<'_>)) {
        while let Some(line) = self.pipeline.alert() {
            watch(Notice::Alert(&line));
        }
    }

    fn close_due(&mut self, now: u64, rings: &Rings) {
        // A sink gets losses at once.
        let due = !self.pipeline.is_capture() || now.saturating_sub(self.opened) >= CHUNK_TIME_NS;
        if due {
            self.close(now, rings);
        }
    }

    /// Ends the chunk; losses since the last one are reported before it.
    fn close(&mut self, now: u64, rings: &Rings) {
        if !self.pipeline.has_begun() {
            return;
        }
        self.opened = now;
        let audit = self
            .audit
            .loss(Timestamp(now.wrapping_add(self.boot_to_wall)));
        if let Some(report) = self.losses.report(now, self.boot_to_wall, rings, audit) {
            self.pipeline.loss(report);
        }
        self.pipeline.close();
    }

    fn summary(
        mut self,
        elapsed: Duration,
        ring_bytes: u64,
        rings: &Rings,
        command: CommandEnd,
    ) -> Result<Summary, RecordError> {
        let counts = *self.pipeline.counts();
        let unmatched = self.pipeline.unmatched();
        let alerts = self.pipeline.alerts();
        let audit = self.audit.counts();
        let bytes = self.pipeline.finish()?;
        let cpus = (0..rings.possible_cpus())
            .map(|cpu| rings.counters(cpu))
            .collect();
        Ok(Summary {
            elapsed,
            events: counts.wanted + counts.alerts,
            alerts,
            audit,
            hidden: counts.hidden,
            left_out: counts.hidden + counts.out,
            unmatched,
            undescribed: counts.undescribed,
            described: counts.described,
            cut: counts.cut,
            in_flight: self.in_flight,
            surplus: counts.surplus,
            joined: self.joined,
            expanded: self.expanded,
            refused: self.refused + counts.refused,
            bytes,
            cpus,
            cpu_time: Duration::from_nanos(clock::cpu_time()),
            peak_memory: super::peak_memory(),
            ring_bytes,
            command,
        })
    }
}

/// Returns the cgroup of an event's thread, if the event has it: its id, and the list of all cgroups.
fn cgroup<'a>(record: &Record<'_>, event: &EventRef<'a>) -> Option<(u64, &'a [u8])> {
    let list = event.params.get(state::cgroups_param(event.ty)?)?;
    Some((Raw::new(record).cgroup_id()?, list))
}

/// Makes an event from its parts; `None` if it is too large for the format.
fn event<'a>(
    head: Head,
    out: &'a Out,
    ts: u64,
    tid: u32,
    pid: u32,
    cpu: usize,
    mut flags: EventFlags,
) -> Option<EventRef<'a>> {
    flags.set(EventFlags::FAULT, head.fault);
    flags.set(EventFlags::CHANGED, head.changed);
    flags |= head.cut;
    Some(EventRef {
        num: EventNum(0),
        ts: Timestamp(ts),
        tid: Tid(i64::from(tid)),
        pid: Pid(i64::from(pid)),
        cpu: cpu as u16,
        ty: head.ty,
        latency: head.latency,
        flags,
        params: Params::new(&out.lens, &out.data)?,
    })
}
