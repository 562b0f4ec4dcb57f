//! Why a chisel cannot run, or stopped.

use std::path::PathBuf;

use super::view::ViewError;
use crate::fields::LookupError;
use crate::filter::FilterError;
use crate::format::TemplateError;

/// Why a chisel cannot run, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChiselError {
    /// No script has that name.
    #[error("there is no chisel `{name}`")]
    NotFound {
        /// The name.
        name: String,
        /// Names that look like it, best first.
        similar: Vec<String>,
    },
    /// A script could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no script.
    #[error("{}: {reason}", path.display())]
    NoScript {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// The arguments are not those that the chisel takes.
    #[error("chisel {chisel}: {reason}")]
    Arguments {
        /// The chisel.
        chisel: String,
        /// What is wrong.
        reason: String,
        /// The arguments it takes, as `info` shows them.
        usage: String,
    },
    /// The script describes itself wrongly, or refused to begin.
    #[error("chisel {chisel}: {reason}")]
    Refused {
        /// The chisel.
        chisel: String,
        /// Why.
        reason: String,
    },
    /// The view that the script describes is wrong.
    #[error("{chisel}: its view is wrong: {error}")]
    View {
        /// The script.
        chisel: String,
        /// What is wrong, and where.
        error: Box<ViewError>,
    },
    /// The script ended the run.
    #[error("chisel {chisel}: {reason}")]
    Terminated {
        /// The chisel.
        chisel: String,
        /// Why.
        reason: &'static str,
    },
    /// A filter of the script is wrong.
    #[error("chisel {chisel}: {error}")]
    Filter {
        /// The chisel.
        chisel: String,
        /// The filter's text.
        text: String,
        /// What is wrong, and where in the text.
        error: Box<FilterError>,
    },
    /// Lua reported an error.
    #[error("chisel {chisel}: {message}")]
    Script {
        /// The chisel.
        chisel: String,
        /// Lua's message, without the place.
        message: String,
        /// Where it happened, if Lua knows.
        place: Option<Box<Place>>,
        /// What to do about it.
        hint: Option<String>,
        /// Whether the capture was being read already.
        is_running: bool,
    },
    /// A script ended the program with this code.
    #[error("the script called os.exit({0})")]
    Exited(i32),
    /// There is no stack for scripts.
    #[error("no memory for the stack of scripts")]
    Stack(#[source] std::io::Error),
    /// What the chisels print cannot be written.
    #[error("the output failed")]
    Output(#[source] std::io::Error),
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The script's file name.
    pub file: String,
    /// From 1 on.
    pub line: usize,
    /// The line itself, if the script is at hand.
    pub text: Option<String>,
}

/// What a function of the API says to the script that used it wrongly.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("no such field: {0}")]
    Field(#[from] LookupError),
    #[error("field `{0}` is for filters only")]
    FilterOnly(&'static str),
    #[error("invalid filter `{text}`: {}", .error.kind)]
    Filter {
        text: String,
        error: Box<FilterError>,
    },
    #[error("invalid format `{text}`: {}", .error.kind)]
    Format {
        text: String,
        error: Box<TemplateError>,
    },
    #[error("{0}")]
    Misuse(&'static str),
    #[error("{0}")]
    Wrong(String),
    #[error("{0}")]
    Denied(String),
}

impl From<ApiError> for mlua::Error {
    fn from(error: ApiError) -> Self {
        Self::external(error)
    }
}
