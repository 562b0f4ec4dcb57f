//! Processes and containers, with their descriptions.

use std::sync::Arc;

use super::{
    CommandTally, ContainerTally, Io, ProcessKey, ProcessTally, Seen, TEXT, UNKNOWN_CONTAINER,
    limits,
};
use crate::event::{Tid, number};
use crate::fields::{self, Context, Field, Scratch, Session, Value};
use crate::state::{Ancestor, Text, Thread, View};
use crate::stats::groups::Groups;

/// Processes, their containers and the programs that they executed.
pub(super) struct Processes {
    pub(super) processes: Groups<ProcessKey, ProcessTally>,
    pub(super) containers: Groups<Text, ContainerTally>,
    pub(super) commands: Vec<CommandTally>,
    /// Executed programs beyond the limit.
    pub(super) omitted: u64,
    /// The container of the previous lookup, and its row.
    last: Option<(Option<Text>, usize)>,
    fields: Fields,
    scratch: Scratch,
}

/// Fields that are evaluated when a row is made.
struct Fields {
    login: Option<Field>,
    parent: Option<Field>,
    cwd: Option<Field>,
    container: Option<Field>,
    image: Option<Field>,
    namespace: Option<Field>,
    pod: Option<Field>,
}

impl Fields {
    fn new() -> Self {
        let field = |name| fields::lookup(name).ok();
        Self {
            login: field("user.loginname"),
            parent: field("proc.pname"),
            cwd: field("proc.cwd"),
            container: field("container.name"),
            image: field("container.image"),
            namespace: field("k8s.ns.name"),
            pod: field("k8s.pod.name"),
        }
    }
}

/// Returns the text value of a field, truncated; empty if absent.
fn text(field: Option<&Field>, cx: &Context<'_>, scratch: &mut Scratch) -> Text {
    match field.and_then(|field| field.extract(cx, scratch)) {
        Some(Value::Text(text)) if text != b"<NA>" => cut(text),
        _ => Text::default(),
    }
}

/// Returns a copy of a text, truncated to the length limit.
pub(super) fn cut(text: &[u8]) -> Text {
    text.get(..TEXT).unwrap_or(text).into()
}

/// Returns the key of a process.
pub(super) fn key_of(main: Option<&Thread>, pid: i64, session: &Session) -> ProcessKey {
    let start = main.and_then(|main| main.began(session.boot_time()));
    ProcessKey {
        pid,
        start: start.unwrap_or(0),
        origin: session.origin,
    }
}

impl Processes {
    pub(super) fn new() -> Self {
        Self {
            processes: Groups::new(limits::PROCESSES),
            containers: Groups::new(limits::CONTAINERS),
            commands: Vec::new(),
            omitted: 0,
            last: None,
            fields: Fields::new(),
            scratch: Scratch::default(),
        }
    }

    /// Returns the row of the event's process. `refresh`: the event may have changed its
    /// description.
    pub(super) fn process(
        &mut self,
        cx: &Context<'_>,
        thread: &Thread,
        refresh: bool,
    ) -> Option<usize> {
        let pid = thread.pid.0;
        if pid < 0 {
            return None;
        }
        let main = cx.view.main(thread);
        let key = key_of(main, pid, cx.session);
        let row = self.processes.place(
            &key,
            |k| *k == key,
            || (key, ProcessTally::new(cx.event.ts.0)),
        )?;
        let tally = self.processes.row(row);
        if refresh || tally.seen.is_none() || tally.events == 0 {
            let main = main.unwrap_or(thread);
            describe(tally, cx.view, main);
            self.ancestors(cx, row);
        }
        Some(row)
    }

    /// Makes rows for the chain of processes that started the process of a row.
    fn ancestors(&mut self, cx: &Context<'_>, row: usize) {
        let mut child = Some(row);
        for ancestor in cx.view.lineage().skip(1) {
            if ancestor.pid.0 < 0 {
                break;
            }
            let key = ProcessKey {
                pid: ancestor.pid.0,
                start: ancestor.began(cx.session.boot_time()).unwrap_or(0),
                origin: cx.session.origin,
            };
            if let Some(child) = child {
                self.processes.row(child).parent = Some(key);
            }
            if self.processes.find(&key, |k| *k == key).is_some() {
                break;
            }
            let live = cx.view.state().thread(Tid(key.pid));
            let live = live.filter(|t| key_of(Some(t), key.pid, cx.session) == key);
            let make = || (key, ProcessTally::of_ancestor(&ancestor, live, cx.view));
            child = self.processes.place(&key, |k| *k == key, make);
        }
    }

    /// Returns the row of a thread's container.
    pub(super) fn container(&mut self, cx: &Context<'_>, thread: &Thread) -> Option<usize> {
        let id = thread.container.as_ref();
        let is_known = thread.container_or_host().is_some();
        if is_known && let Some((last, row)) = &self.last {
            let same = match (last, id) {
                (Some(last), Some(id)) => Arc::ptr_eq(last, id),
                (last, id) => last.is_none() && id.is_none(),
            };
            if same {
                return Some(*row);
            }
        }
        let bytes = match id {
            Some(id) => id,
            None if is_known => &b""[..],
            None => UNKNOWN_CONTAINER,
        };
        let bytes = bytes.get(..TEXT).unwrap_or(bytes);
        let Self {
            containers,
            fields,
            scratch,
            ..
        } = self;
        let make = || {
            let mut text = |field: &Option<Field>| text(field.as_ref(), cx, scratch);
            let (namespace, pod) = (text(&fields.namespace), text(&fields.pod));
            let pod = match (&*namespace, &*pod) {
                (b"", b"") => Text::default(),
                (b"", pod) => pod.into(),
                (namespace, pod) => cut(&[namespace, b"/", pod].concat()),
            };
            let tally = ContainerTally {
                name: text(&fields.container),
                image: text(&fields.image),
                pod,
                events: 0,
                failed: 0,
                file: Io::default(),
                net: Io::default(),
                seen: Seen::at(cx.event.ts.0),
            };
            (cut(bytes), tally)
        };
        let row = containers.place(bytes, |k| **k == *bytes, make)?;
        if is_known {
            self.last = Some((id.cloned(), row));
        }
        Some(row)
    }

    /// Adds an executed program.
    pub(super) fn command(&mut self, cx: &Context<'_>, thread: &Thread, row: usize) {
        if self.commands.len() >= limits::COMMANDS {
            self.omitted += 1;
            return;
        }
        let process = self.processes.row(row);
        let fields = &self.fields;
        let mut text = |field: &Option<Field>| text(field.as_ref(), cx, &mut self.scratch);
        let login = match (text(&fields.login), thread.loginuid) {
            (name, u32::MAX) => name,
            (name, id) if name.is_empty() => decimal(id),
            (name, _) => name,
        };
        let starter = match cx.view.starter() {
            (Some(starter), Some(_adopter)) => cut(starter.comm.unwrap_or_default()),
            _ => Text::default(),
        };
        self.commands.push(CommandTally {
            starter,
            ts: cx.event.ts.0,
            num: cx.event.num.0,
            parent: text(&fields.parent),
            user: Text::clone(&process.user),
            login,
            interactive: thread.tty != 0,
            session: thread.sid,
            cwd: text(&fields.cwd),
            cmdline: Text::clone(&process.cmdline),
            container: process.container.clone(),
            process: *self.processes.get(row).0,
        });
    }
}

/// Returns the container of a thread: its id, `None` for the host.
fn container_of(thread: &Thread) -> Option<Text> {
    match thread.container_or_host() {
        None => Some(cut(UNKNOWN_CONTAINER)),
        Some(_) => thread.container.clone(),
    }
}

/// Updates the description of a process.
fn describe(tally: &mut ProcessTally, view: &View<'_>, main: &Thread) {
    if let Some(comm) = &main.comm {
        tally.comm = Text::clone(comm);
    }
    let line = command_line(
        main.exe.as_deref(),
        main.comm.as_deref(),
        main.args.as_deref(),
    );
    if *line != *tally.cmdline {
        tally.cmdline = line.as_slice().into();
    }
    let user = view.state().user(main.container.as_deref(), main.uid);
    tally.user = match (user, main.uid) {
        (_, u32::MAX) => Text::default(),
        (Some(user), _) => Text::clone(&user.name),
        (None, 0) => cut(b"root"),
        (None, uid) => decimal(uid),
    };
    tally.container = container_of(main);
    tally.made = main.clone_ts;
    let threads = view.state().threads_of(main.pid).max(1);
    tally.threads = tally.threads.max(threads);
}

/// Returns the command line that was executed, truncated.
fn command_line(exe: Option<&[u8]>, comm: Option<&[u8]>, args: Option<&[u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    fields::command_line(&mut line, exe, comm, args, TEXT);
    line
}

fn decimal(number: u32) -> Text {
    let mut out = Vec::new();
    number::udec(&mut out, u64::from(number));
    out.as_slice().into()
}

impl ProcessTally {
    /// Makes a row without a description.
    fn new(ts: u64) -> Self {
        Self {
            parent: None,
            comm: Text::default(),
            cmdline: Text::default(),
            user: Text::default(),
            container: None,
            seen: Some(Seen::at(ts)),
            made: 0,
            ended: None,
            threads: 0,
            events: 0,
            execs: 0,
            failed: 0,
            busy_ns: 0,
            waited_ns: 0,
            tiles: 0,
            file: Io::default(),
            net: Io::default(),
            other: Io::default(),
        }
    }

    /// Makes the row of a process that is listed only as an ancestor. `live`: its thread, if it
    /// still exists.
    fn of_ancestor(ancestor: &Ancestor<'_>, live: Option<&Thread>, view: &View<'_>) -> Self {
        let mut tally = Self {
            comm: cut(ancestor.comm.unwrap_or_default()),
            cmdline: command_line(ancestor.exe, ancestor.comm, ancestor.args)
                .as_slice()
                .into(),
            made: ancestor.clone_ts,
            seen: None,
            ..Self::new(0)
        };
        if let Some(main) = live {
            describe(&mut tally, view, main);
        }
        tally
    }
}
