//! What a call is given in memory, as it was when the call began: by the time it returns, another thread can
//! have changed it.
//!
//! Each thread in such a call has a place, by the low bits of its id; of two threads with the same, the later one
//! has it, and what the other was given is read when its call returns, like what was not present in memory at
//! first and what is too long for its place.

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use scap_probe_common::{
    inputs::{INPUT_BYTES, INPUT_SLOTS, INPUTS, Inputs},
    spec::{AT_ENTRY, Op, SyscallSpec, op},
    stamp,
    wire::{LATENCY_UNKNOWN, RecordHeader, tag},
};

use crate::{
    globals::INPUTS_BY_TID,
    ring::{Record, forget},
};

/// Fetches the inputs of a call that begins at `entered`. `argument` returns an argument by its number.
#[inline(always)]
pub fn fetch(spec: &SyscallSpec, tid: u32, entered: u64, argument: impl Fn(u8) -> u64) {
    let Some(slot) = INPUTS_BY_TID.get_ptr_mut(tid % INPUT_SLOTS) else {
        return;
    };
    // SAFETY: `slot` points into the map.
    unsafe {
        (*slot).tid = tid;
        (*slot).entered = entered;
        one(slot, 0, &spec.ops[0], &argument);
        one(slot, 1, &spec.ops[1], &argument);
    }
}

/// Fetches what one operation is about into the place of its number.
#[inline(always)]
unsafe fn one(slot: *mut Inputs, place: usize, op: &Op, argument: &impl Fn(u8) -> u64) {
    // SAFETY: `slot` points into the map, and every place is a constant.
    unsafe {
        let input = &raw mut (*slot).inputs[place];
        (*input).len = 0;
        if op.when & AT_ENTRY == 0 {
            return;
        }
        (*input).arg = op.arg as u32;
        let source = argument(op.arg);
        let to = (&raw mut (*input).bytes).cast();
        let got = if op.code == op::STRING {
            bpf_probe_read_user_str(to, INPUT_BYTES as u32, source as *const _)
        } else {
            let len = if op.code == op::SIZED {
                argument(op.n as u8) as u32
            } else {
                op.n
            };
            let len = forget(len as u64);
            if len == 0 || len > INPUT_BYTES as u64 {
                return;
            }
            match bpf_probe_read_user(to, len as u32, source as *const _) {
                0 => len as i64,
                failed => failed,
            }
        };
        // A string that fills its place can go on.
        let is_whole = op.code != op::STRING || got < INPUT_BYTES as i64;
        if got > 0 && is_whole {
            (*input).len = got as u32;
        }
    }
}

/// Appends what was fetched for an operation when the call of a record began; returns whether it was.
#[inline(always)]
pub fn append(record: &Record, header: *const RecordHeader, op: &Op, pointer: u64) -> bool {
    // SAFETY: the header is initialised, and the slot is in the map.
    unsafe {
        let (tid, ts, latency) = ((*header).tid, (*header).ts, (*header).latency);
        let Some(slot) = INPUTS_BY_TID.get_ptr(tid % INPUT_SLOTS) else {
            return false;
        };
        let entered = ts.wrapping_sub(latency);
        if latency == LATENCY_UNKNOWN
            || (*slot).tid != tid
            || (*slot).entered != stamp::time(stamp::pack(entered, 0))
        {
            return false;
        }
        let mut place = 0;
        while place < INPUTS {
            let input = &raw const (*slot).inputs[place];
            let len = (*input).len;
            if len != 0 && (*input).arg == op.arg as u32 {
                let bytes = &raw const (*input).bytes;
                record.kernel(tag::MEMORY, op.arg, bytes as u64, len as u64, INPUT_BYTES as u32);
                if op.code != op::FIXED {
                    // The kernel leaves something only in structures of a fixed size. The recorder compares.
                    let max = INPUT_BYTES as u32;
                    record.user(tag::AFTER, op.arg, pointer, len as u64, max, true);
                }
                return true;
            }
            place += 1;
        }
    }
    false
}

/// Whether an operation fetches something that its call was given.
#[inline(always)]
pub fn is_input(op: &Op) -> bool {
    op.when & AT_ENTRY != 0
}

