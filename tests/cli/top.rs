//! `scap top`: counts and sums, compared with what `read` prints.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::collections::BTreeMap;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::common::{file, scap, seen, story, write};

/// A capture, and the words of commands on it.
fn capture() -> (TempDir, String) {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "a.scap", &write(&story(), 3, true));
    (dir, path.to_str().unwrap().to_owned())
}

fn output(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(args, None));
    assert_eq!((code, &*err), (0, ""), "{args:?}");
    out
}

fn rows(path: &str, args: &[&str]) -> Vec<Value> {
    let out = output(&[&["top", path, "--json", "-n", "0"], args].concat());
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn groups_are_those_of_the_events_that_are_printed() {
    let (_dir, path) = capture();
    for fields in [
        "evt.type",
        "evt.type,thread.tid",
        "fd.name",
        "evt.failed,fd.type,proc.name",
    ] {
        let format = format!(
            "*%{}|%evt.rawarg.res|%evt.latency",
            fields.replace(',', "|%")
        );
        let mut expected: BTreeMap<String, (u64, i64, i64)> = BTreeMap::new();
        for line in output(&["read", &path, "-p", &format]).lines() {
            let values: Vec<&str> = line.split('|').collect();
            let (key, numbers) = values.split_at(values.len() - 2);
            let number = |text: &str| text.parse::<i64>().unwrap_or(0);
            let row = expected.entry(key.join("|")).or_default();
            *row = (
                row.0 + 1,
                row.1 + number(numbers[0]),
                row.2 + number(numbers[1]),
            );
        }
        let key = |row: &Value| {
            let value = |field| row[field].as_str().unwrap_or("<NA>").to_owned();
            fields.split(',').map(value).collect::<Vec<_>>().join("|")
        };
        for (option, place) in [
            (&[][..], 0),
            (&["--sum", "evt.rawarg.res"], 1),
            (&["--time"], 2),
        ] {
            let found = rows(&path, &[&["--by", fields], option].concat());
            assert_eq!(found.len(), expected.len(), "{fields}");
            let mut last = i64::MAX;
            for row in &found {
                let (events, res, time) = expected[&key(row)];
                assert_eq!(row["events"], events);
                let measured = match place {
                    0 => events as i64,
                    1 => row["evt.rawarg.res"].as_i64().unwrap(),
                    _ => row["time"].as_i64().unwrap(),
                };
                assert_eq!(
                    measured,
                    [events as i64, res, time][place],
                    "{fields} {option:?}"
                );
                assert!(measured <= last, "the largest first");
                last = measured;
            }
        }
    }
    let closes = rows(&path, &["--by", "evt.type", "evt.type=close"]);
    assert_eq!(closes.len(), 1);
    assert_eq!(closes[0]["events"], 2);
}

#[test]
fn a_table_has_shares_and_says_what_is_left_out() {
    let (_dir, path) = capture();
    let text = output(&["top", &path, "--by", "evt.type", "-n", "1"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["events", "%", "evt.type"]
    );
    assert!(
        lines[2].starts_with("… ") && lines[2].ends_with(" more"),
        "{text}"
    );
    // Text from the capture cannot control the terminal.
    let text = output(&["top", &path, "--by", "evt.arg.name", "-n", "0"]);
    assert!(!text.contains('\x1b') && text.contains("evil"), "{text:?}");
}

#[test]
fn intervals_are_of_the_captures_time() {
    let (_dir, path) = capture();
    let all: u64 = rows(&path, &["--by", "evt.type"])
        .iter()
        .map(|row| row["events"].as_u64().unwrap())
        .sum();
    let parts = rows(&path, &["--by", "evt.type", "--every", "2us"]);
    assert_eq!(
        parts
            .iter()
            .map(|row| row["events"].as_u64().unwrap())
            .sum::<u64>(),
        all
    );
    let mut begins: Vec<&str> = parts
        .iter()
        .map(|row| row["begin"].as_str().unwrap())
        .collect();
    begins.dedup();
    assert!(begins.len() > 2 && begins.is_sorted(), "{begins:?}");
    assert!(begins[0].contains("22:13:20.000001"), "{begins:?}");
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let (_dir, path) = capture();
    for (args, what) in [
        (&["--by", "proc.nmae"][..], "unknown field"),
        (
            &["--by", "evt.type", "--sum", "proc.name"],
            "is not a number",
        ),
        (&["--by", "evt.type", "--sum", "nothing"], "--sum"),
        (&["--by", "evt.type", "--every", "0s"], "too short"),
        (&["--by", "evt.type", "--every", "1 week"], "the units are"),
        (&[], "--by"),
    ] {
        let (_, err, code) = seen(&scap(&[&["top", &path], args].concat(), None));
        assert!(code == 2 && err.contains(what), "{args:?}: {code} {err}");
    }
}
