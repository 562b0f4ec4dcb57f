//! Overlays over a view: menus, details, texts.

use std::num::NonZeroU16;

use unicode_width::UnicodeWidthChar as _;

use super::{Prompt, TablePane};
use crate::inspect::alerts::Alert;
use crate::inspect::detail::{Detail, Entry};
use crate::inspect::io_stream::{IoChunk, IoStream};
use crate::inspect::system_tables::SystemView;
use crate::stats::table::View;

/// An overlay over the view. It gets keys first.
#[derive(Debug)]
pub(crate) enum Overlay {
    /// A menu.
    List(List),
    /// A text.
    Text(TextPane),
    /// An input line.
    Prompt(Prompt),
    /// The details of an event.
    Detail(DetailPane),
    /// An I/O stream.
    IoStream(EchoPane),
    /// The system state at a point in time.
    State(StatePane),
    /// The notes.
    Notes(List),
}

/// A menu.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) title: &'static str,
    pub(crate) items: Vec<ListItem>,
    pub(crate) selected: usize,
}

/// A line of a menu.
#[derive(Debug)]
pub(crate) struct ListItem {
    /// Its label, safe to print.
    pub(crate) label: String,
    pub(crate) choice: Choice,
}

/// The action of a menu line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Shows a view.
    Show(View),
    /// Sorts by a column.
    Sort(usize),
    /// Adds a condition.
    Narrow(String),
    /// Shows the system state at the cursor.
    State(SystemView),
    /// Goes to the event or range of a note.
    Note(usize),
    /// None: the line is a heading.
    Heading,
}

/// A text.
#[derive(Debug)]
pub(crate) struct TextPane {
    pub(crate) title: String,
    /// The lines; one that starts with `# ` is a heading, unless they are a value.
    pub(crate) lines: Vec<String>,
    pub(crate) top: usize,
    /// The value of which the lines are wrapped, safe to print.
    pub(crate) value: Option<String>,
}

impl TextPane {
    /// Shows a value, wrapped to a width in columns.
    pub(crate) fn of_value(title: String, value: String, width: usize) -> Self {
        let mut pane = Self {
            title,
            lines: Vec::new(),
            top: 0,
            value: Some(value),
        };
        pane.wrap(width);
        pane
    }

    /// Wraps the value to a width in columns.
    pub(crate) fn wrap(&mut self, width: usize) {
        if let Some(value) = &self.value {
            self.lines = value.split('\n').flat_map(|l| wrapped(l, width)).collect();
            self.top = self.top.min(self.lines.len().saturating_sub(1));
        }
    }

    /// Finds the next line after the first one on the screen, or before it, that contains a text, which is
    /// in lower case. In a value also what the end of a line divides is found.
    pub(crate) fn find(&self, text: &str, forward: bool) -> Option<usize> {
        let count = self.lines.len();
        let is_hit = |at: &usize| {
            let line = &self.lines[*at];
            let mut shown = line.clone();
            if let (Some(_), Some(next)) = (&self.value, self.lines.get(at + 1)) {
                // Not what is in the next line alone.
                shown.extend(next.chars().take(text.chars().count().saturating_sub(1)));
            }
            shown.to_lowercase().contains(text)
        };
        let step = |distance: usize| match forward {
            true => (self.top + distance) % count,
            false => (self.top + count - distance % count) % count,
        };
        (1..=count).map(step).find(is_hit)
    }

    /// Returns the whole text.
    pub(crate) fn text(&self) -> String {
        self.value.clone().unwrap_or_else(|| self.lines.join("\n"))
    }
}

/// Splits a line into parts of at most this many columns, at any character: joined they are the line.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns > width.max(2) {
            parts.push(String::new());
            used = 0;
        }
        used += columns;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// How data is displayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// As text, line by line; unprintable bytes are escaped.
    #[default]
    Text,
    /// As text, with a dot for each unprintable byte.
    Dotted,
    /// In hexadecimal, with text next to it.
    Hex,
}

impl Form {
    /// Returns the next form.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Text => Self::Dotted,
            Self::Dotted => Self::Hex,
            Self::Hex => Self::Text,
        }
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Dotted => "dotted",
            Self::Hex => "hex",
        }
    }
}

/// The details of an event.
#[derive(Debug, Default)]
pub(crate) struct DetailPane {
    /// The event's number.
    pub(crate) num: u64,
    /// The details; `None` until they arrive.
    pub(crate) detail: Option<Detail>,
    /// Alerts that the event raised and that are not kept, with their rules.
    pub(crate) raised: Vec<(usize, Alert)>,
    /// The selected entry, counted across all groups.
    pub(crate) selected: usize,
    pub(crate) form: Form,
}

impl DetailPane {
    /// Returns the selected entry.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        let groups = self.detail.iter().flat_map(|detail| &detail.groups);
        groups.flat_map(|group| &group.entries).nth(self.selected)
    }

    /// Returns how many entries there are.
    pub(crate) fn count(&self) -> usize {
        let groups = self.detail.iter().flat_map(|detail| &detail.groups);
        groups.map(|group| group.entries.len()).sum()
    }
}

/// An I/O stream.
#[derive(Debug, Default)]
pub(crate) struct EchoPane {
    /// The title, safe to print.
    pub(crate) title: String,
    /// The stream; `None` until it arrives.
    pub(crate) echo: Option<IoStream>,
    /// The single calls, for playback.
    pub(crate) calls: Vec<IoChunk>,
    /// The selected chunk.
    pub(crate) selected: usize,
    /// Number of its lines above the screen.
    pub(crate) skip: usize,
    pub(crate) form: Form,
    pub(crate) play: Option<Play>,
}

/// Playback of a terminal.
pub(crate) struct Play {
    /// The terminal at the current time.
    pub(crate) screen: Box<vt100::Parser>,
    /// The next chunk to play.
    pub(crate) next: usize,
    /// The current time in the capture, in nanoseconds since the epoch.
    pub(crate) time: u64,
    /// When it was reached, in nanoseconds since the program started.
    pub(crate) at: u64,
    /// The speed as a power of two.
    pub(crate) speed: i32,
    pub(crate) paused: bool,
}

impl std::fmt::Debug for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Play")
            .field("next", &self.next)
            .field("time", &self.time)
            .field("speed", &self.speed)
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}

/// Returns at least one: a terminal has at least one row and column.
fn size(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN)
}

/// Pauses are shortened to this time in playback, in nanoseconds.
const LONGEST_PAUSE_NS: u64 = 2_000_000_000;
/// Limits of the speed, as powers of two.
const SPEEDS: (i32, i32) = (-3, 6);

impl Play {
    /// Starts at a chunk, on a terminal of this size.
    pub(crate) fn new(rows: u16, columns: u16, next: usize, time: u64, now: u64) -> Self {
        Self {
            screen: Box::new(vt100::Parser::new(size(rows), size(columns), 0)),
            next,
            time,
            at: now,
            speed: 0,
            paused: false,
        }
    }

    /// Plays what was written up to `now`, in nanoseconds since the program started.
    pub(crate) fn go_on(&mut self, pieces: &[IoChunk], now: u64) {
        let passed = now.saturating_sub(self.at);
        self.at = now;
        if self.paused {
            return;
        }
        let passed = match self.speed {
            faster @ 0.. => passed.saturating_mul(1 << faster),
            slower => passed >> -slower,
        };
        let mut left = passed;
        while let Some(piece) = pieces.get(self.next) {
            let pause = piece.ts.saturating_sub(self.time).min(LONGEST_PAUSE_NS);
            if pause > left {
                // Of a long pause only the end is played.
                self.time = self
                    .time
                    .max(piece.ts.saturating_sub(pause))
                    .saturating_add(left);
                return;
            }
            left -= pause;
            self.time = self.time.max(piece.ts);
            if !piece.read {
                self.write(&piece.data);
            }
            self.next += 1;
        }
    }

    /// Writes to the terminal like its line discipline: a line feed also returns to the first
    /// column.
    fn write(&mut self, data: &[u8]) {
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            match line.split_last() {
                Some((b'\n', text)) => {
                    self.screen.process(text);
                    self.screen.process(b"\r\n");
                }
                _ => self.screen.process(line),
            }
        }
    }

    /// Changes the speed.
    pub(crate) fn change_speed(&mut self, by: i32) {
        self.speed = (self.speed + by).clamp(SPEEDS.0, SPEEDS.1);
    }
}

/// The system state at a point in time.
#[derive(Debug)]
pub(crate) struct StatePane {
    pub(crate) what: SystemView,
    pub(crate) time: u64,
    pub(crate) pane: Option<TablePane>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(ts: u64, text: &str) -> IoChunk {
        IoChunk {
            num: ts,
            ts,
            pid: 1,
            comm: b"sh"[..].into(),
            fd: 1,
            name: b"/dev/pts/0"[..].into(),
            read: false,
            data: text.as_bytes().to_vec(),
            len: text.len() as u64,
        }
    }

    #[test]
    fn no_bytes_hurt_the_terminal_that_is_played() {
        let mut random = 1_u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as u8
        };
        let wide = "\u{65e5}\u{301}\u{1f600}".as_bytes();
        for (rows, columns) in [(0, 0), (1, 1), (2, 3), (24, 80)] {
            let mut play = Play::new(rows, columns, 0, 0, 0);
            for _ in 0..20_000 {
                match next() % 8 {
                    0 => play.write(wide),
                    1 => play.write(format!("\x1b[{};{}H", next(), next()).as_bytes()),
                    2 => play.write(
                        format!("\x1b[{}{}", next(), char::from(next() % 64 + 64)).as_bytes(),
                    ),
                    3 => play
                        .write(format!("\x1b[{};{}r\x1b[?{}h", next(), next(), next()).as_bytes()),
                    4 => play.write(b"\x1b]0;title\x07\x1bP1$q\x1b\\"),
                    _ => play.write(&[next(), next(), next()]),
                }
            }
            assert!(play.screen.screen().contents().len() < 1 << 20);
        }
    }

    #[test]
    fn a_terminal_is_played_at_its_own_pace() {
        const S: u64 = 1_000_000_000;
        let pieces = [
            piece(S, "one "),
            piece(2 * S, "two "),
            piece(60 * S, "three"),
        ];
        let mut play = Play::new(3, 20, 0, S, 0);
        let shown = |play: &Play| play.screen.screen().contents();
        play.go_on(&pieces, 0);
        assert_eq!(shown(&play), "one ");
        play.go_on(&pieces, S / 2);
        assert_eq!(shown(&play), "one ");
        play.go_on(&pieces, S);
        assert_eq!(shown(&play), "one two ");
        // The 58 idle seconds are shortened to two.
        play.go_on(&pieces, 2 * S);
        assert_eq!(shown(&play), "one two ");
        play.go_on(&pieces, 3 * S);
        assert_eq!(shown(&play), "one two three");
        let mut play = Play::new(3, 20, 0, S, 0);
        play.change_speed(1);
        play.go_on(&pieces, S / 2);
        assert_eq!(shown(&play), "one two ");
        let lines = [piece(S, "a\nb\r\nc")];
        let mut terminal = Play::new(3, 20, 0, S, 0);
        terminal.go_on(&lines, 0);
        assert_eq!(shown(&terminal), "a\nb\nc");
        play.paused = true;
        play.go_on(&pieces, 100 * S);
        assert_eq!(play.next, 2);
    }
}
