//! Files: results of `open` and similar calls, vectors, pipes, polls.

use scap_probe_common::wire::{ARG_RET, FileFacts, item_flag, layer, tag};

use super::{Out, Raw, flags, net, process};
use crate::{
    event::async_event::{DIRECTORIES, Directories, FD, OpenFd},
    record::procfs::{self, kind},
};

/// FMODE_CREATED: the call created the file.
// linux v6.12 include/linux/fs.h: FMODE_CREATED
const FMODE_CREATED: u32 = 0x10_0000;
/// Schema flag of a file created by the call.
const O_F_CREATED: u32 = 0x4000;

/// Schema flags of a file in the upper and in a lower layer of an overlay, for `open` and its siblings and for `creat`.
const FD_UPPER_LAYER: u32 = 0x8000;
const FD_LOWER_LAYER: u32 = 0x1_0000;
const FD_UPPER_LAYER_CREAT: u16 = 1;
const FD_LOWER_LAYER_CREAT: u16 = 2;

/// Converts the kernel's device number to the encoding of user space (`new_encode_dev`).
pub(super) fn device(dev: u32) -> u32 {
    encode_device(dev >> 20, dev & 0xf_ffff)
}

/// Encodes a device number as in the schema.
pub(crate) fn encode_device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// What the call did besides opening the file: created it, in which layer of an overlay it is.
fn outcome(raw: &Raw<'_>) -> u32 {
    let Some(file) = raw.file(ARG_RET) else {
        return 0;
    };
    let created = match file.f_mode & FMODE_CREATED {
        0 => 0,
        _ => O_F_CREATED,
    };
    let layer = match file.layer {
        layer::UPPER => FD_UPPER_LAYER,
        layer::LOWER => FD_LOWER_LAYER,
        _ => 0,
    };
    created | layer
}

/// The requested permission bits; only a call that can create a file has them.
fn mode(flags: u64, mode: u64) -> u32 {
    const O_CREAT: u64 = 0o100;
    const O_TMPFILE: u64 = 0o20_000_000;
    if flags & (O_CREAT | O_TMPFILE) != 0 {
        mode as u32 & 0o7777
    } else {
        0
    }
}

fn dev_ino(raw: &Raw<'_>, out: &mut Out) {
    match raw.file(ARG_RET) {
        Some(file) => {
            out.u32(device(file.dev));
            out.u64(file.ino);
        }
        None => {
            out.absent();
            out.absent();
        }
    }
}

pub(super) fn open(raw: &Raw<'_>, out: &mut Out) {
    let args = &raw.header.args;
    out.ret(raw);
    out.string(raw, 0);
    out.u32(flags::open(args[1]) | outcome(raw));
    out.u32(mode(args[1], args[2]));
    dev_ino(raw, out);
}

pub(super) fn openat(raw: &Raw<'_>, out: &mut Out) {
    let args = &raw.header.args;
    out.ret(raw);
    out.i64(i64::from(args[0] as i32));
    out.string(raw, 1);
    out.u32(flags::open(args[2]) | outcome(raw));
    out.u32(mode(args[2], args[3]));
    dev_ino(raw, out);
}

pub(super) fn openat2(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.i64(i64::from(raw.header.args[0] as i32));
    out.string(raw, 1);
    // `struct open_how`: flags, mode, resolve.
    let how = |nth| raw.memory_u64(2, nth);
    match (how(0), how(1), how(2)) {
        (Some(how_flags), Some(how_mode), Some(resolve)) => {
            out.u32(flags::open(how_flags) | outcome(raw));
            out.u32(mode(how_flags, how_mode));
            out.u32(flags::bits(resolve, flags::RESOLVE));
        }
        _ => {
            out.absent();
            out.absent();
            out.absent();
        }
    }
    dev_ino(raw, out);
}

pub(super) fn creat(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.string(raw, 0);
    out.u32(raw.header.args[1] as u32 & 0o7777);
    dev_ino(raw, out);
    match raw.file(ARG_RET).map(|file| file.layer) {
        Some(layer::UPPER) => out.u16(FD_UPPER_LAYER_CREAT),
        Some(layer::LOWER) => out.u16(FD_LOWER_LAYER_CREAT),
        Some(_) => out.u16(0),
        None => out.absent(),
    }
}

pub(super) fn open_by_handle_at(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.i64(i64::from(raw.header.args[0] as i32));
    out.u32(flags::open(raw.header.args[2]));
    out.absent();
    dev_ino(raw, out);
}

/// Encodes the two fds that a call created, and the inode of the first.
fn pair(raw: &Raw<'_>, arg: u8, out: &mut Out) {
    for nth in 0..2 {
        match raw.memory_u32(arg, nth) {
            Some(fd) => out.i64(i64::from(fd as i32)),
            None => out.absent(),
        }
    }
}

pub(super) fn pipe(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    pair(raw, 0, out);
    match raw.file(0) {
        Some(file) => out.u64(file.ino),
        None => out.absent(),
    }
}

pub(super) fn pipe2(raw: &Raw<'_>, out: &mut Out) {
    pipe(raw, out);
    out.u32(flags::descriptor(raw.header.args[1]));
}

pub(super) fn socketpair(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    pair(raw, 3, out);
    match raw.socket(3) {
        Some(socket) => {
            out.u64(socket.sk);
            out.u64(socket.peer);
        }
        None => {
            out.absent();
            out.absent();
        }
    }
    out.u32(raw.header.args[0] as u32);
    out.u32(raw.header.args[1] as u32);
    out.u32(raw.header.args[2] as u32);
}

pub(super) fn fcntl(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.i64(i64::from(raw.header.args[0] as i32));
    out.u8(flags::one(u64::from(raw.header.args[1] as u32), flags::FCNTL, 0) as u8);
    out.u64(raw.header.args[2]);
}

/// Encodes a list of `struct pollfd`: fds and returned events.
fn poll_list(raw: &Raw<'_>, out: &mut Out) {
    let Some(bytes) = raw.memory(0) else {
        return out.absent();
    };
    let start = out.begin();
    // Of a list that was cut, the count is still that of the call.
    let count = match raw.is_cut(0) {
        true => raw.header.args[1],
        false => bytes.len() as u64 / 8,
    };
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    out.data.extend_from_slice(&count.to_le_bytes());
    for entry in bytes.chunks_exact(8) {
        let fd = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        // Before the call returns, only the requested events are known.
        let at = if raw.returned { 6 } else { 4 };
        let events = u16::from_le_bytes([entry[at], entry[at + 1]]);
        let events = flags::bits(u64::from(events), flags::POLL) as u16;
        out.data.extend_from_slice(&i64::from(fd).to_le_bytes());
        out.data.extend_from_slice(&events.to_le_bytes());
    }
    out.end(start);
}

pub(super) fn poll(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    poll_list(raw, out);
    out.i64(i64::from(raw.header.args[2] as i32));
}

pub(super) fn ppoll(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    poll_list(raw, out);
    match raw.timespec(2) {
        Some(timeout) => out.u64(timeout),
        None => out.absent(),
    }
    match raw.memory_u64(3, 0) {
        Some(mask) => out.u32(mask as u32),
        None => out.absent(),
    }
}

pub(super) fn getcwd(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.string(raw, 0);
}

pub(super) fn semop(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.u32(raw.header.args[2] as u32);
    let operations = raw.memory(1).unwrap_or_default();
    for nth in 0..2 {
        // `struct sembuf`: number, operation, flags.
        match operations.get(nth * 6..nth * 6 + 6) {
            Some(op) => {
                out.bytes(&op[..2]);
                out.bytes(&op[2..4]);
                let op_flags = u16::from_le_bytes([op[4], op[5]]);
                out.u16(flags::bits(u64::from(op_flags), flags::SEMOP) as u16);
            }
            None => {
                out.absent();
                out.absent();
                out.absent();
            }
        }
    }
    out.u32(raw.header.args[0] as u32);
}

/// Encodes the total size of a vector; absent if the vector was too long to be read.
fn vector_size(raw: &Raw<'_>, out: &mut Out) {
    match raw.vector_bytes(1) {
        Some(bytes) => out.u32(bytes as u32),
        None => out.absent(),
    }
}

pub(super) fn readv(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    vector_size(raw, out);
    out.opt_bytes(raw.data());
    out.i64(i64::from(raw.header.args[0] as i32));
}

pub(super) fn preadv(raw: &Raw<'_>, out: &mut Out) {
    readv(raw, out);
    out.u64(raw.header.args[3]);
}

pub(super) fn writev(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.opt_bytes(raw.data());
    out.i64(i64::from(raw.header.args[0] as i32));
    vector_size(raw, out);
}

pub(super) fn pwritev(raw: &Raw<'_>, out: &mut Out) {
    writev(raw, out);
    out.u64(raw.header.args[3]);
}

/// What an fd is: source, name and an [`OpenFd`].
pub(super) fn open_fd(raw: &Raw<'_>, out: &mut Out) {
    let [fd, cloexec, is_closed, is_pidfd, ..] = raw.header.args;
    let facts = raw.file(0).unwrap_or_default();
    let socket = raw.socket(0);
    out.u32(0);
    out.str(FD);
    let mut scratch = std::mem::take(&mut out.scratch);
    scratch.clear();
    let kind = match &socket {
        _ if is_closed != 0 => 0,
        Some(socket) => {
            net::ends_of(raw, 0, socket, &mut scratch);
            net::snapshot_kind(socket)
        }
        None if is_pidfd != 0 => kind::PIDFD,
        None => link_text(raw, &facts, &mut scratch),
    };
    let (name, tuple) = match &socket {
        Some(_) => (&[][..], scratch.as_slice()),
        None => (procfs::fd_name(kind, &scratch), &[][..]),
    };
    let start = out.begin();
    OpenFd {
        fd: fd as i64,
        kind,
        cloexec: cloexec != 0,
        is_listening: socket.as_ref().is_some_and(net::is_listening),
        l4: socket.as_ref().map_or(0, net::snapshot_l4),
        open_flags: flags::open(u64::from(facts.f_flags)),
        dev: device(facts.dev),
        ino: facts.ino,
        name,
        tuple,
    }
    .write(&mut out.data);
    out.end(start);
    out.scratch = scratch;
}

/// Encodes the directories of a thread.
pub(super) fn directories(raw: &Raw<'_>, out: &mut Out) {
    out.u32(0);
    out.str(DIRECTORIES);
    let path = |tag, to: &mut Vec<u8>| {
        let names = raw.find(tag, 0);
        if let Some(names) = names.filter(|names| names.flags & item_flag::PARTIAL == 0) {
            process::path(names, to);
        }
    };
    let mut scratch = std::mem::take(&mut out.scratch);
    scratch.clear();
    path(tag::ROOT, &mut scratch);
    let of_root = scratch.len();
    path(tag::CWD, &mut scratch);
    let (root, cwd) = scratch.split_at(of_root);
    let start = out.begin();
    Directories {
        mount_ns: Some(raw.header.args[0] as u32).filter(|number| *number != 0),
        root,
        cwd,
    }
    .write(&mut out.data);
    out.end(start);
    out.scratch = scratch;
}

/// Appends the text that `/proc` has for an open file that is no socket, as far as it is known, and returns its kind.
fn link_text(raw: &Raw<'_>, facts: &FileFacts, out: &mut Vec<u8>) -> u8 {
    const S_IFMT: u32 = 0o170_000;
    const S_IFIFO: u32 = 0o010_000;
    let names = raw.find(tag::PATH, 0);
    let is_whole = names.is_some_and(|names| names.flags & item_flag::PARTIAL == 0);
    match u32::from(facts.mode) & S_IFMT {
        // Files of the kernel's own have no type.
        0 => {
            out.extend_from_slice(b"anon_inode:");
            let name = names.map_or(&[][..], |names| names.bytes);
            out.extend_from_slice(name.split(|byte| *byte == 0).next().unwrap_or_default());
        }
        S_IFIFO if names.is_none_or(|names| names.bytes.iter().all(|byte| *byte == 0)) => {
            return kind::FIFO;
        }
        _ => {
            if let Some(names) = names.filter(|_| is_whole) {
                process::path(names, out);
            }
        }
    }
    procfs::classify(out, u64::from(facts.f_flags)).0
}
