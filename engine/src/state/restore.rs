//! Restores the state from a snapshot.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{
    ContainerEntry, FdEntry, InterfaceEntry, SocketEntry, StringId, ThreadEntry,
};

use super::dirs::Dirs;
use super::extra::{FdExtra, ThreadExtra};
use super::fd::{Connection, FdInfo, FdKind, FdTable, L4, Role};
use super::snapshot::O_CLOEXEC;
use super::thread::{Program, ProgramFlags, Text, Thread};
use super::users::{self, User};
use super::{ContainerInfo, Interface, Located, State, containers, limits};
use crate::event::net::{self, Endpoint, SockTuple};
use crate::event::{Pid, Tid};

/// What was made of strings that many threads have.
#[derive(Default)]
struct Kept {
    /// Texts, by the length that they were cut to.
    texts: HashMap<(StringId, usize), Text>,
    cgroups: HashMap<StringId, Placed>,
}

impl Kept {
    /// Returns a name or path of a user or group.
    fn name(&mut self, snapshot: &Snapshot, id: StringId) -> Text {
        let text = self.texts.entry((id, limits::NAME));
        let cut = || users::cut(snapshot.string(id));
        Arc::clone(text.or_insert_with(cut))
    }
}

/// A list of cgroups as it is kept, and the container of the threads in it.
struct Placed {
    cgroups: Option<Text>,
    located: Option<Arc<Located>>,
}

impl Placed {
    fn of(cgroups: &[u8]) -> Self {
        let list = &cgroups[..cgroups.len().min(limits::LIST)];
        let normalised = containers::normalised(list);
        let list = normalised.as_deref().unwrap_or(list);
        let list = &list[..list.len().min(limits::LIST)];
        Self {
            cgroups: (!list.is_empty()).then(|| list.into()),
            located: containers::locate(Some(list)),
        }
    }
}

impl State {
    /// Replaces everything by the contents of a snapshot, except descriptions of containers: container ids are never
    /// reused, and a snapshot only has containers with threads.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        *self = Self {
            described: std::mem::take(&mut self.described),
            preloaded: std::mem::take(&mut self.preloaded),
            arch: self.arch,
            ..Self::new()
        };
        let mut kept = Kept::default();
        let container = |id: StringId| {
            let id = snapshot.string(id);
            let id = id.get(..limits::NAME).unwrap_or(id);
            Some(id).filter(|id| !id.is_empty())
        };
        for user in &snapshot.users {
            let info = User {
                name: kept.name(snapshot, user.name),
                home: kept.name(snapshot, user.home),
                shell: kept.name(snapshot, user.shell),
                gid: user.gid,
            };
            self.users.add(container(user.container), user.uid, info);
        }
        for group in &snapshot.groups {
            let info = User {
                name: kept.name(snapshot, group.name),
                ..User::default()
            };
            self.groups.add(container(group.container), group.gid, info);
        }
        for entry in snapshot.interfaces.iter().take(limits::INTERFACES) {
            self.interfaces.extend(interface(snapshot, entry));
        }
        let mut described = HashSet::new();
        // A description contains the id: it is not parsed again for another entry.
        let is_new = |entry: &&ContainerEntry| described.insert(entry.json);
        for entry in snapshot.containers.iter().filter(is_new) {
            let info = ContainerInfo::parse(snapshot.string(entry.json));
            info.into_iter()
                .for_each(|info| self.describe_container(info));
        }
        let owners: HashSet<i64> = snapshot.fds.iter().map(|f| f.owner.0).collect();
        // What a thread shares is that of an earlier one where that is said, and otherwise of its main thread.
        let (first, others): (Vec<_>, Vec<_>) = snapshot
            .threads
            .iter()
            .filter(|t| t.tid.0 >= 0)
            .partition(|t| t.tid.0 == t.pid.0 || ThreadExtra::read(&t.extra).is_ours);
        for entry in first.into_iter().chain(others) {
            let has_own_fds = owners.contains(&entry.tid.0);
            self.restore_thread(snapshot, &mut kept, entry, has_own_fds);
        }
        self.restore_lineages(snapshot);
        let servers = server_ports(snapshot);
        for entry in snapshot.fds.iter().filter(|f| f.owner.0 >= 0) {
            if self.thread(entry.owner).is_none() {
                self.ensure_thread(entry.owner, Pid(-1));
            }
            let info = self.restored_fd(snapshot, entry, &servers);
            self.add_fd(entry.owner, entry.fd, info);
        }
    }

    fn restore_thread(
        &mut self,
        snapshot: &Snapshot,
        kept: &mut Kept,
        entry: &ThreadEntry,
        own_fds: bool,
    ) {
        // Threads with the same text share it, as they do when created by events.
        let Kept { texts, cgroups } = kept;
        let more = ThreadExtra::read(&entry.extra);
        let [
            no_comm,
            no_exe,
            no_exepath,
            no_args,
            no_env,
            no_cgroups,
            no_cwd,
            no_root,
        ] = more.empty.each();
        let mut text = |id: StringId, cap: usize, is_known: bool| -> Option<Text> {
            let text = snapshot.string(id);
            if text.is_empty() && !is_known {
                return None;
            }
            if let Some(text) = texts.get(&(id, cap)) {
                return self.has_room(text.len()).then(|| Arc::clone(text));
            }
            let text = self.keep(text, cap)?;
            texts.insert((id, cap), Arc::clone(&text));
            Some(text)
        };
        let mut thread = Thread::unknown(entry.tid);
        thread.pid = entry.pid;
        thread.ptid = Tid(entry.ptid.0);
        thread.vtid = entry.vtid;
        thread.vpid = entry.vpid;
        thread.sid = entry.sid;
        thread.pgid = entry.pgid;
        thread.vpgid = entry.vpgid;
        thread.comm = text(entry.comm, limits::NAME, no_comm);
        thread.exe = text(entry.exe, limits::NAME, no_exe);
        thread.exepath = text(entry.exepath, limits::NAME, no_exepath);
        thread.args = text(entry.args, limits::LIST, no_args);
        thread.env = text(entry.env, limits::LIST, no_env);
        let placed = cgroups
            .entry(entry.cgroups)
            .or_insert_with(|| Placed::of(snapshot.string(entry.cgroups)));
        let listed = placed.cgroups.clone();
        let listed = listed.or_else(|| no_cgroups.then(Text::default));
        thread.cgroups = listed.filter(|t| self.has_room(t.len()));
        thread.is_placed = thread.cgroups.is_some();
        thread.uid = entry.uid;
        thread.gid = entry.gid;
        thread.loginuid = entry.loginuid;
        thread.tty = entry.tty;
        thread.fdlimit = entry.fdlimit;
        let caps = [
            entry.cap_inheritable,
            entry.cap_permitted,
            entry.cap_effective,
        ];
        thread.caps = Some(caps);
        thread.program = program(entry);
        thread.memory_kb = [entry.vm_size_kb, entry.vm_rss_kb, entry.vm_swap_kb];
        thread.faults = [entry.pf_major, entry.pf_minor];
        thread.pidns_start = entry.pidns_init_start;
        thread.start = entry.start_time;
        thread.clone_ts = more.clone_ts;
        thread.exec_ts = more.exec_ts;
        thread.is_reaper = more.is_reaper;
        thread.keeps_caps = more.keeps_caps;
        if !more.knows_caps {
            thread.caps = None;
        }
        thread.locate(placed.located.clone().filter(|_| thread.is_placed));
        if let Some(id) = text(entry.container, limits::NAME, false) {
            thread.container = Some(id);
        }
        let shared = |slot: Option<i64>| self.threads.get(Tid(slot?));
        let files_of = shared(more.files_of).and_then(|t| t.files);
        let dirs_of = shared(more.dirs_of).and_then(|t| t.dirs);
        thread.files = files_of.map(|slot| self.files.hold(slot));
        thread.dirs = dirs_of.map(|slot| self.dirs.hold(slot));
        let own_fds = own_fds || (more.is_ours && more.files_of.is_none());
        let main = self.threads.get(Tid(entry.pid.0));
        if thread.files.is_none() && (own_fds || main.is_none()) {
            thread.files = Some(self.files.add(FdTable::default()));
        }
        let cwd = snapshot.string(entry.cwd);
        let main = self.threads.get(Tid(entry.pid.0));
        let shares = thread.dirs.is_some()
            || (!more.is_ours && main.is_some_and(|m| self.cwd(m.tid).unwrap_or(b"") == cwd));
        if !shares {
            thread.dirs = Some(self.dirs.add(Dirs::default()));
        }
        self.insert_thread(thread);
        if !shares {
            let root = snapshot.string(entry.root);
            self.set_dirs(
                entry.tid,
                Some(cwd).filter(|t| !t.is_empty() || no_cwd),
                Some(root).filter(|t| !t.is_empty() || no_root),
            );
            self.set_mount_ns(entry.tid, more.mount_ns);
        }
    }

    fn restored_fd(
        &mut self,
        snapshot: &Snapshot,
        entry: &FdEntry,
        servers: &HashSet<u16>,
    ) -> FdInfo {
        let mut info = FdInfo::new(kind(entry.kind));
        info.open_flags = entry.open_flags;
        info.cloexec = entry.open_flags & O_CLOEXEC != 0;
        info.dev = entry.dev;
        info.ino = entry.inode;
        let mut name = std::mem::take(&mut self.scratch);
        name.clear();
        name.extend_from_slice(snapshot.string(entry.name));
        if let SocketEntry::Unix { source, dest } = entry.socket {
            info.unix_ends = (source, dest);
            // The end with a name is the one that others connect to.
            info.role = if name.is_empty() {
                Role::Client
            } else {
                Role::Server
            };
        }
        if let Some(more) = FdExtra::read(&entry.extra) {
            more.apply(&mut info);
            self.has_attempts |= info.connection == Connection::Pending;
            if let Some((client, _)) = info.ends {
                info.kind = FdKind::of_end(client);
            }
        } else if let Some((source, destination, l4)) = endpoints(&entry.socket) {
            info.l4 = l4;
            info.kind = FdKind::of_end(source);
            name.clear();
            if destination.is_unspecified() && destination.port() == 0 {
                if source.port() != 0 {
                    source.render(&mut name);
                    info.bound = Some(source);
                    info.role = Role::of_bound(l4, source);
                }
            } else {
                // The table has the own end; the listening ports decide which end is the server.
                let (client, server) = if servers.contains(&source.port()) {
                    info.role = Role::Server;
                    (destination, source)
                } else {
                    info.role = Role::Client;
                    (source, destination)
                };
                SockTuple::Inet(client, server).name(&mut name);
                info.ends = Some((client, server));
                // A socket with a peer is connected, or nearly so.
                info.connection = Connection::Established;
            }
        }
        info.name = self.keep(&name, limits::NAME).unwrap_or(info.name);
        self.scratch = name;
        info
    }
}

fn program(entry: &ThreadEntry) -> Program {
    let mut flags = ProgramFlags::empty();
    flags.set(ProgramFlags::WRITABLE, entry.exe_writable);
    flags.set(ProgramFlags::UPPER_LAYER, entry.exe_upper_layer);
    flags.set(ProgramFlags::LOWER_LAYER, entry.exe_lower_layer);
    flags.set(ProgramFlags::FROM_MEMFD, entry.exe_from_memfd);
    Program {
        ino: entry.exe_ino,
        ctime: entry.exe_ctime.0,
        mtime: entry.exe_mtime.0,
        flags,
    }
}

fn interface(snapshot: &Snapshot, entry: &InterfaceEntry) -> Option<Interface> {
    let address = |bytes: &[u8]| -> Option<IpAddr> {
        match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
            _ => None,
        }
    };
    Some(Interface {
        name: users::cut(snapshot.string(entry.name)),
        address: address(&entry.address)?,
        netmask: address(&entry.netmask)?,
        broadcast: address(&entry.broadcast)?,
        link_speed: entry.link_speed,
    })
}

/// Kinds of fds, numbered as in .scap files.
pub(super) fn kind(number: u8) -> FdKind {
    match number {
        1 | 16 => FdKind::File,
        2 => FdKind::Directory,
        3 | 5 => FdKind::Ipv4,
        4 | 6 => FdKind::Ipv6,
        7 => FdKind::Pipe,
        8 => FdKind::Unix,
        9 => FdKind::Event,
        10 => FdKind::Unsupported,
        11 => FdKind::Signal,
        12 => FdKind::Epoll,
        13 => FdKind::Inotify,
        14 => FdKind::Timer,
        15 => FdKind::Netlink,
        17 => FdKind::Bpf,
        18 => FdKind::Userfault,
        19 => FdKind::IoUring,
        20 => FdKind::Memfd,
        21 => FdKind::Pidfd,
        _ => FdKind::Unknown,
    }
}

pub(super) fn l4(number: u8) -> L4 {
    match number {
        2 => L4::Tcp,
        3 => L4::Udp,
        4 => L4::Icmp,
        5 => L4::Raw,
        _ => L4::Unknown,
    }
}

fn endpoints(socket: &SocketEntry) -> Option<(Endpoint, Endpoint, L4)> {
    match *socket {
        SocketEntry::Inet {
            source,
            dest,
            source_port,
            dest_port,
            l4proto,
        } => Some((
            Endpoint::V4(source.into(), source_port),
            Endpoint::V4(dest.into(), dest_port),
            l4(l4proto),
        )),
        SocketEntry::Inet6 {
            source,
            dest,
            source_port,
            dest_port,
            l4proto,
        } => {
            let (source, dest) = net::unmap(
                Endpoint::V6(source.into(), source_port),
                Endpoint::V6(dest.into(), dest_port),
            );
            Some((source, dest, l4(l4proto)))
        }
        SocketEntry::Unix { .. } | SocketEntry::None => None,
    }
}

/// Returns the ports on which a process of the machine listens.
fn server_ports(snapshot: &Snapshot) -> HashSet<u16> {
    let listening = |(source, destination, _): (Endpoint, Endpoint, L4)| {
        let waits = destination.is_unspecified() && destination.port() == 0 && source.port() != 0;
        waits.then(|| source.port())
    };
    snapshot
        .fds
        .iter()
        .filter_map(|f| endpoints(&f.socket))
        .filter_map(listening)
        .collect()
}
