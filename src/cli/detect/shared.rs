//! Alerts of a capture that several threads read, each by rules of its own: for rules that look at one event at a time.

use std::io;
use std::ops::ControlFlow;

use super::replay::{Pass, Passed, session};
use crate::cli::error::CliError;
use crate::cli::input::Captures;
use crate::cli::output::Output;
use crate::event::EventExt as _;
use crate::fields::{Context, Session};
use crate::replay::{EventSink, Extent, PieceSink, Pipeline, Share, Split, replay_shares};
use crate::rules::{Counts, Engine, Printer, Style};
use crate::stats::AlertCounts;

/// What one thread finds.
struct Worker {
    engine: Engine,
    printer: Printer,
    out: Vec<u8>,
    events: u64,
    recorded: AlertCounts,
}

impl EventSink for Worker {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() || self.recorded.add(cx.event) {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        let (printer, out) = (&mut self.printer, &mut self.out);
        self.engine.evaluate(cx, |found| -> io::Result<()> {
            printer.print(out, cx, &found, None);
            Ok(())
        })?;
        Ok(ControlFlow::Continue(()))
    }
}

impl PieceSink for Worker {
    fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.out, empty)
    }
}

/// Prints the alerts of a capture in order, and returns how many there were. `None`: it has to be read by one thread.
pub(super) fn alerts(
    pass: &Pass,
    engine: &Engine,
    style: Style,
    threads: usize,
) -> Result<Option<(Passed, Counts)>, CliError> {
    let selection = &pass.selection;
    let filter = selection.filter.as_ref();
    let depends = filter.is_some_and(|filter| filter.pushdown().depends_on_all.is_some());
    // Standard input is read once.
    let is_one = matches!(&*pass.files, [file] if file.is_file());
    if threads < 2 || !is_one || pass.audit.is_some() || depends || !engine.is_order_independent() {
        return Ok(None);
    }
    let make_session = || Session {
        exec_sessions: pass.sessions.clone(),
        ..session(None)
    };
    let wanted = Some(Extent::Events(selection));
    let split = (threads, Split::Segments);
    let opened = Captures::shares(&pass.files, None, wanted, split, &make_session)?;
    if opened.len() < 2 {
        return Ok(None);
    }
    let (mut captures, sessions): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    let mut shares = Vec::new();
    for (captures, session) in captures.iter_mut().zip(sessions) {
        shares.push(Share {
            pipeline: Pipeline::new(session, captures.origins(), selection.clone()),
            sink: Worker {
                engine: engine.clone(),
                printer: super::printer(engine, style)?,
                out: Vec::new(),
                events: 0,
                recorded: AlertCounts::default(),
            },
            source: captures.source(),
        });
    }
    let mut output = Output::new();
    let replayed = replay_shares(&mut shares, &mut |piece| {
        output.write(piece)?;
        Ok(ControlFlow::Continue(()))
    });
    let mut counts = engine.counts();
    let mut passed = Passed {
        has_missed: shares.iter().all(|share| share.pipeline.has_missed()),
        ..Passed::default()
    };
    for share in shares {
        counts.add(&share.sink.engine.counts());
        passed.events += share.sink.events;
        passed.recorded += share.sink.recorded.total;
    }
    let name = captures.first().map(Captures::name).unwrap_or_default();
    let end = replayed.map_err(|error| CliError::replay(&name, &error))?;
    output.finish()?;
    passed.damaged = Captures::report_shares(&captures, end, passed.events);
    Ok(Some((passed, counts)))
}
