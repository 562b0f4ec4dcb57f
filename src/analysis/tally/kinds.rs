//! What the type of an event says about how it is counted.

use std::sync::LazyLock;

use bitflags::bitflags;
use scap_capture_format::schema::{
    EVENTS, EventInfo, EventType, EventTypeFlags, ParamType, SourceCategory, types,
};

use crate::event::syscall;
use crate::state::is_about_fd;

bitflags! {
    /// Properties of a type.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Kind: u16 {
        /// A call that returned, or had not at the end of the capture.
        const CALL = 1;
        /// It has a result.
        const RESULT = 1 << 1;
        /// Its result is how many bytes it read from its fd.
        const READS = 1 << 2;
        /// Its result is how many bytes it wrote to its fd.
        const WRITES = 1 << 3;
        /// It opens a file.
        const OPENS = 1 << 4;
        /// It works on paths: `fs.path.*` fields.
        const PATHS = 1 << 5;
        /// It names the fd that it is about where that is not known.
        const NAMES = 1 << 6;
        /// It executes a program.
        const EXECUTES = 1 << 7;
        /// It makes processes or threads.
        const FORKS = 1 << 8;
        /// A thread ended.
        const ENDS = 1 << 9;
        /// What a process is known by may be another now.
        const CHANGES_PROCESS = 1 << 10;
        /// Its name depends on the event.
        const GENERIC = 1 << 11;
        /// It connects a socket.
        const CONNECTS = 1 << 12;
    }
}

impl Kind {
    pub(super) fn of(ty: EventType) -> Self {
        static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| EVENTS.iter().map(kind).collect());
        KINDS.get(usize::from(ty.0)).copied().unwrap_or_default()
    }
}

fn kind(info: &EventInfo) -> Kind {
    let mut kind = Kind::empty();
    let is_call = info.source_category.contains(SourceCategory::SYSCALL) && info.ty.is_exit();
    kind.set(Kind::CALL, is_call);
    kind.set(Kind::ENDS, info.name == "procexit");
    kind.set(Kind::GENERIC, syscall::is_generic(info.ty));
    if !is_call {
        return kind;
    }
    let result = info.params.get(syscall::result_param(info.ty));
    let has_result =
        result.is_some_and(|p| p.name == "res" || p.name == "fd" && p.ty == ParamType::Fd);
    kind.set(Kind::RESULT, has_result);
    // Of several messages the result is how many there were.
    let counts_bytes = !matches!(info.name, "sendmmsg" | "recvmmsg" | "finit_module");
    let has = |flag| info.flags.contains(flag);
    let writes = has(EventTypeFlags::WRITES_TO_FD);
    kind.set(Kind::WRITES, writes && counts_bytes);
    let reads = has(EventTypeFlags::READS_FROM_FD) && !writes;
    kind.set(Kind::READS, reads && counts_bytes);
    let names = info.params.iter().any(|p| {
        matches!(
            p.ty,
            ParamType::FsPath | ParamType::FsRelPath | ParamType::SockTuple
        )
    });
    kind.set(Kind::NAMES, names && is_about_fd(info.ty));
    kind.set(Kind::OPENS, OPENS.contains(&info.name));
    kind.set(Kind::PATHS, PATHS.contains(&info.name));
    kind.set(Kind::EXECUTES, matches!(info.name, "execve" | "execveat"));
    kind.set(Kind::FORKS, FORKS.contains(&info.name));
    kind.set(Kind::CONNECTS, info.name == "connect");
    let changes = kind.intersects(Kind::EXECUTES | Kind::FORKS)
        || USERS.contains(&info.name)
        || info.ty == types::SYSCALL_PRCTL_X;
    kind.set(Kind::CHANGES_PROCESS, changes);
    kind
}

const OPENS: &[&str] = &["open", "openat", "openat2", "creat", "open_by_handle_at"];

const FORKS: &[&str] = &["clone", "clone3", "fork", "vfork"];

/// Calls that `fs.path.name`, `fs.path.source` and `fs.path.target` have a value for; a test compares.
#[rustfmt::skip]
const PATHS: &[&str] = &[
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "chown", "lchown", "fchown", "fchownat",
    "chmod", "fchmod", "fchmodat", "open", "openat", "openat2", "umount", "umount2", "quotactl",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mount",
];

const USERS: &[&str] = &["setuid", "setreuid", "setresuid"];
