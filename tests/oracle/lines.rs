//! Whole lines: the default print, and sysdig's formats with containers and with pods.

use std::path::Path;
use std::process::Command;

use crate::known;
use crate::sysdig::{self, CAPTURES, captures};

/// Lines with each of the known differences.
type Counts = Vec<usize>;

#[test]
fn the_default_print_is_the_same() {
    let Some(dir) = captures() else {
        return;
    };
    let mut counts = vec![0; known::LINES.len()];
    let lines: u64 = CAPTURES
        .iter()
        .map(|capture| compare(&dir, capture, &[], 6, known::LINES, &mut counts))
        .sum();
    for ((parts, expected, why), count) in known::LINES.iter().zip(counts) {
        assert_eq!(count, *expected, "{parts:?}: {why}");
        eprintln!("{count} lines: {why}");
    }
    eprintln!("{lines} lines compared");
}

#[test]
fn containers_and_pods_are_the_same() {
    let Some(dir) = captures() else {
        return;
    };
    let known = [known::LINES, &[known::CONTAINER_LINES]].concat();
    let mut counts = vec![0; known.len()];
    for format in ["-pc", "-pk"] {
        let lines: u64 = CAPTURES
            .iter()
            .map(|capture| compare(&dir, capture, &[format], 8, &known, &mut counts))
            .sum();
        eprintln!("{format}: {lines} lines compared");
        assert!(lines > 5000, "{lines}");
    }
    let (parts, expected, why) = known::CONTAINER_LINES;
    assert_eq!(counts.last(), Some(&expected), "{parts:?}: {why}");
}

/// Compares all lines of a capture; returns how many. `type_at`: which word of a line is the event's type.
/// `counts`: how many lines have each of the `known` differences.
fn compare(
    dir: &Path,
    capture: &str,
    args: &[&str],
    type_at: usize,
    known: &[known::Lines],
    counts: &mut Counts,
) -> u64 {
    let theirs = sysdig::run(dir, capture, args).unwrap();
    let ours = scap(dir, capture, args);
    let mut later_types = 0;
    let mut ours = ours.lines().filter(|line| {
        let ty = line.split(' ').nth(type_at).unwrap();
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
        if sysdig::same(theirs, ours) {
            continue;
        }
        let known = known.iter().position(|(parts, ..)| {
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
    let lines = numbers.len() as u64;
    for (theirs, ours) in numbers {
        let (theirs, ours): (u64, u64) = (theirs.parse().unwrap(), ours.parse().unwrap());
        assert_eq!(theirs + later_types, ours, "{capture}");
    }
    lines
}

/// What `scap read` prints.
fn scap(dir: &Path, capture: &str, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .arg("read")
        .arg(dir.join(format!("{capture}.scap")))
        .args(args)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{capture}");
    String::from_utf8(output.stdout).unwrap()
}
