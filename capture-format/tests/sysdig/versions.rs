//! Every version of every block.

use scap_capture_format::Error;
use scap_capture_format::native::snapshot::{SocketEntry, ThreadEntry};
use scap_capture_format::native::{MachineInfo, Snapshot};

use crate::bytes::*;
use crate::{All, read, read_whole};

fn one_event() -> Vec<u8> {
    event(EV_V2, None, 1, 42, 5, &[&le64(0)])
}

fn with(blocks: &[Vec<u8>]) -> All {
    read_whole(&[section(2, b""), blocks.concat(), one_event()].concat())
}

fn text(s: &Snapshot, id: scap_capture_format::native::snapshot::StringId) -> String {
    String::from_utf8(s.string(id).to_vec()).unwrap()
}

#[test]
fn section_headers() {
    for (minor, options) in [(0, &b""[..]), (2, b""), (2, b"options!")] {
        let all = read_whole(&[section(minor, options), one_event()].concat());
        assert_eq!((all.events.len(), all.snapshots.len()), (1, 1));
        assert_eq!(all.machines[0], MachineInfo::default());
    }
    let good = section(2, b"");
    let change = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes.extend(one_event());
        read(&bytes).unwrap_err()
    };
    assert!(matches!(read(b"").unwrap_err(), Error::Empty));
    assert!(matches!(read(&gzip(b"")).unwrap_err(), Error::Empty));
    assert!(matches!(read(b"abc").unwrap_err(), Error::NotACapture));
    assert!(matches!(
        read(&gzip(b"hello, world")).unwrap_err(),
        Error::NotACapture
    ));
    assert!(matches!(change(0, b"PK"), Error::NotACapture));
    assert!(matches!(change(8, b"PK"), Error::NotACapture));
    assert!(matches!(
        change(8, &[0x1a, 0x2b, 0x3c, 0x4d]),
        Error::OtherByteOrder
    ));
    assert!(matches!(
        change(12, &[2]),
        Error::UnsupportedVersion {
            found: 2,
            supported: 1
        }
    ));
    assert!(matches!(change(4, &[12]), Error::Damaged { offset: 0, .. }));
    assert!(matches!(
        read(&good[..20]).unwrap_err(),
        Error::Damaged { .. }
    ));
    // What Wireshark writes begins likewise.
    let pcapng = [section(0, b""), block(1, &[0; 8])].concat();
    assert!(matches!(read(&pcapng).unwrap_err(), Error::NotACapture));
}

#[test]
fn machines() {
    for kind in [0x201, 0x8002_ABCD] {
        let machine = &with(&[machine(kind)]).machines[0];
        assert_eq!((machine.cpus, machine.memory), (4, 8 << 30));
        assert_eq!(
            (machine.host_name.as_str(), machine.boot_time.0),
            ("web-1", 1_000_000)
        );
    }
}

#[test]
fn threads() {
    let kinds = [
        (0x202, 1),
        (0x8000_ABCD, 1),
        (0x207, 2),
        (0x8013_ABCD, 2),
        (0x209, 3),
        (0x8014_ABCD, 3),
        (0x210, 4),
        (0x211, 5),
        (0x212, 6),
        (0x213, 7),
        (0x214, 8),
        (0x215, 9),
    ];
    for (kind, version) in kinds {
        // Lists add up.
        let list = |tid| {
            block(
                kind,
                &[thread(version, tid, b""), thread(version, tid + 1, b"")].concat(),
            )
        };
        let all = with(&[list(10), list(12)]);
        let s = &all.snapshots[0];
        assert_eq!(
            s.threads.iter().map(|t| t.tid.0).collect::<Vec<_>>(),
            [10, 11, 12, 13]
        );
        let t = &s.threads[3];
        let since = |v: u8, value: &str| {
            if version >= v {
                value.to_owned()
            } else {
                String::new()
            }
        };
        let number = |v: u8, value: i64| if version >= v { value } else { -1 };
        assert_eq!(
            (t.pid.0, t.ptid.0, t.fdlimit, t.flags, t.uid, t.gid),
            (13, 1, 1024, 5, 1000, 1001)
        );
        assert_eq!((t.sid, t.vpgid, t.pgid), (number(6, 77), number(8, 78), -1));
        assert_eq!((t.vtid, t.vpid), (number(4, 2), number(4, 3)));
        assert_eq!(
            (text(s, t.comm), text(s, t.exe)),
            ("bash".into(), "-bash".into())
        );
        assert_eq!(
            (text(s, t.args), text(s, t.cwd)),
            ("-c\0ls\0".into(), "/root".into())
        );
        assert_eq!(text(s, t.exepath), since(7, "/bin/bash"));
        assert_eq!(text(s, t.env), since(3, "A=1\0B=2\0"));
        assert_eq!(
            (text(s, t.cgroups), text(s, t.root)),
            (since(4, "cpu=/\0"), since(5, "/srv"))
        );
        let memory = (
            t.vm_size_kb,
            t.vm_rss_kb,
            t.vm_swap_kb,
            t.pf_major,
            t.pf_minor,
        );
        assert_eq!(
            memory,
            if version >= 2 {
                (11, 12, 13, 14, 15)
            } else {
                Default::default()
            }
        );
        assert_eq!((t.loginuid, t.tty, t.exe_writable), (u32::MAX, 0, false));
    }
}

#[test]
fn tails_of_threads() {
    let tail = |bytes: &[u8]| -> ThreadEntry {
        // The second entry shows that the first one's length was followed.
        let list = [thread(9, 10, bytes), thread(9, 11, b"")].concat();
        // The machine can come after the list.
        let all = with(&[block(0x215, &list), machine(0x201)]);
        let threads = &all.snapshots[0].threads;
        assert_eq!((threads.len(), threads[1].tid.0), (2, 11));
        threads[0].clone()
    };
    let caps = |t: &ThreadEntry| (t.cap_inheritable, t.cap_permitted, t.cap_effective);
    let files = |t: &ThreadEntry| (t.exe_ino, t.exe_ctime.0, t.exe_mtime.0);
    // Before libs 0.10.
    let t = tail(&old_tail()[..4]);
    assert_eq!((t.loginuid, t.exe_writable), (500, false));
    let t = tail(&old_tail()[..5]);
    assert_eq!(
        (t.loginuid, t.exe_writable, caps(&t)),
        (500, true, (0, 0, 0))
    );
    let t = tail(&old_tail());
    assert_eq!(
        (t.loginuid, t.tty, t.pidns_init_start, caps(&t)),
        (500, 0, 0, (7, 8, 9))
    );
    // Since.
    let full = full_tail();
    assert_eq!(full.len(), 76);
    let t = tail(&full[..41]);
    assert_eq!(
        (t.loginuid, t.tty, caps(&t), t.exe_upper_layer),
        (500, 0x8801, (7, 8, 9), false)
    );
    let t = tail(&full[..66]);
    assert_eq!(
        (files(&t), t.exe_upper_layer, t.pgid),
        ((21, 22, 23), true, -1)
    );
    let t = tail(&full);
    assert_eq!(
        (t.exe_from_memfd, t.exe_lower_layer, t.pgid),
        (true, false, 99)
    );
    // Since the epoch in the file, since boot in the snapshot.
    assert_eq!(t.pidns_init_start, 2_000_000);
    // Later fields.
    assert_eq!(tail(&[full.as_slice(), &[1; 300]].concat()), t);
    // A length of 0 means that there is no tail.
    let mut entry = thread(9, 10, b"");
    entry[..4].fill(0);
    let all = with(&[block(0x215, &[entry, thread(9, 11, b"")].concat())]);
    assert_eq!(all.snapshots[0].threads.len(), 2);
}

#[test]
fn file_descriptors() {
    let name = str16(b"name");
    let v4 = [
        [10, 0, 0, 1, 10, 0, 0, 2].as_slice(),
        &1234u16.to_le_bytes(),
        &80u16.to_le_bytes(),
        &[2],
    ]
    .concat();
    let v6 = [
        [6; 16].as_slice(),
        &[7; 16],
        &1234u16.to_le_bytes(),
        &80u16.to_le_bytes(),
        &[3],
    ]
    .concat();
    let unix = [le64(0xaaaa).as_slice(), &le64(0xbbbb), &name].concat();
    let file = [&0x1001u32.to_le_bytes(), name.as_slice()].concat();
    for (kind, lengths) in [(0x203, false), (0x8001_ABCD, false), (0x218, true)] {
        let mut list = vec![fd(lengths, 0, 0, b"")];
        for simple in [1u8, 2, 7, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21] {
            list.push(fd(lengths, u64::from(simple), simple, &name));
        }
        list.push(fd(lengths, 103, 3, &v4));
        list.push(fd(lengths, 104, 4, &v6));
        list.push(fd(lengths, 105, 5, &[10, 0, 0, 1, 80, 0, 2]));
        list.push(fd(
            lengths,
            106,
            6,
            &[[6; 16].as_slice(), &80u16.to_le_bytes(), &[2]].concat(),
        ));
        list.push(fd(lengths, 108, 8, &unix));
        list.push(fd(lengths, 116, 16, &file));
        if lengths {
            list.push(fd(
                true,
                117,
                16,
                &[file.as_slice(), &0x801u32.to_le_bytes()].concat(),
            ));
            list.push(fd(true, 118, 200, b"what is this"));
            list.push(fd(
                true,
                119,
                1,
                &[name.as_slice(), b"later fields"].concat(),
            ));
        }
        let all = with(&[
            fds(kind, 42, &list),
            fds(kind, 43, &[]),
            fds(kind, 44, &list[..1]),
        ]);
        let s = &all.snapshots[0];
        assert_eq!(s.fds.len(), list.len() + 1);
        let get = |n: i64| {
            let f = s.fds.iter().find(|f| f.fd == n).unwrap();
            assert_eq!((f.owner.0, f.inode), (42, 1000 + n as u64));
            (f, text(s, f.name))
        };
        assert_eq!(get(0).0.kind, 0);
        for simple in [1u8, 2, 7, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21] {
            let (f, name) = get(i64::from(simple));
            assert_eq!(
                (f.kind, name.as_str(), f.socket),
                (simple, "name", SocketEntry::None)
            );
        }
        let (source, dest) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let inet = SocketEntry::Inet {
            source,
            dest,
            source_port: 1234,
            dest_port: 80,
            l4proto: 2,
        };
        assert_eq!(get(103).0.socket, inet);
        let listen = SocketEntry::Inet {
            source,
            dest: [0; 4],
            source_port: 80,
            dest_port: 0,
            l4proto: 2,
        };
        assert_eq!((get(105).0.kind, get(105).0.socket), (5, listen));
        let (source, dest) = ([6; 16], [7; 16]);
        let inet6 = SocketEntry::Inet6 {
            source,
            dest,
            source_port: 1234,
            dest_port: 80,
            l4proto: 3,
        };
        assert_eq!(get(104).0.socket, inet6);
        let listen = SocketEntry::Inet6 {
            source,
            dest: [0; 16],
            source_port: 80,
            dest_port: 0,
            l4proto: 2,
        };
        assert_eq!((get(106).0.kind, get(106).0.socket), (6, listen));
        let (f, path) = get(108);
        assert_eq!(
            (f.socket, path.as_str()),
            (
                SocketEntry::Unix {
                    source: 0xaaaa,
                    dest: 0xbbbb
                },
                "name"
            )
        );
        let (f, path) = get(116);
        assert_eq!(
            (f.kind, f.open_flags, f.dev, path.as_str()),
            (16, 0x1001, 0, "name")
        );
        if lengths {
            assert_eq!(get(117).0.dev, 0x801);
            assert_eq!(
                (get(118).0.kind, get(118).1.as_str()),
                (10, "unknown-type:[200]")
            );
            assert_eq!(get(119).1, "name");
        }
        assert_eq!(s.fds.last().unwrap().owner.0, 44);
    }
}

#[test]
fn interfaces_and_users() {
    for (kind, lengths) in [(0x205, false), (0x8011_ABCD, false), (0x219, true)] {
        let list: Vec<u8> = (1..5).flat_map(|k| interface(lengths, k)).collect();
        // A later list replaces an earlier one.
        let all = with(&[block(kind, &list), block(kind, &list)]);
        let s = &all.snapshots[0];
        assert_eq!(s.interfaces.len(), 4);
        for (i, size, speed) in [(0, 4, 1_000_000), (1, 16, 1_000_000), (2, 4, 0), (3, 16, 0)] {
            let f = &s.interfaces[i];
            assert_eq!(
                (f.address.as_slice(), text(s, f.name)),
                (&vec![10; size][..], "eth0".into())
            );
            assert_eq!(
                (&f.netmask, &f.broadcast),
                (&vec![255; size], &vec![11; size])
            );
            assert_eq!(f.link_speed, speed);
        }
    }
    for (kind, lengths) in [(0x206, false), (0x8012_ABCD, false), (0x220, true)] {
        let list = [user(lengths), group(lengths), user(lengths)].concat();
        let all = with(&[block(kind, &list), block(kind, &list)]);
        let s = &all.snapshots[0];
        assert_eq!((s.users.len(), s.groups.len()), (2, 1));
        let u = &s.users[1];
        assert_eq!(
            (u.uid, u.gid, text(s, u.name)),
            (1000, 1001, "alice".into())
        );
        assert_eq!(
            (text(s, u.home), text(s, u.shell)),
            ("/home/alice".into(), "/bin/sh".into())
        );
        assert_eq!(
            (s.groups[0].gid, text(s, s.groups[0].name)),
            (1001, "staff".into())
        );
    }
}

#[test]
fn events() {
    let res = le64(5);
    for kind in [EV_V1, EV_V2, 0x8010_ABCD, 0x221] {
        let all = read_whole(
            &[
                section(2, b""),
                event(kind, None, 7, u64::MAX, 7, &[&res, b"hello"]),
            ]
            .concat(),
        );
        let e = &all.events[0];
        assert_eq!(
            (e.ts, e.tid, e.pid, e.cpu, e.ty, e.latency, e.flags),
            (7, -1, -1, 3, 7, None, 0)
        );
        assert_eq!(e.params, [res.to_vec(), b"hello".to_vec()]);
    }
    for kind in [EVF_V1, EVF_V2, 0x222] {
        for (flags, hidden) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
            let all = read_whole(
                &[
                    section(2, b""),
                    event(kind, Some(flags), 7, 1, 7, &[&res, b"hello"]),
                ]
                .concat(),
            );
            assert_eq!(
                (all.events[0].flags, all.events[0].params.len()),
                (hidden, 2)
            );
        }
    }
    // Lengths are 32 bits wide by type, not by block.
    let json = vec![b'x'; 100_000];
    for kind in [0x216, 0x221] {
        let all = read_whole(&[section(2, b""), event(kind, None, 7, 1, 324, &[&json])].concat());
        assert_eq!(all.events[0].params, [json.as_slice()]);
    }
    // Larger than the reader's buffer, twice, and a small one after that.
    let json = vec![b'x'; 5 << 20];
    let large = event(0x221, None, 7, 1, 324, &[&json]);
    let all = read_whole(&[section(2, b""), large.clone(), large, one_event()].concat());
    assert_eq!(
        (all.events[0].params[0].len(), all.events[1].params[0].len()),
        (5 << 20, 5 << 20)
    );
    assert_eq!(all.events[2].ty, 5);
}

#[test]
fn events_of_version_1_have_no_count() {
    // Fewer parameters than the table has, absent ones, values that look like lengths.
    let zeros = [0u8; 8];
    for params in [
        &[&zeros[..]][..],
        &[b"", b""],
        &[b"", b"", b"", b""],
        &[&zeros, &[0; 600]],
    ] {
        let all = read_whole(&[section(0, b""), event(EV_V1, None, 7, 1, 7, params)].concat());
        // `read <` with four empty parameters and one with `0, 0, 0, 0` are the same bytes.
        assert_eq!(all.events[0].params.concat(), params.concat());
        if params.iter().any(|p| !p.is_empty()) {
            assert_eq!(all.events[0].params, params);
        }
    }
    for ty in [280u16, 286] {
        let mut block = event(EV_V1, None, 7, 1, ty, &[b"id\0", b"text\0"]);
        // The length is 3 too large.
        let at = 8 + 2 + 16;
        let len = u32::from_le_bytes(block[at..at + 4].try_into().unwrap()) + 3;
        block[at..at + 4].copy_from_slice(&len.to_le_bytes());
        let all = read_whole(&[section(0, b""), block].concat());
        assert_eq!(all.events[0].params, [&b"id\0"[..], b"text\0"]);
    }
}

#[test]
fn types_that_nobody_knows_take_no_number() {
    let unknown = |ty| event(EV_V2, None, 1, 1, ty, &[b"?"]);
    let file = [
        section(2, b""),
        unknown(454),
        one_event(),
        unknown(60_000),
        unknown(454),
        one_event(),
    ]
    .concat();
    let all = read_whole(&file);
    assert_eq!(all.events.len(), 2);
    assert_eq!(
        all.unknown.into_iter().collect::<Vec<_>>(),
        [(454, 2), (60_000, 1)]
    );
    assert_eq!(all.offset, file.len() as u64);
}

#[test]
fn metadata_of_unknown_kind_is_skipped() {
    let all = with(&[
        block(0x777, b"whatever"),
        machine(0x201),
        block(0x8888_8888, b""),
    ]);
    assert_eq!(all.machines[0].cpus, 4);
}

#[test]
fn sections_follow_each_other() {
    let first = [
        section(2, b""),
        machine(0x201),
        block(0x215, &thread(9, 10, b"")),
        one_event(),
        one_event(),
    ]
    .concat();
    let second = [
        section(1, b""),
        block(0x209, &thread(3, 20, b"")),
        one_event(),
    ]
    .concat();
    let empty = [section(1, b""), block(0x209, &thread(3, 30, b""))].concat();
    let raw = [first.clone(), empty.clone(), second.clone(), empty.clone()].concat();
    // Members can end anywhere; padding is no member.
    let members = [
        gzip(&raw[..100]),
        gzip(b""),
        gzip(&raw[100..]),
        vec![0; 512],
    ]
    .concat();
    for file in [raw.clone(), gzip(&raw), members] {
        let all = read_whole(&file);
        assert_eq!((all.events.len(), all.offset), (3, raw.len() as u64));
        let tids = all
            .snapshots
            .iter()
            .map(|s| (s.next_event.0, s.threads[0].tid.0));
        assert_eq!(
            tids.collect::<Vec<_>>(),
            [(1, 10), (3, 30), (3, 20), (4, 30)]
        );
        assert_eq!(
            all.machines.iter().map(|m| m.cpus).collect::<Vec<_>>(),
            [4, 0, 0, 0]
        );
    }
}
