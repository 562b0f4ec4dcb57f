//! Draws the overview: tiles with the matches of a filter over time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::timeline;
use crate::event::number::counted;
use crate::stats::table::TILES;
use crate::stats::tally::{Io, Tally};
use crate::tui::cells;
use crate::tui::model::Model;

/// Minimum width of a tile.
const TILE: u16 = 38;
/// Width of a tile's count.
const COUNT: usize = 6;
/// Most processes that are named beside a rule.
const MOST_NAMES: usize = 8;
/// Number of rows above the rules and tiles.
const SUMMARY: u16 = 2;

/// Returns the number of tiles per row.
pub(crate) fn across(width: u16) -> usize {
    usize::from((width / TILE).clamp(1, 4))
}

/// Returns the first visible row of tiles, so that the selected tile is visible.
fn first_row(tile: usize, across: usize, rows: usize) -> usize {
    (tile / across).saturating_sub(rows.saturating_sub(1))
}

/// What is selected with a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A rule with alerts, by its line.
    Rule(usize),
    /// A tile.
    Tile(usize),
}

/// Returns how many rules with alerts are shown at most.
pub(crate) fn rules(area: Rect) -> usize {
    usize::from(area.height / 4).clamp(1, 6)
}

/// Returns the area of the tiles.
fn tiles(model: &Model, area: Rect) -> Rect {
    let above = SUMMARY + model.top_alerts().len() as u16;
    let above = above.min(area.height);
    Rect {
        y: area.y + above,
        height: area.height - above,
        ..area
    }
}

/// Returns the rule or tile at a position of the screen.
pub(crate) fn item_at(model: &Model, area: Rect, x: u16, y: u16) -> Option<Item> {
    let row = usize::from(y.checked_sub(area.y + SUMMARY)?);
    if row < model.top_alerts().len() {
        return Some(Item::Rule(row));
    }
    tile_at(model, tiles(model, area), x, y).map(Item::Tile)
}

fn tile_at(model: &Model, area: Rect, x: u16, y: u16) -> Option<usize> {
    let across = across(area.width);
    let rows = usize::from(area.height);
    let row = usize::from(y.checked_sub(area.y)?) + first_row(model.tile, across, rows);
    let column = usize::from(x.saturating_sub(area.x)) * across / usize::from(area.width.max(1));
    let tile = row * across + column;
    (tile < TILES.len()).then_some(tile)
}

/// Draws the overview.
pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some(tally) = model.tally() else {
        return;
    };
    draw_summary(model, tally, area, buffer);
    draw_rules(model, area, buffer);
    let area = tiles(model, area);
    let across = across(area.width);
    let rows = usize::from(area.height);
    let first = first_row(model.tile, across, rows);
    let width = area.width / across as u16;
    for row in 0..rows {
        for column in 0..across {
            let at = (first + row) * across + column;
            if at >= TILES.len() {
                return;
            }
            let tile = Rect::new(
                area.x + width * column as u16,
                area.y + row as u16,
                width,
                1,
            );
            draw_tile(model, tally, at, tile, buffer);
        }
    }
}

fn draw_tile(model: &Model, tally: &Tally, at: usize, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let tile = &TILES[at];
    let (count, series) = match tally.tiles.get(at) {
        Some(tally) => (tally.count, &tally.series[..]),
        None => (0, &[][..]),
    };
    let style = match (count, tile.notable) {
        (0, _) => theme.dim(),
        (_, true) => theme.notable(),
        (_, false) => Style::new(),
    };
    let mark = if count > 0 && tile.notable { "!" } else { " " };
    let longest = TILES.iter().map(|tile| tile.title.len()).max().unwrap_or(0);
    let title = longest.min(usize::from(area.width).saturating_sub(COUNT + 9));
    let text = format!(
        "{mark}{:title$} {:>COUNT$} ",
        cells::clip(tile.title, title),
        cells::short(count),
    );
    buffer.set_stringn(area.x, area.y, &text, usize::from(area.width), style);
    let used = (text.chars().count() as u16).min(area.width);
    let line = Rect::new(area.x + used, area.y, area.width - used, 1);
    let line = Rect {
        width: line.width.saturating_sub(1),
        ..line
    };
    timeline::sparkline(buffer, line, series, style);
    if at == model.tile && model.alerts.line.is_none() {
        let marked = Rect {
            width: used.saturating_sub(1),
            ..area
        };
        buffer.set_style(marked, theme.selected());
    }
}

/// Draws the rules with the most severe alerts.
fn draw_rules(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.theme;
    let width = usize::from(area.width);
    for (at, of) in model.top_alerts().iter().enumerate() {
        let y = area.y + SUMMARY + at as u16;
        if y >= area.bottom() {
            return;
        }
        let (style, letter) = theme.alert(of.rule.priority);
        let mut processes: Vec<&[u8]> = Vec::new();
        for alert in &of.alerts {
            if processes.len() < MOST_NAMES && !processes.contains(&&*alert.comm) {
                processes.push(&alert.comm);
            }
        }
        let processes = processes.join(&b", "[..]);
        let text = format!(
            "{letter} {:9} {:>COUNT$}  {}  {}: {}",
            cells::clip(of.rule.priority.name(), 9),
            cells::short(of.count),
            cells::time(of.seen.from),
            cells::fit(&of.rule.name, width),
            cells::fit(&processes, width),
        );
        buffer.set_stringn(area.x, y, cells::clip(&text, width), width, style);
        if model.alerts.line == Some(at) {
            buffer.set_style(Rect::new(area.x, y, area.width, 1), theme.selected());
        }
    }
}

/// Draws two lines of totals.
fn draw_summary(model: &Model, tally: &Tally, area: Rect, buffer: &mut Buffer) {
    let sum = |io: &dyn Fn(&crate::stats::tally::ProcessTally) -> Io| {
        tally
            .processes
            .values()
            .map(io)
            .fold((0_u64, 0_u64), |(read, written), io| {
                (
                    read.saturating_add(io.bytes_in),
                    written.saturating_add(io.bytes_out),
                )
            })
    };
    let (file, net) = (sum(&|p| p.file), sum(&|p| p.net));
    let active = tally
        .processes
        .values()
        .filter(|p| p.seen.is_some())
        .count();
    let containers = tally.containers.keys().filter(|id| !id.is_empty()).count();
    let failed: u64 = tally.calls.values().map(|call| call.failed).sum();
    let range = model.range();
    let lost = model
        .capture
        .losses()
        .iter()
        .filter(|l| l.span.intersection(range).is_some());
    let lost: u64 = lost.map(|l| l.count).sum();
    let first = format!(
        "{}, {}, {}, {} failed",
        counted(tally.events, "event"),
        counted(active as u64, "process"),
        counted(containers as u64, "container"),
        counted(failed, "call"),
    );
    let second = format!(
        "files {} read, {} written   network {} in, {} out   ",
        cells::size(file.0),
        cells::size(file.1),
        cells::size(net.0),
        cells::size(net.1),
    );
    let width = usize::from(area.width);
    if area.height == 0 {
        return;
    }
    buffer.set_stringn(area.x, area.y, first, width, Style::new());
    if area.height > 1 {
        let (x, _) = buffer.set_stringn(area.x, area.y + 1, second, width, Style::new());
        let left = usize::from(area.right().saturating_sub(x));
        let (text, style) = match lost {
            0 if model.knows_losses(range) => ("nothing lost".to_owned(), model.theme.dim()),
            0 => ("losses not known".to_owned(), model.theme.dim()),
            lost => (
                format!("{} lost", counted(lost, "event")),
                model.theme.bad(),
            ),
        };
        buffer.set_stringn(x, area.y + 1, text, left, style);
    }
}
