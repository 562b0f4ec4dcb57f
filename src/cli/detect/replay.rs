//! A pass of rules over captures and audit logs.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::LossReport;
use scap_capture_format::schema::Arch;

use crate::audit::sessions::ExecSessions;
use crate::cli::audit::AuditLogs;
use crate::cli::error::CliError;
use crate::cli::input::Captures;
use crate::cli::live::report_loss;
use crate::event::EventExt as _;
use crate::event::bytes::BufferFormat;
use crate::fields::{Context, Session, TimeFormat};
use crate::replay::{EventSink, Extent, OriginState, Pipeline, Selection};
use crate::rules::{Engine, Match};
use crate::stats::AlertCounts;

/// Takes what rules find.
pub(in crate::cli) trait Findings {
    /// Takes a match. `capture` names the capture, if there are several.
    fn found(
        &mut self,
        cx: &Context<'_>,
        found: &Match<'_>,
        capture: Option<&str>,
    ) -> io::Result<()>;

    /// Takes every event, before the rules.
    fn event(&mut self, _: &Context<'_>, _capture: Option<&str>) {}

    /// No event is there at the moment.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures and logs to look into, merged by time.
pub(in crate::cli) struct Pass {
    pub(in crate::cli) files: Vec<PathBuf>,
    pub(in crate::cli) audit: Option<AuditLogs>,
    /// The sessions of `kubectl exec`, if rules ask for them.
    pub(in crate::cli) sessions: Option<Arc<ExecSessions>>,
    pub(in crate::cli) selection: Selection,
}

/// What a pass was over.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Passed {
    /// A capture is damaged; that was reported.
    pub(in crate::cli) damaged: bool,
    /// No event was in the time window.
    pub(in crate::cli) has_missed: bool,
    /// How many events there were.
    pub(in crate::cli) events: u64,
    /// How many alerts the captures have from their recording.
    pub(in crate::cli) recorded: u64,
    /// The times of the first and the last event, in nanoseconds since the epoch.
    pub(in crate::cli) times: Option<(u64, u64)>,
}

/// Makes the session of a pass.
pub(super) fn session(arch: Option<Arch>) -> Session {
    Session::new(arch, BufferFormat::Dots, TimeFormat::Human)
}

impl Pass {
    /// Evaluates rules.
    pub(in crate::cli) fn run(
        self,
        engine: &mut Engine,
        findings: &mut dyn Findings,
    ) -> Result<Passed, CliError> {
        let mut sink = RuleSink::live(engine, findings);
        sink.is_live = false;
        let mut passed = self.run_sink(&mut sink)?;
        passed.events = sink.events;
        passed.recorded = sink.recorded.total;
        passed.times = sink.times;
        Ok(passed)
    }

    /// Passes all events to a sink.
    pub(super) fn run_sink(self, sink: &mut dyn Counting) -> Result<Passed, CliError> {
        let mut session = session(None);
        session.exec_sessions = self.sessions;
        let wanted = Extent::All(self.selection.from);
        let mut captures = Captures::open(&self.files, self.audit, Some(wanted), &mut session)?;
        sink.names(captures.names());
        let mut pipeline = Pipeline::new(session, captures.origins(), self.selection);
        let replayed = pipeline.run(captures.source(), sink.sink());
        let end = replayed.map_err(|error| CliError::replay(&captures.name(), &error))?;
        Ok(Passed {
            damaged: captures.report_damage(end, sink.events()),
            has_missed: pipeline.has_missed(),
            ..Passed::default()
        })
    }
}

/// A sink that counts events.
pub(super) trait Counting {
    /// Takes the names of the captures by origin.
    fn names(&mut self, _: Vec<String>) {}
    /// Returns it as a sink.
    fn sink(&mut self) -> &mut dyn EventSink;
    /// Returns how many events it took.
    fn events(&self) -> u64;
}

/// Evaluates rules for events.
pub(in crate::cli) struct RuleSink<'a> {
    engine: &'a mut Engine,
    findings: &'a mut dyn Findings,
    /// The names of merged captures, by origin.
    captures: Vec<String>,
    is_live: bool,
    events: u64,
    recorded: AlertCounts,
    times: Option<(u64, u64)>,
}

impl<'a> RuleSink<'a> {
    /// Makes the sink of a live recording.
    pub(in crate::cli) fn live(engine: &'a mut Engine, findings: &'a mut dyn Findings) -> Self {
        Self {
            engine,
            findings,
            captures: Vec::new(),
            is_live: true,
            events: 0,
            recorded: AlertCounts::default(),
            times: None,
        }
    }
}

impl Counting for RuleSink<'_> {
    fn names(&mut self, names: Vec<String>) {
        self.captures = names;
    }

    fn sink(&mut self) -> &mut dyn EventSink {
        self
    }

    fn events(&self) -> u64 {
        self.events
    }
}

impl EventSink for RuleSink<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() || self.recorded.add(cx.event) {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        if let Some(time) = cx.event.ts.known() {
            let (first, last) = self.times.unwrap_or((time, time));
            self.times = Some((first.min(time), last.max(time)));
        }
        let Self {
            engine,
            findings,
            captures,
            ..
        } = self;
        let origin = cx.session.origin.map_or(0, |origin| usize::from(origin.0));
        let name = captures.get(origin).map(String::as_str);
        findings.event(cx, name);
        engine.evaluate(cx, |found| findings.found(cx, &found, name))?;
        Ok(ControlFlow::Continue(()))
    }

    fn pause(&mut self, _: Option<Timestamp>, _: &[OriginState]) -> io::Result<ControlFlow<()>> {
        self.findings.pause()?;
        Ok(ControlFlow::Continue(()))
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        if self.is_live {
            report_loss(report);
        }
        Ok(())
    }
}
