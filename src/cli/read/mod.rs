//! `scap read`.

mod shared;
mod write;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::aggregate::Threads;
use super::audit::AuditArgs;
use super::chisel::{self, ChiselArgs, Rerun, Sources};
use super::error::{CliError, Outcome};
use super::input::Captures;
use super::output::Output;
use super::positionals::CaptureArgs;
use super::print::{PrintArgs, Printer};
use super::sysdig_options::SysdigOptions;
use super::window::Window;
use crate::event::number::counted;
use crate::event::{EventExt as _, Timestamp};
use crate::fields::attributes::Role;
use crate::fields::{Context, Field, Session};
use crate::filter::Filter;
use crate::replay::{self, EventSink, Extent, OriginState, Pipeline, Selection, Split};
pub(super) use write::{cannot_write, destination, refuse_same};

/// Arguments of `scap read`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    captures: CaptureArgs,

    /// Write the events to this capture instead of printing them; events that the state depends on
    /// are kept as hidden events
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: Option<PathBuf>,

    /// Read without printing events
    #[arg(short, long)]
    quiet: bool,

    /// Read everything. Without it, parts of a capture that cannot have events of the filter or the time range are
    /// skipped; the output is the same
    #[arg(long)]
    no_skip: bool,

    #[command(flatten)]
    threads: Threads,

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
    /// Returns how many threads may print events: one if each line depends on those before it.
    fn threads(&self, printer: &Printer, selection: &Selection) -> usize {
        let filter = selection.filter.as_ref();
        let is_sequential = self.print.count.is_some()
            || self.print.depends_on_previous()
            || printer.any_field(depends_on_others)
            || filter.is_some_and(|filter| filter.pushdown().depends_on_all.is_some());
        match is_sequential {
            true => 1,
            false => self.threads.count(),
        }
    }

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
    let (files, filter, selection) = args.captures.parse(args.audit.is_empty())?;
    let sessions = args.audit.sessions(&files, needs_sessions(&selection))?;
    let sources = Sources {
        files: &files,
        audit: args.audit.open()?,
        sessions,
    };
    chisel::read(&args.chisels, &args.print, sources, filter, selection)
}

fn without_chisels(args: &Args) -> Result<Outcome, CliError> {
    let (files, filter, selection) = args.captures.parse(args.audit.is_empty())?;
    if let Some(path) = &args.write {
        return write::run(args, &files, path, selection, filter.as_deref());
    }
    // The format is checked before the first file is opened.
    let printer = Printer::new(&args.print, None)?;
    let needs_sessions = printer.needs_sessions() || needs_sessions(&selection);
    print(args, &files, selection, needs_sessions)
}

/// Returns true if a printed value depends on other events than its own. The time does with one of its formats only.
fn depends_on_others(field: &Field) -> bool {
    let is_stateful = field.is_stateful() && field.role() != Role::OutputTime;
    is_stateful || field.needs_all_events()
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
    let printer = Printer::new(&args.print, None)?;
    let may_skip = !args.no_skip && !printer.any_field(Field::needs_all_events);
    let make_session = || {
        let mut session = args.print.session(None);
        session.exec_sessions.clone_from(&sessions);
        session
    };
    let threads = (args.threads(&printer, &selection), Split::Turns);
    let wanted = may_skip.then_some(Extent::Events(&selection));
    let mut shares = Captures::shares(files, audit, wanted, threads, &make_session)?;
    match shares.pop() {
        Some((captures, session)) if shares.is_empty() => {
            alone(args, captures, session, selection, &window)
        }
        last => {
            shares.extend(last);
            shared::print(args, shares, &selection, &window)
        }
    }
}

/// Prints the events of captures with one thread.
fn alone(
    args: &Args,
    mut captures: Captures,
    session: Session,
    selection: Selection,
    window: &Window,
) -> Result<Outcome, CliError> {
    let arch = replay::arch(captures.header());
    let mut sink = Lines {
        printer: Printer::new(&args.print, arch)?,
        output: Output::new(),
        quiet: args.quiet,
        left: args.print.count.unwrap_or(u64::MAX),
        events: 0,
    };
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let replayed = pipeline.run(captures.source(), &mut sink);
    let Lines {
        mut output, events, ..
    } = sink;
    output.flush().map_err(|e| CliError::output(&e))?;
    let end = replayed.map_err(|e| CliError::replay(&captures.name(), &e))?;
    output.finish()?;
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    if args.print.verbose {
        print_count(events);
        captures.print_amounts();
    }
    let damaged = captures.report_damage(end, events);
    Ok(Outcome::of_damage(damaged))
}

/// Prints the number of matching events, for `-v`.
fn print_count(events: u64) {
    super::stderr::print(&format!("{}\n", counted(events, "event")));
}

/// Prints a line per event.
struct Lines<O> {
    printer: Printer,
    output: O,
    quiet: bool,
    left: u64,
    events: u64,
}

/// Where lines are appended.
trait LineOutput {
    /// Returns the buffer to append to.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Called after each line.
    fn written(&mut self) -> io::Result<()>;

    /// Called when no line follows for the moment.
    fn pause(&mut self) -> io::Result<()>;
}

impl LineOutput for Output {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer()
    }

    fn written(&mut self) -> io::Result<()> {
        self.written()
    }

    fn pause(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl<O: LineOutput> EventSink for Lines<O> {
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
        self.output.pause()?;
        Ok(ControlFlow::Continue(()))
    }
}
