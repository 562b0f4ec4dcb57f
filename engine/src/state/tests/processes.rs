//! Threads: creation, sharing, exit.

use super::*;

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
    // vfork: only the child's event has its id, and the parent's event comes when the child has executed a program.
    let child = clone_params(0, 101, 101, 100, 0x0800_8000);
    m.event(101, types::SYSCALL_VFORK_20_X, &refs(&child));
    assert_eq!(m.fds(101), "3:f/a ");
    m.exec(101, "ls");
    let parent = clone_params(101, 100, 100, 1, 0x0800_8000);
    m.event(100, types::SYSCALL_VFORK_20_X, &refs(&parent));
    let thread = m.state.thread(Tid(101)).unwrap();
    assert_eq!(thread.comm.as_deref(), Some(&b"ls"[..]));
    // Parent first: the child's event then changes nothing.
    m.clone(100, 103, 0);
    m.open(103, 7, "/b", 0);
    let child = clone_params(0, 103, 103, 100, 0);
    m.event(103, types::SYSCALL_CLONE_20_X, &refs(&child));
    assert_eq!(m.fds(103), "3:f/a 7:f/b ");
}

/// In a pid namespace, the id returned to the creator is not the child's.
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
    // A child whose creator ends before it runs inherits from the creator, not from the process that adopted it.
    clone(&mut m, 0, 102, 101, 2, &begin);
    m.open(102, 4, "/b", 0);
    let printed = clone(&mut m, 3, 102, 101, 2, &begin);
    assert!(
        printed.starts_with("res=3 exe=") && printed.contains("ptid=101(bash)"),
        "{printed}"
    );
    clone(&mut m, 4, 102, 101, 2, &begin);
    // A snapshot would not have the child, and waits for its first event, but not longer than that can take.
    let now = m.now;
    assert!(m.state.awaits_threads(now) && m.state.awaits_threads(now + 2_000_000_000));
    assert!(!m.state.awaits_threads(now + 3_000_000_000));
    m.event(
        102,
        types::PROCEXIT_1_E,
        &[&i(0), &i(0), &[0], &[0], &i(101)],
    );
    clone(&mut m, 0, 103, 101, 3, &begin);
    assert_eq!(m.fds(103), "3:f/a 4:f/b ");
    assert_eq!(m.state.thread(Tid(103)).unwrap().ptid, Tid(101));
    // The exit of a process is recorded before its children are adopted: this one still named its creator.
    clone(&mut m, 0, 104, 102, 4, &begin);
    assert_eq!(m.state.thread(Tid(104)).unwrap().ptid, Tid(101));
    assert!(!m.state.awaits_threads(now));
    // The child's event first, as often: nothing is awaited, and the fds are those at its creation.
    clone(&mut m, 0, 105, 103, 5, &begin);
    m.open(103, 5, "/c", 0);
    clone(&mut m, 5, 103, 101, 3, &begin);
    assert!(!m.state.awaits_threads(now));
    assert_eq!(m.fds(105), "3:f/a 4:f/b ");
    // One of another namespace with the same id there is another one.
    clone(&mut m, 0, 106, 103, 6, &7_u64.to_le_bytes());
    clone(&mut m, 6, 103, 101, 3, &begin);
    assert!(m.state.awaits_threads(m.now));
    clone(&mut m, 0, 107, 103, 6, &begin);
    assert!(!m.state.awaits_threads(m.now));
    // In a session of its own, the ids are again those of its namespace.
    m.event(103, types::SYSCALL_SETSID_X, &[&i(3)]);
    let last = m.state.thread(Tid(103)).unwrap();
    assert_eq!((last.sid, last.pgid, last.vpgid), (103, 103, 3));
    // An id that is also one of another thread on the host is not printed with that thread's name.
    let printed = m.event(103, types::SYSCALL_KILL_X, &[&i(0), &i(100), &[9]]);
    assert!(printed.contains("pid=100 "), "{printed}");
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
    m.nothing_is_left();
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
    // Two threads of a process whose start was not recorded have the same fds.
    m.event_of(501, 500, types::SYSCALL_DUP_1_X, &[&i(4), &i(3)]);
    m.event_of(
        502,
        500,
        types::SYSCALL_EVENTFD2_X,
        &[&i(7), &[0, 0], &i(0)],
    );
    assert_eq!((m.fds(501), m.fds(500)), ("7:e ".into(), "7:e ".into()));
}

#[test]
fn an_exec_that_failed_keeps_everything() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.open(100, 3, "/a", 0x1000);
    let before = m.state.snapshot();
    let (failed, tid) = (i(-2), i(100));
    let mut params: Vec<&[u8]> = vec![b""; 31];
    (params[0], params[3], params[4]) = (&failed, &tid, &tid);
    (params[1], params[13], params[27]) = (b"x\0", b"x\0", b"/x\0");
    m.event(100, types::SYSCALL_EXECVE_19_X, &params);
    m.event(100, types::SYSCALL_EXECVEAT_X, &params);
    assert_eq!(m.state.snapshot(), before);
}

#[test]
fn orphans_go_to_the_reaper_that_the_kernel_names() {
    let mut m = Machine::new();
    m.event(100, types::SYSCALL_PRCTL_X, &[&i(0), &u(36), b"\0", &i(1)]);
    assert!(m.state.thread(Tid(100)).unwrap().is_reaper);
    m.clone(100, 200, 0);
    assert!(!m.state.thread(Tid(200)).unwrap().is_reaper);
    m.clone(200, 300, 0);
    let exit = |reaper: i64| [i(0), i(0), [0; 8], [0; 8], i(reaper)];
    let end = exit(100);
    m.event(200, types::PROCEXIT_1_E, &end.each_ref().map(|p| &p[..]));
    assert_eq!(m.state.thread(Tid(300)).unwrap().ptid, Tid(100));
}

#[test]
fn orphans_of_threads_that_end_at_once_go_to_the_reaper() {
    for children_of_the_last in [false, true] {
        let mut m = Machine::new();
        m.clone(100, 200, 0);
        m.clone(200, 201, THREAD);
        m.clone(200, 202, THREAD);
        m.clone(202, 300, 0);
        let ends = match children_of_the_last {
            false => [(200, 0), (202, 100), (201, 0)],
            true => [(200, 0), (201, 0), (202, 100)],
        };
        for (tid, reaper) in ends {
            let (none, reaper) = (i(0), i(reaper));
            let params: [&[u8]; 5] = [&none, &none, &[0], &[0], &reaper];
            m.event_of(tid, 200, types::PROCEXIT_1_E, &params);
        }
        m.open(300, 3, "/a", 0);
        assert!(m.state.thread(Tid(200)).is_none());
        assert_eq!(m.state.thread(Tid(300)).unwrap().ptid, Tid(100));
    }
}

#[test]
fn an_exec_says_who_the_parent_is() {
    let mut m = Machine::new();
    m.clone(100, 200, 0);
    m.clone(200, 300, 0);
    let exec = |m: &mut Machine, parent: &[u8]| {
        let (zero, tid) = (i(0), i(300));
        let mut params: Vec<&[u8]> = vec![b""; 31];
        (params[0], params[1], params[3], params[4]) = (&zero, b"x\0", &tid, &tid);
        (params[5], params[13]) = (parent, b"x\0");
        m.event(300, types::SYSCALL_EXECVE_19_X, &params);
        m.state.thread(Tid(300)).unwrap().ptid
    };
    // The end of its parent was not recorded.
    assert_eq!(exec(&mut m, &i(100)), Tid(100));
    // Of a parent outside of the recorder's namespace nothing is known.
    assert_eq!(exec(&mut m, &i(0)), Tid(100));
    assert_eq!(exec(&mut m, b""), Tid(100));
    // The kernel names a parent that is about to be gone until the child has been adopted.
    assert_eq!(exec(&mut m, &i(200)), Tid(200));
    let (none, reaper) = (i(0), i(100));
    m.event(
        200,
        types::PROCEXIT_1_E,
        &[&none, &none, &[0], &[0], &reaper],
    );
    assert_eq!(exec(&mut m, &i(200)), Tid(100));
}

#[test]
fn limits_of_fds() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.clone(100, 200, 0);
    let limit = |m: &Machine, tid| m.state.thread(Tid(tid)).unwrap().fdlimit;
    m.event(
        100,
        types::SYSCALL_SETRLIMIT_X,
        &[&i(0), &i(512), &i(1024), &[7]],
    );
    assert_eq!((limit(&m, 100), limit(&m, 101)), (512, 512));
    assert_ne!(limit(&m, 200), 512);
    // Of another process, of another resource, and a read.
    let none = i(-1);
    for (soft, pid, resource) in [(64, 200, 7), (32, 100, 3), (-1, 100, 7)] {
        m.event(
            100,
            types::SYSCALL_PRLIMIT_X,
            &[&i(0), &i(soft), &none, &none, &none, &i(pid), &[resource]],
        );
    }
    assert_eq!((limit(&m, 100), limit(&m, 200)), (512, 64));
}
