//! The counting of a segment's events.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scap_capture_format::native::ChunkSummary;

use super::super::library::{Library, Need, Walker};
use super::super::{AnalysisError, Scope, Segment};
use super::Tally;
use super::counter::Counter;
use crate::event::{Pid, Tid};
use crate::filter::{Filter, Reach};

/// Counts the events of a segment that are in a scope. A filter of the scope that is none matches nothing.
///
/// # Errors
///
/// [`AnalysisError::Stopped`] once `stop` is set, or if the file cannot be read.
pub fn tally_segment(
    walker: &mut Walker,
    segment: usize,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<Tally, AnalysisError> {
    let library = Arc::clone(walker.library());
    let within = |s: &Segment| s.span.intersection(scope.span);
    let Some((part, span)) = library
        .segments()
        .get(segment)
        .and_then(|s| Some((s, within(s)?)))
    else {
        return Ok(Tally::default());
    };
    let mut filter = match &*scope.filter {
        "" => None,
        text => match Filter::parse(text) {
            Ok(filter) => Some(filter),
            Err(_) => return Ok(Tally::over(span)),
        },
    };
    let wanted = wanted(&library, part, scope, filter.as_ref());
    let first = part.chunks.start;
    let mut matches = vec![0_u32; part.chunks.len()];
    let mut counter = Counter::new(span);
    if wanted
        .iter()
        .any(|need| *need == Need::Events || *need == Need::Everything)
    {
        let is_stopped = || stop.load(Ordering::Relaxed);
        let mut need = |chunk: usize| match wanted.get(chunk.wrapping_sub(first)) {
            Some(need) if !is_stopped() => *need,
            _ => Need::Stop,
        };
        let _ended = walker.segment(segment, &mut need, &mut |cx, chunk| {
            let is_in = scope.span.contains(cx.event.ts.0)
                && filter.as_mut().is_none_or(|filter| filter.matches(cx));
            if is_in {
                counter.event(cx);
                if let Some(count) = matches.get_mut(chunk.wrapping_sub(first)) {
                    *count = count.saturating_add(1);
                }
            }
            ControlFlow::Continue(())
        })?;
        if is_stopped() {
            return Err(AnalysisError::Stopped);
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
    walker: &mut Walker,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<Tally, AnalysisError> {
    let mut all = Tally::over(scope.span);
    for segment in 0..walker.library().segments().len() {
        all.add(&tally_segment(walker, segment, scope, stop)?);
    }
    Ok(all)
}

/// Says what of each chunk of a segment is to be looked at.
fn wanted(
    library: &Library,
    segment: &Segment,
    scope: &Scope,
    filter: Option<&Filter>,
) -> Vec<Need> {
    let chunks = library.index().chunks.get(segment.chunks.clone());
    let chunks = chunks.unwrap_or_default();
    let events = match filter {
        Some(filter) if filter.asks_for_data() => Need::Everything,
        _ => Need::Events,
    };
    // Times run back a little between chunks: what is needed last is decided by all that follow.
    let mut later = false;
    let mut needs = Vec::with_capacity(chunks.len());
    for chunk in chunks.iter().rev() {
        let summary = &chunk.summary;
        let before = summary.max_time.0 < scope.span.from;
        let after = summary.min_time.0 > scope.span.to;
        let can_match = filter.is_none_or(|f| can_match(f.reach(), summary));
        let need = match before || after || !can_match {
            false => events,
            true if later => Need::State,
            true => Need::Stop,
        };
        later |= need != Need::Stop;
        needs.push(need);
    }
    needs.reverse();
    needs
}

/// Whether a chunk can have events that a filter matches.
fn can_match(reach: &Reach, summary: &ChunkSummary) -> bool {
    if reach.depends_on_all.is_some() {
        return true;
    }
    let (first, last) = reach.times;
    let any = |ids: &Option<Vec<i64>>, has: &dyn Fn(i64) -> bool| {
        ids.as_ref().is_none_or(|ids| ids.iter().any(|id| has(*id)))
    };
    summary
        .types
        .iter()
        .any(|(ty, _)| reach.types.contains(*ty))
        && first.is_none_or(|first| summary.max_time.0 >= first)
        && last.is_none_or(|last| summary.min_time.0 <= last)
        && any(&reach.tids, &|tid| {
            summary.threads.may_contain_tid(Tid(tid))
        })
        && any(&reach.pids, &|pid| {
            // Whose process its recorder did not know can be of any.
            [pid, -1]
                .map(Pid)
                .iter()
                .any(|pid| summary.threads.may_contain_pid(*pid))
        })
}
