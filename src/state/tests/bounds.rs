//! Events that lie, and how much they can make the state hold.

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
    // A table that nobody changes is not copied.
    for child in 1000..3000 {
        m.clone(100, child, 0);
    }
    assert_eq!(m.state.used.fds, 100);
    m.open(1000, 5, "/b", 0);
    assert_eq!(m.state.used.fds, 200);
    assert_eq!(m.state.thread_count(), 2001);
}
