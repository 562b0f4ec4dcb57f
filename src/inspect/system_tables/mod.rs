//! Tables of the state of machines: processes, threads, open files, sockets, users; and the history of processes.

mod columns;
mod fds;
mod history;

use hashbrown::{HashMap, HashSet};
use scap_capture_format::event::Tid;

pub use history::History;

use crate::event::number;
use crate::fields::{Session, command_line};
use crate::filter::Filter;
use crate::replay::{CallsInProgress, OriginState, ThreadActivity};
use crate::state::{State, Text, Thread};
use crate::stats::table::{Cell, Column, Narrowed, Row, Subject, Table, View, tree_order};
use crate::stats::tally::ProcessKey;

/// The part of the state that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemView {
    /// Processes by pid.
    Processes,
    /// Processes as a tree.
    Tree,
    /// The threads of all processes, and the calls that they are in.
    Threads,
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
    /// The session of a process, or with this id.
    pub session: Option<i64>,
}

impl Chosen {
    fn is_all(&self) -> bool {
        self.filter.is_none() && self.lineage.is_none() && self.session.is_none()
    }
}

/// Row limit of a table.
pub const MAX_ROWS: usize = 65_536;
/// Length limit of a command line, in bytes.
const MAX_CMDLINE: usize = 4096;

/// Makes a table of the state of machines. Processes that have ended are not listed. `calls` are those of [`SystemView::Threads`].
pub fn system_table(
    origins: &[OriginState],
    what: SystemView,
    calls: &CallsInProgress,
    chosen: &mut Chosen,
) -> Table {
    let mut all: Option<Table> = None;
    for origin in origins {
        let machine = Machine {
            state: &origin.state,
            session: &origin.session,
        };
        let table = match what {
            SystemView::Processes => machine.processes(chosen),
            SystemView::Tree => machine.tree(chosen),
            SystemView::Threads => machine.threads(calls, chosen),
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
    all.unwrap_or_else(|| table(columns::PROCESSES, None, std::iter::empty()))
}

/// A state to list.
struct Machine<'m> {
    state: &'m State,
    session: &'m Session,
}

impl<'m> Machine<'m> {
    /// Whether a process or one of its fds is chosen by session and filter.
    fn is_chosen(&self, main: &Thread, chosen: &mut Chosen) -> bool {
        let mut fds = self.state.fds(main.tid).map(|(fd, _)| fd);
        self.is_chosen_itself(main, chosen)
            || self.is_of_session(main, chosen)
                && fds.any(|fd| self.matches(main, Some(fd), chosen))
    }

    /// Whether a process is chosen by session and filter, without a look at its fds.
    fn is_chosen_itself(&self, main: &Thread, chosen: &mut Chosen) -> bool {
        self.is_of_session(main, chosen) && self.matches(main, None, chosen)
    }

    fn matches(&self, main: &Thread, fd: Option<i64>, chosen: &mut Chosen) -> bool {
        let filter = chosen.filter.as_mut();
        filter.is_none_or(|filter| filter.matches_thread(self.state, self.session, main, fd))
    }

    fn is_of_session(&self, main: &Thread, chosen: &Chosen) -> bool {
        chosen.session.is_none_or(|id| {
            let of = self.state.thread(Tid(id)).map(|member| member.sid);
            main.sid == of.filter(|sid| *sid > 0).unwrap_or(id)
        })
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

    /// Returns the pid of the parent, also of one that is not in the state.
    fn parent_cell(&self, main: &Thread) -> Cell {
        let parent = self.parent(main);
        let parent = parent.or(Some(main.ptid.0).filter(|ptid| *ptid > 0));
        parent.map_or(Cell::Empty, Cell::Id)
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

    fn threads(&self, calls: &CallsInProgress, chosen: &mut Chosen) -> Table {
        let family = self.family(chosen);
        let mut threads: Vec<&Thread> = self.state.threads().filter(|t| !t.dead).collect();
        threads.sort_unstable_by_key(|thread| (thread.pid.0, thread.tid.0));
        let threads = threads.into_iter().filter(|thread| {
            let is_of_family = |all: &HashSet<i64>| all.contains(&thread.pid.0);
            family.as_ref().is_none_or(is_of_family) && self.is_chosen(thread, chosen)
        });
        let origin = self.session.origin.unwrap_or_default();
        let rows = threads.map(|thread| {
            let (call, since, target) = match calls.of(origin, thread.tid) {
                ThreadActivity::Call {
                    name,
                    since,
                    target,
                } => {
                    let target = match &**target {
                        b"" => Cell::Empty,
                        target => Cell::Rendered(target.into()),
                    };
                    (Cell::Text((&**name).into()), Cell::Time(*since), target)
                }
                ThreadActivity::UserSpace => (Cell::Word("none"), Cell::Empty, Cell::Empty),
                ThreadActivity::Unknown => (Cell::Empty, Cell::Empty, Cell::Empty),
            };
            let main = self.state.thread(Tid(thread.pid.0)).unwrap_or(thread);
            Row {
                cells: vec![
                    Cell::Id(thread.pid.0),
                    Cell::Id(thread.tid.0),
                    self.user(thread),
                    thread
                        .began(self.session.boot_time())
                        .map_or(Cell::Empty, Cell::Time),
                    call,
                    since,
                    target,
                    thread.container.clone().map_or(Cell::Empty, Cell::Text),
                    name(thread),
                ],
                subject: Subject::Process(self.key(main)),
                depth: 0,
                life: None,
            }
        });
        table(columns::THREADS, Some((0, false)), rows)
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
        Row {
            cells: vec![
                Cell::Id(main.pid.0),
                self.parent_cell(main),
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
        table(columns::PROCESSES, Some((0, false)), rows)
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
        let node = |main: &&Thread| (main.pid.0, self.parent(main));
        let nodes: Vec<_> = mains.iter().map(node).collect();
        let order = tree_order(&nodes).into_iter();
        let rows = order.map(|(place, depth)| self.process(mains[place], depth));
        table(columns::PROCESSES, None, rows)
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
        table(columns::USERS, None, rows)
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
