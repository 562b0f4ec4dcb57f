//! Created threads whose own first event has not come yet, where only that event has their id.
//!
//! Not part of snapshots: a thread's first event follows its creation within microseconds.

use std::collections::VecDeque;

use super::State;
use super::thread::Thread;

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
}

/// Threads that wait for their first event, oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingClones(VecDeque<PendingThread>);

impl State {
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
    ) -> Option<Thread> {
        let is_late = |u: &PendingThread| now.saturating_sub(u.at) > SOON_NS;
        while self.pending_clones.0.front().is_some_and(is_late) {
            self.forget_oldest_pending();
        }
        let at = self.pending_clones.0.iter().position(fits)?;
        self.pending_clones.0.remove(at).map(|u| u.thread)
    }

    fn forget_oldest_pending(&mut self) {
        if let Some(pending) = self.pending_clones.0.pop_front() {
            self.release(&pending.thread);
        }
    }
}
