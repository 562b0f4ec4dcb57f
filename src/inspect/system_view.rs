//! The state of the machine at a time: `ps`, `pstree`, `lsof` and `netstat` of the past.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use scap_capture_format::schema::types;

use super::system_tables::{Chosen, SystemView, system_table};
use crate::fields::Context;
use crate::replay::segment::Need;
use crate::replay::{CallsInProgress, IndexedCaptureError, SegmentReplayer, calls_in_progress};
use crate::stats::table::Table;

/// Returns the state of the machine after the last event at or before a time. Processes that have ended are not listed.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn system_view(
    replayer: &mut SegmentReplayer,
    time: u64,
    what: SystemView,
    stop: &AtomicBool,
) -> Result<Table, IndexedCaptureError> {
    go_to(replayer, time, stop)?;
    let calls = match what {
        SystemView::Threads => {
            let is_stopped = || stop.load(Ordering::Relaxed);
            calls_in_progress(replayer.capture(), replayer.origins(), time, &is_stopped)?
        }
        _ => CallsInProgress::default(),
    };
    Ok(system_table(
        replayer.origins(),
        what,
        &calls,
        &mut Chosen::default(),
    ))
}

/// Moves the replayer's state to the last event at or before a time.
fn go_to(
    replayer: &mut SegmentReplayer,
    time: u64,
    stop: &AtomicBool,
) -> Result<(), IndexedCaptureError> {
    let chunks = &replayer.capture().index().chunks;
    // Before the first event there is only the first snapshot.
    let last = chunks
        .iter()
        .rposition(|chunk| chunk.summary.min_time.0 <= time);
    let mut chunk = last.unwrap_or(0);
    let mut until = None;
    // Kubernetes audit events can be stored some seconds after those of the machine at their time: a chunk that begins with one
    // need not have others from then.
    for place in (0..=chunk).rev().filter(|_| last.is_some()) {
        chunk = place;
        replayer.columns(place, &mut |event| {
            let is_of_machine = event.ty != types::PLUGINEVENT_E;
            if is_of_machine && event.ts.known().is_none_or(|ts| ts <= time) {
                until = Some(event.num.0);
            }
        })?;
        if until.is_some() || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let Some(segment) = replayer.capture().segment_of(chunk) else {
        return Ok(());
    };
    let mut need = |place: usize| match until {
        _ if stop.load(Ordering::Relaxed) => Need::Stop,
        Some(_) if place == chunk => Need::Events,
        _ if place < chunk => Need::State,
        _ => Need::Stop,
    };
    let mut event = |cx: &Context<'_>, _: usize| match until {
        Some(until) if cx.event.num.0 < until => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let _end = replayer.segment(segment, &mut need, &mut event)?;
    if stop.load(Ordering::Relaxed) {
        return Err(IndexedCaptureError::Stopped);
    }
    replayer.settle();
    Ok(())
}
