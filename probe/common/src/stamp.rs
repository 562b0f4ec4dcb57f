//! Stamps: which syscall a thread is in, and since when. The probe writes one on entry, per thread id, and takes it on
//! exit; the recorder reads those that are left when a recording ends.
//!
//! The low [`NR_BITS`] bits are the syscall number, the others the low 54 bits of the boot clock in nanoseconds, so that
//! latencies are right for 208 days. 0 = the thread is in no call.

/// Bits of a stamp that hold the syscall number.
pub const NR_BITS: u32 = 10;

const NR_MASK: u64 = (1 << NR_BITS) - 1;

/// Makes the stamp of a call that enters now.
#[inline(always)]
pub const fn pack(now: u64, nr: u64) -> u64 {
    (now << NR_BITS) | (nr & NR_MASK)
}

/// Returns the syscall number of a stamp.
#[inline(always)]
pub const fn nr(stamp: u64) -> u64 {
    stamp & NR_MASK
}

/// Returns the nanoseconds from a stamp until now.
#[inline(always)]
pub const fn elapsed(stamp: u64, now: u64) -> u64 {
    (now << NR_BITS).wrapping_sub(stamp & !NR_MASK) >> NR_BITS
}
