//! The whole state as a snapshot section, from which [`State::restore`] makes the same state again.
//!
//! What the section's structures have no place for goes into their `extra` lists, see
//! `docs/capture-format.md`. Threads are written in the order of their ids, so that equal states make
//! equal snapshots.

use std::net::{Ipv4Addr, Ipv6Addr};

use hashbrown::HashMap;
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{
    ContainerEntry, FdEntry, GroupEntry, InterfaceEntry, SocketEntry, StringId, ThreadEntry,
    UserEntry,
};

use super::State;
use super::apply::clone_flags;
use super::fd::{Connection, FdInfo, FdKind, L4, Role};
use super::lineage::stored::Starters;
use super::shared::Slot;
use super::thread::{ProgramFlags, Text, Thread};
use crate::event::net::Endpoint;
use crate::event::{Pid, Timestamp};

/// Number of our own entry in the `extra` list of a thread.
const THREAD_EXTRA: u32 = 1;
/// Number of our own entry in the `extra` list of an fd.
const FD_EXTRA: u32 = 1;
/// `O_CLOEXEC` as the field encodes open flags.
pub(super) const O_CLOEXEC: u32 = 0x1000;

/// Texts of threads already in a snapshot, by their places: threads share most of theirs, and a long
/// environment is not to be hashed for each.
type Known = HashMap<(usize, usize), StringId>;

/// What the state knows of a thread beyond a snapshot's own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadExtra {
    /// The snapshot was made by a state: what is not told is not so.
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
}

impl ThreadExtra {
    const LEN: usize = 33;

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.clone_ts.to_le_bytes());
        out.extend_from_slice(&self.exec_ts.to_le_bytes());
        out.extend_from_slice(&self.files_of.unwrap_or(-1).to_le_bytes());
        out.extend_from_slice(&self.dirs_of.unwrap_or(-1).to_le_bytes());
        let flags = [self.is_reaper, self.knows_caps, self.keeps_caps];
        out.push((0..).zip(flags).map(|(bit, on)| u8::from(on) << bit).sum());
        out
    }

    /// Reads it; a snapshot from /proc or of another program has none.
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
        }
    }
}

/// What the state knows of an fd beyond a snapshot's own fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FdExtra {
    l4: L4,
    role: Role,
    connection: Connection,
    is_unknown: bool,
    cloexec: bool,
    ends: Option<(Endpoint, Endpoint)>,
    bound: Option<Endpoint>,
    raw_name: Option<Text>,
}

impl FdExtra {
    fn of(info: &FdInfo) -> Self {
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

    fn write(&self) -> Vec<u8> {
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

    /// Whether an fd's own fields tell all of it: so it is with most files.
    fn is_told_without(&self, entry_flags: u32) -> bool {
        let usual = Self {
            cloexec: entry_flags & O_CLOEXEC != 0,
            ..Self::default()
        };
        *self == usual
    }

    /// Reads it; a snapshot from /proc or of another program has none, nor has an fd that needs none.
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
            ends: client.zip(server),
            bound,
            raw_name: Some(rest).filter(|r| !r.is_empty()).map(Text::from),
        })
    }
}

/// What other readers go by: what a thread shares with the first one of its process.
fn shares(thread: &Thread, files_of: Option<i64>, dirs_of: Option<i64>) -> u32 {
    let with_main = |owner: Option<i64>| owner == Some(thread.pid.0);
    let parts = [
        (clone_flags::THREAD, !thread.is_main()),
        (clone_flags::FILES, !thread.is_main() && with_main(files_of)),
        (clone_flags::FS, !thread.is_main() && with_main(dirs_of)),
    ];
    let set = parts.into_iter().filter(|(_, is)| *is);
    set.fold(0, |flags, (flag, _)| flags | flag as u32)
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

impl State {
    /// Returns all that is known as a snapshot. Its time and the number of its event are left to whoever
    /// writes it. What the last event ended is not in it.
    pub fn snapshot(&mut self) -> Snapshot {
        self.remove_ended();
        let mut snapshot = Snapshot::default();
        let mut threads: Vec<&Thread> = self.threads.iter().collect();
        // Main threads first, so that whom a thread shares with comes before it.
        threads.sort_unstable_by_key(|t| (!t.is_main(), t.tid.0));
        snapshot.threads.reserve(threads.len());
        snapshot.fds.reserve(self.used.fds);
        let mut known = Known::new();
        let mut files: HashMap<Slot, i64> = HashMap::new();
        let mut dirs: HashMap<Slot, i64> = HashMap::new();
        let mut starters = Starters::default();
        for thread in threads {
            let first = |owners: &mut HashMap<Slot, i64>, slot: Option<Slot>| {
                let slot = slot?;
                match owners.get(&slot) {
                    Some(owner) => Some(*owner),
                    None => {
                        owners.insert(slot, thread.tid.0);
                        None
                    }
                }
            };
            let files_of = first(&mut files, thread.files);
            let dirs_of = first(&mut dirs, thread.dirs);
            self.thread_entry(&mut snapshot, &mut known, thread, files_of, dirs_of);
            let starter = starters.add(&thread.lineage, &mut snapshot.strings);
            if let (Some(extra), Some(entry)) = (starter, snapshot.threads.last_mut()) {
                entry.extra.push(extra);
            }
            if files_of.is_none() {
                self.fd_entries(&mut snapshot, thread);
            }
        }
        snapshot.extra.push(starters.finish());
        self.names(&mut snapshot);
        snapshot
    }

    fn thread_entry(
        &self,
        snapshot: &mut Snapshot,
        known: &mut Known,
        thread: &Thread,
        files_of: Option<i64>,
        dirs_of: Option<i64>,
    ) {
        let mut string = |text: Option<&[u8]>| {
            let text = text.unwrap_or_default();
            let at = (text.as_ptr().addr(), text.len());
            *known
                .entry(at)
                .or_insert_with(|| snapshot.strings.intern(text))
        };
        let caps = thread.caps.unwrap_or_default();
        let flags = thread.program.flags;
        let extra = ThreadExtra {
            is_ours: true,
            clone_ts: thread.clone_ts,
            exec_ts: thread.exec_ts,
            is_reaper: thread.is_reaper,
            keeps_caps: thread.keeps_caps,
            knows_caps: thread.caps.is_some(),
            files_of,
            dirs_of,
        };
        let entry = ThreadEntry {
            tid: thread.tid,
            pid: thread.pid,
            ptid: Pid(thread.ptid.0),
            sid: thread.sid,
            pgid: thread.pgid,
            vpgid: thread.vpgid,
            vtid: thread.vtid,
            vpid: thread.vpid,
            pidns_init_start: thread.pidns_start,
            start_time: thread.start,
            comm: string(thread.comm.as_deref()),
            exe: string(thread.exe.as_deref()),
            exepath: string(thread.exepath.as_deref()),
            args: string(thread.args.as_deref()),
            env: string(thread.env.as_deref()),
            cwd: string(self.cwd(thread.tid)),
            root: string(self.root(thread.tid)),
            cgroups: string(thread.cgroups.as_deref()),
            container: string(thread.container.as_deref()),
            uid: thread.uid,
            gid: thread.gid,
            loginuid: thread.loginuid,
            tty: thread.tty,
            fdlimit: thread.fdlimit,
            cap_inheritable: caps[0],
            cap_permitted: caps[1],
            cap_effective: caps[2],
            flags: shares(thread, files_of, dirs_of),
            vm_size_kb: thread.memory_kb[0],
            vm_rss_kb: thread.memory_kb[1],
            vm_swap_kb: thread.memory_kb[2],
            pf_major: thread.faults[0],
            pf_minor: thread.faults[1],
            exe_ino: thread.program.ino,
            exe_ctime: Timestamp(thread.program.ctime),
            exe_mtime: Timestamp(thread.program.mtime),
            exe_writable: flags.contains(ProgramFlags::WRITABLE),
            exe_upper_layer: flags.contains(ProgramFlags::UPPER_LAYER),
            exe_lower_layer: flags.contains(ProgramFlags::LOWER_LAYER),
            exe_from_memfd: flags.contains(ProgramFlags::FROM_MEMFD),
            extra: vec![(THREAD_EXTRA, extra.write())],
        };
        snapshot.threads.push(entry);
    }

    fn fd_entries(&self, snapshot: &mut Snapshot, thread: &Thread) {
        for (fd, info) in self.fds(thread.tid) {
            let (kind, socket) = socket(info);
            let more = FdExtra::of(info);
            let is_told = socket == SocketEntry::None && more.is_told_without(info.open_flags);
            let name = snapshot.strings.intern(&info.name);
            snapshot.fds.push(FdEntry {
                owner: thread.tid,
                fd,
                kind,
                inode: info.ino,
                dev: info.dev,
                open_flags: info.open_flags,
                name,
                socket,
                extra: if is_told {
                    Vec::new()
                } else {
                    vec![(FD_EXTRA, more.write())]
                },
            });
        }
    }

    /// Adds users, groups, interfaces and containers.
    fn names(&self, snapshot: &mut Snapshot) {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_unstable_by_key(|(container, id, _)| (*container, *id));
        for (container, uid, user) in users {
            let entry = UserEntry {
                container: intern(snapshot, container.map(AsRef::as_ref)),
                uid,
                gid: user.gid,
                name: snapshot.strings.intern(&user.name),
                home: snapshot.strings.intern(&user.home),
                shell: snapshot.strings.intern(&user.shell),
            };
            snapshot.users.push(entry);
        }
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(container, id, _)| (*container, *id));
        for (container, gid, group) in groups {
            let entry = GroupEntry {
                container: intern(snapshot, container.map(AsRef::as_ref)),
                gid,
                name: snapshot.strings.intern(&group.name),
            };
            snapshot.groups.push(entry);
        }
        for interface in &self.interfaces {
            let bytes = |ip: std::net::IpAddr| match ip {
                std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
                std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let entry = InterfaceEntry {
                name: snapshot.strings.intern(&interface.name),
                address: bytes(interface.address),
                netmask: bytes(interface.netmask),
                broadcast: bytes(interface.broadcast),
                link_speed: interface.link_speed,
            };
            snapshot.interfaces.push(entry);
        }
        let mut containers: Vec<_> = self.containers().collect();
        containers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for container in containers {
            let entry = ContainerEntry {
                id: snapshot.strings.intern(container.id.as_bytes()),
                json: snapshot.strings.intern(container.to_json().as_bytes()),
            };
            snapshot.containers.push(entry);
        }
    }
}

fn intern(snapshot: &mut Snapshot, text: Option<&[u8]>) -> StringId {
    snapshot.strings.intern(text.unwrap_or_default())
}

/// Returns kind and addresses as .scap files have them.
fn socket(info: &FdInfo) -> (u8, SocketEntry) {
    let l4proto = match info.l4 {
        L4::Unknown => 0,
        L4::Tcp => 2,
        L4::Udp => 3,
        L4::Icmp => 4,
        L4::Raw => 5,
    };
    let listens = info.ends.is_none() && info.bound.is_some();
    let kind = match info.kind {
        FdKind::File => 16,
        FdKind::Directory => 2,
        FdKind::Ipv4 if listens => 5,
        FdKind::Ipv6 if listens => 6,
        FdKind::Ipv4 => 3,
        FdKind::Ipv6 => 4,
        FdKind::Pipe => 7,
        FdKind::Unix => 8,
        FdKind::Event => 9,
        FdKind::Unsupported | FdKind::Unknown => 10,
        FdKind::Signal => 11,
        FdKind::Epoll => 12,
        FdKind::Inotify => 13,
        FdKind::Timer => 14,
        FdKind::Netlink => 15,
        FdKind::Bpf => 17,
        FdKind::Userfault => 18,
        FdKind::IoUring => 19,
        FdKind::Memfd => 20,
        FdKind::Pidfd => 21,
    };
    if info.kind == FdKind::Unix {
        let (source, dest) = info.unix_ends;
        return (kind, SocketEntry::Unix { source, dest });
    }
    // Of a server's connection the recorded machine is the second end.
    let ends = match (info.ends, info.bound) {
        (Some((client, server)), _) if info.role == Role::Server => Some((server, Some(client))),
        (Some((client, server)), _) => Some((client, Some(server))),
        (None, Some(bound)) => Some((bound, None)),
        (None, None) => None,
    };
    let entry = match ends {
        Some((Endpoint::V4(source, source_port), dest)) => {
            let (dest, dest_port) = match dest {
                Some(Endpoint::V4(ip, port)) => (ip.octets(), port),
                _ => ([0; 4], 0),
            };
            SocketEntry::Inet {
                source: source.octets(),
                dest,
                source_port,
                dest_port,
                l4proto,
            }
        }
        Some((Endpoint::V6(source, source_port), dest)) => {
            let (dest, dest_port) = match dest {
                Some(Endpoint::V6(ip, port)) => (ip.octets(), port),
                _ => ([0; 16], 0),
            };
            SocketEntry::Inet6 {
                source: source.octets(),
                dest,
                source_port,
                dest_port,
                l4proto,
            }
        }
        None => SocketEntry::None,
    };
    (kind, entry)
}
