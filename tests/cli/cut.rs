//! Counts and marks of what a recorder cut.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use crate::common::{START, event, file, header, i64b, push, scap, seen, snapshot, u32b};
use scap_capture_format::{
    event::EventFlags,
    native::{CaptureWriter, WriterOptions},
    schema::types,
};
use tempfile::tempdir;

/// A capture of a machine with a process whose arguments are a list, and events with the flags.
fn capture(arguments: &[u8]) -> Vec<u8> {
    let flagged = |at, ty, flags, params: &[&[u8]]| {
        let mut event = event(at, 100, ty, params);
        event.flags = flags;
        event
    };
    let write = |at, flags| {
        let params: [&[u8]; 4] = [&i64b(100), b"some data", &i64b(0), &u32b(100)];
        flagged(at, types::SYSCALL_WRITE_X, flags, &params)
    };
    let rename = |at, name: &[u8], flags| {
        let params: [&[u8]; 3] = [&i64b(0), name, b"/b\0"];
        flagged(at, types::SYSCALL_RENAME_X, flags, &params)
    };
    let exec = |at, flags| {
        let params: [&[u8]; 3] = [&i64b(0), b"sh\0", b"-c\0echo"];
        flagged(at, types::SYSCALL_EXECVE_19_X, flags, &params)
    };
    let other = |at, ty, flags| flagged(at, ty, flags, &[&i64b(0)]);
    let [data, text, list, env] = [
        EventFlags::TRUNCATED,
        EventFlags::CUT_TEXT,
        EventFlags::CUT_LIST,
        EventFlags::CUT_ENV,
    ];
    let events = [
        write(0, EventFlags::empty()),
        write(1, data),
        write(2, data | list),
        rename(3, b"/a\0", EventFlags::empty()),
        rename(4, b"/long", text),
        exec(5, list),
        exec(6, list | env),
        exec(7, env),
        other(8, types::SYSCALL_POLL_X, list),
        other(9, types::SOCKET_SETSOCKOPT_X, text),
        // As early versions flagged it.
        other(10, types::SYSCALL_MKDIR_2_X, data),
    ];
    let mut state = snapshot();
    state.threads[0].args = state.strings.intern(arguments);
    state.threads[1].args = state.threads[0].args;
    let mut out = Vec::new();
    let mut writer = CaptureWriter::new(&mut out, &header(), WriterOptions::default()).unwrap();
    // Of the snapshots, the first is the start.
    writer.write_snapshot(&mut state).unwrap();
    for event in &events {
        push(&mut writer, event);
    }
    writer.write_snapshot(&mut state).unwrap();
    writer.finish().unwrap();
    out
}

#[test]
fn info_counts_what_was_cut_by_its_kind() {
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "cut", &capture(b"-c\0echo"));
    let (json, _, code) = seen(&scap(&["info", "--json", capture.to_str().unwrap()], None));
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "data": 2,
        "command_lines": 2,
        "environments": 2,
        "paths": 1,
        "lists": 2,
        "others": 2,
        "command_lines_at_start": 1,
    });
    assert_eq!(json["events"]["cut"], expected);
    assert_eq!(json["events"]["truncated"], 9);
    let (text, ..) = seen(&scap(&["info", capture.to_str().unwrap()], None));
    let lines = "\
cut        data of 2 events, to the snaplen
           command lines of 2 events
           environments of 2 events
           paths of 1 event
           lists of 2 events
           other arguments of 2 events
           command lines of 1 process at the start
";
    assert!(text.contains(lines), "{text}");
}

#[test]
fn what_was_not_cut_is_not_counted() {
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "whole", &capture(b"-c\0echo\0"));
    let (text, ..) = seen(&scap(&["info", capture.to_str().unwrap()], None));
    assert!(!text.contains("at the start"), "{text}");
}

#[test]
fn marks_are_where_something_was_cut_in_both_formats() {
    let dir = tempdir().unwrap();
    let native = file(dir.path(), "cut", &capture(b"-c\0echo"));
    let native = native.to_str().unwrap();
    let sysdig = dir.path().join("sysdig");
    let sysdig = sysdig.to_str().unwrap();
    let to_sysdig = ["convert", "-q", native, sysdig, "--to", "sysdig"];
    assert_eq!(seen(&scap(&to_sysdig, None)).2, 0);
    let lines = |capture, kind: &str| {
        let filter = format!("evt.type={kind} and evt.dir=<");
        let args = ["read", "-p", "*%evt.args", capture, &filter];
        let (out, err, code) = seen(&scap(&args, None));
        assert_eq!((err.as_str(), code), ("", 0));
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for capture in [native, sysdig] {
        let renames = lines(capture, "rename");
        assert!(renames[0].contains("oldpath=/a newpath=/b"), "{renames:?}");
        assert!(
            renames[1].contains("oldpath=/long... newpath=/b"),
            "{renames:?}"
        );
        assert!(lines(capture, "execve")[0].contains("args=-c.echo... "));
    }
    let writes = lines(native, "write");
    assert!(writes[0].contains("data=some data fd"), "{writes:?}");
    assert!(writes[1].contains("data=some data... fd"), "{writes:?}");
    // Filters and fields have the value without the mark.
    let filter = "evt.type=rename and evt.arg.oldpath=/long";
    let args = [
        "read",
        "-p",
        "%evt.arg.oldpath %evt.rawtime",
        native,
        filter,
    ];
    let (out, ..) = seen(&scap(&args, None));
    assert_eq!(out, format!("/long {}\n", START + 4));
}
