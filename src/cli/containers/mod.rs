//! `scap containers`.

mod census;
mod print;

use std::ffi::OsString;
use std::path::PathBuf;

use super::diagnostic;
use super::error::{CliError, Outcome, warn};
use super::input::Captures;
use super::output::Output;
use super::positionals;
use super::window::Window;
use crate::fields::Session;
use crate::filter::When;
use crate::replay::{Extent, Pipeline, Selection};

use census::{AtOnce, Census};

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

    /// List only the containers that have processes at this point: a time (`2026-11-24 03:12:01.5`,
    /// `03:12:01`), an offset from the first event (`+12.5s`) or an event number (`#123`)
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
        filter => Some(positionals::filter(&positionals::join(filter)?)?),
    };
    let at = args.at.as_deref().map(|text| {
        let when = When::parse(text);
        when.map_err(|error| diagnostic::filter("--at", text, &error))
    });
    let at = at.transpose()?;
    let files = std::slice::from_ref(&args.file);
    let mut selection = Selection {
        filter: filter.clone().filter(|_| at.is_none()),
        from: at,
        to: None,
    };
    let window = Window::new(files, None, &mut selection);
    let mut session = Session::default();
    let mut captures =
        Captures::open(files, None, Some(Extent::All(selection.from)), &mut session)?;
    let name = captures.name();
    let failed = |error| CliError::replay(&name, &error);
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let (census, end) = match at {
        None => {
            let mut census = Census::new(filter.is_some());
            let end = pipeline
                .run(captures.source(), &mut census)
                .map_err(failed)?;
            (census, end)
        }
        Some(_) => {
            let mut sink = AtOnce::new(filter);
            let end = pipeline.run(captures.source(), &mut sink).map_err(failed)?;
            (sink.finish(), end)
        }
    };
    if census.is_cut() {
        warn(
            &format!("{name}: too many containers; only the first ones are listed"),
            None,
        );
    }
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    let mut output = Output::new();
    let rows = print::rows(&census, pipeline.origins());
    if args.json {
        print::json(&mut output, &name, args.at.as_deref(), &rows)
            .map_err(|e| CliError::output(&e))?;
    } else {
        print::table(output.buffer(), &rows, at.is_none());
    }
    output.finish()?;
    let damaged = captures.report_damage(end, census.events());
    Ok(Outcome::of_damage(damaged))
}
