//! The whole state as a snapshot section, from which [`State::restore`] restores the same state.
//!
//! State without a field in the section's structures is in their `extra` lists, see `docs/capture-format.md`. Threads
//! are written in a fixed order, so that equal states make equal snapshots.

use hashbrown::HashMap;
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{
    ContainerEntry, FdEntry, GroupEntry, InterfaceEntry, SocketEntry, StringId, ThreadEntry,
    UserEntry,
};

use super::State;
use super::extra::{EmptyTexts, FD_EXTRA, FdExtra, THREAD_EXTRA, ThreadExtra, sharing_flags};
use super::fd::{FdInfo, FdKind, L4, Role};
use super::lineage::stored::Starters;
use super::shared::Slot;
use super::thread::{ProgramFlags, Thread};
use crate::event::net::Endpoint;
use crate::event::{Pid, Timestamp};

/// `O_CLOEXEC` in the schema's open flags.
pub(super) const O_CLOEXEC: u32 = 0x1000;

/// Texts of threads that are in the snapshot already, by address and length: threads share most texts, and hashing a
/// long environment for each of them would be slow.
type Known = HashMap<(usize, usize), StringId>;

impl State {
    /// Returns the state as a snapshot, without objects that the last event ended. The writer sets its time and
    /// event number.
    pub fn snapshot(&mut self) -> Snapshot {
        self.snapshot_of(&|_| true)
    }

    /// Returns the same with only some of the threads.
    pub(super) fn snapshot_of(&mut self, has: &dyn Fn(&Thread) -> bool) -> Snapshot {
        self.remove_ended();
        let mut snapshot = Snapshot::default();
        let mut threads: Vec<&Thread> = self.threads.iter().filter(|t| has(t)).collect();
        // Main threads first, so that a shared table is written with an earlier thread.
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
            mount_ns: self.mount_ns(thread.tid),
            empty: EmptyTexts::of([
                thread.comm.as_deref(),
                thread.exe.as_deref(),
                thread.exepath.as_deref(),
                thread.args.as_deref(),
                thread.env.as_deref(),
                thread.cgroups.as_deref(),
                self.cwd(thread.tid),
                self.root(thread.tid),
            ]),
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
            flags: sharing_flags(thread.tid, thread.pid, files_of, dirs_of),
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
            let is_told = socket == SocketEntry::None && more.is_implied(info.open_flags);
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
        // Containers without threads are not needed any more.
        let mut ids: Vec<&[u8]> = self
            .threads
            .iter()
            .filter_map(|t| t.container.as_deref())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for container in ids.into_iter().filter_map(|id| self.container(id)) {
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

/// Returns kind and addresses as in .scap files.
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
    // For a server's connection, the recorded machine is the second end.
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
