//! Entry of a syscall: stamp the time, nothing else.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns},
    programs::BtfTracePointContext,
};

use scap_probe_common::{stamp, wire::LATENCY_UNKNOWN};

use crate::{exit::NR_UNKNOWN, globals::STAMPS};

#[inline(always)]
pub fn sys_enter(ctx: &BtfTracePointContext) {
    // SAFETY: the helpers have no preconditions; the second argument of the tracepoint is a long.
    unsafe {
        let tid = bpf_get_current_pid_tgid() as u32;
        let Some(place) = STAMPS.get_ptr_mut(tid) else {
            return;
        };
        let nr = *(ctx.as_ptr() as *const u64).add(1);
        core::ptr::write_volatile(place, stamp::pack(bpf_ktime_get_boot_ns(), nr));
    }
}

/// When and how a call began.
pub struct Entry {
    /// Nanoseconds since then, or [`LATENCY_UNKNOWN`].
    pub latency: u64,
    /// The number of the call, or [`NR_UNKNOWN`].
    pub nr: u64,
}

/// Takes the stamp of a thread.
///
/// No `Option`: the compiler keeps its content on the stack where there is none, and loads it from there
/// unwritten, which verifiers before Linux 6.3 refuse.
#[inline(always)]
pub fn take(tid: u32, now: u64) -> Entry {
    let mut found = Entry {
        latency: LATENCY_UNKNOWN,
        nr: NR_UNKNOWN as u64,
    };
    let Some(place) = STAMPS.get_ptr_mut(tid) else {
        return found;
    };
    // SAFETY: `place` points into the map.
    let entry = unsafe { core::ptr::read_volatile(place) };
    if entry != 0 {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(place, 0) };
        found.latency = stamp::elapsed(entry, now);
        found.nr = stamp::nr(entry);
    }
    found
}
