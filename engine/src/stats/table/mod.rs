//! Tables: the rows of the views, made of tallies.

mod columns;
mod connections;
mod events;
pub mod narrow;
mod objects;
mod processes;
mod sessions;
mod tree;

pub use crate::stats::tiles::{Among, TILES, Tile};
pub use narrow::{Narrowed, cell_condition, narrowed, narrowed_tile, only_calls};
pub use sessions::sessions;
pub use tree::tree_order;

use std::sync::Arc;

use crate::replay::Span;
use crate::state::Text;
use crate::stats::tally::{ProcessKey, Tally, WaitKey, Whose};

/// A view of the time range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// Notable events.
    Overview,
    /// The events, one per line.
    Events,
    /// What rules found, by rule or by tactic.
    Alerts,
    /// The alerts of a rule or a tactic, one per line.
    AlertList,
    /// The sessions of `kubectl exec`.
    Sessions,
    /// Processes as a tree.
    Processes,
    /// Files.
    Files,
    /// Directories.
    Directories,
    /// Connections.
    Connections,
    /// Server ports.
    Ports,
    /// Calls by kind.
    Calls,
    /// Failures.
    Errors,
    /// Containers and pods.
    Containers,
    /// Executed programs.
    Commands,
    /// The slowest calls.
    Slow,
    /// What processes waited for.
    Waits,
    /// Latency over time.
    Spectrogram,
    /// Lost events.
    Losses,
    /// A view described by a script, by its index.
    Scripted(u16),
}

impl View {
    /// All built-in views, in the order in which they are listed.
    pub const ALL: [Self; 18] = [
        Self::Overview,
        Self::Events,
        Self::Alerts,
        Self::AlertList,
        Self::Sessions,
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
        Self::Waits,
        Self::Spectrogram,
        Self::Losses,
    ];

    /// Returns the name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Events => "Events",
            Self::Alerts => "Alerts",
            Self::AlertList => "Alerts, one by one",
            Self::Sessions => "Sessions",
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
            Self::Waits => "Waits",
            Self::Spectrogram => "Spectrogram",
            Self::Losses => "Losses",
            Self::Scripted(_) => "View",
        }
    }

    /// Describes what the view shows and how it is counted.
    pub fn help(self) -> &'static str {
        match self {
            Self::Overview => {
                "Notable events: the rules with the most severe alerts, and for each tile the number of events that \
                 match its filter, over time. Enter shows the alerts of a rule, or the events of a tile."
            }
            Self::Events => "The events one by one, in the order of the capture.",
            Self::Alerts => {
                "What rules found, by rule; `x` groups by tactic of MITRE ATT&CK. Rules see the whole capture; counts \
                 are those of the range and the filter. Enter lists the alerts, d shows their events."
            }
            Self::Sessions => {
                "The sessions of kubectl exec, and other processes that were started in containers from outside, by the \
                 audit log of Kubernetes (--audit, or in the capture). Enter shows what happened in a session. After \
                 a request, processes that run in the background are part of it."
            }
            Self::AlertList => {
                "The alerts one by one, in the order of the capture. Enter shows the event. Of a rule with very many \
                 alerts only some are listed, spread over time (incomplete)."
            }
            Self::Processes => {
                "The processes with events, as a tree below the processes that started them, which are listed even \
                 without events. Counts include all threads of a process."
            }
            Self::Files => {
                "Files and other objects with a path that events used, through an open fd or by \
                 path. A rename counts for both names."
            }
            Self::Directories => "The files of the view Files, summed by directory.",
            Self::Connections => {
                "Internet sockets by both ends: connections, failed connections, datagrams, and listening \
                 sockets. A connection whose ends are both on the machine has a row for each end; processes that \
                 inherited a socket share its row."
            }
            Self::Ports => {
                "Connections summed by server port, whichever end was \
                 recorded."
            }
            Self::Calls => {
                "Syscalls by name, with their duration from enter to exit, blocking included."
            }
            Self::Errors => {
                "Calls that returned an error, by error, call and process. Calls that only have \
                 to be retried (EAGAIN) are included."
            }
            Self::Containers => "The containers with events, and the host.",
            Self::Commands => {
                "The executed programs, in order, with process and user. Interactive ones have \
                 a terminal."
            }
            Self::Slow => {
                "The thousand slowest calls, from one millisecond on. Calls that wait for time to pass, for \
                 another process or for data are in the view Waits."
            }
            Self::Waits => {
                "Calls that waited for a millisecond or longer, by process, call and what they waited for: data on \
                 an fd, a lock (futex), a process, time. A server that is idle waits, too; a program that hangs \
                 waits for a peer that does not answer (TIMEOUTS), or for ever (OPEN)."
            }
            Self::Spectrogram => {
                "Latency of calls over time: each column is a time, each row a \
                 latency; brighter cells have more calls."
            }
            Self::Losses => "Lost events, with time and cause.",
            Self::Scripted(_) => "A view described by a script.",
        }
    }
}

/// A value of a table; its variant determines how it is printed and sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Unknown.
    Empty,
    /// Text from the capture, not escaped.
    Text(Text),
    /// Several texts, and whether there are more.
    List(Arc<[Text]>, bool),
    /// Texts that followed each other, each with its time in nanoseconds since the epoch (0 = not known), and whether there were more.
    Timed(Arc<[(u64, Text)]>, bool),
    /// Text that is escaped already.
    Rendered(Text),
    /// A fixed word.
    Word(&'static str),
    /// A fixed word, and its place in an order of words.
    Ranked(u8, &'static str),
    /// An id.
    Id(i64),
    /// A number.
    Count(u64),
    /// A number in hundredths.
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
    /// Its help text.
    pub help: &'static str,
    /// The field of its values, for conditions on a cell.
    pub field: Option<&'static str>,
    /// Width in screen columns; 0 = the remaining width.
    pub width: u16,
    /// It is shown only if a row has a value in it.
    pub optional: bool,
}

/// Alerts that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertGroup {
    /// Those of a rule, by its index.
    Rule(usize),
    /// Those of the rules of a tactic, by its index; `None`: of rules without one.
    Tactic(Option<usize>),
}

/// The subject of a row: what Enter drills down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A process.
    Process(ProcessKey),
    /// A file's path, and whose file it is where the capture has files of several machines or mount namespaces.
    File(Text, Option<Whose>),
    /// A directory's path, likewise.
    Directory(Text, Option<Whose>),
    /// A connection's fd name.
    Connection(Text),
    /// A server port.
    Port(u16),
    /// A syscall.
    Call(Text),
    /// Error number, call, process name.
    Error(i64, Text, Text),
    /// A container's id; empty = the host.
    Container(Text),
    /// The waits of a process in a call for one thing.
    Waits(WaitKey),
    /// An event.
    Event(u64),
    /// The alerts of a rule or a tactic.
    Alerts(AlertGroup),
    /// A tile of the overview.
    Tile(usize),
    /// A time range of losses.
    Range(Span),
    /// The drill-down of a row of a scripted view.
    Leads(Box<Narrowed>),
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// What the row is about.
    pub subject: Subject,
    /// In a tree, the number of ancestors in the table.
    pub depth: u16,
    /// The lifetime of the subject, for the time axis, and whether its start and its end were seen;
    /// otherwise it existed before, or afterwards.
    pub life: Option<(Span, bool, bool)>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns.
    pub columns: &'static [Column],
    /// The initial sort column, and whether largest first. `None`: in the order of the rows, a tree
    /// or by time.
    pub sorted: Option<(usize, bool)>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The number of rows left out because of the limit.
    pub omitted: u64,
}

/// Row limit of a table.
pub const ROWS: usize = 65_536;

/// How the table of a view is made.
struct Layout {
    columns: &'static [Column],
    rows: fn(&Tally) -> Vec<Row>,
    sorted: Option<(usize, bool)>,
    /// Where the number of omitted rows is in [`Tally::omitted`].
    omitted: usize,
}

/// Returns how the table of a view is made; `None` for views without a table.
fn layout(view: View) -> Option<Layout> {
    const NONE: usize = usize::MAX;
    let (columns, rows, sorted, omitted): (_, fn(&Tally) -> Vec<Row>, _, _) = match view {
        View::Overview
        | View::Events
        | View::Alerts
        | View::AlertList
        | View::Sessions
        | View::Spectrogram
        | View::Losses
        | View::Scripted(_) => return None,
        View::Processes => (columns::PROCESSES, processes::rows, None, 0),
        View::Files => (columns::FILES, objects::files, Some((0, true)), 1),
        View::Directories => (
            columns::DIRECTORIES,
            objects::directories,
            Some((0, true)),
            1,
        ),
        View::Connections => (
            columns::CONNECTIONS,
            connections::connections,
            Some((4, true)),
            2,
        ),
        View::Ports => (columns::PORTS, connections::ports, Some((3, true)), 2),
        View::Calls => (columns::CALLS, events::calls, Some((0, true)), 3),
        View::Errors => (columns::ERRORS, events::errors, Some((0, true)), 4),
        View::Containers => (columns::CONTAINERS, objects::containers, Some((5, true)), 5),
        View::Commands => (columns::COMMANDS, events::commands, None, 6),
        View::Slow => (columns::SLOW, events::slow, Some((0, true)), NONE),
        View::Waits => (columns::WAITS, events::waits, Some((0, true)), 7),
    };
    Some(Layout {
        columns,
        rows,
        sorted,
        omitted,
    })
}

/// Returns the columns of a view's table; empty if the view has no table.
pub fn columns(view: View) -> &'static [Column] {
    layout(view).map_or(&[], |layout| layout.columns)
}

/// Makes the table of a view; `None` for views without a table.
pub fn table(view: View, tally: &Tally) -> Option<Table> {
    let layout = layout(view)?;
    let omitted = tally.omitted.get(layout.omitted);
    let mut table = Table {
        columns: layout.columns,
        sorted: layout.sorted,
        rows: (layout.rows)(tally),
        omitted: omitted.copied().unwrap_or(0),
    };
    table.sort();
    let more = table.rows.len().saturating_sub(ROWS);
    table.rows.truncate(ROWS);
    table.omitted = table.omitted.saturating_add(more as u64);
    Some(table)
}

impl Table {
    /// Sorts the rows in the initial order.
    fn sort(&mut self) {
        let Some((column, largest_first)) = self.sorted else {
            return;
        };
        // Ties are ordered by the last columns, which are names.
        self.rows.sort_by(|a, b| {
            let (x, y) = (a.cells.get(column), b.cells.get(column));
            let order = if largest_first { y.cmp(&x) } else { x.cmp(&y) };
            order.then_with(|| a.cells.iter().rev().cmp(b.cells.iter().rev()))
        });
    }
}
