//! Every parameter type as it prints; where the type exists in sysdig 0.29.3, as that prints it.

use scap_capture_format::schema::{EventType, types};

use super::*;
use crate::event::{EventNum, FdLabel, NoNames, Params, Pid, Tid, Timestamp};

/// A machine with a thread 100 `cat`, fd 3, user 1000 and the working directory `/tmp`.
struct Machine;

impl Names for Machine {
    fn comm(&self, tid: i64) -> Option<&[u8]> {
        (tid == 100).then_some(b"cat")
    }

    fn fd(&self, fd: i64) -> Option<FdLabel<'_>> {
        let label = |typechar, l4, name| FdLabel { typechar, l4, name };
        match fd {
            3 => Some(label(b'f', None, b"/etc/passwd")),
            4 => Some(label(b'4', Some(b't'), b"10.0.0.1:1->10.0.0.2:2")),
            5 => Some(label(b'e', None, b"")),
            6 => Some(label(b'f', None, b"/tmp/\x1b[2J")),
            _ => None,
        }
    }

    fn user(&self, uid: u32) -> Option<&[u8]> {
        (uid == 1000).then_some(b"alice")
    }

    fn group(&self, gid: u32) -> Option<&[u8]> {
        (gid == 1000).then_some(b"users")
    }

    fn resolve_path(&self, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) -> bool {
        if path.starts_with(b"/") {
            return false;
        }
        let base: &[u8] = match dirfd {
            Some(3) => b"/dir/",
            _ => b"/tmp/",
        };
        out.extend_from_slice(base);
        out.extend_from_slice(path);
        true
    }
}

fn with_event<T>(
    ty: EventType,
    flags: EventFlags,
    params: &[&[u8]],
    f: impl Fn(&Event<'_>) -> T,
) -> T {
    let lens: Vec<u32> = params
        .iter()
        .map(|p| u32::try_from(p.len()).unwrap())
        .collect();
    f(&Event {
        num: EventNum(1),
        ts: Timestamp(u64::MAX),
        tid: Tid(100),
        pid: Pid(100),
        cpu: 0,
        ty,
        latency: None,
        flags,
        params: Params::new(&lens, &params.concat()).unwrap(),
    })
}

fn shown(ty: EventType, flags: EventFlags, params: &[&[u8]]) -> String {
    with_event(ty, flags, params, |event| {
        let mut out = Vec::new();
        Renderer::new(BufferFormat::Dots, Some(Arch::X86_64)).info(&mut out, event, &Machine);
        String::from_utf8(out).unwrap()
    })
}

fn args(ty: EventType, params: &[&[u8]]) -> String {
    shown(ty, EventFlags::empty(), params)
}

fn i64b(v: i64) -> [u8; 8] {
    v.to_le_bytes()
}

fn u64b(v: u64) -> [u8; 8] {
    v.to_le_bytes()
}

fn u32b(v: u32) -> [u8; 4] {
    v.to_le_bytes()
}

// Where an event type exists in sysdig 0.29.3, the expected texts are what it prints.

#[test]
fn an_open() {
    let p = |fd: i64, dir: i64, name: &[u8], flags: u32, mode: u32| {
        args(
            types::SYSCALL_OPENAT_2_X,
            &[
                &i64b(fd),
                &i64b(dir),
                name,
                &u32b(flags),
                &u32b(mode),
                &u32b(0x801),
                &u64b(42),
            ],
        )
    };
    assert_eq!(
        p(3, -100, b"/etc/passwd\0", 4097, 0),
        "fd=3(<f>/etc/passwd) dirfd=-100(AT_FDCWD) name=/etc/passwd \
         flags=4097(O_RDONLY|O_CLOEXEC) mode=0 dev=801 ino=42 "
    );
    assert_eq!(
        p(-2, 3, b"x\0", 0, 0o755),
        "fd=-2(ENOENT) dirfd=3(<f>/etc/passwd) name=x(/dir/x) flags=0(O_NONE) mode=0755 \
         dev=801 ino=42 "
    );
    assert_eq!(
        p(-999, 77, b"\0", 1 << 31, 0o100_644),
        "fd=-999 dirfd=77 name=(/tmp/) flags=2147483648(0x80000000) mode=0100644 dev=801 ino=42 "
    );
}

#[test]
fn hostile_text_is_escaped_everywhere() {
    let text = args(
        types::SYSCALL_OPENAT_2_X,
        &[&i64b(6), &i64b(-100), b"a\x1b]0;x\x07\n\xff\xe2\x80\xae\0"],
    );
    assert_eq!(
        text,
        "fd=6(<f>/tmp/\\x1b[2J) dirfd=-100(AT_FDCWD) \
         name=a\\x1b]0;x\\x07\\n\\xff\\u{202e}(/tmp/a\\x1b]0;x\\x07\\n\\xff\\u{202e}) "
    );
    assert!(!text.chars().any(char::is_control));
}

#[test]
fn results_fds_and_errors() {
    let close = |res, fd: &[u8]| args(types::SYSCALL_CLOSE_X, &[&i64b(res), fd]);
    assert_eq!(
        close(0, &i64b(4)),
        "res=0 fd=4(<4t>10.0.0.1:1->10.0.0.2:2) "
    );
    assert_eq!(close(-9, &i64b(-1)), "res=-9(EBADF) fd=-1 ");
    assert_eq!(close(0, &i64b(5)), "res=0 fd=5(<e>) ");
    assert_eq!(close(0, b""), "res=0 fd=<NA> ");
    assert_eq!(close(0, b"\x01\x02"), "res=0 fd=<invalid: 2 bytes> ");
    let mmap = |res| args(types::SYSCALL_MMAP_X, &[&i64b(res)]);
    assert_eq!(mmap(0x7FAD_4878_2000), "res=7FAD48782000 ");
    assert_eq!(mmap(-12), "res=-12(ENOMEM) ");
}

#[test]
fn numbers_in_their_formats() {
    assert_eq!(
        args(
            types::SYSCALL_IOCTL_3_X,
            &[&i64b(-25), &i64b(3), &u64b(0x5401), &u64b(0x7FFD_FC08_50D0)]
        ),
        "res=-25(ENOTTY) fd=3(<f>/etc/passwd) request=5401 argument=7FFDFC0850D0 "
    );
    assert_eq!(
        args(
            types::SYSCALL_SEMOP_X,
            &[&i64b(0), &u32b(1), &[3, 0], &[0xfe, 0xff], &[0, 0]]
        ),
        "res=0 nsops=1 sem_num_0=3 sem_op_0=-2 sem_flg_0=0 "
    );
    assert_eq!(
        args(
            types::SOCKET_LISTEN_X,
            &[&i64b(0), &i64b(7), &u32b(u32::MAX)]
        ),
        "res=0 fd=7 backlog=-1 "
    );
    assert_eq!(
        args(
            types::SYSCALL_SETRLIMIT_X,
            &[&i64b(0), &i64b(-1), &i64b(5), &[7]]
        ),
        "res=0 cur=-1 max=5 resource=7(RLIMIT_NOFILE) "
    );
    assert_eq!(
        args(types::SYSCALL_SEMGET_X, &[&i64b(3), &u32b(u32::MAX)]),
        "res=3 key=FFFFFFFF "
    );
}

#[test]
fn intervals_and_times() {
    let sleep = |ns| args(types::SYSCALL_NANOSLEEP_X, &[&i64b(-4), &u64b(ns)]);
    assert_eq!(
        sleep(1_000_000_000),
        "res=-4(EINTR) interval=1000000000(1s) "
    );
    assert_eq!(sleep(1_500_000), "res=-4(EINTR) interval=1500000(0.0015s) ");
    assert_eq!(sleep(0), "res=-4(EINTR) interval=0(0s) ");
    assert_eq!(sleep(u64::MAX), "res=-4(EINTR) interval=none ");
}

#[test]
fn pids_signals_and_owners() {
    let kill = |pid, sig| args(types::SYSCALL_KILL_X, &[&i64b(0), &i64b(pid), &[sig]]);
    assert_eq!(kill(100, 9), "res=0 pid=100(cat) sig=9(SIGKILL) ");
    assert_eq!(kill(5, 0), "res=0 pid=5 sig=0 ");
    assert_eq!(kill(-1, 64), "res=0 pid=-1 sig=64 ");
    let uid = |id| args(types::SYSCALL_SETUID_X, &[&i64b(0), &u32b(id)]);
    assert_eq!(uid(1000), "res=0 uid=1000(alice) ");
    assert_eq!(uid(4242), "res=0 uid=4242(<NA>) ");
    assert_eq!(uid(u32::MAX), "res=0 uid=-1(<NONE>) ");
    let gid = |id| args(types::SYSCALL_SETGID_X, &[&i64b(0), &u32b(id)]);
    assert_eq!(gid(1000), "res=0 gid=1000(users) ");
}

#[test]
fn modes_and_enumerations() {
    assert_eq!(
        args(types::SYSCALL_CHMOD_X, &[&i64b(0), b"f\0", &u32b(0o644)]),
        "res=0 filename=f(/tmp/f) mode=0644(S_IROTH|S_IRGRP|S_IWUSR|S_IRUSR) "
    );
    assert_eq!(
        args(
            types::SYSCALL_LSEEK_X,
            &[&i64b(5), &i64b(3), &u64b(7), &[1]]
        ),
        "res=5 fd=3(<f>/etc/passwd) offset=7 whence=1(SEEK_CUR) "
    );
}

#[test]
fn what_was_cut_is_marked_where_it_was_cut() {
    let rename = |old: &[u8], flags| {
        let params: [&[u8]; 3] = [&i64b(-36), old, b"/b\0"];
        shown(types::SYSCALL_RENAME_X, flags, &params)
    };
    let names = "newpath=/b ";
    let cut = EventFlags::CUT_TEXT;
    assert!(rename(b"/a", cut).ends_with(&format!("oldpath=/a... {names}")));
    assert!(rename(b"/a\0", cut).ends_with(&format!("oldpath=/a {names}")));
    // Texts of other recorders can lack the NUL.
    assert!(rename(b"/a", EventFlags::empty()).ends_with(&format!("oldpath=/a {names}")));
    let name = |flags| shown(types::SYSCALL_MEMFD_CREATE_X, flags, &[&i64b(3), b"x\x1b"]);
    assert!(name(cut).contains("name=x\\x1b... "), "{}", name(cut));
    let write = |data: &[u8], flags, format| {
        let params: [&[u8]; 4] = [&i64b(100), data, &i64b(3), &u32b(100)];
        with_event(types::SYSCALL_WRITE_X, flags, &params, |event| {
            let mut out = Vec::new();
            Renderer::new(format, None).info(&mut out, event, &Machine);
            String::from_utf8(out).unwrap()
        })
    };
    let cut = EventFlags::TRUNCATED;
    let dots = |data, flags| write(data, flags, BufferFormat::Dots);
    assert!(dots(b"ab", cut).contains("data=ab... "));
    assert!(dots(b"ab", EventFlags::empty()).contains("data=ab "));
    // Only once if the line has no room for all, either.
    assert!(dots(&[b'a'; 100], cut).contains(&format!("data={}... ", "a".repeat(77))));
    assert!(write(&[b'a'; 100], cut, BufferFormat::AllDots).contains("aaa... "));
    assert!(write(b"ab", cut, BufferFormat::Base64).contains("data=YWI= "));
    // A list of fds: the count is that of the call.
    let mut fds = vec![2, 0];
    fds.extend_from_slice(&3_i64.to_le_bytes());
    fds.extend_from_slice(&[1, 0]);
    let poll = args(types::SYSCALL_POLL_X, &[&i64b(1), &fds, &i64b(0)]);
    assert_eq!(poll, "res=1 fds=3:f1... timeout=0 ");
}

#[test]
fn poll_lists_and_signal_sets() {
    let mut fds = vec![3, 0];
    for (fd, flags) in [(3_i64, 1_i16), (5, 4), (55, 0x21)] {
        fds.extend_from_slice(&fd.to_le_bytes());
        fds.extend_from_slice(&flags.to_le_bytes());
    }
    let poll = |set: u32| {
        args(
            types::SYSCALL_PPOLL_X,
            &[&i64b(1), &fds, &u64b(u64::MAX), &u32b(set)],
        )
    };
    assert_eq!(
        poll(0x102),
        "res=1 fds=3:f1 5:e4 55:?21 timeout=none sigmask=SIGINT SIGKILL "
    );
    assert!(poll(u32::MAX).ends_with(" SIGIO SIGPWR SIGSYS "));
    assert!(poll(0).ends_with(" sigmask= "));
    assert_eq!(
        args(types::SYSCALL_POLL_X, &[&i64b(0), &[0, 0]]),
        "res=0 fds= "
    );
}

#[test]
fn dynamic_parameters() {
    let val = |bytes: &[u8]| {
        let text = args(
            types::SOCKET_SETSOCKOPT_X,
            &[&i64b(0), &i64b(5), &[1], &[2], bytes],
        );
        let prefix = "res=0 fd=5(<e>) level=1(SOL_SOCKET) optname=2(SO_REUSEADDR) val=";
        text.strip_prefix(prefix).unwrap().to_owned()
    };
    assert_eq!(val(b"\0abc\x01"), "abc. ");
    assert_eq!(val(&[&[1][..], &i64b(-2)].concat()), "-2(ENOENT) ");
    assert_eq!(val(&[2, 5, 0, 0, 0]), "5 ");
    assert_eq!(val(&[&[3][..], &u64b(7)].concat()), "7 ");
    assert_eq!(
        val(&[&[4][..], &u64b(1_500_000_000)].concat()),
        "1500000000(1.5s) "
    );
    assert_eq!(val(b"\x09"), "INVALID DYNAMIC PARAMETER ");
    assert_eq!(val(b""), "NULL ");
    assert_eq!(
        args(
            types::SYSCALL_PTRACE_X,
            &[&i64b(0), &[&[0][..], &u64b(0xabc)].concat(), &[1, 9]]
        ),
        "res=0 addr=ABC data=9(SIGKILL) "
    );
}

#[test]
fn buffers() {
    assert_eq!(
        args(
            types::SYSCALL_READ_X,
            &[&i64b(2), b"\x01a", &i64b(3), &u32b(16)]
        ),
        "res=2 data=.a fd=3(<f>/etc/passwd) size=16 "
    );
    assert_eq!(
        args(
            types::SYSCALL_READ_X,
            &[&i64b(-11), b"", &i64b(3), &u32b(16)]
        ),
        "res=-11(EAGAIN) data= fd=3(<f>/etc/passwd) size=16 "
    );
}

#[test]
fn an_event_says_what_it_lacks() {
    let params: [&[u8]; 4] = [b"", b"", &i64b(3), &u32b(16)];
    assert_eq!(
        shown(types::SYSCALL_READ_X, EventFlags::IN_FLIGHT, &params),
        "res=<in flight> data= fd=3(<f>/etc/passwd) size=16 "
    );
    let params: [&[u8]; 4] = [&i64b(-14), b"", &i64b(3), &u32b(16)];
    assert_eq!(
        shown(types::SYSCALL_READ_X, EventFlags::FAULT, &params),
        "res=-14(EFAULT) data=<unreadable> fd=3(<f>/etc/passwd) size=16 "
    );
    assert_eq!(
        shown(
            types::SYSCALL_OPENAT_2_X,
            EventFlags::FAULT,
            &[&i64b(-14), &i64b(-100), b""]
        ),
        "fd=-14(EFAULT) dirfd=-100(AT_FDCWD) name=<unreadable> "
    );
    assert_eq!(
        args(types::SOCKET_BIND_X, &[&i64b(0), b"", &i64b(5)]),
        "res=0 addr=<NA> fd=5(<e>) "
    );
}

#[test]
fn calls_without_a_type_of_their_own() {
    let call = |nr: u16, res: i64, regs: [u64; 6], abi: u8, flags| {
        let regs = regs.map(u64b);
        shown(
            types::GENERIC_X,
            flags,
            &[
                &[0, 0],
                &nr.to_le_bytes(),
                &i64b(res),
                &regs[0],
                &regs[1],
                &regs[2],
                &regs[3],
                &regs[4],
                &regs[5],
                &[abi],
            ],
        )
    };
    let none = EventFlags::empty();
    // ftruncate(unsigned int fd, off_t length)
    assert_eq!(
        call(77, 0, [3, 4096, 9, 9, 9, 9], 0, none),
        "res=0 fd=3(<f>/etc/passwd) length=4096 "
    );
    // statx(int dfd, const char *filename, unsigned flags, unsigned int mask, struct statx *)
    assert_eq!(
        call(
            332,
            -2,
            [0xffff_ff9c, 0x7ffe_1000, 0, 0x7ff, 0x10, 0],
            0,
            none
        ),
        "res=-2(ENOENT) dfd=-100(AT_FDCWD) filename=0x7ffe1000 flags=0 mask=2047 buffer=0x10 "
    );
    // getppid(void)
    assert_eq!(call(110, 1, [7; 6], 0, none), "res=1 ");
    assert_eq!(
        call(500, -38, [1, 2, 3, 4, 5, 6], 0, none),
        "res=-38(ENOSYS) arg0=0x1 arg1=0x2 arg2=0x3 arg3=0x4 arg4=0x5 arg5=0x6 "
    );
    let flight = EventFlags::IN_FLIGHT;
    assert!(call(110, 0, [0; 6], 0, flight).starts_with("res=0 "));
    let event = |params: &[&[u8]]| shown(types::GENERIC_X, flight, params);
    assert_eq!(event(&[&[0, 0], &[110, 0], b""]), "res=<in flight> ");
    // A file of sysdig's own schema has no result and no arguments.
    assert_eq!(args(types::GENERIC_X, &[&[7, 0]]), "");
}

#[test]
fn any_bytes_render_without_panic() {
    let bytes = [0xa5_u8; 64];
    for number in 0..460 {
        for len in [0, 1, 2, 3, 4, 7, 8, 9, 16, 40, 64] {
            let params = [&bytes[..len]; 40];
            let none = EventFlags::empty();
            let text = with_event(EventType(number), none, &params, |event| {
                let mut out = Vec::new();
                Renderer::default().info(&mut out, event, &NoNames);
                syscall::event_name(&mut out, event, None);
                String::from_utf8(out).unwrap()
            });
            assert!(
                !text.chars().any(char::is_control),
                "{number} {len}: {text:?}"
            );
        }
    }
}
