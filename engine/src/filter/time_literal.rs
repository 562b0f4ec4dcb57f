//! Points in time and intervals in filters and options.
//!
//! A point in time is `2026-11-24T03:12:01.5+01:00`. A space can replace `T`; the seconds, the
//! whole time of day and the zone are optional; the default is the local zone. A time of day is
//! `03:12`, `03:12:01` or `03:12:01.5`. `+12.5s` counts from the first event. An interval is a number with a unit from `ns` to `d`.

use chrono::{
    DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _,
};

use crate::event::time::NS_PER_S;
use crate::fields::attributes::Zone;

/// Nanoseconds in a day without leap seconds and clock changes.
pub(super) const NS_PER_DAY: u64 = 86_400 * NS_PER_S;

/// A time in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLiteral {
    /// Nanoseconds since the epoch.
    Instant(u64),
    /// Nanoseconds since midnight.
    TimeOfDay(u64),
    /// Nanoseconds since the first event.
    Offset(u64),
}

/// Parses an offset from the first event: `+12.5s`; the default unit is seconds.
pub(super) fn offset_from_first(text: &str) -> Option<u64> {
    let offset = text.strip_prefix('+')?;
    if !offset.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let ns = match interval(offset) {
        Some(ns) => ns,
        None => interval(&format!("{offset}s"))?,
    };
    u64::try_from(ns).ok()
}

/// Parses a point in time or a time of day.
pub(super) fn time_literal(text: &str, zone: Zone) -> Option<TimeLiteral> {
    match time_of_day(text) {
        Some(ns) => Some(TimeLiteral::TimeOfDay(ns)),
        None => instant(text, zone).map(TimeLiteral::Instant),
    }
}

/// Consumes this many digits.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (head, rest) = text.split_at_checked(count)?;
    let all_digits = head.bytes().all(|b| b.is_ascii_digit());
    Some((head.parse().ok().filter(|_| all_digits)?, rest))
}

/// Consumes `HH:MM[:SS[.fraction]]`: returns nanoseconds since midnight, and the rest.
fn clock(text: &str) -> Option<(u64, &str)> {
    let hour_digits = if text.as_bytes().get(1) == Some(&b':') {
        1
    } else {
        2
    };
    let (hour, rest) = digits(text, hour_digits)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let mut second = 0;
    let mut nanos = 0;
    let mut end = rest;
    if let Some(rest) = rest.strip_prefix(':') {
        (second, end) = digits(rest, 2)?;
        if let Some(rest) = end.strip_prefix(['.', ',']) {
            let len = rest.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&len) {
                return None;
            }
            let (value, rest) = digits(rest, len)?;
            let scale = 10_u32.pow(9 - u32::try_from(len).ok()?);
            nanos = value * scale;
            end = rest;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
    Some((seconds * NS_PER_S + u64::from(nanos), end))
}

fn time_of_day(text: &str) -> Option<u64> {
    let (ns, rest) = clock(text)?;
    rest.is_empty().then_some(ns)
}

/// Parses a point in time.
pub(super) fn instant(text: &str, zone: Zone) -> Option<u64> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let (ns, rest) = match rest.strip_prefix(['T', 't', ' ']) {
        Some(rest) => clock(rest)?,
        None => (0, rest),
    };
    let seconds = u32::try_from(ns / NS_PER_S).ok()?;
    let nanos = u32::try_from(ns % NS_PER_S).ok()?;
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)?;
    let naive = date.and_time(time);
    let rest = rest.trim_start_matches(' ');
    match offset(rest) {
        Some(offset) => nanoseconds(offset.from_local_datetime(&naive).single()?),
        None if rest.is_empty() => match zone {
            Zone::Utc => nanoseconds(naive.and_utc()),
            Zone::Local => local(naive),
        },
        None => None,
    }
}

fn nanoseconds<Z: chrono::TimeZone>(at: DateTime<Z>) -> Option<u64> {
    u64::try_from(at.timestamp_nanos_opt()?).ok()
}

/// A local time that occurs twice (end of daylight saving time) is its first occurrence; one that
/// is skipped is the time that it would have been.
fn local(naive: NaiveDateTime) -> Option<u64> {
    if let Some(at) = Local.from_local_datetime(&naive).earliest() {
        return nanoseconds(at);
    }
    let before = Local
        .from_local_datetime(&(naive - TimeDelta::hours(3)))
        .earliest()?;
    nanoseconds(before)?.checked_add(3 * 3600 * NS_PER_S)
}

/// Parses `Z`, `+HH`, `+HHMM` or `+HH:MM`.
fn offset(text: &str) -> Option<FixedOffset> {
    if matches!(text, "Z" | "z" | "UTC") {
        return FixedOffset::east_opt(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(text.get(1..)?, 2)?;
    let (minutes, rest) = match rest.strip_prefix(':').unwrap_or(rest) {
        "" => (0, ""),
        rest => digits(rest, 2)?,
    };
    if !rest.is_empty() || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?)
}

/// Returns the offset from UTC of the local zone at a point in time, in seconds.
pub(super) fn local_offset(second: u64) -> i64 {
    let at = i64::try_from(second)
        .ok()
        .and_then(|s| Local.timestamp_opt(s, 0).single());
    at.map_or(0, |at| i64::from(at.offset().local_minus_utc()))
}

/// Parses an interval with a unit, as nanoseconds; can be negative.
pub(super) fn interval(text: &str) -> Option<i128> {
    const UNITS: &[(&str, u64)] = &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", NS_PER_S),
        ("m", 60 * NS_PER_S),
        ("min", 60 * NS_PER_S),
        ("h", 3600 * NS_PER_S),
        ("d", NS_PER_DAY),
    ];
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole_len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = rest.split_at(whole_len);
    let (fraction, unit) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let unit = i128::from(UNITS.iter().find(|(name, _)| *name == unit)?.1);
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?.into()
    };
    let places = u32::try_from(fraction.len()).ok()?;
    let fraction: i128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u64>().ok()?.into()
    };
    let ns = whole * unit + fraction * unit / 10_i128.pow(places);
    Some(if negative { -ns } else { ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        let utc = |text| instant(text, Zone::Utc);
        assert_eq!(utc("1970-01-01"), Some(0));
        assert_eq!(utc("2023-11-14T22:13:20Z"), Some(1_700_000_000 * NS_PER_S));
        assert_eq!(
            utc("2023-11-14 23:13:20.5+01:00"),
            Some(1_700_000_000 * NS_PER_S + 500_000_000)
        );
        // As `evt.datetime` prints it.
        assert_eq!(
            utc("2023-11-14 23:13:20.000000001 +0100"),
            Some(1_700_000_000 * NS_PER_S + 1)
        );
        assert_eq!(utc("2023-11-14 22:13"), utc("2023-11-14T22:13:00Z"));
        for wrong in [
            "",
            "2023",
            "2023-13-01",
            "2023-02-30",
            "2023-11-14T25:00",
            "2023-11-14T1",
            "2023-11-14x",
            "1960-01-01",
            "2023-11-14 22:13:20+25",
            "2023-11-14 22:13:20.",
            "٢٠٢٣-11-14",
        ] {
            assert_eq!(utc(wrong), None, "{wrong}");
        }
        assert!(instant("2023-11-14 22:13", Zone::Local).is_some());
    }

    #[test]
    fn times_of_day() {
        let day = |text| match time_literal(text, Zone::Local) {
            Some(TimeLiteral::TimeOfDay(ns)) => Some(ns),
            _ => None,
        };
        assert_eq!(day("00:00"), Some(0));
        assert_eq!(day("3:12"), Some((3 * 3600 + 12 * 60) * NS_PER_S));
        assert_eq!(day("23:59:59.999999999"), Some(NS_PER_DAY - 1));
        assert_eq!(day("03:12:01.5"), Some(11_521_500_000_000));
        for wrong in [
            "24:00",
            "1:2",
            "12:60",
            "12:00:00.1234567890",
            "12:00:00Z",
            "noon",
        ] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn intervals() {
        assert_eq!(interval("10ms"), Some(10_000_000));
        assert_eq!(interval("1.5s"), Some(1_500_000_000));
        assert_eq!(interval("-2m"), Some(-120_000_000_000));
        assert_eq!(interval(".5us"), Some(500));
        assert_eq!(interval("3µs"), Some(3000));
        assert_eq!(interval("1h"), Some(3_600_000_000_000));
        for wrong in [
            "",
            "10",
            "ms",
            ".",
            ".s",
            "1.2.3s",
            "1 s",
            "10x",
            "99999999999999999999s",
        ] {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }
}
