//! Threads that were made and whose own first event is still to come, where only that tells their id.
//!
//! Not part of snapshots: a thread's first event follows its making within microseconds.

use std::collections::VecDeque;

use super::State;
use super::thread::Thread;

/// Most threads remembered whose own event has not come.
const MAX: usize = 256;

/// A thread's first event comes so soon after it was made (nanoseconds).
const SOON_NS: u64 = 2_000_000_000;

/// A thread as it was made.
#[derive(Debug)]
pub(super) struct PendingThread {
    /// Its id as its maker was told it, which may be one of a pid namespace.
    pub(super) number: i64,
    /// Whether its maker was in the initial pid namespace.
    pub(super) is_outside: bool,
    /// Its maker in all but the id.
    pub(super) thread: Thread,
    /// When it was made.
    pub(super) at: u64,
}

/// Threads that wait for their first event, oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingClones(VecDeque<PendingThread>);

impl State {
    /// Takes note that a thread was made.
    pub(super) fn expect(&mut self, pending: PendingThread) {
        if self.pending_clones.0.len() >= MAX {
            self.forget_oldest_pending();
        }
        self.pending_clones.0.push_back(pending);
    }

    /// Returns the expected thread of which `fits` is true, with all that it holds.
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
