//! The lanes of the timeline, which are counted in chunk summaries.
//!
//! An event can be in several lanes, or in none: an `open` that failed slowly is in two. The writer decides which events are
//! in a lane; scap does so in its `lanes` module.

/// Number of lanes.
pub const LANES: usize = 7;

/// One lane of the timeline. The numbers are part of the capture format.
///
/// Calls are counted by their exit events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Processes and threads created (`clone`, `fork` and related calls, once: in the creator) and programs executed,
    /// if successful.
    Starts = 0,
    /// Files opened, written and changed, if successful: contents, names, modes, owners, times, attributes. Files that are
    /// only read or queried are not included.
    Files = 1,
    /// Any call on an internet socket, successful or not: creation, connect, read, write, close.
    Network = 2,
    /// Calls that returned an error, except errors that only mean that the call has to be repeated or continues: EAGAIN,
    /// EINPROGRESS, EINTR and its kernel-internal forms (ERESTART…); and except ETIMEDOUT of a call that waits, for which it is
    /// an ordinary result.
    Errors = 3,
    /// Changes of users, groups, capabilities, namespaces, roots and mounts; code loaded into the kernel
    /// (modules, BPF, kexec); access to other processes (ptrace and similar calls). Failed attempts are included.
    Privileges = 4,
    /// Signals delivered, processes and threads ended.
    Exits = 5,
    /// Calls of more than a millisecond that were not waiting.
    Slow = 6,
}

impl Lane {
    /// All lanes, from top to bottom.
    pub const ALL: [Self; LANES] = [
        Self::Starts,
        Self::Files,
        Self::Network,
        Self::Errors,
        Self::Privileges,
        Self::Exits,
        Self::Slow,
    ];

    /// Returns the name that the timeline shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Files => "files",
            Self::Network => "network",
            Self::Errors => "errors",
            Self::Privileges => "privilege",
            Self::Exits => "exits",
            Self::Slow => "slow",
        }
    }
}

/// A set of lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSet(u8);

impl LaneSet {
    /// Adds a lane.
    pub fn insert(&mut self, lane: Lane) {
        self.0 |= 1 << lane as u8;
    }

    /// Whether the set contains a lane.
    pub const fn contains(self, lane: Lane) -> bool {
        self.0 & (1 << lane as u8) != 0
    }

    /// Returns bit n for the lane with number n.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Iterates over the lanes of the set.
    pub fn iter(self) -> impl Iterator<Item = Lane> {
        Lane::ALL
            .into_iter()
            .filter(move |lane| self.contains(*lane))
    }
}

impl FromIterator<Lane> for LaneSet {
    fn from_iter<I: IntoIterator<Item = Lane>>(lanes: I) -> Self {
        let mut set = Self::default();
        lanes.into_iter().for_each(|lane| set.insert(lane));
        set
    }
}
