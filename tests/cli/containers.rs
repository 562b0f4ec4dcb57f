//! Containers: their names from the first event on, and the list of them.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;

use crate::common::{START, TestEvent, event, file, i64b, scap, seen, u32b};
use scap_capture_format::event::{Pid, Tid, Timestamp};
use scap_capture_format::native::snapshot::ThreadEntry;
use scap_capture_format::native::{
    CaptureWriter, ContainerDescription, IndexedReader, Snapshot, WriterOptions,
};
use scap_capture_format::schema::types;
use serde_json::Value as Json;
use tempfile::tempdir;

const WEB: &str = "3ad7b26ded6d";
const WEB_FULL: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
const DB_FULL: &str = "b0b9e5e1a7f34f0e2d9f4b8ad3a2e5a6c1f0d7e8a9b6c5d4e3f2a1b0c9d8e7f6";
/// 2023-11-14T22:13:00Z
const CREATED: u64 = START / 1_000_000_000 - 20;

fn web() -> String {
    let text = r#"{"container":{"id":"ID","name":"k8s_\u001b[2Jweb","image":"nginx:1.27","type":7,
        "created_time":CREATED,"labels":{"io.kubernetes.pod.name":"web-0",
        "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1"},
        "Mounts":[{"Source":"/srv","Destination":"/www","Mode":"ro","RW":false,"Propagation":""}]}}"#;
    text.replace("ID", WEB)
        .replace("CREATED", &CREATED.to_string())
}

/// A host's process (100), one of a described container (200, 201) and one of a container that nobody knows
/// anything of (300).
fn snapshot() -> Snapshot {
    let mut s = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let pod = format!("=/kubepods.slice/kubepods-pod1.slice/cri-containerd-{WEB_FULL}.scope\0");
    let db = format!("=/docker/{DB_FULL}/sub\0");
    for (tid, comm, cgroups) in [
        (100, "bash", "=/user.slice/user-0.slice/session-1.scope\0"),
        (200, "nginx", &*pod),
        (201, "nginx", &*pod),
        (300, "mariadbd", &*db),
    ] {
        let comm = s.strings.intern(comm.as_bytes());
        let cgroups = s.strings.intern(cgroups.as_bytes());
        s.threads.push(ThreadEntry {
            tid: Tid(tid),
            pid: Pid(tid),
            ptid: Pid(1),
            comm,
            cgroups,
            ..ThreadEntry::default()
        });
    }
    s
}

fn close(at: u64, tid: i64) -> TestEvent {
    event(at, tid, types::SYSCALL_CLOSE_X, &[&i64b(-9), &i64b(7)])
}

fn exit(at: u64, tid: i64) -> TestEvent {
    let [ret, ptid] = [i64b(0), i64b(1)];
    event(
        at,
        tid,
        types::PROCEXIT_1_E,
        &[&ret, &ret, &[0], &[0], &ptid],
    )
}

/// The runtime answers between the third and the fourth event of the container.
fn story(description: &str) -> Vec<TestEvent> {
    let json = [description.as_bytes(), b"\0"].concat();
    let mut events = vec![
        close(1_000, 100),
        close(2_000, 200),
        close(3_000, 300),
        close(4_000, 201),
        event(
            5_000,
            -1,
            types::ASYNCEVENT_E,
            &[&u32b(0), b"container\0", &json],
        ),
        close(6_000, 200),
        exit(2_000_000_000, 201),
        exit(3_000_000_000, 200),
        close(4_000_000_000, 300),
    ];
    for event in &mut events {
        event.latency = None;
    }
    events
}

/// Writes the story, as a recorder does: descriptions when they came, a second snapshot later.
fn capture(finish: bool) -> Vec<u8> {
    capture_of(&web(), finish)
}

/// The same with another description.
fn capture_of(description: &str, finish: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new(
        &mut file,
        &crate::common::header(),
        WriterOptions::default(),
    )
    .unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    for event in &story(description) {
        crate::common::push(&mut writer, event);
        if event.ty == types::ASYNCEVENT_E {
            writer.flush_chunk().unwrap();
            let entry = ContainerDescription {
                time: Timestamp(START + event.at),
                id: WEB.into(),
                json: description.as_bytes().to_vec(),
            };
            writer.write_containers(&[entry]).unwrap();
        }
    }
    writer.flush_chunk().unwrap();
    if finish {
        writer.finish().unwrap();
    }
    file
}

const NAMES: &str = "*%evt.num %container.id %container.name %k8s.pod.name";
const NAMED: &str = "\
1 host host <NA>
2 3ad7b26ded6d k8s_\\x1b[2Jweb web-0
3 b0b9e5e1a7f3 <NA> <NA>
4 3ad7b26ded6d k8s_\\x1b[2Jweb web-0
6 3ad7b26ded6d k8s_\\x1b[2Jweb web-0
7 3ad7b26ded6d k8s_\\x1b[2Jweb web-0
8 3ad7b26ded6d k8s_\\x1b[2Jweb web-0
9 b0b9e5e1a7f3 <NA> <NA>
";

/// Lines of the events but the one that describes the container, and the exit code.
fn names(path: &Path, more: &[&str]) -> (String, i32) {
    let args = [&["read", path.to_str().unwrap(), "-p", NAMES], more].concat();
    let (out, _, code) = seen(&scap(&args, None));
    let shown = out
        .split_inclusive('\n')
        .filter(|l| !l.contains("<NA> <NA> <NA>"));
    (shown.collect(), code)
}

#[test]
fn every_event_has_its_container_s_name() {
    let dir = tempdir().unwrap();
    let whole = file(dir.path(), "a.scap", &capture(true));
    assert_eq!(names(&whole, &[]), (NAMED.to_owned(), 0));
    // Also where only a part is asked for, and where the recorder was killed.
    let first = NAMED.split_inclusive('\n').take(3).collect::<String>();
    assert_eq!(names(&whole, &["--to", "#3"]), (first, 0));
    let cut = file(dir.path(), "cut.scap", &capture(false));
    assert_eq!(names(&cut, &[]), (NAMED.to_owned(), 3));
    // And in a filter.
    let (found, _) = names(&whole, &["k8s.ns.name=shop", "and", "evt.num<=4"]);
    assert_eq!(found.lines().count(), 2);
}

#[test]
fn a_pipe_tells_as_it_comes() {
    let (out, err, code) = seen(&scap(&["read", "-", "-p", NAMES], Some(&capture(true))));
    assert_eq!((&*err, code), ("", 0));
    let line = |number: usize| out.lines().nth(number - 1).unwrap();
    assert_eq!(line(2), "2 3ad7b26ded6d <NA> <NA>");
    assert_eq!(line(6), "6 3ad7b26ded6d k8s_\\x1b[2Jweb web-0");
}

#[test]
fn what_is_written_anew_has_them_too() {
    let dir = tempdir().unwrap();
    let whole = file(dir.path(), "a.scap", &capture(true));
    let (from, part) = (whole.to_str().unwrap(), dir.path().join("part.scap"));
    let to = part.to_str().unwrap();
    // The event that describes it comes after all that are wanted.
    let (_, err, code) = seen(&scap(&["read", from, "-w", to, "evt.num in (2, 3)"], None));
    assert_eq!((&*err, code), ("", 0));
    let (found, _) = names(&part, &[]);
    assert!(
        found.starts_with("1 3ad7b26ded6d k8s_\\x1b[2Jweb web-0\n"),
        "{found}"
    );
    // From a pipe it is learnt in passing.
    let piped = dir.path().join("piped.scap");
    let args = [
        "convert",
        "--to",
        "native",
        "-q",
        "-",
        piped.to_str().unwrap(),
    ];
    let (_, err, code) = seen(&scap(&args, Some(&capture(true))));
    assert_eq!((&*err, code), ("", 0));
    assert_eq!(names(&piped, &[]), (NAMED.to_owned(), 0));
    let reader = IndexedReader::open(std::fs::File::open(&piped).unwrap()).unwrap();
    let kinds = reader.index().others.iter().map(|s| s.kind);
    assert_eq!(kinds.filter(|kind| *kind == 7).count(), 1);
}

/// sysdig takes what its files begin with for the state at the beginning.
#[test]
fn files_for_sysdig_begin_with_them() {
    let dir = tempdir().unwrap();
    let whole = file(dir.path(), "a.scap", &capture(true));
    let out = dir.path().join("sysdig.scap");
    let [from, to] = [&whole, &out].map(|path| path.to_str().unwrap());
    let (_, err, code) = seen(&scap(&["convert", "--to", "sysdig", "-q", from, to], None));
    assert_eq!((&*err, code), ("", 0));
    let format = "*%evt.type %container.id %container.name";
    let (found, _, code) = seen(&scap(&["read", "-p", format, to], None));
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!((lines[0], code), ("container <NA> <NA>", 0));
    let of_web: Vec<&&str> = lines.iter().filter(|line| line.contains(WEB)).collect();
    assert!(of_web.len() >= 6, "{found}");
    let named = |line: &&&str| line.ends_with(" k8s_\\x1b[2Jweb");
    assert!(of_web.iter().all(named), "{found}");
}

fn containers(args: &[&str]) -> (String, String, i32) {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "a.scap", &capture(true));
    let args = [&["containers", path.to_str().unwrap()], args].concat();
    seen(&scap(&args, None))
}

#[test]
fn the_list() {
    let (out, err, code) = containers(&[]);
    assert_eq!((&*err, code), ("", 0));
    let expected = "\
ID            NAME            IMAGE       RUNTIME     POD         CREATED                    PROCESSES  EVENTS  FIRST EVENT                LAST EVENT
3ad7b26ded6d  k8s_\\x1b[2Jweb  nginx:1.27  containerd  shop/web-0  2023-11-14T23:13:00+01:00          2       5  2023-11-14T23:13:20+01:00  2023-11-14T23:13:23+01:00
b0b9e5e1a7f3  -               -           docker      -           -                                  1       2  2023-11-14T23:13:20+01:00  2023-11-14T23:13:24+01:00
";
    assert_eq!(out, expected);
}

#[test]
fn a_date_that_cannot_be_is_none() {
    let dir = tempdir().unwrap();
    for (created, shown) in [
        (CREATED.to_string(), "2023-11-14T23:13:00+01:00"),
        // The clocks may be some hours apart.
        ((CREATED + 3600).to_string(), "2023-11-15T00:13:00+01:00"),
        ("0".to_owned(), "-"),
        ("1".to_owned(), "-"),
        ("-62135596800".to_owned(), "-"),
        ("253402300799".to_owned(), "-"),
        (i64::MAX.to_string(), "-"),
        (u64::MAX.to_string(), "-"),
        ("1e300".to_owned(), "-"),
        ("\"2023\"".to_owned(), "-"),
        ("1795536953".to_owned(), "-"),
    ] {
        let json = web().replace(&CREATED.to_string(), &created);
        let path = file(dir.path(), "a.scap", &capture_of(&json, true));
        let (out, err, code) = seen(&scap(&["containers", path.to_str().unwrap()], None));
        assert_eq!((&*err, code), ("", 0));
        let row = out.lines().find(|line| line.starts_with(WEB)).unwrap();
        let cell = row.split_whitespace().nth(5);
        assert_eq!(cell, Some(shown), "{created}: {row}");
    }
}

#[test]
fn a_filter_leaves_out_events_and_containers() {
    let rows = |args: &[&str]| {
        let (out, err, code) = containers(args);
        // The state at the end is not that of an hour later.
        let expected = match args {
            ["--at", "+1h"] => {
                "scap: warning: the events end before this instant, at \
                 2023-11-14T22:13:24.000000000+00:00: this is the state at their end\n"
            }
            _ => "",
        };
        assert_eq!((&*err, code), (expected, 0));
        let row = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0].to_owned(), line.to_owned())
        };
        out.lines().skip(1).map(row).collect::<Vec<_>>()
    };
    let found = rows(&["evt.type=procexit"]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].1.contains("          2       2  "),
        "{}",
        found[0].1
    );
    assert_eq!(rows(&["proc.name=mariadbd"])[0].0, "b0b9e5e1a7f3");
    assert!(rows(&["proc.name=bash"]).is_empty());
    // At an instant: those that have processes then.
    let at = |when: &str| {
        rows(&["--at", when])
            .into_iter()
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };
    for instant in ["start", "+0s", "#7"] {
        assert_eq!(at(instant), [WEB, "b0b9e5e1a7f3"], "{instant}");
    }
    for instant in ["#8", "#9", "end"] {
        assert_eq!(at(instant), ["b0b9e5e1a7f3"], "{instant}");
    }
    assert_eq!(at("2023-11-14T22:13:22.5Z"), [WEB, "b0b9e5e1a7f3"]);
    assert_eq!(at("+1h"), ["b0b9e5e1a7f3"]);
    let named = rows(&["--at", "+2.5s", "k8s.ns.name=shop"]);
    assert_eq!(named.len(), 1);
    assert!(named[0].1.trim_end().ends_with(" 1"), "{}", named[0].1);
}

#[test]
fn json_has_all_that_is_known() {
    let (out, err, code) = containers(&["--json"]);
    assert_eq!((&*err, code), ("", 0));
    assert!(out.is_ascii() && !out.contains('\u{1b}'));
    let json: Json = serde_json::from_str(&out).unwrap();
    let [web, db] = &json["containers"].as_array().unwrap()[..] else {
        panic!("{json}");
    };
    for (pointer, expected) in [
        ("/id", Json::from(WEB)),
        ("/full_id", WEB_FULL.into()),
        ("/name", "k8s_\u{1b}[2Jweb".into()),
        ("/pod/name", "web-0".into()),
        ("/pod/namespace", "shop".into()),
        ("/pod/uid", "u-1".into()),
        ("/runtime", "containerd".into()),
        ("/created", "2023-11-14T23:13:00.000000000+01:00".into()),
        ("/first_event", "2023-11-14T23:13:20.000002000+01:00".into()),
        ("/last_event", "2023-11-14T23:13:23.000000000+01:00".into()),
        ("/processes", 2.into()),
        ("/events", 5.into()),
        ("/description/Mounts/0/Destination", "/www".into()),
    ] {
        assert_eq!(web.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(db["full_id"], DB_FULL);
    assert_eq!(
        (&db["name"], &db["description"]),
        (&Json::Null, &Json::Null)
    );
    let (out, _, _) = containers(&["--json", "--at", "#9"]);
    let json: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (
            json["at"].as_str(),
            json["containers"].as_array().unwrap().len()
        ),
        (Some("#9"), 1)
    );
}

#[test]
fn info_counts_what_runtimes_described() {
    let dir = tempdir().unwrap();
    let whole = file(dir.path(), "a.scap", &capture(true));
    let (text, _, code) = seen(&scap(&["info", whole.to_str().unwrap()], None));
    assert_eq!(code, 0);
    assert!(
        text.contains("\ncontainers 1 described by runtimes\n"),
        "{text}"
    );
}

#[test]
fn errors_are_reported() {
    let (out, err, code) = containers(&["--at", "soon"]);
    assert_eq!((&*out, code), ("", 2));
    assert!(err.contains("`soon`"), "{err}");
    let (_, err, code) = containers(&["prc.name=x"]);
    assert_eq!(code, 2);
    assert!(err.contains("prc"), "{err}");
    let dir = tempdir().unwrap();
    let cut = file(dir.path(), "cut.scap", &capture(false));
    let (out, err, code) = seen(&scap(&["containers", cut.to_str().unwrap()], None));
    assert_eq!((out.lines().count(), code), (3, 3));
    assert!(err.contains("is incomplete"), "{err}");
}
