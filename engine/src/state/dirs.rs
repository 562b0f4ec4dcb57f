//! Working and root directories.

use super::shared::Slot;
use super::thread::{Text, Thread};
use super::{State, limits};
use crate::event::Tid;

/// Working and root directory of a thread, shared between threads created with `CLONE_FS`.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirs {
    pub(super) cwd: Option<Text>,
    /// As the mount namespace has it: `/` unless the thread is in a `chroot`.
    pub(super) root: Option<Text>,
    /// Inode number of the mount namespace, which the paths are of.
    pub(super) mount_ns: Option<u32>,
    /// The working directory before the last change of it, which calls that entered before started from.
    before: Option<Text>,
    /// When the call that changed it entered and returned, in nanoseconds.
    changed: (u64, u64),
}

impl Dirs {
    /// Bytes of text charged against the limits.
    pub(super) fn text_len(&self) -> usize {
        let texts = [&self.cwd, &self.root, &self.before];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }

    fn replace_cwd(&mut self, new: Option<Text>, changed: (u64, u64)) {
        self.before = std::mem::replace(&mut self.cwd, new);
        self.changed = changed;
    }
}

/// Whose file names the paths of a thread are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mounts {
    /// The machine's own, or, in a capture that does not have namespaces, those of whatever is in no container.
    Host,
    /// Of another mount namespace, by its inode number.
    Namespace(u32),
    /// Of a container, by its id, in a capture that does not have namespaces.
    Container(Text),
    /// Not known.
    #[default]
    Unknown,
}

/// The machine's first process, and the first kernel thread: the first process may not be shown to the recorder. Both are in
/// the machine's own mount namespace.
const FIRST: [Tid; 2] = [Tid(1), Tid(2)];

impl State {
    /// Returns whose file names the paths of a thread are.
    pub(super) fn mounts(&self, thread: &Thread) -> Mounts {
        let own = thread.dirs.and_then(|slot| self.dirs.get(slot)?.mount_ns);
        match (own, self.host_mount_ns) {
            (Some(own), Some(host)) if own == host => Mounts::Host,
            (Some(own), _) => Mounts::Namespace(own),
            (None, Some(_)) => Mounts::Unknown,
            (None, None) => match (&thread.container, thread.container_or_host()) {
                (Some(id), _) => Mounts::Container(Text::clone(id)),
                (None, Some(_)) => Mounts::Host,
                (None, None) => Mounts::Unknown,
            },
        }
    }

    /// Returns a thread's working directory.
    pub(super) fn cwd(&self, tid: Tid) -> Option<&[u8]> {
        let dirs = self.dirs.get(self.threads.get(tid)?.dirs?)?;
        dirs.cwd.as_deref()
    }

    /// Returns the directory that relative paths of a thread's last call started from. `None`: not known, since another
    /// thread changed the directory while the call entered.
    pub(super) fn base(&self, tid: Tid) -> Option<&[u8]> {
        let dirs = self.dirs.get(self.threads.get(tid)?.dirs?)?;
        let (entered, returned) = dirs.changed;
        if self.entered >= returned {
            dirs.cwd.as_deref()
        } else if self.entered <= entered {
            dirs.before.as_deref()
        } else {
            None
        }
    }

    /// Returns a thread's root directory.
    pub(super) fn root(&self, tid: Tid) -> Option<&[u8]> {
        let dirs = self.dirs.get(self.threads.get(tid)?.dirs?)?;
        dirs.root.as_deref()
    }

    /// Returns the inode number of a thread's mount namespace.
    pub(super) fn mount_ns(&self, tid: Tid) -> Option<u32> {
        self.dirs.get(self.threads.get(tid)?.dirs?)?.mount_ns
    }

    /// Changes a thread's mount namespace. `None`: to one that is not known.
    pub(super) fn set_mount_ns(&mut self, tid: Tid, mount_ns: Option<u32>) {
        if let Some(slot) = self.threads.get(tid).and_then(|t| t.dirs) {
            self.change_dirs(slot, |dirs| dirs.mount_ns = mount_ns);
            if tid == FIRST[0] || tid == FIRST[1] && self.host_mount_ns.is_none() {
                self.host_mount_ns = mount_ns;
            }
        }
    }

    /// The mount namespace of directories is a new one.
    pub(super) fn forget_mount_ns(&mut self, slot: Slot) {
        self.change_dirs(slot, |dirs| dirs.mount_ns = None);
    }

    /// Changes a thread's directories.
    pub(super) fn set_dirs(&mut self, tid: Tid, cwd: Option<&[u8]>, root: Option<&[u8]>) {
        let new_cwd = cwd.and_then(|t| self.keep(t, limits::NAME));
        let new_root = root.and_then(|t| self.keep(t, limits::NAME));
        let Some(slot) = self.threads.get(tid).and_then(|t| t.dirs) else {
            return;
        };
        let changed = (self.entered, self.now);
        self.change_dirs(slot, |dirs| {
            if let Some(new) = new_root {
                dirs.root = Some(new);
            }
            if let Some(new) = new_cwd {
                dirs.replace_cwd(Some(new), changed);
            }
        });
    }

    fn change_dirs(&mut self, slot: Slot, change: impl FnOnce(&mut Dirs)) {
        let Some(dirs) = self.dirs.get_mut(slot) else {
            return;
        };
        let before = dirs.text_len();
        change(dirs);
        self.used.text = self
            .used
            .text
            .saturating_sub(before)
            .saturating_add(dirs.text_len());
    }

    /// Removes a thread's working directory, after it changed to an unknown one.
    pub(super) fn forget_cwd(&mut self, tid: Tid) {
        if let Some(slot) = self.threads.get(tid).and_then(|t| t.dirs) {
            let changed = (self.entered, self.now);
            self.change_dirs(slot, |dirs| dirs.replace_cwd(None, changed));
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
        self.used.text = self.used.text.saturating_add(copy.text_len());
        self.dirs.add(copy)
    }
}
