//! Calls by time and latency.

use super::{LATENCIES, Spectrum, TIMES, latency_interval};
use crate::replay::IndexedCapture;
use crate::replay::Span;
use crate::stats::activity::{chunk_span, interval, shares, spread};

impl Spectrum {
    /// Makes the spectrum of a span without calls.
    pub fn over(span: Span) -> Self {
        Self {
            span,
            counts: vec![0; TIMES * LATENCIES],
        }
    }

    /// Estimates the spectrum from the chunk summaries of a capture, spread evenly over their time;
    /// empty without latencies in the summaries.
    pub fn from_index(capture: &IndexedCapture, span: Span) -> Self {
        let mut spectrum = Self::over(span);
        for chunk in &capture.index().chunks {
            let Some(activity) = chunk.summary.activity() else {
                continue;
            };
            let counts = &mut spectrum.counts;
            shares(chunk_span(&chunk.summary), span, TIMES, |at, share| {
                let row = counts.get_mut(at * LATENCIES..(at + 1) * LATENCIES);
                for (sum, count) in row.into_iter().flatten().zip(activity.latencies) {
                    *sum = sum.saturating_add(share.of(count));
                }
            });
        }
        spectrum
    }

    /// Counts a call that returned in a time interval.
    pub(super) fn count(&mut self, time: usize, latency: u64) {
        let at = time * LATENCIES + latency_interval(latency);
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds the calls of another span at their position in time.
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

    /// Returns the time interval that contains a time.
    pub fn time_interval(&self, time: u64) -> usize {
        interval(self.span, TIMES, time)
    }
}
