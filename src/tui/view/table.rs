//! Draws tables.
//!
//! Not with ratatui's `Table`: a click has to find its column, columns without values give way on narrow screens, and
//! lifetimes are drawn on the time axis, over the width that is left for them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::replay::Span;
use crate::stats::table::{Cell, Column, Row};
use crate::tui::cells;
use crate::tui::model::TablePane;
use crate::tui::theme::Theme;

/// The title of the column of lifetimes.
const LIFE: &str = "LIFE";
/// Minimum width of the last column.
const LEAST: u16 = 28;

/// A column on the screen.
#[derive(Clone, Copy, Debug)]
struct Shown {
    /// Its index in the table; `None` = lifetimes.
    column: Option<usize>,
    x: u16,
    width: u16,
}

/// Lays out columns: columns that do not fit are dropped from the right, except for the last one,
/// which gets the remaining width.
fn place(pane: &TablePane, columns: &[Column], area: Rect) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut x = area.x;
    let has_life = has_life(pane);
    let life = match has_life {
        true => (area.width / 10).clamp(10, 40),
        false => 0,
    };
    let flexible = columns.iter().rposition(|c| c.width == 0);
    let visible = columns
        .iter()
        .enumerate()
        .filter(|(at, _)| !pane.is_hidden(*at));
    let wanted: u16 = visible.map(|(_, c)| c.width + 1).sum::<u16>() + life + 2 * LEAST;
    // The last column is usually the most important one, unless there are lifetimes before it.
    let least = match has_life {
        true => LEAST,
        false => LEAST.max(area.width * 2 / 5),
    };
    let gives_way = |at: usize| wanted > area.width && pane.is_blank(at) || pane.is_hidden(at);
    let reserved = if flexible.is_some() {
        least.min(area.width)
    } else {
        0
    };
    let end = area.right().saturating_sub(reserved);
    let fixed = columns
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != flexible && !gives_way(*at));
    let fixed = fixed.map(|(at, column)| (Some(at), column.width));
    for (column, width) in fixed.chain(has_life.then_some((None, life))) {
        if x.saturating_add(width) > end {
            break;
        }
        shown.push(Shown { column, x, width });
        x += width + 1;
    }
    if let Some(at) = flexible {
        let width = area.right().saturating_sub(x);
        shown.push(Shown {
            column: Some(at),
            x,
            width,
        });
    }
    shown
}

/// Returns the column of a table at a column of the screen.
pub(crate) fn column_at(pane: &TablePane, area: Rect, x: u16) -> Option<usize> {
    let table = pane.table.as_ref()?;
    let shown = place(pane, table.columns, area);
    let hit = shown.iter().find(|s| (s.x..=s.x + s.width).contains(&x))?;
    hit.column
}

fn has_life(pane: &TablePane) -> bool {
    pane.table
        .as_ref()
        .is_some_and(|t| t.rows.iter().any(|row| row.life.is_some()))
}

/// Draws a table with its titles.
pub(super) fn draw(pane: &TablePane, range: Span, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(table) = &pane.table else {
        return;
    };
    if area.is_empty() {
        return;
    }
    let shown = place(pane, table.columns, area);
    for s in &shown {
        let title = s.column.map_or(LIFE, |at| table.columns[at].title);
        let sorted = s
            .column
            .is_some_and(|at| pane.sort.is_some_and(|sort| sort.0 == at));
        let falls = pane.sort.is_some_and(|sort| sort.1);
        let mark = match (sorted, falls) {
            (false, _) => "",
            (true, true) => "\u{25bc}",
            (true, false) => "\u{25b2}",
        };
        let text = format!("{title}{mark}");
        let width = usize::from(s.width);
        let is_number = s.column.is_some_and(|at| numbers(pane, at));
        let text = if is_number {
            format!("{text:>width$}")
        } else {
            text
        };
        buffer.set_stringn(s.x, area.y, text, width, theme.title());
    }
    let rows = usize::from(area.height - 1);
    let is_tree = pane.sort.is_none() && pane.within.is_empty();
    for (line, at) in (pane.top..pane.order.len()).take(rows).enumerate() {
        let y = area.y + 1 + line as u16;
        let Some(row) = pane.row_at(at) else {
            continue;
        };
        for s in &shown {
            match s.column {
                None => draw_life(row, range, theme, Rect::new(s.x, y, s.width, 1), buffer),
                Some(column) => {
                    let is_flexible = table.columns[column].width == 0;
                    let depth = if is_tree && is_flexible { row.depth } else { 0 };
                    let cell = row.cells.get(column).unwrap_or(&Cell::Empty);
                    draw_cell(cell, depth, theme, Rect::new(s.x, y, s.width, 1), buffer);
                }
            }
        }
        if at == pane.selected {
            buffer.set_style(Rect::new(area.x, y, area.width, 1), theme.selected());
        }
    }
    if pane.order.is_empty() && rows > 0 {
        let text = match (table.rows.is_empty(), table.omitted) {
            (true, 0) => "no rows",
            _ => "no row contains that text",
        };
        buffer.set_stringn(
            area.x,
            area.y + 1,
            text,
            usize::from(area.width),
            theme.dim(),
        );
    }
}

/// Returns true if a column has numbers, which are right-aligned.
fn numbers(pane: &TablePane, column: usize) -> bool {
    let rows = (pane.top..pane.order.len()).filter_map(|at| pane.row_at(at));
    let mut cells = rows.filter_map(|row| row.cells.get(column));
    let first = cells.find(|cell| **cell != Cell::Empty);
    first.is_some_and(cells::is_number)
}

fn draw_cell(cell: &Cell, depth: u16, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    // At any depth at least half of the width is for the text.
    let indent = (usize::from(depth) * 2).min(width / 2);
    if indent >= 2 {
        let x = area.x + indent as u16 - 2;
        buffer.set_stringn(x, area.y, "\u{2514}\u{2500}", 2, theme.dim());
        let text = cells::text(cell, width - indent);
        buffer.set_stringn(x + 2, area.y, text, width - indent, theme_of(cell, theme));
        return;
    }
    let text = cells::text(cell, width);
    let text = match cells::is_number(cell) {
        true => format!("{text:>width$}"),
        false => text,
    };
    buffer.set_stringn(area.x, area.y, text, width, theme_of(cell, theme));
}

/// Zeros are dimmed.
fn theme_of(cell: &Cell, theme: Theme) -> ratatui::style::Style {
    match cell {
        Cell::Count(0) | Cell::Hundredths(0) | Cell::Bytes(0) | Cell::Duration(0) => theme.dim(),
        _ => ratatui::style::Style::new(),
    }
}

/// Draws the lifetime of a row on the time axis of the range.
fn draw_life(row: &Row, range: Span, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some((life, saw_start, saw_end)) = row.life else {
        return;
    };
    let Some(shown) = life.intersection(range) else {
        return;
    };
    let width = u128::from(area.width);
    let column = |time: u64| {
        let at = u128::from(time - range.from) * width / u128::from(range.len_ns());
        u16::try_from(at.min(width - 1)).unwrap_or(0)
    };
    let (first, last) = (column(shown.from), column(shown.to));
    for at in first..=last {
        let is_start = at == first && saw_start && life.from >= range.from;
        let is_end = at == last && saw_end && life.to <= range.to;
        let symbol = match (is_start, is_end) {
            (true, true) => "\u{2502}",
            (true, false) => "\u{251c}",
            (false, true) => "\u{2524}",
            (false, false) => "\u{2500}",
        };
        let cell = &mut buffer[(area.x + at, area.y)];
        cell.set_symbol(symbol)
            .set_style(theme.tone(crate::inspect::page::Tone::Process));
    }
}
