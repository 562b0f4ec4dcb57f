//! Counts the records of a `perf.data` file: samples and losses.

use std::{fs::File, path::Path};

use memmap2::Mmap;

use crate::Result;

/// The contents of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Events.
    pub(crate) samples: u64,
    /// Events that the kernel could not pass to perf.
    pub(crate) lost: u64,
}

/// `PERF_RECORD_LOST`: id, number.
const LOST: u32 = 2;
/// `PERF_RECORD_SAMPLE`.
const SAMPLE: u32 = 9;
/// `PERF_RECORD_LOST_SAMPLES`: number.
const LOST_SAMPLES: u32 = 13;

/// Walks the data section.
pub(crate) fn count(path: &Path) -> Result<Counts> {
    let file = File::open(path)?;
    #[expect(unsafe_code, reason = "the file is too large to be read")]
    // SAFETY: perf has ended; no other process writes this file, which is in a private directory.
    let bytes = unsafe { Mmap::map(&file) }?;
    walk(&bytes).ok_or_else(|| "not a perf.data file".into())
}

fn walk(bytes: &[u8]) -> Option<Counts> {
    if bytes.get(..8)? != b"PERFILE2" {
        return None;
    }
    // After magic, header size and attribute size: the sections of attributes and of data.
    let (start, len) = (word(bytes, 40)? as usize, word(bytes, 48)? as usize);
    let data = bytes.get(start..start.checked_add(len)?)?;
    let mut counts = Counts::default();
    let mut lost_samples = 0;
    let mut at = 0;
    while let Some(head) = data.get(at..at + 8) {
        let kind = u32::from_le_bytes(head[..4].try_into().ok()?);
        let size = usize::from(u16::from_le_bytes(head[6..8].try_into().ok()?));
        match kind {
            SAMPLE => counts.samples += 1,
            LOST => counts.lost += word(data, at + 16)?,
            LOST_SAMPLES => lost_samples += word(data, at + 8)?,
            _ => {}
        }
        if size < 8 {
            return None;
        }
        at += size;
    }
    // Newer kernels report the same loss again, as a total.
    counts.lost = counts.lost.max(lost_samples);
    Some(counts)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
