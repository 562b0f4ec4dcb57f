//! Files that are written.

use std::fs;

use scap_capture_format::Error;
use scap_capture_format::event::EventFlags;
use scap_capture_format::native::snapshot::{
    FdEntry, GroupEntry, InterfaceEntry, SocketEntry, StringId, ThreadEntry, UserEntry,
};
use scap_capture_format::native::{MachineInfo, Snapshot};
use scap_capture_format::schema::types;
use scap_capture_format::sysdig::{SysdigWriter, Tail, WriterOptions};

use crate::bytes::le64;
use crate::common::Owned;
use crate::real::{each, run};
use crate::{All, read_whole};

const FULL: WriterOptions = WriterOptions {
    gzip: false,
    tail: Tail::Full,
};

pub(crate) fn write(
    machine: &MachineInfo,
    snapshot: &Snapshot,
    events: &[Owned],
    options: WriterOptions,
) -> Vec<u8> {
    let mut writer = SysdigWriter::new(Vec::new(), machine, snapshot, options).unwrap();
    for event in events {
        event.with(|e| writer.event(e)).unwrap();
    }
    assert_eq!((writer.cut(), writer.left_out()), (0, 0));
    writer.finish().unwrap()
}

fn rewrite(all: &All, options: WriterOptions) -> Vec<u8> {
    write(&all.machines[0], &all.snapshots[0], &all.events, options)
}

#[test]
fn real_captures_survive() {
    each(|name, _, all| {
        let file = rewrite(&all, FULL);
        let mut again = read_whole(&file);
        assert_eq!(again.offset, file.len() as u64);
        again.offset = all.offset;
        assert!(again == all, "{name}");
        let packed = rewrite(&all, WriterOptions { gzip: true, ..FULL });
        assert_eq!(packed[..2], [0x1f, 0x8b]);
        again = read_whole(&packed);
        again.offset = all.offset;
        assert!(again == all, "{name}");
    });
}

#[test]
fn real_captures_are_the_same_to_sysdig() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.scap");
    each(|name, path, all| {
        if all.events.iter().any(|e| e.ty >= crate::real::KNOWN_TO_OLD)
            && !name.starts_with("libs-sample")
        {
            return;
        }
        let format = "*%evt.num %evt.rawtime %evt.cpu %thread.tid %proc.name %proc.pname %user.name %user.loginuid \
                      %proc.cwd %evt.dir %evt.type %fd.name %evt.args";
        // What the original prints for the login user is wrong where its tail is of the newer form.
        let format = if name.starts_with("libs-sample") {
            format.replace(" %user.loginuid", "")
        } else {
            format.to_owned()
        };
        let print = |file: &str| run("sysdig", &["-r", file, "-p", &format]);
        for gzip in [false, true] {
            fs::write(
                &out,
                rewrite(
                    &all,
                    WriterOptions {
                        gzip,
                        tail: Tail::Compatible,
                    },
                ),
            )
            .unwrap();
            let Some(ours) = print(out.to_str().unwrap()) else {
                return;
            };
            let theirs = print(path.to_str().unwrap()).unwrap();
            assert!(theirs.lines().count() > 5);
            for (a, b) in ours.lines().zip(theirs.lines()) {
                assert_eq!(a, b, "{name}");
            }
            assert_eq!(ours.lines().count(), theirs.lines().count(), "{name}");
        }
    });
}

/// A snapshot with everything that the format can hold.
fn snapshot() -> Snapshot {
    let mut s = Snapshot::default();
    let mut text = |t: &str| s.strings.intern(t.as_bytes());
    let (name, other, list) = (text("name"), text("/other"), text("a\0b\0"));
    let interface = |size: usize| InterfaceEntry {
        name,
        address: vec![1; size],
        netmask: vec![2; size],
        broadcast: vec![3; size],
        link_speed: 4,
    };
    s.interfaces = vec![interface(4), interface(16)];
    s.users = vec![UserEntry {
        uid: 1,
        gid: 2,
        name,
        home: other,
        shell: other,
        ..Default::default()
    }];
    s.groups = vec![GroupEntry {
        gid: 2,
        name,
        ..Default::default()
    }];
    s.threads = vec![ThreadEntry {
        tid: scap_capture_format::event::Tid(10),
        pid: scap_capture_format::event::Pid(9),
        ptid: scap_capture_format::event::Pid(8),
        sid: 7,
        pgid: 6,
        vpgid: 5,
        vtid: 4,
        vpid: 3,
        pidns_init_start: 1234,
        start_time: 0,
        comm: name,
        exe: other,
        exepath: other,
        args: list,
        env: list,
        cwd: other,
        root: other,
        cgroups: list,
        container: StringId(0),
        uid: 1,
        gid: 2,
        loginuid: 3,
        tty: 4,
        fdlimit: 1024,
        cap_inheritable: 1,
        cap_permitted: 2,
        cap_effective: 3,
        flags: 5,
        vm_size_kb: 6,
        vm_rss_kb: 7,
        vm_swap_kb: 8,
        pf_major: 9,
        pf_minor: 10,
        exe_ino: 11,
        exe_ctime: scap_capture_format::event::Timestamp(12),
        exe_mtime: scap_capture_format::event::Timestamp(13),
        exe_writable: true,
        exe_upper_layer: true,
        exe_lower_layer: true,
        exe_from_memfd: true,
        extra: Vec::new(),
    }];
    for kind in 0..=21 {
        let socket = match kind {
            3 => SocketEntry::Inet {
                source: [1; 4],
                dest: [2; 4],
                source_port: 3,
                dest_port: 4,
                l4proto: 2,
            },
            5 => SocketEntry::Inet {
                source: [1; 4],
                dest: [0; 4],
                source_port: 3,
                dest_port: 0,
                l4proto: 2,
            },
            4 => SocketEntry::Inet6 {
                source: [1; 16],
                dest: [2; 16],
                source_port: 3,
                dest_port: 4,
                l4proto: 2,
            },
            6 => SocketEntry::Inet6 {
                source: [1; 16],
                dest: [0; 16],
                source_port: 3,
                dest_port: 0,
                l4proto: 2,
            },
            8 => SocketEntry::Unix { source: 1, dest: 2 },
            _ => SocketEntry::None,
        };
        let named = !matches!(kind, 0 | 3..=6);
        let file = kind == 16;
        s.fds.push(FdEntry {
            owner: scap_capture_format::event::Tid(10 + i64::from(kind > 12)),
            fd: i64::from(kind),
            kind,
            inode: 77,
            dev: if file { 0x801 } else { 0 },
            open_flags: u32::from(file),
            name: if named { name } else { StringId(0) },
            socket,
            extra: Vec::new(),
        });
    }
    s
}

fn machine() -> MachineInfo {
    MachineInfo {
        host_name: "web-1".into(),
        cpus: 4,
        memory: 1 << 33,
        boot_time: scap_capture_format::event::Timestamp(1_700_000_000_000_000_000),
        ..MachineInfo::default()
    }
}

fn close(flags: EventFlags) -> Owned {
    let mut event = Owned::new(5, 10, types::SYSCALL_CLOSE_X, None, &[&le64(0), &le64(3)]);
    event.flags = flags.bits();
    event.pid = -1;
    event
}

#[test]
fn everything_is_there_again() {
    let events = [close(EventFlags::empty()), close(EventFlags::HIDDEN)];
    let all = read_whole(&write(&machine(), &snapshot(), &events, FULL));
    let mut expected = snapshot();
    expected.next_event.0 = 1;
    // The order in which strings were met is not that of the test.
    let resolve = |s: &Snapshot| {
        let mut s = s.clone();
        let mut list = Vec::new();
        let mut text = |id: &mut StringId| {
            list.push(s.strings.get(*id).to_vec());
            *id = StringId(0);
        };
        s.interfaces.iter_mut().for_each(|i| text(&mut i.name));
        s.users.iter_mut().for_each(|u| {
            [&mut u.name, &mut u.home, &mut u.shell]
                .into_iter()
                .for_each(&mut text);
        });
        s.groups.iter_mut().for_each(|g| text(&mut g.name));
        for t in &mut s.threads {
            let all = [
                &mut t.comm,
                &mut t.exe,
                &mut t.exepath,
                &mut t.args,
                &mut t.env,
                &mut t.cwd,
                &mut t.root,
                &mut t.cgroups,
            ];
            all.into_iter().for_each(&mut text);
        }
        s.fds.iter_mut().for_each(|f| text(&mut f.name));
        s.strings = Default::default();
        (s, list)
    };
    assert_eq!(resolve(&all.snapshots[0]), resolve(&expected));
    assert_eq!(
        (&all.machines[0], &all.events[..]),
        (&machine(), &events[..])
    );

    let all = read_whole(&write(
        &machine(),
        &snapshot(),
        &events,
        WriterOptions::default(),
    ));
    let t = &all.snapshots[0].threads[0];
    assert_eq!(
        (
            t.loginuid,
            t.exe_writable,
            t.tty,
            t.cap_permitted,
            t.exe_ino,
            t.pgid
        ),
        (3, true, 0, 0, 0, -1)
    );
    let kinds: Vec<u8> = all.snapshots[0].fds.iter().map(|f| f.kind).collect();
    let expected: Vec<u8> = (0..=21).map(|k| if k > 16 { 10 } else { k }).collect();
    assert_eq!(kinds, expected);
}

#[test]
fn long_strings_are_cut() {
    let mut s = snapshot();
    let long = s.strings.intern(&[b'x'; 6000]);
    let t = &mut s.threads[0];
    (
        t.comm, t.exe, t.exepath, t.args, t.env, t.cwd, t.root, t.cgroups,
    ) = (long, long, long, long, long, long, long, long);
    s.fds[1].name = long;
    s.users[0].home = long;
    s.users.push(UserEntry {
        container: long,
        ..Default::default()
    });
    s.interfaces[0].address.clear();
    let mut m = machine();
    m.host_name = "x".repeat(200);
    let mut writer = SysdigWriter::new(Vec::new(), &m, &s, FULL).unwrap();
    close(EventFlags::empty())
        .with(|e| writer.event(e))
        .unwrap();
    assert_eq!((writer.cut(), writer.left_out()), (11, 2));
    let all = read_whole(&writer.finish().unwrap());
    let s = &all.snapshots[0];
    let len = |id| s.string(id).len();
    let t = &s.threads[0];
    // The last NUL is the reader's.
    assert_eq!(
        (len(t.comm), len(t.root), len(t.args), len(t.cgroups)),
        (1024, 1024, 4097, 4097)
    );
    assert_eq!(
        (
            len(s.fds[1].name),
            len(s.users[0].home),
            s.users.len(),
            s.interfaces.len()
        ),
        (1023, 255, 1, 1)
    );
    assert_eq!(all.machines[0].host_name.len(), 127);
}

#[test]
fn limits_of_events() {
    let mut writer = SysdigWriter::new(Vec::new(), &machine(), &snapshot(), FULL).unwrap();
    let mut put = |ty, params: &[&[u8]], flags: EventFlags| {
        let mut event = Owned::new(5, 10, ty, None, params);
        event.flags = flags.bits();
        event.with(|e| writer.event(e))
    };
    let big = vec![b'x'; 100_000];
    // Data is cut to what fits, everything after it stays.
    for flags in [EventFlags::empty(), EventFlags::HIDDEN] {
        put(
            types::SYSCALL_READ_X,
            &[&le64(100_000), &big, &le64(3), &[1, 2, 3, 4]],
            flags,
        )
        .unwrap();
    }
    put(types::CONTAINER_JSON_2_E, &[&big], EventFlags::HIDDEN).unwrap();
    let limit = |r| matches!(r, Err(Error::Limit { .. }));
    assert!(limit(put(
        types::SYSCALL_GETCWD_X,
        &[&le64(1), &big],
        EventFlags::empty()
    )));
    assert!(limit(put(
        types::SYSCALL_READ_X,
        &[&le64(1), b"x", &big],
        EventFlags::empty()
    )));
    assert!(limit(put(
        types::SYSCALL_READ_X,
        &vec![&b""[..]; 300],
        EventFlags::empty()
    )));
    assert_eq!(writer.cut(), 2);
    let all = read_whole(&writer.finish().unwrap());
    assert_eq!(all.events.len(), 3);
    for (event, head) in all.events.iter().zip([2, 6]) {
        let most = 65_536 - 8 - head - 26 - 8 - 8 - 8 - 4;
        assert_eq!(
            event.params.iter().map(Vec::len).collect::<Vec<_>>(),
            [8, most, 8, 4]
        );
    }
    assert_eq!(all.events[2].params[0].len(), 100_000);
}

/// A file with a list of a million threads is several lists.
#[test]
fn long_lists_are_split() {
    let mut s = Snapshot::default();
    let env = s.strings.intern(&[b'x'; 4000]);
    s.threads = (0..5000)
        .map(|tid| ThreadEntry {
            tid: scap_capture_format::event::Tid(tid),
            env,
            ..Default::default()
        })
        .collect();
    let all = read_whole(&write(&machine(), &s, &[close(EventFlags::empty())], FULL));
    assert_eq!(all.snapshots[0].threads.len(), 5000);
}
