//! When a script's `on_interval` is due, by the times of events.

use super::shared::Interval;

/// Most calls that one event can cause: a gap of years in a capture is somebody's invention.
const MAX_TICKS: u64 = 10_000;

/// A call that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// Nanoseconds since the epoch.
    pub(super) time: u64,
    /// Nanoseconds since the call before; 0 = there was none.
    pub(super) delta: u64,
}

/// The calls so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// The multiple of the interval that the last event was in.
    period: Option<u64>,
    /// Time of the event that caused the last call.
    called: Option<u64>,
    /// The latest time so far: events can be a little out of order.
    latest: u64,
    /// When the time begins that the next precise call is for.
    due: Option<u64>,
}

impl Clock {
    /// Returns the next call that is due at the time of an event, if any; to be asked until there is none.
    ///
    /// As in sysdig: a call at multiples of an interval happens with the event that begins another one,
    /// however many passed; precise ones happen for each that is over, with the time when it began.
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
        // After the end of time nothing is due.
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
        // A gap of years does not keep us busy for years.
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
