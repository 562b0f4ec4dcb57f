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
pub(super) struct Unborn {
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
pub(super) struct Nursery(VecDeque<Unborn>);

impl State {
    /// Takes note that a thread was made.
    pub(super) fn expect(&mut self, unborn: Unborn) {
        if self.nursery.0.len() >= MAX {
            self.forget_oldest_unborn();
        }
        self.nursery.0.push_back(unborn);
    }

    /// Returns the expected thread of which `fits` is true, with all that it holds.
    pub(super) fn born(&mut self, now: u64, fits: impl Fn(&Unborn) -> bool) -> Option<Thread> {
        let is_late = |u: &Unborn| now.saturating_sub(u.at) > SOON_NS;
        while self.nursery.0.front().is_some_and(is_late) {
            self.forget_oldest_unborn();
        }
        let at = self.nursery.0.iter().position(fits)?;
        self.nursery.0.remove(at).map(|u| u.thread)
    }

    fn forget_oldest_unborn(&mut self) {
        if let Some(unborn) = self.nursery.0.pop_front() {
            self.release(&unborn.thread);
        }
    }
}
