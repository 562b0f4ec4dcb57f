//! Names and owners of threads.

use super::*;

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
