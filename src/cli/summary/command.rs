//! `scap summary`.

use std::fs;
use std::path::PathBuf;

use super::Account;
use crate::cli::aggregate::{Aggregated, Input, Threads, aggregate};
use crate::cli::error::{CliError, Outcome};
use crate::cli::input::Captures;
use crate::cli::output::{Output, ascii_json};
use crate::cli::positionals::CaptureArgs;
use crate::cli::window::Window;
use crate::fields::Session;
use crate::replay::{self, EventSource, Needs};

/// Arguments of `scap summary`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    captures: CaptureArgs,

    /// Print JSON, with up to 1000 rows of each list
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    threads: Threads,
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (files, _, mut selection) = args.captures.parse(true)?;
    let window = Window::new(&files, None, &mut selection);
    let filter = selection.filter.as_ref();
    let depends = filter.is_some_and(|filter| filter.pushdown().depends_on_all.is_some());
    let input = Input {
        files: &files,
        selection: &selection,
        may_skip: true,
        threads: match depends {
            true => 1,
            false => args.threads.count(),
        },
        // Whether a capture is intact is what `scap verify` answers.
        needs: Needs {
            data: false,
            verifies: false,
            ..Needs::ALL
        },
        session: &Session::default,
    };
    let found = aggregate(&input, None, &|captures, is_part| {
        let arch = replay::arch(captures.header());
        match is_part {
            true => Account::of_part(arch),
            false => Account::new(arch),
        }
    })?;
    let Aggregated {
        sink: mut account,
        end,
        has_missed,
        mut captures,
    } = found;
    let end = end?;
    let size = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        metadata.is_file().then_some(metadata.len())
    };
    let bytes: Option<u64> = files.iter().map(size).sum();
    let name = captures.first().map(Captures::name).unwrap_or_default();
    let sources = captures.iter_mut().map(|captures| &*captures.source());
    let sources: Vec<&dyn EventSource> = sources.map(|source| source as _).collect();
    account.finish(&sources, end, bytes);
    let mut output = Output::new();
    if args.json {
        let json = account.to_json(&name);
        ascii_json(output.buffer(), &format!("{json:#}"));
        output.buffer().push(b'\n');
    } else {
        account.print(output.buffer());
    }
    output.finish()?;
    if has_missed {
        window.warn_of_no_events();
    }
    let damaged = Captures::report_shares(&captures, end, account.info.events);
    Ok(Outcome::of_damage(damaged))
}
