//! Results from the background.

use std::sync::Arc;

use super::menu::list_scripts;
use super::{narrow, status};
use crate::inspect::aggregator::Progress;
use crate::inspect::detector::Detected;
use crate::inspect::page::At;
use crate::stats::table::{TILES, Tile, View};
use crate::stats::tally::TileTally;
use crate::tui::message::{Command, RequestId, Response};
use crate::tui::model::{Model, Overlay, TablePane};

/// Takes over partial or final counts.
pub(super) fn progress(model: &mut Model, progress: Progress) -> Vec<Command> {
    let is_of_other = !Arc::ptr_eq(&progress.capture, &model.capture);
    if is_of_other || Some(&progress.scope) != model.surveyed.as_ref() {
        return Vec::new();
    }
    if let Some(failed) = &progress.failed {
        model.status = Some(failed.clone());
    }
    let is_first = model.tally().is_none();
    model.progress = Some(progress);
    // The counts do not include scripted views.
    if !matches!(model.view, View::Scripted(_)) {
        model.remake_table();
    }
    if model.is_counted() {
        counted(model);
    }
    if is_first
        && model.spectral.anchor.is_none()
        && let Some(spectrum) = model.spectrum()
    {
        model.spectral.cell = narrow::hottest(spectrum);
    }
    Vec::new()
}

/// Takes over what rules found.
pub(super) fn detected(model: &mut Model, detected: Detected) -> Vec<Command> {
    if !model.live && !Arc::ptr_eq(&detected.capture, &model.capture) {
        return Vec::new();
    }
    if let Some(failed) = &detected.failed {
        model.status = Some(format!("rules were not evaluated for all events: {failed}"));
    }
    model.alerts.detected = Some(detected);
    show_alerts(model);
    // The details of an open event have its alerts.
    let mut layers = std::mem::take(&mut model.layers);
    for layer in &mut layers {
        if let Overlay::Detail(pane) = layer
            && let Some(detail) = &mut pane.detail
        {
            model.put_alerts(detail, &pane.raised);
        }
    }
    model.layers = layers;
    Vec::new()
}

/// Shows alerts that have arrived.
fn show_alerts(model: &mut Model) {
    if matches!(model.view, View::Alerts | View::AlertList) {
        model.remake_table();
    }
    let lines = model.top_alerts().len();
    model.alerts.line = model.alerts.line.filter(|line| *line < lines);
}

/// Takes over the final counts.
fn counted(model: &mut Model) {
    let Some(tally) = model.tally() else {
        return;
    };
    let is_notable = |(tile, tally): (&Tile, &TileTally)| tile.notable && tally.count > 0;
    let notable = TILES.iter().zip(&tally.tiles).position(is_notable);
    let activity = tally.activity.clone();
    // Counts of a range are less useful than those of the window around it.
    let is_known = model.exact.as_ref().is_some_and(|e| e.span == model.window);
    if model.filter().is_empty() && !(model.selection.is_some() && is_known) {
        model.exact = activity;
    }
    // The first notable tile is selected.
    if let (false, Some(tile)) = (model.has_tile, notable) {
        model.tile = tile;
    }
    model.has_tile = true;
}

/// Takes over a response, if it belongs to the newest request of its kind.
pub(super) fn answer(model: &mut Model, ticket: RequestId, answer: Response) -> Vec<Command> {
    if !model.takes(ticket, &answer) {
        return Vec::new();
    }
    match answer {
        Response::Page(page) => {
            model.events.take(page);
            model.follow_line();
            Vec::new()
        }
        Response::Detail(mut detail, raised) => {
            if let Some(detail) = &mut detail {
                model.put_alerts(detail, &raised);
            }
            let pane = model.layers.iter_mut().find_map(|layer| match layer {
                Overlay::Detail(pane) => Some(pane),
                _ => None,
            });
            if let Some(pane) = pane {
                (pane.detail, pane.raised) = (detail, raised);
                pane.selected = pane.selected.min(pane.count().saturating_sub(1));
            }
            Vec::new()
        }
        Response::Found(None) => status(model, "no such event in that direction"),
        Response::Found(Some(num)) => {
            model.status = None;
            model.follow = false;
            found(model, num)
        }
        Response::IoStream(echo) => {
            if let Some(Overlay::IoStream(pane)) = model.layers.last_mut() {
                pane.echo = Some(echo.joined());
                pane.calls = echo.pieces;
            }
            Vec::new()
        }
        Response::SystemView(what, table) => {
            for layer in &mut model.layers {
                if let Overlay::State(state) = layer
                    && state.what == what
                {
                    match &mut state.pane {
                        Some(pane) => pane.renew(Some(table)),
                        None => state.pane = Some(TablePane::of(table)),
                    }
                    break;
                }
            }
            Vec::new()
        }
        Response::Views(views) => {
            model.scripts.views = Some(views);
            list_scripts(model)
        }
        Response::Scripted(view, scope, table) => {
            model.scripts.take(view, scope, table);
            model.remake_table();
            Vec::new()
        }
        Response::Alerts(scope, found) => {
            model.alerts.take(scope, found);
            show_alerts(model);
            Vec::new()
        }
        Response::Written(text) | Response::Failed(text) => status(model, text),
    }
}

/// Shows an event that was found; its details, if details are open.
fn found(model: &mut Model, num: u64) -> Vec<Command> {
    let has_detail = model
        .layers
        .iter()
        .any(|layer| matches!(layer, Overlay::Detail(_)));
    let mut commands = Vec::new();
    if model.view != View::Events {
        narrow::remember(model);
        model.view = View::Events;
        model.remake_table();
    }
    commands.extend(model.go_to(At::Event(num)));
    if has_detail {
        commands.extend(narrow::detail(model, num));
    }
    commands
}
