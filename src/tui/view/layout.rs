//! The layout of the screen, shared by drawing and mouse handling.

use ratatui::layout::Rect;

use crate::lanes::LANES;
use crate::replay::Span;

/// Columns left of the lanes, for their names.
pub(crate) const LABELS: u16 = 10;
/// The minimum size of the screen.
pub(crate) const SMALLEST: (u16, u16) = (40, 16);
/// Screens with at least this many rows have lanes of two rows.
const TALL: u16 = 50;
/// Screens with at least this many rows have a lane of alerts.
const HIGH: u16 = 20;
/// Screens with at least this many columns show details next to the list.
const WIDE: u16 = 140;

/// The layout of the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) header: Rect,
    pub(crate) crumbs: Rect,
    /// The lanes without their names; the last one is that of losses.
    pub(crate) lanes: Rect,
    /// Rows of a lane.
    pub(crate) lane_height: u16,
    /// The lane of alerts, without its name.
    pub(crate) alerts: Option<Rect>,
    pub(crate) axis: Rect,
    pub(crate) tabs: Rect,
    /// The view.
    pub(crate) body: Rect,
    /// Details, if they are next to the view.
    pub(crate) side: Option<Rect>,
    pub(crate) status: Rect,
}

impl Layout {
    /// Computes the layout of a screen of this size.
    pub(crate) fn new(size: (u16, u16), has_side: bool, has_rules: bool) -> Self {
        let (width, height) = size;
        let lane_height = if height >= TALL { 2 } else { 1 };
        let has_alerts = has_rules && height >= HIGH;
        let lanes_height = (LANES as u16 + 1 + u16::from(has_alerts)) * lane_height;
        let row = |y: u16, rows: u16| {
            Rect::new(0, y.min(height), width, rows.min(height.saturating_sub(y)))
        };
        let lanes_at = 2;
        let axis_at = lanes_at + lanes_height;
        let body_at = axis_at + 2;
        let body = row(body_at, height.saturating_sub(body_at + 1));
        let side = (has_side && width >= WIDE).then(|| {
            let columns = width / 2;
            Rect::new(width - columns, body.y, columns, body.height)
        });
        let lanes = row(lanes_at, lanes_height);
        let lanes = Rect::new(
            LABELS.min(width),
            lanes.y,
            width.saturating_sub(LABELS),
            lanes.height,
        );
        let alerts = Rect {
            y: lanes.y + LANES as u16 * lane_height,
            height: lane_height,
            ..lanes
        };
        Self {
            header: row(0, 1),
            crumbs: row(1, 1),
            lanes,
            lane_height,
            alerts: has_alerts.then(|| alerts.intersection(lanes)),
            axis: row(axis_at, 1),
            tabs: row(axis_at + 1, 1),
            body: match side {
                Some(side) => Rect::new(0, body.y, width - side.width, body.height),
                None => body,
            },
            side,
            status: row(height.saturating_sub(1), 1),
        }
    }

    /// Number of table rows that fit in the view.
    pub(crate) fn table_rows(&self) -> usize {
        usize::from(self.body.height.saturating_sub(1))
    }

    /// Returns the start time of a column of the timeline.
    pub(crate) fn time_at(&self, window: Span, column: u16) -> u64 {
        let columns = u128::from(self.lanes.width.max(1));
        let column = u128::from(column.saturating_sub(self.lanes.x)).min(columns);
        let offset = u128::from(window.len_ns()) * column / columns;
        window
            .from
            .saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
            .min(window.to)
    }

    /// Returns the column of a time in the timeline, starting at 0; `None` if it is not visible.
    pub(crate) fn column_of(&self, window: Span, time: u64) -> Option<u16> {
        if !window.contains(time) || self.lanes.width == 0 {
            return None;
        }
        let columns = u128::from(self.lanes.width);
        let column = u128::from(time - window.from) * columns / u128::from(window.len_ns());
        u16::try_from(column.min(columns - 1)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps_and_all_is_on_the_screen() {
        for width in [1, 40, 80, 140, 300] {
            for height in [1, 5, 16, 24, 49, 50, 120] {
                for (side, rules) in [(false, false), (true, false), (false, true)] {
                    let l = Layout::new((width, height), side, rules);
                    let rects = [
                        l.header, l.crumbs, l.lanes, l.axis, l.tabs, l.body, l.status,
                    ];
                    let screen = Rect::new(0, 0, width, height);
                    for rect in rects.iter().chain(&l.side).chain(&l.alerts) {
                        assert_eq!(screen.union(*rect), screen, "{width}x{height}");
                    }
                    assert!(l.alerts.is_none_or(|a| a.bottom() < l.lanes.bottom()));
                }
            }
        }
        assert_eq!(Layout::new((80, 24), false, false).table_rows(), 10);
        assert_eq!(Layout::new((80, 24), false, true).table_rows(), 9);
    }

    #[test]
    fn times_and_columns_agree() {
        let layout = Layout::new((80, 24), false, true);
        let window = Span {
            from: 1_000,
            to: 1_000_999,
        };
        for column in 0..layout.lanes.width {
            let time = layout.time_at(window, column + layout.lanes.x);
            let back = layout.column_of(window, time + 1).unwrap();
            assert_eq!(back, column);
        }
        assert_eq!(layout.column_of(window, 999), None);
        assert_eq!(
            layout.column_of(window, window.to),
            Some(layout.lanes.width - 1)
        );
    }
}
