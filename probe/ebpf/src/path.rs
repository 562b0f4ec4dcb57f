//! Names of directories from a place up to its root. The recorder turns them round.

use scap_probe_common::wire::item_flag;

use crate::{
    globals::offset,
    read::{at, field},
    ring::Record,
};

/// Directories and mounts that are followed upwards.
const MAX_DEPTH: u32 = 40;
/// Room for a path.
pub const PATH_BYTES: u32 = 4096;

/// Appends the path of a `struct path` of the kernel.
#[inline(always)]
pub fn path(record: &Record, tag: u8, address: u64) {
    let Some(mut mount) = field!(address, path_mnt) else {
        return;
    };
    let Some(mut dentry) = field!(address, path_dentry) else {
        return;
    };
    let Some(mut pieces) = record.pieces(PATH_BYTES) else {
        return;
    };
    let mut complete = false;
    for _ in 0..MAX_DEPTH {
        let top: u64 = field!(mount, vfsmount_root).unwrap_or(0);
        if dentry == top {
            // `mount` is the address of the `vfsmount` inside a `struct mount`.
            let outer: u64 = u64::wrapping_sub(mount, offset!(mount_mnt) as u64);
            let parent: u64 = field!(outer, mount_parent).unwrap_or(0);
            if parent == outer || parent == 0 {
                complete = parent == outer;
                break;
            }
            dentry = field!(outer, mount_mountpoint).unwrap_or(0);
            mount = parent + offset!(mount_mnt) as u64;
            continue;
        }
        let name: u64 = field!(dentry, dentry_name).unwrap_or(0);
        if pieces.len() > PATH_BYTES - 256 || !pieces.kernel_name(name) {
            break;
        }
        let parent: u64 = field!(dentry, dentry_parent).unwrap_or(0);
        if parent == dentry {
            break;
        }
        dentry = parent;
    }
    if !complete {
        pieces.flags |= item_flag::PARTIAL;
    }
    pieces.finish(tag, 0);
}

/// Appends the path of an open file.
#[inline(always)]
pub fn file(record: &Record, tag: u8, file: u64) {
    if let Some(address) = at(file, offset!(file_path)) {
        path(record, tag, address);
    }
}
