//! The state of the recorded machines at an instant.

use std::ops::ControlFlow;

use scap_capture_format::event::EventFlags;

use super::calls::CallsInProgress;
use super::selection::WindowPosition;
use super::{
    EventSink, EventSource, Item, Needs, OriginState, Pipeline, ReplayError, Selection,
    is_about_capture,
};
use crate::fields::Session;
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
    /// Returns this point in time in nanoseconds since the epoch; for an event, the time of the last event that counts.
    pub fn time_of(&self, at: Option<When>) -> u64 {
        let time = at.and_then(|at| at.time(self.first_time));
        time.unwrap_or(self.time)
    }

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

/// Replays a source up to and with the last event at an instant, or to its end. `sink` takes these events.
///
/// The source can begin at any snapshot before. For `calls`, the calls that threads are in at the instant, all of it is read.
///
/// # Errors
///
/// As [`Pipeline::run`].
pub fn state_at(
    source: &mut dyn EventSource,
    session: Session,
    at: Option<When>,
    sink: &mut dyn EventSink,
    mut calls: Option<&mut CallsInProgress>,
) -> Result<Instant, ReplayError> {
    source.set_needs(&Needs {
        // Also of an event that changes nothing the number and the time count.
        types: TypeSet::ALL,
        data: false,
        verifies: true,
    });
    if let Some(calls) = &mut calls {
        calls.of_header(source.header());
        let parts = source.parts();
        parts.iter().for_each(|part| calls.of_header(part.header()));
    }
    let selection = Selection {
        to: at,
        ..Selection::default()
    };
    // `+5s` counts from the first event of all origins.
    let mut first = Some(session.first_time).filter(|time| *time != 0);
    let mut pipeline = Pipeline::new(session, source.origins(), Selection::default());
    let is_merged = pipeline.origins().len() > 1;
    let mut has_snapshot = vec![false; pipeline.origins().len()];
    let (mut latest, mut time, mut is_before_end, mut is_over) = (0, 0, false, false);
    let (mut events, mut last) = (0, 0);
    source.read(&mut |origin, item| {
        let place = usize::from(origin.0);
        let end = at.and_then(|at| at.time(first.unwrap_or(0)));
        if let Some(calls) = calls.as_mut().filter(|_| is_before_end) {
            calls.lose(&item, latest);
        }
        match &item {
            Item::Event(paired) | Item::StateOnly(paired) => {
                let event = paired.event;
                latest = event.ts.known().unwrap_or(latest);
                if event.ts.known().is_some() && !is_about_capture(event) {
                    first = first.or(Some(latest));
                }
                let position = selection.position(event, latest, first.unwrap_or(0));
                let is_past = matches!(position, WindowPosition::PastEnd | WindowPosition::After);
                if let Some(calls) = &mut calls
                    && let Some(own) = pipeline.origins().get(place)
                    && (is_past || event.flags.contains(EventFlags::IN_FLIGHT))
                {
                    calls.at = end.unwrap_or(if is_past { time } else { latest.max(time) });
                    calls.see(origin, own, *paired);
                }
                if is_past {
                    is_before_end = true;
                    // The numbers of merged captures belong to one of them, and events of several CPUs can be a little out of order.
                    let others = position == WindowPosition::After
                        || is_merged && selection.ends_by_number();
                    is_over |= !others;
                    return Ok(match others || calls.is_some() {
                        true => ControlFlow::Continue(()),
                        false => ControlFlow::Break(()),
                    });
                }
                if !is_about_capture(event) {
                    time = latest.max(time);
                    events += 1;
                    last = event.num.0;
                }
            }
            Item::Snapshot(snapshot) => {
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
        match is_over {
            true => Ok(ControlFlow::Continue(())),
            false => pipeline.item(origin, item, sink),
        }
    })?;
    sink.end(pipeline.origins_mut())
        .map_err(ReplayError::Sink)?;
    let mut origins = pipeline.into_origins();
    for origin in &mut origins {
        origin.state.settle();
    }
    if let Some(calls) = calls {
        calls.at = at
            .and_then(|at| at.time(first.unwrap_or(0)))
            .unwrap_or(time);
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
