//! Seeking events by number or by a predicate.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scap_capture_format::native::ChunkSummary;

use crate::fields::Context;
use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::SegmentReplayer;
use crate::replay::segment::Need;

/// Returns the index of the chunk with an event.
pub(super) fn chunk_of(replayer: &SegmentReplayer, num: u64) -> Option<usize> {
    let chunks = &replayer.capture().index().chunks;
    let at = chunks.partition_point(|c| c.summary.next_event().0 <= num);
    let chunk = chunks.get(at)?;
    (chunk.summary.first_event.0 <= num).then_some(at)
}

/// Calls a function with an event that is shown; `None` if there is no such event.
pub(super) fn at_event<T>(
    replayer: &mut SegmentReplayer,
    num: u64,
    stop: &AtomicBool,
    mut ask: impl FnMut(&Context<'_>) -> T,
) -> Result<Option<T>, IndexedCaptureError> {
    let capture = Arc::clone(replayer.capture());
    let Some(chunk) = chunk_of(replayer, num) else {
        return Ok(None);
    };
    let Some(segment) = capture.segment_of(chunk) else {
        return Ok(None);
    };
    let mut answer = None;
    let mut need = |place: usize| match place {
        _ if place > chunk || stop.load(Ordering::Relaxed) => Need::Stop,
        _ if place == chunk => Need::Everything,
        _ => Need::State,
    };
    let mut event = |cx: &Context<'_>, _: usize| {
        if cx.event.num.0 < num {
            return ControlFlow::Continue(());
        }
        if cx.event.num.0 == num {
            answer = Some(ask(cx));
        }
        ControlFlow::Break(())
    };
    let _end = replayer.segment(segment, &mut need, &mut event)?;
    match stop.load(Ordering::Relaxed) && answer.is_none() {
        true => Err(IndexedCaptureError::Stopped),
        false => Ok(answer),
    }
}

/// A search in a capture.
pub(super) struct Search<'s> {
    pub(super) replayer: &'s mut SegmentReplayer,
    pub(super) stop: &'s AtomicBool,
    /// Returns false if a chunk cannot have a match.
    pub(super) may: &'s dyn Fn(&ChunkSummary) -> bool,
    /// What has to be loaded of a chunk.
    pub(super) need: Need,
}

impl Search<'_> {
    /// Finds the first match after an event.
    pub(super) fn first_after(
        &mut self,
        num: u64,
        is: &mut dyn FnMut(&Context<'_>) -> bool,
    ) -> Result<Option<u64>, IndexedCaptureError> {
        let capture = Arc::clone(self.replayer.capture());
        for segment in 0..capture.segments().len() {
            if let Some(range) = self.candidates(&capture, segment, num.saturating_add(1), u64::MAX)
            {
                let mut found = None;
                self.walk(segment, range, &mut |cx| {
                    if cx.event.num.0 > num && is(cx) {
                        found = Some(cx.event.num.0);
                        return ControlFlow::Break(());
                    }
                    ControlFlow::Continue(())
                })?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// Finds the last match before an event.
    pub(super) fn last_before(
        &mut self,
        num: u64,
        is: &mut dyn FnMut(&Context<'_>) -> bool,
    ) -> Result<Option<u64>, IndexedCaptureError> {
        let capture = Arc::clone(self.replayer.capture());
        for segment in (0..capture.segments().len()).rev() {
            if let Some(range) = self.candidates(&capture, segment, 0, num) {
                let mut found = None;
                self.walk(segment, range, &mut |cx| {
                    if cx.event.num.0 >= num {
                        return ControlFlow::Break(());
                    }
                    if is(cx) {
                        found = Some(cx.event.num.0);
                    }
                    ControlFlow::Continue(())
                })?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// Returns the first and the last chunk of a segment with possible matches, among the events
    /// from `first` on and before `end`.
    fn candidates(
        &self,
        capture: &IndexedCapture,
        segment: usize,
        first: u64,
        end: u64,
    ) -> Option<(usize, usize)> {
        let chunks = capture.segments()[segment].chunks.clone();
        let mut able = chunks.filter(|place| {
            let summary = &capture.index().chunks[*place].summary;
            summary.next_event().0 > first && summary.first_event.0 < end && (self.may)(summary)
        });
        let first = able.next()?;
        Some((first, able.next_back().unwrap_or(first)))
    }

    fn walk(
        &mut self,
        segment: usize,
        (first, last): (usize, usize),
        each: &mut dyn FnMut(&Context<'_>) -> ControlFlow<()>,
    ) -> Result<(), IndexedCaptureError> {
        let capture = Arc::clone(self.replayer.capture());
        let stopped = Cell::new(false);
        let mut need = |place: usize| {
            stopped.set(self.stop.load(Ordering::Relaxed));
            if stopped.get() || place > last {
                return Need::Stop;
            }
            let able = place >= first && (self.may)(&capture.index().chunks[place].summary);
            if able { self.need } else { Need::State }
        };
        let mut event = |cx: &Context<'_>, _: usize| each(cx);
        let _end = self.replayer.segment(segment, &mut need, &mut event)?;
        match stopped.get() {
            true => Err(IndexedCaptureError::Stopped),
            false => Ok(()),
        }
    }
}
