//! Programs, exits of threads, process groups and limits.

use super::super::thread::{Program, ProgramFlags, Text};
use super::super::{State, containers, limits};
use super::params::{counters, id, is_list, own_pid, set_cgroups, set_text};
use crate::event::{Event, EventExt as _, Pid, Tid};

/// Parameters of `execve`.
mod exec_param {
    pub(super) use super::super::params::common::*;

    pub(super) const ENV: usize = 15;
    pub(super) const TTY: usize = 16;
    pub(super) const VPGID: usize = 17;
    pub(super) const LOGINUID: usize = 18;
    pub(super) const FLAGS: usize = 19;
    /// Inheritable, permitted, effective capabilities.
    pub(super) const CAPS: usize = 20;
    /// Inode of the program, its change and modification time.
    pub(super) const INODE: usize = 23;
    pub(super) const UID: usize = 26;
    pub(super) const EXEPATH: usize = 27;
    pub(super) const PGID: usize = 28;
    pub(super) const GID: usize = 29;
    pub(super) const FILENAME: usize = 30;
}

/// A program was executed.
pub(super) fn execve(state: &mut State, event: &Event<'_>) {
    use exec_param as p;
    if event.result().is_none_or(|r| r < 0) {
        return;
    }
    let Some(old) = state.thread(event.tid).cloned() else {
        return;
    };
    let mut new = old;
    let text = |place: &mut Option<Text>, index, cap| {
        set_text(state, place, event.params.get(index), cap, is_list(cap));
    };
    // A value that the event lacks is unknown for the new program; the old one's would be wrong.
    new.args = None;
    new.env = None;
    new.exepath = None;
    text(&mut new.exe, p::EXE, limits::NAME);
    text(&mut new.args, p::ARGS, limits::LIST);
    text(&mut new.comm, p::COMM, limits::NAME);
    set_cgroups(state, &mut new.cgroups, event.params.get(p::CGROUPS));
    text(&mut new.env, p::ENV, limits::LIST);
    text(&mut new.exepath, p::EXEPATH, limits::NAME);
    if new.exepath.is_none()
        && let Some(path) = event
            .text(p::FILENAME)
            .filter(|p| !p.is_empty() && *p != b"<NA>")
    {
        let mut full = std::mem::take(&mut state.scratch);
        full.clear();
        state.resolve(event.tid, None, path, &mut full);
        new.exepath = state.keep(&full, limits::NAME);
        state.scratch = full;
    }
    new.locate(containers::locate(new.cgroups.as_deref()));
    new.fdlimit = event.int(p::FDLIMIT).unwrap_or(new.fdlimit);
    counters(&mut new, event, p::FAULTS, p::MEMORY);
    new.program = Program {
        ino: event.uint(p::INODE).unwrap_or(0),
        ctime: event.uint(p::INODE + 1).unwrap_or(0),
        mtime: event.uint(p::INODE + 2).unwrap_or(0),
        flags: ProgramFlags::from_bits_truncate(id(event, p::FLAGS).unwrap_or(0)),
    };
    if let (Some(a), Some(b), Some(c)) = (
        event.uint(p::CAPS),
        event.uint(p::CAPS + 1),
        event.uint(p::CAPS + 2),
    ) {
        new.caps = Some([a, b, c]);
    }
    if let Some(pid) = event.int(p::PID) {
        new.pid = Pid(pid);
    }
    let had_no_parent = new.ptid.0 < 0;
    // The kernel knows better than the recorded ends of threads, which can miss who adopted the process; but a parent
    // that is just ending is still named, when its end has been recorded.
    let is_there = |parent: Tid| state.thread(parent).is_some();
    if let Some(parent) = event.int(p::PTID).map(Tid)
        && (had_no_parent || is_there(parent))
    {
        new.ptid = parent;
    }
    let set = |place: &mut u32, index| *place = id(event, index).unwrap_or(*place);
    set(&mut new.tty, p::TTY);
    set(&mut new.loginuid, p::LOGINUID);
    set(&mut new.uid, p::UID);
    set(&mut new.gid, p::GID);
    new.vpgid = event.int(p::VPGID).unwrap_or(new.vpgid);
    new.pgid = event.int(p::PGID).unwrap_or(new.pgid);
    new.exec_ts = event.ts.0;
    new.keeps_caps = false;
    let pid = new.pid;
    state.update_thread(event.tid, |thread| *thread = new);
    state.revive(event.tid);
    if had_no_parent {
        state.starter_from_parent(event.tid);
    }
    state.keep_only_thread(pid, event.tid);
    // The kernel unshares the fds before it closes those marked close-on-exec.
    state.unshare_files(event.tid);
    state.close_on_exec(event.tid);
}

/// A thread ended.
pub(super) fn procexit(state: &mut State, event: &Event<'_>) {
    const REAPER: usize = 4;
    let pid = own_pid(state, event);
    state.end_thread(event.tid);
    if let Some(reaper) = event.int(REAPER).filter(|r| *r > 0) {
        state.reparent(event.tid, Tid(reaper));
        // The main thread may have ended before. Of threads that end at the same time only one may have the children,
        // and it need not be the last in the capture; but another process adopts none before all have ended.
        let adopter = state.thread(Tid(reaper)).map(|thread| thread.pid);
        let is_last = state.threads_of(pid) <= 1 || adopter.is_some_and(|adopter| adopter != pid);
        if is_last && pid.0 != event.tid.0 {
            state.reparent(Tid(pid.0), Tid(reaper));
        }
    } else if pid.0 != event.tid.0 {
        state.reparent(event.tid, Tid(pid.0));
    }
}

/// A thread set its name.
pub(super) fn prctl(state: &mut State, event: &Event<'_>) {
    const PR_SET_NAME: u64 = 15;
    /// Longest name that the kernel keeps.
    const COMM_LEN: usize = 15;
    const PR_SET_KEEPCAPS: u64 = 8;
    const PR_SET_CHILD_SUBREAPER: u64 = 36;
    if event.result() != Some(0) {
        return;
    }
    if event.uint(1) == Some(PR_SET_KEEPCAPS) {
        let keeps_caps = event.int(3).is_some_and(|on| on != 0);
        state.update_thread(event.tid, |t| t.keeps_caps = keeps_caps);
        return;
    }
    if event.uint(1) == Some(PR_SET_CHILD_SUBREAPER) {
        let is_reaper = event.int(3).is_some_and(|on| on != 0);
        let pid = state.thread(event.tid).map_or(event.pid, |t| t.pid);
        state.update_thread(Tid(pid.0), |t| t.is_reaper = is_reaper);
        return;
    }
    if event.uint(1) != Some(PR_SET_NAME) {
        return;
    }
    if let Some(name) = event.text(2) {
        let comm = state.keep(name, COMM_LEN);
        state.update_thread(event.tid, |t| t.comm = comm);
    }
}

/// A process began a session, and a group in it. The result is an id in its own pid namespace.
pub(super) fn setsid(state: &mut State, event: &Event<'_>) {
    let Some(sid) = event.result().filter(|r| *r >= 0) else {
        return;
    };
    let pid = own_pid(state, event);
    state.update_process(pid, |t| {
        t.sid = pid.0;
        t.pgid = pid.0;
        t.vpgid = sid;
    });
}

/// A process joined a process group. The ids are from the caller's pid namespace, so they are used only if that is
/// the initial one.
pub(super) fn setpgid(state: &mut State, event: &Event<'_>) {
    let (Some(0), Some(pid), Some(pgid)) = (event.result(), event.int(1), event.int(2)) else {
        return;
    };
    let Some(own) = state.thread(event.tid) else {
        return;
    };
    let in_namespace = own.vpid >= 0 && own.vpid != own.pid.0;
    let pid = if pid == 0 { own.pid.0 } else { pid };
    let pgid = if pgid == 0 { pid } else { pgid };
    if !in_namespace && pid > 0 {
        state.update_process(Pid(pid), |t| {
            t.pgid = pgid;
            t.vpgid = pgid;
        });
    }
}

/// A limit was set: parameter 1 is the new soft limit.
pub(super) fn rlimit(state: &mut State, event: &Event<'_>, resource: usize, pid: Option<usize>) {
    const NOFILE: u64 = 7;
    let (Some(0), Some(soft), Some(NOFILE)) = (event.result(), event.int(1), event.uint(resource))
    else {
        return;
    };
    let own = state.thread(event.tid).map_or(event.pid, |t| t.pid);
    let pid = pid.and_then(|index| event.int(index)).filter(|p| *p > 0);
    // `prlimit` without new limits only reads; recorders then write -1.
    if soft >= 0 {
        state.update_process(pid.map_or(own, Pid), |t| t.fdlimit = soft);
    }
}

/// A thread left its CPU; the event has the counters of its process.
pub(super) fn switch(state: &mut State, event: &Event<'_>) {
    const FAULTS: usize = 1;
    const MEMORY: usize = 3;
    let Some(thread) = state.thread(event.tid) else {
        return;
    };
    let main = if thread.pid.0 >= 0 {
        Tid(thread.pid.0)
    } else {
        thread.tid
    };
    memory_of(state, main, event, MEMORY);
    state.update_counters(event.tid, |thread| {
        for (place, index) in thread.faults.iter_mut().zip(FAULTS..) {
            *place = event.uint(index).unwrap_or(*place);
        }
    });
}

/// Parameters from `index` on are the memory in KiB.
pub(super) fn memory(state: &mut State, event: &Event<'_>, index: usize) {
    let main =
        state.thread(event.tid).map_or(
            event.tid,
            |t| {
                if t.pid.0 >= 0 { Tid(t.pid.0) } else { t.tid }
            },
        );
    memory_of(state, main, event, index);
}

fn memory_of(state: &mut State, tid: Tid, event: &Event<'_>, index: usize) {
    state.update_counters(tid, |thread| {
        for (place, index) in thread.memory_kb.iter_mut().zip(index..) {
            *place = id(event, index).unwrap_or(*place);
        }
    });
}
