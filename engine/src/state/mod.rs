//! The state of the recorded machine at the time of an event: threads, their fds and directories, users.
//!
//! The state starts from a capture's snapshot and then follows the events: [`State::apply`] takes every
//! event in order, including hidden ones. What an event refers to is looked up afterwards through a
//! [`View`], so that an `open` shows the fd that it created. Objects that an event ends (a closed fd, an
//! exited thread) stay until the next event is applied, so that the event itself can still be printed with them.
//!
//! As in the kernel, a thread has a table of fds and a pair of directories which it may share with
//! others: all threads of a process normally share both. Unknown values stay unknown; nothing is taken from
//! the machine that replays.
//!
//! Captures are hostile: the numbers of threads, fds and bytes of text are limited ([`limits`]). Beyond the
//! limits, the state drops entries; it never grows further.

mod apply;
mod containers;
mod dirs;
mod excerpt;
mod extra;
mod fd;
mod lineage;
pub mod paths;
mod pending_clones;
mod restore;
mod rewrite;
mod shared;
mod snapshot;
mod snapshot_schedule;
#[cfg(test)]
mod tests;
mod thread;
mod threads;
mod users;
mod view;

pub use apply::{
    affects_state, call_may_affect_state, cgroups_param, counts_memory, may_affect_state,
    state_affecting_types, tells_memory,
};
pub use containers::{ContainerInfo, Found, Located, container_of, user_of};
pub use dirs::Mounts;
pub use excerpt::{Choice, ProcessKey, shift_times};
pub use extra::set_sharing;
pub use fd::{Connection, FdInfo, FdKind, L4, Role};
pub use lineage::Ancestor;
pub use rewrite::{Rewrite, TextKind, kind_of_name, rewrite};
pub use snapshot_schedule::SnapshotSchedule;
pub use thread::{Program, ProgramFlags, Text, Thread, ThreadId};
pub use users::User;
pub use view::{View, has_fd};

use std::net::IpAddr;
use std::sync::Arc;

use containers::Known;
use dirs::Dirs;
use fd::FdTable;
use pending_clones::PendingClones;
use shared::{Shared, Slot};
use threads::Threads;
use users::Users;

use scap_capture_format::schema::Arch;

use crate::event::{PairedEvent, Pid, Tid};

/// Limits of what a capture can make the state hold.
pub mod limits {
    /// Most threads at a time.
    pub const THREADS: usize = 262_144;
    /// Most fds at a time, in all tables.
    pub const FDS: usize = 2 << 20;
    /// Most bytes of text (names, arguments, environments) at a time.
    pub const TEXT: usize = 256 << 20;
    /// Most bytes of one path or name.
    pub const NAME: usize = 4096;
    /// Most bytes of one argument list, environment or cgroup list.
    pub const LIST: usize = 64 << 10;
    /// Most starters in a lineage.
    pub const LINEAGE: usize = 64;
    /// Most bytes of all starters in lineages, texts included.
    pub const LINEAGE_BYTES: usize = 64 << 20;
    /// Most users, and most groups.
    pub const USERS: usize = 65_536;
    /// Most described containers.
    pub const CONTAINERS: usize = 65_536;
    /// Most bytes of one container's description.
    pub const CONTAINER_JSON: usize = 256 << 10;
    /// Most bytes of all descriptions of containers.
    pub const CONTAINERS_BYTES: usize = 64 << 20;
    /// Most addresses of network interfaces.
    pub const INTERFACES: usize = 65_536;
    /// Most memory in bytes that a hostile capture can make the state use: `tests/state_memory.rs` drives it to each
    /// limit and asserts this.
    pub const MEMORY: usize = 1280 << 20;
    /// Largest valid fd number; the kernel's own limit (`fs.nr_open`) is far lower.
    pub const FD_NUMBER: i64 = 1 << 30;
}

/// The state of the recorded machine at one point of its capture.
#[derive(Debug, Default)]
pub struct State {
    threads: Threads,
    files: Shared<FdTable>,
    dirs: Shared<Dirs>,
    /// Inode number of the machine's own mount namespace.
    host_mount_ns: Option<u32>,
    users: Users,
    groups: Users,
    /// The containers described by events and snapshots so far.
    described: Known,
    /// The containers described anywhere in the capture.
    preloaded: Arc<Known>,
    interfaces: Vec<Interface>,
    pending_clones: PendingClones,
    lineage: lineage::Budget,
    /// Text and fds charged against the limits.
    used: Used,
    /// Objects that the last event ended, which are removed before the next one.
    ended: Vec<Ended>,
    /// Whether the last event changed the name of an fd.
    changed_name: bool,
    /// The fds that the last event created, up to a limit.
    made: Vec<i64>,
    /// The architecture of the machine, for calls without an event type.
    arch: Option<Arch>,
    scratch: Vec<u8>,
    /// Whether a `connect` has not finished when it returned: later calls show how it ended.
    has_attempts: bool,
    /// The last event's time, and when its call entered, in nanoseconds: calls are seen when they return, but mean what
    /// numbers meant when they entered.
    now: u64,
    entered: u64,
}

/// An address of the recorded machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name.
    pub name: Text,
    /// The address.
    pub address: IpAddr,
    /// The netmask.
    pub netmask: IpAddr,
    /// The broadcast address.
    pub broadcast: IpAddr,
    /// Bits per second; 0 = not known.
    pub link_speed: u64,
}

/// How much of the limits is used.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    text: usize,
    fds: usize,
}

/// An object that the last event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// A range of fds of a table.
    Fds(Slot, i64, i64),
    /// A thread.
    Thread(Tid),
}

impl State {
    /// Sets the architecture of the machine, if it is known.
    pub fn set_arch(&mut self, arch: Option<Arch>) {
        self.arch = arch;
    }

    /// Makes an empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies an event; events have to be applied in order.
    #[inline(always)]
    pub fn apply<'a>(&mut self, event: impl Into<PairedEvent<'a>>) {
        let paired = event.into();
        if !self.ended.is_empty() {
            self.remove_ended();
        }
        self.changed_name = false;
        self.made.clear();
        // An event without a time is where the one before it is.
        self.now = paired.event.ts.known().unwrap_or(self.now);
        self.entered = self.now.saturating_sub(paired.full.latency.unwrap_or(0));
        apply::event(self, &paired);
    }

    /// Removes the objects that the last event ended, when it has been printed.
    pub fn settle(&mut self) {
        self.remove_ended();
    }

    /// Returns the state around an event that was just applied.
    pub fn view<'a>(&'a self, event: impl Into<PairedEvent<'a>>) -> View<'a> {
        View::new(self, event.into())
    }

    /// Returns the state between events, around a made-up one.
    pub fn view_between<'a>(&'a self, event: impl Into<PairedEvent<'a>>) -> View<'a> {
        View::between(self, event.into())
    }

    /// Iterates over all threads, in arbitrary order.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.iter()
    }

    /// Returns the number of live threads of a process.
    pub fn threads_of(&self, pid: Pid) -> u32 {
        self.threads.living(pid)
    }

    /// Iterates over a thread's fds by number.
    pub fn fds(&self, tid: Tid) -> impl Iterator<Item = (i64, &FdInfo)> {
        let table = self.threads.get(tid).and_then(|t| self.files.get(t.files?));
        table.into_iter().flat_map(FdTable::iter)
    }

    /// Returns the number of open fds of a thread.
    pub fn fd_count(&self, tid: Tid) -> usize {
        let table = self.threads.get(tid).and_then(|t| self.files.get(t.files?));
        table.map_or(0, FdTable::len)
    }

    /// Returns a container's description: the last one so far, or else the first one later in the capture.
    pub fn container(&self, id: &[u8]) -> Option<&ContainerInfo> {
        match self.described.get(id) {
            Some(info) if !info.is_incomplete() => Some(info),
            last => self.preloaded.get(id).or(last),
        }
    }

    /// Iterates over the containers described so far or later in the capture.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerInfo> {
        let is_new = |info: &&ContainerInfo| self.described.get(info.id.as_bytes()).is_none();
        let described = self.described.iter();
        let described = described.map(|last| self.container(last.id.as_bytes()).unwrap_or(last));
        described.chain(self.preloaded.iter().filter(is_new))
    }

    /// Adds a description from an event or a snapshot, and completes it with members from later ones.
    fn describe_container(&mut self, mut info: ContainerInfo) {
        if let Some(later) = self.preloaded.get(info.id.as_bytes())
            && !info.is_incomplete()
        {
            info.complete(later);
        }
        let known = self.described.get(info.id.as_bytes());
        if known.is_none_or(|known| known.is_incomplete() || !info.is_incomplete()) {
            self.described.add(info);
        }
    }

    /// Adds the description of a container (the text of a `container` event) from a later event.
    ///
    /// A runtime is asked about a container only after its first events; preloading gives these events its name.
    /// Of several descriptions of one container, the first value of each member applies until an event or a
    /// snapshot replaces it. Preloaded descriptions are kept by [`Self::restore`].
    pub fn preload_container(&mut self, text: &[u8]) {
        if self.preloaded.is_full() {
            return;
        }
        let Some(info) = ContainerInfo::parse(text).filter(|info| !info.is_incomplete()) else {
            return;
        };
        let Some(first) = self.preloaded.get(info.id.as_bytes()) else {
            return Arc::make_mut(&mut self.preloaded).add(info);
        };
        let mut first = first.clone();
        if first.complete(&info) {
            Arc::make_mut(&mut self.preloaded).add(first);
        }
    }

    /// Uses the preloaded descriptions of another state.
    pub(crate) fn share_preloaded(&mut self, other: &Self) {
        self.preloaded = Arc::clone(&other.preloaded);
    }

    /// Returns the addresses of the machine.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Returns a thread.
    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(tid)
    }

    /// Returns how many threads are known.
    pub fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// Returns a user of the host (`None`) or of a container.
    pub fn user(&self, container: Option<&[u8]>, uid: u32) -> Option<&User> {
        self.users.get(container, uid)
    }

    /// Iterates over all users: the container (`None`: the host), the id, the user.
    pub fn users(&self) -> impl Iterator<Item = (Option<&Text>, u32, &User)> {
        self.users.iter()
    }

    /// Returns a group likewise; it has only a name.
    pub fn group(&self, container: Option<&[u8]>, gid: u32) -> Option<&User> {
        self.groups.get(container, gid)
    }

    /// Returns a copy of a text for storing, truncated to `cap`; `None` if there is no room for it.
    pub(super) fn keep(&self, text: &[u8], cap: usize) -> Option<Text> {
        let text = &text[..text.len().min(cap)];
        self.has_room(text.len()).then(|| text.into())
    }

    /// Whether there is room for more text of this length in bytes.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.used.text.saturating_add(len) <= limits::TEXT
    }

    fn remove_ended(&mut self) {
        while let Some(ended) = self.ended.pop() {
            match ended {
                Ended::Fds(slot, first, last) => self.close_range(slot, first, last),
                Ended::Thread(tid) => self.remove_thread(tid),
            }
        }
    }
}
