//! Every field of 0.29.3's on every event.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::sysdig::{self, CAPTURES, KEY, Known, captures};
use crate::{known, ours};

/// Fields asked of sysdig in one run.
const AT_ONCE: usize = 20;
/// The share of values that has to be the same, in percent.
const AGREEMENT: f64 = 99.5;

/// How a field compares.
#[derive(Default)]
struct Count {
    pairs: u64,
    differ: u64,
    /// Some that differ: the event, theirs, ours.
    /// How many of them have no fd in 0.29.3, and one here: those are listed, but no disagreement.
    more: u64,
    examples: Vec<String>,
}

#[test]
fn every_field_has_the_same_value() {
    let Some(dir) = captures() else {
        return;
    };
    let fields = sysdig::printable_fields(&dir);
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for capture in CAPTURES {
        compare(&dir, capture, &fields, &mut counts);
    }
    let (mut pairs, mut differ) = (0, 0);
    let mut wrong = Vec::new();
    eprintln!(
        "{:32} {:>8} {:>8} {:>9}",
        "field", "pairs", "differ", "agree"
    );
    for (name, count) in &counts {
        let share = percent(count.pairs, count.differ);
        eprintln!(
            "{name:32} {:8} {:8} {share:8.3}%",
            count.pairs, count.differ
        );
        let listed = known::VALUES.iter().find(|k| k.fields.contains(name));
        // Memory that was never set agrees with nothing.
        if listed.is_none_or(|listed| !listed.random) {
            pairs += count.pairs;
            differ += count.differ - count.more;
        }
        let expected = match listed {
            Some(listed) => {
                eprintln!("    {}", listed.why);
                listed.expects(name, count.differ)
            }
            None => count.differ == 0,
        };
        if !expected {
            let examples = count.examples.join("\n    ");
            wrong.push(format!(
                "{name}: {} values differ\n    {examples}",
                count.differ
            ));
        }
    }
    let share = percent(pairs, differ);
    eprintln!("{:32} {pairs:8} {differ:8} {share:8.3}%", "all");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for listed in known::VALUES.iter().flat_map(|k| k.fields) {
        assert!(counts.contains_key(listed), "{listed} was not compared");
    }
    assert!(share >= AGREEMENT, "only {share:.3} % agree");
}

fn percent(pairs: u64, differ: u64) -> f64 {
    100.0 - 100.0 * differ as f64 / pairs.max(1) as f64
}

fn compare<'f>(
    dir: &Path,
    capture: &str,
    fields: &'f [Known],
    counts: &mut BTreeMap<&'f str, Count>,
) {
    let seen = sysdig::run(dir, capture, &["-p", &format!("*{KEY}")]).unwrap();
    let seen: HashSet<&str> = seen.lines().collect();
    for chunk in fields.chunks(AT_ONCE) {
        let names: Vec<&str> = chunk.iter().map(|k| &*k.name).collect();
        // A few fields make sysdig give up on some captures.
        if !compare_some(dir, capture, &names, &seen, counts) {
            for name in names {
                if !compare_some(dir, capture, &[name], &seen, counts) {
                    eprintln!("sysdig cannot print {name} of {capture}");
                }
            }
        }
    }
}

/// Compares some fields. False: sysdig cannot print one of them.
fn compare_some<'f>(
    dir: &Path,
    capture: &str,
    names: &[&'f str],
    seen: &HashSet<&str>,
    counts: &mut BTreeMap<&'f str, Count>,
) -> bool {
    let format = sysdig::format(names);
    let Ok(theirs) = sysdig::run(dir, capture, &["-p", &format]) else {
        return false;
    };
    let (ours, passed_over) = ours::print(dir, capture, names, seen);
    let theirs = sysdig::records(&theirs);
    let ours = sysdig::records(&ours);
    assert_eq!(theirs.len(), ours.len(), "{capture}: {names:?}");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let event = ours[0];
        assert_eq!(theirs[0], event, "{capture}");
        for (i, name) in names.iter().enumerate() {
            let (theirs, ours) = (theirs[i + 1], ours[i + 1]);
            let count = counts.entry(name).or_default();
            count.pairs += 1;
            let same = match *name {
                // Events of types that 0.29.3 does not know are none to it; they come first.
                "evt.num" => {
                    theirs.parse::<u64>().unwrap() + passed_over == ours.parse::<u64>().unwrap()
                }
                _ => sysdig::same(theirs, ours),
            };
            if !same {
                count.differ += 1;
                count.more += u64::from(name.starts_with("fd.") && theirs == "<NA>");
                if count.examples.len() < 3 {
                    count
                        .examples
                        .push(format!("{capture} {event}: {theirs:?}, {ours:?}"));
                }
            }
        }
    }
    true
}
