//! State against sequences of events, as a recorder writes them.

mod exec;
mod owners;

use std::fmt::Write as _;

use scap_capture_format::schema::{Arch, EventType, types};

use super::*;
use crate::event::bytes::BufferFormat;
use crate::event::render::Renderer;
use crate::event::{Event, EventFlags, EventNum, Params, Pid, Tid, Timestamp};

/// A machine being replayed: every event prints what it and the state together say.
struct Machine {
    state: State,
    now: u64,
}

impl Machine {
    fn new() -> Self {
        let mut state = State::new();
        let mut thread = Thread::unknown(Tid(100));
        thread.pid = Pid(100);
        thread.comm = Some(b"bash".as_slice().into());
        state.insert_thread(thread);
        state.set_dirs(Tid(100), Some(b"/home/alice"), None);
        let alice = User {
            name: b"alice".as_slice().into(),
            ..User::default()
        };
        state.users.add(None, 1000, alice);
        Self {
            state,
            now: 1_000_000_000_000,
        }
    }

    /// Applies an event and returns its arguments as printed.
    fn event(&mut self, tid: i64, ty: EventType, params: &[&[u8]]) -> String {
        self.event_of(tid, tid, ty, params)
    }

    fn event_of(&mut self, tid: i64, pid: i64, ty: EventType, params: &[&[u8]]) -> String {
        self.now += 1000;
        let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        let event = Event {
            num: EventNum(1),
            ts: Timestamp(self.now),
            tid: Tid(tid),
            pid: Pid(pid),
            cpu: 0,
            ty,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        };
        self.state.apply(&event);
        let mut out = Vec::new();
        Renderer::new(BufferFormat::Dots, Some(Arch::X86_64)).info(
            &mut out,
            &event,
            &self.state.view(&event),
        );
        String::from_utf8(out).unwrap()
    }

    fn open(&mut self, tid: i64, fd: i64, path: &str, flags: u32) -> String {
        let path = [path.as_bytes(), b"\0"].concat();
        self.event(
            tid,
            types::SYSCALL_OPENAT_2_X,
            &[&i(fd), &i(-100), &path, &u(flags), &u(0)],
        )
    }

    fn close(&mut self, tid: i64, fd: i64) -> String {
        self.event(tid, types::SYSCALL_CLOSE_X, &[&i(0), &i(fd)])
    }

    /// A clone as its parent sees it.
    fn clone(&mut self, parent: i64, child: i64, flags: u32) {
        let params = clone_params(child, parent, parent, 1, flags);
        self.event(parent, types::SYSCALL_CLONE_20_X, &refs(&params));
    }

    fn exec(&mut self, tid: i64, comm: &str) -> String {
        let comm = [comm.as_bytes(), b"\0"].concat();
        let (zero, tid_) = (i(0), i(tid));
        let mut params: Vec<&[u8]> = vec![b""; 31];
        params[0] = &zero;
        params[1] = &comm;
        params[3] = &tid_;
        params[4] = &tid_;
        params[13] = &comm;
        params[27] = b"/usr/bin/x\0";
        self.event(tid, types::SYSCALL_EXECVE_19_X, &params)
    }

    fn fds(&self, tid: i64) -> String {
        let mut text = String::new();
        for fd in 0..64 {
            if let Some(info) = self.state.fd(Tid(tid), fd) {
                let name = String::from_utf8_lossy(&info.name);
                write!(text, "{fd}:{}{name} ", char::from(info.kind.typechar())).unwrap();
            }
        }
        text
    }
}

fn i(v: i64) -> [u8; 8] {
    v.to_le_bytes()
}

fn u(v: u32) -> [u8; 4] {
    v.to_le_bytes()
}

fn refs(params: &[Vec<u8>]) -> Vec<&[u8]> {
    params.iter().map(Vec::as_slice).collect()
}

fn clone_params(res: i64, tid: i64, pid: i64, ptid: i64, flags: u32) -> Vec<Vec<u8>> {
    let mut params = vec![Vec::new(); 21];
    params[0] = i(res).to_vec();
    params[1] = b"bash\0".to_vec();
    params[3] = i(tid).to_vec();
    params[4] = i(pid).to_vec();
    params[5] = i(ptid).to_vec();
    params[13] = b"bash\0".to_vec();
    params[15] = u(flags).to_vec();
    params[16] = u(1000).to_vec();
    params[17] = u(1000).to_vec();
    params[18] = i(tid).to_vec();
    params[19] = i(pid).to_vec();
    params
}

const THREAD: u32 = 0x2000 | 0x1 | 0x2 | 0x8000;

/// Found by the fuzz target `state`: thread -1 became the process of all threads whose process is not known.
#[test]
fn a_thread_without_an_id_has_no_state() {
    let mut m = Machine::new();
    let before = m.state.thread_count();
    m.clone(-1, 3, 0);
    m.open(-1, 5, "/etc/passwd", 0);
    assert!(m.state.thread(Tid(-1)).is_none());
    assert_eq!(m.state.thread_count(), before);
    assert_eq!(m.state.fd_count(Tid(-1)), 0);
}

#[test]
fn a_file_from_open_to_close() {
    let mut m = Machine::new();
    assert_eq!(
        m.open(100, 3, "notes.txt", 1),
        "fd=3(<f>/home/alice/notes.txt) dirfd=-100(AT_FDCWD) \
         name=notes.txt(/home/alice/notes.txt) flags=1(O_RDONLY) mode=0 "
    );
    // The close itself still shows the name, what follows does not.
    assert_eq!(m.close(100, 3), "res=0 fd=3(<f>/home/alice/notes.txt) ");
    assert_eq!(m.close(100, 3), "res=0 fd=3 ");
    // A close that failed because nothing was open closes nothing.
    m.open(100, 3, "/etc/passwd", 1);
    m.event(100, types::SYSCALL_CLOSE_X, &[&i(-9), &i(3)]);
    assert_eq!(m.close(100, 3), "res=0 fd=3(<f>/etc/passwd) ");
}

#[test]
fn an_open_that_failed_makes_nothing() {
    let mut m = Machine::new();
    m.open(100, -2, "x", 1);
    assert_eq!(m.fds(100), "");
}

#[test]
fn paths_follow_the_directories() {
    let mut m = Machine::new();
    let stat = |m: &mut Machine, path: &[u8]| m.event(100, types::SYSCALL_STAT_X, &[&i(0), path]);
    assert_eq!(stat(&mut m, b".\0"), "res=0 path=.(/home/alice) ");
    m.event(100, types::SYSCALL_CHDIR_X, &[&i(0), b"../bob\0"]);
    assert_eq!(stat(&mut m, b"q\0"), "res=0 path=q(/home/bob/q) ");
    assert_eq!(stat(&mut m, b"/x/../y\0"), "res=0 path=/x/../y ");
    m.event(100, types::SYSCALL_CHDIR_X, &[&i(-2), b"/nowhere\0"]);
    assert_eq!(stat(&mut m, b"q\0"), "res=0 path=q(/home/bob/q) ");
    m.open(100, 5, "/srv", 0x400);
    assert_eq!(m.fds(100), "5:d/srv ");
    m.event(100, types::SYSCALL_FCHDIR_X, &[&i(0), &i(5)]);
    assert_eq!(stat(&mut m, b"q\0"), "res=0 path=q(/srv/q) ");
    m.event(100, types::SYSCALL_GETCWD_X, &[&i(5), b"/tmp\0"]);
    assert_eq!(
        m.event(
            100,
            types::SYSCALL_UNLINKAT_2_X,
            &[&i(0), &i(5), b"x\0", &u(0)]
        ),
        "res=0 dirfd=5(<d>/srv) name=x(/srv/x) flags=0 "
    );
    assert!(
        m.event(100, types::SYSCALL_UNLINKAT_2_X, &[&i(0), &i(77), b"x\0"])
            .ends_with("dirfd=77 name=x(<UNKNOWN>x) ")
    );
}

#[test]
fn duplicates() {
    let mut m = Machine::new();
    m.open(100, 3, "/a", 0x1001);
    m.event(100, types::SYSCALL_DUP_1_X, &[&i(4), &i(3)]);
    m.event(100, types::SYSCALL_DUP2_X, &[&i(1), &i(3), &i(1)]);
    m.event(
        100,
        types::SYSCALL_DUP3_X,
        &[&i(6), &i(3), &i(6), &u(0x1000)],
    );
    m.event(100, types::SYSCALL_FCNTL_X, &[&i(10), &i(3), &[26], &i(10)]);
    m.event(100, types::SYSCALL_FCNTL_X, &[&i(11), &i(3), &[1], &i(10)]);
    // Setting a flag and reading one make no fd.
    m.event(100, types::SYSCALL_FCNTL_X, &[&i(0), &i(4), &[3], &i(1)]);
    m.event(100, types::SYSCALL_FCNTL_X, &[&i(2), &i(3), &[2], &i(0)]);
    assert_eq!(m.fds(100), "1:f/a 3:f/a 4:f/a 6:f/a 10:f/a 11:f/a ");
    // Executing a program closes 3, 6, 10 (made so) and 4 (set so).
    assert!(m.exec(100, "cat").starts_with("res=0 exe=cat "));
    assert_eq!(m.fds(100), "1:f/a 11:f/a ");
    let thread = m.state.thread(Tid(100)).unwrap();
    assert_eq!(thread.comm.as_deref(), Some(&b"cat"[..]));
    assert_eq!(thread.exepath.as_deref(), Some(&b"/usr/bin/x"[..]));
}

#[test]
fn ranges_of_fds() {
    let mut m = Machine::new();
    for fd in 3..9 {
        m.open(100, fd, "/a", 0);
    }
    let range = |m: &mut Machine, first, last, flags| {
        m.event(
            100,
            types::SYSCALL_CLOSE_RANGE_X,
            &[&i(0), &u(first), &u(last), &u(flags)],
        );
    };
    range(&mut m, 7, u32::MAX, 0);
    range(&mut m, 3, 3, 4);
    assert_eq!(m.fds(100), "3:f/a 4:f/a 5:f/a 6:f/a ");
    m.exec(100, "x");
    assert_eq!(m.fds(100), "4:f/a 5:f/a 6:f/a ");
    range(&mut m, 6, 5, 0);
    range(&mut m, 6, 5, 4);
    m.close(100, 63);
    assert_eq!(m.fds(100), "4:f/a 5:f/a 6:f/a ");
}

#[test]
fn a_fork_copies_and_a_thread_shares() {
    let mut m = Machine::new();
    m.open(100, 3, "/a", 0);
    m.clone(100, 101, 0);
    m.clone(100, 102, THREAD);
    m.open(100, 4, "/b", 0);
    assert_eq!(m.fds(101), "3:f/a ");
    assert_eq!(m.fds(102), "3:f/a 4:f/b ");
    m.close(102, 3);
    m.event(102, types::SYSCALL_CHDIR_X, &[&i(0), b"/srv\0"]);
    assert_eq!((m.fds(100), m.fds(101)), ("4:f/b ".into(), "3:f/a ".into()));
    assert_eq!(m.state.cwd(Tid(100)), Some(&b"/srv"[..]));
    assert_eq!(m.state.cwd(Tid(101)), Some(&b"/home/alice"[..]));
    let thread = m.state.thread(Tid(102)).unwrap();
    assert_eq!((thread.pid, thread.uid), (Pid(100), 1000));
    let child = m.state.thread(Tid(101)).unwrap();
    assert_eq!((child.pid, child.ptid), (Pid(101), Tid(100)));
}

#[test]
fn the_childs_own_event_makes_it_too() {
    let mut m = Machine::new();
    m.open(100, 3, "/a", 0);
    // vfork: only the child tells, and the parent's event comes when it is over.
    let child = clone_params(0, 101, 101, 100, 0x0800_8000);
    m.event(101, types::SYSCALL_VFORK_20_X, &refs(&child));
    assert_eq!(m.fds(101), "3:f/a ");
    m.exec(101, "ls");
    let parent = clone_params(101, 100, 100, 1, 0x0800_8000);
    m.event(100, types::SYSCALL_VFORK_20_X, &refs(&parent));
    let thread = m.state.thread(Tid(101)).unwrap();
    assert_eq!(thread.comm.as_deref(), Some(&b"ls"[..]));
    // Parent first: the child's event changes nothing any more.
    m.clone(100, 103, 0);
    m.open(103, 7, "/b", 0);
    let child = clone_params(0, 103, 103, 100, 0);
    m.event(103, types::SYSCALL_CLONE_20_X, &refs(&child));
    assert_eq!(m.fds(103), "3:f/a 7:f/b ");
}

/// In a pid namespace the number that a maker is told is not the child's.
#[test]
fn made_in_a_pid_namespace() {
    let (mut m, begin) = (Machine::new(), 5_u64.to_le_bytes().to_vec());
    let clone = |m: &mut Machine, res, tid, ptid, vtid, begin: &[u8]| {
        let mut params = clone_params(res, tid, tid, ptid, 0);
        params[18] = i(vtid).to_vec();
        params[19] = i(vtid).to_vec();
        params[20] = begin.to_vec();
        m.event(tid, types::SYSCALL_CLONE_20_X, &refs(&params))
    };
    m.state.update_thread(Tid(100), |t| {
        (t.pgid, t.vpgid, t.pidns_start, t.vtid) = (90, 90, 1, 100);
    });
    m.open(100, 3, "/a", 0);
    // unshare --pid --fork: the parent outside, and the namespace's first process.
    clone(&mut m, 101, 100, 1, 100, &1_u64.to_le_bytes());
    clone(&mut m, 0, 101, 100, 1, &begin);
    let first = m.state.thread(Tid(101)).unwrap();
    assert_eq!((first.vtid, first.vpid, first.pidns_start), (1, 1, 5));
    assert_eq!((first.pgid, first.vpgid), (90, 0), "its group is outside");
    // A child whose maker is gone before it runs inherits from the maker, not from who adopted it.
    clone(&mut m, 0, 102, 101, 2, &begin);
    m.open(102, 4, "/b", 0);
    let said = clone(&mut m, 3, 102, 101, 2, &begin);
    assert!(
        said.starts_with("res=3 exe=") && said.contains("ptid=101(bash)"),
        "{said}"
    );
    m.event(
        102,
        types::PROCEXIT_1_E,
        &[&i(0), &i(0), &[0], &[0], &i(101)],
    );
    clone(&mut m, 0, 103, 101, 3, &begin);
    assert_eq!(m.fds(103), "3:f/a 4:f/b ");
    assert_eq!(m.state.thread(Tid(103)).unwrap().ptid, Tid(101));
    // In a session of its own the numbers are again those of its namespace.
    m.event(103, types::SYSCALL_SETSID_X, &[&i(3)]);
    let last = m.state.thread(Tid(103)).unwrap();
    assert_eq!((last.sid, last.pgid, last.vpgid), (103, 103, 3));
    // A number that another thread of the host has is not printed with that one's name.
    let said = m.event(103, types::SYSCALL_KILL_X, &[&i(0), &i(100), &[9]]);
    assert!(said.contains("pid=100 "), "{said}");
}

#[test]
fn a_reused_id_is_a_new_thread() {
    let mut m = Machine::new();
    m.clone(100, 101, 0);
    m.open(101, 3, "/old", 0);
    m.now += 60_000_000_000;
    m.clone(100, 101, 0);
    assert_eq!(m.fds(101), "");
}

#[test]
fn ends_of_threads() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.clone(100, 200, 0);
    m.clone(200, 300, 0);
    let exit = |m: &mut Machine, tid, pid, reaper| {
        m.event_of(
            tid,
            pid,
            types::PROCEXIT_1_E,
            &[&i(0), &i(0), &[0], &[0], &i(reaper)],
        )
    };
    m.open(101, 3, "/a", 0);
    // A main thread that ends before the others stays for them.
    exit(&mut m, 100, 100, 0);
    m.open(101, 4, "/b", 0);
    assert!(m.state.thread(Tid(100)).is_some());
    assert_eq!(m.fds(101), "3:f/a 4:f/b ");
    exit(&mut m, 101, 100, 0);
    m.open(200, 5, "/c", 0);
    assert!(m.state.thread(Tid(100)).is_none() && m.state.thread(Tid(101)).is_none());
    // Orphans go to the reaper, those of a thread to its process.
    m.clone(200, 201, THREAD);
    m.clone(201, 301, 0);
    exit(&mut m, 201, 200, 0);
    assert_eq!(m.state.thread(Tid(301)).unwrap().ptid, Tid(200));
    exit(&mut m, 301, 301, 0);
    exit(&mut m, 200, 200, 1);
    m.open(300, 3, "/a", 0);
    assert_eq!(m.state.thread(Tid(300)).unwrap().ptid, Tid(1));
    exit(&mut m, 300, 300, 1);
    m.state.remove_ended();
    assert_eq!(m.state.thread_count(), 0);
    assert_eq!((m.state.used.fds, m.state.used.text), (0, 0));
    assert!(m.state.threads.counts_are_zero());
}

#[test]
fn exec_in_a_thread_ends_the_others_and_unshares() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.clone(100, 200, 0x1);
    m.open(200, 3, "/shared", 0x1000);
    assert_eq!(m.fds(100), "3:f/shared ");
    m.exec(100, "new");
    assert!(m.state.thread(Tid(101)).is_none());
    assert_eq!(
        (m.fds(100), m.fds(200)),
        (String::new(), "3:f/shared ".into())
    );
}

#[test]
fn threads_never_seen_before() {
    let mut m = Machine::new();
    assert_eq!(
        m.open(999, 3, "rel", 1),
        "fd=3(<f>rel) dirfd=-100(AT_FDCWD) name=rel(rel) flags=1(O_RDONLY) mode=0 "
    );
    // Two threads of a process that nobody saw start have the same fds.
    m.event_of(501, 500, types::SYSCALL_DUP_1_X, &[&i(4), &i(3)]);
    m.event_of(
        502,
        500,
        types::SYSCALL_EVENTFD2_X,
        &[&i(7), &[0, 0], &i(0)],
    );
    assert_eq!((m.fds(501), m.fds(500)), ("7:e ".into(), "7:e ".into()));
}

fn v4(ip: [u8; 4], port: u16) -> Vec<u8> {
    [&ip[..], &port.to_le_bytes()].concat()
}

fn tuple(source: u16, destination: u16) -> Vec<u8> {
    [
        &[2][..],
        &v4([10, 0, 0, 1], source),
        &v4([10, 0, 0, 2], destination),
    ]
    .concat()
}

fn socket(m: &mut Machine, fd: i64, domain: u32, ty: u32) -> String {
    m.event(
        100,
        types::SOCKET_SOCKET_X,
        &[&i(fd), &u(domain), &u(ty), &u(0)],
    )
}

#[test]
fn clients_and_servers() {
    let mut m = Machine::new();
    assert!(socket(&mut m, 3, 2, 1).starts_with("fd=3(<4>) "));
    assert_eq!(
        m.event(
            100,
            types::SOCKET_CONNECT_X,
            &[&i(-115), &tuple(4000, 80), &i(3)]
        ),
        "res=-115(EINPROGRESS) tuple=10.0.0.1:4000->10.0.0.2:80 \
         fd=3(<4t>10.0.0.1:4000->10.0.0.2:80) "
    );
    socket(&mut m, 4, 2, 1);
    m.event(
        100,
        types::SOCKET_CONNECT_X,
        &[&i(-111), &tuple(4001, 80), &i(4)],
    );
    let server = [&[2][..], &v4([0; 4], 8080)].concat();
    socket(&mut m, 5, 2, 1);
    m.event(100, types::SOCKET_BIND_X, &[&i(0), &server, &i(5)]);
    m.event(100, types::SOCKET_ACCEPT_5_X, &[&i(6), &tuple(4002, 8080)]);
    m.event(100, types::SOCKET_SOCKETPAIR_X, &[&i(0), &i(7), &i(8)]);
    assert_eq!(
        m.fds(100),
        "3:410.0.0.1:4000->10.0.0.2:80 4:4 5:40.0.0.0:8080 \
         6:410.0.0.1:4002->10.0.0.2:8080 7:u 8:u "
    );
    assert_eq!(m.state.fd(Tid(100), 6).unwrap().role, Role::Server);
}

#[test]
fn an_unix_path_of_a_connection() {
    let mut m = Machine::new();
    socket(&mut m, 3, 1, 1);
    let path = [&[1][..], &i(0), &i(0xab), b"/run/\x1bx\0"].concat();
    let line = m.event(100, types::SOCKET_CONNECT_X, &[&i(0), &path, &i(3)]);
    assert!(line.ends_with("fd=3(<u>0->ab /run/\\x1bx) "), "{line}");
}

#[test]
fn datagrams_keep_client_and_server_apart() {
    let mut m = Machine::new();
    socket(&mut m, 3, 2, 2);
    m.event(
        100,
        types::SOCKET_SENDTO_X,
        &[&i(5), b"query", &i(3), &u(5), &tuple(40_000, 53)],
    );
    assert_eq!(m.fds(100), "3:410.0.0.1:40000->10.0.0.2:53 ");
    // The answer comes from the server: its source is the server's end.
    let answer = [&[2][..], &v4([10, 0, 0, 2], 53), &v4([10, 0, 0, 1], 40_000)].concat();
    m.event(
        100,
        types::SOCKET_RECVFROM_X,
        &[&i(5), b"reply", &answer, &i(3), &u(5)],
    );
    assert_eq!(m.fds(100), "3:410.0.0.1:40000->10.0.0.2:53 ");
    assert_eq!(m.state.fd(Tid(100), 3).unwrap().role, Role::Client);
}

#[test]
fn fds_of_every_kind() {
    let mut m = Machine::new();
    m.event(
        100,
        types::SYSCALL_PIPE2_X,
        &[&i(0), &i(3), &i(4), &i(9), &u(0)],
    );
    m.event(100, types::SYSCALL_EVENTFD_X, &[&i(5)]);
    m.event(100, types::SYSCALL_SIGNALFD4_X, &[&i(6)]);
    m.event(100, types::SYSCALL_TIMERFD_CREATE_X, &[&i(7)]);
    m.event(100, types::SYSCALL_INOTIFY_INIT1_X, &[&i(8)]);
    m.event(100, types::SYSCALL_EPOLL_CREATE1_X, &[&i(9), &u(1)]);
    m.event(100, types::SYSCALL_USERFAULTFD_X, &[&i(10)]);
    m.event(100, types::SYSCALL_IO_URING_SETUP_X, &[&i(11)]);
    m.event(
        100,
        types::SYSCALL_MEMFD_CREATE_X,
        &[&i(12), b"jit\0", &u(1)],
    );
    m.event(100, types::SYSCALL_PIDFD_OPEN_X, &[&i(13), &i(100), &u(0)]);
    m.event(100, types::SYSCALL_BPF_2_X, &[&i(14), &u(5)]);
    m.event(100, types::SYSCALL_BPF_2_X, &[&i(15), &u(1)]);
    m.event(
        100,
        types::SYSCALL_PIDFD_GETFD_X,
        &[&i(16), &i(13), &i(12), &u(0)],
    );
    let perf = scap_capture_format::schema::syscall::by_name("perf_event_open").unwrap();
    m.event(
        100,
        types::GENERIC_X,
        &[&perf.ppm_sc.to_le_bytes(), &[42, 1], &i(17)],
    );
    assert_eq!(
        m.fds(100),
        "3:p 4:p 5:e 6:s 7:t 8:i 9:l 10:u 11:r 12:mjit 13:P 14:b 16:mjit \
         17:Xanon_inode:[perf_event] "
    );
}

#[test]
fn names_and_owners() {
    let mut m = Machine::new();
    m.event(
        100,
        types::SYSCALL_PRCTL_X,
        &[&i(0), &u(15), b"a-name-longer-than-the-kernels\0", &i(0)],
    );
    let thread = m.state.thread(Tid(100)).unwrap();
    assert_eq!(thread.comm.as_deref(), Some(&b"a-name-longer-t"[..]));
    assert_eq!(
        m.event(100, types::SYSCALL_SETUID_X, &[&i(0), &u(1000)]),
        "res=0 uid=1000(alice) "
    );
    m.event(
        100,
        types::SYSCALL_SETRESUID_X,
        &[&i(0), &u(0), &u(u32::MAX), &u(0)],
    );
    m.event(
        100,
        types::SYSCALL_SETRESGID_X,
        &[&i(-1), &u(0), &u(5), &u(0)],
    );
    let thread = m.state.thread(Tid(100)).unwrap();
    assert_eq!((thread.uid, thread.gid), (1000, u32::MAX));
}

#[test]
fn a_call_in_flight_changes_nothing() {
    let mut m = Machine::new();
    let lens = [8_u32, 8];
    let bytes = [i(0), i(3)].concat();
    m.open(100, 3, "/a", 0);
    let event = Event {
        num: EventNum(1),
        ts: Timestamp(m.now),
        tid: Tid(100),
        pid: Pid(100),
        cpu: 0,
        ty: types::SYSCALL_CLOSE_X,
        latency: None,
        flags: EventFlags::IN_FLIGHT,
        params: Params::new(&lens, &bytes).unwrap(),
    };
    m.state.apply(&event);
    m.state.apply(&event);
    assert_eq!(m.fds(100), "3:f/a ");
}

#[test]
fn hostile_numbers_are_not_believed() {
    let mut m = Machine::new();
    m.open(100, i64::MAX, "/a", 0);
    m.open(100, limits::FD_NUMBER + 1, "/a", 0);
    assert_eq!(m.state.used.fds, 0);
    for number in 0..460 {
        for fill in [0_u8, 1, 0x7f, 0xff] {
            let param = [fill; 24];
            for len in [0, 1, 4, 8, 24] {
                m.event(100, EventType(number), &[&param[..len]; 32]);
                m.event(i64::MIN, EventType(number), &[&param[..len]; 32]);
            }
        }
    }
}

#[test]
fn forks_without_end_stay_in_bounds() {
    let mut m = Machine::new();
    for fd in 0..100 {
        m.open(100, fd, "/a/long/name", 0);
    }
    // A table that nobody changes is not copied.
    for child in 1000..3000 {
        m.clone(100, child, 0);
    }
    assert_eq!(m.state.used.fds, 100);
    m.open(1000, 5, "/b", 0);
    assert_eq!(m.state.used.fds, 200);
    assert_eq!(m.state.thread_count(), 2001);
}

mod snapshots {
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
        // A thread before its process: the order in a snapshot means nothing.
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
}
