//! Copies with nothing about other processes: `scap slice --only`.
//!
//! A first pass finds the processes that have events in the copy ([`ProcessSurvey`]). In the second one, an [`OnlyChosen`] lets
//! the state and the hidden events of these through, and of their ancestors ids and names. What the others have done to a chosen
//! process is not in the copy as events, but as state: where a chosen process comes from another one, where its first
//! event is, and where another one has changed it, the state is written again. Readers take it from there, since the copy is one
//! with a filter.

use hashbrown::{HashMap, HashSet};
use scap_capture_format::event::Tid;
use scap_capture_format::native::{OriginId, Snapshot};
use scap_capture_format::schema::{ParamType, types};
use std::io;
use std::ops::ControlFlow;

use crate::event::{Event, EventExt as _, alert};
use crate::fields::Context;
use crate::replay::{EventSink, OriginState, is_about_capture};
use crate::state::{Choice, ContainerInfo, ProcessKey, State, View};

use super::edit::Edit;

/// Most states that are written because of single events, so that a capture cannot make its copy large without end.
const MOST_STATES: u32 = 1 << 16;
/// Most threads and fds that are looked at and written for that.
const MOST_ENTRIES: usize = 1 << 26;
/// How many generations of children a state adds at once.
const GENERATIONS: usize = 64;

/// Users or groups of an origin: the container (empty = host) and the id.
type Ids = HashSet<(OriginId, Vec<u8>, u32)>;

/// The first event of a process in the copy.
#[derive(Clone, Copy, Debug)]
struct First {
    origin: OriginId,
    process: ProcessKey,
    /// The parent that the event names: it is not in the state yet if the process's own event comes first.
    parent: Option<Tid>,
    /// A program was executed: what was before it is of another program.
    is_exec: bool,
}

/// What the events in a copy are about.
#[derive(Debug, Default)]
pub struct ProcessSurvey {
    /// Number of the last event, hidden ones included.
    number: u64,
    processes: HashSet<(OriginId, ProcessKey)>,
    /// By the numbers of the events.
    firsts: HashMap<u64, First>,
    users: Ids,
    groups: Ids,
    containers: HashSet<Vec<u8>>,
    /// The last process, user and group: consecutive events are often of one.
    last: Option<(OriginId, ProcessKey, u32, u32)>,
}

impl ProcessSurvey {
    fn note(&mut self, cx: &Context<'_>) {
        let origin = cx.session.origin.unwrap_or_default();
        let Some(thread) = cx.view.thread() else {
            return;
        };
        if is_of_recorder(cx.event) {
            return;
        }
        let process = cx.view.state().process_of(thread);
        let container = thread.container.as_deref().unwrap_or_default();
        self.note_ids(origin, container, cx.event);
        let now = (origin, process, thread.uid, thread.gid);
        if self.last == Some(now) {
            return;
        }
        self.last = Some(now);
        self.users.insert((origin, container.to_vec(), thread.uid));
        self.groups.insert((origin, container.to_vec(), thread.gid));
        self.users.insert((origin, Vec::new(), thread.loginuid));
        if !container.is_empty() {
            self.containers.insert(container.to_vec());
        }
        if self.processes.insert((origin, process)) {
            let first = First {
                origin,
                process,
                parent: (thread.ptid.0 > 0).then_some(thread.ptid),
                is_exec: is_exec(cx.event),
            };
            self.firsts.insert(self.number, first);
        }
    }

    /// Notes the users and groups that are parameters of an event.
    fn note_ids(&mut self, origin: OriginId, container: &[u8], event: &Event<'_>) {
        let params = event.info().map_or(&[][..], |info| info.params);
        for (index, param) in params.iter().enumerate() {
            let ids = match param.ty {
                ParamType::Uid => &mut self.users,
                ParamType::Gid => &mut self.groups,
                _ => continue,
            };
            if let Some(id) = event.uint(index).and_then(|id| u32::try_from(id).ok()) {
                ids.insert((origin, container.to_vec(), id));
            }
        }
    }
}

impl EventSink for ProcessSurvey {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.number += 1;
        self.note(cx);
        Ok(ControlFlow::Continue(()))
    }

    fn hidden(&mut self, _: &Context<'_>) -> io::Result<()> {
        self.number += 1;
        Ok(())
    }
}

/// Whether an event is of the recorder rather than of the process whose thread it has.
fn is_of_recorder(event: &Event<'_>) -> bool {
    let is_of_thread = event.ty == types::ASYNCEVENT_E && event.tid.0 >= 0;
    alert::is_alert(event) || is_about_capture(event) && !is_of_thread
}

fn is_exec(event: &Event<'_>) -> bool {
    matches!(
        event.ty,
        types::SYSCALL_EXECVE_19_X | types::SYSCALL_EXECVEAT_X
    ) && event.result() == Some(0)
}

/// Lets through what is of the chosen processes.
#[derive(Debug, Default)]
pub struct OnlyChosen {
    survey: ProcessSurvey,
    /// Number of the last event, as in the survey.
    number: u64,
    /// The chosen processes whose state has been written.
    introduced: HashSet<(OriginId, ProcessKey)>,
    /// Their ids, and those of their parents.
    pids: HashSet<(OriginId, i64)>,
    parents: HashSet<(OriginId, i64)>,
    has_begun: bool,
    is_due: bool,
    states: u32,
    entries: usize,
    alerts: u64,
}

impl OnlyChosen {
    /// Chooses what a survey of the same events has found.
    pub fn new(survey: ProcessSurvey) -> Self {
        Self {
            survey,
            ..Self::default()
        }
    }

    /// Returns how many alerts were left out: they can describe other processes.
    pub fn alerts(&self) -> u64 {
        self.alerts
    }

    /// Whether the state of processes was not written wherever it changed, because that was too often.
    pub fn is_incomplete(&self) -> bool {
        self.states >= MOST_STATES || self.entries >= MOST_ENTRIES
    }

    /// Whether a process is the child of one whose events are written: then it is known from these.
    fn follows(&self, origin: OriginId, state: &State, parent: Option<Tid>) -> bool {
        let parent = parent.and_then(|tid| state.thread(tid));
        parent.is_some_and(|parent| {
            self.introduced
                .contains(&(origin, state.process_of(parent)))
        })
    }

    /// Begins to write the hidden events of a chosen process that is known from those of its parent.
    fn follow(&mut self, origin: OriginId, view: &View<'_>) {
        let Some(thread) = view.thread() else {
            return;
        };
        let process = (origin, view.state().process_of(thread));
        if !self.introduced.contains(&process)
            && self.survey.processes.contains(&process)
            && self.follows(origin, view.state(), Some(thread.ptid))
        {
            self.introduced.insert(process);
            self.pids
                .extend([(origin, thread.tid.0), (origin, thread.pid.0)]);
            self.parents.insert((origin, thread.ptid.0));
        }
    }

    /// Adds the chosen children of processes whose state is about to be written.
    fn add_children(&mut self, origin: OriginId, state: &State) {
        for _ in 0..GENERATIONS {
            let children = state.threads().filter_map(|thread| {
                let process = (origin, state.process_of(thread));
                let is_new = self.survey.processes.contains(&process)
                    && !self.introduced.contains(&process)
                    && self.follows(origin, state, Some(thread.ptid));
                is_new.then_some(process)
            });
            let children: Vec<_> = children.collect();
            if children.is_empty() {
                return;
            }
            self.introduced.extend(children);
        }
    }

    /// Whether an event that is not written has changed a chosen process, or made one.
    fn changes_chosen(&self, origin: OriginId, event: &Event<'_>, view: &View<'_>) -> bool {
        if event.ty == types::PROCEXIT_1_E || event.ty == types::PROCEXIT_E {
            return self.parents.contains(&(origin, event.tid.0));
        }
        let Some(info) = event.info() else {
            return false;
        };
        if info.param("ptid").is_some() {
            // All other ids are those of the process itself.
            let child = event.result().filter(|child| *child > 0);
            return child.is_some_and(|child| self.pids.contains(&(origin, child)));
        }
        let own = view.thread().map_or(event.pid.0, |thread| thread.pid.0);
        let ids = info.params.iter().enumerate().filter_map(|(index, param)| {
            let is_id = matches!(param.ty, ParamType::Pid | ParamType::Pid32);
            is_id.then(|| event.int(index)).flatten()
        });
        let mut others = ids.filter(|id| *id != own);
        others.any(|id| self.pids.contains(&(origin, id)))
    }

    /// Whether an event is written.
    fn keeps_event(&mut self, cx: &Context<'_>, is_hidden: bool) -> bool {
        self.number += 1;
        self.has_begun = true;
        let origin = cx.session.origin.unwrap_or_default();
        if is_of_recorder(cx.event) {
            return self.keeps_of_recorder(origin, cx.event);
        }
        self.follow(origin, cx.view);
        if is_hidden {
            let process = cx.view.thread().map(|t| cx.view.state().process_of(t));
            let is_chosen = process.is_some_and(|of| self.introduced.contains(&(origin, of)));
            self.is_due |= !is_chosen && self.changes_chosen(origin, cx.view.full(), cx.view);
            return is_chosen;
        }
        let first = self.survey.firsts.get(&self.number);
        // The state before the event did not have the process.
        self.is_due |=
            first.is_some_and(|first| !self.pids.contains(&(origin, first.process.pid.0)));
        true
    }

    /// Whether an event that is about the capture is about something that is in the copy.
    fn keeps_of_recorder(&mut self, origin: OriginId, event: &Event<'_>) -> bool {
        if alert::is_alert(event) {
            self.alerts += 1;
            return false;
        }
        if let Some(container) = ContainerInfo::of(event) {
            return self.survey.containers.contains(container.id.as_bytes());
        }
        let id = |name| {
            let at = event.info()?.params.iter().position(|p| p.name == name)?;
            u32::try_from(event.uint(at)?).ok()
        };
        let container = event.info().and_then(|info| {
            let at = info.params.iter().position(|p| p.name == "container_id")?;
            event.text(at)
        });
        let container = container.unwrap_or_default();
        let has = |ids: &Ids, id: Option<u32>| {
            id.is_some_and(|id| ids.contains(&(origin, container.to_vec(), id)))
        };
        match event.ty {
            types::USER_ADDED_E | types::USER_DELETED_E => has(&self.survey.users, id("uid")),
            types::GROUP_ADDED_E | types::GROUP_DELETED_E => has(&self.survey.groups, id("gid")),
            // Steps of the clock.
            types::ASYNCEVENT_E => true,
            _ => false,
        }
    }
}

impl Edit for OnlyChosen {
    fn keeps(&mut self, cx: &Context<'_>) -> bool {
        self.keeps_event(cx, false)
    }

    fn keeps_hidden(&mut self, cx: &Context<'_>) -> bool {
        self.keeps_event(cx, true)
    }

    fn is_state_due(&mut self, origins: &[OriginState]) -> bool {
        let first = self.survey.firsts.get(&(self.number + 1));
        let is_new = first.is_some_and(|first| {
            let own = origins.get(usize::from(first.origin.0));
            let is_known = self.introduced.contains(&(first.origin, first.process));
            !is_known
                && !own.is_some_and(|own| self.follows(first.origin, &own.state, first.parent))
        });
        (is_new || self.is_due) && !self.is_incomplete()
    }

    fn snapshot(&mut self, origin: OriginId, state: &mut OriginState) -> Snapshot {
        self.is_due = false;
        let mut named = Vec::new();
        let mut executes = None;
        if !self.has_begun {
            // Those that are there at the beginning.
            for thread in state.state.threads() {
                let process = (origin, state.state.process_of(thread));
                if self.survey.processes.contains(&process) {
                    self.introduced.insert(process);
                }
            }
        }
        if let Some(first) = self.survey.firsts.get(&(self.number + 1))
            && first.origin == origin
        {
            named.extend(first.parent);
            if self.introduced.insert((origin, first.process)) && first.is_exec {
                executes = Some(first.process);
            }
        }
        self.add_children(origin, &state.state);
        let chosen = Chosen {
            origin,
            survey: &self.survey,
            introduced: &self.introduced,
        };
        let snapshot = state.state.excerpt(&chosen, executes, &named);
        self.pids.retain(|(of, _)| *of != origin);
        self.parents.retain(|(of, _)| *of != origin);
        for thread in &snapshot.threads {
            if state
                .state
                .thread(thread.tid)
                .is_some_and(|t| chosen.has_process(state.state.process_of(t)))
            {
                self.pids
                    .extend([(origin, thread.tid.0), (origin, thread.pid.0)]);
                self.parents.insert((origin, thread.ptid.0));
            }
        }
        if self.has_begun {
            self.states += 1;
            self.entries += state.state.thread_count() + snapshot.fds.len();
        }
        snapshot
    }
}

/// The processes of an origin whose state is written.
struct Chosen<'a> {
    origin: OriginId,
    survey: &'a ProcessSurvey,
    introduced: &'a HashSet<(OriginId, ProcessKey)>,
}

impl Choice for Chosen<'_> {
    fn has_process(&self, process: ProcessKey) -> bool {
        self.introduced.contains(&(self.origin, process))
    }

    fn has_user(&self, container: &[u8], uid: u32) -> bool {
        self.survey
            .users
            .contains(&(self.origin, container.to_vec(), uid))
    }

    fn has_group(&self, container: &[u8], gid: u32) -> bool {
        self.survey
            .groups
            .contains(&(self.origin, container.to_vec(), gid))
    }
}
