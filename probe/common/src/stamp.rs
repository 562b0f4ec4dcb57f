//! Stamps: which syscall a thread is in, and since when. The probe writes one on entry, per thread id, and takes it on
//! exit; the recorder reads those that are left when a recording ends.
//!
//! The low [`NR_BITS`] bits are the call's place in the table of calls (see [`crate::spec::place`]), the others the low
//! 54 bits of the boot clock in nanoseconds, so that latencies are right for 208 days.

/// Bits of a stamp that hold the place of the call.
pub const NR_BITS: u32 = 10;

/// No call of the thread has been seen.
pub const NONE: u64 = 0;

/// The thread has left the last call that it was seen in. When it leaves another one, that never began:
/// seccomp or a tracer stopped it.
pub const LEFT: u64 = 1;

const NR_MASK: u64 = (1 << NR_BITS) - 1;

/// Makes the stamp of a call that enters now.
#[inline(always)]
pub const fn pack(now: u64, place: u32) -> u64 {
    (now << NR_BITS) | (place as u64 & NR_MASK)
}

/// Returns the place of a stamp's call; the last one stands for all calls without a place.
#[inline(always)]
pub const fn place(stamp: u64) -> u32 {
    (stamp & NR_MASK) as u32
}

/// Returns when a stamp's call entered: the bits of the boot clock that a stamp has.
#[inline(always)]
pub const fn time(stamp: u64) -> u64 {
    stamp >> NR_BITS
}

/// Whether a stamp is that of a call.
#[inline(always)]
pub const fn is_call(stamp: u64) -> bool {
    stamp > LEFT
}

/// Returns the nanoseconds from a stamp until now.
#[inline(always)]
pub const fn elapsed(stamp: u64, now: u64) -> u64 {
    (now << NR_BITS).wrapping_sub(stamp & !NR_MASK) >> NR_BITS
}
