//! The kernel side of scap: one record for every syscall that returns, with its latency, and for
//! every signal and thread end, into a ring per CPU.
//!
//! `sys_enter` only stamps the time. `sys_exit` decides whether the call is wanted, writes the
//! fixed part of the record straight into the ring, and, if the table says that there is more to
//! fetch, goes on in the program of the call's family. Nothing here knows a syscall by its name.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod cgroup;
mod enter;
mod exit;
mod family;
mod fds;
mod global;
mod globals;
mod inputs;
mod path;
mod read;
mod reaper;
mod rights;
mod ring;
mod sched;
mod socket;
mod task;


use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

#[btf_tracepoint(function = "sys_enter")]
fn sys_enter(ctx: BtfTracePointContext) {
    enter::sys_enter(&ctx);
}

#[btf_tracepoint(function = "sys_enter")]
fn enter_more(ctx: BtfTracePointContext) {
    enter::more(&ctx);
}

#[btf_tracepoint(function = "sys_exit")]
fn sys_exit(ctx: BtfTracePointContext) {
    exit::sys_exit(&ctx);
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_ops(ctx: BtfTracePointContext) {
    let next = family::ops();
    if next != scap_probe_common::spec::family::NONE {
        go_on(&ctx, next);
    }
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_directories(_ctx: BtfTracePointContext) {
    path::directories();
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_new_fd(ctx: BtfTracePointContext) {
    rights::returned(&ctx);
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_vector(_ctx: BtfTracePointContext) {
    family::vector();
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_message(ctx: BtfTracePointContext) {
    if family::messages() {
        go_on(&ctx, scap_probe_common::spec::family::RIGHTS);
    }
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_rights(ctx: BtfTracePointContext) {
    rights::received(&ctx);
}

/// Goes on with the program of a family.
#[inline(always)]
fn go_on(ctx: &BtfTracePointContext, family: u8) {
    // SAFETY: a program that is there or not; both return.
    unsafe { globals::FAMILIES.tail_call(ctx, family as u32) };
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_socketcall(ctx: BtfTracePointContext) {
    let family = family::socketcall();
    if family != scap_probe_common::spec::family::NONE {
        go_on(&ctx, family);
    }
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_clone(ctx: BtfTracePointContext) {
    let next = task::clone();
    if next != scap_probe_common::spec::family::NONE {
        go_on(&ctx, next);
    }
}

#[btf_tracepoint(function = "sys_exit")]
fn exit_exec(_ctx: BtfTracePointContext) {
    task::exec();
}

#[btf_tracepoint(function = "sched_process_exec")]
fn sched_process_exec(ctx: BtfTracePointContext) {
    sched::process_exec(&ctx);
}

#[btf_tracepoint(function = "task_newtask")]
fn task_newtask(ctx: BtfTracePointContext) {
    sched::new_task(&ctx);
}

#[btf_tracepoint(function = "sched_process_fork")]
fn sched_process_fork(ctx: BtfTracePointContext) {
    sched::process_fork(&ctx);
}

#[btf_tracepoint(function = "sched_process_exit")]
fn sched_process_exit(ctx: BtfTracePointContext) {
    sched::process_exit(&ctx);
}

#[btf_tracepoint(function = "cgroup_attach_task")]
fn cgroup_attach_task(ctx: BtfTracePointContext) {
    cgroup::attached(&ctx);
}

#[btf_tracepoint(function = "task_rename")]
fn task_rename(ctx: BtfTracePointContext) {
    sched::rename(&ctx);
}

#[btf_tracepoint(function = "signal_deliver")]
fn signal_deliver(ctx: BtfTracePointContext) {
    sched::signal_deliver(&ctx);
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier would refuse a program in which this could be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
