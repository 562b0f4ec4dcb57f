//! `scap cat`: the files of one recording in one.

use std::path::PathBuf;

use super::convert::copy;
use super::derive::derivation;
use super::error::{CliError, Outcome, warn};
use super::input::Captures;
use super::read::{destination, refuse_same};
use super::stderr;
use crate::event::number::counted;
use crate::event::time;

/// Arguments of `scap cat`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The captures of one machine, since one boot, in the order in which they were recorded
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The capture to write; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Do not print what was written
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    for file in &args.files {
        refuse_same(file, &args.output)?;
    }
    let derivation = derivation("cat", &[], &args.files)?;
    let mut captures = Captures::joined(&args.files)?;
    let out = destination(&args.output)?;
    let copied = copy(&mut captures, out, &args.output, Some(derivation), &[])?;
    let offset = captures.header().machine.utc_offset_s;
    for gap in captures.source().gaps() {
        let message = format!(
            "a gap from {} to {}: what happened then is in none of the captures",
            time::iso8601(gap.from.0, offset),
            time::iso8601(gap.to.0, offset)
        );
        warn(&message, None);
    }
    let events = copied.shown + copied.hidden;
    if !args.quiet {
        stderr::print(&format!("{}\n", counted(events, "event")));
    }
    Ok(Outcome::of_damage(
        captures.report_damage(copied.end, events),
    ))
}
