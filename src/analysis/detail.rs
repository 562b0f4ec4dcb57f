//! Everything that is known of one event.

/// A field with its value, both as text, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The field's name, or the argument's.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The condition that events with the same value fulfil, if there can be one.
    pub filter: Option<String>,
}

/// Fields that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// The fields.
    pub entries: Vec<Entry>,
}

/// Everything that is known of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Its number.
    pub num: u64,
    /// When, in nanoseconds since the epoch.
    pub ts: u64,
    /// The thread.
    pub tid: i64,
    /// The process.
    pub pid: i64,
    /// The parent process; -1 = not known.
    pub ppid: i64,
    /// The fd it is about.
    pub fd: Option<i64>,
    /// The groups.
    pub groups: Vec<Group>,
    /// The bytes that it moved, cut.
    pub data: Vec<u8>,
    /// How many bytes there are in the capture.
    pub data_len: u64,
}
