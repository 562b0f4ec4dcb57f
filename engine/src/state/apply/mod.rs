//! The effect of each event on the state.
//!
//! The rules follow sysdig's engine, by family: [`clone`] and [`process`] for threads, [`dirs`] for directories,
//! [`owners`] for users and capabilities, [`files`] for fds other than sockets, [`sockets`], [`meta`] for
//! users and containers reported by recorders. Only results count: a call that failed, or has not returned,
//! changes nothing. Parameters are addressed by their index in the schema; an event of an older writer can lack the
//! last ones.

mod clone;
mod dirs;
pub(super) mod files;
mod meta;
mod owners;
mod params;
mod process;
mod sockets;

pub(super) use clone::clone_flags;
pub use params::cgroups_param;

use scap_capture_format::schema::{EventType, EventTypeFlags, types};

use super::State;
use crate::event::{Event, EventExt as _, EventFlags, PairedEvent, alert};
use owners::Ids;

/// `O_CLOEXEC` in the schema's open flags.
const O_CLOEXEC: u64 = 0x1000;
/// `O_DIRECTORY` in the schema's open flags.
const O_DIRECTORY: u64 = 0x400;

/// Iterates over the types whose events can change the state.
pub fn state_affecting_types() -> impl Iterator<Item = EventType> {
    let every = (0..u16::MAX).map(EventType);
    let known = every.take_while(|ty| ty.info().is_some());
    known.filter(|ty| {
        let is_rare = matches!(*ty, types::GENERIC_X | types::SOCKET_GETPEERNAME_X);
        may_affect_state(*ty) || counts_memory(*ty) || is_rare
    })
}

/// Whether events of a type, in the newest schema, can change the meaning of later events. Some calls without a type
/// of their own can as well, see [`call_may_affect_state`].
pub fn may_affect_state(ty: EventType) -> bool {
    const CHANGES: EventTypeFlags = EventTypeFlags::MODIFIES_STATE
        .union(EventTypeFlags::CREATES_FD)
        .union(EventTypeFlags::DESTROYS_FD);
    let by_flags = ty.info().is_some_and(|i| i.flags.intersects(CHANGES));
    by_flags
        || matches!(
            ty,
            types::SYSCALL_SETPGID_X
                | types::SYSCALL_SETRLIMIT_X
                | types::SYSCALL_PRLIMIT_X
                | types::SYSCALL_UNSHARE_X
                | types::SYSCALL_SETNS_X
                | types::SYSCALL_CAPSET_X
                | types::SYSCALL_CHDIR_X
                | types::SYSCALL_GETCWD_X
                | types::SYSCALL_IOCTL_3_X
                | types::ASYNCEVENT_E
        )
}

/// Whether a call without an event type of its own can change the meaning of later events.
pub fn call_may_affect_state(name: &str) -> bool {
    files::made_by(name).is_some()
}

/// Whether an event, in the newest schema, can change the meaning of later events: a filtered capture has to keep
/// it. Counters of memory and page faults are not considered.
pub fn affects_state(event: &Event<'_>) -> bool {
    const EINPROGRESS: i64 = 115;
    let can = may_affect_state(event.ty)
        || (event.ty == types::GENERIC_X && files::makes_fd(event, None));
    can && !files::is_harmless_ioctl(event)
        && !alert::is_alert(event)
        && !event.result().is_some_and(|r| r < 0 && r != -EINPROGRESS)
}

/// Whether events of a type have the memory usage of their process, the only change to the state that
/// [`affects_state`] does not consider.
pub fn counts_memory(ty: EventType) -> bool {
    matches!(
        ty,
        types::SYSCALL_BRK_4_X
            | types::SYSCALL_MMAP_X
            | types::SYSCALL_MMAP2_X
            | types::SYSCALL_MUNMAP_X
    )
}

/// Whether events of a type say how much memory their process uses.
pub fn tells_memory(ty: EventType) -> bool {
    counts_memory(ty)
        || matches!(
            ty,
            types::SYSCALL_EXECVE_19_X
                | types::SYSCALL_EXECVEAT_X
                | types::SYSCALL_CLONE_20_X
                | types::SYSCALL_CLONE3_X
                | types::SYSCALL_FORK_20_X
                | types::SYSCALL_VFORK_20_X
        )
}

/// Applies one event.
pub(super) fn event(state: &mut State, paired: &PairedEvent<'_>) {
    let event = paired.full;
    let flags = event.info().map_or(EventTypeFlags::empty(), |i| i.flags);
    match event.ty {
        types::CONTAINER_JSON_E
        | types::CONTAINER_JSON_2_E
        | types::ASYNCEVENT_E
        | types::USER_ADDED_E
        | types::USER_DELETED_E
        | types::GROUP_ADDED_E
        | types::GROUP_DELETED_E => return meta::event(state, event),
        _ if flags.contains(EventTypeFlags::SKIPPARSERESET) => return,
        _ => {}
    }
    // An event without a thread changes no state.
    if event.tid.0 < 0 {
        return;
    }
    // A context switch or an exit is no reason to add an unknown thread.
    let only_finds = matches!(
        event.ty,
        types::SCHEDSWITCH_6_E | types::PROCEXIT_1_E | types::PROCEXIT_E
    );
    if !only_finds && !clone::makes_thread(event) {
        state.ensure_thread(event.tid, event.pid);
    }
    if event.ty == types::SCHEDSWITCH_6_E {
        return process::switch(state, event);
    }
    // An enter event has arguments, not effects.
    let is_enter_of_call = event.ty.is_enter() && event.ty != types::PROCEXIT_1_E;
    if event.flags.contains(EventFlags::IN_FLIGHT) || is_enter_of_call {
        return;
    }
    match event.ty {
        types::SYSCALL_CLONE_20_X
        | types::SYSCALL_FORK_20_X
        | types::SYSCALL_VFORK_20_X
        | types::SYSCALL_CLONE3_X => clone::clone(state, event),
        types::SYSCALL_EXECVE_19_X | types::SYSCALL_EXECVEAT_X => process::execve(state, event),
        types::PROCEXIT_1_E => process::procexit(state, event),
        types::SYSCALL_CHDIR_X | types::SYSCALL_GETCWD_X => dirs::chdir(state, event),
        types::SYSCALL_FCHDIR_X => dirs::fchdir(state, event),
        types::SYSCALL_CHROOT_X => dirs::chroot(state, event),
        types::SYSCALL_PRCTL_X => process::prctl(state, event),
        types::SYSCALL_SETSID_X => process::setsid(state, event),
        types::SYSCALL_SETUID_X => owners::users(state, event, Ids::All(1)),
        types::SYSCALL_SETREUID_X => owners::users(state, event, Ids::Two(1)),
        types::SYSCALL_SETRESUID_X => owners::users(state, event, Ids::Three(1)),
        types::SYSCALL_SETGID_X => owners::group(state, event, 1),
        types::SYSCALL_SETRESGID_X | types::SYSCALL_SETREGID_X => owners::group(state, event, 2),
        types::SYSCALL_SETNS_X => dirs::setns(state, event),
        types::SYSCALL_UNSHARE_X => dirs::unshare(state, event),
        types::SYSCALL_SETPGID_X => process::setpgid(state, event),
        types::SYSCALL_CAPSET_X => owners::capset(state, event),
        types::SYSCALL_SETRLIMIT_X => process::rlimit(state, event, 3, None),
        types::SYSCALL_PRLIMIT_X => process::rlimit(state, event, 6, Some(5)),
        ty if counts_memory(ty) => process::memory(state, event, 1),

        types::SYSCALL_OPEN_X => files::open(
            state,
            event,
            files::Open {
                dirfd: None,
                name: 1,
                flags: Some(2),
                dev: 4,
            },
        ),
        types::SYSCALL_CREAT_X => files::open(
            state,
            event,
            files::Open {
                dirfd: None,
                name: 1,
                flags: None,
                dev: 3,
            },
        ),
        types::SYSCALL_OPENAT_2_X => {
            files::open(
                state,
                event,
                files::Open {
                    dirfd: Some(1),
                    name: 2,
                    flags: Some(3),
                    dev: 5,
                },
            );
        }
        types::SYSCALL_OPENAT2_X => {
            files::open(
                state,
                event,
                files::Open {
                    dirfd: Some(1),
                    name: 2,
                    flags: Some(3),
                    dev: 6,
                },
            );
        }
        types::SYSCALL_OPEN_BY_HANDLE_AT_X => {
            files::open(
                state,
                event,
                files::Open {
                    dirfd: None,
                    name: 3,
                    flags: Some(2),
                    dev: 4,
                },
            );
        }
        types::SYSCALL_CLOSE_X => files::close(state, event),
        types::SYSCALL_CLOSE_RANGE_X => files::close_range(state, event),
        types::SYSCALL_DUP_1_X | types::SYSCALL_DUP2_X => files::dup(state, event, false),
        types::SYSCALL_DUP3_X => {
            let cloexec = event.uint(3).is_some_and(|f| f & O_CLOEXEC != 0);
            files::dup(state, event, cloexec);
        }
        types::SYSCALL_FCNTL_X => files::fcntl(state, event),
        types::SYSCALL_IOCTL_3_X => files::ioctl(state, event),
        types::SYSCALL_PIPE_X => files::pipe(state, event, 0),
        types::SYSCALL_PIPE2_X => files::pipe(state, event, event.uint(4).unwrap_or(0)),
        types::SYSCALL_MEMFD_CREATE_X => files::memfd(state, event),
        types::SYSCALL_PIDFD_GETFD_X => files::pidfd_getfd(state, event),
        types::SYSCALL_BPF_2_X => files::bpf(state, event),
        types::GENERIC_X => files::generic(state, event),
        types::SOCKET_GETPEERNAME_X => sockets::getpeername(state, event),

        types::SOCKET_SOCKET_X => sockets::socket(state, event),
        types::SOCKET_BIND_X => sockets::bind(state, event),
        types::SOCKET_CONNECT_X => sockets::connect(state, event),
        types::SOCKET_ACCEPT_5_X => sockets::accept(state, event, 0),
        types::SOCKET_ACCEPT4_6_X => sockets::accept(state, event, event.uint(5).unwrap_or(0)),
        types::SOCKET_SOCKETPAIR_X => sockets::socketpair(state, event),
        types::SOCKET_SEND_X
        | types::SOCKET_SENDTO_X
        | types::SOCKET_SENDMSG_X
        | types::SOCKET_SENDMMSG_X => sockets::transfer(state, event, 4, sockets::Way::Out),
        types::SOCKET_RECV_X | types::SOCKET_RECVMMSG_X => {
            sockets::transfer(state, event, 4, sockets::Way::In);
        }
        types::SOCKET_RECVFROM_X => sockets::transfer(state, event, 2, sockets::Way::In),
        types::SOCKET_RECVMSG_X => {
            sockets::transfer(state, event, 3, sockets::Way::In);
            sockets::received_fds(state, event, 4);
        }
        types::SOCKET_GETSOCKOPT_X => sockets::getsockopt(state, event),

        _ => files::unnamed(state, event),
    }
    if state.has_attempts {
        sockets::attempt(state, event, flags);
    }
}
