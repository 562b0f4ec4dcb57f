//! The key bindings, by context. The help is generated from this table, and scripts use its key
//! names.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::stats::table::View;

/// Where a binding is valid. The innermost visible context is searched first, then `Main` below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// Any view, with the timeline.
    Main,
    /// The spectrogram.
    Spectrogram,
    /// The details of an event.
    Detail,
    /// An I/O stream.
    IoStream,
    /// The system state at a point in time.
    State,
    /// A menu.
    List,
    /// The notes.
    Notes,
    /// An input line.
    Prompt,
    /// A text.
    Text,
}

impl Context {
    /// All contexts, in the order of the help.
    pub(crate) const ALL: [Self; 9] = [
        Self::Main,
        Self::Detail,
        Self::IoStream,
        Self::Spectrogram,
        Self::State,
        Self::Notes,
        Self::List,
        Self::Prompt,
        Self::Text,
    ];

    /// Returns the heading in the help.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Main => "everywhere",
            Self::Spectrogram => "spectrogram",
            Self::Detail => "event detail",
            Self::IoStream => "echo",
            Self::State => "state at the cursor",
            Self::List => "menus",
            Self::Notes => "notes",
            Self::Prompt => "input line",
            Self::Text => "help and texts",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ends the program.
    Quit,
    /// Shows the help.
    Help,
    /// Explains the view and its columns.
    ViewHelp,
    /// Lists the views.
    Menu,
    /// Shows a view.
    Show(View),
    /// Shows the next view.
    NextView,
    /// Shows the previous view.
    PreviousView,
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// One screen up.
    PageUp,
    /// One screen down.
    PageDown,
    /// To the first line.
    Top,
    /// To the last line.
    Bottom,
    /// Moves the time cursor one column back.
    CursorLeft,
    /// Moves the time cursor one column forward.
    CursorRight,
    /// Moves the end of the selected range one column back.
    SelectLeft,
    /// Moves the end of the selected range one column forward.
    SelectRight,
    /// Moves the window back by a quarter.
    PanLeft,
    /// Moves the window forward by a quarter.
    PanRight,
    /// Halves the window around the cursor.
    ZoomIn,
    /// Doubles the window.
    ZoomOut,
    /// Zooms to the selected range.
    ZoomSelection,
    /// Zooms to the whole capture.
    ZoomAll,
    /// Closes the overlay, or clears the selected range.
    Escape,
    /// Drills down to the row, or opens it.
    Enter,
    /// Goes back to the previous state.
    Back,
    /// Adds the row's value to the filter.
    Only,
    /// Excludes the row's value in the filter.
    Not,
    /// Drills down to a process and all its descendants.
    Descendants,
    /// Shows the row's values, or a value, in full.
    Whole,
    /// Shows the row's events.
    Dig,
    /// Follows the row's I/O stream.
    IoStream,
    /// Follows the I/O stream of all displayed events.
    EchoAll,
    /// Shows the system state at the cursor.
    State,
    /// Edits the filter.
    FilterBar,
    /// Searches.
    Search,
    /// Goes to the next match.
    SearchNext,
    /// Goes to the previous match.
    SearchPrevious,
    /// Keeps only the rows that contain a text.
    Within,
    /// Chooses the column to sort by.
    Sort,
    /// Reverses the sort order.
    Reverse,
    /// Adds a note to the event or the selected range.
    Mark,
    /// Lists the notes.
    Notes,
    /// Saves the range's events.
    Save,
    /// Copies the row's value.
    Copy,
    /// Copies the row's condition.
    CopyFilter,
    /// Switches to the next theme.
    Theme,
    /// Follows the end of a growing capture.
    Follow,
    /// Goes to the thread's next event.
    ThreadNext,
    /// Goes to the thread's previous event.
    ThreadPrevious,
    /// Goes to the event that opened the fd.
    Opener,
    /// Goes to the event that created the process.
    Fork,
    /// Switches the display of data: text, dotted, hexadecimal.
    Form,
    /// Plays a terminal at its original speed, or pauses.
    Play,
    /// Speeds up.
    Faster,
    /// Slows down.
    Slower,
    /// Starts or cancels a rectangle.
    Anchor,
    /// Deletes a note.
    Delete,
    /// Exports the notes as Markdown.
    Export,
    /// Accepts the suggestion.
    Complete,
    /// Deletes to the start of the line.
    DeleteLine,
    /// Deletes a word.
    DeleteWord,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// Where it is valid.
    pub(crate) context: Context,
    /// The keys, as scripts name them.
    pub(crate) keys: &'static [&'static str],
    /// Its action.
    pub(crate) action: Action,
    /// Its description in the help.
    pub(crate) help: &'static str,
}

macro_rules! bindings {
    ($($context:ident { $([$($key:literal)+] $action:expr, $help:literal;)* })*) => {
        &[$($(Binding {
            context: Context::$context,
            keys: &[$($key),+],
            action: $action,
            help: $help,
        },)*)*]
    };
}

use Action as A;

/// The key bindings.
pub(crate) const BINDINGS: &[Binding] = bindings! {
    Main {
        ["q" "<F10>" "<C-c>"] A::Quit, "quit";
        ["?" "<F1>"] A::Help, "this help";
        ["<F7>"] A::ViewHelp, "describe the view and its columns";
        ["<F2>" "v"] A::Menu, "choose a view";
        ["1"] A::Show(View::Overview), "Overview: notable events";
        ["2"] A::Show(View::Events), "Events";
        ["3"] A::Show(View::Processes), "Processes";
        ["4"] A::Show(View::Files), "Files";
        ["5"] A::Show(View::Connections), "Connections";
        ["6"] A::Show(View::Commands), "Commands: executed programs";
        ["7"] A::Show(View::Errors), "Errors";
        ["8"] A::Show(View::Calls), "Syscalls";
        ["9"] A::Show(View::Slow), "Slow calls";
        ["0"] A::Show(View::Containers), "Containers and pods";
        ["W"] A::Show(View::Waits), "Waits: what processes waited for";
        ["A"] A::Show(View::Alerts), "Alerts: what rules found";
        ["S"] A::Show(View::Sessions), "Sessions of kubectl exec";
        ["x"] A::Form, "alerts by rule, or by tactic of MITRE ATT&CK";
        ["<Tab>"] A::NextView, "next view";
        ["<S-Tab>"] A::PreviousView, "previous view";
        ["<Up>" "k"] A::Up, "up";
        ["<Down>" "j"] A::Down, "down";
        ["<PageUp>" "<C-b>"] A::PageUp, "page up";
        ["<PageDown>" "<C-f>" "<Space>"] A::PageDown, "page down";
        ["<Home>" "g"] A::Top, "first row";
        ["<End>" "G"] A::Bottom, "last row";
        ["<Enter>"] A::Enter, "drill down to the row; open an event";
        ["<Backspace>"] A::Back, "back";
        ["="] A::Only, "add this value to the filter";
        ["!"] A::Not, "exclude this value";
        ["D"] A::Descendants, "events of the row's process and its descendants";
        ["d" "<F6>"] A::Dig, "the row's events";
        ["i"] A::Whole, "the row's values in full: read, copy, save";
        ["e" "<F5>"] A::IoStream, "follow the row's I/O stream";
        ["E"] A::EchoAll, "follow the I/O of all displayed events";
        [":" "<F4>"] A::FilterBar, "edit the filter";
        ["/"] A::Search, "search";
        ["n"] A::SearchNext, "next match";
        ["N"] A::SearchPrevious, "previous match";
        ["\\"] A::Within, "keep rows that contain a text";
        [">" "<F9>" "s"] A::Sort, "sort by a column";
        ["r"] A::Reverse, "reverse the sort order";
        ["<Left>" "h"] A::CursorLeft, "move the time cursor back";
        ["<Right>" "l"] A::CursorRight, "move the time cursor forward";
        ["<S-Left>" "H"] A::SelectLeft, "extend the selected range back";
        ["<S-Right>" "L"] A::SelectRight, "extend the selected range forward";
        ["+"] A::ZoomIn, "zoom in";
        ["-"] A::ZoomOut, "zoom out";
        ["z"] A::ZoomSelection, "zoom to the selected range";
        ["Z"] A::ZoomAll, "zoom to the whole capture";
        ["[" "<C-Left>"] A::PanLeft, "pan back";
        ["]" "<C-Right>"] A::PanRight, "pan forward";
        ["<Esc>"] A::Escape, "clear the selected range";
        ["t"] A::State, "processes, fds and sockets at the cursor";
        ["m"] A::Mark, "add a note to the event or the selected range";
        ["M"] A::Notes, "notes";
        ["w"] A::Save, "save the displayed events as capture, text or JSON";
        ["y"] A::Copy, "copy";
        ["T"] A::Theme, "next theme";
        ["F"] A::Follow, "follow the end of a growing capture";
    }
    Spectrogram {
        ["<Left>"] A::CursorLeft, "cell to the left";
        ["<Right>"] A::CursorRight, "cell to the right";
        ["<Space>"] A::Anchor, "start a rectangle at the cell, or cancel it";
        ["<Enter>"] A::Enter, "show the calls in the rectangle";
    }
    Detail {
        ["<Esc>" "<Backspace>"] A::Escape, "close";
        ["<Enter>" "i"] A::Whole, "the value in full: read, copy, save";
        ["]"] A::ThreadNext, "next event of the thread";
        ["["] A::ThreadPrevious, "previous event of the thread";
        ["o"] A::Opener, "event that opened the fd";
        ["p"] A::Fork, "event that created the process";
        ["x"] A::Form, "data as text, dotted, hexadecimal";
        ["y"] A::Copy, "copy the value";
        ["Y"] A::CopyFilter, "copy the condition";
        ["e"] A::IoStream, "follow the fd's I/O stream";
    }
    IoStream {
        ["<Esc>" "<Backspace>" "e"] A::Escape, "close";
        ["x" "<F2>"] A::Form, "data as text, dotted, hexadecimal";
        ["p"] A::Play, "play the terminal output at its original speed";
        ["+"] A::Faster, "play faster";
        ["-"] A::Slower, "play slower";
        ["<Enter>"] A::Enter, "show the event";
    }
    State {
        ["<Esc>" "<Backspace>" "t"] A::Escape, "close";
    }
    List {
        ["<Esc>" "<Backspace>" "q"] A::Escape, "close";
        ["<Up>" "k"] A::Up, "up";
        ["<Down>" "j"] A::Down, "down";
        ["<PageUp>"] A::PageUp, "page up";
        ["<PageDown>"] A::PageDown, "page down";
        ["<Home>" "g"] A::Top, "first";
        ["<End>" "G"] A::Bottom, "last";
        ["<Enter>"] A::Enter, "choose";
    }
    Notes {
        ["d" "<Delete>"] A::Delete, "delete the note";
        ["w"] A::Export, "export the notes as Markdown";
    }
    Prompt {
        ["<Enter>"] A::Enter, "accept";
        ["<Esc>" "<C-c>"] A::Escape, "cancel";
        ["<Tab>"] A::Complete, "accept the suggestion";
        ["<Up>"] A::Up, "previous suggestion, or earlier input";
        ["<Down>"] A::Down, "next suggestion";
        ["<C-u>"] A::DeleteLine, "delete to the start of the line";
        ["<C-w>"] A::DeleteWord, "delete a word";
    }
    Text {
        ["<Esc>" "<Backspace>" "q" "?" "<F1>" "<F7>" "i"] A::Escape, "close";
        ["<Up>" "k"] A::Up, "up";
        ["<Down>" "j"] A::Down, "down";
        ["<PageUp>"] A::PageUp, "page up";
        ["<PageDown>" "<Space>"] A::PageDown, "page down";
        ["<Home>" "g"] A::Top, "first line";
        ["<End>" "G"] A::Bottom, "last line";
        ["/"] A::Search, "search";
        ["n"] A::SearchNext, "next match";
        ["N"] A::SearchPrevious, "previous match";
        ["y"] A::Copy, "copy the text";
        ["w"] A::Save, "save the text to a file";
    }
};

/// Finds the action of a key in the first context that binds it.
pub(crate) fn action(contexts: &[Context], key: KeyEvent) -> Option<Action> {
    let key = plain(key);
    contexts.iter().find_map(|context| {
        let of_context = BINDINGS.iter().filter(|b| b.context == *context);
        let mut named = of_context.flat_map(|b| b.keys.iter().map(move |name| (b, name)));
        named.find_map(|(binding, name)| {
            (parse_one(name) == Some((key, ""))).then_some(binding.action)
        })
    })
}

/// Normalizes a key: terminals report modifiers differently.
fn plain(key: KeyEvent) -> KeyEvent {
    let mut modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::SHIFT);
    let code = key.code;
    // A character already reflects Shift.
    if matches!(code, KeyCode::Char(_) | KeyCode::BackTab) {
        modifiers.remove(KeyModifiers::SHIFT);
    }
    KeyEvent::new(code, modifiers)
}

/// Parses the keys of a script: characters stand for themselves, other keys are `<Enter>`, `<F2>`,
/// `<C-c>`, `<S-Left>`, `<lt>` and so on. Line breaks are ignored.
///
/// # Errors
///
/// The first invalid key, as written.
pub(crate) fn parse(script: &str) -> Result<Vec<KeyEvent>, String> {
    let mut keys = Vec::new();
    let mut rest = script.trim_matches(['\r', '\n']);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(['\r', '\n']) {
            rest = after;
            continue;
        }
        let Some((key, after)) = parse_one(rest) else {
            let end = rest.find('>').map_or(rest.len(), |at| at + 1);
            return Err(rest[..end].to_owned());
        };
        keys.push(key);
        rest = after;
    }
    Ok(keys)
}

/// Parses the first key of a text; returns it with the rest of the text.
fn parse_one(text: &str) -> Option<(KeyEvent, &str)> {
    let first = text.chars().next()?;
    // A single `<` is a key as well.
    let Some((name, after)) = text.strip_prefix('<').and_then(|t| t.split_once('>')) else {
        let key = KeyEvent::new(KeyCode::Char(first), KeyModifiers::NONE);
        return Some((key, &text[first.len_utf8()..]));
    };
    let (mut name, mut modifiers) = (name, KeyModifiers::NONE);
    loop {
        if let Some(rest) = name.strip_prefix("C-") {
            (name, modifiers) = (rest, modifiers | KeyModifiers::CONTROL);
        } else if let Some(rest) = name.strip_prefix("S-") {
            (name, modifiers) = (rest, modifiers | KeyModifiers::SHIFT);
        } else {
            break;
        }
    }
    let code = match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" if modifiers == KeyModifiers::SHIFT => {
            modifiers = KeyModifiers::NONE;
            KeyCode::BackTab
        }
        "Tab" => KeyCode::Tab,
        "Backspace" => KeyCode::Backspace,
        "Delete" => KeyCode::Delete,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "PageUp" => KeyCode::PageUp,
        "PageDown" => KeyCode::PageDown,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "Space" => KeyCode::Char(' '),
        "lt" => KeyCode::Char('<'),
        _ => match name.strip_prefix('F').and_then(|n| n.parse().ok()) {
            Some(number @ 1..=12) => KeyCode::F(number),
            _ => {
                let mut chars = name.chars();
                let only = chars.next().filter(|_| chars.next().is_none())?;
                KeyCode::Char(only)
            }
        },
    };
    Some((KeyEvent::new(code, modifiers), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_table_is_one_and_means_one_thing() {
        for (at, binding) in BINDINGS.iter().enumerate() {
            for name in binding.keys {
                let keys = parse(name).unwrap();
                assert_eq!(keys.len(), 1, "{name}");
                assert_eq!(
                    action(&[binding.context], keys[0]),
                    Some(binding.action),
                    "{name}"
                );
                let others = BINDINGS[..at]
                    .iter()
                    .filter(|b| b.context == binding.context);
                assert!(
                    others.flat_map(|b| b.keys).all(|k| k != name),
                    "{name} twice"
                );
            }
            assert!(!binding.help.is_empty());
        }
    }

    #[test]
    fn scripts() {
        let keys = parse("3<Enter>a<lt>\n<C-c><S-Tab>< ").unwrap();
        let codes: Vec<_> = keys.iter().map(|k| (k.code, k.modifiers)).collect();
        let plain = |c| (c, KeyModifiers::NONE);
        assert_eq!(
            codes,
            [
                plain(KeyCode::Char('3')),
                plain(KeyCode::Enter),
                plain(KeyCode::Char('a')),
                plain(KeyCode::Char('<')),
                (KeyCode::Char('c'), KeyModifiers::CONTROL),
                plain(KeyCode::BackTab),
                plain(KeyCode::Char('<')),
                plain(KeyCode::Char(' ')),
            ]
        );
        assert_eq!(parse("x<Entre>y"), Err("<Entre>".to_owned()));
    }
}
