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

/// Threads that wait for their first event, and threads of pid namespaces whose creator's event has not come, oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingClones {
    unborn: VecDeque<PendingThread>,
    early: VecDeque<EarlyThread>,
}

/// A thread of a pid namespace whose own event came before its creator's, which has only the id in the namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct EarlyThread {
    /// The thread.
    pub(super) tid: Tid,
    /// Its id in its pid namespace.
    pub(super) vtid: i64,
    /// The begin of the pid namespace.
    pub(super) pidns_start: u64,
    /// Time of its event.
    pub(super) at: u64,
}

impl State {
    /// Returns true if there are threads whose first event can still come at a time, in nanoseconds since the epoch. A snapshot
    /// would not have them, so that after a jump to it they had fds that their creator opened later.
    pub fn awaits_threads(&self, now: u64) -> bool {
        let newest = self.pending_clones.unborn.back();
        newest.is_some_and(|pending| !pending.is_late(now))
    }

    /// Adds a created thread.
    pub(super) fn expect(&mut self, pending: PendingThread) {
        if self.pending_clones.unborn.len() >= MAX {
            self.forget_oldest_pending();
        }
        self.pending_clones.unborn.push_back(pending);
    }

    /// Adds a thread whose creator's event has not come.
    pub(super) fn note_early(&mut self, thread: EarlyThread) {
        let early = &mut self.pending_clones.early;
        if early.len() >= MAX {
            early.pop_front();
        }
        early.push_back(thread);
    }

    /// Removes and returns the thread that has an id in a pid namespace, if its own event came just before.
    pub(super) fn take_early(&mut self, vtid: i64, pidns_start: u64, now: u64) -> Option<Tid> {
        let early = &mut self.pending_clones.early;
        let is_old = |thread: &EarlyThread| now.saturating_sub(thread.at) > SOON_NS;
        while early.front().is_some_and(is_old) {
            early.pop_front();
        }
        let is_it = |thread: &EarlyThread| (thread.vtid, thread.pidns_start) == (vtid, pidns_start);
        let place = early.iter().position(is_it)?;
        early.remove(place).map(|thread| thread.tid)
    }

    /// Removes and returns the pending thread for which `fits` is true, with its references.
    pub(super) fn born(
        &mut self,
        now: u64,
        fits: impl Fn(&PendingThread) -> bool,
    ) -> Option<PendingThread> {
        while self
            .pending_clones
            .unborn
            .front()
            .is_some_and(|p| p.is_late(now))
        {
            self.forget_oldest_pending();
        }
        let at = self.pending_clones.unborn.iter().position(fits)?;
        self.pending_clones.unborn.remove(at)
    }

    /// Gives the pending children of an ended process to another one.
    pub(super) fn reparent_pending(&mut self, from: Tid, to: Tid) {
        for pending in &mut self.pending_clones.unborn {
            pending.adopted = match pending.adopted {
                Some((ended, by)) if by == from => Some((ended, to)),
                None if pending.thread.ptid == from => Some((from, to)),
                adopted => adopted,
            };
        }
    }

    fn forget_oldest_pending(&mut self) {
        if let Some(pending) = self.pending_clones.unborn.pop_front() {
            self.release(&pending.thread);
        }
    }
}
