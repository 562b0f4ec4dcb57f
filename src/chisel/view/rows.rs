//! The rows of a table while events are added: a [`Groups`] with a memory limit.

use super::cell::Slot;
use crate::stats::groups::Groups;

/// Memory limit of the rows of a table, in bytes.
const MEMORY: usize = 128 << 20;

/// The values of a row, and the number of the event that created it.
pub(super) type Row = (Box<[Slot]>, u64);

/// Rows by key; the key is empty if every event has its own row.
pub(super) type Rows = Groups<Box<[u8]>, Row>;

/// Makes an empty table.
pub(super) fn empty() -> Rows {
    Groups::with_bytes(usize::MAX, MEMORY)
}

/// Adds a row, with a key for lookups.
pub(super) fn add(rows: &mut Rows, key: Option<&[u8]>, row: &[Slot], event: u64) {
    let texts: usize = row.iter().map(|slot| slot.cell.text_len()).sum();
    // Size of the key in the index, whose load factor is above one half.
    let key_len = key.map_or(0, |key| key.len() + 2 * size_of::<(Box<[u8]>, u32)>());
    let bytes = key_len + texts + size_of_val(row) + size_of::<Row>();
    if bytes > rows.room() {
        // A row beyond the limit is not copied.
        return rows.omit();
    }
    let value = (row.into(), event);
    let _place = match key {
        Some(key) => rows.replace(key.into(), value, bytes),
        None => rows.push(Box::default(), value, bytes),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_take_is_bounded_and_what_is_left_out_counted() {
        let mut rows = empty();
        let row = vec![Slot::default(); 10];
        let mut key = vec![b'x'; 1 << 16];
        for number in 0..4000_u32 {
            key[..4].copy_from_slice(&number.to_le_bytes());
            add(&mut rows, Some(&key), &row, number.into());
        }
        assert!(rows.omitted() > 900, "{}", rows.omitted());
        assert_eq!(rows.len() as u64 + rows.omitted(), 4000);
        // Existing rows are still found.
        key[..4].copy_from_slice(&7_u32.to_le_bytes());
        assert!(rows.find(&*key, |k| **k == *key).is_some());
        assert!(rows.room() < 1 << 17);
    }
}
