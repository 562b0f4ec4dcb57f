//! A record, as input of the encoders.

use scap_probe_common::wire::{
    FileFacts, ItemHeader, OwnerFacts, RecordHeader, SocketFacts, TaskFacts, item_flag,
    record_flag, tag,
};

use scap_capture_format::{
    event::EventFlags,
    schema::{EventType, types},
};

use super::process;
use crate::record::probe::ring::Record;

/// Types of calls with several messages, each of which is an event.
pub(super) const MESSAGES: [EventType; 2] = [types::SOCKET_SENDMMSG_X, types::SOCKET_RECVMMSG_X];
/// Types whose only memory of variable length is a list.
const LISTS: [EventType; 3] = [
    types::SYSCALL_POLL_X,
    types::SYSCALL_PPOLL_X,
    types::SYSCALL_SEMOP_X,
];

/// One item of a record.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) tag: u8,
    pub(crate) flags: u8,
    pub(crate) arg: u8,
    pub(crate) bytes: &'a [u8],
}

/// A call: registers and fetched items.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) header: &'a RecordHeader,
    /// Number of arguments that the call has.
    pub(crate) args: usize,
    /// False for a call that is still in flight.
    pub(crate) returned: bool,
    /// Index of the message, for a call that moved several.
    pub(super) part: u8,
    /// Words of structures have 32 bits.
    pub(super) is_narrow: bool,
    pub(super) items: &'a [u8],
}

impl<'a> Raw<'a> {
    pub(crate) fn new(record: &'a Record<'a>) -> Self {
        Self {
            header: &record.header,
            args: record.args,
            returned: record.header.flags & record_flag::NO_RESULT == 0,
            part: 0,
            is_narrow: false,
            items: record.items,
        }
    }

    /// Makes a call that has not returned.
    pub(crate) fn in_flight(header: &'a RecordHeader, args: usize) -> Self {
        Self {
            header,
            args,
            returned: false,
            part: 0,
            is_narrow: false,
            items: &[],
        }
    }

    pub(crate) fn items(&self) -> Items<'a> {
        Items { rest: self.items }
    }

    /// Returns what was cut, as flags of the event of type `ty`.
    pub(super) fn cut(&self, ty: EventType) -> EventFlags {
        let mut cut = EventFlags::empty();
        // What follows the last message that is kept is missing.
        let is_last = || {
            let is_later = |item: Item<'_>| item.tag == tag::DATA && item.arg > self.part;
            !MESSAGES.contains(&ty) || !self.items().any(is_later)
        };
        if self.header.flags & record_flag::SHORT != 0 && is_last() {
            cut |= EventFlags::CUT_LIST;
        }
        for item in self.items() {
            if item.flags & item_flag::PARTIAL != 0 && item.tag == tag::CGROUP {
                cut |= EventFlags::CUT_TEXT;
            }
            let is_cut = self.has_more(&item)
                || self.header.ret < 0
                    && matches!(item.tag, tag::ARGV | tag::ENV)
                    && process::has_long(item.bytes);
            if !is_cut {
                continue;
            }
            cut |= match item.tag {
                // It is another event's.
                tag::AFTER => EventFlags::empty(),
                // The kernel keeps less of a name, too.
                tag::MEMORY if ty == types::SYSCALL_PRCTL_X => EventFlags::empty(),
                // Another message of the same call does not count.
                tag::DATA => match self.data_item() {
                    Some(own) if own.flags & item_flag::TRUNCATED != 0 => EventFlags::TRUNCATED,
                    _ => EventFlags::empty(),
                },
                tag::ARGV | tag::CONTROL => EventFlags::CUT_LIST,
                tag::ENV => EventFlags::CUT_ENV,
                tag::MEMORY if LISTS.contains(&ty) => EventFlags::CUT_LIST,
                _ => EventFlags::CUT_TEXT,
            };
        }
        cut
    }

    pub(super) fn find(&self, tag: u8, arg: u8) -> Option<Item<'a>> {
        self.items().find(|item| item.tag == tag && item.arg == arg)
    }

    /// Returns the memory that an argument points to; `None` if it was not fetched or could not be read.
    pub(super) fn memory(&self, arg: u8) -> Option<&'a [u8]> {
        let item = self.find(tag::MEMORY, arg)?;
        (item.flags & item_flag::FAULT == 0).then_some(item.bytes)
    }

    /// Returns the arguments whose memory was another one when the call returned, and what it was then.
    pub(super) fn changed(&self) -> impl Iterator<Item = Item<'a>> {
        let raw = *self;
        raw.items().filter(move |item| {
            let is = |before: Item<'_>| before.bytes != item.bytes;
            item.tag == tag::AFTER && raw.find(tag::MEMORY, item.arg).is_some_and(is)
        })
    }

    /// Whether there was more of the caller's strings with this tag than is kept.
    pub(super) fn cut_of(&self, tag: u8) -> bool {
        let item = self.find(tag, 0);
        item.is_some_and(|item| item.flags & item_flag::TRUNCATED != 0)
    }

    /// Whether there was more of the memory that an argument points to than is kept.
    pub(super) fn is_cut(&self, arg: u8) -> bool {
        let item = self.find(tag::MEMORY, arg);
        item.is_some_and(|item| self.has_more(&item))
    }

    /// Whether there was more of an item than is kept.
    fn has_more(&self, item: &Item<'_>) -> bool {
        const ENOENT: i64 = 2;
        const ENOTDIR: i64 = 20;
        if item.flags & item_flag::TRUNCATED == 0 {
            return false;
        }
        // The probe cannot tell a string that is exactly as long as what it reads from a longer one. The kernel refuses
        // longer paths before it looks for them.
        let is_string =
            || item.bytes.iter().position(|byte| *byte == 0) == Some(item.bytes.len() - 1);
        let was_taken =
            self.header.ret >= 0 || matches!(self.header.ret.wrapping_neg(), ENOENT | ENOTDIR);
        !(item.tag == tag::MEMORY && was_taken && !item.bytes.is_empty() && is_string())
    }

    /// Returns the C string that an argument points to, without its NUL.
    pub(super) fn string(&self, arg: u8) -> Option<&'a [u8]> {
        let bytes = self.memory(arg)?;
        Some(bytes.strip_suffix(&[0]).unwrap_or(bytes))
    }

    pub(super) fn memory_u32(&self, arg: u8, nth: usize) -> Option<u32> {
        let bytes = self.memory(arg)?.get(nth * 4..nth * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Returns the nth word of a structure of words as wide as a `long` of the caller.
    pub(in crate::record) fn memory_u64(&self, arg: u8, nth: usize) -> Option<u64> {
        if self.is_narrow {
            return Some(match self.memory_u32(arg, nth)? {
                // Unlimited, or as long as ever.
                u32::MAX => u64::MAX,
                word => u64::from(word),
            });
        }
        let bytes = self.memory(arg)?.get(nth * 8..nth * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Returns a `struct timespec` in nanoseconds.
    pub(super) fn timespec(&self, arg: u8) -> Option<u64> {
        let seconds = self.memory_u64(arg, 0)?;
        let part = self.memory_u64(arg, 1)?;
        Some(seconds.wrapping_mul(1_000_000_000).wrapping_add(part))
    }

    /// Returns the data that the call moved; `None` if there was none or it could not be read.
    pub(super) fn data(&self) -> Option<&'a [u8]> {
        let item = self.data_item()?;
        (item.flags & item_flag::FAULT == 0 || !item.bytes.is_empty()).then_some(item.bytes)
    }

    fn data_item(&self) -> Option<Item<'a>> {
        let own =
            |item: &Item<'_>| item.tag == tag::DATA && (self.part == 0 || item.arg == self.part);
        self.items().find(own)
    }

    /// Returns the pages of address space, resident and swapped.
    pub(super) fn vm_pages(&self) -> Option<[u64; 3]> {
        let mut words = Words(self.find(tag::VM, 0)?.bytes);
        Some([words.u64()?, words.u64()?, words.u64()?])
    }

    /// Returns the id of the cgroup that filters by container use.
    pub(crate) fn cgroup_id(&self) -> Option<u64> {
        Words(self.find(tag::CGROUP_ID, 0)?.bytes).u64()
    }

    /// Returns the flags with which the kernel cloned the task.
    pub(super) fn clone_flags(&self) -> Option<u64> {
        Words(self.find(tag::CLONE_FLAGS, 0)?.bytes).u64()
    }

    /// Returns the total size of a vector's buffers in bytes.
    pub(super) fn vector_bytes(&self, arg: u8) -> Option<u64> {
        Words(self.find(tag::VECTOR_BYTES, arg)?.bytes).u64()
    }

    pub(super) fn file(&self, arg: u8) -> Option<FileFacts> {
        let mut words = Words(self.find(tag::FILE, arg)?.bytes);
        Some(FileFacts {
            ino: words.u64()?,
            dev: words.u32()?,
            mode: words.u16()?,
            layer: words.u16()?,
            f_mode: words.u32()?,
            f_flags: words.u32()?,
        })
    }

    pub(super) fn socket(&self, arg: u8) -> Option<SocketFacts> {
        let mut words = Words(self.find(tag::SOCKET, arg)?.bytes);
        Some(SocketFacts {
            sk: words.u64()?,
            peer: words.u64()?,
            family: words.u16()?,
            kind: words.u16()?,
            protocol: words.u16()?,
            state: words.u16()?,
            local_port: words.u16()?,
            remote_port: words.u16()?,
            backlog: words.u32()?,
            backlog_max: words.u32()?,
            reserved: words.u32()?,
            local: words.array()?,
            remote: words.array()?,
        })
    }

    /// Returns users and groups of the caller.
    pub(super) fn owners(&self) -> Option<OwnerFacts> {
        let mut words = Words(self.find(tag::OWNERS, 0)?.bytes);
        let mut ids = [0; 8];
        for id in &mut ids {
            *id = words.u32()?;
        }
        Some(OwnerFacts {
            ids,
            level: words.u32()?,
        })
    }

    pub(super) fn task(&self) -> Option<TaskFacts> {
        let mut words = Words(self.find(tag::TASK, 0)?.bytes);
        Some(TaskFacts {
            start_time: words.u64()?,
            pidns_start: words.u64()?,
            fdlimit: words.u64()?,
            maj_flt: words.u64()?,
            min_flt: words.u64()?,
            vm_pages: [words.u64()?, words.u64()?, words.u64()?],
            caps: [words.u64()?, words.u64()?, words.u64()?],
            exe_ino: words.u64()?,
            exe_ctime: words.u64()?,
            exe_mtime: words.u64()?,
            tid: words.u32()?,
            pid: words.u32()?,
            ppid: words.u32()?,
            vtid: words.u32()?,
            vpid: words.u32()?,
            pgid: words.u32()?,
            vpgid: words.u32()?,
            sid: words.u32()?,
            pidns_level: words.u32()?,
            euid: words.u32()?,
            egid: words.u32()?,
            loginuid: words.u32()?,
            tty: words.u32()?,
            exe_uid: words.u32()?,
            exe_gid: words.u32()?,
            exe_mode: words.u32()?,
            exe_dev: words.u32()?,
            exe_layer: words.u32()?,
            comm: words.array()?,
        })
    }
}

/// Reads little-endian words from the front of bytes, in the order of a `repr(C)` structure.
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl Words<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.array()?))
    }
}

/// The items of a record, in order.
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        const HEADER: usize = size_of::<ItemHeader>();
        let (header, rest) = self.rest.split_first_chunk::<HEADER>()?;
        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let bytes = rest.get(..len)?;
        self.rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
        Some(Item {
            tag: header[4],
            flags: header[5],
            arg: header[6],
            bytes,
        })
    }
}
