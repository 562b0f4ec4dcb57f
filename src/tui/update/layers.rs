//! Key handling of overlays.

use super::motion::{self, moved};
use super::{action as act, narrow, row, show, status, time};
use crate::inspect::find::Query;
use crate::inspect::io_stream::Follow;
use crate::inspect::page::At;
use crate::inspect::system_tables::SystemView;
use crate::replay::Scope;
use crate::stats::table::View;
use crate::tui::keys::Action;
use crate::tui::message::{Command, Request};
use crate::tui::model::{
    Choice, DetailPane, EchoPane, List, Model, Overlay, Play, Prompt, Purpose, StatePane, TextPane,
};
use crate::tui::view::bytes;

/// Executes an action in the topmost overlay; `None`: the action is for the view below.
pub(super) fn action(model: &mut Model, action: Action) -> Option<Vec<Command>> {
    let layer = model.layers.pop()?;
    if action == Action::Escape {
        return Some(close(model, &layer));
    }
    match layer {
        Overlay::List(list) => Some(in_list(model, list, action)),
        Overlay::Notes(list) => Some(in_notes(model, list, action)),
        Overlay::Text(text) => Some(in_text(model, text, action)),
        // Keys of input lines are handled earlier.
        Overlay::Prompt(_) => Some(Vec::new()),
        Overlay::Detail(pane) => in_detail(model, pane, action),
        Overlay::IoStream(pane) => in_echo(model, pane, action),
        Overlay::State(pane) => in_state(model, pane, action),
    }
}

/// Closes an overlay and cancels its pending requests.
fn close(model: &mut Model, layer: &Overlay) -> Vec<Command> {
    match layer {
        Overlay::Detail(_) => model.pending.detail = None,
        Overlay::IoStream(_) => model.pending.echo = None,
        Overlay::State(_) => model.pending.system_view = None,
        _ => {}
    }
    Vec::new()
}

fn is_motion(action: Action) -> bool {
    matches!(
        action,
        Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::Top
            | Action::Bottom
    )
}

fn in_list(model: &mut Model, mut list: List, action: Action) -> Vec<Command> {
    if action != Action::Enter {
        let page = usize::from(model.layout().body.height);
        let before = list.selected;
        list.selected = moved(before, list.items.len(), page, action);
        let item = list.items.get(list.selected);
        if item.is_some_and(|item| item.choice == Choice::Heading) {
            // The selection skips headings in its direction.
            let back = list.selected < before && list.selected > 0;
            list.selected = if back {
                list.selected - 1
            } else {
                list.selected + 1
            };
        }
        model.layers.push(Overlay::List(list));
        return Vec::new();
    }
    match list.items.into_iter().nth(list.selected) {
        Some(item) => choice(model, item.choice),
        None => Vec::new(),
    }
}

/// Executes the action of a menu line.
fn choice(model: &mut Model, choice: Choice) -> Vec<Command> {
    match choice {
        Choice::Show(view) => show(model, view),
        Choice::Sort(column) => {
            model.rows_mut().sort_by(column);
            Vec::new()
        }
        Choice::Narrow(clause) => narrow::by_condition(model, clause),
        Choice::State(what) => open_state(model, what),
        Choice::Note(at) => go_to_note(model, at),
        Choice::Heading => Vec::new(),
    }
}

fn go_to_note(model: &mut Model, at: usize) -> Vec<Command> {
    let Some(note) = model.notes.list.get(at).cloned() else {
        return Vec::new();
    };
    narrow::remember(model);
    match note.event {
        Some(num) => {
            // The event may be outside of the displayed scope.
            model.trail.clear();
            if !model.range().contains(note.from) {
                model.selection = None;
                model.window = model.whole;
                model.rewind();
            }
            model.events.going = Some(At::Event(num));
            model.cursor = note.from.clamp(model.window.from, model.window.to);
            let mut commands = model.refresh();
            commands.extend(show(model, View::Events));
            commands
        }
        None => {
            narrow::select_range(model, note.span());
            model.refresh()
        }
    }
}

fn in_notes(model: &mut Model, mut list: List, action: Action) -> Vec<Command> {
    match action {
        Action::Delete if list.selected < model.notes.list.len() => {
            model.notes.list.remove(list.selected);
            list.items.remove(list.selected);
            for (at, item) in list.items.iter_mut().enumerate() {
                item.choice = Choice::Note(at);
            }
            list.selected = list.selected.min(list.items.len().saturating_sub(1));
            model.layers.push(Overlay::Notes(list));
            vec![Command::WriteNotes(model.notes.clone())]
        }
        Action::Export => {
            model.layers.push(Overlay::Notes(list));
            let notes = model.notes.clone();
            vec![model.ask(Request::Export(notes))]
        }
        Action::Enter => match list.items.into_iter().nth(list.selected) {
            Some(item) => choice(model, item.choice),
            None => Vec::new(),
        },
        motion => {
            let page = usize::from(model.layout().body.height);
            list.selected = moved(list.selected, list.items.len(), page, motion);
            model.layers.push(Overlay::Notes(list));
            Vec::new()
        }
    }
}

fn in_text(model: &mut Model, mut text: TextPane, action: Action) -> Vec<Command> {
    let rows = usize::from(model.layout().body.height.saturating_sub(2));
    let last = text.lines.len().saturating_sub(rows);
    text.top = moved(text.top, last + 1, rows, action);
    let whole = matches!(action, Action::Copy | Action::Save).then(|| text.text());
    model.layers.push(Overlay::Text(text));
    if let Some(commands) = search(model, action) {
        return commands;
    }
    match (action, whole) {
        (Action::Copy, Some(whole)) => row::copy_text(model, "", whole),
        (Action::Save, Some(whole)) => {
            let prompt = Prompt::new(Purpose::SaveText(whole), String::new());
            super::open(model, Overlay::Prompt(prompt))
        }
        _ => Vec::new(),
    }
}

/// Searches in the topmost overlay, a text or a table; `None`: the action does not search.
fn search(model: &mut Model, action: Action) -> Option<Vec<Command>> {
    match action {
        Action::Search => {
            let prompt = Prompt::new(Purpose::Search, String::new());
            Some(super::open(model, Overlay::Prompt(prompt)))
        }
        Action::SearchNext | Action::SearchPrevious => {
            Some(motion::search(model, action == Action::SearchNext))
        }
        _ => None,
    }
}

/// Moves to the next line or row of the topmost overlay that contains a text, which is in lower case;
/// `None`: it is no overlay to search in.
pub(super) fn find(model: &mut Model, text: &str, forward: bool) -> Option<bool> {
    match model.layers.last_mut()? {
        Overlay::Text(pane) => {
            let found = pane.find(text, forward);
            pane.top = found.unwrap_or(pane.top);
            Some(found.is_some())
        }
        Overlay::State(pane) => {
            let rows = pane.pane.as_mut()?;
            let found = rows.search(text, forward);
            rows.select(found.unwrap_or(rows.selected));
            Some(found.is_some())
        }
        _ => None,
    }
}

fn in_detail(model: &mut Model, mut pane: DetailPane, action: Action) -> Option<Vec<Command>> {
    let commands = match action {
        motion if is_motion(motion) => {
            let page = usize::from(model.layout().body.height) / 2;
            pane.selected = moved(pane.selected, pane.count(), page, motion);
            Vec::new()
        }
        Action::Form => {
            pane.form = pane.form.next();
            Vec::new()
        }
        Action::Whole => match pane.entry() {
            Some(entry) => {
                let (title, value) = (entry.name.clone(), entry.value.clone());
                model.layers.push(Overlay::Detail(pane));
                let title = format!("{title} (y: copy, w: save)");
                return Some(row::open_value(model, title, value));
            }
            None => Vec::new(),
        },
        Action::Copy => match pane.entry() {
            Some(entry) => {
                let (name, value) = (entry.name.clone(), entry.value.clone());
                row::copy_text(model, &name, value)
            }
            None => Vec::new(),
        },
        Action::CopyFilter => match pane.entry().map(|entry| entry.filter.clone()) {
            Some(Some(filter)) => row::copy_text(model, "the condition", filter),
            _ => status(model, "this value cannot be a condition"),
        },
        Action::Only | Action::Not => match pane.entry().map(|entry| entry.filter.clone()) {
            Some(Some(filter)) => {
                let negate = action == Action::Not;
                let clause = if negate {
                    format!("not ({filter})")
                } else {
                    filter
                };
                let commands = narrow::by_condition(model, clause);
                model.layers.push(Overlay::Detail(pane));
                return Some(commands);
            }
            _ => status(model, "this value cannot be a condition"),
        },
        Action::ThreadNext | Action::ThreadPrevious => match &pane.detail {
            Some(detail) => {
                let query = Query::Filter(format!("thread.tid = {}", detail.tid));
                let question = Request::Find {
                    query,
                    span: model.whole,
                    from: detail.num,
                    forward: action == Action::ThreadNext,
                };
                vec![model.ask(question)]
            }
            None => Vec::new(),
        },
        Action::Opener => match &pane.detail {
            Some(detail) if detail.fd.is_some() => vec![model.ask(Request::Opener(pane.num))],
            _ => status(model, "the event has no fd"),
        },
        Action::Fork => vec![model.ask(Request::Fork(pane.num))],
        Action::IoStream => {
            let (num, scope) = (pane.num, model.scope());
            model.layers.push(Overlay::Detail(pane));
            return Some(open_echo(
                model,
                format!("fd of event {num}"),
                scope,
                Follow::FdOf(num),
            ));
        }
        // Everything else is for the view below, where details stay open next to the list.
        Action::Show(_) | Action::NextView | Action::PreviousView | Action::Back => return None,
        _ => {
            let commands = act(model, action);
            model.layers.insert(0, Overlay::Detail(pane));
            return Some(commands);
        }
    };
    model.layers.push(Overlay::Detail(pane));
    Some(commands)
}

fn in_echo(model: &mut Model, mut pane: EchoPane, action: Action) -> Option<Vec<Command>> {
    let commands = match action {
        Action::Form => {
            pane.form = pane.form.next();
            pane.skip = 0;
            Vec::new()
        }
        Action::Play => play_or_pause(model, &mut pane),
        Action::Faster | Action::Slower => {
            if let Some(play) = &mut pane.play {
                play.change_speed(if action == Action::Faster { 1 } else { -1 });
            }
            Vec::new()
        }
        Action::Enter => match pane.echo.as_ref().and_then(|e| e.pieces.get(pane.selected)) {
            Some(piece) => {
                let num = piece.num;
                model.layers.clear();
                narrow::remember(model);
                model.events.going = Some(At::Event(num));
                let mut commands = show(model, View::Events);
                commands.extend(model.need_page());
                commands.extend(narrow::detail(model, num));
                return Some(commands);
            }
            None => Vec::new(),
        },
        motion if is_motion(motion) => {
            let width = usize::from(model.layout().body.width.saturating_sub(3)).max(1);
            let rows = usize::from(model.layout().body.height.saturating_sub(2));
            scroll(&mut pane, motion, width, rows);
            Vec::new()
        }
        Action::Quit | Action::Help | Action::Theme | Action::Copy => {
            return {
                model.layers.push(Overlay::IoStream(pane));
                Some(match action {
                    Action::Quit => vec![Command::Quit],
                    Action::Help => super::open(model, super::help::keys()),
                    Action::Theme => {
                        model.theme = model.theme.next();
                        Vec::new()
                    }
                    _ => copy_piece(model),
                })
            };
        }
        _ => return None,
    };
    model.layers.push(Overlay::IoStream(pane));
    Some(commands)
}

fn copy_piece(model: &mut Model) -> Vec<Command> {
    let Some(Overlay::IoStream(pane)) = model.layers.last() else {
        return Vec::new();
    };
    let piece = pane
        .echo
        .as_ref()
        .and_then(|echo| echo.pieces.get(pane.selected));
    let Some(piece) = piece else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&piece.data).into_owned();
    row::copy_text(model, "", text)
}

/// Scrolls through the chunks line by line.
fn scroll(pane: &mut EchoPane, action: Action, width: usize, rows: usize) {
    let Some(echo) = &pane.echo else {
        return;
    };
    // The heading counts as a line.
    let lines = |at: usize| {
        let piece = echo.pieces.get(at);
        piece.map_or(0, |piece| 1 + bytes::count(&piece.data, pane.form, width))
    };
    let steps = match action {
        Action::Up | Action::Down => 1,
        Action::PageUp | Action::PageDown => rows.max(1),
        Action::Top => {
            (pane.selected, pane.skip) = (0, 0);
            return;
        }
        _ => {
            (pane.selected, pane.skip) = (echo.pieces.len().saturating_sub(1), 0);
            return;
        }
    };
    for _ in 0..steps {
        match action {
            Action::Up | Action::PageUp => {
                if pane.skip > 0 {
                    pane.skip -= 1;
                } else if pane.selected > 0 {
                    pane.selected -= 1;
                    pane.skip = lines(pane.selected).saturating_sub(1);
                }
            }
            _ => {
                if pane.skip + 1 < lines(pane.selected) {
                    pane.skip += 1;
                } else if pane.selected + 1 < echo.pieces.len() {
                    pane.selected += 1;
                    pane.skip = 0;
                }
            }
        }
    }
}

/// Starts playback, pauses or resumes.
fn play_or_pause(model: &mut Model, pane: &mut EchoPane) -> Vec<Command> {
    if let Some(play) = &mut pane.play {
        play.paused = !play.paused;
        play.at = model.now;
        return Vec::new();
    }
    let shown = pane
        .echo
        .as_ref()
        .and_then(|echo| echo.pieces.get(pane.selected));
    let Some((num, ts)) = shown.map(|piece| (piece.num, piece.ts)) else {
        return Vec::new();
    };
    let first = pane.calls.partition_point(|call| call.num < num);
    let body = model.layout().body;
    let (rows, columns) = (body.height.saturating_sub(3), body.width.saturating_sub(2));
    pane.play = Some(Play::new(rows, columns, first, ts, model.now));
    Vec::new()
}

/// Advances playback.
pub(super) fn play(model: &mut Model) {
    let now = model.now;
    if let Some(Overlay::IoStream(pane)) = model.layers.last_mut()
        && let Some(play) = &mut pane.play
    {
        play.go_on(&pane.calls, now);
    }
}

fn in_state(model: &mut Model, mut pane: StatePane, action: Action) -> Option<Vec<Command>> {
    let commands = match action {
        motion if is_motion(motion) => {
            let rows = usize::from(model.layout().body.height.saturating_sub(3));
            if let Some(rows_pane) = &mut pane.pane {
                let to = moved(rows_pane.selected, rows_pane.order.len(), rows, motion);
                rows_pane.select(to);
            }
            Vec::new()
        }
        // Moves the time, and with it the system state.
        Action::CursorLeft | Action::CursorRight => {
            let by = if action == Action::CursorLeft { -1 } else { 1 };
            let mut commands = time::step(model, by, false);
            pane.time = model.cursor;
            commands.push(model.ask(Request::SystemView(pane.time, pane.what)));
            commands
        }
        Action::Enter => match pane.pane.as_ref().and_then(|rows| rows.row()) {
            Some(row) => {
                let narrowed = crate::stats::table::narrowed(&row.subject);
                return Some(narrow::to(model, narrowed));
            }
            None => Vec::new(),
        },
        Action::Whole => {
            let value = pane.pane.as_ref().and_then(row::in_full);
            model.layers.push(Overlay::State(pane));
            return Some(match value {
                Some(value) => row::open_value(model, "row (y: copy, w: save)".to_owned(), value),
                None => Vec::new(),
            });
        }
        Action::Quit => {
            model.layers.push(Overlay::State(pane));
            return Some(vec![Command::Quit]);
        }
        Action::Search | Action::SearchNext | Action::SearchPrevious => {
            model.layers.push(Overlay::State(pane));
            return search(model, action);
        }
        Action::Sort | Action::Reverse | Action::Within => {
            model.layers.push(Overlay::State(pane));
            return Some(super::arrange(model, action));
        }
        Action::Only | Action::Not => status(
            model,
            "Enter drills down to the row; Left and Right move in time",
        ),
        _ => return None,
    };
    model.layers.push(Overlay::State(pane));
    Some(commands)
}

/// Opens the system state at the cursor.
fn open_state(model: &mut Model, what: SystemView) -> Vec<Command> {
    let time = model.cursor;
    model.layers.push(Overlay::State(StatePane {
        what,
        time,
        pane: None,
    }));
    vec![model.ask(Request::SystemView(time, what))]
}

/// Opens an I/O stream.
pub(super) fn open_echo(
    model: &mut Model,
    title: String,
    scope: Scope,
    follow: Follow,
) -> Vec<Command> {
    model.layers.push(Overlay::IoStream(EchoPane {
        title,
        ..EchoPane::default()
    }));
    vec![model.ask(Request::IoStream(scope, follow))]
}
