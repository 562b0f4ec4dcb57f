//! What is known around one event.

use super::{State, Thread, paths};
use crate::event::{FdLabel, Names, Tid};

/// The state as the thread of one event sees it.
#[derive(Clone, Copy, Debug)]
pub struct View<'s> {
    state: &'s State,
    thread: Option<&'s Thread>,
    tid: Tid,
}

impl<'s> View<'s> {
    pub(super) fn new(state: &'s State, tid: Tid) -> Self {
        Self {
            state,
            thread: state.thread(tid),
            tid,
        }
    }

    /// Returns the event's thread.
    pub fn thread(&self) -> Option<&'s Thread> {
        self.thread
    }

    /// Returns the name of the event's thread.
    pub fn own_comm(&self) -> Option<&'s [u8]> {
        self.thread.and_then(|t| t.comm.as_deref())
    }
}

impl Names for View<'_> {
    fn comm(&self, tid: i64) -> Option<&[u8]> {
        self.state.thread(Tid(tid))?.comm.as_deref()
    }

    fn fd(&self, fd: i64) -> Option<FdLabel<'_>> {
        let slot = self.thread?.files?;
        self.state.files.get(slot)?.get(fd).map(|f| f.label())
    }

    fn user(&self, uid: u32) -> Option<&[u8]> {
        self.state.user(uid)
    }

    fn group(&self, gid: u32) -> Option<&[u8]> {
        self.state.group(gid)
    }

    fn resolve_path(&self, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) -> bool {
        if path.starts_with(b"/") {
            return false;
        }
        let before = out.len();
        self.state.resolve(self.tid, dirfd, path, out);
        out.len() > before
    }
}

/// The directory fd that stands for the working directory.
const AT_FDCWD: i64 = -100;

impl State {
    /// Appends the absolute form of a path that a thread gave, as far as its directory is known.
    pub(super) fn resolve(&self, tid: Tid, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) {
        let dir: &[u8] = match dirfd {
            None | Some(AT_FDCWD) => self.cwd(tid).unwrap_or(b""),
            Some(fd) => match self.fd(tid, fd) {
                Some(info) => info.name.as_ref(),
                None if path.starts_with(b"/") => b"",
                None => {
                    out.extend_from_slice(paths::UNKNOWN);
                    b""
                }
            },
        };
        paths::join(out, dir, path);
    }
}
