//! `scap.top` and `scap.histogram`: scripts that describe, and count nothing themselves.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn scap(args: &[&str]) -> Output {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    let command = command.arg("read").arg(sample).args(args);
    command.env("TZ", "UTC").output().unwrap()
}

fn read(args: &[&str]) -> String {
    let output = scap(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a script over the sample.
fn run(text: &str, options: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("mine.lua");
    fs::write(&script, format!("args = {{}}\n{text}\n")).unwrap();
    scap(&[options, &["-c", script.to_str().unwrap()]].concat())
}

fn printed(text: &str, options: &[&str]) -> String {
    let output = run(text, options);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Counts the events of each name in another way.
fn counted() -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for name in read(&["-p", "%evt.type", "evt.failed = true"]).lines() {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

const FAILED: &str = r#"scap.top{by = "evt.type", where = "evt.failed = true", limit = LIMIT,
    title = "Failed calls", columns = {"Call"}}"#;

#[test]
fn top_counts_events() {
    let counts = counted();
    let json = printed(&FAILED.replace("LIMIT", "0"), &["-j"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let rows = json["data"].as_array().unwrap();
    assert!(rows.len() > 3 && rows.len() == counts.len(), "{rows:?}");
    for row in rows {
        assert_eq!(row[1], counts[row[0].as_str().unwrap()], "{row}");
    }
    let info = &json["info"];
    assert_eq!(
        (&info[0]["name"], &info[1]["desc"]),
        (&"evt.type".into(), &"Failed calls".into())
    );

    let text = printed(&FAILED.replace("LIMIT", "2"), &[]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Failed calls        Call");
    assert_eq!(lines[1], "-".repeat(80));
    assert_eq!(lines.len(), 4, "{text}");
    let most = counts.values().max().unwrap();
    assert!(lines[2].starts_with(&format!("{most:<20}")), "{text}");
}

#[test]
fn top_adds_up_takes_the_largest_and_the_mean() {
    let listed = read(&["-p", "%evt.rawres", "evt.type = read and evt.rawres > 0"]);
    let values: Vec<u64> = listed.lines().map(|line| line.parse().unwrap()).collect();
    let sum: u64 = values.iter().sum();
    let top = |value: &str| {
        let text = format!(
            r#"scap.top{{by = "evt.type", where = "evt.type = read and evt.rawres > 0",
                sum = "evt.rawres", value = "{value}"}}"#
        );
        let json: Value = serde_json::from_str(&printed(&text, &["-j"])).unwrap();
        json["data"][0][1].as_f64().unwrap()
    };
    assert!(values.len() > 10);
    assert_eq!(top("sum"), sum as f64);
    assert_eq!(top("max"), *values.iter().max().unwrap() as f64);
    assert!((top("avg") - sum as f64 / values.len() as f64).abs() < 0.01);
}

#[test]
fn a_histogram_has_every_value_in_its_place() {
    let listed = read(&[
        "-p",
        "%evt.latency",
        "evt.type = read and evt.latency exists",
    ]);
    let values: Vec<u64> = listed.lines().map(|line| line.parse().unwrap()).collect();
    let script =
        r#"scap.histogram{of = "evt.latency", by = "evt.type", where = "evt.type = read"}"#;
    let json: Value = serde_json::from_str(&printed(script, &["-j"])).unwrap();
    let histogram = &json["histograms"][0];
    assert_eq!(histogram["by"][0], "read");
    assert_eq!(histogram["count"], values.len());
    assert_eq!(histogram["sum"], values.iter().sum::<u64>());
    let mut all = 0;
    for bucket in histogram["buckets"].as_array().unwrap() {
        let edge = |name: &str| bucket[name].as_u64().unwrap();
        let range = edge("from")..=edge("to");
        let count = values.iter().filter(|value| range.contains(value)).count();
        assert_eq!(bucket["count"], count, "{bucket}");
        all += count;
    }
    assert_eq!(all, values.len());
    let text = printed(script, &[]);
    let first = format!("evt.latency read: {} values, on average ", values.len());
    assert!(text.starts_with(&first), "{text}");
    assert!(text.contains("us") && text.contains(" |*"), "{text}");
}

#[test]
fn invalid_descriptions_are_reported_with_the_line() {
    for (text, expected) in [
        (r#"scap.top{by = "proc.nmae"}"#, "unknown field `proc.nmae`"),
        (r#"scap.top{}"#, "`by` is missing"),
        (
            r#"scap.top{by = "proc.name", whre = "x"}"#,
            "`whre` means nothing here",
        ),
        (
            r#"scap.top{by = "proc.name", value = "max"}"#,
            "`sum` is missing",
        ),
        (r#"scap.top{by = "proc.name", unit = "miles"}"#, "`unit` is"),
        (
            r#"scap.top{by = "proc.name", limit = -1}"#,
            "`limit` cannot be -1",
        ),
        (r#"scap.top{by = {}}"#, "`by` is missing"),
        (
            r#"scap.histogram{of = "proc.name"}"#,
            "is not a whole number",
        ),
        (r#"scap.histogram{by = "proc.name"}"#, "`of` is missing"),
        (
            "scap.histogram{of = \"evt.latency\"} scap.top{by = \"proc.name\"}",
            "call one of them, once",
        ),
    ] {
        let output = run(text, &[]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {stderr}");
        assert!(stderr.contains(expected), "{text}: {stderr}");
        assert!(stderr.contains("mine.lua:2"), "{text}: {stderr}");
    }
    // A filter has its own place.
    let output = run(r#"scap.top{by = "proc.name", where = "proc.name ="}"#, &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains('^'), "{stderr}");
}
