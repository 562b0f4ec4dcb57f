//! Lines of the event list.
//!
//! The list of a scope can be of any length. [`Places`] knows how many of its events each chunk has, as far as
//! the index or an earlier walk tells; a page is found with it, and walks over no more than the segments
//! that hold its lines. Where the counts are not known, it walks until they are.

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

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At a place in the list of the scope's events, from 0 on.
    Index(u64),
    /// At an event, or the first one after it.
    Event(u64),
    /// At the first event not before a time.
    Time(u64),
}

/// Lines that follow each other in the list of a scope's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The place of the first one in the list, from 0 on.
    pub first: u64,
    /// The lines.
    pub lines: Vec<Line>,
    /// Which of the lines was asked for; past the end if there is none.
    pub wanted: usize,
}

/// How many of a scope's events each chunk has, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Places {
    counts: Vec<Option<u32>>,
}

impl Places {
    /// Finds what the index alone tells.
    pub fn of(library: &IndexedCapture, scope: &Scope) -> Self {
        let matcher = Matcher::new(scope);
        let chunks = library.index().chunks.iter();
        Self {
            counts: chunks.map(|chunk| matcher.count(&chunk.summary)).collect(),
        }
    }

    /// Takes what was counted, by the chunk's place in the index.
    pub fn learn(&mut self, matches: &BTreeMap<u32, u32>) {
        for (chunk, count) in matches {
            self.set(usize::try_from(*chunk).unwrap_or(usize::MAX), *count);
        }
    }

    /// Returns how many events are known, and whether these are all.
    pub fn total(&self) -> (u64, bool) {
        self.before(self.counts.len())
    }

    /// Returns how many events of the chunks before one are known, and whether these are all.
    pub fn before(&self, chunk: usize) -> (u64, bool) {
        let counts = self.counts.get(..chunk).unwrap_or(&self.counts);
        let known = counts.iter().flatten().map(|count| u64::from(*count));
        (known.sum(), counts.iter().all(Option::is_some))
    }

    /// Returns how many events a chunk has, if that is known.
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

/// A place in the list: after so many events of it, counted from a chunk's first on. They can be more than
/// the chunk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    chunk: usize,
    skip: u64,
}

/// Returns `len` lines of the scope's events: `before` of them before `at`, as far as there are so many.
///
/// What is counted on the way, `places` learns. [`Page::first`] and an index are by the counts that are known:
/// where one of a chunk before the page is not, they are too small, and the same line has another index
/// once it is.
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
            // Chunks can overlap a little: not the order of their ends, the first that reaches the time.
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

    /// Finds a place by its index: in the chunk that has it, or the first one that nobody has counted.
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

    /// Finds the first event in a chunk that `is` it, by number and time; else the place after the
    /// chunk's last one.
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
                if matcher.spans(event.ts.0) {
                    all += 1;
                    count(event.num.0, event.ts.0);
                }
            })?;
            self.places.set(chunk, all);
        }
        Ok(spot)
    }

    /// Walks over the segment of a chunk up to the chunk, and gives the events of the list that are in chunks
    /// that nobody has counted, and in this one. They are counted then.
    fn walk(
        &mut self,
        chunk: usize,
        each: &mut dyn FnMut(&Context<'_>, usize),
    ) -> Result<(), IndexedCaptureError> {
        let library = Arc::clone(self.replayer.capture());
        let Some(segment) = library.segment_of(chunk) else {
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

    /// Goes back by so many events, and says how many there were.
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

    /// Writes lines from a place on.
    fn lines(&mut self, start: Spot, len: usize) -> Result<Vec<Line>, IndexedCaptureError> {
        let library = Arc::clone(self.replayer.capture());
        let mut lines = Vec::new();
        let mut skip = start.skip;
        let mut from = start.chunk;
        while lines.len() < len {
            // What surely has none needs not even be read, unless something follows in its segment.
            from += (from..self.chunks())
                .take_while(|place| self.places.is_empty_at(*place))
                .count();
            let Some(segment) = library.segment_of(from) else {
                break;
            };
            let end = library.segments()[segment].chunks.end;
            self.lines_of(segment, from..end, &mut skip, len, &mut lines)?;
            from = end;
        }
        Ok(lines)
    }

    /// Writes the lines of some chunks of a segment, without the first `skip`.
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
            // How many the chunk has remains to be seen.
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
