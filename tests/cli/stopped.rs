//! Commands that stop before the end of a capture say what is known of the rest.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;

use crate::common::{file, scap, seen, story, write};
use tempfile::tempdir;

const MARKER: [u8; 8] = [0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83];

fn intact() -> Vec<u8> {
    write(&story(), 2, true)
}

/// Offsets of the sections: header, snapshot, chunks, a loss report, index, footer.
fn sections(capture: &[u8]) -> Vec<usize> {
    let markers = capture.windows(8).enumerate();
    markers
        .filter(|(_, w)| **w == MARKER)
        .map(|(i, _)| i)
        .collect()
}

/// Ways to stop after the first events.
const WAYS: [&[&str]; 5] = [
    &["-n", "1"],
    &["-n", "1", "-q"],
    &["--to", "#1"],
    &["-c", "ps"],
    &["-c", "first"],
];

/// Runs all of them in `dir`, on a file or on standard input; returns what each says, and its exit code.
fn stopped(dir: &Path, capture: &[u8], by_name: bool) -> Vec<(String, i32)> {
    std::fs::write(
        dir.join("first.lua"),
        "args = {} function on_init() return true end function on_event() sysdig.end_capture() return true end",
    )
    .unwrap();
    let path = file(dir, "cap.scap", capture);
    let copy = dir.join("copy.scap");
    let (path, copy) = (path.to_str().unwrap(), copy.to_str().unwrap());
    let script = dir.join("first.lua");
    let script = script.to_str().unwrap();
    let mut all = Vec::new();
    for way in WAYS {
        let way = way.iter().map(|word| match *word {
            "first" => script,
            word => word,
        });
        let name = if by_name { path } else { "-" };
        let args: Vec<&str> = ["read", name].into_iter().chain(way).collect();
        let (_, err, code) = seen(&scap(&args, (!by_name).then_some(capture)));
        all.push((err, code));
    }
    if by_name {
        let (_, err, code) = seen(&scap(&["read", path, "-n", "1", "-w", copy], None));
        all.push((err, code));
    }
    all
}

#[test]
fn damage_that_the_headers_show_is_said() {
    let dir = tempdir().unwrap();
    let whole = intact();
    let at = sections(&whole);
    let count = at.len();
    let cut = whole[..at[4] + 50].to_vec();
    let without_end = whole[..at[count - 2]].to_vec();
    let without_chunk = [&whole[..at[4]], &whole[at[5]..]].concat();
    let mut overwritten = whole.clone();
    overwritten[at[5]..at[5] + 32].fill(0);
    let noise = [&whole[..at[5]], &[7; 100], &whole[at[5]..]].concat();
    for (what, capture, said) in [
        ("cut", cut, "damaged at byte "),
        (
            "without its end",
            without_end,
            "the capture is incomplete\n",
        ),
        (
            "without a chunk",
            without_chunk,
            "sections are missing before this one",
        ),
        ("overwritten", overwritten, "no section header"),
        ("with noise", noise, "no section header"),
    ] {
        for (err, code) in stopped(dir.path(), &capture, true) {
            assert!(err.contains(said), "{what}: {err}");
            // How many there are was not counted.
            assert!(!err.contains("could be read"), "{what}: {err}");
            assert_eq!(code, 3, "{what}");
        }
        // Merged, it is said of the one that is damaged.
        let (damaged, good) = (
            file(dir.path(), "damaged.scap", &capture),
            file(dir.path(), "good.scap", &whole),
        );
        let (damaged, good) = (damaged.to_str().unwrap(), good.to_str().unwrap());
        let (_, err, code) = seen(&scap(&["read", good, damaged, "-n", "1"], None));
        assert!(err.contains(said) && err.contains(damaged), "{what}: {err}");
        assert!(!err.contains(good), "{what}: {err}");
        assert_eq!(code, 3, "{what}");
    }
}

#[test]
fn nothing_is_said_of_what_was_not_looked_at() {
    let dir = tempdir().unwrap();
    let whole = intact();
    let mut later = whole.clone();
    // A byte of a chunk's events: its header is right.
    later[sections(&whole)[5] + 40] ^= 0x10;
    let cut = whole[..sections(&whole)[4] + 50].to_vec();
    for (what, capture, by_name) in [
        ("intact", &whole, true),
        ("intact", &whole, false),
        ("a damaged body", &later, true),
        ("cut, from a pipe", &cut, false),
    ] {
        for seen in stopped(dir.path(), capture, by_name) {
            assert_eq!(seen, (String::new(), 0), "{what}");
        }
    }
}

#[test]
fn damage_before_the_end_is_said_in_any_case() {
    let dir = tempdir().unwrap();
    let mut capture = intact();
    // The first chunk.
    let at = sections(&capture)[2];
    capture[at + 40] ^= 0x10;
    for by_name in [true, false] {
        for (err, code) in stopped(dir.path(), &capture, by_name).into_iter().take(2) {
            let said = format!("damaged at byte {at}: section checksum\n");
            assert!(err.contains(&said), "{err}");
            assert_eq!(code, 3);
        }
    }
}
