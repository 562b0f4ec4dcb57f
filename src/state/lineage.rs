//! Who started a process, who started that one, and so on, as they were when they did.
//!
//! The kernel forgets it: an orphan's parent is its reaper, and [`Thread::ptid`] follows the kernel. Here
//! each process keeps a [`Starter`] from the moment it is made: its maker as it was then, which leads on
//! to the maker's own starter. Nothing changes a starter afterwards, neither the end of the process, nor
//! another program in it, nor another process that gets its number. A process that executes a program
//! keeps its starters.
//!
//! Of a process that is older than the capture, or whose clone was not seen, the parent that it had when
//! it was first told of stands for the maker.
//!
//! All children that a process makes without changing in between share one starter, which lives as long as
//! one of them, or one of their descendants, does. A chain is cut when it is twice as long as anybody can
//! ask, so that its length is bounded and cutting costs nothing on average.

pub(super) mod stored;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashSet;

use super::thread::{Text, Thread, Threads};
use super::{State, limits};
use crate::event::{Pid, Tid};

/// A chain gets this long before it is cut to the starters that count.
pub(super) const LONGEST: usize = 2 * limits::LINEAGE;

/// A process as it was when it started others.
#[derive(Debug)]
pub(super) struct Starter {
    pub(super) who: Who,
    /// Who started it.
    pub(super) starter: Option<Arc<Self>>,
    /// How many there are from this one on.
    length: usize,
    budget: Budget,
}

/// What a starter is known by.
#[derive(Clone, Debug, Default)]
pub(super) struct Who {
    pub(super) pid: Pid,
    pub(super) start: u64,
    pub(super) clone_ts: u64,
    pub(super) comm: Option<Text>,
    pub(super) exe: Option<Text>,
    pub(super) exepath: Option<Text>,
    pub(super) args: Option<Text>,
}

/// A process as its lineage, or that of a descendant, tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'s> {
    /// Its number.
    pub pid: Pid,
    /// When it began, see [`Thread::start`]; with the number it tells a process from others.
    pub start: u64,
    /// When it was made by an event of the capture, see [`Thread::clone_ts`].
    pub clone_ts: u64,
    /// The kernel's name for it.
    pub comm: Option<&'s [u8]>,
    /// `argv[0]`.
    pub exe: Option<&'s [u8]>,
    /// The path of the executable.
    pub exepath: Option<&'s [u8]>,
    /// The rest of `argv`, NUL after each.
    pub args: Option<&'s [u8]>,
}

impl<'s> Ancestor<'s> {
    /// Returns a process as it is now.
    pub(super) fn now(main: &'s Thread) -> Self {
        Self {
            pid: main.pid,
            start: main.start,
            clone_ts: main.clone_ts,
            comm: main.comm.as_deref(),
            exe: main.exe.as_deref(),
            exepath: main.exepath.as_deref(),
            args: main.args.as_deref(),
        }
    }

    fn then(who: &'s Who) -> Self {
        Self {
            pid: who.pid,
            start: who.start,
            clone_ts: who.clone_ts,
            comm: who.comm.as_deref(),
            exe: who.exe.as_deref(),
            exepath: who.exepath.as_deref(),
            args: who.args.as_deref(),
        }
    }
}

impl Who {
    fn of(main: &Thread) -> Self {
        Self {
            pid: main.pid,
            start: main.start,
            clone_ts: main.clone_ts,
            comm: main.comm.clone(),
            exe: main.exe.clone(),
            exepath: main.exepath.clone(),
            args: main.args.clone(),
        }
    }

    fn texts(&self) -> [&Option<Text>; 4] {
        [&self.comm, &self.exe, &self.exepath, &self.args]
    }

    /// Bytes of its texts, as if it shared none with its thread.
    fn text_len(&self) -> usize {
        self.texts().into_iter().flatten().map(|t| t.len()).sum()
    }
}

/// How much memory the starters of a state take, known to each of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether there is room for a starter with so many bytes of text.
    fn has_room(&self, text: usize) -> bool {
        let new = text.saturating_add(size_of::<Starter>());
        self.used().saturating_add(new) <= limits::LINEAGE_BYTES
    }
}

impl Starter {
    /// Makes one; `None` if there is no room for it. It is the last one of a chain that would get too long.
    pub(super) fn new(who: Who, starter: Option<Arc<Self>>, budget: &Budget) -> Option<Arc<Self>> {
        let text = who.text_len();
        if !budget.has_room(text) {
            return None;
        }
        let starter = starter.filter(|s| s.length < LONGEST);
        let size = text + size_of::<Self>();
        budget.0.fetch_add(size, Ordering::Relaxed);
        Some(Arc::new(Self {
            who,
            length: starter.as_ref().map_or(0, |s| s.length) + 1,
            starter,
            budget: budget.clone(),
        }))
    }

    /// Whether it shows a process as that is now.
    fn shows(&self, main: &Thread) -> bool {
        let is_same = |(then, now): (&Option<Text>, &Option<Text>)| match (then, now) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (then, now) => then.is_none() && now.is_none(),
        };
        let is_from = match (&self.starter, &main.lineage) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (then, now) => then.is_none() && now.is_none(),
        };
        let who = &self.who;
        let now = [&main.comm, &main.exe, &main.exepath, &main.args];
        (who.pid, who.start, who.clone_ts) == (main.pid, main.start, main.clone_ts)
            && is_from
            && who.texts().into_iter().zip(now).all(is_same)
    }
}

impl Drop for Starter {
    /// Ends what nobody else refers to, one after the other: not one within the other.
    fn drop(&mut self) {
        let size = self.who.text_len() + size_of::<Self>();
        self.budget.0.fetch_sub(size, Ordering::Relaxed);
        let mut next = self.starter.take();
        while let Some(mut starter) = next.and_then(Arc::into_inner) {
            next = starter.starter.take();
        }
    }
}

/// Iterates over a chain, nearest first.
pub(super) fn chain(from: Option<&Arc<Starter>>) -> impl Iterator<Item = &Starter> {
    std::iter::successors(from.map(AsRef::as_ref), |s| s.starter.as_deref())
}

/// Returns a chain to which one more can be added: itself, or if it is too long a copy of its beginning.
fn shortened(from: Option<Arc<Starter>>, budget: &Budget) -> Option<Arc<Starter>> {
    let from = from?;
    if from.length < LONGEST {
        return Some(from);
    }
    let nearest: Vec<&Starter> = chain(Some(&from)).take(limits::LINEAGE).collect();
    let add = |older, s: &&Starter| Starter::new(s.who.clone(), older, budget);
    nearest.iter().rev().fold(None, add)
}

impl Thread {
    /// Iterates over a process, by its main thread, and those who started it, nearest first.
    pub(super) fn lineage(&self) -> impl Iterator<Item = Ancestor<'_>> {
        let starters = chain(self.lineage.as_ref()).take(limits::LINEAGE);
        std::iter::once(Ancestor::now(self)).chain(starters.map(|s| Ancestor::then(&s.who)))
    }
}

/// Returns the thread that stands for a thread's process: the main one, unless that is not known.
fn main(threads: &Threads, tid: Tid) -> Option<Tid> {
    let thread = threads.get(tid)?;
    let main = threads.get(Tid(thread.pid.0)).unwrap_or(thread);
    Some(main.tid)
}

impl State {
    /// Returns a thread's process as the starter of one that it makes now.
    pub(super) fn starter(&mut self, tid: Tid) -> Option<Arc<Starter>> {
        let main = main(&self.threads, tid)?;
        let thread = self.threads.get_mut(main)?;
        if let Some(same) = thread.portrait.as_ref().filter(|s| s.shows(thread)) {
            return Some(Arc::clone(same));
        }
        thread.lineage = shortened(thread.lineage.take(), &self.lineage);
        let starter = Starter::new(Who::of(thread), thread.lineage.clone(), &self.lineage);
        thread.portrait.clone_from(&starter);
        starter
    }

    /// Says who made a process, whoever its parent is.
    pub(super) fn set_starter(&mut self, tid: Tid, maker: Tid) {
        if self.threads.get(tid).is_some_and(Thread::is_main) {
            let starter = self.starter(maker);
            self.update_counters(tid, |t| t.lineage = starter);
        }
    }

    /// Takes the parent of a process for its starter, if none is known.
    pub(super) fn adopt_starter(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get(tid) else {
            return;
        };
        if thread.lineage.is_some() || thread.ptid.0 <= 0 {
            return;
        }
        if let Some(parent) = main(&self.threads, thread.ptid).filter(|p| *p != tid) {
            self.set_starter(tid, parent);
        }
    }

    /// Does so for all processes, the oldest first, as far as their parents form no circle.
    pub(super) fn adopt_starters(&mut self) {
        let mut seen = HashSet::new();
        let mut path = Vec::new();
        let mut tids: Vec<Tid> = self.threads.iter().map(|t| t.tid).collect();
        tids.sort_unstable();
        for tid in tids {
            let mut next = main(&self.threads, tid);
            while let Some(tid) = next.filter(|tid| seen.insert(*tid)) {
                path.push(tid);
                let parent = self.threads.get(tid).map(|t| t.ptid);
                next = parent.and_then(|parent| main(&self.threads, parent));
            }
            while let Some(tid) = path.pop() {
                self.adopt_starter(tid);
            }
        }
    }
}
