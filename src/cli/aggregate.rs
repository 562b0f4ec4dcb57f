//! Counting over captures with several threads.

use std::path::PathBuf;

use super::audit::AuditLogs;
use super::error::CliError;
use super::input::{Captures, default_threads};
use crate::fields::Session;
use crate::replay::{
    End, EventSink, Extent, Needs, Pipeline, Selection, Share, Split, replay_runs,
};

/// A sink whose result is that of the parts of a capture, joined in order.
pub(super) trait Aggregate: EventSink + Send + Sized {
    /// Adds what was found in the next part of the capture. Returns false if the result is not that of one replay, since a limit
    /// was reached.
    fn join(&mut self, later: Self) -> bool;
}

/// How many threads read a capture.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Threads {
    /// Read with this many threads, where the output does not depend on the order in which events are read;
    /// by default one for each processor, at most 8
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,
}

impl Threads {
    /// Returns the number of threads. Each has the state in memory, and more than a few find nothing to do.
    pub(super) fn count(self) -> usize {
        self.threads.unwrap_or_else(default_threads)
    }
}

/// What is read.
pub(super) struct Input<'a> {
    pub(super) files: &'a [PathBuf],
    pub(super) selection: &'a Selection,
    /// Parts without selected events may be skipped.
    pub(super) may_skip: bool,
    /// Most threads, each of which reads a part of the capture.
    pub(super) threads: usize,
    pub(super) needs: Needs,
    pub(super) session: &'a dyn Fn() -> Session,
}

/// Captures that were read.
pub(super) struct Aggregated<S> {
    pub(super) sink: S,
    /// How far the replay came, or why it ended early: what was found until then is in the sink.
    pub(super) end: Result<End, CliError>,
    /// No event was in the time window.
    pub(super) has_missed: bool,
    pub(super) captures: Vec<Captures>,
}

/// Replays captures into a sink. `make` makes one for a part of a capture, if that is true, or for everything.
pub(super) fn aggregate<S: Aggregate>(
    input: &Input<'_>,
    audit: Option<AuditLogs>,
    make: &dyn Fn(&Captures, bool) -> S,
) -> Result<Aggregated<S>, CliError> {
    let (found, is_exact) = replay(input, audit, input.threads, make)?;
    match is_exact || found.end.is_err() {
        true => Ok(found),
        false => Ok(replay(input, None, 1, make)?.0),
    }
}

/// Replays by up to so many threads. Also returns whether the result is that of one.
fn replay<S: Aggregate>(
    input: &Input<'_>,
    audit: Option<AuditLogs>,
    threads: usize,
    make: &dyn Fn(&Captures, bool) -> S,
) -> Result<(Aggregated<S>, bool), CliError> {
    let wanted = input.may_skip.then_some(Extent::Events(input.selection));
    let split = (threads, Split::Runs);
    let opened = Captures::shares(input.files, audit, wanted, split, input.session)?;
    let is_shared = opened.len() > 1;
    let (mut captures, sessions): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    let name = captures.first().map(Captures::name).unwrap_or_default();
    let mut sink = captures.first().map(|captures| make(captures, false));
    let mut shares = Vec::new();
    for (captures, session) in captures.iter_mut().zip(sessions) {
        let sink = match is_shared {
            true => Some(make(captures, true)),
            false => sink.take(),
        };
        let Some(sink) = sink else {
            continue;
        };
        captures.source().set_needs(&input.needs);
        shares.push(Share {
            pipeline: Pipeline::new(session, captures.origins(), input.selection.clone()),
            source: captures.source(),
            sink,
        });
    }
    let replayed = replay_runs(&mut shares);
    let has_missed = shares.iter().all(|share| share.pipeline.has_missed());
    let mut is_exact = true;
    for share in shares {
        match &mut sink {
            Some(sink) => is_exact &= sink.join(share.sink),
            none => *none = Some(share.sink),
        }
    }
    let end = replayed.map_err(|error| CliError::replay(&name, &error));
    let sink = sink.ok_or_else(|| CliError::failed("there is nothing to read"))?;
    let found = Aggregated {
        sink,
        end,
        has_missed,
        captures,
    };
    Ok((found, is_exact))
}
