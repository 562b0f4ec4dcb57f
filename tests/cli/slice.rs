//! `scap slice`: parts of captures that stand for themselves, and with `--only` have nothing of other processes.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::Path;

use crate::common::{
    START, TestEvent, contains, event, file, header, i64b, push, raw, scap, seen, u32b,
};
use scap_capture_format::event::{Pid, Tid, Timestamp};
use scap_capture_format::native::snapshot::{ContainerEntry, FdEntry, ThreadEntry, UserEntry};
use scap_capture_format::native::{CaptureWriter, ContainerDescription, Snapshot, WriterOptions};
use scap_capture_format::schema::types;

/// Runs scap, which succeeds without a word on standard error; returns its output.
fn quiet(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(args, None));
    assert_eq!((err.as_str(), code), ("", 0), "{args:?}");
    out
}

/// What is never in a slice with `--only` of another process.
const MARKER: &str = "PLANTED-";

fn marked(what: &str) -> Vec<u8> {
    format!("{MARKER}{what}\0").into_bytes()
}

/// The parameters of an execve.
fn exec(tid: i64, exe: &str, args: &[u8], env: &[u8]) -> TestEvent {
    let text = |text: &str| [text.as_bytes(), b"\0"].concat();
    let zero = i64b(0);
    let params: Vec<Vec<u8>> = vec![
        zero.to_vec(),
        text(exe),
        args.to_vec(),
        i64b(tid).to_vec(),
        i64b(tid).to_vec(),
        i64b(100).to_vec(),
        text("/"),
        i64b(1024).to_vec(),
        zero.to_vec(),
        zero.to_vec(),
        u32b(1).to_vec(),
        u32b(1).to_vec(),
        u32b(0).to_vec(),
        text(exe),
        Vec::new(),
        env.to_vec(),
        u32b(0).to_vec(),
        i64b(tid).to_vec(),
        u32b(0).to_vec(),
    ];
    let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
    event(0, tid, types::SYSCALL_EXECVE_19_X, &params)
}

/// A clone as the parent sees it (`child` > 0), or as the child does.
fn clone(tid: i64, child: i64, args: &[u8]) -> TestEvent {
    let zero = i64b(0);
    let (own, parent) = (i64b(tid), i64b(100));
    let params: [&[u8]; 21] = [
        &i64b(child),
        b"shell\0",
        args,
        &own,
        &own,
        &parent,
        b"/\0",
        &i64b(1024),
        &zero,
        &zero,
        &u32b(1),
        &u32b(1),
        &u32b(0),
        b"shell\0",
        b"",
        &u32b(0),
        &u32b(7),
        &u32b(7),
        &own,
        &own,
        &zero,
    ];
    event(0, tid, types::SYSCALL_CLONE_20_X, &params)
}

fn open(tid: i64, fd: i64, path: &[u8]) -> TestEvent {
    // Programs that are executed do not inherit what others open.
    let flags = match contains(path, MARKER.as_bytes()) {
        true => 0x1001,
        false => 1,
    };
    let params: [&[u8]; 7] = [
        &i64b(fd),
        &i64b(-100),
        path,
        &u32b(flags),
        &u32b(0),
        &u32b(1),
        &i64b(9),
    ];
    event(0, tid, types::SYSCALL_OPENAT_2_X, &params)
}

fn read(tid: i64, fd: i64, data: &[u8]) -> TestEvent {
    event(
        0,
        tid,
        types::SYSCALL_READ_X,
        &[&i64b(data.len() as i64), data, &i64b(fd), &u32b(64)],
    )
}

/// A shell (100) with a secret in each place starts `good` (200), twice over, and others.
fn machine() -> Vec<u8> {
    let mut snapshot = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let mut string = |text: &[u8]| snapshot.strings.intern(text);
    let shell = ThreadEntry {
        tid: Tid(100),
        pid: Pid(100),
        ptid: Pid(50),
        sid: 50,
        comm: string(b"shell"),
        exe: string(&marked("exe")[..11]),
        exepath: string(b"/PLANTED-exepath"),
        args: string(&marked("args")),
        env: string(&marked("env")),
        cwd: string(b"/"),
        uid: 666,
        gid: 666,
        ..ThreadEntry::default()
    };
    let login = ThreadEntry {
        tid: Tid(50),
        pid: Pid(50),
        ptid: Pid(1),
        sid: 50,
        comm: string(b"login"),
        args: string(&marked("login")),
        env: string(&marked("login-env")),
        ..ThreadEntry::default()
    };
    let contained = ThreadEntry {
        tid: Tid(60),
        pid: Pid(60),
        ptid: Pid(1),
        comm: string(b"PLANTED-comm"),
        exe: string(b"PLANTED-exe"),
        cwd: string(b"/PLANTED-cwd"),
        root: string(b"/PLANTED-root"),
        cgroups: string(b"cpu=/PLANTED-cgroup\0"),
        container: string(b"PLANTED-cont"),
        ..ThreadEntry::default()
    };
    let log = string(b"/var/log/shared");
    let secret = string(b"/PLANTED-file");
    let user = string(b"PLANTED-user");
    let kept = string(b"kept-user");
    let id = string(b"PLANTED-cont");
    let json = string(br#"{"container":{"id":"PLANTED-cont","name":"PLANTED-name"}}"#);
    snapshot.threads.extend([login, contained, shell]);
    // Its children inherit the first, and programs that they execute do not have the second.
    for (fd, name, open_flags) in [(3, log, 1), (4, secret, 0x1001)] {
        snapshot.fds.push(FdEntry {
            owner: Tid(100),
            fd,
            kind: 16,
            name,
            open_flags,
            ..FdEntry::default()
        });
    }
    for (uid, name) in [(666, user), (7, kept)] {
        snapshot.users.push(UserEntry {
            uid,
            gid: uid,
            name,
            ..UserEntry::default()
        });
    }
    snapshot.containers.push(ContainerEntry { id, json });
    let events = vec![
        read(100, 4, &marked("data")),
        open(60, 9, &marked("contained")),
        // The parent's event is first.
        clone(100, 200, &marked("args")),
        clone(200, 0, &marked("args")),
        open(100, 6, &marked("path")),
        exec(200, "good", b"-v\0", b"HOME=/\0"),
        read(200, 3, b"kept data"),
        // Another process changes it.
        event(
            0,
            100,
            types::SYSCALL_SETPGID_X,
            &[&i64b(0), &i64b(200), &i64b(77)],
        ),
        open(200, 5, b"/kept/path\0"),
        // The child's event is first.
        clone(201, 0, &marked("args")),
        clone(100, 201, &marked("args")),
        exec(201, "good", b"-w\0", b"HOME=/\0"),
        read(201, 3, b"kept too"),
        exec(100, "evil", &marked("args2"), &marked("env2")),
        event(
            0,
            100,
            types::PROCEXIT_1_E,
            &[&i64b(0), &i64b(0), &[0], &[0], &i64b(50)],
        ),
        read(200, 5, b"after the end of its parent"),
        // The id of a chosen process again.
        event(
            0,
            200,
            types::PROCEXIT_1_E,
            &[&i64b(0), &i64b(0), &[0], &[0], &i64b(0)],
        ),
        clone(50, 200, &marked("again")),
        exec(200, "other", &marked("reused"), &marked("reused")),
        open(200, 3, &marked("reused")),
    ];
    let mut bytes = Vec::new();
    let mut writer = CaptureWriter::new(&mut bytes, &header(), WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut snapshot).unwrap();
    writer
        .write_containers(&[ContainerDescription {
            time: Timestamp(START),
            id: b"PLANTED-cont".to_vec(),
            json: br#"{"container":{"id":"PLANTED-cont","name":"PLANTED-name"}}"#.to_vec(),
        }])
        .unwrap();
    for (at, mut event) in (1_u64..).zip(events) {
        event.at = at * 1_000_000;
        push(&mut writer, &event);
    }
    writer.finish().unwrap();
    bytes
}

/// Values that do not depend on the texts of other processes.
const FIELDS: &str = "%evt.rawtime %evt.type %evt.args|%proc.pid %proc.name %proc.exe %proc.args %proc.cwd %proc.env \
%proc.ppid %proc.pname %proc.aname[2] %proc.sname %proc.vpgid|%fd.num %fd.name %fd.type|%user.name %container.id %thread.tid %proc.fdopencount";

/// Compares what a slice shows with what its parent shows of the same events.
fn compare(parent: &str, slice: &str, filter: &str) -> usize {
    let format = format!("*{FIELDS}");
    let show = |capture: &str, filter: &[&str]| {
        let out = quiet(&[&["read", "-p", &format, "-r", capture], filter].concat());
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let filter: Vec<&str> = (!filter.is_empty()).then_some(filter).into_iter().collect();
    let (expected, found) = (show(parent, &filter), show(slice, &[]));
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected, "{filter:?}");
    }
    assert_eq!(found.len(), expected.len(), "{filter:?}");
    found.len()
}

#[test]
fn there_is_nothing_of_other_processes_and_fields_keep_their_values() {
    let dir = tempfile::tempdir().unwrap();
    let whole = file(dir.path(), "whole.scap", &machine());
    let whole = whole.to_str().unwrap();
    assert!(contains(&raw(&fs::read(whole).unwrap()), MARKER.as_bytes()));
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    for filter in [
        "proc.name=good",
        "proc.name=good and evt.type=read",
        "evt.type=read and fd.name startswith /var and proc.name!=shell",
        "fd.name=/kept/path",
    ] {
        quiet(&["slice", whole, "-q", "-o", out, "--only", filter]);
        assert!(compare(whole, out, filter) > 0);
        let bytes = raw(&fs::read(out).unwrap());
        let at = bytes
            .windows(MARKER.len())
            .position(|w| w == MARKER.as_bytes());
        let around = at
            .map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(40)..at + 40]).into_owned());
        assert_eq!(around, None, "{filter}");
        assert!(
            !contains(&bytes, b"login-env") && contains(&bytes, b"kept-user"),
            "{filter}"
        );
        quiet(&["verify", out]);
    }
    // Without --only the state of the others is there.
    quiet(&["slice", whole, "-q", "-o", out, "proc.name=good"]);
    assert!(compare(whole, out, "proc.name=good") > 0);
    assert!(contains(&raw(&fs::read(out).unwrap()), MARKER.as_bytes()));
}

#[test]
fn slices_of_the_sample_show_what_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let sample = sample.to_str().unwrap();
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    let names = quiet(&["read", sample, "-p", "%proc.name"]);
    let mut names: Vec<&str> = names.lines().filter(|name| !name.contains(' ')).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 5, "{names:?}");
    let mut filters: Vec<String> = names
        .iter()
        .take(6)
        .map(|n| format!("proc.name='{n}'"))
        .collect();
    filters.extend(
        [
            "evt.type in (execve, connect)",
            "fd.type=ipv4",
            "evt.failed=true",
        ]
        .map(str::to_owned),
    );
    for filter in &filters {
        quiet(&["slice", sample, "-q", "-o", out, "--only", filter]);
        compare(sample, out, filter);
        quiet(&["verify", out]);
    }
    // A range: its events have the state from before it.
    let middle = "evt.num>=400 and evt.num<=900";
    for only in [&[][..], &["--only"]] {
        quiet(
            &[
                &[
                    "slice", sample, "-q", "-o", out, "--from", "#400", "--to", "#900",
                ],
                only,
            ]
            .concat(),
        );
        assert_eq!(compare(sample, out, middle), 501);
    }
}

#[test]
fn relatives_and_containers_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let whole = file(dir.path(), "whole.scap", &machine());
    let whole = whole.to_str().unwrap();
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    let pids = |args: &[&str]| {
        quiet(&[&["slice", whole, "-q", "-o", out], args].concat());
        let mut pids: Vec<String> = quiet(&["read", out, "-p", "%proc.pid"])
            .lines()
            .map(str::to_owned)
            .collect();
        pids.sort();
        pids.dedup();
        pids.join(" ")
    };
    // Its children; of its parent there is no event.
    assert_eq!(pids(&["--lineage", "100"]), "100 200 201");
    // Its parent is in, and who adopts it, but not its sibling.
    assert_eq!(pids(&["--lineage", "201"]), "100 201 50");
    assert_eq!(pids(&["--lineage", "100", "evt.type=read"]), "100 200 201");
    assert_eq!(pids(&["--container", "PLANTED-name"]), "60");
    assert_eq!(pids(&["--container", "PLANTED-c", "--only"]), "60");
    assert_eq!(pids(&["--container", "host"]), "100 200 201 50");
    assert_eq!(pids(&["--container", "nothing"]), "");
}

/// Writes the events of a capture again, changed by `change`: an event for which it is false is left out.
fn forged(capture: &[u8], mut change: impl FnMut(&mut TestEvent) -> bool) -> Vec<u8> {
    use scap_capture_format::native::{CaptureReader, ChunkDecoder, Item, Load};
    let mut reader = CaptureReader::new(capture).unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        CaptureWriter::new(&mut bytes, reader.header(), WriterOptions::default()).unwrap();
    let mut decoder = ChunkDecoder::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(mut snapshot) => writer.write_snapshot(&mut snapshot).unwrap(),
            Item::Derivation(derivation) => writer.write_derivation(&derivation).unwrap(),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(row) = rows.next().unwrap() {
                    let params: Vec<&[u8]> =
                        row.params.iter().map(Option::unwrap_or_default).collect();
                    let mut copy = event(row.ts.0 - START, row.tid.0, row.ty, &params);
                    (copy.pid, copy.latency, copy.flags) = (row.pid.0, row.latency, row.flags);
                    if change(&mut copy) {
                        push(&mut writer, &copy);
                    }
                }
            }
            _ => {}
        }
    }
    writer.finish().unwrap();
    bytes
}

#[test]
fn events_are_proved_to_be_those_of_the_parent() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = machine();
    let whole = file(dir.path(), "whole.scap", &bytes);
    let whole = whole.to_str().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let [slice, other] = ["slice.scap", "other.scap"].map(path);
    let verify = |capture: &str, parents: &[&str]| {
        let parents: Vec<&str> = parents
            .iter()
            .flat_map(|parent| ["--parent", parent])
            .collect();
        let (out, err, code) = seen(&scap(&[&["verify", capture], &parents[..]].concat(), None));
        assert_eq!(err, "", "{capture}");
        (out, code)
    };
    for args in [
        &["proc.name=good"][..],
        &["proc.name=good", "--only"],
        &["--from", "#4", "--to", "+12ms"],
    ] {
        quiet(&[&["slice", whole, "-q", "-o", &slice], args].concat());
        let (out, code) = verify(&slice, &[whole]);
        assert!(
            out.contains(" of the parents, in their order\n") && code == 0,
            "{args:?} {out}"
        );
        // Whatever is forged: data, a time, a thread, an order, a flag, an event more.
        let cut = fs::read(&slice).unwrap();
        type Forgery = fn(&mut TestEvent, u64) -> bool;
        let forgeries: [Forgery; 5] = [
            |event, at| {
                if at == 2 {
                    event.params[1].push(b'!');
                }
                true
            },
            |event, at| {
                event.at += u64::from(at == 2);
                true
            },
            |event, at| {
                event.tid += i64::from(at == 2);
                true
            },
            |event, at| {
                event.latency = event.latency.map(|latency| latency + u64::from(at == 1));
                true
            },
            |event, at| {
                if at == 2 {
                    event.at -= 1_000_000;
                }
                true
            },
        ];
        for (number, forgery) in forgeries.into_iter().enumerate() {
            let mut at = 0;
            let bytes = forged(&cut, |event| {
                at += 1;
                forgery(event, at)
            });
            let forged = file(dir.path(), "forged.scap", &bytes);
            let (out, code) = verify(forged.to_str().unwrap(), &[whole]);
            assert!(
                out.contains("not proved: event ") && code == 3,
                "{number} {args:?} {out}"
            );
        }
        // What is left out is still a part.
        let bytes = forged(&cut, |event| event.ty != types::SYSCALL_READ_X);
        let part = file(dir.path(), "part.scap", &bytes);
        assert_eq!(verify(part.to_str().unwrap(), &[whole]).1, 0);
    }
    // Another parent, or one that was changed since.
    fs::write(&other, forged(&bytes, |_| true)).unwrap();
    let (out, code) = verify(&slice, &[&other]);
    assert!(
        out.contains("whole.scap, is none of the given files: its BLAKE3 hash"),
        "{out}"
    );
    assert_eq!(code, 3);
    // A capture that was recorded has no parent.
    let (out, code) = verify(whole, &[&other]);
    assert!(
        out.contains("does not say what it was made from") && code == 3,
        "{out}"
    );
    // Several parents, merged: each event is of its own.
    quiet(&["read", whole, &slice, "-w", &other]);
    assert_eq!(verify(&other, &[whole, &slice]).1, 0);
    assert_eq!(verify(&other, &[&slice, whole]).1, 0);
    let (out, code) = verify(&other, &[whole]);
    assert!(
        out.contains("slice.scap, is none of the given files") && code == 3,
        "{out}"
    );
}

/// Captures of other recorders, with two events a call: the enter events of a slice are found in the parent, too.
#[test]
fn slices_of_captures_of_others_are_proved() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    let captures = [
        ("captures/sysdig-0.40-container.scap", "proc.name=sh"),
        (
            "captures/docker-curl-https.scap",
            "proc.name=curl and evt.type!=switch",
        ),
        (
            "captures/falco-run-as-user-0-container.scap",
            "proc.name=sshd and evt.type!=switch",
        ),
    ];
    for (capture, filter) in captures {
        let Some(capture) = crate::common::extra_data(capture) else {
            return;
        };
        let capture = capture.to_str().unwrap();
        for only in [&[][..], &["--only"]] {
            quiet(&[&["slice", capture, "-q", "-o", out, filter], only].concat());
            assert!(compare(capture, out, filter) > 0);
            let found = quiet(&["verify", out, "--parent", capture]);
            assert!(found.contains(" of the parents, in their order"), "{found}");
        }
        quiet(&["redact", capture, "-q", "-o", out, "--hash", "all"]);
        quiet(&["verify", out, "--parent", capture]);
    }
}
