//! Counts events one by one.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::kinds::{self, Kind};
use super::objects::{FileUser, Objects, Owner};
use super::processes::{Processes, cut};
use super::tiles::Tiles;
use super::{
    CallTally, ErrorKey, ErrorTally, Io, ProcessKey, Seen, SlowTally, Spectrum, TEXT, TIMES, Tally,
    TileSet, WaitKey, WaitTally, limits,
};
use crate::event::{Event, EventExt as _, EventFlags, Timestamp, syscall, value, waits};
use crate::fields::Context;
use crate::lanes::{self, SLOW_NS, classify};
use crate::replay::Span;
use crate::state::{FdInfo, FdKind, Text, Thread};
use crate::stats::activity::{Activity, BINS, Clock};
use crate::stats::groups::Groups;

/// The data of an event that all counts need.
pub(super) struct Facts {
    pub(super) kind: Kind,
    /// True for exit events and events without enter and exit.
    pub(super) is_exit: bool,
    pub(super) ts: u64,
    /// The result of calls that have one.
    pub(super) result: Option<i64>,
    /// True if the result is an error.
    pub(super) failed: bool,
    pub(super) latency: Option<u64>,
    /// The bytes read or written.
    pub(super) io: Io,
    /// True if the call changed a file: wrote to it, or changed its size, name, mode or times.
    pub(super) changes: bool,
    /// True for calls without an event type that may have an fd as an argument.
    pub(super) has_fd_argument: bool,
}

impl Facts {
    fn of(event: &Event<'_>, full: &Event<'_>) -> Self {
        let kind = Kind::of(event.ty);
        let result = if kind.contains(Kind::RESULT) {
            event.result()
        } else {
            None
        };
        let mut io = Io::default();
        if kind.intersects(Kind::READS | Kind::WRITES)
            && let Some(moved) = result.and_then(|r| u64::try_from(r).ok())
        {
            io.calls = 1;
            if kind.contains(Kind::WRITES) {
                io.bytes_out = moved;
            } else {
                io.bytes_in = moved;
            }
        }
        let succeeded = result.is_some_and(|r| r >= 0);
        let changes = succeeded
            && (io.bytes_out > 0 || !kind.contains(Kind::OPENS) && lanes::is_change(full));
        Self {
            kind,
            changes,
            has_fd_argument: false,
            is_exit: event.ty.is_exit(),
            ts: event.ts.0,
            failed: result.is_some_and(|r| r < 0),
            result,
            latency: event.latency.filter(|_| kind.contains(Kind::CALL)),
            io,
        }
    }
}

/// Counts the events of one part of a capture.
pub(super) struct Counter {
    events: u64,
    processes: Processes,
    objects: Objects,
    calls: Calls,
    errors: Groups<(i64, usize, Text), ErrorTally>,
    slow: Slowest,
    waits: Waits,
    activity: Activity,
    spectrum: Spectrum,
    tiles: Tiles,
    bins: Clock,
    times: Clock,
    /// The time of the last event that has one, or the beginning of the span.
    latest: Timestamp,
    no_name: Text,
}

impl Counter {
    /// Makes a counter for the events of a span.
    pub(super) fn new(span: Span) -> Self {
        Self {
            events: 0,
            processes: Processes::new(),
            objects: Objects::new(),
            calls: Calls::new(),
            errors: Groups::new(limits::ERRORS),
            slow: Slowest::default(),
            waits: Waits::new(),
            activity: Activity::over(span),
            spectrum: Spectrum::over(span),
            tiles: Tiles::new(),
            bins: Clock::new(span, BINS),
            times: Clock::new(span, TIMES),
            latest: Timestamp(span.from),
            no_name: Text::default(),
        }
    }

    /// Counts an event. An event without a time counts at the time of the one before it.
    pub(super) fn event(&mut self, cx: &Context<'_>) {
        if cx.event.ts.known().is_some() {
            self.latest = cx.event.ts;
            return self.count(cx);
        }
        let mut event = *cx.event;
        event.ts = self.latest;
        self.count(&Context {
            event: &event,
            ..*cx
        });
    }

    fn count(&mut self, cx: &Context<'_>) {
        let (event, view) = (cx.event, cx.view);
        let mut facts = Facts::of(event, view.full());
        let (lanes, waiting) = classify(event, view);
        self.events += 1;
        self.activity.count(self.bins.interval(facts.ts), lanes);
        let time = self.times.interval(facts.ts);
        let thread = view.thread();
        let Place {
            row: call,
            tiles: mask,
            has_fd,
        } = self.calls.place(&self.tiles, cx);
        facts.has_fd_argument = has_fd;
        let changed = (has_fd && facts.changes)
            .then(|| syscall::file_argument(event, cx.session.arch))
            .flatten();
        // A call on a path does not change the directory that the path starts from.
        facts.changes &= !has_fd || changed.is_some();
        let fd = view.fd_info();
        self.objects.begin();
        let process = self.of_process(cx, &facts, thread, fd, waiting);
        if let Some(fd) = changed.filter(|_| self.objects.has_no_file())
            && let Some(info) = view.fd_of(fd)
        {
            let user = FileUser::new(cx, thread, &self.no_name);
            self.objects.of_file(&facts, info, Io::default(), &user);
        }
        if let Some(call) = call {
            self.calls.rows.row(call).count(&facts);
            if facts.failed {
                self.failed(&facts, call, thread);
            }
        }
        if let Some(latency) = facts.latency {
            self.spectrum.count(time, latency);
            if latency >= SLOW_NS && !waiting && self.slow.takes(latency) {
                self.slow(cx, latency, thread, fd);
            }
            if let (Some(call), Some(row)) = (call, process)
                && waiting
                && latency >= waits::LEAST_NS
            {
                let (process, tally) = self.processes.processes.get(row);
                let name = self.calls.rows.get(call).0;
                self.waits
                    .add(cx, &facts, (*process, &tally.comm), (call, name), latency);
            }
        }
        let mask = mask & self.tiles.among(facts.failed, facts.latency);
        let tiles = self.tiles.count(cx, mask, time);
        if tiles != 0 {
            self.objects.in_tiles(tiles);
            if let Some(row) = process {
                self.processes.processes.row(row).tiles |= tiles;
            }
        }
    }

    /// Counts an event for its process and for what it used; returns the row of the process.
    fn of_process(
        &mut self,
        cx: &Context<'_>,
        facts: &Facts,
        thread: Option<&Thread>,
        fd: Option<&FdInfo>,
        waiting: bool,
    ) -> Option<usize> {
        let Some(thread) = thread else {
            let user = FileUser::new(cx, None, &self.no_name);
            self.objects.of_files(cx, facts, fd, &user);
            return None;
        };
        let transfer = transfer(cx, facts);
        let moves = transfer.unwrap_or([(fd, facts.io), (None, Io::default())]);
        let people = &mut self.processes;
        if let Some(row) = people.container(cx, thread) {
            let tally = people.containers.row(row);
            tally.events += 1;
            tally.failed += u64::from(facts.failed);
            tally.seen.extend(facts.ts);
            for (fd, io) in moves {
                match fd.map(|fd| fd.kind) {
                    Some(kind) if is_of_files(kind) => tally.file.add(io),
                    Some(kind) if kind.is_inet() => tally.net.add(io),
                    _ => {}
                }
            }
        }
        let succeeded = facts.result.is_some_and(|r| r >= 0);
        let refresh = succeeded && facts.kind.contains(Kind::CHANGES_PROCESS);
        let Some(row) = people.process(cx, thread, refresh) else {
            let user = FileUser::new(cx, None, &self.no_name);
            self.objects.of_files(cx, facts, fd, &user);
            return None;
        };
        let executes = succeeded && facts.kind.contains(Kind::EXECUTES);
        let tally = people.processes.row(row);
        tally.events += 1;
        tally.see(facts.ts);
        tally.failed += u64::from(facts.failed);
        tally.execs = tally.execs.saturating_add(u32::from(executes));
        if let Some(latency) = facts.latency {
            let sum = if waiting {
                &mut tally.waited_ns
            } else {
                &mut tally.busy_ns
            };
            *sum = sum.saturating_add(latency);
        }
        for (fd, io) in moves {
            match fd.map(|fd| fd.kind) {
                Some(kind) if is_of_files(kind) => tally.file.add(io),
                Some(kind) if kind.is_inet() => tally.net.add(io),
                _ => tally.other.add(io),
            }
        }
        if facts.kind.contains(Kind::ENDS) && cx.view.state().threads_of(thread.pid) <= 1 {
            tally.ended = Some((facts.ts, cx.view.full().int(0).unwrap_or(0)));
        }
        if executes {
            people.command(cx, thread, row);
        }
        let (key, tally) = self.processes.processes.get(row);
        let owner = Owner {
            key: *key,
            comm: &tally.comm,
            container: tally.container.as_ref(),
        };
        let user = FileUser {
            comm: &tally.comm,
            container: owner.container,
            cx,
            thread: Some(thread),
        };
        self.objects.of_files(cx, facts, fd, &user);
        self.objects.of_connections(cx, facts, fd, &owner);
        for (fd, io) in transfer.into_iter().flatten() {
            match fd {
                Some(info) if info.kind.is_inet() => {
                    self.objects.of_connection(facts, info, io, &owner);
                }
                Some(info) => self.objects.of_file(facts, info, io, &user),
                None => {}
            }
        }
        Some(row)
    }

    fn failed(&mut self, facts: &Facts, call: usize, thread: Option<&Thread>) {
        let errno = facts.result.and_then(i64::checked_neg).unwrap_or(0);
        let comm = thread
            .and_then(|t| t.comm.as_ref())
            .unwrap_or(&self.no_name);
        let is = |k: &(i64, usize, Text)| k.0 == errno && k.1 == call && *k.2 == **comm;
        let key = (errno, call, &**comm);
        let row = self.errors.place(&key, is, || {
            let tally = ErrorTally {
                count: 0,
                seen: Seen::at(facts.ts),
            };
            ((errno, call, Text::clone(comm)), tally)
        });
        if let Some(row) = row {
            let tally = self.errors.row(row);
            tally.count += 1;
            tally.seen.extend(facts.ts);
        }
    }

    fn slow(
        &mut self,
        cx: &Context<'_>,
        latency: u64,
        thread: Option<&Thread>,
        fd: Option<&FdInfo>,
    ) {
        let mut name = Vec::new();
        syscall::event_name(&mut name, cx.event, cx.session.arch);
        let main = thread.and_then(|t| cx.view.main(t));
        let pid = thread.map_or(-1, |t| t.pid.0);
        self.slow.add(SlowTally {
            ts: cx.event.ts.0,
            num: cx.event.num.0,
            latency,
            call: cut(&name),
            about: about(cx, fd),
            process: super::processes::key_of(main, pid, cx.session),
            comm: thread.and_then(|t| t.comm.clone()).unwrap_or_default(),
            result: cx.event.result(),
        });
    }

    /// Returns the counts.
    pub(super) fn finish(self) -> Tally {
        let (people, objects) = (self.processes, self.objects);
        let omitted = [
            people.processes.omitted(),
            objects.files.omitted(),
            objects.connections.omitted(),
            self.calls.rows.omitted(),
            self.errors.omitted(),
            people.containers.omitted(),
            people.omitted,
            self.waits.rows.omitted(),
        ];
        let calls: Vec<_> = self.calls.rows.into_rows().collect();
        let errors = self
            .errors
            .into_rows()
            .filter_map(|((errno, call, comm), tally)| {
                let call = Text::clone(&calls.get(call)?.0);
                Some((ErrorKey { errno, call, comm }, tally))
            });
        let waits = self.waits.rows.into_rows();
        let waits = waits.filter_map(|((process, call, target), tally)| {
            let call = Text::clone(&calls.get(call)?.0);
            let key = WaitKey {
                process,
                call,
                target,
            };
            Some((key, tally))
        });
        Tally {
            events: self.events,
            waits: waits.collect(),
            errors: errors.collect(),
            processes: people.processes.into_rows().collect(),
            files: objects.files.into_rows().collect(),
            connections: objects.connections.into_rows().collect(),
            calls: calls.into_iter().collect(),
            containers: people.containers.into_rows().collect(),
            commands: people.commands,
            slow: self.slow.finish(),
            spectrum: Some(self.spectrum),
            activity: Some(self.activity),
            tiles: self.tiles.tallies,
            omitted,
            ..Tally::default()
        }
    }
}

/// Returns the fds from which and to which a call transferred data, each with the bytes: its event is
/// about one of them only.
fn transfer<'s>(cx: &Context<'s>, facts: &Facts) -> Option<[(Option<&'s FdInfo>, Io); 2]> {
    let (from, to) = kinds::transfer(cx.event.ty)?;
    let bytes = u64::try_from(facts.result?).ok()?;
    let fd = |param| cx.view.full().int(param).and_then(|fd| cx.view.fd_of(fd));
    let read = Io {
        bytes_in: bytes,
        calls: 1,
        ..Io::default()
    };
    let written = Io {
        bytes_out: bytes,
        calls: 1,
        ..Io::default()
    };
    Some([(fd(from), read), (fd(to), written)])
}

/// Returns true if I/O on an fd of this kind counts as file I/O.
fn is_of_files(kind: FdKind) -> bool {
    matches!(kind, FdKind::File | FdKind::Directory | FdKind::Memfd)
}

/// Returns the object of a call: its path, absolute as far as known, or the name of its fd.
fn about(cx: &Context<'_>, fd: Option<&FdInfo>) -> Text {
    let full = cx.view.full();
    for (_, info, bytes) in full.params_with_info() {
        let (path, dirfd) = match value::Value::decode(info, bytes).0 {
            value::Value::Path(path, dirfd) if !path.is_empty() => (path, dirfd),
            _ => continue,
        };
        let dirfd = dirfd.and_then(|at| full.int(usize::from(at)));
        let mut absolute = Vec::new();
        cx.view.absolute_path(dirfd, path, &mut absolute);
        return cut(&absolute);
    }
    fd.map_or_else(Text::default, |info| cut(&info.name))
}

/// Calls by name.
struct Calls {
    rows: Groups<Text, CallTally>,
    /// The row of an event type.
    by_type: Vec<Option<usize>>,
    /// By call without an event type.
    by_call: HashMap<[u64; 3], Place>,
    name: Vec<u8>,
}

/// What is known of a call by its name.
#[derive(Clone, Copy)]
struct Place {
    row: Option<usize>,
    /// Its possible tiles.
    tiles: TileSet,
    /// True for calls without an event type that may have an fd as an argument.
    has_fd: bool,
}

/// Only forged captures have more different calls.
const MOST_CALLS: usize = 4 * limits::CALLS;

impl Calls {
    fn new() -> Self {
        Self {
            rows: Groups::new(limits::CALLS),
            by_type: Vec::new(),
            by_call: HashMap::new(),
            name: Vec::new(),
        }
    }

    /// Returns the row of the event's call, and its possible tiles.
    fn place(&mut self, tiles: &Tiles, cx: &Context<'_>) -> Place {
        const ABI: usize = 9;
        let event = cx.event;
        let kind = Kind::of(event.ty);
        if kind.contains(Kind::GENERIC) {
            let number = |index| event.uint(index).unwrap_or(u64::MAX);
            let is_call = u64::from(kind.contains(Kind::CALL));
            let key = [number(0), number(1) << 1 | is_call, number(ABI)];
            if let Some(known) = self.by_call.get(&key) {
                return *known;
            }
            let call = syscall::call(event, cx.session.arch);
            let is_ia32 = number(ABI) == 1;
            let row = self.named(cx, kind);
            let args = call.prototype.map_or(&[][..], |p| p.args);
            let found = Place {
                row,
                tiles: tiles.of_call(event, call, is_ia32),
                has_fd: args.iter().any(|arg| matches!(arg.name, "fd" | "dfd")),
            };
            if self.by_call.len() >= MOST_CALLS {
                self.by_call.clear();
            }
            self.by_call.insert(key, found);
            return found;
        }
        let place = |row| Place {
            row,
            tiles: tiles.of_type(event),
            has_fd: false,
        };
        if !kind.contains(Kind::CALL) {
            return place(None);
        }
        let ty = usize::from(event.ty.0);
        if let Some(Some(row)) = self.by_type.get(ty) {
            return place(Some(*row));
        }
        let row = self.named(cx, kind);
        if ty >= self.by_type.len() {
            self.by_type.resize(ty + 1, None);
        }
        self.by_type[ty] = row;
        place(row)
    }

    fn named(&mut self, cx: &Context<'_>, kind: Kind) -> Option<usize> {
        if !kind.contains(Kind::CALL) {
            return None;
        }
        self.name.clear();
        syscall::event_name(&mut self.name, cx.event, cx.session.arch);
        let name = &*self.name;
        let make = || (cut(name), CallTally::default());
        self.rows.place(name, |k| **k == *name, make)
    }
}

impl CallTally {
    fn count(&mut self, facts: &Facts) {
        self.calls += 1;
        self.failed += u64::from(facts.failed);
        if let Some(latency) = facts.latency {
            self.timed += 1;
            self.total_ns = self.total_ns.saturating_add(latency);
            self.slowest_ns = self.slowest_ns.max(latency);
        }
    }
}

/// Waits by process, call and what was waited for.
struct Waits {
    rows: Groups<(ProcessKey, usize, Text), WaitTally>,
    target: Vec<u8>,
}

impl Waits {
    fn new() -> Self {
        Self {
            rows: Groups::new(limits::WAITS),
            target: Vec::new(),
        }
    }

    /// Adds a wait of a process, by key and name, in a call, by row and name.
    fn add(
        &mut self,
        cx: &Context<'_>,
        facts: &Facts,
        (process, comm): (ProcessKey, &Text),
        (call, name): (usize, &Text),
        latency: u64,
    ) {
        self.target.clear();
        let (full, arch) = (cx.view.full(), cx.session.arch);
        waits::target(&mut self.target, full, name, arch, cx.view);
        self.target.truncate(TEXT);
        let target = &*self.target;
        let is = |k: &(ProcessKey, usize, Text)| (k.0, k.1) == (process, call) && *k.2 == *target;
        let begin = facts.ts.saturating_sub(latency);
        let row = self.rows.place(&(process, call, target), is, || {
            let tally = WaitTally {
                comm: Text::clone(comm),
                count: 0,
                timeouts: 0,
                unfinished: 0,
                total_ns: 0,
                longest_ns: 0,
                seen: Seen::at(begin),
            };
            ((process, call, target.into()), tally)
        });
        let Some(row) = row else {
            return;
        };
        let is_unfinished = cx.event.flags.contains(EventFlags::IN_FLIGHT);
        let tally = self.rows.row(row);
        if !Arc::ptr_eq(&tally.comm, comm) {
            tally.comm = Text::clone(comm);
        }
        tally.count += 1;
        tally.timeouts += u64::from(waits::is_timeout(name, facts.result));
        tally.unfinished += u64::from(is_unfinished);
        tally.total_ns = tally.total_ns.saturating_add(latency);
        tally.longest_ns = tally.longest_ns.max(latency);
        tally.seen.extend(begin);
        tally.seen.extend(facts.ts);
    }
}

/// The slowest calls.
#[derive(Default)]
struct Slowest(BinaryHeap<Reverse<Slow>>);

/// A slow call; the slower one is greater, and of two equal ones the earlier.
struct Slow(SlowTally);

impl Slow {
    fn rank(&self) -> (u64, Reverse<u64>) {
        (self.0.latency, Reverse(self.0.num))
    }
}

impl PartialEq for Slow {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Slow {}

impl PartialOrd for Slow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slow {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl Slowest {
    /// Returns true if a call of this duration is among the slowest.
    fn takes(&self, latency: u64) -> bool {
        let least = self.0.peek().map_or(0, |Reverse(slow)| slow.0.latency);
        self.0.len() < limits::SLOW || latency > least
    }

    fn add(&mut self, slow: SlowTally) {
        self.0.push(Reverse(Slow(slow)));
        if self.0.len() > limits::SLOW {
            self.0.pop();
        }
    }

    fn finish(self) -> Vec<SlowTally> {
        let sorted = self.0.into_sorted_vec();
        sorted.into_iter().map(|Reverse(slow)| slow.0).collect()
    }
}
