//! Draws the timeline: lanes of activity, losses, the axis.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::layout::{LABELS, Layout};
use crate::lanes::{LANES, Lane};
use crate::replay::Span;
use crate::stats::activity::{Activity, Bin};
use crate::tui::cells;
use crate::tui::model::Model;

/// Bars in eighths of a cell.
const BARS: [&str; 9] = [
    " ", "\u{2581}", "\u{2582}", "\u{2583}", "\u{2584}", "\u{2585}", "\u{2586}", "\u{2587}",
    "\u{2588}",
];
/// Fills times with lost events.
const HATCH: &str = "\u{2592}";

/// Counts by column of the screen.
type Columns = Vec<[f64; LANES]>;

/// Draws lanes and axis.
pub(super) fn draw(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    if layout.lanes.width == 0 {
        return;
    }
    let width = usize::from(layout.lanes.width);
    let mut total = columns(&model.coarse, model.window, width);
    if let Some(exact) = &model.exact {
        // Exact counts are preferred over estimates from the index.
        let counted = columns(exact, model.window, width);
        for (column, counts) in total.iter_mut().enumerate() {
            let span = column_span(model.window, width, column);
            if exact.span.from <= span.from && span.to <= exact.span.to {
                *counts = counted[column];
            }
        }
    }
    let mut matched = None;
    if !model.filter().is_empty() {
        let activity = model.tally().and_then(|tally| tally.activity.as_ref());
        matched = activity.map(|activity| columns(activity, model.window, width));
    }
    for lane in Lane::ALL {
        draw_lane(model, layout, buffer, lane, &total, matched.as_ref());
    }
    draw_alerts(model, layout, buffer);
    draw_losses(model, layout, buffer);
    mark_range(model, layout, buffer);
    draw_axis(model, layout, buffer);
}

fn draw_lane(
    model: &Model,
    layout: &Layout,
    buffer: &mut Buffer,
    lane: Lane,
    total: &Columns,
    matched: Option<&Columns>,
) {
    let theme = model.theme;
    let place = lane as u16;
    let area = Rect::new(
        layout.lanes.x,
        layout.lanes.y + place * layout.lane_height,
        layout.lanes.width,
        layout.lane_height,
    )
    .intersection(layout.lanes);
    if area.is_empty() {
        return;
    }
    let of_lane = |columns: &Columns| columns.iter().map(|c| c[lane as usize]).fold(0.0, f64::max);
    let largest = of_lane(total);
    buffer.set_stringn(
        0,
        area.bottom() - 1,
        lane.name(),
        usize::from(LABELS) - 1,
        theme.lane(lane),
    );
    // With a filter, all activity stays visible behind the matches, on the same scale.
    let dimmed = matched.is_some();
    let style = if dimmed {
        theme.dim()
    } else {
        theme.lane(lane)
    };
    bars(
        buffer,
        area,
        total.iter().map(|c| c[lane as usize]),
        largest,
        style,
    );
    if let Some(matched) = matched {
        let values = matched.iter().map(|c| c[lane as usize]);
        let largest = largest.max(of_lane(matched));
        bars(buffer, area, values, largest, theme.lane(lane));
    }
}

/// Draws a bar in each column with a count.
fn bars(
    buffer: &mut Buffer,
    area: Rect,
    values: impl Iterator<Item = f64>,
    largest: f64,
    style: Style,
) {
    let steps = usize::from(area.height) * 8;
    for (x, value) in (area.left()..area.right()).zip(values) {
        let mut level = level(value, largest, steps);
        if level == 0 {
            continue;
        }
        for y in (area.top()..area.bottom()).rev() {
            let part = level.min(8);
            level -= part;
            buffer[(x, y)].set_symbol(BARS[part]).set_style(style);
        }
    }
}

/// Returns the height of a bar; any count is visible. The square root makes small counts visible
/// next to large ones.
pub(super) fn level(value: f64, largest: f64, steps: usize) -> usize {
    if value <= 0.0 || largest <= 0.0 {
        return 0;
    }
    let height = (value / largest).sqrt() * steps as f64;
    (height.ceil() as usize).clamp(1, steps)
}

/// Draws a series of counts in one row.
pub(super) fn sparkline(buffer: &mut Buffer, area: Rect, series: &[u32], style: Style) {
    let width = usize::from(area.width);
    if width == 0 || series.is_empty() || area.height == 0 {
        return;
    }
    let mut sums = vec![0_u64; width];
    for (at, count) in series.iter().enumerate() {
        sums[(at * width / series.len()).min(width - 1)] += u64::from(*count);
    }
    let largest = sums.iter().copied().max().unwrap_or(0) as f64;
    let row = Rect { height: 1, ..area };
    bars(buffer, row, sums.iter().map(|s| *s as f64), largest, style);
}

/// Draws the alerts: the letter of the most severe one in each column, and with two rows their number above it.
fn draw_alerts(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let Some(area) = layout.alerts.filter(|area| !area.is_empty()) else {
        return;
    };
    let theme = model.theme;
    let y = area.bottom() - 1;
    let label = |buffer: &mut Buffer, style| {
        buffer.set_stringn(0, y, "alerts", usize::from(LABELS) - 1, style);
    };
    let Some(list) = model.alerts.list().filter(|list| !list.list.is_empty()) else {
        return label(buffer, theme.dim());
    };
    let scope = model.scope();
    // The most severe alert of each column, whether it matches the filter, and how many there are.
    let mut columns = vec![(None, false, 0.0); usize::from(area.width)];
    for of in &list.list {
        let Some(rule) = list.rule(of.rule) else {
            continue;
        };
        for alert in &of.kept {
            let Some(column) = layout.column_of(model.window, alert.ts) else {
                continue;
            };
            let is_match = scope.filter.is_empty() || model.alerts.matches(alert, &scope);
            let (worst, has_match, count) = &mut columns[usize::from(column)];
            // What matches goes before what does not.
            let is_worse = worst.is_none_or(|worst| rule.priority < worst);
            if is_match && !*has_match || is_match == *has_match && is_worse {
                *worst = Some(rule.priority);
            }
            *has_match |= is_match;
            *count += 1.0;
        }
    }
    let worst = columns.iter().filter_map(|(worst, ..)| *worst).min();
    label(
        buffer,
        worst.map_or(theme.dim(), |worst| theme.alert(worst).0),
    );
    let largest = columns.iter().map(|c| c.2).fold(0.0, f64::max);
    for (x, (worst, is_match, count)) in (area.left()..area.right()).zip(columns) {
        let Some(worst) = worst else {
            continue;
        };
        let (style, letter) = theme.alert(worst);
        let style = if is_match { style } else { theme.dim() };
        buffer[(x, y)].set_symbol(letter).set_style(style);
        if area.height > 1 {
            let bar = BARS[level(count, largest, 8)];
            buffer[(x, y - 1)].set_symbol(bar).set_style(style);
        }
    }
}

fn draw_losses(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let y = layout.lanes.bottom().saturating_sub(1);
    if layout.lanes.height == 0 {
        return;
    }
    let lost = model.capture.losses();
    let style = if lost.is_empty() {
        model.theme.dim()
    } else {
        model.theme.bad()
    };
    buffer.set_stringn(0, y, "lost", usize::from(LABELS) - 1, style);
    for loss in lost {
        let Some(shown) = loss.span.intersection(model.window) else {
            continue;
        };
        let first = layout.column_of(model.window, shown.from);
        let last = layout.column_of(model.window, shown.to);
        if let (Some(first), Some(last)) = (first, last) {
            for column in first..=last {
                buffer[(layout.lanes.x + column, y)]
                    .set_symbol(HATCH)
                    .set_style(style);
            }
        }
    }
}

/// Draws the selected range and the cursor.
fn mark_range(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let ends = |span: Span| {
        let shown = span.intersection(model.window)?;
        let first = layout.column_of(model.window, shown.from)?;
        Some((first, layout.column_of(model.window, shown.to)?))
    };
    if let Some((first, last)) = model.selection.and_then(ends) {
        let area = Rect::new(
            layout.lanes.x + first,
            layout.lanes.y,
            last - first + 1,
            layout.lanes.height,
        );
        buffer.set_style(area.intersection(layout.lanes), model.theme.range());
    }
    if let Some(column) = layout.column_of(model.window, model.cursor) {
        for y in layout.lanes.top()..layout.lanes.bottom() {
            let cell = &mut buffer[(layout.lanes.x + column, y)];
            if cell.symbol() == " " {
                cell.set_symbol("\u{2502}").set_style(model.theme.dim());
            }
        }
    }
}

fn draw_axis(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let axis = layout.axis;
    if axis.height == 0 || layout.lanes.width < 20 {
        return;
    }
    let apart = model.window.len_ns() / u64::from(layout.lanes.width);
    let label_len = cells::time_at(0, apart).len() as u16;
    let dim = model.theme.dim();
    let mut column = 0;
    while column + label_len <= layout.lanes.width {
        let time = layout.time_at(model.window, layout.lanes.x + column);
        let x = layout.lanes.x + column;
        buffer.set_string(x, axis.y, "\u{2514}", dim);
        buffer.set_string(x + 1, axis.y, cells::time_at(time, apart), dim);
        column += label_len + 8;
    }
    for note in &model.notes.list {
        if let Some(column) = layout.column_of(model.window, note.from) {
            let x = layout.lanes.x + column;
            buffer.set_string(x, axis.y, "\u{25c6}", model.theme.notable());
        }
    }
    if let Some(column) = layout.column_of(model.window, model.cursor) {
        let x = layout.lanes.x + column;
        buffer.set_string(x, axis.y, "\u{25b2}", model.theme.header());
    }
    let shown = cells::duration(model.range().len_ns());
    buffer.set_stringn(
        0,
        axis.y,
        shown,
        usize::from(LABELS) - 1,
        model.theme.header(),
    );
}

/// Returns the time range of a column.
fn column_span(window: Span, width: usize, column: usize) -> Span {
    let len = u128::from(window.len_ns());
    let at = |column: usize| {
        let offset = len * column as u128 / width as u128;
        window
            .from
            .saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    };
    Span {
        from: at(column),
        to: at(column + 1).saturating_sub(1).max(at(column)),
    }
}

/// Distributes counts over time to columns of the screen.
fn columns(activity: &Activity, window: Span, width: usize) -> Columns {
    let mut out = vec![[0.0; LANES]; width];
    let len = window.len_ns() as f64;
    let bins = activity.bins.len() as f64;
    let bin_len = activity.span.len_ns() as f64 / bins.max(1.0);
    for (at, bin) in activity.bins.iter().enumerate() {
        if *bin == Bin::default() {
            continue;
        }
        // In columns, relative to the window.
        let start = activity.span.from as f64 - window.from as f64 + bin_len * at as f64;
        let first = start * width as f64 / len;
        let last = (start + bin_len) * width as f64 / len;
        if last <= 0.0 || first >= width as f64 {
            continue;
        }
        let whole = (last - first).max(f64::MIN_POSITIVE);
        let from = first.max(0.0).floor() as usize;
        let to = (last.ceil() as usize).min(width);
        for (column, counts) in out.iter_mut().enumerate().take(to).skip(from) {
            let share = (last.min(column as f64 + 1.0) - first.max(column as f64)) / whole;
            if share > 0.0 {
                for (count, lane) in counts.iter_mut().zip(bin.lanes) {
                    *count += f64::from(lane) * share;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_bins_and_columns() {
        let bin = |n: u32| Bin {
            events: n,
            lanes: [n; LANES],
        };
        let activity = Activity {
            span: Span { from: 0, to: 999 },
            bins: (0..100).map(bin).collect(),
        };
        for width in [1, 7, 100, 333] {
            let columns = columns(&activity, activity.span, width);
            let sum: f64 = columns.iter().map(|c| c[0]).sum();
            assert!((sum - 4950.0).abs() < 0.01, "{width}: {sum}");
        }
        let half = columns(&activity, Span { from: 500, to: 999 }, 10);
        let sum: f64 = half.iter().map(|c| c[0]).sum();
        assert!((sum - f64::from((50..100).sum::<u32>())).abs() < 1.0);
    }

    #[test]
    fn anything_is_seen() {
        assert_eq!(level(0.0, 10.0, 8), 0);
        assert_eq!(level(1.0, 1_000_000.0, 8), 1);
        assert_eq!(level(1_000_000.0, 1_000_000.0, 8), 8);
        assert_eq!(level(0.25, 1.0, 8), 4);
    }
}
