//! Fds and their tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::Slot;
use super::thread::Text;
use super::{Ended, State, limits};
use crate::event::net::Endpoint;
use crate::event::{FdLabel, Tid};

/// What an fd is open on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FdKind {
    /// A file that is none of the others.
    File,
    /// A directory.
    Directory,
    /// An IPv4 socket.
    Ipv4,
    /// An IPv6 socket.
    Ipv6,
    /// A unix socket.
    Unix,
    /// A netlink socket.
    Netlink,
    /// A pipe or FIFO.
    Pipe,
    /// An eventfd.
    Event,
    /// A signalfd.
    Signal,
    /// An epoll instance.
    Epoll,
    /// An inotify instance.
    Inotify,
    /// A timerfd.
    Timer,
    /// A BPF object.
    Bpf,
    /// A userfaultfd.
    Userfault,
    /// An io_uring instance.
    IoUring,
    /// A memfd.
    Memfd,
    /// A pidfd.
    Pidfd,
    /// Something known to be none of these.
    Unsupported,
    /// Not known.
    Unknown,
}

impl FdKind {
    /// Returns the field's letter for it.
    pub fn typechar(self) -> u8 {
        match self {
            Self::File => b'f',
            Self::Directory => b'd',
            Self::Ipv4 => b'4',
            Self::Ipv6 => b'6',
            Self::Unix | Self::Userfault => b'u',
            Self::Netlink => b'n',
            Self::Pipe => b'p',
            Self::Event => b'e',
            Self::Signal => b's',
            Self::Epoll => b'l',
            Self::Inotify => b'i',
            Self::Timer => b't',
            Self::Bpf => b'b',
            Self::IoUring => b'r',
            Self::Memfd => b'm',
            Self::Pidfd => b'P',
            Self::Unsupported => b'X',
            Self::Unknown => b'o',
        }
    }

    /// Returns the field's word for it (`fd.type`), if it has one.
    pub fn word(self) -> Option<&'static str> {
        Some(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Unix => "unix",
            Self::Netlink => "netlink",
            Self::Pipe => "pipe",
            Self::Event => "event",
            Self::Signal => "signalfd",
            Self::Epoll => "eventpoll",
            Self::Inotify => "inotify",
            Self::Timer => "timerfd",
            Self::Bpf => "bpf",
            Self::Userfault => "userfaultfd",
            Self::IoUring => "io_uring",
            Self::Memfd => "memfd",
            Self::Pidfd => "pidfd",
            Self::Unsupported | Self::Unknown => return None,
        })
    }

    /// Whether it is an internet socket.
    pub fn is_inet(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }
}

/// Transport protocol of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum L4 {
    /// Not known.
    #[default]
    Unknown,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// Raw IP.
    Raw,
}

impl L4 {
    /// Returns the field's letter for it.
    pub fn letter(self) -> Option<u8> {
        match self {
            Self::Unknown => None,
            Self::Tcp => Some(b't'),
            Self::Udp => Some(b'u'),
            Self::Icmp => Some(b'i'),
            Self::Raw => Some(b'r'),
        }
    }
}

/// Which end of a connection the recorded machine's program is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Not known.
    #[default]
    Unknown,
    /// It connected.
    Client,
    /// It accepted or listens.
    Server,
}

/// One fd.
#[derive(Clone, Debug)]
pub struct FdInfo {
    /// What it is open on.
    pub kind: FdKind,
    /// Its name: a path, a tuple, or nothing.
    pub name: Text,
    /// The field's open flags (`PPM_O_*`).
    pub open_flags: u32,
    /// Device of the file; 0 if not known.
    pub dev: u32,
    /// Inode; 0 if not known.
    pub ino: u64,
    /// Closed when a program is executed.
    pub cloexec: bool,
    /// Protocol of a socket.
    pub l4: L4,
    /// Role of a socket.
    pub role: Role,
    /// Client and server end of a connection.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// The address a socket is bound to.
    pub bound: Option<Endpoint>,
    /// The path as the program gave it, if that is not the name.
    pub raw_name: Option<Text>,
    /// Kernel addresses of the ends of a unix socket, own one first.
    pub unix_ends: (u64, u64),
    /// Whether a socket is connected.
    pub connection: Connection,
}

/// How far a socket's connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// None, or not known.
    #[default]
    None,
    /// `connect` would not wait for it.
    Pending,
    /// It stands.
    Established,
}

impl FdInfo {
    /// Makes an fd without a name.
    pub fn new(kind: FdKind) -> Self {
        Self {
            kind,
            name: Arc::default(),
            open_flags: 0,
            dev: 0,
            ino: 0,
            cloexec: false,
            l4: L4::Unknown,
            role: Role::Unknown,
            ends: None,
            bound: None,
            raw_name: None,
            unix_ends: (0, 0),
            connection: Connection::None,
        }
    }

    /// Bytes of text charged against the caps.
    fn text_len(&self) -> usize {
        self.name.len() + self.raw_name.as_ref().map_or(0, |n| n.len())
    }

    /// Returns how it is shown.
    pub fn label(&self) -> FdLabel<'_> {
        FdLabel {
            typechar: self.kind.typechar(),
            // As in sysdig, which learns the protocol with the addresses.
            l4: self
                .l4
                .letter()
                .filter(|_| self.kind.is_inet() && self.role != Role::Unknown),
            name: &self.name,
        }
    }
}

/// The fds by number; copied only when one of those who inherited it changes it.
pub(super) type Files = BTreeMap<i64, FdInfo>;

/// The fds of one or several threads.
#[derive(Clone, Debug, Default)]
pub(super) struct FdTable {
    fds: Arc<Files>,
}

impl FdTable {
    pub(super) fn get(&self, fd: i64) -> Option<&FdInfo> {
        self.fds.get(&fd)
    }

    pub(super) fn len(&self) -> usize {
        self.fds.len()
    }

    /// Iterates over the fds by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &FdInfo)> {
        self.fds.iter().map(|(fd, info)| (*fd, info))
    }

    fn cost(files: &Files) -> (usize, usize) {
        (files.len(), files.values().map(FdInfo::text_len).sum())
    }
}

/// Most fds of one event that are remembered as made by it: one message passes no more
/// (`linux v6.12 include/net/scm.h: SCM_MAX_FD`).
const MADE: usize = 253;

impl State {
    /// Whether two threads have the same table of fds.
    pub fn share_fds(&self, one: Tid, other: Tid) -> bool {
        let files = |tid| self.threads.get(tid).and_then(|t| t.files);
        one == other || files(one).is_some_and(|slot| files(other) == Some(slot))
    }

    /// Changes a table of fds. A table inherited from another process is copied first; if there is no
    /// room for the copy, its fds are forgotten.
    fn change_files<R>(&mut self, slot: Slot, change: impl FnOnce(&mut Files) -> R) -> Option<R> {
        let table = self.files.get_mut(slot)?;
        // Nobody holds it weakly.
        if Arc::strong_count(&table.fds) > 1 {
            let (fds, text) = FdTable::cost(&table.fds);
            if self.used.fds.saturating_add(fds) > limits::FDS
                || self.used.text.saturating_add(text) > limits::TEXT
            {
                table.fds = Arc::default();
            } else {
                self.used.fds += fds;
                self.used.text += text;
            }
        }
        let files = Arc::make_mut(&mut table.fds);
        let before = (files.len(), 0);
        let result = change(files);
        self.used.fds = self
            .used
            .fds
            .saturating_sub(before.0)
            .saturating_add(files.len());
        Some(result)
    }

    /// Adds an fd to a thread's table, in place of one with its number.
    pub(super) fn add_fd(&mut self, tid: Tid, fd: i64, info: FdInfo) {
        if !(0..=limits::FD_NUMBER).contains(&fd) || self.used.fds >= limits::FDS {
            return;
        }
        let Some(slot) = self.threads.get(tid).and_then(|t| t.files) else {
            return;
        };
        self.changed_name = !info.name.is_empty();
        if self.made.len() < MADE {
            self.made.push(fd);
        }
        let new = info.text_len();
        let text = |old: Option<FdInfo>| old.map_or(0, |f| f.text_len());
        let old = self.change_files(slot, |files| text(files.insert(fd, info)));
        let old = old.unwrap_or(0);
        self.used.text = self.used.text.saturating_add(new).saturating_sub(old);
    }

    /// Changes an fd of a thread, if it is known.
    pub(super) fn update_fd(&mut self, tid: Tid, fd: i64, change: impl FnOnce(&mut FdInfo)) {
        if self.fd(tid, fd).is_none() {
            return;
        }
        let Some(slot) = self.threads.get(tid).and_then(|t| t.files) else {
            return;
        };
        let lens = self.change_files(slot, |files| {
            files.get_mut(&fd).map(|info| {
                let before = info.text_len();
                let name = Arc::clone(&info.name);
                change(info);
                (before, info.text_len(), name != info.name)
            })
        });
        if let Some(Some((before, after, renamed))) = lens {
            self.changed_name |= renamed;
            self.used.text = self.used.text.saturating_add(after).saturating_sub(before);
        }
    }

    /// Takes note that a thread closed fds; they go before the next event.
    pub(super) fn end_fds(&mut self, tid: Tid, first: i64, last: i64) {
        if let Some(slot) = self.threads.get(tid).and_then(|t| t.files) {
            self.ended.push(Ended::Fds(slot, first, last));
        }
    }

    /// Removes fds from a table.
    pub(super) fn close_range(&mut self, slot: Slot, first: i64, last: i64) {
        if first == last {
            // Most: no table is searched for one fd.
            if self.files.get(slot).is_some_and(|t| t.get(first).is_some()) {
                let text = |old: Option<FdInfo>| old.map_or(0, |f| f.text_len());
                let text = self.change_files(slot, |files| text(files.remove(&first)));
                self.used.text = self.used.text.saturating_sub(text.unwrap_or(0));
            }
            return;
        }
        let any = |files: &Files| first <= last && files.range(first..=last).next().is_some();
        if self.files.get(slot).is_some_and(|t| any(&t.fds)) {
            self.remove_fds(slot, |fd, _| (first..=last).contains(&fd));
        }
    }

    /// Marks fds of a thread as closed by a program's execution.
    pub(super) fn mark_cloexec(&mut self, tid: Tid, first: i64, last: i64) {
        if let Some(slot) = self.threads.get(tid).and_then(|t| t.files)
            && first <= last
        {
            self.change_files(slot, |files| {
                for info in files.range_mut(first..=last).map(|(_, info)| info) {
                    info.cloexec = true;
                }
            });
        }
    }

    /// Removes the fds that a program's execution closes.
    pub(super) fn close_on_exec(&mut self, tid: Tid) {
        if let Some(slot) = self.threads.get(tid).and_then(|t| t.files)
            && let Some(table) = self.files.get(slot)
            && table.fds.values().any(|f| f.cloexec)
        {
            self.remove_fds(slot, |_, info| info.cloexec);
        }
    }

    fn remove_fds(&mut self, slot: Slot, gone: impl Fn(i64, &FdInfo) -> bool) {
        let text = self.change_files(slot, |files| {
            let mut text = 0;
            files.retain(|fd, info| {
                let gone = gone(*fd, info);
                text += if gone { info.text_len() } else { 0 };
                !gone
            });
            text
        });
        self.used.text = self.used.text.saturating_sub(text.unwrap_or(0));
    }

    /// Returns fds for a new process or thread: its maker's, shared or copied.
    pub(super) fn inherit_files(&mut self, from: Slot, share: bool) -> Slot {
        if share {
            return self.files.hold(from);
        }
        let copy = self.files.get(from).cloned().unwrap_or_default();
        self.files.add(copy)
    }

    /// Gives a thread fds of its own if it shares them (`unshare`, `execve`).
    pub(super) fn unshare_files(&mut self, tid: Tid) {
        let Some(slot) = self.threads.get(tid).and_then(|t| t.files) else {
            return;
        };
        if self.files.is_shared(slot) {
            let own = self.inherit_files(slot, false);
            self.release_files(slot);
            self.update_thread(tid, |t| t.files = Some(own));
        }
    }

    /// Gives up a table of fds.
    pub(super) fn release_files(&mut self, slot: Slot) {
        if let Some(table) = self.files.release(slot)
            && let Ok(files) = Arc::try_unwrap(table.fds)
        {
            let (fds, text) = FdTable::cost(&files);
            self.used.fds = self.used.fds.saturating_sub(fds);
            self.used.text = self.used.text.saturating_sub(text);
        }
    }
}
