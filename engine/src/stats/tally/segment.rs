//! Counts the events of a segment.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Tally;
use super::counter::Counter;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::Segment;
use crate::replay::matcher::Matcher;
use crate::replay::segment::Need;
use crate::replay::{IndexedCapture, SegmentReplayer};

/// Counts the events of a segment that are in a scope. An invalid filter matches nothing.
///
/// # Errors
///
/// [`IndexedCaptureError::Stopped`] once `stop` is set, or if the file cannot be read.
pub fn tally_segment(
    replayer: &mut SegmentReplayer,
    segment: usize,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<Tally, IndexedCaptureError> {
    let capture = Arc::clone(replayer.capture());
    let within = |s: &Segment| s.span.intersection(scope.span);
    let Some((part, span)) = capture
        .segments()
        .get(segment)
        .and_then(|s| Some((s, within(s)?)))
    else {
        return Ok(Tally::default());
    };
    let mut matcher = Matcher::new(scope);
    let wanted = wanted(&capture, part, &matcher);
    let first = part.chunks.start;
    let mut matches = vec![0_u32; part.chunks.len()];
    let mut counter = Counter::new(span);
    if wanted.iter().any(|need| *need == matcher.need()) {
        let is_stopped = || stop.load(Ordering::Relaxed);
        let mut need = |chunk: usize| match wanted.get(chunk.wrapping_sub(first)) {
            Some(need) if !is_stopped() => *need,
            _ => Need::Stop,
        };
        let _ended = replayer.segment(segment, &mut need, &mut |cx, chunk| {
            if matcher.matches(cx) {
                counter.event(cx);
                if let Some(count) = matches.get_mut(chunk.wrapping_sub(first)) {
                    *count = count.saturating_add(1);
                }
            }
            ControlFlow::Continue(())
        })?;
        if is_stopped() {
            return Err(IndexedCaptureError::Stopped);
        }
    }
    let mut tally = counter.finish();
    let chunks = (first..).zip(matches);
    tally.matches = chunks
        .filter_map(|(chunk, count)| Some((u32::try_from(chunk).ok()?, count)))
        .collect();
    Ok(tally)
}

/// Counts all events of a scope.
///
/// # Errors
///
/// As [`tally_segment`].
pub fn tally(
    replayer: &mut SegmentReplayer,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<Tally, IndexedCaptureError> {
    let mut all = Tally::over(scope.span);
    for segment in 0..replayer.capture().segments().len() {
        all.add(&tally_segment(replayer, segment, scope, stop)?);
    }
    Ok(all)
}

/// Returns what has to be loaded of each chunk of a segment.
fn wanted(capture: &IndexedCapture, segment: &Segment, matcher: &Matcher) -> Vec<Need> {
    let chunks = capture.index().chunks.get(segment.chunks.clone());
    // Times can run back slightly between chunks: whether a chunk is the last one depends on all
    // later ones.
    let mut later = false;
    let mut needs = Vec::with_capacity(segment.chunks.len());
    for chunk in chunks.unwrap_or_default().iter().rev() {
        let need = match matcher.may_match(&chunk.summary) {
            true => matcher.need(),
            false if later => Need::State,
            false => Need::Stop,
        };
        later |= need != Need::Stop;
        needs.push(need);
    }
    needs.reverse();
    needs
}
