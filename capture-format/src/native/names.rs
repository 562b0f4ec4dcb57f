//! The names section: fingerprints of what the events of a run of chunks are about, by which a reader finds out that a path or an
//! address does not occur.
//!
//! A run ends at a snapshot: a reader that wants any event after one has to follow the state from there anyway, so that finer
//! runs would save little, and repeat the many names that several chunks have.

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

use super::Extra;
use super::chunk::ChunkSummary;
use crate::event::EventNum;

/// What is derived from the events. Another number is needed as soon as a later writer or reader derives other names from the
/// same events: readers ignore sections with other numbers.
const SCHEME: u16 = 1;

/// Most fingerprints of a run: 68 KiB.
const MOST: usize = 1 << 16;

/// Most fingerprints that are read of a run.
const MOST_READ: usize = 1 << 20;

/// How many more bits than the number of fingerprints has are stored of each: a name that does not occur is taken for one that
/// may in one of 2^7 cases.
const BITS: u32 = 7;

/// Body of a names section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameReport {
    scheme: u16,
    /// The first event of the run.
    first_event: EventNum,
    /// How many events there are in its chunks.
    events: u64,
    /// How many bits of each fingerprint are stored, the highest ones.
    bits: u8,
    /// How many there are.
    count: u32,
    /// In ascending order, the difference of each to the one before it: its bits above the lowest seven as that many ones and a
    /// zero, then the lowest seven; from the lowest bit of each byte on.
    #[serde(with = "serde_bytes")]
    gaps: Vec<u8>,
    /// Room for later versions.
    extra: Extra,
}

/// The names of a run, decoded.
#[derive(Clone, Debug)]
pub struct RunNames {
    scheme: u16,
    first_event: EventNum,
    events: u64,
    /// How many bits of each fingerprint are known, the highest ones.
    bits: u32,
    /// In ascending order; `None`: the section is wrong.
    fingerprints: Option<Vec<u64>>,
}

impl From<&NameReport> for RunNames {
    fn from(report: &NameReport) -> Self {
        let mut bits = Bits::new(&report.gaps);
        let mut last = 0_u64;
        let decoded = (0..report.count).map(|_| {
            last = last.saturating_add(bits.gap()?);
            Some(last)
        });
        let is_sane = (report.count as usize) <= MOST_READ;
        Self {
            scheme: report.scheme,
            first_event: report.first_event,
            events: report.events,
            bits: u32::from(report.bits).min(u32::BITS),
            fingerprints: is_sane.then(|| decoded.collect()).flatten(),
        }
    }
}

impl RunNames {
    /// Whether the names are those of the events of a chunk, among others.
    pub fn covers(&self, summary: &ChunkSummary) -> bool {
        let end = self.first_event.0.saturating_add(self.events);
        self.scheme == SCHEME
            && self.first_event <= summary.first_event
            && summary.next_event().0 <= end
    }

    /// Returns false if no event that is not hidden has a name with one of these fingerprints ([`super::NameKind::fingerprint`]), which
    /// are of kinds of [`super::NameKind::is_in_runs`].
    pub fn may_have(&self, fingerprints: &[u32]) -> bool {
        fingerprints.iter().any(|one| self.has(*one))
    }

    /// Returns false if one of these fingerprints is not there.
    pub(super) fn has_all(&self, mut fingerprints: impl Iterator<Item = u32>) -> bool {
        fingerprints.all(|one| self.has(one))
    }

    fn has(&self, fingerprint: u32) -> bool {
        let stored = u64::from(fingerprint) >> u32::BITS.saturating_sub(self.bits);
        let all = self.fingerprints.as_ref();
        all.is_none_or(|all| all.binary_search(&stored).is_ok())
    }
}

/// Reads gaps.
struct Bits<'a> {
    rest: &'a [u8],
    /// Bits that were taken from `rest`, the next one lowest.
    window: u64,
    /// How many.
    count: u32,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of bits in a window of 64, or in memory"
)]
impl<'a> Bits<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            window: 0,
            count: 0,
        }
    }

    fn fill(&mut self) {
        while self.count <= u64::BITS - u8::BITS
            && let Some((byte, rest)) = self.rest.split_first()
        {
            self.window |= u64::from(*byte) << self.count;
            self.count += u8::BITS;
            self.rest = rest;
        }
    }

    fn skip(&mut self, bits: u32) {
        self.window >>= bits;
        self.count -= bits;
    }

    fn gap(&mut self) -> Option<u64> {
        let mut high = 0_u64;
        loop {
            self.fill();
            let ones = self.window.trailing_ones().min(self.count);
            high += u64::from(ones);
            if ones < self.count {
                self.skip(ones + 1);
                break;
            }
            if self.count == 0 || self.count == u64::BITS {
                return None;
            }
            self.skip(ones);
        }
        self.fill();
        if self.count < BITS {
            return None;
        }
        let low = self.window & ((1 << BITS) - 1);
        self.skip(BITS);
        Some(high << BITS | low)
    }
}

/// Writes gaps.
#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    window: u64,
    count: u32,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of bits in a window of 64"
)]
impl BitWriter {
    fn push(&mut self, bit: u64, count: u32) {
        self.window |= bit << self.count;
        self.count += count;
        while self.count >= u8::BITS {
            self.out.push(self.window.to_le_bytes()[0]);
            self.window >>= u8::BITS;
            self.count -= u8::BITS;
        }
    }

    fn gap(&mut self, gap: u64) {
        for _ in 0..gap >> BITS {
            self.push(1, 1);
        }
        self.push(0, 1);
        self.push(gap & ((1 << BITS) - 1), BITS);
    }

    fn finish(mut self) -> Vec<u8> {
        self.push(0, u8::BITS - 1);
        self.out
    }
}

/// Collects the names of a run while its chunks are being written.
#[derive(Debug, Default)]
pub(super) struct Run {
    first_event: EventNum,
    events: u64,
    fingerprints: HashSet<u32>,
}

impl Run {
    /// Adds a chunk after the others; `None`: not all of its names are known. Returns the run before it, if it ends there.
    pub(super) fn add(
        &mut self,
        summary: &ChunkSummary,
        fingerprints: Option<&HashSet<u32>>,
    ) -> Option<NameReport> {
        let ended = match fingerprints {
            Some(names) if self.fingerprints.len().saturating_add(names.len()) <= MOST => None,
            _ => self.end(),
        };
        let Some(names) = fingerprints else {
            return ended;
        };
        if self.events == 0 {
            self.first_event = summary.first_event;
        }
        self.events = self.events.saturating_add(summary.events.into());
        self.fingerprints.extend(names);
        ended
    }

    /// Ends the run; `None` if there is no chunk in it.
    pub(super) fn end(&mut self) -> Option<NameReport> {
        let events = std::mem::take(&mut self.events);
        if events == 0 {
            return None;
        }
        let many = self
            .fingerprints
            .len()
            .checked_ilog2()
            .map_or(0, |log| log.saturating_add(1));
        let bits = many.saturating_add(BITS).min(u32::BITS);
        let stored = self.fingerprints.drain();
        let mut stored: Vec<u32> = stored
            .map(|one| one >> u32::BITS.saturating_sub(bits))
            .collect();
        stored.sort_unstable();
        stored.dedup();
        let mut gaps = BitWriter::default();
        let mut last = 0;
        for one in &stored {
            gaps.gap(u64::from(one.saturating_sub(last)));
            last = *one;
        }
        Some(NameReport {
            scheme: SCHEME,
            first_event: self.first_event,
            events,
            bits: u8::try_from(bits).unwrap_or(0),
            count: u32::try_from(stored.len()).unwrap_or(u32::MAX),
            gaps: gaps.finish(),
            extra: Extra::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::NameKind;

    fn summary(first: u64, events: u32) -> ChunkSummary {
        ChunkSummary {
            first_event: EventNum(first),
            events,
            ..ChunkSummary::default()
        }
    }

    fn path(number: u32) -> u32 {
        NameKind::of_path(format!("/x/{number}").as_bytes()).unwrap()
    }

    #[test]
    fn names_of_several_chunks_come_back() {
        for names in [0, 1, 2, 100, 5_000] {
            let mut run = Run::default();
            for part in 0..2 {
                let own = (0..names).filter(|n| n % 2 == part).map(path).collect();
                let chunk = summary(10 + u64::from(part) * 7, 7);
                assert_eq!(run.add(&chunk, Some(&own)), None);
            }
            let section = run.end().unwrap();
            assert_eq!(run.end(), None);
            let report = RunNames::from(&section);
            assert!(report.covers(&summary(10, 7)) && report.covers(&summary(17, 7)));
            assert!(!report.covers(&summary(9, 7)) && !report.covers(&summary(18, 7)));
            let mut absent: Vec<u32> = (100_000..101_000).map(path).collect();
            absent.sort_unstable();
            let wrong = absent.iter().filter(|one| report.may_have(&[**one]));
            // One in 128 or fewer.
            assert!(wrong.count() < 20);
            for name in (0..names).map(path) {
                assert!(report.may_have(&[name]));
                let mut among = absent.clone();
                among.push(name);
                among.sort_unstable();
                assert!(report.may_have(&among));
            }
            let mut all: Vec<u32> = (0..names).map(path).collect();
            all.sort_unstable();
            assert!(report.has_all(all.iter().copied()));
            assert!(!report.has_all(absent.iter().copied()));
            // A name takes nine bits or a little more, if there are many.
            let bits = section.gaps.len() as u64 * 8;
            assert!(bits <= u64::from(names) * 10 + 64, "{names}: {bits}");
        }
    }

    #[test]
    fn a_run_ends_before_it_is_too_large_and_at_chunks_of_unknown_names() {
        let many: HashSet<u32> = (0..40_000).map(path).collect();
        let mut run = Run::default();
        assert_eq!(run.add(&summary(0, 5), Some(&many)), None);
        let first = run.add(&summary(5, 5), Some(&many));
        let first = RunNames::from(&first.unwrap());
        assert!(first.covers(&summary(0, 5)) && !first.covers(&summary(5, 5)));
        let second = RunNames::from(&run.add(&summary(10, 5), None).unwrap());
        assert!(second.covers(&summary(5, 5)) && !second.covers(&summary(10, 5)));
        assert_eq!(run.end(), None);
    }

    #[test]
    fn what_does_not_decode_rules_nothing_out() {
        let wrong = |gaps: &[u8], bits, count| {
            RunNames::from(&NameReport {
                scheme: SCHEME,
                bits,
                count,
                gaps: gaps.to_vec(),
                ..NameReport::default()
            })
        };
        for report in [
            wrong(&[], 20, 1),
            wrong(&[0xff; 40], 20, 3),
            wrong(&[0], 255, 5),
            wrong(&[0x7f], 0, u32::MAX),
            // It decodes, but is far too large.
            wrong(&[0; 2 << 20], 20, 2 << 20),
        ] {
            assert!(report.may_have(&[u32::MAX]), "{report:?}");
            assert!(report.has_all([u32::MAX].into_iter()), "{report:?}");
        }
        let newer = NameReport {
            scheme: SCHEME + 1,
            events: 100,
            ..NameReport::default()
        };
        assert!(!RunNames::from(&newer).covers(&summary(1, 1)));
    }
}
