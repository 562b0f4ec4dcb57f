//! All that can happen to a file and a connection.

use super::*;

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
