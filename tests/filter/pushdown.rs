//! What a filter says of the events that can pass before it is evaluated.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::io::Cursor;

use scap::filter::{Filter, TypeSet};
use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::{
    CaptureWriter, ChunkSummary, EventNames, IndexedReader, LaneSet, Names, Objects, RunNames,
    WriterOptions,
};
use scap_capture_format::schema::types;

use crate::common::{START, header};

fn pushdown(text: &str) -> scap::filter::Pushdown {
    Filter::parse(text).unwrap().pushdown().clone()
}

fn type_names(set: &TypeSet) -> Vec<&'static str> {
    let mut names: Vec<_> = set.iter().map(|t| t.info().unwrap().name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn reach_of_types() {
    let types = |text: &str| type_names(&pushdown(text).types_64bit);
    assert_eq!(types("evt.type = openat and proc.name = x"), ["openat"]);
    assert_eq!(
        types("evt.type in (open, close) or evt.type = dup"),
        ["close", "dup", "open"]
    );
    assert_eq!(
        types("evt.type in (open, close) and evt.type != open"),
        ["close"]
    );
    assert_eq!(
        types("alert.priority = Critical and not alert.left_out exists"),
        ["asyncevent", "notification"]
    );
    assert_eq!(types("evt.type = ftruncate"), ["syscall"]);
    assert_eq!(types("evt.type = alert"), ["asyncevent"]);
    assert_eq!(
        types("evt.type in (asyncevent, open)"),
        ["asyncevent", "open"]
    );
    assert!(!pushdown("proc.name = x").is_everything());
    assert!(pushdown("proc.cmdline = x").is_everything());
    assert!(pushdown("evt.type = open or proc.name = x").types.is_all());
    assert!(
        pushdown("not (evt.type = open and proc.name = x)")
            .types
            .is_all()
    );
    assert!(pushdown("evt.num = 0").types.is_empty());
    assert!(pushdown("evt.num = 0 and evt.type = open").types.is_empty());
    assert!(pushdown("not evt.num = 0").types.is_all());
    assert!(pushdown("evt.type in ()").types.is_empty());
    // Calls with the 32-bit ABI have no type of their own.
    let open = pushdown("evt.type = open");
    assert!(open.types.contains(types::GENERIC_X) && !open.types_64bit.contains(types::GENERIC_X));
    assert!(
        open.types.contains(types::SYSCALL_OPEN_X) && open.types.contains(types::SYSCALL_OPEN_E)
    );
    assert!(!open.types.unknown);
    let not = pushdown("evt.type != open");
    assert!(!not.types.contains(types::SYSCALL_OPEN_X) && not.types.unknown);
    assert!(not.types.contains(types::GENERIC_X) && not.types.contains(types::SYSCALL_CLOSE_X));
    assert_eq!(pushdown("not evt.type = open").types, not.types);
    assert_eq!(
        pushdown("not (evt.type = open or proc.name = x)").types,
        not.types
    );
    assert_eq!(pushdown("not not evt.type = open").types, open.types);
    let exit = pushdown("evt.type = open and evt.dir = <");
    assert!(
        exit.types.contains(types::SYSCALL_OPEN_X) && !exit.types.contains(types::SYSCALL_OPEN_E)
    );
}

#[test]
fn reach_of_directions() {
    assert!(pushdown("evt.type = open").enters.is_empty());
    assert!(pushdown("evt.dir = <").enters.is_empty());
    assert!(pushdown("not evt.dir = >").enters.is_empty());
    assert!(!pushdown("evt.dir = >").enters.is_empty());
    assert!(!pushdown("evt.dir != <").enters.is_empty());
    assert!(
        !pushdown("evt.type = open and evt.dir = >")
            .enters
            .is_empty()
    );
    assert!(!pushdown("evt.dir exists").enters.is_empty());
    assert!(
        pushdown("evt.type = procexit and evt.dir = >")
            .enters
            .is_empty()
    );
    let enters = pushdown("evt.type = open and evt.dir = >").enters;
    assert!(enters.contains(types::SYSCALL_OPEN_E) && !enters.contains(types::SYSCALL_READ_E));
}

#[test]
fn pushdown_of_fields_by_type() {
    let io = pushdown("evt.is_io = true").types;
    for (ty, is_io) in [
        (types::SYSCALL_READ_E, true),
        (types::SYSCALL_WRITE_X, true),
        (types::SOCKET_RECVFROM_X, true),
        (types::SYSCALL_CLOSE_X, false),
        (types::SYSCALL_FUTEX_X, false),
        (types::GENERIC_X, false),
    ] {
        assert_eq!(io.contains(ty), is_io, "{ty}");
    }
    // What nobody knows does no I/O.
    assert!(!io.unknown && pushdown("evt.is_io = false").types.unknown);
    assert_eq!(pushdown("not evt.is_io = true").types, io.complement());
    assert_eq!(pushdown("evt.is_io != true").types, io.complement());
    assert!(pushdown("evt.is_io exists").types.is_all());
    let read = pushdown("evt.io_dir = read").types;
    assert_eq!(read, pushdown("evt.is_io_read = true").types);
    assert!(read.contains(types::SYSCALL_PREAD_X) && !read.contains(types::SYSCALL_WRITE_X));
    // Where there is none, no comparison holds.
    assert!(
        !pushdown("evt.io_dir != read")
            .types
            .contains(types::SYSCALL_CLOSE_X)
    );
    let net = pushdown("evt.is_io = true and fd.type = ipv4").types;
    assert!(!net.contains(types::SOCKET_CONNECT_X) && net.contains(types::SOCKET_SENDTO_X));
}

#[test]
fn reach_of_times() {
    let times = |text: &str| pushdown(text).times;
    assert_eq!(times("proc.name = x"), (None, None));
    assert_eq!(
        times("evt.rawtime >= 5 and evt.rawtime < 9 and proc.name = x"),
        (Some(5), Some(8))
    );
    assert_eq!(times("evt.rawtime in (7, 5)"), (Some(5), Some(7)));
    assert_eq!(times("not evt.rawtime < 5"), (Some(5), None));
    assert_eq!(
        times("not (evt.rawtime < 5 or evt.rawtime > 9)"),
        (Some(5), Some(9))
    );
    assert_eq!(
        times("evt.rawtime = 5 or evt.rawtime = 9"),
        (Some(5), Some(9))
    );
    assert_eq!(times("evt.rawtime = 5 or proc.name = x"), (None, None));
    assert_eq!(times("evt.rawtime != 5"), (None, None));
    assert_eq!(
        times("evt.around[5000000] = 2"),
        (Some(3_000_000), Some(7_000_000))
    );
    assert_eq!(
        times("evt.time > 1970-01-01T00:00:01Z and evt.time <= 1970-01-01T00:00:02Z"),
        (Some(1_000_000_001), Some(2_000_000_000))
    );
    assert_eq!(
        times("evt.time.s = 1970-01-01T00:00:05Z"),
        (Some(4_000_000_001), Some(5_999_999_999))
    );
    assert_eq!(times("evt.time > 03:12"), (None, None));
    let (first, last) = times("evt.rawtime = 5 and evt.rawtime = 9");
    assert!(first > last);
}

#[test]
fn reach_of_ids() {
    assert_eq!(
        pushdown("thread.tid = 7 and proc.name = x").tids,
        Some(vec![7])
    );
    assert_eq!(
        pushdown("thread.tid in (9, 7) or thread.tid = 8").tids,
        Some(vec![7, 8, 9])
    );
    assert_eq!(
        pushdown("thread.tid in (9, 7) and thread.tid = 7").tids,
        Some(vec![7])
    );
    assert_eq!(pushdown("thread.tid = 7 or proc.name = x").tids, None);
    assert_eq!(pushdown("not thread.tid = 7").tids, None);
    assert_eq!(pushdown("thread.tid != 7").tids, None);
    assert_eq!(pushdown("proc.pid = 7").pids, Some(vec![7]));
    assert_eq!(pushdown("proc.pid = 7").tids, None);
    assert_eq!(pushdown("not (thread.tid != 7)").tids, None);
}

/// The summary of a chunk with one event, a `close`, that has names, and the names of its run.
fn written(names: EventNames<'_>) -> (ChunkSummary, Option<RunNames>) {
    let result = 0_i64.to_le_bytes();
    let event = EventRef {
        num: EventNum(0),
        ts: Timestamp(START),
        tid: Tid(7),
        pid: Pid(7),
        cpu: 0,
        ty: types::SYSCALL_CLOSE_X,
        latency: None,
        flags: EventFlags::empty(),
        params: Params::new(&[8], &result).unwrap(),
    };
    let mut writer = CaptureWriter::new(Vec::new(), &header(), WriterOptions::default()).unwrap();
    writer
        .push_in_lanes(&event, LaneSet::default(), false, names)
        .unwrap();
    let file = writer.finish().unwrap();
    let mut reader = IndexedReader::open(Cursor::new(file)).unwrap();
    let summary = reader.index().chunks[0].summary.clone();
    (summary, reader.names_of(0).unwrap().cloned())
}

#[test]
fn a_chunk_is_read_for_the_names_in_it() {
    let of = |path: &[u8]| {
        written(EventNames {
            thread: Names::Some([Some(b"cat"), Some(b"/usr/bin/cat"), Some(b"host")]),
            objects: Objects::Known {
                paths: [Some(path), None, None],
                addresses: [Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into())],
                server_port: Some(443),
            },
        })
    };
    let (summary, run) = of(b"/etc/ssl//certs/ca.pem");
    assert!(run.is_some());
    let may = |text: &str| pushdown(text).may_match(&summary, run.as_ref());
    for text in [
        "proc.name = cat",
        "proc.exepath in (/bin/sh, /usr/bin/cat)",
        "proc.name = cat or proc.name = nosuch",
        "fd.name = /etc/ssl//certs/ca.pem",
        // As the directory of another file it would be there.
        "fd.name = /etc/ssl",
        "fd.name startswith /etc/ssl/ce",
        "fd.name startswith /",
        "fd.name startswith nosuch",
        "fd.name endswith nosuch",
        "fd.name pmatch (/nosuch, /etc/ssl)",
        "fd.name pmatch (/nosuch/*)",
        "fd.name pmatch (/)",
        "fd.directory = /etc/ssl/certs",
        "fd.filename = ca.pem",
        "fd.filename = /",
        "fd.name exists",
        "not fd.name = /nosuch",
        "fd.name != /nosuch",
        "fd.name = /nosuch or proc.name = cat",
        "fd.name = /nosuch or fd.name = /etc/ssl or fd.name in (/opt, /var)",
        "fd.name = /nosuch or fd.name contains x or fd.name = /opt",
        "fd.name startswith /etc/ and fd.name contains x and fd.name pmatch (/etc/ssl)",
        "fd.name = /nosuch or proc.cmdline = x",
        "fs.path.name = /etc/ssl and fd.name = /etc",
        "fd.sip = 10.0.0.1 and fd.cip = 10.0.0.2 and fd.sport = 443",
        "fd.ip != 10.0.0.3",
        "fd.snet = 192.168.0.0/16",
        "fd.sport > 500",
        "(fd.name = /nosuch and proc.name = cat) or (proc.name = cat and fd.sport = 443)",
    ] {
        assert!(may(text), "{text}");
    }
    for text in [
        "proc.name = dog",
        "container.id = 0123456789ab",
        "fd.name = /etc/ssl/certs/ca",
        "fd.name in (/a, /b, /c, /d, /e, /f, /g, /h, /i, /j, /k)",
        "fd.name startswith /etc/tls/",
        "fd.name pmatch (/nosuch, /opt)",
        "fd.directory = /opt",
        "fd.filename = certs",
        "fd.name = /nosuch or proc.name = dog",
        "fd.name = /nosuch or fd.name startswith /opt/ or fd.name in (/var, /srv)",
        "fd.name startswith /etc/ and fd.name contains x and fd.name pmatch (/opt)",
        "fs.path.name = /etc and fs.path.target = /opt",
        "fd.ip = 10.0.0.3",
        "fd.sip in (10.0.0.3, 10.0.0.4)",
        "fd.sport = 80",
        "fd.sport in (80, 8080)",
        "(fd.name = /nosuch and proc.name = cat) or (proc.name = dog and fd.sport = 443)",
    ] {
        assert!(!may(text), "{text}");
    }
    // What the writer did not know, or had no room for.
    let (unknown, none) = written(EventNames::UNKNOWN);
    assert!(none.is_none());
    let may = |text: &str| pushdown(text).may_match(&unknown, none.as_ref());
    assert!(may("fd.name = /nosuch") && may("proc.name = dog"));
    assert!(!may("evt.type = open"));
    // Another run's, or none at all.
    assert!(pushdown("fd.name = /nosuch").may_match(&summary, None));
    assert!(!pushdown("proc.name = dog").may_match(&summary, None));
}

#[test]
fn many_alternatives_are_not_multiplied() {
    let alternatives = |field: &str| {
        let one = |n: u32| format!("({field} = /a{n} and fd.sport = {n} and proc.name = p{n})");
        let all: Vec<String> = (0..40).map(one).collect();
        all.join(" or ")
    };
    let found = pushdown(&alternatives("fd.name"));
    assert!(!found.names.is_empty() && found.names.len() <= 16);
}
