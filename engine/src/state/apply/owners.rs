//! Users, groups and capabilities of threads.

use super::super::State;
use super::super::thread::Thread;
use crate::event::{Event, EventExt as _, Tid};

/// Indexes of the capability sets.
const PERMITTED: usize = 1;
const EFFECTIVE: usize = 2;

/// All ones leave an id unchanged.
const KEEP: u64 = u32::MAX as u64;

/// The parameters with the new ids, in the events of one call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ids {
    /// One id for all of them.
    All(usize),
    /// Real and effective.
    Two(usize),
    /// Real, effective and saved.
    Three(usize),
}

/// `setuid` and related calls.
pub(super) fn users(state: &mut State, event: &Event<'_>, ids: Ids) {
    if event.result() != Some(0) {
        return;
    }
    let id = |index| event.uint(index).filter(|id| *id != KEEP);
    let (effective, given) = match ids {
        // Without root, only the effective id changes.
        Ids::All(i) => (id(i), [id(i), id(i), id(i)]),
        Ids::Two(i) => (id(i + 1), [id(i), id(i + 1), id(i + 1)]),
        Ids::Three(i) => (id(i + 1), [id(i), id(i + 1), id(i + 2)]),
    };
    let leaves_root = given.iter().all(|id| id.is_some_and(|id| id != 0));
    let Some(uid) = effective.and_then(|id| u32::try_from(id).ok()) else {
        return;
    };
    state.update_thread(event.tid, |thread| {
        become_user(thread, uid, leaves_root);
    });
}

/// Changes capabilities with the user, as the kernel does (capabilities(7), "Effect of user ID changes").
fn become_user(thread: &mut Thread, uid: u32, leaves_root: bool) {
    let before = thread.uid;
    thread.uid = uid;
    let Some(caps) = &mut thread.caps else {
        return;
    };
    if leaves_root && before == 0 && !thread.keeps_caps {
        caps[PERMITTED] = 0;
    }
    if before == 0 && uid != 0 {
        caps[EFFECTIVE] = 0;
    } else if before != 0 && uid == 0 {
        caps[EFFECTIVE] = caps[PERMITTED];
    }
}

/// `setgid` and related calls: parameter `index` is the effective group.
pub(super) fn group(state: &mut State, event: &Event<'_>, index: usize) {
    let gid = event.uint(index).filter(|id| *id != KEEP);
    if event.result() == Some(0)
        && let Some(gid) = gid.and_then(|id| u32::try_from(id).ok())
    {
        state.update_thread(event.tid, |t| t.gid = gid);
    }
}

pub(super) fn capset(state: &mut State, event: &Event<'_>) {
    if let (Some(0), Some(a), Some(b), Some(c)) =
        (event.result(), event.uint(1), event.uint(2), event.uint(3))
    {
        state.update_thread(event.tid, |t| t.caps = Some([a, b, c]));
    }
}

/// A thread has entered another user namespace, in which it has all capabilities.
pub(super) fn gain_all(state: &mut State, tid: Tid) {
    /// CAP_CHOWN to CAP_CHECKPOINT_RESTORE, capabilities(7).
    const ALL: u64 = (1 << 41) - 1;
    state.update_thread(tid, |thread| {
        let inheritable = 0;
        thread.caps = Some([inheritable, ALL, ALL]);
    });
}
