//! Rows that are found by what they are about, at most so many.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::state::Text;

/// Rows by key. What a key borrows from has to hash as the key does.
#[derive(Debug)]
pub(super) struct Rows<K, V> {
    index: HashTable<u32>,
    rows: Vec<(K, V)>,
    hasher: DefaultHashBuilder,
    cap: usize,
    /// How often there was no room for another one.
    pub(super) omitted: u64,
}

impl<K: Hash, V> Rows<K, V> {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            index: HashTable::new(),
            rows: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            cap,
            omitted: 0,
        }
    }

    /// Returns the place of the row that `is` holds for; makes it if there is none. `None`: there is no room.
    pub(super) fn place<Q: Hash + ?Sized>(
        &mut self,
        key: &Q,
        is: impl Fn(&K) -> bool,
        make: impl FnOnce() -> (K, V),
    ) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |at| is(&self.rows[*at as usize].0));
        if let Some(at) = found {
            return Some(*at as usize);
        }
        let at = self.rows.len();
        let Some(index) = u32::try_from(at).ok().filter(|_| at < self.cap) else {
            self.omitted += 1;
            return None;
        };
        self.rows.push(make());
        let Self {
            index: table,
            rows,
            hasher,
            ..
        } = self;
        table.insert_unique(hash, index, |at| hasher.hash_one(&rows[*at as usize].0));
        Some(at)
    }

    /// Whether there is a row that `is` holds for.
    pub(super) fn has<Q: Hash + ?Sized>(&self, key: &Q, is: impl Fn(&K) -> bool) -> bool {
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |at| is(&self.rows[*at as usize].0));
        found.is_some()
    }

    pub(super) fn get(&self, place: usize) -> (&K, &V) {
        let (key, value) = &self.rows[place];
        (key, value)
    }

    pub(super) fn row(&mut self, place: usize) -> &mut V {
        &mut self.rows[place].1
    }

    pub(super) fn into_rows(self) -> impl Iterator<Item = (K, V)> {
        self.rows.into_iter()
    }
}

/// Which rows the names seen last have, found without looking at their bytes: fds share theirs.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Vec<Option<(Text, usize, usize)>>,
}

/// Names remembered; a power of two.
const RECENT: usize = 1 << 10;

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![None; RECENT],
        }
    }

    fn slot(name: &Text, with: usize) -> usize {
        // Names lie 16 bytes apart at least.
        let address = Arc::as_ptr(name).cast::<u8>() as usize >> 4;
        (address ^ address >> 10 ^ with.wrapping_mul(0x9e37)) & (RECENT - 1)
    }

    /// Returns the row of a name, together with a number.
    pub(super) fn get(&self, name: &Text, with: usize) -> Option<usize> {
        match self.slots.get(Self::slot(name, with)) {
            Some(Some((known, number, row))) if *number == with && Arc::ptr_eq(known, name) => {
                Some(*row)
            }
            _ => None,
        }
    }

    pub(super) fn set(&mut self, name: &Text, with: usize, row: usize) {
        if let Some(slot) = self.slots.get_mut(Self::slot(name, with)) {
            *slot = Some((Arc::clone(name), with, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_again_until_there_is_no_room() {
        let mut rows: Rows<Text, u32> = Rows::new(2);
        let mut place = |key: &[u8]| rows.place(key, |k| **k == *key, || (key.into(), 0));
        assert_eq!(place(b"a"), Some(0));
        assert_eq!(place(b"b"), Some(1));
        assert_eq!(place(b"a"), Some(0));
        assert_eq!(place(b"c"), None);
        assert_eq!(place(b"c"), None);
        assert_eq!(place(b"b"), Some(1));
        assert_eq!(rows.omitted, 2);
        assert!(rows.has(&b"a"[..], |k| **k == *b"a") && !rows.has(&b"c"[..], |k| **k == *b"c"));
    }

    #[test]
    fn a_name_is_known_by_where_it_lies() {
        let (a, same_bytes): (Text, Text) = (b"a"[..].into(), b"a"[..].into());
        let mut recent = Recent::new();
        recent.set(&a, 1, 7);
        assert_eq!(recent.get(&a, 1), Some(7));
        assert_eq!(
            (recent.get(&a, 2), recent.get(&same_bytes, 1)),
            (None, None)
        );
    }
}
