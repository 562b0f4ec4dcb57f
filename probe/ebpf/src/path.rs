//! Names of directories from a place up to its root. The recorder turns them round.

use scap_probe_common::wire::item_flag;

use crate::{
    global::{GO_ON, STOP, each},
    globals::offset,
    read::{at, field},
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
