//! Names of directories from a place up to its root. The recorder turns them round.

use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns};
use scap_probe_common::wire::{LATENCY_UNKNOWN, RecordHeader, item_flag, kind, tag};

use crate::{
    global::{GO_ON, STOP, each},
    globals::offset,
    read::{self, at, field},
    ring::Record,
};

/// Directories and mounts that are followed upwards.
const MAX_DEPTH: u64 = 40;
/// Room for a path.
pub const PATH_BYTES: u32 = 4096;
/// Words of [`Record::scratch`]: where the walk is.
const MOUNT: usize = 0;
const DENTRY: usize = 1;

/// Appends the path of a `struct path` of the kernel.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn path(tag: u64, address: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let Some(mount) = field!(address, path_mnt) else {
        return STOP;
    };
    let Some(dentry) = field!(address, path_dentry) else {
        return STOP;
    };
    let Some(pieces) = record.pieces(PATH_BYTES) else {
        return STOP;
    };
    // Until the walk has reached the root.
    pieces.flag(item_flag::PARTIAL);
    // SAFETY: the words are ours while the record is built.
    unsafe {
        *record.scratch(MOUNT) = mount;
        *record.scratch(DENTRY) = dentry;
    }
    each(MAX_DEPTH, |_| path_name(pieces.place()));
    pieces.finish(tag as u8, 0);
    GO_ON
}

/// One step of the walk: appends a name, or crosses to the mount that this one is on.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn path_name(place: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let pieces = record.pieces_at(place);
    // SAFETY: the words are ours while the record is built.
    let (mount, dentry) = unsafe { (*record.scratch(MOUNT), *record.scratch(DENTRY)) };
    let top: u64 = field!(mount, vfsmount_root).unwrap_or(0);
    if dentry == top {
        // `mount` is the address of the `vfsmount` inside a `struct mount`.
        let outer: u64 = u64::wrapping_sub(mount, offset!(mount_mnt) as u64);
        let parent: u64 = field!(outer, mount_parent).unwrap_or(0);
        if parent == outer {
            pieces.unflag(item_flag::PARTIAL);
        }
        if parent == outer || parent == 0 {
            return STOP;
        }
        let dentry: u64 = field!(outer, mount_mountpoint).unwrap_or(0);
        // SAFETY: as above.
        unsafe {
            *record.scratch(DENTRY) = dentry;
            *record.scratch(MOUNT) = parent + offset!(mount_mnt) as u64;
        }
        return GO_ON;
    }
    let name: u64 = field!(dentry, dentry_name).unwrap_or(0);
    if pieces.len() > PATH_BYTES - 256 || !pieces.kernel_name(name) {
        return STOP;
    }
    let parent: u64 = field!(dentry, dentry_parent).unwrap_or(0);
    if parent == dentry {
        return STOP;
    }
    // SAFETY: as above.
    unsafe { *record.scratch(DENTRY) = parent };
    GO_ON
}

/// Appends the path of an open file.
#[inline(always)]
pub fn file(tag: u8, file: u64) {
    if let Some(address) = at(file, offset!(file_path)) {
        path(tag as u64, address);
    }
}

/// Makes a record of the directories that the current task has.
#[inline(always)]
pub fn directories() {
    const NEED: u32 = size_of::<RecordHeader>() as u32 + 2 * (PATH_BYTES + 8);
    let task = read::current();
    let Some(fs) = field!(task, task_fs) else {
        return;
    };
    // SAFETY: the helpers have no preconditions; the header is ours.
    unsafe {
        let pid_tgid = bpf_get_current_pid_tgid();
        let now = bpf_ktime_get_boot_ns();
        let Some(record) = Record::begin(NEED, now) else {
            return;
        };
        let header = record.header();
        (*header).kind = kind::DIRECTORIES;
        (*header).flags = 0;
        (*header).nr = 0;
        (*header).tid = pid_tgid as u32;
        (*header).pid = (pid_tgid >> 32) as u32;
        (*header).ts = now;
        (*header).latency = LATENCY_UNKNOWN;
        (*header).ret = 0;
        (*header).args = [mount_ns(task).unwrap_or(0) as u64, 0, 0, 0, 0, 0];
        if let (Some(root), Some(cwd)) = (at(fs, offset!(fs_root)), at(fs, offset!(fs_pwd))) {
            path(tag::ROOT as u64, root);
            path(tag::CWD as u64, cwd);
        }
        record.commit();
    }
}

/// Inode number of a task's mount namespace.
#[inline(always)]
fn mount_ns(task: u64) -> Option<u32> {
    let namespaces: u64 = field!(task, task_nsproxy)?;
    let namespace: u64 = field!(namespaces, nsproxy_mnt)?;
    field!(namespace, mnt_ns_inum)
}
