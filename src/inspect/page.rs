//! Pages of the event list.
//!
//! The list of a scope can have any length. [`Places`] has the number of its events in each chunk,
//! as far as known from the index or from earlier replays. A page is located by these counts, so
//! that only the segments with its lines are replayed. Unknown counts before the page are
//! determined by replaying.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use super::line::{Line, Tone, write_line};
use crate::fields::Context;
use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::SegmentReplayer;
use crate::replay::matcher::Matcher;
use crate::replay::segment::Need;

/// The position of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// An index in the list of the scope's events, starting at 0.
    Index(u64),
    /// An event, or the first one after it.
    Event(u64),
    /// The first event at or after a time.
    Time(u64),
}

/// Consecutive lines of the event list of a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The index of the first line in the list, starting at 0.
    pub first: u64,
    /// The lines.
    pub lines: Vec<Line>,
    /// The index of the requested line; past the end if there is none.
    pub wanted: usize,
}

/// The number of a scope's events in each chunk, as far as known.
#[derive(Clone, Debug, Default)]
pub struct Places {
    counts: Vec<Option<u32>>,
}

impl Places {
    /// Takes the counts that the index alone determines.
    pub fn of(capture: &IndexedCapture, scope: &Scope) -> Self {
        let matcher = Matcher::new(scope);
        let chunks = capture.index().chunks.iter();
        Self {
            counts: chunks.map(|chunk| matcher.count(&chunk.summary)).collect(),
        }
    }

    /// Adds counts, by the chunk's position in the index.
    pub fn learn(&mut self, matches: &BTreeMap<u32, u32>) {
        for (chunk, count) in matches {
            self.set(usize::try_from(*chunk).unwrap_or(usize::MAX), *count);
        }
    }

    /// Returns the number of known events, and whether all chunks are known.
    pub fn total(&self) -> (u64, bool) {
        self.before(self.counts.len())
    }

    /// Returns the number of known events in the chunks before a chunk, and whether all of these
    /// are known.
    pub fn before(&self, chunk: usize) -> (u64, bool) {
        let counts = self.counts.get(..chunk).unwrap_or(&self.counts);
        let known = counts.iter().flatten().map(|count| u64::from(*count));
        (known.sum(), counts.iter().all(Option::is_some))
    }

    /// Returns the number of events of a chunk, if known.
    pub fn of_chunk(&self, chunk: usize) -> Option<u32> {
        self.counts.get(chunk).copied().flatten()
    }

    fn set(&mut self, chunk: usize, count: u32) {
        if let Some(place) = self.counts.get_mut(chunk) {
            *place = Some(count);
        }
    }

    fn is_empty_at(&self, chunk: usize) -> bool {
        self.of_chunk(chunk) == Some(0)
    }
}

/// A position in the list: this many events of the list after the start of a chunk, possibly beyond
/// the chunk's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    chunk: usize,
    skip: u64,
}

/// Returns up to `len` lines of the scope's events, with up to `before` of them before `at`.
///
/// Counts found on the way are added to `places`. [`Page::first`] and indices are based on the
/// known counts: if the count of a chunk before the page is unknown, they are too small, and the
/// same line gets another index once it is known.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn page(
    replayer: &mut SegmentReplayer,
    scope: &Scope,
    places: &mut Places,
    at: At,
    before: u32,
    len: u32,
    stop: &AtomicBool,
) -> Result<Page, IndexedCaptureError> {
    let mut pager = Pager {
        matcher: Matcher::new(scope),
        replayer,
        places,
        stop,
    };
    let (start, wanted) = match at {
        At::Index(index) => {
            let back = u64::from(before).min(index);
            match pager.at_index(index - back) {
                end if end.chunk == pager.chunks() => pager.back(end, u64::from(before))?,
                spot => (spot, back),
            }
        }
        At::Event(num) => {
            let chunks = &pager.replayer.capture().index().chunks;
            let chunk = chunks.partition_point(|c| c.summary.next_event().0 <= num);
            let spot = pager.in_chunk(chunk, &|n, _| n >= num)?;
            pager.back(spot, u64::from(before))?
        }
        At::Time(time) => {
            let chunks = &pager.replayer.capture().index().chunks;
            // Chunks can overlap slightly: the first chunk that reaches the time, whatever the
            // order of their ends.
            let chunk = chunks.iter().position(|c| c.summary.max_time.0 >= time);
            let spot = pager.in_chunk(chunk.unwrap_or(chunks.len()), &|_, ts| ts >= time)?;
            pager.back(spot, u64::from(before))?
        }
    };
    let first = pager.places.before(start.chunk).0 + start.skip;
    Ok(Page {
        first,
        lines: pager.lines(start, usize::try_from(len).unwrap_or(usize::MAX))?,
        wanted: usize::try_from(wanted).unwrap_or(usize::MAX),
    })
}

struct Pager<'p> {
    replayer: &'p mut SegmentReplayer,
    matcher: Matcher,
    places: &'p mut Places,
    stop: &'p AtomicBool,
}

impl Pager<'_> {
    fn chunks(&self) -> usize {
        self.places.counts.len()
    }

    /// Locates an index: in its chunk, or in the first chunk without a count.
    fn at_index(&self, index: u64) -> Spot {
        let mut spot = Spot {
            chunk: 0,
            skip: index,
        };
        for (chunk, count) in self.places.counts.iter().enumerate() {
            match count {
                Some(count) if u64::from(*count) <= spot.skip => spot.skip -= u64::from(*count),
                _ => return Spot { chunk, ..spot },
            }
            spot.chunk = chunk + 1;
        }
        Spot { skip: 0, ..spot }
    }

    /// Locates the first event in a chunk for which `is` is true, by number and time; otherwise the
    /// end of the chunk.
    fn in_chunk(
        &mut self,
        chunk: usize,
        is: &dyn Fn(u64, u64) -> bool,
    ) -> Result<Spot, IndexedCaptureError> {
        let mut spot = Spot { chunk, skip: 0 };
        if chunk >= self.chunks() || self.places.is_empty_at(chunk) {
            return Ok(spot);
        }
        let mut found = false;
        let mut count = |num, ts| {
            found |= is(num, ts);
            spot.skip += u64::from(!found);
        };
        if self.matcher.has_filter() {
            self.walk(chunk, &mut |cx, place| {
                if place == chunk {
                    count(cx.event.num.0, cx.event.ts.0);
                }
            })?;
        } else {
            let matcher = &self.matcher;
            let mut all = 0;
            self.replayer.columns(chunk, &mut |event| {
                if matcher.spans(event.ts) {
                    all += 1;
                    count(event.num.0, event.ts.0);
                }
            })?;
            self.places.set(chunk, all);
        }
        Ok(spot)
    }

    /// Replays the segment of a chunk up to the chunk, and passes on the listed events of this
    /// chunk and of chunks without a count, which then have one.
    fn walk(
        &mut self,
        chunk: usize,
        each: &mut dyn FnMut(&Context<'_>, usize),
    ) -> Result<(), IndexedCaptureError> {
        let capture = Arc::clone(self.replayer.capture());
        let Some(segment) = capture.segment_of(chunk) else {
            return Ok(());
        };
        let counts = RefCell::new(BTreeMap::new());
        let wanted = self.matcher.need();
        let (stop, places, matcher) = (self.stop, &*self.places, &mut self.matcher);
        let mut need = |place: usize| {
            if place > chunk || stop.load(Ordering::Relaxed) {
                return Need::Stop;
            }
            if places.of_chunk(place).is_some() && place != chunk {
                return Need::State;
            }
            counts.borrow_mut().insert(place, 0);
            wanted
        };
        let mut event = |cx: &Context<'_>, place: usize| {
            if matcher.matches(cx) {
                *counts.borrow_mut().entry(place).or_insert(0_u32) += 1;
                each(cx, place);
            }
            ControlFlow::Continue(())
        };
        let _end = self.replayer.segment(segment, &mut need, &mut event)?;
        self.check()?;
        for (place, count) in counts.into_inner() {
            self.places.set(place, count);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), IndexedCaptureError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(IndexedCaptureError::Stopped),
            false => Ok(()),
        }
    }

    /// Moves back by this many events, and returns how many there were.
    fn back(&mut self, mut spot: Spot, steps: u64) -> Result<(Spot, u64), IndexedCaptureError> {
        let mut left = steps;
        while left > spot.skip && spot.chunk > 0 {
            left -= spot.skip;
            let chunk = spot.chunk - 1;
            let count = match self.places.of_chunk(chunk) {
                Some(count) => u64::from(count),
                None => self.in_chunk(chunk, &|_, _| false)?.skip,
            };
            self.check()?;
            spot = Spot { chunk, skip: count };
        }
        let back = left.min(spot.skip);
        spot.skip -= back;
        Ok((spot, steps - (left - back)))
    }

    /// Returns lines from a position on.
    fn lines(&mut self, start: Spot, len: usize) -> Result<Vec<Line>, IndexedCaptureError> {
        let capture = Arc::clone(self.replayer.capture());
        let mut lines = Vec::new();
        let mut skip = start.skip;
        let mut from = start.chunk;
        while lines.len() < len {
            // Chunks without matches need not be read, unless a later chunk of their segment is
            // needed.
            from += (from..self.chunks())
                .take_while(|place| self.places.is_empty_at(*place))
                .count();
            let Some(segment) = capture.segment_of(from) else {
                break;
            };
            let end = capture.segments()[segment].chunks.end;
            self.lines_of(segment, from..end, &mut skip, len, &mut lines)?;
            from = end;
        }
        Ok(lines)
    }

    /// Appends the lines of some chunks of a segment, without the first `skip`.
    fn lines_of(
        &mut self,
        segment: usize,
        chunks: Range<usize>,
        skip: &mut u64,
        len: usize,
        lines: &mut Vec<Line>,
    ) -> Result<(), IndexedCaptureError> {
        let (stop, places, matcher) = (self.stop, &*self.places, &mut self.matcher);
        let counts = RefCell::new(BTreeMap::new());
        let to_skip = Cell::new(*skip);
        let done = Cell::new(false);
        let mut need = |place: usize| {
            let rest = place..chunks.end;
            if done.get()
                || stop.load(Ordering::Relaxed)
                || rest.clone().all(|p| places.is_empty_at(p))
            {
                return Need::Stop;
            }
            let known = places.of_chunk(place).map(u64::from);
            match known {
                _ if place < chunks.start => Need::State,
                Some(count) if count <= to_skip.get() => {
                    to_skip.set(to_skip.get() - count);
                    Need::State
                }
                _ => {
                    counts.borrow_mut().insert(place, 0);
                    Need::Everything
                }
            }
        };
        let mut event = |cx: &Context<'_>, place: usize| {
            if !matcher.matches(cx) {
                return ControlFlow::Continue(());
            }
            *counts.borrow_mut().entry(place).or_insert(0_u32) += 1;
            if to_skip.get() > 0 {
                to_skip.set(to_skip.get() - 1);
                return ControlFlow::Continue(());
            }
            lines.push(write_line(cx));
            if lines.len() < len {
                return ControlFlow::Continue(());
            }
            done.set(true);
            // The count of the chunk is not known yet.
            counts.borrow_mut().remove(&place);
            ControlFlow::Break(())
        };
        let _end = self.replayer.segment(segment, &mut need, &mut event)?;
        self.check()?;
        *skip = to_skip.get();
        for (place, count) in counts.into_inner() {
            self.places.set(place, count);
        }
        Ok(())
    }
}
