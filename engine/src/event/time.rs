//! Points in time and intervals as text.
//!
//! Local time needs the zone rules, which are slow. Consecutive events are nearly always in the same second, so
//! [`LocalClock`] keeps the text of the last one.

use chrono::{DateTime, FixedOffset, Local, SecondsFormat, TimeZone as _, Utc};

use super::number;

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;

/// 2006-01-01, before the kernel had cgroups, in seconds since the epoch.
const FIRST_CONTAINERS_S: u64 = 1_136_073_600;
/// How far the clocks of a runtime and a recorder may be apart.
const CLOCKS_APART_S: u64 = 24 * 3600;

/// Returns when a container was created, in nanoseconds since the epoch, from the seconds that its runtime reports;
/// `None` if that cannot be: before there were containers, or after `now_ns`, when it was seen.
pub fn of_creation(seconds: i64, now_ns: u64) -> Option<u64> {
    let seconds = u64::try_from(seconds).ok()?;
    let last = (now_ns / NS_PER_S).saturating_add(CLOCKS_APART_S);
    (FIRST_CONTAINERS_S..=last)
        .contains(&seconds)
        .then(|| seconds.saturating_mul(NS_PER_S))
}

/// Formats a duration in nanoseconds in few columns: `850ns`, `1.23ms`, `12.5s`, `3m20s`, `2h05m`,
/// `3d04h`.
pub fn short_duration(ns: u64) -> String {
    let scaled = |unit: u64, name: &str| {
        let hundredths = ns / (unit / 100);
        match hundredths {
            0..1000 => format!("{}.{:02}{name}", hundredths / 100, hundredths % 100),
            1000..10_000 => format!("{}.{}{name}", hundredths / 100, hundredths / 10 % 10),
            _ => format!("{}{name}", hundredths / 100),
        }
    };
    const S: u64 = 1_000_000_000;
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => scaled(1_000, "us"),
        1_000_000..S => scaled(1_000_000, "ms"),
        S..60_000_000_000 => scaled(S, "s"),
        60_000_000_000..3_600_000_000_000 => format!("{}m{:02}s", ns / (60 * S), ns / S % 60),
        3_600_000_000_000..86_400_000_000_000 => {
            format!("{}h{:02}m", ns / (3600 * S), ns / (60 * S) % 60)
        }
        _ => format!("{}d{:02}h", ns / (86_400 * S), ns / (3600 * S) % 24),
    }
}

/// Formats local times, and keeps the text of the last second.
#[derive(Clone, Debug, Default)]
pub struct LocalClock {
    second: Option<u64>,
    time_of_day: Vec<u8>,
    date: Vec<u8>,
    zone: Vec<u8>,
}

impl LocalClock {
    /// Appends `HH:MM:SS.nnnnnnnnn`.
    pub fn time_of_day(&mut self, out: &mut Vec<u8>, ns: u64) {
        self.load(ns / NS_PER_S);
        out.extend_from_slice(&self.time_of_day);
        fraction(out, ns);
    }

    /// Appends `YYYY-MM-DD HH:MM:SS.nnnnnnnnn +zzzz`.
    pub fn date_time(&mut self, out: &mut Vec<u8>, ns: u64) {
        self.load(ns / NS_PER_S);
        out.extend_from_slice(&self.date);
        out.push(b' ');
        out.extend_from_slice(&self.time_of_day);
        fraction(out, ns);
        out.push(b' ');
        out.extend_from_slice(&self.zone);
    }

    /// Returns `HH:MM:SS.uuuuuu`, as lists show times.
    pub fn microseconds(&mut self, ns: u64) -> String {
        let mut out = Vec::with_capacity(18);
        self.time_of_day(&mut out, ns);
        out.truncate("HH:MM:SS.uuuuuu".len());
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+zz:zz`.
    pub fn iso8601(&mut self, out: &mut Vec<u8>, ns: u64) {
        self.load(ns / NS_PER_S);
        out.extend_from_slice(&self.date);
        out.push(b'T');
        out.extend_from_slice(&self.time_of_day);
        fraction(out, ns);
        let (hours, minutes) = self.zone.split_at(self.zone.len().min(3));
        out.extend_from_slice(hours);
        out.push(b':');
        out.extend_from_slice(minutes);
    }

    /// Appends `HH:MM:SS`.
    pub fn time_of_day_s(&mut self, out: &mut Vec<u8>, ns: u64) {
        self.load(ns / NS_PER_S);
        out.extend_from_slice(&self.time_of_day);
    }

    /// Appends `YYYY-MM-DD`.
    pub fn date(&mut self, out: &mut Vec<u8>, ns: u64) {
        self.load(ns / NS_PER_S);
        out.extend_from_slice(&self.date);
    }

    fn load(&mut self, second: u64) {
        if self.second == Some(second) {
            return;
        }
        self.second = Some(second);
        self.time_of_day.clear();
        self.date.clear();
        self.zone.clear();
        let local = i64::try_from(second)
            .ok()
            .and_then(|s| Local.timestamp_opt(s, 0).single());
        let Some(local) = local else {
            // Beyond the calendar, from a damaged file. The number can still be evidence.
            number::udec(&mut self.time_of_day, second);
            return;
        };
        self.time_of_day
            .extend_from_slice(local.format("%H:%M:%S").to_string().as_bytes());
        self.date
            .extend_from_slice(local.format("%Y-%m-%d").to_string().as_bytes());
        self.zone
            .extend_from_slice(local.format("%z").to_string().as_bytes());
    }
}

/// Appends `S.nnnnnnnnn`.
pub fn seconds(out: &mut Vec<u8>, ns: u64) {
    number::udec(out, ns / NS_PER_S);
    fraction(out, ns);
}

fn fraction(out: &mut Vec<u8>, ns: u64) {
    out.push(b'.');
    number::padded(out, ns % NS_PER_S, 9);
}

/// Returns a point in time in ISO 8601, at an offset from UTC in seconds, for evidence.
///
/// The offset is that of the recorded machine; an impossible one counts as 0.
pub fn iso8601(ns: u64, utc_offset_s: i32) -> String {
    let Some(utc) = to_utc(ns) else {
        return format!("{ns} ns");
    };
    match FixedOffset::east_opt(utc_offset_s) {
        Some(zone) => utc
            .with_timezone(&zone)
            .to_rfc3339_opts(SecondsFormat::Nanos, false),
        None => utc.to_rfc3339_opts(SecondsFormat::Nanos, false),
    }
}

fn to_utc(ns: u64) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(ns % NS_PER_S).ok()?;
    DateTime::from_timestamp(i64::try_from(ns / NS_PER_S).ok()?, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_keeps_up_with_the_seconds() {
        let mut clock = LocalClock::default();
        let mut text = |ns| {
            let mut out = Vec::new();
            clock.time_of_day(&mut out, ns);
            String::from_utf8(out).unwrap()
        };
        let first = text(1_700_000_000_000_000_001);
        assert!(first.ends_with(":20.000000001"), "{first}");
        assert!(text(1_700_000_000_999_999_999).ends_with(":20.999999999"));
        assert!(text(1_700_000_001_000_000_000).ends_with(":21.000000000"));
        // Any number in a damaged file prints something.
        assert!(!text(u64::MAX).is_empty());
    }

    #[test]
    fn dates_have_their_zone() {
        let mut out = Vec::new();
        LocalClock::default().date_time(&mut out, 1_700_000_000_000_000_001);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("2023-11-1"), "{text}");
        let zone = &text[text.len() - 5..];
        assert!(zone.starts_with(['+', '-']), "{text}");
        assert_eq!(
            iso8601(1_700_000_000_000_000_001, 3600),
            "2023-11-14T23:13:20.000000001+01:00"
        );
        assert_eq!(
            iso8601(1_700_000_000_000_000_001, i32::MAX),
            "2023-11-14T22:13:20.000000001+00:00"
        );
        assert!(!iso8601(u64::MAX, 0).is_empty());
    }

    #[test]
    fn intervals() {
        let mut out = Vec::new();
        seconds(&mut out, 5_514_632_620);
        assert_eq!(out, b"5.514632620");
    }
}
