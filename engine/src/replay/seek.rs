//! Finds where to start reading for a later part of a capture.

use std::io::{Read, Seek};

use scap_capture_format::event::EventNum;
use scap_capture_format::native::{ChunkDecoder, IndexedReader, Load};

use crate::filter::When;

/// How many bytes of skipped chunks are decoded to compare them with their heads: some tenths of a second.
const VERIFIED_BYTES: u64 = 128 << 20;

/// A position to start reading at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Offset of a snapshot; all events after it have to be read.
    pub offset: u64,
    /// The time of the capture's first event, which is skipped.
    pub first_time: u64,
}

/// Finds the last snapshot that has no event of a window starting at `from` before it.
///
/// `None`: reading has to start at the beginning, since the file has no index or no such snapshot,
/// or since the position can only be found by reading.
pub fn start(input: impl Read + Seek, from: When) -> Option<Start> {
    let mut reader = IndexedReader::open(input).ok()?;
    if !reader.is_complete() || !reader.damages().is_empty() {
        return None;
    }
    let (first_event, first_time) = first_event(&mut reader)?;
    let wanted = |number: u64, latest: u64| match from {
        When::Event(from) => number <= from,
        time => time.time(first_time).is_some_and(|from| latest < from),
    };
    let index = reader.index();
    let mut chunks = index.chunks.iter().peekable();
    // The latest time so far: chunks can overlap slightly.
    let mut latest = 0;
    let mut found = None;
    for snapshot in &index.snapshots {
        while let Some(chunk) = chunks.next_if(|c| c.offset < snapshot.offset) {
            latest = latest.max(chunk.summary.max_time.0);
        }
        if !wanted(snapshot.next_event.0, latest) {
            break;
        }
        // Events that describe the capture itself come first and are shown, so they are read.
        if snapshot.next_event > first_event {
            found = Some(snapshot.offset);
        }
    }
    let offset = found?;
    are_as_claimed(&mut reader, offset).then_some(Start { offset, first_time })
}

/// Returns false if the heads of the chunks before `end` are found to be wrong: they can hide events of the window. Only so much
/// is decoded as takes no time that a user notices; beyond that the heads are trusted, and `scap info`
/// verifies them.
fn are_as_claimed(reader: &mut IndexedReader<impl Read + Seek>, end: u64) -> bool {
    let mut decoder = ChunkDecoder::new();
    let mut left = VERIFIED_BYTES;
    for place in 0..reader.index().chunks.len() {
        let entry = reader.index().chunks.get(place);
        let Some(entry) = entry.filter(|chunk| chunk.offset < end) else {
            return true;
        };
        let Some(rest) = left.checked_sub(entry.body_len) else {
            return true;
        };
        left = rest;
        let Ok(chunk) = reader.chunk(place) else {
            return false;
        };
        let Ok(mut rows) = chunk.decode(&mut decoder, Load::COLUMNS) else {
            return false;
        };
        loop {
            match rows.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return false,
            }
        }
    }
    true
}

/// Returns number and time of the first readable event that does not describe the capture itself.
pub fn first_event(reader: &mut IndexedReader<impl Read + Seek>) -> Option<(EventNum, u64)> {
    let mut decoder = ChunkDecoder::new();
    for index in 0..reader.index().chunks.len() {
        let Ok(chunk) = reader.chunk(index) else {
            continue;
        };
        let Ok(mut rows) = chunk.decode(&mut decoder, Load::COLUMNS) else {
            continue;
        };
        while let Ok(Some(event)) = rows.next() {
            if let Some(time) = event.ts.known()
                && !super::is_about_capture(&event)
            {
                return Some((event.num, time));
            }
        }
    }
    None
}
