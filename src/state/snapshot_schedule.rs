//! When the state is written into a capture again, so that reading can begin there.

use std::time::Duration;

/// After this time.
const INTERVAL_NS: u64 = 10_000_000_000;
/// Or after so many bytes of events, before compression.
const BYTES: u64 = 64 << 20;
/// But not more often than takes this part of the time: while a recorder copies the state it empties no ring.
const SHARE: u32 = 100;

/// Says when a snapshot is due.
#[derive(Debug)]
pub struct SnapshotSchedule {
    /// When the last one was taken, in nanoseconds of whichever clock.
    last: u64,
    /// None before.
    not_before: u64,
    /// Bytes of events since then.
    bytes: u64,
}

impl SnapshotSchedule {
    /// Begins with a snapshot: the first one is written when a capture begins.
    pub fn new(now: u64) -> Self {
        Self {
            last: now,
            not_before: 0,
            bytes: 0,
        }
    }

    /// Takes note of so many bytes of events.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Whether a snapshot is due: only if events came since the last.
    pub fn is_due(&self, now: u64) -> bool {
        let long = now.saturating_sub(self.last) >= INTERVAL_NS;
        self.bytes > 0 && (long || self.bytes >= BYTES) && now >= self.not_before
    }

    /// One was taken, which took so long.
    pub fn taken(&mut self, now: u64, cost: Duration) {
        let pause = cost.saturating_mul(SHARE).as_nanos();
        self.last = now;
        self.not_before = now.saturating_add(u64::try_from(pause).unwrap_or(u64::MAX));
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn snapshots_follow_time_and_size_and_leave_room() {
        let mut schedule = SnapshotSchedule::new(0);
        assert!(!schedule.is_due(20 * S), "nothing happened");
        schedule.add(1);
        assert!(!schedule.is_due(9 * S) && schedule.is_due(10 * S));
        schedule.taken(10 * S, Duration::from_millis(1));
        schedule.add(64 << 20);
        assert!(schedule.is_due(11 * S), "much happened");
        assert!(!schedule.is_due(10 * S + S / 20), "a hundredth of the time");
        schedule.taken(11 * S, Duration::from_millis(200));
        schedule.add(65 << 20);
        assert!(!schedule.is_due(30 * S) && schedule.is_due(31 * S));
    }
}
