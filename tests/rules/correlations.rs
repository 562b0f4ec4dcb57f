//! Rules about several events: the key `scap`.

use std::fs;

use scap_capture_format::schema::types;

use crate::common;
use crate::detect::{counts, scap, stdout, write};

/// A rule with the key `scap`.
fn rule(condition: &str, extension: &str) -> String {
    format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"%proc.pid %evt.num\"\n  priority: info\n  scap: {extension}\n"
    )
}

/// A capture of `getpid`-like calls: pairs of seconds and thread.
fn capture(
    dir: &std::path::Path,
    calls: &[(u64, i64, scap_capture_format::schema::EventType)],
) -> String {
    let events: Vec<_> = calls
        .iter()
        .map(|(second, tid, ty)| {
            let params: &[&[u8]] = &[&common::i64b(0), b"/x\0"];
            common::event(common::START + second * 1_000_000_000, *tid, *ty, params)
        })
        .collect();
    let path = dir.join("c.scap");
    fs::write(&path, common::write(&events, 1 << 16, true)).unwrap();
    path.to_str().unwrap().to_owned()
}

const MKDIR: scap_capture_format::schema::EventType = types::SYSCALL_MKDIR_2_X;
const RMDIR: scap_capture_format::schema::EventType = types::SYSCALL_RMDIR_2_X;
const UNLINK: scap_capture_format::schema::EventType = types::SYSCALL_UNLINK_2_X;

/// Returns the numbers of the events that gave alerts.
fn alerts(
    condition: &str,
    extension: &str,
    calls: &[(u64, i64, scap_capture_format::schema::EventType)],
) -> Vec<u64> {
    let dir = tempfile::tempdir().unwrap();
    let rules = write(dir.path(), "r.yaml", &rule(condition, extension));
    let output = scap(&["detect", "-j", "-r", &rules, &capture(dir.path(), calls)]);
    let text = stdout(&output);
    let number = |line: &str| {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        alert["scap"]["evt.num"].as_u64().unwrap()
    };
    let found: Vec<u64> = text.lines().map(number).collect();
    assert_eq!(counts(&output).values().sum::<u64>(), found.len() as u64);
    found
}

#[test]
fn thresholds() {
    let calls: Vec<_> = (0..12).map(|n| (n, 100 + (n % 2) as i64, MKDIR)).collect();
    // Events 1, 3, 5 are of thread 100.
    assert_eq!(
        alerts(
            "evt.type=mkdir",
            "{count: 3, within: 60s, by: thread.tid}",
            &calls
        ),
        [5, 6, 11, 12]
    );
    assert_eq!(
        alerts("evt.type=mkdir", "{count: 3, within: 60s}", &calls),
        [3, 6, 9, 12]
    );
    // Three of a thread are four seconds apart.
    assert_eq!(
        alerts(
            "evt.type=mkdir",
            "{count: 3, within: 3s, by: thread.tid}",
            &calls
        ),
        [0; 0]
    );
    assert_eq!(
        alerts(
            "evt.type=mkdir",
            "{count: 2, distinct: thread.tid, within: 3s}",
            &calls
        ),
        [2, 4, 6, 8, 10, 12]
    );
    assert_eq!(
        alerts(
            "evt.type=mkdir",
            "{count: 3, distinct: thread.tid, within: 60s}",
            &calls
        ),
        [0; 0]
    );
    // A field that is absent groups nothing.
    assert_eq!(
        alerts(
            "evt.type=mkdir",
            "{count: 1, within: 60s, by: fd.name}",
            &calls
        ),
        [0; 0]
    );
}

#[test]
fn sequences() {
    let calls = [
        (0, 1, MKDIR),
        (1, 2, MKDIR),
        (2, 1, RMDIR),
        (3, 1, UNLINK),
        (4, 2, UNLINK),
        (5, 2, RMDIR),
        (6, 2, UNLINK),
    ];
    let after = "{after: [evt.type=mkdir, evt.type=rmdir], within: 60s, by: thread.tid}";
    assert_eq!(alerts("evt.type=unlink", after, &calls), [4, 7]);
    let short = "{after: [evt.type=mkdir, evt.type=rmdir], within: 4s, by: thread.tid}";
    assert_eq!(alerts("evt.type=unlink", short, &calls), [4]);
    // Any order.
    let with = "{with: [evt.type=rmdir, evt.type=mkdir], within: 60s, by: thread.tid}";
    assert_eq!(alerts("evt.type=unlink", with, &calls), [4, 7]);
    // Each condition with its own fields.
    let own =
        "{after: [{condition: evt.type=mkdir, by: [thread.tid]}], within: 60s, by: [proc.pid]}";
    assert_eq!(alerts("evt.type=unlink", own, &calls), [4, 5]);
}

#[test]
fn the_events_before_are_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let rules = write(
        dir.path(),
        "r.yaml",
        &rule("evt.type=unlink", "{after: [evt.type=mkdir], within: 60s}"),
    );
    let output = scap(&[
        "detect",
        "-j",
        "-r",
        &rules,
        &capture(dir.path(), &[(0, 1, MKDIR), (1, 1, RMDIR), (2, 1, UNLINK)]),
    ]);
    let alert: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(alert["scap"]["earlier"], serde_json::json!([1]));
}

#[test]
fn mistakes_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for (extension, message) in [
        ("{count: 3}", "Item has no mapping for key 'within'"),
        (
            "{within: 3s}",
            "one of 'count', 'after' and 'with' is needed",
        ),
        (
            "{within: soon, count: 3}",
            "'soon' is not a time such as 500ms, 30s, 5m or 2h",
        ),
        ("{within: 3s, count: 0}", "'count' is from 1 to 10000"),
        (
            "{within: 3s, after: [evt.type=open], with: [evt.type=open]}",
            "'after' and 'with' exclude each other",
        ),
        (
            "{within: 3s, after: []}",
            "'after' has from 1 to 32 conditions",
        ),
        (
            "{within: 3s, count: 3, after: [evt.type=open]}",
            "'after' cannot be combined with 'count' and 'distinct'",
        ),
        (
            "{within: 3s, count: 3, by: proc.nmae}",
            "unknown field `proc.nmae`",
        ),
        (
            "{within: 3s, count: 3, by: [proc.name, proc.name]}",
            "`proc.name` is there twice",
        ),
        (
            "{within: 3s, after: [{condition: evt.type=open, by: [proc.pid, proc.name]}], by: proc.pid}",
            "the 'by' of a condition has as many fields as that of the rule",
        ),
        (
            "{within: 3s, after: [evt.type=opne]}",
            "unknown event type `opne`",
        ),
    ] {
        let file = write(dir.path(), "r.yaml", &rule("evt.type=openat", extension));
        let output = scap(&["rules", "check", &file]);
        assert_eq!(output.status.code(), Some(1), "{extension}");
        assert!(
            stdout(&output).contains(message),
            "{extension}: {}",
            stdout(&output)
        );
    }
}
