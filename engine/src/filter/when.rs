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
        if let Some(offset) = text.strip_prefix('+') {
            let ns = match time_literal::interval(offset) {
                Some(ns) => ns,
                // The default unit is seconds.
                None => time_literal::interval(&format!("{offset}s"))?,
            };
            return u64::try_from(ns).ok().map(Self::After);
        }
        match time_literal::time_literal(text, Zone::Local)? {
            TimeLiteral::Instant(ns) => Some(Self::At(ns)),
            TimeLiteral::TimeOfDay(ns) => Some(Self::TimeOfDay(ns)),
        }
    }

    /// Returns the time for a capture whose first event is at `start`; `None` for an event number.
    ///
    /// A time of day is its first occurrence at or after the start of the capture.
    pub fn time(self, start: u64) -> Option<u64> {
        match self {
            Self::At(ns) => Some(ns),
            Self::After(ns) => Some(start.saturating_add(ns)),
            Self::TimeOfDay(ns) => {
                let now = time_of_day(start);
                let later = (ns + time_literal::NS_PER_DAY - now) % time_literal::NS_PER_DAY;
                Some(start.saturating_add(later))
            }
            Self::Event(_) => None,
        }
    }
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
        assert_eq!(
            When::TimeOfDay((now + NS_PER_S) % time_literal::NS_PER_DAY).time(start),
            Some(start + NS_PER_S)
        );
        let before = (now + time_literal::NS_PER_DAY - 1) % time_literal::NS_PER_DAY;
        assert_eq!(
            When::TimeOfDay(before).time(start),
            Some(start + time_literal::NS_PER_DAY - 1)
        );
    }
}
