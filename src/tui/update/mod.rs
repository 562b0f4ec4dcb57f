//! Updates the model by messages. Side effects are returned as commands; nothing here blocks.

mod answers;
mod help;
mod layers;
mod menu;
mod motion;
mod mouse;
mod narrow;
mod prompt;
mod row;
#[cfg(test)]
mod tests;
mod time;

use crossterm::event::{KeyEvent, KeyEventKind};

use super::cells;
use super::keys::{self, Action, Context};
use super::message::{Command, Message};
use super::model::{Choice, List, ListItem, Model, Overlay, Prompt, Purpose, TablePane};
use super::notes::Note;
use super::view::layout::Layout;
use super::view::{TABS, moment_title, tab};
use crate::inspect::io_stream::Follow;
use crate::inspect::page::At;
use crate::inspect::system_tables::SystemView;
use crate::stats::table::View;

/// Updates the model by a message.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Command> {
    let mut commands = match message {
        Message::Key(key) => self::key(model, key),
        Message::Mouse(mouse) => mouse::update(model, mouse),
        Message::Resize(width, height) => {
            model.size = (width, height);
            let width = row::text_width(model);
            for layer in &mut model.layers {
                if let Overlay::Text(pane) = layer {
                    pane.wrap(width);
                }
            }
            Vec::new()
        }
        Message::Tick(now) => {
            model.now = now;
            layers::play(model);
            Vec::new()
        }
        Message::Progress(progress) => answers::progress(model, progress),
        Message::Share(ticket, share) => {
            if model.pending.scripted == Some(ticket) {
                model.scripts.share = share;
            }
            Vec::new()
        }
        Message::Response(ticket, answer) => answers::answer(model, ticket, *answer),
        Message::Grown(capture) => time::grown(model, capture),
        Message::Verified(verified) => time::verified(model, verified),
        Message::Detected(detected) => answers::detected(model, detected),
    };
    model.settle();
    commands.extend(model.need_page());
    commands.extend(model.need_scripted());
    commands.extend(model.need_alerts());
    commands
}

impl Model {
    /// Returns the layout of the screen.
    pub(crate) fn layout(&self) -> Layout {
        let has_side =
            self.view == View::Events && matches!(self.layers.first(), Some(Overlay::Detail(_)));
        Layout::new(self.size, has_side, self.alerts.has_rules)
    }

    /// Scrolls to the selection.
    fn settle(&mut self) {
        let layout = self.layout();
        let rows = layout.table_rows();
        self.pane.show_selected(rows);
        let listed = self.listed();
        self.events.show_selected(rows as u64, listed);
        for layer in &mut self.layers {
            if let Overlay::State(state) = layer
                && let Some(pane) = &mut state.pane
            {
                // The frame and the titles take three rows.
                pane.show_selected(usize::from(layout.body.height.saturating_sub(3)));
            }
        }
    }
}

/// Returns the current key contexts, the innermost first.
fn contexts(model: &Model) -> &'static [Context] {
    match model.layers.last() {
        Some(Overlay::Prompt(_)) => &[Context::Prompt],
        Some(Overlay::List(_)) => &[Context::List],
        Some(Overlay::Notes(_)) => &[Context::Notes, Context::List],
        Some(Overlay::Text(_)) => &[Context::Text],
        Some(Overlay::Detail(_)) => &[Context::Detail, Context::Main],
        Some(Overlay::IoStream(_)) => &[Context::IoStream, Context::Main],
        Some(Overlay::State(_)) => &[Context::State, Context::Main],
        None if model.view == View::Spectrogram => &[Context::Spectrogram, Context::Main],
        None => &[Context::Main],
    }
}

fn key(model: &mut Model, key: KeyEvent) -> Vec<Command> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    model.status = None;
    let action = keys::action(contexts(model), key);
    if matches!(model.layers.last(), Some(Overlay::Prompt(_))) {
        return prompt::key(model, key, action);
    }
    match action {
        Some(action) => self::action(model, action),
        None => Vec::new(),
    }
}

/// Executes an action.
pub(super) fn action(model: &mut Model, action: Action) -> Vec<Command> {
    if let Some(commands) = layers::action(model, action) {
        return commands;
    }
    match action {
        Action::Quit => vec![Command::Quit],
        Action::Help => open(model, help::keys()),
        Action::ViewHelp => {
            let help = help::view(model);
            open(model, help)
        }
        Action::Menu => menu::open(model),
        Action::Show(view) => show(model, view),
        Action::NextView => step_view(model, 1),
        Action::PreviousView => step_view(model, TABS.len() - 1),
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::Top
        | Action::Bottom => motion::move_selection(model, action),
        Action::CursorLeft => time::step(model, -1, false),
        Action::CursorRight => time::step(model, 1, false),
        Action::SelectLeft => time::step(model, -1, true),
        Action::SelectRight => time::step(model, 1, true),
        Action::PanLeft => time::pan(model, false),
        Action::PanRight => time::pan(model, true),
        Action::ZoomIn => time::zoom(model, true, model.cursor),
        Action::ZoomOut => time::zoom(model, false, model.cursor),
        Action::ZoomSelection => time::zoom_to_selection(model),
        Action::ZoomAll => time::zoom_to(model, model.whole),
        Action::Escape => {
            model.select_from = None;
            model.spectral.anchor = None;
            match model.selection.take() {
                Some(_) => model.refresh(),
                None => Vec::new(),
            }
        }
        Action::Enter => narrow::enter(model),
        Action::Back => narrow::back(model),
        Action::Only => narrow::choose(model, false),
        Action::Not => narrow::choose(model, true),
        Action::Descendants => narrow::descendants(model),
        Action::Whole => row::whole(model),
        Action::Dig => narrow::dig(model),
        Action::IoStream => row::echo(model),
        Action::EchoAll => {
            let scope = model.scope();
            let title = match scope.filter.as_str() {
                "" => "everything".to_owned(),
                _ => "all displayed events".to_owned(),
            };
            layers::open_echo(model, title, scope, Follow::Scope)
        }
        Action::State => {
            let item = |what: SystemView| ListItem {
                label: moment_title(what).to_owned(),
                choice: Choice::State(what),
            };
            list(model, "at the cursor's time", MOMENTS.map(item).into(), 0)
        }
        Action::FilterBar => {
            let filter = model.filter();
            // Appended conditions have to apply to the whole filter.
            let has_or = filter.contains(" or ") && model.trail.len() == 1;
            let filter = if has_or {
                format!("({filter})")
            } else {
                filter
            };
            let text = if filter.is_empty() {
                filter
            } else {
                format!("{filter} ")
            };
            model
                .layers
                .push(Overlay::Prompt(Prompt::new(Purpose::Filter, text)));
            prompt::suggest(model);
            Vec::new()
        }
        Action::Search => type_line(model, Purpose::Search, String::new()),
        Action::SearchNext => motion::search(model, true),
        Action::SearchPrevious => motion::search(model, false),
        Action::Within | Action::Sort | Action::Reverse => arrange(model, action),
        Action::Mark => type_line(model, Purpose::Note, String::new()),
        Action::Notes => notes(model),
        Action::Save => type_line(model, Purpose::Save, String::new()),
        Action::Copy => row::copy(model),
        Action::Theme => {
            model.theme = model.theme.next();
            status(model, format!("theme: {}", model.theme.name()))
        }
        Action::Follow => time::follow(model),
        Action::Anchor => {
            let cell = model.spectral.cell;
            model.spectral.anchor = match model.spectral.anchor {
                Some(_) => None,
                None => Some(cell),
            };
            Vec::new()
        }
        Action::Form if matches!(model.view, View::Alerts | View::AlertList) => {
            model.alerts.by_tactic = !model.alerts.by_tactic;
            model.view = View::Alerts;
            model.pane = TablePane::default();
            model.remake_table();
            Vec::new()
        }
        // Only in overlays.
        Action::CopyFilter
        | Action::ThreadNext
        | Action::ThreadPrevious
        | Action::Opener
        | Action::Fork
        | Action::Form
        | Action::Play
        | Action::Faster
        | Action::Slower
        | Action::Delete
        | Action::Export
        | Action::Complete
        | Action::DeleteLine
        | Action::DeleteWord => Vec::new(),
    }
}

/// The views of the system state.
const MOMENTS: [SystemView; 6] = [
    SystemView::Processes,
    SystemView::Tree,
    SystemView::Threads,
    SystemView::Files,
    SystemView::Sockets,
    SystemView::Users,
];

/// Shows a message in the status line.
fn status(model: &mut Model, text: impl Into<String>) -> Vec<Command> {
    model.status = Some(text.into());
    Vec::new()
}

fn open(model: &mut Model, layer: Overlay) -> Vec<Command> {
    model.layers.push(layer);
    Vec::new()
}

fn list(
    model: &mut Model,
    title: &'static str,
    items: Vec<ListItem>,
    selected: usize,
) -> Vec<Command> {
    let list = List {
        title,
        items,
        selected,
    };
    open(model, Overlay::List(list))
}

fn type_line(model: &mut Model, purpose: Purpose, text: String) -> Vec<Command> {
    let is_table = !matches!(
        model.view,
        View::Overview | View::Events | View::Spectrogram
    );
    if purpose == Purpose::Within && !is_table && model.state_pane().is_none() {
        return status(model, "this view has no rows to keep; `:` filters events");
    }
    open(model, Overlay::Prompt(Prompt::new(purpose, text)))
}

/// Shows a view.
pub(super) fn show(model: &mut Model, view: View) -> Vec<Command> {
    model.layers.clear();
    if model.view == view {
        return Vec::new();
    }
    model.view = view;
    model.remake_table();
    match view {
        // At the time cursor.
        View::Events if model.events.going.is_none() => {
            model.go_to(At::Time(model.cursor)).into_iter().collect()
        }
        View::Events => model.need_page().into_iter().collect(),
        _ => Vec::new(),
    }
}

fn step_view(model: &mut Model, by: usize) -> Vec<Command> {
    let at = tab(model).unwrap_or(0);
    show(model, TABS[(at + by) % TABS.len()].0)
}

/// Sorts the rows of the topmost table, or keeps some.
fn arrange(model: &mut Model, action: Action) -> Vec<Command> {
    let rows = model.rows_mut();
    match (action, rows.sort) {
        (Action::Within, _) => {
            let text = rows.within.clone();
            type_line(model, Purpose::Within, text)
        }
        (Action::Reverse, Some((column, _))) => {
            rows.sort_by(column);
            Vec::new()
        }
        (Action::Reverse, None) => Vec::new(),
        _ => sort_menu(model),
    }
}

fn sort_menu(model: &mut Model) -> Vec<Command> {
    let pane = model.rows();
    let Some(table) = &pane.table else {
        return status(model, "this view cannot be sorted");
    };
    let item = |at: usize| ListItem {
        label: format!("{:12} {}", table.columns[at].title, table.columns[at].help),
        choice: Choice::Sort(at),
    };
    let shown = (0..table.columns.len()).filter(|at| !pane.is_hidden(*at));
    let is_sorted = |at: usize| pane.sort.is_some_and(|(column, _)| column == at);
    let selected = shown.clone().position(is_sorted).unwrap_or(0);
    let items = shown.map(item).collect();
    list(model, "sort by", items, selected)
}

fn notes(model: &mut Model) -> Vec<Command> {
    let item = |(at, note): (usize, &Note)| ListItem {
        label: format!(
            "{}  {}  {}",
            cells::time(note.from),
            cells::clip(&note.text, 80),
            cells::clip(&note.line, 80),
        ),
        choice: Choice::Note(at),
    };
    let items = model.notes.list.iter().enumerate().map(item).collect();
    let list = List {
        title: "notes (Enter: go to, d: delete, w: export Markdown)",
        items,
        selected: 0,
    };
    open(model, Overlay::Notes(list))
}
