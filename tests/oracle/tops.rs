//! `scap.top` has the numbers of sysdig's `top…` chisels.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sysdig::{self, captures};

/// A stock chisel and what `scap.top` is given for the same table.
struct Top {
    name: &'static str,
    same: &'static str,
}

const NET: &str = "(fd.type=ipv4 or fd.type=ipv6) and evt.is_io=true";

const TOPS: &[Top] = &[
    Top {
        name: "topprocs_net",
        same: r#"by = {"proc.name", "proc.pid"}, where = NET, sum = "evt.rawarg.res", limit = 100"#,
    },
    Top {
        name: "topconns",
        same: r#"by = {"fd.l4proto", "fd.name"}, where = NET, sum = "evt.rawarg.res""#,
    },
    Top {
        name: "topports_server",
        same: r#"by = "fd.sport", where = NET, sum = "evt.rawarg.res""#,
    },
    Top {
        name: "topfiles_bytes",
        same: r#"by = "fd.name", where = "fd.type=file and evt.is_io=true", sum = "evt.rawarg.res""#,
    },
    Top {
        name: "topprocs_errors",
        same: r#"by = {"proc.name", "proc.pid"}, where = "evt.failed=true", limit = 100"#,
    },
    Top {
        name: "topscalls",
        same: r#"by = "evt.type", where = "evt.type!=switch", limit = 30"#,
    },
];

/// Captures in which all of them find something.
const CAPTURES: &[&str] = &["libs-curl-google", "falco-run-as-user-0-container"];

/// Returns the rows of a table of sysdig's: names of the keys, the value. Of rows with one value only those are
/// the same that all have room.
fn rows(json: &str) -> Vec<(Vec<String>, u64)> {
    let table: Value = serde_json::from_str(json).unwrap();
    let data = table["data"].as_array().unwrap();
    let row = |row: &Value| {
        let (value, keys) = row.as_array().unwrap().split_last().unwrap();
        let keys = keys.iter().map(|key| match key {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        (keys.collect(), value.as_u64().unwrap())
    };
    let mut rows: Vec<(Vec<String>, u64)> = data.iter().map(row).collect();
    if let Some(least) = rows.iter().map(|(_, value)| *value).min() {
        let is_full = rows.len() >= 10;
        rows.retain(|(_, value)| !is_full || *value > least);
    }
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows
}

fn ours(dir: &Path, capture: &str, script: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    let capture = dir.join(format!("{capture}.scap"));
    let output = command
        .args(["read", "-j", "-c"])
        .arg(script)
        .arg(capture)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn top_tables_have_the_numbers_of_sysdigs() {
    let Some(dir) = captures() else {
        return;
    };
    let scripts = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for Top { name, same } in TOPS {
        let script = scripts.path().join("same.lua");
        let text = format!("args = {{}}\nNET = \"{NET}\"\nscap.top{{{same}}}\n");
        fs::write(&script, text).unwrap();
        for capture in CAPTURES {
            let theirs = sysdig::run(&dir, capture, &["-j", "-c", name]).unwrap();
            // The call's name, as in newer libraries.
            let theirs = theirs.replace("\"sigreturn\"", "\"rt_sigreturn\"");
            let (theirs, ours) = (rows(&theirs), rows(&ours(&dir, capture, &script)));
            assert_eq!(ours, theirs, "{name} of {capture}");
            compared += ours.len();
        }
    }
    assert!(compared > 40, "{compared}");
}
