//! Converts the probe's records into events of the schema.
//!
//! A record has the kernel's data: registers, bytes of memory, facts about kernel objects. The encoder turns
//! them into parameters in the schema's order and encoding. Most calls are a list of [`Step`]s; complex ones have a
//! function. Nothing is allocated per event.

mod calls;
mod file;
mod flags;
mod net;
mod out;
mod owners;
mod process;
mod raw;

use std::collections::HashMap;

use scap_capture_format::event::EventFlags;
use scap_capture_format::schema::{Arch, EventType, Syscall, SyscallArg, types};
use scap_probe_common::{
    spec::SYSCALL_ENTRIES,
    wire::{LATENCY_UNKNOWN, kind, record_flag, tag},
};

pub(crate) use file::encode_device;
pub(crate) use out::Out;
pub(in crate::record) use process::may_write;

use raw::Item;
pub(crate) use raw::Raw;

use super::{
    abi::{Call, Conversion},
    probe::ring::Record,
};
use crate::event::async_event::ARGUMENT;

/// Encodes the parameters of one call.
type EncodeFn = fn(&Raw<'_>, &mut Out);

/// One parameter of a simple call. The number is the index of the argument.
#[derive(Clone, Copy)]
enum Step {
    /// The result, 64 bits.
    Ret,
    /// A file descriptor.
    Fd(usize),
    /// A process or thread id.
    Pid(usize),
    /// The argument's bits in the width of the parameter.
    U64(usize),
    U32(usize),
    U16(usize),
    U8(usize),
    /// The sign-extended C int.
    Int64(usize),
    /// A C string in memory.
    Str(usize),
    /// A mask through a table.
    Bits32(usize, &'static [(u64, u32)]),
    /// One of several values through a table, and the value for all others.
    One16(usize, &'static [(u32, u32)], u32),
    /// Flags of an fd that is created by a call other than `open`.
    Descriptor32(usize),
    Descriptor16(usize),
    Descriptor8(usize),
    /// The data that the call moved.
    Data,
    /// A user or group, as the machine's number.
    User(usize),
    Group(usize),
    /// Bytes in memory.
    Memory(usize),
    /// Total, resident and swapped memory of the process in KiB.
    Vm(usize),
    /// The nth u64 in memory.
    MemoryU64(usize, usize),
    /// The nth u32 in memory.
    MemoryU32(usize, usize),
    /// A `struct timespec` in memory, as nanoseconds.
    Timespec(usize),
    /// Not recorded.
    Absent,
}

/// How the event of a call is encoded.
#[derive(Clone, Copy)]
enum How {
    /// Code, number, result and raw arguments.
    Generic,
    /// The same, of a call that takes an owner and returns the one before.
    OfOwner(owners::Of),
    Steps(&'static [Step]),
    Function(EncodeFn),
}

#[derive(Clone, Copy)]
struct Entry {
    ty: EventType,
    code: u16,
    how: How,
    /// Turns arguments of a 32-bit call into those that `how` expects.
    conversion: Option<Conversion>,
    is_narrow: bool,
    args: usize,
    prototype: &'static [SyscallArg],
}

/// A call that is not known.
const UNKNOWN: Entry = Entry {
    ty: types::GENERIC_X,
    code: 0,
    how: How::Generic,
    conversion: None,
    is_narrow: false,
    args: 6,
    prototype: &[],
};

/// The properties of an encoded record besides its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) ty: EventType,
    /// An argument could not be read.
    pub(crate) fault: bool,
    /// What was cut.
    pub(crate) cut: EventFlags,
    /// Memory that an argument points to was another one when the call returned.
    pub(crate) changed: bool,
    /// Duration of the call in nanoseconds.
    pub(crate) latency: Option<u64>,
}

/// Limit of the names of loaded programs kept until their execve returns: one per thread inside an execve. More
/// names mean that the exits of those calls were lost.
const MAX_PENDING_EXECS: usize = 4096;

/// Encodes records as events.
pub(crate) struct Encoder {
    entries: Vec<Entry>,
    pending_execs: HashMap<u32, Vec<u8>>,
    out: Out,
}

impl Encoder {
    /// Makes an encoder for the syscall numbers of `arch`.
    pub(crate) fn new(arch: Arch) -> Self {
        let mut entries = vec![UNKNOWN; SYSCALL_ENTRIES];
        for (place, entry) in (0..).zip(&mut entries) {
            let Some(call) = Call::at(arch, place) else {
                continue;
            };
            entry.args = call.args();
            entry.is_narrow = call.is_narrow();
            entry.conversion = call.conversion();
            if let Some(call) = call.schema {
                entry.code = call.ppm_sc;
                entry.prototype = call.args;
                entry.ty = type_of(call);
                if let Some(how) = calls::how(call.name) {
                    entry.how = how;
                }
            }
        }
        Self {
            entries,
            pending_execs: HashMap::new(),
            out: Out::new(),
        }
    }

    /// Returns the number of events in a record: none if it is part of another event, one for each message of a call
    /// that moved several, otherwise one, and one for each argument that changed meanwhile.
    pub(crate) fn parts(&mut self, record: &Record<'_>) -> u8 {
        let header = &record.header;
        match header.kind {
            kind::EXECED => {
                self.remember_exec(&Raw::new(record));
                0
            }
            kind::SYSCALL if !record.items.is_empty() => {
                let entry = self.entries.get(header.place() as usize);
                let plural = entry.is_some_and(|entry| raw::MESSAGES.contains(&entry.ty));
                let raw = Raw::new(record);
                if !plural {
                    return 1 + raw.changed().count() as u8;
                }
                let messages = raw.items().filter(|item| item.tag == tag::DATA).count();
                messages.clamp(1, 255) as u8
            }
            _ => 1,
        }
    }

    /// Encodes one of a record's [`Self::parts`].
    pub(crate) fn encode(&mut self, record: &Record<'_>, part: u8) -> Option<(Head, &Out)> {
        let mut raw = Raw::new(record);
        raw.part = part;
        if part > 0
            && let Some(item) = raw.changed().nth(usize::from(part) - 1)
        {
            return Some(self.encode_changed(&raw, item));
        }
        self.encode_raw(&raw, record.header.kind)
    }

    /// Encodes what an argument was when the call returned.
    fn encode_changed(&mut self, raw: &Raw<'_>, item: Item<'_>) -> (Head, &Out) {
        let entry = self.entries.get(raw.header.place() as usize);
        let prototype = entry.map_or(&[][..], |entry| entry.prototype);
        let arg = prototype.get(usize::from(item.arg));
        let out = &mut self.out;
        out.clear();
        out.u32(0);
        out.str(ARGUMENT);
        let start = out.begin();
        out.data
            .extend_from_slice(arg.map_or("?", |arg| arg.name).as_bytes());
        out.data.push(b'=');
        if arg.is_some_and(|arg| arg.ctype.contains("sockaddr")) {
            net::address_text(item.bytes, &mut out.data);
        } else {
            let text = item.bytes.split(|byte| *byte == 0).next();
            out.data.extend_from_slice(text.unwrap_or_default());
        }
        out.end(start);
        let head = Head {
            ty: types::ASYNCEVENT_E,
            fault: false,
            cut: EventFlags::empty(),
            changed: false,
            latency: None,
        };
        (head, &self.out)
    }

    fn remember_exec(&mut self, raw: &Raw<'_>) {
        if self.pending_execs.len() >= MAX_PENDING_EXECS {
            self.pending_execs.clear();
        }
        let name = raw.string(0).unwrap_or_default().to_vec();
        self.pending_execs.insert(raw.header.tid, name);
    }

    /// Encodes a call that has not returned: only its arguments are known.
    pub(crate) fn encode_in_flight(&mut self, raw: &Raw<'_>) -> Option<(Head, &Out)> {
        self.encode_raw(raw, kind::SYSCALL)
    }

    fn encode_raw(&mut self, raw: &Raw<'_>, what: u8) -> Option<(Head, &Out)> {
        let header = raw.header;
        self.out.clear();
        let ty = match what {
            kind::SYSCALL => match self.entries.get(header.place() as usize).copied() {
                Some(entry) if header.flags & record_flag::IA32 != 0 => {
                    let mut raw = Raw {
                        is_narrow: entry.is_narrow,
                        args: entry.args,
                        ..*raw
                    };
                    let mut converted = *header;
                    if let Some(convert) = entry.conversion {
                        convert(&mut converted, &raw);
                        raw.header = &converted;
                    }
                    self.call(&entry, &raw)
                }
                Some(entry) => self.call(&entry, raw),
                None => {
                    generic(raw, &UNKNOWN, &mut self.out);
                    types::GENERIC_X
                }
            },
            kind::SIGNAL => {
                self.out.i64(header.args[1] as i64);
                self.out.i64(i64::from(header.pid));
                self.out.u8(header.args[0] as u8);
                types::SIGNALDELIVER_E
            }
            kind::EXIT => {
                process::exit(raw, &mut self.out);
                types::PROCEXIT_1_E
            }
            kind::CGROUP => {
                process::moved(raw, &mut self.out);
                types::ASYNCEVENT_E
            }
            kind::COMM => {
                process::renamed(raw, &mut self.out);
                types::ASYNCEVENT_E
            }
            kind::DIRECTORIES => {
                file::directories(raw, &mut self.out);
                types::ASYNCEVENT_E
            }
            kind::FD => {
                file::open_fd(raw, &mut self.out);
                types::ASYNCEVENT_E
            }
            _ => return None,
        };
        let head = Head {
            ty,
            fault: header.flags & record_flag::FAULT != 0,
            cut: raw.cut(ty),
            changed: raw.changed().next().is_some(),
            latency: (header.latency != LATENCY_UNKNOWN).then_some(header.latency),
        };
        Some((head, &self.out))
    }

    fn call(&mut self, entry: &Entry, raw: &Raw<'_>) -> EventType {
        let out = &mut self.out;
        match entry.how {
            How::Generic | How::OfOwner(_) => generic(raw, entry, out),
            How::Steps(steps) => run(steps, raw, out),
            How::Function(function) => function(raw, out),
        }
        match entry.ty {
            types::SYSCALL_EXECVE_19_X | types::SYSCALL_EXECVEAT_X => {
                self.finish_exec(raw, entry.ty)
            }
            ty => ty,
        }
    }

    /// A successful execveat is an execve event in the schema. Both end with the requested name. After a success the
    /// caller's memory is gone, so the name is the one that the kernel had when it loaded the program.
    fn finish_exec(&mut self, raw: &Raw<'_>, ty: EventType) -> EventType {
        let name = self.pending_execs.remove(&raw.header.tid);
        if raw.header.ret == 0 && raw.returned {
            match name {
                Some(name) if !name.is_empty() => self.out.str(&name),
                _ => self.out.absent(),
            }
            return types::SYSCALL_EXECVE_19_X;
        }
        if ty == types::SYSCALL_EXECVE_19_X {
            self.out.string(raw, 0);
        }
        ty
    }
}

/// Returns the type of a call's event; for a successful execveat that of execve.
pub(super) fn type_of(call: &Syscall) -> EventType {
    match calls::how(call.name) {
        Some(_) => call.exit_type,
        None => types::GENERIC_X,
    }
}

/// Encodes event type 1 with the arguments that this call has.
fn generic(raw: &Raw<'_>, entry: &Entry, out: &mut Out) {
    let header = raw.header;
    out.u16(entry.code);
    out.u16(header.nr);
    let converted = match entry.how {
        How::OfOwner(of) => {
            owners::exchanged(raw, of, out);
            1
        }
        _ => {
            out.ret(raw);
            0
        }
    };
    for (index, arg) in header.args.iter().enumerate().skip(converted) {
        if index < raw.args {
            out.u64(*arg);
        } else {
            out.absent();
        }
    }
    let abi = if header.flags & record_flag::IA32 != 0 {
        1
    } else if header.flags & record_flag::X32 != 0 {
        2
    } else {
        0
    };
    out.u8(abi);
}

fn run(steps: &[Step], raw: &Raw<'_>, out: &mut Out) {
    let arg = |index: usize| raw.header.args[index];
    for step in steps {
        match *step {
            Step::Ret => out.ret(raw),
            Step::Fd(index) | Step::Pid(index) | Step::Int64(index) => {
                out.i64(i64::from(arg(index) as i32));
            }
            Step::U64(index) => out.u64(arg(index)),
            Step::U32(index) => out.u32(arg(index) as u32),
            Step::U16(index) => out.u16(arg(index) as u16),
            Step::U8(index) => out.u8(arg(index) as u8),
            Step::Str(index) => out.string(raw, index as u8),
            Step::User(index) => owners::passed(raw, owners::Of::User, arg(index) as u32, out),
            Step::Group(index) => owners::passed(raw, owners::Of::Group, arg(index) as u32, out),
            Step::Bits32(index, table) => out.u32(flags::bits(u64::from(arg(index) as u32), table)),
            Step::One16(index, table, other) => {
                out.u16(flags::one(u64::from(arg(index) as u32), table, other) as u16);
            }
            Step::Descriptor32(index) => out.u32(flags::descriptor(u64::from(arg(index) as u32))),
            Step::Descriptor16(index) => out.u16(flags::descriptor(arg(index)) as u16),
            Step::Descriptor8(index) => out.u8(flags::short_descriptor(arg(index))),
            Step::Data => out.opt_bytes(raw.data()),
            Step::Memory(index) => out.opt_bytes(raw.memory(index as u8)),
            Step::Vm(nth) => out.vm(raw, nth),
            Step::MemoryU64(index, nth) => match raw.memory_u64(index as u8, nth) {
                Some(value) => out.u64(value),
                None => out.absent(),
            },
            Step::MemoryU32(index, nth) => match raw.memory_u32(index as u8, nth) {
                Some(value) => out.u32(value),
                None => out.absent(),
            },
            Step::Timespec(index) => match raw.timespec(index as u8) {
                Some(value) => out.u64(value),
                None => out.absent(),
            },
            Step::Absent => out.absent(),
        }
    }
}

/// Converts kernel flags of an open fd to the schema's.
pub(crate) fn open_flags(flags: u64) -> u32 {
    flags::open(flags)
}
