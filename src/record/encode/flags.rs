//! Kernel constants to the constants of the event schema, where they differ.
//!
//! Pairs are (kernel, schema). Kernel values are those of x86_64 and the generic ABI; schema
//! values are in `capture-format/schema/flags.csv`.

/// Schema bit of kernel bits that have none, and whose place is that of another schema bit.
const OTHER: u32 = 0x8000_0000;

/// Translates a bit mask. Kernel bits that the table does not have keep their place, if it is free in the schema;
/// otherwise [`OTHER`] says that there were some.
pub(super) fn bits(value: u64, table: &[(u64, u32)]) -> u32 {
    let (mut out, mut rest, mut taken) = (0, value, OTHER);
    for (kernel, schema) in table {
        taken |= schema;
        if value & kernel == *kernel {
            out |= schema;
            rest &= !kernel;
        }
    }
    let fits = rest as u32 & !taken;
    out |= fits;
    if rest != u64::from(fits) {
        out |= OTHER;
    }
    out
}

/// Translates one of several values; `other` if it has no counterpart.
pub(super) fn one(value: u64, table: &[(u32, u32)], other: u32) -> u32 {
    table
        .iter()
        .find(|(kernel, _)| u64::from(*kernel) == value)
        .map_or(other, |(_, schema)| *schema)
}

/// `open` flags; the access mode is not a bit mask.
pub(super) fn open(flags: u64) -> u32 {
    const O_PATH: u64 = 0x20_0000;
    let access = match flags & 3 {
        // Such an fd neither reads nor writes.
        _ if flags & O_PATH != 0 => 0,
        0 => 1,
        1 => 2,
        2 => 3,
        _ => 0,
    };
    // The kernel ignores the upper half.
    let mut out = access | bits(u64::from(flags as u32) & !3, OPEN);
    // O_SYNC contains O_DSYNC, O_TMPFILE contains O_DIRECTORY.
    if flags & 0x10_1000 == 0x10_1000 {
        out = (out & !0x10) | 0x80;
    }
    if flags & 0x41_0000 == 0x41_0000 {
        out = (out & !0x400) | 0x2000;
    }
    out
}

/// Translates flags of fds that are created by calls other than `open` (dup3, pipe2, accept4).
pub(super) fn descriptor(flags: u64) -> u32 {
    bits(flags, OPEN)
}

/// Translates the same flags for a parameter of one byte. The schema's bit for close-on-exec does not fit; the lowest
/// bit is used, which is otherwise unused here (`O_RDONLY`).
pub(super) fn short_descriptor(flags: u64) -> u8 {
    const O_CLOEXEC: u64 = 0x8_0000;
    descriptor(flags) as u8 | u8::from(flags & O_CLOEXEC != 0)
}

const OPEN: &[(u64, u32)] = &[
    (0x8000, 0x800),
    (0x1_0000, 0x400),
    (0x4000, 0x200),
    (0x200, 0x100),
    (0x800, 0x40),
    (0x80, 0x20),
    (0x1000, 0x10),
    (0x400, 0x8),
    (0x40, 0x4),
    (0x8_0000, 0x1000),
    // Ours, see native-flags.csv: O_PATH, O_NOATIME, O_NOFOLLOW, O_ASYNC, O_NOCTTY.
    (0x20_0000, 0x100_0000),
    (0x4_0000, 0x200_0000),
    (0x2_0000, 0x400_0000),
    (0x2000, 0x800_0000),
    (0x100, 0x1000_0000),
];

pub(super) const CLONE: &[(u64, u32)] = &[
    (0x400, 0x1),
    (0x200, 0x2),
    (0x8000_0000, 0x4),
    (0x800_0000, 0x8),
    (0x4000_0000, 0x10),
    (0x2_0000, 0x20),
    (0x2000_0000, 0x40),
    (0x400_0000, 0x80),
    (0x8000, 0x100),
    (0x10_0000, 0x200),
    (0x2000, 0x400),
    (0x800, 0x800),
    (0x4_0000, 0x1000),
    (0x1_0000, 0x2000),
    (0x80_0000, 0x4000),
    (0x100, 0x8000),
    (0x1000_0000, 0x10_0000),
    (0x20_0000, 0x80_0000),
    (0x100_0000, 0x100_0000),
    (0x8_0000, 0x200_0000),
    (0x4000, 0x800_0000),
    (0x200_0000, 0x1000_0000),
    // Ours: CLONE_DETACHED, CLONE_PIDFD, CLONE_CLEAR_SIGHAND, CLONE_NEWTIME, CLONE_INTO_CGROUP.
    (0x40_0000, 0x8_0000),
    (0x1000, 0x20_0000),
    (0x1_0000_0000, 0x40_0000),
    (0x80, 0x4000_0000),
    (0x2_0000_0000, 0x8000_0000),
];
/// Schema bit of a child in a new pid namespace.
pub(super) const CHILD_IN_PIDNS: u32 = 0x2000_0000;

pub(super) const MMAP: &[(u64, u32)] = &[
    (0x1, 0x1),
    (0x2, 0x2),
    (0x10, 0x4),
    (0x20, 0x8),
    (0x40, 0x10),
    (0x4000, 0x40),
    (0x8000, 0x80),
    (0x1_0000, 0x100),
    (0x100, 0x200),
    (0x800, 0x400),
    (0x1000, 0x800),
    (0x2000, 0x4000),
    // Ours: MAP_STACK, MAP_HUGETLB, MAP_SYNC, MAP_FIXED_NOREPLACE, MAP_DROPPABLE.
    (0x2_0000, 0x2_0000),
    (0x4_0000, 0x4_0000),
    (0x8_0000, 0x8_0000),
    (0x10_0000, 0x10_0000),
    (0x8, 0x20_0000),
];

pub(super) const PROT: &[(u64, u32)] = &[
    (1, 1),
    (2, 2),
    (4, 4),
    (8, 8),
    (0x100_0000, 0x10),
    (0x200_0000, 0x20),
];

pub(super) const FCNTL: &[(u32, u32)] = &[
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (4, 5),
    (5, 6),
    (6, 8),
    (7, 9),
    (8, 0xa),
    (9, 0xc),
    (10, 0xd),
    (11, 0xf),
    (15, 0x15),
    (16, 0x16),
    (0x24, 0x1e),
    (0x25, 0x1f),
    (0x26, 0x20),
    (0x400, 0x17),
    (0x401, 0x18),
    (0x402, 0x1b),
    (0x405, 0x19),
    (0x406, 0x1a),
    (0x407, 0x1c),
    (0x408, 0x1d),
    // Ours.
    (0x403, 0x83),
    (0x404, 0x84),
    (0x409, 0x89),
    (0x40a, 0x8a),
    (0x40b, 0x8b),
    (0x40c, 0x8c),
    (0x40d, 0x8d),
    (0x40e, 0x8e),
];

pub(super) const PTRACE: &[(u32, u32)] = &[
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (4, 5),
    (5, 6),
    (6, 7),
    (7, 8),
    (8, 9),
    (9, 0xa),
    (12, 0x1a),
    (13, 0x1b),
    (14, 0x1c),
    (15, 0x1d),
    (16, 0xb),
    (17, 0xc),
    (18, 0x1e),
    (19, 0x1f),
    (21, 0x20),
    (24, 0xd),
    (25, 0x21),
    (26, 0x22),
    (30, 0x23),
    (31, 0x24),
    (32, 0x25),
    (33, 0x26),
    (0x4200, 0xe),
    (0x4201, 0xf),
    (0x4202, 0x10),
    (0x4203, 0x11),
    (0x4204, 0x12),
    (0x4205, 0x13),
    (0x4206, 0x14),
    (0x4207, 0x15),
    (0x4208, 0x16),
    (0x4209, 0x17),
    (0x420a, 0x18),
    (0x420b, 0x19),
];

pub(super) const RESOLVE: &[(u64, u32)] = &[
    (0x8, 0x1),
    (0x10, 0x2),
    (0x2, 0x4),
    (0x4, 0x8),
    (0x1, 0x10),
    (0x20, 0x20),
];

pub(super) const SEMCTL: &[(u32, u32)] = &[
    (2, 0x1),
    (1, 0x2),
    (0, 0x4),
    (3, 0x8),
    (0x13, 0x10),
    (0x12, 0x20),
    (0xd, 0x40),
    (0xe, 0x80),
    (0xb, 0x100),
    (0xc, 0x200),
    (0xf, 0x400),
    (0x11, 0x800),
    (0x10, 0x1000),
];
pub(super) const SEMGET: &[(u64, u32)] = &[(0x400, 0x4000), (0x200, 0x2000)];
pub(super) const SEMOP: &[(u64, u32)] = &[(0x800, 0x1), (0x1000, 0x2)];

pub(super) const POLL: &[(u64, u32)] = &[
    (0x1, 0x1),
    (0x2, 0x2),
    (0x4, 0x4),
    (0x2000, 0x8),
    (0x8, 0x10),
    (0x10, 0x20),
    (0x20, 0x40),
    (0x40, 0x80),
    (0x80, 0x100),
    (0x100, 0x200),
    (0x200, 0x400),
];

pub(super) const DELETE_MODULE: &[(u64, u32)] = &[(0x800, 0x2), (0x200, 0x1)];
pub(super) const EPOLL_CREATE: &[(u64, u32)] = &[(0x8_0000, 0x1)];
pub(super) const PIDFD_OPEN: &[(u64, u32)] = &[(0x800, 0x1)];
pub(super) const FCHOWNAT: &[(u64, u32)] = &[(0x100, 0x400), (0x1000, 0x1000)];

/// Socket options of SOL_SOCKET with other numbers in the schema.
pub(super) const SOCKET_OPTION: &[(u32, u32)] = &[(57, 53), (55, 52), (59, 51)];

pub(super) const QUOTACTL: &[(u32, u32)] = &[
    (0x80_0002, 0x1),
    (0x80_0003, 0x2),
    (0x80_0004, 0x4),
    (0x80_0005, 0x8),
    (0x80_0006, 0x10),
    (0x80_0007, 0x20),
    (0x80_0008, 0x40),
    (0x80_0001, 0x80),
    (0x5801, 0x100),
    (0x5802, 0x200),
    (0x5803, 0x400),
    (0x5804, 0x800),
    (0x5805, 0x1000),
    (0x5806, 0x2000),
    (0x5807, 0x4000),
];
