//! Decides about events: the state follows them, the filter is asked.
//!
//! Without a filter only events that change the state go through it, and what is around the others is
//! not looked up; so a storm of calls that change nothing costs nothing here.

use std::{collections::HashSet, time::Duration};

use scap_capture_format::{
    native::{MachineInfo, Snapshot, snapshot::StringId},
    schema::{Arch, syscall, types},
};

use super::{
    cgroups::{Cgroups, Hierarchy},
    containers::{Description, Origin, Resolver},
};
use crate::fields::{Context, Session};
use crate::replay::EnterSynthesizer;
use crate::{
    event::{Event, EventExt as _},
    filter::{Filter, TypeSet},
    state::{self, ContainerInfo, State, Thread},
};

/// What is to become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The filter lets it through.
    Keep,
    /// It does not, but later events cannot be understood without it.
    Hide,
    /// Nobody needs it.
    Drop,
}

/// Returns the types of the events that change the state, and the calls without a type that do; those
/// without a code among them, which are few.
fn changing() -> TypeSet {
    let mut set = TypeSet::of(|ty| state::may_affect_state(ty) || state::counts_memory(ty));
    let calls = syscall::all().filter(|call| state::call_may_affect_state(call.name));
    calls.for_each(|call| set.insert_call(call.ppm_sc));
    set.insert_call(0);
    set
}

/// How long runtimes may still answer when everything else is over.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

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

/// The state, and the filter if there is one.
pub(super) struct FilterStage {
    state: State,
    session: Session,
    filter: Option<Filter>,
    /// For filters that ask for enter events, which are made of the events that there are.
    enters: Option<EnterSynthesizer>,
    /// For filters by container: tells the kernel which cgroups are out.
    cgroups: Option<(Hierarchy, Cgroups)>,
    /// Asks the runtimes about containers.
    resolver: Resolver,
    /// The filter asks for what runtimes tell.
    needs_runtime_metadata: bool,
    /// Events that were left out while the runtime of their container had not told anything yet.
    undescribed: u64,
    /// Types whose events change the state.
    changing: TypeSet,
    /// Events decided about.
    seen: u64,
}

impl FilterStage {
    pub(super) fn new(
        mut session: Session,
        machine: &MachineInfo,
        arch: Arch,
        filter: Option<Filter>,
        cgroups: Option<(Hierarchy, Cgroups)>,
        resolver: Resolver,
        enters: TypeSet,
    ) -> Self {
        session.set_machine(machine);
        let needs_runtime_metadata = filter.as_ref().is_some_and(Filter::needs_runtime_metadata);
        let asked = filter.as_ref().map(|f| f.pushdown().enters);
        let asked = asked.unwrap_or(TypeSet::NONE);
        Self {
            state: State::new(),
            session,
            filter,
            enters: EnterSynthesizer::new(asked.or(&enters), arch),
            cgroups,
            resolver,
            needs_runtime_metadata,
            undescribed: 0,
            changing: changing(),
            seen: 0,
        }
    }

    /// Takes over what /proc showed.
    pub(super) fn begin(&mut self, snapshot: &Snapshot) {
        self.state.restore(snapshot);
        for thread in self.state.threads() {
            ask(&mut self.resolver, thread);
        }
        let Some((hierarchy, cgroups)) = &mut self.cgroups else {
            return;
        };
        let lists: HashSet<StringId> = snapshot.threads.iter().map(|t| t.cgroups).collect();
        for list in lists.into_iter().map(|id| snapshot.string(id)) {
            if let Some(id) = hierarchy.id(list) {
                cgroups.seen(id, list, &self.state);
            }
        }
    }

    /// Whether it wants to hear of cgroups.
    pub(super) fn follows_cgroups(&self) -> bool {
        self.cgroups.is_some()
    }

    /// Takes note of the id of the cgroup of threads whose cgroups are `list`.
    pub(super) fn cgroup(&mut self, id: u64, list: &[u8]) {
        if let Some((_, cgroups)) = &mut self.cgroups {
            cgroups.seen(id, list, &self.state);
        }
    }

    /// Returns what a runtime said of a container, if there is more.
    pub(super) fn description(&mut self) -> Option<Description> {
        self.resolver.poll()
    }

    /// Returns what stands in the way of asking a runtime; each is told once.
    pub(super) fn warning(&mut self) -> Option<String> {
        self.resolver.warning()
    }

    /// Gives the runtimes a last chance.
    pub(super) fn finish_asking(&mut self) {
        self.resolver.finish(LAST_ANSWERS);
    }

    /// How many events the filter rejected while their container was not described yet.
    pub(super) fn undescribed(&self) -> u64 {
        self.undescribed
    }

    /// Returns the state after the events that change it; without a filter others may have come since.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Returns what is the same for all events.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the state as a snapshot.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.state.snapshot()
    }

    /// Whether there is nothing to decide.
    pub(super) fn wants_all(&self) -> bool {
        self.filter.is_none()
    }

    /// Lets the state follow an event that is wanted anyway.
    pub(super) fn follow(&mut self, event: &Event<'_>) {
        let changes = match event.ty {
            types::GENERIC_X => {
                let code = event.uint(0).and_then(|code| u16::try_from(code).ok());
                self.changing.contains_call(code.unwrap_or(0))
            }
            ty => self.changing.contains(ty),
        };
        if changes {
            self.state.apply(event);
            self.heed_containers(event);
        }
    }

    /// Asks about the container that the event's thread is in now, and decides again about one that the
    /// event describes.
    fn heed_containers(&mut self, event: &Event<'_>) {
        if state::cgroups_param(event.ty).is_some() {
            if let Some(thread) = self.state.thread(event.tid) {
                ask(&mut self.resolver, thread);
            }
        } else if event.ty == types::CONTAINER_JSON_2_E
            && let Some((_, cgroups)) = &mut self.cgroups
            && let Some(info) = ContainerInfo::of(event)
        {
            cgroups.described(info.id.as_bytes(), &self.state);
        }
    }

    /// Decides about an event. `show` is given what passes, with the state around it: the event, and
    /// before it its enter event, which is made up, if somebody asks for those.
    pub(super) fn decide(
        &mut self,
        event: &Event<'_>,
        show: &mut dyn FnMut(&Context<'_>, bool),
    ) -> Disposition {
        let Self {
            state,
            session,
            filter,
            enters,
            seen,
            ..
        } = self;
        *seen += 1;
        let mut event = *event;
        event.num.0 = *seen;
        if session.first_time == 0 {
            session.first_time = event.ts.0;
        }
        let mut wanted = false;
        let mut show_if_wanted = |state: &State, event: &Event<'_>, synthesized_enter: bool| {
            let view = state.view(event);
            let cx = Context {
                event,
                view: &view,
                session,
            };
            if filter.as_mut().is_none_or(|filter| filter.matches(&cx)) {
                wanted = true;
                show(&cx, synthesized_enter);
            }
        };
        if let Some(enters) = enters
            && let Some(enter) = enters.of(&event)
        {
            show_if_wanted(state, &enter, true);
        }
        state.apply(&event);
        show_if_wanted(state, &event, false);
        if !wanted && self.needs_runtime_metadata {
            let view = self.state.view(&event);
            self.undescribed +=
                u64::from(view.container_id().is_some() && view.container().is_none());
        }
        self.heed_containers(&event);
        if wanted {
            Disposition::Keep
        } else if state::affects_state(&event) {
            Disposition::Hide
        } else {
            Disposition::Drop
        }
    }
}
