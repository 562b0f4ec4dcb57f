//! Building records in this CPU's ring.
//!
//! The ring is plain memory that the recorder maps (docs/adr/0001): no call is made to reserve,
//! copy or submit. One record is under construction at a time; it becomes visible when `head`
//! moves past it. `x86` keeps stores in order, so the volatile stores below are all that a reader
//! on another CPU needs.

use core::ptr::{read_volatile as load, write_volatile as store};

use aya_ebpf::helpers::generated::{
    bpf_get_smp_processor_id, bpf_probe_read_kernel, bpf_probe_read_kernel_str,
    bpf_probe_read_user, bpf_probe_read_user_str,
};
use scap_probe_common::{
    control::RingControl,
    spec::MAX_MEMORY,
    wire::{
        HEADER_WITHOUT_ARGS, ItemHeader, RecordHeader, SEGMENT_BYTES, item_flag, kind, record_flag,
    },
};

use crate::globals::{CONTROL, SEGMENTS, config};

const SEGMENT: u32 = SEGMENT_BYTES as u32;
const HEADER: u32 = size_of::<RecordHeader>() as u32;
const ITEM: u32 = size_of::<ItemHeader>() as u32;

/// A place in this CPU's ring where a record is being built.
pub struct Record {
    control: *mut RingControl,
    segment: *mut u8,
    header: *mut RecordHeader,
    start: u32,
}

/// This CPU's control block.
#[inline(always)]
pub fn control() -> Option<(u32, *mut RingControl)> {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    Some((cpu, CONTROL.get_ptr_mut(cpu)?))
}

/// Adds one to a counter of the control block.
///
/// # Safety
/// `counter` points into this CPU's block, which only this CPU's programs write.
#[inline(always)]
pub unsafe fn add_one(counter: *mut u64) {
    // SAFETY: the caller's promise.
    unsafe { store(counter, load(counter) + 1) }
}

/// Counts something in a control block: `count!(control, seen)`.
macro_rules! count {
    ($control:expr, $counter:ident) => {
        $crate::ring::add_one(&raw mut (*$control).$counter)
    };
}
pub(crate) use count;

impl Record {
    /// Takes room for a record of at most `need` bytes that ends at `now`. `None`: it was
    /// counted as lost.
    #[inline(always)]
    pub fn begin(need: u32, now: u64) -> Option<Self> {
        let (cpu, control) = control()?;
        // SAFETY: `control` points into this CPU's block for the whole program; the accesses are
        // volatile because the recorder changes `tail` and reads the rest.
        unsafe {
            count!(control, seen);
            if load(&raw const (*control).busy) != 0 {
                return lost(control, &raw mut (*control).drop_busy, now);
            }
            // From here to the commit nobody else on this CPU touches the positions, even if the
            // kernel lets programs preempt each other.
            store(&raw mut (*control).busy, 1);
            let segments = config!(segments);
            let capacity = segments as u64 * SEGMENT as u64;
            let mut offset = load(&raw const (*control).offset);
            let mut index = load(&raw const (*control).segment);
            let mut head = load(&raw const (*control).head);
            let tail = load(&raw const (*control).tail);
            if offset > SEGMENT - HEADER || offset + need > SEGMENT {
                let rest = SEGMENT.wrapping_sub(offset);
                if head + rest as u64 + need as u64 - tail > capacity {
                    return give_up(control, &raw mut (*control).drop_full, now);
                }
                if offset <= SEGMENT - ITEM {
                    let Some(old) = SEGMENTS.get_ptr_mut(cpu * segments + index) else {
                        return give_up(control, &raw mut (*control).drop_no_ring, now);
                    };
                    let pad = (old as *mut u8).add(offset as usize);
                    store(pad as *mut u32, rest);
                    store(pad.add(4), kind::PAD);
                }
                head += rest as u64;
                offset = 0;
                index += 1;
                if index >= segments {
                    index = 0;
                }
                store(&raw mut (*control).segment, index);
                store(&raw mut (*control).offset, 0);
                store(&raw mut (*control).head, head);
            } else if head + need as u64 - tail > capacity {
                return give_up(control, &raw mut (*control).drop_full, now);
            }
            let Some(segment) = SEGMENTS.get_ptr_mut(cpu * segments + index) else {
                return give_up(control, &raw mut (*control).drop_no_ring, now);
            };
            store(&raw mut (*control).cursor, offset + HEADER);
            store(&raw mut (*control).limit, offset + need);
            let segment = segment as *mut u8;
            Some(Self {
                control,
                segment,
                header: segment.add(offset as usize).cast(),
                start: offset,
            })
        }
    }

    /// Goes on with the record that `begin` took room for, in another program or function.
    #[inline(always)]
    pub fn resume() -> Option<Self> {
        let (cpu, control) = control()?;
        // SAFETY: as in `begin`.
        unsafe {
            let index = cpu * config!(segments) + load(&raw const (*control).segment);
            let segment = SEGMENTS.get_ptr_mut(index)? as *mut u8;
            let start = forget(load(&raw const (*control).offset) as u64);
            if start > (SEGMENT - HEADER) as u64 {
                return None;
            }
            Some(Self {
                control,
                segment,
                // The sum itself has to be kept: made anew of a copy of `start` that was put aside
                // before the check, verifiers before Linux 6.8 refuse it (see `at`).
                header: forget(segment.add(start as usize) as u64) as *mut RecordHeader,
                start: start as u32,
            })
        }
    }

    /// The fixed part.
    #[inline(always)]
    pub fn header(&self) -> *mut RecordHeader {
        self.header
    }

    /// What functions that build this record together keep between calls, word by word.
    #[inline(always)]
    pub fn scratch(&self, word: usize) -> *mut u64 {
        // SAFETY: as in `begin`; every caller names a word by a constant.
        unsafe { &raw mut (*self.control).scratch[word] }
    }

    /// Sets a bit of the record's flags.
    #[inline(always)]
    pub fn flag(&self, bit: u8) {
        // SAFETY: the header is ours and initialised.
        unsafe {
            let flags = &raw mut (*self.header).flags;
            let before = load(flags);
            if before & bit == 0 {
                store(flags, before | bit);
                match bit {
                    record_flag::FAULT => count!(self.control, faults),
                    record_flag::SHORT => count!(self.control, short),
                    _ => {}
                }
            }
        }
    }

    /// Makes a record visible that consists of its header with `args` arguments.
    #[inline(always)]
    pub fn commit_header(self, args: u8) {
        let len = HEADER_WITHOUT_ARGS as u32 + 8 * (args & 7) as u32;
        // SAFETY: as in `begin`.
        unsafe {
            store(&raw mut (*self.header()).len, len);
            self.publish(len);
        }
    }

    /// Makes the record visible with all its items.
    #[inline(always)]
    pub fn commit(self) {
        // SAFETY: as in `begin`.
        unsafe {
            let len = load(&raw const (*self.control).cursor).wrapping_sub(self.start);
            store(&raw mut (*self.header()).len, len);
            self.publish(len);
        }
    }

    /// Gives the place back: the call is not wanted after all.
    #[inline(always)]
    pub fn leave_out(self) {
        // SAFETY: as in `begin`.
        unsafe {
            count!(self.control, excluded);
            store(&raw mut (*self.control).busy, 0);
        }
    }

    #[inline(always)]
    unsafe fn publish(&self, len: u32) {
        // SAFETY: as in `begin`.
        unsafe {
            let control = self.control;
            store(&raw mut (*control).offset, self.start + len);
            let head = &raw mut (*control).head;
            store(head, load(head) + len as u64);
            count!(control, written);
            store(&raw mut (*control).busy, 0);
        }
    }

    /// Where the next item goes, if `room` bytes and its header still fit.
    #[inline(always)]
    fn place(&self, room: u32) -> Option<u32> {
        // SAFETY: as in `begin`.
        let cursor = unsafe { load(&raw const (*self.control).cursor) };
        // SAFETY: as in `begin`.
        let limit = unsafe { load(&raw const (*self.control).limit) };
        if cursor > SEGMENT - ITEM - room || cursor + ITEM + room > limit {
            self.flag(record_flag::SHORT);
            return None;
        }
        Some(cursor)
    }

    /// Address of `room` bytes at `offset` of the segment.
    ///
    /// The offset is within bounds already; this says it once more, right where it is used and in a
    /// way that the compiler cannot leave out, because verifiers before Linux 6.8 do not see that a
    /// copy which was put aside before the first check has the same value.
    #[inline(always)]
    fn at(&self, offset: u32, room: u32) -> Option<*mut u8> {
        let offset = forget(offset as u64);
        if offset > (SEGMENT - room) as u64 {
            return None;
        }
        // SAFETY: `offset` leaves `room` bytes in the segment.
        Some(unsafe { self.segment.add(offset as usize) })
    }

    /// Writes the header of the item at `place` and moves past it.
    #[inline(always)]
    fn finish(&self, place: u32, len: u32, tag: u8, arg: u8, flags: u8) {
        let Some(item) = self.at(place, ITEM) else {
            return;
        };
        let item: *mut ItemHeader = item.cast();
        // SAFETY: `item` is room for a header.
        unsafe {
            store(&raw mut (*item).len, len);
            store(&raw mut (*item).tag, tag);
            store(&raw mut (*item).flags, flags);
            store(&raw mut (*item).arg, arg);
            store(&raw mut (*item).reserved, 0);
            store(
                &raw mut (*self.control).cursor,
                place + ITEM + ((len + 7) & !7),
            );
        }
    }

    /// Appends `wanted` bytes, at most `max`, of the caller's memory. `max` must be a constant of
    /// the program.
    #[inline(always)]
    pub fn user(&self, tag: u8, arg: u8, source: u64, wanted: u64, max: u32, quiet: bool) {
        let Some(place) = self.place(max) else { return };
        let (len, mut flags) = cap(wanted, max);
        let Some(to) = self.at(place + ITEM, max) else {
            return;
        };
        let size = forget(len as u64);
        if size > max as u64 {
            return;
        }
        // SAFETY: `to` is room for `max` bytes, `size <= max`.
        let failed =
            unsafe { bpf_probe_read_user(to.cast(), size as u32, source as *const _) != 0 };
        let mut kept = len;
        if failed {
            if quiet {
                return;
            }
            kept = 0;
            flags |= item_flag::FAULT;
            self.flag(record_flag::FAULT);
        }
        self.finish(place, kept, tag, arg, flags);
    }

    /// Appends a C string of the caller with its NUL, at most [`MAX_MEMORY`] bytes.
    #[inline(always)]
    pub fn user_string(&self, tag: u8, arg: u8, source: u64, quiet: bool) {
        const MAX: u32 = MAX_MEMORY as u32;
        let Some(place) = self.place(MAX) else { return };
        let Some(to) = self.at(place + ITEM, MAX) else {
            return;
        };
        // SAFETY: `to` is room for `MAX` bytes.
        let got = unsafe { bpf_probe_read_user_str(to.cast(), MAX, source as *const _) };
        if got <= 0 || got > MAX as i64 {
            if !quiet {
                self.flag(record_flag::FAULT);
                self.finish(place, 0, tag, arg, item_flag::FAULT);
            }
            return;
        }
        let flags = if got == MAX as i64 {
            item_flag::TRUNCATED
        } else {
            0
        };
        self.finish(place, got as u32, tag, arg, flags);
    }

    /// Appends a C string of the kernel with its NUL, at most [`MAX_MEMORY`] bytes.
    #[inline(always)]
    pub fn kernel_string(&self, tag: u8, arg: u8, source: u64) {
        const MAX: u32 = MAX_MEMORY as u32;
        let Some(place) = self.place(MAX) else { return };
        let Some(to) = self.at(place + ITEM, MAX) else {
            return;
        };
        // SAFETY: `to` is room for `MAX` bytes.
        let got = unsafe { bpf_probe_read_kernel_str(to.cast(), MAX, source as *const _) };
        if got <= 0 || got > MAX as i64 {
            self.finish(place, 0, tag, arg, item_flag::FAULT);
            return;
        }
        self.finish(place, got as u32, tag, arg, 0);
    }

    /// Appends `wanted` bytes, at most `max`, of the kernel's memory.
    #[inline(always)]
    pub fn kernel(&self, tag: u8, arg: u8, source: u64, wanted: u64, max: u32) {
        let Some(place) = self.place(max) else { return };
        let (len, flags) = cap(wanted, max);
        let Some(to) = self.at(place + ITEM, max) else {
            return;
        };
        let size = forget(len as u64);
        if size > max as u64 {
            return;
        }
        // SAFETY: `to` is room for `max` bytes, `size <= max`.
        let failed =
            unsafe { bpf_probe_read_kernel(to.cast(), size as u32, source as *const _) != 0 };
        if !failed {
            self.finish(place, len, tag, arg, flags);
        }
    }

    /// Appends a structure that `fill` writes in place; it starts as what was there before, so
    /// `fill` must write every field.
    #[inline(always)]
    pub fn structure<T>(&self, tag: u8, arg: u8, fill: impl FnOnce(*mut T)) {
        if let Some((place, to)) = self.room() {
            fill(to);
            self.filled::<T>(place, tag, arg);
        }
    }

    /// The first half of [`Self::structure`], where a closure that several programs use would become a function
    /// with a stack of its own: where it is, and room for it.
    #[inline(always)]
    pub fn room<T>(&self) -> Option<(u32, *mut T)> {
        let place = self.place(size_of::<T>() as u32)?;
        // It is room for a `T`, and items are aligned to eight bytes.
        let to = self.at(place + ITEM, size_of::<T>() as u32)?;
        Some((place, to.cast()))
    }

    /// The second half.
    #[inline(always)]
    pub fn filled<T>(&self, place: u32, tag: u8, arg: u8) {
        self.finish(place, size_of::<T>() as u32, tag, arg, 0);
    }

    /// Starts an item that grows piece by piece up to `room` bytes.
    #[inline(always)]
    pub fn pieces(&self, room: u32) -> Option<Pieces<'_>> {
        let place = self.place(room)?;
        let pieces = self.pieces_at(place as u64);
        if let Some(item) = pieces.item() {
            // SAFETY: it is room for the header.
            unsafe {
                store(&raw mut (*item).len, 0);
                store(&raw mut (*item).flags, 0);
            }
        }
        Some(pieces)
    }

    /// Goes on with an item that grows piece by piece, in another function.
    #[inline(always)]
    pub fn pieces_at(&self, place: u64) -> Pieces<'_> {
        Pieces {
            record: self,
            place: place as u32,
        }
    }
}

/// An item that is built from several reads. Its length so far and its flags are kept in the ring
/// itself: a global function takes only scalars, and the place of the item is all that it needs.
pub struct Pieces<'a> {
    record: &'a Record,
    place: u32,
}

impl Pieces<'_> {
    /// What [`Record::pieces_at`] finds the item by.
    #[inline(always)]
    pub fn place(&self) -> u64 {
        self.place as u64
    }

    #[inline(always)]
    fn item(&self) -> Option<*mut ItemHeader> {
        Some(self.record.at(self.place, ITEM)?.cast())
    }

    /// Makes the item `more` bytes longer.
    #[inline(always)]
    fn grow(&self, more: u32) {
        if let Some(item) = self.item() {
            // SAFETY: it is the header.
            unsafe {
                let len = &raw mut (*item).len;
                store(len, load(len) + more);
            }
        }
    }

    /// Bytes so far.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        match self.item() {
            // SAFETY: it is the header.
            Some(item) => unsafe { load(&raw const (*item).len) },
            None => 0,
        }
    }

    /// The bits of [`item_flag`] so far.
    #[inline(always)]
    pub fn flags(&self) -> u8 {
        match self.item() {
            // SAFETY: it is the header.
            Some(item) => unsafe { load(&raw const (*item).flags) },
            None => 0,
        }
    }

    /// Sets a bit of [`item_flag`].
    #[inline(always)]
    pub fn flag(&self, bit: u8) {
        if let Some(item) = self.item() {
            // SAFETY: it is the header.
            unsafe {
                let flags = &raw mut (*item).flags;
                store(flags, load(flags) | bit);
            }
        }
    }

    /// Takes a bit of [`item_flag`] back.
    #[inline(always)]
    pub fn unflag(&self, bit: u8) {
        if let Some(item) = self.item() {
            // SAFETY: it is the header.
            unsafe {
                let flags = &raw mut (*item).flags;
                store(flags, load(flags) & !bit);
            }
        }
    }

    /// Says that memory of the caller could not be read.
    #[inline(always)]
    pub fn fault(&self) {
        self.record.flag(record_flag::FAULT);
        self.flag(item_flag::FAULT);
    }

    /// Where the next piece of at most `room` bytes goes.
    #[inline(always)]
    fn next(&self, room: u32) -> Option<*mut u8> {
        // A length of more than a segment was never written; without the cut the sum could wrap.
        let len = self.len() & (SEGMENT - 1);
        self.record.at(self.place + ITEM + len, room)
    }

    /// Appends a name of the kernel with its NUL.
    #[inline(always)]
    pub fn kernel_name(&self, source: u64) -> bool {
        const NAME: u32 = 256;
        let Some(to) = self.next(NAME) else {
            return false;
        };
        // SAFETY: `next` left room.
        let got = unsafe { bpf_probe_read_kernel_str(to.cast(), NAME, source as *const _) };
        if got <= 0 || got > NAME as i64 {
            return false;
        }
        self.grow(got as u32);
        true
    }

    /// Appends `len` bytes of the caller, at most `max`.
    #[inline(always)]
    pub fn user(&self, source: u64, len: u32, max: u32) -> bool {
        let Some(to) = self.next(max) else {
            // The largest piece would not fit, which the kernel wants to be sure of.
            self.flag(item_flag::TRUNCATED);
            return false;
        };
        let len = forget(len as u64 & LENGTH_MASK);
        if len > max as u64 {
            return false;
        }
        let len = len as u32;
        // SAFETY: `next` left room for `max` bytes.
        if unsafe { bpf_probe_read_user(to.cast(), len, source as *const _) } != 0 {
            self.fault();
            return false;
        }
        self.grow(len);
        true
    }

    /// Appends a C string of the caller, at most 1 KiB of it.
    #[inline(always)]
    pub fn user_string(&self, source: u64) -> bool {
        const MAX: u32 = 1024;
        let Some(to) = self.next(MAX) else {
            return false;
        };
        // SAFETY: `next` left room.
        let got = unsafe { bpf_probe_read_user_str(to.cast(), MAX, source as *const _) };
        if got <= 0 || got > MAX as i64 {
            self.fault();
            return false;
        }
        self.grow(got as u32);
        true
    }

    /// Ends the item.
    #[inline(always)]
    pub fn finish(self, tag: u8, arg: u8) {
        let (len, flags) = (self.len(), self.flags());
        self.record.finish(self.place, len, tag, arg, flags);
    }
}

/// A length whose sign bit is gone. No call moves more than this; verifiers before Linux 6.8 do not
/// see that a number which is both negative and small does not exist, and refuse the read.
const LENGTH_MASK: u64 = 0x7fff_ffff;

/// The same value, of which the compiler knows nothing: a check of it stays in the program.
#[inline(always)]
pub fn forget(mut value: u64) -> u64 {
    // SAFETY: changes nothing.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack)) };
    value
}

/// `wanted` cut to `max`, and the flag that says so.
#[inline(always)]
fn cap(wanted: u64, max: u32) -> (u32, u8) {
    let len = wanted & LENGTH_MASK;
    if len > max as u64 {
        (max, item_flag::TRUNCATED)
    } else {
        (len as u32, 0)
    }
}

/// Counts a loss and notes when it was.
#[inline(always)]
unsafe fn lost(control: *mut RingControl, cause: *mut u64, now: u64) -> Option<Record> {
    // SAFETY: both point into this CPU's block.
    unsafe {
        add_one(cause);
        store(&raw mut (*control).last_drop, now);
    }
    None
}

/// The same for a record that was begun.
#[inline(always)]
unsafe fn give_up(control: *mut RingControl, cause: *mut u64, now: u64) -> Option<Record> {
    // SAFETY: both point into this CPU's block.
    unsafe {
        store(&raw mut (*control).busy, 0);
        lost(control, cause, now)
    }
}
