//! Documents that are made from the program are those of this program.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;
use std::{env, fs};

#[test]
fn cli_reference() {
    current("docs/cli-reference.md", &scap::cli::reference());
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
