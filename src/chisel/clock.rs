//! Schedules `on_interval` by event times.

use super::script_state::Interval;

/// Limit of the calls that one event can cause: only a forged capture has a gap of years.
const MAX_TICKS: u64 = 10_000;

/// A call that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// The time of the call, in nanoseconds since the epoch.
    pub(super) time: u64,
    /// Nanoseconds since the previous call; 0 = there was none.
    pub(super) delta: u64,
}

/// The state of the schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// The interval of the last event, as a multiple.
    period: Option<u64>,
    /// The time of the event that caused the last call.
    called: Option<u64>,
    /// The latest time so far: events can be slightly out of order.
    latest: u64,
    /// The start of the interval of the next precise call.
    due: Option<u64>,
}

impl Clock {
    /// Returns the next call that is due at the time of an event; called until it returns `None`.
    ///
    /// As in sysdig, an aligned interval causes one call with the first event of a later interval,
    /// however many have passed; a precise one causes a call for each elapsed interval, with its
    /// start time.
    pub(super) fn tick(&mut self, interval: Interval, time: u64) -> Option<Tick> {
        let time = time.max(self.latest);
        self.latest = time;
        if interval.aligned > 0 {
            let period = time - time % interval.aligned;
            let before = self.period.replace(period)?;
            if before == period || self.called == Some(time) {
                return None;
            }
            let delta = time.saturating_sub(self.called.unwrap_or(time));
            self.called = Some(time);
            return Some(Tick { time, delta });
        }
        if interval.precise == 0 {
            return None;
        }
        let due = *self.due.get_or_insert(time);
        // Nothing is due beyond the range of times.
        let next = due.checked_add(interval.precise)?;
        if time < next {
            return None;
        }
        let missed = (time - due) / interval.precise;
        self.due = Some(if missed > MAX_TICKS { time } else { next });
        Some(Tick {
            time: due,
            delta: interval.precise,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(interval: Interval, times: &[u64]) -> Vec<(u64, u64)> {
        let mut clock = Clock::default();
        let mut found = Vec::new();
        for time in times {
            while let Some(tick) = clock.tick(interval, *time) {
                found.push((tick.time, tick.delta));
            }
        }
        found
    }

    #[test]
    fn aligned_calls_happen_once_however_much_time_passed() {
        let interval = Interval {
            aligned: 10,
            precise: 3,
        };
        assert_eq!(
            ticks(interval, &[5, 9, 12, 9, 13, 55, 49, 60]),
            [(12, 0), (55, 43), (60, 5)]
        );
    }

    #[test]
    fn precise_calls_happen_for_each_interval() {
        let interval = Interval {
            aligned: 0,
            precise: 10,
        };
        assert_eq!(
            ticks(interval, &[5, 6, 35, 36]),
            [(5, 10), (15, 10), (25, 10)]
        );
        // A gap of years does not cause a call for each interval.
        assert!(
            ticks(
                Interval {
                    aligned: 0,
                    precise: 1
                },
                &[5, u64::MAX]
            )
            .len()
                < 10
        );
    }

    #[test]
    fn without_an_interval_there_are_no_calls() {
        assert_eq!(ticks(Interval::default(), &[1, 2]), []);
    }
}
