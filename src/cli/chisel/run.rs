//! Chisels over a capture, or over live events.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::LossReport;

use super::ChiselArgs;
use crate::audit::sessions::ExecSessions;
use crate::chisel::{
    self, ChiselError, ChiselRunner, Ended, Info, Options, Policy, Script, ScriptRegistry, Wanted,
};
use crate::cli::audit::AuditLogs;
use crate::cli::error::{CliError, EXIT_FAILED, Outcome};
use crate::cli::input::{Captures, Input};
use crate::cli::output::Until;
use crate::cli::positionals;
use crate::cli::print::PrintArgs;
use crate::cli::window::Window;
use crate::fields::Context;
use crate::filter::TypeSet;
use crate::replay::{EventSink, Extent, OriginState, Pipeline, ReplayError, Selection};

/// A command line with which a chisel restarts the program.
#[derive(Debug)]
pub(in crate::cli) struct Rerun {
    /// The arguments of `scap read`.
    pub(in crate::cli) words: Vec<OsString>,
    /// The arguments that the user gave to the chisels.
    given: Vec<String>,
}

impl Rerun {
    /// Checks that a file may be written: only a file in the directory for chisel output, or a new
    /// file that the user named.
    pub(in crate::cli) fn check(&self, path: &Path, args: &ChiselArgs) -> Result<(), CliError> {
        let is_named = self.given.iter().any(|given| Path::new(given) == path);
        let is_inside = args.chisel_output.as_deref().is_some_and(|dir| {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            match (dir.canonicalize(), parent.canonicalize()) {
                (Ok(dir), Ok(parent)) => parent.starts_with(dir) && !path.is_symlink(),
                _ => false,
            }
        });
        if args.chisel_unsafe || is_inside || (is_named && path.symlink_metadata().is_err()) {
            return Ok(());
        }
        let shown = path.display();
        Err(CliError::failed(format!(
            "a chisel wants to write {shown}, which exists already or was not named by you"
        ))
        .hint("`--chisel-output DIR` lets it write into that directory"))
    }
}

/// Makes the options of a run.
fn options(args: &ChiselArgs, print: &PrintArgs, filter: Option<String>, capture: &str) -> Options {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    let size = tcgetwinsize(&stdout).ok().filter(|_| is_terminal);
    Options {
        registry: ScriptRegistry::from_environment(),
        policy: args.policy(),
        is_live: false,
        is_terminal,
        terminal_size: size.map(|size| (size.ws_col, size.ws_row)),
        filter,
        shows_containers: print.shows_containers(),
        json: print.is_json(),
        buffers: print.chosen_buffers(),
        capture: capture.to_owned(),
        output: Box::new(stdout),
    }
}

/// Time limit of a script that is only described, in seconds.
const DESCRIBED_WITHIN: u64 = 10;

/// Returns the metadata of a script.
pub(super) fn metadata(script: Script) -> Result<Info, ChiselError> {
    watch(DESCRIBED_WITHIN);
    chisel::info(
        ScriptRegistry::from_environment(),
        Policy::default(),
        script,
    )
}

/// Ends the program when a call into a script takes longer than this many seconds. From the start of the program there is
/// such a limit, so that no call is without.
pub(in crate::cli) fn watch(seconds: u64) {
    let give_up = move |script: &str| {
        crate::tui::give_back();
        let message =
            format!("chisel {script}: it exceeded the limit of {seconds} seconds for one call");
        let error = CliError::failed(message);
        error.hint("`--chisel-timeout` raises the limit").print();
        std::process::exit(i32::from(EXIT_FAILED));
    };
    chisel::watch(Duration::from_secs(seconds), give_up);
}

/// Runs a function that calls scripts, on a thread with a large stack and under the watchdog.
pub(in crate::cli) fn watched<R: Send>(
    args: &ChiselArgs,
    run: impl FnOnce() -> Result<R, CliError> + Send,
) -> Result<R, CliError> {
    watch(args.chisel_timeout);
    let failed = |error| CliError::failed(format!("cannot start a thread: {error}"));
    chisel::with_stack(run).map_err(failed)?
}

/// What chisels run over.
pub(in crate::cli) struct Sources<'a> {
    /// The captures.
    pub(in crate::cli) files: &'a [PathBuf],
    /// Audit logs beside them.
    pub(in crate::cli) audit: Option<AuditLogs>,
    /// Which requests of the logs started which processes.
    pub(in crate::cli) sessions: Option<Arc<ExecSessions>>,
}

/// Runs the chisels over captures and audit logs.
pub(in crate::cli) fn read(
    args: &ChiselArgs,
    print: &PrintArgs,
    sources: Sources<'_>,
    filter: Option<String>,
    selection: Selection,
) -> Result<(Outcome, Option<Rerun>), CliError> {
    watched(args, || replay(args, print, sources, filter, selection))
}

fn replay(
    args: &ChiselArgs,
    print: &PrintArgs,
    sources: Sources<'_>,
    filter: Option<String>,
    mut selection: Selection,
) -> Result<(Outcome, Option<Rerun>), CliError> {
    let Sources {
        files,
        audit,
        sessions,
    } = sources;
    let window = Window::new(files, audit.as_ref(), &mut selection);
    let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    let options = options(args, print, filter.clone(), &names.join(", "));
    let size = options.terminal_size;
    let wanted = args.wanted();
    let mut host = ChiselRunner::new(options, &wanted, print.count.unwrap_or(u64::MAX))
        .map_err(CliError::from)?;
    if let Some(code) = host.exited() {
        return exited(code).map(|outcome| (outcome, None));
    }
    if filter.is_none()
        && let Some(own) = host.filter()
    {
        selection.filter = Some(positionals::filter(&own)?);
    }
    let mut inputs = Vec::new();
    for file in files {
        let mut input = Input::open(file)?;
        // Merged captures are read side by side: the name of the first stands for all.
        if inputs.is_empty() {
            input.watch(host.progress());
        }
        inputs.push(input);
    }
    let mut session = print.session_with(host.buffers());
    session.exec_sessions = sessions;
    session.screen_width = size.map_or(0, |(width, _)| width);
    let mut captures = Captures::of(
        inputs,
        audit,
        Some(Extent::All(selection.from)),
        &mut session,
    )?;
    let mut needs = host.needs();
    if let Some(filter) = &selection.filter {
        needs.types = needs.types.and(filter.evaluated_types());
        needs.data |= filter.needs_payload();
    }
    captures.source().set_needs(&needs);
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let replayed = pipeline.run(captures.source(), &mut host);
    let events = host.events();
    let ended = host.finish(pipeline.origins()).map_err(CliError::from);
    let end = match replayed {
        Ok(end) => end,
        Err(error @ ReplayError::Read(_)) => {
            return Err(CliError::replay(&captures.name(), &error));
        }
        // Chisels print by themselves: a sink error of the replay is an error of standard output.
        Err(ReplayError::Sink(error)) => return Err(CliError::output(&error)),
    };
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    let Ended { again, exit } = ended?;
    let damaged = captures.report_damage(end, events);
    if let Some(code) = exit.filter(|code| *code != 0) {
        return exited(code).map(|outcome| (outcome, None));
    }
    if exit.is_some() {
        return Ok((Outcome::of_damage(damaged), None));
    }
    let given = wanted.iter().flat_map(|w| w.arguments.split(' '));
    let again = again.map(|line| Rerun {
        words: split(&line),
        given: given.map(str::to_owned).collect(),
    });
    Ok((Outcome::of_damage(damaged), again))
}

/// Ends with the exit code that a script chose.
fn exited(code: i32) -> Result<Outcome, CliError> {
    match u8::try_from(code) {
        Ok(0) => Ok(Outcome::Done),
        Ok(code) => Err(CliError::Exited(code)),
        Err(_) => Err(CliError::Exited(1)),
    }
}

/// Chisels over live events of this machine.
pub(in crate::cli) struct Live {
    /// `None` after the end of the capture was signalled.
    host: Option<ChiselRunner>,
    events: u64,
    ended: Option<Result<Ended, ChiselError>>,
}

/// Prepares chisels for live events.
pub(in crate::cli) fn live(
    args: &ChiselArgs,
    print: &PrintArgs,
    filter: Option<String>,
    until: &Until,
) -> Result<Live, CliError> {
    let mut options = options(args, print, filter, "");
    options.output = Box::new(until.stdout().map_err(|error| CliError::output(&error))?);
    options.is_live = true;
    let wanted: Vec<Wanted> = args.wanted();
    let host = ChiselRunner::new(options, &wanted, print.count.unwrap_or(u64::MAX))
        .map_err(CliError::from)?;
    // What the scripts need is computed here; from now on no script may add to it.
    host.needs();
    Ok(Live {
        host: Some(host),
        events: 0,
        ended: None,
    })
}

impl Live {
    /// Returns the runner until the end of the capture.
    pub(in crate::cli) fn host(&self) -> Option<&ChiselRunner> {
        self.host.as_ref()
    }

    /// Returns how many events the chisels received, after the end of the capture.
    pub(in crate::cli) fn events(&self) -> u64 {
        self.events
    }

    /// Returns the result of the run.
    pub(in crate::cli) fn finish(self) -> Result<(), CliError> {
        match self.ended {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Ended {
                exit: Some(code), ..
            })) => exited(code).map(drop),
            _ => Ok(()),
        }
    }

    fn with(
        &mut self,
        take: impl FnOnce(&mut ChiselRunner) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        self.host.as_mut().map_or(Ok(ControlFlow::Break(())), take)
    }
}

impl EventSink for Live {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.with(|host| host.event(cx))
    }

    fn synthesized_enter(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.with(|host| host.synthesized_enter(cx))
    }

    fn enters(&self) -> TypeSet {
        self.host
            .as_ref()
            .map_or(TypeSet::NONE, ChiselRunner::enters)
    }

    fn end(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        if let Some(host) = self.host.take() {
            self.events = host.events();
            self.ended = Some(host.finish(origins));
        }
        Ok(())
    }

    fn pause(
        &mut self,
        time: Option<Timestamp>,
        origins: &[OriginState],
    ) -> io::Result<ControlFlow<()>> {
        self.with(|host| host.pause(time, origins))
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        crate::cli::live::report_loss(report);
        Ok(())
    }
}

/// Splits a command line at spaces outside of double quotes.
fn split(line: &str) -> Vec<OsString> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        quoted ^= c == '"';
        match words.last_mut() {
            Some(word) if quoted || c != ' ' => word.push(c),
            _ => words.push(String::new()),
        }
    }
    let last = words.len() - 1;
    let bare = |(at, word): (usize, String)| match at == last {
        // The last word is a filter and keeps its quotes.
        true => word,
        false => word.replace('"', ""),
    };
    let words = words.into_iter().enumerate().map(bare);
    words
        .filter(|w| !w.is_empty())
        .map(OsString::from)
        .collect()
}
