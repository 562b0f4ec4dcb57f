//! What a command says when it cannot do what it was asked.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::event::text;
use crate::replay::ReplayError;

/// Done, or nobody reads the output any more.
pub(super) const EXIT_DONE: u8 = 0;
/// The command failed.
pub(super) const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub(super) const EXIT_USAGE: u8 = 2;
/// The capture is damaged; what could be read was.
pub(super) const EXIT_DAMAGED: u8 = 3;

/// Privilege or kernel support is missing.
pub(super) const EXIT_PRIVILEGE: u8 = 4;

/// How a command ended that did what it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it.
    Done,
    /// Not all of it: a capture is damaged, which was told.
    Damaged,
}

impl Outcome {
    /// Of a capture that is damaged or not.
    pub(super) fn of_damage(damaged: bool) -> Self {
        if damaged { Self::Damaged } else { Self::Done }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CliError {
    /// Whoever read the output went away, which is their right.
    OutputClosed,
    /// A chisel ended the program with this code, and said why itself.
    Exited(u8),
    /// Something else, to be told.
    Failed {
        /// What failed, with the name of the thing.
        message: String,
        /// Lines that show the place in a text, ready to print.
        snippet: Option<String>,
        /// What to do about it.
        hint: Option<String>,
        /// The exit code.
        code: u8,
    },
}

impl CliError {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            snippet: None,
            hint: None,
            code: EXIT_FAILED,
        }
    }

    /// The command line is wrong in a way that only the command itself can tell.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::failed(message).code(EXIT_USAGE)
    }

    pub(super) fn code(mut self, new: u8) -> Self {
        if let Self::Failed { code, .. } = &mut self {
            *code = new;
        }
        self
    }

    pub(super) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Failed { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Adds lines that show the place in a text, as [`super::diagnostic`] makes them.
    pub(super) fn snippet(mut self, lines: String) -> Self {
        if let Self::Failed { snippet, .. } = &mut self {
            *snippet = Some(lines);
        }
        self
    }

    /// Standard output could not be written to.
    pub(super) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::failed(format!("cannot write to standard output: {error}"))
    }

    /// A capture could not be read.
    pub(super) fn capture(name: &str, error: &scap_capture_format::Error) -> Self {
        use scap_capture_format::Error as E;
        let mut failed = Self::failed(format!("{name}: {}", with_sources(error)));
        match error {
            E::NotACapture => {
                failed = failed.hint("captures are made by `scap record -w FILE`");
            }
            E::Empty => {
                failed = failed.hint("the recorder was stopped before it wrote anything");
            }
            E::UnsupportedVersion { found, supported } if found > supported => {
                failed = failed.hint("a newer scap wrote it; use that one to read it");
            }
            E::UnknownMandatorySection { .. } => {
                failed = failed.hint("use the scap that wrote it");
            }
            _ => {}
        }
        if let Self::Failed { code, .. } = &mut failed
            && error.is_damage()
        {
            *code = EXIT_DAMAGED;
        }
        failed
    }

    pub(super) fn replay(name: &str, error: &ReplayError) -> Self {
        match error {
            ReplayError::Read(error) => Self::capture(name, error),
            ReplayError::Sink(error) => Self::output(error),
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => EXIT_DONE,
            Self::Exited(code) => *code,
            Self::Failed { code, .. } => *code,
        }
    }

    /// Tells it on standard error.
    pub(super) fn tell(&self) {
        if let Self::Failed {
            message,
            snippet,
            hint,
            ..
        } = self
        {
            print(&told("error", message, snippet.as_deref(), hint.as_deref()));
        }
    }

    /// Returns what is told.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        let Self::Failed {
            message,
            snippet,
            hint,
            ..
        } = self
        else {
            return String::new();
        };
        let told = told("error", message, snippet.as_deref(), hint.as_deref());
        String::from_utf8(told).unwrap()
    }
}

/// Tells something on standard error that does not end the command.
pub(super) fn warn(message: &str, hint: Option<&str>) {
    print(&told("warning", message, None, hint));
}

fn told(level: &str, message: &str, snippet: Option<&str>, hint: Option<&str>) -> Vec<u8> {
    let mut out = format!("scap: {level}: ").into_bytes();
    lines(&mut out, message);
    out.extend_from_slice(snippet.unwrap_or_default().as_bytes());
    if let Some(hint) = hint {
        out.extend_from_slice(b"hint: ");
        lines(&mut out, hint);
    }
    out
}

fn print(text: &[u8]) {
    // Without standard error there is nobody to tell.
    let _told = io::stderr().write_all(text);
}

/// Appends text of several lines, each escaped.
fn lines(out: &mut Vec<u8>, text: &str) {
    for line in text.split('\n') {
        text::escape(out, line.as_bytes());
        out.push(b'\n');
    }
}

pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _always = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
