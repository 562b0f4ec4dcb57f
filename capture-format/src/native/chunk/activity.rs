//! Activity counts of a chunk: events by lane and calls by latency, counted as events are pushed and stored in the
//! summary, so that a timeline can be drawn without events.

use super::calls::{CallCodes, UntypedCalls};
use crate::native::lane::{LANES, LaneSet};
use crate::native::varint;

/// Number of the entry in the summary's `extra`.
pub(crate) const EXTRA: u32 = 1;

/// Latency intervals of a decade.
pub const LATENCIES_PER_DECADE: usize = 4;
/// Latency intervals: below 100 ns, quarters of decades, from 100 s on.
pub const LATENCIES: usize = 38;

/// Lower bounds of the intervals after the first, in nanoseconds.
const EDGES: [u64; 37] = edges();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the compiler does it, and would stop"
)]
const fn edges() -> [u64; 37] {
    // Fourth roots of powers of ten, to four digits.
    const STEPS: [u64; LATENCIES_PER_DECADE] = [1000, 1778, 3162, 5623];
    let mut edges = [0; 37];
    let (mut at, mut decade) = (0, 100);
    while at < edges.len() {
        edges[at] = STEPS[at % LATENCIES_PER_DECADE] * decade / 1000;
        at += 1;
        if at % LATENCIES_PER_DECADE == 0 {
            decade *= 10;
        }
    }
    edges
}

/// The interval of the smallest number with a given number of bits.
const OF_BITS: [u8; 65] = of_bits();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the compiler does it, and would stop"
)]
const fn of_bits() -> [u8; 65] {
    let mut of = [0; 65];
    let mut bits = 1;
    while bits < of.len() {
        let mut at = of[bits - 1];
        while (at as usize) < EDGES.len() && EDGES[at as usize] <= 1 << (bits - 1) {
            at += 1;
        }
        of[bits] = at;
        bits += 1;
    }
    of
}

/// Returns the interval of a latency in nanoseconds.
#[inline]
pub fn latency_interval(ns: u64) -> usize {
    let bits = 64u32.saturating_sub(ns.leading_zeros()) as usize;
    let mut at = usize::from(OF_BITS.get(bits).copied().unwrap_or(0));
    while EDGES.get(at).is_some_and(|edge| *edge <= ns) {
        at = at.saturating_add(1);
    }
    at
}

/// Returns the lower bound of an interval, and that of the next one, if there is one.
pub fn latency_bounds(interval: usize) -> (u64, Option<u64>) {
    let from = interval.checked_sub(1).and_then(|at| EDGES.get(at));
    (from.copied().unwrap_or(0), EDGES.get(interval).copied())
}

/// The number of events of a chunk by lane, and of its calls by latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkActivity {
    /// Events by [`Lane`], without hidden ones.
    pub lanes: [u32; LANES],
    /// Calls that were not waiting, by [`latency_interval`], without hidden ones.
    pub latencies: [u32; LATENCIES],
    /// Calls without a type of their own.
    pub untyped: UntypedCalls,
}

impl Default for ChunkActivity {
    fn default() -> Self {
        Self {
            lanes: [0; LANES],
            latencies: [0; LATENCIES],
            untyped: UntypedCalls::default(),
        }
    }
}

impl ChunkActivity {
    /// Counts an event.
    #[inline]
    pub(super) fn count(&mut self, lanes: LaneSet, latency: Option<u64>) {
        let mut rest = lanes.bits();
        while rest != 0 {
            if let Some(count) = self.lanes.get_mut(rest.trailing_zeros() as usize) {
                *count = count.saturating_add(1);
            }
            rest &= rest.wrapping_sub(1);
        }
        if let Some(count) = latency.and_then(|ns| self.latencies.get_mut(latency_interval(ns))) {
            *count = count.saturating_add(1);
        }
    }

    /// Encodes the counts: number of lanes, and their counts; first latency interval with calls, number of intervals from
    /// there on, and their counts; number of 32-bit calls; codes of calls without types.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::push(&mut out, LANES as u64);
        for count in &self.lanes {
            varint::push(&mut out, u64::from(*count));
        }
        let is_any = |count: &u32| *count > 0;
        let first = self.latencies.iter().position(is_any).unwrap_or(0);
        let end = self
            .latencies
            .iter()
            .rposition(is_any)
            .map_or(first, |at| at.saturating_add(1));
        let some = self.latencies.get(first..end).unwrap_or(&[]);
        varint::push(&mut out, first as u64);
        varint::push(&mut out, some.len() as u64);
        for count in some {
            varint::push(&mut out, u64::from(*count));
        }
        varint::push(&mut out, u64::from(self.untyped.of_32bit));
        if let Some(codes) = &self.untyped.codes {
            codes.encode(&mut out);
        }
        out
    }

    /// Decodes the counts; `None` if they are invalid. Additional lanes and intervals of a later version are ignored.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut activity = Self::default();
        let mut next = || varint::take(&mut bytes);
        let count = |value: u64| u32::try_from(value).ok();
        for lane in 0..next()? {
            let value = count(next()?)?;
            let place = usize::try_from(lane).ok();
            if let Some(place) = place.and_then(|at| activity.lanes.get_mut(at)) {
                *place = value;
            }
        }
        let first = next()?;
        for at in 0..next()? {
            let value = count(next()?)?;
            let place = usize::try_from(first.checked_add(at)?).ok();
            if let Some(place) = place.and_then(|at| activity.latencies.get_mut(at)) {
                *place = value;
            }
        }
        activity.untyped.of_32bit = count(next()?)?;
        activity.untyped.codes = match bytes {
            [] => None,
            _ => Some(CallCodes::decode(&mut bytes)?),
        };
        Some(activity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::lane::Lane;

    #[test]
    fn latencies_have_their_interval() {
        assert_eq!((latency_interval(0), latency_interval(99)), (0, 0));
        assert_eq!((latency_interval(100), latency_interval(177)), (1, 2));
        assert_eq!(latency_interval(1_000_000), 1 + 4 * LATENCIES_PER_DECADE);
        assert_eq!(latency_interval(u64::MAX), LATENCIES - 1);
        for at in 0..LATENCIES {
            let (from, to) = latency_bounds(at);
            assert_eq!(latency_interval(from), at);
            assert_eq!(to.is_none(), at == LATENCIES - 1);
            assert!(to.is_none_or(|to| latency_interval(to - 1) == at && latency_interval(to) == at + 1));
        }
        for bits in 0..64 {
            for ns in [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
                assert_eq!(
                    latency_interval(ns),
                    EDGES.partition_point(|edge| *edge <= ns)
                );
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut activity = ChunkActivity::default();
        assert_eq!(ChunkActivity::decode(&activity.encode()), Some(activity));
        let lanes = |lanes: &[Lane]| lanes.iter().copied().collect();
        activity.count(lanes(&[Lane::Starts, Lane::Slow]), Some(1_500_000));
        activity.count(lanes(&[Lane::Slow]), Some(3));
        activity.count(lanes(&[]), None);
        activity.untyped.of_32bit = 300;
        assert_eq!(activity.lanes, [1, 0, 0, 0, 0, 0, 2]);
        assert_eq!(activity.latencies.iter().sum::<u32>(), 2);
        let bytes = activity.encode();
        assert_eq!(ChunkActivity::decode(&bytes), Some(activity));
        // Older files end before the codes, of which there are none here.
        let old = bytes.len() - 1;
        for len in 0..old {
            assert_eq!(ChunkActivity::decode(&bytes[..len]), None, "{len}");
        }
        let read = ChunkActivity::decode(&bytes[..old]).unwrap();
        assert_eq!((read.untyped.of_32bit, read.untyped.codes), (300, None));
        // A later version with an eighth lane and more intervals.
        let later = [8, 1, 2, 3, 4, 5, 6, 7, 99, 37, 3, 1, 2, 3, 4];
        let read = ChunkActivity::decode(&later).unwrap();
        assert_eq!(read.lanes, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((read.latencies[37], read.untyped.of_32bit), (1, 4));
        // A length without bytes behind it takes no time.
        assert_eq!(ChunkActivity::decode(&[0xff, 0xff, 0xff, 0xff, 0x0f]), None);
        assert_eq!(
            ChunkActivity::decode(&[
                0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f
            ]),
            None
        );
    }
}
