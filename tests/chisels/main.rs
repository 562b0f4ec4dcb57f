//! Our own chisels, each on a capture that shows what it is about, and the detecting ones silent on all others.
//!
//! The captures are those of testdata/chisels, where the scripts are that were recorded, and the two samples. What
//! is printed is in tests/chisels/expected/, one file a chisel; `SCAP_UPDATE_DOCS=1` writes them anew, and what
//! changed is to be looked at.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

mod detect;
mod table;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use table::{CASES, Case, WRITING};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A capture of testdata/chisels, or a sample.
fn capture(name: &str) -> PathBuf {
    let scene = root().join(format!("testdata/chisels/{name}.scap"));
    match scene.exists() {
        true => scene,
        false => root().join(format!("testdata/{name}.scap")),
    }
}

/// What `scap` prints; it has to succeed.
fn scap(args: &[&str]) -> String {
    let output = command(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    assert_eq!(error, "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// `scap`, with nothing of this machine.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    command
        .args(args)
        .env("TZ", "UTC")
        .env("HOME", "/nonexistent");
    for variable in ["SCAP_CHISEL_DIR", "SYSDIG_CHISEL_DIR"] {
        command.env_remove(variable);
    }
    command
}

/// `scap read` with a chisel: options, the chisel, its arguments.
fn read(name: &str, words: &[&str]) -> String {
    let path = capture(name);
    let mut args = vec!["read", path.to_str().unwrap()];
    args.extend(words);
    scap(&args)
}

/// Does something with each item, on all processors.
fn each<T: Sync>(items: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(item);
                }
            });
        }
    });
}

/// The names of our own chisels.
fn own() -> BTreeSet<String> {
    let dir = root().join("src/chisel/builtin");
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.filter_map(|name| Some(name.strip_suffix(".lua")?.to_owned()));
    // The others are libraries of theirs.
    names.filter(|name| !name.starts_with("scap_")).collect()
}

#[test]
fn every_chisel_prints_what_it_is_expected_to() {
    let update = env::var_os("SCAP_UPDATE_DOCS").is_some();
    let wrong = Mutex::new(Vec::new());
    each(CASES, |Case { chisel, runs }| {
        let mut printed = String::new();
        for (capture, words) in *runs {
            printed.push_str(&format!("$ scap read {capture}.scap {}\n", words.join(" ")));
            printed.push_str(&read(capture, words));
        }
        let file = root().join(format!("tests/chisels/expected/{chisel}.txt"));
        if update {
            fs::write(&file, &printed).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if printed != expected {
            wrong.lock().unwrap().push(format!("{chisel}:\n{printed}"));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_chisel_is_tested_listed_and_documented() {
    let writing = WRITING.iter().map(|name| (*name).to_owned());
    let tested: BTreeSet<String> = CASES
        .iter()
        .map(|case| case.chisel.to_owned())
        .chain(writing)
        .collect();
    assert_eq!(tested, own());
    let listed: Vec<Value> = serde_json::from_str(&scap(&["chisel", "list", "--json"])).unwrap();
    let documented = fs::read_to_string(root().join("docs/chisels.md")).unwrap();
    for name in own() {
        let chisel = listed.iter().find(|chisel| chisel["name"] == *name);
        let short = chisel.unwrap()["short"].as_str().unwrap();
        let row = format!("| `{name}` | {short} |");
        assert!(documented.contains(&row), "docs/chisels.md lacks {row}");
        let info = scap(&["chisel", "info", &name]);
        assert!(info.starts_with(&name) && info.contains(short), "{info}");
    }
}

/// The example of docs/chisels.md is the script in testdata, and prints what is shown there.
#[test]
fn the_documented_example_is_what_it_prints() {
    let documented = fs::read_to_string(root().join("docs/chisels.md")).unwrap();
    let script = root().join("testdata/chisels/examples/first_contacts.lua");
    let path = script.to_str().unwrap();
    let plain = read("intrusion", &["-c", path]);
    let json = read("intrusion", &["-j", "-c", path, "4444"]);
    for text in [fs::read_to_string(&script).unwrap(), plain, json] {
        let indented = |line: &str| match line {
            "" => String::new(),
            line => format!("    {line}"),
        };
        let block: Vec<String> = text.lines().map(indented).collect();
        assert!(
            documented.contains(&block.join("\n")),
            "docs/chisels.md lacks\n{text}"
        );
    }
}

/// The amounts of testdata/chisels/scenes/office.sh, which do not depend on the machine.
#[test]
fn known_work_is_counted_as_it_was_done() {
    // Fifty writes and fifty reads of a thousand bytes.
    let files = read("office", &["-c", "topfiles_bytes", "fd.name=/tmp/fifty"]);
    assert_eq!(
        files.lines().last().unwrap(),
        "97.66KB             /tmp/fifty"
    );
    let calls = read(
        "office",
        &[
            "-c",
            "topscalls",
            "fd.name=/tmp/fifty and evt.type in (read, write)",
        ],
    );
    // Two more: the read that finds the end, and none that writes nothing.
    let calls: Vec<&str> = calls.lines().skip(2).collect();
    assert_eq!(
        calls,
        ["51                  read", "50                  write"]
    );
    // Three requests, seen by the client.
    let top = read("office", &["-c", "httptop", "proc.name=curl"]);
    let urls: Vec<&str> = top.lines().skip(2).collect();
    assert_eq!(
        urls,
        [
            "2                   GET                 192.0.2.10:8080/index.html",
            "1                   GET                 192.0.2.10:8080/nothing.html",
        ]
    );
    let errors = read(
        "office",
        &["-c", "topfiles_errors", "proc.name=cat and evt.type=openat"],
    );
    assert_eq!(
        errors.lines().last().unwrap(),
        "5                   /tmp/missing"
    );
    let slow = read("office", &["-c", "scallslower", "250", "proc.name=sleep"]);
    assert!(slow.lines().last().unwrap().contains(" 300."), "{slow}");
}

/// Runs a chisel that may write into a directory.
fn read_writing(name: &str, dir: &Path, words: &[&str]) -> String {
    let path = capture(name);
    let mut args = vec!["read", path.to_str().unwrap(), "--chisel-output", "."];
    args.extend(words);
    let output = command(&args).current_dir(dir).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_events_around_others_are_saved() {
    for (words, who) in [
        (
            &[
                "-c",
                "around",
                "day.scap 1",
                "evt.type=connect and fd.sport=11211",
            ][..],
            "perl",
        ),
        (&["-c", "spy_syslog", "day.scap 1"], "logger"),
        (&["-c", "spy_logs", "day.scap 1"], "bash"),
    ] {
        let work = tempfile::tempdir().unwrap();
        let printed = read_writing("office", work.path(), words);
        assert!(
            printed.ends_with("saving the events around 1 moments to day.scap\n"),
            "{printed}"
        );
        let saved = work.path().join("day.scap");
        let saved = saved.to_str().unwrap();
        let around = scap(&["read", saved, "-p", "%evt.reltime %proc.name"]);
        let times: Vec<u64> = around
            .lines()
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(around.contains(who), "{words:?}:\n{around}");
        assert!(times.len() > 10, "{around}");
        // A millisecond before and one after.
        assert!(times.last().unwrap() - times[0] <= 2_000_000, "{around}");
    }
}

#[test]
fn datagrams_become_files() {
    let work = tempfile::tempdir().unwrap();
    let flows = read_writing("office", work.path(), &["-c", "udp_extract"]);
    assert_eq!(flows.lines().count(), 2, "{flows}");
    let files = fs::read_dir(work.path().join("udp_dump_files")).unwrap();
    let payloads: Vec<Vec<u8>> = files
        .map(|f| fs::read(f.unwrap().path()).unwrap())
        .collect();
    assert_eq!(payloads, [b"a datagram\n", b"a datagram\n"]);
}

/// What detectors remember things in forgets the oldest and never grows beyond twice its size.
#[test]
fn the_table_that_forgets_holds_the_newest() {
    let work = tempfile::tempdir().unwrap();
    let script = work.path().join("forgets.lua");
    let text = r#"
        description, short_description, category, args = "", "", "", {}
        function on_init()
          local recent = require("scap_recent").new(100)
          for key = 1, 1000 do
            recent:set(key, key)
            local held = 0
            for _, part in ipairs { recent.new, recent.old } do
              for _ in pairs(part) do held = held + 1 end
            end
            assert(held <= 200, held)
            assert(recent:get(1) == 1, "what is asked for again and again stays")
          end
          for key = 1000, 903, -1 do assert(recent:get(key) == key, key) end
          assert(recent:get(500) == nil)
          assert(recent:take(1000) == 1000 and recent:get(1000) == nil)
          print("fine")
          return true
        end
    "#;
    fs::write(&script, text).unwrap();
    let words = ["-c", script.to_str().unwrap()];
    assert_eq!(read("office", &words), "fine\n");
}
