//! Tables made of tallies: the rows of the views.

use super::Span;
use super::tally::{ProcessKey, Tally};
use crate::state::Text;

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

/// A tile of the overview: a question that a filter asks.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// What it counts.
    pub title: &'static str,
    /// The condition.
    pub filter: &'static str,
    /// The view that Enter opens, narrowed by the filter.
    pub view: View,
    /// It stands out if there is any.
    pub notable: bool,
}

/// The tiles.
pub const TILES: &[Tile] = &[];

/// Makes the table of a view; empty for views that are no tables.
pub fn table(_view: View, _tally: &Tally) -> Option<Table> {
    None
}
