//! `scap verify`.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::parent::{Comparison, compare};
use super::report::{Integrity, Report};
use super::seals::{self, Seals};
use super::text::describe;
use super::{survey, write_json};
use crate::cli::error::{CliError, Outcome};
use crate::cli::output::Output;
use crate::event::number::counted;
use crate::event::text;
use crate::replay::chunks_lacking_names;
use crate::seal;

/// Arguments of `scap verify`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The captures; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Also compare the events with those of this capture, which the verified one was made from; once for each, if
    /// there are several
    #[arg(long = "parent", value_name = "PARENT")]
    parents: Vec<PathBuf>,
    /// The captures have to be sealed as a whole with this key: its public half, in PEM
    #[arg(long = "pub", value_name = "PEM")]
    public: Option<PathBuf>,

    /// Print nothing; the exit code says it
    #[arg(short, long)]
    quiet: bool,

    /// Print a JSON object per capture
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// What is printed of a capture as JSON.
#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    events: u64,
    #[serde(flatten)]
    integrity: &'a Integrity<'a>,
    /// What the comparison with its parents has found.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a Comparison>,
    seal: Option<&'a Seals>,
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args) -> Result<Outcome, CliError> {
    if !args.parents.is_empty() && args.files.len() != 1 {
        return Err(CliError::usage("--parent is of one capture"));
    }
    let key = args.public.as_deref().map(seal::public_key).transpose()?;
    let mut output = Output::new();
    let mut is_damaged = false;
    // What cannot be read at all is reported after the others.
    let mut failed = None;
    for file in &args.files {
        let comparison = match args.parents.as_slice() {
            [] => None,
            parents => Some(compare(file, parents)?),
        };
        let verified = survey(file, |report, again| {
            if again.is_some() {
                compare_names(report, file)?;
            }
            let seals = seals::check(report, again, key.as_ref())?;
            print(
                args,
                &mut output,
                report,
                (comparison.as_ref(), seals.as_ref()),
            )?;
            let is_proved = comparison.as_ref().is_none_or(|found| found.proved);
            Ok(report.integrity.intact && is_proved)
        });
        match verified {
            Ok(is_intact) => is_damaged |= !is_intact,
            Err(error) if args.files.len() == 1 => return Err(error),
            Err(error) => {
                output.flush().map_err(|e| CliError::output(&e))?;
                if let Some(earlier) = failed.replace(error) {
                    earlier.print();
                }
            }
        }
    }
    output.finish()?;
    match failed {
        Some(error) => Err(error),
        None => Ok(Outcome::of_damage(is_damaged)),
    }
}

/// Compares the names that an intact capture has for searches with its events: what lacks them would be skipped.
fn compare_names(report: &mut Report<'_>, file: &Path) -> Result<(), CliError> {
    if !report.integrity.intact || !report.is_native() {
        return Ok(());
    }
    let open =
        || File::open(file).map_err(|e| CliError::failed(format!("{}: {e}", file.display())));
    let lacking = chunks_lacking_names(open()?, open()?);
    for offset in lacking.map_err(|e| CliError::failed(e.to_string()))? {
        let what = "names of the events are missing where searches look for them";
        report.integrity.note(offset, what);
    }
    Ok(())
}

fn print(
    args: &Args,
    output: &mut Output,
    report: &Report<'_>,
    (comparison, seals): (Option<&Comparison>, Option<&Seals>),
) -> Result<(), CliError> {
    if args.quiet {
        return Ok(());
    }
    let integrity = &report.integrity;
    if args.json {
        let entry = Entry {
            file: report.file,
            events: report.events.total,
            integrity,
            parent: comparison,
            seal: seals,
        };
        return write_json(output, &serde_json::to_string(&entry));
    }
    let (sections, mut state) = describe(integrity);
    if let Some(problem) = seals.and_then(|seals| seals.problem) {
        let and = if integrity.damages == 0 { "but" } else { "and" };
        state = format!("{state}, {and} {problem}");
    }
    let out = output.buffer();
    text::escape(out, report.file.as_bytes());
    let events = counted(report.events.total, "event");
    out.extend_from_slice(format!(": {state}; {events}, {sections}\n").as_bytes());
    for damage in &integrity.first_damages {
        let line = format!("    byte {}: {}\n", damage.offset, damage.what);
        text::escape(out, line.trim_end().as_bytes());
        out.push(b'\n');
    }
    let listed = integrity.first_damages.len() as u64;
    if integrity.damages > listed {
        let more = counted(integrity.damages - listed, "more place");
        out.extend_from_slice(format!("    {more}\n").as_bytes());
    }
    if let Some(comparison) = comparison {
        comparison.text(out);
    }
    if let Some(seals) = seals {
        seals.text(out);
    }
    output.written().map_err(|e| CliError::output(&e))
}
