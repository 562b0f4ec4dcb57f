//! The sessions of `kubectl exec`.

use hashbrown::{HashMap, HashSet};
use scap_capture_format::native::OriginId;

use super::narrow::{is, label};
use super::{Cell, Column, Narrowed, Row, Subject, Table, View};
use crate::audit::sessions::{Confidence, ExecRequest, ExecSession, ExecSessions};
use crate::replay::Scope;
use crate::stats::tally::{ProcessKey, TEXT, Tally};

const COLUMNS: &[Column] = &[
    Column::new("USER", 12, "The user who made the request.").is("audit.user"),
    Column::new(
        "REQUEST",
        8,
        "Whether the audit log has the request: certain, likely; !none: the process was started in the container from \
         outside, but no request fits.",
    ),
    Column::new("POD", 18, "The namespace and the pod."),
    Column::new("CONTAINER", 12, "The container."),
    Column::new("SOURCE IP", 15, "The address that the request came from.").is("audit.source_ip"),
    Column::new("BEGIN", 15, "When the command was executed."),
    Column::new(
        "PROCS",
        5,
        "Number of processes with events, in the range and the filter.",
    ),
    Column::new("EVENTS", 8, "Number of their events."),
    Column::new(
        "END",
        15,
        "When the request was over, by the clock of the recorded machine; without one, when the process ended.",
    ),
    Column::new("COMMAND", 0, "The command as it was executed."),
];

/// Makes the table of the sessions that began in a scope, or have events in it.
pub fn sessions(all: &ExecSessions, tally: &Tally, scope: &Scope) -> Table {
    let processes = Processes::of(tally);
    let firsts: Vec<_> = all
        .list()
        .iter()
        .map(|session| processes.find(session))
        .collect();
    let roots: HashSet<ProcessKey> = firsts.iter().flatten().copied().collect();
    let rows = all
        .list()
        .iter()
        .zip(firsts)
        .filter_map(|(session, first)| {
            let sum = first
                .map(|key| processes.sum(key, &roots))
                .unwrap_or_default();
            // What began outside of the range can go on in it; what the filter rejects has no events.
            let begins = scope.filter.is_empty() && scope.span.contains(session.root.time);
            (begins || sum.events > 0).then(|| row(session, all.skew(), &sum))
        });
    let mut rows: Vec<Row> = rows.collect();
    let more = rows.len().saturating_sub(super::ROWS) as u64;
    rows.truncate(super::ROWS);
    Table {
        columns: COLUMNS,
        sorted: None,
        rows,
        omitted: all.left_out().saturating_add(more),
    }
}

fn row(session: &ExecSession, skew: Option<i64>, sum: &Sum) -> Row {
    let (root, request) = (&session.root, session.request.as_ref());
    let place = root.place.as_ref();
    let place = place.map(|[namespace, pod, container]| (namespace, pod, Some(container)));
    let place = place.or_else(|| {
        let (request, _) = request?;
        Some((&request.namespace, &request.pod, request.container.as_ref()))
    });
    let text = |text: &[u8]| match text {
        b"" => Cell::Empty,
        text => Cell::Text(text[..text.len().min(TEXT)].into()),
    };
    let of = |value: fn(&ExecRequest) -> Option<&[u8]>| {
        request
            .and_then(|(request, _)| value(request))
            .map_or(Cell::Empty, text)
    };
    let completed = request.and_then(|(request, _)| request.completed);
    let completed = completed.map(|time| time.saturating_add_signed(skew.unwrap_or(0)));
    let time = |time: Option<u64>| time.map_or(Cell::Empty, Cell::Time);
    Row {
        cells: vec![
            of(|request| Some(&request.user)),
            match request {
                None => Cell::Ranked(0, "!none"),
                Some((_, Confidence::Likely)) => Cell::Ranked(1, "likely"),
                Some((_, Confidence::Certain)) => Cell::Ranked(2, "certain"),
            },
            place.map_or(Cell::Empty, |(namespace, pod, _)| {
                text(&[&namespace[..], b"/", pod].concat())
            }),
            match place.and_then(|(_, _, container)| container) {
                Some(container) => text(container),
                None => text(&root.container[..root.container.len().min(12)]),
            },
            of(|request| request.source_ip.as_deref()),
            time(Some(root.time).filter(|time| *time > 0)),
            Cell::Count(sum.processes),
            Cell::Count(sum.events),
            time(completed.or(sum.ended)),
            text(&command(session)),
        ],
        subject: Subject::Leads(Box::new(narrowed(session))),
        depth: 0,
        life: None,
    }
}

/// Returns the command line, its words separated by blanks.
fn command(session: &ExecSession) -> Vec<u8> {
    let of_request = session.request.as_ref().map(|(request, _)| &request.words);
    let words = session.root.words.as_ref().or(of_request);
    let words = words.map_or(&[][..], Vec::as_slice);
    let words = words.strip_suffix(b"\0").unwrap_or(words);
    words
        .iter()
        .map(|byte| if *byte == 0 { b' ' } else { *byte })
        .collect()
}

/// Returns the drill-down to what happened in a session.
fn narrowed(session: &ExecSession) -> Narrowed {
    let process = &session.root.process;
    let (label, filter) = match &session.request {
        // A client can choose the id.
        Some((request, _)) => {
            let user = match request.user.is_empty() {
                true => String::new(),
                false => format!(" and {}", is("audit.user", &request.user)),
            };
            let id = is("audit.id", &request.id);
            (label("exec of", &request.user), format!("{id}{user}"))
        }
        None => {
            let pid = process.pid;
            let tree = format!("(proc.pid = {pid} or proc.lineage.pid = {pid})");
            (
                format!("process {pid}, without a request"),
                format!("audit.session = none and {tree}"),
            )
        }
    };
    Narrowed {
        label,
        filter,
        view: View::Events,
        span: None,
    }
}

/// The processes of a tally as a tree.
struct Processes<'t> {
    tally: &'t Tally,
    children: HashMap<ProcessKey, Vec<ProcessKey>>,
    by_pid: HashMap<(Option<OriginId>, i64), Vec<ProcessKey>>,
}

/// What the processes of a session did.
#[derive(Debug, Default)]
struct Sum {
    processes: u64,
    events: u64,
    ended: Option<u64>,
}

impl<'t> Processes<'t> {
    fn of(tally: &'t Tally) -> Self {
        let mut children: HashMap<ProcessKey, Vec<ProcessKey>> = HashMap::new();
        let mut by_pid: HashMap<(Option<OriginId>, i64), Vec<ProcessKey>> = HashMap::new();
        for (key, process) in &tally.processes {
            by_pid.entry((key.origin, key.pid)).or_default().push(*key);
            if let Some(parent) = process.parent {
                children.entry(parent).or_default().push(*key);
            }
        }
        Self {
            tally,
            children,
            by_pid,
        }
    }

    /// Returns the first process of a session.
    fn find(&self, session: &ExecSession) -> Option<ProcessKey> {
        let (root, root_time) = (&session.root.process, session.root.time);
        // In a capture of one recording processes have none.
        let merged = self.by_pid.get(&(Some(OriginId(root.origin)), root.pid));
        let own = merged.or_else(|| self.by_pid.get(&(None, root.pid)))?;
        // A pid can be used again: the latest process that began before the program was executed.
        let executed = match root_time {
            0 => u64::MAX,
            time => time,
        };
        let before = own.iter().filter(|key| key.start <= executed);
        before.max_by_key(|key| key.start).copied()
    }

    /// Sums up a process and its descendants, without those of a session below it, as the fields do.
    fn sum(&self, root: ProcessKey, roots: &HashSet<ProcessKey>) -> Sum {
        let mut sum = Sum::default();
        let mut open = vec![root];
        let mut seen = HashSet::new();
        while let Some(key) = open.pop() {
            let Some(process) = self.tally.processes.get(&key).filter(|_| seen.insert(key)) else {
                continue;
            };
            sum.processes += u64::from(process.events > 0);
            sum.events += process.events;
            if key == root {
                sum.ended = process.ended.map(|(time, _)| time);
            }
            let below = self.children.get(&key).into_iter().flatten();
            open.extend(below.filter(|child| !roots.contains(*child)));
        }
        sum
    }
}
