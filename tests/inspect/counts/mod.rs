//! What is counted in a capture, compared with what filters find in it from the front.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

mod aggregator;

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
        Subject::Port(_) | Subject::Directory(..) | Subject::Range(_) | Subject::Leads(_) => None,
    }
}

/// Returns the file with a path that is used in one place only.
fn file_of<'a>(tally: &'a Tally, path: &[u8]) -> &'a FileTally {
    let mut files = tally.files.iter().filter(|(key, _)| *key.path == *path);
    let (_, file) = files.next().unwrap();
    assert!(files.next().is_none());
    file
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

/// A server is broken into, and what follows: something for every tile.
fn incident() -> Vec<TestEvent> {
    const NGINX: i64 = 200;
    const SHELL: i64 = 300;
    let [ok, fd] = [i64b(0), i64b(7)];
    let cwd = i64b(-100);
    let no = |errno: i64| i64b(-errno);
    let v4 = |ip: [u8; 4], port: u16| [&[2], &ip[..], &port.to_le_bytes()].concat();
    let tuple = |from: [u8; 4], to: [u8; 4], port: u16| {
        let ends = [v4(from, 40_000), v4(to, port)];
        [&[2], &ends[0][1..], &ends[1][1..]].concat()
    };
    let (here, evil, dns) = ([10, 0, 0, 5], [6, 6, 6, 6], [8, 8, 8, 8]);
    let (out, refused) = (tuple(here, evil, 443), tuple(here, evil, 444));
    let (query, asked) = (tuple(here, dns, 53), tuple(evil, here, 80));
    let bound = v4([0, 0, 0, 0], 80);
    let execve = |at, tid, comm: &str, path: &str, tty: u32| {
        let (ids, parent) = (i64b(tid), i64b(NGINX));
        let text = |text: &str| [text.as_bytes(), b"\0"].concat();
        let (comm, path, tty) = (text(comm), text(path), u32b(tty));
        let given: &[(&str, &[u8])] = &[
            ("res", &ok),
            ("exe", &path),
            ("args", b"-c\0id\0"),
            ("tid", &ids),
            ("pid", &ids),
            ("ptid", &parent),
            ("comm", &comm),
            ("tty", &tty),
            ("trusted_exepath", &path),
        ];
        call(at, tid, types::SYSCALL_EXECVE_19_X, given)
    };
    let clone = |at, tid, res: i64, own: i64, parent: i64| {
        let (res, own, parent) = (i64b(res), i64b(own), i64b(parent));
        let given: &[(&str, &[u8])] = &[
            ("res", &res),
            ("exe", b"/usr/sbin/nginx\0"),
            ("tid", &own),
            ("pid", &own),
            ("ptid", &parent),
            ("comm", b"nginx\0"),
            ("vtid", &own),
            ("vpid", &own),
        ];
        call(at, tid, types::SYSCALL_CLONE_20_X, given)
    };
    let open = |at, path: &str, flags: u32, res: &[u8; 8]| {
        let path = [path.as_bytes(), b"\0"].concat();
        let flags = u32b(flags);
        let given: &[(&str, &[u8])] = &[
            ("fd", res),
            ("dirfd", &cwd),
            ("name", &path),
            ("flags", &flags),
        ];
        call(at, SHELL, types::SYSCALL_OPENAT_2_X, given)
    };
    let socket = |at, ty: u32| {
        let (domain, ty) = (u32b(2), u32b(ty));
        let given: &[(&str, &[u8])] = &[("fd", &fd), ("domain", &domain), ("type", &ty)];
        call(at, SHELL, types::SOCKET_SOCKET_X, given)
    };
    let connect = |at, res: &[u8; 8], tuple: &[u8]| {
        let given: &[(&str, &[u8])] = &[("res", res), ("tuple", tuple), ("fd", &fd)];
        call(at, SHELL, types::SOCKET_CONNECT_X, given)
    };
    let done = |at, ty, given: &[(&str, &[u8])]| call(at, SHELL, ty, given);
    let mut slow = done(45, types::SYSCALL_FLOCK_X, &[("fd", &fd)]);
    slow.latency = Some(300_000_000);
    let mut hang = done(46, types::SYSCALL_POLL_X, &[]);
    hang.latency = Some(2_000_000_000);
    vec![
        clone(1, NGINX, SHELL, NGINX, 1),
        clone(2, SHELL, 0, SHELL, NGINX),
        execve(3, SHELL, "sh", "/usr/bin/sh", 0x8801),
        socket(4, 1),
        connect(5, &no(111), &refused),
        connect(6, &ok, &out),
        done(
            7,
            types::SYSCALL_READ_X,
            &[("res", &i64b(100)), ("fd", &fd)],
        ),
        done(8, types::SYSCALL_CLOSE_X, &[("fd", &fd)]),
        open(9, "/tmp/x", 0x4006, &fd),
        done(
            10,
            types::SYSCALL_WRITE_X,
            &[("res", &i64b(100)), ("fd", &fd)],
        ),
        done(
            11,
            types::SYSCALL_FCHMOD_X,
            &[("fd", &fd), ("mode", &u32b(0o755))],
        ),
        done(12, types::SYSCALL_CLOSE_X, &[("fd", &fd)]),
        execve(13, SHELL, "x", "/tmp/x", 0),
        execve(14, SHELL, "y", "/memfd:y (deleted)", 0),
        open(15, "/etc/shadow", 1, &no(13)),
        open(16, "/etc/missing", 1, &no(2)),
        open(17, "/etc/cron.d/job", 0x4006, &fd),
        done(18, types::SYSCALL_CLOSE_X, &[("fd", &fd)]),
        done(
            19,
            types::SYSCALL_UNLINKAT_2_X,
            &[("dirfd", &cwd), ("name", b"/tmp/x\0")],
        ),
        done(
            20,
            types::SYSCALL_RENAME_X,
            &[("oldpath", b"/a\0"), ("newpath", b"/b\0")],
        ),
        done(
            20,
            types::SYSCALL_UNLINKAT_2_X,
            &[("dirfd", &cwd), ("name", b"/root/.bash_history\0")],
        ),
        done(21, types::SYSCALL_SETUID_X, &[("uid", &u32b(0))]),
        done(22, types::SYSCALL_PTRACE_X, &[("pid", &i64b(NGINX))]),
        done(23, types::SYSCALL_FINIT_MODULE_X, &[("fd", &fd)]),
        done(24, types::SYSCALL_UNSHARE_X, &[]),
        socket(25, 1),
        done(26, types::SOCKET_BIND_X, &[("addr", &bound), ("fd", &fd)]),
        done(27, types::SOCKET_LISTEN_X, &[("fd", &fd)]),
        done(
            28,
            types::SOCKET_ACCEPT4_6_X,
            &[("fd", &i64b(8)), ("tuple", &asked)],
        ),
        socket(29, 2),
        connect(30, &ok, &query),
        done(
            31,
            types::SOCKET_SENDTO_X,
            &[("res", &i64b(40)), ("fd", &fd)],
        ),
        slow,
        hang,
        call(
            50,
            SHELL,
            types::PROCEXIT_1_E,
            &[("status", &i64b(9)), ("sig", &[9])],
        ),
    ]
}

#[test]
fn an_incident_is_seen_by_every_tile() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "incident.scap",
        &crate::common::write(&incident(), 7, true),
    );
    rows_are_what_their_filters_find(&path, usize::MAX);
    let tally = counted(&path, "");
    for (tile, count) in TILES.iter().zip(&tally.tiles) {
        assert!(count.count > 0, "{}", tile.title);
        let series: u64 = count.series.iter().map(|n| u64::from(*n)).sum();
        assert_eq!(series, count.count);
    }
    // What was refused is a connection, too.
    let table = table(View::Connections, &tally).unwrap();
    let refused = &b"10.0.0.5:40000->6.6.6.6:444"[..];
    let is = |subject: &Subject| matches!(subject, Subject::Connection(name) if **name == *refused);
    assert_eq!(table.rows.iter().filter(|r| is(&r.subject)).count(), 1);
    // A file that came and went has all that happened to it.
    let dropped = file_of(&tally, b"/tmp/x");
    assert_eq!(
        (dropped.opens, dropped.changes, dropped.io.bytes_out),
        (1, 4, 100)
    );
    // The shell is below the server, which did nothing else.
    let shell = tally
        .processes
        .iter()
        .find(|(key, _)| key.pid == 300)
        .unwrap()
        .1;
    assert_eq!(shell.parent.unwrap().pid, 200);
    assert!(shell.ended.is_some_and(|(_, status)| status == 9));
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

/// A process and its child use files and a connection.
fn uses() -> Vec<TestEvent> {
    const MAIN: i64 = 400;
    const CHILD: i64 = 401;
    let [f, g, s] = [7_i64, 8, 9].map(i64b);
    let (ok, cwd) = (i64b(0), i64b(-100));
    let open = |at, tid, path: &str, flags: u32, fd: &[u8; 8]| {
        let (path, flags) = ([path.as_bytes(), b"\0"].concat(), u32b(flags));
        let given: &[(&str, &[u8])] = &[
            ("fd", fd),
            ("dirfd", &cwd),
            ("name", &path),
            ("flags", &flags),
        ];
        call(at, tid, types::SYSCALL_OPENAT_2_X, given)
    };
    let moved = |at, tid, ty, bytes: i64, fd: &[u8; 8]| {
        call(at, tid, ty, &[("res", &i64b(bytes)), ("fd", fd)])
    };
    let execve = |at, tid, comm: &str| {
        let (id, comm) = (i64b(tid), [comm.as_bytes(), b"\0"].concat());
        let given: &[(&str, &[u8])] = &[
            ("res", &ok),
            ("exe", &comm),
            ("tid", &id),
            ("pid", &id),
            ("ptid", &i64b(1)),
            ("comm", &comm),
        ];
        call(at, tid, types::SYSCALL_EXECVE_19_X, given)
    };
    let clone = |at, tid, res: i64, own: i64, parent: i64| {
        let (res, own, parent) = (i64b(res), i64b(own), i64b(parent));
        let given: &[(&str, &[u8])] = &[
            ("res", &res),
            ("exe", b"main\0"),
            ("tid", &own),
            ("pid", &own),
            ("ptid", &parent),
            ("comm", b"main\0"),
            ("vtid", &own),
            ("vpid", &own),
        ];
        call(at, tid, types::SYSCALL_CLONE_20_X, given)
    };
    let end = |port: u16| [&[127, 0, 0, 1][..], &port.to_le_bytes()].concat();
    let tuple = [&[2][..], &end(40_000), &end(80)].concat();
    vec![
        execve(1, MAIN, "main"),
        // Emptied, written, resized, given times and an attribute.
        open(2, MAIN, "/home/w", 0x102, &f),
        moved(3, MAIN, types::SYSCALL_WRITE_X, 1262, &f),
        raw(4, MAIN, "ftruncate", 0, &[7, 10]),
        raw(5, MAIN, "utimensat", 0, &[7, 0]),
        raw(6, MAIN, "fsetxattr", 0, &[7]),
        // This changes a file in the directory of the fd.
        raw(7, MAIN, "utimensat", 0, &[7, 0x1234]),
        // What fails, and what changes nothing.
        raw(7, MAIN, "ftruncate", -22, &[7, 10]),
        raw(8, MAIN, "fsync", 0, &[7]),
        open(9, MAIN, "/etc/shadow", 1, &g),
        moved(10, MAIN, types::SYSCALL_READ_X, 1262, &g),
        call(
            11,
            MAIN,
            types::SOCKET_SOCKET_X,
            &[("fd", &s), ("domain", &u32b(2)), ("type", &u32b(1))],
        ),
        call(
            12,
            MAIN,
            types::SOCKET_CONNECT_X,
            &[("res", &ok), ("tuple", &tuple), ("fd", &s)],
        ),
        call(
            13,
            MAIN,
            types::SYSCALL_SENDFILE_X,
            &[("res", &i64b(10)), ("out_fd", &s), ("in_fd", &f)],
        ),
        clone(14, MAIN, CHILD, MAIN, 1),
        clone(15, CHILD, 0, CHILD, MAIN),
        execve(16, CHILD, "child"),
        moved(17, CHILD, types::SYSCALL_WRITE_X, 5, &s),
        moved(18, CHILD, types::SYSCALL_READ_X, 10, &f),
        // The other end, in a third process.
        execve(19, 500, "server"),
        call(
            20,
            500,
            types::SOCKET_ACCEPT4_6_X,
            &[("fd", &i64b(5)), ("tuple", &tuple)],
        ),
        moved(21, 500, types::SYSCALL_READ_X, 15, &i64b(5)),
        // A register that looks like an error.
        raw(22, MAIN, "rt_sigreturn", -4, &[]),
        raw(23, MAIN, "rt_sigsuspend", -4, &[]),
    ]
}

#[test]
fn counts_are_of_all_that_happened_to_a_file_and_a_connection() {
    let dir = tempfile::tempdir().unwrap();
    let written = crate::common::write(&uses(), 3, true);
    let path = file(dir.path(), "uses.scap", &written);
    let tally = counted(&path, "");
    let file = file_of(&tally, b"/home/w");
    assert_eq!(file.changes, 5);
    assert_eq!((file.io.bytes_in, file.io.bytes_out), (20, 1262));
    let names = |few: &Few<Arc<[u8]>>| {
        let names = few.values().iter();
        let mut names: Vec<_> = names
            .map(|n| String::from_utf8_lossy(n).into_owned())
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&file.users), "child main");
    // One connection with two ends.
    let mut ends: Vec<_> = tally.connections.iter().collect();
    ends.sort_by_key(|(key, _)| key.is_server);
    let [(client, mine), (server, other)] = ends[..] else {
        panic!("{ends:?}");
    };
    assert_eq!(client.name, server.name);
    assert_eq!((mine.io.bytes_in, mine.io.bytes_out), (0, 15));
    assert_eq!((other.io.bytes_in, other.io.bytes_out), (15, 0));
    assert_eq!(
        (names(&mine.users), names(&other.users)),
        ("child main".into(), "server".into())
    );
    assert_eq!(mine.pids.values().len(), 2);
    // What a signal handler returns to has not failed.
    let failed: u64 = tally.calls.values().map(|call| call.failed).sum();
    assert_eq!((failed, tally.calls[&b"rt_sigreturn"[..]].calls), (2, 1));
    let main = tally
        .processes
        .iter()
        .find(|(key, _)| key.pid == 400)
        .unwrap()
        .1;
    assert_eq!(
        (main.failed, main.net.bytes_out, main.file.bytes_in),
        (2, 10, 1272)
    );
    let found = oracle(
        &path,
        &[
            "evt.failed = true".into(),
            "evt.type = rt_sigreturn and evt.res exists".into(),
        ],
    );
    assert_eq!(found, [2, 0]);
    rows_are_what_their_filters_find(&path, 1000);
}

/// A program that hangs: in polls of a server that does not answer, and for ever in a lock.
fn hangs() -> Vec<TestEvent> {
    const TID: i64 = 600;
    let (fd, ok, id) = (i64b(4), i64b(0), i64b(TID));
    let end = |ip: [u8; 4], port: u16| [&ip[..], &port.to_le_bytes()].concat();
    let tuple = [
        &[2][..],
        &end([10, 0, 0, 5], 40_000),
        &end([8, 8, 8, 8], 53),
    ]
    .concat();
    let waited = |mut event: TestEvent, ms: u64| {
        event.latency = Some(ms * 1_000_000);
        event
    };
    let list = [&1_u16.to_le_bytes()[..], &fd, &[0, 0]].concat();
    let poll = |at: u64| {
        let given: &[(&str, &[u8])] = &[("res", &ok), ("fds", &list)];
        waited(call(at, TID, types::SYSCALL_POLL_X, given), 2000)
    };
    let given: &[(&str, &[u8])] = &[
        ("res", &ok),
        ("exe", b"host\0"),
        ("tid", &id),
        ("pid", &id),
        ("ptid", &i64b(1)),
        ("comm", b"host\0"),
    ];
    let lock = 0x5000_u64.to_le_bytes();
    let mut futex = waited(
        call(9000, TID, types::SYSCALL_FUTEX_X, &[("addr", &lock)]),
        900,
    );
    futex.flags = EventFlags::IN_FLIGHT;
    let opens: &[(&str, &[u8])] = &[("fd", &fd), ("domain", &u32b(2)), ("type", &u32b(2))];
    let connects: &[(&str, &[u8])] = &[("res", &ok), ("tuple", &tuple), ("fd", &fd)];
    let mut short = poll(8200);
    short.latency = Some(1000);
    vec![
        call(1, TID, types::SYSCALL_EXECVE_19_X, given),
        call(2, TID, types::SOCKET_SOCKET_X, opens),
        call(3, TID, types::SOCKET_CONNECT_X, connects),
        poll(2003),
        poll(4003),
        poll(6003),
        poll(8003),
        short,
        waited(raw(8300, TID, "clock_nanosleep", 0, &[]), 90),
        futex,
    ]
}

#[test]
fn a_program_that_hangs_is_seen_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    for in_one in [7, 2] {
        let path = file(
            dir.path(),
            "hangs.scap",
            &crate::common::write(&hangs(), in_one, true),
        );
        let tally = counted(&path, "");
        let shown = table(View::Waits, &tally).unwrap();
        let rows: Vec<String> = shown
            .rows
            .iter()
            .map(|row| {
                row.cells
                    .iter()
                    .map(|cell| match cell {
                        Cell::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        Cell::Duration(ns) => format!("{}ms", ns / 1_000_000),
                        Cell::Count(n) => n.to_string(),
                        Cell::Id(n) => n.to_string(),
                        _ => "-".to_owned(),
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(
            rows,
            [
                "8000ms 2000ms 4 4 0 host 600 poll 4(<4u>10.0.0.5:40000->8.8.8.8:53)",
                "900ms 900ms 1 0 1 host 600 futex futex 0x5000",
                "90ms 90ms 1 0 0 host 600 clock_nanosleep -",
            ]
        );
        let host = tally
            .processes
            .iter()
            .find(|(key, _)| key.pid == 600)
            .unwrap()
            .1;
        assert_eq!(host.waited_ns / 1_000_000, 8990);
        let at = TILES
            .iter()
            .position(|tile| tile.view == View::Waits)
            .unwrap();
        assert_eq!(tally.tiles[at].count, 4);
        rows_are_what_their_filters_find(&path, 1000);
    }
}

#[test]
fn a_tile_leads_to_all_events_of_its_files_and_connections() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "uses.scap",
        &crate::common::write(&uses(), 3, true),
    );
    let whole = counted(&path, "");
    let of = |title: &str| {
        let at = TILES.iter().position(|tile| tile.title == title).unwrap();
        counted(&path, &narrowed_tile(at, &whole).filter)
    };
    let credentials = of("credentials opened");
    assert_eq!(credentials.files.len(), 1);
    let shadow = file_of(&credentials, b"/etc/shadow");
    assert_eq!((shadow.opens, shadow.io.bytes_in), (1, 1262));
    let written = of("files opened for writing");
    let file = file_of(&written, b"/home/w");
    let all = file_of(&whole, b"/home/w");
    assert_eq!(
        (written.files.len(), file.events, file.io.bytes_out),
        (1, all.events, 1262)
    );
    let outgoing = of("outgoing connections");
    let sent: u64 = outgoing.connections.values().map(|c| c.io.bytes_out).sum();
    assert_eq!(sent, 15);
    // A tile about calls stays one, and one without events finds none.
    let at = TILES
        .iter()
        .position(|tile| tile.view == View::Commands)
        .unwrap();
    assert_eq!(narrowed_tile(at, &whole), narrowed(&Subject::Tile(at)));
    for (at, tile) in TILES.iter().enumerate() {
        let narrowed = narrowed_tile(at, &whole);
        let events = counted(&path, &narrowed.filter).events;
        assert!(events >= whole.tiles[at].count, "{}", tile.title);
        assert_eq!(events > 0, whole.tiles[at].count > 0, "{}", tile.title);
    }
    // Of too many files only the calls are shown, which the label says.
    let mut many = whole.clone();
    let name = |n: usize| -> Arc<[u8]> { format!("/tmp/{n}").into_bytes().into() };
    for n in 0..2000 {
        let key = FileKey {
            path: name(n),
            whose: Whose::default(),
        };
        many.files.insert(key, all.clone());
    }
    let at = TILES
        .iter()
        .position(|tile| tile.title == "files opened for writing")
        .unwrap();
    let narrowed = narrowed_tile(at, &many);
    assert!(
        narrowed.label.ends_with("only these calls"),
        "{}",
        narrowed.label
    );
    assert_eq!(narrowed.filter, format!("({})", TILES[at].filter));
}

#[test]
fn every_chunk_says_how_many_of_its_events_match() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let capture = indexed(&path);
    for filter in [
        "",
        "proc.name = curl",
        "evt.type = execve",
        "evt.type = ptrace",
    ] {
        let tally = counted(&path, filter);
        let all = if filter.is_empty() {
            "evt.num > 0"
        } else {
            filter
        };
        let events = oracle(&path, &[all.to_owned()])[0];
        assert_eq!(tally.events, events, "{filter}");
        assert_eq!(tally.matches.len(), capture.index().chunks.len());
        let matches: u64 = tally.matches.values().map(|n| u64::from(*n)).sum();
        assert_eq!(matches, events, "{filter}");
        let activity = tally.activity.unwrap();
        let bins: u64 = activity.bins.iter().map(|b| u64::from(b.events)).sum();
        assert_eq!(bins, events, "{filter}");
    }
    let execs = format!(
        "evt.type = execve and evt.num >= {}",
        capture.index().chunks[20].summary.first_event.0
    );
    let tally = counted(&path, &execs);
    for (chunk, entry) in capture.index().chunks.iter().enumerate() {
        let expected = match chunk < 20 {
            true => 0,
            false => entry.summary.count_of(types::SYSCALL_EXECVE_19_X),
        };
        assert_eq!(tally.matches[&(chunk as u32)], expected, "{chunk}");
    }
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

#[test]
fn parts_add_up_to_the_whole_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let capture = indexed(&path);
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    let whole = counted(&path, "");
    let scope = scope(&capture, "");
    let parts: Vec<Tally> = (0..capture.segments().len())
        .map(|segment| tally_segment(&mut replayer, segment, &scope, &go()).unwrap())
        .collect();
    let mut backwards = Tally::over(scope.span);
    parts.iter().rev().for_each(|part| backwards.add(part));
    assert_eq!(sums(&backwards), sums(&whole));
    let length = scope.span.len_ns();
    for cut in [1, length / 7, length / 2, length - 1] {
        let at = scope.span.from + cut;
        let halves = [(scope.span.from, at - 1), (at, scope.span.to)];
        let mut both = Tally::over(scope.span);
        for (from, to) in halves {
            let half = Scope {
                span: Span { from, to },
                filter: String::new(),
            };
            both.add(&tally(&mut replayer, &half, &go()).unwrap());
        }
        let (mut a, mut b) = (both, Tally::over(scope.span));
        b.add(&whole);
        // A process that is cut apart is told of twice; what it is known by is the later.
        for key in whole.processes.keys() {
            assert_eq!(a.processes[key].events, b.processes[key].events, "{key:?}");
        }
        for tally in [&mut a, &mut b] {
            tally.processes.clear();
            tally
                .files
                .values_mut()
                .for_each(|f| f.users = Few::default());
        }
        assert_eq!(sums(&a), sums(&b), "{cut} of {length}");
    }
}

#[test]
fn a_stopped_count_says_so() {
    let capture = indexed(&sample());
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    let stopped = AtomicBool::new(true);
    let result = tally(&mut replayer, &scope(&capture, ""), &stopped);
    assert!(matches!(result, Err(IndexedCaptureError::Stopped)));
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

#[test]
fn what_a_capture_can_make_it_keep_is_capped() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), &header(), WriterOptions::default()).unwrap();
    let events = limits::FILES + 100;
    for number in 0..events {
        let name = format!("/{number}\0");
        let pid = 10 + number as i64;
        let failed: &[&[u8]] = &[
            &i64b(-2),
            name.as_bytes(),
            &u32b(1),
            &u32b(0),
            &u32b(0),
            &i64b(0),
        ];
        let event = event(number as u64, pid, types::SYSCALL_OPEN_X, failed);
        crate::common::push(&mut writer, &event);
    }
    let path = file(dir.path(), "many.scap", &writer.finish().unwrap());
    let tally = counted(&path, "");
    assert_eq!(tally.events, events as u64);
    assert_eq!(tally.files.len(), limits::FILES);
    assert_eq!(tally.processes.len(), limits::PROCESSES);
    assert_eq!((tally.omitted[0], tally.omitted[1]), (100, 100));
    let table = table(View::Files, &tally).unwrap();
    assert_eq!((table.rows.len(), table.omitted), (limits::FILES, 100));
    assert!(tally.bytes() < 64 << 20, "{}", tally.bytes());
}
