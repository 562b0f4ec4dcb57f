//! Positions in a capture, for `--from` and `--to`.

use super::error::{FilterError, FilterErrorKind};
use super::time_literal::{self, TimeLiteral};
use crate::event::time::NS_PER_S;
use crate::fields::attributes::Zone;

/// A position in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A point in time, in nanoseconds since the epoch: `2026-11-24T03:12:01.5Z`.
    At(u64),
    /// A local time of day, in nanoseconds since midnight: `03:12:01`.
    TimeOfDay(u64),
    /// An offset from the capture's first event, in nanoseconds: `+12.5s`.
    After(u64),
    /// An event by its number: `#123` or `123`.
    Event(u64),
}

impl When {
    /// Parses the text.
    ///
    /// # Errors
    ///
    /// [`FilterErrorKind::InvalidValue`] or [`FilterErrorKind::Empty`], over the whole text.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let span = 0..text.len();
        if text.trim().is_empty() {
            return Err(FilterError::new(FilterErrorKind::Empty, span));
        }
        Self::find(text).ok_or_else(|| {
            let kind = FilterErrorKind::InvalidValue {
                value: text.to_owned(),
                expected: "place in a capture",
            };
            FilterError::new(kind, span).hint(
                "a time (`2026-11-24 03:12:01.5`, `03:12:01`), an offset from the start (`+12.5s`) \
                 or an event number (`#123`)",
            )
        })
    }

    fn find(text: &str) -> Option<Self> {
        let number = text.strip_prefix('#').unwrap_or(text);
        if number.bytes().all(|b| b.is_ascii_digit()) {
            return number.parse().ok().map(Self::Event);
        }
        if text.starts_with('+') {
            return time_literal::offset_from_first(text).map(Self::After);
        }
        match time_literal::time_literal(text, Zone::Local)? {
            TimeLiteral::Offset(ns) => Some(Self::After(ns)),
            TimeLiteral::Instant(ns) => Some(Self::At(ns)),
            TimeLiteral::TimeOfDay(ns) => Some(Self::TimeOfDay(ns)),
        }
    }

    /// Returns the time for a capture whose first event is at `start`; `None` for an event number.
    ///
    /// A time of day is of the day of the start; [`Self::within`] knows better where the end is known.
    pub fn time(self, start: u64) -> Option<u64> {
        match self {
            Self::At(ns) => Some(ns),
            Self::After(ns) => Some(start.saturating_add(ns)),
            Self::TimeOfDay(ns) => Some(on_day_of(start, ns)),
            Self::Event(_) => None,
        }
    }

    /// Makes a point in time of a time of day: the first one within a range of times, which is that
    /// of a capture; otherwise the one on the day on which the range begins.
    #[must_use]
    pub fn within(self, first: u64, last: u64) -> Self {
        let Self::TimeOfDay(ns) = self else {
            return self;
        };
        let today = on_day_of(first, ns);
        let tomorrow = on_day_of(today.saturating_add(time_literal::NS_PER_DAY), ns);
        match today < first && tomorrow <= last {
            true => Self::At(tomorrow),
            false => Self::At(today),
        }
    }
}

/// Returns the point in time with this local time of day on the day of another.
fn on_day_of(day: u64, ns: u64) -> u64 {
    let found = day.saturating_add(ns).saturating_sub(time_of_day(day));
    // On a day on which clocks are changed, the result is off by the change.
    let change =
        time_literal::local_offset(found / NS_PER_S) - time_literal::local_offset(day / NS_PER_S);
    found.saturating_add_signed(-change.saturating_mul(NS_PER_S.cast_signed()))
}

/// Returns the local time of day in nanoseconds since midnight.
fn time_of_day(ns: u64) -> u64 {
    let offset = time_literal::local_offset(ns / NS_PER_S);
    let second = i64::try_from(ns / NS_PER_S).unwrap_or(0) + offset;
    u64::try_from(second.rem_euclid(86_400)).unwrap_or(0) * NS_PER_S + ns % NS_PER_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let ok = |text| When::parse(text).unwrap();
        assert_eq!(ok("#123"), When::Event(123));
        assert_eq!(ok("123"), When::Event(123));
        assert_eq!(ok("+12.5s"), When::After(12_500_000_000));
        assert_eq!(ok("+2m"), When::After(120_000_000_000));
        assert_eq!(ok("+3"), When::After(3_000_000_000));
        assert_eq!(ok("+0.25"), When::After(250_000_000));
        assert_eq!(ok("1970-01-01T00:00:01Z"), When::At(1_000_000_000));
        assert_eq!(ok("00:00:01"), When::TimeOfDay(1_000_000_000));
        assert!(matches!(ok("2026-11-24 03:12:01.5"), When::At(_)));
    }

    #[test]
    fn errors_span_the_text() {
        for wrong in [
            "yesterday",
            "#",
            "#x",
            "+",
            "+x",
            "+-5s",
            "-5s",
            "2026-11-24 25:00",
            "99999999999999999999",
        ] {
            let error = When::parse(wrong).unwrap_err();
            assert_eq!(error.span, 0..wrong.len(), "{wrong}");
            assert!(error.hint.is_some());
        }
        assert_eq!(When::parse(" ").unwrap_err().kind, FilterErrorKind::Empty);
    }

    #[test]
    fn times_in_a_capture() {
        let start = 1_700_000_000 * NS_PER_S + 5;
        assert_eq!(When::After(7).time(start), Some(start + 7));
        assert_eq!(When::At(7).time(start), Some(7));
        assert_eq!(When::Event(7).time(start), None);
        let now = time_of_day(start);
        assert_eq!(When::TimeOfDay(now).time(start), Some(start));
        let at = |ns| When::TimeOfDay(ns).time(start);
        assert_eq!(at(now - NS_PER_S), Some(start - NS_PER_S));
        assert_eq!(at(now + NS_PER_S), Some(start + NS_PER_S));
    }

    #[test]
    fn a_time_of_day_is_of_the_day_of_the_capture() {
        const HOUR: u64 = 3600 * NS_PER_S;
        let noon = 1_700_000_000 * NS_PER_S;
        let midnight = noon - time_of_day(noon);
        let of = |hour: u64, first: u64, last: u64| {
            let found = When::TimeOfDay(hour * HOUR)
                .within(midnight + first * HOUR, midnight + last * HOUR);
            match found {
                When::At(ns) => (ns - midnight) / HOUR,
                other => panic!("{other:?}"),
            }
        };
        // Within the capture, before it, after it.
        assert_eq!([of(12, 10, 14), of(3, 10, 14), of(20, 10, 14)], [12, 3, 20]);
        // Over midnight.
        assert_eq!([of(23, 22, 26), of(1, 22, 26), of(3, 22, 26)], [23, 25, 3]);
        // Several days: the first one.
        assert_eq!([of(9, 10, 70), of(11, 10, 70)], [33, 11]);
        assert_eq!(When::Event(5).within(0, 9), When::Event(5));
    }
}
