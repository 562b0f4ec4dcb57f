//! Chisels on the command line: `-c` of `read` and `live`, and `scap chisel`.

mod list;
mod new;
mod run;
mod test;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Subcommand;

use super::error::{CliError, Outcome};
use crate::chisel::view::ViewErrorKind;
use crate::chisel::{self, ChiselError, Policy, ScriptRegistry, Wanted};
use crate::event::suggest::did_you_mean;

pub(super) use run::{Rerun, Sources, live, read, watched};
#[cfg(any(test, fuzzing))]
pub(super) use test::reassembled;
pub(super) use words::expand;

/// Memory limits of one script, in MiB.
const DEFAULT_MEMORY: u32 = 512;
const MOST_MEMORY: u32 = 65_536;
/// Limit of the instructions of one call, in millions.
const DEFAULT_INSTRUCTIONS: u64 = 2000;
/// Time limit of one call, in seconds.
const DEFAULT_TIMEOUT: u64 = 60;

/// Arguments of `read` and `live` about chisels.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Chisels")]
pub(super) struct ChiselArgs {
    /// Run this script over the events instead of printing them, as sysdig does. The next word
    /// holds its arguments: -c 'spy_port' 80. `scap chisel list` lists all chisels; can be given
    /// several times
    #[arg(short = 'c', long = "chisel", value_name = "NAME [ARGS]")]
    chisel: Vec<String>,

    /// The arguments of each chisel, filled in by [`expand`].
    #[arg(long = words::ARGUMENTS, hide = true)]
    arguments: Vec<String>,

    /// Let chisels write files, into this directory only
    #[arg(long, value_name = "DIR")]
    chisel_output: Option<PathBuf>,

    /// Let chisels do everything that your user can: files, programs, network, C libraries
    #[arg(long)]
    chisel_unsafe: bool,

    /// Memory limit of one script
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MEMORY)))]
    chisel_memory: u32,

    /// Instruction limit of one call into a script, in millions
    #[arg(long, value_name = "MILLIONS", default_value_t = DEFAULT_INSTRUCTIONS, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    chisel_instructions: u64,

    /// Time limit of one call into a script
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT, value_parser = clap::value_parser!(u64).range(1..))]
    chisel_timeout: u64,
}

impl ChiselArgs {
    /// Returns true if no chisel was given.
    pub(super) fn is_empty(&self) -> bool {
        self.chisel.is_empty()
    }

    /// Inherits the permissions that the user gave the first run.
    pub(super) fn inherit(&mut self, from: &Self) {
        let (chisel, arguments) = (self.chisel.clone(), self.arguments.clone());
        *self = Self {
            chisel,
            arguments,
            ..from.clone()
        };
    }

    /// Checks that chisels of these names exist, so that an unknown name is reported before the
    /// words after it are parsed as a filter.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let registry = ScriptRegistry::from_environment();
        for name in &self.chisel {
            let script = registry.find(name)?;
            // The error of a script that cannot be loaded comes before that of a word that would have
            // been its argument.
            if !self.chisel_unsafe {
                let registry = ScriptRegistry::from_environment();
                chisel::info(registry, self.policy(), script)?;
            }
        }
        Ok(())
    }

    /// Finds the limits in the words of a command line. Scripts are run for the arguments that they declare before clap can
    /// parse it, under the limits that the user gave.
    pub(super) fn limits_in(words: &[OsString]) -> Self {
        let options = words.iter().take_while(|word| *word != "--");
        let options: Vec<&str> = options.filter_map(|word| word.to_str()).collect();
        let given = |option: &str| {
            let at = options.iter().rposition(|word| {
                let rest = word.strip_prefix(option);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })?;
            match options[at].split_once('=') {
                Some((_, value)) => value.parse().ok(),
                None => options.get(at + 1)?.parse().ok(),
            }
        };
        let memory = given("--chisel-memory").and_then(|mib: u64| u32::try_from(mib).ok());
        Self {
            chisel_memory: memory.map_or(DEFAULT_MEMORY, |mib| mib.clamp(1, MOST_MEMORY)),
            chisel_instructions: given("--chisel-instructions").unwrap_or(DEFAULT_INSTRUCTIONS),
            chisel_timeout: given("--chisel-timeout").unwrap_or(DEFAULT_TIMEOUT),
            ..Self::default()
        }
    }

    fn wanted(&self) -> Vec<Wanted> {
        let mut arguments = self.arguments.iter();
        let pair = |name: &String| Wanted {
            name: name.clone(),
            arguments: arguments.next().cloned().unwrap_or_default(),
        };
        self.chisel.iter().map(pair).collect()
    }

    fn policy(&self) -> Policy {
        Policy {
            describes: false,
            output: self.chisel_output.clone(),
            unrestricted: self.chisel_unsafe,
            memory: (self.chisel_memory as usize) << 20,
            instructions: self.chisel_instructions.saturating_mul(1_000_000),
        }
    }
}

/// Arguments of `scap chisel`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the available chisels and views
    List(list::ListArgs),
    /// Describe a chisel and its arguments
    Info(list::InfoArgs),
    /// Write a script template
    New(new::NewArgs),
    /// Compare the output of scripts with the expected output
    Test(test::TestArgs),
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    match &args.command {
        Command::List(args) => list::list(args),
        Command::Info(args) => list::info(args),
        Command::New(args) => new::run(args),
        Command::Test(args) => test::run(args),
    }
}

impl From<ChiselError> for CliError {
    fn from(error: ChiselError) -> Self {
        use super::diagnostic;
        match error {
            ChiselError::NotFound { name, similar } => {
                if name == "l" {
                    return Self::usage("-cl is an option of sysdig")
                        .hint("`scap chisel list` lists the chisels");
                }
                let failed = Self::usage(format!("there is no chisel `{name}`"));
                match did_you_mean(&similar) {
                    Some(hint) => failed.hint(format!("{hint} `scap chisel list` lists them all")),
                    None => failed.hint("`scap chisel list` lists them all; a path names a file"),
                }
            }
            ChiselError::Arguments {
                chisel,
                reason,
                usage,
            } => {
                let failed = Self::usage(format!("chisel {chisel}: {reason}"));
                if usage.is_empty() {
                    failed
                } else {
                    failed.hint(format!(
                        "{usage}; `scap chisel info {chisel}` describes them"
                    ))
                }
            }
            ChiselError::Filter {
                chisel,
                text,
                error,
            } => diagnostic::filter(&format!("filter of chisel {chisel}"), &text, &error),
            ChiselError::View { chisel, error } => match error.kind {
                ViewErrorKind::Filter { text, error } => {
                    diagnostic::filter(&format!("filter of {chisel}"), &text, &error)
                }
                _ => Self::usage(format!("{chisel}: invalid view: {error}")),
            },
            ChiselError::Script {
                chisel,
                message,
                place,
                hint,
                is_running,
            } => {
                let (first, more) = message.split_once('\n').unwrap_or((&message, ""));
                let more: String = more.lines().map(|line| format!("  {line}\n")).collect();
                let message = format!("chisel {chisel}: {first}");
                let mut failed = match is_running {
                    true => Self::failed(message),
                    false => Self::usage(message),
                };
                let place = place.map(|place| {
                    let text = place.text.unwrap_or_default();
                    diagnostic::line(&place.file, place.line, &text)
                });
                let snippet = more + &place.unwrap_or_default();
                if !snippet.is_empty() {
                    failed = failed.snippet(snippet);
                }
                match hint {
                    Some(hint) => failed.hint(hint),
                    None => failed,
                }
            }
            ChiselError::Output(error) => Self::output(&error),
            error @ (ChiselError::Read { .. }
            | ChiselError::NoScript { .. }
            | ChiselError::Refused { .. }) => Self::usage(super::error::with_sources(&error)),
            other => Self::failed(super::error::with_sources(&other)),
        }
    }
}
