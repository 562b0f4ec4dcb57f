//! A thread, and its properties except fds.

use std::sync::Arc;

use super::Located;
use super::lineage::{Lineage, Starter};
use super::shared::Slot;
use crate::event::{Pid, Tid};

/// Text from a capture, any bytes; cheap to share.
pub type Text = Arc<[u8]>;

/// A thread id (re-exported for callers that only deal with state).
pub type ThreadId = Tid;

/// Stands for a container's id outside of containers.
const HOST: &[u8] = b"host";

/// Unknown user or group of a thread.
pub(super) const NO_ID: u32 = u32::MAX;

/// One thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its id.
    pub tid: Tid,
    /// Its process; -1 if not known.
    pub pid: Pid,
    /// The thread that is its process's parent; -1 if not known.
    pub ptid: Tid,
    /// Its id in its own pid namespace; -1 if not known.
    pub vtid: i64,
    /// Its process's id in its own pid namespace; -1 if not known.
    pub vpid: i64,
    /// Session; -1 if not known.
    pub sid: i64,
    /// Process group in the initial pid namespace; -1 if not known.
    pub pgid: i64,
    /// Process group in its own pid namespace; -1 if not known.
    pub vpgid: i64,
    /// The kernel's name of the thread; `None` if not known.
    pub comm: Option<Text>,
    /// `argv[0]`.
    pub exe: Option<Text>,
    /// The path of the executable.
    pub exepath: Option<Text>,
    /// The rest of `argv`, each followed by a NUL.
    pub args: Option<Text>,
    /// Environment, each followed by a NUL.
    pub env: Option<Text>,
    /// `subsystem=path`, each followed by a NUL.
    pub cgroups: Option<Text>,
    /// Effective user; all ones if not known.
    pub uid: u32,
    /// Effective group; all ones if not known.
    pub gid: u32,
    /// Login user; all ones if none or not known.
    pub loginuid: u32,
    /// Terminal, as a device number; 0 = none.
    pub tty: u32,
    /// Limit of open fds; -1 if not known.
    pub fdlimit: i64,
    /// Capabilities: inheritable, permitted, effective; `None` if not known.
    pub caps: Option<[u64; 3]>,
    /// The file of its program.
    pub program: Program,
    /// Memory: virtual, resident, swapped, in KiB.
    pub memory_kb: [u32; 3],
    /// Page faults: major, minor.
    pub faults: [u64; 2],
    /// When its pid namespace was created (nanoseconds since the epoch); 0 = not known.
    pub pidns_start: u64,
    /// Start time (nanoseconds since the epoch); 0 = not known. With `tid` it identifies the thread among those with
    /// the same id.
    pub start: u64,
    /// The id of its container, from its cgroups; `None` = the host, or not known ([`Thread::container_or_host`]).
    pub container: Option<Text>,
    /// The container that its cgroups name, which a snapshot can contradict.
    pub located: Option<Arc<Located>>,
    /// Whether the container of these cgroups was determined: threads with the same long list are not matched again.
    pub(super) is_placed: bool,
    /// Adopts orphaned descendants (`PR_SET_CHILD_SUBREAPER`).
    pub is_reaper: bool,
    /// Keeps its permitted capabilities when it changes its user (`PR_SET_KEEPCAPS`).
    pub keeps_caps: bool,
    /// Time of the event of this capture that created it (nanoseconds since the epoch); 0 = none.
    pub clone_ts: u64,
    /// Time of its last `execve` in this capture; 0 = none.
    pub exec_ts: u64,
    /// Its exit was recorded; it stays only as long as its process has other threads.
    pub dead: bool,
    /// The starters of its process; only in a main thread.
    pub(super) lineage: Lineage,
    /// Its process as the starter of its last child.
    pub(super) portrait: Option<Arc<Starter>>,
    pub(super) files: Option<Slot>,
    pub(super) dirs: Option<Slot>,
}

/// Properties of a program's file other than its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Inode; 0 = not known.
    pub ino: u64,
    /// Time of the inode's last change, in nanoseconds since the epoch; 0 = not known.
    pub ctime: u64,
    /// Time of the content's last change, likewise.
    pub mtime: u64,
    /// `EXE_*` flags of `execve`.
    pub flags: ProgramFlags,
}

bitflags::bitflags! {
    /// Facts about a program's file, with the bits of `execve` events.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ProgramFlags: u32 {
        /// The user who runs it may write it.
        const WRITABLE = 1;
        /// It is in the upper layer of an overlay file system.
        const UPPER_LAYER = 2;
        /// It is a memfd.
        const FROM_MEMFD = 4;
        /// It is in a lower layer of an overlay file system.
        const LOWER_LAYER = 8;
    }
}

impl Thread {
    /// Makes a thread with only an id.
    pub fn unknown(tid: Tid) -> Self {
        Self {
            tid,
            pid: Pid(-1),
            ptid: Tid(-1),
            vtid: -1,
            vpid: -1,
            sid: -1,
            pgid: -1,
            vpgid: -1,
            comm: None,
            exe: None,
            exepath: None,
            args: None,
            env: None,
            cgroups: None,
            uid: NO_ID,
            gid: NO_ID,
            loginuid: NO_ID,
            tty: 0,
            fdlimit: -1,
            caps: None,
            program: Program::default(),
            memory_kb: [0; 3],
            faults: [0; 2],
            pidns_start: 0,
            start: 0,
            container: None,
            located: None,
            is_placed: false,
            is_reaper: false,
            keeps_caps: false,
            clone_ts: 0,
            exec_ts: 0,
            dead: false,
            lineage: Lineage::default(),
            portrait: None,
            files: None,
            dirs: None,
        }
    }

    /// Sets the container that its cgroups name.
    pub(super) fn locate(&mut self, located: Option<Arc<Located>>) {
        self.container = located.as_ref().map(|found| Text::clone(&found.id));
        self.located = located;
    }

    /// Returns the id of its container, or `host` if its cgroups are known and are those of no container.
    pub fn container_or_host(&self) -> Option<&[u8]> {
        let host = || self.cgroups.is_some().then_some(HOST);
        self.container.as_deref().or_else(host)
    }

    /// Whether this is the main thread of its process.
    pub fn is_main(&self) -> bool {
        self.tid.0 == self.pid.0
    }

    /// Returns the start time in nanoseconds since the epoch. `boot` is that of the machine; 0 = not known.
    pub fn began(&self, boot: u64) -> Option<u64> {
        began(self.clone_ts, self.start, boot)
    }

    pub(super) fn text_len(&self) -> usize {
        [
            &self.comm,
            &self.exe,
            &self.exepath,
            &self.args,
            &self.env,
            &self.cgroups,
        ]
        .iter()
        .filter_map(|t| t.as_ref().map(|t| t.len()))
        .sum()
    }
}

/// Returns the start time of a thread created by an event at `clone_ts`, or `start` after boot.
pub(super) fn began(clone_ts: u64, start: u64, boot: u64) -> Option<u64> {
    match (clone_ts, start) {
        (0, 0) => None,
        (0, _) if boot == 0 => None,
        (0, _) => start.checked_add(boot),
        (seen, _) => Some(seen),
    }
}
