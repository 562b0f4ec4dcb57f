//! The calls that threads are in at an instant.
//!
//! A capture has the end of each call. Which call a thread is in at an instant follows from the next event of the thread: it
//! is in that call if the call began before the instant.

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use scap_capture_format::event::{EventFlags, Tid};
use scap_capture_format::native::chunk::ThreadSet;
use scap_capture_format::native::{Header, Load, LossCause, OriginId, Want};
use scap_capture_format::schema::{SourceCategory, types};

use super::chunk::{ChunkEvents, Use};
use super::{IndexedCapture, IndexedCaptureError, Item, OriginState, ReplayError};
use crate::event::{EventExt as _, PairedEvent, syscall, waits};
use crate::state::limits;

/// Most threads that a chunk is asked for one by one. It is as quick to read it.
const MOST_ASKED: usize = 4096;

/// What a thread does at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadActivity {
    /// It is in a call.
    Call {
        /// The name of the call.
        name: Box<[u8]>,
        /// When it entered the call, in nanoseconds since the epoch.
        since: u64,
        /// What it waits for, escaped; empty = not known, or only time.
        target: Box<[u8]>,
    },
    /// It is in no call.
    UserSpace,
    /// It cannot be known.
    Unknown,
}

/// The calls that threads are in at an instant.
#[derive(Debug, Default)]
pub struct CallsInProgress {
    /// In nanoseconds since the epoch.
    pub(super) at: u64,
    threads: HashMap<(OriginId, Tid), (ThreadActivity, u64)>,
    /// The captures lack calls of their threads.
    lacks_calls: bool,
    /// The time of the first event after the instant that can be missing.
    lost_from: Option<u64>,
}

impl CallsInProgress {
    /// Takes into account what a recorder has left out.
    pub(super) fn of_header(&mut self, header: &Header) {
        self.lacks_calls |= header.lacks_calls();
    }

    /// Returns what a thread does. `origin` is where its recording is among the origins.
    pub fn of(&self, origin: OriginId, tid: Tid) -> &ThreadActivity {
        match self.threads.get(&(origin, tid)) {
            // It was in a call when its recording ended, which was before.
            Some((_, next)) if *next < self.at => &ThreadActivity::Unknown,
            // It can have been in a call whose event is missing.
            Some((ThreadActivity::UserSpace, next))
                if self.lost_from.is_some_and(|from| from <= *next) =>
            {
                &ThreadActivity::Unknown
            }
            Some((activity, _)) => activity,
            None => &ThreadActivity::Unknown,
        }
    }

    /// Takes an event at its place among the others. `own` is the state at the instant.
    pub(super) fn see(&mut self, origin: OriginId, own: &OriginState, paired: PairedEvent<'_>) {
        let event = paired.event;
        let key = (origin, event.tid);
        let has_earlier = |(_, next): &(_, u64)| *next >= self.at;
        if !self.is_next(paired)
            || self.threads.get(&key).is_some_and(has_earlier)
            || self.threads.len() >= limits::THREADS
        {
            return;
        }
        let activity = self.activity(own, paired);
        self.threads.insert(key, (activity, event.ts.0));
    }

    /// Whether an event says what its thread did at the instant, if no earlier one does.
    fn is_next(&self, paired: PairedEvent<'_>) -> bool {
        let event = paired.event;
        let is_call = event
            .info()
            .is_some_and(|info| info.source_category.contains(SourceCategory::SYSCALL));
        let is_end = matches!(event.ty, types::PROCEXIT_E | types::PROCEXIT_1_E);
        // Calls that had not returned have the time of the end.
        let is_in_flight = event.flags.contains(EventFlags::IN_FLIGHT);
        let is_after = event.ts.0 > self.at || is_in_flight && event.ts.0 == self.at;
        event.tid.0 >= 0 && event.ts.known().is_some() && (is_call || is_end) && is_after
    }

    fn activity(&self, own: &OriginState, paired: PairedEvent<'_>) -> ThreadActivity {
        let (event, full) = (paired.event, paired.full);
        // Of a thread that ends without returning from a call only the end is known.
        if matches!(event.ty, types::PROCEXIT_E | types::PROCEXIT_1_E) {
            return ThreadActivity::Unknown;
        }
        let entered = match (event.ty.is_exit(), full.latency) {
            // The call begins after the instant.
            (false, _) => Some(event.ts.0),
            (true, latency) => latency.and_then(|ns| event.ts.0.checked_sub(ns)),
        };
        match entered {
            Some(since) if since <= self.at => {
                let arch = own.session.arch;
                let (mut name, mut target) = (Vec::new(), Vec::new());
                syscall::event_name(&mut name, full, arch);
                let view = own.state.view_between(paired);
                waits::target(&mut target, full, &name, arch, &view);
                ThreadActivity::Call {
                    name: name.into(),
                    since,
                    target: target.into(),
                }
            }
            // Otherwise it can have been in a call that was not recorded.
            Some(_) if !self.lacks_calls && !own.session.is_filtered => ThreadActivity::UserSpace,
            _ => ThreadActivity::Unknown,
        }
    }

    /// Takes losses and gaps into account. `latest` is the time of the last event before.
    pub(super) fn lose(&mut self, item: &Item<'_>, latest: u64) {
        match item {
            Item::Loss(report) => {
                let losses = report
                    .losses
                    .iter()
                    .filter(|loss| loss.cause != LossCause::AUDIT);
                for loss in losses.filter(|loss| loss.count > 0 || loss.cause == LossCause::DAMAGE)
                {
                    self.lose_between(loss.from.0, loss.to.0);
                }
            }
            Item::Gap => self.lose_between(latest, u64::MAX),
            _ => {}
        }
    }

    /// Takes into account that events can be missing from one time to another.
    fn lose_between(&mut self, from: u64, to: u64) {
        if to >= self.at {
            let from = from.max(self.at);
            self.lost_from = Some(self.lost_from.map_or(from, |first| first.min(from)));
        }
    }
}

/// Finds the calls that the threads of a state are in at a time, in nanoseconds since the epoch. Of the capture only chunks
/// are read that can have the next event of a thread.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] if `is_stopped` says so. A capture with enter and exit events cannot be
/// read from the middle: nothing is known of its threads.
pub fn calls_in_progress(
    capture: &IndexedCapture,
    origins: &[OriginState],
    at: u64,
    is_stopped: &dyn Fn() -> bool,
) -> Result<CallsInProgress, IndexedCaptureError> {
    let mut calls = CallsInProgress {
        at,
        ..CallsInProgress::default()
    };
    calls.of_header(capture.header());
    if capture.is_in_pairs() {
        return Ok(calls);
    }
    for loss in capture
        .losses()
        .iter()
        .filter(|loss| loss.cause != LossCause::AUDIT)
    {
        calls.lose_between(loss.span.from, loss.span.to);
    }
    // The threads without an answer.
    let mut wanted: HashMap<Tid, HashSet<OriginId>> = HashMap::new();
    for (number, origin) in (0..).zip(origins) {
        for thread in origin.state.threads().filter(|thread| !thread.dead) {
            wanted
                .entry(thread.tid)
                .or_default()
                .insert(OriginId(number));
        }
    }
    let mut reader = capture.reader_again()?;
    let mut events = ChunkEvents::new(false, reader.is_merged(), origins.len());
    for place in 0..capture.index().chunks.len() {
        let summary = &capture.index().chunks[place].summary;
        let may_have = match &summary.threads {
            ThreadSet::Exact(list) => list.iter().any(|(tid, _)| wanted.contains_key(tid)),
            _ if wanted.len() > MOST_ASKED => true,
            set => wanted.keys().any(|tid| set.may_contain_tid(*tid)),
        };
        if summary.max_time.0 < at || !may_have {
            continue;
        }
        if is_stopped() {
            return Err(IndexedCaptureError::Stopped);
        }
        let damages = events.damages().count();
        let chunk = match reader.chunk(place) {
            Ok(chunk) => chunk,
            Err(error) => {
                events.note(error, 0)?;
                calls.lose_between(summary.min_time.0, u64::MAX);
                continue;
            }
        };
        // The parameters are loaded only if an event of the chunk is wanted.
        let mut numbers = Vec::new();
        events.columns(&chunk, &mut |origin, event| {
            if !calls.is_next(event.into()) {
                return;
            }
            if let Entry::Occupied(mut of_thread) = wanted.entry(event.tid)
                && of_thread.get_mut().remove(&origin)
            {
                numbers.push(event.num.0);
                if of_thread.get().is_empty() {
                    of_thread.remove();
                }
            }
        })?;
        numbers.sort_unstable();
        if !numbers.is_empty() {
            let load = Load {
                params: Want::All,
                io_data: false,
            };
            let seen = events.replay(&chunk, load, Use::Events, &mut |origin, item| {
                if let Item::Event(paired) = item
                    && numbers.binary_search(&paired.event.num.0).is_ok()
                    && let Some(own) = origins.get(usize::from(origin.0))
                {
                    calls.see(origin, own, paired);
                }
                Ok(std::ops::ControlFlow::Continue(()))
            });
            let _flow = seen.map_err(|error| match error {
                ReplayError::Read(error) => IndexedCaptureError::from(error),
                ReplayError::Sink(error) => IndexedCaptureError::Capture(error.into()),
            })?;
        }
        if events.damages().count() > damages {
            calls.lose_between(summary.min_time.0, u64::MAX);
        }
    }
    Ok(calls)
}
