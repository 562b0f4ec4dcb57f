//! The grouping engine: rows by key, with limits of number and memory.
//!
//! It is used by everything that counts by key: the tables of `scap view`, the views of scripts,
//! the output of `scap try`, `info` and `containers`. Rows beyond the limits are counted, so that a
//! table can show that it is incomplete.

use std::borrow::Borrow;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::state::Text;

/// Rows by key, in insertion order. A borrowed form of a key has to have the same hash.
#[derive(Debug)]
pub struct Groups<K, V> {
    index: HashTable<u32>,
    rows: Vec<(K, V)>,
    hasher: DefaultHashBuilder,
    max_rows: usize,
    max_bytes: usize,
    /// Bytes used, as far as reported.
    bytes: usize,
    omitted: u64,
}

impl<K: Hash, V> Groups<K, V> {
    /// Makes groups with a row limit.
    pub fn new(max_rows: usize) -> Self {
        Self::with_bytes(max_rows, usize::MAX)
    }

    /// Makes groups with a row limit and a limit of the bytes reported to [`Self::place`] and
    /// [`Self::grew`].
    pub fn with_bytes(max_rows: usize, max_bytes: usize) -> Self {
        Self {
            index: HashTable::new(),
            rows: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            max_rows: max_rows.min(u32::MAX as usize),
            max_bytes,
            bytes: 0,
            omitted: 0,
        }
    }

    /// Returns the index of the row for whose key `is` returns true; adds the row if there is none.
    /// `None`: a limit is reached, which is counted.
    #[inline]
    pub fn place<Q: Hash + ?Sized>(
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
        self.add(Some(hash), 0, make)
    }

    /// Returns the index of the row for whose key `is` returns true.
    #[inline]
    pub fn find<Q: Hash + ?Sized>(&self, key: &Q, is: impl Fn(&K) -> bool) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |at| is(&self.rows[*at as usize].0));
        found.map(|at| *at as usize)
    }

    /// Adds a row of this size that is found by its key from now on. An older row with the same key
    /// stays, but is not found any more. `None`: a limit is reached, which is counted.
    pub fn replace(&mut self, key: K, value: V, bytes: usize) -> Option<usize>
    where
        K: Eq,
    {
        let hash = self.hasher.hash_one(&key);
        let entry = self
            .index
            .find_entry(hash, |at| self.rows[*at as usize].0 == key);
        if let Ok(entry) = entry {
            entry.remove();
        }
        self.add(Some(hash), bytes, || (key, value))
    }

    /// Adds a row that is not found by its key. `None`: a limit is reached, which is counted.
    pub fn push(&mut self, key: K, value: V, bytes: usize) -> Option<usize> {
        self.add(None, bytes, || (key, value))
    }

    fn add(
        &mut self,
        hash: Option<u64>,
        bytes: usize,
        make: impl FnOnce() -> (K, V),
    ) -> Option<usize> {
        let at = self.rows.len();
        let index = u32::try_from(at).ok().filter(|_| at < self.max_rows);
        let Some(index) = index.filter(|_| bytes <= self.room()) else {
            self.omit();
            return None;
        };
        self.bytes = self.bytes.saturating_add(bytes);
        self.rows.push(make());
        if let Some(hash) = hash {
            let Self {
                index: table,
                rows,
                hasher,
                ..
            } = self;
            table.insert_unique(hash, index, |at| hasher.hash_one(&rows[*at as usize].0));
        }
        Some(at)
    }

    /// Counts an omitted row.
    pub fn omit(&mut self) {
        self.omit_more(1);
    }

    /// Counts rows that were omitted.
    pub fn omit_more(&mut self, count: u64) {
        self.omitted = self.omitted.saturating_add(count);
    }

    /// Returns how many rows were omitted because of the limits.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Reports that rows have grown by this many bytes.
    pub fn grew(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Returns the remaining bytes.
    pub fn room(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes)
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the row at an index.
    #[inline]
    pub fn get(&self, place: usize) -> (&K, &V) {
        let (key, value) = &self.rows[place];
        (key, value)
    }

    /// Returns the value at an index.
    #[inline]
    pub fn row(&mut self, place: usize) -> &mut V {
        &mut self.rows[place].1
    }

    /// Iterates over the rows in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, value)| (key, value))
    }

    /// Returns the rows in insertion order.
    pub fn into_rows(self) -> impl Iterator<Item = (K, V)> {
        self.rows.into_iter()
    }
}

impl<K: Hash + Ord, V> Groups<K, V> {
    /// Returns the rows by `rank`, largest first; ties are ordered by key.
    pub fn ranked<R: Ord>(&self, rank: impl Fn(&K, &V) -> R) -> Vec<(&K, &V)> {
        let mut rows: Vec<(&K, &V)> = self.iter().collect();
        rows.sort_by(|a, b| {
            let ranks = rank(b.0, b.1).cmp(&rank(a.0, a.1));
            ranks.then_with(|| a.0.cmp(b.0))
        });
        rows
    }
}

/// Counts occurrences by key.
#[derive(Debug)]
pub struct Counts<K>(Groups<K, u64>);

impl<K: Hash + Eq> Counts<K> {
    /// Makes counts with a limit of distinct keys.
    pub fn new(max_rows: usize) -> Self {
        Self(Groups::new(max_rows))
    }

    /// Counts a key; returns false if the limit is reached.
    pub fn add(&mut self, key: K) -> bool {
        self.add_times(key, 1)
    }

    /// Counts a key that occurred so many times; returns false if the limit is reached.
    pub fn add_times(&mut self, key: K, times: u64) -> bool {
        let place = match self.0.find(&key, |k| *k == key) {
            Some(place) => Some(place),
            None => self.0.replace(key, 0, 0),
        };
        self.count(place, times)
    }

    /// As [`Self::add`], of a borrowed key, which `own` makes an owned one.
    pub fn add_borrowed<Q>(&mut self, key: &Q, own: impl FnOnce(&Q) -> K) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.0.place(key, |k| k.borrow() == key, || (own(key), 0));
        self.count(place, 1)
    }

    fn count(&mut self, place: Option<usize>, times: u64) -> bool {
        let Some(place) = place else {
            // The first time was counted as an omitted row.
            self.0.omit_more(times.saturating_sub(1));
            return false;
        };
        let count = self.0.row(place);
        *count = count.saturating_add(times);
        true
    }

    /// Returns the counts.
    pub fn groups(&self) -> &Groups<K, u64> {
        &self.0
    }

    /// Returns the counts in insertion order.
    pub fn into_rows(self) -> impl Iterator<Item = (K, u64)> {
        self.0.into_rows()
    }

    /// Returns the total, including keys beyond the limit.
    pub fn total(&self) -> u64 {
        let counts = self.0.iter().map(|(_, count)| *count);
        counts.fold(self.0.omitted(), u64::saturating_add)
    }
}

/// The largest values, up to a limit, largest first; ties are in insertion order.
#[derive(Debug)]
pub struct Largest<R, V> {
    rows: Vec<(R, V)>,
    max: usize,
}

impl<R: Ord, V> Largest<R, V> {
    /// Makes a list with a limit.
    pub fn new(max: usize) -> Self {
        Self {
            rows: Vec::new(),
            max,
        }
    }

    /// Returns true if a value of this rank would be kept.
    pub fn keeps(&self, rank: &R) -> bool {
        self.rows.len() < self.max || self.rows.last().is_some_and(|(least, _)| rank > least)
    }

    /// Adds a value; the smallest one is dropped if the limit is exceeded.
    pub fn add(&mut self, rank: R, value: V) {
        let place = self.rows.partition_point(|(other, _)| *other >= rank);
        self.rows.insert(place, (rank, value));
        self.rows.truncate(self.max);
    }

    /// Returns the values, largest first.
    pub fn into_rows(self) -> impl Iterator<Item = (R, V)> {
        self.rows.into_iter()
    }

    /// Returns the values, largest first.
    pub fn rows(&self) -> &[(R, V)] {
        &self.rows
    }
}

/// A cache of the rows of recently seen names, found by address: fds share their names.
#[derive(Debug)]
pub struct Recent {
    slots: Vec<Option<(Text, usize, usize)>>,
}

/// Number of cached names; a power of two.
const RECENT: usize = 1 << 10;

impl Default for Recent {
    fn default() -> Self {
        Self {
            slots: vec![None; RECENT],
        }
    }
}

impl Recent {
    fn slot(name: &Text, with: usize) -> usize {
        // Names are at least 16 bytes apart.
        let address = Arc::as_ptr(name).cast::<u8>() as usize >> 4;
        (address ^ address >> 10 ^ with.wrapping_mul(0x9e37)) & (RECENT - 1)
    }

    /// Returns the row of a name in combination with a number.
    #[inline]
    pub fn get(&self, name: &Text, with: usize) -> Option<usize> {
        match self.slots.get(Self::slot(name, with)) {
            Some(Some((known, number, row))) if *number == with && Arc::ptr_eq(known, name) => {
                Some(*row)
            }
            _ => None,
        }
    }

    /// Caches the row of a name.
    pub fn set(&mut self, name: &Text, with: usize, row: usize) {
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
        let mut groups: Groups<Text, u32> = Groups::new(2);
        let mut place = |key: &[u8]| groups.place(key, |k| **k == *key, || (key.into(), 0));
        assert_eq!(place(b"a"), Some(0));
        assert_eq!(place(b"b"), Some(1));
        assert_eq!(place(b"a"), Some(0));
        assert_eq!(place(b"c"), None);
        assert_eq!(place(b"c"), None);
        assert_eq!(place(b"b"), Some(1));
        assert_eq!(groups.omitted(), 2);
        let find = |key: &[u8]| groups.find(key, |k| **k == *key);
        assert_eq!((find(b"b"), find(b"c")), (Some(1), None));
    }

    #[test]
    fn bytes_are_bounded_and_what_is_left_out_is_counted() {
        let mut groups: Groups<u32, u32> = Groups::with_bytes(usize::MAX, 100);
        assert_eq!(groups.replace(1, 10, 60), Some(0));
        assert_eq!(groups.replace(2, 20, 60), None);
        assert_eq!(groups.push(2, 20, 30), Some(1));
        assert_eq!((groups.room(), groups.omitted()), (10, 1));
        groups.grew(20);
        assert_eq!(groups.room(), 0);
        // A pushed row has no key; a replaced one is not found any more; both stay.
        assert_eq!(groups.find(&2, |k| *k == 2), None);
        assert_eq!(groups.replace(1, 11, 0), Some(2));
        assert_eq!(groups.find(&1, |k| *k == 1), Some(2));
        assert_eq!(
            groups.into_rows().map(|(_, v)| v).collect::<Vec<_>>(),
            [10, 20, 11]
        );
    }

    #[test]
    fn counts_rank_and_the_largest_are_kept() {
        let mut counts = Counts::new(2);
        for key in ["b", "a", "b", "a", "c"] {
            counts.add(key);
        }
        assert_eq!((counts.total(), counts.groups().omitted()), (5, 1));
        let ranked = counts.groups().ranked(|_, count| *count);
        assert_eq!(ranked, [(&"a", &2), (&"b", &2)]);
        let mut largest = Largest::new(2);
        for (rank, name) in [(1, "a"), (3, "b"), (3, "c"), (2, "d")] {
            if largest.keeps(&rank) {
                largest.add(rank, name);
            }
        }
        assert_eq!(largest.rows(), [(3, "b"), (3, "c")]);
    }

    #[test]
    fn a_name_is_known_by_where_it_lies() {
        let (a, same_bytes): (Text, Text) = (b"a"[..].into(), b"a"[..].into());
        let mut recent = Recent::default();
        recent.set(&a, 1, 7);
        assert_eq!(recent.get(&a, 1), Some(7));
        assert_eq!(
            (recent.get(&a, 2), recent.get(&same_bytes, 1)),
            (None, None)
        );
    }
}
