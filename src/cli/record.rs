//! `scap record`.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{
    error::{self, CliError, Outcome},
    output::grouped,
};
use crate::record::{
    self, CommandEnd, Destination, Options, ProbeError, RecordError, Status, Summary, command,
};

/// Arguments of `scap record`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the capture to this file; `-` is standard output, which must not be a terminal
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: PathBuf,

    /// Stop after this many seconds
    #[arg(short = 'M', long = "duration", value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Stop after this many events
    #[arg(short = 'n', long = "events", value_name = "EVENTS")]
    events: Option<u64>,

    /// Keep at most this many bytes of each data buffer
    #[arg(
        short = 's',
        long = "snaplen",
        value_name = "BYTES",
        default_value_t = record::DEFAULT_SNAPLEN,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(record::MAX_SNAPLEN))
    )]
    snaplen: u32,

    /// Size of the ring between kernel and recorder, for each CPU
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = record::DEFAULT_BUFFER_MIB,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(record::MAX_BUFFER_MIB))
    )]
    buffer_size: u32,

    /// Record only these processes, or with a leading `!` all but these
    #[arg(long, value_name = "[!]PID", value_delimiter = ',')]
    pid: Vec<String>,

    /// Record only threads of these names, or with a leading `!` all but these
    #[arg(long, value_name = "[!]NAME", value_delimiter = ',')]
    comm: Vec<String>,

    /// Record only these syscalls, or with a leading `!` all but these
    #[arg(long, value_name = "[!]NAME", value_delimiter = ',')]
    syscall: Vec<String>,

    /// Write the summary to this file as JSON
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,

    /// Print nothing but errors
    #[arg(short = 'q', long)]
    quiet: bool,

    /// Run this command, record it and all its descendants, and stop when it ends
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Seconds, also with a fraction.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let options = options(args)?;
    let to_stdout = args.write == Path::new("-");
    let destination = if to_stdout {
        if io::stdout().is_terminal() {
            return Err(CliError::usage("a capture is not for a terminal")
                .hint("give -w a file, or let standard output be a pipe"));
        }
        Destination::Stream(Box::new(io::stdout()))
    } else {
        Destination::Path(args.write.clone())
    };

    let stop = on_signals()
        .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;

    let shows_progress = !args.quiet && io::stderr().is_terminal();
    let mut watch = |status: &Status| {
        if shows_progress {
            progress(status);
        }
    };
    let result = record::record(&options, destination, &stop, &mut watch);
    if shows_progress {
        // Wipes the progress line.
        say("\r\x1b[K");
    }
    let summary = result.map_err(explain)?;
    if let Some(path) = &args.summary_json {
        let json = serde_json::to_vec_pretty(&Report::new(&summary))
            .map_err(|error| CliError::failed(format!("cannot write JSON: {error}")))?;
        std::fs::write(path, json).map_err(|error| {
            CliError::failed(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    if !args.quiet {
        say(&text(&summary, args));
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

/// Returns what the signals that end a recording set.
///
/// The second of them ends the program at once; the kernel then detaches the probe.
pub(super) fn on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// From the words of the command line to what the recorder wants.
fn options(args: &Args) -> Result<Options, CliError> {
    let (pids, not_pids) = split(&args.pid, "--pid")?;
    let (comms, not_comms) = split(&args.comm, "--comm")?;
    let (syscalls, not_syscalls) = split(&args.syscall, "--syscall")?;
    let numbers = |words: Vec<String>| -> Result<Vec<u32>, CliError> {
        let number = |word: &String| {
            word.parse()
                .map_err(|_| CliError::usage(format!("--pid: {word:?} is not a process id")))
        };
        words.iter().map(number).collect()
    };
    let mut given = vec![
        ("snaplen".to_owned(), args.snaplen.to_string()),
        ("buffer-size".to_owned(), args.buffer_size.to_string()),
    ];
    let mut note = |name: &str, words: &[String]| {
        if !words.is_empty() {
            given.push((name.to_owned(), words.join(",")));
        }
    };
    note("pid", &args.pid);
    note("comm", &args.comm);
    note("syscall", &args.syscall);
    let command: Vec<String> = args
        .command
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if !command.is_empty() {
        given.push(("command".to_owned(), command.join(" ")));
    }
    Ok(Options {
        duration: args.duration,
        max_events: args.events,
        snaplen: args.snaplen,
        buffer_mib: args.buffer_size,
        pids: numbers(pids)?,
        not_pids: numbers(not_pids)?,
        comms,
        not_comms,
        syscalls,
        not_syscalls,
        command: args.command.clone(),
        holder: std::env::current_exe()
            .map_err(|error| CliError::failed(format!("cannot find the own program: {error}")))?,
        given,
    })
}

/// Words without and with a leading `!`. Both at once would say two different things.
fn split(words: &[String], option: &str) -> Result<(Vec<String>, Vec<String>), CliError> {
    let (exclude, include): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('!'));
    if !exclude.is_empty() && !include.is_empty() {
        return Err(CliError::usage(format!(
            "{option}: what is recorded and what is left out are both given"
        ))
        .hint("give only one kind"));
    }
    let bare = |word: &String| word.trim_start_matches('!').to_owned();
    Ok((
        include.into_iter().cloned().collect(),
        exclude.into_iter().map(bare).collect(),
    ))
}

/// What went wrong, in the words of the command line.
pub(super) fn explain(error: RecordError) -> CliError {
    let message = error.to_string();
    match error {
        RecordError::Preflight(missing) => {
            // One line: what is told is escaped, line ends too.
            let (what, fixes): (Vec<_>, Vec<_>) =
                missing.into_iter().map(|m| (m.what, m.fix)).unzip();
            CliError::failed(format!("{message}: {}", what.join("; ")))
                .hint(fixes.join("; "))
                .code(error::EXIT_PRIVILEGE)
        }
        RecordError::UnknownSyscall { nearest, .. } => {
            let hint = nearest.map_or_else(
                || "names are those of the kernel, such as openat".to_owned(),
                |name| format!("did you mean {name}?"),
            );
            CliError::usage(message).hint(hint)
        }
        RecordError::Probe(ProbeError::Program { .. } | ProbeError::Load(_)) => {
            CliError::failed(error::with_sources(&error))
                .hint("dmesg may say more; please report it with the kernel's release")
                .code(error::EXIT_PRIVILEGE)
        }
        RecordError::Probe(_) => {
            CliError::failed(error::with_sources(&error)).code(error::EXIT_PRIVILEGE)
        }
        RecordError::Create { .. } => {
            CliError::failed(message).hint("choose a place that this user may write to")
        }
        RecordError::Write { error, kept } if error.is_closed_pipe() => CliError::failed(format!(
            "whoever read the capture went away after {} bytes",
            grouped(kept)
        )),
        RecordError::Write { error, kept } => CliError::failed(format!(
            "writing the capture failed: {}; the first {} bytes are kept and readable",
            error::with_sources(&error),
            grouped(kept)
        ))
        .hint("make room and record again; `scap info` shows what was kept"),
        _ => CliError::failed(error::with_sources(&error)),
    }
}

/// One line that is written over itself.
fn progress(status: &Status) {
    let seconds = status.elapsed.as_secs_f64();
    say(&format!(
        "\r\x1b[K{seconds:.1} s  {} events  {}/s  {:.1} MiB  {} lost",
        grouped(status.events),
        grouped((status.events as f64 / seconds.max(0.001)) as u64),
        status.bytes as f64 / f64::from(1 << 20),
        grouped(status.lost),
    ));
}

/// Writes to standard error; without one there is nobody to tell.
pub(super) fn say(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// The summary for people.
fn text(summary: &Summary, args: &Args) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let per_event = summary.bytes as f64 / (summary.events.max(1) as f64);
    let mut out = format!(
        "{} events in {:.2} s to {}: {:.2} MiB, {per_event:.1} bytes per event\n",
        grouped(summary.events),
        summary.elapsed.as_secs_f64(),
        if args.write == Path::new("-") {
            "standard output".to_owned()
        } else {
            args.write.display().to_string()
        },
        mib(summary.bytes),
    );
    out.push_str(&format!(
        "seen by the kernel {}, lost {}, in flight at the end {}\n",
        grouped(summary.seen()),
        grouped(summary.lost()),
        grouped(summary.in_flight),
    ));
    for loss in losses(summary) {
        out.push_str(&format!(
            "  lost on CPU {}: {} ({})\n",
            loss.cpu,
            grouped(loss.count),
            loss.cause
        ));
    }
    if summary.surplus > 0 {
        out.push_str(&format!(
            "{} more came before the recording had stopped and are not in the file\n",
            grouped(summary.surplus)
        ));
    }
    let faults: u64 = summary.cpus.iter().map(|cpu| cpu.faults).sum();
    if faults > 0 {
        out.push_str(&format!(
            "{} events have an argument that could not be read\n",
            grouped(faults)
        ));
    }
    out.push_str(&format!(
        "recorder: {:.2} s of CPU, {:.0} MiB of memory ({:.0} MiB of it rings)\n",
        summary.cpu_time.as_secs_f64(),
        mib(summary.peak_memory),
        mib(summary.ring_bytes),
    ));
    match summary.command {
        CommandEnd::None => {}
        CommandEnd::Ended(status) => {
            out.push_str(&format!("the command {}\n", command::describe(status)));
        }
        CommandEnd::Running(pid) => {
            out.push_str(&format!("the command still runs as process {pid}\n"));
        }
    }
    out
}

/// The summary as JSON. Times are seconds, sizes bytes.
#[derive(Serialize)]
struct Report {
    events: u64,
    seen_by_kernel: u64,
    lost: u64,
    losses: Vec<LossReport>,
    in_flight: u64,
    surplus: u64,
    joined: u64,
    expanded: u64,
    excluded: u64,
    faults: u64,
    short: u64,
    bytes: u64,
    elapsed_s: f64,
    cpu_time_s: f64,
    peak_memory_bytes: u64,
    ring_bytes: u64,
    command_status: Option<i32>,
}

/// Events lost on one CPU for one reason.
#[derive(Serialize)]
struct LossReport {
    cpu: usize,
    cause: &'static str,
    count: u64,
}

fn losses(summary: &Summary) -> Vec<LossReport> {
    let mut losses = Vec::new();
    for (cpu, counters) in summary.cpus.iter().enumerate() {
        let causes = [
            ("ring full", counters.drop_full),
            ("busy", counters.drop_busy),
            ("CPU without a ring", counters.drop_no_ring),
            ("map full", counters.map_full),
        ];
        let some = causes.into_iter().filter(|(_, count)| *count > 0);
        losses.extend(some.map(|(cause, count)| LossReport { cpu, cause, count }));
    }
    losses
}

impl Report {
    fn new(summary: &Summary) -> Self {
        let sum = |field: fn(&record::CpuCounters) -> u64| summary.cpus.iter().map(field).sum();
        Self {
            events: summary.events,
            seen_by_kernel: summary.seen(),
            lost: summary.lost(),
            losses: losses(summary),
            in_flight: summary.in_flight,
            surplus: summary.surplus,
            joined: summary.joined,
            expanded: summary.expanded,
            excluded: sum(|cpu| cpu.excluded),
            faults: sum(|cpu| cpu.faults),
            short: sum(|cpu| cpu.short),
            bytes: summary.bytes,
            elapsed_s: summary.elapsed.as_secs_f64(),
            cpu_time_s: summary.cpu_time.as_secs_f64(),
            peak_memory_bytes: summary.peak_memory,
            ring_bytes: summary.ring_bytes,
            command_status: match summary.command {
                CommandEnd::Ended(status) => status.code(),
                _ => None,
            },
        }
    }
}
