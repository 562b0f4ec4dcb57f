//! Entry of a syscall: stamp the time, nothing else.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_ktime_get_boot_ns, programs::BtfTracePointContext,
};

use scap_probe_common::{
    spec::{self, ABI_ENTRIES},
    stamp,
    wire::LATENCY_UNKNOWN,
};

use crate::{globals::STAMPS, task::caller};

#[inline(always)]
pub fn sys_enter(ctx: &BtfTracePointContext) {
    // SAFETY: the helpers have no preconditions; the second argument of the tracepoint is a long.
    unsafe {
        let caller = caller();
        let Some(stamp) = STAMPS.get_ptr_mut(caller.tid) else {
            return;
        };
        let nr = *(ctx.as_ptr() as *const u64).add(1);
        let place = spec::place(spec::without_x32(nr), caller.is_ia32);
        core::ptr::write_volatile(stamp, stamp::pack(bpf_ktime_get_boot_ns(), place));
    }
}

/// When and how a call began.
pub struct Entry {
    /// Nanoseconds since then, or [`LATENCY_UNKNOWN`].
    pub latency: u64,
    /// The number of the call in its ABI, or [`NR_UNKNOWN`].
    pub nr: u64,
    /// The call never began.
    pub was_stopped: bool,
}

/// A number that no call has.
pub const NR_UNKNOWN: u64 = ABI_ENTRIES as u64 - 1;

/// Takes the stamp of a thread.
///
/// No `Option`: the compiler keeps its content on the stack where there is none, and loads it from there
/// unwritten, which verifiers before Linux 6.3 refuse.
#[inline(always)]
pub fn take(tid: u32, now: u64) -> Entry {
    let mut found = Entry {
        latency: LATENCY_UNKNOWN,
        nr: NR_UNKNOWN,
        was_stopped: false,
    };
    let Some(place) = STAMPS.get_ptr_mut(tid) else {
        return found;
    };
    // SAFETY: `place` points into the map.
    let entry = unsafe { core::ptr::read_volatile(place) };
    if stamp::is_call(entry) {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(place, stamp::LEFT) };
        found.latency = stamp::elapsed(entry, now);
        found.nr = stamp::place(entry) as u64 % ABI_ENTRIES as u64;
    } else {
        found.was_stopped = entry == stamp::LEFT;
    }
    found
}
