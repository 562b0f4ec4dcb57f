//! Entry of a syscall: stamp the time, nothing else.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_ktime_get_boot_ns, programs::BtfTracePointContext,
};

use scap_probe_common::{
    spec::{self, ABI_ENTRIES, spec_flag},
    stamp,
    wire::LATENCY_UNKNOWN,
};

use crate::{
    exit, fds,
    globals::{ENTRIES, SPECS, STAMPS, config},
    inputs,
    task::{Caller, caller},
};

#[inline(always)]
pub fn sys_enter(ctx: &BtfTracePointContext) {
    // SAFETY: the helpers have no preconditions; the second argument of the tracepoint is a long.
    unsafe {
        let caller = caller();
        let Some(stamp) = STAMPS.get_ptr_mut(caller.tid) else {
            return;
        };
        let place = place(ctx, &caller);
        core::ptr::write_volatile(stamp, stamp::pack(bpf_ktime_get_boot_ns(), place));
        let has_inputs =
            matches!(SPECS.get(place), Some(spec) if spec.flags & spec_flag::AT_ENTRY != 0);
        if has_inputs || fds::is_distrusted(caller.pid) {
            ENTRIES.tail_call(ctx, 0);
        }
    }
}

/// The place of the call that enters.
#[inline(always)]
unsafe fn place(ctx: &BtfTracePointContext, caller: &Caller) -> u32 {
    // SAFETY: the second argument of the tracepoint is a long.
    let nr = unsafe { *(ctx.as_ptr() as *const u64).add(1) };
    spec::place(spec::without_x32(nr), caller.is_ia32)
}

/// Goes on at the entry of a call that is given something in memory, or of a process whose fds can have changed
/// unseen.
#[inline(always)]
pub fn more(ctx: &BtfTracePointContext) {
    // SAFETY: the first argument of the tracepoint is the saved registers.
    unsafe {
        let caller = caller();
        if caller.pid == config!(own_pid) {
            return;
        }
        let place = place(ctx, &caller);
        let Some(spec) = SPECS.get(place) else {
            return;
        };
        if spec.flags & spec_flag::EXCLUDED != 0 {
            return;
        }
        let regs = *(ctx.as_ptr() as *const u64) as *const u8;
        let mut args = [0u64; 6];
        exit::arguments(regs, caller.is_ia32, &raw mut args);
        let Some(stamp) = STAMPS.get_ptr_mut(caller.tid) else {
            return;
        };
        if fds::is_distrusted(caller.pid) {
            fds::check(spec, args[0]);
            // The call begins after what was found.
            core::ptr::write_volatile(stamp, stamp::pack(bpf_ktime_get_boot_ns(), place));
        }
        if spec.flags & spec_flag::AT_ENTRY != 0 {
            let entered = stamp::time(core::ptr::read_volatile(stamp));
            inputs::fetch(spec, caller.tid, entered, |arg| match arg {
                0 => args[0],
                1 => args[1],
                2 => args[2],
                3 => args[3],
                4 => args[4],
                _ => args[5],
            });
        }
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
