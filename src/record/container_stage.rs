//! What the recorder learns about containers from the events that go by: whom to ask about them, and which
//! cgroups the kernel may leave out.

use std::{collections::HashSet, time::Duration};

use scap_capture_format::{
    native::{Snapshot, snapshot::StringId},
    schema::types,
};

use super::{
    cgroups::{Cgroups, Hierarchy},
    containers::{Description, Origin, Resolver},
};
use crate::{
    event::Event,
    state::{self, ContainerInfo, State, Thread},
};

/// How long runtimes may still answer when everything else is over.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// Follows the containers of a recording.
pub(super) struct ContainerStage {
    /// For filters by container: decides for the kernel which cgroups are out.
    cgroups: Option<(Hierarchy, Cgroups)>,
    /// Asks the runtimes about containers.
    resolver: Resolver,
}

impl ContainerStage {
    pub(super) fn new(cgroups: Option<(Hierarchy, Cgroups)>, resolver: Resolver) -> Self {
        Self { cgroups, resolver }
    }

    /// Takes the state that /proc showed.
    pub(super) fn begin(&mut self, snapshot: &Snapshot, state: &State) {
        for thread in state.threads() {
            ask(&mut self.resolver, thread);
        }
        let Some((hierarchy, cgroups)) = &mut self.cgroups else {
            return;
        };
        let lists: HashSet<StringId> = snapshot.threads.iter().map(|t| t.cgroups).collect();
        for list in lists.into_iter().map(|id| snapshot.string(id)) {
            if let Some(id) = hierarchy.id(list) {
                cgroups.seen(id, list, state);
            }
        }
    }

    /// Whether [`Self::cgroup`] is to be called.
    pub(super) fn follows_cgroups(&self) -> bool {
        self.cgroups.is_some()
    }

    /// Takes note of the id of the cgroup of threads whose cgroups are `list`.
    pub(super) fn cgroup(&mut self, id: u64, list: &[u8], state: &State) {
        if let Some((_, cgroups)) = &mut self.cgroups {
            cgroups.seen(id, list, state);
        }
    }

    /// Asks about the container that the event's thread is in now, and decides again about one that the
    /// event describes. The state is that after the event.
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

    /// Returns what a runtime said of a container, if there is more.
    pub(super) fn description(&mut self) -> Option<Description> {
        self.resolver.poll()
    }

    /// Returns why a runtime cannot be asked; each reason once.
    pub(super) fn warning(&mut self) -> Option<String> {
        self.resolver.warning()
    }

    /// Gives the runtimes a last chance.
    pub(super) fn finish(&mut self) {
        self.resolver.finish(LAST_ANSWERS);
    }
}

/// Asks about the container that a thread is in, unless that was done.
fn ask(resolver: &mut Resolver, thread: &Thread) {
    // Nearly always it was: this comes with each clone and exec in a container.
    if let Some(id) = &thread.container
        && !resolver.has_asked(id)
    {
        let cgroups = thread.cgroups.as_deref();
        let found = state::container_of(cgroups);
        let full = found.as_ref().map_or(&[][..], |found| &found.full_id);
        let origin = Origin {
            runtime: found.as_ref().and_then(|found| found.runtime),
            user: cgroups.and_then(state::user_of),
        };
        resolver.ask(id, full, origin);
    }
}
