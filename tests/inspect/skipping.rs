//! What is skipped changes no result: reading by a plan, and by several threads, is compared with reading everything.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;

use tempfile::tempdir;

use crate::dice::Dice;
use crate::repeat::repeated;
use crate::skip::{Bytes, Found, plan, read, read_shared};
use scap::filter::{Filter, When};
use scap::replay::{Selection, Split};

/// Captures of a thousand events and more, in small chunks and segments.
fn captures(dir: &Path) -> Vec<(&'static str, Bytes)> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    ["sample", "intrusion", "chisels/container_work"]
        .iter()
        .map(|name| {
            let to = dir.join(name.replace('/', "-"));
            repeated(&testdata.join(format!("{name}.scap")), &to, 1_000, 50, 250).unwrap();
            (*name, std::fs::read(to).unwrap().into())
        })
        .collect()
}

/// A filter with values of the capture.
fn filter(dice: &mut Dice, lines: &[Vec<&str>], names: &[&str]) -> String {
    let mut text = String::new();
    for part in 0..=dice.up_to(3) {
        if part > 0 {
            text.push_str([" and ", " or ", " and not "][dice.up_to(3)]);
        }
        let field = dice.up_to(names.len());
        let value = lines[dice.up_to(lines.len())][field];
        let name = names[field];
        let test = match (value, dice.up_to(3)) {
            ("<NA>" | "", _) => format!("not {name} exists"),
            (path, 0) if path.starts_with('/') => {
                let end = dice.up_to(path.len()) + 1;
                format!("{name} startswith '{}'", path.get(..end).unwrap_or(path))
            }
            (path, 1) if path.starts_with('/') => {
                let end = path.rfind('/').unwrap_or_default();
                format!("{name} pmatch ('{}', /nosuch)", &path[..end])
            }
            (value, 2) => format!("{name} in ('{value}', '{value}1')"),
            (value, _) => format!("{name} = '{value}'"),
        };
        text.push_str(&test);
    }
    text
}

const FIELDS: [&str; 24] = [
    "evt.type",
    "evt.num",
    "evt.rawtime",
    "thread.tid",
    "proc.pid",
    "proc.name",
    "proc.pname",
    "proc.exepath",
    "container.id",
    "fd.name",
    "fd.num",
    "evt.failed",
    "user.uid",
    "evt.category",
    "fd.directory",
    "fd.filename",
    "fd.cip",
    "fd.sip",
    "fd.rip",
    "fd.lip",
    "fd.sport",
    "fs.path.name",
    "fs.path.source",
    "fs.path.target",
];

/// Fields of the state, all of which tests/inspect/snapshots.rs compares.
const STATE: [&str; 8] = [
    "proc.aname[2]",
    "proc.cmdline",
    "proc.cwd",
    "fd.ino",
    "fd.connected",
    "evt.args",
    "evt.reltime",
    "proc.duration",
];

#[test]
fn what_is_skipped_changes_no_result() {
    let dir = tempdir().unwrap();
    let format = format!(
        "*{} %{}",
        FIELDS.map(|f| format!("%{f}")).join(" "),
        STATE.join(" %")
    );
    let rounds = std::env::var("SCAP_RANDOM_FILTERS").map_or(12_usize, |n| n.parse().unwrap());
    for (name, capture) in captures(dir.path()) {
        let everything = Selection::default();
        let table = format!("*%{}", FIELDS.join("\x1f%"));
        let table = read(&capture, &everything, &table, None).unwrap();
        let lines: Vec<Vec<&str>> = table
            .lines
            .lines()
            .map(|line| line.split('\x1f').collect())
            .collect();
        let (mut skipped, mut turns, mut segments, mut runs) = (0, 0, 0, 0);
        let mut dice = Dice(7);
        for round in 0..rounds {
            let text = filter(&mut dice, &lines, &FIELDS);
            let Ok(filter) = Filter::parse(&text) else {
                continue;
            };
            let number = |dice: &mut Dice| u64::try_from(dice.up_to(lines.len() * 2)).unwrap();
            let from = (dice.up_to(3) == 0).then(|| When::Event(number(&mut dice)));
            let to = (dice.up_to(3) == 0).then(|| When::After(number(&mut dice) * 3_000_000));
            let selection = Selection {
                filter: (dice.up_to(4) > 0).then_some(filter),
                from,
                to,
            };
            let what = format!("{name} {text} {from:?} {to:?}");
            let same = |expected: &Found, found: &Found| {
                let lines = expected.lines.lines().zip(found.lines.lines());
                assert_eq!(lines.into_iter().find(|(a, b)| a != b), None, "{what}");
                assert_eq!(expected, found, "{what}");
            };
            let expected = read(&capture, &selection, &format, None).unwrap();
            assert!(!expected.is_damaged);
            let plan = plan(&capture, &selection).unwrap();
            skipped += plan.amounts().skipped.chunks;
            let found = read(&capture, &selection, &format, Some(plan));
            same(&expected, &found.unwrap());
            for (split, count) in [
                (Split::Turns, &mut turns),
                (Split::Segments, &mut segments),
                (Split::Runs, &mut runs),
            ] {
                let split = (2 + round % 3, split);
                if let Some(found) = read_shared(&capture, &selection, &format, split) {
                    same(&expected, &found);
                    *count += 1;
                }
            }
        }
        assert!(turns > rounds / 2, "{turns}");
        assert!(segments.min(runs) > rounds / 3, "{segments} {runs}");
        assert!(skipped > rounds as u64, "{skipped}");
    }
}
