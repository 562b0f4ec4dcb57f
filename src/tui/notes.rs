//! The case file: notes on events and time ranges, saved next to the capture.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::{text, time};
use crate::files;
use crate::replay::Span;

/// Size limit of a case file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The notes on a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// The capture next to which they are saved.
    #[serde(skip)]
    beside: Option<PathBuf>,
    /// The capture's file name.
    #[serde(default)]
    pub(crate) capture: String,
    /// The notes, ordered by time.
    #[serde(default, rename = "note")]
    pub(crate) list: Vec<Note>,
}

/// One note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The text.
    pub(crate) text: String,
    /// The event, for a note on an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<u64>,
    /// The start of the time range, in nanoseconds since the epoch.
    pub(crate) from: u64,
    /// Its end.
    pub(crate) to: u64,
    /// The filter at that time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) filter: String,
    /// The event's line, or the description of the range, as on the screen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) line: String,
}

impl Note {
    /// Returns the time range.
    pub(crate) fn span(&self) -> Span {
        Span {
            from: self.from.min(self.to),
            to: self.to.max(self.from),
        }
    }
}

impl Notes {
    /// Loads the notes on a capture; empty if the file does not exist, or if there is no capture to save
    /// them next to.
    ///
    /// # Errors
    ///
    /// If the file exists and is not readable: saving would overwrite it.
    pub(crate) fn load(capture: Option<&Path>) -> Result<Self, String> {
        let Some(capture) = capture else {
            return Ok(Self::default());
        };
        let path = path(capture);
        let name = path.display();
        let fail = |error: &dyn std::fmt::Display| format!("cannot read {name}: {error}");
        let mut notes = match files::open(&path) {
            Ok(file) => {
                let mut text = String::new();
                let mut limited = file.take(MAX_BYTES + 1);
                limited.read_to_string(&mut text).map_err(|e| fail(&e))?;
                if text.len() as u64 > MAX_BYTES {
                    return Err(fail(&"the file is too large for notes"));
                }
                Self::parse(&text).map_err(|e| fail(&e))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(fail(&error)),
        };
        if let Some(file) = capture.file_name() {
            notes.capture = file.to_string_lossy().into_owned();
        }
        notes.beside = Some(capture.to_owned());
        Ok(notes)
    }

    /// Parses a case file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut notes: Self = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        notes.sort();
        Ok(notes)
    }

    /// Adds a note.
    pub(crate) fn add(&mut self, note: Note) {
        self.list.push(note);
        self.sort();
    }

    fn sort(&mut self) {
        self.list
            .sort_by_key(|note| (note.from, note.to, note.event));
    }

    /// Saves the notes next to the capture, atomically.
    ///
    /// # Errors
    ///
    /// Those of the file system; and that there is no capture to save them next to.
    pub(crate) fn save(&self) -> io::Result<PathBuf> {
        let path = path(self.beside()?);
        let text = self.toml().map_err(io::Error::other)?;
        files::write(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Returns the case file.
    pub(super) fn toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Saves the notes as Markdown next to the capture.
    ///
    /// # Errors
    ///
    /// As [`Self::save`].
    pub(crate) fn export(&self) -> io::Result<PathBuf> {
        let path = markdown_path(self.beside()?);
        files::write(&path, self.markdown().as_bytes())?;
        Ok(path)
    }

    fn beside(&self) -> io::Result<&Path> {
        self.beside.as_deref().ok_or_else(|| {
            io::Error::other(
                "only a single capture in a file has notes; save the events as a capture",
            )
        })
    }

    /// Returns the notes as Markdown, for a report.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("# Notes on {}\n\n", printable(&self.capture));
        for note in &self.list {
            let when = match note.span() {
                span if span.from == span.to => system_view(span.from),
                span => format!("{} to {}", system_view(span.from), system_view(span.to)),
            };
            let mut lines = note.text.lines();
            out.push_str(&format!(
                "## {}\n\n",
                printable(lines.next().unwrap_or("(no text)"))
            ));
            out.push_str(&when);
            if let Some(event) = note.event {
                out.push_str(&format!(", event {event}"));
            }
            out.push('\n');
            lines.for_each(|line| out.push_str(&format!("\n{}\n", printable(line))));
            if !note.line.is_empty() {
                out.push_str(&format!("\n    {}\n", printable(&note.line)));
            }
            if !note.filter.is_empty() {
                out.push_str(&format!("\nFilter:\n\n    {}\n", printable(&note.filter)));
            }
            out.push('\n');
        }
        out
    }
}

/// Returns the path of the notes on a capture: `cap.scap.notes.toml`.
fn path(capture: &Path) -> PathBuf {
    let mut path = capture.as_os_str().to_owned();
    path.push(".notes.toml");
    path.into()
}

/// Returns the path of the notes as Markdown: `cap.scap.notes.md`.
fn markdown_path(capture: &Path) -> PathBuf {
    let mut path = capture.as_os_str().to_owned();
    path.push(".notes.md");
    path.into()
}

fn printable(text: &str) -> String {
    let mut out = Vec::new();
    text::escape(&mut out, text.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Formats a time in UTC for reports.
fn system_view(ns: u64) -> String {
    time::iso8601(ns, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str, from: u64) -> Note {
        Note {
            text: text.to_owned(),
            event: Some(7),
            from,
            to: from,
            filter: "proc.name = sh".to_owned(),
            line: "sh execve".to_owned(),
        }
    }

    #[test]
    fn notes_are_kept_in_order_and_survive() {
        let dir = tempfile::tempdir().unwrap();
        let capture = dir.path().join("cap.scap");
        let mut notes = Notes::load(Some(&capture)).unwrap();
        assert!(notes.list.is_empty());
        notes.add(note("second\nwith more", 2_000_000_000));
        notes.add(note("first \u{1b}[2J", 1_000_000_000));
        let path = notes.save().unwrap();
        assert_eq!(path.file_name().unwrap(), "cap.scap.notes.toml");
        let again = Notes::load(Some(&capture)).unwrap();
        assert_eq!(again, notes);
        assert_eq!(again.list[0].from, 1_000_000_000);
        let markdown = again.markdown();
        assert!(!markdown.contains('\u{1b}'));
        assert!(markdown.contains("# Notes on cap.scap") && markdown.contains("with more"));
    }

    #[test]
    fn a_file_that_is_no_case_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let capture = dir.path().join("cap.scap");
        std::fs::write(path(&capture), "note = 3").unwrap();
        assert!(Notes::load(Some(&capture)).is_err());
    }
}
