//! Values as text that is safe to draw and has a known width.

use unicode_width::UnicodeWidthChar as _;

use crate::event::number::grouped;
use crate::event::text;
use crate::event::time::{LocalClock, short_duration};
use crate::stats::table::Cell;

/// Marks text that is left out.
const MORE: char = '\u{2026}';
/// Limit of combining marks per character.
const MARKS: usize = 2;

/// Formats a value with at most this many columns.
pub(crate) fn text(cell: &Cell, width: usize) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(bytes) => fit(bytes, width),
        Cell::List(texts, more) => {
            let mut all = texts.join(&b", "[..]);
            if *more {
                all.extend_from_slice(", \u{2026}".as_bytes());
            }
            fit(&all, width)
        }
        Cell::Timed(texts, more) => {
            let mut all = Vec::new();
            for (place, (ns, text)) in texts.iter().enumerate() {
                if place > 0 {
                    all.extend_from_slice(format!("; {} ", time(*ns)).as_bytes());
                }
                all.extend_from_slice(text);
            }
            if *more {
                all.extend_from_slice("; \u{2026}".as_bytes());
            }
            fit(&all, width)
        }
        Cell::Rendered(text) => clip(&String::from_utf8_lossy(text), width),
        Cell::Word(word) | Cell::Ranked(_, word) => fit(word.as_bytes(), width),
        Cell::Id(id) => id.to_string(),
        // Numbers are never truncated.
        Cell::Count(count) => {
            let whole = grouped(*count);
            if whole.len() <= width {
                whole
            } else {
                short(*count)
            }
        }
        Cell::Hundredths(value) if *value < 10_000 => {
            format!("{}.{:02}", value / 100, value % 100)
        }
        Cell::Hundredths(value) => short(value / 100),
        Cell::Bytes(bytes) => size(*bytes),
        Cell::Duration(ns) => duration(*ns),
        Cell::Time(ns) => time(*ns),
    }
}

/// Returns true if a value is right-aligned.
pub(crate) fn is_number(cell: &Cell) -> bool {
    !matches!(
        cell,
        Cell::Empty
            | Cell::Text(_)
            | Cell::List(..)
            | Cell::Timed(..)
            | Cell::Rendered(_)
            | Cell::Word(_)
            | Cell::Ranked(..)
            | Cell::Time(_)
    )
}

/// Returns text from a capture, escaped and truncated to a width in columns. Reads only the part
/// that can be visible.
pub(crate) fn fit(bytes: &[u8], width: usize) -> String {
    escaped(bytes, width, text::escape_exact)
}

fn escaped(bytes: &[u8], width: usize, put: text::Put) -> String {
    // A character has at most four bytes, and marks after it.
    let looked_at = width.saturating_add(1).saturating_mul(4 * (1 + MARKS));
    let mut end = bytes.len().min(looked_at);
    // Not in the middle of a character.
    while end > 0 && bytes.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
        end -= 1;
    }
    let cut = &bytes[..end];
    let mut escaped = Vec::with_capacity(cut.len());
    put(&mut escaped, cut);
    shorten(
        &String::from_utf8_lossy(&escaped),
        width,
        cut.len() < bytes.len(),
    )
}

/// Returns text that was made for the screen, of parts that are escaped already, truncated to a width in
/// columns. Escaping it again would show other escapes than those that it has.
pub(crate) fn clip(text: &str, width: usize) -> String {
    let looked_at = width.saturating_add(1).saturating_mul(1 + MARKS);
    let end = text.char_indices().nth(looked_at).map(|(at, _)| at);
    let cut = &text[..end.unwrap_or(text.len())];
    match cut.chars().any(text::is_unsafe) {
        true => escaped(text.as_bytes(), width, text::escape),
        false => shorten(cut, width, end.is_some()),
    }
}

/// Truncates safe text to a width in columns; `has_more`: it was truncated already.
fn shorten(text: &str, width: usize, has_more: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut used = 0;
    let mut marks = 0;
    let mut ends: Vec<(usize, usize)> = Vec::new();
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        marks = if columns == 0 { marks + 1 } else { 0 };
        if marks > MARKS || (columns == 0 && out.is_empty()) {
            continue;
        }
        if used + columns > width {
            if used < width {
                out.push(MORE);
                return out;
            }
            // The last characters make room for the truncation mark.
            while let Some((end, before)) = ends.pop() {
                out.truncate(end);
                if before < width {
                    out.push(MORE);
                    break;
                }
            }
            return out;
        }
        ends.push((out.len(), used));
        out.push(c);
        used += columns;
    }
    if has_more && used < width {
        out.push(MORE);
    }
    out
}

/// Formats a number in few columns: `1234`, `12.3k`, `4.5M`.
pub(crate) fn short(number: u64) -> String {
    scaled(number, 1000, ["k", "M", "G", "T", "P", "E"])
}

/// Formats a size in bytes: `123`, `1.2K`, `34M`.
pub(crate) fn size(bytes: u64) -> String {
    scaled(bytes, 1024, ["K", "M", "G", "T", "P", "E"])
}

fn scaled(number: u64, base: u64, units: [&str; 6]) -> String {
    if number < base * 10 && number < 10_000 {
        return number.to_string();
    }
    let mut whole = number;
    let mut tenths = 0;
    let mut unit = "";
    for name in units {
        if whole < base && !unit.is_empty() {
            break;
        }
        tenths = whole % base * 10 / base;
        whole /= base;
        unit = name;
    }
    match whole {
        0..100 => format!("{whole}.{tenths}{unit}"),
        _ => format!("{whole}{unit}"),
    }
}

/// Formats a duration in nanoseconds in few columns: `850ns`, `1.23ms`, `12.5s`, `3m20s`.
pub(crate) fn duration(ns: u64) -> String {
    short_duration(ns)
}

/// Formats a local time of day with microseconds.
pub(crate) fn time(ns: u64) -> String {
    LocalClock::default().microseconds(ns)
}

/// Formats a time of day with enough digits to distinguish times this many nanoseconds apart.
pub(crate) fn time_at(ns: u64, apart: u64) -> String {
    let mut out = Vec::with_capacity(18);
    LocalClock::default().time_of_day(&mut out, ns);
    let digits = match apart {
        1_000_000_000.. => 0,
        1_000_000.. => 3,
        1_000.. => 6,
        _ => 9,
    };
    let len = "HH:MM:SS".len();
    out.truncate(if digits == 0 { len } else { len + 1 + digits });
    String::from_utf8_lossy(&out).into_owned()
}

/// Formats a date and time with zone.
pub(crate) fn date_time(ns: u64) -> String {
    let mut out = Vec::new();
    LocalClock::default().date_time(&mut out, ns);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn text_fits() {
        assert_eq!(fit(b"/etc/passwd", 20), "/etc/passwd");
        assert_eq!(fit(b"/etc/passwd", 11), "/etc/passwd");
        assert_eq!(fit(b"/etc/passwd", 8), "/etc/pa\u{2026}");
        assert_eq!(fit(b"abc", 1), "\u{2026}");
        assert_eq!(fit(b"abc", 0), "");
        assert_eq!(fit(b"", 3), "");
        let wide = "\u{65e5}\u{672c}\u{8a9e}".as_bytes();
        assert_eq!(fit(wide, 6).width(), 6);
        assert_eq!(fit(wide, 5), "\u{65e5}\u{672c}\u{2026}");
        assert_eq!(fit(wide, 4), "\u{65e5}\u{2026}");
    }

    #[test]
    fn hostile_text_fits_too() {
        assert_eq!(fit(b"\x1b[2J", 20), "\\x1b[2J");
        assert_eq!(fit(b"\\x1b[2J", 20), "\\\\x1b[2J");
        // What is escaped stays as it is; what is not is escaped.
        assert_eq!(clip("\\x1b[2J", 20), "\\x1b[2J");
        assert_eq!(clip("\x1b[2J", 20), "\\x1b[2J");
        assert_eq!(clip("\\x1b[2J", 4), "\\x1\u{2026}");
        assert_eq!(fit("a\u{202e}b".as_bytes(), 20), "a\\u{202e}b");
        let accents = format!("a{}b", "\u{301}".repeat(5000));
        assert_eq!(fit(accents.as_bytes(), 3), "a\u{301}\u{301}\u{2026}");
        assert_eq!(fit("\u{301}x".as_bytes(), 3), "x");
        let huge = vec![b'x'; 10 << 20];
        assert_eq!(fit(&huge, 10).chars().count(), 10);
        let mut bytes = Vec::new();
        for seed in 0..2000_u32 {
            bytes.push((seed.wrapping_mul(2_654_435_761) >> 24) as u8);
            for width in [0, 1, 2, 7] {
                let shown = fit(&bytes, width);
                assert!(shown.width() <= width && !shown.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn a_number_is_never_cut() {
        assert_eq!(text(&Cell::Count(2_166_920), 9), "2,166,920");
        assert_eq!(text(&Cell::Count(2_166_920), 8), "2.1M");
        assert_eq!(text(&Cell::Count(u64::MAX), 8), "18.4E");
    }

    #[test]
    fn numbers() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 9_999, 10_000, 1_500_000].map(short),
            ["0", "9999", "10.0k", "1.5M"]
        );
        assert_eq!(
            [1023, 10 << 10, 3 << 30].map(size),
            ["1023", "10.0K", "3.0G"]
        );
        assert_eq!(size(u64::MAX), "15.9E");
        assert_eq!(
            [5, 1_234, 12_345_678, 59_999_999_999, 61_000_000_000].map(duration),
            ["5ns", "1.23us", "12.3ms", "59.9s", "1m01s"]
        );
        assert_eq!(duration(u64::MAX), "213503d23h");
    }
}
