//! `scap rules test`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files;
use crate::cli::audit::AuditArgs;
use crate::cli::detect::{Findings, Pass};
use crate::cli::error::{CliError, EXIT_FAILED, Outcome};
use crate::cli::output::Output;
use crate::cli::stderr::one_line;
use crate::event::number::counted;
use crate::fields::Context;
use crate::replay;
use crate::rules::{Expected, Match, Matching, Rule, Selection, Settings, TestFile};

/// How test files are named.
const ENDING: &str = ".test.yaml";
/// How many events of a rule are named.
const SHOWN: usize = 10;

/// Arguments of `scap rules test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Test files, or directories with files named `*.test.yaml`
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let mut tests = Vec::new();
    for path in &args.files {
        match path.is_dir() {
            true => tests.extend(in_directory(path)?),
            false => tests.push(path.clone()),
        }
    }
    if tests.is_empty() {
        return Err(CliError::failed(format!("no file is named *{ENDING}")));
    }
    let mut output = Output::new();
    let mut failed = 0;
    for path in &tests {
        let name = one_line(&path.to_string_lossy());
        let problems = test(path)?;
        let result = if problems.is_empty() { "ok" } else { "FAILED" };
        let mut text = format!("{name}: {result}\n");
        for problem in &problems {
            text.push_str(&format!("  {}\n", one_line(problem)));
        }
        failed += u64::from(!problems.is_empty());
        output.buffer().extend_from_slice(text.as_bytes());
        output.written().map_err(|error| CliError::output(&error))?;
    }
    let text = format!("{}, {failed} failed\n", counted(tests.len() as u64, "test"));
    output.buffer().extend_from_slice(text.as_bytes());
    output.finish()?;
    match failed {
        0 => Ok(Outcome::Done),
        _ => Err(CliError::Exited(EXIT_FAILED)),
    }
}

fn in_directory(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    let fail = |error: io::Error| {
        let name = one_line(&path.to_string_lossy());
        CliError::failed(format!("cannot read the directory {name}: {error}"))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.to_string_lossy().ends_with(ENDING) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a test; returns what is not as expected.
fn test(path: &Path) -> Result<Vec<String>, CliError> {
    let name = one_line(&path.to_string_lossy());
    let text = files::read(path)
        .map_err(|error| CliError::failed(format!("cannot read {name}: {error}")))?;
    let test = TestFile::parse(&text).map_err(|finding| {
        let line = finding.context.last().map_or(0, |step| step.mark.line) + 1;
        CliError::usage(format!("{name}:{line}: {}", finding.message))
    })?;
    let dir = path.parent().unwrap_or(Path::new(""));
    let beside = |names: &[String]| names.iter().map(|name| dir.join(name)).collect::<Vec<_>>();
    let (reports, rules) = files::load(&beside(&test.rules), &Settings::default())?;
    let Some(rules) = rules else {
        let wrong = reports
            .iter()
            .find_map(|report| Some((report, report.errors().next()?)));
        let text = wrong.map_or_else(String::new, |(report, error)| {
            format!("{}: {} [{}]", report.name, error.message, error.code.name())
        });
        return Ok(vec![text]);
    };
    let known: Vec<String> = rules.rules().iter().map(|rule| rule.name.clone()).collect();
    let unknown = test.expect.keys().filter(|name| !known.contains(name));
    let mut problems: Vec<String> = unknown
        .map(|name| format!("there is no rule `{name}`"))
        .collect();
    let matching = if test.all {
        Matching::All
    } else {
        Matching::First
    };
    let mut engine = rules
        .into_engine(&Selection::default(), matching)
        .map_err(|error| CliError::usage(error.to_string()))?;
    let needs_sessions = engine.rules().iter().any(Rule::needs_sessions);
    let logs = AuditArgs::of(beside(&test.audit));
    let captures = beside(&test.captures);
    let sessions = logs.sessions(&captures, needs_sessions)?;
    let pass = Pass {
        files: captures,
        audit: logs.open()?,
        sessions,
        selection: replay::Selection::default(),
    };
    let mut found = Found::default();
    let passed = pass.run(&mut engine, &mut found)?;
    if passed.damaged {
        problems.push("a capture is damaged".to_owned());
    }
    let nothing = Expected {
        count: Some(0),
        events: None,
    };
    for name in known {
        let events = found.0.remove(&name).unwrap_or_default();
        let expected = test.expect.get(&name).unwrap_or(&nothing);
        problems.extend(difference(&name, expected, &events));
    }
    Ok(problems)
}

/// Compares the events of a rule with what is expected.
fn difference(name: &str, expected: &Expected, events: &[u64]) -> Option<String> {
    let listed = || {
        let shown: Vec<String> = events
            .iter()
            .take(SHOWN)
            .map(|number| format!("#{number}"))
            .collect();
        let more = if events.len() > SHOWN { ", …" } else { "" };
        let at = if events.is_empty() { "" } else { " at " };
        format!("{at}{}{more}", shown.join(", "))
    };
    if let Some(count) = expected.count
        && count != events.len() as u64
    {
        let found = counted(events.len() as u64, "alert");
        return Some(format!(
            "rule `{name}`: {found} instead of {count}{}",
            listed()
        ));
    }
    let wanted = expected.events.as_ref()?;
    (wanted != events).then(|| {
        let wanted: Vec<String> = wanted.iter().map(|number| format!("#{number}")).collect();
        format!(
            "rule `{name}`: alerts{} instead of at {}",
            listed(),
            wanted.join(", ")
        )
    })
}

/// The numbers of the events by rule.
#[derive(Default)]
struct Found(BTreeMap<String, Vec<u64>>);

impl Findings for Found {
    fn found(&mut self, cx: &Context<'_>, found: &Match<'_>, _: Option<&str>) -> io::Result<()> {
        let events = self.0.entry(found.rule.name.clone()).or_default();
        events.push(cx.event.num.0);
        Ok(())
    }
}
