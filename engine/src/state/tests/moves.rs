//! The container of a thread, as its cgroups change.

use super::*;
use crate::event::async_event::{CGROUP_PROCS, CGROUP_THREADS};

const IN_DOCKER: &[u8] =
    b"cpuset=/\0memory=/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\0";

impl Machine {
    fn moved(&mut self, tid: i64, pid: i64, name: &[u8], cgroups: &[u8]) {
        let name = [name, b"\0"].concat();
        self.event_of(tid, pid, types::ASYNCEVENT_E, &[&u(0), &name, cgroups]);
    }

    fn container(&self, tid: i64) -> Option<&[u8]> {
        self.state.thread(Tid(tid))?.container.as_deref()
    }
}

#[test]
fn a_process_moves_with_all_its_threads() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.clone(100, 200, 0);
    m.moved(100, 100, CGROUP_PROCS, IN_DOCKER);
    assert_eq!(m.container(100), Some(&b"0123456789ab"[..]));
    assert_eq!(m.container(101), Some(&b"0123456789ab"[..]));
    assert_eq!(m.container(200), None);
    // Its children inherit the container.
    m.clone(101, 300, 0);
    assert_eq!(m.container(300), Some(&b"0123456789ab"[..]));
    m.moved(100, 100, CGROUP_PROCS, b"cpuset=/\0memory=/user.slice\0");
    assert_eq!((m.container(100), m.container(101)), (None, None));
    for tid in [101, 300, 200, 100] {
        m.event(tid, types::PROCEXIT_1_E, &[&i(0)]);
    }
    m.nothing_is_left();
}

#[test]
fn a_thread_moves_alone() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    m.moved(101, 100, CGROUP_THREADS, IN_DOCKER);
    assert_eq!(m.container(100), None);
    assert_eq!(m.container(101), Some(&b"0123456789ab"[..]));
    // An unknown thread, an event without a thread, and an unknown name.
    m.moved(900, 900, CGROUP_PROCS, IN_DOCKER);
    assert_eq!(m.container(900), Some(&b"0123456789ab"[..]));
    m.moved(-1, -1, CGROUP_PROCS, IN_DOCKER);
    m.moved(100, 100, b"cgroup.else", IN_DOCKER);
    assert_eq!(m.container(100), None);
}
