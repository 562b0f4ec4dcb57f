//! Chisels that write files: those with the events around a match, and the payloads of datagrams.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{print, script};
use crate::known::NOT_PRINTED;
use crate::sysdig::captures;

/// The chisels of this file, and those that do so with an argument.
pub(super) const WRITING: &[&str] = &["around", "spy_logs", "spy_syslog", "udp_extract"];

/// What tells the events of a file that a chisel has written.
const FORMAT: &str = "*%evt.rawtime %thread.tid %evt.dir %evt.type";

/// Runs a chisel with both programs, each in a directory of its own.
fn both(work: &Path, capture: &Path, chisel: &str, words: &[&str]) -> [(PathBuf, String); 2] {
    let mut theirs = Command::new("sysdig");
    theirs.arg("-r").arg(capture).args(["-c", chisel]);
    let mut ours = Command::new(env!("CARGO_BIN_EXE_scap"));
    ours.arg("read").arg(capture).args(["--chisel-output", "."]);
    ours.args(["-c", &script(chisel)]);
    [("theirs", theirs), ("ours", ours)].map(|(name, mut command)| {
        let dir = work.join(name);
        fs::create_dir_all(&dir).unwrap();
        command.args(words).current_dir(&dir);
        command.env("TZ", "UTC").stdin(Stdio::null());
        let printed = print(command);
        assert!(printed.succeeded, "{name}: {chisel}: {}", printed.err);
        (dir, printed.out)
    })
}

/// The events of a capture that one of the programs has written.
fn events(mut program: Command, file: &Path) -> String {
    program.arg(file).args(["-p", FORMAT]).env("TZ", "UTC");
    let printed = print(program);
    assert!(printed.succeeded, "{}", printed.err);
    let lines = printed.out.lines();
    let printed = lines.filter(|line| !NOT_PRINTED.iter().any(|ty| line.ends_with(ty)));
    // One name for both: newer libraries call it what the kernel does.
    let printed = printed.map(|line| line.replace("rt_sigreturn", "sigreturn"));
    printed.collect::<Vec<_>>().join("\n")
}

#[test]
fn stock_chisels_save_the_same_events_around_a_match() {
    let Some(dir) = captures() else {
        return;
    };
    let dir = dir.canonicalize().unwrap();
    // Of other captures 0.29.3 writes files that it cannot read itself (their list of interfaces).
    let capture = dir.join("falco-run-as-user-0-container.scap");
    let cases: &[(&str, &[&str])] = &[
        ("around", &["around.scap 1", "evt.type=close"]),
        ("around", &["around.scap 5", "evt.type=execve"]),
        ("spy_logs", &["around.scap 5"]),
        ("spy_syslog", &["around.scap 5"]),
    ];
    for (chisel, words) in cases {
        let work = tempfile::tempdir().unwrap();
        let [(their_dir, theirs), (our_dir, ours)] = both(work.path(), &capture, chisel, words);
        assert_eq!(theirs, ours, "{chisel} {words:?}");
        let mut sysdig = Command::new("sysdig");
        sysdig.arg("-r");
        let mut scap = Command::new(env!("CARGO_BIN_EXE_scap"));
        scap.arg("read");
        let (theirs, ours) = (their_dir.join("around.scap"), our_dir.join("around.scap"));
        // Without a match there is no file.
        assert_eq!(theirs.exists(), ours.exists(), "{chisel} {words:?}");
        if theirs.exists() {
            let (theirs, ours) = (events(sysdig, &theirs), events(scap, &ours));
            assert!(!theirs.is_empty(), "{chisel} {words:?}");
            assert_eq!(theirs, ours, "{chisel} {words:?}");
        }
    }
}

/// Files below a directory, by their names there.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn udp_extract_writes_the_same_payloads() {
    let Some(dir) = captures() else {
        return;
    };
    let capture = dir.canonicalize().unwrap().join("libs-curl-google.scap");
    let work = tempfile::tempdir().unwrap();
    let [(their_dir, theirs), (our_dir, ours)] = both(work.path(), &capture, "udp_extract", &[]);
    assert_eq!(theirs, ours);
    let theirs = files(&their_dir.join("udp_dump_files"));
    assert_eq!(theirs.len(), 1);
    assert_eq!(theirs, files(&our_dir.join("udp_dump_files")));
}
