//! Data from a capture as lines that are safe to draw.

use crate::tui::cells;
use crate::tui::model::Form;

/// Bytes per line in hexadecimal.
const PER_LINE: usize = 16;

/// Returns the number of lines of the data.
pub(crate) fn count(data: &[u8], form: Form, width: usize) -> usize {
    match form {
        Form::Hex => data.len().div_ceil(PER_LINE),
        Form::Dotted => data.len().div_ceil(width.max(1)),
        Form::Text => pieces(data, width).count(),
    }
}

/// Returns lines starting at an index.
pub(crate) fn lines(
    data: &[u8],
    form: Form,
    width: usize,
    skip: usize,
    rows: usize,
) -> Vec<String> {
    match form {
        Form::Hex => {
            let chunks = data.chunks(PER_LINE).enumerate();
            chunks
                .skip(skip)
                .take(rows)
                .map(|(at, chunk)| hex(at * PER_LINE, chunk))
                .collect()
        }
        Form::Dotted => {
            let chunks = data.chunks(width.max(1));
            chunks.skip(skip).take(rows).map(dotted).collect()
        }
        Form::Text => {
            let pieces = pieces(data, width).skip(skip).take(rows);
            pieces.map(|piece| cells::fit(piece, width)).collect()
        }
    }
}

/// Splits data at line breaks and at the width: an escape takes up to four columns per byte.
fn pieces(data: &[u8], width: usize) -> impl Iterator<Item = &[u8]> {
    let longest = width.max(4);
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut used = 0;
        let mut end = 0;
        while end < rest.len() {
            if rest[end] == b'\n' {
                let line = &rest[..end];
                rest = &rest[end + 1..];
                return Some(line.strip_suffix(b"\r").unwrap_or(line));
            }
            // No character is wider than its escaped bytes.
            let cost = match rest[end] {
                b'\\' => 2,
                0x20..=0x7e => 1,
                _ => 4,
            };
            if used + cost > longest {
                break;
            }
            used += cost;
            end += 1;
        }
        // Not in the middle of a character.
        let mut cut = end;
        while cut > 1 && cut < rest.len() && rest[cut] & 0xc0 == 0x80 && end - cut < 3 {
            cut -= 1;
        }
        let (line, after) = rest.split_at(cut.max(1));
        rest = after;
        Some(line)
    })
}

fn dotted(bytes: &[u8]) -> String {
    bytes.iter().map(|b| printable(*b)).collect()
}

fn printable(byte: u8) -> char {
    match byte {
        0x20..=0x7e => char::from(byte),
        _ => '.',
    }
}

fn hex(offset: usize, bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = format!("{offset:06x} ");
    for at in 0..PER_LINE {
        match bytes.get(at) {
            Some(byte) => drop(write!(out, " {byte:02x}")),
            None => out.push_str("   "),
        }
    }
    out.push_str("  ");
    out.push_str(&dotted(bytes));
    out
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn forms() {
        let data = b"GET /\r\nHost: a\x1b[2J\n\nlast";
        let text = |form| lines(data, form, 40, 0, 100);
        assert_eq!(text(Form::Text), ["GET /", "Host: a\\x1b[2J", "", "last"]);
        assert_eq!(text(Form::Dotted), ["GET /..Host: a.[2J..last"]);
        assert_eq!(text(Form::Hex).len(), 2);
        assert!(text(Form::Hex)[0].starts_with("000000  47 45 54 20 2f 0d"));
        assert_eq!(lines(data, Form::Text, 40, 2, 1), [""]);
    }

    #[test]
    fn every_byte_is_shown_once_and_fits() {
        let data: Vec<u8> = (0..4000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for width in [4, 10, 79] {
            let all: usize = pieces(&data, width).map(<[u8]>::len).sum();
            let ends = data.iter().filter(|b| **b == b'\n').count();
            assert!(all + 2 * ends >= data.len() && all + ends <= data.len());
            for form in [Form::Text, Form::Dotted] {
                let all = lines(&data, form, width, 0, usize::MAX);
                assert_eq!(all.len(), count(&data, form, width));
                assert!(
                    all.iter()
                        .all(|l| l.width() <= width && !l.contains('\x1b'))
                );
            }
        }
        assert_eq!(
            lines("\u{e9}".repeat(9).as_bytes(), Form::Text, 8, 0, 9).concat(),
            "\u{e9}".repeat(9)
        );
    }
}
