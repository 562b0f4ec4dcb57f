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

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CliError {
    /// Whoever read the output went away, which is their right.
    OutputClosed,
    /// Something else, to be told.
    Failed {
        /// What failed, with the name of the thing.
        message: String,
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
            hint: None,
            code: EXIT_FAILED,
        }
    }

    /// The command line is wrong in a way that only the command itself can tell.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::failed(message).code(EXIT_USAGE)
    }

    pub(super) fn code(self, code: u8) -> Self {
        match self {
            Self::Failed { message, hint, .. } => Self::Failed {
                message,
                hint,
                code,
            },
            Self::OutputClosed => self,
        }
    }

    pub(super) fn hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Failed { message, code, .. } => Self::Failed {
                message,
                hint: Some(text.into()),
                code,
            },
            Self::OutputClosed => self,
        }
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
            Self::Failed { code, .. } => *code,
        }
    }

    /// Tells it on standard error.
    pub(super) fn tell(&self) {
        if let Self::Failed { message, hint, .. } = self {
            tell("error", message, hint.as_deref());
        }
    }
}

/// Tells something on standard error that does not end the command.
pub(super) fn warn(message: &str, hint: Option<&str>) {
    tell("warning", message, hint);
}

fn tell(level: &str, message: &str, hint: Option<&str>) {
    let mut out = format!("scap: {level}: ").into_bytes();
    lines(&mut out, message);
    if let Some(hint) = hint {
        out.extend_from_slice(b"hint: ");
        lines(&mut out, hint);
    }
    // Without standard error there is nobody to tell.
    let _told = io::stderr().write_all(&out);
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
