//! `scap read`.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use scap_capture_format::schema::{Arch, SourceCategory};

use super::error::{CliError, Outcome};
use super::input::{Input, tell_damage};
use super::output::Output;
use crate::event::bytes::BufferFormat;
use crate::event::{Event, EventExt as _};
use crate::filter::fields::{Context, Session, TimeFormat};
use crate::format::{LineFormat, LineOptions, Template, standard};
use crate::replay::{self, EventSink};
use crate::state::State;

/// Arguments of `scap read`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captures to read, one after the other; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Stop after so many events
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    count: Option<u64>,

    /// Print no events, only read
    #[arg(short, long)]
    quiet: bool,

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

impl Args {
    fn line_options(&self) -> LineOptions {
        LineOptions {
            time: match self.time {
                Time::Human => TimeFormat::Human,
                Time::Absolute => TimeFormat::Absolute,
                Time::Relative => TimeFormat::Relative,
                Time::Delta => TimeFormat::Delta,
                Time::DeltaPrevious => TimeFormat::DeltaPrevious,
            },
            buffers: if self.hex {
                BufferFormat::Hex
            } else if self.hex_ascii {
                BufferFormat::HexAscii
            } else if self.ascii {
                BufferFormat::Ascii
            } else if self.base64 {
                BufferFormat::Base64
            } else {
                BufferFormat::Dots
            },
            latency: self.latency,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let mut outcome = Outcome::Done;
    let mut output = Output::new();
    let mut left = args.count.unwrap_or(u64::MAX);
    for path in &args.files {
        if left == 0 {
            break;
        }
        match read_one(path, args, &mut output, &mut left) {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Damaged) => outcome = Outcome::Damaged,
            Err(error) => {
                // What was read before it stands.
                output.finish()?;
                return Err(error);
            }
        }
    }
    output.finish()?;
    Ok(outcome)
}

fn read_one(
    path: &std::path::Path,
    args: &Args,
    output: &mut Output,
    left: &mut u64,
) -> Result<Outcome, CliError> {
    let (name, mut source) = Input::open(path)?.source()?;
    let source = source.as_mut();
    let arch = replay::arch(source.header());
    let options = args.line_options();
    let mut sink = Lines {
        printer: printer(args, arch)?,
        output,
        quiet: args.quiet,
        left,
        events: 0,
    };
    let mut session = Session::new(arch, options.buffers, options.time);
    let replayed = replay::replay(source, &mut State::new(), &mut session, &mut sink);
    let (events, stopped) = (sink.events, *sink.left == 0);
    output.flush().map_err(|e| CliError::output(&e))?;
    replayed.map_err(|e| CliError::replay(&name, &e))?;
    // Whoever wanted only the first events does not want to hear about the others.
    let damaged = !stopped && tell_damage(&name, source, events);
    Ok(if damaged {
        Outcome::Damaged
    } else {
        Outcome::Done
    })
}

/// Whether the event is the recorder's own bookkeeping, which sysdig numbers and does not show either.
fn is_internal(event: &Event<'_>) -> bool {
    event
        .info()
        .is_some_and(|i| i.source_category.contains(SourceCategory::INTERNAL))
}

/// How events are printed.
enum Printer {
    /// The default line.
    Line(LineFormat),
    /// A format of the user's.
    Template(Template),
    /// JSON objects.
    Json(Template),
}

fn printer(args: &Args, arch: Option<Arch>) -> Result<Printer, CliError> {
    let format = match args.format.as_deref() {
        None if args.json => standard::DEFAULT,
        None => return Ok(Printer::Line(LineFormat::new(args.line_options(), arch))),
        Some("c" | "container") => standard::CONTAINER,
        Some("k" | "kubernetes") => standard::KUBERNETES,
        Some(own) => own,
    };
    let template = Template::new(format).map_err(|e| CliError::usage(e.to_string()))?;
    Ok(match args.json {
        true => Printer::Json(template),
        false => Printer::Template(template),
    })
}

/// Prints a line per event.
struct Lines<'a> {
    printer: Printer,
    output: &'a mut Output,
    quiet: bool,
    left: &'a mut u64,
    events: u64,
}

impl EventSink for Lines<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if *self.left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        self.events += 1;
        if is_internal(cx.event) {
            return Ok(ControlFlow::Continue(()));
        }
        if !self.quiet {
            let out = self.output.buffer();
            let buffers = BufferFormat::Dots;
            let written = match &mut self.printer {
                Printer::Line(format) => {
                    format.line(out, cx.event, cx.view);
                    false
                }
                Printer::Template(template) => template.write(out, cx, buffers),
                Printer::Json(template) => template.write_json(out, cx, buffers),
            };
            if written {
                out.push(b'\n');
            }
            self.output.written()?;
        }
        *self.left -= 1;
        Ok(match *self.left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }

    fn pause(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
