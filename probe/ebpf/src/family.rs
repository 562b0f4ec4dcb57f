//! The families that fetch what the table of operations says.

use aya_ebpf::programs::BtfTracePointContext;
use scap_probe_common::{
    spec::{MAX_MEMORY, MAX_OPS, ON_SUCCESS, Op, QUIET, SyscallSpec, family, op},
    wire::{ARG_RET, FileFacts, RecordHeader, item_flag, record_flag, tag},
};

use crate::{
    globals::{FAMILIES, SPECS, config},
    read::{self, field},
    ring::Record,
    socket, task,
};

/// Elements of a vector that are followed.
const MAX_VECTOR: u64 = 16;
/// Messages of one sendmmsg or recvmmsg that are followed.
const MAX_MESSAGES: u32 = 16;

/// The value of an argument, or of the result.
#[inline(always)]
fn value(header: *const RecordHeader, arg: u8) -> u64 {
    // SAFETY: the header is initialised.
    unsafe {
        match arg {
            0 => (*header).args[0],
            1 => (*header).args[1],
            2 => (*header).args[2],
            3 => (*header).args[3],
            4 => (*header).args[4],
            5 => (*header).args[5],
            _ => (*header).ret as u64,
        }
    }
}

/// How many bytes of data the call moved, or was to move.
#[inline(always)]
fn data_len(header: *const RecordHeader, op: &Op) -> u64 {
    // SAFETY: the header is initialised.
    let ret = unsafe { (*header).ret };
    if ret >= 0 {
        ret as u64
    } else if op.code == op::DATA_IN {
        value(header, op.n as u8)
    } else {
        0
    }
}

#[inline(always)]
fn spec(header: *const RecordHeader) -> Option<&'static SyscallSpec> {
    // SAFETY: the header is initialised.
    SPECS.get(unsafe { (*header).nr } as u32)
}

/// Runs the operations of the call in order.
#[inline(always)]
pub fn ops() {
    let Some(record) = Record::resume() else {
        return;
    };
    let header = record.header();
    let Some(spec) = spec(header) else {
        return record.commit();
    };
    let failed = unsafe { (*header).ret } < 0;
    const MEMORY: u32 = MAX_MEMORY as u32;
    for index in 0..MAX_OPS {
        if index >= spec.count as usize {
            break;
        }
        let op = &spec.ops[index];
        if op.when & ON_SUCCESS != 0 && failed {
            continue;
        }
        let quiet = op.when & QUIET != 0;
        let pointer = value(header, op.arg);
        match op.code {
            op::FILE_AT | op::SOCKET_AT => {
                let fd = read::user::<u32>(pointer).unwrap_or(u32::MAX) as u64;
                if op.code == op::FILE_AT {
                    file(&record, op.arg, fd);
                } else {
                    socket::facts(&record, op.arg, fd);
                }
            }
            op::FILE => file(&record, op.arg, pointer),
            op::SOCKET => socket::facts(&record, op.arg, pointer),
            op::VM => task::vm(&record),
            _ if pointer == 0 => {}
            op::STRING => record.user_string(tag::MEMORY, op.arg, pointer, quiet),
            op::DATA_OUT | op::DATA_IN => {
                let len = data_len(header, op);
                if len != 0 {
                    record.user(tag::DATA, op.arg, pointer, len, config!(snaplen), quiet);
                }
            }
            code => {
                let len = match code {
                    op::FIXED => op.n as u64,
                    op::SIZED => value(header, op.n as u8),
                    op::SIZED_BY_POINTER => {
                        read::user::<u32>(value(header, op.n as u8)).unwrap_or(0) as u64
                    }
                    op::ARRAY => {
                        let count = value(header, (op.n & 0xfff) as u8);
                        count.min(MAX_MEMORY as u64) * (op.n >> 12) as u64
                    }
                    op::SIZED_BY_RESULT => value(header, ARG_RET),
                    _ => 0,
                };
                if len != 0 {
                    record.user(tag::MEMORY, op.arg, pointer, len, MEMORY, quiet);
                }
            }
        }
    }
    record.commit();
}

/// Data in a vector of buffers.
#[inline(always)]
pub fn vector() {
    let Some(record) = Record::resume() else {
        return;
    };
    let header = record.header();
    let Some(spec) = spec(header) else {
        return record.commit();
    };
    let op = &spec.ops[0];
    let ret = unsafe { (*header).ret };
    let vector = value(header, op.arg);
    let count = value(header, op.n as u8);
    let total = match ret {
        0.. => ret as u64,
        _ if op.code == op::VECTOR_IN => u64::MAX,
        _ => 0,
    };
    gather(&record, op.arg, vector, count, total);
    record.commit();
}

/// Appends what the buffers of a vector hold, at most `total` bytes and the snaplen, and how much
/// room they have.
#[inline(always)]
fn gather(record: &Record, arg: u8, vector: u64, count: u64, total: u64) {
    let snaplen = config!(snaplen);
    let Some(mut pieces) = record.pieces(2 * snaplen) else {
        return;
    };
    let mut bytes = 0u64;
    for index in 0..MAX_VECTOR {
        if index >= count {
            break;
        }
        let Some([base, len]) = read::user::<[u64; 2]>(vector + index * 16) else {
            pieces.flags |= item_flag::FAULT;
            record.flag(record_flag::FAULT);
            break;
        };
        bytes += len;
        let kept = pieces.len();
        if kept as u64 >= total || kept > snaplen || pieces.flags & item_flag::FAULT != 0 {
            continue;
        }
        let mut len = len.min(total - kept as u64);
        let room = (snaplen - kept) as u64;
        if len > room {
            len = room;
            pieces.flags |= item_flag::TRUNCATED;
        }
        if len != 0 {
            pieces.user(base, len as u32, snaplen);
        }
    }
    pieces.finish(tag::DATA, arg);
    if count <= MAX_VECTOR {
        // SAFETY: `to` is room for a word in the ring.
        record.structure(tag::VECTOR_BYTES, arg, |to: *mut u64| unsafe {
            *to = bytes
        });
    } else {
        record.flag(record_flag::SHORT);
    }
}

/// `struct user_msghdr` of a 64-bit caller.
#[repr(C)]
#[derive(Clone, Copy)]
struct MessageHeader {
    name: u64,
    name_len: u64,
    vector: u64,
    vector_len: u64,
    control: u64,
    control_len: u64,
    flags: u64,
}

/// sendmsg, recvmsg and their plurals: one message, and then this program again for the next.
#[inline(always)]
pub fn message(ctx: &BtfTracePointContext) {
    let Some(record) = Record::resume() else {
        return;
    };
    let header = record.header();
    let Some(spec) = spec(header) else {
        return record.commit();
    };
    let op = &spec.ops[0];
    let out = op.code == op::MESSAGE_OUT;
    // SAFETY: the header is initialised.
    let ret = unsafe { (*header).ret };
    let index = record.step();
    if index == 0 {
        socket::facts(&record, 0, value(header, 0));
    }
    if out && ret < 0 {
        return record.commit();
    }
    // `n` != 0: an array of headers, each followed by the length that was moved.
    let many = op.n != 0;
    let address = value(header, op.arg) + index as u64 * if many { 64 } else { 0 };
    let Some(message) = read::user::<MessageHeader>(address) else {
        record.flag(record_flag::FAULT);
        return record.commit();
    };
    let total = if ret < 0 {
        u64::MAX
    } else if many {
        read::user::<u32>(address + 56).unwrap_or(0) as u64
    } else {
        ret as u64
    };
    let name_len = message.name_len as u32 as u64;
    if message.name != 0 && name_len != 0 {
        record.user(
            tag::MESSAGE_NAME,
            index as u8,
            message.name,
            name_len,
            128,
            true,
        );
    }
    if out && message.control != 0 && message.control_len != 0 {
        record.user(
            tag::CONTROL,
            index as u8,
            message.control,
            message.control_len,
            256,
            true,
        );
    }
    gather(
        &record,
        index as u8,
        message.vector,
        message.vector_len,
        total,
    );
    if many && ret > index as i64 + 1 {
        if index < MAX_MESSAGES {
            // SAFETY: the program takes the same context.
            unsafe { FAMILIES.tail_call(ctx, family::MESSAGE as u32) };
        }
        record.flag(record_flag::SHORT);
    }
    record.commit();
}

/// Address of the file behind a descriptor of the caller.
#[inline(always)]
pub fn file_of(fd: u64) -> Option<u64> {
    let files: u64 = field!(read::current(), task_files)?;
    let table: u64 = field!(files, files_fdt)?;
    let max: u32 = field!(table, fdt_max)?;
    if fd >= max as u64 {
        return None;
    }
    let slots: u64 = field!(table, fdt_fd)?;
    let file: u64 = read::kernel(slots + fd * 8)?;
    // The low bits of a slot are flags on some kernels.
    if file == 0 { None } else { Some(file) }
}

/// Appends the facts of an open file.
#[inline(always)]
fn file(record: &Record, arg: u8, fd: u64) {
    let Some(file) = file_of(fd) else { return };
    let Some(inode) = field!(file, file_inode) else {
        return;
    };
    let inode: u64 = inode;
    let superblock: u64 = field!(inode, inode_sb).unwrap_or(0);
    record.structure(tag::FILE, arg, |facts: *mut FileFacts| unsafe {
        (*facts).ino = field!(inode, inode_ino).unwrap_or(0);
        (*facts).dev = field!(superblock, sb_dev).unwrap_or(0);
        let mode: u16 = field!(inode, inode_mode).unwrap_or(0);
        (*facts).mode = mode as u32;
        (*facts).f_mode = field!(file, file_mode).unwrap_or(0);
        (*facts).f_flags = field!(file, file_flags).unwrap_or(0);
    });
}
