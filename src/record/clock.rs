//! Clocks.
#![expect(
    unsafe_code,
    reason = "clock_gettime has no safe form in the standard library"
)]

/// A clock of the kernel in nanoseconds.
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is room for the result; the clocks used here always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since the machine started, sleep included: the clock of the probe.
pub(crate) fn boot() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds since the epoch.
pub(crate) fn wall() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Wall clock minus boot clock, in nanoseconds. Both are read several times; the closest pair counts.
pub(crate) fn boot_to_wall() -> u64 {
    let pair = |_| {
        let before = boot();
        let wall = wall();
        let after = boot();
        (
            after - before,
            wall.wrapping_sub(before + (after - before) / 2),
        )
    };
    (0..16)
        .map(pair)
        .min_by_key(|(width, _)| *width)
        .map_or(0, |(_, offset)| offset)
}

/// CPU time of this process so far, in nanoseconds.
pub(crate) fn cpu_time() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Smallest difference that is a step of the wall clock. Reading two clocks is much more precise.
const STEP_NS: u64 = 1_000_000;
/// The kernel slews the wall clock by at most 500 ppm; adjustments of its tick are rare and smaller than this, too.
const SLEW_PER_NS: u64 = 1000;

/// Finds steps of the wall clock, against the clock since boot, which has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepDetector {
    /// Wall clock minus boot clock at the last look.
    offset: u64,
    /// Time of the last look on the boot clock.
    looked: u64,
}

/// A step: wall clock minus boot clock before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl StepDetector {
    /// Begins with an offset that was measured at `now` on the boot clock.
    pub(crate) fn new(now: u64, offset: u64) -> Self {
        Self {
            offset,
            looked: now,
        }
    }

    /// Returns the step since the last look, if there was one. An offset that drifts, as by NTP, is no step, however far it
    /// gets in time.
    pub(crate) fn look(&mut self, now: u64, offset: u64) -> Option<Step> {
        let before = std::mem::replace(&mut self.offset, offset);
        let elapsed = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        let moved = offset.wrapping_sub(before).cast_signed().unsigned_abs();
        (moved > STEP_NS + elapsed / SLEW_PER_NS).then_some(Step {
            before,
            after: offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const OFFSET: u64 = 1_764_000_000 * SECOND;

    #[test]
    fn steps_in_both_directions_are_found_once() {
        let mut steps = StepDetector::new(0, OFFSET);
        assert_eq!(steps.look(SECOND, OFFSET), None);
        for (now, offset) in [
            (2, OFFSET + 2 * SECOND),
            (3, OFFSET - 3600 * SECOND),
            // To the epoch, before the boot: the difference is negative.
            (4, 0_u64.wrapping_sub(4 * SECOND)),
            (5, OFFSET),
            (6, OFFSET + 5_000_000),
        ] {
            let before = steps.offset;
            let found = steps.look(now * SECOND, offset);
            let after = offset;
            assert_eq!(found, Some(Step { before, after }));
            assert_eq!(steps.look(now * SECOND + 1, offset), None);
        }
    }

    #[test]
    fn slewing_is_no_step() {
        let mut steps = StepDetector::new(0, OFFSET);
        let (mut now, mut offset) = (0, OFFSET);
        for second in 0..10_000 {
            // A busy recorder looks late.
            let elapsed = if second % 100 == 0 { 60 } else { 1 };
            now += elapsed * SECOND;
            offset += elapsed * 500_000;
            assert_eq!(steps.look(now, offset), None);
        }
        assert!(offset - OFFSET > 5 * SECOND);
    }

    #[test]
    fn the_clocks_of_this_machine_are_read_precisely_enough() {
        let mut steps = StepDetector::new(boot(), boot_to_wall());
        for _ in 0..1000 {
            assert_eq!(steps.look(boot(), boot_to_wall()), None);
        }
    }
}
