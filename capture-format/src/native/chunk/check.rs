//! Compares a decoded chunk with what its head says of it.
//!
//! The head is a hint, by which readers skip chunks and draw timelines without decoding anything. Whoever wrote the file can
//! have made it say anything, so every reader that decodes all rows of a chunk compares the two at the end of it.
//! The lanes and latencies of the summary are only bounded: lanes depend on the version of the program that
//! assigned them.

use super::head::{Head, ThreadSet};
use super::rows::{Columns, Seen, Tables, TypeCursor};
use super::{COLUMNS, ChunkSummary, FrameSizes, PARAMS};
use crate::event::{EventFlags, Timestamp};
use crate::schema::types;

/// Fails if columns, or streams that were loaded, have bytes after the last row.
pub(super) fn left_over(
    columns: &Columns<'_>,
    types: &[TypeCursor<'_>],
) -> Result<(), &'static str> {
    let Columns {
        kind,
        thread,
        cpu,
        time_low,
        time_high,
        latency_low,
        latency_high,
        io_data,
    } = columns;
    let columns = [
        kind,
        thread,
        cpu,
        time_low,
        time_high,
        latency_low,
        latency_high,
    ];
    if columns.iter().any(|rest| !rest.is_empty()) {
        return Err("the columns have more rows than the chunk");
    }
    if types.iter().any(|t| t.loaded && !t.params.is_empty()) {
        return Err("parameters are left over");
    }
    if io_data.is_some_and(|rest| !rest.is_empty()) {
        return Err("I/O data is left over");
    }
    Ok(())
}

/// Returns a summary of the rows that were decoded. What cannot be known from them, or not by this crate, is as `claimed`,
/// except for the activity, which is left out.
pub(super) fn summary(
    claimed: &ChunkSummary,
    tables: &Tables<'_>,
    cursors: &[TypeCursor<'_>],
    seen: &Seen,
) -> ChunkSummary {
    let mut by_type = vec![0u32; cursors.len()];
    let (mut events, mut hidden) = (0u32, 0u32);
    for kind in tables.kinds.iter() {
        if let Some(count) = by_type.get_mut(kind.cursor) {
            *count = count.saturating_add(kind.rows);
        }
        events = events.saturating_add(kind.rows);
        if kind.flags.contains(EventFlags::HIDDEN) {
            hidden = hidden.saturating_add(kind.rows);
        }
    }
    let has_time = seen.min_time <= seen.max_time;
    let types = cursors.iter().map(|c| c.ty).zip(by_type);
    ChunkSummary {
        min_time: Timestamp(if has_time { seen.min_time } else { 0 }),
        max_time: Timestamp(seen.max_time),
        first_event: claimed.first_event,
        events,
        types: types.filter(|(_, count)| *count > 0).collect(),
        threads: ThreadSet::from_threads(tables.threads),
        containers: claimed.containers.clone(),
        failed: claimed.failed.min(events),
        hidden,
        lost: claimed.lost,
        sizes: claimed.sizes,
        extra: Vec::new(),
    }
}

/// Fails if a head is not that of the rows, as far as they were loaded.
pub(super) fn head(
    head: &Head,
    tables: &Tables<'_>,
    cursors: &[TypeCursor<'_>],
    seen: &Seen,
) -> Result<(), &'static str> {
    let claimed = &head.summary;
    let rows = summary(claimed, tables, cursors, seen);
    if (claimed.min_time, claimed.max_time) != (rows.min_time, rows.max_time) {
        return Err("a chunk's summary has other times than its events");
    }
    if claimed.types != rows.types {
        return Err("a chunk's summary has other types than its events");
    }
    if claimed.hidden != rows.hidden {
        return Err("a chunk's summary has other hidden events than its rows");
    }
    if !claimed.threads.is_of(tables.threads) {
        return Err("a chunk's summary has other threads than its events");
    }
    if claimed.failed > rows.events || !activity_fits(claimed, cursors, seen) {
        return Err("a chunk's summary counts more than its events");
    }
    if claimed.sizes != sizes(head) {
        return Err("a chunk's summary has other sizes than its frames");
    }
    Ok(())
}

/// Whether the activity counts can be those of the events.
fn activity_fits(summary: &ChunkSummary, cursors: &[TypeCursor<'_>], seen: &Seen) -> bool {
    let Some(activity) = summary.activity() else {
        return true;
    };
    let shown = summary.events.saturating_sub(summary.hidden);
    let calls = activity.latencies.iter().copied().map(u64::from);
    let is_loaded = |c: &TypeCursor<'_>| c.ty != types::GENERIC_X || c.loaded;
    activity.lanes.iter().all(|count| *count <= shown)
        && calls.sum::<u64>() <= u64::from(shown)
        && (!cursors.iter().all(is_loaded) || activity.untyped.fits(&seen.untyped))
}

/// Returns the sizes of the frames, each of which has streams of one class.
fn sizes(head: &Head) -> FrameSizes {
    let mut sizes = FrameSizes::default();
    let mut streams = head.streams.iter().peekable();
    for (index, frame) in head.frames.iter().enumerate() {
        let mut class = None;
        while let Some(stream) = streams.next_if(|s| s.frame as usize == index) {
            class = class.or(Some(stream.class));
        }
        let (stored, raw) = match class {
            None => continue,
            Some(COLUMNS) => (&mut sizes.columns, &mut sizes.columns_raw),
            Some(PARAMS) => (&mut sizes.params, &mut sizes.params_raw),
            Some(_) => (&mut sizes.io_data, &mut sizes.io_data_raw),
        };
        *stored = stored.saturating_add(frame.stored_len);
        *raw = raw.saturating_add(frame.raw_len);
    }
    sizes
}
