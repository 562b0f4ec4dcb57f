//! Fds that are not sockets.

use scap_capture_format::schema::{Arch, types};

use super::super::fd::{FdInfo, FdKind};
use super::super::{State, limits};
use super::{O_CLOEXEC, O_DIRECTORY};
use crate::event::{Event, EventExt as _, Tid, syscall};

/// Indexes of an open call's parameters.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) dirfd: Option<usize>,
    pub(super) name: usize,
    pub(super) flags: Option<usize>,
    /// The device, followed by the inode.
    pub(super) dev: usize,
}

/// Returns the fd that a call created.
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
        state.resolve_for(event, dirfd, path, &mut name);
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
    // The kernel frees the fd whatever `close` returns, unless it was not open.
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

/// Duplicates an fd to the number that the call returned.
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
            state.replace_fd(tid, new, info);
        }
        // A duplicate of an unknown fd is unknown; the previous fd with that number is closed.
        None => state.end_fds(tid, new, new),
    }
}

pub(super) fn fcntl(state: &mut State, event: &Event<'_>) {
    // Commands, as encoded by the schema.
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

/// Requests that set and clear close-on-exec.
pub(super) fn ioctl(state: &mut State, event: &Event<'_>) {
    if let (Some(fd), Some(cloexec)) = (event.int(1), sets_cloexec(event)) {
        state.update_fd(event.tid, fd, |f| f.cloexec = cloexec);
    }
}

/// Returns what a successful ioctl sets close-on-exec to, if it does.
fn sets_cloexec(event: &Event<'_>) -> Option<bool> {
    // linux v6.12 include/uapi/asm-generic/ioctls.h
    const FIONCLEX: u64 = 0x5450;
    const FIOCLEX: u64 = 0x5451;
    match (event.result()?, event.uint(2)? & 0xffff_ffff) {
        (0, FIONCLEX) => Some(false),
        (0, FIOCLEX) => Some(true),
        _ => None,
    }
}

/// Whether an ioctl can change the meaning of later events.
pub(super) fn is_harmless_ioctl(event: &Event<'_>) -> bool {
    event.ty == types::SYSCALL_IOCTL_3_X && sets_cloexec(event).is_none()
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

/// An fd was copied from another process, which is known only from the name of the pidfd.
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
    /// Commands that return an fd, in the schema's encoding, which equals the kernel's.
    const MAKES_FD: [u64; 12] = [0, 5, 7, 13, 14, 17, 18, 19, 28, 30, 32, 33];
    if let (Some(fd), Some(command)) = (made(event), event.uint(1))
        && MAKES_FD.contains(&command)
    {
        let mut info = FdInfo::new(FdKind::Bpf);
        info.cloexec = true;
        state.add_fd(event.tid, fd, info);
    }
}

/// Returns the name, as in `/proc`, and the close-on-exec flag of an fd created by a call without an event type of its
/// own.
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

/// Whether a call without an event type of its own creates an fd.
pub(in crate::state) fn makes_fd(event: &Event<'_>, arch: Option<Arch>) -> bool {
    syscall::call(event, arch)
        .name
        .is_some_and(|name| made_by(name).is_some())
}

/// Calls without an event type of their own.
pub(super) fn generic(state: &mut State, event: &Event<'_>) {
    let arch = state.arch;
    let made_by = || made_by(syscall::call(event, arch).name?);
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

/// Close-on-exec in the flags of `timerfd_create`, a single byte in which the usual bit does not fit. Other
/// recorders write 0.
const TIMER_CLOEXEC: u64 = 1;

/// Calls that create an fd without a name.
pub(super) fn unnamed(state: &mut State, event: &Event<'_>) {
    // Kind, the parameter with the flags, and the close-on-exec bit in it.
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
        // The kernel always sets close-on-exec for these.
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
