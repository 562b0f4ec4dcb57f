//! Entry of a syscall: stamp the time, nothing else.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns},
    programs::BtfTracePointContext,
};

use crate::globals::STAMPS;

/// Bits of a stamp that hold the syscall number.
pub const NR_BITS: u32 = 10;
const NR_MASK: u64 = (1 << NR_BITS) - 1;

#[inline(always)]
pub fn sys_enter(ctx: &BtfTracePointContext) {
    // SAFETY: the helpers have no preconditions; the second argument of the tracepoint is a long.
    unsafe {
        let tid = bpf_get_current_pid_tgid() as u32;
        let Some(stamp) = STAMPS.get_ptr_mut(tid) else {
            return;
        };
        let nr = *(ctx.as_ptr() as *const u64).add(1);
        core::ptr::write_volatile(stamp, (bpf_ktime_get_boot_ns() << NR_BITS) | (nr & NR_MASK));
    }
}

/// Takes the stamp of a thread: latency and syscall number, if its entry was seen.
#[inline(always)]
pub fn take(tid: u32, now: u64) -> Option<(u64, u16)> {
    let stamp = STAMPS.get_ptr_mut(tid)?;
    // SAFETY: `stamp` points into the map.
    let entry = unsafe { core::ptr::read_volatile(stamp) };
    if entry == 0 {
        return None;
    }
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(stamp, 0) };
    // Only the low 54 bits of the time are kept; the difference is right for 208 days.
    let latency = (now << NR_BITS).wrapping_sub(entry & !NR_MASK) >> NR_BITS;
    Some((latency, (entry & NR_MASK) as u16))
}
