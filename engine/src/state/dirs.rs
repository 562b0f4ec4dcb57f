//! Working and root directories.

use super::shared::Slot;
use super::thread::Text;
use super::{State, limits};
use crate::event::Tid;

/// Working and root directory of a thread, shared between threads created with `CLONE_FS`.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirs {
    pub(super) cwd: Option<Text>,
    pub(super) root: Option<Text>,
}

impl State {
    /// Returns a thread's working directory.
    pub(super) fn cwd(&self, tid: Tid) -> Option<&[u8]> {
        let dirs = self.dirs.get(self.threads.get(tid)?.dirs?)?;
        dirs.cwd.as_deref()
    }

    /// Returns a thread's root directory.
    pub(super) fn root(&self, tid: Tid) -> Option<&[u8]> {
        let dirs = self.dirs.get(self.threads.get(tid)?.dirs?)?;
        dirs.root.as_deref()
    }

    /// Changes a thread's directories.
    pub(super) fn set_dirs(&mut self, tid: Tid, cwd: Option<&[u8]>, root: Option<&[u8]>) {
        let new_cwd = cwd.and_then(|t| self.keep(t, limits::NAME));
        let new_root = root.and_then(|t| self.keep(t, limits::NAME));
        let Some(slot) = self.threads.get(tid).and_then(|t| t.dirs) else {
            return;
        };
        let Some(dirs) = self.dirs.get_mut(slot) else {
            return;
        };
        for (place, new) in [(&mut dirs.cwd, new_cwd), (&mut dirs.root, new_root)] {
            if let Some(new) = new {
                self.used.text = self.used.text.saturating_add(new.len());
                let old = place.replace(new).map_or(0, |t| t.len());
                self.used.text = self.used.text.saturating_sub(old);
            }
        }
    }

    /// Removes a thread's working directory, after it changed to an unknown one.
    pub(super) fn forget_cwd(&mut self, tid: Tid) {
        let slot = self.threads.get(tid).and_then(|t| t.dirs);
        if let Some(dirs) = slot.and_then(|slot| self.dirs.get_mut(slot)) {
            let old = dirs.cwd.take().map_or(0, |t| t.len());
            self.used.text = self.used.text.saturating_sub(old);
        }
    }

    /// Gives a thread its own copy of directories that it shares.
    pub(super) fn unshare_dirs(&mut self, tid: Tid) {
        let Some(slot) = self.threads.get(tid).and_then(|t| t.dirs) else {
            return;
        };
        if self.dirs.is_shared(slot) {
            let own = self.inherit_dirs(slot, false);
            self.dirs.release(slot);
            self.update_thread(tid, |t| t.dirs = Some(own));
        }
    }

    /// Returns directories for a new thread: those of its creator, shared or copied.
    pub(super) fn inherit_dirs(&mut self, from: Slot, share: bool) -> Slot {
        if share {
            return self.dirs.hold(from);
        }
        let copy = self.dirs.get(from).cloned().unwrap_or_default();
        for text in [&copy.cwd, &copy.root].into_iter().flatten() {
            self.used.text = self.used.text.saturating_add(text.len());
        }
        self.dirs.add(copy)
    }
}
