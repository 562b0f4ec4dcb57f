//! Parameters about threads that events of several families have.

use scap_capture_format::schema::{EventType, types};

use super::super::thread::{Text, Thread};
use super::super::{State, containers, limits};
use crate::event::{Event, EventExt as _, Pid};

/// The parameter of an asynchronous event with the new cgroups.
pub(super) const MOVED_CGROUPS: usize = 2;

/// Parameters that clone and execve events have at the same indexes.
pub(super) mod common {
    pub(in super::super) const EXE: usize = 1;
    pub(in super::super) const ARGS: usize = 2;
    pub(in super::super) const PID: usize = 4;
    pub(in super::super) const PTID: usize = 5;
    pub(in super::super) const FDLIMIT: usize = 7;
    /// Major and minor page faults, memory in KiB: virtual, resident, swapped.
    pub(in super::super) const FAULTS: usize = 8;
    pub(in super::super) const MEMORY: usize = 10;
    pub(in super::super) const COMM: usize = 13;
    pub(in super::super) const CGROUPS: usize = 14;
}

/// Returns the index of the parameter with the cgroups of the thread, for events of a type that has one.
pub fn cgroups_param(ty: EventType) -> Option<usize> {
    match ty {
        types::SYSCALL_CLONE_20_X
        | types::SYSCALL_FORK_20_X
        | types::SYSCALL_VFORK_20_X
        | types::SYSCALL_CLONE3_X
        | types::SYSCALL_EXECVE_19_X
        | types::SYSCALL_EXECVEAT_X => Some(common::CGROUPS),
        types::ASYNCEVENT_E => Some(MOVED_CGROUPS),
        _ => None,
    }
}

pub(super) fn is_list(cap: usize) -> bool {
    cap == limits::LIST
}

/// Stores a text parameter; an absent one changes nothing. Equal text stays shared.
pub(super) fn set_text(
    state: &State,
    place: &mut Option<Text>,
    bytes: Option<&[u8]>,
    cap: usize,
    list: bool,
) {
    let Some(bytes) = bytes else {
        return;
    };
    let text = if list {
        bytes
    } else {
        crate::event::value::text(bytes)
    };
    if place.as_deref() != Some(text) {
        *place = state.keep(text, cap);
    }
}

/// Stores a list of cgroups.
pub(super) fn set_cgroups(state: &State, place: &mut Option<Text>, bytes: Option<&[u8]>) {
    let normalised = bytes.and_then(containers::normalised);
    set_text(
        state,
        place,
        normalised.as_deref().or(bytes),
        limits::LIST,
        true,
    );
}

/// Stores page faults and memory from an event's parameters.
pub(super) fn counters(thread: &mut Thread, event: &Event<'_>, faults: usize, memory: usize) {
    for (place, index) in thread.faults.iter_mut().zip(faults..) {
        *place = event.uint(index).unwrap_or(*place);
    }
    for (place, index) in thread.memory_kb.iter_mut().zip(memory..) {
        *place = id(event, index).unwrap_or(*place);
    }
}

pub(super) fn id(event: &Event<'_>, index: usize) -> Option<u32> {
    event.uint(index).and_then(|v| u32::try_from(v).ok())
}

/// Returns the process of an event's thread.
pub(super) fn own_pid(state: &State, event: &Event<'_>) -> Pid {
    match event.pid {
        Pid(-1) => state.thread(event.tid).map_or(Pid(-1), |t| t.pid),
        pid => pid,
    }
}
