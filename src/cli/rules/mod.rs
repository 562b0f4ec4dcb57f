//! `scap rules`, and what it has in common with `scap detect`: the rule files of the command line.

mod check;
mod describe;
mod files;
mod test;

use super::error::{CliError, Outcome};
pub(super) use files::{RuleFiles, Settled, load_all};

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
    /// Run tests of rules: a rule file, a capture, and the alerts that are expected
    ///
    /// A test is a YAML file named `*.test.yaml`: `rules`, `capture` and `audit` name files beside it, `expect` has the number of
    /// alerts of each rule, or the events; all other rules have to be silent. Exit code 1 if a test fails.
    Test(test::Args),
    /// List rules: name, priority, source, tags
    List(describe::ListArgs),
    /// Describe rules and what they need: events, fields, macros
    Describe(describe::Args),
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Test(args) => test::run(args),
        Command::List(args) => describe::list(args),
        Command::Describe(args) => describe::run(args),
    }
}
