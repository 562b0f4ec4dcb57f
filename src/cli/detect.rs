//! `scap detect`.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::LossReport;
use scap_capture_format::schema::Arch;

use super::audit::AuditArgs;
use super::error::{CliError, EXIT_ALERTS, Outcome, warn};
use super::input::Captures;
use super::live::report_loss;
use super::output::{Output, Until};
use super::positionals;
use super::record::{How, on_signals, print_choice, warn_of_runtime, warn_of_unmatched};
use super::rules::RuleFiles;
use super::stderr;
use super::window::Window;
use crate::event::EventExt as _;
use crate::event::bytes::BufferFormat;
use crate::event::number::{counted, grouped};
use crate::fields::{Context, Session, TimeFormat};
use crate::record::{self, Notice};
use crate::replay::{End, EventSink, Needs, OriginState, Pipeline};
use crate::rules::{Counts, Engine, Printer, Style};

/// Arguments of `scap detect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captures to look into; several are merged by time; `-` is standard input. The words after the files are a filter:
    /// events that it rejects give no alerts
    #[arg(value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    #[command(flatten)]
    files: RuleFiles,

    #[command(flatten)]
    audit: AuditArgs,

    /// Print JSON: one object per line and alert
    #[arg(short, long)]
    json: bool,

    /// Exit with code 5 if there are alerts
    #[arg(long)]
    exit_code: bool,

    /// Print the warnings about rules and, with --live, what is recorded
    #[arg(short, long)]
    verbose: bool,

    /// Start at a time, an offset from the first event (`+12.5s`) or an event number (`#123`)
    #[arg(long, value_name = "WHEN", conflicts_with = "live")]
    from: Option<String>,

    /// End at this time, offset or event number
    #[arg(long, value_name = "WHEN", conflicts_with = "live")]
    to: Option<String>,

    /// Look at the events of this machine as they happen; all words are the filter
    #[arg(long, conflicts_with = "files")]
    live: bool,

    /// With --live, record all events, not only those that a rule looks at
    #[arg(short = 'A', requires = "live")]
    all: bool,

    #[command(flatten, next_help_heading = "Options of --live")]
    how: How,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let settled = args.files.settle()?;
    let mut style = settled.style;
    style.json |= args.json;
    let rules = args.files.load(&settled.settings, args.verbose)?;
    for which in settled.selection.unused(rules.rules()) {
        warn(&format!("no rule is meant by {which}"), None);
    }
    let engine = rules
        .into_engine(&settled.selection, settled.matching)
        .map_err(|error| CliError::usage(error.to_string()))?;
    if engine.enabled() == 0 {
        return Err(CliError::usage("no rule is switched on"));
    }
    match args.live {
        true => live(args, engine, style),
        false => captures(args, engine, style),
    }
}

fn session(arch: Option<Arch>) -> Session {
    Session::new(arch, BufferFormat::Dots, TimeFormat::Human)
}

fn captures(args: &Args, engine: Engine, style: Style) -> Result<Outcome, CliError> {
    let (files, filter) = positionals::split(&[], &args.words, args.audit.is_empty())?;
    let mut selection =
        positionals::selection(filter.as_deref(), args.from.as_deref(), args.to.as_deref())?;
    let audit = args.audit.open()?;
    let window = Window::new(&files, audit.as_ref(), &mut selection);
    let mut session = session(None);
    let mut captures = Captures::open(&files, audit, selection.from, &mut session)?;
    let mut needs = Needs {
        types: engine.types(),
        data: engine.needs_payload(),
    };
    if let Some(filter) = &selection.filter {
        needs.data |= filter.needs_payload();
    }
    // Numbers and intervals are those of all events.
    captures.source().set_needs(&needs);
    let mut output = Output::new();
    let mut sink = Alerts::new(engine, style, &mut output, captures.names())?;
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let replayed = pipeline.run(captures.source(), &mut sink);
    let (engine, events) = (sink.engine, sink.events);
    output.flush().map_err(|e| CliError::output(&e))?;
    let end = replayed.map_err(|e| CliError::replay(&captures.name(), &e))?;
    output.finish()?;
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    let damaged = end == End::Reached && captures.report_damage(events);
    summarize(args, &engine, damaged)
}

fn live(args: &Args, engine: Engine, style: Style) -> Result<Outcome, CliError> {
    let filter = positionals::join(&args.words)?;
    let filter = Some(filter).filter(|text| !text.trim().is_empty());
    let mut options = args.how.options(filter.as_deref(), None)?;
    if !args.all {
        options.types = Some(engine.types());
    }
    let stop = on_signals()
        .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?;
    let until = Until::of(&options, &stop);
    let mut output = Output::ending(&until).map_err(|error| CliError::output(&error))?;
    if args.verbose {
        print_choice(&options);
    }
    let session = session(Arch::from_name(std::env::consts::ARCH));
    let mut sink = Alerts::new(engine, style, &mut output, Vec::new())?;
    let summary = record::observe(&options, session, &mut sink, &stop, &mut |notice| {
        if let Notice::Runtime(text) = notice {
            warn_of_runtime(text);
        }
    })
    .map_err(CliError::from)?;
    let engine = sink.engine;
    output.finish()?;
    stderr::print(&format!(
        "{:.2} s, {} lost\n",
        summary.elapsed.as_secs_f64(),
        counted(summary.lost(), "event")
    ));
    warn_of_unmatched(&summary);
    summarize(args, &engine, false)
}

/// Prints the counts, in the form of Falco's, and returns the outcome.
fn summarize(args: &Args, engine: &Engine, damaged: bool) -> Result<Outcome, CliError> {
    let counts: Counts = engine.counts();
    let mut out = format!("Events detected: {}\n", counts.total);
    out.push_str("Rule counts by severity:\n");
    for (priority, count) in &counts.by_priority {
        let name = priority.name().to_ascii_uppercase();
        out.push_str(&format!("   {name}: {count}\n"));
    }
    out.push_str("Triggered rules by rule name:\n");
    for (rule, count) in engine.rules().iter().zip(&counts.by_rule) {
        if *count > 0 {
            out.push_str(&format!("   {}: {count}\n", stderr::one_line(&rule.name)));
        }
    }
    stderr::print(&out);
    if counts.forgotten > 0 {
        warn(
            &format!(
                "{} groups of events were forgotten before their window had passed: rules about several events may have missed some",
                grouped(counts.forgotten)
            ),
            Some("use fewer fields in `by`, or a shorter `within`"),
        );
    }
    match (args.exit_code && counts.total > 0, damaged) {
        (true, _) => Err(CliError::Exited(EXIT_ALERTS)),
        (false, damaged) => Ok(Outcome::of_damage(damaged)),
    }
}

/// Prints a line per alert.
struct Alerts<'a> {
    engine: Engine,
    printer: Printer,
    output: &'a mut Output,
    /// The names of merged captures, by origin.
    captures: Vec<String>,
    events: u64,
}

impl<'a> Alerts<'a> {
    fn new(
        engine: Engine,
        style: Style,
        output: &'a mut Output,
        captures: Vec<String>,
    ) -> Result<Self, CliError> {
        let printer = Printer::new(engine.rules(), style)
            .map_err(|error| CliError::usage(error.to_string()))?;
        Ok(Self {
            engine,
            printer,
            output,
            captures,
            events: 0,
        })
    }
}

impl EventSink for Alerts<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        let Self {
            engine,
            printer,
            output,
            captures,
            ..
        } = self;
        let origin = cx.session.origin.map_or(0, |origin| usize::from(origin.0));
        engine.evaluate(cx, |found| {
            let name = captures.get(origin).map(String::as_str);
            printer.print(output.buffer(), cx, &found, name);
            output.written()
        })?;
        Ok(ControlFlow::Continue(()))
    }

    fn pause(&mut self, _: Option<Timestamp>, _: &[OriginState]) -> io::Result<ControlFlow<()>> {
        self.output.pause()?;
        Ok(ControlFlow::Continue(()))
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        if self.captures.is_empty() {
            report_loss(report);
        }
        Ok(())
    }
}
