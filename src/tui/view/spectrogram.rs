//! Draws the spectrogram: latency of calls over time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::event::number::counted;
use crate::stats::tally::{LATENCIES, PER_DECADE, Spectrum, TIMES, latency_bounds};
use crate::tui::cells;
use crate::tui::model::Model;

/// Width of the latency labels.
const LABELS: u16 = 8;

/// Returns the latency range of a row of the spectrum, in nanoseconds: from, and below.
pub(crate) fn latencies(row: usize) -> (u64, u64) {
    let (from, below) = latency_bounds(row);
    (from, below.unwrap_or(u64::MAX))
}

/// Returns the visible rows: from the shortest to the longest latency with calls.
fn rows(spectrum: &Spectrum) -> (usize, usize) {
    let has = |row: &usize| {
        let mut counts = spectrum.counts.iter().skip(*row).step_by(LATENCIES);
        counts.any(|count| *count > 0)
    };
    let first = (0..LATENCIES).find(has).unwrap_or(0);
    let last = (0..LATENCIES).rev().find(has).unwrap_or(LATENCIES - 1);
    (first, last.max(first))
}

/// The position of the cells of a spectrum on the screen.
pub(crate) struct Grid {
    area: Rect,
    first: usize,
    last: usize,
}

impl Grid {
    /// Fits a spectrum into a part of the screen.
    pub(crate) fn new(spectrum: &Spectrum, area: Rect) -> Self {
        let (first, last) = rows(spectrum);
        let grid = Rect::new(
            area.x + LABELS.min(area.width),
            area.y,
            area.width.saturating_sub(LABELS),
            area.height.saturating_sub(1),
        );
        Self {
            area: grid,
            first,
            last,
        }
    }

    /// Returns the first and the last visible row of the spectrum.
    pub(crate) fn rows(&self) -> (usize, usize) {
        (self.first, self.last)
    }

    /// Returns the cell of the spectrum (time, latency) at a position of the screen.
    pub(crate) fn cell_at(&self, x: u16, y: u16) -> Option<(usize, usize)> {
        if !self.area.contains((x, y).into()) {
            return None;
        }
        let column = usize::from(x - self.area.x) * TIMES / usize::from(self.area.width);
        let count = self.last - self.first + 1;
        let from_top = usize::from(y - self.area.y) * count / usize::from(self.area.height);
        Some((column, self.last - from_top.min(count - 1)))
    }

    /// Returns the columns and rows of the spectrum that a cell of the screen covers.
    fn of_cell(&self, x: u16, y: u16) -> (std::ops::Range<usize>, std::ops::RangeInclusive<usize>) {
        let width = usize::from(self.area.width);
        let height = usize::from(self.area.height);
        let column = usize::from(x - self.area.x);
        let row = usize::from(y - self.area.y);
        let count = self.last - self.first + 1;
        let columns = column * TIMES / width..((column + 1) * TIMES).div_ceil(width).min(TIMES);
        let upper = self.last - (row * count / height).min(count - 1);
        let lower = self.last - (((row + 1) * count).div_ceil(height) - 1).min(count - 1);
        (columns, lower.min(upper)..=upper)
    }
}

/// Draws the spectrogram, latencies upwards.
pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let Some(spectrum) = model.spectrum() else {
        return;
    };
    let grid = Grid::new(spectrum, area);
    if grid.area.is_empty() || spectrum.counts.len() < TIMES * LATENCIES {
        return;
    }
    let largest = spectrum.counts.iter().copied().max().unwrap_or(0);
    let mut labelled = None;
    for y in grid.area.top()..grid.area.bottom() {
        let (_, rows) = grid.of_cell(grid.area.x, y);
        // Each decade once.
        let decade = rows
            .clone()
            .rev()
            .find(|row| *row > 0 && (row - 1) % PER_DECADE == 0);
        if let Some(row) = decade.filter(|_| labelled != decade) {
            labelled = decade;
            let text = cells::duration(latencies(row).0).replace(".00", "");
            buffer.set_stringn(area.x, y, text, usize::from(LABELS) - 1, theme.dim());
        }
        for x in grid.area.left()..grid.area.right() {
            let (columns, rows) = grid.of_cell(x, y);
            let in_cell = |column: usize| {
                let row = &spectrum.counts[column * LATENCIES..(column + 1) * LATENCIES];
                row[rows.clone()].iter().copied().max().unwrap_or(0)
            };
            let count = columns.clone().map(in_cell).max().unwrap_or(0);
            if count > 0 {
                let (style, symbol) = theme.heat(heat(count, largest));
                buffer[(x, y)].set_symbol(symbol).set_style(style);
            }
            let is_cell =
                |cell: (usize, usize)| columns.contains(&cell.0) && rows.contains(&cell.1);
            if is_marked(model, &columns, &rows) || is_cell(model.spectral.cell) {
                buffer[(x, y)].set_style(theme.selected());
            }
        }
    }
    let (column, row) = model.spectral.cell;
    let count = spectrum
        .counts
        .get(column * LATENCIES + row)
        .copied()
        .unwrap_or(0);
    let (from, below) = latencies(row);
    let to = match below {
        u64::MAX => "more".to_owned(),
        below => cells::duration(below),
    };
    let source = match model.tally() {
        Some(_) => "",
        None => ", from the index, without blocking calls",
    };
    let text = format!(
        "{} to {to}: {}{source}   arrows move, Space starts a rectangle, Enter shows its calls",
        cells::duration(from),
        counted(u64::from(count), "call"),
    );
    let y = area.bottom().saturating_sub(1);
    buffer.set_stringn(area.x, y, text, usize::from(area.width), theme.dim());
}

/// Returns the level of a count, by powers of the largest count.
fn heat(count: u32, largest: u32) -> usize {
    if largest <= 1 {
        return 2;
    }
    let share = f64::from(count).ln() / f64::from(largest).ln();
    ((share * 5.0) as usize).min(4)
}

/// Returns true if cells are in the rectangle that is being selected.
fn is_marked(
    model: &Model,
    columns: &std::ops::Range<usize>,
    rows: &std::ops::RangeInclusive<usize>,
) -> bool {
    let Some(anchor) = model.spectral.anchor else {
        return false;
    };
    let cell = model.spectral.cell;
    let (left, right) = (anchor.0.min(cell.0), anchor.0.max(cell.0));
    let (low, high) = (anchor.1.min(cell.1), anchor.1.max(cell.1));
    columns.start <= right && left < columns.end && *rows.start() <= high && low <= *rows.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Span;

    #[test]
    fn the_mouse_and_the_drawing_agree() {
        let mut spectrum = Spectrum {
            span: Span { from: 0, to: 1 },
            counts: vec![0; TIMES * LATENCIES],
        };
        spectrum.counts[5] = 1;
        spectrum.counts[20] = 1;
        for (width, height) in [(80, 12), (200, 60), (20, 3)] {
            let grid = Grid::new(&spectrum, Rect::new(0, 10, width, height));
            for y in grid.area.top()..grid.area.bottom() {
                for x in grid.area.left()..grid.area.right() {
                    let (columns, rows) = grid.of_cell(x, y);
                    let (column, row) = grid.cell_at(x, y).unwrap();
                    assert!(columns.contains(&column) && rows.contains(&row));
                    assert!(*rows.start() >= 5 && *rows.end() <= 20);
                }
            }
        }
    }
}
