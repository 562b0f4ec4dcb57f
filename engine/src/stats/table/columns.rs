//! The columns of the tables.

use super::Column;

const fn column(title: &'static str, width: u16, help: &'static str) -> Column {
    Column::new(title, width, help)
}

impl Column {
    /// Makes a column; a width of 0 is the remaining width.
    pub const fn new(title: &'static str, width: u16, help: &'static str) -> Self {
        Self {
            title,
            help,
            field: None,
            width,
            optional: false,
        }
    }

    /// Says of which field the values are.
    pub const fn is(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Hides the column while no row has a value in it.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

const EVENTS: Column = column("EVENTS", 9, "Number of events.");
const FAILED: Column = column("ERR", 7, "Number of calls that returned an error.");
const IN: Column = column("IN", 8, "Bytes read or received.");
const OUT: Column = column("OUT", 8, "Bytes written or sent.");
const PID: Column = column("PID", 8, "The process id.").is("proc.pid");
const CONTAINER: Column =
    column("CONTAINER", 14, "The container's name, or its id.").is("container.name");
/// The same path is another file in another mount namespace.
const WHERE: Column = column(
    "WHERE",
    16,
    "Whose file it is: the container, or the mount namespace (mntns); nothing for the machine's own. In a merged capture, \
     the number of the recording comes first.",
)
.optional();

pub(super) const PROCESSES: &[Column] = &[
    column(
        "ORIGIN",
        6,
        "The recording that it is from, in a merged capture.",
    )
    .is("evt.origin")
    .optional(),
    PID,
    column("USER", 8, "The user, as last seen.").is("user.name"),
    column("TH", 4, "The maximum number of threads at a time."),
    column("EVENTS", 8, "Number of events."),
    FAILED,
    column(
        "IN CALLS",
        8,
        "Time that passed in calls, without those that wait for time, other processes or data. It is not CPU time: that \
         is not in a capture.",
    ),
    column(
        "WAITED",
        7,
        "Time that passed in calls that wait for time, other processes or data, of all threads; see Waits.",
    ),
    column("FILE", 7, "Bytes read from and written to files."),
    column(
        "NET",
        7,
        "Bytes received from and sent to internet sockets.",
    ),
    CONTAINER,
    column(
        "COMMAND",
        0,
        "The command line as it was executed, below that of the process that started it.",
    )
    .is("proc.exeline"),
];

pub(super) const FILES: &[Column] = &[
    EVENTS,
    IN,
    OUT,
    column("OPENS", 7, "Number of opens."),
    FAILED,
    column(
        "CHANGES",
        7,
        "Number of calls that changed it: that created, emptied, wrote, resized, removed, renamed or linked it, or \
         changed its mode, owner, times or attributes. Writes through a memory mapping are not calls.",
    ),
    column("TIME", 8, "Time in calls on it, waiting included."),
    column("PROCESSES", 15, "The processes that used it.").is("proc.name"),
    WHERE,
    column("FILE", 0, "Its path.").is("fd.name"),
];

pub(super) const DIRECTORIES: &[Column] = &[
    column("FILES", 7, "Number of its files that were used."),
    IN,
    OUT,
    column("OPENS", 7, "Number of opens of its files."),
    FAILED,
    column(
        "CHANGES",
        7,
        "Number of calls that changed its files, as in Files.",
    ),
    column("TIME", 8, "Time in calls on its files, waiting included."),
    WHERE,
    column("DIRECTORY", 0, "Its path.").is("fd.directory"),
];

// The first six fit into 80 columns.
pub(super) const CONNECTIONS: &[Column] = &[
    column(
        "PROCESS",
        12,
        "The processes that used the socket: it may have been inherited or passed on.",
    )
    .is("proc.name"),
    column("PID", 7, "Their ids.").is("proc.pid"),
    column("CLIENT", 21, "The client's address and port."),
    column(
        "SERVER",
        21,
        "The server's address and port, or the address of a listening socket.",
    ),
    column("IN", 7, "Bytes received."),
    column("OUT", 7, "Bytes sent."),
    column("PROTO", 5, "The transport protocol.").is("fd.l4proto"),
    column(
        "ROLE",
        6,
        "The role of the processes; also `server` for listening sockets.",
    ),
    EVENTS,
    FAILED,
    CONTAINER,
];

pub(super) const PORTS: &[Column] = &[
    column("PORT", 6, "The server port.").is("fd.sport"),
    column("PROTO", 7, "The transport protocols used."),
    column(
        "CONNECTIONS",
        11,
        "Number of connections and listening sockets.",
    ),
    IN,
    OUT,
    EVENTS,
    FAILED,
    column(
        "PROCESS",
        0,
        "The servers, or the clients if no server was recorded.",
    )
    .is("proc.name"),
];

pub(super) const CALLS: &[Column] = &[
    column("CALLS", 10, "Number of calls."),
    FAILED,
    column(
        "TOTAL",
        9,
        "Total duration of all calls, blocking included.",
    ),
    column("AVERAGE", 9, "Mean duration of a call."),
    column("SLOWEST", 9, "Duration of the slowest call."),
    column("CALL", 0, "Its name.").is("evt.type"),
];

pub(super) const ERRORS: &[Column] = &[
    column("COUNT", 9, "Number of occurrences."),
    column("ERROR", 16, "The name of the error, or its number.").is("evt.res"),
    column("CALL", 18, "The call that returned it.").is("evt.type"),
    column("PROCESS", 16, "The name of the calling thread.").is("proc.name"),
    column("FIRST", 15, "Time of the first occurrence.").is("evt.rawtime"),
    column("LAST", 15, "Time of the last occurrence.").is("evt.rawtime"),
];

pub(super) const CONTAINERS: &[Column] = &[
    column("ID", 13, "Its id.").is("container.id"),
    column("NAME", 20, "Its name.").is("container.name"),
    column("IMAGE", 24, "Its image.").is("container.image"),
    column("POD", 24, "Its pod, with namespace."),
    column("PROCESSES", 9, "Number of processes with events."),
    EVENTS,
    FAILED,
    column("FILE", 8, "Bytes read from and written to files."),
    column(
        "NET",
        8,
        "Bytes received from and sent to internet sockets.",
    ),
];

pub(super) const COMMANDS: &[Column] = &[
    column("TIME", 16, "Time of the execve.").is("evt.rawtime"),
    column("USER", 9, "The user of the process.").is("user.name"),
    column("LOGIN", 9, "The login user, whatever the current user is.").is("user.loginname"),
    column(
        "TTY",
        3,
        "Whether it has a terminal: it may have been typed.",
    ),
    column("SESSION", 8, "The session id: the pid of its leader.").is("proc.sid"),
    PID,
    column(
        "PARENT",
        15,
        "The name of its parent: the process that started it, or one that has adopted it since.",
    )
    .is("proc.pname"),
    column(
        "STARTED BY",
        15,
        "The name of the process that started it, if the parent has only adopted it.",
    )
    .is("proc.lineage[1]")
    .optional(),
    CONTAINER,
    column("CWD", 20, "The working directory.").is("proc.cwd"),
    column("COMMAND", 0, "The command line as it was executed.").is("proc.exeline"),
];

pub(super) const SLOW: &[Column] = &[
    column("LATENCY", 9, "Duration of the call.").is("evt.latency"),
    column("TIME", 15, "Time of its return.").is("evt.rawtime"),
    column("PROCESS", 12, "The name of the calling thread.").is("proc.name"),
    column("CALL", 12, "The call.").is("evt.type"),
    PID,
    column("RESULT", 8, "Its result.").is("evt.rawres"),
    column("ABOUT", 0, "Its path, or the name of its fd."),
];

pub(super) const WAITS: &[Column] = &[
    column(
        "WAITED",
        9,
        "Sum of the durations of the waits, of all threads of the process.",
    ),
    column("LONGEST", 9, "Duration of the longest wait."),
    column("COUNT", 7, "Number of waits."),
    column(
        "TIMEOUTS",
        8,
        "Number of waits that ended because their time was over: nothing had happened.",
    ),
    column(
        "OPEN",
        5,
        "Number of waits that had not ended at the end of the capture.",
    ),
    column("PROCESS", 14, "The name of the process.").is("proc.name"),
    PID,
    column("CALL", 13, "The call.").is("evt.type"),
    column(
        "WAITED FOR",
        0,
        "Fds with their files and connections, a lock by its address (futex), a process. Empty: only time, or not known.",
    ),
];
