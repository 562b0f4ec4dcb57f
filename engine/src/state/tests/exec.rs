//! Processes that continue under another id, and ids that are reused.

use super::*;

#[test]
fn a_thread_becomes_the_process() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.clone(100, 102, THREAD);
    m.open(100, 3, "/a", 0);
    // Thread 101 has a child, and executes a program: the kernel ends the others, and gives it their id.
    let child = clone_params(200, 101, 100, 1, 0);
    m.event_of(101, 100, types::SYSCALL_CLONE_20_X, &refs(&child));
    for tid in [102, 100] {
        let exit: [&[u8]; 5] = [&i(0), &i(0), &[0], &[0], b""];
        m.event_of(tid, 100, types::PROCEXIT_1_E, &exit);
    }
    m.exec(100, "new");
    assert_eq!(
        (m.state.thread_count(), m.state.threads_of(Pid(100))),
        (2, 1)
    );
    let thread = m.state.thread(Tid(100)).unwrap();
    assert!(!thread.dead);
    assert_eq!(thread.comm.as_deref(), Some(&b"new"[..]));
    assert_eq!(m.fds(100), "3:f/a ");
    assert_eq!(m.state.thread(Tid(200)).unwrap().ptid, Tid(100));
    // It ends like any other thread.
    for tid in [200, 100] {
        m.event(tid, types::PROCEXIT_1_E, &[&i(0), &i(0), &[0], &[0], &i(1)]);
    }
    m.nothing_is_left();
}

#[test]
fn a_new_process_with_the_id_of_an_old_one() {
    let mut m = Machine::new();
    m.clone(100, 200, 0);
    m.clone(200, 201, THREAD);
    m.open(201, 3, "/old", 0);
    // The event of its end was lost.
    m.now += 60_000_000_000;
    m.clone(100, 200, 0);
    assert_eq!(m.state.thread_count(), 2);
    assert_eq!(
        (m.state.threads_of(Pid(200)), m.fds(200)),
        (1, String::new())
    );
    assert!(m.state.thread(Tid(201)).is_none());
    let snapshot = m.state.snapshot();
    let mut again = State::new();
    again.restore(&snapshot);
    assert_eq!(again.snapshot(), snapshot);
}
