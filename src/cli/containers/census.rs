//! Counts containers, their processes and their events.

use std::io;
use std::ops::ControlFlow;

use hashbrown::HashSet;

use crate::event::Event;
use crate::event::EventExt as _;
use crate::fields::Context;
use crate::filter::Filter;
use crate::replay::{EventSink, OriginState};
use crate::state::{State, Text, Thread, limits};
use crate::stats::groups::Groups;

/// Limit of the processes counted, over all containers.
const PROCESSES: usize = 1 << 20;

/// What events and state show of a container.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The full id, if the cgroups contain it.
    pub(super) full_id: Option<Text>,
    /// The runtime, recognized by its cgroup layout.
    pub(super) runtime: Option<&'static str>,
    /// Start of the pid namespace, in ns since boot; 0 if not known.
    pub(super) began: u64,
    pub(super) events: u64,
    /// Times of the first and the last event.
    pub(super) times: Option<(u64, u64)>,
    processes: HashSet<i64>,
}

impl Seen {
    pub(super) fn processes(&self) -> usize {
        self.processes.len()
    }
}

/// Counts the containers of a capture, their processes and their events.
#[derive(Debug)]
pub(super) struct Census {
    rows: Groups<Text, Seen>,
    /// Container, process and row of the previous event: consecutive events are often of one
    /// process.
    last: Option<(Text, i64, usize)>,
    /// True if only matching events count.
    is_filtered: bool,
    processes: usize,
    events: u64,
}

impl Census {
    pub(super) fn new(is_filtered: bool) -> Self {
        Self {
            rows: Groups::new(limits::CONTAINERS),
            last: None,
            is_filtered,
            processes: 0,
            events: 0,
        }
    }

    /// Counts the processes of the states that match the filter.
    pub(super) fn of_states(origins: &[OriginState], filter: &mut Option<Filter>) -> Self {
        let mut census = Self::new(false);
        for OriginState { state, session, .. } in origins {
            census.add_threads(state, |thread| {
                let takes =
                    |filter: &mut Filter| filter.matches_thread(state, session, thread, None);
                thread.container.is_some() && filter.as_mut().is_none_or(takes)
            });
        }
        census
    }

    /// Returns true if some containers were left out because of the limit.
    pub(super) fn is_cut(&self) -> bool {
        self.rows.omitted() > 0
    }

    /// Returns the number of events, including those outside of containers.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Iterates over the containers in the order in which they were first seen.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&[u8], &Seen)> {
        self.rows.iter().map(|(id, seen)| (&**id, seen))
    }

    /// Adds the current processes of a state.
    fn add_threads(&mut self, state: &State, mut wanted: impl FnMut(&Thread) -> bool) {
        // Sorted by id, so that the same capture always gives the same list.
        let mut threads: Vec<&Thread> = state.threads().collect();
        threads.sort_unstable_by_key(|t| t.tid.0);
        for thread in threads.into_iter().filter(|t| wanted(t)) {
            self.process(thread, thread.pid.0);
        }
    }

    /// Returns a container's row; `None` if the limit is reached.
    fn row(&mut self, id: &Text) -> Option<usize> {
        let make = || (id.clone(), Seen::default());
        self.rows.place(id, |other| other == id, make)
    }

    /// Counts a process of a container; returns the container's row.
    fn process(&mut self, thread: &Thread, pid: i64) -> Option<usize> {
        let id = thread.container.as_ref()?;
        if let Some((last, process, row)) = &self.last
            && *process == pid
            && Text::ptr_eq(last, id)
        {
            return Some(*row);
        }
        let row = self.row(id)?;
        let seen = self.rows.row(row);
        if self.processes < PROCESSES && seen.processes.insert(pid) {
            self.processes += 1;
        }
        if seen.full_id.is_none()
            && let Some(located) = &thread.located
            && located.id == *id
        {
            seen.full_id = Some(Text::clone(&located.full_id));
            seen.runtime = located.runtime;
        }
        if seen.began == 0 {
            seen.began = thread.pidns_start;
        }
        self.last = Some((id.clone(), pid, row));
        Some(row)
    }

    fn met(&mut self, cx: &Context<'_>) -> Option<&mut Seen> {
        let thread = cx.view.thread()?;
        let row = self.process(thread, process_of(cx.event, thread))?;
        Some(self.rows.row(row))
    }
}

/// Returns the process of an event; events of .scap files do not always carry it, the thread does.
fn process_of(event: &Event<'_>, thread: &Thread) -> i64 {
    match event.pid.0 {
        -1 => thread.pid.0,
        pid => pid,
    }
}

impl EventSink for Census {
    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        if !self.is_filtered {
            for origin in origins {
                self.add_threads(&origin.state, |_| true);
            }
        }
        Ok(())
    }

    fn end(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        if self.is_filtered {
            return Ok(());
        }
        for OriginState { state, .. } in origins {
            state.settle();
            self.add_threads(state, |_| true);
            for container in state.containers() {
                self.row(&Text::from(container.id.as_bytes()));
            }
        }
        Ok(())
    }

    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        if let Some(seen) = self.met(cx) {
            seen.events += 1;
            if let Some(now) = cx.event.ts.known() {
                let (first, last) = seen.times.unwrap_or((now, now));
                seen.times = Some((first.min(now), last.max(now)));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if !self.is_filtered {
            self.met(cx);
        }
        Ok(())
    }
}
