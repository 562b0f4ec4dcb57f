//! `scap detect`.

mod attack;
mod explain;
mod replay;
mod shared;
mod table;
mod watch;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use scap_capture_format::schema::Arch;

use crate::cli::aggregate::Threads;
use crate::cli::audit::AuditArgs;
use crate::cli::error::{CliError, EXIT_ALERTS, Outcome, warn};
use crate::cli::output::{Output, Until};
use crate::cli::positionals;
use crate::cli::record::{How, on_signals, print_choice, warn_of_runtime, warn_of_unmatched};
use crate::cli::rules::{self, RuleFiles, Settled};
use crate::cli::stderr;
use crate::cli::window::Window;
use crate::event::number::{counted, grouped};
use crate::fields::Context;
use crate::filter::Filter;
use crate::record::{self, Notice};
use crate::rules::{Counts, Engine, Match, Printer, Rule, RuleSet, Style};
use attack::Attack;
use explain::{Answer, Question};
pub(super) use replay::{Findings, Pass, RuleSink};
use table::Table;

/// Arguments of `scap detect`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
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

    #[command(flatten)]
    threads: Threads,

    /// Exit with code 5 if there are alerts
    #[arg(long)]
    exit_code: bool,

    /// Explain why this rule matches the first event that it matches, or the event of `--at`: the condition as a tree, with
    /// lines of the rule files and the values of the fields
    #[arg(long, value_name = "RULE", conflicts_with = "live")]
    why: Option<String>,

    /// With --why, explain this event
    #[arg(long, value_name = "EVENT", requires = "why")]
    at: Option<String>,

    /// Explain why this rule does not match: the events that came nearest, and what they lack
    #[arg(long, value_name = "RULE", conflicts_with_all = ["live", "why"])]
    why_not: Option<String>,

    /// Look into each capture by itself, and print a table of rules and captures instead of alerts. This is what is done
    /// for the captures of directories
    #[arg(long, conflicts_with_all = ["live", "why", "why_not"])]
    table: bool,

    /// Print how the table changes from these rules, in a file or directory, to those of -r
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["live", "why", "why_not"])]
    diff: Option<PathBuf>,

    /// Look into every capture that is or appears below this directory, until Ctrl-C; all words are the filter
    #[arg(long, value_name = "DIR", conflicts_with_all = ["live", "why", "why_not", "table", "diff", "from", "to", "files"])]
    watch: Option<PathBuf>,

    /// Print the phases of the attack instead of alerts: the tactics of MITRE ATT&CK that the rules' tags name, in the order
    /// of time, with the processes and machines, and connections between captures that both ends saw
    #[arg(long, conflicts_with_all = ["live", "why", "why_not", "table", "diff", "watch"])]
    attack: bool,

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

    /// With --live, record all events, also events that no rule looks at
    #[arg(short = 'A', requires = "live")]
    all: bool,

    #[command(flatten, next_help_heading = "Options of --live")]
    how: How,
}

impl Args {
    /// Returns the pass over the captures and logs that are named, with its window.
    fn pass(&self, needs_sessions: bool) -> Result<(Pass, Window), CliError> {
        let (files, filter) = positionals::split(&[], &self.words, self.audit.is_empty())?;
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        let mut selection = positionals::selection(filter.as_deref(), from, to)?;
        let in_filter = selection
            .filter
            .as_ref()
            .is_some_and(Filter::needs_sessions);
        let sessions = self.audit.sessions(&files, needs_sessions || in_filter)?;
        let audit = self.audit.open()?;
        let window = Window::new(&files, audit.as_ref(), &mut selection);
        let pass = Pass {
            files,
            audit,
            sessions,
            selection,
        };
        Ok((pass, window))
    }
}

/// Runs the command.
pub(in crate::cli) fn run(args: &Args) -> Result<Outcome, CliError> {
    let settled = args.files.settle()?;
    let mut style = settled.style;
    style.json |= args.json;
    let rules = args.files.load(&settled.settings, args.verbose)?;
    if let Some(name) = args.why.as_ref().or(args.why_not.as_ref()) {
        return explain(args, &rules, name);
    }
    let mut engine = settled.engine(rules)?;
    if args.live {
        return live(args, engine, style);
    }
    if let Some(directory) = &args.watch {
        let printer = printer(&engine, style)?;
        let filter = positionals::join(&args.words)?;
        let filter = Some(filter).filter(|text| !text.trim().is_empty());
        let selection = positionals::selection(filter.as_deref(), None, None)?;
        let counts = watch::watch(directory, &mut engine, printer, &selection)?;
        return summarize(args, &engine, &counts, false);
    }
    let needs_sessions = engine.rules().iter().any(Rule::needs_sessions);
    let (pass, window) = args.pass(needs_sessions)?;
    if args.table || args.diff.is_some() || pass.files.iter().any(|path| path.is_dir()) {
        return table(args, engine, &settled, &pass, style.json);
    }
    captures(args, engine, style, pass, &window)
}

/// Looks into each capture by itself.
fn table(
    args: &Args,
    mut engine: Engine,
    settled: &Settled,
    pass: &Pass,
    json: bool,
) -> Result<Outcome, CliError> {
    if pass.audit.is_some() {
        return Err(CliError::usage(
            "audit logs are not part of a table of captures",
        ));
    }
    let files = table::captures(&pass.files)?;
    let new = Table::of(&mut engine, &files, &pass.selection);
    let Some(old) = &args.diff else {
        return new.print(json);
    };
    let rules = rules::load_all(std::slice::from_ref(old), &settled.settings)?;
    let mut engine = rules
        .into_engine(&settled.selection, settled.matching)
        .map_err(|error| CliError::usage(error.to_string()))?;
    let old = Table::of(&mut engine, &files, &pass.selection);
    new.print_difference(&old, json)
}

/// Looks into captures, merged by time.
fn captures(
    args: &Args,
    mut engine: Engine,
    style: Style,
    pass: Pass,
    window: &Window,
) -> Result<Outcome, CliError> {
    if args.attack {
        let mut attack = Attack::new()?;
        let passed = pass.run(&mut engine, &mut attack)?;
        attack.print(style.json)?;
        return summarize(args, &engine, &engine.counts(), passed.damaged);
    }
    let shared = shared::alerts(&pass, &engine, style, args.threads.count())?;
    let (passed, counts) = match shared {
        Some(done) => done,
        None => {
            let mut output = Output::new();
            let mut printer = printer(&engine, style)?;
            let mut lines = Lines {
                printer: &mut printer,
                output: &mut output,
                capture: None,
            };
            let passed = pass.run(&mut engine, &mut lines)?;
            output.finish()?;
            (passed, engine.counts())
        }
    };
    if passed.has_missed {
        window.warn_of_no_events();
    }
    if passed.recorded > 0 {
        stderr::print(&format!(
            "{} recorded with the events, not printed here: `scap read FILE evt.type=alert`\n",
            counted(passed.recorded, "alert")
        ));
    }
    summarize(args, &engine, &counts, passed.damaged)
}

fn printer(engine: &Engine, style: Style) -> Result<Printer, CliError> {
    Printer::new(engine.rules(), style).map_err(|error| CliError::usage(error.to_string()))
}

/// Explains a rule.
fn explain(args: &Args, rules: &RuleSet, name: &str) -> Result<Outcome, CliError> {
    let rule = explain::rule(rules, name)?;
    let explainer = rules.explainer(rule);
    let explainer =
        explainer.ok_or_else(|| CliError::failed("the condition is too large to be explained"))?;
    let question = match (&args.why, &args.at) {
        (None, _) => Question::WhyNot,
        (Some(_), at) => Question::Why(at.as_deref().map(explain::number).transpose()?),
    };
    let (pass, window) = args.pass(rule.needs_sessions())?;
    let mut output = Output::new();
    let mut answer = Answer::new(explainer, question, &rule.name, &mut output);
    let has_missed = pass.run_sink(&mut answer)?.has_missed;
    let outcome = answer.finish();
    output.finish()?;
    if has_missed {
        window.warn_of_no_events();
    }
    outcome
}

fn live(args: &Args, mut engine: Engine, style: Style) -> Result<Outcome, CliError> {
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
    let session = replay::session(Arch::from_name(std::env::consts::ARCH));
    let mut printer = printer(&engine, style)?;
    let mut lines = Lines {
        printer: &mut printer,
        output: &mut output,
        capture: None,
    };
    let mut sink = RuleSink::live(&mut engine, &mut lines);
    let summary = record::observe(&options, session, &mut sink, &stop, &mut |notice| {
        if let Notice::Runtime(text) = notice {
            warn_of_runtime(text);
        }
    })
    .map_err(CliError::from)?;
    output.finish()?;
    stderr::print(&format!(
        "{:.2} s, {} lost\n",
        summary.elapsed.as_secs_f64(),
        counted(summary.lost(), "event")
    ));
    warn_of_unmatched(&summary);
    summarize(args, &engine, &engine.counts(), false)
}

/// Prints the counts, in the form of Falco's, and returns the outcome.
fn summarize(
    args: &Args,
    engine: &Engine,
    counts: &Counts,
    damaged: bool,
) -> Result<Outcome, CliError> {
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
        warn_of_forgotten(counts.forgotten);
    }
    match (args.exit_code && counts.total > 0, damaged) {
        (true, _) => Err(CliError::Exited(EXIT_ALERTS)),
        (false, damaged) => Ok(Outcome::of_damage(damaged)),
    }
}

/// Warns that rules about several events forgot some.
pub(super) fn warn_of_forgotten(groups: u64) {
    warn(
        &format!(
            "{} groups of events were forgotten before their window had passed: rules about several events may have missed some",
            grouped(groups)
        ),
        Some("use fewer fields in `by`, or a shorter `within`"),
    );
}

/// Prints a line per alert.
struct Lines<'a> {
    printer: &'a mut Printer,
    output: &'a mut Output,
    /// The name of the only capture, for JSON.
    capture: Option<String>,
}

impl Findings for Lines<'_> {
    fn found(
        &mut self,
        cx: &Context<'_>,
        found: &Match<'_>,
        capture: Option<&str>,
    ) -> io::Result<()> {
        let capture = capture.or(self.capture.as_deref());
        self.printer.print(self.output.buffer(), cx, found, capture);
        self.output.written()
    }

    fn pause(&mut self) -> io::Result<()> {
        self.output.pause()
    }
}
