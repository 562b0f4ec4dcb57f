//! `scap view`: the timeline of a capture, and views of what happened in it.
//!
//! The Elm architecture: a [`model`] is what is on the screen, [`update`] changes it by messages and returns
//! commands, [`view`] draws it. Both are pure. What takes time is done by [`work`] in the background, whose
//! answers are messages. [`terminal`] connects them with a terminal, [`script`] with the keys of a text.

mod cells;
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
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use message::Message;
use model::Model;
use notes::Notes;
use script::Screen;
use thiserror::Error;

use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::Span;

pub use theme::Theme;

/// How a capture is shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is called on the screen, safe to print.
    pub name: String,
    /// The colours.
    pub theme: Theme,
    /// The filter to begin with; it is known to be one. Empty = none.
    pub filter: String,
    /// The time range to begin with.
    pub range: Option<Span>,
    /// The capture grows.
    pub live: bool,
    /// It was made of one that was damaged or had no end.
    pub of_damaged: bool,
}

/// Why a capture cannot be shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// It cannot be read.
    #[error(transparent)]
    Capture(#[from] IndexedCaptureError),
    /// The notes beside it cannot be read, and would be lost.
    #[error("{0}")]
    Notes(String),
    /// What is no key in a script.
    #[error("`{0}` is no key")]
    Key(String),
    /// The terminal, or a file to be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The form of a screenshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Lines of text.
    Text,
    /// SVG.
    Svg,
}

/// Shows a capture on the terminal until a key or `stop` ends it. Returns whether it is damaged or has no end.
///
/// # Errors
///
/// [`ViewError`].
pub fn run(path: &Path, options: Options, stop: &Arc<AtomicBool>) -> Result<bool, ViewError> {
    let library = Arc::new(IndexedCapture::open(path)?);
    let notes = Notes::load(path).map_err(ViewError::Notes)?;
    let size = tty::size();
    let (model, commands) = Model::new(library, options, notes, size);
    let model = terminal::run(model, commands, stop)?;
    Ok(model.is_damaged())
}

/// Shows a capture on a screen without a terminal, presses the keys of a script and returns the picture, and
/// whether the capture is damaged or has no end.
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
    let library = Arc::new(IndexedCapture::open(path)?);
    let notes = Notes::load(path).map_err(ViewError::Notes)?;
    let mut screen = Screen::open(&library, options, notes, size)?;
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

/// How long a screen took.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What was done: the capture opened, or a key as scripts name it.
    pub what: String,
    /// Until there was a picture.
    pub picture: Duration,
    /// Until nothing was pending from the background any more.
    pub settled: Duration,
}

/// Opens a capture on a screen without a terminal, presses the keys of each script and tells how long that took:
/// for benchmarks. Unless `count_all` the whole capture need not be counted before the first key.
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
    let library = Arc::new(IndexedCapture::open(path)?);
    let opened = start.elapsed();
    timings.push(Timing {
        what: "index read".to_owned(),
        picture: opened,
        settled: opened,
    });
    let start = Instant::now();
    let mut screen = Screen::begin(&library, options, Notes::default(), size)?;
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
            // Keys that only prepare the last one are not waited for.
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
