//! `scap verify`: the same answer as `scap info`, for many captures.

use serde_json::Value;
use tempfile::tempdir;

use crate::common::{file, scap, seen, story, write};

#[test]
fn what_is_damaged_where() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let whole = file(dir.path(), "whole.scap", &bytes);
    let cut = file(dir.path(), "cut.scap", &bytes[..bytes.len() - 30]);
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    let changed = file(dir.path(), "changed.scap", &changed);
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (whole, cut, changed) = (path(&whole), path(&cut), path(&changed));

    let (out, err, code) = seen(&scap(&["verify", &whole], None));
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(
        out,
        format!("{whole}: intact; 10 events, 4 chunks, 1 snapshot, index\n")
    );
    for damaged in [&cut, &changed] {
        let (out, err, code) = seen(&scap(&["verify", damaged], None));
        assert_eq!((code, &*err), (3, ""));
        assert!(
            out.starts_with(damaged.as_str()) && out.contains("    byte "),
            "{out}"
        );
        let quiet = seen(&scap(&["verify", "-q", damaged], None));
        assert_eq!(quiet, (String::new(), String::new(), 3));
        let parse =
            |args: &[&str]| -> Value { serde_json::from_str(&seen(&scap(args, None)).0).unwrap() };
        let (verified, info) = (
            parse(&["verify", "--json", damaged]),
            parse(&["info", "--json", damaged]),
        );
        for (member, value) in info["integrity"].as_object().unwrap() {
            assert_eq!(verified[member], *value, "{member}");
        }
    }
    let piped = seen(&scap(&["verify", "-"], Some(&bytes)));
    assert_eq!(piped.2, 0, "{}", piped.0);
}

#[test]
fn one_that_cannot_be_read_hides_no_other() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let whole = file(dir.path(), "whole.scap", &bytes);
    let text = file(dir.path(), "text", b"no capture");
    let (whole, text) = (whole.to_str().unwrap(), text.to_str().unwrap());
    let gone = dir.path().join("gone");
    let (out, err, code) = seen(&scap(
        &["verify", gone.to_str().unwrap(), text, whole],
        None,
    ));
    assert_eq!(code, 1);
    assert!(out.contains("intact"), "{out}");
    assert!(
        err.contains("no such file") || err.contains("No such file"),
        "{err}"
    );
    assert!(err.contains("not a scap capture"), "{err}");
}
