//! `scap slice`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;

use scap_capture_format::event::{Pid, Tid, Timestamp};
use scap_capture_format::native::{Derivation, LossReport};

use super::derive::derivation;
use super::error::{CliError, Outcome, warn};
use super::input::Captures;
use super::positionals;
use super::read::{cannot_write, destination, refuse_same};
use super::stderr;
use super::window::Window;
use crate::event::number::counted;
use crate::export::{Edit, NativeSink, OnlyChosen, ProcessSurvey, Unedited};
use crate::fields::{Context, Session};
use crate::replay::{End, EventSink, Extent, OriginState, Pipeline, ReplayError, Selection};
use crate::state::View;

/// Most ancestors of a process that are looked at.
const ANCESTORS: usize = 256;

/// Arguments of `scap slice`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captures; several are merged by time. The words after the files are a filter, as of `read`
    #[arg(value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    /// Read this capture; all other words are the filter
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    read: Vec<PathBuf>,

    /// The capture to write; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Start at a time (`2026-11-24 03:12:01.5`, `03:12:01`), an offset from the first event
    /// (`+12.5s`) or an event number (`#123`)
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,

    /// End at this time, offset or event number
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,

    /// Only events of this process, its ancestors and its descendants
    #[arg(long, value_name = "PID")]
    lineage: Option<i64>,

    /// Only events in this container: its name, or the beginning of its id; `host` is outside of containers
    #[arg(long, value_name = "CONTAINER")]
    container: Option<String>,

    /// Nothing of processes without an event in the slice: of their ancestors ids and names, of all others nothing
    #[arg(long)]
    only: bool,

    /// Do not print what was written
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (files, filter) = positionals::split(&args.read, &args.words, true)?;
    let filter = filter.as_deref();
    let pick = || positionals::selection(filter, args.from.as_deref(), args.to.as_deref());
    // What was given is checked before a file is read.
    pick()?;
    for file in &files {
        refuse_same(file, &args.output)?;
    }
    if args.only && files.iter().any(|file| file.as_os_str() == "-") {
        let message = "--only reads the captures twice, and standard input can be read only once";
        return Err(CliError::usage(message));
    }
    let lineage = args.lineage.map(|pid| pid.to_string());
    let options = [
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
        ("lineage", lineage.as_deref()),
        ("container", args.container.as_deref()),
        ("only", args.only.then_some("")),
        ("filter", filter),
    ];
    let slice = Slice {
        args,
        files: &files,
        filter,
        derivation: derivation("slice", &options, &files)?,
    };
    if !args.only {
        let (outcome, _) = slice.write(pick()?, Unedited)?;
        return Ok(outcome);
    }
    let survey = slice.survey(pick()?)?;
    let (outcome, only) = slice.write(pick()?, OnlyChosen::new(survey))?;
    if only.alerts() > 0 {
        let alerts = counted(only.alerts(), "alert");
        warn(
            &format!("left out: {alerts}, which can describe other processes"),
            Some("`scap detect` finds again what rules find in the slice"),
        );
    }
    if only.is_incomplete() {
        warn(
            "other processes changed the chosen ones too often: some values can be older than their event",
            None,
        );
    }
    Ok(outcome)
}

struct Slice<'a> {
    args: &'a Args,
    files: &'a [PathBuf],
    filter: Option<&'a str>,
    derivation: Derivation,
}

impl Slice<'_> {
    /// Finds the processes that have events in the slice.
    fn survey(&self, selection: Selection) -> Result<ProcessSurvey, CliError> {
        let (_, _, sink) = self.pass(selection, false, |_| Ok(ProcessSurvey::default()))?;
        Ok(sink)
    }

    /// Writes the slice.
    fn write<E: Edit>(&self, selection: Selection, edit: E) -> Result<(Outcome, E), CliError> {
        let path = &self.args.output;
        let (captures, end, sink) = self.pass(selection, true, |captures| {
            let (header, origins) = (captures.header(), captures.origins());
            let out = destination(path)?;
            let mut sink = NativeSink::edited(out, header, origins, u64::MAX, edit);
            sink.set_derivation(self.derivation.clone());
            for (name, value) in self.notes() {
                sink.note(name, &value);
            }
            Ok(sink)
        })?;
        let (shown, hidden) = sink.counts();
        let finished = sink.finish().and_then(|(mut out, edit)| {
            out.flush()?;
            Ok(edit)
        });
        let edit = finished.map_err(|error| cannot_write(path, &error))?;
        if !self.args.quiet {
            stderr::print(&format!(
                "{}, {} for the state\n",
                counted(shown, "event"),
                counted(hidden, "hidden event")
            ));
        }
        let is_damaged = captures.report_damage(end, shown);
        Ok((Outcome::of_damage(is_damaged), edit))
    }

    /// Returns what the header says of the choice of events. With a `filter`, readers know that events are missing.
    fn notes(&self) -> Vec<(&'static str, String)> {
        let args = self.args;
        let mut conditions = Vec::new();
        conditions.extend(args.lineage.map(|pid| format!("--lineage {pid}")));
        conditions.extend(
            args.container
                .as_ref()
                .map(|name| format!("--container {name}")),
        );
        conditions.extend(args.only.then(|| "--only".to_owned()));
        conditions.extend(self.filter.map(str::to_owned));
        let mut notes = Vec::new();
        if !conditions.is_empty() {
            notes.push(("filter", conditions.join(" ")));
        }
        notes.extend(args.from.clone().map(|from| ("from", from)));
        notes.extend(args.to.clone().map(|to| ("to", to)));
        notes
    }

    /// Reads the captures into a sink.
    fn pass<S: EventSink>(
        &self,
        mut selection: Selection,
        reports: bool,
        make: impl FnOnce(&Captures) -> Result<S, CliError>,
    ) -> Result<(Captures, End, S), CliError> {
        let window = Window::new(self.files, None, &mut selection);
        let mut session = Session::default();
        let wanted = Extent::All(selection.from);
        let mut captures = Captures::open(self.files, None, Some(wanted), &mut session)?;
        let mut sink = Choosing {
            lineage: self.args.lineage,
            container: self.args.container.as_deref().map(str::as_bytes),
            sink: make(&captures)?,
        };
        let mut pipeline = Pipeline::new(session, captures.origins(), selection);
        let end = match pipeline.run(captures.source(), &mut sink) {
            Ok(end) => end,
            Err(ReplayError::Sink(error)) => return Err(cannot_write(&self.args.output, &error)),
            Err(other) => return Err(CliError::replay(&captures.name(), &other)),
        };
        if reports && pipeline.has_missed() {
            window.warn_of_no_events();
        }
        Ok((captures, end, sink.sink))
    }
}

/// Hides events of other processes and containers.
struct Choosing<'a, S> {
    lineage: Option<i64>,
    container: Option<&'a [u8]>,
    sink: S,
}

impl<S: EventSink> Choosing<'_, S> {
    fn chooses(&self, cx: &Context<'_>) -> bool {
        let is_of = |pid| is_of_lineage(cx.view, pid);
        self.lineage.is_none_or(is_of)
            && self
                .container
                .is_none_or(|name| is_of_container(cx.view, name))
    }
}

/// Whether an event is of a process, of one of its ancestors or of its descendants, as they are at the event.
fn is_of_lineage(view: &View<'_>, pid: i64) -> bool {
    if view.ancestors().any(|process| process.pid == Pid(pid)) {
        return true;
    }
    let Some(own) = view.thread() else {
        return false;
    };
    let state = view.state();
    let parent_of = |tid: Tid| state.thread(Tid(state.thread(tid)?.pid.0));
    let mut next = state.thread(Tid(pid));
    for _ in 0..ANCESTORS {
        let Some(process) = next else {
            return false;
        };
        if process.pid == own.pid {
            return true;
        }
        next = (process.ptid.0 > 0)
            .then(|| parent_of(process.ptid))
            .flatten();
    }
    false
}

/// Whether an event is of a container with this name, or an id that begins so.
fn is_of_container(view: &View<'_>, name: &[u8]) -> bool {
    match view.container_id() {
        None => name == b"host",
        Some(id) => {
            let has_name = |info: &crate::state::ContainerInfo| {
                info.text("name").is_some_and(|own| own.as_bytes() == name)
            };
            id.starts_with(name) || view.container().is_some_and(has_name)
        }
    }
}

impl<S: EventSink> EventSink for Choosing<'_, S> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        match self.chooses(cx) {
            true => self.sink.event(cx),
            false => self.sink.hidden(cx).map(ControlFlow::Continue),
        }
    }

    /// A slice has events of the capture only.
    fn synthesized_enter(&mut self, _: &Context<'_>) -> io::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        self.sink.begin(origins)
    }

    fn takes_between(&self) -> bool {
        self.sink.takes_between()
    }

    fn between(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        self.sink.between(origins)
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        self.sink.hidden(cx)
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        self.sink.loss(report)
    }

    fn pause(
        &mut self,
        time: Option<Timestamp>,
        origins: &[OriginState],
    ) -> io::Result<ControlFlow<()>> {
        self.sink.pause(time, origins)
    }

    fn end(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        self.sink.end(origins)
    }
}
