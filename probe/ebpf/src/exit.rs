//! Return of a syscall: is it wanted, the fixed part of its record, and on to its family.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_comm,
        generated::bpf_ktime_get_boot_ns,
    },
    programs::BtfTracePointContext,
};
use scap_probe_common::{
    config::{filter, followed},
    spec::{self, SyscallSpec, family, op, spec_flag},
    wire::{NO_RESULT, kind, record_flag, tag},
};

use crate::{
    cgroup, enter, fds,
    globals::{COMMS, FAMILIES, FOLLOWED, PIDS, SPECS, config, offset},
    ring::{Record, control, count},
    task::{Caller, caller},
};

#[inline(always)]
pub fn sys_exit(ctx: &BtfTracePointContext) {
    // SAFETY: the tracepoint's arguments are the saved registers and the result; the verifier
    // knows the type of the first and checks every load through it.
    unsafe {
        let now = bpf_ktime_get_boot_ns();
        let Caller { pid, tid, is_ia32 } = caller();
        if pid == config!(own_pid) {
            return;
        }
        let ctx_args = ctx.as_ptr() as *const u64;
        let regs = *ctx_args as *const u8;
        let entry = enter::take(tid, now);

        let mut nr = *(regs.add(offset!(regs_nr) as usize) as *const u64);
        let mut flags = 0u8;
        let mut ret = *ctx_args.add(1) as i64;
        if is_ia32 {
            flags = record_flag::IA32;
        } else if nr != spec::without_x32(nr) {
            flags = record_flag::X32;
            nr = spec::without_x32(nr);
        }
        if nr as i64 == -1 {
            // The return of a signal handler replaced the registers (rt_sigreturn), or a tracer
            // had the call skipped: what stands for the result is not the call's.
            nr = entry.nr;
            flags |= record_flag::NO_RESULT;
            ret = NO_RESULT;
        } else if entry.was_stopped && ret >= 0 {
            // Stopped by seccomp: the number itself stands for the result, or what a supervisor
            // wants the program to believe. An error is what the program sees.
            flags |= record_flag::NO_RESULT;
            ret = NO_RESULT;
        }

        let spec = SPECS.get_ptr(spec::place(nr, is_ia32));
        let excluded = matches!(spec, Some(spec) if (*spec).flags & spec_flag::EXCLUDED != 0);
        let left_out = |spec: *const SyscallSpec| (*spec).flags & spec_flag::STATE == 0;
        let excluded = excluded
            || config!(cgroup_filter) != 0
                && matches!(spec, Some(spec) if left_out(spec))
                && cgroup::is_out();
        if excluded || !wanted(pid) {
            if let Some((_, control)) = control() {
                count!(control, excluded);
            }
            return;
        }
        if matches!(spec, Some(spec) if (*spec).flags & spec_flag::CHANGES_FDS != 0) {
            fds::changed(pid);
        }
        let need = match spec {
            Some(spec) => (*spec).need,
            None => 88,
        };

        let Some(record) = Record::begin(need, now) else {
            return;
        };
        let header = record.header();
        (*header).kind = kind::SYSCALL;
        (*header).flags = flags;
        (*header).nr = nr as u16;
        (*header).tid = tid;
        (*header).pid = pid;
        (*header).ts = now;
        (*header).latency = entry.latency;
        (*header).ret = ret;
        arguments(regs, is_ia32, &raw mut (*header).args);

        let Some(spec) = spec else {
            return record.commit_header(6);
        };
        match (*spec).family {
            family::NONE => record.commit_header((*spec).args),
            family::DATA => {
                // read(fd, buffer, size) and its like are too common for another program.
                let buffer = (*header).args[1];
                let len = if ret >= 0 {
                    ret as u64
                } else if (*spec).ops[0].code == op::DATA_IN {
                    (*header).args[2]
                } else {
                    0
                };
                if len != 0 {
                    record.user(tag::DATA, 1, buffer, len, config!(snaplen), false);
                }
                record.commit();
            }
            family => {
                FAMILIES.tail_call(ctx, family as u32);
                record.commit_header(6);
            }
        }
    }
}

/// Writes the arguments of a call.
#[inline(always)]
pub unsafe fn arguments(regs: *const u8, is_ia32: bool, args: *mut [u64; 6]) {
    if is_ia32 {
        // SAFETY: the caller's promise.
        return unsafe { ia32_arguments(regs, args) };
    }
    // SAFETY: the verifier checks every load through the tracepoint's argument.
    let arg = |offset: u32| unsafe { *(regs.add(offset as usize) as *const u64) };
    let place = args.cast::<u64>();
    // SAFETY: the caller's promise.
    unsafe {
        *place = arg(offset!(regs_arg0));
        *place.add(1) = arg(offset!(regs_arg1));
        *place.add(2) = arg(offset!(regs_arg2));
        *place.add(3) = arg(offset!(regs_arg3));
        *place.add(4) = arg(offset!(regs_arg4));
        *place.add(5) = arg(offset!(regs_arg5));
    }
}

/// Arguments of a call through the 32-bit entry.
// linux v6.12 arch/x86/include/asm/syscall_wrapper.h: SC_IA32_REGS_TO_ARGS
#[inline(always)]
unsafe fn ia32_arguments(regs: *const u8, args: *mut [u64; 6]) {
    // SAFETY: the verifier checks every load through the tracepoint's argument.
    let arg = |offset: u32| unsafe { *(regs.add(offset as usize) as *const u32) as u64 };
    let place = args.cast::<u64>();
    // SAFETY: the caller's promise.
    unsafe {
        *place = arg(offset!(regs_arg0_ia32));
        *place.add(1) = arg(offset!(regs_arg1_ia32));
        *place.add(2) = arg(offset!(regs_arg2));
        *place.add(3) = arg(offset!(regs_arg1));
        *place.add(4) = arg(offset!(regs_arg0));
        *place.add(5) = arg(offset!(regs_arg5_ia32));
    }
}

/// Whether the exclusions of this recording leave the current task, of this process, in.
#[inline(always)]
pub fn wanted(pid: u32) -> bool {
    if !wanted_process(pid) {
        return false;
    }
    let mode = config!(comm_filter);
    if mode != filter::OFF {
        let Ok(comm) = bpf_get_current_comm() else {
            return true;
        };
        if COMMS.get_ptr(&comm).is_some() != (mode == filter::INCLUDE) {
            return false;
        }
    }
    true
}

/// Whether the exclusions that go by the process leave this one in.
#[inline(always)]
pub fn wanted_process(pid: u32) -> bool {
    if config!(follow) != 0 {
        match FOLLOWED.get_ptr(&pid) {
            // SAFETY: the pointer is into the map.
            Some(state) if unsafe { *state } == followed::RUNNING => {}
            _ => return false,
        }
    }
    let mode = config!(pid_filter);
    mode == filter::OFF || PIDS.get_ptr(&pid).is_some() == (mode == filter::INCLUDE)
}
