//! Failed calls and slow calls.

use scap_capture_format::schema::{Arch, ParamType, errno as errnos};

use super::{KINDS, ROWS, TEXT, safe, who};
use crate::event::{Event, EventExt as _, EventFlags, Names as _, number, syscall, waits};
use crate::lanes;
use crate::state::View;
use crate::stats::groups::{Counts, Groups, Largest};

/// Number of slow calls kept.
const SLOWEST: usize = 5;

/// Calls below this duration, in ns, are never listed as slow.
const SLOW_NS: u64 = 1_000_000;

/// Prefixes of calls whose failures are more significant than those of `stat` or `access`.
const TELLING: &[&str] = &[
    "open", "exec", "connect", "kill", "unlink", "rename", "chmod", "mount",
];

/// Returns true for errors of missing permission.
pub(super) fn is_denial(result: i64) -> bool {
    matches!(errno(result), Some("EPERM" | "EACCES"))
}

/// Returns true if a result is an error.
pub(super) fn is_error(result: i64) -> bool {
    (-4095..0).contains(&result)
}

/// Returns the name of an error result.
pub(super) fn errno(result: i64) -> Option<&'static str> {
    i32::try_from(result).ok().and_then(errnos::name)
}

/// Returns the object of a call: its path, or what its fd refers to.
fn object<'v>(event: &Event<'v>, view: &'v View<'_>) -> Option<&'v [u8]> {
    let path = event.params_with_info().find_map(|(index, info, bytes)| {
        let is_path = matches!(info.ty, ParamType::FsPath | ParamType::FsRelPath);
        (is_path && !bytes.is_empty())
            .then(|| event.text(index))
            .flatten()
    });
    path.or_else(|| {
        let fd = event.int(usize::from(event.info()?.fd_param?))?;
        Some(view.fd(fd)?.name).filter(|name| !name.is_empty())
    })
}

/// Failed calls by error.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) total: u64,
    pub(super) by_error: Groups<i64, Failures>,
    name: Vec<u8>,
}

/// Calls that failed with one error.
#[derive(Debug)]
pub(super) struct Failures {
    pub(super) count: u64,
    /// Calls by name.
    pub(super) calls: Counts<Vec<u8>>,
    /// The last failed call: the first one is nearly always the dynamic linker's.
    example: Example,
    /// True if the example is one of [`TELLING`].
    telling: bool,
}

/// A call, not escaped yet, since nearly all are replaced by the next.
#[derive(Debug, Default)]
struct Example {
    pid: i64,
    comm: Vec<u8>,
    name: Vec<u8>,
    object: Vec<u8>,
}

impl Failures {
    /// Returns the example, escaped.
    pub(super) fn example(&self) -> Vec<u8> {
        let call = &self.example;
        let mut out = Vec::new();
        safe(&mut out, &call.comm);
        number::display(&mut out, format_args!(" ({}) ", call.pid));
        out.extend_from_slice(&call.name);
        if !call.object.is_empty() {
            out.push(b' ');
            safe(&mut out, &call.object);
        }
        out
    }
}

impl Failed {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            total: 0,
            by_error: Groups::new(limit),
            name: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        result: i64,
        event: &Event<'_>,
        view: &View<'_>,
        arch: Option<Arch>,
    ) {
        self.total += 1;
        let make = || {
            let failures = Failures {
                count: 0,
                calls: Counts::new(KINDS),
                example: Example::default(),
                telling: false,
            };
            (result, failures)
        };
        let place = self.by_error.place(&result, |other| *other == result, make);
        let Some(failures) = place.map(|place| self.by_error.row(place)) else {
            return;
        };
        failures.count += 1;
        self.name.clear();
        syscall::event_name(&mut self.name, event, arch);
        let name = &*self.name;
        failures.calls.add_borrowed(name, <[u8]>::to_vec);
        let telling = TELLING
            .iter()
            .any(|start| name.starts_with(start.as_bytes()));
        if failures.telling && !telling {
            return;
        }
        failures.telling = telling;
        let call = &mut failures.example;
        call.pid = event.pid.0;
        let set = |to: &mut Vec<u8>, text: &[u8]| {
            to.clear();
            // One byte more shows that it is cut.
            to.extend_from_slice(text.get(..=TEXT).unwrap_or(text));
        };
        set(&mut call.comm, view.own_comm().unwrap_or(b"?"));
        set(&mut call.name, name);
        set(&mut call.object, object(event, view).unwrap_or_default());
    }

    /// Adds the failures of a later part of the capture. Returns false if a limit was reached there.
    pub(super) fn join(&mut self, later: Self) -> bool {
        self.total += later.total;
        let mut is_whole = later.by_error.omitted() == 0;
        for (result, more) in later.by_error.into_rows() {
            is_whole &= more.calls.groups().omitted() == 0;
            let Some(known) = self.by_error.find(&result, |other| *other == result) else {
                let count = more.count;
                if self.by_error.replace(result, more, 0).is_none() {
                    self.by_error.omit_more(count.saturating_sub(1));
                }
                continue;
            };
            let failures = self.by_error.row(known);
            failures.count += more.count;
            for (name, count) in more.calls.into_rows() {
                failures.calls.add_times(name, count);
            }
            if more.telling || !failures.telling {
                (failures.example, failures.telling) = (more.example, more.telling);
            }
        }
        is_whole
    }
}

/// The slowest calls, slowest first.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) calls: Largest<u64, Vec<u8>>,
}

impl Slow {
    pub(super) fn new() -> Self {
        Self {
            calls: Largest::new(SLOWEST),
        }
    }

    pub(super) fn add(&mut self, event: &Event<'_>, view: &View<'_>, arch: Option<Arch>) {
        let Some(latency) = event.latency.filter(|ns| *ns >= SLOW_NS) else {
            return;
        };
        if !self.calls.keeps(&latency) || lanes::is_waiting(event, view) {
            return;
        }
        let mut name = Vec::new();
        syscall::event_name(&mut name, event, arch);
        let mut row = Vec::new();
        who(&mut row, event, view);
        row.push(b' ');
        row.extend_from_slice(&name);
        if let Some(object) = object(event, view) {
            row.push(b' ');
            safe(&mut row, object);
        }
        self.calls.add(latency, row);
    }

    /// Adds the slow calls of a later part of the capture.
    pub(super) fn join(&mut self, later: Self) {
        for (latency, row) in later.calls.into_rows() {
            if self.calls.keeps(&latency) {
                self.calls.add(latency, row);
            }
        }
    }
}

/// Single waits for less than this, in ns, are not counted: a daemon that looks around every 50 ms
/// does not hang.
const WAITED_NS: u64 = 100_000_000;

/// Waits of processes for data and locks. Those for time, for children and for signals are left out:
/// sleeping programs, and shells behind their commands, do nothing else.
#[derive(Debug)]
pub(super) struct Waits {
    by_target: Groups<(i64, Vec<u8>, Vec<u8>), Waited>,
    name: Vec<u8>,
    target: Vec<u8>,
}

/// Waits of a process in a call for one thing.
#[derive(Debug, Default)]
pub(super) struct Waited {
    who: Vec<u8>,
    count: u64,
    timeouts: u64,
    is_unfinished: bool,
    total_ns: u64,
}

impl Waits {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            by_target: Groups::new(limit),
            name: Vec::new(),
            target: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, event: &Event<'_>, view: &View<'_>, arch: Option<Arch>) {
        let Some(latency) = event.latency.filter(|ns| *ns >= WAITED_NS) else {
            return;
        };
        if !lanes::is_waiting(event, view) {
            return;
        }
        self.name.clear();
        syscall::event_name(&mut self.name, event, arch);
        let name = &*self.name;
        if waits::is_for_time_or_child(name) {
            return;
        }
        self.target.clear();
        waits::target(&mut self.target, view.full(), name, arch, view);
        let (pid, target) = (event.pid.0, &*self.target);
        let is = |k: &(i64, Vec<u8>, Vec<u8>)| k.0 == pid && k.1 == name && k.2 == target;
        let place = self.by_target.place(&(pid, name, target), is, || {
            ((pid, name.to_vec(), target.to_vec()), Waited::default())
        });
        let Some(waited) = place.map(|place| self.by_target.row(place)) else {
            return;
        };
        if waited.who.is_empty() {
            who(&mut waited.who, event, view);
        }
        waited.count += 1;
        waited.timeouts += u64::from(waits::is_timeout(name, event.result()));
        waited.is_unfinished |= event.flags.contains(EventFlags::IN_FLIGHT);
        waited.total_ns = waited.total_ns.saturating_add(latency);
    }

    /// Adds the waits of a later part of the capture. Returns false if a limit was reached there.
    pub(super) fn join(&mut self, later: Self) -> bool {
        let is_whole = later.by_target.omitted() == 0;
        for (key, more) in later.by_target.into_rows() {
            let count = more.count;
            let Some(known) = self.by_target.find(&key, |other| *other == key) else {
                if self.by_target.replace(key, more, 0).is_none() {
                    self.by_target.omit_more(count.saturating_sub(1));
                }
                continue;
            };
            let waited = self.by_target.row(known);
            waited.count += count;
            waited.timeouts += more.timeouts;
            waited.is_unfinished |= more.is_unfinished;
            waited.total_ns = waited.total_ns.saturating_add(more.total_ns);
        }
        is_whole
    }

    /// Returns the longest waits, each with its duration in nanoseconds and its line.
    pub(super) fn rows(&self) -> Vec<(u64, Vec<u8>)> {
        let ranked = self.by_target.ranked(|_, waited| waited.total_ns);
        let rows = ranked
            .into_iter()
            .take(ROWS)
            .map(|((_, name, target), waited)| {
                let mut row = waited.who.clone();
                row.push(b' ');
                row.extend_from_slice(name);
                let mut add = |text: &str| row.extend_from_slice(text.as_bytes());
                match (waited.count, waited.timeouts) {
                    (1, 0) => {}
                    (1, _) => add(", timed out"),
                    (count, 0) => add(&format!(" {count} times")),
                    (count, over) => add(&format!(" {count} times, {over} timed out")),
                }
                if waited.is_unfinished {
                    add(", not ended");
                }
                if !target.is_empty() {
                    add(": ");
                    // It is escaped.
                    row.extend_from_slice(target);
                }
                (waited.total_ns, row)
            });
        rows.collect()
    }
}
