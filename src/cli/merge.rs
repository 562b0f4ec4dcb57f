//! `scap merge`: captures of several machines in one.

use std::path::PathBuf;

use serde::Serialize;

use super::convert::{copy, pass};
use super::derive::derivation;
use super::error::{CliError, Outcome};
use super::input::Captures;
use super::output::{Output, ascii_json};
use super::read::{destination, refuse_same};
use super::stderr;
use crate::event::number::counted;
use crate::filter::Filter;
use crate::inspect::clocks::{ClockOffset, ClockSurvey};
use crate::replay::Selection;

/// Arguments of `scap merge`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The captures, of one or several machines
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    files: Vec<PathBuf>,

    /// The capture to write; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Shift the times of all machines to the clock of the first one, by the estimated offsets
    #[arg(long)]
    align: bool,

    /// Print what was found out about the clocks as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

/// What is printed of a capture's clock.
#[derive(Serialize)]
struct Clock {
    file: String,
    host_name: String,
    /// How far it is ahead of the clock of the first capture; absent without a connection that both recorded.
    ahead_ns: Option<i64>,
    at_least_ns: Option<i64>,
    at_most_ns: Option<i64>,
    connections_to_it: usize,
    connections_from_it: usize,
    compared_with: Option<String>,
    aligned: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    for file in &args.files {
        refuse_same(file, &args.output)?;
        if file.as_os_str() == "-" {
            let message =
                "merge reads the captures twice, and standard input can be read only once";
            return Err(CliError::usage(message));
        }
    }
    let is_to_stdout = args.output.as_os_str() == "-";
    if args.json && is_to_stdout {
        return Err(CliError::usage(
            "--json and the capture cannot both be on standard output",
        ));
    }
    let mut captures = Captures::aligned(&args.files, &[])?;
    let mut survey = ClockSurvey::default();
    let filter = "evt.type in (connect, accept, accept4)";
    let filter = Filter::parse(filter).map_err(|error| CliError::failed(error.to_string()))?;
    let selection = Selection {
        filter: Some(filter),
        ..Selection::default()
    };
    pass(&mut captures, selection, &mut survey, &args.output)?;
    let offsets = survey.offsets(captures.origins().len());
    let clocks = clocks(&captures, &offsets, args.align);
    let shifts: Vec<i64> = match args.align {
        true => offsets
            .iter()
            .map(|offset| offset.map_or(0, |offset| offset.ns.saturating_neg()))
            .collect(),
        false => Vec::new(),
    };
    let shift = shifts
        .iter()
        .map(i64::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    let options = [
        ("align", args.align.then_some("")),
        ("shift-ns", args.align.then_some(shift.as_str())),
    ];
    let derivation = derivation("merge", &options, &args.files)?;

    let mut captures = Captures::aligned(&args.files, &shifts)?;
    let out = destination(&args.output)?;
    let copied = copy(&mut captures, out, &args.output, Some(derivation), &[])?;
    if args.json {
        print_json(&clocks)?;
    } else if !args.quiet {
        print(&clocks, copied.shown);
    }
    let events = copied.shown + copied.hidden;
    Ok(Outcome::of_damage(
        captures.report_damage(copied.end, events),
    ))
}

fn clocks(captures: &Captures, offsets: &[Option<ClockOffset>], align: bool) -> Vec<Clock> {
    let origins = captures.origins();
    let clock = |(number, offset): (usize, &Option<ClockOffset>)| Clock {
        file: origins[number].name.clone(),
        host_name: origins[number].machine.host_name.clone(),
        ahead_ns: offset.map(|offset| offset.ns),
        at_least_ns: offset.and_then(|offset| offset.at_least),
        at_most_ns: offset.and_then(|offset| offset.at_most),
        connections_to_it: offset.map_or(0, |offset| offset.connections[0]),
        connections_from_it: offset.map_or(0, |offset| offset.connections[1]),
        compared_with: offset
            .filter(|_| number > 0)
            .and_then(|offset| origins.get(usize::from(offset.with.0)))
            .map(|origin| origin.name.clone()),
        aligned: align && offset.is_some_and(|offset| offset.ns != 0),
    };
    offsets.iter().enumerate().map(clock).collect()
}

/// Says how far the clocks are apart.
fn print(clocks: &[Clock], events: u64) {
    let mut text = format!("{}\n", counted(events, "event"));
    for clock in clocks.iter().skip(1) {
        let Some(ahead) = clock.ahead_ns else {
            text += &format!(
                "{}: no connection that both ends recorded says how far its clock is ahead or behind\n",
                clock.file
            );
            continue;
        };
        let way = if ahead < 0 { "behind" } else { "ahead of" };
        text += &format!(
            "{}: its clock is {} s {way} that of {}",
            clock.file,
            seconds(ahead.unsigned_abs()),
            clocks[0].file
        );
        let bound = |bound: Option<i64>| {
            bound.map(|ns| {
                format!(
                    "{}{}",
                    if ns < 0 { "-" } else { "" },
                    seconds(ns.unsigned_abs())
                )
            })
        };
        match (bound(clock.at_least_ns), bound(clock.at_most_ns)) {
            (Some(least), Some(most)) => text += &format!(", between {least} and {most} s"),
            (None, Some(most)) => text += &format!(", at most {most} s ahead"),
            (Some(least), None) => text += &format!(", at least {least} s ahead"),
            (None, None) => {}
        }
        text += &format!(
            " ({} to it, {} from it)",
            counted(clock.connections_to_it as u64, "connection"),
            clock.connections_from_it
        );
        text += match clock.aligned {
            true => "; its times were shifted\n",
            false => "\n",
        };
    }
    stderr::print(&text);
}

/// Returns a duration in seconds, with six decimals.
fn seconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000)
}

fn print_json(clocks: &[Clock]) -> Result<(), CliError> {
    let json = serde_json::to_string(clocks);
    let json = json.map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
    let mut output = Output::new();
    ascii_json(output.buffer(), &json);
    output.buffer().push(b'\n');
    output.finish()
}
