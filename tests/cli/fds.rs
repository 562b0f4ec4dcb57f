//! The fd of an event, and numbers that are none.

use std::collections::BTreeMap;

use crate::common::{TestEvent, event, i64b, scap, seen, story, u32b, write};
use scap_capture_format::schema::{EventType, EventTypeFlags, ParamType, types};

/// A call without an event type of its own.
fn generic(number: u16, res: i64, args: [u64; 6]) -> TestEvent {
    let mut params = vec![
        vec![0, 0],
        number.to_le_bytes().to_vec(),
        i64b(res).to_vec(),
    ];
    params.extend(args.map(|arg| arg.to_le_bytes().to_vec()));
    params.push(vec![0]);
    let mut event = event(0, 100, types::GENERIC_X, &[]);
    event.params = params;
    event
}

fn call(ty: EventType, params: &[&[u8]]) -> TestEvent {
    event(0, 100, ty, params)
}

/// What a format prints for calls after fd 3 was opened.
fn printed(format: &str, calls: Vec<TestEvent>) -> Vec<String> {
    let mut events = vec![story().remove(0)];
    events.extend(calls);
    for (at, event) in (1..).zip(&mut events) {
        event.at = at * 1000;
    }
    let capture = write(&events, 4, true);
    let format = format!("*{format}");
    let (out, err, code) = seen(&scap(
        &["read", "-", "-p", &format, "evt.num>1"],
        Some(&capture),
    ));
    assert_eq!((err.as_str(), code), ("", 0));
    out.lines().map(|line| line.trim_end().to_owned()).collect()
}

const NOTES: &str = "3 /home/alice/notes.txt file";

#[test]
fn every_call_with_an_fd_has_its_fields() {
    let mmap = |fd: i64| {
        let number = [0; 8];
        let flags = u32b(2);
        call(
            types::SYSCALL_MMAP_X,
            &[
                &i64b(4096),
                &flags,
                &flags,
                &flags,
                &number,
                &number,
                &flags,
                &flags,
                &i64b(fd),
                &number,
            ],
        )
    };
    let lines = printed(
        "%fd.num %fd.name %fd.type",
        vec![
            generic(77, 0, [3, 4096, 0, 0, 0, 0]), // ftruncate
            generic(74, 0, [3, 0, 0, 0, 0, 0]),    // fsync
            generic(285, 0, [0xffff_0000_0000_0003, 0, 0, 9, 0, 0]), // fallocate
            generic(190, 0, [3, 0x1000, 0x2000, 1, 0, 0]), // fsetxattr
            generic(39, 7, [0; 6]),                // getpid
            mmap(3),
            mmap(-1),
            mmap(u32::MAX.into()),
            call(
                types::SYSCALL_DUP3_X,
                &[&i64b(-9), &i64b(3), &i64b(5), &u32b(0)],
            ),
            call(types::SOCKET_GETSOCKNAME_X, &[&i64b(-88), &i64b(3)]),
            call(types::SYSCALL_FCNTL_X, &[&i64b(1), &i64b(3), &[2]]),
            call(types::SYSCALL_EPOLLWAIT_X, &[&i64b(0), &i64b(9), &i64b(3)]),
        ],
    );
    let absent = "<NA> <NA> <NA>";
    assert_eq!(
        lines,
        [
            NOTES, NOTES, NOTES, NOTES, absent, NOTES, absent, absent, NOTES, NOTES, NOTES, NOTES,
        ]
    );
    // A condition on them reaches all of these calls.
    let mut events = vec![
        story().remove(0),
        generic(77, 0, [3, 4096, 0, 0, 0, 0]),
        generic(39, 7, [0; 6]),
    ];
    for (at, event) in (1..).zip(&mut events) {
        event.at = at * 1000;
    }
    let capture = write(&events, 1, true);
    let (out, _, _) = seen(&scap(
        &["read", "-", "-p", "%evt.type", "fd.name endswith notes.txt"],
        Some(&capture),
    ));
    assert_eq!(out, "openat\nftruncate\n");
}

/// Whatever the table of events says: a parameter with the type of an fd is one in `fd.num`.
#[test]
fn all_types_of_events_with_an_fd() {
    let mut missing = BTreeMap::new();
    for info in (0..).map_while(|number| EventType(number).info()) {
        let creates = info.flags.contains(EventTypeFlags::CREATES_FD);
        let fd = info.params.iter().position(|p| p.ty == ParamType::Fd);
        let (Some(fd), false) = (fd, creates) else {
            continue;
        };
        // Every fd of the call is 3.
        let params: Vec<Vec<u8>> = info
            .params
            .iter()
            .map(|param| match param.ty {
                ParamType::Fd => i64b(3).to_vec(),
                ty => vec![0; ty.fixed_len().unwrap_or(0)],
            })
            .collect();
        let mut event = call(info.ty, &[]);
        event.params = params;
        let lines = printed("%fd.num", vec![event]);
        if lines != ["3"] {
            missing.insert(info.enum_name, (fd, lines));
        }
    }
    assert_eq!(missing, BTreeMap::new());
}

#[test]
fn numbers_that_are_no_fds() {
    let fcntl =
        |res: i64, command: u8| call(types::SYSCALL_FCNTL_X, &[&i64b(res), &i64b(3), &[command]]);
    let lseek = |offset: i64| {
        call(
            types::SYSCALL_LSEEK_X,
            &[&i64b(38), &i64b(3), &i64b(offset), &[1]],
        )
    };
    let lines = printed(
        "%evt.args | %evt.arg[0] | %evt.res",
        vec![
            // F_GETFD, F_SETFD, F_GETFL, F_DUPFD, and a failure.
            fcntl(3, 2),
            fcntl(0, 3),
            fcntl(3, 4),
            fcntl(3, 1),
            fcntl(-9, 2),
            lseek(-62),
            generic(77, -9, [u64::MAX, 0, 0, 0, 0, 0]),
            call(types::SYSCALL_GETUID_X, &[&u32b(1000)]),
            call(types::SYSCALL_GETEGID_X, &[&u32b(0)]),
        ],
    );
    let notes = "3(<f>/home/alice/notes.txt)";
    let expected = [
        format!("res=3 fd={notes} cmd=2(F_GETFD)  | 3 | SUCCESS"),
        format!("res=0 fd={notes} cmd=3(F_SETFD)  | 0 | SUCCESS"),
        format!("res=3 fd={notes} cmd=4(F_GETFL)  | 3 | SUCCESS"),
        format!("res={notes} fd={notes} cmd=1(F_DUPFD)  | <f>/home/alice/notes.txt | SUCCESS"),
        format!("res=-9(EBADF) fd={notes} cmd=2(F_GETFD)  | EBADF | EBADF"),
        format!("res=38 fd={notes} offset=-62 whence=1(SEEK_CUR)  | 38 | SUCCESS"),
    ];
    assert_eq!(lines[..6], expected);
    assert!(
        lines[6].starts_with("res=-9(EBADF) fd=-1 length=0 "),
        "{}",
        lines[6]
    );
    assert_eq!(lines[7], "uid=1000(alice)  | alice | SUCCESS");
    assert_eq!(
        lines[8],
        "gid=0(root)  | root | SUCCESS".replace("gid", "egid")
    );
}

#[test]
fn protocols_are_known_from_the_socket_on() {
    let socket = |domain: u32, ty: u32, protocol: u32| {
        call(
            types::SOCKET_SOCKET_X,
            &[&i64b(4), &u32b(domain), &u32b(ty), &u32b(protocol)],
        )
    };
    let lines = printed(
        "%fd.l4proto",
        vec![
            socket(2, 3, 255),
            socket(2, 3, 1),
            socket(10, 2, 58),
            socket(2, 2, 1),
            socket(2, 1, 0),
            socket(10, 2, 0),
            socket(2, 5, 132),
            socket(1, 1, 0),
        ],
    );
    assert_eq!(
        lines,
        ["raw", "raw", "icmp", "icmp", "tcp", "udp", "<NA>", "<NA>"]
    );
}
