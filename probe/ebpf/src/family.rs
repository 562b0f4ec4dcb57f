//! The families that fetch what the table of operations says.

use scap_probe_common::{
    spec::{
        MAX_MEMORY, MAX_OPS, ON_SUCCESS, Op, QUIET, SOCKETCALL_AT, SOCKETCALLS, SyscallSpec,
        family, op, place, spec_flag,
    },
    wire::{ARG_RET, FileFacts, RecordHeader, item_flag, record_flag, tag},
};

use crate::{
    fds,
    global::{GO_ON, STOP, each},
    globals::{SPECS, config},
    inputs,
    read::{self, field},
    ring::{Pieces, Record, forget},
    socket::socket_facts,
    task,
};

/// Elements of a vector that are followed; a multiple of [`BLOCK`].
const MAX_VECTOR: u64 = 256;
/// Elements of a vector that one call of [`vector_block`] follows.
const BLOCK: u64 = 4;
/// Messages of one sendmmsg or recvmmsg that are followed.
pub const MAX_MESSAGES: u64 = 128;
/// The most arguments of a call.
const MAX_ARGS: u64 = 6;
/// Word of [`Record::scratch`]: bytes of control messages, of one of the messages that had some.
const CONTROL_BYTES: usize = 1;
/// Word of [`Record::scratch`]: bytes that the buffers of a vector hold, so far.
const VECTOR_BYTES: usize = 0;

/// The value of an argument, or of the result.
#[inline(always)]
fn value(header: *const RecordHeader, arg: u8) -> u64 {
    // The compiler must not know the bounds: it would mask the index to the next power of two, and
    // the verifier would go by that.
    let arg = forget(arg as u64);
    // SAFETY: the header is initialised.
    unsafe {
        if arg >= ARG_RET as u64 {
            return (*header).ret as u64;
        }
        *(&raw const (*header).args).cast::<u64>().add(arg as usize)
    }
}

/// How many bytes of data the call moved, or was to move.
#[inline(always)]
fn data_len(header: *const RecordHeader, op: &Op) -> u64 {
    // SAFETY: the header is initialised.
    let ret = unsafe { (*header).ret };
    if op.code == op::DATA_IN && ret < 0 {
        value(header, op.n as u8)
    } else if ret >= 0 {
        // MSG_TRUNC makes recv return the length of a datagram that was longer than the buffer.
        (ret as u64).min(value(header, op.n as u8))
    } else {
        0
    }
}

#[inline(always)]
fn spec(header: *const RecordHeader) -> Option<&'static SyscallSpec> {
    // SAFETY: the header is initialised.
    SPECS.get(unsafe { (*header).place() })
}

/// Runs the operations of the call in order. Returns the family that goes on with what has a record of its own.
#[inline(always)]
pub fn ops() -> u8 {
    let Some(record) = Record::resume() else {
        return family::NONE;
    };
    let header = record.header();
    let Some(spec) = spec(header) else {
        record.commit();
        return family::NONE;
    };
    let count = spec.count as u64;
    if count != 0 {
        // Many calls have no other, which need not pay for a call and for finding the record again.
        run(&record, header, &spec.ops[0]);
    }
    each(MAX_OPS as u64 - 1, |before| {
        if before + 1 >= count {
            return STOP;
        }
        operation(before + 1)
    });
    // What the last operation is about has a record of its own, after this one.
    let ret = value(header, ARG_RET) as i64;
    if spec.flags & spec_flag::UNSEEN != 0 {
        // Only the listener of a filter, which seccomp returns, can add fds; children have the filter, too.
        let is_listener = spec.ops[MAX_OPS - 1].code == op::NEW_FD;
        if !is_listener || ret > 0 {
            // SAFETY: the header is initialised.
            fds::distrust(unsafe { (*header).pid }, is_listener);
        }
    }
    let next = match spec.ops[MAX_OPS - 1].code {
        op::NEW_FD if ret > 0 => family::NEW_FD,
        op::NEW_FD_AT if ret == 0 && value(header, 2) as u32 == spec.ops[MAX_OPS - 1].n => {
            family::NEW_FD
        }
        op::DIRECTORIES if ret == 0 => family::DIRECTORIES,
        _ => family::NONE,
    };
    record.commit();
    next
}

/// Runs one operation of the call.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn operation(index: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let header = record.header();
    if let Some(op) = spec(header).and_then(|spec| spec.ops.get(index as usize)) {
        run(&record, header, op);
    }
    GO_ON
}

#[inline(always)]
fn run(record: &Record, header: *const RecordHeader, op: &Op) {
    const MEMORY: u32 = MAX_MEMORY as u32;
    // SAFETY: the header is initialised.
    let failed = unsafe { (*header).ret } < 0;
    if op.when & ON_SUCCESS != 0 && failed {
        return;
    }
    let quiet = op.when & QUIET != 0;
    let pointer = value(header, op.arg);
    match op.code {
        op::FILE_AT | op::SOCKET_AT => {
            let fd = read::user::<u32>(pointer).unwrap_or(u32::MAX) as u64;
            if op.code == op::FILE_AT {
                file(record, op.arg, fd);
            } else {
                socket_facts(op.arg as u64, fd);
            }
        }
        op::FILE => file(record, op.arg, pointer),
        op::SOCKET => {
            socket_facts(op.arg as u64, pointer);
        }
        op::VM => task::vm(record),
        op::NEW_FD | op::NEW_FD_AT => {}
        op::OWNERS => task::owners(record),
        _ if pointer == 0 => {}
        _ if inputs::is_input(op) && inputs::append(record, header, op, pointer) => {}
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
    gather(&record, op.arg, vector, count, total, width(header));
    record.commit();
}

/// Appends what the buffers of a vector hold, at most `total` bytes and the snaplen, and how much
/// room they have.
#[inline(always)]
fn gather(record: &Record, arg: u8, vector: u64, count: u64, total: u64, width: u64) {
    let room = total.min(config!(snaplen) as u64) as u32;
    let Some(pieces) = record.pieces(room) else {
        return;
    };
    let bytes = record.scratch(VECTOR_BYTES);
    // SAFETY: the word is ours while the record is built.
    unsafe { *bytes = 0 };
    if vector_block(vector, count, total, pieces.place(), width) == GO_ON && count > BLOCK {
        vector_rest(vector, count, total, pieces.place(), width);
    }
    pieces.finish(tag::DATA, arg);
    if count <= MAX_VECTOR {
        // SAFETY: `to` is room for a word in the ring; `bytes` as above.
        record.structure(tag::VECTOR_BYTES, arg, |to: *mut u64| unsafe {
            *to = *bytes;
        });
    } else {
        record.flag(record_flag::SHORT);
    }
}

/// What follows the first [`BLOCK`] elements of a vector. The verifier goes through what comes after a
/// loop once for each way out of it, so nothing does here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn vector_rest(vector: u64, count: u64, total: u64, place: u64, width: u64) -> u64 {
    each(MAX_VECTOR / BLOCK - 1, |before| {
        let done = (before + 1) * BLOCK;
        if done >= count {
            return STOP;
        }
        let rest = vector + done * 2 * width;
        vector_block(rest, count - done, total, place, width)
    })
}

/// The next [`BLOCK`] elements of a vector: most have no more, which then costs one call.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn vector_block(vector: u64, count: u64, total: u64, place: u64, width: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let pieces = record.pieces_at(place);
    each(BLOCK, |index| {
        if index >= count {
            return STOP;
        }
        let element = vector + index * 2 * width;
        buffer(&record, &pieces, element, total, width)
    })
}

/// One element of a vector.
#[inline(always)]
fn buffer(record: &Record, pieces: &Pieces<'_>, element: u64, total: u64, width: u64) -> u64 {
    let snaplen = config!(snaplen);
    let read = if width == 4 {
        read::user::<[u32; 2]>(element).map(|[base, len]| [base as u64, len as u64])
    } else {
        read::user::<[u64; 2]>(element)
    };
    let Some([base, len]) = read else {
        pieces.fault();
        return STOP;
    };
    let bytes = record.scratch(VECTOR_BYTES);
    // SAFETY: the word is ours while the record is built.
    unsafe { *bytes += len };
    let kept = pieces.len();
    if kept as u64 >= total || kept > snaplen || pieces.flags() & item_flag::FAULT != 0 {
        return GO_ON;
    }
    let mut len = len.min(total - kept as u64);
    let room = (snaplen - kept) as u64;
    if len > room {
        len = room;
        pieces.flag(item_flag::TRUNCATED);
    }
    if len != 0 {
        pieces.user(base, len as u32, snaplen);
    }
    GO_ON
}

/// `struct user_msghdr` of a 64-bit caller.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MessageHeader {
    name: u64,
    name_len: u64,
    vector: u64,
    vector_len: u64,
    pub control: u64,
    pub control_len: u64,
    flags: u64,
}

/// The same of a 32-bit caller.
#[repr(C)]
#[derive(Clone, Copy)]
struct MessageHeader32 {
    name: u32,
    name_len: u32,
    vector: u32,
    vector_len: u32,
    control: u32,
    control_len: u32,
    flags: u32,
}

impl MessageHeader {
    /// Reads the header at an address of a caller whose pointers have `width` bytes.
    #[inline(always)]
    pub fn read(address: u64, width: u64) -> Option<Self> {
        if width != 4 {
            return read::user(address);
        }
        let header = read::user::<MessageHeader32>(address)?;
        Some(Self {
            name: header.name as u64,
            name_len: header.name_len as u64,
            vector: header.vector as u64,
            vector_len: header.vector_len as u64,
            control: header.control as u64,
            control_len: header.control_len as u64,
            flags: header.flags as u64,
        })
    }
}

/// Bytes of a message of several (`struct mmsghdr`).
#[inline(always)]
pub const fn message_bytes(width: u64) -> u64 {
    if width == 4 { 32 } else { 64 }
}

/// Bytes of a pointer of the caller.
#[inline(always)]
fn width(header: *const RecordHeader) -> u64 {
    // SAFETY: the header is initialised.
    read::pointer_bytes(unsafe { (*header).flags })
}

/// sendmsg, recvmsg and their plurals. Returns whether fds can have come.
#[inline(always)]
pub fn messages() -> bool {
    let Some(record) = Record::resume() else {
        return false;
    };
    let header = record.header();
    let Some(spec) = spec(header) else {
        record.commit();
        return false;
    };
    let op = &spec.ops[0];
    // SAFETY: the header is initialised; the word is ours while the record is built.
    let ret = unsafe {
        *record.scratch(CONTROL_BYTES) = 0;
        (*header).ret
    };
    socket_facts(0, value(header, 0));
    if op.code == op::MESSAGE_OUT && ret < 0 {
        record.commit();
        return false;
    }
    // `n` != 0: an array of headers, each followed by the length that was moved.
    let count = if op.n != 0 && ret > 1 { ret as u64 } else { 1 };
    if fetch_message(&record, header, op, 0) == GO_ON
        && count > 1
        && messages_rest(count) == GO_ON
        && count > MAX_MESSAGES
    {
        record.flag(record_flag::SHORT);
    }
    // SAFETY: as above.
    let has_control = unsafe { *record.scratch(CONTROL_BYTES) } != 0;
    record.commit();
    has_control && op.code == op::MESSAGE_OUT
}

/// The messages after the first. [`STOP`]: these were all, or a header could not be read.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn messages_rest(count: u64) -> u64 {
    each(MAX_MESSAGES - 1, |before| {
        if before + 1 >= count {
            return STOP;
        }
        message(before + 1)
    })
}

/// One message of several. [`STOP`]: its header could not be read.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn message(index: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let header = record.header();
    let Some(spec) = spec(header) else {
        return STOP;
    };
    fetch_message(&record, header, &spec.ops[0], index)
}

#[inline(always)]
fn fetch_message(record: &Record, header: *const RecordHeader, op: &Op, index: u64) -> u64 {
    // SAFETY: the header is initialised.
    let ret = unsafe { (*header).ret };
    let many = op.n != 0;
    let width = width(header);
    let stride = message_bytes(width);
    // Behind the header is the length that was moved.
    let length = if width == 4 { 28 } else { 56 };
    let address = value(header, op.arg) + if many { index * stride } else { 0 };
    let Some(message) = MessageHeader::read(address, width) else {
        record.flag(record_flag::FAULT);
        return STOP;
    };
    let total = if ret < 0 {
        u64::MAX
    } else if many {
        read::user::<u32>(address + length).unwrap_or(0) as u64
    } else {
        ret as u64
    };
    let arg = index as u8;
    let name_len = message.name_len as u32 as u64;
    if message.name != 0 && name_len != 0 {
        record.user(tag::MESSAGE_NAME, arg, message.name, name_len, 128, true);
    }
    let out = op.code == op::MESSAGE_OUT;
    if out && message.control != 0 && message.control_len != 0 {
        // SAFETY: the word is ours while the record is built.
        unsafe { *record.scratch(CONTROL_BYTES) = message.control_len };
        record.user(
            tag::CONTROL,
            arg,
            message.control,
            message.control_len,
            256,
            true,
        );
    }
    gather(
        record,
        arg,
        message.vector,
        message.vector_len,
        total,
        width,
    );
    GO_ON
}

/// The call that an i386 `socketcall` makes: its arguments are in memory, by its number. Returns the family
/// that goes on with it.
#[inline(always)]
pub fn socketcall() -> u8 {
    let Some(record) = Record::resume() else {
        return family::NONE;
    };
    let header = record.header();
    let number = value(header, 0);
    let place = place(SOCKETCALL_AT as u64 + number, true);
    let spec = match SPECS.get(place) {
        Some(spec) if number < SOCKETCALLS as u64 && spec.args != 0 => spec,
        // There is none of this number.
        _ => {
            record.commit_header(2);
            return family::NONE;
        }
    };
    if spec.flags & spec_flag::EXCLUDED != 0 {
        record.leave_out();
        return family::NONE;
    }
    let address = value(header, 1);
    // SAFETY: the header is initialised.
    unsafe {
        let args = (&raw mut (*header).args).cast::<u64>();
        (*header).nr = (SOCKETCALL_AT as u64 + number) as u16;
        each(MAX_ARGS, |index| {
            let mut value = 0;
            if index < spec.args as u64 {
                match read::user::<u32>(address + index * 4) {
                    Some(read) => value = read as u64,
                    None => record.flag(record_flag::FAULT),
                }
            }
            *args.add(index as usize) = value;
            GO_ON
        });
    }
    if spec.family == family::NONE {
        record.commit_header(spec.args);
    }
    spec.family
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

/// Appends the facts of the open file behind a descriptor.
#[inline(always)]
fn file(record: &Record, arg: u8, fd: u64) {
    if let Some(file) = file_of(fd) {
        file_facts(record, arg, file);
    }
}

/// Appends the facts of an open file.
#[inline(always)]
pub fn file_facts(record: &Record, arg: u8, file: u64) {
    let Some(inode) = field!(file, file_inode) else {
        return;
    };
    let inode: u64 = inode;
    let superblock: u64 = field!(inode, inode_sb).unwrap_or(0);
    let Some((place, facts)) = record.room::<FileFacts>() else {
        return;
    };
    // SAFETY: `facts` is room for the structure in the ring.
    unsafe {
        (*facts).ino = field!(inode, inode_ino).unwrap_or(0);
        (*facts).dev = field!(superblock, sb_dev).unwrap_or(0);
        let mode: u16 = field!(inode, inode_mode).unwrap_or(0);
        (*facts).mode = mode;
        (*facts).layer = read::layer_of(inode, superblock);
        (*facts).f_mode = field!(file, file_mode).unwrap_or(0);
        (*facts).f_flags = field!(file, file_flags).unwrap_or(0);
    }
    record.filled::<FileFacts>(place, tag::FILE, arg);
}
