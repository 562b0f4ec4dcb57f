//! `scap rules`, and what it has in common with `scap detect`: the rule files of the command line.

mod check;
mod describe;
mod files;

use super::error::{CliError, Outcome};
pub(super) use files::RuleFiles;

/// Arguments of `scap rules`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check rule files: exit code 1 if there are errors
    ///
    /// Errors and warnings have the codes of Falco, and `-j` the form of its validation.
    Check(check::Args),
    /// List rules: name, priority, source, tags
    List(describe::ListArgs),
    /// Describe rules and what they need: events, fields, macros
    Describe(describe::Args),
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::List(args) => describe::list(args),
        Command::Describe(args) => describe::run(args),
    }
}
