//! All threads: creation, changes, and exit.

use std::cell::Cell;

use hashbrown::HashMap;

use super::dirs::Dirs;
use super::thread::Thread;
use super::{Ended, State, containers, limits};
use crate::event::{Pid, Tid};

/// All threads, and the number of live ones of each process.
#[derive(Debug, Default)]
pub(super) struct Threads {
    slots: Vec<Option<Thread>>,
    free: Vec<u32>,
    by_tid: HashMap<i64, u32>,
    /// Thread and slot of the last look-up: consecutive events are often of one thread.
    last: Cell<Option<(i64, u32)>>,
    living: HashMap<i64, u32>,
    /// Number of threads with a given parent: most threads have no children when they end.
    children: HashMap<i64, u32>,
}

impl Threads {
    fn slot(&self, tid: Tid) -> Option<u32> {
        if let Some((last, slot)) = self.last.get()
            && last == tid.0
        {
            return Some(slot);
        }
        let slot = *self.by_tid.get(&tid.0)?;
        self.last.set(Some((tid.0, slot)));
        Some(slot)
    }

    #[inline]
    pub(super) fn get(&self, tid: Tid) -> Option<&Thread> {
        self.slots.get(self.slot(tid)? as usize)?.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.by_tid.len()
    }

    pub(super) fn get_mut(&mut self, tid: Tid) -> Option<&mut Thread> {
        let slot = self.slot(tid)?;
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Adds a thread with a new id.
    fn insert(&mut self, thread: Thread) {
        let tid = thread.tid.0;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                // There are at most as many slots as threads, which are limited.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(thread);
        }
        self.by_tid.insert(tid, slot);
    }

    fn remove(&mut self, tid: Tid) -> Option<Thread> {
        let slot = self.by_tid.remove(&tid.0)?;
        self.last.set(None);
        self.free.push(slot);
        self.slots.get_mut(slot as usize)?.take()
    }

    /// Iterates over all threads, in arbitrary order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Thread> {
        self.slots.iter().flatten()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Thread> {
        self.slots.iter_mut().flatten()
    }

    /// Returns the number of live threads of a process.
    pub(super) fn living(&self, pid: Pid) -> u32 {
        self.living.get(&pid.0).copied().unwrap_or(0)
    }

    fn count(&mut self, pid: Pid) {
        if pid.0 >= 0 {
            let living = self.living.entry(pid.0).or_insert(0);
            *living = living.saturating_add(1);
        }
    }

    /// Decrements the number of live threads of a process, and returns it.
    fn uncount(&mut self, pid: Pid) -> u32 {
        decrement(&mut self.living, pid.0)
    }

    #[cfg(test)]
    pub(super) fn counts_are_zero(&self) -> bool {
        self.living.is_empty() && self.children.values().sum::<u32>() == 0
    }

    fn count_child(&mut self, parent: Tid) {
        if parent.0 > 0 {
            *self.children.entry(parent.0).or_insert(0) += 1;
        }
    }

    fn uncount_child(&mut self, parent: Tid) {
        decrement(&mut self.children, parent.0);
    }
}

/// Decrements a count and returns it; zero counts are removed.
fn decrement(counts: &mut HashMap<i64, u32>, id: i64) -> u32 {
    let Some(count) = counts.get_mut(&id) else {
        return 0;
    };
    *count = count.saturating_sub(1);
    let left = *count;
    if left == 0 {
        counts.remove(&id);
    }
    left
}

impl State {
    /// Adds a thread, replacing an older one with the same id.
    ///
    /// It shares fds and directories with the main thread of its process unless set otherwise: that is the default for
    /// a thread of which only the id is known.
    pub(super) fn insert_thread(&mut self, mut thread: Thread) {
        if let Some(old) = self.threads.get(thread.tid) {
            // The id was reused: if it was that of a process's main thread, that process has ended.
            let pid = old.pid;
            if old.is_main() {
                self.keep_only_thread(pid, thread.tid);
            }
            self.remove_thread(thread.tid);
        }
        if thread.container.is_none() && !thread.is_placed {
            thread.locate(containers::locate(thread.cgroups.as_deref()));
        }
        thread.is_placed = true;
        if self.threads.len() >= limits::THREADS {
            self.release(&thread);
            return;
        }
        if thread.files.is_none() || thread.dirs.is_none() {
            let main = self.threads.get(Tid(thread.pid.0));
            let (files, dirs) = main.map_or((None, None), |m| (m.files, m.dirs));
            thread.files = thread.files.or_else(|| Some(self.files.hold(files?)));
            thread.dirs = thread.dirs.or_else(|| Some(self.dirs.hold(dirs?)));
        }
        thread.files = thread
            .files
            .or_else(|| Some(self.files.add(super::FdTable::default())));
        thread.dirs = thread.dirs.or_else(|| Some(self.dirs.add(Dirs::default())));
        self.used.text = self.used.text.saturating_add(thread.text_len());
        self.threads.count(thread.pid);
        self.threads.count_child(thread.ptid);
        self.threads.insert(thread);
    }

    /// Changes a thread, if it exists.
    pub(super) fn update_thread(&mut self, tid: Tid, change: impl FnOnce(&mut Thread)) {
        let Some(thread) = self.threads.get_mut(tid) else {
            return;
        };
        let (before, pid, ptid) = (thread.text_len(), thread.pid, thread.ptid);
        change(thread);
        let (after, new_pid, new_ptid) = (thread.text_len(), thread.pid, thread.ptid);
        self.used.text = self.used.text.saturating_sub(before).saturating_add(after);
        if pid != new_pid {
            self.threads.uncount(pid);
            self.threads.count(new_pid);
        }
        if ptid != new_ptid {
            self.threads.uncount_child(ptid);
            self.threads.count_child(new_ptid);
        }
    }

    /// Changes numbers of a thread that affect no text and no relation.
    pub(super) fn update_counters(&mut self, tid: Tid, change: impl FnOnce(&mut Thread)) {
        if let Some(thread) = self.threads.get_mut(tid) {
            change(thread);
        }
    }

    /// Changes all threads of a process.
    pub(super) fn update_process(&mut self, pid: Pid, change: impl Fn(&mut Thread)) {
        if self.threads.living(pid) <= 1 {
            self.update_counters(Tid(pid.0), change);
            return;
        }
        for thread in self.threads.iter_mut().filter(|t| t.pid == pid) {
            change(thread);
        }
    }

    /// Ensures that an event's thread and its process exist, at least with their ids.
    pub(super) fn ensure_thread(&mut self, tid: Tid, pid: Pid) {
        match self.threads.get(tid) {
            None => {
                // The main thread comes first, since the others share its fds and directories.
                if pid.0 >= 0 && pid.0 != tid.0 && self.threads.get(Tid(pid.0)).is_none() {
                    self.ensure_thread(Tid(pid.0), pid);
                }
                let mut thread = Thread::unknown(tid);
                thread.pid = pid;
                self.insert_thread(thread);
            }
            Some(thread) if thread.pid.0 < 0 && pid.0 >= 0 => {
                self.update_thread(tid, |t| t.pid = pid);
            }
            Some(_) => {}
        }
    }

    /// Marks a thread as ended; it is removed before the next event.
    pub(super) fn end_thread(&mut self, tid: Tid) {
        self.ended.push(Ended::Thread(tid));
    }

    /// Removes a thread. A main thread stays while its process has others, which use its properties.
    pub(super) fn remove_thread(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get_mut(tid) else {
            return;
        };
        let (pid, main, dead) = (thread.pid, thread.is_main(), thread.dead);
        thread.dead = true;
        let left = if dead {
            self.threads.living(pid)
        } else {
            self.threads.uncount(pid)
        };
        if !main || left == 0 {
            self.forget(tid);
        }
        if !main && left == 0 && self.threads.get(Tid(pid.0)).is_some_and(|t| t.dead) {
            self.forget(Tid(pid.0));
        }
    }

    /// Removes all threads of a process except one, as `execve` does.
    pub(super) fn keep_only_thread(&mut self, pid: Pid, tid: Tid) {
        if self.threads.living(pid) <= 1 {
            return;
        }
        let others: Vec<Tid> = self
            .threads
            .iter()
            .filter(|t| t.pid == pid && t.tid != tid)
            .map(|t| t.tid)
            .collect();
        for other in others {
            let dead = self.threads.get(other).is_some_and(|t| t.dead);
            if !dead {
                self.threads.uncount(pid);
            }
            self.reparent(other, tid);
            self.forget(other);
        }
    }

    /// Revives a thread whose exit was recorded: `execve` gave it the id of its process's main thread, which the kernel
    /// ended before.
    pub(super) fn revive(&mut self, tid: Tid) {
        if let Some(thread) = self.threads.get_mut(tid)
            && thread.dead
        {
            thread.dead = false;
            let pid = thread.pid;
            self.threads.count(pid);
        }
    }

    fn forget(&mut self, tid: Tid) {
        if let Some(thread) = self.threads.remove(tid) {
            self.used.text = self.used.text.saturating_sub(thread.text_len());
            self.threads.uncount_child(thread.ptid);
            self.release(&thread);
        }
    }

    /// Releases a thread's references to shared tables.
    pub(super) fn release(&mut self, thread: &Thread) {
        if let Some(slot) = thread.files {
            self.release_files(slot);
        }
        if let Some(dirs) = thread.dirs.and_then(|slot| self.dirs.release(slot)) {
            self.used.text = self.used.text.saturating_sub(dirs.text_len());
        }
    }

    /// Gives the children of an ended process to another one.
    pub(super) fn reparent(&mut self, from: Tid, to: Tid) {
        self.reparent_pending(from, to);
        let Some(count) = self.threads.children.remove(&from.0) else {
            return;
        };
        for thread in self.threads.iter_mut().filter(|t| t.ptid == from) {
            thread.ptid = to;
        }
        let adopted = self.threads.children.entry(to.0).or_insert(0);
        *adopted = adopted.saturating_add(count);
    }
}
