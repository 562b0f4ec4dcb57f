//! Reading the kernel's and the caller's memory. Every read of a kernel field is an `Option`: a
//! kernel without the field is a value, not a guess.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use scap_probe_common::{config::MISSING, wire::{layer, record_flag}};

/// Reads a value of the kernel at `address`.
#[inline(always)]
pub fn kernel<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address and writes exactly `size_of::<T>()` bytes.
    unsafe {
        if bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        ) != 0
        {
            return None;
        }
        Some(value.assume_init())
    }
}

/// Reads a value of the caller at `address`.
#[inline(always)]
pub fn user<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: as above, for an address of the caller.
    unsafe {
        if bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        ) != 0
        {
            return None;
        }
        Some(value.assume_init())
    }
}

/// Reads a pointer or a length of the caller, `width` bytes of it.
#[inline(always)]
pub fn user_word(address: u64, width: u64) -> Option<u64> {
    if width == 4 {
        return Some(user::<u32>(address)? as u64);
    }
    user(address)
}

/// Bytes of a pointer of the caller, by the flags of the record.
#[inline(always)]
pub fn pointer_bytes(flags: u8) -> u64 {
    if flags & record_flag::IA32 != 0 { 4 } else { 8 }
}

/// Address of the field at `offset` of the structure at `base`.
#[inline(always)]
pub fn at(base: u64, offset: u32) -> Option<u64> {
    if offset == MISSING || base == 0 {
        return None;
    }
    Some(base + offset as u64)
}

/// Reads the field at `offset` of the kernel structure at `base`.
#[inline(always)]
pub fn member<T: Copy>(base: u64, offset: u32) -> Option<T> {
    kernel(at(base, offset)?)
}

/// A field of the kernel structure at an address: `field!(task, task_mm)`.
macro_rules! field {
    ($base:expr, $name:ident) => {
        $crate::read::member($base, $crate::globals::offset!($name))
    };
}
pub(crate) use field;

/// The layer of an overlay file system that a file is in, one of [`layer`].
#[inline(always)]
pub fn layer_of(inode: u64, superblock: u64) -> u16 {
    /// OVERLAYFS_SUPER_MAGIC
    // linux v6.12 include/uapi/linux/magic.h
    const OVERLAYFS: u64 = 0x794c_7630;
    let magic: u64 = field!(superblock, sb_magic).unwrap_or(0);
    if magic != OVERLAYFS {
        return layer::NONE;
    }
    // What has an inode exists, so an upper dentry of it is one of an existing file.
    let upper: u64 = field!(inode, ovl_upper).unwrap_or(0);
    match upper {
        0 => layer::LOWER,
        _ => layer::UPPER,
    }
}

/// Address of the current task.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() }
}
