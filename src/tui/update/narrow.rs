//! Drill-down and history.

use super::{list, show, status};
use crate::filter::Filter;
use crate::inspect::page::At;
use crate::replay::Span;
use crate::stats::table::{self, AlertGroup, Cell, Narrowed, Subject, TILES, View};
use crate::stats::tally;
use crate::stats::tally::TIMES;
use crate::tui::cells;
use crate::tui::message::{Command, Request};
use crate::tui::model::{Choice, Crumb, DetailPane, ListItem, Model, Overlay};
use crate::tui::view::spectrogram;

/// Limit of the history.
const HISTORY: usize = 256;

/// Joins two conditions.
pub(super) fn both(a: &str, b: &str) -> String {
    match (a, b) {
        ("", one) | (one, "") => one.to_owned(),
        _ => format!("({a}) and ({b})"),
    }
}

/// Returns the drill-down of the selected row.
pub(super) fn of_row(model: &Model) -> Option<Narrowed> {
    if model.view != View::Overview {
        return Some(match &model.pane.row()?.subject {
            Subject::Alerts(group) => model.narrowed_alerts(*group),
            subject => table::narrowed(subject),
        });
    }
    if let Some(group) = selected_rule(model) {
        return Some(model.narrowed_alerts(group));
    }
    // Until everything is counted, the files and connections of a tile are not known.
    Some(match model.tally() {
        Some(tally) if model.is_counted() => table::narrowed_tile(model.tile, tally),
        _ => table::only_calls(table::narrowed(&Subject::Tile(model.tile))),
    })
}

/// Returns the rule that is selected in the overview.
pub(super) fn selected_rule(model: &Model) -> Option<AlertGroup> {
    let line = model.alerts.line?;
    Some(AlertGroup::Rule(model.top_alerts().get(line)?.index))
}

/// Lists the alerts of a group.
fn list_alerts(model: &mut Model, group: AlertGroup) -> Vec<Command> {
    remember(model);
    model.alerts.of = Some(group);
    show(model, View::AlertList)
}

/// Drills down to the selected row, or opens the event.
pub(super) fn enter(model: &mut Model) -> Vec<Command> {
    match model.view {
        View::Events => match model.events.selected_line().map(|line| line.num) {
            Some(num) => detail(model, num),
            None => Vec::new(),
        },
        View::Spectrogram => dig_rectangle(model),
        _ => {
            let subject = model.pane.row().map(|row| row.subject.clone());
            let is_table = model.view != View::Overview;
            let rule = selected_rule(model).filter(|_| !is_table);
            match subject.filter(|_| is_table).or(rule.map(Subject::Alerts)) {
                Some(Subject::Alerts(group)) => list_alerts(model, group),
                Some(Subject::Event(num)) => {
                    remember(model);
                    model.events.going = Some(At::Event(num));
                    let mut commands = show(model, View::Events);
                    commands.extend(detail(model, num));
                    commands
                }
                Some(Subject::Range(span)) => {
                    remember(model);
                    select_range(model, span);
                    let mut commands = model.refresh();
                    commands.extend(show(model, View::Events));
                    commands
                }
                _ => match of_row(model) {
                    Some(narrowed) => narrow_to(model, narrowed, None),
                    None => Vec::new(),
                },
            }
        }
    }
}

/// Selects a range, and moves the window if the range is not visible.
pub(super) fn select_range(model: &mut Model, span: Span) {
    if let Some(span) = span.intersection(model.whole) {
        if span.intersection(model.window) != Some(span) {
            model.window = model.whole;
            model.rewind();
        }
        model.selection = Some(span);
        model.cursor = span.from;
    }
}

/// Opens the details of an event.
pub(super) fn detail(model: &mut Model, num: u64) -> Vec<Command> {
    model
        .layers
        .retain(|layer| !matches!(layer, Overlay::Detail(_)));
    model.layers.insert(
        0,
        Overlay::Detail(DetailPane {
            num,
            ..DetailPane::default()
        }),
    );
    let finds_alerts = model.alerts.list().is_some_and(|list| !list.is_whole());
    vec![model.ask(Request::Detail(num, finds_alerts))]
}

/// Shows the row's events.
pub(super) fn dig(model: &mut Model) -> Vec<Command> {
    match model.view {
        View::Events => enter(model),
        View::Spectrogram => dig_rectangle(model),
        View::Overview if model.alerts.line.is_none() => {
            let calls = table::narrowed(&Subject::Tile(model.tile));
            narrow_to(model, calls, Some(View::Events))
        }
        View::Overview => match of_row(model) {
            Some(narrowed) => narrow_to(model, narrowed, Some(View::Events)),
            None => Vec::new(),
        },
        _ => match of_row(model) {
            Some(narrowed) if model.pane.row().is_some() => {
                narrow_to(model, narrowed, Some(View::Events))
            }
            _ => Vec::new(),
        },
    }
}

/// Drills down from an overlay.
pub(super) fn to(model: &mut Model, narrowed: Narrowed) -> Vec<Command> {
    narrow_to(model, narrowed, None)
}

/// Drills down and shows the target view.
fn narrow_to(model: &mut Model, narrowed: Narrowed, view: Option<View>) -> Vec<Command> {
    let is_none = narrowed.filter.is_empty() && narrowed.span.is_none();
    // The keys of scripted views need not be valid in conditions.
    let is_wrong = !narrowed.filter.is_empty() && Filter::parse(&narrowed.filter).is_err();
    if is_none || is_wrong {
        return status(model, "the filter language has no condition for that");
    }
    remember(model);
    if let Some(span) = narrowed.span {
        select_range(model, span);
    }
    add(
        model,
        Crumb {
            label: narrowed.label,
            clause: narrowed.filter,
        },
    );
    let mut commands = model.refresh();
    commands.extend(show(model, view.unwrap_or(narrowed.view)));
    commands
}

/// Adds a drill-down step, unless it already exists.
fn add(model: &mut Model, crumb: Crumb) {
    if !crumb.clause.is_empty() && !model.trail.contains(&crumb) {
        model.trail.push(crumb);
    }
}

/// Saves the current state in the history.
pub(super) fn remember(model: &mut Model) {
    if model.history.len() >= HISTORY {
        model.history.remove(0);
    }
    model.history.push(model.place());
}

/// Restores the previous state.
pub(super) fn back(model: &mut Model) -> Vec<Command> {
    let Some(place) = model.history.pop() else {
        return status(model, "nothing to go back to");
    };
    model.layers.clear();
    model.trail = place.trail;
    if model.window != place.window {
        model.window = place
            .window
            .intersection(model.whole)
            .unwrap_or(model.whole);
        model.rewind();
    }
    model.selection = place.selection;
    model.cursor = place.cursor;
    model.view = place.view;
    (model.alerts.of, model.alerts.line) = place.alerts;
    model.events.going = place.event.map(At::Event);
    let commands = model.refresh();
    model.remake_table();
    match model.view {
        View::Overview => model.tile = place.row,
        _ => model.pane.resume(place.row),
    }
    commands
}

/// Opens a menu of the conditions on the selected row's values.
pub(super) fn choose(model: &mut Model, negate: bool) -> Vec<Command> {
    let turned = |condition: &str| match negate {
        true => format!("not ({condition})"),
        false => condition.to_owned(),
    };
    let item = |condition: String| {
        let clause = turned(&condition);
        ListItem {
            label: cells::clip(&clause, 200),
            choice: Choice::Narrow(clause),
        }
    };
    let conditions: Vec<String> = match model.view {
        View::Overview if model.alerts.line.is_some() => {
            let narrowed = of_row(model).map(|narrowed| narrowed.filter);
            narrowed.into_iter().filter(|f| !f.is_empty()).collect()
        }
        View::Overview => TILES
            .get(model.tile)
            .map(|tile| tile.filter.to_owned())
            .into_iter()
            .collect(),
        View::Spectrogram => rectangle(model)
            .map(|(filter, _)| filter)
            .into_iter()
            .collect(),
        View::Events => return choose_of_event(model, negate),
        _ => {
            let row = model.pane.row();
            let columns = model.pane.table.as_ref().map_or(&[][..], |t| t.columns);
            let of_row = of_row(model).map(|narrowed| narrowed.filter);
            let cells = row
                .into_iter()
                .flat_map(|row| columns.iter().zip(&row.cells));
            let cells = cells.filter_map(|(column, cell)| table::cell_condition(column, cell));
            let mut all: Vec<String> = of_row.into_iter().filter(|f| !f.is_empty()).collect();
            for condition in cells {
                if !all.contains(&condition) {
                    all.push(condition);
                }
            }
            all
        }
    };
    if conditions.is_empty() {
        return status(model, "no value of this row can be used in a condition");
    }
    let items = conditions.into_iter().map(item).collect();
    list(
        model,
        if negate { "not this" } else { "only this" },
        items,
        0,
    )
}

/// Opens a menu of the conditions on the selected event.
fn choose_of_event(model: &mut Model, negate: bool) -> Vec<Command> {
    let Some(line) = model.events.selected_line() else {
        return Vec::new();
    };
    let mut conditions = vec![
        format!("proc.pid = {}", line.pid),
        format!("thread.tid = {}", line.tid),
        format!("evt.type = {}", line.name),
    ];
    // Names with special characters are offered in the details, where they are quoted.
    let is_plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    if is_plain(&line.comm) {
        conditions.insert(0, format!("proc.name = {}", line.comm));
    }
    if is_plain(&line.container) {
        conditions.push(format!("container.name = {}", line.container));
    }
    conditions.retain(|condition| Filter::parse(condition).is_ok());
    let item = |condition: String| {
        let clause = if negate {
            format!("not ({condition})")
        } else {
            condition
        };
        ListItem {
            label: clause.clone(),
            choice: Choice::Narrow(clause),
        }
    };
    let items = conditions.into_iter().map(item).collect();
    list(
        model,
        if negate { "not this" } else { "only this" },
        items,
        0,
    )
}

/// Adds a condition, and stays in the displayed view.
pub(super) fn by_condition(model: &mut Model, clause: String) -> Vec<Command> {
    remember(model);
    add(
        model,
        Crumb {
            label: cells::clip(&clause, 200),
            clause,
        },
    );
    model.refresh()
}

/// Replaces the filter.
pub(super) fn by_filter(model: &mut Model, filter: &str) -> Vec<Command> {
    let filter = filter.trim();
    let before = model.filter();
    if filter == before || filter == format!("({before})") {
        return Vec::new();
    }
    remember(model);
    model.trail.clear();
    if !filter.is_empty() {
        model.trail.push(Crumb {
            label: cells::clip(filter, 200),
            clause: filter.to_owned(),
        });
        model.past_filters.retain(|past| past != filter);
        model.past_filters.push(filter.to_owned());
    }
    model.refresh()
}

/// Returns the process of the selected row.
fn pid_of_row(model: &Model) -> Option<i64> {
    let row = model.pane.row()?;
    if let Subject::Process(key) = row.subject {
        return Some(key.pid);
    }
    let columns = model.pane.table.as_ref()?.columns;
    let at = columns
        .iter()
        .position(|column| column.field == Some("proc.pid"))?;
    match row.cells.get(at) {
        Some(Cell::Id(pid)) => Some(*pid),
        _ => None,
    }
}

/// Shows all events of a process and its descendants, whatever was displayed before.
pub(super) fn descendants(model: &mut Model) -> Vec<Command> {
    let pid = match model.view {
        View::Events => model.events.selected_line().map(|line| line.pid),
        _ => pid_of_row(model),
    };
    let Some(pid) = pid.filter(|pid| *pid > 0) else {
        return status(model, "this row has no process");
    };
    remember(model);
    // Earlier drill-down steps could hide some of its events.
    model.trail.clear();
    add(
        model,
        Crumb {
            label: format!("process {pid} and its descendants"),
            clause: format!("proc.pid = {pid} or proc.lineage.pid = {pid}"),
        },
    );
    model.refresh()
}

/// Returns condition and time range of the rectangle in the spectrogram, or of its cell.
fn rectangle(model: &Model) -> Option<(String, Span)> {
    let spectrum = model.spectrum()?;
    let cell = model.spectral.cell;
    let anchor = model.spectral.anchor.unwrap_or(cell);
    let (from, _) = spectrogram::latencies(cell.1.min(anchor.1));
    let (_, below) = spectrogram::latencies(cell.1.max(anchor.1));
    let filter = match below {
        u64::MAX => format!("evt.latency >= {from}"),
        below => format!("evt.latency >= {from} and evt.latency < {below}"),
    };
    let len = u128::from(spectrum.span.len_ns());
    let edge = |column: usize| {
        let offset = len * column as u128 / TIMES as u128;
        spectrum
            .span
            .from
            .saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    };
    let first = edge(cell.0.min(anchor.0));
    let last = edge(cell.0.max(anchor.0) + 1).saturating_sub(1).max(first);
    Some((
        filter,
        Span {
            from: first,
            to: last,
        },
    ))
}

/// Shows the calls in the rectangle.
fn dig_rectangle(model: &mut Model) -> Vec<Command> {
    let Some((filter, span)) = rectangle(model) else {
        return Vec::new();
    };
    let cell = model.spectral.cell;
    let anchor = model.spectral.anchor.take().unwrap_or(cell);
    let (from, _) = spectrogram::latencies(cell.1.min(anchor.1));
    let (_, below) = spectrogram::latencies(cell.1.max(anchor.1));
    let label = match below {
        u64::MAX => format!("calls from {}", cells::duration(from)),
        below => format!(
            "calls of {} to {}",
            cells::duration(from),
            cells::duration(below)
        ),
    };
    let narrowed = Narrowed {
        label,
        filter,
        view: View::Events,
        span: Some(span),
    };
    narrow_to(model, narrowed, None)
}

/// Returns the cell with the highest count, the initial cursor of the spectrogram.
pub(super) fn hottest(spectrum: &tally::Spectrum) -> (usize, usize) {
    let largest = spectrum
        .counts
        .iter()
        .enumerate()
        .max_by_key(|(_, count)| **count);
    let at = largest.map_or(0, |(at, _)| at);
    (at / tally::LATENCIES, at % tally::LATENCIES)
}
