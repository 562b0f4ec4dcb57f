//! The commands, one file each.
//!
//! The only module that knows clap, standard output and exit codes. Exit codes: 0 success, also if
//! the reader closed the output; 1 failure; 2 invalid usage; 3 the capture is damaged and was read
//! in part; 4 missing privilege or kernel support; 5 alerts, if asked for.

mod aggregate;
mod archive;
mod audit;
mod cat;
mod chisel;
mod compressed;
mod containers;
mod convert;
mod derive;
mod detect;
mod diagnostic;
mod error;
mod events;
mod fields;
mod first_seen;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod info;
mod input;
mod live;
mod merge;
mod output;
mod positionals;
mod print;
mod read;
mod record;
mod redact;
mod reference;
mod repair;
mod rules;
mod seal;
mod search;
mod slice;
#[cfg(feature = "sql")]
mod sql;
mod state;
mod stderr;
mod summary;
mod sysdig_options;
mod table;
mod top;
mod try_cmd;
mod view;
mod window;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{Arc, atomic::AtomicBool};

use clap::{CommandFactory as _, Parser, Subcommand};
use signal_hook::consts::SIGXFSZ;

use error::{CliError, Outcome};

use crate::inspect::system_tables::SystemView;
use crate::record::command as hold;

pub use events::events_reference;
pub use fields::fields_reference;
pub use reference::reference;

/// Record what a Linux machine does, syscall by syscall, and find out later what happened
#[derive(Debug, Parser)]
#[command(
    name = "scap",
    // Not the name that the program was called by, which can be anything.
    bin_name = "scap",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 success; 1 failure; 2 invalid usage; 3 the capture is damaged \
and was read in part; 4 missing privilege or kernel support; 5 alerts (`detect --exit-code`)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record five seconds of this machine and summarize them
    ///
    /// Shows started programs, changed files, connections, failed and slow calls on one screen. If
    /// recording is not possible, it says what is missing and shows a sample capture instead.
    Try(try_cmd::Args),
    /// Record the syscalls of this machine
    ///
    /// Needs root, or CAP_BPF and CAP_PERFMON, and a kernel 5.8 or later with BTF. Ctrl-C stops the
    /// recording and completes the file; a second Ctrl-C exits immediately. The recorder never
    /// records itself.
    Record(Box<record::Args>),
    /// Print events as they happen
    ///
    /// Prints the same lines as `read`, for the events of this machine; it needs the privileges of
    /// `record`. Ctrl-C stops it. Printing causes events too: exclude your terminal or ssh session
    /// with a filter.
    Live(live::Args),
    /// Print the events of a capture
    ///
    /// One line per event, as sysdig prints it: number, time, CPU, name and id of the thread,
    /// direction (`>` enter, `<` exit), type, arguments. The meaning of a number follows in
    /// parentheses. Text from the capture is escaped, so that it cannot control the terminal.
    Read(read::Args),
    /// Show a capture on a timeline
    ///
    /// Shows activity over time in lanes, and below the lanes views of the displayed range: notable
    /// events, events, processes, files, connections, commands, errors, latencies, and what rules
    /// found. `?` lists the keys, F7 explains the view. Rules are evaluated in the background: those
    /// of -r, else scap's own. A .scap file is converted to a temporary file first. Notes are
    /// saved next to the capture, in `FILE.notes.toml`.
    View(view::Args),
    /// Describe a capture
    ///
    /// Prints machine, recorder, time range, counts, losses by cause and CPU, integrity. Reads the
    /// whole file.
    Info(info::Args),
    /// Tell what happened in a capture, on one page
    ///
    /// Programs that were started or failed, changed files, connections, failed and slow calls, waits, containers, the
    /// recorder's alerts, losses. A filter or a time range selects events.
    Summary(summary::Args),
    /// Ask captures questions in SQL
    ///
    /// Captures are the table `events`, of SQLite: `scap sql "SELECT proc_name, count(*) FROM events GROUP BY 1" FILE`. Conditions
    /// that are filters in other commands skip what cannot match. `--tables` lists the columns; any field is one, too.
    #[cfg(feature = "sql")]
    Sql(sql::Args),
    /// Search captures for indicators of compromise
    ///
    /// Prints a line for each indicator, capture and process: how many events, the first and the last time, and the number of the
    /// first event. Directories are searched for captures. The exit code is 0 whether anything was found or not; with
    /// `--exit-code` it is 5 if something was.
    Search(search::Args),
    /// Tell when the values of fields were first seen in many captures
    ///
    /// One line for each value, with the time and the place of its first event; what was seen first last comes first.
    FirstSeen(first_seen::Args),
    /// Count the events of a capture by the values of fields
    ///
    /// Events, time in calls or the sum of a field of numbers, for each value of the fields, the largest first.
    Top(top::Args),
    /// Check whether captures are intact
    ///
    /// Reads each capture as a whole: checksums, rows, order, index, the numbers of events, seals. Says what is damaged
    /// where, and which part is sealed with which key. The exit code is 3 if a capture is damaged or incomplete, or sealed in part
    /// only.
    Verify(info::verify::Args),
    /// Seal a capture, so that nobody can change it unnoticed
    ///
    /// Appends a signature over all bytes of the file, and changes none of them. `verify` checks it.
    Seal(seal::Args),
    /// Save what can be read of a damaged capture
    ///
    /// Writes an intact capture with all that can be read of a damaged or incomplete one. What is missing is a loss of the new
    /// capture. The exit code is 3 if there was anything to repair.
    Repair(repair::Args),
    /// List the containers of a capture
    ///
    /// Prints id, name, image, runtime, pod, creation time, numbers of processes and events, and
    /// the times of the first and the last event, for all containers known from events or state,
    /// ordered by first event. Unknown values are `-`.
    Containers(containers::Args),
    /// List the processes of a capture at an instant
    ///
    /// Parent, user, start, threads, open files, memory, container and command line of each process that was there,
    /// at the end of the capture or at any other instant. With `--history`, also of processes that had ended by then: end, exit
    /// status or signal, programs and users. With `--threads`, the call that each thread was in.
    Ps(state::PsArgs),
    /// Show the process tree of a capture at an instant
    ///
    /// As `ps`, each process below its parent. A filter shows the processes that match, with their ancestors.
    Tree(state::TreeArgs),
    /// List the open files of a capture at an instant
    ///
    /// All fds of all processes: files, directories, pipes, sockets.
    Lsof(state::Args),
    /// List the sockets of a capture at an instant
    ///
    /// Both ends of each socket, its state and process, and the process at the other end if it is on the same machine.
    Netstat(state::Args),
    /// List the users of a capture at an instant
    ///
    /// The users of the machine and of its containers, with the numbers of their processes.
    Users(state::Args),
    /// Convert a capture to another format
    ///
    /// Converts scap's own format to the .scap format of sysdig, Falco and Stratoshark, and back. A
    /// .scap file has two events per call, enter and exit, which all versions of sysdig read. What
    /// the format cannot express is counted and reported.
    Convert(convert::Args),
    /// Cut a part out of captures
    ///
    /// Writes the events of a time range, of a filter, of a process and its relatives or of a container to a capture of its
    /// own, with the state at its beginning and the hidden events that the state depends on: fields have the values that
    /// they have in the whole capture. With `--only` there is nothing in it about other processes.
    Slice(slice::Args),
    /// Merge captures of several machines by time
    ///
    /// `evt.hostname` says which machine an event is from. How far the clocks of the machines are apart is estimated from TCP
    /// connections that both ends recorded, and printed; times are only shifted with `--align`.
    Merge(merge::Args),
    /// Join the files of one recording
    ///
    /// The files are of one machine since one boot, in the order in which they were recorded. Gaps between them are losses
    /// of the capture that is written.
    Cat(cat::Args),
    /// Remove payload, environments, secrets and names from a capture
    ///
    /// Writes a copy in which payload and environments are dropped, secrets (keys, tokens, passwords) are replaced by
    /// `<redacted>`, and, with `--hash`, names by pseudonyms, from which nobody without the key can tell the names. Prints
    /// what was changed.
    Redact(redact::Args),
    /// Find what rules describe: Falco's rules over captures, or live
    ///
    /// Prints a line for each event that a rule matches, as Falco does, and the counts at the end. Rules are those of
    /// `-r`, in Falco's files or directories; without it, scap's own.
    Detect(Box<detect::Args>),
    /// Check, list and describe rules
    Rules(rules::Args),
    /// List, describe, create and test chisels
    ///
    /// Chisels are Lua scripts that `read -c` and `live -c` run over the events: the built-in ones,
    /// those of an installed sysdig, and your own in `~/.chisels`, `$SCAP_CHISEL_DIR` and
    /// `./chisels`.
    Chisel(chisel::Args),
    /// List the fields of filters and output formats
    Fields(fields::Args),
    /// List the event types and their arguments
    Events(events::Args),
}

/// Returns the definition of the command line.
pub fn command() -> clap::Command {
    Cli::command()
}

/// How often chisels can restart the program.
const MAX_RERUNS: usize = 16;

/// Runs `scap read`, and the command lines with which chisels restart it.
fn read(args: &read::Args) -> Result<Outcome, CliError> {
    let (mut outcome, mut again) = read::run(args)?;
    for _ in 0..MAX_RERUNS {
        let Some(rerun) = again else {
            return Ok(outcome);
        };
        let words = ["scap", "read"].map(OsString::from).into_iter();
        let words = words.chain(rerun.words.iter().cloned()).collect();
        let words = chisel::expand(words, &args.chisels);
        let Ok(Cli {
            command: Command::Read(mut next),
        }) = Cli::try_parse_from(words)
        else {
            let message = "a chisel tried to run an invalid `scap read` command line";
            return Err(CliError::failed(message));
        };
        next.inherit(args, &rerun)?;
        (outcome, again) = read::run(&next)?;
    }
    Err(CliError::failed("chisels restarted the program too often"))
}

/// Runs a command line and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    stderr::handle_panics();
    if args.get(1).is_some_and(|word| word == hold::EXEC_GATE) {
        let name = args.get(3).cloned().unwrap_or_default();
        let failed = hold::hold(args.into_iter().skip(2));
        CliError::failed(format!("cannot run {}: {failed}", name.display())).print();
        return ExitCode::from(hold::NOT_STARTED as u8);
    }
    // Without a handler, a write beyond the limit of RLIMIT_FSIZE ends the program; with one it is an error
    // like that of a full disk. Recorded commands do not inherit it.
    let limit = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    if let Err(error) = limit {
        error::warn(&format!("cannot handle signals: {error}"), None);
    }
    let limits = chisel::ChiselArgs::limits_in(&args);
    let cli = match Cli::try_parse_from(chisel::expand(args, &limits)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are not errors.
            if error.use_stderr() {
                stderr::print_usage_error(error);
                return ExitCode::from(error::EXIT_USAGE);
            }
            // If the output is closed, there is no other place to print to.
            let _ignored = error.print();
            return ExitCode::from(error::EXIT_DONE);
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
        #[cfg(feature = "sql")]
        Command::Sql(args) => sql::run(&args),
        Command::Search(args) => search::run(&args),
        Command::FirstSeen(args) => first_seen::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Verify(args) => info::verify::run(&args),
        Command::Seal(args) => seal::run(&args),
        Command::Repair(args) => repair::run(&args),
        Command::Containers(args) => containers::run(&args),
        Command::Ps(args) => state::ps(&args),
        Command::Tree(args) => state::tree(&args),
        Command::Lsof(args) => state::run(&args, SystemView::Files),
        Command::Netstat(args) => state::run(&args, SystemView::Sockets),
        Command::Users(args) => state::run(&args, SystemView::Users),
        Command::Convert(args) => convert::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Cat(args) => cat::run(&args),
        Command::Redact(args) => redact::run(&args),
        Command::Slice(args) => slice::run(&args),
        Command::Detect(args) => detect::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Fields(args) => fields::run(&args),
        Command::Events(args) => events::run(&args),
    };
    ExitCode::from(match result {
        Ok(Outcome::Done) => error::EXIT_DONE,
        Ok(Outcome::Damaged) => error::EXIT_DAMAGED,
        Err(CliError::OutputClosed) => error::EXIT_DONE,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    })
}
