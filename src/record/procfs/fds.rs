//! Open fds of processes.

use std::collections::{HashMap, HashSet};

use scap_capture_format::{
    event::Tid,
    native::snapshot::{FdEntry, Snapshot},
};

use super::{Seen, bytes, link, number, numbers};
use crate::{
    record::encode::{encode_device, open_flags},
    state::limits,
};

/// Kinds of fd, numbered as in .scap files.
pub(in crate::record) mod kind {
    pub(in crate::record) const DIRECTORY: u8 = 2;
    pub(in crate::record) const IPV4: u8 = 3;
    pub(in crate::record) const IPV6: u8 = 4;
    pub(in crate::record) const IPV4_SERVER: u8 = 5;
    pub(in crate::record) const IPV6_SERVER: u8 = 6;
    pub(in crate::record) const FIFO: u8 = 7;
    pub(in crate::record) const UNIX: u8 = 8;
    pub(in crate::record) const EVENT: u8 = 9;
    pub(in crate::record) const UNSUPPORTED: u8 = 10;
    pub(in crate::record) const SIGNAL: u8 = 11;
    pub(in crate::record) const EVENTPOLL: u8 = 12;
    pub(in crate::record) const INOTIFY: u8 = 13;
    pub(in crate::record) const TIMER: u8 = 14;
    pub(in crate::record) const NETLINK: u8 = 15;
    pub(in crate::record) const FILE: u8 = 16;
    pub(in crate::record) const BPF: u8 = 17;
    pub(in crate::record) const USERFAULT: u8 = 18;
    pub(in crate::record) const IO_URING: u8 = 19;
    pub(in crate::record) const MEMFD: u8 = 20;
    pub(in crate::record) const PIDFD: u8 = 21;
}

/// Link texts of fds without a path.
const ANONYMOUS: &[(&[u8], u8)] = &[
    (b"[eventfd]", kind::EVENT),
    (b"[eventpoll]", kind::EVENTPOLL),
    (b"[signalfd]", kind::SIGNAL),
    (b"[timerfd]", kind::TIMER),
    (b"inotify", kind::INOTIFY),
    (b"bpf-map", kind::BPF),
    (b"bpf-prog", kind::BPF),
    (b"bpf_link", kind::BPF),
    (b"[userfaultfd]", kind::USERFAULT),
    (b"[io_uring]", kind::IO_URING),
    (b"[pidfd]", kind::PIDFD),
];

/// Most fds of one table that are read.
const MAX_FDS: usize = 65_536;
/// Most fds that are read of all tables together that are of one thread only, which can be as many as there are threads.
pub(super) const MAX_THREAD_FDS: usize = 131_072;

/// Devices by mount, for each mount namespace that was seen.
#[derive(Default)]
pub(super) struct Mounts {
    devices: HashMap<u32, u32>,
    known: HashSet<Vec<u8>>,
}

impl Mounts {
    /// Reads the mounts of a process's namespace, unless they were read for another process.
    fn learn(&mut self, base: &str) {
        let namespace = link(&format!("{base}/ns/mnt"));
        if namespace.is_empty() || !self.known.insert(namespace) {
            return;
        }
        self.add(&bytes(&format!("{base}/mountinfo"), 4 << 20));
    }

    /// Adds the mounts in a `mountinfo`.
    pub(super) fn add(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n') {
            // Id, parent, major:minor.
            let mut words = line.split(|byte| *byte == b' ');
            let (Some(id), Some(device)) = (words.next(), words.nth(1)) else {
                continue;
            };
            let mut halves = device.split(|byte| *byte == b':');
            let (Some(major), Some(minor)) = (halves.next(), halves.next()) else {
                continue;
            };
            let (Some(id), Some(major), Some(minor)) =
                (number(id), number::<u32>(major), number::<u32>(minor))
            else {
                continue;
            };
            self.devices.insert(id, encode_device(major, minor));
        }
    }
}

/// The contents of `fdinfo`.
#[derive(Default)]
pub(super) struct FdInfo {
    pub(super) flags: u64,
    mount: u32,
    inode: u64,
}

/// Parses the `fdinfo` of an fd.
pub(super) fn fdinfo(text: &[u8]) -> FdInfo {
    let mut info = FdInfo::default();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let value = line[colon + 1..].trim_ascii();
        match &line[..colon] {
            b"flags" => {
                let octal = std::str::from_utf8(value).ok();
                info.flags = octal
                    .and_then(|text| u64::from_str_radix(text, 8).ok())
                    .unwrap_or(0);
            }
            b"mnt_id" => info.mount = number(value).unwrap_or(0),
            b"ino" => info.inode = number(value).unwrap_or(0),
            _ => {}
        }
    }
    info
}

/// Adds the fds of the thread with the procfs directory `base`, at most `limit`, as those of `owner`.
pub(super) fn add(snapshot: &mut Snapshot, base: &str, owner: u32, limit: usize, seen: &mut Seen) {
    let fds = numbers(format!("{base}/fd"));
    if fds.is_empty() {
        return;
    }
    let Seen {
        sockets,
        mounts,
        files,
        ..
    } = seen;
    mounts.learn(base);
    let room = limits::FDS.saturating_sub(snapshot.fds.len());
    for fd in fds.into_iter().take(room.min(MAX_FDS).min(limit)) {
        let target = files.path(&format!("{base}/fd/{fd}"));
        if target.is_empty() {
            continue;
        }
        let info = fdinfo(&bytes(&format!("{base}/fdinfo/{fd}"), 512));
        let mut entry = FdEntry {
            owner: Tid(i64::from(owner)),
            fd: i64::from(fd),
            inode: info.inode,
            open_flags: open_flags(info.flags),
            ..FdEntry::default()
        };
        if let Some(inode) = bracketed(&target, b"socket:[") {
            entry.inode = inode;
            entry.kind = kind::UNSUPPORTED;
            if let Some(socket) = sockets.find(base, inode) {
                entry.kind = socket.kind;
                entry.socket = socket.ends;
                entry.name = snapshot.strings.intern(&socket.name);
            }
        } else {
            let (what, inode) = classify(&target, info.flags);
            entry.kind = what;
            if let Some(inode) = inode {
                entry.inode = inode;
            }
            if matches!(what, kind::FILE | kind::DIRECTORY) {
                entry.dev = mounts.devices.get(&info.mount).copied().unwrap_or(0);
            }
            entry.name = snapshot.strings.intern(name(what, &target));
        }
        snapshot.fds.push(entry);
    }
}

/// Returns the name of an fd by its link text. A memfd has the one given at its creation, as in the `memfd_create` event.
pub(in crate::record) fn name(what: u8, target: &[u8]) -> &[u8] {
    match what {
        kind::MEMFD => target.strip_prefix(b"/memfd:").unwrap_or(target),
        _ => target,
    }
}

/// Returns the number in `prefix123]`.
fn bracketed(target: &[u8], prefix: &[u8]) -> Option<u64> {
    number(target.strip_prefix(prefix)?.strip_suffix(b"]")?)
}

/// Returns the kind of fd for a link text, and the inode if the text has it.
pub(in crate::record) fn classify(target: &[u8], flags: u64) -> (u8, Option<u64>) {
    const O_DIRECTORY: u64 = 0o200_000;
    if let Some(inode) = bracketed(target, b"pipe:[") {
        return (kind::FIFO, Some(inode));
    }
    if let Some(name) = target.strip_prefix(b"anon_inode:") {
        let known = ANONYMOUS
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix));
        return (known.map_or(kind::UNSUPPORTED, |(_, what)| *what), None);
    }
    let what = if target.starts_with(b"/memfd:") {
        kind::MEMFD
    } else if target.starts_with(b"pidfd:[") {
        kind::PIDFD
    } else if !target.starts_with(b"/") {
        kind::UNSUPPORTED
    } else if flags & O_DIRECTORY != 0 {
        kind::DIRECTORY
    } else {
        kind::FILE
    };
    (what, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_apart() {
        assert_eq!(classify(b"pipe:[77]", 0), (kind::FIFO, Some(77)));
        assert_eq!(classify(b"anon_inode:[eventpoll]", 0).0, kind::EVENTPOLL);
        assert_eq!(classify(b"anon_inode:bpf-prog", 0).0, kind::BPF);
        assert_eq!(classify(b"anon_inode:[new]", 0).0, kind::UNSUPPORTED);
        assert_eq!(classify(b"/memfd:x (deleted)", 0).0, kind::MEMFD);
        assert_eq!(classify(b"/tmp", 0o200_000).0, kind::DIRECTORY);
        assert_eq!(classify(b"/etc/passwd", 0o100_000).0, kind::FILE);
        assert_eq!(classify(b"net:[4026531840]", 0).0, kind::UNSUPPORTED);
    }
}
