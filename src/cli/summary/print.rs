//! Prints the account.

use scap_capture_format::event::Timestamp;

use super::calls;
use super::files::Changed;
use super::{Account, ROWS, Rows, safe};
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
    pub(in crate::cli) fn print(&self, out: &mut Vec<u8>, capture_info: &CaptureInfo) {
        head(out, capture_info);
        self.most_events(out, capture_info.events);
        rows(out, "programs started", &self.started, STARTED_LINES);
        self.changed(out);
        counted(out, "connections", &[&self.connections, &self.local]);
        rows(out, "ended badly", &self.ended, 1);
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
    }

    fn most_events(&self, out: &mut Vec<u8>, events: u64) {
        let busy = self.busy.ranked(|_, (count, _)| *count);
        if busy.is_empty() {
            return;
        }
        out.extend_from_slice(b"most events: ");
        for (i, (pid, (count, name))) in busy.into_iter().take(BUSY).enumerate() {
            out.extend_from_slice(if i == 0 { b"" } else { b", " });
            out.extend_from_slice(name);
            let percent = count.saturating_mul(100) / events.max(1);
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
            row.extend_from_slice(&failures.example);
            line(out, &row);
        }
        more(out, errors.len() as u64, ERRORS);
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

/// Appends machine, time range, size and losses.
fn head(out: &mut Vec<u8>, capture_info: &CaptureInfo) {
    let machine = &capture_info.header.machine;
    let parts = [
        machine.host_name.clone(),
        machine.os.clone(),
        format!("Linux {}", machine.kernel_release),
        number::counted(machine.cpus.into(), "CPU"),
    ];
    text::escape_exact(out, parts.join(", ").as_bytes());
    out.push(b'\n');
    let (first, last) = capture_info.times.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a time for display")]
    let seconds = last.saturating_sub(first) as f64 / time::NS_PER_S as f64;
    let Timestamp(start) = capture_info.header.start;
    number::display(
        out,
        format_args!(
            "from {}, {seconds:.2} s: {} of {}, {}\n",
            time::iso8601(
                start / time::NS_PER_S * time::NS_PER_S,
                machine.utc_offset_s
            )
            .replace(".000000000", ""),
            number::counted(capture_info.events, "event"),
            number::counted(capture_info.processes, "process"),
            number::counted(capture_info.bytes, "byte"),
        ),
    );
    match capture_info.lost() {
        0 if capture_info.knows_losses() => out.extend_from_slice(b"nothing was lost\n"),
        0 => out.extend_from_slice(b"whether events were lost is not known\n"),
        lost => {
            let events = number::counted(lost, "event");
            number::display(out, format_args!("{events} {} lost: ", number::were(lost)));
            let mut causes: Vec<_> = capture_info.losses.keys().map(|(c, _)| c.name()).collect();
            causes.dedup();
            text::escape(out, causes.join(", ").as_bytes());
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

fn rows(out: &mut Vec<u8>, title: &str, rows: &Rows, lines: usize) {
    if rows.count == 0 {
        return;
    }
    heading(out, title, Some(rows.count));
    for row in &rows.rows {
        wrapped(out, row, lines);
    }
    more(out, rows.count, ROWS);
}

fn counted(out: &mut Vec<u8>, title: &str, lists: &[&Counts<Vec<u8>>]) {
    let total = lists
        .iter()
        .fold(0, |sum, list| list.total().saturating_add(sum));
    if total == 0 {
        return;
    }
    heading(out, title, Some(total));
    let rows = || lists.iter().flat_map(|list| list.groups().iter());
    for (row, count) in rows().take(ROWS) {
        let mut row = row.clone();
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
