//! Makes a large capture from a small one.
//!
//! Blocks are copied unchanged, so that the file is as its recorder wrote it; only times change.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use crate::Result;

/// Type and length before a block, length after it.
const HEAD: usize = 8;
/// Position of the time in an event's block, after the CPU and for some types the flags.
const TIME: usize = HEAD + 2;
const TIME_WITH_FLAGS: usize = TIME + 4;

/// Block types of events: with flags, without flags.
const WITH_FLAGS: [u32; 3] = [0x208, 0x217, 0x222];
const WITHOUT: [u32; 3] = [0x204, 0x216, 0x221];

/// Copies a capture, repeating its events up to the number `wanted`. Returns their number.
pub(crate) fn write(from: &Path, to: &Path, wanted: u64) -> Result<u64> {
    let mut bytes = Vec::new();
    File::open(from)?.read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut unpacked)?;
        bytes = unpacked;
    }
    let mut out = BufWriter::new(File::create(to)?);
    let mut events: Vec<(Vec<u8>, usize)> = Vec::new();
    let mut rest = &*bytes;
    while let Some((block, after)) = split(rest) {
        let kind = word(block);
        match (WITHOUT.contains(&kind), WITH_FLAGS.contains(&kind)) {
            (true, _) => events.push((block.to_vec(), TIME)),
            (_, true) => events.push((block.to_vec(), TIME_WITH_FLAGS)),
            _ => out.write_all(block)?,
        }
        rest = after;
    }
    let times = events.iter().map(|(block, at)| time(block, *at));
    // Events about the capture itself have no real times.
    let real = times.filter(|t| *t > 1 << 60);
    let (first, last) = real.fold((u64::MAX, 0), |(a, b), t| (a.min(t), b.max(t)));
    let step = last.saturating_sub(first) + 1_000_000;
    let mut written = 0;
    while written < wanted && !events.is_empty() {
        for (block, at) in &mut events {
            out.write_all(block)?;
            let later = time(block, *at) + step;
            block[*at..*at + 8].copy_from_slice(&later.to_le_bytes());
        }
        written += events.len() as u64;
    }
    out.flush()?;
    Ok(written)
}

/// Splits off the first block.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = word(bytes.get(4..)?) as usize;
    bytes.split_at_checked(len.max(HEAD + 4))
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |word| u32::from_le_bytes(*word))
}

fn time(block: &[u8], at: usize) -> u64 {
    let bytes = block.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |time| u64::from_le_bytes(*time))
}
