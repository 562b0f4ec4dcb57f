//! Return of a syscall: is it wanted, the fixed part of its record, and on to its family.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_comm,
        generated::{bpf_get_current_pid_tgid, bpf_get_current_task_btf, bpf_ktime_get_boot_ns},
    },
    programs::BtfTracePointContext,
};
use scap_probe_common::{
    config::{MISSING, filter, followed},
    spec::{SyscallSpec, family, op, spec_flag},
    wire::{kind, record_flag, tag},
};

use crate::{
    cgroup, enter,
    globals::{COMMS, FAMILIES, FOLLOWED, PIDS, SPECS, config, offset},
    read,
    ring::{Record, control, count},
};

/// `thread_info::status` bit of a call through the 32-bit entry.
// linux v6.12 arch/x86/include/asm/thread_info.h: TS_COMPAT
const TS_COMPAT: u32 = 2;
/// Bit that marks a number of the x32 table.
const X32_BIT: u64 = 0x4000_0000;
/// `nr` of a record whose number is not known.
pub const NR_UNKNOWN: u16 = u16::MAX;

#[inline(always)]
pub fn sys_exit(ctx: &BtfTracePointContext) {
    // SAFETY: the tracepoint's arguments are the saved registers and the result; the verifier
    // knows the type of the first and checks every load through it.
    unsafe {
        let now = bpf_ktime_get_boot_ns();
        let Current { pid, tid, compat } = current();
        if pid == config!(own_pid) {
            return;
        }
        let ctx_args = ctx.as_ptr() as *const u64;
        let regs = *ctx_args as *const u8;
        let entry = enter::take(tid, now);

        let mut nr = *(regs.add(offset!(regs_nr) as usize) as *const u64);
        let mut flags = 0u8;
        if compat {
            flags = record_flag::IA32;
        } else if nr & X32_BIT != 0 && nr as i64 > 0 {
            flags = record_flag::X32;
            nr &= !X32_BIT;
        }
        if nr as i64 == -1 {
            // The handler's return replaced the registers (rt_sigreturn), or the call was skipped.
            nr = entry.nr;
        }

        // Numbers of the other tables must not be looked up in this one.
        let index = if flags == 0 { nr as u32 } else { u32::MAX };
        let spec = SPECS.get_ptr(index);
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
        let ret = *ctx_args.add(1) as i64;
        (*header).ret = ret;
        let arg = |offset: u32| *(regs.add(offset as usize) as *const u64);
        (*header).args[0] = arg(offset!(regs_arg0));
        let buffer = arg(offset!(regs_arg1));
        (*header).args[1] = buffer;
        let size = arg(offset!(regs_arg2));
        (*header).args[2] = size;
        (*header).args[3] = arg(offset!(regs_arg3));
        (*header).args[4] = arg(offset!(regs_arg4));
        (*header).args[5] = arg(offset!(regs_arg5));

        let Some(spec) = spec else {
            return record.commit_header(6);
        };
        match (*spec).family {
            family::NONE => record.commit_header((*spec).args),
            family::DATA => {
                // read(fd, buffer, size) and its like are too common for another program.
                let len = if ret >= 0 {
                    ret as u64
                } else if (*spec).ops[0].code == op::DATA_IN {
                    size
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

/// Who makes the call, and through which entry.
struct Current {
    pid: u32,
    tid: u32,
    compat: bool,
}

/// One call of a helper where the kernel can hand out a typed pointer, three where it cannot.
#[inline(always)]
unsafe fn current() -> Current {
    let (tid, pid) = (offset!(task_pid), offset!(task_tgid));
    let status = offset!(task_status);
    if config!(has_task_btf) != 0 && tid != MISSING && pid != MISSING {
        // SAFETY: the verifier knows the pointer's type and checks the loads.
        unsafe {
            let task = bpf_get_current_task_btf() as *const u8;
            let load = |offset: u32| *(task.add(offset as usize) as *const u32);
            return Current {
                tid: load(tid),
                pid: load(pid),
                compat: status != MISSING && load(status) & TS_COMPAT != 0,
            };
        }
    }
    // SAFETY: the helper has no preconditions.
    let pid_tgid = unsafe { bpf_get_current_pid_tgid() };
    Current {
        tid: pid_tgid as u32,
        pid: (pid_tgid >> 32) as u32,
        compat: read::member::<u32>(read::current(), status).unwrap_or(0) & TS_COMPAT != 0,
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
