//! The records that the probe writes into the rings.
//!
//! A record is a [`RecordHeader`] and then items: an [`ItemHeader`] and its bytes, padded to
//! [`ALIGN`]. A record never crosses the end of a segment; what is left of a segment is skipped
//! with a [`kind::PAD`] record. Values are the kernel's own; the recorder turns them into the
//! event schema.

use crate::spec::place;

/// Records and items start at multiples of this many bytes.
pub const ALIGN: usize = 8;

/// One ring is made of segments of this size. It has to hold the largest record (two buffers of
/// 64 KiB, the largest snaplen, and their headers) with room to spare.
pub const SEGMENT_BYTES: usize = 256 * 1024;

/// What a record is, in [`RecordHeader::kind`].
pub mod kind {
    /// A syscall that returned.
    pub const SYSCALL: u8 = 1;
    /// A signal that was delivered: `args` = signal, sending pid.
    pub const SIGNAL: u8 = 2;
    /// A thread that ended: `args` = wait status, 1 if it was the last of its group, the process
    /// that takes over its children (0 = none, or not known).
    pub const EXIT: u8 = 3;
    /// A program was loaded by the execve that returns next in this thread; one item: its file
    /// name as it was given.
    pub const EXECED: u8 = 4;
    /// A task was moved to other cgroups; `args` = 1 if all threads of its group were. The record's
    /// ids are those of the task, which need not be the one that did it.
    pub const CGROUP: u8 = 5;
    /// What an fd is that no event of a call describes: `args` = number, 1 if execve closes it, 1 if nothing is
    /// open at the number, 1 if it is a pidfd; items: facts of the file, and of the socket or its path.
    pub const FD: u8 = 6;
    /// A thread was given another name by other means than its own calls; one item: the name. The record's ids
    /// are those of the thread.
    pub const COMM: u8 = 7;
    /// Directories of a thread after a call that changed them: `args` = inode number of the mount namespace, 0 = not
    /// known; items: the paths of the root and of the working directory.
    pub const DIRECTORIES: u8 = 8;
    /// Nothing: skip to the next segment.
    pub const PAD: u8 = 255;
}

/// Bits of [`RecordHeader::flags`].
pub mod record_flag {
    /// A pointer argument could not be read; its item is missing or short.
    pub const FAULT: u8 = 1;
    /// The call came through the 32-bit entry: `nr` and `args` follow the ia32 table.
    pub const IA32: u8 = 2;
    /// The call came through the x32 entry.
    pub const X32: u8 = 4;
    /// The record ran out of room; later items are missing.
    pub const SHORT: u8 = 8;
    /// The call has no result: it never ran (seccomp or a tracer stopped it), or it does not return to its
    /// caller (rt_sigreturn). `ret` is [`NO_RESULT`](super::NO_RESULT).
    pub const NO_RESULT: u8 = 16;
}

/// `ret` of a call without a result; negative, so that nothing is fetched that a success would have left.
pub const NO_RESULT: i64 = i64::MIN;

/// `latency` of a call whose entry was not seen.
pub const LATENCY_UNKNOWN: u64 = u64::MAX;

/// Bytes of a [`RecordHeader`] before its arguments. A record without items ends after as many
/// arguments as the call has; one with items has all six.
pub const HEADER_WITHOUT_ARGS: usize = 40;

/// The fixed part of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHeader {
    /// Bytes of the whole record, a multiple of [`ALIGN`].
    pub len: u32,
    /// One of [`kind`].
    pub kind: u8,
    /// Bits of [`record_flag`].
    pub flags: u8,
    /// The syscall number in the calling convention that `flags` names.
    pub nr: u16,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// End of the call, nanoseconds on the boot clock.
    pub ts: u64,
    /// Nanoseconds from entry to exit, or [`LATENCY_UNKNOWN`].
    pub latency: u64,
    /// What the call returned: negative = -errno.
    pub ret: i64,
    /// The six argument registers.
    pub args: [u64; 6],
}

impl RecordHeader {
    /// Returns the place of the call in the table of calls; see [`crate::spec::place`].
    #[inline(always)]
    pub const fn place(&self) -> u32 {
        place(self.nr as u64, self.flags & record_flag::IA32 != 0)
    }
}

/// What an item holds, in [`ItemHeader::tag`].
pub mod tag {
    /// Memory of the caller that argument `arg` points to; a C string ends in its NUL.
    pub const MEMORY: u8 = 1;
    /// Data that was read, written, sent or received (up to the snaplen).
    pub const DATA: u8 = 2;
    /// A [`FileFacts`](super::FileFacts) of file descriptor argument `arg`.
    pub const FILE: u8 = 3;
    /// A [`SocketFacts`](super::SocketFacts) of file descriptor argument `arg`.
    pub const SOCKET: u8 = 4;
    /// Path of a unix socket's own address.
    pub const UNIX_LOCAL: u8 = 5;
    /// Path of a unix socket's peer.
    pub const UNIX_PEER: u8 = 6;
    /// A [`TaskFacts`](super::TaskFacts) of the caller.
    pub const TASK: u8 = 7;
    /// The caller's argument strings, each with its NUL.
    pub const ARGV: u8 = 8;
    /// The caller's environment strings, each with its NUL.
    pub const ENV: u8 = 9;
    /// Names of the directories from the executable up to the root, leaf first, each with a NUL.
    pub const EXE_PATH: u8 = 10;
    /// One cgroup, as directory names leaf first, each with a NUL; `arg` = controller.
    pub const CGROUP: u8 = 11;
    /// A u64: id of the cgroup that [`Config::cgroup_filter`](crate::config::Config) goes by.
    pub const CGROUP_ID: u8 = 17;
    /// A control message buffer (recvmsg).
    pub const CONTROL: u8 = 12;
    /// Destination or source address of a message header.
    pub const MESSAGE_NAME: u8 = 13;
    /// Three u64: pages of address space, resident, swapped.
    pub const VM: u8 = 14;
    /// A u64: bytes that all buffers of a vector hold. Missing if the vector was too long.
    pub const VECTOR_BYTES: u8 = 15;
    /// An [`OwnerFacts`](super::OwnerFacts) of the caller.
    pub const OWNERS: u8 = 19;
    /// Of a caller in a user namespace: the kernel's `struct uid_gid_map` for users and the one for groups, each
    /// `arg` bytes long; at most [`OWNER_MAPS_BYTES`](super::OWNER_MAPS_BYTES).
    pub const OWNER_MAPS: u8 = 20;
    /// Names of the directories from an open file up to the root, leaf first, each with a NUL.
    pub const PATH: u8 = 18;
    /// What [`MEMORY`] of the same `arg`, which is as of the entry of the call, was when the call returned; as many bytes.
    pub const AFTER: u8 = 23;
    /// As [`PATH`], of the root directory.
    pub const ROOT: u8 = 21;
    /// As [`PATH`], of the working directory.
    pub const CWD: u8 = 22;
    /// A u64: the flags that the kernel cloned the task with.
    pub const CLONE_FLAGS: u8 = 16;
}

/// Bits of [`ItemHeader::flags`].
pub mod item_flag {
    /// The memory could not be read.
    pub const FAULT: u8 = 1;
    /// There was more than was kept.
    pub const TRUNCATED: u8 = 2;
    /// The walk ended before it reached the root (too deep, or unreachable).
    pub const PARTIAL: u8 = 4;
}

/// Index used as `arg` for the return value.
pub const ARG_RET: u8 = 6;

/// What stands before the bytes of an item.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemHeader {
    /// Bytes that follow, without padding.
    pub len: u32,
    /// One of [`tag`].
    pub tag: u8,
    /// Bits of [`item_flag`].
    pub flags: u8,
    /// The argument it belongs to (0 to 5), or [`ARG_RET`].
    pub arg: u8,
    /// Zero.
    pub reserved: u8,
}

/// Which layer of an overlay file system a file is in.
pub mod layer {
    /// None, or not known.
    pub const NONE: u16 = 0;
    /// The upper one: the file is not as it is in the image.
    pub const UPPER: u16 = 1;
    /// A lower one.
    pub const LOWER: u16 = 2;
}

/// Facts of an open file.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Inode number.
    pub ino: u64,
    /// Device, the kernel's internal encoding (major << 20 | minor).
    pub dev: u32,
    /// `i_mode`.
    pub mode: u16,
    /// One of [`layer`].
    pub layer: u16,
    /// `f_mode`.
    pub f_mode: u32,
    /// `f_flags`.
    pub f_flags: u32,
}

/// Facts of a socket. Addresses are in network order, ports in host order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketFacts {
    /// Kernel address of the socket (`struct sock`).
    pub sk: u64,
    /// Kernel address of a unix socket's peer.
    pub peer: u64,
    /// Address family.
    pub family: u16,
    /// SOCK_STREAM and so on.
    pub kind: u16,
    /// IPPROTO_*.
    pub protocol: u16,
    /// TCP state.
    pub state: u16,
    /// Local port.
    pub local_port: u16,
    /// Remote port.
    pub remote_port: u16,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// The most that may wait.
    pub backlog_max: u32,
    /// Zero.
    pub reserved: u32,
    /// Local address; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// Remote address.
    pub remote: [u8; 16],
}

/// See [`tag::OWNER_MAPS`].
pub const OWNER_MAPS_BYTES: u32 = 144;

/// Users and groups of the caller, as the initial user namespace sees them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerFacts {
    /// Real user and group, saved ones, effective ones, those for files.
    pub ids: [u32; 8],
    /// Nesting of the user namespace, 0 = initial: ids of calls are those of the machine. `u32::MAX` = not known.
    pub level: u32,
}

/// Facts of the current task for the clone and exec families. `u32::MAX`/`u64::MAX` = unknown.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFacts {
    /// Start of the thread group leader, nanoseconds on the boot clock.
    pub start_time: u64,
    /// Start of the pid namespace's init, nanoseconds on the boot clock.
    pub pidns_start: u64,
    /// RLIMIT_NOFILE, soft.
    pub fdlimit: u64,
    /// Major faults.
    pub maj_flt: u64,
    /// Minor faults.
    pub min_flt: u64,
    /// Pages of address space, resident pages, swapped pages.
    pub vm_pages: [u64; 3],
    /// Inheritable, permitted, effective.
    pub caps: [u64; 3],
    /// Inode of the executable.
    pub exe_ino: u64,
    /// Its change time, nanoseconds since the epoch.
    pub exe_ctime: u64,
    /// Its modification time.
    pub exe_mtime: u64,
    /// Thread id.
    pub tid: u32,
    /// Process id.
    pub pid: u32,
    /// Parent: process id of the real parent.
    pub ppid: u32,
    /// Thread and process id, group and session as the task's own pid namespace sees them.
    pub vtid: u32,
    /// See `vtid`.
    pub vpid: u32,
    /// Process group in the initial namespace.
    pub pgid: u32,
    /// Process group in the task's namespace.
    pub vpgid: u32,
    /// Session in the initial namespace.
    pub sid: u32,
    /// Nesting of the pid namespace, 0 = initial.
    pub pidns_level: u32,
    /// Effective user and group.
    pub euid: u32,
    /// See `euid`.
    pub egid: u32,
    /// Audit login uid.
    pub loginuid: u32,
    /// Controlling terminal, `new_encode_dev` form, 0 = none.
    pub tty: u32,
    /// Owner of the executable's inode.
    pub exe_uid: u32,
    /// Group of the executable's inode.
    pub exe_gid: u32,
    /// Mode of the executable's inode.
    pub exe_mode: u32,
    /// Device of the executable's inode (kernel encoding).
    pub exe_dev: u32,
    /// Where the executable is: one of [`layer`].
    pub exe_layer: u32,
    /// Task name, NUL padded.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<RecordHeader>() == 88);
const _: () = assert!(core::mem::offset_of!(RecordHeader, args) == HEADER_WITHOUT_ARGS);
const _: () = assert!(size_of::<ItemHeader>() == 8);
const _: () = assert!(size_of::<FileFacts>() == 24);
const _: () = assert!(size_of::<SocketFacts>() == 72);
const _: () = assert!(size_of::<TaskFacts>() == 200);
