//! Fds that are not sockets.

use scap_capture_format::schema::types;

use super::super::fd::{FdInfo, FdKind};
use super::super::{State, limits};
use super::{O_CLOEXEC, O_DIRECTORY};
use crate::event::{Event, EventExt as _, Tid, syscall};

/// Where an open call's event keeps what.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) dirfd: Option<usize>,
    pub(super) name: usize,
    pub(super) flags: Option<usize>,
    /// The device; the inode follows it.
    pub(super) dev: usize,
}

/// Returns the fd that a call made.
pub(super) fn made(event: &Event<'_>) -> Option<i64> {
    event.result().filter(|fd| *fd >= 0)
}

pub(super) fn open(state: &mut State, event: &Event<'_>, at: Open) {
    let Some(fd) = made(event) else {
        return;
    };
    let flags = at.flags.and_then(|i| event.uint(i)).unwrap_or(0);
    let kind = if flags & O_DIRECTORY != 0 {
        FdKind::Directory
    } else {
        FdKind::File
    };
    let mut info = FdInfo::new(kind);
    if let Some(path) = event.text(at.name) {
        let mut name = std::mem::take(&mut state.scratch);
        name.clear();
        let dirfd = at.dirfd.and_then(|i| event.int(i));
        state.resolve(event.tid, dirfd, path, &mut name);
        info.name = state.keep(&name, limits::NAME).unwrap_or(info.name);
        if !path.is_empty() && path != name {
            info.raw_name = state.keep(path, limits::NAME);
        }
        state.scratch = name;
    }
    info.open_flags = u32::try_from(flags).unwrap_or(0);
    info.cloexec = flags & O_CLOEXEC != 0;
    info.dev = event
        .uint(at.dev)
        .and_then(|d| u32::try_from(d).ok())
        .unwrap_or(0);
    info.ino = event.uint(at.dev + 1).unwrap_or(0);
    state.add_fd(event.tid, fd, info);
}

pub(super) fn close(state: &mut State, event: &Event<'_>) {
    // The kernel frees the number whatever `close` returns, unless it was not open.
    const EBADF: i64 = 9;
    if let (Some(result), Some(fd)) = (event.result(), event.int(1))
        && result != -EBADF
        && fd >= 0
    {
        state.end_fds(event.tid, fd, fd);
    }
}

pub(super) fn close_range(state: &mut State, event: &Event<'_>) {
    const UNSHARE: u64 = 2;
    const CLOEXEC: u64 = 4;
    let (Some(0), Some(first), Some(last)) = (event.result(), event.uint(1), event.uint(2)) else {
        return;
    };
    let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (first, last) = (clamp(first), clamp(last));
    let flags = event.uint(3).unwrap_or(0);
    if flags & UNSHARE != 0 {
        state.unshare_files(event.tid);
    }
    if flags & CLOEXEC == 0 {
        state.end_fds(event.tid, first, last);
    } else {
        state.mark_cloexec(event.tid, first, last);
    }
}

/// Copies an fd to the number that the call returned.
pub(super) fn dup(state: &mut State, event: &Event<'_>, cloexec: bool) {
    if let (Some(new), Some(old)) = (made(event), event.int(1)) {
        copy(state, event.tid, old, new, cloexec);
    }
}

fn copy(state: &mut State, tid: Tid, old: i64, new: i64, cloexec: bool) {
    if old == new {
        return;
    }
    match state.fd(tid, old).cloned() {
        Some(mut info) => {
            info.cloexec = cloexec;
            state.add_fd(tid, new, info);
        }
        // A copy of something unknown is as unknown; what the number meant before is gone.
        None => state.end_fds(tid, new, new),
    }
}

pub(super) fn fcntl(state: &mut State, event: &Event<'_>) {
    // Commands as the field encodes them.
    const F_DUPFD: u64 = 1;
    const F_SETFD: u64 = 3;
    const F_DUPFD_CLOEXEC: u64 = 26;
    const FD_CLOEXEC: u64 = 1;
    let (Some(result), Some(fd), Some(command)) = (made(event), event.int(1), event.uint(2)) else {
        return;
    };
    match command {
        F_DUPFD => copy(state, event.tid, fd, result, false),
        F_DUPFD_CLOEXEC => copy(state, event.tid, fd, result, true),
        F_SETFD => {
            if let Some(arg) = event.uint(3) {
                let cloexec = arg & FD_CLOEXEC != 0;
                state.update_fd(event.tid, fd, |f| f.cloexec = cloexec);
            }
        }
        _ => {}
    }
}

pub(super) fn pipe(state: &mut State, event: &Event<'_>, flags: u64) {
    if event.result() != Some(0) {
        return;
    }
    for fd in [event.int(1), event.int(2)].into_iter().flatten() {
        let mut info = FdInfo::new(FdKind::Pipe);
        info.ino = event.uint(3).unwrap_or(0);
        info.cloexec = flags & O_CLOEXEC != 0;
        state.add_fd(event.tid, fd, info);
    }
}

pub(super) fn memfd(state: &mut State, event: &Event<'_>) {
    const MFD_CLOEXEC: u64 = 1;
    let Some(fd) = made(event) else {
        return;
    };
    let mut info = FdInfo::new(FdKind::Memfd);
    if let Some(name) = event.text(1) {
        info.name = state.keep(name, limits::NAME).unwrap_or(info.name);
    }
    info.cloexec = event.uint(2).is_some_and(|f| f & MFD_CLOEXEC != 0);
    state.add_fd(event.tid, fd, info);
}

/// An fd of another process came over; which process, the pidfd says by its own name or not at all.
pub(super) fn pidfd_getfd(state: &mut State, event: &Event<'_>) {
    let Some(fd) = made(event) else {
        return;
    };
    let target = event
        .int(1)
        .and_then(|pidfd| state.fd(event.tid, pidfd))
        .filter(|f| f.kind == FdKind::Pidfd)
        .and_then(|f| i64::try_from(f.ino).ok());
    let there = target.zip(event.int(2));
    let info = there.and_then(|(pid, fd)| state.fd(Tid(pid), fd).cloned());
    let mut info = info.unwrap_or_else(|| FdInfo::new(FdKind::Unknown));
    info.cloexec = true;
    state.add_fd(event.tid, fd, info);
}

pub(super) fn bpf(state: &mut State, event: &Event<'_>) {
    /// Commands that return an fd, as the field and the kernel number them.
    const MAKES_FD: [u64; 12] = [0, 5, 7, 13, 14, 17, 18, 19, 28, 30, 32, 33];
    if let (Some(fd), Some(command)) = (made(event), event.uint(1))
        && MAKES_FD.contains(&command)
    {
        let mut info = FdInfo::new(FdKind::Bpf);
        info.cloexec = true;
        state.add_fd(event.tid, fd, info);
    }
}

/// Name, as `/proc` has it, and close-on-exec mark of the fd that a call without an event type of its own
/// makes.
pub(super) fn made_by(call: &str) -> Option<(&'static str, bool)> {
    Some(match call {
        "perf_event_open" => ("anon_inode:[perf_event]", false),
        "fanotify_init" => ("anon_inode:[fanotify]", false),
        "fsopen" | "fspick" => ("anon_inode:[fscontext]", false),
        "landlock_create_ruleset" => ("anon_inode:[landlock-ruleset]", true),
        "memfd_secret" => ("/secretmem", false),
        _ => return None,
    })
}

/// Whether a call without an event type of its own makes an fd.
pub(super) fn makes_fd(event: &Event<'_>) -> bool {
    syscall::call(event, None)
        .name
        .is_some_and(|name| made_by(name).is_some())
}

/// Calls without an event type of their own.
pub(super) fn generic(state: &mut State, event: &Event<'_>) {
    let made_by = || made_by(syscall::call(event, None).name?);
    let (Some(fd), Some((name, cloexec))) = (made(event), made_by()) else {
        return;
    };
    let mut info = FdInfo::new(FdKind::Unsupported);
    info.name = state
        .keep(name.as_bytes(), limits::NAME)
        .unwrap_or(info.name);
    info.cloexec = cloexec;
    state.add_fd(event.tid, fd, info);
}

/// Close-on-exec in the flags of `timerfd_create`, one byte that has no place for the usual bit. Other
/// recorders leave it 0.
const TIMER_CLOEXEC: u64 = 1;

/// Calls that make an fd without a name.
pub(super) fn unnamed(state: &mut State, event: &Event<'_>) {
    // Kind, the parameter with flags and the bit that means close-on-exec.
    let (kind, flags, bit) = match event.ty {
        types::SYSCALL_EVENTFD_X => (FdKind::Event, None, 0),
        types::SYSCALL_EVENTFD2_X => (FdKind::Event, Some(1), O_CLOEXEC),
        types::SYSCALL_SIGNALFD_X => (FdKind::Signal, None, 0),
        types::SYSCALL_SIGNALFD4_X => (FdKind::Signal, Some(1), O_CLOEXEC),
        types::SYSCALL_TIMERFD_CREATE_X => (FdKind::Timer, Some(2), TIMER_CLOEXEC),
        types::SYSCALL_INOTIFY_INIT_X => (FdKind::Inotify, None, 0),
        types::SYSCALL_INOTIFY_INIT1_X => (FdKind::Inotify, Some(1), O_CLOEXEC),
        types::SYSCALL_EPOLL_CREATE_X => (FdKind::Epoll, None, 0),
        types::SYSCALL_EPOLL_CREATE1_X => (FdKind::Epoll, Some(1), 1),
        types::SYSCALL_USERFAULTFD_X => (FdKind::Userfault, Some(1), O_CLOEXEC),
        types::SYSCALL_IO_URING_SETUP_X => (FdKind::IoUring, None, 0),
        types::SYSCALL_PIDFD_OPEN_X => (FdKind::Pidfd, None, 0),
        _ => return,
    };
    let Some(fd) = made(event) else {
        return;
    };
    let mut info = FdInfo::new(kind);
    info.cloexec = match kind {
        // The kernel marks these so in any case.
        FdKind::Pidfd | FdKind::IoUring => true,
        _ => flags
            .and_then(|i| event.uint(i))
            .is_some_and(|f| f & bit != 0),
    };
    if kind == FdKind::Pidfd {
        info.ino = event.uint(1).unwrap_or(0);
    }
    state.add_fd(event.tid, fd, info);
}
