//! `scap view`: the timeline of a capture, and its views.
//!
//! The Elm architecture: the [`model`] is the state of the screen, [`update`] changes it by
//! messages and returns commands, [`view`] draws it. Both are pure. Long operations are done by
//! [`work`] in the background, whose results are messages. [`terminal`] connects them with a
//! terminal, [`script`] with a script of keys.

mod alerts;
mod cells;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod keys;
mod losses;
mod message;
mod model;
mod notes;
mod save;
mod screenshot;
mod script;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod tty;
mod update;
mod view;
mod work;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use message::Message;
use model::Model;
use notes::Notes;
use script::Screen;
use thiserror::Error;

use crate::inspect::alerts::Rules;
use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::Span;

pub use theme::Theme;
pub use tty::give_back;

/// How a capture is displayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name on the screen, safe to print.
    pub name: String,
    /// The capture next to which notes are saved; `None` = they cannot be saved.
    pub beside: Option<PathBuf>,
    /// The files that it is, or was made of; `-` is standard input.
    pub parents: Vec<PathBuf>,
    /// The colour theme.
    pub theme: Theme,
    /// The initial filter, which is valid; empty = none.
    pub filter: String,
    /// The initial time range.
    pub range: Option<Span>,
    /// True if the capture is still being recorded.
    pub live: bool,
    /// True if it was converted from a damaged or incomplete capture.
    pub of_damaged: bool,
    /// The rules whose alerts are shown; `None`: no rules are evaluated.
    pub rules: Option<Arc<Rules>>,
}

/// Why a capture cannot be displayed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The capture is not readable.
    #[error(transparent)]
    Capture(#[from] IndexedCaptureError),
    /// The notes are not readable, and saving would overwrite them.
    #[error("{0}")]
    Notes(String),
    /// An invalid key in a script.
    #[error("`{0}` is not a key")]
    Key(String),
    /// An error of the terminal, or of writing a file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The format of a screenshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Lines of text.
    Text,
    /// SVG.
    Svg,
}

/// Shows a capture on the terminal until the user quits or `stop` is set. Returns true if it is
/// damaged or incomplete.
///
/// # Errors
///
/// [`ViewError`].
pub fn run(path: &Path, options: Options, stop: &Arc<AtomicBool>) -> Result<bool, ViewError> {
    let capture = Arc::new(IndexedCapture::open(path)?);
    let notes = Notes::load(options.beside.as_deref()).map_err(ViewError::Notes)?;
    let size = tty::size();
    let rules = options.rules.clone();
    let (model, commands) = Model::new(capture, options, notes, size);
    let model = terminal::run(model, commands, rules.as_ref(), stop)?;
    Ok(model.is_damaged())
}

/// Shows a capture on a virtual screen, presses the keys of a script and returns the picture, and
/// whether the capture is damaged or incomplete.
///
/// # Errors
///
/// [`ViewError`].
pub fn picture(
    path: &Path,
    options: Options,
    keys: &str,
    size: (u16, u16),
    picture: Picture,
) -> Result<(String, bool), ViewError> {
    let keys = keys::parse(keys).map_err(ViewError::Key)?;
    let capture = Arc::new(IndexedCapture::open(path)?);
    let notes = Notes::load(options.beside.as_deref()).map_err(ViewError::Notes)?;
    let mut screen = Screen::open(&capture, options, notes, size)?;
    for key in keys {
        screen.press(key)?;
        if screen.quit {
            break;
        }
    }
    let buffer = screen.draw();
    let drawn = match picture {
        Picture::Text => screenshot::text(&buffer),
        Picture::Svg => screenshot::svg(&buffer),
    };
    Ok((drawn, screen.model.is_damaged()))
}

/// The time that a screen took.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The step: opening the capture, or a key by its script name.
    pub what: String,
    /// Time until the picture was drawn.
    pub picture: Duration,
    /// Time until all background requests were done.
    pub settled: Duration,
}

/// Opens a capture on a virtual screen, presses the keys of each script and measures the time, for
/// benchmarks. With `count_all` the whole capture is aggregated before the first key.
///
/// # Errors
///
/// [`ViewError`].
pub fn timed(
    path: &Path,
    options: Options,
    scripts: &[&str],
    size: (u16, u16),
    count_all: bool,
) -> Result<Vec<Timing>, ViewError> {
    let mut timings = Vec::new();
    let start = Instant::now();
    let capture = Arc::new(IndexedCapture::open(path)?);
    let opened = start.elapsed();
    timings.push(Timing {
        what: "index read".to_owned(),
        picture: opened,
        settled: opened,
    });
    let start = Instant::now();
    let mut screen = Screen::begin(&capture, options, Notes::default(), size)?;
    drop(screen.draw());
    let picture = start.elapsed();
    if count_all {
        screen.settle()?;
    }
    timings.push(Timing {
        what: "first picture".to_owned(),
        picture,
        settled: start.elapsed(),
    });
    for script in scripts {
        let keys = keys::parse(script).map_err(ViewError::Key)?;
        let start = Instant::now();
        let mut picture = Duration::ZERO;
        for (at, key) in keys.iter().enumerate() {
            let begun = Instant::now();
            screen.send(Message::Key(*key));
            drop(screen.draw());
            picture = picture.max(begun.elapsed());
            // Keys that only prepare the last one are not measured.
            if at + 1 == keys.len() {
                screen.settle()?;
            }
        }
        timings.push(Timing {
            what: (*script).to_owned(),
            picture,
            settled: start.elapsed(),
        });
    }
    Ok(timings)
}
