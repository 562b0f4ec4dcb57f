//! What fds are of which no event of a call says it: fds received by message, made by an ioctl or by calls
//! that are only known by number; and all fds of processes that use io_uring, which opens and closes without
//! calls that could be seen.

use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns};
use scap_probe_common::{
    spec::{MAX_MEMORY, SyscallSpec, spec_flag},
    wire::{FileFacts, LATENCY_UNKNOWN, RecordHeader, SocketFacts, kind, tag},
};

use crate::{
    exit::wanted,
    family::{file_facts, file_of},
    global::{GO_ON, STOP},
    globals::{KNOWN_FDS, UNSEEN, config},
    path,
    read::{self, field},
    ring::Record,
    socket::facts_of_file,
};

/// Room for the largest record: an open file, a socket with its two unix addresses, a path.
const NEED: u32 = size_of::<RecordHeader>() as u32
    + size_of::<FileFacts>() as u32
    + size_of::<SocketFacts>() as u32
    + 2 * 128
    + MAX_MEMORY as u32
    + 5 * 8;

/// `args[2]` of a record: nothing is open at this number.
const CLOSED: u64 = 1;

/// `hint` of [`tell_fd`]: an fd that was there.
pub const OLD: u64 = 0;
/// The same: a new one.
pub const NEW: u64 = 1;
/// The same: a new one of a process.
pub const NEW_PIDFD: u64 = 2;

/// Makes a record of what an fd of the current process is. One that was there is left out if the last record of it
/// said the same.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tell_fd(fd: u64, hint: u64) -> u64 {
    // SAFETY: the helpers have no preconditions; the header is ours.
    unsafe {
        let pid_tgid = bpf_get_current_pid_tgid();
        let pid = (pid_tgid >> 32) as u32;
        let file = file_of(fd).unwrap_or(0);
        let key = (pid as u64) << 32 | fd & 0xffff_ffff;
        let is = identity(file, changes(pid));
        if hint == OLD
            && let Some(told) = KNOWN_FDS.get_ptr(&key)
            && *told == is
        {
            return GO_ON;
        }
        if pid == config!(own_pid) || !wanted(pid) {
            return STOP;
        }
        let now = bpf_ktime_get_boot_ns();
        let Some(record) = Record::begin(NEED, now) else {
            return STOP;
        };
        let _ = KNOWN_FDS.insert(&key, &is, 0);
        let header = record.header();
        (*header).kind = kind::FD;
        (*header).flags = 0;
        (*header).nr = 0;
        (*header).tid = pid_tgid as u32;
        (*header).pid = pid;
        (*header).ts = now;
        (*header).latency = LATENCY_UNKNOWN;
        (*header).ret = 0;
        (*header).args[0] = fd;
        (*header).args[1] = cloexec(fd);
        (*header).args[2] = if file == 0 { CLOSED } else { 0 };
        (*header).args[3] = (hint == NEW_PIDFD) as u64;
        (*header).args[4] = 0;
        (*header).args[5] = 0;
        if file != 0 {
            file_facts(&record, 0, file);
            if !facts_of_file(&record, 0, file) {
                path::file(tag::PATH, file);
            }
        }
        record.commit();
    }
    GO_ON
}

/// What tells an open file from another one at the same address: its inode and its name.
#[inline(always)]
fn identity(file: u64, changes: u32) -> u64 {
    // The process, too: its id can be another's later. And how often its fds have changed.
    let process: u64 = field!(read::current(), task_signal).unwrap_or(0);
    let process = process ^ (changes as u64) << 48;
    if file == 0 {
        return process;
    }
    let inode: u64 = field!(file, file_inode).unwrap_or(0);
    let dentry: u64 = read::at(file, crate::globals::offset!(file_path))
        .and_then(|path| field!(path, path_dentry))
        .unwrap_or(0);
    file ^ inode.rotate_left(17) ^ dentry.rotate_left(34) ^ process.rotate_left(51)
}

/// 1 if execve closes an fd of the caller.
#[inline(always)]
fn cloexec(fd: u64) -> u64 {
    let word = || {
        let files: u64 = field!(read::current(), task_files)?;
        let table: u64 = field!(files, files_fdt)?;
        let words: u64 = field!(table, fdt_cloexec)?;
        read::kernel::<u64>(words + fd / 64 * 8)
    };
    word().unwrap_or(0) >> (fd % 64) & 1
}

/// At the entry of a call of a process whose fds change unseen: says what the fd is that the call is given.
#[inline(always)]
pub fn check(spec: &SyscallSpec, fd: u64) {
    // AT_FDCWD and the like are none.
    if (fd as i32) >= 0 && spec.flags & spec_flag::USES_FD != 0 {
        tell_fd(fd & 0xffff_ffff, OLD);
    }
}

/// 1 once there has been a process whose fds can change unseen: most machines have none, and need not look.
#[unsafe(no_mangle)]
static mut HAS_UNSEEN: u64 = 0;

/// Bit of what the map says of a process: it is the same for its children.
const CHILDREN: u32 = 1 << 31;

/// Notes that a process has a child.
#[inline(always)]
pub fn inherit(parent: u32, child: u32) {
    if is_distrusted(parent) && changes(parent) & CHILDREN != 0 {
        distrust(child, true);
    }
}

/// Notes that fds of a process can change without calls that would be seen.
#[inline(always)]
pub fn distrust(pid: u32, also_children: bool) {
    let children = if also_children { CHILDREN } else { 0 };
    if let Some(place) = UNSEEN.get_ptr_mut(pid) {
        // SAFETY: the pointer is into the map.
        unsafe {
            *place = (*place).max(1) | children;
            core::ptr::write_volatile(&raw mut HAS_UNSEEN, 1);
        }
    }
}

/// Whether fds of a process can change without calls that would be seen.
#[inline(always)]
pub fn is_distrusted(pid: u32) -> bool {
    // SAFETY: a word of the program's own memory.
    unsafe { core::ptr::read_volatile(&raw const HAS_UNSEEN) != 0 && changes(pid) != 0 }
}

/// What the map says of a process.
#[inline(always)]
fn changes(pid: u32) -> u32 {
    match UNSEEN.get_ptr(pid) {
        // SAFETY: the pointer is into the map.
        Some(place) => unsafe { *place },
        None => 0,
    }
}

/// Notes that a call of a process has changed its fds: what was said of them may be what nobody goes by any more.
#[inline(always)]
pub fn changed(pid: u32) {
    if is_distrusted(pid)
        && let Some(place) = UNSEEN.get_ptr_mut(pid)
    {
        // SAFETY: the pointer is into the map. Of two threads that count at once, one may not be counted.
        unsafe { *place = *place & CHILDREN | ((*place + 1) & !CHILDREN).max(1) };
    }
}
