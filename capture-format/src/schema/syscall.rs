//! Syscalls: codes, numbers, names, arguments.

use super::EventType;

include!(concat!(env!("OUT_DIR"), "/syscalls.rs"));

/// A machine architecture, as far as syscall numbers depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

impl Arch {
    /// Returns the architecture with the name that `uname -m` prints.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Returns the name that `uname -m` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// One argument of a syscall, named as in the kernel's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallArg {
    /// The name (`pathname`).
    pub name: &'static str,
    /// The C type (`const char *`).
    pub ctype: &'static str,
}

/// One syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syscall {
    /// falcosecurity's stable code (`PPM_SC_*`); 0 = none.
    pub ppm_sc: u16,
    /// The name (`openat`).
    pub name: &'static str,
    /// Its number on x86_64.
    pub nr_x86_64: Option<u16>,
    /// Its number on aarch64.
    pub nr_aarch64: Option<u16>,
    /// Its enter event type; 0 = generic.
    pub enter_type: EventType,
    /// Its exit event type; 1 = generic.
    pub exit_type: EventType,
    /// Its arguments; empty if it has none or they are not known (calls of other architectures).
    pub args: &'static [SyscallArg],
}

impl Syscall {
    /// Returns the number on `arch`.
    pub const fn nr(&self, arch: Arch) -> Option<u16> {
        match arch {
            Arch::X86_64 => self.nr_x86_64,
            Arch::Aarch64 => self.nr_aarch64,
        }
    }
}

/// Iterates over all syscalls.
pub fn all() -> impl Iterator<Item = &'static Syscall> {
    SYSCALLS.iter().filter(|s| s.name != "unknown")
}

/// Returns the syscall with falcosecurity's code; `None` for 0 ("unknown") and unknown codes.
pub fn by_ppm_sc(code: u16) -> Option<&'static Syscall> {
    let index = usize::from(code);
    if index == 0 || index >= PPM_SC_COUNT {
        None
    } else {
        SYSCALLS.get(index)
    }
}

/// Returns the syscall with this name.
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    let found = BY_NAME.binary_search_by(|i| {
        SYSCALLS
            .get(usize::from(*i))
            .map_or("", |s| s.name)
            .cmp(name)
    });
    let index = BY_NAME.get(found.ok()?)?;
    SYSCALLS
        .get(usize::from(*index))
        .filter(|s| s.name != "unknown")
}

/// Returns the syscall with this number on `arch`.
pub fn by_nr(arch: Arch, nr: u32) -> Option<&'static Syscall> {
    let table = match arch {
        Arch::X86_64 => BY_X86_64,
        Arch::Aarch64 => BY_AARCH64,
    };
    let index = *table.get(usize::try_from(nr).ok()?)?;
    SYSCALLS.get(usize::from(index))
}

/// Returns the name of a syscall made with the 32-bit x86 ABI (`int 0x80`, 32-bit programs).
pub fn ia32_name(nr: u32) -> Option<&'static str> {
    IA32.get(usize::try_from(nr).ok()?)
        .copied()
        .filter(|n| !n.is_empty())
}

/// Whether the 32-bit x86 ABI has a syscall with this name.
pub fn is_ia32(name: &str) -> bool {
    !name.is_empty() && IA32.contains(&name)
}

/// Returns the call of x86_64 that does what a call with this name of the 32-bit x86 ABI does, with the same arguments
/// in the same order, but for 64-bit offsets, which take two arguments; `None` if there is none.
pub fn ia32_twin(name: &str) -> Option<&'static Syscall> {
    let of_machine = |name: &str| by_name(name).filter(|call| call.nr_x86_64.is_some());
    if let Some((_, twin)) = IA32_TWINS.iter().find(|(other, _)| *other == name) {
        return of_machine(twin);
    }
    if IA32_UNLIKE.contains(&name) {
        return None;
    }
    of_machine(name).or_else(|| {
        // A newer call with wider times, offsets or ids.
        ["_time64", "64", "32"]
            .iter()
            .find_map(|suffix| of_machine(name.strip_suffix(suffix)?))
    })
}

/// Calls of the 32-bit ABI whose counterparts have other names.
const IA32_TWINS: &[(&str, &str)] = &[
    ("_llseek", "lseek"),
    ("_newselect", "select"),
    ("fstatat64", "newfstatat"),
    ("mmap2", "mmap"),
    ("ugetrlimit", "getrlimit"),
    ("umount", "umount2"),
];

/// Calls of the 32-bit ABI whose arguments differ from those of the call with the same name or root.
const IA32_UNLIKE: &[&str] = &["select", "statfs64", "fstatfs64", "fadvise64_64"];

/// The calls that the 32-bit call `socketcall` makes, by the number that it is given, by their names on x86_64.
// linux v6.12 include/uapi/linux/net.h
pub const SOCKETCALLS: [&str; 21] = [
    "",
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "sendto",
    "recvfrom",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];
