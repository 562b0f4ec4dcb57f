//! Many captures, in files and directories, each read by one thread.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::error::{CliError, EXIT_DAMAGED, EXIT_FAILED, Outcome, warn};
use super::input::{Captures, Input, reason};
use crate::event::number::counted;
use crate::event::{EventExt as _, text};
use crate::fields::{Context, Session};
use crate::filter::Filter;
use crate::replay::{EventSink, Extent, Pipeline, Selection};

/// Most files that are looked at.
const MAX_FILES: usize = 10_000_000;

/// The captures that were found.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// In the order in which they were named, those of a directory by name.
    pub(super) captures: Vec<PathBuf>,
    /// How many files and links in directories are no captures.
    others: u64,
    /// Something in a directory could not be read; it was said.
    has_unreadable: bool,
}

impl Archive {
    /// Finds captures: the files that are named, and in directories those whose content is that of a capture. Links in
    /// directories are not followed.
    pub(super) fn find(paths: &[PathBuf]) -> Result<Self, CliError> {
        let mut archive = Self::default();
        let mut left: Vec<(PathBuf, bool)> = Vec::new();
        left.extend(paths.iter().rev().map(|path| (path.clone(), true)));
        let mut looked = 0;
        while let Some((path, is_named)) = left.pop() {
            looked += 1;
            if looked > MAX_FILES {
                let message = format!("there are more than {MAX_FILES} files");
                return Err(CliError::failed(message).hint("name a part of the directories"));
            }
            let metadata = match is_named {
                true => fs::metadata(&path),
                false => fs::symlink_metadata(&path),
            };
            match metadata {
                Ok(found) if found.is_dir() => match entries(&path) {
                    Ok(names) => left.extend(names.into_iter().rev().map(|name| (name, false))),
                    Err(error) if is_named => return Err(unreadable(&path, &error)),
                    Err(error) => archive.says(&unreadable(&path, &error)),
                },
                // What is named is opened, whatever it is.
                _ if is_named => archive.captures.push(path),
                Ok(found) if found.is_file() => {
                    match Input::open(&path).map(Input::begins_like_capture) {
                        Ok(true) => archive.captures.push(path),
                        Ok(false) => archive.others += 1,
                        Err(error) => archive.says(&error),
                    }
                }
                Ok(_) => archive.others += 1,
                Err(error) => archive.says(&unreadable(&path, &error)),
            }
        }
        Ok(archive)
    }

    fn says(&mut self, error: &CliError) {
        error.print();
        self.has_unreadable = true;
    }

    /// Reads each capture, on as many threads as there are processors, and calls `take` with the results, in the order of the
    /// captures. `worker` makes what reads captures on one thread. A capture that cannot be read is said, and the others
    /// are read. After a `Break`, no other capture is begun. Returns the exit code.
    pub(super) fn each<T: Send, W>(
        &self,
        worker: impl Fn() -> W,
        mut take: impl FnMut(usize, T) -> ControlFlow<()>,
    ) -> u8
    where
        W: FnMut(&Path) -> Result<(T, Outcome), CliError> + Send,
    {
        let captures = &self.captures;
        let threads = thread::available_parallelism().map_or(1, |n| n.get());
        let threads = threads.min(captures.len());
        let next = AtomicUsize::new(0);
        let mut failed = self.has_unreadable;
        let mut damaged = false;
        thread::scope(|scope| {
            let (sender, results) = mpsc::sync_channel(threads.max(1));
            for _ in 0..threads {
                let (sender, next, mut work) = (sender.clone(), &next, worker());
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = captures.get(place) else {
                            return;
                        };
                        if sender.send((place, work(path))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            // Results that are early wait for their turn.
            let mut early = BTreeMap::new();
            let mut turn = 0;
            for (place, result) in results {
                early.insert(place, result);
                while let Some(result) = early.remove(&turn) {
                    match result {
                        Ok((found, outcome)) => {
                            damaged |= outcome == Outcome::Damaged;
                            if take(turn, found).is_break() {
                                // There is nothing more to begin with.
                                next.store(captures.len(), Ordering::Relaxed);
                            }
                        }
                        Err(error) => {
                            error.print();
                            match error.exit_code() {
                                EXIT_DAMAGED => damaged = true,
                                _ => failed = true,
                            }
                        }
                    }
                    turn += 1;
                }
            }
        });
        match (failed, damaged) {
            (true, _) => EXIT_FAILED,
            (false, true) => EXIT_DAMAGED,
            (false, false) => super::error::EXIT_DONE,
        }
    }

    /// Returns true if there is one capture.
    pub(super) fn is_single(&self) -> bool {
        self.captures.len() == 1
    }

    /// Describes the archive.
    pub(super) fn text(&self) -> String {
        let captures = counted(self.captures.len() as u64, "capture");
        match self.others {
            0 => captures,
            others => format!("{captures}, {}", counted(others, "other file")),
        }
    }

    /// Warns if there is nothing to read.
    pub(super) fn warn_if_empty(&self) {
        if self.captures.is_empty() {
            warn(
                "there are no captures",
                Some("captures are recognized by their content"),
            );
        }
    }
}

/// Calls `each` for the events of a capture that pass a filter, with their times and numbers. An event without a time has that
/// of the one before it. `is_alone`: no other captures are read.
pub(super) fn events(
    path: &Path,
    filter: Option<&Filter>,
    (may_skip, is_alone): (bool, bool),
    each: impl FnMut(&Context<'_>, (u64, u64)),
) -> Result<Outcome, CliError> {
    let selection = Selection {
        filter: filter.cloned(),
        ..Selection::default()
    };
    let mut session = Session::default();
    let extent = match is_alone {
        true => Extent::Events(&selection),
        false => Extent::Unverified(&selection),
    };
    let wanted = may_skip.then_some(extent);
    let Some(mut captures) = Captures::with_any(path, wanted, &mut session)? else {
        return Ok(Outcome::Done);
    };
    let mut sink = Events {
        each,
        latest: 0,
        count: 0,
    };
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let end = pipeline
        .run(captures.source(), &mut sink)
        .map_err(|error| CliError::replay(&captures.name(), &error))?;
    let damaged = captures.report_damage(end, sink.count);
    Ok(Outcome::of_damage(damaged))
}

/// Passes events on.
struct Events<F> {
    each: F,
    /// The time of the last event that has one.
    latest: u64,
    count: u64,
}

impl<F: FnMut(&Context<'_>, (u64, u64))> EventSink for Events<F> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if !cx.event.is_internal() {
            self.count += 1;
            self.latest = cx.event.ts.known().unwrap_or(self.latest);
            (self.each)(cx, (self.latest, cx.event.num.0));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns the paths in a directory, by name.
fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)?.take(MAX_FILES);
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Returns a path as it is printed.
pub(super) fn shown(path: &Path) -> String {
    let mut name = Vec::new();
    text::escape_exact(&mut name, path.as_os_str().as_encoded_bytes());
    String::from_utf8_lossy(&name).into_owned()
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("cannot read {}: {}", shown(path), reason(error)))
}
