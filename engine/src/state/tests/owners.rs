//! Names, users and their capabilities, namespaces, and shared or received fds.

use super::*;

const SETPCAP: u64 = 1 << 8;

/// Root with some capabilities.
fn root() -> Machine {
    let mut m = Machine::new();
    m.state.update_thread(Tid(100), |t| {
        (t.uid, t.caps) = (0, Some([0, SETPCAP, SETPCAP]));
    });
    m
}

fn caps(m: &Machine) -> [u64; 3] {
    m.state.thread(Tid(100)).unwrap().caps.unwrap()
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
fn capabilities_go_with_the_user() {
    let mut m = root();
    // Effective capabilities change with the effective user, in both directions.
    let keep = u(u32::MAX);
    let seteuid = |m: &mut Machine, uid: u32| {
        m.event(
            100,
            types::SYSCALL_SETRESUID_X,
            &[&i(0), &keep, &u(uid), &keep],
        );
        (m.state.thread(Tid(100)).unwrap().uid, caps(m))
    };
    assert_eq!(seteuid(&mut m, 1000), (1000, [0, SETPCAP, 0]));
    assert_eq!(seteuid(&mut m, 0), (0, [0, SETPCAP, SETPCAP]));
    // A call that failed changes nothing.
    m.event(100, types::SYSCALL_SETUID_X, &[&i(-1), &u(1000)]);
    assert_eq!(caps(&m), [0, SETPCAP, SETPCAP]);
    // All capabilities are lost with all user ids.
    m.event(100, types::SYSCALL_SETUID_X, &[&i(0), &u(1000)]);
    assert_eq!(caps(&m), [0; 3]);
    m.event(
        100,
        types::SYSCALL_CAPSET_X,
        &[&i(0), &[1; 8], &[2; 8], &[3; 8]],
    );
    assert_eq!(caps(&m), [1, 2, 3].map(|b| u64::from_le_bytes([b; 8])));
}

#[test]
fn a_thread_can_keep_capabilities() {
    let mut m = root();
    m.event(100, types::SYSCALL_PRCTL_X, &[&i(0), &u(8), b"\0", &i(1)]);
    m.event(100, types::SYSCALL_SETREUID_X, &[&i(0), &u(1000), &u(1000)]);
    assert_eq!(caps(&m), [0, SETPCAP, 0]);
}

#[test]
fn namespaces() {
    let mut m = Machine::new();
    m.clone(100, 101, THREAD);
    // CLONE_NEWUSER: all capabilities, and directories of its own.
    m.event_of(101, 100, types::SYSCALL_UNSHARE_X, &[&i(0), &u(0x10_0000)]);
    let all = m.state.thread(Tid(101)).unwrap().caps.unwrap();
    assert_eq!(all[1..], [(1 << 41) - 1; 2]);
    m.event_of(101, 100, types::SYSCALL_CHDIR_X, &[&i(0), b"/var\0"]);
    assert_eq!(m.state.cwd(Tid(101)), Some(&b"/var"[..]));
    assert_eq!(m.state.cwd(Tid(100)), Some(&b"/home/alice"[..]));
    // A mount namespace is entered at its root.
    m.open(100, 3, "/proc/7/ns/mnt", 0);
    m.event(100, types::SYSCALL_SETNS_X, &[&i(0), &i(3), &u(0)]);
    assert_eq!(m.state.cwd(Tid(100)), Some(&b"/"[..]));
}

#[test]
fn fds_that_came_through_a_socket() {
    let mut m = Machine::new();
    m.open(100, 5, "/stale", 0);
    let mut control = 24_u64.to_le_bytes().to_vec();
    for word in [1, 1, 5, 6_u32] {
        control.extend_from_slice(&word.to_le_bytes());
    }
    let receive = |m: &mut Machine, control: &[u8]| {
        m.event(
            100,
            types::SOCKET_RECVMSG_X,
            &[&i(1), &u(1), b"x", b"", control, &i(9)],
        )
    };
    receive(&mut m, &control);
    // Their kind is unknown.
    assert_eq!(m.fds(100), "5:o 6:o ");
    // For any length.
    for len in [0, 1, 15, 17, 25, 1 << 40, u64::MAX] {
        let mut wrong = u64::to_le_bytes(len).to_vec();
        wrong.extend_from_slice(&control[8..]);
        receive(&mut m, &wrong);
    }
    for cut in 0..control.len() {
        receive(&mut m, &control[..cut]);
    }
    assert_eq!(m.fds(100), "5:o 6:o ");
}

#[test]
fn a_timer_that_is_closed_by_exec() {
    let mut m = Machine::new();
    m.event(100, types::SYSCALL_TIMERFD_CREATE_X, &[&i(3), &[1], &[1]]);
    m.event(
        100,
        types::SYSCALL_TIMERFD_CREATE_X,
        &[&i(4), &[1], &[0x40]],
    );
    m.exec(100, "ls");
    m.open(100, 9, "/a", 0);
    assert_eq!(m.fds(100), "4:t 9:f/a ");
}
