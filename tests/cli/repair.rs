//! `scap repair`: what it says, and what is said of its output.

use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::common::{file, scap, seen, story, write};

fn run(args: &[&str]) -> (String, String, i32) {
    seen(&scap(args, None))
}

#[test]
fn what_was_saved_and_what_was_not() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let mut changed = bytes.clone();
    // In the second chunk, after header, snapshot and the first one.
    let marker = [0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83];
    let mut sections = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&marker));
    changed[sections.nth(3).unwrap() + 100] ^= 1;
    let damaged = file(dir.path(), "damaged.scap", &changed);
    let (damaged, mended) = (damaged.to_str().unwrap(), dir.path().join("mended.scap"));
    let mended = mended.to_str().unwrap();
    let (out, err, code) = run(&["repair", damaged, "-o", mended]);
    assert_eq!((&*out, code), ("", 3));
    assert!(
        err.starts_with(&format!("{damaged} was damaged in 1 place\n    byte ")),
        "{err}"
    );
    assert!(
        err.contains("\nsaved: 7 events of 3 chunks, 1 snapshot, 1 other section\n"),
        "{err}"
    );
    assert!(err.ends_with("missing: 3 events\n"), "{err}");
    assert_eq!(std::fs::read(damaged).unwrap(), changed);

    let (out, _, code) = run(&["verify", mended]);
    assert_eq!(
        (&*out, code),
        (
            &*format!("{mended}: intact; 7 events, 3 chunks, 1 snapshot, index\n"),
            0
        )
    );
    let (out, ..) = run(&["info", mended]);
    assert!(
        out.contains("damage of the repaired file, any CPU: 3 events between"),
        "{out}"
    );
    assert!(out.contains(&format!("repaired-from {damaged}")), "{out}");
    let format = "*%evt.rawtime %evt.type %proc.name %evt.args";
    let shown = |file| run(&["read", "-p", format, file]).0;
    assert_eq!(shown(damaged), shown(mended));
    assert_eq!(shown(mended).lines().count(), 6, "one is hidden");

    let (out, _, code) = run(&["repair", "--json", damaged, "-o", mended]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["missing_events"], &report["events"]),
        (3, &3.into(), &7.into())
    );
    assert_eq!(report["first_damages"].as_array().unwrap().len(), 1);
    let (_, err, code) = run(&["repair", mended, "-o", damaged]);
    assert_eq!(code, 0);
    assert!(err.starts_with(&format!("{mended} was intact\n")), "{err}");
}

#[test]
fn a_recorder_that_was_killed() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let mended = dir.path().join("mended.scap");
    let mended = mended.to_str().unwrap();
    let (_, err, code) = seen(&scap(
        &["repair", "-", "-o", mended],
        Some(&bytes[..bytes.len() - 60]),
    ));
    assert_eq!(code, 3);
    assert!(
        err.contains("missing: an unknown number of events\n"),
        "{err}"
    );
    let (out, ..) = run(&["info", mended]);
    let lost = "lost       12 events, and an unknown number before the capture was repaired\n";
    assert!(out.contains(lost), "{out}");
    assert!(out.contains("integrity  intact\n"), "{out}");
}

#[test]
fn what_cannot_be_repaired() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let capture = file(dir.path(), "a.scap", &bytes);
    let (capture, out) = (capture.to_str().unwrap(), dir.path().join("out.scap"));
    let out = out.to_str().unwrap();
    let sysdig = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compressed/sysdig.scap");
    let text = file(dir.path(), "text", b"text");
    for (args, code, what) in [
        (vec![capture, "-o", capture], 2, "is the capture being read"),
        (
            vec![capture, "-o", "-", "--json"],
            2,
            "cannot both go to standard output",
        ),
        (
            vec![sysdig.to_str().unwrap(), "-o", out],
            1,
            "is a .scap file",
        ),
        (
            vec![text.to_str().unwrap(), "-o", out],
            1,
            "not a scap capture",
        ),
    ] {
        let (_, err, found) = run(&[vec!["repair"], args].concat());
        assert_eq!(found, code, "{err}");
        assert!(err.contains(what), "{err}");
    }
    assert_eq!(std::fs::read(capture).unwrap(), bytes);
    assert!(!Path::new(out).exists(), "nothing is made for nothing");
}
