//! Lineages in snapshots: a list of starters, each with the index of the previous one, and for each process the first
//! starter of both parts.

use std::sync::Arc;

use hashbrown::HashMap;
use scap_capture_format::native::snapshot::{StringId, StringTable};
use scap_capture_format::native::{Extra, Snapshot};

use super::super::excerpt::ProcessKey;
use super::super::thread::Text;
use super::super::{State, limits};
use super::{Budget, Lineage, Starter, Who, part};
use crate::event::Pid;

/// Number of the list in the `extra` list of a snapshot.
const SNAPSHOT_EXTRA: u32 = 1;
/// Number of a process's starters in the `extra` list of its main thread.
const THREAD_EXTRA: u32 = 2;
/// Bytes of a starter: the previous one, pid, two times, four texts.
const LEN: usize = 4 + 3 * 8 + 4 * 4;

/// The list to be written. A starter comes after the previous one of its chain, so that reading finds no cycles.
#[derive(Debug, Default)]
pub(in crate::state) struct Starters {
    bytes: Vec<u8>,
    /// Indexes, from 1 on, by address.
    numbers: HashMap<*const Starter, u32>,
}

impl Starters {
    /// Adds a lineage, and returns the entry of its process.
    pub(in crate::state) fn add(
        &mut self,
        lineage: &Lineage,
        strings: &mut StringTable,
    ) -> Option<(u32, Vec<u8>)> {
        let mut numbers = Vec::new();
        for first in [&lineage.near, &lineage.far] {
            let is_new = |s: &&Starter| !self.numbers.contains_key(&std::ptr::from_ref(*s));
            let new: Vec<&Starter> = part(first.as_ref()).take_while(is_new).collect();
            for starter in new.iter().rev() {
                self.write(starter, strings);
            }
            numbers.extend_from_slice(&self.number(first.as_ref()).to_le_bytes());
        }
        lineage.near.is_some().then_some((THREAD_EXTRA, numbers))
    }

    fn number(&self, starter: Option<&Arc<Starter>>) -> u32 {
        let number = starter.and_then(|s| self.numbers.get(&Arc::as_ptr(s)));
        number.copied().unwrap_or(0)
    }

    fn write(&mut self, starter: &Starter, strings: &mut StringTable) {
        let older = self.number(starter.older.as_ref());
        let who = &starter.who;
        let out = &mut self.bytes;
        out.extend_from_slice(&older.to_le_bytes());
        out.extend_from_slice(&who.pid.0.to_le_bytes());
        out.extend_from_slice(&who.start.to_le_bytes());
        out.extend_from_slice(&who.clone_ts.to_le_bytes());
        for text in who.texts() {
            let id = strings.intern(text.as_deref().unwrap_or_default());
            out.extend_from_slice(&id.0.to_le_bytes());
        }
        // The memory limit keeps the number of starters far below the range.
        let number = u32::try_from(self.numbers.len() + 1).unwrap_or(0);
        self.numbers.insert(starter, number);
    }

    /// Returns the list.
    pub(in crate::state) fn finish(self) -> (u32, Vec<u8>) {
        (SNAPSHOT_EXTRA, self.bytes)
    }
}

/// Reads bytes from the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (number, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*number)
}

/// Reads a starter: the index of the previous one and its identity; `None` if there is no room for it.
fn read(mut bytes: &[u8], snapshot: &Snapshot, budget: &Budget) -> Option<(u32, Who)> {
    let rest = &mut bytes;
    let older = u32::from_le_bytes(take(rest)?);
    let pid = Pid(i64::from_le_bytes(take(rest)?));
    let start = u64::from_le_bytes(take(rest)?);
    let clone_ts = u64::from_le_bytes(take(rest)?);
    let mut texts: [&[u8]; 4] = [b""; 4];
    let caps = [limits::NAME, limits::NAME, limits::NAME, limits::LIST];
    for (text, cap) in texts.iter_mut().zip(caps) {
        let whole = snapshot.string(StringId(u32::from_le_bytes(take(rest)?)));
        *text = whole.get(..cap).unwrap_or(whole);
    }
    // Before anything is copied: many starters may refer to one long text.
    if !budget.has_room(texts.iter().map(|t| t.len()).sum()) {
        return None;
    }
    let [comm, exe, exepath, args] = texts.map(|t| (!t.is_empty()).then(|| Text::from(t)));
    let who = Who {
        pid,
        start,
        clone_ts,
        comm,
        exe,
        exepath,
        args,
    };
    Some((older, who))
}

/// A starter of a list, to be changed.
pub(in crate::state) struct Stored {
    /// The process.
    pub(in crate::state) process: ProcessKey,
    /// Name, `argv[0]`, path of the executable, arguments.
    pub(in crate::state) texts: [StringId; 4],
}

/// Passes on the starters of a snapshot, whose `extra` this is, and stores what became of their texts and times.
pub(in crate::state) fn each(extra: &mut Extra, mut change: impl FnMut(&mut Stored)) {
    let lists = extra.iter_mut().filter(|(n, _)| *n == SNAPSHOT_EXTRA);
    for starter in lists.flat_map(|(_, bytes)| bytes.chunks_exact_mut(LEN)) {
        let rest = &mut starter[4..].as_ref();
        let mut word = || take(rest).map_or(0, u64::from_le_bytes);
        let pid = Pid(word().cast_signed());
        let (start, clone_ts) = (word(), word());
        let process = ProcessKey {
            pid,
            start,
            clone_ts,
        };
        let id = |_| StringId(take(rest).map_or(0, u32::from_le_bytes));
        let mut stored = Stored {
            process,
            texts: std::array::from_fn(id),
        };
        change(&mut stored);
        starter[20..28].copy_from_slice(&stored.process.clone_ts.to_le_bytes());
        for (place, id) in starter[4 + 3 * 8..].chunks_exact_mut(4).zip(stored.texts) {
            place.copy_from_slice(&id.0.to_le_bytes());
        }
    }
}

impl State {
    /// Restores the lineages of a snapshot, after its threads. A snapshot from /proc, from another program or from an
    /// older scap has none: then parents are used as starters.
    pub(in crate::state) fn restore_lineages(&mut self, snapshot: &Snapshot) {
        let list = snapshot.extra.iter().find(|(n, _)| *n == SNAPSHOT_EXTRA);
        let Some((_, bytes)) = list else {
            return self.starters_from_parents();
        };
        let mut starters: Vec<Option<Arc<Starter>>> = Vec::new();
        let at = |starters: &[Option<Arc<Starter>>], number: u32| {
            let index = (number as usize).checked_sub(1)?;
            starters.get(index)?.clone()
        };
        for bytes in bytes.chunks_exact(LEN) {
            // Starters without room keep their index.
            let starter = read(bytes, snapshot, &self.lineage).and_then(|(older, who)| {
                let older = at(&starters, older);
                Starter::new(who, older, &self.lineage)
            });
            starters.push(starter);
        }
        for entry in &snapshot.threads {
            let extra = entry.extra.iter().find(|(n, _)| *n == THREAD_EXTRA);
            let Some(mut bytes) = extra.map(|(_, bytes)| bytes.as_slice()) else {
                continue;
            };
            let mut next = || at(&starters, u32::from_le_bytes(take(&mut bytes)?));
            let (near, far) = (next(), next());
            self.update_counters(entry.tid, |t| t.lineage = Lineage { near, far });
        }
    }
}
