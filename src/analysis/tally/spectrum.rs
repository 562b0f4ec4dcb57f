//! Calls by time and latency.

use super::super::Span;
use super::super::activity::{interval, spread};
use super::{LATENCIES, PER_DECADE, Spectrum, TIMES};

/// Where the latency intervals after the first begin, in nanoseconds.
const EDGES: [u64; LATENCIES - 1] = edges();

const fn edges() -> [u64; LATENCIES - 1] {
    // Fourth roots of powers of ten, to four digits.
    const STEPS: [u64; PER_DECADE] = [1000, 1778, 3162, 5623];
    let mut edges = [0; LATENCIES - 1];
    let (mut at, mut decade) = (0, 100);
    while at < edges.len() {
        edges[at] = STEPS[at % PER_DECADE] * decade / 1000;
        at += 1;
        if at % PER_DECADE == 0 {
            decade *= 10;
        }
    }
    edges
}

/// Returns the latency interval of a latency in nanoseconds.
pub fn latency_interval(ns: u64) -> usize {
    EDGES.partition_point(|edge| *edge <= ns)
}

/// Returns the least latency of an interval, and the least of the next one, if there is one.
pub fn latency_bounds(interval: usize) -> (u64, Option<u64>) {
    let from = interval.checked_sub(1).and_then(|at| EDGES.get(at));
    (from.copied().unwrap_or(0), EDGES.get(interval).copied())
}

impl Spectrum {
    /// Makes one of a span without calls.
    pub fn over(span: Span) -> Self {
        Self {
            span,
            counts: vec![0; TIMES * LATENCIES],
        }
    }

    /// Counts a call that returned in the time interval with this number.
    pub(super) fn count(&mut self, time: usize, latency: u64) {
        let at = time * LATENCIES + latency_interval(latency);
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds the calls of another span, where they belong in time.
    pub fn add(&mut self, other: &Self) {
        let counts = &mut self.counts;
        spread(other.span, TIMES, self.span, TIMES, |at, to, share| {
            let row = |at: usize| at * LATENCIES..(at + 1) * LATENCIES;
            let (Some(from), Some(to)) = (other.counts.get(row(at)), counts.get_mut(row(to)))
            else {
                return;
            };
            for (to, from) in to.iter_mut().zip(from) {
                *to = to.saturating_add(share.of(*from));
            }
        });
    }

    /// Returns the time interval that an instant is in.
    pub fn time_interval(&self, time: u64) -> usize {
        interval(self.span, TIMES, time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_their_interval() {
        assert_eq!((latency_interval(0), latency_interval(99)), (0, 0));
        assert_eq!((latency_interval(100), latency_interval(177)), (1, 2));
        assert_eq!(latency_interval(1_000_000), 1 + 4 * PER_DECADE);
        assert_eq!(latency_interval(100_000_000_000), LATENCIES - 1);
        assert_eq!(latency_interval(u64::MAX), LATENCIES - 1);
        for at in 0..LATENCIES {
            let (from, to) = latency_bounds(at);
            assert_eq!(latency_interval(from), at);
            assert!(to.is_none_or(|to| latency_interval(to) == at + 1 && latency_interval(to - 1) == at));
            assert_eq!(to.is_none(), at == LATENCIES - 1);
        }
    }
}
