//! Fds and their tables.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::shared::Slot;
use super::thread::Text;
use super::{Ended, State, limits};
use crate::event::net::Endpoint;
use crate::event::{FdLabel, Tid};

/// The kind of an fd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FdKind {
    /// A file of no other kind.
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
    /// A known kind without a variant here.
    Unsupported,
    /// Not known.
    Unknown,
}

impl FdKind {
    /// Returns sysdig's letter for the kind.
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

    /// Returns sysdig's word for the kind (`fd.type`), if there is one.
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

    /// Returns the kind of a socket with this address.
    pub(super) fn of_end(end: Endpoint) -> Self {
        match end {
            Endpoint::V4(..) => Self::Ipv4,
            Endpoint::V6(..) => Self::Ipv6,
        }
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
    /// Returns sysdig's letter for the protocol.
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

/// The role of the recorded program in a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Not known.
    #[default]
    Unknown,
    /// The program connected.
    Client,
    /// The program accepted or listens.
    Server,
}

/// The first port that the kernel chooses by itself, unless it is configured otherwise
/// (`linux v6.12 net/ipv4/af_inet.c: inet_init_net`).
pub(super) const EPHEMERAL: u16 = 32_768;

impl Role {
    /// Returns the role of a socket that was bound before the capture and has no peer. A datagram socket at a port that
    /// the kernel gives to clients can be either.
    pub(super) fn of_bound(l4: L4, end: Endpoint) -> Self {
        match l4 == L4::Udp && end.port() >= EPHEMERAL {
            true => Self::Unknown,
            false => Self::Server,
        }
    }
}

/// One fd.
#[derive(Clone, Debug)]
pub struct FdInfo {
    /// What it is open on.
    pub kind: FdKind,
    /// Its name: a path, a tuple, or nothing.
    pub name: Text,
    /// Open flags (`PPM_O_*`).
    pub open_flags: u32,
    /// Device of the file; 0 if not known.
    pub dev: u32,
    /// Inode; 0 if not known.
    pub ino: u64,
    /// Close-on-exec.
    pub cloexec: bool,
    /// Protocol of a socket.
    pub l4: L4,
    /// Role of a socket.
    pub role: Role,
    /// Client and server end of a connection.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// The address a socket is bound to.
    pub bound: Option<Endpoint>,
    /// The path as the program passed it, if it differs from the name.
    pub raw_name: Option<Text>,
    /// Kernel addresses of the ends of a unix socket, own one first.
    pub unix_ends: (u64, u64),
    /// Whether a socket is connected.
    pub connection: Connection,
    /// When the call that made it returned, in nanoseconds; 0 = before the recording.
    pub(super) since: u64,
}

/// State of a socket's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// None, or not known.
    #[default]
    None,
    /// A non-blocking `connect` has not finished.
    Pending,
    /// The connection is established.
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
            since: 0,
        }
    }

    /// Returns the bytes of text charged against the limits.
    fn text_len(&self) -> usize {
        self.name.len() + self.raw_name.as_ref().map_or(0, |n| n.len())
    }

    /// Returns how the fd prints.
    pub fn label(&self) -> FdLabel<'_> {
        FdLabel {
            typechar: self.kind.typechar(),
            // As in sysdig, where the protocol is known together with the addresses.
            l4: self.l4.letter().filter(|_| {
                self.kind.is_inet() && (self.role != Role::Unknown || self.bound.is_some())
            }),
            name: &self.name,
        }
    }
}

/// Fds by number; copied only when one of the processes that inherited the table changes it.
pub(super) type Files = BTreeMap<i64, FdInfo>;

/// The fds of one or several threads.
#[derive(Clone, Debug, Default)]
pub(super) struct FdTable {
    fds: Arc<Files>,
    /// What numbers meant before, of a table that several threads share: oldest first. Calls are seen in order of
    /// return, but take effect before: while one thread's `close` returns, another can have been given its number.
    past: VecDeque<Past>,
}

/// The fd that a number meant until it was closed, for calls that entered before.
#[derive(Clone, Debug)]
struct Past {
    fd: i64,
    info: FdInfo,
    until: u64,
}

/// Most earlier fds of one table.
const MAX_PAST: usize = 32;

impl FdTable {
    pub(super) fn get(&self, fd: i64) -> Option<&FdInfo> {
        self.fds.get(&fd)
    }

    /// Returns the fd that a number meant before the one that it means now.
    fn before(&self, fd: i64, time: u64) -> Option<&FdInfo> {
        let meant = |past: &&Past| past.fd == fd && past.info.since <= time && time < past.until;
        self.past.iter().rev().find(meant).map(|past| &past.info)
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

/// Most fds of one event that are remembered as created by it: one message passes no more
/// (`linux v6.12 include/net/scm.h: SCM_MAX_FD`).
const MADE: usize = 253;

impl State {
    /// Whether two threads share a table of fds.
    pub fn share_fds(&self, one: Tid, other: Tid) -> bool {
        let files = |tid| self.threads.get(tid).and_then(|t| t.files);
        one == other || files(one).is_some_and(|slot| files(other) == Some(slot))
    }

    /// Returns what a number meant to a thread when the last event's call entered.
    pub fn fd(&self, tid: Tid, fd: i64) -> Option<&FdInfo> {
        let table = self.files.get(self.threads.get(tid)?.files?)?;
        match table.get(fd) {
            Some(info) if self.is_current(fd, info) => Some(info),
            _ if table.past.is_empty() => None,
            _ => table.before(fd, self.entered),
        }
    }

    /// Whether an fd is the one that its number meant when the last event's call entered, or that the event made.
    fn is_current(&self, fd: i64, info: &FdInfo) -> bool {
        info.since <= self.entered || self.made.contains(&fd)
    }

    /// Keeps an fd that its number no longer means, if other threads can be in a call on it.
    fn keep_past(&mut self, slot: Slot, fd: i64, info: FdInfo, until: u64) {
        let text = info.text_len();
        if !self.files.is_shared(slot) || self.used.fds >= limits::FDS || !self.has_room(text) {
            return;
        }
        let Some(table) = self.files.get_mut(slot) else {
            return;
        };
        let oldest = (table.past.len() >= MAX_PAST).then(|| table.past.pop_front());
        table.past.push_back(Past { fd, info, until });
        self.used.fds += 1;
        self.used.text += text;
        if let Some(oldest) = oldest.flatten() {
            self.used.fds -= 1;
            self.used.text -= oldest.info.text_len();
        }
    }

    /// Changes a table of fds. A table inherited from another process is copied first; without room for the copy, its
    /// fds are dropped.
    fn change_files<R>(&mut self, slot: Slot, change: impl FnOnce(&mut Files) -> R) -> Option<R> {
        let table = self.files.get_mut(slot)?;
        // There are no weak references.
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

    /// Adds an fd to a thread's table. One with the same number has been closed, by a call that has not returned.
    pub(super) fn add_fd(&mut self, tid: Tid, fd: i64, info: FdInfo) {
        self.put_fd(tid, fd, info, self.now);
    }

    /// The same by a call that closes the one with the same number itself.
    pub(super) fn replace_fd(&mut self, tid: Tid, fd: i64, info: FdInfo) {
        self.put_fd(tid, fd, info, self.entered);
    }

    fn put_fd(&mut self, tid: Tid, fd: i64, mut info: FdInfo, old_until: u64) {
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
        info.since = self.now;
        let new = info.text_len();
        let old = self.change_files(slot, |files| files.insert(fd, info));
        self.used.text = self.used.text.saturating_add(new);
        if let Some(old) = old.flatten() {
            self.used.text = self.used.text.saturating_sub(old.text_len());
            self.keep_past(slot, fd, old, old_until);
        }
    }

    /// Changes an fd of a thread, if it exists.
    pub(super) fn update_fd(&mut self, tid: Tid, fd: i64, change: impl FnOnce(&mut FdInfo)) {
        let Some(slot) = self.threads.get(tid).and_then(|t| t.files) else {
            return;
        };
        let current = self.files.get(slot).and_then(|table| table.get(fd));
        if !current.is_some_and(|info| self.is_current(fd, info)) {
            return;
        }
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

    /// Marks fds as closed by a thread; they are removed before the next event.
    pub(super) fn end_fds(&mut self, tid: Tid, first: i64, last: i64) {
        if let Some(slot) = self.threads.get(tid).and_then(|t| t.files) {
            self.ended.push(Ended::Fds(slot, first, last));
        }
    }

    /// Removes fds from a table.
    pub(super) fn close_range(&mut self, slot: Slot, first: i64, last: i64) {
        let time = self.entered;
        if first == last {
            // The common case: no search of the table for one fd.
            let current = self.files.get(slot).and_then(|table| table.get(first));
            // One that was made later has another's number.
            if current.is_some_and(|info| info.since <= time) {
                let old = self.change_files(slot, |files| files.remove(&first));
                if let Some(old) = old.flatten() {
                    self.used.text = self.used.text.saturating_sub(old.text_len());
                    self.keep_past(slot, first, old, self.now);
                }
            }
            return;
        }
        let any = |files: &Files| first <= last && files.range(first..=last).next().is_some();
        if self.files.get(slot).is_some_and(|t| any(&t.fds)) {
            self.remove_fds(slot, |fd, info| {
                (first..=last).contains(&fd) && info.since <= time
            });
        }
    }

    /// Marks fds of a thread as close-on-exec.
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

    /// Removes the fds that `execve` closes.
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

    /// Returns fds for a new process or thread: those of its creator, shared or copied.
    pub(super) fn inherit_files(&mut self, from: Slot, share: bool) -> Slot {
        if share {
            return self.files.hold(from);
        }
        let fds = self.files.get(from).map(|table| Arc::clone(&table.fds));
        self.files.add(FdTable {
            fds: fds.unwrap_or_default(),
            past: VecDeque::new(),
        })
    }

    /// Gives a thread its own copy of fds that it shares (`unshare`, `execve`).
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

    /// Releases a reference to a table of fds.
    pub(super) fn release_files(&mut self, slot: Slot) {
        let Some(table) = self.files.release(slot) else {
            return;
        };
        for past in table.past {
            self.used.fds = self.used.fds.saturating_sub(1);
            self.used.text = self.used.text.saturating_sub(past.info.text_len());
        }
        if let Ok(files) = Arc::try_unwrap(table.fds) {
            let (fds, text) = FdTable::cost(&files);
            self.used.fds = self.used.fds.saturating_sub(fds);
            self.used.text = self.used.text.saturating_sub(text);
        }
    }
}
