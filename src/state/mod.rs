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
mod fd;
pub mod paths;
mod restore;
mod shared;
#[cfg(test)]
mod tests;
mod thread;
mod users;
mod view;

pub use fd::{FdInfo, FdKind, L4, Role};
pub use thread::{Text, Thread, ThreadId};
pub use view::View;

use fd::FdTable;
use shared::{Shared, Slot};
use thread::{Dirs, Threads};
use users::Users;

use crate::event::{Event, Tid};

/// Caps on what a capture can make the state hold.
pub mod limits {
    /// Most threads known at a time.
    pub const THREADS: usize = 262_144;
    /// Most fds known at a time, over all tables.
    pub const FDS: usize = 4 << 20;
    /// Most bytes of text (names, arguments, environments) known at a time.
    pub const TEXT: usize = 512 << 20;
    /// Most bytes of one path or name.
    pub const NAME: usize = 4096;
    /// Most bytes of one argument list, environment or cgroup list.
    pub const LIST: usize = 64 << 10;
    /// Most users and most groups known.
    pub const USERS: usize = 65_536;
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
    /// Text and fds charged against the caps.
    used: Used,
    /// What the last event ended, to be removed before the next one.
    ended: Vec<Ended>,
    scratch: Vec<u8>,
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
    pub fn apply(&mut self, event: &Event<'_>) {
        self.remove_ended();
        apply::event(self, event);
    }

    /// Returns what is known around an event that was just applied.
    pub fn view(&self, event: &Event<'_>) -> View<'_> {
        View::new(self, event.tid)
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

    /// Returns the name of a user.
    pub fn user(&self, uid: u32) -> Option<&[u8]> {
        self.users.name(uid)
    }

    /// Returns the name of a group.
    pub fn group(&self, gid: u32) -> Option<&[u8]> {
        self.groups.name(gid)
    }

    /// Takes note of a user.
    pub fn add_user(&mut self, uid: u32, name: &[u8]) {
        self.users.add(uid, name);
    }

    /// Takes note of a group.
    pub fn add_group(&mut self, gid: u32, name: &[u8]) {
        self.groups.add(gid, name);
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
