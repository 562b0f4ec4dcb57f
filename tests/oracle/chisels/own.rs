//! Our own tables have the numbers of sysdig's chisels of the same names.

use std::path::Path;
use std::process::{Command, Stdio};

use super::compare::How;
use super::print;
use crate::sysdig::{CAPTURES, captures};

/// Chisels with their arguments, and how many rows they show.
const TABLES: &[(&[&str], usize)] = &[
    (&["topprocs_net"], 10),
    (&["topprocs_file"], 10),
    (&["topprocs_errors"], 10),
    (&["topfiles_bytes"], 10),
    (&["topfiles_time"], 10),
    (&["topconns"], 10),
    (&["topscalls_time", "evt.type!=switch"], 30),
    (&["fdbytes_by", "fd.type"], 30),
    (&["fdbytes_by", "proc.name"], 30),
    (&["fdtime_by", "fd.type"], 30),
];

/// Where the numbers are others, and why.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (
        &["topprocs_errors"],
        "falco-connect-localhost",
        "nothing tells the process of some threads",
    ),
    (
        &["topprocs_net"],
        "libs-single-ipv6-conn",
        "nothing tells the process of some threads",
    ),
    (
        &["topprocs_errors"],
        "libs-single-ipv6-conn",
        "nothing tells the process of some threads",
    ),
    (
        &["topprocs_file"],
        "falco-run-as-user-0-container",
        "a read of 3 bytes of an fd that nothing tells",
    ),
    (
        &["fdbytes_by", "fd.type"],
        "falco-run-as-user-0-container",
        "a read of 3 bytes of an fd that nothing tells",
    ),
];

/// A table without its heading, whose texts are others here, and without blanks at the ends of lines.
fn rows(command: Command) -> String {
    let printed = print(command);
    assert!(printed.succeeded, "{}", printed.err);
    let lines = printed.out.lines().skip(2).map(str::trim_end);
    let rows: Vec<&str> = lines.collect();
    format!("heading\n-\n{}", rows.join("\n"))
}

fn difference(dir: &Path, capture: &str, words: &[&str], limit: usize) -> Option<String> {
    let capture = dir.join(format!("{capture}.scap"));
    let mut theirs = Command::new("sysdig");
    theirs.arg("-r").arg(&capture);
    let mut ours = Command::new(env!("CARGO_BIN_EXE_scap"));
    ours.arg("read").arg(&capture);
    let [theirs, ours] = [theirs, ours].map(|mut command| {
        command.arg("-c").args(words).env("TZ", "UTC");
        command.env_remove("SCAP_CHISEL_DIR").stdin(Stdio::null());
        rows(command)
    });
    How::Top(limit).difference(&theirs, &ours)
}

#[test]
fn our_own_tables_have_the_same_numbers() {
    let Some(dir) = captures() else {
        return;
    };
    for (words, limit) in TABLES {
        for capture in CAPTURES {
            let found = difference(&dir, capture, words, *limit);
            let known = KNOWN.iter().find(|k| k.0 == *words && k.1 == *capture);
            match (found, known) {
                (Some(found), None) => panic!("{words:?} on {capture}: {found}"),
                (Some(_), Some((.., why))) => eprintln!("{words:?} on {capture}: {why}"),
                (None, Some((.., why))) => panic!("gone: {words:?} on {capture}: {why}"),
                (None, None) => {}
            }
        }
    }
}
