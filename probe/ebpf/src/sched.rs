//! Threads that begin, load a program and end, and signals that arrive.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns},
    programs::BtfTracePointContext,
};
use scap_probe_common::{
    config::followed,
    spec::{MAX_MEMORY, spec_flag},
    stamp,
    wire::{LATENCY_UNKNOWN, RecordHeader, kind, tag},
};

use crate::{
    exit::wanted,
    fds,
    globals::{CLONES, FOLLOWED, SPECS, STAMPS, UNSEEN, config},
    read::field,
    reaper::adopter,
    ring::{Record, control, count},
};

const HEADER: u32 = size_of::<RecordHeader>() as u32;

/// An argument of the tracepoint.
#[inline(always)]
fn arg(ctx: &BtfTracePointContext, index: usize) -> u64 {
    // SAFETY: the verifier knows how many arguments the tracepoint has.
    unsafe { *(ctx.as_ptr() as *const u64).add(index) }
}

/// Starts a record of the current thread.
#[inline(always)]
unsafe fn begin(what: u8, need: u32, args: [u64; 2]) -> Option<Record> {
    // SAFETY: the helpers have no preconditions; the header is ours.
    unsafe {
        let now = bpf_ktime_get_boot_ns();
        let pid_tgid = bpf_get_current_pid_tgid();
        let pid = (pid_tgid >> 32) as u32;
        if pid == config!(own_pid) || !wanted(pid) {
            return None;
        }
        let record = Record::begin(need, now)?;
        let header = record.header();
        (*header).kind = what;
        (*header).flags = 0;
        (*header).nr = 0;
        (*header).tid = pid_tgid as u32;
        (*header).pid = pid;
        (*header).ts = now;
        (*header).latency = LATENCY_UNKNOWN;
        (*header).ret = 0;
        (*header).args[0] = args[0];
        (*header).args[1] = args[1];
        Some(record)
    }
}

#[inline(always)]
pub fn process_exec(ctx: &BtfTracePointContext) {
    // SAFETY: see `begin`.
    unsafe {
        // A thread that was not the leader has taken the leader's id: its stamp follows it.
        let old = arg(ctx, 1) as u32;
        let new = bpf_get_current_pid_tgid() as u32;
        if old != new
            && let Some(from) = STAMPS.get_ptr_mut(old)
            && let Some(to) = STAMPS.get_ptr_mut(new)
        {
            *to = *from;
            *from = 0;
        }
        if config!(follow) != 0
            && let Some(state) = FOLLOWED.get_ptr_mut(&((bpf_get_current_pid_tgid() >> 32) as u32))
        {
            *state = followed::RUNNING;
        }
        let Some(name) = field!(arg(ctx, 2), bprm_filename) else {
            return;
        };
        let need = HEADER + 8 + MAX_MEMORY as u32;
        if let Some(record) = begin(kind::EXECED, need, [0, 0]) {
            record.kernel_string(tag::MEMORY, 0, name);
            record.commit();
        }
    }
}

#[inline(always)]
pub fn new_task(ctx: &BtfTracePointContext) {
    // SAFETY: the helper has no preconditions.
    let pid_tgid = unsafe { bpf_get_current_pid_tgid() };
    if (pid_tgid >> 32) as u32 == config!(own_pid) {
        return;
    }
    let child: u32 = field!(arg(ctx, 0), task_pid).unwrap_or(0);
    let flags = arg(ctx, 1);
    // Without an entry the event lacks its flags, which is said there.
    let _ = CLONES.insert(&(pid_tgid as u32), &flags, 0);
    let _ = CLONES.insert(&child, &flags, 0);
    let process: u32 = field!(arg(ctx, 0), task_tgid).unwrap_or(0);
    fds::inherit((pid_tgid >> 32) as u32, process);
}

#[inline(always)]
pub fn process_fork(ctx: &BtfTracePointContext) {
    if config!(follow) == 0 {
        return;
    }
    let parent: u32 = field!(arg(ctx, 0), task_tgid).unwrap_or(0);
    let child: u32 = field!(arg(ctx, 1), task_tgid).unwrap_or(0);
    if FOLLOWED.get_ptr(&parent).is_some()
        && child != parent
        && FOLLOWED.insert(&child, &followed::RUNNING, 0).is_err()
        && let Some((_, control)) = control()
    {
        // SAFETY: it is this CPU's control block.
        unsafe { count!(control, map_full) };
    }
}

#[inline(always)]
pub fn process_exit(ctx: &BtfTracePointContext) {
    let task = arg(ctx, 0);
    // SAFETY: see `begin`.
    unsafe {
        let pid_tgid = bpf_get_current_pid_tgid();
        if let Some(stamp) = STAMPS.get_ptr_mut(pid_tgid as u32) {
            *stamp = 0;
        }
        let status: u32 = field!(task, task_exit_code).unwrap_or(0);
        let signal: u64 = field!(task, task_signal).unwrap_or(0);
        let live: u32 = field!(signal, signal_live).unwrap_or(1);
        let last = live == 0;
        if let Some(record) = begin(kind::EXIT, HEADER, [status as u64, last as u64]) {
            // The other threads of a process that goes on have the children of this one.
            let adopter = if last { adopter(task, signal) } else { 0 };
            (*record.header()).args[2] = adopter as u64;
            record.commit_header(3);
        }
        if last && let Some(unseen) = UNSEEN.get_ptr_mut((pid_tgid >> 32) as u32) {
            *unseen = 0;
        }
        if last && config!(follow) != 0 {
            let _ = FOLLOWED.remove(&((pid_tgid >> 32) as u32));
        }
    }
}

/// A thread is given another name: the task, the name.
#[inline(always)]
pub fn rename(ctx: &BtfTracePointContext) {
    let task = arg(ctx, 0);
    // SAFETY: see `begin`.
    unsafe {
        let pid_tgid = bpf_get_current_pid_tgid();
        let call = STAMPS.get_ptr(pid_tgid as u32).map_or(0, |stamp| *stamp);
        if let Some(spec) = SPECS.get(stamp::place(call))
            && stamp::is_call(call)
            && spec.flags & spec_flag::SAYS_COMM != 0
        {
            return;
        }
        // A thread of the kernel has no memory of its own.
        let mm: u64 = field!(task, task_mm).unwrap_or(0);
        if mm == 0 {
            return;
        }
        if let Some(record) = begin(kind::COMM, HEADER + 24, [0, 0]) {
            let header = record.header();
            (*header).tid = field!(task, task_pid).unwrap_or(pid_tgid as u32);
            (*header).pid = field!(task, task_tgid).unwrap_or((pid_tgid >> 32) as u32);
            record.kernel(tag::MEMORY, 0, arg(ctx, 1), 16, 16);
            record.commit();
        }
    }
}

#[inline(always)]
pub fn signal_deliver(ctx: &BtfTracePointContext) {
    let info = arg(ctx, 1);
    // The sender is known only for signals that a process sent (SI_USER, SI_QUEUE, SI_TKILL) and
    // for SIGCHLD; for the rest the place holds something else.
    let code: i32 = field!(info, siginfo_code).unwrap_or(1);
    let signal = arg(ctx, 0) as u32;
    const SIGCHLD: u32 = 17;
    let sender: u32 = if code <= 0 || signal == SIGCHLD {
        field!(info, siginfo_pid).unwrap_or(0)
    } else {
        0
    };
    // SAFETY: see `begin`.
    unsafe {
        if let Some(record) = begin(kind::SIGNAL, HEADER, [signal as u64, sender as u64]) {
            record.commit_header(2);
        }
    }
}
