//! The mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{action, motion, narrow, show, time};
use crate::stats::table::View;
use crate::tui::keys::Action;
use crate::tui::message::Command;
use crate::tui::model::{Model, Overlay};
use crate::tui::view::overview::Item;
use crate::tui::view::{overview, spectrogram, tab_at, table};

/// Two clicks within this time are a double click, in nanoseconds.
const DOUBLE_NS: u64 = 400_000_000;
/// Lines per step of the wheel.
const WHEEL: usize = 3;

pub(super) fn update(model: &mut Model, mouse: MouseEvent) -> Vec<Command> {
    let layout = model.layout();
    let at = (mouse.column, mouse.row).into();
    let timeline = layout.lanes.union(layout.axis);
    let is_covered = model.layers.iter().any(|layer| match layer {
        Overlay::Detail(_) => layout.side.is_none(),
        _ => true,
    });
    match mouse.kind {
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
            let up = mouse.kind == MouseEventKind::ScrollUp;
            if timeline.contains(at) && !is_covered {
                let around = layout.time_at(model.window, mouse.column);
                return time::zoom(model, up, around);
            }
            let direction = if up { Action::Up } else { Action::Down };
            let mut commands = Vec::new();
            for _ in 0..WHEEL {
                commands.extend(match is_covered {
                    true => action(model, direction),
                    false => motion::move_selection(model, direction),
                });
            }
            commands
        }
        MouseEventKind::Down(MouseButton::Left) if !is_covered => {
            if timeline.contains(at) && mouse.column >= layout.lanes.x {
                let time = layout.time_at(model.window, mouse.column);
                model.cursor = time;
                model.follow = false;
                model.pointer.drag = Some(time);
                return match model.selection.take() {
                    Some(_) => model.refresh(),
                    None if model.view == View::Events => {
                        let to = crate::inspect::page::At::Time(time);
                        model.go_to(to).into_iter().collect()
                    }
                    None => Vec::new(),
                };
            }
            if layout.tabs.contains(at) {
                return match tab_at(model, &layout, mouse.column) {
                    Some(view) => show(model, view),
                    None => Vec::new(),
                };
            }
            if layout.crumbs.contains(at) {
                return action(model, Action::FilterBar);
            }
            if layout.body.contains(at) {
                return click(model, mouse);
            }
            Vec::new()
        }
        MouseEventKind::Drag(MouseButton::Left) if !is_covered => {
            if let Some(from) = model.pointer.drag {
                // The range ends with the column under the mouse.
                let to = layout.time_at(model.window, mouse.column.saturating_add(1));
                model.selection = Some(time::ordered(from, to));
                model.cursor = to;
                return Vec::new();
            }
            if model.view == View::Spectrogram
                && let Some(cell) = spectral_cell(model, mouse)
            {
                model.spectral.anchor.get_or_insert(model.spectral.cell);
                model.spectral.cell = cell;
            }
            Vec::new()
        }
        MouseEventKind::Up(MouseButton::Left) => match model.pointer.drag.take() {
            // The range is aggregated only when the button is released.
            Some(_) => model.refresh(),
            None if model.view == View::Spectrogram && model.spectral.anchor.is_some() => {
                narrow::enter(model)
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn spectral_cell(model: &Model, mouse: MouseEvent) -> Option<(usize, usize)> {
    let spectrum = model.spectrum()?;
    spectrogram::Grid::new(spectrum, model.layout().body).cell_at(mouse.column, mouse.row)
}

/// Handles a click in the view.
fn click(model: &mut Model, mouse: MouseEvent) -> Vec<Command> {
    let layout = model.layout();
    let body = layout.body;
    let line = usize::from(mouse.row - body.y);
    let row = match model.view {
        View::Overview => {
            let Some(item) = overview::item_at(model, body, mouse.column, mouse.row) else {
                return Vec::new();
            };
            match item {
                Item::Rule(line) => {
                    model.alerts.line = Some(line);
                    line
                }
                Item::Tile(tile) => {
                    (model.tile, model.alerts.line) = (tile, None);
                    tile + model.top_alerts().len()
                }
            }
        }
        View::Spectrogram => {
            if let Some(cell) = spectral_cell(model, mouse) {
                model.spectral.cell = cell;
                model.spectral.anchor = None;
            }
            return Vec::new();
        }
        View::Events => {
            let Some(line) = line.checked_sub(1) else {
                return Vec::new();
            };
            let at = model.events.top + line as u64;
            if model.events.line(at).is_none() {
                return Vec::new();
            }
            model.events.selected = at;
            model.follow_line();
            usize::try_from(at).unwrap_or(0)
        }
        _ => {
            let Some(line) = line.checked_sub(1) else {
                if let Some(column) = table::column_at(&model.pane, body, mouse.column) {
                    model.pane.sort_by(column);
                }
                return Vec::new();
            };
            let at = model.pane.top + line;
            if at >= model.pane.order.len() {
                return Vec::new();
            }
            model.pane.select(at);
            at
        }
    };
    let is_double = model
        .pointer
        .click
        .is_some_and(|(before, when)| before == row && model.now.saturating_sub(when) <= DOUBLE_NS);
    model.pointer.click = if is_double {
        None
    } else {
        Some((row, model.now))
    };
    match is_double {
        true => narrow::enter(model),
        false => Vec::new(),
    }
}
