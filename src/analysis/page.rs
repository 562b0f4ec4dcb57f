//! Lines of the event list.

/// Kinds of lines, by colour: the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A call that failed.
    Failed,
    /// A process made, a program executed, an end.
    Process,
    /// A change of files, users or privileges.
    Change,
    /// Network.
    Network,
    /// An enter event.
    Enter,
    /// Anything else.
    Plain,
}

/// An event as a line of the list. Texts are escaped, and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub num: u64,
    /// When, in nanoseconds since the epoch.
    pub ts: u64,
    /// The CPU.
    pub cpu: u16,
    /// The thread.
    pub tid: i64,
    /// The process.
    pub pid: i64,
    /// The process's name.
    pub comm: String,
    /// The container's name or id; empty = the host.
    pub container: String,
    /// `>` or `<`.
    pub enter: bool,
    /// The event's name.
    pub name: String,
    /// Its arguments.
    pub args: String,
    /// How long the call took, in nanoseconds.
    pub latency: Option<u64>,
    /// How it is shown.
    pub tone: Tone,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At a place in the list of the scope's events, from 0 on.
    Index(u64),
    /// At an event, or the first one after it.
    Event(u64),
    /// At the first event not before a time.
    Time(u64),
}

/// Lines that follow each other in the list of a scope's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The place of the first one in the list, from 0 on.
    pub first: u64,
    /// The lines.
    pub lines: Vec<Line>,
    /// Which of the lines was asked for; past the end if there is none.
    pub wanted: usize,
}
