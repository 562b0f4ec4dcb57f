//! Text tables.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Maximum width of a column, in cells; longer text is cut.
const WIDEST: usize = 48;
/// Between columns.
const GAP: &str = "  ";
/// Stands for unknown values.
pub(super) const UNKNOWN: &str = "-";

/// Alignment of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    /// Left, and never cut: for the last column.
    Whole,
}

/// Appends a table: a header, and rows of cells, whose text is already escaped.
pub(super) fn write(out: &mut Vec<u8>, head: &[(&str, Side)], rows: &[Vec<String>]) {
    let titles: Vec<String> = head.iter().map(|(title, _)| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&titles)
        .chain(rows)
        .map(|row| row.iter().zip(head).map(fitted).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|text| text.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for ((text, (_, side)), width) in row.iter().zip(head).zip(&widths) {
            let pad = " ".repeat(width.saturating_sub(text.width()));
            let (before, after) = match side {
                Side::Left => ("", &*pad),
                Side::Whole => ("", ""),
                Side::Right => (&*pad, ""),
            };
            line.extend([before, text, after, GAP]);
        }
        out.extend_from_slice(line.trim_end().as_bytes());
        out.push(b'\n');
    }
}

fn fitted((text, (_, side)): (&String, &(&str, Side))) -> String {
    match side {
        Side::Whole => text.clone(),
        Side::Left | Side::Right => cut(text),
    }
}

/// Cuts a text to the maximum width of a column.
fn cut(text: &str) -> String {
    // Combining marks have no width, so their number is limited too.
    const CHARS: usize = 4 * WIDEST;
    let (mut width, mut end) = (0, None);
    for (index, (at, c)) in text.char_indices().enumerate() {
        width += c.width().unwrap_or(0);
        if width < WIDEST {
            end = Some(at + c.len_utf8());
        }
        if width > WIDEST || index >= CHARS {
            let shown = text.get(..end.unwrap_or(0)).unwrap_or_default();
            return format!("{shown}…");
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_seen() {
        let head = [("NAME", Side::Left), ("N", Side::Right)];
        let row = |name: &str, n: &str| vec![name.to_owned(), n.to_owned()];
        let mut out = Vec::new();
        write(
            &mut out,
            &head,
            &[row("日本", "7"), row("web", "1,234"), row("", "")],
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "NAME      N\n日本      7\nweb   1,234\n\n"
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let fits = "x".repeat(WIDEST);
        assert_eq!(cut(&fits), fits);
        for text in ["x".repeat(1000), "日".repeat(1000), "e\u{301}".repeat(1000)] {
            let cut = cut(&text);
            assert!(cut.ends_with('…') && cut.width() <= WIDEST, "{cut}");
            assert!(cut.chars().count() <= 5 * WIDEST);
        }
    }
}
