//! Created threads whose own first event has not come yet, where only that event has their id.
//!
//! Not part of snapshots, which wait: a thread's first event follows its creation within microseconds.

use std::collections::VecDeque;

use super::State;
use super::thread::Thread;
use crate::event::Tid;

/// Most pending threads.
const MAX: usize = 256;

/// Longest time between creation and first event, in nanoseconds.
const SOON_NS: u64 = 2_000_000_000;

/// A thread as it was created.
#[derive(Debug)]
pub(super) struct PendingThread {
    /// The id returned to its creator, which can be one of a pid namespace.
    pub(super) number: i64,
    /// Whether its creator was in the initial pid namespace.
    pub(super) is_outside: bool,
    /// The thread, with its creator's id.
    pub(super) thread: Thread,
    /// Time of creation.
    pub(super) at: u64,
    /// Its parent that has ended meanwhile, and who adopted it.
    pub(super) adopted: Option<(Tid, Tid)>,
}

impl PendingThread {
    fn is_late(&self, now: u64) -> bool {
        now.saturating_sub(self.at) > SOON_NS
    }

    /// Returns the parent, where the thread's first event names `parent`: the exit of a process is recorded just
    /// before its children are adopted, so that an event between the two still names the one that has ended.
    pub(super) fn parent(&self, parent: Tid) -> Tid {
        match self.adopted {
            Some((ended, by)) if ended == parent => by,
            _ => parent,
        }
    }
}

/// Threads that wait for their first event, oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingClones(VecDeque<PendingThread>);

impl State {
    /// Returns true if there are threads whose first event can still come at a time, in nanoseconds since the epoch. A snapshot
    /// would not have them, so that after a jump to it they had fds that their creator opened later.
    pub fn awaits_threads(&self, now: u64) -> bool {
        let newest = self.pending_clones.0.back();
        newest.is_some_and(|pending| !pending.is_late(now))
    }

    /// Adds a created thread.
    pub(super) fn expect(&mut self, pending: PendingThread) {
        if self.pending_clones.0.len() >= MAX {
            self.forget_oldest_pending();
        }
        self.pending_clones.0.push_back(pending);
    }

    /// Removes and returns the pending thread for which `fits` is true, with its references.
    pub(super) fn born(
        &mut self,
        now: u64,
        fits: impl Fn(&PendingThread) -> bool,
    ) -> Option<PendingThread> {
        while self
            .pending_clones
            .0
            .front()
            .is_some_and(|p| p.is_late(now))
        {
            self.forget_oldest_pending();
        }
        let at = self.pending_clones.0.iter().position(fits)?;
        self.pending_clones.0.remove(at)
    }

    /// Gives the pending children of an ended process to another one.
    pub(super) fn reparent_pending(&mut self, from: Tid, to: Tid) {
        for pending in &mut self.pending_clones.0 {
            pending.adopted = match pending.adopted {
                Some((ended, by)) if by == from => Some((ended, to)),
                None if pending.thread.ptid == from => Some((from, to)),
                adopted => adopted,
            };
        }
    }

    fn forget_oldest_pending(&mut self) {
        if let Some(pending) = self.pending_clones.0.pop_front() {
            self.release(&pending.thread);
        }
    }
}
