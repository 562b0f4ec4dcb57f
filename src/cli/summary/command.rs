//! `scap summary`.

use std::fs;
use std::path::PathBuf;

use super::Account;
use crate::cli::error::{CliError, Outcome};
use crate::cli::input::Captures;
use crate::cli::output::{Output, ascii_json};
use crate::cli::positionals::CaptureArgs;
use crate::cli::window::Window;
use crate::fields::Session;
use crate::replay::{self, Extent, Pipeline};

/// Arguments of `scap summary`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    captures: CaptureArgs,

    /// Print JSON, with up to 1000 rows of each list
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (files, _, mut selection) = args.captures.parse(true)?;
    let window = Window::new(&files, None, &mut selection);
    let mut session = Session::default();
    let wanted = Some(Extent::Events(&selection));
    let mut captures = Captures::open(&files, None, wanted, &mut session)?;
    let mut account = Account::new(replay::arch(captures.header()));
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let end = pipeline
        .run(captures.source(), &mut account)
        .map_err(|error| CliError::replay(&captures.name(), &error))?;
    let size = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        metadata.is_file().then_some(metadata.len())
    };
    let bytes: Option<u64> = files.iter().map(size).sum();
    account.finish(captures.source(), end, bytes);
    let mut output = Output::new();
    if args.json {
        let json = account.to_json(&captures.name());
        ascii_json(output.buffer(), &format!("{json:#}"));
        output.buffer().push(b'\n');
    } else {
        account.print(output.buffer());
    }
    output.finish()?;
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    let damaged = captures.report_damage(end, account.info.events);
    Ok(Outcome::of_damage(damaged))
}
