//! What any recorder has to pay at least: hooks that do nothing, and one record of 64 bytes for
//! each call through the kernel's own ring buffer. Only the benchmarks load this.
#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{map, raw_tracepoint},
    maps::RingBuf,
    programs::RawTracePointContext,
};

#[map]
static RING: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

#[raw_tracepoint(tracepoint = "sys_enter")]
fn empty_enter(_ctx: RawTracePointContext) -> i32 {
    0
}

#[raw_tracepoint(tracepoint = "sys_exit")]
fn empty_exit(_ctx: RawTracePointContext) -> i32 {
    0
}

#[raw_tracepoint(tracepoint = "sys_exit")]
fn record_exit(_ctx: RawTracePointContext) -> i32 {
    /// No wake-up: the reader polls.
    const BPF_RB_NO_WAKEUP: u64 = 1;
    if let Some(mut entry) = RING.reserve::<[u64; 8]>(0) {
        entry.write([0; 8]);
        entry.submit(BPF_RB_NO_WAKEUP);
    }
    0
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
