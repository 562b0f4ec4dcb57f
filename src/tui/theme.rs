//! Colour themes: the sixteen colours of every terminal, or none.

use ratatui::style::{Color, Modifier, Style};

use crate::inspect::page::Tone;
use crate::lanes::Lane;
use crate::rules::Priority;

/// A colour theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// No colours: only bold, reversed, dim.
    Plain,
}

impl Theme {
    /// Returns the next theme.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Plain,
            Self::Plain => Self::Dark,
        }
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Plain => "no colour",
        }
    }

    /// A foreground colour: one for dark backgrounds, one for light ones.
    fn of(self, dark: Color, light: Color) -> Style {
        match self {
            Self::Dark => Style::new().fg(dark),
            Self::Light => Style::new().fg(light),
            Self::Plain => Style::new(),
        }
    }

    /// The first line.
    pub(crate) fn header(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Secondary text.
    pub(crate) fn dim(self) -> Style {
        match self {
            Self::Plain => Style::new().add_modifier(Modifier::DIM),
            _ => self.of(Color::DarkGray, Color::DarkGray),
        }
    }

    /// Names of columns, groups, keys.
    pub(crate) fn title(self) -> Style {
        self.of(Color::Cyan, Color::Blue)
            .add_modifier(Modifier::BOLD)
    }

    /// The selected row, tab, tile.
    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Notable text.
    pub(crate) fn notable(self) -> Style {
        self.of(Color::Yellow, Color::Magenta)
            .add_modifier(Modifier::BOLD)
    }

    /// Losses, damage, errors.
    pub(crate) fn bad(self) -> Style {
        self.of(Color::LightRed, Color::Red)
            .add_modifier(Modifier::BOLD)
    }

    /// The selected range of a timeline.
    pub(crate) fn range(self) -> Style {
        match self {
            Self::Dark => Style::new().bg(Color::DarkGray),
            Self::Light => Style::new().bg(Color::Gray),
            Self::Plain => Style::new().add_modifier(Modifier::UNDERLINED),
        }
    }

    /// A lane.
    pub(crate) fn lane(self, lane: Lane) -> Style {
        match lane {
            Lane::Starts => self.of(Color::LightGreen, Color::Green),
            Lane::Files => self.of(Color::Yellow, Color::Yellow),
            Lane::Network => self.of(Color::LightCyan, Color::Cyan),
            Lane::Errors => self.of(Color::LightRed, Color::Red),
            Lane::Privileges => self.of(Color::LightMagenta, Color::Magenta),
            Lane::Exits => self.of(Color::LightBlue, Color::Blue),
            Lane::Slow => self.of(Color::White, Color::Black),
        }
    }

    /// An alert: style and letter.
    pub(crate) fn alert(self, priority: Priority) -> (Style, &'static str) {
        match priority {
            Priority::Emergency => (self.bad(), "!"),
            Priority::Alert => (self.bad(), "A"),
            Priority::Critical => (self.bad(), "C"),
            Priority::Error => (self.of(Color::LightRed, Color::Red), "E"),
            Priority::Warning => (self.of(Color::Yellow, Color::Magenta), "W"),
            Priority::Notice => (self.of(Color::LightCyan, Color::Blue), "N"),
            Priority::Informational => (Style::new(), "I"),
            Priority::Debug => (self.dim(), "D"),
        }
    }

    /// A line of the event list.
    pub(crate) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Failed => self.of(Color::LightRed, Color::Red),
            Tone::Process => self.of(Color::LightGreen, Color::Green),
            Tone::Change => self.of(Color::Yellow, Color::Magenta),
            Tone::Network => self.of(Color::LightCyan, Color::Blue),
            Tone::Enter => self.dim(),
            Tone::Plain => Style::new(),
        }
    }

    /// Data that was read, or written.
    pub(crate) fn direction(self, read: bool) -> Style {
        match read {
            true => self.of(Color::LightCyan, Color::Blue),
            false => self.of(Color::LightGreen, Color::Green),
        }
    }

    /// A count of a spectrogram, from 0 (few) to 4 (many): style and character.
    pub(crate) fn heat(self, level: usize) -> (Style, &'static str) {
        const SHADES: [&str; 5] = ["\u{b7}", "\u{2591}", "\u{2592}", "\u{2593}", "\u{2588}"];
        let colors = match self {
            Self::Dark => [
                Color::Blue,
                Color::Cyan,
                Color::Green,
                Color::Yellow,
                Color::LightRed,
            ],
            Self::Light => [
                Color::Cyan,
                Color::Blue,
                Color::Green,
                Color::Magenta,
                Color::Red,
            ],
            Self::Plain => return (Style::new(), SHADES[level.min(4)]),
        };
        (Style::new().fg(colors[level.min(4)]), SHADES[level.min(4)])
    }
}
