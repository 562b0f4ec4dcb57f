//! States restored from snapshots.

use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{
    FdEntry, GroupEntry, SocketEntry, ThreadEntry, UserEntry,
};

use super::*;

fn thread(s: &mut Snapshot, tid: i64, pid: i64, comm: &[u8], cwd: &[u8]) {
    let (comm, cwd) = (s.strings.intern(comm), s.strings.intern(cwd));
    s.threads.push(ThreadEntry {
        tid: Tid(tid),
        pid: Pid(pid),
        ptid: Pid(1),
        comm,
        cwd,
        ..ThreadEntry::default()
    });
}

fn fd(s: &mut Snapshot, owner: i64, fd: i64, kind: u8, name: &[u8], socket: SocketEntry) {
    let name = s.strings.intern(name);
    s.fds.push(FdEntry {
        owner: Tid(owner),
        fd,
        kind,
        name,
        socket,
        ..FdEntry::default()
    });
}

fn inet(source: u16, dest: u16, dest_ip: [u8; 4]) -> SocketEntry {
    SocketEntry::Inet {
        source: [10, 0, 0, 1],
        dest: dest_ip,
        source_port: source,
        dest_port: dest,
        l4proto: 2,
    }
}

fn machine() -> Machine {
    let mut s = Snapshot::default();
    // A thread before its process: the order in a snapshot is arbitrary.
    thread(&mut s, 102, 100, b"worker", b"/srv");
    thread(&mut s, 100, 100, b"server", b"/srv");
    thread(&mut s, 103, 100, b"jailed", b"/jail");
    thread(&mut s, 104, 100, b"apart", b"/srv");
    let none = SocketEntry::None;
    fd(&mut s, 100, 0, 16, b"/dev/null", none);
    fd(&mut s, 100, 1, 2, b"/srv", none);
    fd(&mut s, 100, 2, 7, b"pipe:[5]", none);
    fd(&mut s, 100, 3, 5, b"", inet(80, 0, [0; 4]));
    fd(&mut s, 100, 4, 3, b"", inet(80, 5000, [10, 0, 0, 9]));
    fd(&mut s, 100, 5, 3, b"", inet(5001, 443, [10, 0, 0, 9]));
    fd(
        &mut s,
        100,
        6,
        8,
        b"/run/x.sock",
        SocketEntry::Unix { source: 1, dest: 2 },
    );
    fd(&mut s, 100, 7, 200, b"", none);
    fd(&mut s, 104, 9, 16, b"/own", none);
    fd(&mut s, 555, 3, 16, b"/of/nobody", none);
    let alice = s.strings.intern(b"alice");
    let box_ = s.strings.intern(b"abcdef");
    s.users.push(UserEntry {
        uid: 5,
        name: alice,
        ..UserEntry::default()
    });
    s.users.push(UserEntry {
        uid: 6,
        name: alice,
        container: box_,
        ..UserEntry::default()
    });
    s.groups.push(GroupEntry {
        gid: 7,
        name: alice,
        ..GroupEntry::default()
    });
    let mut m = Machine::new();
    m.open(100, 60, "/forgotten", 0);
    m.state.restore(&s);
    m
}

fn name(user: Option<&User>) -> Option<&str> {
    user.map(|u| std::str::from_utf8(&u.name).unwrap())
}

#[test]
fn everything_is_replaced() {
    let m = machine();
    assert_eq!(
        m.fds(100),
        "0:f/dev/null 1:d/srv 2:ppipe:[5] 3:410.0.0.1:80 4:410.0.0.9:5000->10.0.0.1:80 \
         5:410.0.0.1:5001->10.0.0.9:443 6:u/run/x.sock 7:o "
    );
    assert_eq!((m.fds(102), m.fds(103)), (m.fds(100), m.fds(100)));
    assert_eq!(m.fds(104), "9:f/own ");
    assert_eq!(m.fds(555), "3:f/of/nobody ");
    assert_eq!(m.state.fd(Tid(100), 4).unwrap().role, Role::Server);
    assert_eq!(
        (name(m.state.user(None, 5)), name(m.state.user(None, 6))),
        (Some("alice"), None)
    );
    assert_eq!(name(m.state.group(None, 7)), Some("alice"));
}

#[test]
fn threads_share_what_they_shared() {
    let mut m = machine();
    m.open(102, 20, "x", 0);
    assert!(m.fds(100).contains("20:f/srv/x"));
    m.event(102, types::SYSCALL_CHDIR_X, &[&i(0), b"/tmp\0"]);
    let cwd = |m: &Machine, tid| m.state.cwd(Tid(tid)).map(<[u8]>::to_vec).unwrap();
    assert_eq!(
        [100, 102, 103].map(|tid| cwd(&m, tid)),
        [&b"/tmp"[..], b"/tmp", b"/jail"]
    );
}

#[test]
fn what_is_usual_takes_no_room() {
    let mut m = Machine::new();
    m.open(100, 3, "/a", 0);
    m.open(100, 4, "/b", 0x1000);
    m.open(100, 5, "relative", 0);
    m.event(
        100,
        types::SYSCALL_DUP3_X,
        &[&i(6), &i(3), &i(6), &u(0x1000)],
    );
    m.event(100, types::SYSCALL_EPOLL_CREATE1_X, &[&i(7), &u(0)]);
    let snapshot = m.state.snapshot();
    let more: Vec<bool> = snapshot.fds.iter().map(|f| !f.extra.is_empty()).collect();
    // Another name, and close-on-exec set after opening.
    assert_eq!(more, [false, false, true, true, false]);
    let mut again = State::new();
    again.restore(&snapshot);
    assert_eq!(again.snapshot(), snapshot);
    let cloexec = |fd| again.fd(Tid(100), fd).unwrap().cloexec;
    assert_eq!(
        [3, 4, 5, 6, 7].map(cloexec),
        [false, true, false, true, false]
    );
}

#[test]
fn equal_texts_are_one_again() {
    let mut m = Machine::new();
    m.exec(100, "server");
    m.clone(100, 101, 0);
    let mut again = State::new();
    again.restore(&m.state.snapshot());
    let path = |tid| again.thread(Tid(tid)).unwrap().exepath.clone().unwrap();
    assert!(Arc::ptr_eq(&path(100), &path(101)));
    assert_eq!(again.used.text, m.state.used.text);
}

/// Found by fuzzing: an empty path is absent, not a raw name.
#[test]
fn a_file_without_a_path() {
    let mut m = Machine::new();
    m.open(100, 3, "", 0);
    let snapshot = m.state.snapshot();
    let mut again = State::new();
    again.restore(&snapshot);
    assert_eq!(again.snapshot(), snapshot);
}

/// State without a field in a snapshot.
#[test]
fn what_only_events_have_told() {
    let mut m = Machine::new();
    m.clone(100, 200, 0);
    m.exec(200, "x");
    for option in [8_u32, 36] {
        m.event(
            200,
            types::SYSCALL_PRCTL_X,
            &[&i(0), &u(option), b"\0", &i(1)],
        );
    }
    m.event(
        200,
        types::SYSCALL_CAPSET_X,
        &[&i(0), &[1; 8], &[2; 8], &[3; 8]],
    );
    let mut again = State::new();
    again.restore(&m.state.snapshot());
    let [before, after] = [&m.state, &again].map(|state| {
        let t = state.thread(Tid(200)).unwrap();
        assert!(t.clone_ts > 0 && t.exec_ts > t.clone_ts && t.is_reaper && t.keeps_caps);
        (t.clone_ts, t.exec_ts, t.caps, t.program, t.comm.clone())
    });
    assert_eq!(before, after);
}

#[test]
fn mapped_addresses_are_of_ipv4() {
    let mapped = |ip: [u8; 4]| {
        let mut out = [0; 16];
        out[10..12].copy_from_slice(&[0xff, 0xff]);
        out[12..].copy_from_slice(&ip);
        out
    };
    let inet6 = |source, dest, ports: (u16, u16), l4proto| SocketEntry::Inet6 {
        source,
        dest,
        source_port: ports.0,
        dest_port: ports.1,
        l4proto,
    };
    let mut s = Snapshot::default();
    thread(&mut s, 100, 100, b"server", b"/");
    let (here, there) = (mapped([10, 0, 0, 1]), mapped([10, 0, 0, 9]));
    fd(&mut s, 100, 3, 6, b"", inet6([0; 16], [0; 16], (80, 0), 2));
    fd(&mut s, 100, 4, 4, b"", inet6(here, there, (80, 5000), 2));
    fd(&mut s, 100, 5, 4, b"", inet6(here, there, (5001, 443), 2));
    fd(
        &mut s,
        100,
        6,
        4,
        b"",
        inet6([0; 16], [0; 16], (45_000, 0), 3),
    );
    fd(&mut s, 100, 7, 4, b"", inet6(here, [0; 16], (514, 0), 3));
    let mut m = Machine::new();
    m.state.restore(&s);
    let fds = "3:6:::80 4:410.0.0.9:5000->10.0.0.1:80 5:410.0.0.1:5001->10.0.0.9:443 \
               6:6:::45000 7:410.0.0.1:514 ";
    assert_eq!(m.fds(100), fds);
    let role = |m: &Machine, fd| m.state.fd(Tid(100), fd).unwrap().role;
    let roles = [
        Role::Server,
        Role::Server,
        Role::Client,
        Role::Unknown,
        Role::Server,
    ];
    assert_eq!([3, 4, 5, 6, 7].map(|fd| role(&m, fd)), roles);
    // And in a snapshot of that.
    let again = m.state.snapshot();
    let mut m = Machine::new();
    m.state.restore(&again);
    assert_eq!(m.fds(100), fds);
    assert_eq!([3, 4, 5, 6, 7].map(|fd| role(&m, fd)), roles);
}

#[test]
fn threads_have_what_the_recorder_says_that_they_share() {
    let mut s = Snapshot::default();
    // Thread, process, owner of its fds, owner of its directories.
    let threads = [
        (100, 100, 100, 100),
        (101, 100, 100, 101),
        (102, 100, 102, 100),
        (103, 100, 102, 101),
        (104, 100, 104, 100),
        // A process that has the fds of another one's thread, and one that has its directories too.
        (200, 200, 102, 200),
        (201, 200, 102, 200),
        (300, 300, 100, 101),
    ];
    for (tid, pid, files, dirs) in threads {
        thread(&mut s, tid, pid, b"x", format!("/cwd{dirs}/").as_bytes());
        let mount_ns = u32::try_from(dirs).ok();
        set_sharing(s.threads.last_mut().unwrap(), files, dirs, mount_ns);
    }
    fd(&mut s, 100, 3, 16, b"/first", SocketEntry::None);
    fd(&mut s, 102, 3, 16, b"/second", SocketEntry::None);
    let mut state = State::new();
    state.restore(&s);
    let name = |state: &State, tid| state.fd(Tid(tid), 3).map(|fd| fd.name.to_vec());
    for (tid, _, files, dirs) in threads {
        let expected = match files {
            100 => Some(b"/first".to_vec()),
            102 => Some(b"/second".to_vec()),
            _ => None,
        };
        assert_eq!(name(&state, tid), expected, "{tid}");
        let cwd = format!("/cwd{dirs}/");
        assert_eq!(state.cwd(Tid(tid)), Some(cwd.as_bytes()), "{tid}");
    }
    state.set_dirs(Tid(300), Some(b"/moved/"), None);
    state.add_fd(Tid(201), 3, FdInfo::new(FdKind::Pipe));
    for (tid, _, files, dirs) in threads {
        assert_eq!(state.cwd(Tid(tid)) == Some(b"/moved/"), dirs == 101);
        let kind = state.fd(Tid(tid), 3).map(|fd| fd.kind);
        assert_eq!(kind == Some(FdKind::Pipe), files == 102, "{tid}");
    }
    let flags = s.threads.iter().map(|t| t.flags);
    let (none, thread) = (0, 0x2000);
    assert!(flags.eq([
        none,
        thread | 1,
        thread | 2,
        thread,
        thread | 2,
        none,
        thread | 2,
        none,
    ]));
}

/// What is known to be empty, as the arguments of a program without any, is not unknown.
#[test]
fn empty_texts_stay_known() {
    let mut m = Machine::new();
    let texts = |state: &State, tid| {
        let t = state.thread(Tid(tid)).unwrap();
        let of_thread = [&t.comm, &t.exe, &t.exepath, &t.args, &t.env, &t.cgroups];
        let mut texts = of_thread
            .map(|text| text.as_deref().map(<[u8]>::to_vec))
            .to_vec();
        texts.extend([state.cwd(t.tid), state.root(t.tid)].map(|dir| dir.map(<[u8]>::to_vec)));
        texts
    };
    // One empty text each, and none.
    for place in 0..=8 {
        let tid = 200 + place;
        m.clone(100, tid, 0);
        let empty = |at| (at == place).then(Text::default);
        let t = m.state.threads.get_mut(Tid(tid)).unwrap();
        [t.comm, t.exe, t.exepath, t.args, t.env, t.cgroups] = [0, 1, 2, 3, 4, 5].map(empty);
        let slot = m.state.dirs.add(Dirs::default());
        m.state.threads.get_mut(Tid(tid)).unwrap().dirs = Some(slot);
        let [cwd, root] = [6, 7].map(|at| (at == place).then_some(&b""[..]));
        m.state.set_dirs(Tid(tid), cwd, root);
    }
    let mut again = State::new();
    again.restore(&m.state.snapshot());
    for place in 0..=8 {
        let before = texts(&m.state, 200 + place);
        assert_eq!(
            before.iter().flatten().count(),
            usize::from(place < 8),
            "{place}"
        );
        assert_eq!(texts(&again, 200 + place), before, "{place}");
    }
}
