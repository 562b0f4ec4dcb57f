//! The columns of the tables.

use super::{Column, View};

const fn column(title: &'static str, width: u16, help: &'static str) -> Column {
    Column {
        title,
        help,
        field: None,
        width,
    }
}

impl Column {
    const fn is(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

/// Returns the columns of a view's table; none if it has no table.
pub fn columns(view: View) -> &'static [Column] {
    match view {
        View::Overview | View::Events | View::Spectrogram | View::Losses | View::Scripted(_) => &[],
        View::Processes => PROCESSES,
        View::Files => FILES,
        View::Directories => DIRECTORIES,
        View::Connections => CONNECTIONS,
        View::Ports => PORTS,
        View::Calls => CALLS,
        View::Errors => ERRORS,
        View::Containers => CONTAINERS,
        View::Commands => COMMANDS,
        View::Slow => SLOW,
    }
}

const EVENTS: Column = column("EVENTS", 9, "How many events there are.");
const FAILED: Column = column("ERR", 7, "How many calls returned an error.");
const IN: Column = column("IN", 8, "Bytes read or received.");
const OUT: Column = column("OUT", 8, "Bytes written or sent.");
const PID: Column = column("PID", 8, "The process id.").is("proc.pid");
const CONTAINER: Column =
    column("CONTAINER", 14, "The container's name, or its id.").is("container.name");

const PROCESSES: &[Column] = &[
    PID,
    column("USER", 8, "The user that it runs as, last.").is("user.name"),
    column("TH", 4, "The most threads that it was seen with."),
    column("EVENTS", 8, "How many events there are."),
    FAILED,
    column(
        "BUSY",
        7,
        "Time in calls that were not waiting for somebody else.",
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
        "The command line, below that of who started it.",
    )
    .is("proc.cmdline"),
];

const FILES: &[Column] = &[
    EVENTS,
    IN,
    OUT,
    column("OPENS", 7, "How often it was opened."),
    FAILED,
    column(
        "CHANGES",
        7,
        "How often it was made, removed, renamed or linked, or its mode or owner changed.",
    ),
    column("TIME", 8, "Time in calls on it."),
    column("PROCESS", 15, "The process that was at it last.").is("proc.name"),
    column("FILE", 0, "Its path.").is("fd.name"),
];

const DIRECTORIES: &[Column] = &[
    column("FILES", 7, "How many of its files were used."),
    IN,
    OUT,
    column("OPENS", 7, "How often its files were opened."),
    FAILED,
    column(
        "CHANGES",
        7,
        "How often its files were made, removed, renamed or linked, or their mode or owner changed.",
    ),
    column("TIME", 8, "Time in calls on its files."),
    column("DIRECTORY", 0, "Its path.").is("fd.directory"),
];

// The first six fit into 80 columns.
const CONNECTIONS: &[Column] = &[
    column("PROCESS", 12, "The process that has the socket.").is("proc.name"),
    column("PID", 7, "The process id.").is("proc.pid"),
    column("CLIENT", 21, "The end that asked."),
    column(
        "SERVER",
        21,
        "The end that was asked, or the address that is waited on.",
    ),
    column("IN", 7, "Bytes received."),
    column("OUT", 7, "Bytes sent."),
    column("PROTO", 5, "The transport protocol.").is("fd.l4proto"),
    column(
        "ROLE",
        6,
        "Which end the process is; a server also while it only waits.",
    ),
    EVENTS,
    FAILED,
    CONTAINER,
];

const PORTS: &[Column] = &[
    column("PORT", 6, "The port of the server's end.").is("fd.sport"),
    column("PROTO", 7, "The transport protocols that it was used with."),
    column(
        "CONNECTIONS",
        11,
        "How many connections, or sockets that wait, there are.",
    ),
    IN,
    OUT,
    EVENTS,
    FAILED,
    column(
        "PROCESS",
        0,
        "The process with the most events: a server's if there is one, else a client's.",
    )
    .is("proc.name"),
];

const CALLS: &[Column] = &[
    column("CALLS", 10, "How often it was called."),
    FAILED,
    column(
        "TOTAL",
        9,
        "The time that all calls took, waiting included.",
    ),
    column("AVERAGE", 9, "The time that one call took in the mean."),
    column("SLOWEST", 9, "The time that the longest took."),
    column("CALL", 0, "Its name.").is("evt.type"),
];

const ERRORS: &[Column] = &[
    column("COUNT", 9, "How often it happened."),
    column("ERROR", 16, "The name of the error, or its number.").is("evt.res"),
    column("CALL", 18, "The call that returned it.").is("evt.type"),
    column("PROCESS", 16, "The thread that was told, by name.").is("proc.name"),
    column("FIRST", 15, "When it happened first.").is("evt.rawtime"),
    column("LAST", 15, "When it happened last.").is("evt.rawtime"),
];

const CONTAINERS: &[Column] = &[
    column("ID", 13, "Its id.").is("container.id"),
    column("NAME", 20, "Its name.").is("container.name"),
    column("IMAGE", 24, "The image that it was made of.").is("container.image"),
    column("POD", 24, "The pod that it is part of, with its namespace."),
    column("PROCESSES", 9, "How many processes events happened in."),
    EVENTS,
    FAILED,
    column("FILE", 8, "Bytes read from and written to files."),
    column(
        "NET",
        8,
        "Bytes received from and sent to internet sockets.",
    ),
];

const COMMANDS: &[Column] = &[
    column("TIME", 16, "When it was executed.").is("evt.rawtime"),
    column("USER", 9, "The user that it runs as.").is("user.name"),
    column("LOGIN", 9, "The user that logged in, whoever it runs as.").is("user.loginname"),
    column(
        "TTY",
        3,
        "Whether it has a terminal: somebody may have typed it.",
    ),
    column("SESSION", 8, "The session, by the process that leads it.").is("proc.sid"),
    PID,
    column("PARENT", 15, "The name of its parent.").is("proc.pname"),
    CONTAINER,
    column("CWD", 20, "The working directory.").is("proc.cwd"),
    column("COMMAND", 0, "The command line.").is("proc.cmdline"),
];

const SLOW: &[Column] = &[
    column("LATENCY", 9, "How long it took.").is("evt.latency"),
    column("TIME", 15, "When it returned.").is("evt.rawtime"),
    column("PROCESS", 12, "The thread that called, by name.").is("proc.name"),
    column("CALL", 12, "The call.").is("evt.type"),
    PID,
    column("RESULT", 8, "What it returned.").is("evt.rawres"),
    column(
        "ABOUT",
        0,
        "The path that it was given, or what its fd is open on.",
    ),
];
