//! Kubernetes audit logs named on the command line.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::compressed;
use super::error::{CliError, warn};
use super::input::{Captures, Input};
use crate::audit::sessions::ExecSessions;
use crate::event::number::{self, counted};
use crate::fields::Session;
use crate::replay::audit::{AuditContent, AuditInput, CHANGED};
use crate::replay::{AuditSource, exec_sessions};

/// How native captures begin.
const NATIVE: &[u8] = b"\x89SCAP";
/// How the names of audit logs in a directory end, before the ending of a compression.
const ENDINGS: [&str; 3] = ["log", "json", "jsonl"];
/// Endings of compressed files.
const COMPRESSED: [&str; 4] = ["gz", "zst", "xz", "lz4"];
/// Lines of one log that are reported with their numbers, for each reason.
const MAX_LINES: usize = 5;
/// Reports of all logs.
const MAX_REPORTS: usize = 20;

/// Options that name audit logs.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli) struct AuditArgs {
    /// Also read a Kubernetes audit log: a file of JSON, `-` for standard input, or a directory of such
    /// files. The events are merged with those of captures by time; without a capture they are read
    /// alone. Can be repeated
    #[arg(long = "audit", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Also read the rotated files beside each audit log: `audit-TIME.log` and `audit-TIME.log.gz`
    /// beside `audit.log`
    #[arg(long = "audit-rotated", requires = "files")]
    rotated: bool,
}

impl AuditArgs {
    /// Names logs.
    pub(in crate::cli) fn of(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            rotated: false,
        }
    }

    /// Returns true if no log is named.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the files that were named, as they were named.
    pub(in crate::cli) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads the logs, and sorts their events; `None` if no log is named.
    pub(in crate::cli) fn open(&self) -> Result<Option<AuditLogs>, CliError> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut paths = Vec::new();
        for path in &self.files {
            if path.as_os_str() != "-" && path.is_dir() {
                paths.extend(in_directory(path)?);
                continue;
            }
            if self.rotated {
                paths.extend(rotated(path));
            }
            paths.push(path.clone());
        }
        AuditLogs::open(&paths).map(Some)
    }

    /// Finds the sessions of `kubectl exec` in captures and the logs, if fields need them. Reads all of them.
    pub(in crate::cli) fn sessions(
        &self,
        captures: &[PathBuf],
        is_needed: bool,
    ) -> Result<Option<Arc<ExecSessions>>, CliError> {
        // Without processes there is nothing to join.
        if !is_needed || captures.is_empty() {
            return Ok(None);
        }
        if captures
            .iter()
            .chain(&self.files)
            .any(|file| file.as_os_str() == "-")
        {
            let message =
                "standard input can be read only once, and fields of exec sessions need two passes";
            return Err(CliError::usage(message)
                .hint("store it in a file; `scap fields` says which fields need sessions"));
        }
        let mut all = Captures::open(captures, self.open()?, None, &mut Session::default())?;
        let found = exec_sessions(all.source());
        let found = found.map_err(|error| CliError::replay(&all.name(), &error))?;
        report_sessions(&found);
        Ok(Some(Arc::new(found)))
    }
}

/// Says what a reader of the sessions has to know about them.
fn report_sessions(sessions: &ExecSessions) {
    const NOTED_NS: u64 = 1_000_000_000;
    if let Some(skew) = sessions
        .skew()
        .filter(|skew| skew.unsigned_abs() >= NOTED_NS)
    {
        let ahead = if skew > 0 { "ahead of" } else { "behind" };
        let seconds = Duration::from_nanos(skew.unsigned_abs()).as_secs_f64();
        let message = format!(
            "the clock of the recorded machine seems to be {seconds:.1} s {ahead} the API server's"
        );
        warn(
            &message,
            Some("estimated from exec sessions; the times of events are not changed"),
        );
    }
    let alone = sessions
        .list()
        .iter()
        .filter(|s| s.request.is_none())
        .count() as u64;
    if alone > 0 {
        let were = if alone == 1 { "was" } else { "were" };
        let message = format!(
            "{} {were} started in a container from outside without an exec in the audit log",
            counted(alone, "process")
        );
        warn(
            &message,
            Some("probes, hooks, exec on the node, or nodes/proxy: audit.session=none"),
        );
    }
    if sessions.left_out() > 0 {
        let left_out = sessions.left_out();
        let message = format!("{left_out} execs and processes were not joined: there are too many");
        warn(&message, None);
    }
}

/// Audit logs, with what was found in them.
pub(in crate::cli) struct AuditLogs {
    pub(in crate::cli) source: AuditSource,
    pub(in crate::cli) problems: AuditProblems,
}

/// What has to be reported about audit logs at the end.
pub(in crate::cli) struct AuditProblems {
    /// The reports, and how many more there are.
    lines: Vec<String>,
    more: usize,
    duplicates: u64,
    /// Problems that the source has found before its events were read.
    known: u64,
    streams: Vec<(String, compressed::Damage)>,
}

impl AuditLogs {
    fn open(paths: &[PathBuf]) -> Result<Self, CliError> {
        let mut inputs = Vec::new();
        let mut streams = Vec::new();
        for path in paths {
            let (input, damage) = input(path)?;
            streams.push((input.name.clone(), damage));
            inputs.push(input);
        }
        let source =
            AuditSource::open(inputs).map_err(|error| CliError::failed(error.to_string()))?;
        let mut lines = Vec::new();
        for report in source.reports() {
            for (refusal, count) in &report.counts {
                let problems = report.problems.iter();
                let places = problems.filter(|(_, found)| found == refusal);
                let places: Vec<String> = places
                    .take(MAX_LINES)
                    .map(|(line, _)| line.to_string())
                    .collect();
                let more = count.saturating_sub(places.len() as u64);
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                lines.push(format!(
                    "{}: {} {}{more}: {refusal}",
                    report.name,
                    number::plural(*count, "line"),
                    places.join(", "),
                ));
            }
        }
        let more = lines.len().saturating_sub(MAX_REPORTS);
        lines.truncate(MAX_REPORTS);
        let reports = source.reports().iter();
        let known = reports.flat_map(|report| report.counts.values()).sum();
        let problems = AuditProblems {
            lines,
            more,
            duplicates: source.duplicates(),
            known,
            streams,
        };
        Ok(Self { source, problems })
    }
}

impl AuditProblems {
    /// Warns about all of them; returns true if events can be missing. `damages` is what the source counts.
    pub(in crate::cli) fn report(&self, damages: u64) -> bool {
        for line in &self.lines {
            warn(line, None);
        }
        if self.more > 0 {
            warn(&format!("audit logs: {} more problems", self.more), None);
        }
        let mut is_damaged = self.known > 0;
        for (name, damage) in &self.streams {
            if let Some(what) = damage.get() {
                warn(&format!("{name}: {what}"), None);
                is_damaged = true;
            }
        }
        let changed = damages.saturating_sub(self.known);
        if changed > 0 {
            let events = counted(changed, "event");
            warn(&format!("{events} could not be read: {CHANGED}"), None);
            is_damaged = true;
        }
        if self.duplicates > 0 {
            let events = counted(self.duplicates, "event");
            let message = format!("audit logs: {events} left out, identical to others");
            warn(&message, Some("the files of a rotated log can overlap"));
        }
        is_damaged
    }
}

/// Opens one log. Also returns where the damage of a compressed stream will be.
fn input(path: &Path) -> Result<(AuditInput, compressed::Damage), CliError> {
    let mut input = Input::open(path)?;
    let failed = |error: io::Error| CliError::failed(format!("cannot read {error}"));
    let mut first = Vec::new();
    let mut head = input.bytes.by_ref().take(NATIVE.len() as u64);
    head.read_to_end(&mut first).map_err(failed)?;
    if input.is_sysdig || first == NATIVE {
        let message = format!("{} is a capture, not an audit log", input.name);
        return Err(CliError::usage(message).hint("name captures without --audit"));
    }
    let is_file = path.as_os_str() != "-" && path.is_file();
    let bytes = std::mem::replace(&mut input.bytes, Box::new(io::empty()));
    let stream = Box::new(io::Cursor::new(first).chain(bytes));
    let content = if is_file && input.compressions.is_empty() {
        AuditContent::File(File::open(path).map_err(failed)?)
    } else if is_file {
        let path = path.to_owned();
        let again = move || match Input::open(&path) {
            Ok(input) => Ok(input.bytes),
            Err(_) => Err(io::Error::other("it cannot be opened again")),
        };
        AuditContent::Again(stream, Box::new(again))
    } else {
        AuditContent::Once(stream)
    };
    let name = input.name;
    Ok((AuditInput { name, content }, input.stream_damage))
}

/// Returns the files of a directory that are named like logs, by name: that is the order of rotated files, the current
/// one last.
fn in_directory(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error: io::Error| {
        CliError::failed(format!("cannot read {}: {error}", directory.display()))
    };
    let mut found = Vec::new();
    let mut others = 0_u64;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && is_log(&path) {
            found.push(path);
        } else {
            others += 1;
        }
    }
    found.sort();
    let shown = directory.display();
    if found.is_empty() {
        return Err(CliError::failed(format!("{shown} has no audit logs"))
            .hint("files are read whose names end in .log, .json or .jsonl, also compressed"));
    }
    if others > 0 {
        let files = counted(others, "other file");
        let message = format!("{shown}: {files} not read");
        let hint = "files are read whose names end in .log, .json or .jsonl, also compressed";
        warn(&message, Some(hint));
    }
    Ok(found)
}

fn is_log(path: &Path) -> bool {
    let is = |path: &Path, endings: &[&str]| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    match is(path, &COMPRESSED) {
        true => path
            .file_stem()
            .is_some_and(|stem| is(Path::new(stem), &ENDINGS)),
        false => is(path, &ENDINGS),
    }
}

/// Returns the rotated files of a log, in the order of their times: `audit-2026-07-21T15-25-11.000.log.gz` for
/// `audit.log`.
fn rotated(log: &Path) -> Vec<PathBuf> {
    let parts = log.file_stem().zip(log.extension());
    let Some((Some(stem), Some(ending))) = parts.map(|(s, e)| (s.to_str(), e.to_str())) else {
        return Vec::new();
    };
    let directory = match log.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let is_rotated = |name: &str| {
        let rest = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix('-'));
        let Some(rest) = rest.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) else {
            return false;
        };
        let name = Path::new(rest);
        let bare = match COMPRESSED.iter().any(|c| rest.ends_with(&format!(".{c}"))) {
            true => Path::new(name.file_stem().unwrap_or_default()),
            false => name,
        };
        bare.extension().is_some_and(|e| e == ending)
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_rotated))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_logs() {
        for name in [
            "audit.log",
            "audit-2026-07-21T15-25-11.000.log",
            "a.log.gz",
            "b.jsonl.zst",
            "c.json",
        ] {
            assert!(is_log(Path::new(name)), "{name}");
        }
        for name in ["audit", "log", "a.gz", "a.log.1", "a.txt", "a.log.bz2"] {
            assert!(!is_log(Path::new(name)), "{name}");
        }
    }
}
