//! The commands: one file each.
//!
//! The only place that knows clap, standard output and exit codes. Exit codes: 0 done, also when the
//! reader of the output went away; 1 failed; 2 bad usage; 3 the capture is damaged and what could be
//! read was; 4 missing privilege or kernel support.

mod chisel;
mod containers;
mod convert;
mod diagnostic;
mod error;
mod events;
mod fields;
mod info;
mod input;
mod live;
mod output;
mod positionals;
mod print;
mod read;
mod record;
mod reference;
mod summary;
mod table;
mod try_cmd;
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::{CliError, Outcome};

use crate::record::command as hold;

pub use events::events_reference;
pub use fields::fields_reference;
pub use reference::reference;

/// Record what a Linux machine does, syscall by syscall, and find out later what happened
#[derive(Debug, Parser)]
#[command(
    name = "scap",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 failed; 2 bad usage; 3 the capture is damaged and \
what could be read was; 4 missing privilege or kernel support."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record five seconds of this machine and show what happened
    ///
    /// Programs started, files changed, connections, failed and slow calls, on one screen. Where
    /// recording is not possible it says what is missing and shows a sample capture instead.
    Try(try_cmd::Args),
    /// Record what the machine does
    ///
    /// Needs root, or CAP_BPF and CAP_PERFMON, and a kernel from 5.8 on that describes its types
    /// (BTF). Ctrl-C ends the recording and finishes the file; pressed again it ends at once. The
    /// recorder itself is never recorded.
    Record(record::Args),
    /// Print what happens as it happens
    ///
    /// Lines as those of `read`, on the machine that is looked at, and with the needs of `record`. Ctrl-C ends
    /// it. What prints the lines makes events too: leave your terminal or ssh out with a filter.
    Live(live::Args),
    /// Print the events of a capture
    ///
    /// A line per event, as sysdig prints it: number, time, CPU, name and id of the thread, direction
    /// (`>` enter, `<` exit), type, arguments. What a number stands for is in parentheses. Text from the
    /// capture is escaped, so that it cannot control a terminal.
    Read(read::Args),
    /// Show a capture on a timeline
    ///
    /// What happened when, in lanes, and below it views of the range that is shown: what stands out,
    /// events, processes, files, connections, commands, errors, latencies. `?` lists the keys, F7 explains
    /// the view. A .scap file is converted to a temporary file first. Notes are kept beside the capture, in
    /// `FILE.notes.toml`.
    View(view::Args),
    /// Say what is in a capture
    ///
    /// Machine, recorder, time range, counts, losses by cause and CPU, integrity. The whole file is read.
    Info(info::Args),
    /// List the containers of a capture
    ///
    /// Id, name, image, runtime, pod, when it was made, how many processes and events it has, and when the
    /// first and the last of these was: of all that events or the state of the capture know, by the time
    /// of their first events. What is not known is `-`.
    Containers(containers::Args),
    /// Turn a capture into another format
    ///
    /// From scap's own format into the .scap files of sysdig, Falco and Stratoshark, and back. A .scap file
    /// has two events for a call, enter and exit, as all versions of sysdig read them; what it has no place
    /// for is counted and told.
    Convert(convert::Args),
    /// List chisels and say what they do
    ///
    /// Chisels are Lua scripts that `read -c` and `live -c` run over the events: ours, those of sysdig where it
    /// is installed, and your own in `./chisels`, `~/.chisels` and `$SCAP_CHISEL_DIR`.
    Chisel(chisel::Args),
    /// List the fields that filters and formats can ask for
    Fields(fields::Args),
    /// List the events with their arguments
    Events(events::Args),
}

/// How often a chisel can start the program over.
const MAX_RERUNS: usize = 16;

/// Runs `scap read`, and what a chisel wants to be run after it.
fn read(args: &read::Args) -> Result<Outcome, CliError> {
    let (mut outcome, mut again) = read::run(args)?;
    for _ in 0..MAX_RERUNS {
        let Some(rerun) = again else {
            return Ok(outcome);
        };
        let words = ["scap", "read"].map(OsString::from).into_iter();
        let words = chisel::expand(words.chain(rerun.words.iter().cloned()).collect());
        let Ok(Cli {
            command: Command::Read(mut next),
        }) = Cli::try_parse_from(words)
        else {
            let message = "a chisel wants to run something that is no command line of `scap read`";
            return Err(CliError::failed(message));
        };
        next.inherit(args, &rerun)?;
        (outcome, again) = read::run(&next)?;
    }
    Err(CliError::failed(
        "a chisel starts the program over and over",
    ))
}

/// Runs a command line and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|word| word == hold::EXEC_GATE) {
        let name = args.get(3).cloned().unwrap_or_default();
        let failed = hold::hold(args.into_iter().skip(2));
        CliError::failed(format!("cannot run {}: {failed}", name.display())).tell();
        return ExitCode::from(hold::NOT_STARTED as u8);
    }
    let cli = match Cli::try_parse_from(chisel::expand(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let code = if error.use_stderr() {
                error::EXIT_USAGE
            } else {
                error::EXIT_DONE
            };
            // A closed output leaves nobody to tell.
            let _told = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match cli.command {
        Command::Try(args) => try_cmd::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Live(args) => live::run(&args),
        Command::Read(args) => read(&args),
        Command::Chisel(args) => chisel::run(&args),
        Command::View(args) => view::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Containers(args) => containers::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Fields(args) => fields::run(&args),
        Command::Events(args) => events::run(&args),
    };
    ExitCode::from(match result {
        Ok(Outcome::Done) => error::EXIT_DONE,
        Ok(Outcome::Damaged) => error::EXIT_DAMAGED,
        Err(CliError::OutputClosed) => error::EXIT_DONE,
        Err(error) => {
            error.tell();
            error.exit_code()
        }
    })
}
