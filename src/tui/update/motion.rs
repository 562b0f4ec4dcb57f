//! Moves of the selection, and the search.

use super::super::keys::Action;
use super::super::message::{Command, Request};
use super::super::model::Model;
use super::super::view::{overview, spectrogram};
use super::{layers, status};
use crate::inspect::find::Query;
use crate::inspect::page::At;
use crate::stats::table::{TILES, View};

/// Returns the new position in a list of this many lines.
pub(super) fn moved(at: usize, count: usize, page: usize, action: Action) -> usize {
    let last = count.saturating_sub(1);
    let to = match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at.saturating_add(1),
        Action::PageUp => at.saturating_sub(page.max(1)),
        Action::PageDown => at.saturating_add(page.max(1)),
        Action::Top => 0,
        Action::Bottom => last,
        _ => at,
    };
    to.min(last)
}

/// Moves the selection of the view.
pub(super) fn move_selection(model: &mut Model, action: Action) -> Vec<Command> {
    let rows = model.layout().table_rows();
    // After going back in time the window no longer follows the end.
    let is_in_time = matches!(model.view, View::Events | View::Commands);
    if is_in_time && matches!(action, Action::Up | Action::PageUp | Action::Top) {
        model.follow = false;
    }
    match model.view {
        View::Overview => {
            let across = overview::across(model.size.0);
            let tile = model.tile;
            let lines = model.top_alerts().len();
            // The rules are above the tiles.
            let line = match (model.alerts.line, action) {
                (None, Action::Up) if tile < across => lines.checked_sub(1),
                (None, Action::Top) if lines > 0 => Some(0),
                (Some(line), Action::Up) => Some(line.saturating_sub(1)),
                (Some(line), Action::Down) if line + 1 < lines => Some(line + 1),
                (Some(_), Action::PageUp | Action::Top) => Some(0),
                _ => None,
            };
            let leaves = model.alerts.line.is_some() && line.is_none();
            model.alerts.line = line;
            if line.is_some() || leaves && action == Action::Down {
                model.has_tile = true;
                return Vec::new();
            }
            let to = match action {
                Action::Up => tile.checked_sub(across).unwrap_or(tile),
                Action::Down if tile + across < TILES.len() => tile + across,
                Action::Down => tile,
                other => moved(tile, TILES.len(), rows * across, other),
            };
            model.tile = to;
            model.has_tile = true;
            Vec::new()
        }
        View::Events => {
            let listed = model.listed();
            let list = &mut model.events;
            let at = usize::try_from(list.selected).unwrap_or(usize::MAX);
            let count = usize::try_from(listed).unwrap_or(usize::MAX);
            let to = moved(at, count, rows, action) as u64;
            if list.line(to).is_some() || !list.is_there {
                list.selected = to;
                // Pending moves are superseded.
                if list.is_there && list.going.take().is_some() {
                    model.pending.page = None;
                }
                model.follow_line();
                return model.need_page().into_iter().collect();
            }
            // Not loaded: the lines between are skipped.
            let at = match action {
                Action::Bottom if model.is_counted() => At::Index(count.saturating_sub(1) as u64),
                Action::Bottom => At::Time(model.range().to),
                Action::Top => At::Time(model.range().from),
                _ => At::Index(to),
            };
            model.go_to(at).into_iter().collect()
        }
        View::Spectrogram => {
            let spectrum = model.spectrum();
            let rows = spectrum.map(|s| spectrogram::Grid::new(s, model.layout().body).rows());
            let (first, last) = rows.unwrap_or_default();
            let row = &mut model.spectral.cell.1;
            *row = match action {
                Action::Up => *row + 1,
                Action::Down => row.saturating_sub(1),
                Action::PageUp | Action::Top => last,
                _ => first,
            };
            *row = (*row).clamp(first, last);
            Vec::new()
        }
        _ => {
            let pane = &mut model.pane;
            let to = moved(pane.selected, pane.order.len(), rows, action);
            pane.select(to);
            Vec::new()
        }
    }
}

/// Finds the next row or event that contains the search text.
pub(super) fn search(model: &mut Model, forward: bool) -> Vec<Command> {
    let text = model.search.to_lowercase();
    if text.is_empty() {
        return status(model, "no search yet; `/` searches");
    }
    match layers::find(model, &text, forward) {
        Some(true) => return Vec::new(),
        Some(false) => return status(model, format!("nothing contains {:?}", model.search)),
        None => {}
    }
    match model.view {
        View::Overview => {
            let count = TILES.len();
            let step = |distance| match forward {
                true => (model.tile + distance) % count,
                false => (model.tile + count - distance) % count,
            };
            let is_hit = |at: &usize| TILES[*at].title.to_lowercase().contains(&text);
            match (1..=count).map(step).find(is_hit) {
                Some(tile) => model.tile = tile,
                None => return status(model, "no tile matches"),
            }
            Vec::new()
        }
        View::Events => {
            let Some(from) = model.events.selected_line().map(|line| line.num) else {
                return Vec::new();
            };
            model.status = Some(format!("searching for {:?}", model.search));
            let span = model.range();
            let query = Query::Text {
                text: model.search.clone(),
                filter: model.filter(),
            };
            vec![model.ask(Request::Find {
                query,
                span,
                from,
                forward,
            })]
        }
        View::Spectrogram => status(model, "there is no text in a spectrogram"),
        _ => match model.pane.search(&text, forward) {
            Some(at) => {
                model.pane.select(at);
                Vec::new()
            }
            None => status(model, format!("no row contains {:?}", model.search)),
        },
    }
}
