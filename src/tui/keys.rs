//! The keys: which one does what, where. The help is made of this table, and scripts name keys as it does.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::stats::table::View;

/// Where a key counts. What is asked first is the innermost that is shown, then `Main` below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// Any view, with the timeline.
    Main,
    /// The spectrogram.
    Spectrogram,
    /// The details of an event.
    Detail,
    /// What was read and written.
    IoStream,
    /// The machine at a point in time.
    State,
    /// A list to choose from.
    List,
    /// The notes.
    Notes,
    /// A line that is typed.
    Prompt,
    /// A text to read.
    Text,
}

impl Context {
    /// All, in the order of the help.
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

    /// Returns its heading in the help.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Main => "everywhere",
            Self::Spectrogram => "spectrogram",
            Self::Detail => "event detail",
            Self::IoStream => "echo",
            Self::State => "state at the cursor",
            Self::List => "menus",
            Self::Notes => "notes",
            Self::Prompt => "typing a line",
            Self::Text => "help",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ends the program.
    Quit,
    /// Shows the keys.
    Help,
    /// Explains the view and its columns.
    ViewHelp,
    /// Lists the views.
    Menu,
    /// Shows a view.
    Show(View),
    /// Shows the next view.
    NextView,
    /// Shows the view before.
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
    /// The time cursor one column back.
    CursorLeft,
    /// The time cursor one column on.
    CursorRight,
    /// The end of the selected range one column back.
    SelectLeft,
    /// The end of the selected range one column on.
    SelectRight,
    /// The window a quarter back.
    PanLeft,
    /// The window a quarter on.
    PanRight,
    /// Half the window, around the cursor.
    ZoomIn,
    /// Twice the window.
    ZoomOut,
    /// The window becomes the selected range.
    ZoomSelection,
    /// The window becomes the whole capture.
    ZoomAll,
    /// Closes what is open, or gives up the selected range.
    Escape,
    /// Narrows everything to the row, or opens it.
    Enter,
    /// Back to what was before.
    Back,
    /// Adds "only this" to the filter.
    Only,
    /// Adds "not this" to the filter.
    Not,
    /// Narrows to a process and all its descendants.
    Descendants,
    /// Shows the row's events.
    Dig,
    /// Shows what the row read and wrote.
    IoStream,
    /// Shows what everything that is shown read and wrote.
    EchoAll,
    /// Shows the machine at the cursor.
    State,
    /// Edits the filter.
    FilterBar,
    /// Searches.
    Search,
    /// The next hit.
    SearchNext,
    /// The hit before.
    SearchPrevious,
    /// Keeps the rows that hold a text.
    Within,
    /// Chooses the column to sort by.
    Sort,
    /// Sorts the other way round.
    Reverse,
    /// Writes a note on the event or the selected range.
    Mark,
    /// Lists the notes.
    Notes,
    /// Saves the range's events.
    Save,
    /// Copies the row's value.
    Copy,
    /// Copies the condition.
    CopyFilter,
    /// The next theme.
    Theme,
    /// Follows the end of a growing capture.
    Follow,
    /// The thread's next event.
    ThreadNext,
    /// The thread's event before.
    ThreadPrevious,
    /// The event that opened the fd.
    Opener,
    /// The event that made the process.
    Fork,
    /// The next form of data: text, dotted, hexadecimal.
    Form,
    /// Plays at its own pace, or stops.
    Play,
    /// Plays faster.
    Faster,
    /// Plays slower.
    Slower,
    /// Begins or gives up a rectangle.
    Anchor,
    /// Deletes a note.
    Delete,
    /// Writes the notes as Markdown.
    Export,
    /// Takes the suggestion.
    Complete,
    /// Deletes to the start of the line.
    DeleteLine,
    /// Deletes a word.
    DeleteWord,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// Where.
    pub(crate) context: Context,
    /// The keys, as scripts name them.
    pub(crate) keys: &'static [&'static str],
    /// What they do.
    pub(crate) action: Action,
    /// The same in words.
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

/// The table.
pub(crate) const BINDINGS: &[Binding] = bindings! {
    Main {
        ["q" "<F10>" "<C-c>"] A::Quit, "quit";
        ["?" "<F1>"] A::Help, "this help";
        ["<F7>"] A::ViewHelp, "what the view shows and how it counts";
        ["<F2>" "v"] A::Menu, "choose a view";
        ["1"] A::Show(View::Overview), "Overview: what stands out";
        ["2"] A::Show(View::Events), "Events";
        ["3"] A::Show(View::Processes), "Processes";
        ["4"] A::Show(View::Files), "Files";
        ["5"] A::Show(View::Connections), "Connections";
        ["6"] A::Show(View::Commands), "Commands: who ran what";
        ["7"] A::Show(View::Errors), "Errors";
        ["8"] A::Show(View::Calls), "Syscalls";
        ["9"] A::Show(View::Slow), "Slow calls";
        ["0"] A::Show(View::Containers), "Containers and pods";
        ["<Tab>"] A::NextView, "next view";
        ["<S-Tab>"] A::PreviousView, "view before";
        ["<Up>" "k"] A::Up, "up";
        ["<Down>" "j"] A::Down, "down";
        ["<PageUp>" "<C-b>"] A::PageUp, "a screen up";
        ["<PageDown>" "<C-f>" "<Space>"] A::PageDown, "a screen down";
        ["<Home>" "g"] A::Top, "first row";
        ["<End>" "G"] A::Bottom, "last row";
        ["<Enter>"] A::Enter, "narrow everything to the row; open an event";
        ["<Backspace>"] A::Back, "back";
        ["="] A::Only, "only what has this value";
        ["!"] A::Not, "not what has this value";
        ["D"] A::Descendants, "all that the row's process and its descendants did";
        ["d" "<F6>"] A::Dig, "the row's events";
        ["e" "<F5>"] A::IoStream, "what the row read and wrote";
        ["E"] A::EchoAll, "what everything that is shown read and wrote";
        [":" "<F4>"] A::FilterBar, "edit the filter";
        ["/"] A::Search, "search";
        ["n"] A::SearchNext, "next hit";
        ["N"] A::SearchPrevious, "hit before";
        ["\\"] A::Within, "keep rows that hold a text";
        [">" "<F9>" "s"] A::Sort, "sort by a column";
        ["r"] A::Reverse, "sort the other way round";
        ["<Left>" "h"] A::CursorLeft, "time cursor back";
        ["<Right>" "l"] A::CursorRight, "time cursor on";
        ["<S-Left>" "H"] A::SelectLeft, "select a time range, back";
        ["<S-Right>" "L"] A::SelectRight, "select a time range, on";
        ["+"] A::ZoomIn, "zoom in";
        ["-"] A::ZoomOut, "zoom out";
        ["z"] A::ZoomSelection, "zoom to the selected range";
        ["Z"] A::ZoomAll, "whole capture";
        ["[" "<C-Left>"] A::PanLeft, "pan back";
        ["]" "<C-Right>"] A::PanRight, "pan on";
        ["<Esc>"] A::Escape, "give up the selected range";
        ["t"] A::State, "processes, fds, sockets at the cursor's time";
        ["m"] A::Mark, "write a note on the event or the selected range";
        ["M"] A::Notes, "notes";
        ["w"] A::Save, "save the range's events as capture, text or JSON";
        ["y"] A::Copy, "copy";
        ["T"] A::Theme, "next theme";
        ["F"] A::Follow, "follow the end of a growing capture";
    }
    Spectrogram {
        ["<Left>"] A::CursorLeft, "cell to the left";
        ["<Right>"] A::CursorRight, "cell to the right";
        ["<Space>"] A::Anchor, "begin a rectangle at the cell, or give it up";
        ["<Enter>"] A::Enter, "the calls in the rectangle";
    }
    Detail {
        ["<Esc>" "<Backspace>"] A::Escape, "close";
        ["<Enter>"] A::Copy, "copy the value";
        ["]"] A::ThreadNext, "the thread's next event";
        ["["] A::ThreadPrevious, "the thread's event before";
        ["o"] A::Opener, "the event that opened the fd";
        ["p"] A::Fork, "the event that made the process";
        ["x"] A::Form, "data as text, dotted, hexadecimal";
        ["y"] A::Copy, "copy the value";
        ["Y"] A::CopyFilter, "copy the condition";
        ["e"] A::IoStream, "follow the fd";
    }
    IoStream {
        ["<Esc>" "<Backspace>" "e"] A::Escape, "close";
        ["x" "<F2>"] A::Form, "as text, dotted, hexadecimal";
        ["p"] A::Play, "play at its own pace, as the terminal showed it";
        ["+"] A::Faster, "play faster";
        ["-"] A::Slower, "play slower";
        ["<Enter>"] A::Enter, "the event";
    }
    State {
        ["<Esc>" "<Backspace>" "t"] A::Escape, "close";
    }
    List {
        ["<Esc>" "<Backspace>" "q"] A::Escape, "close";
        ["<Up>" "k"] A::Up, "up";
        ["<Down>" "j"] A::Down, "down";
        ["<PageUp>"] A::PageUp, "a screen up";
        ["<PageDown>"] A::PageDown, "a screen down";
        ["<Home>" "g"] A::Top, "first";
        ["<End>" "G"] A::Bottom, "last";
        ["<Enter>"] A::Enter, "take it";
    }
    Notes {
        ["d" "<Delete>"] A::Delete, "delete the note";
        ["w"] A::Export, "write the notes as Markdown";
    }
    Prompt {
        ["<Enter>"] A::Enter, "take the line";
        ["<Esc>" "<C-c>"] A::Escape, "leave it";
        ["<Tab>"] A::Complete, "take the suggestion";
        ["<Up>"] A::Up, "suggestion before, or what was typed earlier";
        ["<Down>"] A::Down, "next suggestion";
        ["<C-u>"] A::DeleteLine, "delete to the start";
        ["<C-w>"] A::DeleteWord, "delete a word";
    }
    Text {
        ["<Esc>" "<Backspace>" "q" "?" "<F1>" "<F7>"] A::Escape, "close";
        ["<Up>" "k"] A::Up, "up";
        ["<Down>" "j"] A::Down, "down";
        ["<PageUp>"] A::PageUp, "a screen up";
        ["<PageDown>" "<Space>"] A::PageDown, "a screen down";
        ["<Home>" "g"] A::Top, "first line";
        ["<End>" "G"] A::Bottom, "last line";
    }
};

/// Finds what a key does in the first of the contexts that has it.
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

/// A key as it is compared: without what terminals add differently.
fn plain(key: KeyEvent) -> KeyEvent {
    let mut modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::SHIFT);
    let code = key.code;
    // A character says itself whether it was typed with Shift.
    if matches!(code, KeyCode::Char(_) | KeyCode::BackTab) {
        modifiers.remove(KeyModifiers::SHIFT);
    }
    KeyEvent::new(code, modifiers)
}

/// Parses the keys of a script: characters stand for themselves, other keys are `<Enter>`, `<F2>`, `<C-c>`,
/// `<S-Left>`, `<lt>` and so on. Line ends are passed over.
///
/// # Errors
///
/// What is no key, as it is written.
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

/// Parses the first key of a text; returns it and what follows.
fn parse_one(text: &str) -> Option<(KeyEvent, &str)> {
    let first = text.chars().next()?;
    // `<` alone is a key as well.
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
