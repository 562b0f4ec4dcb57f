//! `scap live`.

use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::LossReport;
use scap_capture_format::schema::Arch;

use super::chisel::{self, ChiselArgs};
use super::error::{CliError, Outcome, warn};
use super::output::{Output, Until};
use super::positionals;
use super::print::{PrintArgs, Printer};
use super::record::{What, on_signals, print_choice, warn_of_runtime, warn_of_unmatched};
use super::stderr;
use super::sysdig_options::SysdigOptions;
use crate::event::EventExt as _;
use crate::event::number::{counted, grouped, were};
use crate::fields::Context;
use crate::record::{self, CommandEnd, Notice, Options, Summary, command};
use crate::replay::{EventSink, OriginState};

/// Arguments of `scap live`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,

    #[command(flatten)]
    print: PrintArgs,

    #[command(flatten)]
    chisels: ChiselArgs,

    #[command(flatten)]
    sysdig: SysdigOptions,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    args.sysdig.check()?;
    args.chisels.check()?;
    // The limit of `-n` counts printed lines, not recorded events.
    let options = args.what.options(None)?;
    if !args.chisels.is_empty() {
        return chisel::watched(&args.chisels, || with_chisels(args, options));
    }
    let arch = Arch::from_name(std::env::consts::ARCH);
    let stop = on_signals()
        .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;
    let until = Until::of(&options, &stop);
    let mut output = Output::ending(&until).map_err(|error| CliError::output(&error))?;
    let mut screen = Screen {
        printer: Printer::new(&args.print, arch)?,
        output: &mut output,
        left: args.print.count.unwrap_or(u64::MAX),
        events: 0,
    };
    if args.print.verbose {
        print_choice(&options);
    }
    let session = args.print.session(arch);
    let summary = record::observe(&options, session, &mut screen, &stop, &mut |notice| {
        if let Notice::Runtime(text) = notice {
            warn_of_runtime(text);
        }
    })
    .map_err(CliError::from)?;
    let events = screen.events;
    output.finish()?;
    print_summary(&summary, events);
    Ok(Outcome::Done)
}

/// Runs chisels over live events.
fn with_chisels(args: &Args, mut options: Options) -> Result<Outcome, CliError> {
    let stop = on_signals()
        .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;
    let until = Until::of(&options, &stop);
    let filter = args.what.filter_text()?;
    let mut chisels = chisel::live(&args.chisels, &args.print, filter, &until)?;
    let mut session = args.print.session(Arch::from_name(std::env::consts::ARCH));
    if let Some(host) = chisels.host() {
        if host.exited().is_some() {
            chisels.finish()?;
            return Ok(Outcome::Done);
        }
        if let (None, Some(own)) = (&options.filter, host.filter()) {
            options.filter = Some(positionals::filter(&own)?);
        }
        if let Some(snaplen) = host.snaplen() {
            options.snaplen = options.snaplen.max(snaplen.min(record::MAX_SNAPLEN));
        }
        // With `-n` every event counts, so the event types are not restricted.
        if args.print.count.is_none() {
            options.types = host.looked_at();
        }
        if args.print.verbose {
            print_choice(&options);
        }
        session = args.print.session_with(host.buffers());
    }
    let summary = record::observe(&options, session, &mut chisels, &stop, &mut |notice| {
        if let Notice::Runtime(text) = notice {
            warn_of_runtime(text);
        }
    })
    .map_err(CliError::from)?;
    let events = chisels.events();
    chisels.finish()?;
    print_summary(&summary, events);
    Ok(Outcome::Done)
}

/// Prints the summary of the recording to standard error.
fn print_summary(summary: &Summary, events: u64) {
    let mut text = format!(
        "{} in {:.2} s, {} lost\n",
        counted(events, "event"),
        summary.elapsed.as_secs_f64(),
        grouped(summary.lost()),
    );
    match summary.command {
        CommandEnd::None => {}
        CommandEnd::Ended(status) => {
            text.push_str(&format!("the command {}\n", command::describe(status)));
        }
        CommandEnd::Running(pid) => {
            text.push_str(&format!("the command still runs as process {pid}\n"));
        }
    }
    stderr::print(&text);
    warn_of_unmatched(summary);
}

/// Prints a line per event.
struct Screen<'a> {
    printer: Printer,
    output: &'a mut Output,
    left: u64,
    events: u64,
}

impl Screen<'_> {
    fn flow(&self) -> ControlFlow<()> {
        match self.left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl EventSink for Screen<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if self.left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        if cx.event.is_internal() {
            return Ok(ControlFlow::Continue(()));
        }
        self.printer.print(self.output.buffer(), cx);
        self.events += 1;
        self.left -= 1;
        self.output.written()?;
        Ok(self.flow())
    }

    fn pause(&mut self, _: Option<Timestamp>, _: &[OriginState]) -> io::Result<ControlFlow<()>> {
        self.output.pause()?;
        Ok(self.flow())
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        report_loss(report);
        Ok(())
    }
}

/// Warns about lost events.
pub(super) fn report_loss(report: &LossReport) {
    let lost: u64 = report.losses.iter().map(|loss| loss.count).sum();
    if lost > 0 {
        warn(
            &format!("{} {} lost here", counted(lost, "event"), were(lost)),
            Some(
                "use a narrower filter, a larger `--buffer-size`, or a faster reader of the output",
            ),
        );
    }
}
