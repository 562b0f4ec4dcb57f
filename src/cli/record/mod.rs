//! `scap record`.

mod audit;
mod detect;
mod record_options;
mod summary;

use std::{
    io::{self, IsTerminal as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use scap_capture_format::native::Signer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU};

use super::error::{self, CliError, Outcome};
use super::output::ascii_json;
use super::read::cannot_write;
use super::rules::RuleFiles;
use super::stderr;
use crate::event::number::{counted, grouped};
use crate::event::suggest::did_you_mean;
use crate::event::text::{escape_exact, short};
use crate::files::{self, Change};
use crate::record::{
    self, CommandEnd, Destination, Notice, Options, ProbeError, RecordError, Status, Summary,
    Trouble, command,
};
use crate::seal::SealKey;
use audit::AuditSources;
pub(super) use record_options::{How, What, print_choice, seconds};
use summary::Report;

/// Arguments of `scap record`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the capture to this file, or to this directory under a name made of hostname and time;
    /// `-` is standard output, which must not be a terminal
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: PathBuf,

    /// Keep a copy of the capture in this directory while recording. It is removed when the recording
    /// ends well; if FILE is removed, truncated, replaced or cannot be written, the copy is the capture
    #[arg(long, value_name = "DIR")]
    fallback: Option<PathBuf>,

    /// Stop after this many events
    #[arg(short = 'n', long = "events", value_name = "EVENTS")]
    events: Option<u64>,

    /// Seal the capture with this private key, about every second and at the end: Ed25519, PKCS #8, PEM, as
    /// `openssl genpkey -algorithm ed25519` makes it. `scap verify --pub` checks the seals
    #[arg(long, value_name = "PEM")]
    seal: Option<PathBuf>,

    /// Write the summary to this file as JSON
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,

    /// Print only errors
    #[arg(short = 'q', long)]
    quiet: bool,

    /// Show which syscalls are filtered in the kernel
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    what: What,

    /// Evaluate rules for the events that are recorded: alerts are printed, and are events of the capture (`evt.type=alert`)
    /// right behind the events that they are about. Without -r, scap's own rules
    #[arg(long, help_heading = "Options of --detect")]
    detect: bool,

    #[command(flatten, next_help_heading = "Options of --detect")]
    rules: RuleFiles,

    #[command(flatten, next_help_heading = "Kubernetes audit events")]
    audit: AuditSources,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let mut options = args.what.options(args.events)?;
    args.audit.add_to(&mut options);
    let detector = detect::detector(args, &mut options)?;
    let signer = args.seal.as_deref().map(SealKey::read).transpose()?;
    let signer = signer.map(|key| Box::new(key) as Box<dyn Signer>);
    if let Some(dir) = &args.fallback
        && !dir.is_dir()
    {
        let message = format!("--fallback: {} is not a directory", dir.display());
        return Err(CliError::usage(message));
    }
    let to_stdout = args.write == Path::new("-");
    let path = if args.write.is_dir() {
        args.write.join(name_now(&options))
    } else {
        args.write.clone()
    };
    if let Some(json) = &args.summary_json {
        if !to_stdout && files::is_same_name(json, &path) {
            return Err(CliError::usage("--summary-json and -w name the same file"));
        }
        // It is written at the end; what would fail then must not cost a recording.
        files::check(json).map_err(|error| cannot_write(json, &error))?;
    }
    let destination = if to_stdout {
        if io::stdout().is_terminal() {
            return Err(CliError::usage("a capture cannot be written to a terminal")
                .hint("give -w a file, or redirect standard output"));
        }
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        Destination::Stream(stdout.map_err(|error| CliError::output(&error))?.into())
    } else {
        Destination::Path {
            path: path.clone(),
            fallback: args.fallback.clone(),
        }
    };

    let stop = on_signals()
        .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;

    // The second notice of the kernel cannot be handled, so the first one ends the recording.
    let cpu_limit = Arc::new(AtomicBool::new(false));
    for flag in [&stop, &cpu_limit] {
        signal_hook::flag::register(SIGXCPU, Arc::clone(flag))
            .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;
    }

    if args.verbose {
        print_choice(&options);
    }
    let shows_progress = !args.quiet && stderr::is_terminal();
    let mut alerts = detect::AlertLines::new(shows_progress)
        .map_err(|error| CliError::failed(format!("cannot start a thread: {error}")))?;
    let mut watch = |notice: Notice<'_>| {
        if shows_progress && !matches!(notice, Notice::Status(_) | Notice::Alert(_)) {
            stderr::clear_progress();
        }
        match notice {
            Notice::Status(status) if shows_progress => progress(status),
            Notice::Status(_) => {}
            Notice::Runtime(text) => warn_of_runtime(text),
            Notice::Output(text) => error::warn(text, None),
            Notice::Alert(line) => alerts.print(line),
            Notice::Listening(address) if !args.quiet => args.audit.print_address(address),
            Notice::Listening(_) => {}
        }
    };
    let result = record::record(&options, destination, detector, signer, &stop, &mut watch);
    let not_printed = alerts.finish();
    if shows_progress {
        stderr::clear_progress();
    }
    let summary = result.map_err(CliError::from)?;
    if let Some(path) = &args.summary_json {
        let text = serde_json::to_string_pretty(&Report::new(&summary))
            .map_err(|error| CliError::failed(format!("cannot write JSON: {error}")))?;
        let mut json = Vec::new();
        ascii_json(&mut json, &text);
        files::write(path, &json).map_err(|error| cannot_write(path, &error))?;
    }
    if !args.quiet {
        stderr::print(&summary::text(&summary, &path));
    }
    detect::warn_of_alerts(&summary, not_printed);
    warn_of_unmatched(&summary);
    if cpu_limit.load(Ordering::Relaxed) {
        return Err(CliError::failed(
            "the limit of CPU time (RLIMIT_CPU) ended the recording; the capture is complete until then",
        ));
    }
    if let CommandEnd::Ended(status) = summary.command
        && status.code() == Some(command::NOT_STARTED)
        && summary.events == 0
    {
        return Err(CliError::failed(
            "the command was not started; nothing was recorded",
        ));
    }
    Ok(Outcome::Done)
}

/// Returns a unique name for a capture: machine and time, in UTC.
fn name_now(options: &Options) -> String {
    let now = chrono::Utc::now().format("%Y%m%dT%H%M%S.%3fZ");
    format!("{}-{now}.scap", plain_name(&record::machine_name(options)))
}

/// Longest part of a file name that comes from the name of the machine.
const NAME_BYTES: usize = 64;

/// Returns what a file name can have of the name of a machine, which may be anything: no name begins
/// with `-`, which programs take for an option, or is hidden.
fn plain_name(machine: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let name: String = machine.chars().filter(is_plain).take(NAME_BYTES).collect();
    match name.trim_start_matches(['-', '.']) {
        "" => "machine".to_owned(),
        name => name.to_owned(),
    }
}

/// Registers the signals that end a recording; returns the flag that they set.
///
/// The second signal ends the program at once; the kernel then detaches the probe. A second SIGHUP
/// does not: when a connection is cut, the shell passes SIGHUP on, and the kernel sends another one
/// when the shell ends.
pub(super) fn on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
    }
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

impl From<RecordError> for CliError {
    fn from(error: RecordError) -> Self {
        let message = error.to_string();
        match error {
            RecordError::Preflight(missing) => {
                // Joined into one line: messages are escaped, line breaks too.
                let (what, fixes): (Vec<_>, Vec<_>) =
                    missing.into_iter().map(|m| (m.what, m.fix)).unzip();
                Self::failed(format!("{message}: {}", what.join("; ")))
                    .hint(fixes.join("; "))
                    .code(error::EXIT_PRIVILEGE)
            }
            RecordError::UnknownSyscall { nearest, .. } => {
                let hint = did_you_mean(nearest.as_slice())
                    .unwrap_or_else(|| "names are those of the kernel, such as openat".to_owned());
                Self::usage(message).hint(hint)
            }
            error @ RecordError::Probe(_) if error::is_of_limits(&error) => {
                Self::failed(error::with_sources(&error))
                    .hint("a limit of this process is too low; `ulimit -n` and `ulimit -l` show those that matter")
            }
            RecordError::Probe(ProbeError::Program { .. } | ProbeError::Load(_)) => {
                Self::failed(error::with_sources(&error))
                    .hint("dmesg may say more; please report it with the kernel's release")
                    .code(error::EXIT_PRIVILEGE)
            }
            RecordError::Probe(_) => {
                Self::failed(error::with_sources(&error)).code(error::EXIT_PRIVILEGE)
            }
            RecordError::Sink(error) => Self::output(&error),
            RecordError::Audit { .. } => Self::failed(message),
            RecordError::Create {
                needed: Some(needed),
                path,
                source,
            } => Self::failed(format!(
                "cannot write {}: {source}; there is no room for the first {}, nothing was recorded",
                path.display(),
                counted(needed, "byte")
            ))
            .hint("make room, or write to another place"),
            // A refusal of our own says why; no other user could write there, either.
            RecordError::Create { source, .. } if source.raw_os_error().is_none() => {
                Self::failed(message).hint("write to another name")
            }
            RecordError::Create { .. } => {
                Self::failed(message).hint("choose a place that this user may write to")
            }
            RecordError::Lost {
                saved: Some(saved),
                path,
                trouble,
                ..
            } => Self::failed(format!(
                "{} {trouble}; the capture is in {}",
                path.display(),
                saved.display()
            )),
            RecordError::Lost {
                path,
                trouble,
                kept,
                saved: None,
            } => {
                let what = match &trouble {
                    Trouble::Changed(Change::Moved(Some(_))) => "the capture is complete there",
                    _ => "what was recorded is lost",
                };
                Self::failed(format!(
                    "{} {trouble}, after {}; {what}",
                    path.display(),
                    counted(kept, "byte")
                ))
                .hint("`--fallback DIR` keeps a copy elsewhere")
            }
            RecordError::Write { error, kept, .. } if error.is_closed_pipe() => Self::failed(format!(
                "the reader of the capture closed it after {}",
                counted(kept, "byte")
            )),
            RecordError::Write {
                path: Some(path),
                error,
                kept,
                torn,
            } => Self::failed(format!(
                "writing {} failed: {}; the first {} bytes are kept and readable{}",
                path.display(),
                error::with_sources(&error),
                grouped(kept),
                match torn {
                    Some(why) => format!(
                        ", but the file could not be cut after them ({why}) and counts as damaged there"
                    ),
                    None => String::new(),
                }
            ))
            .hint("make room and record again; `scap info` shows what was kept"),
            RecordError::Write {
                path: None,
                error,
                kept,
                ..
            } => Self::failed(format!(
                "writing the capture failed after {}: {}",
                counted(kept, "byte"),
                error::with_sources(&error)
            )),
            _ => Self::failed(error::with_sources(&error)),
        }
    }
}

/// Warns that a container runtime cannot be queried.
pub(super) fn warn_of_runtime(text: &str) {
    error::warn(
        text,
        Some("its containers have only ids until the runtime answers"),
    );
}

/// Warns about the choices of a recording that matched nothing.
pub(super) fn warn_of_unmatched(summary: &Summary) {
    let unmatched = &summary.unmatched;
    let pids: Vec<String> = unmatched.pids.iter().map(u32::to_string).collect();
    let comms = unmatched.comms.iter().map(|comm| {
        let mut line = Vec::new();
        escape_exact(&mut line, short(comm).as_bytes());
        String::from_utf8_lossy(&line).into_owned()
    });
    let comms: Vec<_> = comms.collect();
    if !pids.is_empty() {
        error::warn(
            &format!("--pid {} matched no event", pids.join(",")),
            Some("there is no such process, or it made no call that is recorded"),
        );
    }
    if !comms.is_empty() {
        error::warn(
            &format!("--comm {} matched no event", comms.join(",")),
            Some("threads have the name in /proc/PID/comm, at most 15 bytes; case matters"),
        );
    }
    if unmatched.filter {
        error::warn("the filter matched no event", None);
    }
}

/// Prints the progress line.
fn progress(current: &Status) {
    let seconds = current.elapsed.as_secs_f64();
    stderr::progress(&format!(
        "{seconds:.1} s  {}  {}/s  {:.1} MiB  {} lost",
        counted(current.events, "event"),
        grouped((current.events as f64 / seconds.max(0.001)) as u64),
        current.bytes as f64 / f64::from(1 << 20),
        grouped(current.lost),
    ));
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_of_machines_become_plain_names() {
        for (machine, name) in [
            ("web-1.example", "web-1.example"),
            ("-rf", "rf"),
            ("--help", "help"),
            ("../../etc/passwd", "etcpasswd"),
            (".hidden", "hidden"),
            ("\u{1b}]0;own\u{7}", "0own"),
            ("", "machine"),
            ("-.-", "machine"),
        ] {
            assert_eq!(plain_name(machine), name);
        }
        assert_eq!(plain_name(&"x".repeat(5000)).len(), 64);
    }
}
