//! One selection of a capture's events, read in the ways that have to give the same. Also part of the fuzzer.

use std::io::{self, Cursor};
use std::ops::ControlFlow;
use std::sync::Arc;

use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::format::Template;
use scap::replay::{
    EventSink, EventSource as _, Extent, NativeSource, PieceSink, Pipeline, Plan, Selection, Share,
    Split, replay_runs, replay_shares,
};

/// The bytes of a capture.
pub(crate) type Bytes = Arc<[u8]>;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// A line for each event.
    pub(crate) lines: String,
    /// The capture is damaged where it was read.
    pub(crate) is_damaged: bool,
}

/// Prints all events.
struct Print {
    template: Template,
    out: Vec<u8>,
}

impl EventSink for Print {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.template.write(&mut self.out, cx, BufferFormat::Dots);
        self.out.push(b'\n');
        Ok(ControlFlow::Continue(()))
    }
}

impl PieceSink for Print {
    fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.out, empty)
    }
}

/// A source, the session for it, and a sink; `None` if it is not a capture.
fn opened(
    bytes: &Bytes,
    plan: Option<Plan>,
    format: &str,
) -> Option<(NativeSource<Cursor<Bytes>>, Session, Print)> {
    let mut source = NativeSource::new(Cursor::new(Arc::clone(bytes))).ok()?;
    source
        .preload_containers(Cursor::new(Arc::clone(bytes)))
        .ok()?;
    let mut session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
    if let Some(plan) = plan {
        if !plan.has_front() {
            session.first_time = plan.first_time();
        }
        source.set_plan(plan);
    }
    let sink = Print {
        template: Template::new(format).ok()?,
        out: Vec::new(),
    };
    Some((source, session, sink))
}

/// Reads what a plan says; everything without one. `None`: the capture cannot be read at all.
pub(crate) fn read(
    bytes: &Bytes,
    selection: &Selection,
    format: &str,
    plan: Option<Plan>,
) -> Option<Found> {
    let (mut source, session, mut sink) = opened(bytes, plan, format)?;
    let mut pipeline = Pipeline::new(session, source.origins(), selection.clone());
    pipeline.run(&mut source, &mut sink).ok()?;
    Some(Found {
        lines: String::from_utf8_lossy(&sink.out).into_owned(),
        is_damaged: !source.damages().is_empty() || !source.is_complete(),
    })
}

/// Plans the reading of a selection; `None`: everything has to be read.
pub(crate) fn plan(bytes: &Bytes, selection: &Selection) -> Option<Plan> {
    Plan::new(Cursor::new(bytes), Extent::Events(selection)).ok()?
}

/// Reads by several threads. `None`: they would not read faster, or the capture cannot be read at all.
pub(crate) fn read_shared(
    bytes: &Bytes,
    selection: &Selection,
    format: &str,
    (threads, split): (usize, Split),
) -> Option<Found> {
    let plans = plan(bytes, selection)?.shares(Cursor::new(bytes), threads, split);
    let plans = plans.ok().filter(|plans| plans.len() > 1)?;
    let opened = plans
        .into_iter()
        .map(|plan| opened(bytes, Some(plan), format));
    let mut opened: Vec<_> = opened.collect::<Option<_>>()?;
    let shares = opened.iter_mut().map(|(source, session, sink)| Share {
        pipeline: Pipeline::new(std::mem::take(session), source.origins(), selection.clone()),
        source,
        sink: Print {
            template: sink.template.clone(),
            out: Vec::new(),
        },
    });
    let mut out = Vec::new();
    let mut shares: Vec<_> = shares.collect();
    match split {
        Split::Turns | Split::Segments => replay_shares(&mut shares, &mut |piece| {
            out.extend_from_slice(piece);
            Ok(ControlFlow::Continue(()))
        }),
        Split::Runs => replay_runs(&mut shares).inspect(|_| {
            out = shares
                .iter()
                .flat_map(|share| share.sink.out.clone())
                .collect();
        }),
    }
    .ok()?;
    drop(shares);
    Some(Found {
        lines: String::from_utf8_lossy(&out).into_owned(),
        is_damaged: opened
            .iter()
            .any(|(source, ..)| !source.damages().is_empty() || !source.is_complete()),
    })
}
