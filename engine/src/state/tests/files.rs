//! Fds that are not sockets, and their paths.

use super::*;

#[test]
fn a_file_from_open_to_close() {
    let mut m = Machine::new();
    assert_eq!(
        m.open(100, 3, "notes.txt", 1),
        "fd=3(<f>/home/alice/notes.txt) dirfd=-100(AT_FDCWD) \
         name=notes.txt(/home/alice/notes.txt) flags=1(O_RDONLY) mode=0 "
    );
    // The close itself still shows the name, later events do not.
    assert_eq!(m.close(100, 3), "res=0 fd=3(<f>/home/alice/notes.txt) ");
    assert_eq!(m.close(100, 3), "res=0 fd=3 ");
    // A close of an fd that was not open closes nothing.
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
    // Setting and reading a flag create no fd.
    m.event(100, types::SYSCALL_FCNTL_X, &[&i(0), &i(4), &[3], &i(1)]);
    m.event(100, types::SYSCALL_FCNTL_X, &[&i(2), &i(3), &[2], &i(0)]);
    assert_eq!(m.fds(100), "1:f/a 3:f/a 4:f/a 6:f/a 10:f/a 11:f/a ");
    // Executing a program closes 3, 6, 10 (opened close-on-exec) and 4 (set later).
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

/// After a change to an unknown directory, the old one would be wrong.
#[test]
fn directories_nobody_saw() {
    let mut m = Machine::new();
    m.event(100, types::SYSCALL_FCHDIR_X, &[&i(-9), &i(7)]);
    assert_eq!(m.state.cwd(Tid(100)), Some(&b"/home/alice"[..]));
    m.event(100, types::SYSCALL_FCHDIR_X, &[&i(0), &i(7)]);
    assert_eq!(m.state.cwd(Tid(100)), None);
    m.open(100, 3, "x", 0);
    assert_eq!(m.fds(100), "3:fx ");
    m.event(100, types::SYSCALL_CHDIR_X, &[&i(0), b"/srv\0"]);
    m.open(100, 4, "x", 0);
    assert_eq!(m.fds(100), "3:fx 4:f/srv/x ");
}

#[test]
fn a_new_root_is_relative_to_the_directory_that_is() {
    let mut m = Machine::new();
    let before = m.state.cwd(Tid(100)).map(<[u8]>::to_vec);
    m.event(100, types::SYSCALL_CHDIR_X, &[&i(0), b"/work\0"]);
    assert_ne!(before.as_deref(), Some(&b"/work"[..]));
    m.event(100, types::SYSCALL_CHROOT_X, &[&i(0), b"jail\0"]);
    // The call itself is shown with the directory that it began in, as are those after it.
    assert_eq!(m.state.base(Tid(100)), Some(&b"/work"[..]));
    assert_eq!(m.state.root(Tid(100)), Some(&b"/work/jail"[..]));
    m.open(100, 5, "x", 0);
    assert_eq!(&*m.state.fd(Tid(100), 5).unwrap().name, b"/work/x");
}

#[test]
fn a_path_in_a_root_begins_there() {
    let mut m = Machine::new();
    m.open(100, 5, "/jail", 0x400);
    let mut opened = |path: &[u8], resolve: u32| {
        let params: [&[u8]; 6] = [&i(6), &i(5), path, &u(1), &u(0), &u(resolve)];
        m.event(100, types::SYSCALL_OPENAT2_X, &params);
        let name = m.state.fd(Tid(100), 6).unwrap().name.clone();
        String::from_utf8(name.to_vec()).unwrap()
    };
    assert_eq!(opened(b"/etc/passwd\0", 2), "/jail/etc/passwd");
    assert_eq!(opened(b"../../etc/passwd\0", 2), "/jail/etc/passwd");
    assert_eq!(opened(b"x/../y\0", 2), "/jail/y");
    assert_eq!(opened(b"/etc/passwd\0", 8), "/etc/passwd");
    assert_eq!(opened(b"etc/passwd\0", 1), "/jail/etc/passwd");
}
