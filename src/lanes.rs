//! The lanes of the timeline: what kinds of things an event can be an instance of.
//!
//! An event is in no lane, in one or in several: an `open` that failed slowly is in three. The lanes of
//! every event are counted per chunk when a capture is written, so that a timeline can be drawn from its
//! index alone.

/// One lane of the timeline. The numbers are part of the capture format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Processes and threads made, programs executed.
    Starts = 0,
    /// Files opened, written and changed.
    Files = 1,
    /// Anything on an internet socket.
    Network = 2,
    /// Calls that returned an error.
    Errors = 3,
    /// Users, groups, capabilities, namespaces, roots, kernel modules, other processes' memory.
    Privileges = 4,
    /// Signals delivered, processes ended.
    Exits = 5,
    /// Calls over a millisecond that were not waiting for somebody else.
    Slow = 6,
}

/// How many lanes there are.
pub const LANES: usize = 7;

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

    /// Returns the condition that its events fulfil, for filters.
    pub fn filter(self) -> &'static str {
        ""
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

    /// Whether a lane is in it.
    pub fn contains(self, lane: Lane) -> bool {
        self.0 & (1 << lane as u8) != 0
    }

    /// Iterates over the lanes in it.
    pub fn iter(self) -> impl Iterator<Item = Lane> {
        Lane::ALL
            .into_iter()
            .filter(move |lane| self.contains(*lane))
    }
}
