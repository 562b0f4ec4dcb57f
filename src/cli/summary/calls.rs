//! Failed calls and slow calls.

use scap_capture_format::schema::{Arch, Category, ParamType, errno as errnos};

use super::{KINDS, safe, who};
use crate::event::{Event, EventExt as _, Names as _, syscall};
use crate::state::View;
use crate::stats::groups::{Counts, Groups, Largest};

/// Number of slow calls kept.
const SLOWEST: usize = 5;

/// Calls below this duration, in ns, are never listed as slow.
const SLOW_NS: u64 = 1_000_000;

/// Blocking calls: their duration is waiting time, not slowness.
const WAITS: &[&str] = &[
    "accept",
    "accept4",
    "clock_nanosleep",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "futex",
    "futex_wait",
    "futex_waitv",
    "io_getevents",
    "io_uring_enter",
    "msgrcv",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect6",
    "restart_syscall",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "select",
    "semop",
    "semtimedop",
    "wait4",
    "waitid",
];

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

/// Appends the object of a call: its path, or what its fd refers to.
pub(super) fn object(out: &mut Vec<u8>, event: &Event<'_>, view: &View<'_>) {
    let path = event.params_with_info().find_map(|(index, info, bytes)| {
        let is_path = matches!(info.ty, ParamType::FsPath | ParamType::FsRelPath);
        (is_path && !bytes.is_empty())
            .then(|| event.text(index))
            .flatten()
    });
    let fd = || {
        let fd = event.int(usize::from(event.info()?.fd_param?))?;
        Some(view.fd(fd)?.name).filter(|name| !name.is_empty())
    };
    if let Some(name) = path.or_else(fd) {
        out.push(b' ');
        safe(out, name);
    }
}

/// Failed calls by error.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) total: u64,
    pub(super) by_error: Groups<i64, Failures>,
}

/// Calls that failed with one error.
#[derive(Debug)]
pub(super) struct Failures {
    pub(super) count: u64,
    /// Calls by name.
    pub(super) calls: Counts<Vec<u8>>,
    /// The last failed call: the first one is nearly always the dynamic linker's.
    pub(super) example: Vec<u8>,
    /// True if the example is one of [`TELLING`].
    telling: bool,
}

impl Failed {
    pub(super) fn new() -> Self {
        Self {
            total: 0,
            by_error: Groups::new(KINDS),
        }
    }

    pub(super) fn add(&mut self, event: &Event<'_>, view: &View<'_>, arch: Option<Arch>) {
        let Some(result) = event.result() else {
            return;
        };
        self.total += 1;
        let make = || {
            let failures = Failures {
                count: 0,
                calls: Counts::new(KINDS),
                example: Vec::new(),
                telling: false,
            };
            (result, failures)
        };
        let place = self.by_error.place(&result, |other| *other == result, make);
        let Some(failures) = place.map(|place| self.by_error.row(place)) else {
            return;
        };
        failures.count += 1;
        let mut name = Vec::new();
        syscall::event_name(&mut name, event, arch);
        let telling = TELLING
            .iter()
            .any(|start| name.starts_with(start.as_bytes()));
        failures.calls.add(name.clone());
        if failures.telling && !telling {
            return;
        }
        failures.telling = telling;
        failures.example.clear();
        who(&mut failures.example, event, view);
        failures.example.push(b' ');
        failures.example.extend_from_slice(&name);
        object(&mut failures.example, event, view);
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
        if !self.calls.keeps(&latency)
            || event.info().is_some_and(|i| i.category == Category::Sleep)
        {
            return;
        }
        let mut name = Vec::new();
        syscall::event_name(&mut name, event, arch);
        if WAITS.iter().any(|wait| wait.as_bytes() == name) {
            return;
        }
        let mut row = Vec::new();
        who(&mut row, event, view);
        row.push(b' ');
        row.extend_from_slice(&name);
        object(&mut row, event, view);
        self.calls.add(latency, row);
    }
}
