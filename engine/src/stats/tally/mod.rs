//! Tallies: counts of the events of a part of a capture, by process, file, connection, call and so
//! on.
//!
//! The tallies of two parts can be merged. Every map has a limit; omitted rows are counted.

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
use crate::state::{FdKind, L4, Mounts, Role, Text};
use crate::stats::activity::Activity;

/// Row limits of a tally, whatever the capture contains.
pub mod limits {
    /// Processes.
    pub const PROCESSES: usize = 65_536;
    /// Files.
    pub const FILES: usize = 65_536;
    /// Connections.
    pub const CONNECTIONS: usize = 65_536;
    /// Calls by name.
    pub const CALLS: usize = 4096;
    /// Failures.
    pub const ERRORS: usize = 16_384;
    /// Containers.
    pub const CONTAINERS: usize = 16_384;
    /// Executed programs.
    pub const COMMANDS: usize = 65_536;
    /// Slow calls.
    pub const SLOW: usize = 1000;
    /// Waits.
    pub const WAITS: usize = 16_384;
}

/// Length limit of texts, in bytes.
pub const TEXT: usize = 4096;

/// Identifies a process: its id, its start time (nanoseconds since the epoch, as `proc.pid.ts`; 0 =
/// not known), which distinguishes processes with the same id, and its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// The process id.
    pub pid: i64,
    /// The start time.
    pub start: u64,
    /// The recording that it is from, in a merged capture.
    pub origin: Option<OriginId>,
}

/// Bytes and calls of successful I/O.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Calls that read or wrote.
    pub calls: u64,
}

/// Different values in the order in which they were seen, up to [`Few::MOST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T> {
    values: Vec<T>,
    /// True if there were more.
    more: bool,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            more: false,
        }
    }
}

impl<T: Clone + PartialEq> Few<T> {
    /// Number of values kept.
    pub const MOST: usize = 16;

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: &T) {
        if self.values.last() == Some(value) || self.values.contains(value) {
            return;
        }
        match self.values.len() < Self::MOST {
            true => self.values.push(value.clone()),
            false => self.more = true,
        }
    }

    /// Adds the values of others.
    pub fn join(&mut self, others: &Self) {
        others.values.iter().for_each(|value| self.add(value));
        self.more |= others.more;
    }

    /// Returns the values.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Returns true if there were more values.
    pub fn has_more(&self) -> bool {
        self.more
    }
}

/// A set of tiles of the overview, by index.
pub type TileSet = u32;

/// Times of the first and last event of something, in nanoseconds since the epoch.
pub type Seen = Span;

/// One process.
#[derive(Clone, Debug)]
pub struct ProcessTally {
    /// The process that started it, even if that one has exited since.
    pub parent: Option<ProcessKey>,
    /// Its name.
    pub comm: Text,
    /// Its command line as it was executed, truncated to [`TEXT`].
    pub cmdline: Text,
    /// The name of its user, or the number as text; empty = not known.
    pub user: Text,
    /// The id of its container.
    pub container: Option<Text>,
    /// Its first and last event; `None` for a process that is listed only as an ancestor.
    pub seen: Option<Seen>,
    /// The time of its creation, if that is in the capture (also outside of this part), else 0.
    pub made: u64,
    /// The time of its end and its wait status (`procexit`'s), if seen in this part.
    pub ended: Option<(u64, i64)>,
    /// Maximum number of threads at a time.
    pub threads: u32,
    /// Events.
    pub events: u64,
    /// Programs executed.
    pub execs: u32,
    /// Calls that returned an error (`evt.failed`).
    pub failed: u64,
    /// Time in calls, without waiting ones, in nanoseconds; it is not CPU time.
    pub busy_ns: u64,
    /// Time in calls that waited, of all threads, in nanoseconds.
    pub waited_ns: u64,
    /// The tiles that its events are in.
    pub tiles: TileSet,
    /// I/O on files.
    pub file: Io,
    /// I/O on internet sockets.
    pub net: Io,
    /// I/O on pipes, unix sockets, terminals and everything else.
    pub other: Io,
}

/// Whose file a path names: the same path is another file elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Whose {
    /// The mount namespace.
    pub mounts: Mounts,
    /// The recording that it is from, in a merged capture.
    pub origin: Option<OriginId>,
}

/// Identifies a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// The path.
    pub path: Text,
    /// Whose file it is.
    pub whose: Whose,
}

/// A file, or another object with a path: events on its fds, and calls on its path.
#[derive(Clone, Debug)]
pub struct FileTally {
    /// Reads and writes.
    pub io: Io,
    /// Events.
    pub events: u64,
    /// Successful opens.
    pub opens: u64,
    /// Failed calls, failed opens included.
    pub failed: u64,
    /// Successful calls that changed it: its content, its name, or what is known about it.
    pub changes: u64,
    /// Time in calls on it, in nanoseconds.
    pub time_ns: u64,
    /// The longest of the calls.
    pub slowest_ns: u64,
    /// First and last event.
    pub seen: Seen,
    /// The names of the processes that used it.
    pub users: Few<Text>,
    /// The container of the first of them.
    pub container: Option<Text>,
    /// The tiles that its events are in.
    pub tiles: TileSet,
}

/// Identifies a connection by the fd's name (`1.2.3.4:5->6.7.8.9:80`), whichever processes have
/// inherited it. If both ends are on the machine, each is one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The fd's name.
    pub name: Text,
    /// True for the server's end.
    pub is_server: bool,
    /// The recording that it is from, in a merged capture.
    pub origin: Option<OriginId>,
}

/// A connection, or datagrams between two ends.
#[derive(Clone, Debug)]
pub struct ConnectionTally {
    /// IPv4 or IPv6 (not unix sockets).
    pub kind: FdKind,
    /// The protocol.
    pub l4: L4,
    /// The role of its processes.
    pub role: Role,
    /// Client and server, if known.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// The address of a listening socket.
    pub bound: Option<Endpoint>,
    /// The names of the processes that used it.
    pub users: Few<Text>,
    /// Their ids.
    pub pids: Few<i64>,
    /// The tiles that its events are in.
    pub tiles: TileSet,
    /// The container of one of them.
    pub container: Option<Text>,
    /// The data transferred.
    pub io: Io,
    /// Events.
    pub events: u64,
    /// Failed calls, `connect` included.
    pub failed: u64,
    /// First and last event.
    pub seen: Seen,
}

/// The calls of one syscall.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallTally {
    /// Number of calls; of enter and exit only the exit counts.
    pub calls: u64,
    /// Number of calls that returned an error.
    pub failed: u64,
    /// Number of calls with a latency.
    pub timed: u64,
    /// The sum of these latencies in nanoseconds.
    pub total_ns: u64,
    /// The longest.
    pub slowest_ns: u64,
}

/// Identifies a kind of failure: error number, name of the call, name of the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorKey {
    /// The error number, positive.
    pub errno: i64,
    /// The call.
    pub call: Text,
    /// The process's name.
    pub comm: Text,
}

/// One kind of failure.
#[derive(Clone, Copy, Debug)]
pub struct ErrorTally {
    /// Number of occurrences.
    pub count: u64,
    /// First and last occurrence.
    pub seen: Seen,
}

/// Stands for the id of the container of threads whose cgroups are not known. No container has such an id.
pub const UNKNOWN_CONTAINER: &[u8] = b"<NA>";

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
    /// I/O on files.
    pub file: Io,
    /// I/O on internet sockets.
    pub net: Io,
    /// First and last event.
    pub seen: Seen,
}

/// An executed program.
#[derive(Clone, Debug)]
pub struct CommandTally {
    /// The time, in nanoseconds since the epoch.
    pub ts: u64,
    /// The event.
    pub num: u64,
    /// The process.
    pub process: ProcessKey,
    /// The name of its parent.
    pub parent: Text,
    /// The name of the process that started it, if the parent is one that adopted it.
    pub starter: Text,
    /// The name of its user, or the number.
    pub user: Text,
    /// The login user, by name or number; empty = none or not known.
    pub login: Text,
    /// True if it has a terminal.
    pub interactive: bool,
    /// The session's leader; -1 = not known.
    pub session: i64,
    /// The working directory.
    pub cwd: Text,
    /// The command line as it was executed, truncated to [`TEXT`].
    pub cmdline: Text,
    /// Its container.
    pub container: Option<Text>,
}

/// A slow call.
#[derive(Clone, Debug)]
pub struct SlowTally {
    /// The time of its return.
    pub ts: u64,
    /// The event.
    pub num: u64,
    /// Its duration, in nanoseconds.
    pub latency: u64,
    /// The call.
    pub call: Text,
    /// Its object: the name of its fd, or a path.
    pub about: Text,
    /// The process.
    pub process: ProcessKey,
    /// The process's name.
    pub comm: Text,
    /// Its result.
    pub result: Option<i64>,
}

/// Identifies the waits of a process in one call for one thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WaitKey {
    /// The process.
    pub process: ProcessKey,
    /// The call.
    pub call: Text,
    /// What it waited for; empty = not known, or only time.
    pub target: Text,
}

/// Waits of at least [`crate::event::waits::LEAST_NS`].
#[derive(Clone, Debug)]
pub struct WaitTally {
    /// The process's name.
    pub comm: Text,
    /// Number of waits.
    pub count: u64,
    /// Those that ended because their time was over.
    pub timeouts: u64,
    /// Those that had not ended at the end of the capture.
    pub unfinished: u64,
    /// The sum of their durations, in nanoseconds.
    pub total_ns: u64,
    /// The longest.
    pub longest_ns: u64,
    /// From the beginning of the first to the end of the last.
    pub seen: Seen,
}

/// Number of time intervals of a [`Spectrum`] and of a tile's series.
pub const TIMES: usize = 128;

/// Calls by time and latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spectrum {
    /// The span that is divided into [`TIMES`] equal intervals.
    pub span: Span,
    /// `TIMES` rows of [`LATENCIES`] counts.
    pub counts: Vec<u32>,
}

/// A tile of the overview: the number of events that match its filter, over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileTally {
    /// The total.
    pub count: u64,
    /// By time, over [`TIMES`] equal intervals.
    pub series: Vec<u32>,
}

/// The counts of a part of a capture.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Events that are shown (neither hidden nor internal).
    pub events: u64,
    /// The number of these events in each chunk, by its index. Chunks that were not read are
    /// missing.
    pub matches: BTreeMap<u32, u32>,
    /// Processes.
    pub processes: HashMap<ProcessKey, ProcessTally>,
    /// Files by path.
    pub files: HashMap<FileKey, FileTally>,
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
    /// The slowest calls, without blocking calls, slowest first.
    pub slow: Vec<SlowTally>,
    /// Waits.
    pub waits: HashMap<WaitKey, WaitTally>,
    /// Latencies over time.
    pub spectrum: Option<Spectrum>,
    /// Lanes over time.
    pub activity: Option<Activity>,
    /// One for each of [`super::table::TILES`].
    pub tiles: Vec<TileTally>,
    /// Numbers of omitted rows: processes, files, connections, calls, errors, containers, commands, waits.
    pub omitted: [u64; 8],
}
