//! `scap verify`: the same answer as `scap info`, for many captures.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use serde_json::Value;
use tempfile::tempdir;

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::{
    CaptureWriter, EventNames, LaneSet, Names, Objects, WriterOptions,
};
use scap_capture_format::schema::types;

use crate::common::{START, file, header, i64b, scap, seen, snapshot, story, u32b, write};

#[test]
fn what_is_damaged_where() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let whole = file(dir.path(), "whole.scap", &bytes);
    let cut = file(dir.path(), "cut.scap", &bytes[..bytes.len() - 30]);
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    let changed = file(dir.path(), "changed.scap", &changed);
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (whole, cut, changed) = (path(&whole), path(&cut), path(&changed));

    let (out, err, code) = seen(&scap(&["verify", &whole], None));
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(
        out,
        format!("{whole}: intact; 10 events, 4 chunks, 1 snapshot, index\n")
    );
    for damaged in [&cut, &changed] {
        let (out, err, code) = seen(&scap(&["verify", damaged], None));
        assert_eq!((code, &*err), (3, ""));
        assert!(
            out.starts_with(damaged.as_str()) && out.contains("    byte "),
            "{out}"
        );
        let quiet = seen(&scap(&["verify", "-q", damaged], None));
        assert_eq!(quiet, (String::new(), String::new(), 3));
        let parse =
            |args: &[&str]| -> Value { serde_json::from_str(&seen(&scap(args, None)).0).unwrap() };
        let (verified, info) = (
            parse(&["verify", "--json", damaged]),
            parse(&["info", "--json", damaged]),
        );
        for (member, value) in info["integrity"].as_object().unwrap() {
            assert_eq!(verified[member], *value, "{member}");
        }
    }
    let piped = seen(&scap(&["verify", "-"], Some(&bytes)));
    assert_eq!(piped.2, 0, "{}", piped.0);
}

#[test]
fn one_that_cannot_be_read_hides_no_other() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let whole = file(dir.path(), "whole.scap", &bytes);
    let text = file(dir.path(), "text", b"no capture");
    let (whole, text) = (whole.to_str().unwrap(), text.to_str().unwrap());
    let gone = dir.path().join("gone");
    let (out, err, code) = seen(&scap(
        &["verify", gone.to_str().unwrap(), text, whole],
        None,
    ));
    assert_eq!(code, 1);
    assert!(out.contains("intact"), "{out}");
    assert!(
        err.contains("no such file") || err.contains("No such file"),
        "{err}"
    );
    assert!(err.contains("not a scap capture"), "{err}");
}

/// Writes a capture in which `bash` reads from `/dev/pts/0`, and says that the names are others.
fn with_names(thread: &str, path: &str) -> Vec<u8> {
    let names = EventNames {
        thread: Names::Some([Some(thread.as_bytes()), Some(b""), Some(b"host")]),
        objects: Objects::Known {
            paths: [Some(path.as_bytes()), None, None],
            addresses: [None; 2],
            server_port: None,
        },
    };
    let mut writer = CaptureWriter::new(Vec::new(), &header(), WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    let read = [i64b(5).as_slice(), b"hello", &i64b(0), &u32b(5)].concat();
    let event = EventRef {
        num: EventNum(0),
        ts: Timestamp(START + 1),
        tid: Tid(100),
        pid: Pid(100),
        cpu: 0,
        ty: types::SYSCALL_READ_X,
        latency: Some(500),
        flags: EventFlags::empty(),
        params: Params::new(&[8, 5, 8, 4], &read).unwrap(),
    };
    writer
        .push_in_lanes(&event, LaneSet::default(), false, names)
        .unwrap();
    writer.finish().unwrap()
}

#[test]
fn names_that_hide_events_from_searches_are_found() {
    let dir = tempdir().unwrap();
    let verified = |thread: &str, path: &str| {
        let capture = file(dir.path(), "capture", &with_names(thread, path));
        let capture = capture.to_str().unwrap();
        // Such an event is skipped.
        let filter = "proc.name = bash and fd.name = /dev/pts/0";
        let (found, ..) = seen(&scap(&["read", capture, filter], None));
        let (all, ..) = seen(&scap(&["read", "--no-skip", capture, filter], None));
        assert_eq!(all.lines().count(), 1, "{all}");
        let (out, err, code) = seen(&scap(&["verify", capture], None));
        assert_eq!(err, "");
        let is_damaged = out.contains("names of the events are missing");
        assert_eq!(is_damaged, code == 3, "{out}");
        (found == all, code)
    };
    assert_eq!(verified("bash", "/dev/pts/0"), (true, 0));
    assert_eq!(verified("sh", "/dev/pts/0"), (false, 3));
    assert_eq!(verified("bash", "/dev/pts/1"), (false, 3));
    // The path is there, as a directory; the file name is not.
    assert_eq!(verified("bash", "/dev/pts/0/more"), (true, 3));
}
