//! `scap cat`: the files of one recording in one.

use std::io::Write as _;
use std::path::PathBuf;

use super::convert::pass;
use super::derive::derivation;
use super::error::{CliError, Outcome, warn};
use super::input::Captures;
use super::read::{cannot_write, destination, refuse_same};
use super::stderr;
use crate::event::number::counted;
use crate::event::time;
use crate::export::NativeSink;
use crate::replay::Selection;

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
    let mut sink = NativeSink::new(out, captures.header(), captures.origins(), u64::MAX);
    sink.set_derivation(derivation);
    let end = pass(&mut captures, Selection::default(), &mut sink, &args.output)?;
    let (shown, hidden) = sink.counts();
    let written = sink.finish().and_then(|(mut out, _)| out.flush());
    written.map_err(|error| cannot_write(&args.output, &error))?;
    let offset = captures.header().machine.utc_offset_s;
    for gap in captures.source().gaps() {
        let message = format!(
            "a gap from {} to {}: what happened then is in none of the captures",
            time::iso8601(gap.from.0, offset),
            time::iso8601(gap.to.0, offset)
        );
        warn(&message, None);
    }
    if !args.quiet {
        stderr::print(&format!("{}\n", counted(shown + hidden, "event")));
    }
    Ok(Outcome::of_damage(
        captures.report_damage(end, shown + hidden),
    ))
}
