//! The properties of event types, and of calls without a type of their own, that decide their lanes.

use std::sync::LazyLock;

use scap_capture_format::schema::{
    Category, EventInfo, EventType, EventTypeFlags, SourceCategory, errno, event_info, syscall,
    types,
};

use super::Lane;
use crate::event::syscall as generic;
use crate::event::waits::CALLS as WAITS;
use crate::event::{Event, EventExt as _, value};
use crate::state::has_fd;

/// Calls that create processes and threads.
const FORKS: &[&str] = &["clone", "clone3", "fork", "vfork"];

/// Calls that execute programs.
const EXECUTES: &[&str] = &["execve", "execveat"];

/// Calls that open or change files.
#[rustfmt::skip]
const CHANGES: &[&str] = &[
    "open", "openat", "openat2", "open_by_handle_at", "creat", "memfd_create", "memfd_secret",
    "truncate", "ftruncate", "fallocate", "copy_file_range",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat",
    "utime", "utimes", "futimesat", "utimensat",
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr",
    "removexattrat", "file_setattr",
];

/// Calls that change what a process may do or sees of the machine, or that access the kernel or another
/// process.
#[rustfmt::skip]
const PRIVILEGED: &[&str] = &[
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid",
    "setgroups", "capset", "iopl", "ioperm",
    "setns", "unshare", "chroot", "pivot_root",
    "mount", "umount", "umount2", "move_mount", "fsmount", "mount_setattr", "open_tree_attr",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd",
];

/// Options of `prctl` that change privileges: PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_SECUREBITS,
/// PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT.
const PRCTL_OPTIONS: &[(u64, &str)] = &[
    (8, "PR_SET_KEEPCAPS"),
    (24, "PR_CAPBSET_DROP"),
    (28, "PR_SET_SECUREBITS"),
    (38, "PR_SET_NO_NEW_PRIVS"),
    (47, "PR_CAP_AMBIENT"),
];

/// Calls that return from a signal handler have no result.
const NO_RESULT: &[&str] = &["sigreturn", "rt_sigreturn"];

/// New namespaces of `clone`, in the schema's encoding.
const CLONE_NEW: u64 = 0x1010_0000 | 0xf8;
/// The creator waits until the new process executes a program, in the schema's encoding.
pub(super) const CLONE_VFORK: u64 = 0x0800_0000;

/// Results that are not counted as errors: the call has to be repeated, or continues.
pub(super) const NO_ERRORS: &[i64] = &[-4, -11, -115, -512, -513, -514, -516];
pub(super) const ETIMEDOUT: i64 = 110;

/// The properties of a type, or of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits(u16);

impl Traits {
    /// A call that returned, or had not at the end of the capture.
    pub(super) const CALL: Self = Self(1);
    /// It has a result.
    pub(super) const RESULT: Self = Self(1 << 1);
    pub(super) const FORKS: Self = Self(1 << 2);
    pub(super) const EXECUTES: Self = Self(1 << 3);
    pub(super) const CHANGES: Self = Self(1 << 4);
    /// It writes to its fd.
    pub(super) const WRITES: Self = Self(1 << 5);
    /// It waits unless its fd is a file.
    pub(super) const READS: Self = Self(1 << 6);
    /// Its fd can be a socket.
    pub(super) const ON_SOCKETS: Self = Self(1 << 7);
    /// Its fd is a socket.
    pub(super) const NETWORK: Self = Self(1 << 8);
    pub(super) const PRIVILEGED: Self = Self(1 << 9);
    pub(super) const WAITS: Self = Self(1 << 10);
    /// Not a call: an exit or a signal.
    pub(super) const ENDS: Self = Self(1 << 11);

    /// The kind of its fd decides.
    pub(super) const NEEDS_FD: Self =
        Self(Self::WRITES.0 | Self::READS.0 | Self::ON_SOCKETS.0 | Self::NETWORK.0);

    /// Whether it has at least one of these.
    #[inline]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn with_if(self, condition: bool, other: Self) -> Self {
        if condition { self.with(other) } else { self }
    }

    /// Returns the properties of a type; for a generic type, the properties that all of its calls share.
    pub(super) fn of_type(ty: EventType) -> Self {
        Known::of_type(ty).traits
    }

    fn of_info(info: &EventInfo) -> Self {
        if !info.source_category.contains(SourceCategory::SYSCALL) {
            let ends = matches!(info.name, "procexit" | "signaldeliver");
            return Self::default().with_if(ends, Self::ENDS);
        }
        if info.enter {
            return Self::default();
        }
        // The same result as `evt.rawres`.
        let result = info.params.get(generic::result_param(info.ty));
        let is_result = result.is_some_and(|p| matches!(p.name, "res" | "fd"));
        let is_net = info.category == Category::Net;
        // Calls on paths, directories and memory do not use sockets.
        let fd = info
            .fd_param
            .and_then(|at| info.params.get(usize::from(at)));
        let on_sockets = has_fd(info.ty)
            && info.category != Category::Memory
            && !CHANGES.contains(&info.name)
            && !info.name.starts_with("getdents")
            && fd.is_none_or(|fd| !fd.name.contains("dir"));
        Self::of_name(info.name)
            .with(Self::CALL)
            .with_if(is_result, Self::RESULT)
            .with_if(info.category == Category::IoWrite, Self::WRITES)
            .with_if(info.category == Category::IoRead, Self::READS)
            .with_if(is_net, Self::NETWORK)
            .with_if(is_net || on_sockets, Self::ON_SOCKETS)
    }

    fn of_name(name: &str) -> Self {
        Self::default()
            .with_if(FORKS.contains(&name), Self::FORKS.with(Self::PRIVILEGED))
            .with_if(EXECUTES.contains(&name), Self::EXECUTES)
            .with_if(CHANGES.contains(&name), Self::CHANGES)
            .with_if(
                PRIVILEGED.contains(&name) || name == "prctl",
                Self::PRIVILEGED,
            )
            .with_if(WAITS.contains(&name), Self::WAITS)
            .with_if(name == "splice", Self::READS)
    }
}

/// The properties of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) traits: Traits,
    /// The parameter with the result.
    pub(super) result: u8,
    /// The parameter with the fd that it uses; [`NO_PARAM`]: the state has it.
    pub(super) fd: u8,
}

/// The value of `result` and `fd` without such a parameter.
pub(super) const NO_PARAM: u8 = u8::MAX;

impl Known {
    /// Returns the properties of an event.
    #[inline]
    pub(super) fn of(event: &Event<'_>) -> Self {
        if event.ty == types::GENERIC_X {
            return Self::of_call(event);
        }
        Self::of_type(event.ty)
    }

    #[inline]
    fn of_type(ty: EventType) -> Self {
        let of_type = TABLE.types.get(usize::from(ty.0));
        of_type.copied().unwrap_or_default()
    }

    #[inline]
    fn of_call(event: &Event<'_>) -> Self {
        let code = event.uint(0).and_then(|code| usize::try_from(code).ok());
        let known = code.and_then(|code| TABLE.calls.get(code).copied());
        match known {
            Some(known) if known.traits.has(Traits::CALL) => known,
            // Rare: a 32-bit call, or one that is newer than the schema's codes.
            _ => Self::of_name(generic::call(event, None).name.unwrap_or_default()),
        }
    }

    /// Returns the properties of a call without a type of its own.
    fn of_name(name: &str) -> Self {
        Self {
            traits: Traits::of_name(name)
                .with(Traits::CALL)
                .with_if(!NO_RESULT.contains(&name), Traits::RESULT),
            result: u8::try_from(generic::result_param(types::GENERIC_X)).unwrap_or(NO_PARAM),
            fd: NO_PARAM,
        }
    }

    fn of_info(info: &EventInfo) -> Self {
        let makes_fd = info.flags.contains(EventTypeFlags::CREATES_FD);
        Self {
            traits: Traits::of_info(info),
            result: u8::try_from(generic::result_param(info.ty)).unwrap_or(NO_PARAM),
            fd: info.fd_param.filter(|_| !makes_fd).unwrap_or(NO_PARAM),
        }
    }
}

/// By type; for calls without a type of their own, by the schema's code.
struct Table {
    types: Vec<Known>,
    calls: Vec<Known>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let every = (0..u16::MAX).map(EventType);
    let infos = every.map_while(event_info);
    let mut calls = Vec::new();
    for call in syscall::all().filter(|call| call.ppm_sc != 0) {
        let code = usize::from(call.ppm_sc);
        calls.resize(calls.len().max(code + 1), Known::default());
        calls[code] = Known::of_name(call.name);
    }
    Table {
        types: infos.map(Known::of_info).collect(),
        calls,
    }
});

/// Whether an event of a type that can change privileges does so.
pub(super) fn privilege(full: &Event<'_>) -> bool {
    match full.ty {
        types::SYSCALL_PRCTL_X => {
            let option = full.uint(1);
            PRCTL_OPTIONS
                .iter()
                .any(|(number, _)| Some(*number) == option)
        }
        _ if Traits::of_type(full.ty).has(Traits::FORKS) => clone_flags(full) & CLONE_NEW != 0,
        _ => true,
    }
}

/// Returns the flags of a `clone`, in the schema's encoding.
pub(super) fn clone_flags(full: &Event<'_>) -> u64 {
    let index = full.info().and_then(|info| info.param("flags"));
    let bytes = index.and_then(|(index, _)| full.params.get(index));
    bytes.and_then(value::unsigned).unwrap_or(0)
}

/// Returns the flags of a call that opens a file, in the schema's encoding, if it has any.
pub(super) fn opens_for(full: &Event<'_>) -> Option<u64> {
    let info = full.info().filter(|i| i.name.starts_with("open"))?;
    let (index, _) = info.param("flags")?;
    full.params.get(index).and_then(value::unsigned)
}

/// Whether a file opened with these flags is writable or was created.
pub(super) fn may_write(flags: u64) -> bool {
    /// O_WRONLY, which is a part of O_RDWR, O_CREAT, O_TMPFILE.
    const WRITE: u64 = 0x2 | 0x4 | 0x800;
    flags & WRITE != 0
}

static FILTERS: LazyLock<Vec<String>> =
    LazyLock::new(|| Lane::ALL.map(filter_of).into_iter().collect());

/// Returns a filter for a lane's events.
pub(super) fn filter(lane: Lane) -> &'static str {
    FILTERS.get(lane as usize).map_or("", String::as_str)
}

fn filter_of(lane: Lane) -> String {
    let join = |names: &[&str]| names.join(", ");
    match lane {
        Lane::Starts => format!(
            "(evt.type in ({}) and evt.rawres > 0) or (evt.type in ({}) and evt.rawres = 0)",
            join(FORKS),
            join(EXECUTES)
        ),
        Lane::Files => format!(
            "evt.rawres >= 0 and (evt.type in ({}) or ((evt.is_io_write = true or evt.type = sendfile) \
             and fd.type in (file, memfd)))",
            join(CHANGES)
        ),
        Lane::Network => "evt.dir = < and fd.type in (ipv4, ipv6)".to_owned(),
        Lane::Errors => {
            let names = NO_ERRORS
                .iter()
                .filter_map(|result| i32::try_from(*result).ok().and_then(errno::name));
            format!(
                "evt.failed = true and not evt.res in ({}) and \
                 not (evt.res = ETIMEDOUT and evt.type in ({}))",
                join(&names.collect::<Vec<_>>()),
                join(WAITS)
            )
        }
        Lane::Privileges => {
            let options: Vec<&str> = PRCTL_OPTIONS.iter().map(|(_, name)| *name).collect();
            format!(
                "evt.dir = < and (evt.type in ({}) or (evt.type = prctl and evt.arg.option in ({})) or \
                 (evt.type in (clone, clone3) and evt.arg.flags contains CLONE_NEW))",
                join(PRIVILEGED),
                join(&options)
            )
        }
        Lane::Exits => "evt.type in (procexit, signaldeliver)".to_owned(),
        Lane::Slow => format!(
            "evt.latency > {} and not (evt.type in ({}) or \
             (evt.type in (clone, clone3) and evt.arg.flags contains CLONE_VFORK) or \
             ((evt.is_io_read = true or evt.type = splice) and \
             not (fd.type = directory or (fd.type in (file, memfd) and \
             (not fd.name startswith /dev/ or fd.name startswith /dev/shm/)))))",
            super::SLOW_NS,
            join(WAITS)
        ),
    }
}
