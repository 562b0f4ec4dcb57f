//! `scap read`.

mod merge;
mod print;
mod words;
mod write;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error::{CliError, Outcome};
use super::input::{Input, tell_damage};
use super::output::{Output, grouped};
use crate::event::bytes::BufferFormat;
use crate::filter::fields::{Context, Session, TimeFormat};
use crate::replay::{self, End, EventSink, Selection};
use crate::state::State;
use print::Printer;
pub(super) use write::{cannot_write, destination, refuse_same};

/// Arguments of `scap read`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Captures to read, several are merged by time; `-` is standard input. What follows them and is no
    /// file is a filter in the language of sysdig and Falco, such as 'proc.name=sshd and evt.type=execve'
    #[arg(required_unless_present = "read", value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    /// Read this capture; all other words are the filter
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    read: Vec<PathBuf>,

    /// Stop after so many events
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    count: Option<u64>,

    /// Begin there: a time (`2026-11-24 03:12:01.5`, `03:12:01`), an offset from the first event (`+12.5s`)
    /// or an event's number (`#123`)
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,

    /// End there
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,

    /// Write the events to this capture instead of printing them; what is needed to understand them is
    /// kept in hidden events
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: Option<PathBuf>,

    /// Print no events, only read
    #[arg(short, long)]
    quiet: bool,

    /// Show buffers whole, and say at the end how many events there were
    #[arg(short, long)]
    verbose: bool,

    /// Show the time as: h local time, a seconds since the epoch, r seconds since the first event, d
    /// seconds that the call took, D seconds since the event before
    #[arg(
        short = 't',
        long = "time-format",
        value_name = "FORMAT",
        default_value = "h"
    )]
    time: Time,

    /// Print these fields: text with `%field` in it, as sysdig and Falco have it; with a leading `*` what
    /// is absent prints `<NA>`, without it an event that lacks a field is not printed; `c` and `k` stand
    /// for sysdig's formats with containers and with pods
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    format: Option<String>,

    /// Print JSON: a line per event, with the fields of the format
    #[arg(short, long)]
    json: bool,

    /// Show data in hexadecimal
    #[arg(short = 'x', long = "hex", group = "buffers")]
    hex: bool,

    /// Show data in hexadecimal and as text
    #[arg(short = 'X', long = "hex-ascii", group = "buffers")]
    hex_ascii: bool,

    /// Show data as text with its line ends
    #[arg(short = 'A', long = "ascii", group = "buffers")]
    ascii: bool,

    /// Show data in base64
    #[arg(short = 'b', long = "base64", group = "buffers")]
    base64: bool,

    /// End each line in how long the call took, in seconds
    #[arg(short = 'T', long)]
    latency: bool,

    /// Colour lines by what happened: failed calls, programs started, network, files changed
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

/// Values of `-t`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Time {
    #[value(name = "h")]
    Human,
    #[value(name = "a")]
    Absolute,
    #[value(name = "r")]
    Relative,
    #[value(name = "d")]
    Delta,
    #[value(name = "D")]
    DeltaPrevious,
}

impl From<Time> for TimeFormat {
    fn from(time: Time) -> Self {
        match time {
            Time::Human => Self::Human,
            Time::Absolute => Self::Absolute,
            Time::Relative => Self::Relative,
            Time::Delta => Self::Delta,
            Time::DeltaPrevious => Self::DeltaPrevious,
        }
    }
}

/// Values of `--color`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ColorChoice {
    /// If standard output is a terminal and NO_COLOR is not set
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                !refused && io::stdout().is_terminal()
            }
        }
    }
}

impl Args {
    fn buffers(&self) -> BufferFormat {
        if self.hex {
            BufferFormat::Hex
        } else if self.hex_ascii {
            BufferFormat::HexAscii
        } else if self.ascii {
            BufferFormat::Ascii
        } else if self.base64 {
            BufferFormat::Base64
        } else if self.verbose || self.json {
            BufferFormat::AllDots
        } else {
            BufferFormat::Dots
        }
    }
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (files, filter) = words::split(&args.read, &args.words)?;
    let selection = words::selection(filter.as_deref(), args.from.as_deref(), args.to.as_deref())?;
    if let Some(path) = &args.write {
        let [file] = &files[..] else {
            return Err(CliError::usage("-w writes the events of one FILE"));
        };
        return write::run(args, file, path, selection, filter.as_deref());
    }
    // The format is checked before the first file is opened.
    drop(Printer::new(args, None)?);
    match &files[..] {
        [file] => single(args, file, selection),
        files => merge::run(args, files, &selection),
    }
}

/// Prints one capture.
fn single(args: &Args, path: &Path, mut selection: Selection) -> Result<Outcome, CliError> {
    let (name, mut source) = Input::open(path)?.source()?;
    let source = source.as_mut();
    let arch = replay::arch(source.header());
    let mut output = Output::new();
    let mut sink = Lines {
        printer: Printer::new(args, arch)?,
        output: &mut output,
        quiet: args.quiet,
        left: args.count.unwrap_or(u64::MAX),
        events: 0,
    };
    let mut session = Session::new(arch, args.buffers(), args.time.into());
    let mut state = State::new();
    let replayed = replay::replay(source, &mut state, &mut session, &mut selection, &mut sink);
    let events = sink.events;
    output.flush().map_err(|e| CliError::output(&e))?;
    let end = replayed.map_err(|e| CliError::replay(&name, &e))?;
    output.finish()?;
    if args.verbose {
        tell_count(events);
    }
    // Whoever wanted only the first events does not want to hear about the others.
    let damaged = end == End::Reached && tell_damage(&name, source, events);
    Ok(Outcome::of_damage(damaged))
}

/// Tells how many events passed, as `-v` asks.
fn tell_count(events: u64) {
    super::record::say(&format!("{} events\n", grouped(events)));
}

/// Prints a line per event.
struct Lines<'a> {
    printer: Printer,
    output: &'a mut Output,
    quiet: bool,
    left: u64,
    events: u64,
}

impl EventSink for Lines<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if self.left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        if print::is_internal(cx.event) {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        if !self.quiet {
            self.printer.print(self.output.buffer(), cx);
            self.output.written()?;
        }
        self.left -= 1;
        Ok(match self.left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }

    fn pause(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
