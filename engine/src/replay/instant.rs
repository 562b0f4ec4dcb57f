//! The state of the recorded machines at an instant.

use std::io;
use std::ops::ControlFlow;

use super::selection::WindowPosition;
use super::{
    EventSink, EventSource, Item, Needs, OriginState, Pipeline, ReplayError, Selection,
    is_about_capture,
};
use crate::fields::{Context, Session};
use crate::filter::{TypeSet, When};

/// The state of every origin at an instant.
#[derive(Debug)]
pub struct Instant {
    /// The states, in the order of the source's origins.
    pub origins: Vec<OriginState>,
    /// The time of the last event that counts, in nanoseconds since the epoch; 0 if there is none.
    pub time: u64,
    /// How many events count, and the number of the last one.
    pub events: u64,
    last: u64,
    first_time: u64,
    /// Whether the source has later events, which were not read.
    pub is_before_end: bool,
}

impl Instant {
    /// Whether the last event that counts is before this point in time, or has a smaller number.
    pub fn is_before(&self, at: When) -> bool {
        match at {
            When::Event(number) => self.last < number,
            time => time
                .time(self.first_time)
                .is_some_and(|time| self.time < time),
        }
    }
}

/// Replays a source up to and with the last event at an instant, or to its end.
///
/// The source can begin at any snapshot before.
///
/// # Errors
///
/// As [`Pipeline::run`].
pub fn state_at(
    source: &mut dyn EventSource,
    session: Session,
    at: Option<When>,
) -> Result<Instant, ReplayError> {
    source.set_needs(&Needs {
        // Also of an event that changes nothing the number and the time count.
        types: TypeSet::ALL,
        data: false,
    });
    let selection = Selection {
        to: at,
        ..Selection::default()
    };
    // `+5s` counts from the first event of all origins.
    let mut first = Some(session.first_time).filter(|time| *time != 0);
    let mut pipeline = Pipeline::new(session, source.origins(), Selection::default());
    let is_merged = pipeline.origins().len() > 1;
    let mut has_snapshot = vec![false; pipeline.origins().len()];
    let (mut latest, mut time, mut is_before_end) = (0, 0, false);
    let (mut events, mut last) = (0, 0);
    source.read(&mut |origin, item| {
        let place = usize::from(origin.0);
        match &item {
            Item::Event(paired) | Item::StateOnly(paired) => {
                let event = paired.event;
                latest = event.ts.known().unwrap_or(latest);
                if event.ts.known().is_some() && !is_about_capture(event) {
                    first = first.or(Some(latest));
                }
                match selection.position(event, latest, first.unwrap_or(0)) {
                    WindowPosition::PastEnd if is_merged && selection.ends_by_number() => {
                        is_before_end = true;
                        return Ok(ControlFlow::Continue(()));
                    }
                    WindowPosition::PastEnd => {
                        is_before_end = true;
                        return Ok(ControlFlow::Break(()));
                    }
                    // Events of several CPUs can be a little out of order.
                    WindowPosition::After => {
                        is_before_end = true;
                        return Ok(ControlFlow::Continue(()));
                    }
                    WindowPosition::Before | WindowPosition::Within => {}
                }
                if !is_about_capture(event) {
                    time = latest.max(time);
                    events += 1;
                    last = event.num.0;
                }
            }
            Item::Snapshot(snapshot) => {
                let end = at.and_then(|at| at.time(first.unwrap_or(0)));
                // Later ones know too much; the first one is all that is known of the time before the first event.
                let had_one = has_snapshot
                    .get_mut(place)
                    .is_some_and(|had| std::mem::replace(had, true));
                if had_one && end.is_some_and(|end| snapshot.time.0 > end) {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            _ => {}
        }
        pipeline.item(origin, item, &mut Nothing)
    })?;
    let mut origins = pipeline.into_origins();
    for origin in &mut origins {
        origin.state.settle();
    }
    Ok(Instant {
        origins,
        time,
        events,
        last,
        first_time: first.unwrap_or(0),
        is_before_end,
    })
}

/// Only the state is wanted.
struct Nothing;

impl EventSink for Nothing {
    fn event(&mut self, _: &Context<'_>) -> io::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}
