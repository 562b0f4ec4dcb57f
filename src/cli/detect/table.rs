//! Back-testing: rules over many captures, each by itself, as a table.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::replay::{Findings, Pass};
use crate::cli::error::{CliError, Outcome, warn};
use crate::cli::output::{self, Output};
use crate::cli::stderr::one_line;
use crate::cli::table::{self, Side};
use crate::event::number::grouped;
use crate::event::time::NS_PER_S;
use crate::fields::Context;
use crate::replay::Selection;
use crate::rules::{Engine, Match};

/// How deep directories are searched.
const MAX_DEPTH: usize = 8;
/// Limit of the captures of a table.
const MAX_CAPTURES: usize = 10_000;
/// Columns of captures in a table; more are in JSON only.
const COLUMNS: usize = 8;

/// Returns the captures below directories, sorted, and the files that are named.
pub(super) fn captures(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => found.extend(below(path).map_err(|error| {
                let name = one_line(&path.to_string_lossy());
                CliError::failed(format!("cannot read the directory {name}: {error}"))
            })?),
            false => found.push(path.clone()),
        }
    }
    match found.len() {
        0 => Err(CliError::failed(
            "no capture: no file has `.scap` in its name",
        )),
        count if count > MAX_CAPTURES => Err(CliError::failed(format!(
            "more than {MAX_CAPTURES} captures"
        ))),
        _ => Ok(found),
    }
}

/// Returns the captures below a directory, sorted.
pub(super) fn below(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    search(path, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn search(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // Links are not followed: they could lead in a circle.
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < MAX_DEPTH {
            search(&entry.path(), depth + 1, found)?;
        } else if kind.is_file() && is_capture(&entry.file_name()) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn is_capture(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.ends_with(".scap") || name.contains(".scap.") && !name.ends_with(".toml")
}

/// The alerts of a set of rules, by rule and capture.
pub(super) struct Table {
    /// The names of the rules, in order, with priorities.
    rules: Vec<(String, &'static str)>,
    /// For each capture: its name, events, nanoseconds, and alerts by rule.
    captures: Vec<Column>,
    is_damaged: bool,
}

struct Column {
    name: String,
    events: u64,
    span: u64,
    alerts: Vec<u64>,
}

/// Nothing is done with the alerts; the engine counts them.
struct Count;

impl Findings for Count {
    fn found(&mut self, _: &Context<'_>, _: &Match<'_>, _: Option<&str>) -> io::Result<()> {
        Ok(())
    }
}

impl Table {
    /// Runs rules over captures, each by itself. One that cannot be read is reported.
    pub(super) fn of(engine: &mut Engine, files: &[PathBuf], selection: &Selection) -> Self {
        let rules = engine
            .rules()
            .iter()
            .map(|rule| (rule.name.clone(), rule.priority.name()));
        let mut table = Self {
            rules: rules.collect(),
            captures: Vec::new(),
            is_damaged: false,
        };
        for file in files {
            engine.restart();
            let pass = Pass {
                files: vec![file.clone()],
                audit: None,
                sessions: None,
                selection: selection.clone(),
            };
            match pass.run(engine, &mut Count) {
                Ok(passed) => {
                    table.is_damaged |= passed.damaged;
                    let (first, last) = passed.times.unwrap_or_default();
                    table.captures.push(Column {
                        name: one_line(&file.to_string_lossy()),
                        events: passed.events,
                        span: last - first,
                        alerts: engine.counts().by_rule,
                    });
                }
                Err(error) => {
                    error.print();
                    table.is_damaged = true;
                }
            }
        }
        table
    }

    fn alerts(&self, rule: usize) -> u64 {
        let captures = self.captures.iter();
        captures
            .map(|c| c.alerts.get(rule).copied().unwrap_or(0))
            .sum()
    }

    /// Returns the alerts of an hour, over all captures.
    fn per_hour(&self, alerts: u64) -> f64 {
        let span: u64 = self.captures.iter().map(|c| c.span).sum();
        let hours = span as f64 / (3600.0 * NS_PER_S as f64);
        if hours > 0.0 {
            alerts as f64 / hours
        } else {
            0.0
        }
    }

    /// Prints the table of all rules with an alert.
    pub(super) fn print(&self, json: bool) -> Result<Outcome, CliError> {
        let mut out = Output::new();
        if json {
            for (rule, (name, priority)) in self.rules.iter().enumerate() {
                let alerts = self.alerts(rule);
                let of = |c: &Column| (c.name.clone(), json!(c.alerts.get(rule)));
                let line = json!({
                    "rule": name,
                    "priority": priority,
                    "alerts": alerts,
                    "per_hour": self.per_hour(alerts),
                    "captures": self.captures.iter().map(of).collect::<serde_json::Map<_, _>>(),
                });
                output::ascii_json(out.buffer(), &line.to_string());
                out.buffer().push(b'\n');
                out.written().map_err(|error| CliError::output(&error))?;
            }
        } else {
            self.text(out.buffer());
        }
        out.finish()?;
        Ok(Outcome::of_damage(self.is_damaged))
    }

    fn text(&self, out: &mut Vec<u8>) {
        let shown = self.captures.len().min(COLUMNS);
        let numbers: Vec<String> = (1..=shown).map(|number| format!("[{number}]")).collect();
        let mut head = vec![
            ("RULE", Side::Left),
            ("ALERTS", Side::Right),
            ("PER HOUR", Side::Right),
        ];
        head.extend(numbers.iter().map(|number| (&**number, Side::Right)));
        let mut rows = Vec::new();
        for (rule, (name, _)) in self.rules.iter().enumerate() {
            let alerts = self.alerts(rule);
            if alerts == 0 {
                continue;
            }
            let mut row = vec![
                one_line(name),
                grouped(alerts),
                format!("{:.1}", self.per_hour(alerts)),
            ];
            let columns = self.captures.iter().take(shown);
            row.extend(columns.map(|c| grouped(c.alerts.get(rule).copied().unwrap_or(0))));
            rows.push(row);
        }
        table::write(out, &head, &rows);
        let silent = self.rules.len() - rows.len();
        let mut text = format!("\n{silent} of {} rules gave no alert\n", self.rules.len());
        for (number, capture) in numbers.iter().zip(&self.captures) {
            let seconds = capture.span as f64 / NS_PER_S as f64;
            text.push_str(&format!(
                "{number} {}: {} events in {seconds:.1} s\n",
                capture.name,
                grouped(capture.events)
            ));
        }
        if self.captures.len() > shown {
            let more = self.captures.len() - shown;
            text.push_str(&format!("and {more} more captures, which -j lists\n"));
        }
        out.extend_from_slice(text.as_bytes());
    }

    /// Prints how this table differs from that of older rules.
    pub(super) fn print_difference(&self, old: &Self, json: bool) -> Result<Outcome, CliError> {
        let by_name = |table: &Self| {
            let rules = table.rules.iter().enumerate();
            rules
                .map(|(rule, (name, _))| (name.clone(), table.alerts(rule)))
                .collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (by_name(old), by_name(self));
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        let mut out = Output::new();
        let mut rows = Vec::new();
        for name in names {
            let (was, is) = (before.get(name), after.get(name));
            if was == is || was.unwrap_or(&0) == is.unwrap_or(&0) && was.is_some() == is.is_some() {
                continue;
            }
            if json {
                let line = json!({"rule": name, "before": was, "after": is});
                output::ascii_json(out.buffer(), &line.to_string());
                out.buffer().push(b'\n');
                continue;
            }
            let cell = |count: Option<&u64>| {
                count.map_or_else(|| table::UNKNOWN.to_owned(), |n| grouped(*n))
            };
            let change = i128::from(*is.unwrap_or(&0)) - i128::from(*was.unwrap_or(&0));
            rows.push(vec![
                one_line(name),
                cell(was),
                cell(is),
                format!("{change:+}"),
            ]);
        }
        if !json {
            let head = [
                ("RULE", Side::Left),
                ("BEFORE", Side::Right),
                ("AFTER", Side::Right),
                ("CHANGE", Side::Right),
            ];
            match rows.is_empty() {
                true => out
                    .buffer()
                    .extend_from_slice(b"no rule gives more or fewer alerts\n"),
                false => table::write(out.buffer(), &head, &rows),
            }
        }
        out.finish()?;
        if old.captures.len() != self.captures.len() {
            warn(
                "some captures could be read by one of the two runs only",
                None,
            );
        }
        Ok(Outcome::of_damage(self.is_damaged))
    }
}
