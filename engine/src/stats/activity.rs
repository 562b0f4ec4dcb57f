//! Activity: event counts by lane over time.

use scap_capture_format::native::ChunkSummary;

use crate::lanes::{self, LANES, LaneSet};
use crate::replay::IndexedCapture;
use crate::replay::Span;

/// Number of intervals of an activity.
pub const BINS: usize = 1024;

/// The counts of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// Events, without hidden ones.
    pub events: u32,
    /// Events by lane.
    pub lanes: [u32; LANES],
}

/// Counts over equal intervals of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The span.
    pub span: Span,
    /// The intervals, in order.
    pub bins: Vec<Bin>,
}

impl Activity {
    /// Makes the activity of a span without events.
    pub fn over(span: Span) -> Self {
        Self {
            span,
            bins: vec![Bin::default(); BINS],
        }
    }

    /// Counts an event in an interval.
    pub fn count(&mut self, interval: usize, lanes: LaneSet) {
        let Some(bin) = self.bins.get_mut(interval) else {
            return;
        };
        bin.events = bin.events.saturating_add(1);
        let bits = lanes.bits();
        if bits != 0 {
            for (lane, count) in bin.lanes.iter_mut().enumerate() {
                *count = count.saturating_add(u32::from(bits >> lane & 1));
            }
        }
    }

    /// Estimates the activity from the chunk summaries of a capture: the events of a chunk are
    /// spread evenly over its time. Without lane counts in the summaries, lanes are estimated from
    /// event types.
    pub fn from_index(capture: &IndexedCapture, span: Span, bins: usize) -> Self {
        let mut activity = Self {
            span,
            bins: vec![Bin::default(); bins],
        };
        for chunk in &capture.index().chunks {
            let summary = &chunk.summary;
            let shown = summary.events.saturating_sub(summary.hidden);
            let lanes = match summary.activity() {
                Some(counted) => counted.lanes,
                None => {
                    // The summary also counts hidden events.
                    let shown = Share {
                        from: 0,
                        to: shown.into(),
                        whole: summary.events.into(),
                    };
                    lanes::estimate(&summary.types, summary.failed).map(|count| shown.of(count))
                }
            };
            shares(chunk_span(summary), span, bins, |at, share| {
                if let Some(bin) = activity.bins.get_mut(at) {
                    bin.events = bin.events.saturating_add(share.of(shown));
                    for (sum, count) in bin.lanes.iter_mut().zip(lanes) {
                        *sum = sum.saturating_add(share.of(count));
                    }
                }
            });
        }
        activity
    }

    /// Adds the activity of another span at its position in time.
    pub fn add(&mut self, other: &Self) {
        let bins = &mut self.bins;
        let (from, to) = (other.bins.len(), bins.len());
        spread(other.span, from, self.span, to, |at, to, share| {
            let (Some(from), Some(to)) = (other.bins.get(at), bins.get_mut(to)) else {
                return;
            };
            to.events = to.events.saturating_add(share.of(from.events));
            for (to, from) in to.lanes.iter_mut().zip(from.lanes) {
                *to = to.saturating_add(share.of(from));
            }
        });
    }
}

/// Returns the interval that contains a time, of this many equal intervals of a span. Times outside
/// of the span belong to the first or the last interval.
pub fn interval(span: Span, intervals: usize, time: u64) -> usize {
    let offset = u128::from(time.clamp(span.from, span.to) - span.from);
    let at = offset * intervals as u128 / u128::from(span.len_ns());
    usize::try_from(at).map_or(0, |at| at.min(intervals.saturating_sub(1)))
}

/// Returns the start of an interval.
pub fn beginning(span: Span, intervals: usize, interval: usize) -> u64 {
    let len = u128::from(span.len_ns());
    let offset = (interval as u128 * len).div_ceil((intervals as u128).max(1));
    span.from
        .saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
}

/// Caches the interval of the previous time: the next one is usually the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    span: Span,
    intervals: usize,
    at: usize,
    from: u64,
    until: u64,
}

impl Clock {
    /// Divides a span into intervals of the same length.
    pub fn new(span: Span, intervals: usize) -> Self {
        Self {
            span,
            intervals,
            at: 0,
            from: 1,
            until: 0,
        }
    }

    /// Returns the interval that contains a time.
    pub fn interval(&mut self, time: u64) -> usize {
        if !(self.from..self.until).contains(&time) {
            self.at = interval(self.span, self.intervals, time);
            self.from = beginning(self.span, self.intervals, self.at);
            self.until = beginning(self.span, self.intervals, self.at + 1);
        }
        self.at
    }
}

/// The part of an interval's count that falls into another interval.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    from: u64,
    to: u64,
    whole: u64,
}

impl Share {
    /// Returns the part of a count. The parts of all shares of an interval add up to the count.
    pub fn of(self, count: u32) -> u32 {
        if count == 0 || self.from == 0 && self.to == self.whole {
            return count;
        }
        let until = |at: u64| u128::from(count) * u128::from(at) / u128::from(self.whole.max(1));
        u32::try_from(until(self.to) - until(self.from)).unwrap_or(u32::MAX)
    }
}

/// Returns the time range of a chunk.
pub(crate) fn chunk_span(summary: &ChunkSummary) -> Span {
    Span {
        from: summary.min_time.0,
        to: summary.max_time.0.max(summary.min_time.0),
    }
}

/// Returns which of the equal intervals of a span a time range overlaps, and which part of the
/// range each has. Parts outside of the span are dropped.
pub fn shares(range: Span, span: Span, intervals: usize, mut each: impl FnMut(usize, Share)) {
    let Some(seen) = range.intersection(span) else {
        return;
    };
    let [first, last] = [seen.from, seen.to].map(|time| interval(span, intervals, time));
    for at in first..=last {
        let from = beginning(span, intervals, at).max(seen.from);
        let to = match at == last {
            true => seen.to.saturating_add(1),
            false => beginning(span, intervals, at + 1),
        };
        let share = Share {
            from: from - range.from,
            to: to.max(from) - range.from,
            whole: range.len_ns(),
        };
        each(at, share);
    }
}

/// Returns which intervals of one span overlap which of another, and by how much. Parts outside of
/// the other span belong to its first or last interval.
pub(crate) fn spread(
    from: Span,
    from_intervals: usize,
    to: Span,
    to_intervals: usize,
    mut each: impl FnMut(usize, usize, Share),
) {
    for at in 0..from_intervals {
        let begin = beginning(from, from_intervals, at);
        let end = beginning(from, from_intervals, at + 1);
        let Some(whole) = end.checked_sub(begin).filter(|len| *len > 0) else {
            continue;
        };
        let (first, last) = (
            interval(to, to_intervals, begin),
            interval(to, to_intervals, end - 1),
        );
        let mut done = 0;
        for target in first..=last {
            let until = match target {
                target if target == last => whole,
                target => beginning(to, to_intervals, target + 1)
                    .saturating_sub(begin)
                    .clamp(done, whole),
            };
            let share = Share {
                from: done,
                to: until,
                whole,
            };
            done = until;
            if share.from < share.to {
                each(at, target, share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> Span {
        Span { from, to }
    }

    #[test]
    fn every_instant_is_in_the_interval_that_begins_before_it() {
        for (span, count) in [
            (span(10, 19), 4),
            (span(0, 0), 8),
            (span(1 << 60, (1 << 60) + 12_345), 128),
            (span(5, u64::MAX), 1024),
            (span(0, 6), 1024),
        ] {
            let mut clock = Clock::new(span, count);
            let step = (span.len_ns() / 1000).max(1);
            let mut time = span.from;
            while span.contains(time) {
                let at = interval(span, count, time);
                assert_eq!(clock.interval(time), at);
                assert!(beginning(span, count, at) <= time, "{span:?} {time}");
                let next = beginning(span, count, at + 1);
                assert!(time < next || next == u64::MAX, "{span:?} {time}");
                let Some(after) = time.checked_add(step) else {
                    break;
                };
                time = after;
            }
        }
    }

    #[test]
    fn nothing_is_lost_or_made_up_where_intervals_are_put_into_others() {
        let mut part = Activity::over(span(1000, 1999));
        for (at, bin) in part.bins.iter_mut().enumerate() {
            bin.events = u32::try_from(at).unwrap() * 7 % 13;
            bin.lanes[3] = bin.events / 2;
        }
        // Intervals of zero length have no events.
        let times: Vec<_> = (0..BINS)
            .filter(|at| beginning(part.span, BINS, *at) == beginning(part.span, BINS, at + 1))
            .collect();
        times
            .into_iter()
            .for_each(|at| part.bins[at] = Bin::default());
        let sum = |activity: &Activity| {
            let add = |(a, b): (u32, u32), bin: &Bin| (a + bin.events, b + bin.lanes[3]);
            activity.bins.iter().fold((0, 0), add)
        };
        for whole in [span(0, 10_000_000), span(1000, 1999), span(1500, 1600)] {
            let mut all = Activity::over(whole);
            all.add(&part);
            assert_eq!(sum(&all), sum(&part));
        }
        let mut same = Activity::over(part.span);
        same.add(&part);
        assert_eq!(same, part);
    }
}
