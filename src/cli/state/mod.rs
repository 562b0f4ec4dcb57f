//! `scap ps`, `tree`, `lsof`, `netstat`, `users`: the state of the recorded machines at an instant.

mod diff;
mod print;

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::diagnostic;
use super::error::{CliError, Outcome, warn};
use super::input::{Captures, Input};
use super::output::Output;
use super::positionals;
use super::window::Window;
use crate::event::time::LocalClock;
use crate::fields::{Context, Session};
use crate::filter::{Filter, When};
use crate::inspect::system_tables::{Chosen, History, SystemView, system_table};
use crate::replay::{
    CallsInProgress, End, EventSink, Extent, IndexedCapture, Instant, Selection, calls_in_progress,
    state_at,
};
use crate::stats::table::Table;

/// Arguments of `scap ps` and its siblings.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captures; several are merged by time; `-` is standard input. The words after the files are a filter of
    /// processes and open files, such as 'proc.name=sshd' or 'fd.sport=443'
    #[arg(value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    /// Read this capture; all other words are the filter
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    read: Vec<PathBuf>,

    /// The instant: a time (`2026-11-24 03:12:01.5`, `03:12:01`), an offset from the first event (`+12.5s`), an event
    /// number (`#123`), `start` (before the first event) or `end`
    #[arg(long, value_name = "WHEN", default_value = "end")]
    at: String,

    /// Show what changed between two instants: `-` was, `+` is
    #[arg(long, num_args = 2, value_names = ["WHEN", "WHEN"], conflicts_with = "at")]
    diff: Option<Vec<String>>,

    /// Only this process, its ancestors and its descendants
    #[arg(long, value_name = "PID")]
    lineage: Option<i64>,

    /// Only processes in the session of this process; of one that is not there, in the session that it leads
    #[arg(long, value_name = "PID")]
    session: Option<i64>,

    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
}

/// Arguments of `scap tree`.
#[derive(Debug, clap::Args)]
pub(super) struct TreeArgs {
    #[command(flatten)]
    of_all: Args,

    /// List all processes from the start to the instant, ended ones included: when they began and ended, with
    /// which status or signal, and the programs and users that they were
    #[arg(long, conflicts_with = "diff")]
    history: bool,
}

/// Arguments of `scap ps`.
#[derive(Debug, clap::Args)]
pub(super) struct PsArgs {
    #[command(flatten)]
    of_tree: TreeArgs,

    /// List threads, and the call that each is in: what it waits for, and since when
    #[arg(long, conflicts_with = "history")]
    threads: bool,
}

/// Runs `scap ps`.
pub(super) fn ps(args: &PsArgs) -> Result<Outcome, CliError> {
    let (args, all) = (&args.of_tree, args);
    match all.threads {
        true => run(&args.of_all, SystemView::Threads),
        false if args.history => history(&args.of_all, false),
        false => run(&args.of_all, SystemView::Processes),
    }
}

/// Runs `scap tree`.
pub(super) fn tree(args: &TreeArgs) -> Result<Outcome, CliError> {
    match args.history {
        true => history(&args.of_all, true),
        false => run(&args.of_all, SystemView::Tree),
    }
}

impl Args {
    /// Returns the files, and what is chosen of them.
    fn parse(&self) -> Result<(Vec<PathBuf>, Chosen), CliError> {
        let (files, filter) = positionals::split(&self.read, &self.words, true)?;
        let chosen = Chosen {
            filter: filter.as_deref().map(filter_of_state).transpose()?,
            lineage: self.lineage,
            session: self.session,
        };
        Ok((files, chosen))
    }
}

/// Prints the processes up to an instant.
fn history(args: &Args, is_tree: bool) -> Result<Outcome, CliError> {
    let (files, chosen) = args.parse()?;
    let mut history = History::of(chosen);
    let moment = Moment::of(&files, "--at", &args.at, Want::History(&mut history))?;
    if history.has_ignored_fds() {
        let message = "the filter was not applied to all open files: there are too many";
        warn(message, None);
    }
    let mut output = Output::new();
    for (origin, machine) in moment.machines.iter().enumerate() {
        let table = history.table(Some(origin), is_tree);
        print::table(&mut output, machine.as_deref(), &table, args.json)?;
        report_omitted(&[table]);
    }
    output.finish()?;
    Ok(Outcome::of_damage(moment.is_damaged))
}

/// Runs the command.
pub(super) fn run(args: &Args, what: SystemView) -> Result<Outcome, CliError> {
    let (files, mut chosen) = args.parse()?;
    let want = || match what {
        SystemView::Threads => Want::Calls,
        _ => Want::State,
    };
    let mut output = Output::new();
    let is_damaged = match args.diff.as_deref() {
        Some([before, after]) => {
            if files.iter().any(|file| file.as_os_str() == "-") {
                let message =
                    "--diff reads the captures twice, and standard input can be read only once";
                return Err(CliError::usage(message));
            }
            let (before, after) = (
                Moment::of(&files, "--diff", before, want())?,
                Moment::of(&files, "--diff", after, want())?,
            );
            let old = before.tables(what, &mut chosen);
            let new = after.tables(what, &mut chosen);
            for ((machine, old), (_, new)) in old.into_iter().zip(new) {
                print::changes(
                    &mut output,
                    machine.as_deref(),
                    &diff::changes(what, &old, &new),
                    &old,
                    args.json,
                )?;
                report_omitted(&[old, new]);
            }
            before.is_damaged || after.is_damaged
        }
        _ => {
            let moment = Moment::of(&files, "--at", &args.at, want())?;
            for (machine, table) in moment.tables(what, &mut chosen) {
                print::table(&mut output, machine.as_deref(), &table, args.json)?;
                report_omitted(&[table]);
            }
            moment.is_damaged
        }
    };
    output.finish()?;
    Ok(Outcome::of_damage(is_damaged))
}

/// Returns the names of a table's columns, as in JSON, and its rows.
#[cfg(feature = "sql")]
pub(super) fn json_rows(
    table: &Table,
) -> (Vec<String>, Vec<serde_json::Map<String, serde_json::Value>>) {
    let names = table
        .columns
        .iter()
        .map(|column| print::member(column.title));
    let rows = table
        .rows
        .iter()
        .map(|row| print::row_json(table.columns, row));
    (names.collect(), rows.collect())
}

/// Parses a filter of processes and fds.
pub(super) fn filter_of_state(text: &str) -> Result<Filter, CliError> {
    let filter = positionals::filter(text)?;
    match filter.is_thread_scoped() {
        true => Ok(filter),
        false => Err(CliError::usage(
            "between events there are only processes and open files: the filter has fields of events",
        )
        .hint("`scap read` filters events; here proc.*, thread.*, user.*, container.*, k8s.* and fd.* have values")),
    }
}

/// What is to be known of an instant.
pub(super) enum Want<'h> {
    /// The state.
    State,
    /// The calls that threads are in, too.
    Calls,
    /// What was before, too.
    History(&'h mut History),
}

/// The machines of captures at an instant.
pub(super) struct Moment {
    /// The name of the captures, safe to print.
    pub(super) name: String,
    pub(super) instant: Instant,
    calls: CallsInProgress,
    /// The machine of each origin, if there are several.
    pub(super) machines: Vec<Option<String>>,
    pub(super) is_damaged: bool,
}

impl Moment {
    /// Replays captures up to the instant that is the value of an option.
    pub(super) fn of(
        files: &[PathBuf],
        option: &str,
        text: &str,
        want: Want<'_>,
    ) -> Result<Self, CliError> {
        let at = match text {
            "start" => Some(When::Event(0)),
            "end" => None,
            _ => Some(When::parse(text).map_err(|error| diagnostic::filter(option, text, &error))?),
        };
        let mut selection = Selection {
            to: at,
            ..Selection::default()
        };
        // Puts a time of day on the day of the captures.
        let _window = Window::new(files, None, &mut selection);
        let at = selection.to;
        let mut session = Session::default();
        let from = match (at, text) {
            (None, _) => last_time(files)?.map(When::At),
            (Some(_), "start") => None,
            (at, _) => at,
        };
        let from = match want {
            Want::History(_) => None,
            Want::State | Want::Calls => from,
        };
        let mut captures = Captures::open(files, None, Some(Extent::All(from)), &mut session)?;
        let mut calls = CallsInProgress::default();
        // Of a file with an index only the chunks that have the next call of a thread are read.
        let indexed = match (&want, files) {
            (Want::Calls, [file]) => indexed(file)?,
            _ => None,
        };
        let reads_on = matches!(want, Want::Calls) && indexed.is_none();
        let mut nothing = Nothing;
        let sink: &mut dyn EventSink = match want {
            Want::History(history) => history,
            Want::State | Want::Calls => &mut nothing,
        };
        let found = state_at(
            captures.source(),
            session,
            at,
            sink,
            reads_on.then_some(&mut calls),
        );
        let instant = found.map_err(|error| CliError::replay(&captures.name(), &error))?;
        if let Some(indexed) = indexed {
            let time = instant.time_of(at);
            let found = calls_in_progress(&indexed, &instant.origins, time, &|| false);
            calls = found.map_err(|error| {
                CliError::failed(format!("cannot read {}: {error}", captures.name()))
            })?;
        }
        let names = captures.origins().iter().map(|origin| origin.name.clone());
        let machines = match captures.origins().len() {
            1 => vec![None],
            _ => names.map(Some).collect(),
        };
        let end = match instant.is_before_end {
            true => End::Stopped,
            false => End::Reached,
        };
        if !instant.is_before_end && at.is_some_and(|at| instant.is_before(at)) {
            let mut time = Vec::new();
            LocalClock::default().iso8601(&mut time, instant.time);
            let time = String::from_utf8_lossy(&time).into_owned();
            let message = format!(
                "the events end before this instant, at {time}: this is the state at their end"
            );
            warn(&message, None);
        }
        Ok(Self {
            is_damaged: captures.report_damage(end, instant.events),
            name: captures.name(),
            instant,
            calls,
            machines,
        })
    }

    /// Makes a table of each machine, with its name if there are several.
    pub(super) fn tables(
        &self,
        what: SystemView,
        chosen: &mut Chosen,
    ) -> Vec<(Option<String>, Table)> {
        let origins = self.instant.origins.iter().zip(&self.machines);
        origins
            .map(|(origin, machine)| {
                let table = system_table(std::slice::from_ref(origin), what, &self.calls, chosen);
                (machine.clone(), table)
            })
            .collect()
    }
}

/// Opens a capture for random access; `None` if it has to be read from front to back.
fn indexed(file: &Path) -> Result<Option<IndexedCapture>, CliError> {
    if file.as_os_str() == "-" || !Input::open(file)?.is_seekable() {
        return Ok(None);
    }
    let capture = IndexedCapture::open(file).ok();
    Ok(capture.filter(|capture| {
        !capture.is_in_pairs() && !capture.is_cut_off() && capture.damages().is_empty()
    }))
}

/// Only the state is wanted.
struct Nothing;

impl EventSink for Nothing {
    fn event(&mut self, _: &Context<'_>) -> io::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns the time of the last event, where it is known without reading the captures.
fn last_time(files: &[PathBuf]) -> Result<Option<u64>, CliError> {
    let mut latest = None;
    for file in files {
        // Standard input can be read only once.
        if file.as_os_str() == "-" {
            return Ok(None);
        }
        let input = Input::open(file)?;
        if !input.is_seekable() {
            return Ok(None);
        }
        let last = input.times()?.map(|(_, last)| last);
        latest = latest.max(last);
    }
    Ok(latest)
}

pub(super) fn report_omitted(tables: &[Table]) {
    let omitted: u64 = tables.iter().map(|table| table.omitted).sum();
    if omitted > 0 {
        warn(
            &format!("{omitted} more rows are not shown"),
            Some("a filter makes it fewer"),
        );
    }
}
