//! An incident with something for every tile.

use super::*;

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
