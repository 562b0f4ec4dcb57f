//! The history of processes: when they began and ended, the programs and the users that they had.

use std::io;
use std::ops::ControlFlow;

use hashbrown::{HashMap, HashSet};
use scap_capture_format::schema::signal;

use super::{Chosen, MAX_ROWS, Machine, cmdline, columns, name, table};
use crate::event::{Event, EventExt as _};
use crate::fields::{Context, Session};
use crate::replay::{EventSink, OriginState};
use crate::state::{State, Text, Thread};
use crate::stats::groups::Groups;
use crate::stats::table::{Cell, Row, Subject, Table, tree_order};
use crate::stats::tally::ProcessKey;

/// Most programs, and most users, of a process.
const MOST_CHANGES: usize = 64;
/// Most bytes of the command lines of all processes.
const MAX_TEXT: usize = 64 << 20;

/// Most fds that the filter is applied to: many processes can share many.
const MOST_FDS: usize = 1 << 26;

/// The processes of captures, in the order in which they were first seen. It takes the events up to an instant.
#[derive(Debug)]
pub struct History {
    lives: Groups<ProcessKey, Life>,
    chosen: Chosen,
    text: usize,
    fds_left: usize,
    has_ignored_fds: bool,
    /// Processes beyond the limit, counted at their end or at the instant.
    omitted: u64,
}

/// One process.
#[derive(Debug)]
struct Life {
    starter: Option<ProcessKey>,
    /// The parent, who started it, the container and the name, as last seen.
    parent: Cell,
    started_by: Cell,
    container: Cell,
    name: Cell,
    programs: Changes,
    users: Changes,
    /// The time of its last `execve`.
    exec_ts: u64,
    end: Option<End>,
    is_running: bool,
    /// It was chosen by filter and session at some time.
    is_chosen: bool,
}

/// Values that followed each other.
#[derive(Debug, Default)]
struct Changes {
    values: Vec<(u64, Text)>,
    has_more: bool,
}

/// Whether a process is also chosen by its fds.
#[derive(Clone, Copy, Debug)]
enum Fds {
    Matter,
    Ignored,
}

/// The end of a process.
#[derive(Clone, Copy, Debug)]
struct End {
    time: u64,
    /// Exit status or signal; `None` if not known.
    status: Option<i64>,
    signal: Option<u8>,
}

impl History {
    /// Lists the chosen processes. A filter chooses those that match when they begin or end, or have become another program or user; by their fds
    /// those that have them at the end, or were there before.
    pub fn of(chosen: Chosen) -> Self {
        Self {
            lives: Groups::new(MAX_ROWS),
            chosen,
            text: 0,
            fds_left: MOST_FDS,
            has_ignored_fds: false,
            omitted: 0,
        }
    }

    /// Notes what a process is now, by its main thread.
    fn note(
        &mut self,
        state: &State,
        session: &Session,
        main: &Thread,
        now: u64,
        fds: Fds,
    ) -> Option<&mut Life> {
        let machine = Machine { state, session };
        let key = machine.key(main);
        let place = self
            .lives
            .place(&key, |other| *other == key, || (key, Life::new()))?;
        let is_chosen = match fds {
            Fds::Matter if self.takes_fds(state.fd_count(main.tid)) => {
                machine.is_chosen(main, &mut self.chosen)
            }
            _ => machine.is_chosen_itself(main, &mut self.chosen),
        };
        let boot = session.boot_time();
        let starter = main.lineage().nth(1).map(|starter| ProcessKey {
            pid: starter.pid.0,
            start: starter.began(boot).unwrap_or(0),
            origin: session.origin,
        });
        let life = self.lives.row(place);
        life.is_chosen |= is_chosen;
        life.starter = starter.or(life.starter);
        life.parent = machine.parent_cell(main);
        life.started_by = machine.starter(main);
        life.container = main.container.clone().map_or(Cell::Empty, Cell::Text);
        life.name = name(main);
        // What it was from the beginning it was since its creation, if that was recorded.
        let since = match life.programs.values.is_empty() {
            true => main.clone_ts,
            false => now,
        };
        let is_executed = main.exec_ts > life.exec_ts;
        life.exec_ts = main.exec_ts;
        let since_exec = if is_executed { main.exec_ts } else { since };
        let room = MAX_TEXT.saturating_sub(self.text);
        self.text += life
            .programs
            .add(since_exec, cmdline(main), is_executed, room);
        if let Some(user) = user_text(machine.user(main)) {
            let since = match life.users.values.is_empty() {
                true => main.clone_ts,
                false => now,
            };
            life.users.add(since, user, false, usize::MAX);
        }
        Some(life)
    }

    /// Whether the filter is applied to so many more fds.
    fn takes_fds(&mut self, count: usize) -> bool {
        let left = self.fds_left.checked_sub(count);
        self.has_ignored_fds |= left.is_none();
        self.fds_left = left.unwrap_or(self.fds_left);
        left.is_some()
    }

    /// Whether the filter was not applied to the fds of some processes, since there are too many.
    pub fn has_ignored_fds(&self) -> bool {
        self.has_ignored_fds && self.chosen.filter.is_some()
    }

    fn note_all(&mut self, origins: &mut [OriginState], is_end: bool) {
        for OriginState { state, session, .. } in origins {
            let machine = Machine { state, session };
            for main in machine.mains() {
                match self.note(state, session, main, 0, Fds::Matter) {
                    Some(life) => life.is_running = is_end,
                    None => self.omitted += u64::from(is_end),
                }
            }
        }
    }

    /// Makes the table of all origins, or of one; as a tree, each process below the one that started it.
    pub fn table(&self, origin: Option<usize>, is_tree: bool) -> Table {
        let is_of = |key: &ProcessKey| {
            origin.is_none_or(|origin| usize::from(key.origin.unwrap_or_default().0) == origin)
        };
        let mut lives: Vec<(&ProcessKey, &Life)> = self.lives.iter().collect();
        lives.retain(|(key, _)| is_of(key));
        lives.sort_by_key(|(key, _)| (key.start, key.pid));
        let shown = self.shown(&lives, is_tree);
        lives.retain(|(key, _)| shown.contains(*key));
        let mut table = match is_tree {
            false => {
                let rows = lives.into_iter().map(|(key, life)| life.row(*key, 0));
                table(columns::HISTORY, None, rows)
            }
            true => {
                let nodes: Vec<_> = lives
                    .iter()
                    .map(|(key, life)| (**key, life.starter))
                    .collect();
                let order = tree_order(&nodes).into_iter();
                let rows = order.map(|(place, depth)| lives[place].1.row(*lives[place].0, depth));
                table(columns::HISTORY, None, rows)
            }
        };
        table.omitted += self.omitted;
        table
    }

    /// Returns the processes that are shown: the chosen ones, in a tree with their ancestors.
    fn shown(&self, lives: &[(&ProcessKey, &Life)], is_tree: bool) -> HashSet<ProcessKey> {
        let starters: HashMap<ProcessKey, Option<ProcessKey>> = lives
            .iter()
            .map(|(key, life)| (**key, life.starter))
            .collect();
        let add_ancestors = |set: &mut HashSet<ProcessKey>, key: ProcessKey| {
            let mut next = starters.get(&key).copied().flatten();
            while let Some(key) = next.filter(|key| starters.contains_key(key) && set.insert(*key))
            {
                next = starters.get(&key).copied().flatten();
            }
        };
        let family = self.chosen.lineage.map(|pid| {
            let mut children: HashMap<ProcessKey, Vec<ProcessKey>> = HashMap::new();
            for (key, life) in lives {
                if let Some(starter) = life.starter {
                    children.entry(starter).or_default().push(**key);
                }
            }
            let named = lives
                .iter()
                .map(|(key, _)| **key)
                .filter(|key| key.pid == pid);
            let mut open: Vec<ProcessKey> = named.collect();
            let mut ancestors = HashSet::new();
            open.iter()
                .for_each(|key| add_ancestors(&mut ancestors, *key));
            let mut family = HashSet::new();
            while let Some(key) = open.pop() {
                if family.insert(key) {
                    open.extend(children.remove(&key).into_iter().flatten());
                }
            }
            family.extend(ancestors);
            family
        });
        let chosen = lives.iter().filter(|(key, life)| {
            life.is_chosen && family.as_ref().is_none_or(|family| family.contains(*key))
        });
        let chosen: Vec<ProcessKey> = chosen.map(|(key, _)| **key).collect();
        let mut shown = HashSet::new();
        if is_tree {
            chosen
                .iter()
                .for_each(|key| add_ancestors(&mut shown, *key));
        }
        shown.extend(chosen);
        shown
    }
}

impl EventSink for History {
    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        self.note_all(origins, false);
        Ok(())
    }

    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.hidden(cx)?;
        Ok(ControlFlow::Continue(()))
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        let event = cx.event;
        if !changes_process(event) {
            return Ok(());
        }
        let state = cx.view.state();
        let Some(main) = cx.view.thread().and_then(|thread| cx.view.main(thread)) else {
            return Ok(());
        };
        // An event without a time has none of its own.
        let now = event.ts.known().unwrap_or(0);
        let is_end = event.info().is_some_and(|info| info.name == "procexit");
        let is_last = is_end && state.threads_of(main.pid) <= 1;
        let fds = match is_last {
            true => Fds::Matter,
            false => Fds::Ignored,
        };
        match self.note(state, cx.session, main, now, fds) {
            Some(life) if is_last => life.end = Some(End::of(event, now)),
            None if is_last => self.omitted += 1,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        origins.iter_mut().for_each(|origin| origin.state.settle());
        self.note_all(origins, true);
        Ok(())
    }
}

/// Whether an event begins or ends a process, or makes it another program or user.
fn changes_process(event: &Event<'_>) -> bool {
    let name = event.info().map_or("", |info| info.name);
    matches!(
        name,
        "clone"
            | "clone3"
            | "fork"
            | "vfork"
            | "execve"
            | "execveat"
            | "procexit"
            | "setuid"
            | "setreuid"
            | "setresuid"
    )
}

impl End {
    fn of(event: &Event<'_>, time: u64) -> Self {
        let number = |name| event.uint(event.info()?.param(name)?.0);
        let unknown = Self {
            time,
            status: None,
            signal: None,
        };
        // Old events have only the wait status.
        let wait = number("status");
        let signal = number("sig").or(wait.map(|wait| wait & 0x7f));
        match signal.and_then(|signal| u8::try_from(signal).ok()) {
            None => unknown,
            Some(0) => Self {
                status: number("ret")
                    .or(wait.map(|wait| wait >> 8 & 0xff))
                    .map(|ret| ret.cast_signed()),
                ..unknown
            },
            signal => Self { signal, ..unknown },
        }
    }
}

impl Changes {
    /// Adds a value if it is another one, or `is_new`. Returns the number of its bytes.
    fn add(&mut self, since: u64, value: Text, is_new: bool, room: usize) -> usize {
        if !is_new && self.values.last().is_some_and(|(_, last)| *last == value) {
            return 0;
        }
        if self.values.len() >= MOST_CHANGES || value.len() > room {
            self.has_more = true;
            return 0;
        }
        let len = value.len();
        self.values.push((since, value));
        len
    }

    fn cell(&self) -> Cell {
        match (&*self.values, self.has_more) {
            ([], false) => Cell::Empty,
            (values, has_more) => Cell::Timed(values.into(), has_more),
        }
    }
}

impl Life {
    fn new() -> Self {
        Self {
            starter: None,
            parent: Cell::Empty,
            started_by: Cell::Empty,
            container: Cell::Empty,
            name: Cell::Empty,
            programs: Changes::default(),
            users: Changes::default(),
            exec_ts: 0,
            end: None,
            is_running: false,
            is_chosen: false,
        }
    }

    fn row(&self, key: ProcessKey, depth: u16) -> Row {
        let time = |ns| match ns {
            0 => Cell::Empty,
            ns => Cell::Time(ns),
        };
        let signal = |signal| signal::name(signal).map_or(Cell::Id(signal.into()), Cell::Word);
        Row {
            cells: vec![
                Cell::Id(key.pid),
                self.parent.clone(),
                self.started_by.clone(),
                self.users.cell(),
                time(key.start),
                self.end.map_or(Cell::Empty, |end| time(end.time)),
                Cell::Word(match self.end {
                    Some(_) => "ended",
                    None if self.is_running => "running",
                    None => "lost",
                }),
                self.end
                    .and_then(|end| end.status)
                    .map_or(Cell::Empty, Cell::Id),
                self.end
                    .and_then(|end| end.signal)
                    .map_or(Cell::Empty, signal),
                self.container.clone(),
                self.name.clone(),
                self.programs.cell(),
            ],
            subject: Subject::Process(key),
            depth,
            life: None,
        }
    }
}

/// Returns the name or the number of a user.
fn user_text(user: Cell) -> Option<Text> {
    match user {
        Cell::Text(name) => Some(name),
        Cell::Word(name) => Some(name.as_bytes().into()),
        Cell::Id(id) => Some(id.to_string().into_bytes().into()),
        _ => None,
    }
}
