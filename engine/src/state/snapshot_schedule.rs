//! When to write the state into a capture again, so that reading can start there.

use std::time::Duration;

/// Interval in nanoseconds.
const INTERVAL_NS: u64 = 10_000_000_000;
/// Bytes of events, before compression, after which a snapshot is due earlier.
const BYTES: u64 = 64 << 20;
/// How much longer or larger a part without a snapshot may be, in percent, if its snapshot would not be complete.
const PATIENCE: u64 = 20;
/// Inverse of the largest share of time spent on snapshots: a recorder does not drain the rings while it copies the state.
const SHARE: u32 = 100;

/// Decides when a snapshot is due.
#[derive(Debug)]
pub struct SnapshotSchedule {
    /// Time of the last snapshot, in nanoseconds of any clock.
    last: u64,
    /// The next snapshot is not written earlier than this.
    not_before: u64,
    /// Bytes of events since the last snapshot.
    bytes: u64,
}

impl SnapshotSchedule {
    /// Starts with a snapshot: the first one is written when a capture begins.
    pub fn new(now: u64) -> Self {
        Self {
            last: now,
            not_before: 0,
            bytes: 0,
        }
    }

    /// Adds bytes of events.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Whether a snapshot is due: only if there were events since the last one. It is put off for a while if it would not be
    /// complete.
    pub fn is_due(&self, now: u64, is_complete: bool) -> bool {
        let patience = if is_complete { 0 } else { PATIENCE };
        let more = |least: u64| least.saturating_add(least / 100 * patience);
        let long = now.saturating_sub(self.last) >= more(INTERVAL_NS);
        self.bytes > 0 && (long || self.bytes >= more(BYTES)) && now >= self.not_before
    }

    /// Records that a snapshot was taken, and how long that took.
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
        assert!(!schedule.is_due(20 * S, true), "nothing happened");
        schedule.add(1);
        assert!(!schedule.is_due(9 * S, true) && schedule.is_due(10 * S, true));
        schedule.taken(10 * S, Duration::from_millis(1));
        schedule.add(64 << 20);
        assert!(schedule.is_due(11 * S, true), "much happened");
        assert!(
            !schedule.is_due(10 * S + S / 20, true),
            "a hundredth of the time"
        );
        schedule.taken(11 * S, Duration::from_millis(200));
        schedule.add(65 << 20);
        assert!(!schedule.is_due(30 * S, true) && schedule.is_due(31 * S, true));
        // It waits for what is missing, but not for long.
        schedule.taken(31 * S, Duration::ZERO);
        schedule.add(1);
        assert!(schedule.is_due(41 * S, true) && !schedule.is_due(43 * S - 1, false));
        assert!(schedule.is_due(43 * S, false));
        schedule.add(64 << 20);
        assert!(schedule.is_due(32 * S, true) && !schedule.is_due(32 * S, false));
        schedule.add(13 << 20);
        assert!(schedule.is_due(32 * S, false));
    }
}
