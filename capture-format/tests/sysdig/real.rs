//! Captures that other people's programs recorded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{All, read_whole};

/// The captures, `None` where they are not there.
pub(crate) fn captures() -> Option<PathBuf> {
    extra_data("captures")
}

/// Returns a file or directory of the extra test data, which is not part of the repository; `SCAP_TEST_DATA` names
/// its directory. `None`, and a word on standard error, without it.
pub(crate) fn extra_data(path: &str) -> Option<PathBuf> {
    let Some(root) = env::var_os("SCAP_TEST_DATA") else {
        eprintln!("skipped: SCAP_TEST_DATA names no directory with {path}");
        return None;
    };
    let path = PathBuf::from(root).join(path);
    assert!(path.exists(), "no {}", path.display());
    Some(path)
}

/// Runs a program. `None` if it is not there, which is a failure where everything must be tested.
pub(crate) fn run(program: &str, args: &[&str]) -> Option<String> {
    match Command::new(program).args(args).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            assert!(
                env::var_os("SCAP_REQUIRE_LIVE").is_none(),
                "{program}: {error}"
            );
            eprintln!("skipped: no {program}");
            None
        }
    }
}

/// What is in a capture.
struct File {
    name: &'static str,
    events: usize,
    threads: usize,
    fds: usize,
    users: usize,
    groups: usize,
    /// A thread and its name.
    comm: Option<(i64, &'static str)>,
    /// Whether sysdig 0.29.3 reads it to the end.
    readable: bool,
}

const fn file(
    name: &'static str,
    [events, threads, fds, users, groups]: [usize; 5],
    comm: Option<(i64, &'static str)>,
    readable: bool,
) -> File {
    File {
        name,
        events,
        threads,
        fds,
        users,
        groups,
        comm,
        readable,
    }
}

const FILES: [File; 11] = [
    file(
        "falco-cat-write.scap",
        [345, 73, 384, 32, 61],
        Some((237, "lvmetad")),
        true,
    ),
    file(
        "falco-open-multiple-files.scap",
        [1272, 128, 685, 40, 70],
        Some((335, "sshd")),
        true,
    ),
    file(
        "falco-connect-localhost.scap",
        [374, 184, 690, 41, 71],
        Some((1, "systemd")),
        true,
    ),
    file(
        "falco-syscall.scap",
        [368, 229, 773, 41, 71],
        Some((401, "systemd-journal")),
        true,
    ),
    file(
        "falco-run-as-user-0-container.scap",
        [4143, 124, 693, 45, 77],
        Some((454, "systemd-journal")),
        true,
    ),
    file(
        "libs-curl-google.scap",
        [1536, 54, 316, 31, 55],
        Some((361, "systemd-journal")),
        true,
    ),
    file(
        "libs-single-ipv6-conn.scap",
        [1728, 154, 564, 42, 72],
        Some((403, "systemd-journal")),
        true,
    ),
    file(
        "libs-sample.scap",
        [572, 94, 515, 34, 61],
        Some((382, "systemd-journal")),
        true,
    ),
    file(
        "docker-curl-https.scap",
        [3557, 104, 619, 35, 63],
        Some((107_992, "(sd-pam)")),
        false,
    ),
    file(
        "sysdig-0.40-container.scap",
        [6999, 0, 0, 24, 49],
        None,
        false,
    ),
    file(
        "libs-0.26-container.scap",
        [7041, 0, 0, 24, 49],
        None,
        false,
    ),
];

/// Reads each capture that is there.
pub(crate) fn each(test: impl Fn(&'static str, &Path, All)) {
    let Some(dir) = captures() else { return };
    for file in FILES {
        let path = dir.join(file.name);
        test(file.name, &path, read_whole(&fs::read(&path).unwrap()));
    }
}

#[test]
fn all_are_read_whole() {
    each(|name, _, all| {
        let file = FILES.iter().find(|f| f.name == name).unwrap();
        let s = &all.snapshots[0];
        let found = [
            all.events.len(),
            s.threads.len(),
            s.fds.len(),
            s.users.len(),
            s.groups.len(),
        ];
        assert_eq!(
            found,
            [file.events, file.threads, file.fds, file.users, file.groups],
            "{name}"
        );
        assert!(all.unknown.is_empty());
        if let Some((tid, comm)) = file.comm {
            let thread = s.threads.iter().find(|t| t.tid.0 == tid).unwrap();
            assert_eq!(s.string(thread.comm), comm.as_bytes());
        }
    });
}

/// The independent parser that the layout was checked with finds the same lists.
#[test]
fn lists_are_those_of_the_oracle() {
    let Some(oracle) = extra_data("reference/tools/scapcheck.py") else {
        return;
    };
    each(|name, path, all| {
        let args = [
            oracle.to_str().unwrap(),
            path.to_str().unwrap(),
            "--procs",
            "--fds",
        ];
        let Some(text) = run("python3", &args) else {
            return;
        };
        let mut expected = String::new();
        let mut rows = String::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(thread) = line.strip_prefix("{'tid': ") {
                let numbers: Vec<&str> = thread.split(&[',', ' '][..]).collect();
                let comm = thread.split("'comm': b'").nth(1).unwrap();
                let comm = comm.split('\'').next().unwrap();
                writeln!(
                    expected,
                    "{} {} {} {comm}",
                    numbers[0], numbers[3], numbers[6]
                )
                .unwrap();
            }
        }
        for line in text
            .lines()
            .filter_map(|l| l.trim().strip_prefix("fd tid "))
        {
            let line: String = line.chars().filter(|c| !"{},'".contains(*c)).collect();
            let words: Vec<&str> = line.split(' ').collect();
            writeln!(
                expected,
                "{} {} {} {}",
                words[0], words[2], words[4], words[6]
            )
            .unwrap();
        }
        let s = &all.snapshots[0];
        for t in &s.threads {
            let comm = String::from_utf8_lossy(s.string(t.comm));
            writeln!(rows, "{} {} {} {comm}", t.tid.0, t.pid.0, t.ptid.0).unwrap();
        }
        for f in &s.fds {
            writeln!(rows, "{} {} {} {}", f.owner.0, f.fd, f.inode, f.kind).unwrap();
        }
        assert!(rows == expected, "{name}:\n{rows}\nexpected\n{expected}");
    });
}

/// sysdig 0.29.3 knows the types below.
pub(crate) const KNOWN_TO_OLD: u16 = 336;

/// Every event that real sysdig prints is the same here, by number, time and thread.
#[test]
fn events_are_those_of_sysdig() {
    each(|name, path, all| {
        if !FILES.iter().any(|f| f.name == name && f.readable) {
            return;
        }
        let format = "%evt.num %evt.rawtime %thread.tid";
        let args = ["-r", path.to_str().unwrap(), "-p", format];
        let Some(text) = run("sysdig", &args) else {
            return;
        };
        let known: Vec<_> = all.events.iter().filter(|e| e.ty < KNOWN_TO_OLD).collect();
        let mut lines = 0;
        for line in text.lines() {
            let numbers: Vec<i64> = line.split(' ').map_while(|n| n.parse().ok()).collect();
            let &[num, time, tid] = numbers.as_slice() else {
                continue;
            };
            let event = known[num as usize - 1];
            assert_eq!((event.ts, event.tid), (time as u64, tid), "{name} {num}");
            lines += 1;
        }
        assert!(lines > 5, "{name}: {text}");
    });
}
