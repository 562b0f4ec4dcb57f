//! Events that are not calls: users, groups and containers reported by a recorder.

use scap_capture_format::schema::types;

use super::super::users::{self, User};
use super::super::{ContainerInfo, State, containers, limits};
use super::params::{MOVED_CGROUPS, set_cgroups};
use super::{dirs, sockets};
use crate::event::async_event::{self, Directories, OpenFd};
use crate::event::{Event, EventExt as _, Tid};

pub(super) fn event(state: &mut State, event: &Event<'_>) {
    match event.ty {
        types::CONTAINER_JSON_E | types::CONTAINER_JSON_2_E => describe(state, event),
        types::ASYNCEVENT_E => match event.text(1) {
            Some(async_event::CGROUP_PROCS) => moved(state, event, Moved::Process),
            Some(async_event::CGROUP_THREADS) => moved(state, event, Moved::Thread),
            Some(async_event::COMM) => renamed(state, event),
            Some(async_event::FD) => open_fd(state, event),
            Some(async_event::DIRECTORIES) => {
                let found = event.params.get(DATA).and_then(Directories::parse);
                if let Some(found) = found {
                    dirs::asked(state, event, &found);
                }
            }
            _ => describe(state, event),
        },
        types::USER_ADDED_E | types::USER_DELETED_E => user(state, event),
        types::GROUP_ADDED_E | types::GROUP_DELETED_E => group(state, event),
        _ => {}
    }
}

fn describe(state: &mut State, event: &Event<'_>) {
    if let Some(info) = ContainerInfo::of(event) {
        state.describe_container(info);
    }
}

/// The parameter of an asynchronous event with its data.
const DATA: usize = 2;

/// The event's thread has another name.
fn renamed(state: &mut State, event: &Event<'_>) {
    if event.tid.0 < 0 {
        return;
    }
    state.ensure_thread(event.tid, event.pid);
    let comm = event
        .text(DATA)
        .and_then(|name| state.keep(name, limits::NAME));
    state.update_thread(event.tid, |thread| thread.comm = comm);
}

/// The kernel was asked what an fd of the event's process is.
fn open_fd(state: &mut State, event: &Event<'_>) {
    let Some(fd) = event.params.get(DATA).and_then(OpenFd::parse) else {
        return;
    };
    if event.tid.0 < 0 {
        return;
    }
    // A worker of io_uring has no events of its own; its fds are its process's.
    let tid = match state.thread(event.tid) {
        None if event.pid.0 >= 0 => Tid(event.pid.0),
        _ => event.tid,
    };
    state.ensure_thread(tid, event.pid);
    sockets::open_fd(state, tid, &fd);
}

/// The scope of a move between cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Process,
    Thread,
}

/// The event's thread, or its whole process, was moved to other cgroups.
fn moved(state: &mut State, event: &Event<'_>, what: Moved) {
    if event.tid.0 < 0 {
        return;
    }
    state.ensure_thread(event.tid, event.pid);
    let mut cgroups = None;
    set_cgroups(state, &mut cgroups, event.params.get(MOVED_CGROUPS));
    let located = containers::locate(cgroups.as_deref());
    let tids: Vec<Tid> = match what {
        Moved::Process if state.threads_of(event.pid) > 1 => {
            let own = state.threads().filter(|thread| thread.pid == event.pid);
            own.map(|thread| thread.tid).collect()
        }
        _ => vec![event.tid],
    };
    for tid in tids {
        // Each thread is charged for the shared text.
        let (cgroups, located) = (cgroups.clone(), located.clone());
        let cgroups = cgroups.filter(|cgroups| state.has_room(cgroups.len()));
        state.update_thread(tid, |thread| {
            thread.cgroups = cgroups;
            thread.locate(located);
        });
    }
}

/// Returns the container in a parameter; an empty one is the host.
fn container<'a>(event: &Event<'a>, index: usize) -> Option<&'a [u8]> {
    event
        .text(index)
        .filter(|id| !id.is_empty() && *id != b"host")
}

fn number(event: &Event<'_>, index: usize) -> Option<u32> {
    event.uint(index).and_then(|n| u32::try_from(n).ok())
}

fn user(state: &mut State, event: &Event<'_>) {
    let Some(uid) = number(event, 0) else {
        return;
    };
    let container = container(event, 5);
    if event.ty == types::USER_DELETED_E {
        state.users.remove(container, uid);
        return;
    }
    let [name, home, shell] = [2, 3, 4].map(|index| event.text(index).unwrap_or_default());
    let gid = number(event, 1).unwrap_or(u32::MAX);
    let is_known = state.users.get(container, uid).is_some_and(|known| {
        [&*known.name, &*known.home, &*known.shell] == [name, home, shell] && known.gid == gid
    });
    // Recorders report all users repeatedly.
    if !is_known {
        let user = User {
            name: users::cut(name),
            home: users::cut(home),
            shell: users::cut(shell),
            gid,
        };
        state.users.add(container, uid, user);
    }
}

fn group(state: &mut State, event: &Event<'_>) {
    let Some(gid) = number(event, 0) else {
        return;
    };
    let container = container(event, 2);
    if event.ty == types::GROUP_DELETED_E {
        state.groups.remove(container, gid);
        return;
    }
    let name = event.text(1).unwrap_or_default();
    let known = state.groups.get(container, gid);
    if known.is_none_or(|known| *known.name != *name) {
        let group = User {
            name: users::cut(name),
            ..User::default()
        };
        state.groups.add(container, gid, group);
    }
}
