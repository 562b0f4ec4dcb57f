//! The lineage of a process: its starter, the starter of its starter, and so on, each as it was at that time.
//!
//! The kernel does not keep it: an orphan's parent is its reaper, and [`Thread::ptid`] follows the kernel. Here
//! each process keeps a [`Starter`] from its creation: its creator as it was then, linked to the creator's own
//! starter. A starter never changes afterwards, neither at the end of the process, nor when it executes another
//! program, nor when its pid is reused. A process that executes a program keeps its starters.
//!
//! For a process that is older than the capture, or whose clone was not recorded, the parent at its first
//! appearance is used as the starter.
//!
//! All children that a process creates without changing in between share one starter, which lives as long as the
//! process or one of the descendants needs it. Each starter refers to the previous one, but only within a part of
//! [`limits::LINEAGE`]: the first starter of a new part does not refer to the full one; instead, processes refer to
//! both parts. So the oldest starters are released without being cut off, and there are always as many as can be
//! requested.
//!
//! Memory is bounded by [`limits::LINEAGE_BYTES`]: when half of it is used, further starters have only their
//! names; when all of it is used, they are omitted, and the children of such a process get its own starters.

pub(super) mod stored;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashSet;

use super::thread::{Text, Thread};
use super::threads::Threads;
use super::{State, limits};
use crate::event::{Pid, Tid};

/// A process as it was when it started others.
#[derive(Debug)]
pub(super) struct Starter {
    pub(super) who: Who,
    /// The previous starter; `None` at the beginning of a part.
    pub(super) older: Option<Arc<Self>>,
    /// Number of starters of its part from this one on.
    length: usize,
    budget: Budget,
}

/// The starters of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Lineage {
    /// The nearest starters.
    pub(super) near: Option<Arc<Starter>>,
    /// The full part before them.
    pub(super) far: Option<Arc<Starter>>,
}

/// The identity of a starter.
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

/// A process in its own lineage or in that of a descendant.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'s> {
    /// Its pid.
    pub pid: Pid,
    /// Start time, see [`Thread::start`]; with the pid it identifies the process.
    pub start: u64,
    /// Time of the clone event in the capture that created it, see [`Thread::clone_ts`].
    pub clone_ts: u64,
    /// The kernel's name of the process.
    pub comm: Option<&'s [u8]>,
    /// `argv[0]`.
    pub exe: Option<&'s [u8]>,
    /// The path of the executable.
    pub exepath: Option<&'s [u8]>,
    /// The rest of `argv`, each followed by a NUL.
    pub args: Option<&'s [u8]>,
}

impl<'s> Ancestor<'s> {
    /// Returns the present state of a process.
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

    /// Returns the start time, see [`Thread::began`].
    pub fn began(&self, boot: u64) -> Option<u64> {
        super::thread::began(self.clone_ts, self.start, boot)
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
    fn of(main: &Thread, budget: &Budget) -> Self {
        let name = Self {
            pid: main.pid,
            start: main.start,
            clone_ts: main.clone_ts,
            comm: main.comm.clone(),
            ..Self::default()
        };
        if budget.used() > limits::LINEAGE_BYTES / 2 {
            return name;
        }
        Self {
            exe: main.exe.clone(),
            exepath: main.exepath.clone(),
            args: main.args.clone(),
            ..name
        }
    }

    fn texts(&self) -> [&Option<Text>; 4] {
        [&self.comm, &self.exe, &self.exepath, &self.args]
    }

    /// Returns the bytes of its texts, not counting that they are shared with its thread.
    fn text_len(&self) -> usize {
        self.texts().into_iter().flatten().map(|t| t.len()).sum()
    }
}

/// The memory that the starters of a state use, shared by all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether there is room for a starter with this number of bytes of text.
    fn has_room(&self, text: usize) -> bool {
        let new = text.saturating_add(size_of::<Starter>());
        self.used().saturating_add(new) <= limits::LINEAGE_BYTES
    }
}

impl Starter {
    /// Makes a starter; `None` if there is no room for it. After a full part, it begins a new one.
    pub(super) fn new(who: Who, older: Option<Arc<Self>>, budget: &Budget) -> Option<Arc<Self>> {
        let text = who.text_len();
        if !budget.has_room(text) {
            return None;
        }
        let older = older.filter(|s| !s.is_full());
        let size = text + size_of::<Self>();
        budget.0.fetch_add(size, Ordering::Relaxed);
        Some(Arc::new(Self {
            who,
            length: older.as_ref().map_or(0, |s| s.length) + 1,
            older,
            budget: budget.clone(),
        }))
    }

    /// Whether its part is full.
    fn is_full(&self) -> bool {
        self.length >= limits::LINEAGE
    }

    /// Whether it equals the present state of a process.
    fn shows(&self, main: &Thread) -> bool {
        let is_same = |(then, now): (&Option<Text>, &Option<Text>)| match (then, now) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (then, now) => then.is_none() && now.is_none(),
        };
        let older = main.lineage.near.as_ref().filter(|s| !s.is_full());
        let is_from = self.older.as_ref().map(Arc::as_ptr) == older.map(Arc::as_ptr);
        let who = &self.who;
        let now = [&main.comm, &main.exe, &main.exepath, &main.args];
        (who.pid, who.start, who.clone_ts) == (main.pid, main.start, main.clone_ts)
            && is_from
            && who.texts().into_iter().zip(now).all(is_same)
    }
}

impl Drop for Starter {
    /// Releases its memory. Dropping the older starters recurses, at most for the length of a part.
    fn drop(&mut self) {
        let size = self.who.text_len() + size_of::<Self>();
        self.budget.0.fetch_sub(size, Ordering::Relaxed);
    }
}

/// Iterates over the starters of a part, nearest first.
pub(super) fn part(from: Option<&Arc<Starter>>) -> impl Iterator<Item = &Starter> {
    std::iter::successors(from.map(AsRef::as_ref), |s| s.older.as_deref())
}

impl Lineage {
    /// Iterates over the starters, nearest first.
    fn iter(&self) -> impl Iterator<Item = &Starter> {
        let all = part(self.near.as_ref()).chain(part(self.far.as_ref()));
        all.take(limits::LINEAGE)
    }

    /// Returns the lineage of a child of the process with this lineage, which `starter` describes.
    fn with(&self, starter: Arc<Starter>) -> Self {
        let before = match &self.near {
            Some(near) if near.is_full() => &self.near,
            _ => &self.far,
        };
        Self {
            near: Some(starter),
            far: before.clone(),
        }
    }
}

impl Thread {
    /// Iterates over a process, by its main thread, and its starters, nearest first.
    pub fn lineage(&self) -> impl Iterator<Item = Ancestor<'_>> {
        let starters = self.lineage.iter().map(|s| Ancestor::then(&s.who));
        std::iter::once(Ancestor::now(self)).chain(starters)
    }
}

/// Returns the main thread of a thread's process, or the thread itself if that is not known.
fn main(threads: &Threads, tid: Tid) -> Option<Tid> {
    let thread = threads.get(tid)?;
    let main = threads.get(Tid(thread.pid.0)).unwrap_or(thread);
    Some(main.tid)
}

impl State {
    /// Returns the parent of a process, by its main thread, if that did not start it but has adopted
    /// it.
    pub fn adopter(&self, main: &Thread) -> Option<&Thread> {
        let starter = main.lineage().nth(1)?;
        let parent = self.thread(main.ptid).filter(|_| main.ptid.0 > 0)?;
        let parent = self.thread(Tid(parent.pid.0)).unwrap_or(parent);
        let is_starter = parent.pid == starter.pid
            && (parent.clone_ts, parent.start) == (starter.clone_ts, starter.start);
        (!is_starter).then_some(parent)
    }

    /// Returns the lineage of a process that a thread creates now.
    pub(super) fn lineage_of_child(&mut self, maker: Tid) -> Lineage {
        let main = main(&self.threads, maker);
        let Some(thread) = main.and_then(|main| self.threads.get_mut(main)) else {
            return Lineage::default();
        };
        if !thread.portrait.as_ref().is_some_and(|s| s.shows(thread)) {
            let who = Who::of(thread, &self.lineage);
            thread.portrait = Starter::new(who, thread.lineage.near.clone(), &self.lineage);
        }
        match &thread.portrait {
            Some(starter) => thread.lineage.with(Arc::clone(starter)),
            None => thread.lineage.clone(),
        }
    }

    /// Sets the creator of a process, which can differ from its parent.
    pub(super) fn set_maker(&mut self, tid: Tid, maker: Tid) {
        if self.threads.get(tid).is_some_and(Thread::is_main) {
            let lineage = self.lineage_of_child(maker);
            self.update_counters(tid, |t| t.lineage = lineage);
        }
    }

    /// Uses the parent of a process as its starter, if that is not known.
    pub(super) fn starter_from_parent(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get(tid) else {
            return;
        };
        if thread.lineage.near.is_some() || thread.ptid.0 <= 0 {
            return;
        }
        if let Some(parent) = main(&self.threads, thread.ptid).filter(|p| *p != tid) {
            self.set_maker(tid, parent);
        }
    }

    /// Does so for all processes, the oldest first, unless their parents form a cycle.
    pub(super) fn starters_from_parents(&mut self) {
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
                self.starter_from_parent(tid);
            }
        }
    }
}
