//! Errors and warnings of the commands, and their exit codes.

use std::fmt::Write as _;
use std::io;

use super::stderr;
use crate::replay::ReplayError;

/// Success, or the reader closed the output.
pub(super) const EXIT_DONE: u8 = 0;
/// The command failed.
pub(super) const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub(super) const EXIT_USAGE: u8 = 2;
/// The capture is damaged; the readable part was processed.
pub(super) const EXIT_DAMAGED: u8 = 3;

/// Alerts were found, and the command was asked to say so.
pub(super) const EXIT_ALERTS: u8 = 5;
/// Privilege or kernel support is missing.
pub(super) const EXIT_PRIVILEGE: u8 = 4;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything was processed.
    Done,
    /// A capture is damaged and was read in part; the damage was reported.
    Damaged,
}

impl Outcome {
    /// `Damaged` if a capture is damaged, else `Done`.
    pub(super) fn of_damage(damaged: bool) -> Self {
        if damaged { Self::Damaged } else { Self::Done }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CliError {
    /// stdout was closed by its reader; not an error.
    OutputClosed,
    /// The program ends with this exit code; the reason was printed already, by a chisel or as the command's result.
    Exited(u8),
    /// Any other failure, to be printed.
    Failed {
        /// What failed, with the name of the file or object.
        message: String,
        /// Lines that show the error in its source text, ready to print.
        snippet: Option<String>,
        /// What the user can do about it.
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

    /// The command line is invalid in a way that clap cannot detect.
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

    /// Adds lines that show the error in its source text, as [`super::diagnostic`] makes them.
    pub(super) fn snippet(mut self, lines: String) -> Self {
        if let Self::Failed { snippet, .. } = &mut self {
            *snippet = Some(lines);
        }
        self
    }

    /// Standard output is not writable.
    pub(super) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::failed(format!("cannot write to standard output: {error}"))
    }

    /// A capture is not readable.
    pub(super) fn capture(name: &str, error: &scap_capture_format::Error) -> Self {
        use scap_capture_format::Error as E;
        let mut failed = Self::failed(format!("{name}: {}", with_sources(error)));
        match error {
            E::NotACapture => {
                failed = failed.hint("`scap record -w FILE` makes captures");
            }
            E::Empty => {
                failed = failed.hint("the recorder was stopped before it wrote anything");
            }
            E::UnsupportedVersion { found, supported } if found > supported => {
                failed = failed.hint("the capture is from a newer scap; read it with that version");
            }
            E::UnknownMandatorySection { .. } => {
                failed = failed.hint("read it with the version of scap that wrote it");
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

    /// Prints the error to standard error.
    pub(super) fn print(&self) {
        if let Self::Failed {
            message,
            snippet,
            hint,
            ..
        } = self
        {
            stderr::print(&format_message(
                "error",
                message,
                snippet.as_deref(),
                hint.as_deref(),
            ));
        }
    }

    /// Returns the printed text.
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
        format_message("error", message, snippet.as_deref(), hint.as_deref())
    }
}

/// Prints a warning to standard error; the command goes on.
pub(super) fn warn(message: &str, hint: Option<&str>) {
    stderr::print(&format_message("warning", message, None, hint));
}

/// Lays a message out. Message and hint are one line each, whatever names they quote.
fn format_message(level: &str, message: &str, snippet: Option<&str>, hint: Option<&str>) -> String {
    let mut out = format!("scap: {level}: {}\n", stderr::one_line(message));
    out.push_str(snippet.unwrap_or_default());
    if let Some(hint) = hint {
        out.push_str(&format!("hint: {}\n", stderr::one_line(hint)));
    }
    out
}

/// Whether an error is that of a limit of the process: open files, locked memory, memory.
pub(super) fn is_of_limits(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustix::io::Errno;
    let mut cause = Some(error);
    while let Some(error) = cause {
        let code = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        let is_limit = |code| {
            let limits = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN];
            limits.iter().any(|limit| limit.raw_os_error() == code)
        };
        if code.is_some_and(is_limit) {
            return true;
        }
        cause = error.source();
    }
    false
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
