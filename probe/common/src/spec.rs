//! What the probe fetches for each syscall besides number, arguments and result.
//!
//! The recorder fills the table by syscall number before it attaches; so the probe knows no
//! syscall by name and one object serves every architecture.

/// Entries of the table: the machine's own calls by number, then those of its 32-bit ABI. Higher numbers of
/// either have none.
pub const SYSCALL_ENTRIES: usize = 2 * ABI_ENTRIES;

/// Entries of one ABI.
pub const ABI_ENTRIES: usize = 512;

/// Place of the calls that the i386 call `socketcall` makes, among those of the 32-bit ABI: this much above
/// the number that it is given. The kernel uses no such numbers.
pub const SOCKETCALL_AT: usize = 480;

/// One past the highest number that `socketcall` takes.
pub const SOCKETCALLS: usize = 21;

/// The most operations a syscall can have.
pub const MAX_OPS: usize = 4;

/// Bits of [`SyscallSpec::flags`].
pub mod spec_flag {
    /// Do not record this call.
    pub const EXCLUDED: u8 = 1;
    /// The call changes what later events mean: it is recorded whatever cgroup the caller is in.
    pub const STATE: u8 = 2;
    /// The call's first argument is an fd.
    pub const USES_FD: u8 = 4;
    /// One of the first two operations is [`AT_ENTRY`](super::AT_ENTRY).
    pub const AT_ENTRY: u8 = 32;
    /// The event of the call says what name it gives to the caller.
    pub const SAYS_COMM: u8 = 16;
    /// The call makes or closes fds.
    pub const CHANGES_FDS: u8 = 64;
    /// The call lets fds of the process change without calls that would be seen (io_uring).
    pub const UNSEEN: u8 = 8;
}

/// Which program finishes the record; [`SyscallSpec::family`].
pub mod family {
    /// None: header only.
    pub const NONE: u8 = 0;
    /// One buffer of data: read, write and their like.
    pub const DATA: u8 = 1;
    /// The operations of the table, in order.
    pub const OPS: u8 = 2;
    /// Vectors of buffers.
    pub const VECTOR: u8 = 3;
    /// Message headers.
    pub const MESSAGE: u8 = 4;
    /// clone, fork and vfork.
    pub const CLONE: u8 = 5;
    /// execve and execveat.
    pub const EXEC: u8 = 6;
    /// The i386 call socketcall: one number for all calls on sockets, whose arguments are in memory.
    pub const SOCKETCALL: u8 = 7;
    /// Not of a call: what follows messages that fds came with.
    pub const RIGHTS: u8 = 8;
    /// Not of a call: what follows one that returned an fd of which nothing is known.
    pub const NEW_FD: u8 = 9;
    /// Not of a call: what follows one that changed directories in a way that its event does not say.
    pub const DIRECTORIES: u8 = 10;
    /// Number of families.
    pub const COUNT: u32 = 11;
}

/// Operations, in [`Op::code`].
pub mod op {
    /// Nothing.
    pub const NONE: u8 = 0;
    /// The C string that `arg` points to.
    pub const STRING: u8 = 1;
    /// `n` bytes that `arg` points to.
    pub const FIXED: u8 = 2;
    /// As many bytes as argument `n` says, at most [`super::MAX_MEMORY`].
    pub const SIZED: u8 = 3;
    /// As many bytes as the u32 that argument `n` points to says.
    pub const SIZED_BY_POINTER: u8 = 4;
    /// Data: as many bytes as were returned, at most as many as argument `n` says.
    pub const DATA_OUT: u8 = 5;
    /// Data: as [`DATA_OUT`], or as many bytes as argument `n` says if the call failed.
    pub const DATA_IN: u8 = 6;
    /// Facts of the open file whose descriptor is `arg`.
    pub const FILE: u8 = 7;
    /// Facts of the socket whose descriptor is `arg`.
    pub const SOCKET: u8 = 8;
    /// A vector at `arg` with argument `n` elements, filled by the kernel.
    pub const VECTOR_OUT: u8 = 9;
    /// The same, filled by the caller.
    pub const VECTOR_IN: u8 = 10;
    /// A message header at `arg`, filled by the kernel.
    pub const MESSAGE_OUT: u8 = 11;
    /// The same, filled by the caller.
    pub const MESSAGE_IN: u8 = 12;
    /// `n >> 12` bytes for each of the argument `n & 0xfff` elements that `arg` points to.
    pub const ARRAY: u8 = 13;
    /// As many bytes as were returned, but structure rather than data (getcwd).
    pub const SIZED_BY_RESULT: u8 = 14;
    /// Facts of the open file whose descriptor is the first u32 that `arg` points to.
    pub const FILE_AT: u8 = 15;
    /// Facts of the socket whose descriptor is the first u32 that `arg` points to.
    pub const SOCKET_AT: u8 = 16;
    /// Memory use of the process.
    pub const VM: u8 = 17;
    /// The fd that was returned, if it is not 0: a record of its own says what it is. `n`: only of calls with
    /// this second argument it is surely a new one; 0 = of all.
    pub const NEW_FD: u8 = 18;
    /// Owners of the caller.
    pub const OWNERS: u8 = 19;
    /// As [`NEW_FD`], but the fd is the first u32 that argument `arg` points to, if the call succeeded and its third argument
    /// is `n` (getsockopt).
    pub const NEW_FD_AT: u8 = 21;
    /// A record of its own says what directories the caller has, if the call succeeded. Only as the last of
    /// [`super::MAX_OPS`], as [`NEW_FD`].
    pub const DIRECTORIES: u8 = 20;
}

/// The most bytes that one operation other than data fetches; the longest path with its NUL.
pub const MAX_MEMORY: usize = 4096;

/// Bit of [`Op::when`]: skip the operation if the call failed.
pub const ON_SUCCESS: u8 = 1;
/// Bit of [`Op::when`]: the argument need not be a pointer, so a fault says nothing.
pub const QUIET: u8 = 2;

/// Bit of [`Op::when`]: it is something that the call is given, fetched when the call begins.
pub const AT_ENTRY: u8 = 4;

/// One thing to fetch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    /// One of [`op`].
    pub code: u8,
    /// Argument 0 to 5, or [`ARG_RET`](crate::wire::ARG_RET).
    pub arg: u8,
    /// [`ON_SUCCESS`], [`QUIET`] and [`AT_ENTRY`].
    pub when: u8,
    /// Zero.
    pub reserved: u8,
    /// See [`op`].
    pub n: u32,
}

/// Returns the place in the table of call `nr`, by whether it came through the 32-bit entry.
#[inline(always)]
pub const fn place(nr: u64, is_ia32: bool) -> u32 {
    match is_ia32 {
        true if nr < ABI_ENTRIES as u64 => nr as u32 + ABI_ENTRIES as u32,
        false if nr < ABI_ENTRIES as u64 => nr as u32,
        _ => u32::MAX,
    }
}

/// Bit that marks a number of the x32 table, whose calls below [`ABI_ENTRIES`] are those of the 64-bit one.
pub const X32_BIT: u64 = 0x4000_0000;

/// Returns a number without the mark of the x32 table.
#[inline(always)]
pub const fn without_x32(nr: u64) -> u64 {
    if nr & X32_BIT != 0 && nr as i64 > 0 {
        nr & !X32_BIT
    } else {
        nr
    }
}

/// What to do for one syscall number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyscallSpec {
    /// Bits of [`spec_flag`].
    pub flags: u8,
    /// One of [`family`].
    pub family: u8,
    /// Operations in use.
    pub count: u8,
    /// Arguments of the call, 0 to 6.
    pub args: u8,
    /// The most bytes that the record can take.
    pub need: u32,
    /// The operations, in order.
    pub ops: [Op; MAX_OPS],
}

const _: () = assert!(size_of::<SyscallSpec>() == 40);
