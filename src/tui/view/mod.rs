//! Draws the model without changing it.

pub(crate) mod bytes;
mod events;
pub(crate) mod layout;
pub(crate) mod overview;
mod panes;
pub(crate) mod spectrogram;
pub(crate) mod table;
mod timeline;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Tabs, Widget as _};

use super::cells;
use super::model::{Model, Overlay, TablePane};
use crate::event::number::{counted, grouped};
use crate::stats::table::View;
use layout::{Layout, SMALLEST};
pub(crate) use panes::moment_title;

/// The tabs, in order; the first ten have the keys 1 to 9 and 0.
pub(crate) const TABS: &[(View, &str)] = &[
    (View::Overview, "1 Overview"),
    (View::Events, "2 Events"),
    (View::Processes, "3 Processes"),
    (View::Files, "4 Files"),
    (View::Connections, "5 Connections"),
    (View::Commands, "6 Commands"),
    (View::Errors, "7 Errors"),
    (View::Calls, "8 Syscalls"),
    (View::Slow, "9 Slow"),
    (View::Waits, "W Waits"),
    (View::Alerts, "A Alerts"),
    (View::Sessions, "S Sessions"),
    (View::Containers, "0 Containers"),
    (View::Directories, "Directories"),
    (View::Ports, "Ports"),
    (View::Spectrogram, "Spectrogram"),
    (View::Losses, "Losses"),
];

/// Draws the screen. Returns the position of the caret, if any.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer) -> Option<Position> {
    let (width, height) = model.size;
    if width < SMALLEST.0 || height < SMALLEST.1 {
        let text = format!("at least {} columns and {} rows", SMALLEST.0, SMALLEST.1);
        buffer.set_stringn(0, 0, text, usize::from(width), Style::new());
        return None;
    }
    let layout = model.layout();
    draw_header(model, &layout, buffer);
    draw_crumbs(model, &layout, buffer);
    timeline::draw(model, &layout, buffer);
    draw_tabs(model, &layout, buffer);
    match model.view {
        View::Overview => overview::draw(model, layout.body, buffer),
        View::Events => events::draw(model, layout.body, buffer),
        View::Spectrogram => spectrogram::draw(model, layout.body, buffer),
        View::Alerts | View::AlertList if !model.alerts.has_rules => {
            say(
                model,
                &layout,
                "no rules are evaluated (--no-rules)",
                buffer,
            );
        }
        View::Sessions if model.capture.exec_sessions().is_none() => {
            let text = match model.capture.has_audit_events() {
                true if model.live => "sessions are found in complete captures only",
                true if !model.is_verified => "\u{2026}",
                true => "sessions could not be found",
                false => "no events of a Kubernetes audit log (--audit LOG)",
            };
            say(model, &layout, text, buffer);
        }
        _ => table::draw(&model.pane, model.range(), model.theme, layout.body, buffer),
    }
    draw_status(model, &layout, buffer);
    let mut caret = None;
    for layer in &model.layers {
        match layer {
            Overlay::Detail(pane) => panes::detail(model, pane, &layout, buffer),
            Overlay::IoStream(pane) => panes::echo(model, pane, &layout, buffer),
            Overlay::State(pane) => panes::state(model, pane, &layout, buffer),
            Overlay::List(list) | Overlay::Notes(list) => panes::list(model, list, &layout, buffer),
            Overlay::Text(pane) => panes::text(model, pane, &layout, buffer),
            Overlay::Prompt(prompt) => caret = Some(panes::prompt(model, prompt, &layout, buffer)),
        }
    }
    caret.map(Position::from)
}

/// Says why there is no table.
fn say(model: &Model, layout: &Layout, text: &str, buffer: &mut Buffer) {
    let body = layout.body;
    buffer.set_stringn(
        body.x,
        body.y,
        text,
        usize::from(body.width),
        model.theme.dim(),
    );
}

/// Draws the header: capture, machine, time, counts, problems.
fn draw_header(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let row = layout.header;
    let theme = model.theme;
    let capture = &model.capture;
    let width = usize::from(row.width);
    // Problems are always visible, whatever else has to be truncated.
    let mut wrong = Vec::new();
    let lost: u64 = capture.losses().iter().map(|l| l.count).sum();
    if lost > 0 {
        wrong.push(format!("{} LOST", grouped(lost)));
    }
    let damages = model.damages();
    if damages > 0 {
        wrong.push(format!("DAMAGED in {}", counted(damages, "place")));
    }
    if model.is_cut_off() {
        wrong.push("INCOMPLETE".to_owned());
    }
    if model.is_of_damaged() {
        wrong.push("DAMAGED OR INCOMPLETE".to_owned());
    }
    match (model.live, model.follow) {
        (true, _) if !capture.is_cut_off() => wrong.push("ENDED".to_owned()),
        (true, true) => wrong.push("LIVE".to_owned()),
        (true, false) => wrong.push("LIVE (F: follow)".to_owned()),
        (false, _) => {}
    }
    let wrong = wrong.join("  ");
    let width = width.saturating_sub(wrong.len() + 2);
    let host = cells::fit(capture.header().machine.host_name.as_bytes(), 24);
    let host = if host.is_empty() {
        host
    } else {
        format!(" on {host}")
    };
    let summaries = capture.index().chunks.iter().map(|chunk| &chunk.summary);
    let shown = summaries
        .map(|s| u64::from(s.events.saturating_sub(s.hidden)))
        .sum();
    let first = capture.first_time().clamp(model.whole.from, model.whole.to);
    let text = format!(
        "{}{host}  {}  {}  {}",
        cells::fit(model.name.as_bytes(), 40),
        cells::date_time(first).get(..19).unwrap_or_default(),
        cells::duration(model.whole.to - first),
        counted(shown, "event"),
    );
    let text = cells::clip(&text, width);
    let (x, _) = buffer.set_stringn(row.x, row.y, text, width, theme.header());
    let left = usize::from(row.right().saturating_sub(x + 2));
    buffer.set_stringn(x + 2, row.y, wrong, left, theme.bad());
}

/// Draws the steps of the drill-down, and the progress.
fn draw_crumbs(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let row = layout.crumbs;
    let theme = model.theme;
    let right = match model.counting() {
        None => match model.detecting() {
            None => String::new(),
            Some(percent) => format!("rules {percent}%"),
        },
        Some(0) => "counting".to_owned(),
        Some(percent) => format!("counting {percent}%"),
    };
    let right_width = right.chars().count() as u16;
    let mut end = row.right();
    if right_width > 0 && right_width < row.width {
        end = row.right() - right_width - 1;
        buffer.set_stringn(
            end + 1,
            row.y,
            right,
            usize::from(right_width),
            theme.notable(),
        );
    }
    let mut x = row.x;
    let mut put = |text: &str, style: Style| {
        let left = usize::from(end.saturating_sub(x));
        let shown = cells::clip(text, left);
        (x, _) = buffer.set_stringn(x, row.y, shown, left, style);
    };
    put(
        if model.selection.is_some() {
            "selected range"
        } else {
            "everything"
        },
        theme.dim(),
    );
    for crumb in &model.trail {
        put(" \u{25b8} ", theme.dim());
        put(&crumb.label, theme.title());
    }
}

/// Returns the position of the tab of the displayed view.
pub(crate) fn tab(model: &Model) -> Option<usize> {
    let view = match model.view {
        View::AlertList => View::Alerts,
        view => view,
    };
    TABS.iter().position(|(of, _)| *of == view)
}

/// Returns the first tab to draw, so that the selected one is visible.
fn first_tab(model: &Model, width: u16) -> usize {
    let chosen = tab(model).unwrap_or(0);
    let mut used = 0;
    let mut first = chosen;
    for at in (0..=chosen).rev() {
        used += TABS[at].1.len() + 2;
        if used > usize::from(width) {
            break;
        }
        first = at;
    }
    first
}

/// Returns the tab at a column of the screen.
pub(crate) fn tab_at(model: &Model, layout: &Layout, x: u16) -> Option<View> {
    let mut start = layout.tabs.x + scripted_tab(model).chars().count() as u16;
    for (view, name) in &TABS[first_tab(model, layout.tabs.width)..] {
        let end = start + name.len() as u16 + 2;
        if (start..end).contains(&x) {
            return Some(*view);
        }
        start = end;
    }
    None
}

/// Returns the tab of the displayed view if it is a scripted view; else nothing.
fn scripted_tab(model: &Model) -> String {
    let name = model.scripts.describe(model.view).map(|(name, _)| name);
    name.map_or_else(String::new, |name| format!(" {} ", cells::clip(name, 24)))
}

fn draw_tabs(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let row = layout.tabs;
    let own = scripted_tab(model);
    let scripted = (!own.is_empty()).then(|| Line::styled(own, model.theme.selected()));
    let first = first_tab(model, row.width);
    let chosen = tab(model);
    let tabs = TABS.iter().enumerate().skip(first).map(|(at, (_, name))| {
        let style = match Some(at) == chosen {
            true => model.theme.selected(),
            false => model.theme.dim(),
        };
        Line::styled(format!(" {name} "), style)
    });
    Tabs::new(scripted.into_iter().chain(tabs))
        .padding("", "")
        .divider("")
        .select(None)
        .render(row, buffer);
}

/// Returns what has to be known about the table.
fn remark(model: &Model) -> Option<String> {
    match model.view {
        View::Sessions => skew(model),
        View::Alerts | View::AlertList => {
            let forgotten = model.alerts.list()?.forgotten;
            let text = "rules about several events may have missed some  ";
            (forgotten > 0).then(|| text.to_owned())
        }
        _ => None,
    }
}

/// Returns the difference of the clocks, by which requests and processes were joined, if it is noticeable.
fn skew(model: &Model) -> Option<String> {
    const NOTED_NS: u64 = 1_000_000_000;
    let skew = model.capture.exec_sessions()?.skew()?;
    let seconds = Duration::from_nanos(skew.unsigned_abs()).as_secs_f64();
    let ahead = if skew > 0 { "ahead of" } else { "behind" };
    (skew.unsigned_abs() >= NOTED_NS)
        .then(|| format!("clock {seconds:.1} s {ahead} the API server's  "))
}

/// Returns the position in a table, the number of rows, and the text that they contain.
fn position(pane: &TablePane) -> String {
    let at = if pane.order.is_empty() {
        0
    } else {
        pane.selected + 1
    };
    let omitted = pane.table.as_ref().map_or(0, |t| t.omitted);
    // The number of distinct omitted rows is not known.
    let more = if omitted > 0 { " (incomplete)" } else { "" };
    let within = match pane.within.as_str() {
        "" => String::new(),
        text => format!(" with \"{}\"", cells::fit(text.as_bytes(), 20)),
    };
    format!("{at}/{}{within}{more}", pane.order.len())
}

/// Draws the status message, or the position in the list and the most important keys.
fn draw_status(model: &Model, layout: &Layout, buffer: &mut Buffer) {
    let row = layout.status;
    let width = usize::from(row.width);
    if let Some(status) = &model.status {
        let text = cells::clip(status, width);
        buffer.set_stringn(row.x, row.y, text, width, model.theme.notable());
        return;
    }
    let is_state = matches!(model.layers.last(), Some(Overlay::State(_)));
    let place = match model.view {
        _ if is_state => format!("{}  ", position(model.rows())),
        View::Overview | View::Spectrogram => String::new(),
        View::Events => {
            let more = if model.is_counted() { "" } else { "+" };
            let at = if model.listed() == 0 {
                0
            } else {
                model.events.selected + 1
            };
            format!("{}/{}{more}  ", grouped(at), grouped(model.listed()))
        }
        _ => {
            let remark = remark(model).unwrap_or_default();
            format!("{}  {remark}", position(&model.pane))
        }
    };
    let of_overlay = match model.layers.last() {
        Some(Overlay::Detail(_)) => {
            Some("Enter whole value  y copy  = only  ! not  ] [ thread  o opener  Esc close")
        }
        Some(Overlay::Text(_)) => Some("y copy  w save  / search  Esc close"),
        Some(Overlay::State(_)) => {
            Some("Enter show  / search  s sort  \\ keep rows  \u{2190}\u{2192} time  Esc close")
        }
        _ => None,
    };
    let keys = of_overlay.unwrap_or(match model.view {
        View::Events => {
            "Enter detail  / search  : filter  e follow  m note  Bksp back  ? keys  q quit"
        }
        View::Overview => {
            "Enter show  : filter  +/- zoom  \u{21e7}\u{2190}\u{2192} select time  F2 views  ? keys  q quit"
        }
        View::Spectrogram => "Space rectangle  Enter drill down  Bksp back  ? keys  q quit",
        _ => "Enter narrow  i whole row  = only  ! not  d events  > sort  / search  ? keys",
    });
    let (x, _) = buffer.set_stringn(row.x, row.y, place, width, model.theme.header());
    let left = usize::from(row.right().saturating_sub(x));
    buffer.set_stringn(x, row.y, keys, left, model.theme.dim());
}
