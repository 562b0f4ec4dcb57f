//! The default print, line for line.

use std::path::Path;
use std::process::Command;

use crate::known;
use crate::sysdig::{self, CAPTURES, captures};

#[test]
fn the_default_print_is_the_same() {
    let Some(dir) = captures() else {
        return;
    };
    let mut counts = vec![0; known::LINES.len()];
    let mut lines = 0;
    for capture in CAPTURES {
        let theirs = sysdig::run(&dir, capture, &[]).unwrap();
        let ours = scap(&dir, capture);
        let mut later_types = 0;
        let mut ours = ours.lines().filter(|line| {
            let ty = line.split(' ').nth(6).unwrap();
            let printed = !known::NOT_PRINTED.contains(&ty);
            // Container events have a number there, too.
            later_types += u64::from(!printed && ty != "container");
            printed
        });
        let mut numbers = Vec::new();
        for theirs in theirs.lines() {
            let ours = ours
                .next()
                .unwrap_or_else(|| panic!("{capture} lacks {theirs}"));
            let ((their_number, theirs), (our_number, ours)) = (
                theirs.split_once(' ').unwrap(),
                ours.split_once(' ').unwrap(),
            );
            numbers.push((their_number.to_owned(), our_number.to_owned()));
            lines += 1;
            if sysdig::same(theirs, ours) {
                continue;
            }
            let known = known::LINES.iter().position(|(parts, ..)| {
                let mut line = theirs.to_owned();
                for (part, by) in *parts {
                    line = line.replace(part, by);
                }
                line != theirs && sysdig::same(&line, ours)
            });
            match known {
                Some(index) => counts[index] += 1,
                None => panic!("{capture}:\n{theirs}\n{ours}"),
            }
        }
        assert_eq!(ours.next(), None, "{capture} has lines too many");
        for (theirs, ours) in numbers {
            let (theirs, ours): (u64, u64) = (theirs.parse().unwrap(), ours.parse().unwrap());
            assert_eq!(theirs + later_types, ours, "{capture}");
        }
    }
    for ((parts, expected, why), count) in known::LINES.iter().zip(counts) {
        assert_eq!(count, *expected, "{parts:?}: {why}");
        eprintln!("{count} lines: {why}");
    }
    eprintln!("{lines} lines compared");
}

/// What `scap read` prints.
fn scap(dir: &Path, capture: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .arg("read")
        .arg(dir.join(format!("{capture}.scap")))
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{capture}");
    String::from_utf8(output.stdout).unwrap()
}
