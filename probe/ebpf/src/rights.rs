//! Fds that a call returned, or that came with its messages. Programs of their own, after the record of the call:
//! the kernel limits the stack of one program and what it calls.

use aya_ebpf::{EbpfContext as _, programs::BtfTracePointContext};
use scap_probe_common::{
    spec::{self, MAX_OPS, family, op},
    wire::record_flag,
};

use crate::{
    family::{MAX_MESSAGES, MessageHeader, message_bytes},
    fds,
    global::{GO_ON, STOP, each},
    globals::{SPECS, offset},
    read,
    task::caller,
};

/// Says what the fd is that the call returns.
#[inline(always)]
pub fn returned(ctx: &BtfTracePointContext) {
    // SAFETY: the tracepoint's arguments are the saved registers and the result.
    unsafe {
        let args = ctx.as_ptr() as *const u64;
        let regs = *args as *const u8;
        let is_ia32 = caller().is_ia32;
        let nr = *(regs.add(offset!(regs_nr) as usize) as *const u64);
        let request = if is_ia32 {
            *(regs.add(offset!(regs_arg1_ia32) as usize) as *const u64)
        } else {
            *(regs.add(offset!(regs_arg1) as usize) as *const u64)
        };
        let Some(spec) = SPECS.get(spec::place(spec::without_x32(nr), is_ia32)) else {
            return;
        };
        if spec.family == family::CLONE {
            // clone3 has the pointer in a structure, clone where it otherwise has that of the tid.
            let pointer = if spec.ops[0].n != 0 {
                let first = if is_ia32 {
                    offset!(regs_arg0_ia32)
                } else {
                    offset!(regs_arg0)
                };
                read::user(*(regs.add(first as usize) as *const u64) + 8).unwrap_or(0)
            } else {
                *(regs.add(offset!(regs_arg2) as usize) as *const u64)
            };
            if let Some(fd) = read::user::<u32>(pointer) {
                fds::tell_fd(fd as u64, fds::NEW_PIDFD);
            }
            return;
        }
        let last = &spec.ops[MAX_OPS - 1];
        if last.code == op::NEW_FD_AT {
            let pointer = if is_ia32 {
                *(regs.add(offset!(regs_arg1) as usize) as *const u64) & 0xffff_ffff
            } else {
                *(regs.add(offset!(regs_arg3) as usize) as *const u64)
            };
            if let Some(fd) = read::user::<u32>(pointer) {
                fds::tell_fd(fd as u64, fds::NEW_PIDFD);
            }
            return;
        }
        // The result of an ioctl can be any number; that of some requests is a new fd.
        let new = last.n;
        let is_new = new == 0 || request as u32 == new;
        fds::tell_fd(*args.add(1), if is_new { fds::NEW } else { fds::OLD });
    }
}

/// Says what the fds are that came with the messages of the call that returns.
#[inline(always)]
pub fn received(ctx: &BtfTracePointContext) {
    // SAFETY: the tracepoint's arguments are the saved registers and the result.
    unsafe {
        let args = ctx.as_ptr() as *const u64;
        let regs = *args as *const u8;
        let ret = *args.add(1);
        let is_ia32 = caller().is_ia32;
        let nr = *(regs.add(offset!(regs_nr) as usize) as *const u64);
        let mut place = spec::place(spec::without_x32(nr), is_ia32);
        let mut address = *(regs.add(offset!(regs_arg1) as usize) as *const u64);
        let mut width = 8;
        if is_ia32 {
            width = read::pointer_bytes(record_flag::IA32);
            address = *(regs.add(offset!(regs_arg1_ia32) as usize) as *const u64) & 0xffff_ffff;
        }
        if let Some(spec) = SPECS.get(place)
            && spec.family == family::SOCKETCALL
        {
            let number = *(regs.add(offset!(regs_arg0_ia32) as usize) as *const u64);
            place = spec::place(spec::SOCKETCALL_AT as u64 + number, true);
            address = read::user::<u32>(address + 4).unwrap_or(0) as u64;
        }
        let Some(spec) = SPECS.get(place) else {
            return;
        };
        let is_plural = spec.ops[0].n != 0;
        let (stride, count) = if is_plural {
            (message_bytes(width), ret)
        } else {
            (0, 1)
        };
        // In blocks: the verifier goes through each loop once for every way round it.
        each(MAX_MESSAGES / BLOCK, |block| {
            let done = block * BLOCK;
            if done >= count {
                return STOP;
            }
            received_block(address + done * stride, stride, width, count - done)
        });
    }
}

/// Messages of one block, and fds.
const BLOCK: u64 = 16;

/// Says what the fds are that came with the messages of a block.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn received_block(address: u64, stride: u64, width: u64, count: u64) -> u64 {
    each(BLOCK, |index| {
        if index >= count {
            return STOP;
        }
        received_with(address + index * stride, width)
    })
}

/// The most control messages of one message that are looked at for fds.
const MAX_CONTROLS: u64 = 3;
/// The most fds in one control message (`SCM_MAX_FD`, 253), in whole blocks.
const MAX_RIGHTS: u64 = 256;

/// Says what the fds are that came with one message.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn received_with(address: u64, width: u64) -> u64 {
    const SOL_SOCKET: u32 = 1;
    const SCM_RIGHTS: u32 = 1;
    const SCM_PIDFD: u32 = 4;
    let Some(message) = MessageHeader::read(address, width) else {
        return GO_ON;
    };
    let end = message.control + message.control_len;
    let mut at = message.control;
    each(MAX_CONTROLS, |_| {
        let head = width + 8;
        if at + head > end {
            return STOP;
        }
        // `struct cmsghdr`: length with the header, as wide as a pointer, level, type.
        let len = read::user_word(at, width).unwrap_or(0);
        let [level, what] = read::user::<[u32; 2]>(at + width).unwrap_or([0, 0]);
        if len < head || len > end - at {
            return STOP;
        }
        if level == SOL_SOCKET && (what == SCM_RIGHTS || what == SCM_PIDFD) {
            let hint = if what == SCM_PIDFD {
                fds::NEW_PIDFD
            } else {
                fds::NEW
            };
            rights(at + head, (len - head) / 4, hint);
        }
        at += len + (width - 1) & !(width - 1);
        GO_ON
    });
    GO_ON
}

/// Says what the fds in a list are.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rights(list: u64, count: u64, hint: u64) -> u64 {
    each(MAX_RIGHTS / BLOCK, |block| {
        let done = block * BLOCK;
        if done >= count {
            return STOP;
        }
        rights_block(list + done * 4, count - done, hint)
    })
}

/// Says what the fds of a block are.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rights_block(list: u64, count: u64, hint: u64) -> u64 {
    each(BLOCK, |index| {
        if index >= count {
            return STOP;
        }
        if let Some(fd) = read::user::<u32>(list + index * 4) {
            fds::tell_fd(fd as u64, hint);
        }
        GO_ON
    })
}

