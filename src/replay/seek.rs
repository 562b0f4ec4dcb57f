//! Where to begin reading a capture of which only a later part is wanted.

use std::io::{Read, Seek};

use scap_capture_format::event::EventNum;
use scap_capture_format::native::{ChunkDecoder, IndexedReader, Load};

use crate::filter::When;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Offset of a snapshot; all events from there on are to be read.
    pub offset: u64,
    /// The time of the capture's first event, which will not be seen.
    pub first_time: u64,
}

/// Finds the last snapshot before which there is no event of a window that begins at `from`.
///
/// `None`: reading has to begin at the front, since the file has no index or no such snapshot, or begins
/// in a way that only reading it can tell.
pub fn start(input: impl Read + Seek, from: When) -> Option<Start> {
    let mut reader = IndexedReader::open(input).ok()?;
    if reader.is_rebuilt() || !reader.damages().is_empty() {
        return None;
    }
    let (first_event, first_time) = first_event(&mut reader)?;
    let wanted = |number: u64, latest: u64| match from {
        When::Event(from) => number <= from,
        time => time.time(first_time).is_some_and(|from| latest < from),
    };
    let index = reader.index();
    let mut chunks = index.chunks.iter().peekable();
    // The latest time so far: chunks can overlap a little.
    let mut latest = 0;
    let mut found = None;
    for snapshot in &index.snapshots {
        while let Some(chunk) = chunks.next_if(|c| c.offset < snapshot.offset) {
            latest = latest.max(chunk.summary.max_time.0);
        }
        if !wanted(snapshot.next_event.0, latest) {
            break;
        }
        // Events before the first one that counts are shown as such: they have to be seen.
        if snapshot.next_event > first_event {
            found = Some(snapshot.offset);
        }
    }
    found.map(|offset| Start { offset, first_time })
}

/// Returns number and time of the first event that is not about the capture itself.
pub fn first_event(reader: &mut IndexedReader<impl Read + Seek>) -> Option<(EventNum, u64)> {
    let mut decoder = ChunkDecoder::new();
    for index in 0..reader.index().chunks.len() {
        let chunk = reader.chunk(index).ok()?;
        let mut rows = chunk.decode(&mut decoder, Load::COLUMNS).ok()?;
        while let Some(event) = rows.next().ok()? {
            if !super::is_about_capture(&event) {
                return Some((event.num, event.ts.0));
            }
        }
    }
    None
}
