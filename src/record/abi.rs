//! The calls of the machine's two ABIs, by their places in the probe's table: its own, and that of 32-bit programs.

use scap_capture_format::schema::{Arch, Syscall, syscall};
use scap_probe_common::{
    spec::{ABI_ENTRIES, SOCKETCALL_AT},
    wire::RecordHeader,
};

use super::encode::Raw;

/// A call of one of the ABIs.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// Its name in its ABI.
    pub(super) name: &'static str,
    /// The call of the schema that it is shown as: of a 32-bit call, its 64-bit twin if it has one. `None`: the schema
    /// has none.
    pub(super) schema: Option<&'static Syscall>,
    /// It is one of the 32-bit ABI.
    pub(super) is_ia32: bool,
}

impl Call {
    /// Returns the call at a place of the probe's table; `None` where there is none.
    pub(super) fn at(arch: Arch, place: u32) -> Option<Self> {
        let Some(nr) = place.checked_sub(ABI_ENTRIES as u32) else {
            let schema = syscall::by_nr(arch, place)?;
            return Some(Self {
                name: schema.name,
                schema: Some(schema),
                is_ia32: false,
            });
        };
        if arch != Arch::X86_64 {
            return None;
        }
        let of_socketcall = (nr as usize)
            .checked_sub(SOCKETCALL_AT)
            .and_then(|number| syscall::SOCKETCALLS.get(number).copied());
        let name = match of_socketcall {
            Some("") => return None,
            Some(name) => name,
            None => syscall::ia32_name(nr)?,
        };
        Some(Self {
            name,
            schema: syscall::ia32_twin(name).or_else(|| syscall::by_name(name)),
            is_ia32: true,
        })
    }

    /// Whether the call is the one with this name, or is shown as it.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.schema.is_some_and(|call| call.name == name)
    }

    /// Number of arguments; of a call that the schema does not know, all.
    pub(super) fn args(&self) -> usize {
        match self.schema {
            Some(call) if !call.args.is_empty() || !self.is_ia32 => call.args.len().min(6),
            _ => 6,
        }
    }

    /// Whether words of structures that the call passes have half the width: `long` and `time_t` of a 32-bit program.
    pub(super) fn is_narrow(&self) -> bool {
        const NARROW: [&str; 8] = [
            "nanosleep",
            "ppoll",
            "sendfile",
            "getrlimit",
            "ugetrlimit",
            "setrlimit",
            "ptrace",
            "mmap",
        ];
        self.is_ia32 && NARROW.contains(&self.name)
    }

    /// Returns what turns the call's arguments into those of its 64-bit twin.
    pub(super) fn conversion(&self) -> Option<Conversion> {
        if !self.is_ia32 {
            return None;
        }
        Some(match self.name {
            // Offsets in two halves.
            "pread64" | "pwrite64" | "preadv" | "pwritev" | "preadv2" | "pwritev2" => {
                |to, _| join(to, 3)
            }
            "truncate64" | "ftruncate64" | "readahead" => |to, _| join(to, 1),
            "fallocate" => |to, _| {
                join(to, 2);
                to.args[3] = to.args[4] | to.args[5] << 32;
            },
            "_llseek" => |to, raw| {
                to.args[1] = to.args[1] << 32 | to.args[2];
                to.args[2] = to.args[4];
                // The offset is in memory, the result says only that it is.
                if let Some(offset) = raw.memory_u64(3, 0)
                    && to.ret == 0
                {
                    to.ret = offset as i64;
                }
            },
            "lseek" | "truncate" | "ftruncate" => {
                |to, _| to.args[1] = i64::from(to.args[1] as i32) as u64
            }
            // The offset counts pages.
            "mmap2" => |to, _| to.args[5] <<= 12,
            "mmap" => |to, raw| {
                for (nth, arg) in to.args.iter_mut().enumerate() {
                    *arg = raw.memory_u64(0, nth).unwrap_or(0);
                }
            },
            "umount" => |to, _| to.args[1] = 0,
            // Ids of 16 bits; all bits set mean "unchanged".
            "setuid" | "setgid" | "setfsuid" | "setfsgid" => |to, _| widen(to, 0..1),
            "setreuid" | "setregid" => |to, _| widen(to, 0..2),
            "setresuid" | "setresgid" => |to, _| widen(to, 0..3),
            "chown" | "lchown" | "fchown" => |to, _| widen(to, 1..3),
            _ => return None,
        })
    }
}

/// Turns the arguments of a 32-bit call into those of its 64-bit twin.
pub(super) type Conversion = fn(&mut RecordHeader, &Raw<'_>);

/// Joins the low half of an offset, argument `low`, with its high half, the next one.
fn join(to: &mut RecordHeader, low: usize) {
    to.args[low] |= to.args[low + 1] << 32;
}

fn widen(to: &mut RecordHeader, args: std::ops::Range<usize>) {
    for arg in &mut to.args[args] {
        *arg = match *arg as u16 {
            u16::MAX => u64::from(u32::MAX),
            id => u64::from(id),
        };
    }
}
