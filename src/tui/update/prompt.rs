//! Input lines.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::motion::search;
use super::{narrow, status};
use crate::fields::{self, ArgForm};
use crate::filter::Filter;
use crate::filter::ast::written;
use crate::tui::keys::Action;
use crate::tui::message::{Command, Request};
use crate::tui::model::{Model, Overlay, Prompt, Purpose};
use crate::tui::notes::Note;
use crate::tui::save::Parents;

/// Limit of the suggestions.
const SUGGESTIONS: usize = 64;
/// Length limit of an input, in bytes.
const LONGEST: usize = 16 << 10;

/// Handles a key in an input line.
pub(super) fn key(model: &mut Model, key: KeyEvent, action: Option<Action>) -> Vec<Command> {
    let Some(Overlay::Prompt(mut prompt)) = model.layers.pop() else {
        return Vec::new();
    };
    match action {
        Some(Action::Escape) => return Vec::new(),
        Some(Action::Enter) => return take(model, prompt),
        Some(Action::Complete) => {
            if let Some(suggestion) = prompt.suggestions.get(prompt.chosen).cloned() {
                prompt.complete(&suggestion);
            }
        }
        Some(Action::Up | Action::Down) => {
            choose(model, &mut prompt, action == Some(Action::Down));
            model.layers.push(Overlay::Prompt(prompt));
            return Vec::new();
        }
        Some(Action::DeleteLine) => prompt.delete_back(false),
        Some(Action::DeleteWord) => prompt.delete_back(true),
        _ => match key.code {
            KeyCode::Char(c)
                if !key
                    .modifiers
                    .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
                    && prompt.text.len() < LONGEST
                    && !crate::event::text::is_unsafe(c) =>
            {
                prompt.insert(c);
            }
            KeyCode::Backspace => prompt.backspace(),
            KeyCode::Delete => prompt.delete(),
            KeyCode::Left => prompt.step(false),
            KeyCode::Right => prompt.step(true),
            KeyCode::Home => prompt.caret = 0,
            KeyCode::End => prompt.caret = prompt.text.len(),
            _ => {}
        },
    }
    prompt.error = None;
    prompt.past = 0;
    model.layers.push(Overlay::Prompt(prompt));
    suggest(model);
    Vec::new()
}

/// Moves in the suggestions, or in the history if there are none.
fn choose(model: &Model, prompt: &mut Prompt, down: bool) {
    let is_empty = prompt.suggestions.is_empty() || prompt.text.is_empty() || prompt.past > 0;
    if prompt.purpose == Purpose::Filter && is_empty {
        let count = model.past_filters.len();
        prompt.past = match down {
            true => prompt.past.saturating_sub(1),
            false => (prompt.past + 1).min(count),
        };
        let text = match prompt.past {
            0 => String::new(),
            past => model.past_filters[count - past].clone(),
        };
        prompt.set(text);
        prompt.suggestions.clear();
        return;
    }
    let last = prompt.suggestions.len().saturating_sub(1);
    prompt.chosen = match down {
        true => (prompt.chosen + 1).min(last),
        false => prompt.chosen.saturating_sub(1),
    };
}

/// Finds completions of the word at the caret.
pub(super) fn suggest(model: &mut Model) {
    let Some(Overlay::Prompt(prompt)) = model.layers.last() else {
        return;
    };
    if prompt.purpose != Purpose::Filter {
        return;
    }
    let (start, word) = prompt.word();
    let before = prompt.text[..start].trim_end();
    let is_value = before.ends_with(['=', '>', '<', '(', ','])
        || [" in", "contains", "startswith", "endswith"]
            .iter()
            .any(|op| before.ends_with(op));
    let suggestions = match field_before(before) {
        Some(field) if is_value => values(model, field, word),
        _ if word.is_empty() => Vec::new(),
        _ => names(word),
    };
    if let Some(Overlay::Prompt(prompt)) = model.layers.last_mut() {
        prompt.suggestions = suggestions;
        prompt.chosen = 0;
    }
}

/// Returns the field of the last comparison in a text.
fn field_before(text: &str) -> Option<&'static str> {
    let is_break = |c: char| c.is_whitespace() || "()=!<>,".contains(c);
    let words = text.rsplit(is_break).filter(|word| !word.is_empty());
    words
        .take(64)
        .find_map(|word| fields::lookup(word).ok().map(|field| field.info.name))
}

/// Returns fields, operators and keywords that start with a word, then fields that contain it.
fn names(word: &str) -> Vec<String> {
    const WORDS: [&str; 12] = [
        "and",
        "or",
        "not",
        "exists",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "in",
        "pmatch",
        "glob",
        "regex",
    ];
    let named = |info: &fields::FieldInfo| match info.arg {
        ArgForm::Index => format!("{}[", info.name),
        ArgForm::Key => format!("{}.", info.name),
        _ => info.name.to_owned(),
    };
    let begins = fields::all()
        .filter(|info| info.name.starts_with(word))
        .map(named);
    let words = WORDS
        .iter()
        .filter(|w| w.starts_with(word))
        .map(|w| (*w).to_owned());
    let holds = fields::all()
        .filter(|info| !info.name.starts_with(word) && word.len() > 2 && info.name.contains(word));
    let mut all: Vec<String> = words.chain(begins).chain(holds.map(named)).collect();
    all.retain(|name| name != word);
    all.truncate(SUGGESTIONS);
    all
}

/// Returns values of a field that occur in the range, the most frequent ones first.
fn values(model: &Model, field: &str, word: &str) -> Vec<String> {
    let Some(tally) = model.tally() else {
        return Vec::new();
    };
    let mut seen: Vec<(u64, Vec<u8>)> = match field {
        "proc.name" => tally
            .processes
            .values()
            .map(|p| (p.events, p.comm.to_vec()))
            .collect(),
        "proc.pid" => {
            let processes = tally.processes.iter();
            processes
                .map(|(key, p)| (p.events, key.pid.to_string().into_bytes()))
                .collect()
        }
        "user.name" => tally
            .processes
            .values()
            .map(|p| (p.events, p.user.to_vec()))
            .collect(),
        "evt.type" => tally
            .calls
            .iter()
            .map(|(name, c)| (c.calls, name.to_vec()))
            .collect(),
        "fd.name" => {
            let files = tally
                .files
                .iter()
                .map(|(name, f)| (f.opens + f.io.calls, name.path.to_vec()));
            let connections = tally.connections.iter();
            let connections = connections.map(|(key, c)| (c.io.calls, key.name.to_vec()));
            files.chain(connections).collect()
        }
        "container.id" => tally
            .containers
            .iter()
            .map(|(id, c)| (c.events, id.to_vec()))
            .collect(),
        "container.name" => tally
            .containers
            .values()
            .map(|c| (c.events, c.name.to_vec()))
            .collect(),
        "evt.res" => {
            let errors = tally.errors.iter();
            let named = errors.filter_map(|(key, e)| {
                let name = crate::event::errno_name(key.errno)?;
                Some((e.count, name.to_vec()))
            });
            named.collect()
        }
        "fd.type" => {
            let words = ["file", "directory", "ipv4", "ipv6", "unix", "pipe", "event"];
            words
                .iter()
                .rev()
                .zip(1..)
                .map(|(w, n)| (n, w.as_bytes().to_vec()))
                .collect()
        }
        _ => Vec::new(),
    };
    seen.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut out: Vec<String> = Vec::new();
    for (_, value) in seen {
        let Ok(value) = String::from_utf8(value) else {
            continue;
        };
        if value.is_empty() || !value.starts_with(word) || value == word {
            continue;
        }
        let quoted = written(value.as_bytes());
        if !out.contains(&quoted) {
            out.push(quoted);
        }
        if out.len() >= SUGGESTIONS {
            break;
        }
    }
    out
}

/// Accepts an input line.
fn take(model: &mut Model, mut prompt: Prompt) -> Vec<Command> {
    let text = prompt.text.trim().to_owned();
    match prompt.purpose {
        Purpose::Filter => {
            if let (false, Err(error)) = (text.is_empty(), Filter::parse(&text)) {
                prompt.set(text);
                let hint = error
                    .hint
                    .as_ref()
                    .map_or(String::new(), |hint| format!(" ({hint})"));
                prompt.caret = floor(&prompt.text, error.span.end);
                prompt.error = Some((
                    floor(&prompt.text, error.span.start)..floor(&prompt.text, error.span.end),
                    format!("{}{hint}", error.kind),
                ));
                prompt.suggestions.clear();
                model.layers.push(Overlay::Prompt(prompt));
                return Vec::new();
            }
            narrow::by_filter(model, &text)
        }
        Purpose::Search => {
            if !text.is_empty() {
                model.search = text;
            }
            search(model, true)
        }
        Purpose::Within => {
            let rows = model.rows_mut();
            rows.within = text.to_lowercase();
            rows.arrange();
            Vec::new()
        }
        Purpose::Note => note(model, text),
        Purpose::Save | Purpose::SaveText(_) if text.is_empty() => Vec::new(),
        Purpose::SaveText(content) => vec![model.ask(Request::SaveText(content, text.into()))],
        Purpose::Save => {
            let scope = model.scope();
            model.status = Some(format!("saving {text}"));
            let parents = Parents {
                files: Arc::clone(&model.parents),
                are_growing: model.live,
            };
            vec![model.ask(Request::Save(scope, parents, text.into()))]
        }
    }
}

/// Returns the last character boundary that is not after `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Adds a note to the selected range, or the selected event, or the cursor's time.
fn note(model: &mut Model, text: String) -> Vec<Command> {
    if text.is_empty() {
        return Vec::new();
    }
    use crate::stats::table::View;
    let line = match model.view {
        View::Events => model.events.selected_line(),
        _ => None,
    };
    let note = match (model.selection, line) {
        (_, Some(line)) => Note {
            text,
            event: Some(line.num),
            from: line.ts,
            to: line.ts,
            filter: model.filter(),
            line: format!("{} {} {} {}", line.num, line.comm, line.name, line.args),
        },
        (Some(range), None) => Note {
            text,
            event: None,
            from: range.from,
            to: range.to,
            filter: model.filter(),
            line: row_text(model),
        },
        (None, None) => Note {
            text,
            event: None,
            from: model.cursor,
            to: model.cursor,
            filter: model.filter(),
            line: row_text(model),
        },
    };
    model.notes.add(note);
    let commands = vec![Command::WriteNotes(model.notes.clone())];
    status(model, "note added");
    commands
}

/// Returns the selected row as text.
fn row_text(model: &Model) -> String {
    let cells = model
        .pane
        .row()
        .map(|row| &row.cells[..])
        .unwrap_or_default();
    let cells = cells.iter().map(|cell| crate::tui::cells::text(cell, 200));
    cells
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("  ")
}
