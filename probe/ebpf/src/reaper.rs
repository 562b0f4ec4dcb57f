//! Who takes over the children of a process that ends.

use crate::{
    globals::offset,
    read::{self, at, field},
    task,
};

/// Ancestors looked at: a chain of processes is rarely longer than a dozen.
const MAX_ANCESTORS: u32 = 32;

/// Bits beside each other in `signal_struct`: the process takes over orphans, an ancestor does.
const IS_SUBREAPER: u8 = 1;
const HAS_SUBREAPER: u8 = 2;

/// Process id of the one that takes over the children of a process whose last thread is ending, as
/// the kernel chooses it right afterwards; 0 = it has no children, or the new parent is not known.
///
/// That is the nearest living ancestor of the same pid namespace that asked for it
/// (`PR_SET_CHILD_SUBREAPER`), otherwise the namespace's init.
#[inline(always)]
pub fn adopter(task: u64, signal: u64) -> u32 {
    let Some(children) = at(task, offset!(task_children)) else {
        return 0;
    };
    // An empty list points to itself.
    if read::kernel::<u64>(children).is_none_or(|first| first == children) {
        return 0;
    }
    let Some(bits): Option<u8> = field!(signal, signal_subreaper) else {
        return 0;
    };
    let level = task::level(task);
    if bits & HAS_SUBREAPER != 0 {
        let mut ancestor: u64 = field!(task, task_real_parent).unwrap_or(0);
        for _ in 0..MAX_ANCESTORS {
            ancestor = ancestor_adopts(ancestor, level as u64);
            if ancestor & ADOPTS != 0 {
                return (ancestor >> 1) as u32;
            }
            if ancestor == 0 {
                break;
            }
        }
    }
    let thread: u64 = field!(task, task_thread_pid).unwrap_or(0);
    let Some(init) = task::namespace(thread, level)
        .and_then(|namespace| field!(namespace, pidns_child_reaper))
    else {
        return 0;
    };
    let init: u64 = init;
    // With its init a namespace ends.
    if init == task {
        return 0;
    }
    field!(init, task_tgid).unwrap_or(0)
}

/// Bit of the result of [`ancestor_adopts`], which no address has: the rest is a process id.
const ADOPTS: u64 = 1;

/// Process id << 1 | [`ADOPTS`] of an ancestor if it takes over orphans; otherwise its parent, or 0
/// if the search ends.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ancestor_adopts(ancestor: u64, level: u64) -> u64 {
    let pid: u32 = field!(ancestor, task_tgid).unwrap_or(0);
    if pid == 0 || task::level(ancestor) as u64 != level {
        return 0;
    }
    let signal: u64 = field!(ancestor, task_signal).unwrap_or(0);
    let bits: u8 = field!(signal, signal_subreaper).unwrap_or(0);
    let live: u32 = field!(signal, signal_live).unwrap_or(0);
    if bits & IS_SUBREAPER != 0 && live != 0 {
        return (pid as u64) << 1 | ADOPTS;
    }
    field!(ancestor, task_real_parent).unwrap_or(0)
}
