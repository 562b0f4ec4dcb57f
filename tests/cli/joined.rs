//! `scap merge` and `scap cat`: captures of several machines, and the files of one recording, in one.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::Path;

use crate::common::{START, TestEvent, event, file, header, i64b, push, scap, seen, u32b};
use scap_capture_format::event::{EventNum, Pid, Tid, Timestamp};
use scap_capture_format::native::snapshot::{FdEntry, ThreadEntry};
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Item, Load, Snapshot, WriterOptions,
};
use scap_capture_format::schema::types;
use serde_json::Value;

fn quiet(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(args, None));
    assert_eq!((err.as_str(), code), ("", 0), "{args:?}");
    out
}

const MS: u64 = 1_000_000;

/// One end of a TCP connection: of `client` to `server`, both as (last byte of the address, port).
fn connection(at: u64, accepts: bool, client: (u8, u16), server: (u8, u16)) -> [TestEvent; 2] {
    let mut tuple = vec![2];
    for (host, port) in [client, server] {
        tuple.extend([10, 0, 0, host]);
        tuple.extend(port.to_le_bytes());
    }
    let socket: [&[u8]; 4] = [&i64b(7), &u32b(2), &u32b(1), &u32b(0)];
    let made = event(at - MS, 100, types::SOCKET_SOCKET_X, &socket);
    let mut done = match accepts {
        true => event(
            at,
            100,
            types::SOCKET_ACCEPT4_6_X,
            &[&i64b(8), &tuple, &[0], &u32b(0), &u32b(0), &u32b(0)],
        ),
        false => event(
            at,
            100,
            types::SOCKET_CONNECT_X,
            &[&i64b(0), &tuple, &i64b(7)],
        ),
    };
    done.latency = Some(100_000);
    [made, done]
}

/// A machine whose clock is ahead by some milliseconds of the true time, by which `events` are.
fn machine(host: &str, ahead: i64, events: impl IntoIterator<Item = TestEvent>) -> Vec<u8> {
    let mut header = header();
    header.machine.host_name = host.to_owned();
    header.machine.boot_id = format!("boot of {host}");
    let mut snapshot = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let comm = snapshot.strings.intern(host.as_bytes());
    snapshot.threads.push(ThreadEntry {
        tid: Tid(100),
        pid: Pid(100),
        comm,
        ..ThreadEntry::default()
    });
    let mut bytes = Vec::new();
    let mut writer = CaptureWriter::new(&mut bytes, &header, WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut snapshot).unwrap();
    for mut event in events {
        event.at = event.at.saturating_add_signed(ahead * MS as i64);
        push(&mut writer, &event);
    }
    writer.finish().unwrap();
    bytes
}

/// Three machines: `a` and `b` talk in both directions, `b` connects to `c`; `d` talks to nobody.
fn machines(dir: &Path) -> [String; 4] {
    let mut events: [Vec<TestEvent>; 4] = Default::default();
    for n in 0..5 {
        let at = 1000 * MS + n * 20 * MS;
        let port = 40_000 + n as u16;
        // What a connection takes differs: the least bounds the offset.
        let takes = MS + n * MS / 2;
        events[0].extend(connection(at, false, (1, port), (2, 80)));
        events[1].extend(connection(at + takes, true, (1, port), (2, 80)));
        events[1].extend(connection(at + 7 * MS, false, (2, port), (1, 443)));
        events[0].extend(connection(at + 7 * MS + takes, true, (2, port), (1, 443)));
        events[1].extend(connection(at + 11 * MS, false, (2, port), (3, 22)));
        events[2].extend(connection(at + 11 * MS + takes, true, (2, port), (3, 22)));
        events[3].extend(connection(at, true, (9, port), (4, 80)));
    }
    let [a, b, c, d] = events;
    let write = |name: &str, ahead, events| {
        let path = file(dir, &format!("{name}.scap"), &machine(name, ahead, events));
        path.to_str().unwrap().to_owned()
    };
    [
        write("a", 0, a),
        write("b", 250, b),
        write("c", -90, c),
        write("d", 0, d),
    ]
}

#[test]
fn clocks_are_compared_by_connections_and_aligned_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let files = machines(dir.path());
    let [a, b, c, d] = &files;
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    let clocks = |args: &[&str]| -> Vec<Value> {
        let json = quiet(&[&["merge", "--json", "-o", out], args].concat());
        serde_json::from_str::<Value>(&json)
            .unwrap()
            .as_array()
            .unwrap()
            .clone()
    };
    let near = |value: &Value, ms: f64, within: f64| {
        let ns = value.as_f64().unwrap();
        assert!((ns / 1e6 - ms).abs() <= within, "{value} is not {ms} ms");
    };
    let found = clocks(&[a, b, c, d]);
    assert_eq!(found[0]["ahead_ns"], 0);
    // In both directions, what connections take cancels out.
    near(&found[1]["ahead_ns"], 250.0, 0.01);
    near(&found[1]["at_most_ns"], 251.1, 0.01);
    near(&found[1]["at_least_ns"], 248.9, 0.01);
    assert_eq!(found[1]["connections_to_it"], 5);
    assert_eq!(found[1]["connections_from_it"], 5);
    // In one direction only; compared with `b`, which is compared with `a`.
    near(&found[2]["ahead_ns"], -90.0, 2.2);
    assert_eq!(found[2]["compared_with"], found[1]["file"]);
    assert_eq!(found[2]["at_least_ns"], Value::Null);
    assert_eq!(found[3]["ahead_ns"], Value::Null);
    // The other way round.
    let found = clocks(&[b, a]);
    near(&found[1]["ahead_ns"], -250.0, 0.01);

    // What is only said does not change a time.
    let show = |path: &str, filter: &str| {
        quiet(&[
            "read",
            path,
            "-p",
            "%evt.hostname %evt.rawtime %evt.type %fd.name",
            filter,
        ])
    };
    quiet(&["merge", "-q", a, b, c, d, "-o", out]);
    let of_host = |host: &str| show(out, &format!("evt.hostname={host}"));
    for (host, path) in ["a", "b", "c", "d"].into_iter().zip(&files) {
        assert_eq!(of_host(host), show(path, "evt.num>0"), "{host}");
        assert!(of_host(host).lines().count() > 5);
    }
    let verify = |parents: &[&str]| {
        let parents: Vec<&str> = parents
            .iter()
            .flat_map(|parent| ["--parent", parent])
            .collect();
        quiet(&[&["verify", out], &parents[..]].concat())
    };
    assert!(verify(&[a, b, c, d]).contains(" of the parents, in their order"));

    // Aligned, what is accepted follows what was begun.
    quiet(&["merge", "--align", "-q", a, b, "-o", out]);
    let lines = show(out, "evt.type in (connect, accept4) and fd.sport!=22");
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {}", words[0], words[2])
        })
        .collect();
    let expected = ["a connect", "b accept4", "b connect", "a accept4"];
    for (at, kind) in kinds.iter().enumerate() {
        assert_eq!(kind, expected[at % 4], "{lines}");
    }
    assert_eq!(kinds.len(), 20);
    verify(&[a, b]);
    let (_, err, code) = seen(&scap(&["merge", a, b, "-o", out], None));
    assert_eq!(code, 0);
    assert!(
        err.contains("b.scap: its clock is 0.250000 s ahead of that of ")
            && err.contains(", between 0.248900 and 0.251100 s (5 connections to it, 5 from it)\n"),
        "{err}"
    );
}

/// The files of one recording: the first of the events, the next ones from the `starts` on; numbered as a recorder
/// does, if `is_set`.
fn parts(dir: &Path, starts: &[usize], is_set: bool) -> Vec<String> {
    let open = |at: u64, fd: i64| {
        let path = format!("/file/{fd}\0");
        let params: [&[u8]; 7] = [
            &i64b(fd),
            &i64b(-100),
            path.as_bytes(),
            &u32b(1),
            &u32b(0),
            &u32b(1),
            &i64b(9),
        ];
        event(at, 100, types::SYSCALL_OPENAT_2_X, &params)
    };
    let read = |at: u64, fd: i64| {
        event(
            at,
            100,
            types::SYSCALL_READ_X,
            &[&i64b(1), b"x", &i64b(fd), &u32b(64)],
        )
    };
    let events: Vec<TestEvent> = (0..12)
        .map(|n| match n % 2 {
            0 => open(n * 1000, 3 + n as i64 / 2),
            // Of a file that was opened long before.
            _ => read(n * 1000, 3 + n as i64 / 4),
        })
        .collect();
    let mut paths = Vec::new();
    let ends = starts.iter().skip(1).copied().chain([events.len()]);
    for (number, (start, end)) in starts.iter().zip(ends).enumerate() {
        let mut bytes = Vec::new();
        let options = WriterOptions {
            first_event: EventNum(if is_set { *start as u64 + 1 } else { 1 }),
            ..WriterOptions::default()
        };
        let mut writer = CaptureWriter::new(&mut bytes, &header(), options).unwrap();
        let mut snapshot = Snapshot {
            time: Timestamp(START + *start as u64 * 1000),
            ..Snapshot::default()
        };
        let comm = snapshot.strings.intern(b"main");
        snapshot.threads.push(ThreadEntry {
            tid: Tid(100),
            pid: Pid(100),
            comm,
            ..ThreadEntry::default()
        });
        // What a recorder that has just started knows from /proc.
        for fd in 3..3 + (*start as i64 + 1) / 2 {
            let name = snapshot.strings.intern(format!("/file/{fd}").as_bytes());
            snapshot.fds.push(FdEntry {
                owner: Tid(100),
                fd,
                kind: 16,
                name,
                ..FdEntry::default()
            });
        }
        writer.write_snapshot(&mut snapshot).unwrap();
        for event in &events[*start..end] {
            push(&mut writer, event);
        }
        writer.finish().unwrap();
        let path = file(dir, &format!("set{number}-{is_set}.scap"), &bytes);
        paths.push(path.to_str().unwrap().to_owned());
    }
    paths
}

#[test]
fn the_files_of_a_recording_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.scap");
    let out = out.to_str().unwrap();
    let show = |path: &str| {
        quiet(&[
            "read",
            path,
            "-p",
            "*%evt.rawtime %proc.name %evt.type %fd.name",
        ])
    };
    let whole = show(&parts(dir.path(), &[0], true)[0]);
    let set = parts(dir.path(), &[0, 5, 8], true);
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    quiet(&[&["cat", "-q", "-o", out], &set[..]].concat());
    assert_eq!(show(out), whole);
    assert_eq!(whole.lines().count(), 12);
    let info: Value = serde_json::from_str(&quiet(&["info", "--json", out])).unwrap();
    assert_eq!(info["lost"]["total"], 0);
    let parents: Vec<&str> = set.iter().flat_map(|part| ["--parent", *part]).collect();
    quiet(&[&["verify", out], &parents[..]].concat());

    // Recordings after each other: between them something can be missing.
    let apart = parts(dir.path(), &[0, 5, 8], false);
    let apart: Vec<&str> = apart.iter().map(String::as_str).collect();
    let (_, err, code) = seen(&scap(
        &[&["cat", "-q", "-o", out], &apart[..]].concat(),
        None,
    ));
    assert_eq!(
        (err.matches("warning: a gap from ").count(), code),
        (2, 0),
        "{err}"
    );
    assert_eq!(show(out), whole);
    let info: Value = serde_json::from_str(&quiet(&["info", "--json", out])).unwrap();
    assert_eq!(info["lost"]["total"], 2);
    assert_eq!(info["lost"]["spans"][0]["cause"], "between joined captures");
    // A part of the set is missing.
    let (_, err, code) = seen(&scap(&["cat", "-q", "-o", out, set[0], set[2]], None));
    assert_eq!(
        (err.matches("warning: a gap from ").count(), code),
        (1, 0),
        "{err}"
    );

    // What does not belong together.
    let refused = |files: &[&str], what: &str| {
        fs::write(out, "kept").unwrap();
        let (_, err, code) = seen(&scap(&[&["cat", "-o", out], files].concat(), None));
        assert!(err.contains(what) && code == 1, "{err}");
        assert_eq!(fs::read(out).unwrap(), b"kept");
    };
    let other = file(dir.path(), "other.scap", &machine("other", 0, []));
    refused(
        &[set[0], other.to_str().unwrap()],
        "other.scap is of another machine than ",
    );
    let rebooted = dir.path().join("rebooted.scap");
    fs::write(&rebooted, changed_boot(&fs::read(set[1]).unwrap())).unwrap();
    refused(
        &[set[0], rebooted.to_str().unwrap()],
        " is of another boot of the machine than ",
    );
}

/// The same capture after the machine has booted again.
fn changed_boot(capture: &[u8]) -> Vec<u8> {
    let mut reader = CaptureReader::new(capture).unwrap();
    let mut header = reader.header().clone();
    header.machine.boot_id = "later".to_owned();
    let mut bytes = Vec::new();
    let mut writer = CaptureWriter::new(&mut bytes, &header, WriterOptions::default()).unwrap();
    let mut decoder = ChunkDecoder::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(mut snapshot) => writer.write_snapshot(&mut snapshot).unwrap(),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    writer.push(&event).unwrap();
                }
            }
            _ => {}
        }
    }
    writer.finish().unwrap();
    bytes
}
