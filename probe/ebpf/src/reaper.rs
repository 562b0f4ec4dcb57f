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
        let mut ancestor: u64 = task;
        for _ in 0..MAX_ANCESTORS {
            ancestor = field!(ancestor, task_real_parent).unwrap_or(0);
            let pid: u32 = field!(ancestor, task_tgid).unwrap_or(0);
            if pid == 0 || task::level(ancestor) != level {
                break;
            }
            let signal: u64 = field!(ancestor, task_signal).unwrap_or(0);
            let bits: u8 = field!(signal, signal_subreaper).unwrap_or(0);
            let live: u32 = field!(signal, signal_live).unwrap_or(0);
            if bits & IS_SUBREAPER != 0 && live != 0 {
                return pid;
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
