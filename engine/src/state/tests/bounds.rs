//! Inconsistent events, and limits of the state's size.

use super::*;

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
    // A table is not copied until it is changed.
    for child in 1000..3000 {
        m.clone(100, child, 0);
    }
    assert_eq!(m.state.used.fds, 100);
    m.open(1000, 5, "/b", 0);
    assert_eq!(m.state.used.fds, 200);
    assert_eq!(m.state.thread_count(), 2001);
}

/// A clone in the child's own event.
fn child_of(m: &mut Machine, child: i64, parent: i64) {
    let params = clone_params(0, child, child, parent, 0);
    m.event(child, types::SYSCALL_CLONE_20_X, &refs(&params));
}

fn ancestors(m: &Machine, tid: i64) -> usize {
    let bytes = i(0);
    let event = Event {
        num: EventNum(1),
        ts: Timestamp(m.now),
        tid: Tid(tid),
        pid: Pid(tid),
        cpu: 0,
        ty: types::SYSCALL_SETSID_X,
        latency: None,
        flags: EventFlags::empty(),
        params: Params::new(&[8], &bytes).unwrap(),
    };
    m.state.view(&event).ancestors().count()
}

#[test]
fn parents_in_a_circle_come_to_an_end() {
    let mut m = Machine::new();
    child_of(&mut m, 7, 7);
    assert_eq!(ancestors(&m, 7), 1);
    for n in 0..10 {
        child_of(&mut m, 20 + n, 20 + (n + 1) % 10);
    }
    assert!((10..30).contains(&ancestors(&m, 20)));
    child_of(&mut m, 40, 41);
    child_of(&mut m, 41, 40);
    assert!(ancestors(&m, 40) < 6);
    // Any thread may end, with any reaper.
    for (tid, reaper) in [(7, 7), (20, 20), (21, 25), (25, 21), (22, i64::MAX)] {
        let reaper = i(reaper);
        m.event(
            tid,
            types::PROCEXIT_1_E,
            &[&i(0), &i(0), &[0], &[0], &reaper],
        );
    }
    for n in 0..10 {
        m.event(20 + n, types::PROCEXIT_1_E, &[&i(0)[..]; 5]);
    }
    for tid in [40, 41, 100] {
        m.event(tid, types::PROCEXIT_1_E, &[&i(0)[..]; 5]);
    }
    m.nothing_is_left();
}

/// Two processes that each claim the other one's main thread as their own.
#[test]
fn a_thread_of_a_process_that_is_a_thread() {
    let mut m = Machine::new();
    for (tid, pid) in [(7, 8), (8, 7), (7, 8)] {
        let params = clone_params(0, tid, pid, 1, THREAD);
        m.event_of(tid, pid, types::SYSCALL_CLONE_20_X, &refs(&params));
    }
    m.open(7, 3, "/a", 0);
    m.exec(7, "x");
    m.exec(8, "y");
    for tid in [7, 8, 7, 8, 100] {
        m.event(tid, types::PROCEXIT_1_E, &[&i(0)[..]; 5]);
    }
    m.nothing_is_left();
}

#[test]
fn long_texts_are_cut() {
    let mut m = Machine::new();
    let long = vec![b'x'; 1 << 20];
    let mut params: Vec<&[u8]> = vec![&long; 31];
    let (zero, tid) = (i(0), i(100));
    (params[0], params[3], params[4]) = (&zero, &tid, &tid);
    m.event(100, types::SYSCALL_EXECVE_19_X, &params);
    m.event(100, types::SYSCALL_CHDIR_X, &[&i(0), &long]);
    m.event(100, types::SYSCALL_CHROOT_X, &[&i(0), &long]);
    m.event(100, types::SYSCALL_MEMFD_CREATE_X, &[&i(3), &long, &u(0)]);
    let thread = m.state.thread(Tid(100)).unwrap();
    for (text, cap) in [
        (&thread.comm, limits::NAME),
        (&thread.exe, limits::NAME),
        (&thread.exepath, limits::NAME),
        (&thread.args, limits::LIST),
        (&thread.env, limits::LIST),
        (&thread.cgroups, limits::LIST),
    ] {
        assert!(text.as_ref().is_some_and(|t| t.len() <= cap));
    }
    assert_eq!(m.state.fd(Tid(100), 3).unwrap().name.len(), limits::NAME);
    assert_eq!(m.state.cwd(Tid(100)).map(<[u8]>::len), Some(limits::NAME));
    // The working directory and the one before it among them.
    let most = 7 * limits::NAME + 3 * limits::LIST;
    assert!(m.state.used.text <= most, "{}", m.state.used.text);
}

/// A text over the limit is unknown; the previous text is not shown in its place.
#[test]
fn text_beyond_the_cap_is_not_kept() {
    let mut m = Machine::new();
    m.open(100, 3, "/a", 0);
    let before = m.state.used.text;
    m.state.used.text = limits::TEXT;
    m.open(100, 3, "/b", 0);
    m.exec(100, "cat");
    let thread = m.state.thread(Tid(100)).unwrap();
    assert_eq!((&thread.comm, &thread.exepath), (&None, &None));
    assert_eq!(m.fds(100), "3:f ");
    // With room again, texts are stored as before.
    m.state.used.text -= limits::TEXT - before;
    m.open(100, 3, "/b", 0);
    m.exec(100, "cat");
    assert_eq!(m.fds(100), "3:f/b ");
    m.event(100, types::PROCEXIT_1_E, &[&i(0)[..]; 5]);
    m.state.remove_ended();
    assert_eq!((m.state.used.fds, m.state.used.text), (0, 0));
}
