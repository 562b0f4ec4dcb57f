//! What the probe is told to fetch for each syscall: names to operations.
//!
//! The probe knows no syscall by name; this table, turned into numbers of the running machine, is
//! all that it knows. What the fetched bytes become is decided in [`super::encode`].

use scap_capture_format::schema::{Arch, EventTypeFlags, Syscall, event_info};
use scap_probe_common::{
    inputs::{INPUT_BYTES, INPUTS},
    spec::{
        self, ABI_ENTRIES, AT_ENTRY, MAX_MEMORY, MAX_OPS, ON_SUCCESS, Op, QUIET, SOCKETCALL_AT,
        SOCKETCALLS, SYSCALL_ENTRIES, SyscallSpec, family, op,
    },
    wire::{
        ARG_RET, FileFacts, OWNER_MAPS_BYTES, OwnerFacts, RecordHeader, SEGMENT_BYTES, SocketFacts,
        TaskFacts,
    },
};

use crate::record::abi::Call;

/// Shorthand for the table.
const fn fetch(code: u8, arg: u8, n: u32, when: u8) -> Op {
    Op {
        code,
        arg,
        when,
        reserved: 0,
        n,
    }
}
const fn string(arg: u8) -> Op {
    fetch(op::STRING, arg, 0, 0)
}
const fn fixed(arg: u8, bytes: u32) -> Op {
    fetch(op::FIXED, arg, bytes, 0)
}
const fn result(arg: u8, bytes: u32) -> Op {
    fetch(op::FIXED, arg, bytes, ON_SUCCESS)
}
const fn sized(arg: u8, by: u32) -> Op {
    fetch(op::SIZED, arg, by, 0)
}
const fn array(arg: u8, by: u32, element: u32) -> Op {
    fetch(op::ARRAY, arg, by | element << 12, 0)
}
const fn socket(arg: u8) -> Op {
    fetch(op::SOCKET, arg, 0, 0)
}
/// The file that the call opened.
const OPENED: Op = fetch(op::FILE, ARG_RET, 0, ON_SUCCESS);
/// Who the caller acts for, and how its ids are those of the machine.
const OWNERS: Op = fetch(op::OWNERS, 0, 0, 0);
const DATA_OUT: Op = fetch(op::DATA_OUT, 1, 2, ON_SUCCESS);
const DATA_IN: Op = fetch(op::DATA_IN, 1, 2, 0);
const VECTOR_OUT: Op = fetch(op::VECTOR_OUT, 1, 2, ON_SUCCESS);
const VECTOR_IN: Op = fetch(op::VECTOR_IN, 1, 2, 0);

/// Family and operations by syscall name. A name that this architecture lacks is passed over.
const TABLE: &[(&[&str], u8, &[Op])] = &[
    (&["read", "pread64"], family::DATA, &[DATA_OUT]),
    (&["write", "pwrite64"], family::DATA, &[DATA_IN]),
    (
        &["readv", "preadv", "preadv2", "process_vm_readv"],
        family::VECTOR,
        &[VECTOR_OUT],
    ),
    (
        &["writev", "pwritev", "pwritev2", "process_vm_writev"],
        family::VECTOR,
        &[VECTOR_IN],
    ),
    (&["open", "creat"], family::OPS, &[string(0), OPENED]),
    (&["openat"], family::OPS, &[string(1), OPENED]),
    (
        &["openat2"],
        family::OPS,
        &[string(1), fixed(2, 24), OPENED],
    ),
    (&["open_by_handle_at"], family::OPS, &[OPENED]),
    (
        &[
            "stat",
            "lstat",
            "chdir",
            "chroot",
            "unlink",
            "mkdir",
            "rmdir",
            "mknod",
            "chmod",
            "access",
            "umount2",
            "memfd_create",
            "delete_module",
        ],
        family::OPS,
        &[string(0)],
    ),
    (
        &[
            "unlinkat",
            "mkdirat",
            "mknodat",
            "fchmodat",
            "newfstatat",
            "finit_module",
        ],
        family::OPS,
        &[string(1)],
    ),
    (
        &["rename", "link", "symlink"],
        family::OPS,
        &[string(0), string(1)],
    ),
    (
        &["renameat", "renameat2", "linkat"],
        family::OPS,
        &[string(1), string(3)],
    ),
    (&["symlinkat"], family::OPS, &[string(0), string(2)]),
    (
        &["mount"],
        family::OPS,
        &[
            fetch(op::STRING, 0, 0, QUIET),
            string(1),
            fetch(op::STRING, 2, 0, QUIET),
        ],
    ),
    (
        &["mmap", "munmap", "brk"],
        family::OPS,
        &[fetch(op::VM, 0, 0, 0)],
    ),
    (
        &["getcwd"],
        family::OPS,
        &[fetch(op::SIZED_BY_RESULT, 0, 0, ON_SUCCESS)],
    ),
    (
        &["pipe", "pipe2"],
        family::OPS,
        &[result(0, 8), fetch(op::FILE_AT, 0, 0, ON_SUCCESS)],
    ),
    (
        &["socketpair"],
        family::OPS,
        &[result(3, 8), fetch(op::SOCKET_AT, 3, 0, ON_SUCCESS)],
    ),
    (
        &["bind"],
        family::OPS,
        &[fetch(op::SOCKET, 0, 0, ON_SUCCESS), sized(1, 2)],
    ),
    (&["connect"], family::OPS, &[socket(0), sized(1, 2)]),
    (
        &["accept", "accept4"],
        family::OPS,
        &[fetch(op::SOCKET, ARG_RET, 0, ON_SUCCESS), socket(0)],
    ),
    (&["sendto"], family::OPS, &[socket(0), DATA_IN, sized(4, 5)]),
    (
        &["recvfrom"],
        family::OPS,
        &[
            socket(0),
            DATA_OUT,
            fetch(op::SIZED_BY_POINTER, 4, 5, ON_SUCCESS),
        ],
    ),
    (
        &["sendmsg"],
        family::MESSAGE,
        &[fetch(op::MESSAGE_IN, 1, 0, 0)],
    ),
    (
        &["recvmsg"],
        family::MESSAGE,
        &[fetch(op::MESSAGE_OUT, 1, 0, 0)],
    ),
    (
        &["sendmmsg"],
        family::MESSAGE,
        &[fetch(op::MESSAGE_IN, 1, 1, 0)],
    ),
    (
        &["recvmmsg"],
        family::MESSAGE,
        &[fetch(op::MESSAGE_OUT, 1, 1, 0)],
    ),
    (&["setsockopt"], family::OPS, &[sized(3, 4)]),
    (
        &["getsockopt"],
        family::OPS,
        &[fetch(op::SIZED_BY_POINTER, 3, 4, ON_SUCCESS)],
    ),
    (&["prlimit64"], family::OPS, &[fixed(2, 16), result(3, 16)]),
    (&["getrlimit"], family::OPS, &[result(1, 16)]),
    (&["setrlimit"], family::OPS, &[fixed(1, 16)]),
    (&["nanosleep"], family::OPS, &[fixed(0, 16)]),
    (&["poll"], family::OPS, &[array(0, 1, 8)]),
    (
        &["ppoll"],
        family::OPS,
        &[array(0, 1, 8), fixed(2, 16), fixed(3, 8)],
    ),
    (&["semop"], family::OPS, &[array(1, 2, 6)]),
    (
        &[
            "getuid",
            "geteuid",
            "getgid",
            "getegid",
            "getresuid",
            "getresgid",
            "setuid",
            "setgid",
            "setreuid",
            "setregid",
            "setresuid",
            "setresgid",
            "setfsuid",
            "setfsgid",
            "fchown",
        ],
        family::OPS,
        &[OWNERS],
    ),
    (&["chown", "lchown"], family::OPS, &[string(0), OWNERS]),
    (&["fchownat"], family::OPS, &[string(1), OWNERS]),
    (&["capset"], family::OPS, &[fixed(1, 24)]),
    (&["prctl"], family::OPS, &[fetch(op::STRING, 1, 0, QUIET)]),
    (&["init_module"], family::OPS, &[sized(0, 1), string(2)]),
    (
        &["fsconfig"],
        family::OPS,
        &[string(2), fetch(op::STRING, 3, 0, QUIET)],
    ),
    (&["quotactl"], family::OPS, &[string(1)]),
    (&["io_uring_setup"], family::OPS, &[result(1, 120)]),
    (
        &["io_uring_enter"],
        family::OPS,
        &[fetch(op::FIXED, 4, 8, QUIET)],
    ),
    (&["signalfd", "signalfd4"], family::OPS, &[fixed(1, 8)]),
    (&["sendfile"], family::OPS, &[fixed(2, 8)]),
    (
        &["copy_file_range"],
        family::OPS,
        &[fixed(1, 8), fixed(3, 8)],
    ),
    (&["ptrace"], family::OPS, &[fetch(op::FIXED, 3, 8, QUIET)]),
    (&["clone", "fork", "vfork"], family::CLONE, &[]),
    // Its arguments are in a structure.
    (&["clone3"], family::CLONE, &[fetch(op::NONE, 0, 1, 0)]),
    (&["execve"], family::EXEC, &[fetch(op::NONE, 0, 0, 0)]),
    (&["execveat"], family::EXEC, &[fetch(op::NONE, 0, 1, 0)]),
];

/// The structure that the i386 call `mmap` passes its arguments in, at twice its width (see [`Call::is_narrow`]), and
/// memory use as of its twin.
const OLD_MMAP: &[Op] = &[fixed(0, 48), fetch(op::VM, 0, 0, 0)];
/// Where `_llseek` leaves the offset.
const LLSEEK: &[Op] = &[result(3, 8)];

/// The table of one machine, by place.
pub(crate) fn specs(arch: Arch, snaplen: u32) -> Vec<SyscallSpec> {
    let header = size_of::<RecordHeader>() as u32;
    let plain = SyscallSpec {
        need: header,
        args: 6,
        ..SyscallSpec::default()
    };
    let mut specs = vec![plain; SYSCALL_ENTRIES];
    for (place, spec) in (0..).zip(&mut specs) {
        let Some(call) = Call::at(arch, place) else {
            // Of a number that socketcall does not take, nothing is known.
            continue;
        };
        spec.args = call.args() as u8;
        let schema = call.schema.map_or("", |schema| schema.name);
        if call.schema.is_some_and(uses_fd) {
            spec.flags |= spec::spec_flag::USES_FD;
        }
        if call.schema.is_some_and(changes_fds) {
            spec.flags |= spec::spec_flag::CHANGES_FDS;
        }
        if matches!(schema, "prctl" | "execve" | "execveat") {
            spec.flags |= spec::spec_flag::SAYS_COMM;
        }
        if CHANGES_UNSEEN.contains(&schema) {
            spec.flags |= spec::spec_flag::UNSEEN;
            spec.family = family::OPS;
        }
        if let Some((_, request)) = MAKES_FD.iter().find(|(name, _)| *name == schema) {
            spec.family = family::OPS;
            spec.ops[MAX_OPS - 1] = fetch(op::NEW_FD, ARG_RET, *request, 0);
        }
        if schema == "getsockopt" {
            spec.ops[MAX_OPS - 1] = fetch(op::NEW_FD_AT, 3, SO_PEERPIDFD, 0);
        }
        if CHANGES_DIRECTORIES.contains(&schema) {
            spec.family = family::OPS;
            spec.ops[MAX_OPS - 1] = fetch(op::DIRECTORIES, 0, 0, 0);
        }
        let row = call.schema.and_then(|schema| {
            TABLE
                .iter()
                .find(|(names, ..)| names.contains(&schema.name))
        });
        let (family, ops) = match (row, call.name) {
            (_, "socketcall") if call.is_ia32 => (family::SOCKETCALL, &[][..]),
            // The old calls have their arguments, and the new offset, in memory.
            (_, "mmap") if call.is_ia32 => (family::OPS, OLD_MMAP),
            (_, "_llseek") => (family::OPS, LLSEEK),
            (Some((_, family, ops)), _) => (*family, *ops),
            (None, _) => continue,
        };
        spec.family = family;
        spec.count = ops.len() as u8;
        for (nth, (to, op)) in spec.ops.iter_mut().zip(ops).enumerate() {
            *to = *op;
            if call.is_narrow() && op.code == op::FIXED {
                to.n /= 2;
            }
            // What is left for the caller, or need not be a pointer, is read when the call returns.
            let is_memory = matches!(op.code, op::STRING | op::FIXED | op::SIZED);
            if nth < INPUTS && is_memory && op.when == 0 && family == family::OPS {
                to.when |= AT_ENTRY;
                spec.flags |= spec::spec_flag::AT_ENTRY;
            }
        }
        spec.need = header + room(family, ops, snaplen);
    }
    let largest = |specs: &[SyscallSpec]| specs.iter().map(|spec| spec.need).max().unwrap_or(0);
    let of_socketcall = ABI_ENTRIES + SOCKETCALL_AT;
    let need = largest(&specs[of_socketcall..of_socketcall + SOCKETCALLS]);
    for spec in &mut specs {
        if spec.family == family::SOCKETCALL {
            spec.need = need;
        }
    }
    specs
}

/// Calls that return an fd of which their event does not say what it is, and of an ioctl the request that surely
/// returns a new one: `TIOCGPTPEER`, the other end of a terminal.
const MAKES_FD: &[(&str, u32)] = &[
    ("fanotify_init", 0),
    ("fsmount", 0),
    ("fsopen", 0),
    ("fspick", 0),
    ("ioctl", 0x5441),
    ("landlock_create_ruleset", 0),
    ("memfd_secret", 0),
    ("mq_open", 0),
    ("open_by_handle_at", 0),
    ("open_tree", 0),
    ("perf_event_open", 0),
    ("pidfd_getfd", 0),
    ("seccomp", 0),
];

/// The option of a unix socket that is a pidfd of its peer.
// linux v6.12 include/uapi/asm-generic/socket.h
const SO_PEERPIDFD: u32 = 77;

/// Calls through which fds of the process change without a call that would be seen; seccomp only if it returns a listener,
/// whose owner can add fds to whoever has the filter.
const CHANGES_UNSEEN: &[&str] = &[
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "seccomp",
];

/// Calls that change the caller's directories, or which paths mean the same, to what their arguments do not say: a
/// directory fd, a namespace, a path that is not fetched.
const CHANGES_DIRECTORIES: &[&str] = &["chroot", "fchdir", "pivot_root", "setns", "unshare"];

/// Whether a call makes or closes fds.
fn changes_fds(call: &Syscall) -> bool {
    const OTHERS: [&str; 8] = [
        "close_range",
        "execve",
        "execveat",
        "fcntl",
        "ioctl",
        "recvmmsg",
        "recvmsg",
        "unshare",
    ];
    let changes = EventTypeFlags::CREATES_FD | EventTypeFlags::DESTROYS_FD;
    event_info(call.exit_type).is_some_and(|info| info.flags.intersects(changes))
        || OTHERS.contains(&call.name)
        || MAKES_FD.iter().any(|(name, _)| *name == call.name)
}

/// Whether a call's first argument is an fd.
fn uses_fd(call: &Syscall) -> bool {
    call.args.first().is_some_and(|arg| {
        // Not the lists of poll.
        (arg.name.contains("fd") && !arg.name.ends_with("fds"))
            || matches!(arg.name, "fildes" | "mqdes")
    })
}

/// The most bytes that the items of a record can take.
fn room(family: u8, ops: &[Op], snaplen: u32) -> u32 {
    const MEMORY: u32 = MAX_MEMORY as u32;
    let item = |bytes: u32| 8 + bytes.next_multiple_of(8);
    let socket = item(size_of::<SocketFacts>() as u32) + 2 * item(110);
    let task = item(size_of::<TaskFacts>() as u32) + 6 * item(MEMORY) + item(8);
    let data = item(snaplen);
    match family {
        family::VECTOR => item(2 * snaplen) + item(8),
        family::MESSAGE => {
            let message = item(128) + item(256) + item(2 * snaplen) + item(8) + item(4);
            // As many as a call can have, if they are small; what has no room is missing, which is said.
            ((SEGMENT_BYTES / 4) as u32).max(socket + message)
        }
        family::CLONE => task + item(MEMORY) + item(8),
        family::EXEC => task + 2 * item(2 * MEMORY) + item(MEMORY),
        _ => ops
            .iter()
            .map(|op| match op.code {
                op::FILE | op::FILE_AT => item(size_of::<FileFacts>() as u32),
                op::SOCKET | op::SOCKET_AT => socket,
                op::DATA_IN | op::DATA_OUT => data,
                op::VM => item(24),
                // As of the entry, and as of the return.
                op::STRING | op::SIZED => item(MEMORY) + item(INPUT_BYTES as u32),
                op::OWNERS => item(size_of::<OwnerFacts>() as u32) + item(OWNER_MAPS_BYTES),
                // The probe asks for room for the longest.
                _ => item(MEMORY),
            })
            .sum(),
    }
}

/// Marks a syscall as not to be recorded.
pub(crate) fn exclude(spec: &mut SyscallSpec) {
    spec.flags |= spec::spec_flag::EXCLUDED;
}

/// Marks a syscall as one that the state needs of everybody.
pub(crate) fn keep_for_state(spec: &mut SyscallSpec) {
    spec.flags |= spec::spec_flag::STATE;
}

#[cfg(test)]
mod tests {
    use scap_capture_format::schema::syscall;

    use super::*;

    #[test]
    fn every_name_is_a_syscall() {
        for (names, _, _) in TABLE {
            for name in *names {
                assert!(syscall::by_name(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn every_record_fits_a_segment_at_the_largest_snaplen() {
        for spec in specs(Arch::X86_64, 65_000) {
            assert!(spec.need as usize <= SEGMENT_BYTES);
            assert!(spec.count as usize <= spec.ops.len());
        }
    }
}
