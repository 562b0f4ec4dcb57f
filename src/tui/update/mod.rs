//! Updates the model by messages. Side effects are returned as commands; nothing here blocks.

mod answers;
mod help;
mod layers;
mod menu;
mod mouse;
mod narrow;
mod prompt;
#[cfg(test)]
mod tests;
mod time;

use crossterm::event::{KeyEvent, KeyEventKind};

use super::cells;
use super::keys::{self, Action, Context};
use super::message::{CLIPBOARD, Command, Message, Request};
use super::model::{Choice, List, ListItem, Model, Overlay, Prompt, Purpose, TablePane, TextPane};
use super::notes::Note;
use super::view::layout::Layout;
use super::view::{TABS, moment_title, overview};
use crate::inspect::find::Query;
use crate::inspect::io_stream::Follow;
use crate::inspect::page::At;
use crate::inspect::system_view::SystemView;
use crate::stats::table::{Cell, TILES, View};
use crate::stats::tally;

/// Updates the model by a message.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Command> {
    let mut commands = match message {
        Message::Key(key) => self::key(model, key),
        Message::Mouse(mouse) => mouse::update(model, mouse),
        Message::Resize(width, height) => {
            model.size = (width, height);
            let width = text_width(model);
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
    };
    model.settle();
    commands.extend(model.need_page());
    commands.extend(model.need_scripted());
    commands
}

impl Model {
    /// Returns the layout of the screen.
    pub(crate) fn layout(&self) -> Layout {
        let has_side =
            self.view == View::Events && matches!(self.layers.first(), Some(Overlay::Detail(_)));
        Layout::new(self.size, has_side)
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
        | Action::Bottom => motion(model, action),
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
        Action::Whole => whole(model),
        Action::Dig => narrow::dig(model),
        Action::IoStream => echo(model),
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
        Action::SearchNext => search(model, true),
        Action::SearchPrevious => search(model, false),
        Action::Within => type_line(model, Purpose::Within, model.pane.within.clone()),
        Action::Sort => sort_menu(model),
        Action::Reverse => {
            if let Some((column, _)) = model.pane.sort {
                model.pane.sort_by(column);
            }
            Vec::new()
        }
        Action::Mark => type_line(model, Purpose::Note, String::new()),
        Action::Notes => notes(model),
        Action::Save => type_line(model, Purpose::Save, String::new()),
        Action::Copy => copy(model),
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
const MOMENTS: [SystemView; 4] = [
    SystemView::Processes,
    SystemView::Tree,
    SystemView::Files,
    SystemView::Sockets,
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
    if purpose == Purpose::Within && !is_table {
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
    let at = TABS
        .iter()
        .position(|(view, _)| *view == model.view)
        .unwrap_or(0);
    show(model, TABS[(at + by) % TABS.len()].0)
}

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

fn motion(model: &mut Model, action: Action) -> Vec<Command> {
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
            let rows = spectrum
                .map(|s| super::view::spectrogram::Grid::new(s, model.layout().body).rows());
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

fn sort_menu(model: &mut Model) -> Vec<Command> {
    let Some(table) = &model.pane.table else {
        return status(model, "this view cannot be sorted");
    };
    let item = |at: usize| ListItem {
        label: format!("{:12} {}", table.columns[at].title, table.columns[at].help),
        choice: Choice::Sort(at),
    };
    let shown = (0..table.columns.len()).filter(|at| !model.pane.is_hidden(*at));
    let is_sorted = |at: usize| model.pane.sort.is_some_and(|(column, _)| column == at);
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

/// Copies the subject of the row.
fn copy(model: &mut Model) -> Vec<Command> {
    let text = match model.view {
        View::Events => model
            .events
            .selected_line()
            .map(|line| format!("{} {} {} {}", line.num, line.comm, line.name, line.args)),
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
fn text_width(model: &Model) -> usize {
    usize::from(model.layout().body.width.saturating_sub(2))
}

/// Shows a value in full.
fn open_value(model: &mut Model, title: String, value: String) -> Vec<Command> {
    let pane = TextPane::of_value(title, value, text_width(model));
    open(model, Overlay::Text(pane))
}

/// Shows all values of the row in full.
fn whole(model: &mut Model) -> Vec<Command> {
    match model.view {
        View::Events => return narrow::enter(model),
        View::Overview => {
            if let Some(tile) = TILES.get(model.tile) {
                return open_value(model, tile.title.to_owned(), tile.filter.to_owned());
            }
        }
        _ => {
            if let Some(value) = row_in_full(&model.pane) {
                return open_value(model, "row (y: copy, w: save)".to_owned(), value);
            }
        }
    }
    status(model, "there is no row")
}

/// Returns the titles and whole values of the selected row, line by line.
fn row_in_full(pane: &TablePane) -> Option<String> {
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
fn copy_text(model: &mut Model, what: &str, mut text: String) -> Vec<Command> {
    let all = text.len();
    text.truncate(text.floor_char_boundary(CLIPBOARD));
    model.status = Some(match text.len() {
        len if len < all => format!("copied only {len} of {all} bytes"),
        _ => format!("copied {what}").trim_end().to_owned(),
    });
    vec![Command::Copy(text)]
}

/// Follows the I/O stream of the row.
fn echo(model: &mut Model) -> Vec<Command> {
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
