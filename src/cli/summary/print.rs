//! Prints the account.

use scap_capture_format::native::MachineInfo;
use scap_capture_format::schema::signal;

use super::calls;
use super::files::Changed;
use super::{Account, Connection, Ended, ROWS, Rows, Started, escaped, safe};
use crate::cli::info::Alerts;
use crate::event::number::grouped;
use crate::event::{number, text, time};
use crate::state::Mounts;
use crate::stats::CaptureInfo;
use crate::stats::groups::Counts;

/// Width of the lines.
const WIDTH: usize = 100;
/// Lines of a started program: its command line is not hidden.
const STARTED_LINES: usize = 4;
/// Indentation of continued lines: after the time.
const INDENT: usize = 11;
/// Number of processes with the most events listed.
const BUSY: usize = 4;
/// Number of calls listed per error.
const CALLS: usize = 3;
/// Number of errors listed.
const ERRORS: usize = 5;

impl Account {
    /// Appends the account, after a header about the capture.
    pub(in crate::cli) fn print(&self, out: &mut Vec<u8>) {
        head(out, &self.info, &self.machines);
        self.most_events(out, self.info.events);
        self.alerts(out);
        let first = self.first.unwrap_or(0);
        rows(out, "programs started", &self.started, STARTED_LINES, |r| {
            r.row(first)
        });
        self.changed(out);
        connections(out, &[&self.connections, &self.local]);
        rows(out, "ended badly", &self.ended, 1, |r| r.row(first));
        self.failures(out);
        let slow = self.slow.calls.rows().iter();
        timed(
            out,
            "slowest calls, without those that wait",
            slow.map(|(ns, row)| (*ns, &**row)),
        );
        let waits = self.waits.rows();
        timed(
            out,
            "longest waits for data and locks",
            waits.iter().map(|(ns, row)| (*ns, &**row)),
        );
        self.in_containers(out);
    }

    fn alerts(&self, out: &mut Vec<u8>) {
        let alerts = &self.info.alerts;
        if alerts.total == 0 {
            return;
        }
        heading(out, "alerts of the recorder", Some(alerts.total));
        let alerts = Alerts::new(alerts);
        for entry in alerts.rules.iter().take(ROWS) {
            let mut row = format!("{:>7}  ", grouped(entry.count)).into_bytes();
            safe(&mut row, entry.priority.as_bytes());
            row.extend_from_slice(b": ");
            safe(&mut row, entry.rule.as_bytes());
            line(out, &row);
        }
        more(out, alerts.rules.len() as u64, ROWS);
    }

    fn in_containers(&self, out: &mut Vec<u8>) {
        let count = self.containers.len() as u64 + self.containers.omitted();
        if count == 0 {
            return;
        }
        heading(out, "containers", Some(count));
        let ranked = self.containers.ranked(|_, container| container.events);
        for (id, container) in ranked.into_iter().take(ROWS) {
            let mut row = escaped(id);
            for part in [&container.name, &container.image].into_iter().flatten() {
                row.push(b' ');
                row.extend_from_slice(part);
            }
            let events = number::counted(container.events, "event");
            number::display(&mut row, format_args!("  {events}"));
            line(out, &row);
        }
        more(out, count, ROWS);
    }

    fn most_events(&self, out: &mut Vec<u8>, events: u64) {
        let busy = self.busy.ranked(|_, busy| busy.events);
        if busy.is_empty() {
            return;
        }
        out.extend_from_slice(b"most events: ");
        for (i, (pid, busy)) in busy.into_iter().take(BUSY).enumerate() {
            out.extend_from_slice(if i == 0 { b"" } else { b", " });
            out.extend_from_slice(&busy.name);
            let percent = busy.events.saturating_mul(100) / events.max(1);
            number::display(out, format_args!(" ({pid}) {percent}%"));
        }
        out.push(b'\n');
    }

    fn changed(&self, out: &mut Vec<u8>) {
        let files = &self.files;
        if files.changed().is_empty() {
            return;
        }
        let count = files.changed().len() as u64 + files.changed().omitted();
        heading(out, "files changed", Some(count));
        for ((name, mounts), file) in files.changed().iter().take(ROWS) {
            line(out, &file.row(name, mounts));
        }
        more(out, count, ROWS);
    }

    fn failures(&self, out: &mut Vec<u8>) {
        let mut errors: Vec<_> = self.failed.by_error.iter().collect();
        // Permission errors come first, however rare they are.
        errors.sort_by(|(a, x), (b, y)| {
            let denied = calls::is_denial(**b).cmp(&calls::is_denial(**a));
            denied.then(y.count.cmp(&x.count)).then(b.cmp(a))
        });
        if errors.is_empty() {
            return;
        }
        heading(out, "calls that failed", Some(self.failed.total));
        for (error, failures) in errors.iter().take(ERRORS) {
            let name = calls::errno(**error).map_or_else(|| error.to_string(), str::to_owned);
            let mut row = format!("{:>7}  {name:<12} ", grouped(failures.count)).into_bytes();
            let calls = failures.calls.groups().ranked(|_, count| *count);
            for (i, (call, _)) in calls.iter().take(CALLS).enumerate() {
                row.extend_from_slice(if i == 0 { b"" } else { b", " });
                row.extend_from_slice(call);
            }
            row.extend_from_slice(b"; e.g. ");
            row.extend_from_slice(&failures.example());
            line(out, &row);
        }
        more(out, errors.len() as u64, ERRORS);
    }
}

/// Starts a line with the time since the first event.
fn at(time: Option<u64>, first: u64) -> Vec<u8> {
    let since = time.unwrap_or(0).saturating_sub(first);
    let mut row = Vec::new();
    let (seconds, ms) = (since / time::NS_PER_S, since % time::NS_PER_S / 1_000_000);
    number::display(&mut row, format_args!("{seconds:>3}.{ms:03}  "));
    row
}

impl Started {
    fn row(&self, first: u64) -> Vec<u8> {
        let mut row = at(self.time, first);
        row.extend_from_slice(&self.command);
        number::display(&mut row, format_args!("  ({}", self.pid));
        for (what, name) in [(", by ", &self.by), (", adopted by ", &self.adopted_by)] {
            if let Some(name) = name {
                row.extend_from_slice(what.as_bytes());
                row.extend_from_slice(name);
            }
        }
        row.push(b')');
        row
    }
}

impl Ended {
    fn row(&self, first: u64) -> Vec<u8> {
        let mut row = at(self.time, first);
        row.extend_from_slice(&self.name);
        number::display(&mut row, format_args!(" ({}) ", self.pid));
        match self.signal {
            0 => number::display(&mut row, format_args!("ended with status {}", self.status)),
            _ => number::display(&mut row, format_args!("killed by {}", self.signal_name())),
        }
        row
    }

    /// Returns the name of the signal, or `signal N`.
    pub(super) fn signal_name(&self) -> String {
        let name = u8::try_from(self.signal).ok().and_then(signal::name);
        name.map_or_else(|| format!("signal {}", self.signal), str::to_owned)
    }
}

impl Connection {
    fn row(&self) -> Vec<u8> {
        let mut row = self.who.clone();
        number::display(&mut row, format_args!(" {} ", self.verb));
        row.extend_from_slice(&self.address);
        if let Some(error) = self.error {
            number::display(&mut row, format_args!(": {error}"));
        }
        row
    }
}

impl Changed {
    fn row(&self, name: &[u8], mounts: &Mounts) -> Vec<u8> {
        let mut row = Vec::new();
        safe(&mut row, name);
        match mounts {
            Mounts::Host | Mounts::Unknown => {}
            Mounts::Namespace(number) => {
                row.extend_from_slice(format!(" (in mount namespace {number})").as_bytes());
            }
            Mounts::Container(id) => {
                row.extend_from_slice(b" (in container ");
                safe(&mut row, id);
                row.push(b')');
            }
        }
        row.push(b' ');
        let mut first = true;
        let mut add = |what: &str| {
            row.extend_from_slice(if first { b" " } else { b", " });
            row.extend_from_slice(what.as_bytes());
            first = false;
        };
        if self.created {
            add("created");
        } else if self.emptied {
            add("emptied");
        }
        if self.written > 0 {
            add(&format!(
                "{} written",
                number::counted(self.written, "byte")
            ));
        }
        if self.made_executable {
            add("made executable");
        }
        if self.removed {
            add("removed");
        }
        if let Some(to) = &self.renamed {
            add("renamed to ");
            safe(&mut row, beside(name, to));
        }
        row.extend_from_slice(b" by ");
        row.extend_from_slice(&self.by);
        row
    }
}

/// Returns the new name of a file: only its last component if the directory is unchanged.
fn beside<'a>(old: &[u8], new: &'a [u8]) -> &'a [u8] {
    let directory = |path: &[u8]| path.iter().rposition(|b| *b == b'/').map(|at| at + 1);
    match (directory(old), directory(new)) {
        (Some(a), Some(b)) if old[..a] == new[..b] => &new[b..],
        _ => new,
    }
}

/// Appends machines, time range, size and losses.
fn head(out: &mut Vec<u8>, capture_info: &CaptureInfo, machines: &[MachineInfo]) {
    let of_header = std::slice::from_ref(&capture_info.header.machine);
    let machines = if machines.len() > 1 {
        machines
    } else {
        of_header
    };
    for machine in machines.iter().take(ROWS) {
        let release = &machine.kernel_release;
        let parts = [
            machine.host_name.clone(),
            machine.os.clone(),
            match release.is_empty() {
                true => String::new(),
                false => format!("Linux {release}"),
            },
            match machine.cpus {
                0 => String::new(),
                cpus => number::counted(cpus.into(), "CPU"),
            },
        ];
        let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        if !parts.is_empty() {
            text::escape_exact(out, parts.join(", ").as_bytes());
            out.push(b'\n');
        }
    }
    more(out, machines.len() as u64, ROWS);
    let (first, last) = capture_info.times.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a time for display")]
    let seconds = last.saturating_sub(first) as f64 / time::NS_PER_S as f64;
    match capture_info.times {
        Some(_) => number::display(
            out,
            format_args!(
                "from {}, {seconds:.2} s: {} of {}",
                time::iso8601(
                    first / time::NS_PER_S * time::NS_PER_S,
                    capture_info.header.machine.utc_offset_s
                )
                .replace(".000000000", ""),
                number::counted(capture_info.events, "event"),
                number::counted(capture_info.processes, "process"),
            ),
        ),
        None => out.extend_from_slice(b"no events"),
    }
    if capture_info.bytes > 0 {
        let bytes = number::counted(capture_info.bytes, "byte");
        number::display(out, format_args!(", {bytes}"));
    }
    out.push(b'\n');
    match capture_info.lost() {
        0 if capture_info.knows_losses() => out.extend_from_slice(b"nothing was lost\n"),
        0 => out.extend_from_slice(b"whether events were lost is not known\n"),
        lost => {
            let events = number::counted(lost, "event");
            number::display(out, format_args!("{events} {} lost: ", number::were(lost)));
            let mut causes: Vec<_> = capture_info.losses.keys().map(|(c, _)| c.name()).collect();
            causes.dedup();
            text::escape(out, causes.join(", ").as_bytes());
            if !capture_info.knows_losses() {
                out.extend_from_slice(b"; whether more were lost is not known");
            }
            out.push(b'\n');
        }
    }
}

fn heading(out: &mut Vec<u8>, title: &str, count: Option<u64>) {
    number::display(out, format_args!("\n{title}"));
    if let Some(count) = count {
        number::display(out, format_args!(" ({})", grouped(count)));
    }
    out.push(b'\n');
}

/// Appends lines that begin with a duration in nanoseconds.
fn timed<'r>(out: &mut Vec<u8>, title: &str, rows: impl Iterator<Item = (u64, &'r [u8])>) {
    for (index, (ns, text)) in rows.enumerate() {
        if index == 0 {
            heading(out, title, None);
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are shown")]
        let seconds = ns as f64 / time::NS_PER_S as f64;
        let mut row = format!("{seconds:>7.3} s  ").into_bytes();
        row.extend_from_slice(text);
        line(out, &row);
    }
}

fn rows<T>(
    out: &mut Vec<u8>,
    title: &str,
    rows: &Rows<T>,
    lines: usize,
    row: impl Fn(&T) -> Vec<u8>,
) {
    if rows.count == 0 {
        return;
    }
    heading(out, title, Some(rows.count));
    for one in rows.rows.iter().take(ROWS) {
        wrapped(out, &row(one), lines);
    }
    more(out, rows.count, ROWS);
}

fn connections(out: &mut Vec<u8>, lists: &[&Counts<Connection>]) {
    let total = lists
        .iter()
        .fold(0, |sum, list| list.total().saturating_add(sum));
    if total == 0 {
        return;
    }
    heading(out, "connections", Some(total));
    let rows = || lists.iter().flat_map(|list| list.groups().iter());
    for (connection, count) in rows().take(ROWS) {
        let mut row = connection.row();
        if *count > 1 {
            number::display(&mut row, format_args!("  ({} times)", grouped(*count)));
        }
        line(out, &row);
    }
    more(out, rows().count() as u64, ROWS);
}

/// Appends how many lines of a list are not shown.
fn more(out: &mut Vec<u8>, count: u64, shown: usize) {
    if let Some(more) = count.checked_sub(shown as u64).filter(|n| *n > 0) {
        number::display(out, format_args!("  and {} more\n", grouped(more)));
    }
}

/// Appends an indented line that is already escaped, cut to the width.
fn line(out: &mut Vec<u8>, row: &[u8]) {
    wrapped(out, row, 1);
}

/// Appends text that is already escaped in at most this many indented lines; what does not fit is cut.
fn wrapped(out: &mut Vec<u8>, row: &[u8], lines: usize) {
    let row = String::from_utf8_lossy(row);
    let mut rest = &*row;
    let mut indent = 2;
    for left in (0..lines).rev() {
        out.extend(std::iter::repeat_n(b' ', indent));
        let room = WIDTH - indent;
        let Some((end, _)) = rest.char_indices().nth(room) else {
            out.extend_from_slice(rest.as_bytes());
            out.push(b'\n');
            return;
        };
        if left == 0 {
            let end = rest.char_indices().nth(room - 3).map_or(0, |(at, _)| at);
            out.extend_from_slice(&rest.as_bytes()[..end]);
            out.extend_from_slice(b"...\n");
            return;
        }
        out.extend_from_slice(&rest.as_bytes()[..end]);
        out.push(b'\n');
        rest = &rest[end..];
        indent = INDENT;
    }
}
