//! What the detecting chisels tell, and that they tell nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use scap::stats::table::TILES;

use crate::{capture, each, read, scap};

/// Detecting chisels, and the captures in which there is something for them.
const DETECTORS: &[(&str, &[&str])] = &[
    ("beaconing", &["beaconing"]),
    ("container_escape", &["container_escape"]),
    ("credential_sweep", &["credential_sweep"]),
    ("deleted_exec", &["dropper", "intrusion"]),
    ("history_wipe", &["history_wipe"]),
    ("mass_rename", &["mass_rename"]),
    ("memfd_exec", &["dropper"]),
    ("persistence", &["persistence"]),
    ("port_scan", &["port_scan"]),
    ("reverse_shells", &["reverse_shell", "intrusion"]),
    ("shellshock_detect", &["office"]),
    ("write_then_exec", &["dropper", "intrusion", "sample"]),
];

/// All captures: those of an attack each, ordinary work, a container's, and the samples.
const CAPTURES: &[&str] = &[
    "beaconing",
    "container_escape",
    "container_work",
    "credential_sweep",
    "dropper",
    "history_wipe",
    "innocent",
    "intrusion",
    "mass_rename",
    "office",
    "persistence",
    "port_scan",
    "reverse_shell",
    "sample",
];

#[test]
fn detectors_tell_of_nothing_else() {
    let pairs: Vec<(&str, &str, bool)> = DETECTORS
        .iter()
        .flat_map(|(chisel, shown)| {
            let pair = |capture: &&'static str| (*chisel, *capture, shown.contains(capture));
            CAPTURES.iter().map(pair).collect::<Vec<_>>()
        })
        .collect();
    each(&pairs, |(chisel, capture, has_findings)| {
        let printed = read(capture, &["-c", chisel]);
        assert_eq!(
            !printed.is_empty(),
            *has_findings,
            "{chisel} on {capture}:\n{printed}"
        );
    });
}

/// Detectors report what the tiles of the same matter count, and what takes several calls besides.
#[test]
fn detectors_and_tiles_agree() {
    let cases: [(&str, &str, &[u64]); 2] = [
        ("persistence", "persistence", &[]),
        ("histories or logs wiped", "history_wipe", &[795, 1140]),
    ];
    for (title, chisel, of_several_calls) in cases {
        let tile = TILES.iter().find(|tile| tile.title == title).unwrap();
        let printed = read(chisel, &["-p", "%evt.num", tile.filter]);
        let counted: BTreeSet<u64> = printed.lines().map(|l| l.parse().unwrap()).collect();
        let printed = read(chisel, &["-c", chisel]);
        let number = |line: &str| line.split(['#', ' ']).nth(2)?.parse().ok();
        let reported: BTreeSet<u64> = printed.lines().map(|l| number(l).unwrap()).collect();
        let only: Vec<u64> = reported.difference(&counted).copied().collect();
        assert_eq!(only, of_several_calls, "{title}");
        // A second call of a process on the same file is counted, but not reported again.
        assert!(counted.len() <= reported.len(), "{counted:?} {reported:?}");
    }
}

/// How often each kind of finding was told, with its text; under `-j` one object a line.
fn findings(capture: &str, chisel: &str) -> BTreeMap<(String, String), usize> {
    let printed = scap(&["read", capture, "-j", "-c", chisel]);
    let mut counts = BTreeMap::new();
    for line in printed.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let text = |member: &str| finding[member].as_str().unwrap().to_owned();
        assert!(
            text("time").ends_with("+00:00") && finding["evt.num"].is_u64(),
            "{line}"
        );
        assert!(
            !text("proc.name").is_empty() && !text("proc.pid").is_empty(),
            "{line}"
        );
        *counts.entry((text("kind"), text("text"))).or_default() += 1;
    }
    counts
}

/// What files of sysdig's format, at the version that all its releases read, do not tell: how often a text is
/// found in ours and in them, and why.
const NOT_TOLD: &[(&str, &str, usize, usize)] = &[
    // Calls without arguments of their own there.
    ("container_escape", "makes a disk's file", 1, 0),
    (
        "container_escape",
        "makes a namespace in which it has all rights",
        1,
        0,
    ),
    ("history_wipe", "a log is emptied", 2, 0),
    // Which ftruncate has emptied before.
    ("history_wipe", "a log is shredded", 0, 1),
    // What is run through /proc/PID/fd has that name.
    (
        "deleted_exec",
        "a program is run whose file is deleted",
        1,
        0,
    ),
    (
        "write_then_exec",
        "runs a file that was written 4 ms before",
        1,
        0,
    ),
];

/// A capture with two events a call holds the same findings, but for what it does not tell.
#[test]
fn findings_are_the_same_in_sysdigs_format() {
    let work = tempfile::tempdir().unwrap();
    let pairs: Vec<(&str, &str)> = DETECTORS
        .iter()
        .flat_map(|(chisel, shown)| shown.iter().map(|capture| (*chisel, *capture)))
        .collect();
    each(&pairs, |(chisel, name)| {
        let native = capture(name);
        let converted = work.path().join(format!("{chisel}-{name}.scap"));
        let (native, converted) = (native.to_str().unwrap(), converted.to_str().unwrap());
        scap(&["convert", "-q", "--to", "sysdig", native, converted]);
        let (mut expected, mut found) = (findings(native, chisel), findings(converted, chisel));
        assert!(!expected.is_empty(), "{chisel} on {name}");
        for (of, text, ours, theirs) in NOT_TOLD.iter().filter(|told| told.0 == *chisel) {
            let (in_ours, in_theirs) = (take(&mut expected, text), take(&mut found, text));
            let counts = match *name {
                // The samples have none of it.
                "intrusion" | "sample" => (0, 0),
                _ => (*ours, *theirs),
            };
            assert_eq!((in_ours, in_theirs), counts, "{of}: {text} on {name}");
        }
        assert_eq!(found, expected, "{chisel} on {name}");
    });
}

/// Takes findings out and returns how many.
fn take(from: &mut BTreeMap<(String, String), usize>, text: &str) -> usize {
    let mut taken = 0;
    from.retain(|(_, found), count| {
        taken += if found == text { *count } else { 0 };
        found != text
    });
    taken
}
