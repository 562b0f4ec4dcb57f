//! What is counted in a capture, compared with what filters find in it from the front.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

mod aggregator;
mod incident;
mod parts;
mod uses;
mod waits;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, io};

use crate::common::{TestEvent, event, file, header, i64b, scap, seen, u32b};
use crate::repeat::repeated;
use scap::fields::{Context, Session};
use scap::filter::Filter;
use scap::inspect::aggregator::{BackgroundAggregator, Progress};
use scap::replay::IndexedCapture;
use scap::replay::IndexedCaptureError;
use scap::replay::Scope;
use scap::replay::SegmentReplayer;
use scap::replay::Span;
use scap::replay::{EventSink, NativeSource, replay_all};
use scap::stats::table::{
    Cell, Subject, TILES, View, cell_condition, columns, narrowed, narrowed_tile, table,
};
use scap::stats::tally::{Few, FileKey, FileTally, Tally, Whose, limits, tally, tally_segment};
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{CaptureWriter, WriterOptions};
use scap_capture_format::schema::{EventType, syscall, types};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap")
}

/// The sample some times over, in many segments.
fn long(dir: &Path) -> PathBuf {
    let path = dir.join("long.scap");
    let events = repeated(&sample(), &path, 6_000, 90, 500).unwrap();
    assert!(events >= 6_000);
    path
}

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

fn indexed(path: &Path) -> Arc<IndexedCapture> {
    Arc::new(IndexedCapture::open(path).unwrap())
}

fn scope(capture: &IndexedCapture, filter: &str) -> Scope {
    Scope {
        span: capture.span().unwrap(),
        filter: filter.to_owned(),
    }
}

fn counted(path: &Path, filter: &str) -> Tally {
    let capture = indexed(path);
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    let tally = tally(&mut replayer, &scope(&capture, filter), &go()).unwrap();
    assert!(replayer.damages().is_empty());
    tally
}

/// Counts the events that fulfil filters, reading a capture from its beginning to its end.
fn oracle(path: &Path, filters: &[String]) -> Vec<u64> {
    struct Counts(Vec<(Filter, u64)>);

    impl EventSink for Counts {
        fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
            if scap::replay::indexed::is_shown(cx.event) {
                for (filter, count) in &mut self.0 {
                    *count += u64::from(filter.matches(cx));
                }
            }
            Ok(ControlFlow::Continue(()))
        }
    }

    let parse = |text: &String| match Filter::parse(text) {
        Ok(filter) => (filter, 0),
        Err(error) => panic!("{text}: {error}"),
    };
    let mut sink = Counts(filters.iter().map(parse).collect());
    let mut source = NativeSource::new(fs::File::open(path).unwrap()).unwrap();
    source
        .preload_containers(fs::File::open(path).unwrap())
        .unwrap();
    replay_all(&mut source, Session::default(), &mut sink).unwrap();
    sink.0.into_iter().map(|(_, count)| count).collect()
}

/// Returns how many events a row says that its subject has, if it does.
fn claimed(tally: &Tally, subject: &Subject) -> Option<u64> {
    match subject {
        Subject::Process(key) => Some(tally.processes[key].events),
        Subject::File(path, whose) => {
            let all = tally.files.iter().filter(|(key, _)| key.path == *path);
            let its = all.filter(|(key, _)| whose.as_ref().is_none_or(|whose| key.whose == *whose));
            Some(its.map(|(_, file)| file.events).sum())
        }
        Subject::Connection(name) => {
            let all = tally.connections.iter();
            let same = all.filter(|(key, _)| key.name == *name);
            Some(same.map(|(_, c)| c.events).sum())
        }
        Subject::Call(name) => Some(tally.calls[name].calls),
        Subject::Error(errno, call, comm) => {
            let all = tally.errors.iter();
            let mut same =
                all.filter(|(k, _)| k.errno == *errno && k.call == *call && k.comm == *comm);
            same.next().map(|(_, e)| e.count)
        }
        Subject::Container(id) => Some(tally.containers[id].events),
        // All waits of the process in the call are found, whatever they waited for.
        Subject::Waits(key) => {
            let all = tally.waits.iter();
            let same = all.filter(|(k, _)| (k.process, &k.call) == (key.process, &key.call));
            Some(same.map(|(_, wait)| wait.count).sum())
        }
        Subject::Event(_) => Some(1),
        Subject::Tile(at) => Some(tally.tiles[*at].count),
        Subject::Port(_)
        | Subject::Directory(..)
        | Subject::Range(_)
        | Subject::Leads(_)
        | Subject::Alerts(_) => None,
    }
}

/// Returns the file with a path that is used in one place only.
fn file_of<'a>(tally: &'a Tally, path: &[u8]) -> &'a FileTally {
    let mut files = tally.files.iter().filter(|(key, _)| *key.path == *path);
    let (_, file) = files.next().unwrap();
    assert!(files.next().is_none());
    file
}

/// Makes an event of a call: the parameters that are not given are empty or 0.
fn call(at: u64, tid: i64, ty: EventType, given: &[(&str, &[u8])]) -> TestEvent {
    let params = ty.info().unwrap().params.iter().map(|param| {
        let value = given.iter().find(|(name, _)| *name == param.name);
        match (value, param.ty.fixed_len()) {
            (Some((_, value)), _) => value.to_vec(),
            (None, Some(len)) => vec![0; len],
            (None, None) => Vec::new(),
        }
    });
    let mut event = event(at * 1_000_000, tid, ty, &[]);
    event.params = params.collect();
    event
}

/// Makes a call without an event type of its own.
fn raw(at: u64, tid: i64, name: &str, result: i64, args: &[u64]) -> TestEvent {
    let call = syscall::by_name(name).unwrap();
    let mut params = vec![
        call.ppm_sc.to_le_bytes().to_vec(),
        0_u16.to_le_bytes().to_vec(),
        i64b(result).to_vec(),
    ];
    let all = args.iter().chain(std::iter::repeat(&0)).take(6);
    params.extend(all.map(|arg| arg.to_le_bytes().to_vec()));
    params.push(vec![0]);
    let mut event = event(at * 1_000_000, tid, types::GENERIC_X, &[]);
    event.params = params;
    event
}

/// What two tallies have to have in common if they count the same events.
fn sums(tally: &Tally) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut calls: Vec<_> = tally
        .calls
        .iter()
        .map(|(name, c)| {
            (
                name.clone(),
                c.calls,
                c.failed,
                c.timed,
                c.total_ns,
                c.slowest_ns,
            )
        })
        .collect();
    calls.sort();
    let mut processes: Vec<_> = tally
        .processes
        .iter()
        .map(|(key, p)| {
            let io = [p.file, p.net, p.other].map(|io| (io.bytes_in, io.bytes_out, io.calls));
            let counts = (p.events, p.failed, p.busy_ns, p.execs);
            (
                *key,
                counts,
                io,
                p.made,
                p.ended,
                p.parent,
                p.cmdline.clone(),
            )
        })
        .collect();
    processes.sort();
    let mut files: Vec<_> = tally
        .files
        .iter()
        .map(|(path, f)| {
            let counts = (
                f.events,
                f.opens,
                f.failed,
                f.changes,
                f.time_ns,
                f.slowest_ns,
            );
            (path.clone(), counts, f.io.bytes_in, f.io.bytes_out, {
                let mut users = f.users.values().to_vec();
                users.sort();
                users
            })
        })
        .collect();
    files.sort();
    let mut connections: Vec<_> = tally
        .connections
        .iter()
        .map(|(key, c)| {
            let counts = (c.events, c.failed, c.io.bytes_in, c.io.bytes_out);
            let mut pids = c.pids.values().to_vec();
            pids.sort_unstable();
            (key.name.clone(), key.is_server, pids, counts)
        })
        .collect();
    connections.sort();
    let commands: Vec<_> = tally
        .commands
        .iter()
        .map(|c| (c.num, c.cmdline.clone()))
        .collect();
    let slow: Vec<_> = tally.slow.iter().map(|s| (s.num, s.latency)).collect();
    let tiles: Vec<_> = tally.tiles.iter().map(|t| t.count).collect();
    let timed: u64 = tally
        .spectrum
        .iter()
        .flat_map(|s| &s.counts)
        .map(|n| u64::from(*n))
        .sum();
    (
        (tally.events, tally.matches.clone(), timed),
        (calls, processes, files, connections),
        (commands, slow, tiles),
    )
}

/// Every row of every table, and every tile, has the events that its filter finds; of more than `most` rows
/// of a table only some are looked at.
fn rows_are_what_their_filters_find(path: &Path, most: usize) {
    let tally = counted(path, "");
    let pairs = indexed(path).is_in_pairs();
    let mut subjects: Vec<Subject> = (0..TILES.len()).map(Subject::Tile).collect();
    for view in View::ALL {
        let Some(table) = table(view, &tally) else {
            assert!(columns(view).is_empty());
            continue;
        };
        assert!(!table.rows.is_empty() || most < usize::MAX, "{view:?}");
        assert_eq!(table.omitted, 0);
        for row in &table.rows {
            assert_eq!(row.cells.len(), table.columns.len());
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                if let Some(condition) = cell_condition(column, cell) {
                    Filter::parse(&condition).unwrap_or_else(|e| panic!("{condition}: {e}"));
                }
            }
        }
        let step = table.rows.len().div_ceil(most).max(1);
        subjects.extend(table.rows.into_iter().step_by(step).map(|row| row.subject));
    }
    let filters: Vec<_> = subjects.iter().map(|s| narrowed(s).filter).collect();
    let found = oracle(path, &filters);
    let mut empty_tiles = 0;
    for ((subject, filter), found) in subjects.iter().zip(&filters).zip(found) {
        // Of a call with two events only one counts.
        let is_half = pairs && matches!(subject, Subject::Call(_));
        if let Some(claimed) = claimed(&tally, subject).filter(|_| !is_half) {
            assert_eq!(claimed, found, "{subject:?}: {filter}");
        }
        let is_tile = matches!(subject, Subject::Tile(_));
        let can_be_none = match subject {
            // Those who started others are there without events of their own.
            Subject::Process(key) => tally.processes[key].seen.is_none(),
            _ => is_tile,
        };
        assert!(found > 0 || can_be_none, "{subject:?}: {filter}");
        empty_tiles += usize::from(is_tile && found == 0);
    }
    assert!(
        empty_tiles < TILES.len() / 2 || most < usize::MAX,
        "{empty_tiles}"
    );
}

#[test]
fn rows_of_the_sample_are_what_their_filters_find() {
    rows_are_what_their_filters_find(&sample(), usize::MAX);
}

#[test]
#[ignore = "reads the capture that SCAP_CAPTURE names, as it is and in many segments: slow"]
fn rows_of_any_capture_are_what_their_filters_find() {
    let path = std::env::var_os("SCAP_CAPTURE").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let segments = dir.path().join("segments.scap");
    rows_are_what_their_filters_find(Path::new(&path), 500);
    if !indexed(Path::new(&path)).is_in_pairs() {
        repeated(Path::new(&path), &segments, 1, 1000, 5000).unwrap();
        rows_are_what_their_filters_find(&segments, 500);
    }
}

#[test]
fn rows_of_many_segments_are_what_their_filters_find() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    assert!(indexed(&path).segments().len() > 10);
    rows_are_what_their_filters_find(&path, usize::MAX);
}

#[test]
fn processes_stand_below_those_who_started_them() {
    let tally = counted(&sample(), "");
    let table = table(View::Processes, &tally).unwrap();
    let mut above = Vec::new();
    for row in &table.rows {
        let Subject::Process(key) = row.subject else {
            panic!("{row:?}");
        };
        above.truncate(usize::from(row.depth));
        assert_eq!(above.len(), usize::from(row.depth));
        let process = &tally.processes[&key];
        assert_eq!(
            above.last().copied(),
            process.parent.filter(|p| tally.processes.contains_key(p))
        );
        above.push(key);
        if let Some((span, _, seen_end)) = row.life {
            assert!(span.from <= span.to);
            assert_eq!(seen_end, process.ended.is_some());
        }
    }
    let curl = tally
        .processes
        .values()
        .find(|p| &*p.comm == b"curl")
        .unwrap();
    assert!(curl.made > 0 && curl.ended.is_some() && curl.net.bytes_in > 0);
    assert!(curl.cmdline.starts_with(b"curl "));
}

#[test]
fn calls_of_a_capture_with_two_events_each_are_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let name = |name: &str| dir.path().join(name);
    let (there, back) = (name("there.scap"), name("back.scap"));
    for (from, to, format) in [(&sample(), &there, "sysdig"), (&there, &back, "native")] {
        let args = [
            "convert",
            from.to_str().unwrap(),
            to.to_str().unwrap(),
            "--to",
            format,
        ];
        let (_, err, code) = seen(&scap(&args, None));
        assert_eq!(code, 0, "{err}");
    }
    assert!(indexed(&back).is_in_pairs());
    let (one, two) = (counted(&sample(), ""), counted(&back, ""));
    assert!(two.events > one.events + one.events / 2);
    for call in ["openat", "read", "execve", "connect", "mmap", "unlinkat"] {
        let of = |t: &Tally| {
            let call = t.calls.get(call.as_bytes()).copied().unwrap_or_default();
            (call.calls, call.failed)
        };
        assert_eq!(of(&one), of(&two), "{call}");
    }
    let rows: Vec<_> = two
        .processes
        .iter()
        .filter(|(_, p)| p.seen.is_some())
        .collect();
    let filters: Vec<_> = rows
        .iter()
        .map(|(key, _)| narrowed(&Subject::Process(**key)).filter)
        .collect();
    for ((key, process), found) in rows.iter().zip(oracle(&back, &filters)) {
        assert_eq!(process.events, found, "{key:?}");
    }
}
