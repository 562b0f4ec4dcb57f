//! Searches, compared with reading everything.

use scap::inspect::find::{Query, find, fork, opener};
use scap::inspect::line::write_line;
use scap::replay::Span;

use super::pages::shown;
use super::{cut_up, each_event, go, read, replayer, sample};

#[test]
fn finding_agrees_with_reading() {
    let dir = tempfile::tempdir().unwrap();
    let mut replayer = replayer(&cut_up(dir.path()));
    let mut all = Vec::new();
    each_event(&sample(), |cx| {
        all.push((cx.event.num.0, cx.event.ts.0, shown(&write_line(cx))));
    });
    let last = all.last().unwrap().0;
    let middle = Span {
        from: all[400].1,
        to: all[900].1,
    };
    let queries = [
        Query::Filter("evt.failed = true".into()),
        Query::Filter("evt.type = execve".into()),
        Query::Filter("proc.name = nobody-has-this-name".into()),
        in_line("SHADOW"),
        in_line("(enoent)"),
        in_line("curl"),
    ];
    for query in &queries {
        let numbers: Vec<u64> = match query {
            Query::Filter(filter) => {
                let number = |line: &String| line.split(' ').next().unwrap().parse().unwrap();
                read(&sample(), &[filter]).iter().map(number).collect()
            }
            Query::Text { text, .. } => {
                let has = |line: &str| {
                    // Without the number and the CPU.
                    let line = line.splitn(3, ' ').nth(2).unwrap();
                    line.to_lowercase().contains(&text.to_lowercase())
                };
                all.iter()
                    .filter(|(.., line)| has(line))
                    .map(|(num, ..)| *num)
                    .collect()
            }
        };
        assert!(
            numbers.len() > 1 || format!("{query:?}").contains("nobody"),
            "{query:?}"
        );
        for span in [None, Some(middle)] {
            let within = |num: &&u64| {
                let ts = all.iter().find(|(n, ..)| n == *num).unwrap().1;
                span.is_none_or(|span| span.contains(ts))
            };
            let numbers: Vec<u64> = numbers.iter().filter(within).copied().collect();
            for from in [0, 1, 70, 71, 280, 281, 500, 777, last, u64::MAX] {
                let after = find(&mut replayer, query, span, from, true, &go()).unwrap();
                let expected = numbers.iter().find(|num| **num > from);
                assert_eq!(after.as_ref(), expected, "{query:?} after {from}");
                let before = find(&mut replayer, query, span, from, false, &go()).unwrap();
                let expected = numbers.iter().rev().find(|num| **num < from);
                assert_eq!(before.as_ref(), expected, "{query:?} before {from}");
            }
        }
    }
}

#[test]
fn the_makers_of_fds_and_processes_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = cut_up(dir.path());
    let mut replayer = replayer(&path);
    let lines = read(&path, &[]);
    let is = |num: u64, what: &str| {
        let start = format!("{num} ");
        let line = lines.iter().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.contains(what), "{line}: {what}");
    };
    // Which event, what it is, by which event, what that is.
    let fds = [
        (67, "read res=1271", 64, "openat fd=3(<f>/etc/passwd)"),
        (1271, "curl (25298) < connect", 1264, "socket fd=5"),
        (
            1287,
            "fd=5(<4t>127.0.0.1:38848",
            1286,
            "perl (25295) < accept4",
        ),
        (1481, "fcntl res=0", 1479, "fcntl res=11"),
        // Copied in the process itself, made by its parent, copied by its parent before a fork and a vfork.
        (
            1562,
            "id (25302) < write",
            1498,
            "stage.sh (25302) < dup2 res=1",
        ),
        (
            1497,
            "stage.sh (25302) < close",
            1491,
            "stage.sh (25301) < pipe2",
        ),
        (
            1687,
            "cat (25304) < close",
            1641,
            "stage.sh (25301) < dup2 res=1",
        ),
        (
            1743,
            "cat (25305) < close",
            1700,
            "stage.sh (25301) < dup2 res=1",
        ),
        // It is what made it.
        (1641, "dup2", 1641, "dup2"),
    ];
    for (num, what, by, maker) in fds {
        is(num, what);
        is(by, maker);
        assert_eq!(
            opener(&mut replayer, num, &go()).unwrap(),
            Some(by),
            "{what}"
        );
    }
    is(1739, "write res=5");
    assert_eq!(
        opener(&mut replayer, 1739, &go()).unwrap(),
        None,
        "inherited from outside"
    );
    is(1682, "openat fd=-13");
    assert_eq!(opener(&mut replayer, 1682, &go()).unwrap(), None, "no fd");

    let forks = [
        (
            903,
            "curl (25298) < execve",
            886,
            "bash (25286) < clone res=25298",
        ),
        (1649, "cat (25304) < execve", 1647, "vfork res=25304"),
        // The maker of this one came back later.
        (1705, "cat (25305) < execve", 1746, "vfork res=25305"),
    ];
    for (num, what, by, maker) in forks {
        is(num, what);
        is(by, maker);
        assert_eq!(fork(&mut replayer, num, &go()).unwrap(), Some(by), "{what}");
    }
    assert_eq!(
        fork(&mut replayer, 1, &go()).unwrap(),
        None,
        "older than the capture"
    );
    assert_eq!(fork(&mut replayer, u64::MAX, &go()).unwrap(), None);
}

/// Any event with a text in its line.
fn in_line(text: &str) -> Query {
    Query::Text {
        text: text.to_owned(),
        filter: String::new(),
    }
}
