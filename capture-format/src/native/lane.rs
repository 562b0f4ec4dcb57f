//! The lanes of the timeline, of which chunk summaries have counts.
//!
//! An event is in no lane, in one or in several: an `open` that failed slowly is in two. What puts an event
//! into a lane is the writer's business; scap's classifier is its `lanes` module.

/// How many lanes there are.
pub const LANES: usize = 7;

/// One lane of the timeline. The numbers are part of the capture format.
///
/// Of a call only its exit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Processes and threads made (`clone`, `fork` and their kin, once: as the maker sees it) and programs
    /// executed, with success.
    Starts = 0,
    /// Files opened, written and changed, with success: contents, names, modes, owners, times,
    /// attributes. What was only read or looked at is not among them.
    Files = 1,
    /// Anything on an internet socket, with success or not: made, connected, read, written, closed.
    Network = 2,
    /// Calls that returned an error. Not among them are those which only say that the call is to be made
    /// again, or goes on: EAGAIN, EINPROGRESS, EINTR and what the kernel makes of it (ERESTART…); nor
    /// ETIMEDOUT of a call that waits, which is what was asked for.
    Errors = 3,
    /// Changes of users, groups, capabilities, namespaces, roots and mounts; code put into the kernel
    /// (modules, BPF, kexec); reaching into other processes (ptrace and the like). Tried ones too.
    Privileges = 4,
    /// Signals delivered, processes and threads ended.
    Exits = 5,
    /// Calls over a millisecond that were not waiting for somebody else.
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

    /// Whether a lane is in it.
    pub const fn contains(self, lane: Lane) -> bool {
        self.0 & (1 << lane as u8) != 0
    }

    /// Returns bit n for the lane with number n.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Iterates over the lanes in it.
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
