//! Several threads print what one prints.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::common::{scap, seen};
use crate::repeat::repeated;

/// Native copies of all captures of the tests, each many times after itself, in small chunks and segments.
fn captures(dir: &Path) -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut from: Vec<PathBuf> = Vec::new();
    let mut dirs = vec![own.clone(), own.join("chisels")];
    dirs.extend(std::env::var("SCAP_TEST_DATA").map(|dir| Path::new(&dir).join("captures")));
    for dir in dirs {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        from.extend(entries.filter(|path| path.extension().is_some_and(|ext| ext == "scap")));
    }
    from.sort();
    let mut made = Vec::new();
    for (number, path) in from.iter().enumerate() {
        let native = dir.join(format!("{number}.native"));
        let [path, to] = [path, &native].map(|path| path.to_str().unwrap());
        let (_, err, code) = seen(&scap(&["read", path, "-w", to], None));
        // Captures of the tests can be damaged.
        assert!(code == 0 || code == 3, "{path}: {err}");
        let capture = dir.join(format!("{number}.scap"));
        if let Ok(1_000..) = repeated(&native, &capture, 1_200, 40, 150) {
            made.push(capture);
        }
    }
    assert!(made.len() > 4, "{made:?}");
    made
}

/// Rules that match many events, and see the state.
const RULES: &str = r#"
- rule: opened
  desc: A file is opened.
  condition: evt.type in (open, openat) and fd.num >= 0
  output: "%proc.name %proc.pname %fd.name %evt.num %evt.args"
  priority: NOTICE
- rule: started
  desc: A program is started.
  condition: evt.type = execve and proc.name exists
  output: "%proc.cmdline by %proc.aname[2] in %container.id after %evt.time.s"
  priority: WARNING
"#;

#[test]
fn counts_and_alerts_are_those_of_one_thread() {
    let dir = tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    fs::write(&rules, RULES).unwrap();
    let own = ["detect", "--json", "-r", rules.to_str().unwrap()];
    let stock = std::env::var("SCAP_TEST_DATA").map(|dir| format!("{dir}/rules/falco_rules.yaml"));
    let stock = stock.unwrap_or_else(|_| rules.to_str().unwrap().to_owned());
    let stock = ["detect", "-r", &*stock];
    let queries: [&[&str]; 9] = [
        &own,
        &stock,
        &["summary", "--json"],
        &["summary", "--json", "--from", "#300", "--to", "#1200"],
        &["summary", "--json", "proc.name != sh and evt.type != close"],
        &["top", "-n", "0", "--by", "evt.type,proc.name"],
        &[
            "top",
            "-n",
            "0",
            "--by",
            "fd.name",
            "--sum",
            "evt.rawarg.res",
        ],
        &[
            "top",
            "-n",
            "0",
            "--by",
            "proc.exepath",
            "--time",
            "fd.type = file",
        ],
        &["top", "-n", "0", "--by", "evt.buffer", "--json"],
    ];
    for capture in captures(dir.path()) {
        for query in queries {
            let (command, rest) = query.split_first().unwrap();
            let output = |threads: &str| {
                let file = [*command, capture.to_str().unwrap()];
                seen(&scap(&[&file[..], rest, &[threads]].concat(), None))
            };
            let expected = output("--threads=1");
            assert!(
                !expected.0.is_empty() || *command == "detect",
                "{query:?} {}",
                expected.1
            );
            for threads in ["--threads=2", "--threads=5"] {
                assert_eq!(
                    output(threads),
                    expected,
                    "{query:?} {threads} {}",
                    capture.display()
                );
            }
        }
    }
}
