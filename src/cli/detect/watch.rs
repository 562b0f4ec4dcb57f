//! `scap detect --watch`: captures as they appear in a directory.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime};

use super::replay::Pass;
use super::{Lines, table};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::record::on_signals;
use crate::cli::stderr::one_line;
use crate::replay::Selection;
use crate::rules::{Counts, Engine, Printer};

/// How often the directory is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// A file that has not changed for this long is whole.
const SETTLED: Duration = Duration::from_secs(2);

/// A file that was seen: its size, and when it was last found to have changed.
struct Seen {
    size: u64,
    modified: Option<SystemTime>,
    is_done: bool,
}

/// Looks into every capture that appears below a directory, until a signal. Those that are there already count as new.
/// Returns the counts of all of them.
pub(super) fn watch(
    directory: &Path,
    engine: &mut Engine,
    mut printer: Printer,
    selection: &Selection,
) -> Result<Counts, CliError> {
    let stop = on_signals()
        .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;
    let mut seen: HashMap<PathBuf, Seen> = HashMap::new();
    let mut total = Counts {
        by_rule: vec![0; engine.rules().len()],
        ..Counts::default()
    };
    while !stop.load(Ordering::Relaxed) {
        let found = table::below(directory).map_err(|error| {
            let name = one_line(&directory.to_string_lossy());
            CliError::failed(format!("cannot read the directory {name}: {error}"))
        })?;
        seen.retain(|path, _| found.binary_search(path).is_ok());
        for path in found {
            if !is_whole(&path, &mut seen) || stop.load(Ordering::Relaxed) {
                continue;
            }
            engine.restart();
            let mut output = Output::new();
            let mut lines = Lines {
                printer: &mut printer,
                output: &mut output,
                capture: Some(one_line(&path.to_string_lossy())),
            };
            let pass = Pass {
                files: vec![path],
                audit: None,
                sessions: None,
                selection: selection.clone(),
            };
            if let Err(error) = pass.run(engine, &mut lines) {
                match error {
                    CliError::OutputClosed => return Err(error),
                    error => error.print(),
                }
            }
            output.finish()?;
            total.add(&engine.counts());
        }
        thread::sleep(PERIOD);
    }
    Ok(total)
}

/// Returns true, once for each version of a file, when it has not changed for a while.
fn is_whole(path: &Path, seen: &mut HashMap<PathBuf, Seen>) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    let (size, modified) = (metadata.len(), metadata.modified().ok());
    let known = seen.entry(path.to_owned()).or_insert(Seen {
        size,
        modified,
        is_done: false,
    });
    if (known.size, known.modified) != (size, modified) {
        *known = Seen {
            size,
            modified,
            is_done: false,
        };
        return false;
    }
    // By the clock of the files: one that was copied with its old time is whole at once, after the first look.
    let age = modified.and_then(|at| at.elapsed().ok()).unwrap_or(SETTLED);
    !known.is_done && age >= SETTLED && {
        known.is_done = true;
        true
    }
}
