//! Working and root directories, and namespaces, which change them.

use scap_capture_format::schema::types;

use super::super::State;
use super::clone::clone_flags;
use crate::event::async_event::Directories;
use crate::event::{Event, EventExt as _, Tid};

/// `chdir` and `getcwd`, which both have the working directory.
pub(super) fn chdir(state: &mut State, event: &Event<'_>) {
    if event.result().is_none_or(|r| r < 0) {
        return;
    }
    match event.text(1) {
        // What `getcwd` calls so is not below the root.
        Some(path) if path.starts_with(b"(unreachable)") => state.forget_cwd(event.tid),
        Some(path) => set_cwd(state, event.tid, path),
        None if event.ty == types::SYSCALL_CHDIR_X => state.forget_cwd(event.tid),
        None => {}
    }
}

pub(super) fn fchdir(state: &mut State, event: &Event<'_>) {
    if event.result() != Some(0) {
        return;
    }
    let file = event.int(1).and_then(|fd| state.fd(event.tid, fd));
    match file.map(|f| f.name.clone()).filter(|n| !n.is_empty()) {
        Some(name) => set_cwd(state, event.tid, &name),
        // The new directory is unknown.
        None => state.forget_cwd(event.tid),
    }
}

/// The kernel was asked for the directories of the event's thread.
pub(super) fn asked(state: &mut State, event: &Event<'_>, found: &Directories<'_>) {
    let tid = event.tid;
    if tid.0 < 0 {
        return;
    }
    state.ensure_thread(tid, event.pid);
    state.set_mount_ns(tid, found.mount_ns);
    // What was known already has changed when the call did it, which other threads go by.
    match (found.cwd, state.cwd(tid)) {
        (cwd, Some(known)) if known.strip_suffix(b"/").unwrap_or(known) == cwd => {}
        (b"", _) => state.forget_cwd(tid),
        (cwd, _) => state.set_dirs(tid, Some(cwd), None),
    }
    if !found.root.is_empty() && state.root(tid) != Some(found.root) {
        state.set_dirs(tid, None, Some(found.root));
    }
}

fn set_cwd(state: &mut State, tid: Tid, path: &[u8]) {
    let mut cwd = std::mem::take(&mut state.scratch);
    cwd.clear();
    state.resolve(tid, None, path, &mut cwd);
    state.set_dirs(tid, Some(&cwd), None);
    state.scratch = cwd;
}

pub(super) fn chroot(state: &mut State, event: &Event<'_>) {
    if event.result() == Some(0)
        && let Some(path) = event.text(1)
    {
        let mut root = std::mem::take(&mut state.scratch);
        root.clear();
        state.resolve(event.tid, None, path, &mut root);
        state.set_dirs(event.tid, None, Some(&root));
        state.scratch = root;
    }
}

/// A thread stopped sharing. A new user namespace gives it all capabilities, a new mount namespace its own
/// directories.
pub(super) fn unshare(state: &mut State, event: &Event<'_>) {
    use clone_flags as f;
    let flags = event.uint(1).unwrap_or(0);
    if event.result() != Some(0) {
        return;
    }
    if flags & f::FILES != 0 {
        state.unshare_files(event.tid);
    }
    if flags & (f::FS | f::NEWNS | f::NEWUSER) != 0 {
        state.unshare_dirs(event.tid);
    }
    if flags & f::NEWNS != 0 {
        state.set_mount_ns(event.tid, None);
    }
    if flags & f::NEWUSER != 0 {
        super::owners::gain_all(state, event.tid);
    }
}

/// A thread entered namespaces; which ones is known only from the name of the fd, or from the flags for a pidfd.
pub(super) fn setns(state: &mut State, event: &Event<'_>) {
    use clone_flags as f;
    let kind = event.uint(2).unwrap_or(0);
    if event.result() != Some(0) {
        return;
    }
    let file = event.int(1).and_then(|fd| state.fd(event.tid, fd));
    let is = |end: &[u8]| file.is_some_and(|f| f.name.ends_with(end));
    let (users, mounts) = (is(b"/ns/user"), is(b"/ns/mnt"));
    if kind & f::NEWUSER != 0 || users {
        super::owners::gain_all(state, event.tid);
    }
    if kind & f::NEWNS != 0 || mounts {
        // The kernel changes to the root of the namespace.
        state.unshare_dirs(event.tid);
        state.set_dirs(event.tid, Some(b"/"), Some(b"/"));
        state.set_mount_ns(event.tid, None);
    }
}
