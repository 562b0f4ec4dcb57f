//! The rows of a table while events come in: found by key, bounded in memory.

use hashbrown::HashMap;

use super::cell::Slot;

/// Most bytes that the rows of a table take.
const MEMORY: usize = 128 << 20;

/// Rows by key, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Rows {
    index: HashMap<Box<[u8]>, u32>,
    /// The values, and the number of the event that made the row.
    rows: Vec<(Box<[Slot]>, u64)>,
    /// Bytes taken, about.
    used: usize,
    /// How many events had no row and found no room for one.
    left_out: u64,
}

impl Rows {
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns the row of a key.
    pub(super) fn find(&mut self, key: &[u8]) -> Option<&mut [Slot]> {
        let index = *self.index.get(key)?;
        self.rows.get_mut(index as usize).map(|(row, _)| &mut **row)
    }

    /// Adds a row, with a key by which it is found.
    pub(super) fn add(&mut self, key: Option<&[u8]>, row: &[Slot], event: u64) {
        let texts: usize = row.iter().map(|slot| slot.cell.text_len()).sum();
        // The key stands in the index; there are less free places in it than taken ones.
        let key_len = key.map_or(0, |key| key.len() + 2 * size_of::<(Box<[u8]>, u32)>());
        let size = key_len + texts + size_of_val(row) + size_of::<(Box<[Slot]>, u64)>();
        let index = u32::try_from(self.rows.len());
        let (Ok(index), true) = (index, self.used + size <= MEMORY) else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        };
        self.used += size;
        self.rows.push((row.into(), event));
        if let Some(key) = key {
            self.index.insert(key.into(), index);
        }
    }

    /// Takes note of texts that became longer.
    pub(super) fn grew(&mut self, by: usize) {
        self.used = self.used.saturating_add(by);
    }

    /// Returns by how many bytes texts can become longer.
    pub(super) fn room(&self) -> usize {
        MEMORY.saturating_sub(self.used)
    }

    pub(super) fn into_rows(self) -> Vec<(Box<[Slot]>, u64)> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_take_is_bounded_and_what_is_left_out_counted() {
        let mut rows = Rows::default();
        let row = vec![Slot::default(); 10];
        let mut key = vec![b'x'; 1 << 16];
        for number in 0..4000_u32 {
            key[..4].copy_from_slice(&number.to_le_bytes());
            rows.add(Some(&key), &row, number.into());
        }
        assert!(
            rows.used <= MEMORY && rows.left_out() > 900,
            "{}",
            rows.left_out()
        );
        let kept = u64::try_from(rows.rows.len()).unwrap();
        assert_eq!(kept + rows.left_out(), 4000);
        // Those that are there go on to be found.
        key[..4].copy_from_slice(&7_u32.to_le_bytes());
        assert!(rows.find(&key).is_some());
        assert!(rows.room() < 1 << 17);
    }
}
