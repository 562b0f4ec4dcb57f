//! Counts of what happened in a part of a capture, by process, file, connection, call and so on.
//!
//! Tallies of two parts add up to that of both. Every map has a cap; what is beyond it is counted as such.

mod counter;
mod kinds;
mod merge;
mod objects;
mod processes;
mod segment;
mod spectrum;
mod tiles;

pub use scap_capture_format::native::chunk::{
    LATENCIES, LATENCIES_PER_DECADE as PER_DECADE, latency_bounds, latency_interval,
};
pub use segment::{tally, tally_segment};

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::event::net::Endpoint;
use scap_capture_format::native::OriginId;

use crate::replay::Span;
use crate::state::{FdKind, L4, Role, Text};
use crate::stats::activity::Activity;

/// Caps on what a capture can make a tally hold, in rows.
pub mod limits {
    /// Most processes.
    pub const PROCESSES: usize = 65_536;
    /// Most files.
    pub const FILES: usize = 65_536;
    /// Most connections.
    pub const CONNECTIONS: usize = 65_536;
    /// Most kinds of calls.
    pub const CALLS: usize = 4096;
    /// Most kinds of failures.
    pub const ERRORS: usize = 16_384;
    /// Most containers.
    pub const CONTAINERS: usize = 16_384;
    /// Most programs executed.
    pub const COMMANDS: usize = 65_536;
    /// Slow calls kept.
    pub const SLOW: usize = 1000;
}

/// Longest text kept, in bytes.
pub const TEXT: usize = 4096;

/// Tells a process from others that have had its id: the id, when it began (nanoseconds since the
/// epoch, as `proc.pid.ts`; 0 = not known), and of which machine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// The process id.
    pub pid: i64,
    /// When it began.
    pub start: u64,
    /// The recording that it is from, in a merged capture.
    pub origin: Option<OriginId>,
}

/// Bytes moved and calls made, successful ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Calls that read or wrote.
    pub calls: u64,
}

/// Times of the first and last event of something, in nanoseconds since the epoch.
pub type Seen = Span;

/// One process.
#[derive(Clone, Debug)]
pub struct ProcessTally {
    /// Who started it, whatever has become of that one since.
    pub parent: Option<ProcessKey>,
    /// Its name.
    pub comm: Text,
    /// Its command line, as `proc.cmdline`.
    pub cmdline: Text,
    /// The name of its user, or the number as text; empty = not known.
    pub user: Text,
    /// The id of its container.
    pub container: Option<Text>,
    /// Its first and last event; `None` for a process that is here only as an ancestor.
    pub seen: Option<Seen>,
    /// When it was made, if that was in the capture (also outside of this part), else 0.
    pub made: u64,
    /// When it ended and its wait status (`procexit`'s), if that was seen in this part.
    pub ended: Option<(u64, i64)>,
    /// Most threads at a time.
    pub threads: u32,
    /// Events.
    pub events: u64,
    /// Programs executed.
    pub execs: u32,
    /// Calls that returned an error (`evt.failed`).
    pub failed: u64,
    /// Time in calls that were not waiting for somebody else, in nanoseconds.
    pub busy_ns: u64,
    /// On files.
    pub file: Io,
    /// On internet sockets.
    pub net: Io,
    /// On pipes, unix sockets, terminals and everything else.
    pub other: Io,
}

/// One file, or something else with a path: events on an fd that is open on it, and calls on the path.
#[derive(Clone, Debug)]
pub struct FileTally {
    /// Reads and writes.
    pub io: Io,
    /// Events.
    pub events: u64,
    /// Successful opens.
    pub opens: u64,
    /// Calls on it that failed, failed opens among them.
    pub failed: u64,
    /// Removed, renamed, made, its mode or owner changed: successful calls.
    pub changes: u64,
    /// Time in calls on it, in nanoseconds.
    pub time_ns: u64,
    /// The longest of them.
    pub slowest_ns: u64,
    /// First and last event.
    pub seen: Seen,
    /// The name of the process that was at it last.
    pub comm: Text,
}

/// Tells connections apart: the fd's name (`1.2.3.4:5->6.7.8.9:80`) and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The fd's name.
    pub name: Text,
    /// The process.
    pub process: ProcessKey,
}

/// One connection, or datagrams between two ends.
#[derive(Clone, Debug)]
pub struct ConnectionTally {
    /// IPv4 or IPv6 (unix sockets are not among them).
    pub kind: FdKind,
    /// The protocol.
    pub l4: L4,
    /// Which end the process is.
    pub role: Role,
    /// Client and server, if known.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// The address that is waited on.
    pub bound: Option<Endpoint>,
    /// The process's name.
    pub comm: Text,
    /// Its container.
    pub container: Option<Text>,
    /// What went through.
    pub io: Io,
    /// Events.
    pub events: u64,
    /// Calls on it that failed, `connect` among them.
    pub failed: u64,
    /// First and last event.
    pub seen: Seen,
}

/// One kind of call.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallTally {
    /// How often; of enter and exit only the exit counts.
    pub calls: u64,
    /// How many returned an error.
    pub failed: u64,
    /// How many have a latency.
    pub timed: u64,
    /// The sum of these latencies in nanoseconds.
    pub total_ns: u64,
    /// The longest.
    pub slowest_ns: u64,
}

/// Tells failures apart: error number, the call's name, the process's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorKey {
    /// Positive.
    pub errno: i64,
    /// The call.
    pub call: Text,
    /// The process's name.
    pub comm: Text,
}

/// One kind of failure.
#[derive(Clone, Copy, Debug)]
pub struct ErrorTally {
    /// How often.
    pub count: u64,
    /// First and last.
    pub seen: Seen,
}

/// One container, or the host.
#[derive(Clone, Debug)]
pub struct ContainerTally {
    /// Its name; empty = not known.
    pub name: Text,
    /// Its image.
    pub image: Text,
    /// Its pod, as `namespace/name`.
    pub pod: Text,
    /// Events.
    pub events: u64,
    /// Calls that failed.
    pub failed: u64,
    /// On files.
    pub file: Io,
    /// On internet sockets.
    pub net: Io,
    /// First and last event.
    pub seen: Seen,
}

/// A program that was executed.
#[derive(Clone, Debug)]
pub struct CommandTally {
    /// When, in nanoseconds since the epoch.
    pub ts: u64,
    /// The event.
    pub num: u64,
    /// The process.
    pub process: ProcessKey,
    /// The name of the program that started it.
    pub parent: Text,
    /// The name of its user, or the number.
    pub user: Text,
    /// The user that logged in, likewise; empty = none, not known.
    pub login: Text,
    /// It has a terminal.
    pub interactive: bool,
    /// The session's leader; -1 = not known.
    pub session: i64,
    /// The working directory.
    pub cwd: Text,
    /// The command line.
    pub cmdline: Text,
    /// Its container.
    pub container: Option<Text>,
}

/// A call that took long.
#[derive(Clone, Debug)]
pub struct SlowTally {
    /// When it returned.
    pub ts: u64,
    /// The event.
    pub num: u64,
    /// How long it took, in nanoseconds.
    pub latency: u64,
    /// The call.
    pub call: Text,
    /// What it was about: an fd's name or a path.
    pub about: Text,
    /// The process.
    pub process: ProcessKey,
    /// The process's name.
    pub comm: Text,
    /// Its result.
    pub result: Option<i64>,
}

/// Time intervals of a [`Spectrum`] and of a tile's series.
pub const TIMES: usize = 128;

/// Calls by time and latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spectrum {
    /// The span that is divided into [`TIMES`] equal intervals.
    pub span: Span,
    /// `TIMES` rows of [`LATENCIES`] counts.
    pub counts: Vec<u32>,
}

/// A tile of the overview: how many events fulfil its filter, over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileTally {
    /// In all.
    pub count: u64,
    /// By time, over [`TIMES`] equal intervals.
    pub series: Vec<u32>,
}

/// What happened in a part of a capture.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Events that are shown (not hidden, not internal).
    pub events: u64,
    /// How many of these each chunk has, by its place in the index. Chunks that were not looked at are
    /// not in it.
    pub matches: BTreeMap<u32, u32>,
    /// Processes.
    pub processes: HashMap<ProcessKey, ProcessTally>,
    /// Files by path.
    pub files: HashMap<Text, FileTally>,
    /// Connections.
    pub connections: HashMap<ConnectionKey, ConnectionTally>,
    /// Calls by name.
    pub calls: HashMap<Text, CallTally>,
    /// Failures.
    pub errors: HashMap<ErrorKey, ErrorTally>,
    /// Containers by id; empty = the host.
    pub containers: HashMap<Text, ContainerTally>,
    /// Programs executed, in order.
    pub commands: Vec<CommandTally>,
    /// The slowest calls that were not waiting for somebody else, slowest first.
    pub slow: Vec<SlowTally>,
    /// Latencies over time.
    pub spectrum: Option<Spectrum>,
    /// Lanes over time.
    pub activity: Option<Activity>,
    /// One for each of [`super::table::TILES`].
    pub tiles: Vec<TileTally>,
    /// How often something did not fit: processes, files, connections, calls, errors, containers, commands.
    pub omitted: [u64; 7],
}
