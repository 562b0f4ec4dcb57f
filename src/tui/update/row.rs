//! The selected row in full: shown, copied, and its I/O.

use super::super::cells;
use super::super::message::{CLIPBOARD, Command};
use super::super::model::{Model, Overlay, TablePane, TextPane};
use super::{layers, narrow, open, status};
use crate::inspect::io_stream::Follow;
use crate::stats::table::{Cell, TILES, View};
use crate::stats::tally;

/// Copies the subject of the row.
pub(super) fn copy(model: &mut Model) -> Vec<Command> {
    let text = match model.view {
        View::Events => model
            .events
            .selected_line()
            .map(|line| format!("{} {} {} {}", line.num, line.comm, line.name, line.args)),
        View::Overview if model.alerts.line.is_some() => rule_in_full(model).map(|(name, _)| name),
        View::Overview => TILES.get(model.tile).map(|tile| tile.filter.to_owned()),
        View::Spectrogram => None,
        _ => {
            let row = model.pane.row().map(|row| {
                let cells = row.cells.iter().map(|c| cells::text(c, usize::MAX));
                cells
                    .filter(|text| !text.is_empty())
                    .collect::<Vec<_>>()
                    .join("  ")
            });
            row.filter(|text| !text.is_empty())
        }
    };
    match text {
        Some(text) => copy_text(model, "", text),
        None => status(model, "nothing to copy"),
    }
}

/// Returns the width of a text over the view, inside its frame.
pub(super) fn text_width(model: &Model) -> usize {
    usize::from(model.layout().body.width.saturating_sub(2))
}

/// Shows a value in full.
pub(super) fn open_value(model: &mut Model, title: String, value: String) -> Vec<Command> {
    let pane = TextPane::of_value(title, value, text_width(model));
    open(model, Overlay::Text(pane))
}

/// Shows all values of the row in full.
pub(super) fn whole(model: &mut Model) -> Vec<Command> {
    match model.view {
        View::Events => return narrow::enter(model),
        View::Overview if model.alerts.line.is_some() => {
            if let Some((name, text)) = rule_in_full(model) {
                return open_value(model, name, text);
            }
        }
        View::Overview => {
            if let Some(tile) = TILES.get(model.tile) {
                return open_value(model, tile.title.to_owned(), tile.filter.to_owned());
            }
        }
        _ => {
            if let Some(value) = in_full(&model.pane) {
                return open_value(model, "row (y: copy, w: save)".to_owned(), value);
            }
        }
    }
    status(model, "there is no row")
}

/// Returns the name of the rule that is selected in the overview, and what it is about.
fn rule_in_full(model: &Model) -> Option<(String, String)> {
    let line = model.alerts.line?;
    let rules = model.top_alerts();
    let rule = rules.get(line)?.rule;
    let tactics = rule.tactics.iter().map(|tactic| tactic.name().to_owned());
    let techniques = rule.techniques.iter().map(|text| cells::fit(text, 64));
    let attack: Vec<String> = tactics.chain(techniques).collect();
    let text = format!(
        "{}\n{}\n{}",
        rule.priority.name(),
        cells::fit(rule.description.trim_ascii(), usize::MAX),
        attack.join(", "),
    );
    Some((cells::fit(&rule.name, 200), text))
}

/// Returns the titles and whole values of the selected row, line by line.
pub(super) fn in_full(pane: &TablePane) -> Option<String> {
    let (row, table) = (pane.row()?, pane.table.as_ref()?);
    let cells = table.columns.iter().zip(&row.cells);
    let lines = cells.filter(|(_, cell)| **cell != Cell::Empty);
    let lines = lines.map(|(column, cell)| {
        let cut = match cell {
            Cell::Text(text) if text.len() >= tally::TEXT => {
                " (only the beginning; the details of its events have all of it)"
            }
            _ => "",
        };
        format!("{:12} {}{cut}", column.title, cells::text(cell, usize::MAX))
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// Copies a text, and says so: the clipboard takes only the beginning of a very long one.
pub(super) fn copy_text(model: &mut Model, what: &str, mut text: String) -> Vec<Command> {
    let all = text.len();
    text.truncate(text.floor_char_boundary(CLIPBOARD));
    model.status = Some(match text.len() {
        len if len < all => format!("copied only {len} of {all} bytes"),
        _ => format!("copied {what}").trim_end().to_owned(),
    });
    vec![Command::Copy(text)]
}

/// Follows the I/O stream of the row.
pub(super) fn echo(model: &mut Model) -> Vec<Command> {
    let (title, scope, follow) = match model.view {
        View::Events => match model.events.selected_line() {
            Some(line) => (
                format!("fd of event {}", line.num),
                model.scope(),
                Follow::FdOf(line.num),
            ),
            None => return Vec::new(),
        },
        View::Overview | View::Spectrogram | View::Losses => {
            return status(
                model,
                "only the I/O of table rows and events can be followed",
            );
        }
        _ => match narrow::of_row(model) {
            Some(narrowed) => {
                let mut scope = model.scope();
                scope.filter = narrow::both(&scope.filter, &narrowed.filter);
                (narrowed.label, scope, Follow::Scope)
            }
            None => return Vec::new(),
        },
    };
    layers::open_echo(model, title, scope, follow)
}
