//! The columns of the tables.

use crate::stats::table::Column;

const fn column(
    title: &'static str,
    help: &'static str,
    field: Option<&'static str>,
    width: u16,
) -> Column {
    let column = Column::new(title, width, help);
    Column { field, ..column }
}

const PID: Column = column("PID", "the process id", Some("proc.pid"), 8);
const NAME: Column = column("NAME", "the name of the process", Some("proc.name"), 16);
const FD: Column = column("FD", "the fd number", Some("fd.num"), 6);
const USER: Column = column("USER", "the user name or uid", Some("user.name"), 12);
const START: Column = column("START", "the start time, if known", None, 15);
const STARTED_BY: Column = column(
    "STARTED BY",
    "the process that started it, if the parent has only adopted it",
    None,
    15,
)
.optional();
const CONTAINER: Column = column(
    "CONTAINER",
    "the container; empty: the host",
    Some("container.id"),
    14,
);

pub(super) const PROCESSES: &[Column] = &[
    PID,
    column("PPID", "the parent process id", Some("proc.ppid"), 8),
    STARTED_BY,
    USER,
    START,
    column("THR", "the number of threads", Some("proc.nthreads"), 5),
    column("FDS", "the number of open fds", Some("proc.fdopencount"), 6),
    column(
        "RSS",
        "resident memory, as of the last event that recorded it",
        None,
        8,
    ),
    CONTAINER,
    NAME,
    column(
        "COMMAND",
        "the command line as it was executed",
        Some("proc.exeline"),
        0,
    ),
];

pub(super) const THREADS: &[Column] = &[
    PID,
    column("TID", "the thread id", Some("thread.tid"), 8),
    USER,
    START,
    column(
        "CALL",
        "the call that the thread is in, as far as it is known; none: it is in no call",
        None,
        16,
    ),
    column("SINCE", "when it entered the call", None, 15),
    column(
        "WAITS FOR",
        "what the call is about: an fd and its name, an address, a process",
        None,
        32,
    ),
    CONTAINER,
    column("NAME", "the name of the thread", None, 0),
];

pub(super) const HISTORY: &[Column] = &[
    PID,
    column(
        "PPID",
        "the parent process id, as last seen",
        Some("proc.ppid"),
        8,
    ),
    STARTED_BY,
    column(
        "USERS",
        "the users that it had, each with the time from which on",
        None,
        12,
    ),
    START,
    column("END", "the time of its end", None, 15),
    column(
        "STATE",
        "running, ended, or lost: it is not there any more, but its end was not recorded",
        None,
        8,
    ),
    column("STATUS", "its exit status", None, 6).optional(),
    column("SIGNAL", "the signal that killed it", None, 8).optional(),
    CONTAINER,
    NAME,
    column(
        "PROGRAMS",
        "the command lines of the programs that it was, each with the time from which on",
        None,
        0,
    ),
];

pub(super) const FILES: &[Column] = &[
    PID,
    NAME,
    USER,
    FD,
    column("TYPE", "the kind of fd", Some("fd.type"), 10),
    column(
        "MODE",
        "r: open for reading, w: for writing; empty: not known",
        None,
        4,
    ),
    column(
        "FILE",
        "the path, or both ends of the connection",
        Some("fd.name"),
        0,
    ),
];

pub(super) const SOCKETS: &[Column] = &[
    column("PROTO", "the protocol", Some("fd.l4proto"), 6),
    column("LOCAL", "the local address and port", None, 24),
    column(
        "REMOTE",
        "the remote address and port; for unix sockets the path",
        None,
        24,
    ),
    column(
        "STATE",
        "connected, connecting, bound, or only open",
        None,
        10,
    ),
    column("ROLE", "the role of the process in the connection", None, 7),
    PID,
    NAME,
    FD,
    column(
        "PEER",
        "the process at the other end, if it is on this machine; several if they share the socket",
        None,
        24,
    )
    .optional(),
];

pub(super) const USERS: &[Column] = &[
    column("USER", "the name", None, 16),
    column("UID", "the user id", Some("user.uid"), 8),
    column("GID", "the primary group; empty: not known", None, 8),
    column("HOME", "the home directory", None, 24),
    column("SHELL", "the login shell", None, 20),
    column(
        "CONTAINER",
        "the container that has the user; empty: the host",
        Some("container.id"),
        14,
    ),
    column("PROCS", "the number of its processes", None, 6),
];
