//! Tables made of tallies: the rows of the views.

mod columns;
mod connections;
mod events;
pub(crate) mod narrow;
mod objects;
mod processes;

pub use crate::stats::tiles::{Among, TILES, Tile};
pub use columns::columns;
pub use narrow::{Narrowed, cell_condition, narrowed};

use crate::replay::Span;
use crate::state::Text;
use crate::stats::tally::{ProcessKey, Tally};

/// A view of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// What stands out.
    Overview,
    /// The events, one a line.
    Events,
    /// Processes as a tree.
    Processes,
    /// Files.
    Files,
    /// Directories.
    Directories,
    /// Connections.
    Connections,
    /// Ports that servers were asked on.
    Ports,
    /// Calls by kind.
    Calls,
    /// Failures.
    Errors,
    /// Containers and pods.
    Containers,
    /// Programs executed, with who did it.
    Commands,
    /// The slowest calls.
    Slow,
    /// Latency over time.
    Spectrogram,
    /// What the capture lacks.
    Losses,
    /// One that a script describes, by its place among them.
    Scripted(u16),
}

impl View {
    /// All views of our own, in the order in which they are listed.
    pub const ALL: [Self; 14] = [
        Self::Overview,
        Self::Events,
        Self::Processes,
        Self::Files,
        Self::Directories,
        Self::Connections,
        Self::Ports,
        Self::Calls,
        Self::Errors,
        Self::Containers,
        Self::Commands,
        Self::Slow,
        Self::Spectrogram,
        Self::Losses,
    ];

    /// Returns its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Events => "Events",
            Self::Processes => "Processes",
            Self::Files => "Files",
            Self::Directories => "Directories",
            Self::Connections => "Connections",
            Self::Ports => "Ports",
            Self::Calls => "Syscalls",
            Self::Errors => "Errors",
            Self::Containers => "Containers",
            Self::Commands => "Commands",
            Self::Slow => "Slow calls",
            Self::Spectrogram => "Spectrogram",
            Self::Losses => "Losses",
            Self::Scripted(_) => "View",
        }
    }

    /// Says what it shows and how that is counted.
    pub fn help(self) -> &'static str {
        match self {
            Self::Overview => {
                "What stands out: how many events answer each of some questions, over time. Enter \
                 shows those of a tile."
            }
            Self::Events => "The events one by one, in the order of the capture.",
            Self::Processes => {
                "The processes in which events happened, below who started them; those are there even \
                 if they did nothing. Counts are those of all threads of a process."
            }
            Self::Files => {
                "What events were about that has a path: through an fd that is open on it, or by \
                 its path. A rename counts for both names."
            }
            Self::Directories => {
                "The files of the view Files, added up by the directory that they are in."
            }
            Self::Connections => {
                "Internet sockets by their two ends and the process that has them: connections, \
                 failed ones, datagrams, and sockets that wait for others."
            }
            Self::Ports => {
                "The servers' ends of the connections, added up by port, whichever end was \
                 recorded."
            }
            Self::Calls => {
                "Syscalls by name, with how long they took from enter to exit, waiting included."
            }
            Self::Errors => {
                "Calls that returned an error, by error, call and process. Calls that only say \
                 try again (EAGAIN) are among them."
            }
            Self::Containers => "The containers in whose processes events happened, and the host.",
            Self::Commands => {
                "The programs that were executed, in order, with who did it. Those of people have \
                 a terminal."
            }
            Self::Slow => {
                "The thousand calls that took longest, from a millisecond on. Calls that waited \
                 for time to pass or for somebody else are left out."
            }
            Self::Spectrogram => {
                "How many calls took how long, over time: each column is a time, each row a \
                 latency, the brighter the more."
            }
            Self::Losses => "Events that the capture lacks, with when and why.",
            Self::Scripted(_) => "A view that a script describes.",
        }
    }
}

/// One value of a table; what it is decides how it prints and sorts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Nothing is known.
    Empty,
    /// Text from the capture, not escaped.
    Text(Text),
    /// A word of ours.
    Word(&'static str),
    /// An id.
    Id(i64),
    /// How many.
    Count(u64),
    /// How many, in hundredths.
    Hundredths(u64),
    /// Bytes.
    Bytes(u64),
    /// Nanoseconds.
    Duration(u64),
    /// Nanoseconds since the epoch.
    Time(u64),
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// What it says, for the help.
    pub help: &'static str,
    /// The field whose value it is, for conditions on a cell.
    pub field: Option<&'static str>,
    /// Columns of the screen; 0 = what is left.
    pub width: u16,
}

/// What a row is about: what Enter narrows everything to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A process.
    Process(ProcessKey),
    /// A file's path.
    File(Text),
    /// A directory's path.
    Directory(Text),
    /// A connection's fd name.
    Connection(Text),
    /// A server port.
    Port(u16),
    /// A kind of call.
    Call(Text),
    /// Error number, call, process name.
    Error(i64, Text, Text),
    /// A container's id; empty = the host.
    Container(Text),
    /// An event.
    Event(u64),
    /// A tile of the overview.
    Tile(usize),
    /// A time range, for losses.
    Range(Span),
    /// What a script's view says that its row leads to.
    Leads(Box<Narrowed>),
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// One for each column.
    pub cells: Vec<Cell>,
    /// What it is about.
    pub subject: Subject,
    /// In a tree, how many ancestors above it are in the table.
    pub depth: u16,
    /// When what it is about was there, to be drawn on the time axis, and whether the left and the right
    /// end were seen (else it was there before, or after).
    pub life: Option<(Span, bool, bool)>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns.
    pub columns: &'static [Column],
    /// The column that it is sorted by when it opens, and whether largest first. `None`: as it is, a tree
    /// or in order of time.
    pub sorted: Option<(usize, bool)>,
    /// The rows.
    pub rows: Vec<Row>,
    /// How many rows are left out because there are too many.
    pub omitted: u64,
}

/// Most rows of a table.
pub const ROWS: usize = 65_536;

/// Makes the table of a view; `None` for views that are no tables.
pub fn table(view: View, tally: &Tally) -> Option<Table> {
    let columns = columns(view);
    let (rows, sorted, omitted) = match view {
        View::Overview | View::Events | View::Spectrogram | View::Losses | View::Scripted(_) => {
            return None;
        }
        View::Processes => (processes::rows(tally), None, 0),
        View::Files => (objects::files(tally), Some((0, true)), 1),
        View::Directories => (objects::directories(tally), Some((0, true)), 1),
        View::Connections => (connections::connections(tally), Some((4, true)), 2),
        View::Ports => (connections::ports(tally), Some((3, true)), 2),
        View::Calls => (events::calls(tally), Some((0, true)), 3),
        View::Errors => (events::errors(tally), Some((0, true)), 4),
        View::Containers => (objects::containers(tally), Some((5, true)), 5),
        View::Commands => (events::commands(tally), None, 6),
        View::Slow => (events::slow(tally), Some((0, true)), 7),
    };
    let mut table = Table {
        columns,
        sorted,
        rows,
        omitted: tally.omitted.get(omitted).copied().unwrap_or(0),
    };
    table.sort();
    let more = table.rows.len().saturating_sub(ROWS);
    table.rows.truncate(ROWS);
    table.omitted = table.omitted.saturating_add(more as u64);
    Some(table)
}

impl Table {
    /// Puts the rows into the order that the table opens with.
    fn sort(&mut self) {
        let Some((column, largest_first)) = self.sorted else {
            return;
        };
        // Equal ones are in the order of their last columns: the names.
        self.rows.sort_by(|a, b| {
            let (x, y) = (a.cells.get(column), b.cells.get(column));
            let order = if largest_first { y.cmp(&x) } else { x.cmp(&y) };
            order.then_with(|| a.cells.iter().rev().cmp(b.cells.iter().rev()))
        });
    }
}
