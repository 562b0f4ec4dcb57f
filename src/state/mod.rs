//! What the machine was like when an event happened: threads, their fds and directories, users.
//!
//! The state starts from a capture's snapshot and then follows the events: [`State::apply`] takes every
//! event in order, also those that nobody will see. What an event refers to is looked up afterwards
//! through a [`View`], so that an `open` shows the fd it made. Things that an event ends (a closed fd, an
//! exited thread) stay until the next event is applied, so that this one can still be shown with them.
//!
//! As in the kernel, a thread has a table of fds and a pair of directories which it may share with
//! others: all threads of a process normally share both. What is not known stays unknown; nothing is
//! guessed from the machine that replays.
//!
//! Captures are hostile: the number of threads, fds and bytes of text is capped ([`limits`]), beyond
//! the caps state forgets, it never grows.

mod apply;
mod containers;
mod dirs;
mod extra;
mod fd;
mod lineage;
pub mod paths;
mod pending_clones;
mod restore;
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
    state_affecting_types,
};
pub use containers::{ContainerInfo, Found, container_of, runtime_of, user_of};
pub use fd::{Connection, FdInfo, FdKind, L4, Role};
pub use lineage::Ancestor;
pub use snapshot_schedule::SnapshotSchedule;
pub use thread::{Program, ProgramFlags, Text, Thread, ThreadId};
pub use users::User;
pub use view::{View, has_fd};

use std::net::IpAddr;

use containers::Known;
use dirs::Dirs;
use fd::FdTable;
use pending_clones::PendingClones;
use shared::{Shared, Slot};
use threads::Threads;
use users::Users;

use crate::event::{PairedEvent, Pid, Tid};

/// Caps on what a capture can make the state hold.
pub mod limits {
    /// Most threads known at a time.
    pub const THREADS: usize = 262_144;
    /// Most fds known at a time, over all tables.
    pub const FDS: usize = 2 << 20;
    /// Most bytes of text (names, arguments, environments) known at a time.
    pub const TEXT: usize = 256 << 20;
    /// Most bytes of one path or name.
    pub const NAME: usize = 4096;
    /// Most bytes of one argument list, environment or cgroup list.
    pub const LIST: usize = 64 << 10;
    /// Most processes that a lineage goes back.
    pub const LINEAGE: usize = 64;
    /// Most bytes of all processes in lineages, texts included.
    pub const LINEAGE_BYTES: usize = 64 << 20;
    /// Most users and most groups known.
    pub const USERS: usize = 65_536;
    /// Most containers described.
    pub const CONTAINERS: usize = 65_536;
    /// Most bytes of one container's description.
    pub const CONTAINER_JSON: usize = 256 << 10;
    /// Most bytes of all descriptions of containers.
    pub const CONTAINERS_BYTES: usize = 64 << 20;
    /// Most addresses of network interfaces known.
    pub const INTERFACES: usize = 65_536;
    /// Most memory in bytes that a hostile capture may make the state take: `tests/state_memory.rs` drives
    /// it to one cap after the other and asserts this.
    pub const MEMORY: usize = 1280 << 20;
    /// Largest fd number believed; the kernel's own limit (`fs.nr_open`) is far below.
    pub const FD_NUMBER: i64 = 1 << 30;
}

/// The state of the recorded machine at one point of its capture.
#[derive(Debug, Default)]
pub struct State {
    threads: Threads,
    files: Shared<FdTable>,
    dirs: Shared<Dirs>,
    users: Users,
    groups: Users,
    /// The containers that events or a snapshot described.
    described: Known,
    /// The containers that the capture is known to describe somewhere.
    foreknown: Known,
    interfaces: Vec<Interface>,
    pending_clones: PendingClones,
    lineage: lineage::Budget,
    /// Text and fds charged against the caps.
    used: Used,
    /// What the last event ended, to be removed before the next one.
    ended: Vec<Ended>,
    /// The last event gave an fd another name.
    changed_name: bool,
    /// The fds that the last event made, as far as there is room.
    made: Vec<i64>,
    scratch: Vec<u8>,
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
    /// In bits per second; 0 = not known.
    pub link_speed: u64,
}

/// How much of the caps is used.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    text: usize,
    fds: usize,
}

/// Something that the last event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Fds of a table, from one number to another.
    Fds(Slot, i64, i64),
    /// A thread.
    Thread(Tid),
}

impl State {
    /// Makes a state that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of an event; the next events are to be applied in order.
    #[inline(always)]
    pub fn apply<'a>(&mut self, event: impl Into<PairedEvent<'a>>) {
        let paired = event.into();
        if !self.ended.is_empty() {
            self.remove_ended();
        }
        self.changed_name = false;
        self.made.clear();
        apply::event(self, &paired);
    }

    /// Forgets what the last event ended, which nobody will look up any more.
    pub fn settle(&mut self) {
        self.remove_ended();
    }

    /// Returns what is known around an event that was just applied.
    pub fn view<'a>(&'a self, event: impl Into<PairedEvent<'a>>) -> View<'a> {
        View::new(self, event.into())
    }

    /// Iterates over all threads, in no order.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.iter()
    }

    /// Returns how many live threads a process has.
    pub fn threads_of(&self, pid: Pid) -> u32 {
        self.threads.living(pid)
    }

    /// Iterates over a thread's fds by number.
    pub fn fds(&self, tid: Tid) -> impl Iterator<Item = (i64, &FdInfo)> {
        let table = self.threads.get(tid).and_then(|t| self.files.get(t.files?));
        table.into_iter().flat_map(FdTable::iter)
    }

    /// Returns how many fds a thread has open.
    pub fn fd_count(&self, tid: Tid) -> usize {
        let table = self.threads.get(tid).and_then(|t| self.files.get(t.files?));
        table.map_or(0, FdTable::len)
    }

    /// Returns what is known about a container: what was said of it last, or will be said of it first.
    pub fn container(&self, id: &[u8]) -> Option<&ContainerInfo> {
        match self.described.get(id) {
            Some(info) if !info.is_incomplete() => Some(info),
            told => self.foreknown.get(id).or(told),
        }
    }

    /// Iterates over the containers described, or to be described.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerInfo> {
        let is_new = |info: &&ContainerInfo| self.described.get(info.id.as_bytes()).is_none();
        let described = self.described.iter();
        let described = described.map(|told| self.container(told.id.as_bytes()).unwrap_or(told));
        described.chain(self.foreknown.iter().filter(is_new))
    }

    /// Takes what an event or a snapshot says of a container, and what it does not say yet from those that
    /// will come.
    fn describe_container(&mut self, mut info: ContainerInfo) {
        if let Some(later) = self.foreknown.get(info.id.as_bytes())
            && !info.is_incomplete()
        {
            info.complete(later);
        }
        let known = self.described.get(info.id.as_bytes());
        if known.is_none_or(|known| known.is_incomplete() || !info.is_incomplete()) {
            self.described.add(info);
        }
    }

    /// Takes note of a container (the text of a `container` event) that a later event describes.
    ///
    /// A runtime is asked about a container when its first events are past already; with this they have
    /// its name. Of several descriptions of one container the first that has a member counts for that one, until an
    /// event or a snapshot says otherwise. It stays known through [`Self::restore`].
    pub fn preload_container(&mut self, text: &[u8]) {
        if self.foreknown.is_full() {
            return;
        }
        let Some(info) = ContainerInfo::parse(text).filter(|info| !info.is_incomplete()) else {
            return;
        };
        let Some(first) = self.foreknown.get(info.id.as_bytes()) else {
            return self.foreknown.add(info);
        };
        let mut first = first.clone();
        if first.complete(&info) {
            self.foreknown.add(first);
        }
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

    /// Returns an fd of a thread.
    pub fn fd(&self, tid: Tid, fd: i64) -> Option<&FdInfo> {
        self.files.get(self.threads.get(tid)?.files?)?.get(fd)
    }

    /// Returns a user of the host (`None`) or of a container.
    pub fn user(&self, container: Option<&[u8]>, uid: u32) -> Option<&User> {
        self.users.get(container, uid)
    }

    /// Returns a group likewise; it has only a name.
    pub fn group(&self, container: Option<&[u8]>, gid: u32) -> Option<&User> {
        self.groups.get(container, gid)
    }

    /// Returns a copy of a text for keeping, cut to `cap`; `None` if there is no room for it.
    pub(super) fn keep(&self, text: &[u8], cap: usize) -> Option<Text> {
        let text = &text[..text.len().min(cap)];
        self.has_room(text.len()).then(|| text.into())
    }

    /// Whether so many bytes of text more can be kept.
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
