//! Tables of the state of machines: processes, open files, sockets, users.

use hashbrown::{HashMap, HashSet};
use scap_capture_format::event::Tid;

use super::peers::Peers;
use crate::event::net::Endpoint;
use crate::event::number;
use crate::fields::{Session, command_line};
use crate::filter::Filter;
use crate::replay::OriginState;
use crate::state::{Connection, FdInfo, FdKind, L4, Role, State, Text, Thread};
use crate::stats::table::{Cell, Column, Narrowed, Row, Subject, Table, View};
use crate::stats::tally::ProcessKey;

/// The part of the state that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemView {
    /// Processes by pid.
    Processes,
    /// Processes as a tree.
    Tree,
    /// Open fds of all processes.
    Files,
    /// Sockets.
    Sockets,
    /// Users of the machine and of its containers.
    Users,
}

/// Chooses rows: all, unless something is set.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Processes and fds that match a [thread-scoped](Filter::is_thread_scoped) filter.
    pub filter: Option<Filter>,
    /// A process, its ancestors and its descendants.
    pub lineage: Option<i64>,
}

impl Chosen {
    fn is_all(&self) -> bool {
        self.filter.is_none() && self.lineage.is_none()
    }
}

/// Row limit of a table.
pub const MAX_ROWS: usize = 65_536;
/// Length limit of a command line, in bytes.
const MAX_CMDLINE: usize = 4096;

const fn column(
    title: &'static str,
    help: &'static str,
    field: Option<&'static str>,
    width: u16,
) -> Column {
    let column = Column::new(title, width, help);
    Column { field, ..column }
}

const PID: Column = column("PID", "the process id", Some("proc.pid"), 8);
const NAME: Column = column("NAME", "the name of the process", Some("proc.name"), 16);
const FD: Column = column("FD", "the fd number", Some("fd.num"), 6);

const PROCESSES: &[Column] = &[
    PID,
    column("PPID", "the parent process id", Some("proc.ppid"), 8),
    column(
        "STARTED BY",
        "the process that started it, if the parent has only adopted it",
        None,
        15,
    )
    .optional(),
    column("USER", "the user name or uid", Some("user.name"), 12),
    column("START", "the start time, if known", None, 15),
    column("THR", "the number of threads", Some("proc.nthreads"), 5),
    column("FDS", "the number of open fds", Some("proc.fdopencount"), 6),
    column(
        "RSS",
        "resident memory, as of the last event that recorded it",
        None,
        8,
    ),
    column(
        "CONTAINER",
        "the container; empty: the host",
        Some("container.id"),
        14,
    ),
    NAME,
    column(
        "COMMAND",
        "the command line as it was executed",
        Some("proc.exeline"),
        0,
    ),
];

const FILES: &[Column] = &[
    PID,
    NAME,
    column("USER", "the user name or uid", Some("user.name"), 12),
    FD,
    column("TYPE", "the kind of fd", Some("fd.type"), 10),
    column(
        "MODE",
        "r: open for reading, w: for writing; empty: not known",
        None,
        4,
    ),
    column(
        "FILE",
        "the path, or both ends of the connection",
        Some("fd.name"),
        0,
    ),
];

const SOCKETS: &[Column] = &[
    column("PROTO", "the protocol", Some("fd.l4proto"), 6),
    column("LOCAL", "the local address and port", None, 24),
    column(
        "REMOTE",
        "the remote address and port; for unix sockets the path",
        None,
        24,
    ),
    column(
        "STATE",
        "connected, connecting, bound, or only open",
        None,
        10,
    ),
    column("ROLE", "the role of the process in the connection", None, 7),
    PID,
    NAME,
    FD,
    column(
        "PEER",
        "the process at the other end, if it is on this machine; several if they share the socket",
        None,
        24,
    )
    .optional(),
];

const USERS: &[Column] = &[
    column("USER", "the name", None, 16),
    column("UID", "the user id", Some("user.uid"), 8),
    column("GID", "the primary group; empty: not known", None, 8),
    column("HOME", "the home directory", None, 24),
    column("SHELL", "the login shell", None, 20),
    column(
        "CONTAINER",
        "the container that has the user; empty: the host",
        Some("container.id"),
        14,
    ),
    column("PROCS", "the number of its processes", None, 6),
];

/// Makes a table of the state of machines. Threads are not listed separately from their processes; processes that have
/// ended are not listed.
pub fn system_table(origins: &[OriginState], what: SystemView, chosen: &mut Chosen) -> Table {
    let mut all: Option<Table> = None;
    for origin in origins {
        let machine = Machine {
            state: &origin.state,
            session: &origin.session,
        };
        let table = match what {
            SystemView::Processes => machine.processes(chosen),
            SystemView::Tree => machine.tree(chosen),
            SystemView::Files => machine.files(chosen),
            SystemView::Sockets => machine.sockets(chosen),
            SystemView::Users => machine.users(chosen),
        };
        match &mut all {
            None => all = Some(table),
            Some(all) => {
                let room = MAX_ROWS.saturating_sub(all.rows.len());
                all.omitted += table.omitted + table.rows.len().saturating_sub(room) as u64;
                all.rows.extend(table.rows.into_iter().take(room));
            }
        }
    }
    all.unwrap_or_else(|| table(PROCESSES, None, std::iter::empty()))
}

/// A state to list.
struct Machine<'m> {
    state: &'m State,
    session: &'m Session,
}

impl<'m> Machine<'m> {
    /// Whether a process or one of its fds is chosen.
    fn is_chosen(&self, main: &Thread, chosen: &mut Chosen) -> bool {
        let Some(filter) = &mut chosen.filter else {
            return true;
        };
        let mut matches = |fd| filter.matches_thread(self.state, self.session, main, fd);
        matches(None) || self.state.fds(main.tid).any(|(fd, _)| matches(Some(fd)))
    }

    /// Returns the live processes by pid, each by its main thread.
    fn mains(&self) -> Vec<&'m Thread> {
        let mut mains: Vec<&'m Thread> = self
            .state
            .threads()
            .filter(|t| t.is_main() && !t.dead)
            .collect();
        mains.sort_unstable_by_key(|thread| thread.pid.0);
        mains
    }

    fn key(&self, main: &Thread) -> ProcessKey {
        ProcessKey {
            pid: main.pid.0,
            start: main.began(self.session.boot_time()).unwrap_or(0),
            origin: self.session.origin,
        }
    }

    /// Returns the pid of the parent, if known.
    fn parent(&self, main: &Thread) -> Option<i64> {
        let parent = self.state.thread(main.ptid).filter(|_| main.ptid.0 > 0);
        parent.map(|parent| parent.pid.0).filter(|pid| *pid > 0)
    }

    /// Returns name and pid of the process that started a process that has been adopted.
    fn starter(&self, main: &Thread) -> Cell {
        let adopter = self.state.adopter(main);
        let Some(starter) = adopter.and_then(|_| main.lineage().nth(1)) else {
            return Cell::Empty;
        };
        let mut text = starter.comm.unwrap_or(b"<NA>").to_vec();
        text.push(b' ');
        number::dec(&mut text, starter.pid.0);
        Cell::Text(text.into())
    }

    fn user(&self, main: &Thread) -> Cell {
        if main.uid == u32::MAX {
            return Cell::Empty;
        }
        match self.state.user(main.container.as_deref(), main.uid) {
            Some(user) => Cell::Text(user.name.clone()),
            None if main.uid == 0 => Cell::Word("root"),
            None => Cell::Id(main.uid.into()),
        }
    }

    fn process(&self, main: &Thread, depth: u16) -> Row {
        let key = self.key(main);
        let parent = self
            .parent(main)
            .or(Some(main.ptid.0).filter(|ptid| *ptid > 0));
        Row {
            cells: vec![
                Cell::Id(main.pid.0),
                parent.map_or(Cell::Empty, Cell::Id),
                self.starter(main),
                self.user(main),
                match key.start {
                    0 => Cell::Empty,
                    start => Cell::Time(start),
                },
                Cell::Count(self.state.threads_of(main.pid).into()),
                Cell::Count(self.state.fd_count(main.tid) as u64),
                match main.memory_kb[1] {
                    0 => Cell::Empty,
                    rss => Cell::Bytes(u64::from(rss) * 1024),
                },
                main.container.clone().map_or(Cell::Empty, Cell::Text),
                name(main),
                Cell::Text(cmdline(main)),
            ],
            subject: Subject::Process(key),
            depth,
            life: None,
        }
    }

    fn processes(&self, chosen: &mut Chosen) -> Table {
        let family = self.family(chosen);
        let mains = self.mains().into_iter();
        let rows = mains
            .filter(|main| family.as_ref().is_none_or(|all| all.contains(&main.pid.0)))
            .filter(|main| self.is_chosen(main, chosen))
            .map(|main| self.process(main, 0));
        table(PROCESSES, Some((0, false)), rows)
    }

    /// Returns the processes of a lineage: ancestors and descendants of a process; `None` if none is asked for.
    fn family(&self, chosen: &Chosen) -> Option<HashSet<i64>> {
        let pid = chosen.lineage?;
        let mut family = HashSet::new();
        let parent_of = |pid: i64| self.parent(self.state.thread(Tid(pid))?);
        let mut next = self.state.thread(Tid(pid)).map(|main| main.pid.0);
        while let Some(pid) = next.filter(|pid| family.insert(*pid)) {
            next = parent_of(pid);
        }
        let mut children: HashMap<i64, Vec<i64>> = HashMap::new();
        for main in self.mains() {
            if let Some(parent) = self.parent(main) {
                children.entry(parent).or_default().push(main.pid.0);
            }
        }
        let mut open = children.remove(&pid).unwrap_or_default();
        while let Some(pid) = open.pop() {
            if family.insert(pid) {
                open.extend(children.remove(&pid).into_iter().flatten());
            }
        }
        Some(family)
    }

    /// Returns the processes of a tree: the chosen ones, and all of their ancestors.
    fn with_ancestors(&self, chosen: &mut Chosen) -> Vec<&'m Thread> {
        let mains = self.mains();
        if chosen.is_all() {
            return mains;
        }
        let family = self.family(chosen);
        let mut shown = HashSet::new();
        for main in &mains {
            if family
                .as_ref()
                .is_some_and(|all| !all.contains(&main.pid.0))
                || !self.is_chosen(main, chosen)
            {
                continue;
            }
            let mut next = Some(main.pid.0);
            while let Some(pid) = next.filter(|pid| shown.insert(*pid)) {
                next = self
                    .state
                    .thread(Tid(pid))
                    .and_then(|main| self.parent(main));
            }
        }
        mains
            .into_iter()
            .filter(|main| shown.contains(&main.pid.0))
            .collect()
    }

    fn tree(&self, chosen: &mut Chosen) -> Table {
        let mains = self.with_ancestors(chosen);
        let mut children: HashMap<i64, Vec<&Thread>> = HashMap::new();
        let mut roots = Vec::new();
        for main in &mains {
            match self.parent(main).filter(|parent| *parent != main.pid.0) {
                Some(parent) if self.state.thread(Tid(parent)).is_some_and(|p| !p.dead) => {
                    children.entry(parent).or_default().push(main);
                }
                _ => roots.push(*main),
            }
        }
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        // Processes whose parents form a cycle, which occurs only in forged captures, are listed as
        // roots.
        for root in roots.into_iter().chain(mains) {
            let mut open = vec![(root, 0_u16)];
            while let Some((main, depth)) = open.pop() {
                if !seen.insert(main.pid.0) {
                    continue;
                }
                rows.push(self.process(main, depth));
                let below = children.get(&main.pid.0).into_iter().flatten().rev();
                open.extend(below.map(|child| (*child, depth.saturating_add(1))));
            }
        }
        table(PROCESSES, None, rows.into_iter())
    }

    /// Iterates over the fds of all processes.
    fn fds(&self) -> impl Iterator<Item = (&'m Thread, i64, &'m FdInfo)> {
        let state = self.state;
        self.mains()
            .into_iter()
            .flat_map(move |main| state.fds(main.tid).map(move |(fd, info)| (main, fd, info)))
    }

    /// Iterates over the chosen fds.
    fn chosen_fds(
        &self,
        chosen: &mut Chosen,
    ) -> impl Iterator<Item = (&'m Thread, i64, &'m FdInfo)> {
        let family = self.family(chosen);
        let filter = &mut chosen.filter;
        self.fds().filter(move |(main, fd, _)| {
            family.as_ref().is_none_or(|all| all.contains(&main.pid.0))
                && filter.as_mut().is_none_or(|filter| {
                    filter.matches_thread(self.state, self.session, main, Some(*fd))
                })
        })
    }

    fn files(&self, chosen: &mut Chosen) -> Table {
        let rows = self.chosen_fds(chosen).map(|(main, fd, info)| Row {
            cells: vec![
                Cell::Id(main.pid.0),
                name(main),
                self.user(main),
                Cell::Id(fd),
                info.kind.word().map_or(Cell::Empty, Cell::Word),
                mode(info.open_flags),
                Cell::Text(info.name.clone()),
            ],
            subject: self.subject(main, info),
            depth: 0,
            life: None,
        });
        table(FILES, Some((0, false)), rows)
    }

    fn users(&self, chosen: &mut Chosen) -> Table {
        let mut counts: HashMap<(Option<&[u8]>, u32), u64> = HashMap::new();
        let family = self.family(chosen);
        for main in self.mains() {
            let is_of_family = family.as_ref().is_none_or(|all| all.contains(&main.pid.0));
            if is_of_family && self.is_chosen(main, chosen) {
                *counts
                    .entry((main.container.as_deref(), main.uid))
                    .or_default() += 1;
            }
        }
        let mut users: Vec<_> = self.state.users().collect();
        users.sort_unstable_by_key(|(container, uid, _)| (*container, *uid));
        let is_all = chosen.is_all();
        let rows = users.into_iter().filter_map(|(container, uid, user)| {
            let count = counts
                .get(&(container.map(|id| &**id), uid))
                .copied()
                .unwrap_or(0);
            (is_all || count > 0).then(|| Row {
                cells: vec![
                    Cell::Text(user.name.clone()),
                    Cell::Id(uid.into()),
                    match user.gid {
                        u32::MAX => Cell::Empty,
                        gid => Cell::Id(gid.into()),
                    },
                    Cell::Text(user.home.clone()),
                    Cell::Text(user.shell.clone()),
                    container.cloned().map_or(Cell::Empty, Cell::Text),
                    Cell::Count(count),
                ],
                subject: Subject::Leads(Box::new(Narrowed {
                    label: format!("uid {uid}"),
                    filter: match container {
                        // It is an id of hexadecimal digits, or one that no filter can name.
                        Some(id) if id.iter().all(u8::is_ascii_alphanumeric) => {
                            format!(
                                "user.uid = {uid} and container.id = {}",
                                String::from_utf8_lossy(id)
                            )
                        }
                        _ => format!("user.uid = {uid} and container.id = host"),
                    },
                    view: View::Processes,
                    span: None,
                })),
                depth: 0,
                life: None,
            })
        });
        table(USERS, None, rows)
    }

    fn sockets(&self, chosen: &mut Chosen) -> Table {
        let is_socket = |kind| {
            matches!(
                kind,
                FdKind::Ipv4 | FdKind::Ipv6 | FdKind::Unix | FdKind::Netlink
            )
        };
        let peers = Peers::new(self.fds());
        let sockets = self.chosen_fds(chosen);
        let sockets = sockets.filter(|(.., info)| is_socket(info.kind));
        let rows = sockets.map(|(main, fd, info)| {
            let (local, remote) = ends(info);
            Row {
                cells: vec![
                    Cell::Word(protocol(info)),
                    local,
                    remote,
                    Cell::Word(match info.connection {
                        Connection::Established => "connected",
                        Connection::Pending => "connecting",
                        Connection::None if info.bound.is_some() => "bound",
                        Connection::None => "open",
                    }),
                    match info.role {
                        Role::Unknown => Cell::Empty,
                        Role::Client => Cell::Word("client"),
                        Role::Server => Cell::Word("server"),
                    },
                    Cell::Id(main.pid.0),
                    name(main),
                    Cell::Id(fd),
                    peers.of_socket(main, info),
                ],
                subject: self.subject(main, info),
                depth: 0,
                life: None,
            }
        });
        table(SOCKETS, Some((5, false)), rows)
    }

    /// Returns the subject of a row about an fd: the file or connection, if it has a name.
    fn subject(&self, main: &Thread, info: &FdInfo) -> Subject {
        match info.kind {
            _ if info.name.is_empty() => Subject::Process(self.key(main)),
            FdKind::Ipv4 | FdKind::Ipv6 => Subject::Connection(info.name.clone()),
            FdKind::File | FdKind::Directory | FdKind::Memfd => {
                Subject::File(info.name.clone(), None)
            }
            _ => Subject::Process(self.key(main)),
        }
    }
}

/// Makes a table of the rows within the limit.
fn table(
    columns: &'static [Column],
    sorted: Option<(usize, bool)>,
    mut rows: impl Iterator<Item = Row>,
) -> Table {
    let kept = rows.by_ref().take(MAX_ROWS).collect();
    Table {
        columns,
        sorted,
        rows: kept,
        omitted: rows.count() as u64,
    }
}

fn name(main: &Thread) -> Cell {
    main.comm.clone().map_or(Cell::Empty, Cell::Text)
}

/// Returns the command line that was executed, truncated.
fn cmdline(main: &Thread) -> Text {
    let mut line = Vec::new();
    let (exe, comm, args) = (&main.exe, &main.comm, &main.args);
    let args = args.as_deref();
    command_line(
        &mut line,
        exe.as_deref(),
        comm.as_deref(),
        args,
        MAX_CMDLINE,
    );
    line.into()
}

/// Returns the open mode of an fd, from flags in the field's encoding.
fn mode(flags: u32) -> Cell {
    match flags & 3 {
        1 => Cell::Word("r"),
        2 => Cell::Word("w"),
        3 => Cell::Word("rw"),
        _ => Cell::Empty,
    }
}

fn protocol(info: &FdInfo) -> &'static str {
    match (info.kind, info.l4) {
        (FdKind::Unix, _) => "unix",
        (FdKind::Netlink, _) => "netlink",
        (_, L4::Tcp) => "tcp",
        (_, L4::Udp) => "udp",
        (_, L4::Icmp) => "icmp",
        (_, L4::Raw) => "raw",
        (FdKind::Ipv6, L4::Unknown) => "ipv6",
        (_, L4::Unknown) => "ipv4",
    }
}

/// Returns the local and the remote end of a socket.
fn ends(info: &FdInfo) -> (Cell, Cell) {
    let end = |end: Option<Endpoint>| {
        end.map_or(Cell::Empty, |end| {
            let mut text = Vec::new();
            end.render(&mut text);
            Cell::Text(text.into())
        })
    };
    let ends = match (info.ends, info.role) {
        (Some((client, server)), Role::Server) => (Some(server), Some(client)),
        (Some((client, server)), _) => (Some(client), Some(server)),
        (None, _) => (info.bound, None),
    };
    match ends {
        (None, None) if !info.name.is_empty() => (Cell::Empty, Cell::Text(info.name.clone())),
        (local, remote) => (end(local), end(remote)),
    }
}
