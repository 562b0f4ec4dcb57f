//! The parameters of each call: a table from names to steps and functions.
//!
//! Steps are in the schema's order. A test checks that every row encodes exactly the parameters of its event type,
//! each in its width.

use super::{
    EncodeFn, How,
    Step::{
        self, Absent, Bits32, Data, Descriptor8, Descriptor16, Descriptor32, Fd, Group, Int64,
        Memory, MemoryU32, MemoryU64, One16, Pid, Ret, Str, Timespec, U8, U16, U32, U64, User, Vm,
    },
    file, flags, net, owners, process,
};

/// Calls encoded as a list of parameters.
const STEPS: &[(&str, &[Step])] = &[
    // Files.
    ("close", &[Ret, Fd(0)]),
    ("read", &[Ret, Data, Fd(0), U32(2)]),
    ("write", &[Ret, Data, Fd(0), U32(2)]),
    ("pread64", &[Ret, Data, Fd(0), U32(2), U64(3)]),
    ("pwrite64", &[Ret, Data, Fd(0), U32(2), U64(3)]),
    ("lseek", &[Ret, Fd(0), U64(1), U8(2)]),
    ("stat", &[Ret, Str(0)]),
    ("lstat", &[Ret, Str(0)]),
    ("fstat", &[Ret, Fd(0)]),
    ("newfstatat", &[Ret, Fd(0), Str(1), U32(3)]),
    ("access", &[Ret, Str(0), U32(1)]),
    ("chdir", &[Ret, Str(0)]),
    ("fchdir", &[Ret, Fd(0)]),
    ("chroot", &[Ret, Str(0)]),
    ("rename", &[Ret, Str(0), Str(1)]),
    ("renameat", &[Ret, Fd(0), Str(1), Fd(2), Str(3)]),
    ("renameat2", &[Ret, Fd(0), Str(1), Fd(2), Str(3), U32(4)]),
    ("link", &[Ret, Str(0), Str(1)]),
    ("linkat", &[Ret, Fd(0), Str(1), Fd(2), Str(3), U32(4)]),
    ("symlink", &[Ret, Str(0), Str(1)]),
    ("symlinkat", &[Ret, Str(0), Fd(1), Str(2)]),
    ("unlink", &[Ret, Str(0)]),
    ("unlinkat", &[Ret, Fd(0), Str(1), U32(2)]),
    ("mkdir", &[Ret, Str(0), U32(1)]),
    ("mkdirat", &[Ret, Fd(0), Str(1), U32(2)]),
    ("rmdir", &[Ret, Str(0)]),
    ("mknod", &[Ret, Str(0), U32(1), U32(2)]),
    ("mknodat", &[Ret, Fd(0), Str(1), U32(2), U32(3)]),
    ("chmod", &[Ret, Str(0), U32(1)]),
    ("fchmod", &[Ret, Fd(0), U32(1)]),
    ("fchmodat", &[Ret, Fd(0), Str(1), U32(2)]),
    ("chown", &[Ret, Str(0), User(1), Group(2)]),
    ("lchown", &[Ret, Str(0), User(1), Group(2)]),
    ("fchown", &[Ret, Fd(0), User(1), Group(2)]),
    (
        "fchownat",
        &[
            Ret,
            Fd(0),
            Str(1),
            User(2),
            Group(3),
            Bits32(4, flags::FCHOWNAT),
        ],
    ),
    ("getdents", &[Ret, Fd(0), U32(2)]),
    ("getdents64", &[Ret, Fd(0), U32(2)]),
    ("flock", &[Ret, Fd(0), U32(1)]),
    ("ioctl", &[Ret, Fd(0), U64(1), U64(2)]),
    ("dup", &[Ret, Fd(0)]),
    ("dup2", &[Ret, Fd(0), Fd(1)]),
    ("dup3", &[Ret, Fd(0), Fd(1), Descriptor32(2)]),
    ("close_range", &[Ret, U32(0), U32(1), U32(2)]),
    ("sendfile", &[Ret, MemoryU64(2, 0), Fd(0), Fd(1), U64(3)]),
    ("splice", &[Ret, Fd(0), Fd(2), U64(4), U32(5)]),
    (
        "copy_file_range",
        &[Ret, Fd(2), MemoryU64(3, 0), Fd(0), MemoryU64(1, 0), U64(4)],
    ),
    ("mount", &[Ret, Str(0), Str(1), Str(2), U32(3)]),
    ("umount2", &[Ret, Str(0), U32(1)]),
    ("memfd_create", &[Ret, Str(0), U32(1)]),
    ("eventfd", &[Ret, U64(0), Absent]),
    ("eventfd2", &[Ret, Descriptor16(1), U64(0)]),
    ("signalfd", &[Ret, Fd(0), MemoryU32(1, 0), Absent]),
    ("signalfd4", &[Ret, Descriptor16(3), Fd(0), MemoryU32(1, 0)]),
    ("timerfd_create", &[Ret, U8(0), Descriptor8(1)]),
    ("inotify_init", &[Ret, Absent]),
    ("inotify_init1", &[Ret, Descriptor16(0)]),
    ("userfaultfd", &[Ret, Descriptor32(0)]),
    ("epoll_create", &[Ret, U32(0)]),
    ("epoll_create1", &[Ret, Bits32(0, flags::EPOLL_CREATE)]),
    ("epoll_wait", &[Ret, Int64(2), Fd(0), Int64(3)]),
    ("select", &[Ret, U32(0), U64(1), U64(2), U64(3), U64(4)]),
    (
        "fsconfig",
        &[Ret, Fd(0), U32(1), Str(2), Absent, Str(3), U32(4)],
    ),
    (
        "io_uring_enter",
        &[Ret, Fd(0), U32(1), U32(2), U32(3), MemoryU32(4, 0)],
    ),
    ("io_uring_register", &[Ret, Fd(0), U16(1), U64(2), U32(3)]),
    (
        "io_uring_setup",
        &[
            Ret,
            U32(0),
            MemoryU32(1, 0),
            MemoryU32(1, 1),
            MemoryU32(1, 2),
            MemoryU32(1, 3),
            MemoryU32(1, 4),
            MemoryU32(1, 5),
        ],
    ),
    // Sockets.
    ("listen", &[Ret, Fd(0), U32(1)]),
    ("shutdown", &[Ret, Fd(0), U8(1)]),
    ("getsockname", &[Ret, Fd(0)]),
    ("getpeername", &[Ret, Fd(0)]),
    // Memory.
    ("mprotect", &[Ret, U64(0), U64(1), Bits32(2, flags::PROT)]),
    ("mlock", &[Ret, U64(0), U64(1)]),
    ("munlock", &[Ret, U64(0), U64(1)]),
    ("mlock2", &[Ret, U64(0), U64(1), U32(2)]),
    ("mlockall", &[Ret, U32(0)]),
    ("munlockall", &[Ret]),
    (
        "mmap",
        &[
            Ret,
            Vm(0),
            Vm(1),
            Vm(2),
            U64(0),
            U64(1),
            Bits32(2, flags::PROT),
            Bits32(3, flags::MMAP),
            Fd(4),
            U64(5),
        ],
    ),
    ("munmap", &[Ret, Vm(0), Vm(1), Vm(2), U64(0), U64(1)]),
    ("brk", &[Ret, Vm(0), Vm(1), Vm(2), U64(0)]),
    ("process_vm_readv", &[Ret, Pid(0), Data]),
    ("process_vm_writev", &[Ret, Pid(0), Data]),
    // Processes and their privileges.
    ("kill", &[Ret, Pid(0), U8(1)]),
    ("tkill", &[Ret, Pid(0), U8(1)]),
    ("tgkill", &[Ret, Pid(0), Pid(1), U8(2)]),
    ("setsid", &[Ret]),
    ("setpgid", &[Ret, Pid(0), Pid(1)]),
    ("setns", &[Ret, Fd(0), Bits32(1, flags::CLONE)]),
    ("unshare", &[Ret, Bits32(0, flags::CLONE)]),
    ("seccomp", &[Ret, U64(0), U64(1), U64(2)]),
    ("pidfd_open", &[Ret, Pid(0), Bits32(1, flags::PIDFD_OPEN)]),
    ("pidfd_getfd", &[Ret, Fd(0), Fd(1), U32(2)]),
    ("getrlimit", &[Ret, MemoryU64(1, 0), MemoryU64(1, 1), U8(0)]),
    ("setrlimit", &[Ret, MemoryU64(1, 0), MemoryU64(1, 1), U8(0)]),
    (
        "prlimit64",
        &[
            Ret,
            MemoryU64(2, 0),
            MemoryU64(2, 1),
            MemoryU64(3, 0),
            MemoryU64(3, 1),
            Int64(0),
            U8(1),
        ],
    ),
    // The kernel itself.
    ("bpf", &[Ret, U32(0), U64(1), U32(2)]),
    ("init_module", &[Ret, Memory(0), U64(1), Str(2)]),
    ("finit_module", &[Ret, Fd(0), Str(1), U32(2)]),
    (
        "delete_module",
        &[Ret, Str(0), Bits32(1, flags::DELETE_MODULE)],
    ),
    // Waiting and IPC.
    (
        "futex",
        &[Ret, U64(0), U16(1), U64(2), U64(3), U64(4), U64(5)],
    ),
    ("nanosleep", &[Ret, Timespec(0)]),
    ("semget", &[Ret, U32(0), U32(1), Bits32(2, flags::SEMGET)]),
    (
        "semctl",
        &[Ret, U32(0), U32(1), One16(2, flags::SEMCTL, 0), U32(3)],
    ),
];

/// Calls encoded by a function.
const FUNCTIONS: &[(&str, EncodeFn)] = &[
    ("open", file::open),
    ("openat", file::openat),
    ("openat2", file::openat2),
    ("creat", file::creat),
    ("open_by_handle_at", file::open_by_handle_at),
    ("pipe", file::pipe),
    ("pipe2", file::pipe2),
    ("socketpair", file::socketpair),
    ("fcntl", file::fcntl),
    ("poll", file::poll),
    ("ppoll", file::ppoll),
    ("getcwd", file::getcwd),
    ("semop", file::semop),
    ("readv", file::readv),
    ("preadv", file::preadv),
    ("writev", file::writev),
    ("pwritev", file::pwritev),
    ("socket", net::socket),
    ("bind", net::bind),
    ("connect", net::connect),
    ("accept", net::accept),
    ("accept4", net::accept4),
    ("sendto", net::sendto),
    ("recvfrom", net::recvfrom),
    ("sendmsg", net::sendmsg),
    ("recvmsg", net::recvmsg),
    ("sendmmsg", net::sendmmsg),
    ("recvmmsg", net::recvmmsg),
    ("setsockopt", net::setsockopt),
    ("getsockopt", net::getsockopt),
    ("clone", process::clone),
    ("clone3", process::clone3),
    ("fork", process::fork),
    ("vfork", process::fork),
    ("execve", process::exec),
    ("execveat", process::exec),
    ("setuid", owners::setuid),
    ("setgid", owners::setgid),
    ("setreuid", owners::setreuid),
    ("setregid", owners::setregid),
    ("setresuid", owners::setresuid),
    ("setresgid", owners::setresgid),
    ("getuid", owners::getuid),
    ("geteuid", owners::geteuid),
    ("getgid", owners::getgid),
    ("getegid", owners::getegid),
    ("getresuid", owners::getresuid),
    ("getresgid", owners::getresgid),
    ("capset", process::capset),
    ("prctl", process::prctl),
    ("ptrace", process::ptrace),
    ("keyctl", process::keyctl),
    ("quotactl", process::quotactl),
];

/// Returns the encoding of a call's event; `None` for a call without a type of its own.
pub(super) fn how(name: &str) -> Option<How> {
    match name {
        "setfsuid" => return Some(How::OfOwner(owners::Of::User)),
        "setfsgid" => return Some(How::OfOwner(owners::Of::Group)),
        _ => {}
    }
    if let Some((_, steps)) = STEPS.iter().find(|(call, _)| *call == name) {
        return Some(How::Steps(steps));
    }
    let (_, function) = FUNCTIONS.iter().find(|(call, _)| *call == name)?;
    Some(How::Function(*function))
}

#[cfg(test)]
mod tests {
    use scap_capture_format::schema::{ParamType, event_info, syscall};
    use scap_probe_common::wire::RecordHeader;

    use super::{
        super::{Out, Raw, run},
        *,
    };

    /// Every row encodes as many parameters as its event type has, and those of a fixed width in that width.
    #[test]
    fn every_row_fits_its_event_type() {
        let header = RecordHeader::default();
        let raw = Raw::in_flight(&header, 6);
        let names = STEPS
            .iter()
            .map(|(name, _)| name)
            .chain(FUNCTIONS.iter().map(|(name, _)| name));
        for name in names {
            let call = syscall::by_name(name).unwrap_or_else(|| panic!("no syscall {name}"));
            let info = event_info(call.exit_type).unwrap();
            assert_ne!(call.exit_type.0, 1, "{name} has no type of its own");
            let mut out = Out::new();
            match how(name).unwrap() {
                How::Steps(steps) => run(steps, &raw, &mut out),
                How::Function(function) => function(&raw, &mut out),
                How::Generic | How::OfOwner(_) => unreachable!(),
            }
            // The encoder adds the requested name.
            let expected = info.params.len() - usize::from(*name == "execve");
            assert_eq!(out.lens.len(), expected, "{name}");
            for (param, len) in info.params.iter().zip(&out.lens) {
                if let Some(fixed) = param.ty.fixed_len()
                    && *len != 0
                {
                    assert_eq!(*len as usize, fixed, "{name}.{}", param.name);
                }
                assert!(param.ty != ParamType::None);
            }
        }
    }

    /// Every call of this architecture with an event type of its own has a row.
    #[test]
    fn every_call_with_a_type_has_a_row() {
        for nr in 0..512 {
            let Some(call) = syscall::by_nr(syscall::Arch::X86_64, nr) else {
                continue;
            };
            if call.exit_type.0 > 1 {
                assert!(how(call.name).is_some(), "{} has no row", call.name);
            }
        }
    }
}
