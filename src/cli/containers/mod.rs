//! `scap containers`.

mod census;
mod print;

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{CliError, Outcome, warn};
use super::input::Captures;
use super::output::Output;
use super::positionals;
use super::state::{self, Moment, Want};
use crate::fields::Session;
use crate::replay::{Extent, OriginState, Pipeline, Selection};

use census::Census;

/// Arguments of `scap containers`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Count only events that match this filter, and list only containers with such events. With
    /// --at: count only processes that match
    #[arg(value_name = "FILTER")]
    filter: Vec<OsString>,

    /// List only the containers that have processes at this instant: a time (`2026-11-24 03:12:01.5`, `03:12:01`), an
    /// offset from the first event (`+12.5s`), an event number (`#123`), `start` (before the first event) or `end`
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,

    /// Print JSON with all details
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let filter = match &args.filter[..] {
        [] => None,
        filter => Some(positionals::join(filter)?),
    };
    let filter = filter.as_deref();
    match &args.at {
        Some(at) => at_instant(args, at, filter),
        None => of_all(args, filter),
    }
}

/// Lists the containers that have processes at an instant.
fn at_instant(args: &Args, at: &str, filter: Option<&str>) -> Result<Outcome, CliError> {
    let mut filter = filter.map(state::filter_of_state).transpose()?;
    let files = std::slice::from_ref(&args.file);
    let moment = Moment::of(files, "--at", at, Want::State)?;
    let origins = &moment.instant.origins;
    let census = Census::of_states(origins, &mut filter);
    print(args, &moment.name, &census, origins)?;
    Ok(Outcome::of_damage(moment.is_damaged))
}

/// Lists the containers of the whole capture.
fn of_all(args: &Args, filter: Option<&str>) -> Result<Outcome, CliError> {
    let selection = Selection {
        filter: filter.map(positionals::filter).transpose()?,
        ..Selection::default()
    };
    let mut census = Census::new(filter.is_some());
    let files = std::slice::from_ref(&args.file);
    let mut session = Session::default();
    let mut captures = Captures::open(files, None, Some(Extent::All(None)), &mut session)?;
    let name = captures.name();
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let end = pipeline.run(captures.source(), &mut census);
    let end = end.map_err(|error| CliError::replay(&name, &error))?;
    print(args, &name, &census, pipeline.origins())?;
    let damaged = captures.report_damage(end, census.events());
    Ok(Outcome::of_damage(damaged))
}

fn print(
    args: &Args,
    name: &str,
    census: &Census,
    origins: &[OriginState],
) -> Result<(), CliError> {
    if census.is_cut() {
        warn(
            &format!("{name}: too many containers; only the first ones are listed"),
            None,
        );
    }
    let mut output = Output::new();
    let rows = print::rows(census, origins);
    if args.json {
        print::json(&mut output, name, args.at.as_deref(), &rows)
            .map_err(|e| CliError::output(&e))?;
    } else {
        print::table(output.buffer(), &rows, args.at.is_none());
    }
    output.finish()
}
