//! Files and connections: the objects of calls.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use super::counter::Facts;
use super::kinds::{self, Kind};
use super::processes::cut;
use super::{
    ConnectionKey, ConnectionTally, Few, FileKey, FileTally, Io, ProcessKey, Seen, TEXT, TileSet,
    Whose, limits,
};
use crate::event::EventExt as _;
use crate::event::net::{SockAddr, SockTuple, unmap};
use crate::fields::{self, Context, Field, Scratch, Value};
use crate::state::{FdInfo, FdKind, L4, Mounts, Role, Text, Thread};
use crate::stats::groups::{Groups, Recent};

/// The call created the file, or emptied it (table `file_flags` of the schema).
const O_F_CREATED: u64 = 0x4000;
const O_TRUNC: u64 = 0x100;

/// The parameter of a `connect` with both ends.
const CONNECT_TUPLE: usize = 1;
/// Index of the address that a program passed to `connect`.
const CONNECT_ADDRESS: usize = 3;

/// Files and connections.
pub(super) struct Objects {
    pub(super) files: Groups<FileKey, FileTally>,
    pub(super) connections: Groups<ConnectionKey, ConnectionTally>,
    recent_files: Recent,
    recent_connections: Recent,
    name: Option<Field>,
    paths: Vec<Field>,
    scratch: Scratch,
    hasher: DefaultHashBuilder,
    ends: Vec<u8>,
    /// The rows of the present event.
    rows_of_files: Vec<usize>,
    rows_of_connections: Vec<usize>,
}

/// The process and container of an event.
pub(super) struct Owner<'a> {
    pub(super) key: ProcessKey,
    pub(super) comm: &'a Text,
    pub(super) container: Option<&'a Text>,
}

impl Owner<'_> {
    /// Returns a number that distinguishes the ends of connections with the same name.
    fn end(&self, info: &FdInfo) -> usize {
        let origin = self
            .key
            .origin
            .map_or(0, |origin| 1 + usize::from(origin.0));
        2 * origin + usize::from(info.role == Role::Server)
    }
}

/// The process that uses a file, as far as the file is concerned.
pub(super) struct FileUser<'a> {
    pub(super) comm: &'a Text,
    pub(super) container: Option<&'a Text>,
    pub(super) cx: &'a Context<'a>,
    pub(super) thread: Option<&'a Thread>,
}

impl<'a> FileUser<'a> {
    /// The user of a file that has no row of its own.
    pub(super) fn new(cx: &'a Context<'a>, thread: Option<&'a Thread>, no_name: &'a Text) -> Self {
        Self {
            comm: thread.and_then(|t| t.comm.as_ref()).unwrap_or(no_name),
            container: thread.and_then(|t| t.container.as_ref()),
            cx,
            thread,
        }
    }

    /// Returns whose files its paths name.
    fn whose(&self) -> Whose {
        let mounts = self.thread.map(|t| self.cx.view.mounts(t));
        Whose {
            mounts: mounts.unwrap_or_default(),
            origin: self.cx.session.origin,
        }
    }
}

impl Objects {
    pub(super) fn new() -> Self {
        let paths = ["fs.path.name", "fs.path.source", "fs.path.target"];
        let paths = paths.iter().filter_map(|name| fields::lookup(name).ok());
        Self {
            files: Groups::new(limits::FILES),
            connections: Groups::new(limits::CONNECTIONS),
            recent_files: Recent::default(),
            recent_connections: Recent::default(),
            name: fields::lookup("fd.name").ok(),
            paths: paths.collect(),
            scratch: Scratch::default(),
            hasher: DefaultHashBuilder::default(),
            ends: Vec::new(),
            rows_of_files: Vec::new(),
            rows_of_connections: Vec::new(),
        }
    }

    /// Returns a number that distinguishes whose files paths name.
    fn tag(&self, whose: &Whose) -> usize {
        let origin = whose.origin.map_or(0, |origin| 1 + usize::from(origin.0));
        match whose.mounts {
            Mounts::Unknown => origin << 33,
            Mounts::Host => origin << 33 | 1,
            Mounts::Namespace(number) => origin << 33 | 1 << 32 | number as usize,
            Mounts::Container(_) => self.hasher.hash_one(whose) as usize,
        }
    }

    /// Begins a new event.
    pub(super) fn begin(&mut self) {
        self.rows_of_files.clear();
        self.rows_of_connections.clear();
    }

    /// Returns true if the present event is counted for no file.
    pub(super) fn has_no_file(&self) -> bool {
        self.rows_of_files.is_empty()
    }

    /// Notes in which tiles the present event is.
    pub(super) fn in_tiles(&mut self, tiles: TileSet) {
        for row in &self.rows_of_files {
            self.files.row(*row).tiles |= tiles;
        }
        for row in &self.rows_of_connections {
            self.connections.row(*row).tiles |= tiles;
        }
    }

    /// Counts an event for its files: the file of its fd, and those of its paths.
    pub(super) fn of_files(
        &mut self,
        cx: &Context<'_>,
        facts: &Facts,
        fd: Option<&FdInfo>,
        user: &FileUser<'_>,
    ) {
        let comm = user.comm;
        let at_fd = match fd {
            Some(info) if is_file(info) => {
                let whose = self.tag(&user.whose());
                let recent = self.recent_files.get(&info.name, whose);
                recent.or_else(|| {
                    let row = file(&mut self.files, &info.name, user, facts, Some(&info.name))?;
                    self.recent_files.set(&info.name, whose, row);
                    Some(row)
                })
            }
            None if (facts.kind.contains(Kind::NAMES) || facts.has_fd_argument)
                && facts.is_exit =>
            {
                match self
                    .name
                    .as_ref()
                    .and_then(|f| f.extract(cx, &mut self.scratch))
                {
                    Some(Value::Text(name)) if name.starts_with(b"/") => {
                        file(&mut self.files, name, user, facts, None)
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let succeeded = facts.result.is_some_and(|r| r >= 0);
        // The file of a new fd has the path that was opened.
        let opens = facts.kind.contains(Kind::OPENS);
        let has_paths = facts.kind.contains(Kind::PATHS) && !(opens && fd.is_some());
        if let Some(row) = at_fd {
            let tally = self.files.row(row);
            tally.count(facts, comm);
            if opens && succeeded {
                tally.opens += 1;
                tally.changes += u64::from(makes_file(cx) && fd.is_none_or(stores_data));
            } else if facts.changes
                && !has_paths
                && kinds::transfer(cx.event.ty).is_none()
                && fd.is_none_or(stores_data)
            {
                tally.changes += 1;
            }
            self.rows_of_files.push(row);
        }
        if !succeeded || !has_paths {
            return;
        }
        let mut done = None;
        for field in &self.paths {
            let path = match field.extract(cx, &mut self.scratch) {
                Some(Value::Text(path)) if !path.is_empty() => path,
                _ => continue,
            };
            let row = file(&mut self.files, path, user, facts, None);
            let Some(row) = row.filter(|row| done != Some(*row)) else {
                continue;
            };
            done = Some(row);
            let tally = self.files.row(row);
            if at_fd != Some(row) {
                tally.count(facts, comm);
                self.rows_of_files.push(row);
            }
            tally.changes += u64::from(facts.changes);
        }
    }

    /// Counts an event for its connection.
    pub(super) fn of_connections(
        &mut self,
        cx: &Context<'_>,
        facts: &Facts,
        fd: Option<&FdInfo>,
        owner: &Owner<'_>,
    ) {
        let Some(info) = fd.filter(|info| info.kind.is_inet()) else {
            return;
        };
        let mut at_fd = None;
        if !info.name.is_empty() {
            let with = owner.end(info);
            at_fd = match self.recent_connections.get(&info.name, with) {
                Some(row) => Some(row),
                None => {
                    let row = self.connection(&info.name, Some(&info.name), info, facts, owner);
                    if let Some(row) = row {
                        self.recent_connections.set(&info.name, with, row);
                    }
                    row
                }
            };
        }
        if let Some(row) = at_fd {
            self.connections.row(row).count(facts, info, owner);
            self.rows_of_connections.push(row);
        }
        // A failed connect leaves no name on its fd.
        if !facts.failed || !facts.kind.contains(Kind::CONNECTS) {
            return;
        }
        let params = cx.view.full().params;
        let socket = params.get(CONNECT_TUPLE).and_then(SockTuple::parse);
        let passed = params.get(CONNECT_ADDRESS).and_then(SockAddr::parse);
        let Some(tuple @ SockTuple::Inet(source, destination)) =
            SockTuple::of_connect(socket, passed)
        else {
            return;
        };
        let mut name = std::mem::take(&mut self.ends);
        name.clear();
        tuple.name(&mut name);
        let row = self.connection(&name, None, info, facts, owner);
        self.ends = name;
        if let Some(row) = row.filter(|row| at_fd != Some(*row)) {
            let tally = self.connections.row(row);
            tally.count(facts, info, owner);
            tally.role = Role::Client;
            tally.ends = Some(unmap(source, destination));
            self.rows_of_connections.push(row);
        }
    }

    /// Counts bytes of a file, and a change of it by a call whose event is about another fd or none: it is
    /// not one of the file's events.
    pub(super) fn of_file(&mut self, facts: &Facts, info: &FdInfo, io: Io, user: &FileUser<'_>) {
        if !is_file(info) {
            return;
        }
        if let Some(row) = file(&mut self.files, &info.name, user, facts, Some(&info.name)) {
            let changes = io.bytes_out > 0 || facts.changes && io.bytes_in == 0;
            let tally = self.files.row(row);
            tally.io.add(io);
            tally.seen.extend(facts.ts);
            tally.changes += u64::from(changes && stores_data(info));
            if !user.comm.is_empty() {
                tally.users.add(user.comm);
            }
        }
    }

    /// Counts bytes of a connection, likewise.
    pub(super) fn of_connection(
        &mut self,
        facts: &Facts,
        info: &FdInfo,
        io: Io,
        owner: &Owner<'_>,
    ) {
        if info.name.is_empty() {
            return;
        }
        let row = self.connection(&info.name, Some(&info.name), info, facts, owner);
        if let Some(row) = row {
            let tally = self.connections.row(row);
            tally.learn(info, owner);
            tally.io.add(io);
            tally.seen.extend(facts.ts);
        }
    }

    fn connection(
        &mut self,
        name: &[u8],
        shared: Option<&Text>,
        info: &FdInfo,
        facts: &Facts,
        owner: &Owner<'_>,
    ) -> Option<usize> {
        let is_server = info.role == Role::Server;
        let origin = owner.key.origin;
        let is =
            |k: &ConnectionKey| (k.is_server, k.origin) == (is_server, origin) && *k.name == *name;
        self.connections.place(&(name, is_server, origin), is, || {
            let key = ConnectionKey {
                name: shared.map_or_else(|| cut(name), Arc::clone),
                is_server,
                origin,
            };
            let tally = ConnectionTally {
                kind: info.kind,
                l4: info.l4,
                role: Role::Unknown,
                ends: None,
                bound: None,
                users: Few::default(),
                pids: Few::default(),
                tiles: 0,
                container: owner.container.cloned(),
                io: Io::default(),
                events: 0,
                failed: 0,
                seen: Seen::at(facts.ts),
            };
            (key, tally)
        })
    }
}

/// Returns true if an fd refers to an object with a path, or to a file without one.
fn is_file(info: &FdInfo) -> bool {
    info.name.starts_with(b"/")
        || !info.name.is_empty()
            && matches!(info.kind, FdKind::File | FdKind::Directory | FdKind::Memfd)
}

fn file(
    files: &mut Groups<FileKey, FileTally>,
    path: &[u8],
    user: &FileUser<'_>,
    facts: &Facts,
    shared: Option<&Text>,
) -> Option<usize> {
    let path = path.get(..TEXT).unwrap_or(path);
    let whose = user.whose();
    let is = |k: &FileKey| *k.path == *path && k.whose == whose;
    files.place(&(path, &whose), is, || {
        let key = FileKey {
            path: match shared {
                Some(name) if name.len() <= TEXT => Text::clone(name),
                _ => path.into(),
            },
            whose: whose.clone(),
        };
        let tally = FileTally {
            io: Io::default(),
            events: 0,
            opens: 0,
            failed: 0,
            changes: 0,
            time_ns: 0,
            slowest_ns: 0,
            seen: Seen::at(facts.ts),
            users: Few::default(),
            container: user.container.cloned(),
            tiles: 0,
        };
        (key, tally)
    })
}

/// Returns true if an fd is of a file that keeps what is written to it.
fn stores_data(info: &FdInfo) -> bool {
    let is_device = info.name.starts_with(b"/dev/") && !info.name.starts_with(b"/dev/shm/");
    matches!(info.kind, FdKind::File | FdKind::Directory | FdKind::Memfd) && !is_device
}

/// Returns true if a successful open created the file, or emptied it.
fn makes_file(cx: &Context<'_>) -> bool {
    let full = cx.view.full();
    let Some(info) = full.info() else {
        return false;
    };
    let flags = info.param("flags").and_then(|(at, _)| full.uint(at));
    let creat = info.param("creat_flags").is_some();
    creat || flags.is_some_and(|flags| flags & (O_F_CREATED | O_TRUNC) != 0)
}

impl FileTally {
    fn count(&mut self, facts: &Facts, comm: &Text) {
        self.events += 1;
        self.seen.extend(facts.ts);
        self.io.add(facts.io);
        self.failed += u64::from(facts.failed);
        if let Some(latency) = facts.latency {
            self.time_ns = self.time_ns.saturating_add(latency);
            self.slowest_ns = self.slowest_ns.max(latency);
        }
        if !comm.is_empty() {
            self.users.add(comm);
        }
    }
}

impl ConnectionTally {
    fn count(&mut self, facts: &Facts, info: &FdInfo, owner: &Owner<'_>) {
        self.events += 1;
        self.seen.extend(facts.ts);
        self.io.add(facts.io);
        self.failed += u64::from(facts.failed);
        self.learn(info, owner);
    }

    /// Adds what is known about the socket and its process.
    fn learn(&mut self, info: &FdInfo, owner: &Owner<'_>) {
        if !owner.comm.is_empty() {
            self.users.add(owner.comm);
        }
        self.pids.add(&owner.key.pid);
        if self.role == Role::Unknown && info.role != Role::Unknown {
            self.role = info.role;
            self.ends = info.ends;
            self.bound = info.bound;
        }
        if self.l4 == L4::Unknown {
            self.l4 = info.l4;
        }
    }
}
