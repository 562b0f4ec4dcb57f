//! What a filter says of the events that can pass before it is evaluated.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use scap::filter::{Filter, TypeSet};
use scap_capture_format::schema::types;

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
    assert_eq!(
        types("evt.type = openat and proc.name = x"),
        ["asyncevent", "openat"]
    );
    assert_eq!(
        types("evt.type in (open, close) or evt.type = dup"),
        ["asyncevent", "close", "dup", "open"]
    );
    assert_eq!(
        types("evt.type in (open, close) and evt.type != open"),
        ["asyncevent", "close"]
    );
    assert_eq!(
        types("alert.priority = Critical and not alert.left_out exists"),
        ["asyncevent", "notification"]
    );
    assert_eq!(types("evt.type = ftruncate"), ["asyncevent", "syscall"]);
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
