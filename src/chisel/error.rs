//! Errors of chisels.

use std::path::PathBuf;

use super::view::ViewError;
use crate::fields::LookupError;
use crate::filter::FilterError;
use crate::format::TemplateError;

/// An error of a chisel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChiselError {
    /// No script has this name.
    #[error("there is no chisel `{name}`")]
    NotFound {
        /// The name.
        name: String,
        /// Similar names, best first.
        similar: Vec<String>,
    },
    /// A script file is not readable.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not a script.
    #[error("{}: {reason}", path.display())]
    NoScript {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: &'static str,
    },
    /// The arguments do not match the chisel's declaration.
    #[error("chisel {chisel}: {reason}")]
    Arguments {
        /// The chisel.
        chisel: String,
        /// The problem.
        reason: String,
        /// The usage, as shown by `info`.
        usage: String,
    },
    /// The script is not a valid chisel, or its initialization failed.
    #[error("chisel {chisel}: {reason}")]
    Refused {
        /// The chisel.
        chisel: String,
        /// The reason.
        reason: String,
    },
    /// The script's view is invalid.
    #[error("{chisel}: invalid view: {error}")]
    View {
        /// The script.
        chisel: String,
        /// The error and its column.
        error: Box<ViewError>,
    },
    /// A function of the script ended the run.
    #[error("chisel {chisel}: {reason}")]
    Terminated {
        /// The chisel.
        chisel: String,
        /// The reason.
        reason: &'static str,
    },
    /// A filter of the script is invalid.
    #[error("chisel {chisel}: {error}")]
    Filter {
        /// The chisel.
        chisel: String,
        /// The filter's text.
        text: String,
        /// The error, with its position in the text.
        error: Box<FilterError>,
    },
    /// Lua reported an error.
    #[error("chisel {chisel}: {message}")]
    Script {
        /// The chisel.
        chisel: String,
        /// Lua's message, without the position.
        message: String,
        /// The position, if Lua knows it.
        place: Option<Box<Place>>,
        /// How to solve it.
        hint: Option<String>,
        /// True if the capture was already being read.
        is_running: bool,
    },
    /// A script ended the program with this code.
    #[error("the script called os.exit({0})")]
    Exited(i32),
    /// The stack of scripts cannot be allocated.
    #[error("no memory for the stack of scripts")]
    Stack(#[source] std::io::Error),
    /// The output of the chisels cannot be written.
    #[error("the output failed")]
    Output(#[source] std::io::Error),
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The script's file name.
    pub file: String,
    /// Line number, starting at 1.
    pub line: usize,
    /// The text of the line, if known.
    pub text: Option<String>,
}

/// An error in the use of the API, reported to the script.
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
