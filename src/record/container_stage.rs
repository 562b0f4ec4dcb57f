//! Follows containers in the recorded events: requests their descriptions, and decides which cgroups are
//! excluded in the kernel.

use std::{collections::HashSet, time::Duration};

use scap_capture_format::{
    native::{Snapshot, snapshot::StringId},
    schema::{EventType, types},
};

use super::{
    cgroups::{Cgroups, Hierarchy},
    containers::{Description, Origin, Resolver},
};
use crate::{
    event::Event,
    state::{self, ContainerInfo, State, Thread},
};

/// Time for pending answers of runtimes after the recording has ended.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// Follows the containers of a recording.
pub(super) struct ContainerStage {
    /// For filters by container: decides which cgroups are excluded in the kernel.
    cgroups: Option<(Hierarchy, Cgroups)>,
    /// Requests descriptions from the runtimes.
    resolver: Resolver,
}

impl ContainerStage {
    pub(super) fn new(cgroups: Option<(Hierarchy, Cgroups)>, resolver: Resolver) -> Self {
        Self { cgroups, resolver }
    }

    /// Decides about the cgroups that exist before the probe is attached, so that the calls of excluded ones do
    /// not fill the rings until the initial state is complete. `lists`: the lists of cgroups of the processes.
    pub(super) fn prepare(&mut self, lists: impl IntoIterator<Item = Vec<u8>>) {
        if let Some((hierarchy, cgroups)) = &mut self.cgroups {
            cgroups.seen_all(hierarchy, lists, &State::new());
        }
    }

    /// Takes the initial state from /proc.
    pub(super) fn begin(&mut self, snapshot: &Snapshot, state: &State) {
        for thread in state.threads() {
            ask(&mut self.resolver, thread);
        }
        let Some((hierarchy, cgroups)) = &mut self.cgroups else {
            return;
        };
        let lists: HashSet<StringId> = snapshot.threads.iter().map(|t| t.cgroups).collect();
        let lists = lists.into_iter().map(|id| snapshot.string(id));
        cgroups.seen_all(hierarchy, lists, state);
    }

    /// Whether [`Self::cgroup`] has to be called.
    pub(super) fn follows_cgroups(&self) -> bool {
        self.cgroups.is_some()
    }

    /// Records the id of the cgroup of threads whose list of cgroups is `list`, from an event of type `ty`.
    pub(super) fn cgroup(&mut self, ty: EventType, id: u64, list: &[u8], state: &State) {
        match &mut self.cgroups {
            Some((_, cgroups)) if ty == types::ASYNCEVENT_E => cgroups.moved(id, list, state),
            Some((_, cgroups)) => cgroups.seen(id, list, state),
            None => {}
        }
    }

    /// Requests the current container of the event's thread, and decides again about a container that the event
    /// describes. The state is that after the event.
    pub(super) fn event(&mut self, event: &Event<'_>, state: &State) {
        if state::cgroups_param(event.ty).is_some() {
            if let Some(thread) = state.thread(event.tid) {
                ask(&mut self.resolver, thread);
            }
        } else if event.ty == types::CONTAINER_JSON_2_E
            && let Some((_, cgroups)) = &mut self.cgroups
            && let Some(info) = ContainerInfo::of(event)
        {
            cgroups.described(info.id.as_bytes(), state);
        }
    }

    /// Returns the next description from a runtime, if there is one.
    pub(super) fn description(&mut self) -> Option<Description> {
        self.resolver.poll()
    }

    /// Returns the next warning about a runtime; each is returned once.
    pub(super) fn warning(&mut self) -> Option<String> {
        self.resolver.warning()
    }

    /// Waits a last time for pending answers.
    pub(super) fn finish(&mut self) {
        self.resolver.finish(LAST_ANSWERS);
    }
}

/// Requests the description of a thread's container, unless that was done before.
fn ask(resolver: &mut Resolver, thread: &Thread) {
    // It nearly always was: this runs at each clone and exec in a container.
    if let Some(id) = &thread.container
        && !resolver.has_asked(id)
    {
        let located = thread.located.as_ref();
        let full = located.map_or(&[][..], |located| &located.full_id);
        let origin = Origin {
            runtime: located.and_then(|located| located.runtime),
            user: thread.cgroups.as_deref().and_then(state::user_of),
        };
        resolver.ask(id, full, origin);
    }
}
