//! The screen as text, and as SVG for documents.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

/// Size of a cell in the picture, in pixels.
const CELL: (f64, f64) = (8.4, 17.0);
/// Space around the screen.
const MARGIN: f64 = 8.0;

/// Returns the screen as lines of text, without spaces at their ends.
pub(crate) fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (symbol.width() as u16).max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Returns the screen as SVG.
pub(crate) fn svg(buffer: &Buffer) -> String {
    let area = buffer.area;
    let (width, height) = (
        f64::from(area.width) * CELL.0 + 2.0 * MARGIN,
        f64::from(area.height) * CELL.1 + 2.0 * MARGIN,
    );
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    for y in area.top()..area.bottom() {
        let mut x = area.left();
        while x < area.right() {
            let start = x;
            let first = &buffer[(x, y)];
            let mut run = String::new();
            // Cells of the same style are one text element.
            while x < area.right() && same_style(first, &buffer[(x, y)]) && !is_bar(&buffer[(x, y)])
            {
                let symbol = buffer[(x, y)].symbol();
                run.push_str(symbol);
                x += (symbol.width() as u16).max(1);
            }
            if x == start {
                bar(&mut out, buffer, x, y);
                x += 1;
                continue;
            }
            write_run(
                &mut out,
                first,
                &run,
                start - area.left(),
                y - area.top(),
                x - start,
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d3d7cf";

fn same_style(a: &Cell, b: &Cell) -> bool {
    (a.fg, a.bg, a.modifier) == (b.fg, b.bg, b.modifier)
}

/// Foreground and background, as they are shown.
fn colors(cell: &Cell) -> (&'static str, &'static str) {
    let fg = color(cell.fg).unwrap_or(FOREGROUND);
    let bg = color(cell.bg).unwrap_or(BACKGROUND);
    match cell.modifier.contains(Modifier::REVERSED) {
        true => (bg, fg),
        false => (fg, bg),
    }
}

fn color(color: Color) -> Option<&'static str> {
    Some(match color {
        Color::Black => "#000000",
        Color::Red => "#cc3333",
        Color::Green => "#4e9a06",
        Color::Yellow => "#d7a700",
        Color::Blue => "#4c7ac7",
        Color::Magenta => "#a26fae",
        Color::Cyan => "#17a7ab",
        Color::Gray => "#b0b4ac",
        Color::DarkGray => "#6b706a",
        Color::LightRed => "#ff6b5e",
        Color::LightGreen => "#8ae234",
        Color::LightYellow => "#fce94f",
        Color::LightBlue => "#86aee8",
        Color::LightMagenta => "#d79be0",
        Color::LightCyan => "#5fe3e6",
        Color::White => "#eeeeec",
        _ => return None,
    })
}

/// Returns true if a cell is part of a bar, which is drawn as a shape, whatever the font.
fn is_bar(cell: &Cell) -> bool {
    matches!(cell.symbol().chars().next(), Some('\u{2581}'..='\u{2588}'))
}

fn bar(out: &mut String, buffer: &Buffer, x: u16, y: u16) {
    let cell = &buffer[(x, y)];
    let eighths = cell
        .symbol()
        .chars()
        .next()
        .map_or(0, |c| c as u32 - 0x2580);
    let height = CELL.1 * f64::from(eighths) / 8.0;
    let (fg, bg) = colors(cell);
    let left = MARGIN + f64::from(x - buffer.area.left()) * CELL.0;
    let top = MARGIN + f64::from(y - buffer.area.top()) * CELL.1;
    if bg != BACKGROUND {
        rect(out, left, top, CELL.0, CELL.1, bg);
    }
    rect(out, left, top + CELL.1 - height, CELL.0, height, fg);
}

fn rect(out: &mut String, x: f64, y: f64, width: f64, height: f64, fill: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
    );
}

fn write_run(out: &mut String, cell: &Cell, run: &str, column: u16, row: u16, columns: u16) {
    let (fg, bg) = colors(cell);
    let left = MARGIN + f64::from(column) * CELL.0;
    let top = MARGIN + f64::from(row) * CELL.1;
    let width = f64::from(columns) * CELL.0;
    if bg != BACKGROUND {
        rect(out, left, top, width, CELL.1, bg);
    }
    let text = run.trim_end();
    if text.is_empty() {
        return;
    }
    let lead = text.len() - text.trim_start().len();
    let text = &text[lead..];
    let mut style = String::new();
    if cell.modifier.contains(Modifier::BOLD) {
        style.push_str(" font-weight=\"bold\"");
    }
    if cell.modifier.contains(Modifier::DIM) {
        style.push_str(" opacity=\"0.6\"");
    }
    if cell.modifier.contains(Modifier::UNDERLINED) {
        style.push_str(" text-decoration=\"underline\"");
    }
    let _ = write!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\" fill=\"{fg}\"{style}>",
        left + lead as f64 * CELL.0,
        top + CELL.1 * 0.76,
        text.width() as f64 * CELL.0,
    );
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // XML does not allow control characters, and none are drawn.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push_str("</text>\n");
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_screen_as_text_and_as_picture() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(1, 0, "<a & \u{65e5}", Style::new().fg(Color::Red));
        buffer.set_string(
            0,
            1,
            "x\u{2584}y",
            Style::new().add_modifier(Modifier::REVERSED),
        );
        assert_eq!(text(&buffer), " <a & \u{65e5}\nx\u{2584}y\n");
        let svg = svg(&buffer);
        assert!(svg.contains("&lt;a &amp; \u{65e5}</text>"));
        // Half a cell.
        assert!(svg.contains("height=\"8.5\""), "{svg}");
        assert_eq!(svg.matches("<text").count(), 3);
    }
}
