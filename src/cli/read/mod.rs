//! `scap read`.

mod write;

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::audit::AuditArgs;
use super::chisel::{self, ChiselArgs, Rerun, Sources};
use super::error::{CliError, Outcome};
use super::input::Captures;
use super::output::Output;
use super::positionals;
use super::print::{PrintArgs, Printer};
use super::sysdig_options::SysdigOptions;
use super::window::Window;
use crate::event::number::counted;
use crate::event::{EventExt as _, Timestamp};
use crate::fields::Context;
use crate::filter::Filter;
use crate::replay::{self, EventSink, OriginState, Pipeline, Selection};
pub(super) use write::{cannot_write, destination, refuse_same};

/// Arguments of `scap read`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Captures to read; several are merged by time; `-` is standard input. The words after the
    /// files are a filter in the language of sysdig and Falco, such as 'proc.name=sshd and
    /// evt.type=execve'
    #[arg(value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    /// Read this capture; all other words are the filter
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    read: Vec<PathBuf>,

    /// Start at a time (`2026-11-24 03:12:01.5`, `03:12:01`), an offset from the first event
    /// (`+12.5s`) or an event number (`#123`)
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,

    /// End at this time, offset or event number
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,

    /// Write the events to this capture instead of printing them; events that the state depends on
    /// are kept as hidden events
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: Option<PathBuf>,

    /// Read without printing events
    #[arg(short, long)]
    quiet: bool,

    /// Accepted for sysdig; the data was cut when it was recorded
    #[arg(short = 's', long = "snaplen", value_name = "BYTES", hide = true)]
    snaplen: Option<u32>,

    #[command(flatten)]
    audit: AuditArgs,

    #[command(flatten)]
    sysdig: SysdigOptions,

    #[command(flatten)]
    print: PrintArgs,

    #[command(flatten)]
    pub(super) chisels: ChiselArgs,
}

impl Args {
    /// Inherits the permissions that the user gave to the chisel that requested this run.
    pub(in crate::cli) fn inherit(&mut self, from: &Self, rerun: &Rerun) -> Result<(), CliError> {
        self.chisels.inherit(&from.chisels);
        match &self.write {
            Some(path) => rerun.check(path, &from.chisels),
            None => Ok(()),
        }
    }
}

/// Runs the command. Also returns the command line that a chisel asks to run next.
pub(in crate::cli) fn run(args: &Args) -> Result<(Outcome, Option<Rerun>), CliError> {
    args.sysdig.check()?;
    if args.chisels.is_empty() {
        return without_chisels(args).map(|outcome| (outcome, None));
    }
    args.chisels.check()?;
    if args.write.is_some() {
        return Err(CliError::usage(
            "-w writes events, -c runs a chisel over them",
        ));
    }
    let (files, filter) = positionals::split(&args.read, &args.words, args.audit.is_empty())?;
    let selection =
        positionals::selection(filter.as_deref(), args.from.as_deref(), args.to.as_deref())?;
    let sessions = args.audit.sessions(&files, needs_sessions(&selection))?;
    let sources = Sources {
        files: &files,
        audit: args.audit.open()?,
        sessions,
    };
    chisel::read(&args.chisels, &args.print, sources, filter, selection)
}

fn without_chisels(args: &Args) -> Result<Outcome, CliError> {
    let (files, filter) = positionals::split(&args.read, &args.words, args.audit.is_empty())?;
    let selection =
        positionals::selection(filter.as_deref(), args.from.as_deref(), args.to.as_deref())?;
    if let Some(path) = &args.write {
        return write::run(args, &files, path, selection, filter.as_deref());
    }
    // The format is checked before the first file is opened.
    let printer = Printer::new(&args.print, None)?;
    let needs_sessions = printer.needs_sessions() || needs_sessions(&selection);
    print(args, &files, selection, needs_sessions)
}

/// Returns true if the filter needs the sessions of `kubectl exec`.
fn needs_sessions(selection: &Selection) -> bool {
    selection
        .filter
        .as_ref()
        .is_some_and(Filter::needs_sessions)
}

/// Prints the events of captures.
fn print(
    args: &Args,
    files: &[PathBuf],
    mut selection: Selection,
    needs_sessions: bool,
) -> Result<Outcome, CliError> {
    let sessions = args.audit.sessions(files, needs_sessions)?;
    let audit = args.audit.open()?;
    let window = Window::new(files, audit.as_ref(), &mut selection);
    let mut session = args.print.session(None);
    session.exec_sessions = sessions;
    let mut captures = Captures::open(files, audit, selection.from, &mut session)?;
    let arch = replay::arch(captures.header());
    let mut output = Output::new();
    let mut sink = Lines {
        printer: Printer::new(&args.print, arch)?,
        output: &mut output,
        quiet: args.quiet,
        left: args.print.count.unwrap_or(u64::MAX),
        events: 0,
    };
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let replayed = pipeline.run(captures.source(), &mut sink);
    let events = sink.events;
    output.flush().map_err(|e| CliError::output(&e))?;
    let end = replayed.map_err(|e| CliError::replay(&captures.name(), &e))?;
    output.finish()?;
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    if args.print.verbose {
        print_count(events);
    }
    let damaged = captures.report_damage(end, events);
    Ok(Outcome::of_damage(damaged))
}

/// Prints the number of matching events, for `-v`.
fn print_count(events: u64) {
    super::stderr::print(&format!("{}\n", counted(events, "event")));
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
        if cx.event.is_internal() {
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

    fn pause(&mut self, _: Option<Timestamp>, _: &[OriginState]) -> io::Result<ControlFlow<()>> {
        self.output.flush()?;
        Ok(ControlFlow::Continue(()))
    }
}
