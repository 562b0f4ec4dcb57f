//! `clone` and related calls: new threads.

use scap_capture_format::schema::types;

use super::super::lineage::Lineage;
use super::super::pending_clones::{EarlyThread, PendingThread};
use super::super::thread::{NO_ID, Text, Thread};
use super::super::{State, containers, limits};
use super::params::{counters, id, is_list, own_pid, set_cgroups, set_text};
use crate::event::{Event, EventExt as _, Pid, Tid};

/// Age in nanoseconds after which a thread with the same id is a different one.
const CLONE_STALE_NS: u64 = 2_000_000_000;

/// Clone flags, as encoded by the schema.
pub(in crate::state) mod clone_flags {
    pub(in crate::state) const FILES: u64 = 0x1;
    pub(in crate::state) const FS: u64 = 0x2;
    pub(in crate::state) const NEWPID: u64 = 0x40;
    pub(in crate::state) const NEWNS: u64 = 0x20;
    pub(in crate::state) const NEWUSER: u64 = 0x10_0000;
    pub(in crate::state) const PARENT: u64 = 0x100;
    pub(in crate::state) const THREAD: u64 = 0x2000;
    pub(in crate::state) const VFORK: u64 = 0x0800_0000;
    pub(in crate::state) const CHILD_IN_PIDNS: u64 = 0x2000_0000;
}

/// Parameters of the clone family.
mod clone_param {
    pub(super) use super::super::params::common::*;

    pub(super) const FLAGS: usize = 15;
    pub(super) const UID: usize = 16;
    pub(super) const GID: usize = 17;
    pub(super) const VTID: usize = 18;
    pub(super) const VPID: usize = 19;
    pub(super) const PIDNS_START: usize = 20;
}

/// Whether the event is the first one of a new thread, which has more about it than its id.
pub(super) fn makes_thread(event: &Event<'_>) -> bool {
    is_clone(event) && event.result() == Some(0)
}

fn is_clone(event: &Event<'_>) -> bool {
    matches!(
        event.ty,
        types::SYSCALL_CLONE_20_X
            | types::SYSCALL_FORK_20_X
            | types::SYSCALL_VFORK_20_X
            | types::SYSCALL_CLONE3_X
    )
}

/// A clone that returned, in the parent or in the child.
pub(super) fn clone(state: &mut State, event: &Event<'_>) {
    match event.result() {
        Some(0) => clone_in_child(state, event),
        Some(child) if child > 0 => clone_in_parent(state, event, Tid(child)),
        _ => {}
    }
}

fn clone_in_parent(state: &mut State, event: &Event<'_>, child: Tid) {
    use clone_flags as f;
    let flags = event.uint(clone_param::FLAGS).unwrap_or(0);
    repair(state, event);
    let in_pid_namespace = event
        .int(clone_param::VTID)
        .is_some_and(|vtid| vtid >= 0 && vtid != event.tid.0);
    // The child's own event has more data, or the id is from another pid namespace.
    let child_reports = flags & (f::CHILD_IN_PIDNS | f::NEWPID | f::PARENT | f::VFORK) != 0
        || event.ty == types::SYSCALL_VFORK_20_X
        || in_pid_namespace;
    if child_reports {
        let is_there = match in_pid_namespace {
            true => made_early(state, event, child.0),
            false => made_by(state, event, child),
        };
        // With vfork, the parent's event is the later one.
        if !is_there && flags & f::VFORK == 0 && event.ty != types::SYSCALL_VFORK_20_X {
            expect_child(state, event, child.0, flags);
        }
        return;
    }
    if made_by(state, event, child) {
        return;
    }
    let pid = if flags & f::THREAD != 0 {
        own_pid(state, event)
    } else {
        Pid(child.0)
    };
    let mut thread = inherited(state, event.tid, flags);
    (thread.tid, thread.pid) = (child, pid);
    (thread.vtid, thread.vpid) = (child.0, pid.0);
    describe(state, &mut thread, event);
    let begin = event.uint(clone_param::PIDNS_START).filter(|t| *t != 0);
    thread.pidns_start = begin.unwrap_or(thread.pidns_start);
    state.insert_thread(thread);
}

/// Sets the creator of a child whose own event came first: that event only has the parent from the kernel.
fn made_by(state: &mut State, event: &Event<'_>, child: Tid) -> bool {
    let is_there = is_fresh(state, child, event.ts.0);
    if is_there {
        state.set_maker(child, event.tid);
    }
    is_there
}

/// As [`made_by`], of a child with an id in its creator's pid namespace.
fn made_early(state: &mut State, event: &Event<'_>, vtid: i64) -> bool {
    let begin = state.thread(event.tid).map(|maker| maker.pidns_start);
    let child = begin.and_then(|begin| state.take_early(vtid, begin, event.ts.0));
    child.is_some_and(|child| made_by(state, event, child))
}

fn clone_in_child(state: &mut State, event: &Event<'_>) {
    let vtid = event.int(clone_param::VTID).unwrap_or(-1);
    let vpid = event.int(clone_param::VPID).unwrap_or(-1);
    if is_fresh(state, event.tid, event.ts.0) {
        let begin = event.uint(clone_param::PIDNS_START).filter(|t| *t != 0);
        // Its creator's event has the creator's cgroups; it can have been made in others (CLONE_INTO_CGROUP).
        let known = state.thread(event.tid).and_then(|t| t.cgroups.clone());
        let mut cgroups = known.clone();
        set_cgroups(state, &mut cgroups, event.params.get(clone_param::CGROUPS));
        let located = (cgroups != known).then(|| containers::locate(cgroups.as_deref()));
        state.update_thread(event.tid, |t| {
            enter_pid_namespace(t, vtid, vpid, begin);
            t.cgroups = cgroups;
            if let Some(located) = located {
                t.locate(located);
            }
        });
        return;
    }
    let flags = event.uint(clone_param::FLAGS).unwrap_or(0);
    let pid = event.int(clone_param::PID).map_or(event.pid, Pid);
    let ptid = event.int(clone_param::PTID).map_or(Tid(-1), Tid);
    let is_thread = flags & clone_flags::THREAD != 0;
    let begin = event.uint(clone_param::PIDNS_START).unwrap_or(0);
    // The parent is not always the creator: with CLONE_PARENT it is the creator's parent, or the creator has ended and
    // the child was adopted.
    let made = state.born(event.ts.0, |pending| {
        if pending.is_outside {
            pending.number == event.tid.0
        } else {
            pending.number == vtid && pending.thread.pidns_start == begin
        }
    });
    if made.is_none() && begin != 0 && vtid >= 0 && vtid != event.tid.0 {
        state.note_early(EarlyThread {
            tid: event.tid,
            vtid,
            pidns_start: begin,
            at: event.ts.0,
        });
    }
    let ptid = made.as_ref().map_or(ptid, |pending| pending.parent(ptid));
    let mut thread = made.map(|pending| pending.thread).unwrap_or_else(|| {
        let maker = if is_thread { Tid(pid.0) } else { ptid };
        inherited(state, maker, flags)
    });
    thread.tid = event.tid;
    thread.pid = pid;
    if !is_thread {
        thread.ptid = ptid;
    }
    describe(state, &mut thread, event);
    enter_pid_namespace(&mut thread, vtid, vpid, Some(begin).filter(|t| *t != 0));
    state.insert_thread(thread);
}

/// Adds a pending child, whose own event will have its id.
fn expect_child(state: &mut State, event: &Event<'_>, number: i64, flags: u64) {
    let Some(maker) = state.thread(event.tid) else {
        return;
    };
    let is_outside = maker.vtid < 0 || maker.vtid == maker.tid.0;
    let thread = inherited(state, event.tid, flags);
    state.expect(PendingThread {
        number,
        is_outside,
        thread,
        at: event.ts.0,
        adopted: None,
    });
}

/// Sets the ids of a new thread in its own pid namespace. If that differs from its creator's, which `begin` shows, the
/// process group that it inherited is not visible there.
fn enter_pid_namespace(thread: &mut Thread, vtid: i64, vpid: i64, begin: Option<u64>) {
    thread.vtid = vtid;
    thread.vpid = vpid;
    if let Some(begin) = begin {
        if thread.pidns_start != 0 && begin != thread.pidns_start && vpid != thread.pid.0 {
            thread.vpgid = 0;
        }
        thread.pidns_start = begin;
    }
}

/// Whether a thread with this id was created so recently that it is the same one.
fn is_fresh(state: &State, tid: Tid, now: u64) -> bool {
    state.thread(tid).is_some_and(|t| {
        t.clone_ts != 0 && !t.dead && now.saturating_sub(t.clone_ts) < CLONE_STALE_NS
    })
}

/// Makes a thread with everything that it inherits from its creator, if that is known.
fn inherited(state: &mut State, maker: Tid, flags: u64) -> Thread {
    let is_thread = flags & clone_flags::THREAD != 0;
    let Some(mut thread) = state.thread(maker).cloned() else {
        let mut thread = Thread::unknown(Tid(-1));
        thread.ptid = maker;
        return thread;
    };
    let share_files = is_thread || flags & clone_flags::FILES != 0;
    let share_dirs = is_thread || flags & clone_flags::FS != 0;
    thread.files = thread
        .files
        .map(|slot| state.inherit_files(slot, share_files));
    thread.dirs = thread.dirs.map(|slot| state.inherit_dirs(slot, share_dirs));
    if let Some(slot) = thread.dirs
        && flags & clone_flags::NEWNS != 0
    {
        state.forget_mount_ns(slot);
    }
    thread.portrait = None;
    thread.lineage = Lineage::default();
    if !is_thread {
        thread.ptid = maker;
        thread.exec_ts = 0;
        thread.lineage = state.lineage_of_child(maker);
    }
    (thread.uid, thread.gid) = (NO_ID, NO_ID);
    (thread.faults, thread.memory_kb) = ([0; 2], [0; 3]);
    thread.start = 0;
    thread.is_reaper = false;
    thread.dead = false;
    thread
}

/// Applies a clone event's parameters about the new thread, in the parent's or in the child's event.
fn describe(state: &State, thread: &mut Thread, event: &Event<'_>) {
    thread.clone_ts = event.ts.0;
    let replace = |place: &mut Option<Text>, index, cap| {
        set_text(state, place, event.params.get(index), cap, is_list(cap));
    };
    replace(&mut thread.comm, clone_param::COMM, limits::NAME);
    replace(&mut thread.exe, clone_param::EXE, limits::NAME);
    replace(&mut thread.args, clone_param::ARGS, limits::LIST);
    let before = thread.cgroups.clone();
    set_cgroups(
        state,
        &mut thread.cgroups,
        event.params.get(clone_param::CGROUPS),
    );
    if before != thread.cgroups {
        // Determined again when the thread is inserted.
        thread.locate(None);
        thread.is_placed = false;
    }
    thread.fdlimit = event.int(clone_param::FDLIMIT).unwrap_or(thread.fdlimit);
    counters(thread, event, clone_param::FAULTS, clone_param::MEMORY);
    if thread.comm.is_none() {
        thread.comm.clone_from(&thread.exe);
    }
    thread.uid = id(event, clone_param::UID).unwrap_or(NO_ID);
    thread.gid = id(event, clone_param::GID).unwrap_or(NO_ID);
}

/// Applies a clone event's parameters about the parent itself, if the parent was unknown.
fn repair(state: &mut State, event: &Event<'_>) {
    let Some(thread) = state.thread(event.tid) else {
        return;
    };
    let (mut comm, mut exe, mut args) =
        (thread.comm.clone(), thread.exe.clone(), thread.args.clone());
    if comm.is_none() {
        set_text(
            state,
            &mut comm,
            event.params.get(clone_param::COMM),
            limits::NAME,
            false,
        );
        set_text(
            state,
            &mut exe,
            event.params.get(clone_param::EXE),
            limits::NAME,
            false,
        );
        set_text(
            state,
            &mut args,
            event.params.get(clone_param::ARGS),
            limits::LIST,
            true,
        );
    }
    let ptid = event.int(clone_param::PTID).map(Tid);
    let had_no_parent = thread.ptid.0 < 0;
    state.update_thread(event.tid, |t| {
        t.comm = comm;
        t.exe = exe;
        t.args = args;
        if had_no_parent {
            t.ptid = ptid.unwrap_or(t.ptid);
        }
    });
    if had_no_parent {
        state.starter_from_parent(event.tid);
    }
}
