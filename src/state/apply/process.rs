//! Threads, programs, directories, owners.

use scap_capture_format::schema::types;

use super::super::lineage::Lineage;
use super::super::nursery::Unborn;
use super::super::thread::{NO_ID, Program, ProgramFlags, Text, Thread};
use super::super::{State, containers, limits};
use crate::event::{Event, EventExt as _, Pid, Tid};

/// A thread seen with its id this long ago is another one (nanoseconds).
const CLONE_STALE_NS: u64 = 2_000_000_000;

/// Clone flags as the field encodes them.
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
    pub(super) const EXE: usize = 1;
    pub(super) const ARGS: usize = 2;
    pub(super) const PID: usize = 4;
    pub(super) const PTID: usize = 5;
    pub(super) const FDLIMIT: usize = 7;
    /// Major and minor page faults, memory in KiB: virtual, resident, swapped.
    pub(super) const FAULTS: usize = 8;
    pub(super) const MEMORY: usize = 10;
    pub(super) const COMM: usize = 13;
    pub(super) const CGROUPS: usize = 14;
    pub(super) const FLAGS: usize = 15;
    pub(super) const UID: usize = 16;
    pub(super) const GID: usize = 17;
    pub(super) const VTID: usize = 18;
    pub(super) const VPID: usize = 19;
    pub(super) const PIDNS_START: usize = 20;
}

/// Parameters of `execve`.
mod exec_param {
    pub(super) const EXE: usize = 1;
    pub(super) const ARGS: usize = 2;
    pub(super) const PID: usize = 4;
    pub(super) const PTID: usize = 5;
    pub(super) const COMM: usize = 13;
    pub(super) const CGROUPS: usize = 14;
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

/// Whether the event is a new thread's own, which says more about it than its number.
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
    // The child's own event says it better, or the number is of another pid namespace.
    let child_tells = flags & (f::CHILD_IN_PIDNS | f::NEWPID | f::PARENT | f::VFORK) != 0
        || event.ty == types::SYSCALL_VFORK_20_X
        || in_pid_namespace;
    if child_tells {
        // With vfork this event is the later one.
        if flags & f::VFORK == 0 && event.ty != types::SYSCALL_VFORK_20_X {
            expect_child(state, event, child.0, flags);
        }
        if !in_pid_namespace {
            made_by(state, event, child);
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

/// Says who made a child, if its own event came first: that knew only the parent that the kernel gave it.
fn made_by(state: &mut State, event: &Event<'_>, child: Tid) -> bool {
    let is_there = is_fresh(state, child, event.ts.0);
    if is_there {
        state.set_maker(child, event.tid);
    }
    is_there
}

fn clone_in_child(state: &mut State, event: &Event<'_>) {
    let vtid = event.int(clone_param::VTID).unwrap_or(-1);
    let vpid = event.int(clone_param::VPID).unwrap_or(-1);
    if is_fresh(state, event.tid, event.ts.0) {
        let begin = event.uint(clone_param::PIDNS_START).filter(|t| *t != 0);
        state.update_thread(event.tid, |t| enter_pid_namespace(t, vtid, vpid, begin));
        return;
    }
    let flags = event.uint(clone_param::FLAGS).unwrap_or(0);
    let pid = event.int(clone_param::PID).map_or(event.pid, Pid);
    let ptid = event.int(clone_param::PTID).map_or(Tid(-1), Tid);
    let is_thread = flags & clone_flags::THREAD != 0;
    let begin = event.uint(clone_param::PIDNS_START).unwrap_or(0);
    // The parent is not always the maker: it was asked to be the maker's own, or the maker has ended and
    // the child was adopted.
    let made = state.born(event.ts.0, |unborn| {
        if unborn.is_outside {
            unborn.number == event.tid.0
        } else {
            unborn.number == vtid && unborn.thread.pidns_start == begin
        }
    });
    let mut thread = made.unwrap_or_else(|| {
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

/// Takes note of a child that will tell its id itself.
fn expect_child(state: &mut State, event: &Event<'_>, number: i64, flags: u64) {
    let Some(maker) = state.thread(event.tid) else {
        return;
    };
    let is_outside = maker.vtid < 0 || maker.vtid == maker.tid.0;
    let thread = inherited(state, event.tid, flags);
    state.expect(Unborn {
        number,
        is_outside,
        thread,
        at: event.ts.0,
    });
}

/// Takes what a new thread says of its ids in its own pid namespace. In another one than its maker's,
/// which `begin` tells, the group that it was born into cannot be seen.
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

/// Whether a thread with this id was made so recently that it is the one meant.
fn is_fresh(state: &State, tid: Tid, now: u64) -> bool {
    state.thread(tid).is_some_and(|t| {
        t.clone_ts != 0 && !t.dead && now.saturating_sub(t.clone_ts) < CLONE_STALE_NS
    })
}

/// Makes a thread that has what it gets from its maker, as far as that is known.
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

/// Takes what a clone event says of the new thread, whichever of the two it is.
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
        // Found anew when the thread is inserted.
        thread.container = None;
    }
    thread.fdlimit = event.int(clone_param::FDLIMIT).unwrap_or(thread.fdlimit);
    counters(thread, event, clone_param::FAULTS, clone_param::MEMORY);
    if thread.comm.is_none() {
        thread.comm.clone_from(&thread.exe);
    }
    thread.uid = id(event, clone_param::UID).unwrap_or(NO_ID);
    thread.gid = id(event, clone_param::GID).unwrap_or(NO_ID);
}

fn is_list(cap: usize) -> bool {
    cap == limits::LIST
}

/// Keeps a text parameter; an absent one changes nothing. Equal text stays shared.
fn set_text(state: &State, place: &mut Option<Text>, bytes: Option<&[u8]>, cap: usize, list: bool) {
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

/// Keeps a list of cgroups.
fn set_cgroups(state: &State, place: &mut Option<Text>, bytes: Option<&[u8]>) {
    let normalised = bytes.and_then(containers::normalised);
    set_text(
        state,
        place,
        normalised.as_deref().or(bytes),
        limits::LIST,
        true,
    );
}

/// Takes page faults and memory from the parameters that have them.
fn counters(thread: &mut Thread, event: &Event<'_>, faults: usize, memory: usize) {
    for (place, index) in thread.faults.iter_mut().zip(faults..) {
        *place = event.uint(index).unwrap_or(*place);
    }
    for (place, index) in thread.memory_kb.iter_mut().zip(memory..) {
        *place = id(event, index).unwrap_or(*place);
    }
}

fn id(event: &Event<'_>, index: usize) -> Option<u32> {
    event.uint(index).and_then(|v| u32::try_from(v).ok())
}

/// Takes what a clone's parent event says of the parent itself, if nothing was known.
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
        state.take_parent_for_maker(event.tid);
    }
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
    // What the event does not say of the new program is not known; the old one's would be wrong.
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
    new.container = containers::id_of(new.cgroups.as_deref());
    new.fdlimit = event.int(clone_param::FDLIMIT).unwrap_or(new.fdlimit);
    counters(&mut new, event, clone_param::FAULTS, clone_param::MEMORY);
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
    if had_no_parent {
        new.ptid = event.int(p::PTID).map_or(new.ptid, Tid);
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
        state.take_parent_for_maker(event.tid);
    }
    state.keep_only_thread(pid, event.tid);
    // The kernel gives the program fds of its own before it closes those marked so.
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
        // The first thread may have ended before.
        if state.threads_of(pid) <= 1 && pid.0 != event.tid.0 {
            state.reparent(Tid(pid.0), Tid(reaper));
        }
    } else if pid.0 != event.tid.0 {
        state.reparent(event.tid, Tid(pid.0));
    }
}

/// `chdir` and `getcwd`, which both say what the working directory is.
pub(super) fn chdir(state: &mut State, event: &Event<'_>) {
    if event.result().is_none_or(|r| r < 0) {
        return;
    }
    match event.text(1) {
        Some(path) => set_cwd(state, event.tid, path),
        None if event.ty == types::SYSCALL_CHDIR_X => state.forget_cwd(event.tid),
        None => {}
    }
}

pub(super) fn fchdir(state: &mut State, event: &Event<'_>) {
    if event.result() != Some(0) {
        return;
    }
    let file = event.int(1).and_then(|fd| state.fd(event.tid, fd));
    match file.map(|f| f.name.clone()).filter(|n| !n.is_empty()) {
        Some(name) => set_cwd(state, event.tid, &name),
        // It is somewhere else now, and nobody says where.
        None => state.forget_cwd(event.tid),
    }
}

fn set_cwd(state: &mut State, tid: Tid, path: &[u8]) {
    let mut cwd = std::mem::take(&mut state.scratch);
    cwd.clear();
    state.resolve(tid, None, path, &mut cwd);
    state.set_dirs(tid, Some(&cwd), None);
    state.scratch = cwd;
}

pub(super) fn chroot(state: &mut State, event: &Event<'_>) {
    if event.result() == Some(0)
        && let Some(path) = event.text(1)
    {
        let mut root = std::mem::take(&mut state.scratch);
        root.clear();
        state.resolve(event.tid, None, path, &mut root);
        state.set_dirs(event.tid, None, Some(&root));
        state.scratch = root;
    }
}

/// A thread named itself.
pub(super) fn prctl(state: &mut State, event: &Event<'_>) {
    const PR_SET_NAME: u64 = 15;
    /// The kernel keeps this many bytes of a name.
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

/// A process began a session, and a group in it. The result is a number of its own pid namespace.
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

/// A process joined a process group. The numbers are of the caller's pid namespace, so that they are
/// used only where that is the host's.
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

/// A limit was set: parameter 1 is the new soft one.
pub(super) fn rlimit(state: &mut State, event: &Event<'_>, resource: usize, pid: Option<usize>) {
    const NOFILE: u64 = 7;
    let (Some(0), Some(soft), Some(NOFILE)) = (event.result(), event.int(1), event.uint(resource))
    else {
        return;
    };
    let own = state.thread(event.tid).map_or(event.pid, |t| t.pid);
    let pid = pid.and_then(|index| event.int(index)).filter(|p| *p > 0);
    // `prlimit` without new limits only asks; recorders then say -1.
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

/// Returns the process of an event's thread.
fn own_pid(state: &State, event: &Event<'_>) -> Pid {
    match event.pid {
        Pid(-1) => state.thread(event.tid).map_or(Pid(-1), |t| t.pid),
        pid => pid,
    }
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

/// A thread stopped sharing. Another user namespace begins with all capabilities, another mount
/// namespace with directories of one's own.
pub(super) fn unshare(state: &mut State, event: &Event<'_>) {
    use clone_flags as f;
    let flags = event.uint(1).unwrap_or(0);
    if event.result() != Some(0) {
        return;
    }
    if flags & f::FILES != 0 {
        state.unshare_files(event.tid);
    }
    if flags & (f::FS | f::NEWNS | f::NEWUSER) != 0 {
        state.unshare_dirs(event.tid);
    }
    if flags & f::NEWUSER != 0 {
        super::owners::gain_all(state, event.tid);
    }
}

/// A thread entered namespaces: which ones, only its fd or pidfd may say.
pub(super) fn setns(state: &mut State, event: &Event<'_>) {
    use clone_flags as f;
    let kind = event.uint(2).unwrap_or(0);
    if event.result() != Some(0) {
        return;
    }
    let file = event.int(1).and_then(|fd| state.fd(event.tid, fd));
    let is = |end: &[u8]| file.is_some_and(|f| f.name.ends_with(end));
    let (users, mounts) = (is(b"/ns/user"), is(b"/ns/mnt"));
    if kind & f::NEWUSER != 0 || users {
        super::owners::gain_all(state, event.tid);
    }
    if kind & f::NEWNS != 0 || mounts {
        // The kernel goes to the root of the namespace.
        state.unshare_dirs(event.tid);
        state.set_dirs(event.tid, Some(b"/"), Some(b"/"));
    }
}
