//! The parts of the state that have no field in a snapshot, in `extra` lists. The bytes are specified in
//! `docs/capture-format.md`.

use std::net::{Ipv4Addr, Ipv6Addr};

use scap_capture_format::native::snapshot::ThreadEntry;

use super::apply::clone_flags;
use super::fd::{Connection, FdInfo, FdKind, L4, Role};
use super::snapshot::O_CLOEXEC;
use super::thread::Text;
use crate::event::net::{self, Endpoint};
use crate::event::{Pid, Tid};

/// Number of scap's entry in the `extra` list of a thread.
pub(super) const THREAD_EXTRA: u32 = 1;
/// Number of scap's entry in the `extra` list of an fd.
pub(super) const FD_EXTRA: u32 = 1;

/// Adds to an entry of a thread, which is from /proc, whose fds and directories the thread has: its own, or those of an
/// earlier thread of the snapshot; and the inode number of its mount namespace.
pub fn set_sharing(entry: &mut ThreadEntry, files: i64, directories: i64, mount_ns: Option<u32>) {
    let of_other = |owner: i64| Some(owner).filter(|owner| *owner != entry.tid.0);
    let (files_of, dirs_of) = (of_other(files), of_other(directories));
    let extra = ThreadExtra {
        is_ours: true,
        knows_caps: true,
        files_of,
        dirs_of,
        mount_ns,
        ..ThreadExtra::default()
    };
    entry.flags = sharing_flags(entry.tid, entry.pid, files_of, dirs_of);
    entry.extra.push((THREAD_EXTRA, extra.write()));
}

/// Returns the flags for other readers: what a thread shares with the main thread of its process.
pub(super) fn sharing_flags(
    tid: Tid,
    pid: Pid,
    files_of: Option<i64>,
    dirs_of: Option<i64>,
) -> u32 {
    let is_main = tid.0 == pid.0;
    let with_main = |owner: Option<i64>| owner == Some(pid.0);
    let parts = [
        (clone_flags::THREAD, !is_main),
        (clone_flags::FILES, !is_main && with_main(files_of)),
        (clone_flags::FS, !is_main && with_main(dirs_of)),
    ];
    let set = parts.into_iter().filter(|(_, is)| *is);
    set.fold(0, |flags, (flag, _)| flags | flag as u32)
}

/// The state of a thread beyond a snapshot's fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadExtra {
    /// The snapshot was written by scap, so absent values are known to be unset.
    pub(super) is_ours: bool,
    pub(super) clone_ts: u64,
    pub(super) exec_ts: u64,
    pub(super) is_reaper: bool,
    pub(super) keeps_caps: bool,
    pub(super) knows_caps: bool,
    /// An earlier thread that shares its fds.
    pub(super) files_of: Option<i64>,
    /// An earlier thread that shares its directories.
    pub(super) dirs_of: Option<i64>,
    /// Inode number of its mount namespace.
    pub(super) mount_ns: Option<u32>,
    /// Texts that are known to be empty; other empty ones are not known.
    pub(super) empty: EmptyTexts,
}

/// Which texts of a thread are known to be empty, in the order of [`Self::of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EmptyTexts(u8);

impl EmptyTexts {
    /// `texts`: name, `argv[0]`, executable, other arguments, environment, cgroups, working directory, root directory.
    pub(super) fn of(texts: [Option<&[u8]>; 8]) -> Self {
        let bits = (0..).zip(texts).map(|(bit, text)| {
            let is_empty = text.is_some_and(<[u8]>::is_empty);
            u8::from(is_empty) << bit
        });
        Self(bits.sum())
    }

    /// Returns those of a thread of which only the name can be known.
    pub(super) fn of_name(comm: Option<&[u8]>) -> Self {
        Self::of([comm, None, None, None, None, None, None, None])
    }

    /// Forgets `argv[0]`, the executable, the other arguments and the environment.
    pub(super) fn forget_program(&mut self) {
        self.0 &= !0b1_1110;
    }

    /// Returns whether each of them is known to be empty.
    pub(super) fn each(self) -> [bool; 8] {
        std::array::from_fn(|bit| self.0 >> bit & 1 == 1)
    }
}

impl ThreadExtra {
    const LEN: usize = 38;

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.clone_ts.to_le_bytes());
        out.extend_from_slice(&self.exec_ts.to_le_bytes());
        out.extend_from_slice(&self.files_of.unwrap_or(-1).to_le_bytes());
        out.extend_from_slice(&self.dirs_of.unwrap_or(-1).to_le_bytes());
        let flags = [self.is_reaper, self.knows_caps, self.keeps_caps];
        out.push((0..).zip(flags).map(|(bit, on)| u8::from(on) << bit).sum());
        out.extend_from_slice(&self.mount_ns.unwrap_or(0).to_le_bytes());
        out.push(self.empty.0);
        out
    }

    /// Reads the entry; a snapshot from /proc or from another program has none.
    pub(super) fn read(extra: &[(u32, Vec<u8>)]) -> Self {
        let foreign = Self {
            knows_caps: true,
            ..Self::default()
        };
        let Some((_, bytes)) = extra.iter().find(|(number, _)| *number == THREAD_EXTRA) else {
            return foreign;
        };
        let word = |index: usize| -> Option<i64> {
            let bytes = bytes.get(index * 8..index * 8 + 8)?;
            Some(i64::from_le_bytes(bytes.try_into().ok()?))
        };
        let (Some(clone), Some(exec), Some(files), Some(dirs), Some(flags)) =
            (word(0), word(1), word(2), word(3), bytes.get(32))
        else {
            return foreign;
        };
        Self {
            is_ours: true,
            clone_ts: clone.cast_unsigned(),
            exec_ts: exec.cast_unsigned(),
            is_reaper: flags & 1 != 0,
            knows_caps: flags & 2 != 0,
            keeps_caps: flags & 4 != 0,
            files_of: Some(files).filter(|tid| *tid >= 0),
            dirs_of: Some(dirs).filter(|tid| *tid >= 0),
            // Files written before this was added have none.
            mount_ns: bytes
                .get(33..37)
                .and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
                .filter(|number| *number != 0),
            // Likewise.
            empty: EmptyTexts(bytes.get(37).copied().unwrap_or(0)),
        }
    }
}

/// Changes scap's entry of a thread, if it has one.
pub(super) fn change(thread: &mut ThreadEntry, change: impl FnOnce(&mut ThreadExtra)) {
    let mut extra = ThreadExtra::read(&thread.extra);
    if extra.is_ours {
        change(&mut extra);
        for (number, bytes) in &mut thread.extra {
            if *number == THREAD_EXTRA {
                *bytes = extra.write();
            }
        }
    }
}

/// The state of an fd beyond a snapshot's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FdExtra {
    l4: L4,
    role: Role,
    connection: Connection,
    is_unknown: bool,
    pub(super) cloexec: bool,
    pub(super) ends: Option<(Endpoint, Endpoint)>,
    pub(super) bound: Option<Endpoint>,
    pub(super) raw_name: Option<Text>,
}

impl FdExtra {
    pub(super) fn of(info: &FdInfo) -> Self {
        Self {
            l4: info.l4,
            role: info.role,
            connection: info.connection,
            is_unknown: info.kind == FdKind::Unknown,
            cloexec: info.cloexec,
            ends: info.ends,
            bound: info.bound,
            raw_name: info.raw_name.clone(),
        }
    }

    pub(super) fn apply(self, info: &mut FdInfo) {
        info.l4 = self.l4;
        info.role = self.role;
        info.connection = self.connection;
        info.cloexec = self.cloexec;
        info.ends = self.ends;
        info.bound = self.bound;
        info.raw_name = self.raw_name;
        if self.is_unknown {
            info.kind = FdKind::Unknown;
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let l4 = match self.l4 {
            L4::Unknown => 0,
            L4::Tcp => 2,
            L4::Udp => 3,
            L4::Icmp => 4,
            L4::Raw => 5,
        };
        let role = match self.role {
            Role::Unknown => 0,
            Role::Client => 1,
            Role::Server => 2,
        };
        let connection = match self.connection {
            Connection::None => 0,
            Connection::Pending => 1,
            Connection::Established => 2,
        };
        let flags = u8::from(self.is_unknown) | u8::from(self.cloexec) << 1;
        let mut out = vec![l4, role, connection, flags];
        let ends = [self.ends.map(|e| e.0), self.ends.map(|e| e.1), self.bound];
        for end in ends {
            write_end(&mut out, end);
        }
        out.extend_from_slice(self.raw_name.as_deref().unwrap_or_default());
        out
    }

    /// Whether a snapshot's fields describe the fd completely, as for most files.
    pub(super) fn is_implied(&self, entry_flags: u32) -> bool {
        let usual = Self {
            cloexec: entry_flags & O_CLOEXEC != 0,
            ..Self::default()
        };
        *self == usual
    }

    /// Reads the entry. A snapshot from /proc or from another program has none, nor has a completely described fd.
    pub(super) fn read(extra: &[(u32, Vec<u8>)]) -> Option<Self> {
        let (_, bytes) = extra.iter().find(|(number, _)| *number == FD_EXTRA)?;
        let ([l4, role, connection, flags], mut rest) = bytes.split_first_chunk()?;
        let client = read_end(&mut rest)?;
        let server = read_end(&mut rest)?;
        let bound = read_end(&mut rest)?;
        Some(Self {
            l4: super::restore::l4(*l4),
            role: match role {
                1 => Role::Client,
                2 => Role::Server,
                _ => Role::Unknown,
            },
            connection: match connection {
                1 => Connection::Pending,
                2 => Connection::Established,
                _ => Connection::None,
            },
            is_unknown: flags & 1 != 0,
            cloexec: flags & 2 != 0,
            // Older captures have IPv4-mapped addresses here.
            ends: client
                .zip(server)
                .map(|(client, server)| net::unmap(client, server)),
            bound: bound.map(Endpoint::unmapped),
            raw_name: Some(rest).filter(|r| !r.is_empty()).map(Text::from),
        })
    }
}

/// Appends a family (0 = none), port and address.
fn write_end(out: &mut Vec<u8>, end: Option<Endpoint>) {
    match end {
        None => out.push(0),
        Some(Endpoint::V4(ip, port)) => {
            out.push(4);
            out.extend_from_slice(&port.to_le_bytes());
            out.extend_from_slice(&ip.octets());
        }
        Some(Endpoint::V6(ip, port)) => {
            out.push(6);
            out.extend_from_slice(&port.to_le_bytes());
            out.extend_from_slice(&ip.octets());
        }
    }
}

fn read_end(bytes: &mut &[u8]) -> Option<Option<Endpoint>> {
    let (family, rest) = bytes.split_first()?;
    if *family == 0 {
        *bytes = rest;
        return Some(None);
    }
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_le_bytes(*port);
    let (end, rest) = match family {
        4 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            (Endpoint::V4(Ipv4Addr::from(*ip), port), rest)
        }
        6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            (Endpoint::V6(Ipv6Addr::from(*ip), port), rest)
        }
        _ => return None,
    };
    *bytes = rest;
    Some(Some(end))
}
