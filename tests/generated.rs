//! Documents that are made from the program are those of this program.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn cli_reference() {
    current("docs/cli-reference.md", &scap::cli::reference());
}

#[test]
fn fields_and_events() {
    current("docs/fields.md", &scap::cli::fields_reference());
    current("docs/events.md", &scap::cli::events_reference());
}

/// The committed probe is that of the committed sources; nobody can forget to rebuild it.
#[test]
fn the_prebuilt_probe_is_of_these_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let hash = Command::new(root.join("probe/build.sh"))
        .arg("--source-hash")
        .output()
        .unwrap();
    assert!(hash.status.success(), "{hash:?}");
    let hash = String::from_utf8(hash.stdout).unwrap();
    let info = fs::read_to_string(root.join("probe/prebuilt/BUILD-INFO")).unwrap();
    let recorded = info.lines().find_map(|l| l.strip_prefix("source sha256: "));
    assert_eq!(
        recorded,
        Some(hash.trim()),
        "the sources changed after the build; probe/build.sh makes the object anew"
    );
}

/// Compares a committed file with its text, or writes it if asked to by `SCAP_UPDATE_DOCS`.
fn current(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("SCAP_UPDATE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not current; SCAP_UPDATE_DOCS=1 cargo test --test generated writes it anew",
        path.display()
    );
}
