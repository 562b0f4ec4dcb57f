//! Snapshots with other texts and addresses: nothing of the old ones stays.

use hashbrown::HashMap;
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{SocketEntry, StringId, StringTable};

use super::extra::{FD_EXTRA, FdExtra};
use super::lineage::stored;
use crate::event::net::{Endpoint, SockTuple};

/// What a text of a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// The name of a thread.
    Comm,
    /// `argv[0]`.
    Exe,
    /// A path.
    Path,
    /// Arguments, each with a NUL after it.
    Args,
    /// An environment, each variable with a NUL after it.
    Env,
    /// Cgroups, `subsystem=path` with a NUL after each.
    Cgroups,
    /// The id of a container.
    Container,
    /// The description of a container, in JSON.
    ContainerJson,
    /// The name of an fd that is not a path: `pipe:[1]`, `[eventfd]`.
    FdName,
    /// The name of a unix socket: its path, and what scap puts before it.
    UnixName,
    /// The name of a user or group.
    User,
    /// The name of a network interface.
    Interface,
}

/// What a snapshot is rewritten with.
pub trait Rewrite {
    /// Returns what stands for a text that is not empty.
    fn text(&mut self, kind: TextKind, text: &[u8]) -> Vec<u8>;

    /// Returns what stands for the arguments of a program, whose `argv[0]` is `exe`.
    fn arguments(&mut self, exe: &[u8], args: &[u8]) -> Vec<u8> {
        let _ = exe;
        self.text(TextKind::Args, args)
    }

    /// Returns what stands for an address. Ports stay, so that only the address of the result is used.
    fn endpoint(&mut self, end: Endpoint) -> Endpoint {
        end
    }

    /// Changes the address of an interface, 4 or 16 bytes. `is_mask`: of a network mask.
    fn address(&mut self, _address: &mut [u8], _is_mask: bool) {}
}

/// Keeps all texts that are in use.
pub(super) struct Unchanged;

impl Rewrite for Unchanged {
    fn text(&mut self, _: TextKind, text: &[u8]) -> Vec<u8> {
        text.to_vec()
    }
}

/// Replaces all texts and addresses of a snapshot; texts that nothing refers to are dropped.
pub fn rewrite(snapshot: &mut Snapshot, by: &mut dyn Rewrite) {
    let mut texts = Texts {
        old: std::mem::take(&mut snapshot.strings),
        new: StringTable::default(),
        known: HashMap::new(),
        arguments: HashMap::new(),
        by,
    };
    for thread in &mut snapshot.threads {
        texts.replace(TextKind::Comm, &mut thread.comm);
        texts.replace_arguments(thread.exe, &mut thread.args);
        texts.replace(TextKind::Exe, &mut thread.exe);
        texts.replace(TextKind::Path, &mut thread.exepath);
        texts.replace(TextKind::Env, &mut thread.env);
        texts.replace(TextKind::Path, &mut thread.cwd);
        texts.replace(TextKind::Path, &mut thread.root);
        texts.replace(TextKind::Cgroups, &mut thread.cgroups);
        texts.replace(TextKind::Container, &mut thread.container);
    }
    for fd in &mut snapshot.fds {
        let kind = kind_of_name(fd.kind);
        rewrite_socket(&mut fd.socket, texts.by);
        let mut name_of_ends = None;
        if let Some(mut extra) = FdExtra::read(&fd.extra) {
            name_of_ends = extra.rewrite(kind, texts.by);
            fd.extra = vec![(FD_EXTRA, extra.write())];
        } else {
            fd.extra.clear();
        }
        match name_of_ends {
            Some(name) => fd.name = texts.new.intern(&name),
            None => texts.replace(kind, &mut fd.name),
        }
    }
    for interface in &mut snapshot.interfaces {
        texts.replace(TextKind::Interface, &mut interface.name);
        texts.by.address(&mut interface.address, false);
        texts.by.address(&mut interface.broadcast, false);
        texts.by.address(&mut interface.netmask, true);
    }
    for user in &mut snapshot.users {
        texts.replace(TextKind::Container, &mut user.container);
        texts.replace(TextKind::User, &mut user.name);
        texts.replace(TextKind::Path, &mut user.home);
        texts.replace(TextKind::Path, &mut user.shell);
    }
    for group in &mut snapshot.groups {
        texts.replace(TextKind::Container, &mut group.container);
        texts.replace(TextKind::User, &mut group.name);
    }
    for container in &mut snapshot.containers {
        texts.replace(TextKind::Container, &mut container.id);
        texts.replace(TextKind::ContainerJson, &mut container.json);
    }
    stored::each(&mut snapshot.extra, |starter| {
        let [comm, exe, exepath, args] = &mut starter.texts;
        texts.replace_arguments(*exe, args);
        texts.replace(TextKind::Comm, comm);
        texts.replace(TextKind::Exe, exe);
        texts.replace(TextKind::Path, exepath);
    });
    snapshot.strings = texts.new;
}

/// Replaces the addresses of a socket.
fn rewrite_socket(socket: &mut SocketEntry, by: &mut dyn Rewrite) {
    match socket {
        SocketEntry::Inet { source, dest, .. } => {
            for ip in [source, dest] {
                if let Endpoint::V4(new, _) = by.endpoint(Endpoint::V4((*ip).into(), 0)) {
                    *ip = new.octets();
                }
            }
        }
        SocketEntry::Inet6 { source, dest, .. } => {
            for ip in [source, dest] {
                if let Endpoint::V6(new, _) = by.endpoint(Endpoint::V6((*ip).into(), 0)) {
                    *ip = new.octets();
                }
            }
        }
        SocketEntry::Unix { .. } | SocketEntry::None => {}
    }
}

/// Returns what the names of fds of a kind are; kinds are numbered as in .scap files.
pub fn kind_of_name(kind: u8) -> TextKind {
    match kind {
        1 | 2 | 16 => TextKind::Path,
        8 => TextKind::UnixName,
        _ => TextKind::FdName,
    }
}

/// The texts of a snapshot, each of which is replaced once.
struct Texts<'a> {
    old: StringTable,
    new: StringTable,
    known: HashMap<(TextKind, StringId), StringId>,
    /// Arguments by `argv[0]` and themselves.
    arguments: HashMap<(StringId, StringId), StringId>,
    by: &'a mut dyn Rewrite,
}

impl Texts<'_> {
    fn replace_arguments(&mut self, exe: StringId, id: &mut StringId) {
        let (exe_text, args) = (self.old.get(exe), self.old.get(*id));
        if args.is_empty() {
            *id = StringId(0);
            return;
        }
        let new = self.arguments.entry((exe, *id));
        *id = *new.or_insert_with(|| self.new.intern(&self.by.arguments(exe_text, args)));
    }

    fn replace(&mut self, kind: TextKind, id: &mut StringId) {
        let old = self.old.get(*id);
        if old.is_empty() {
            *id = StringId(0);
            return;
        }
        let new = self.known.entry((kind, *id));
        *id = *new.or_insert_with(|| self.new.intern(&self.by.text(kind, old)));
    }
}

impl FdExtra {
    /// Replaces addresses and path. Returns the name that follows from the addresses, if there are any.
    fn rewrite(&mut self, kind: TextKind, by: &mut dyn Rewrite) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        if let Some(bound) = &mut self.bound {
            *bound = by.endpoint(*bound);
            bound.render(&mut name);
        }
        if let Some((client, server)) = &mut self.ends {
            *client = by.endpoint(*client);
            *server = by.endpoint(*server);
            name.clear();
            SockTuple::Inet(*client, *server).name(&mut name);
        }
        if let Some(raw) = &mut self.raw_name {
            *raw = by.text(kind, raw).into();
        }
        (!name.is_empty()).then_some(name)
    }
}
