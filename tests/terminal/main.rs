//! `scap view` on a real pseudo terminal: what a person sees there is what a screenshot shows, keys and the
//! mouse come as terminals send them, and whatever ends it gives the terminal back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics fails"
)]

#[path = "../common/mod.rs"]
mod common;
mod end;
mod hostile;

mod input;
#[path = "../common/pty.rs"]
mod pty;

use std::path::{Path, PathBuf};
use std::process::Command;

use pty::Pty;

/// Columns and rows where a test does not say others.
const SIZE: (u16, u16) = (80, 24);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn intrusion() -> PathBuf {
    root().join("testdata/intrusion.scap")
}

/// `scap view`, in the capture's directory and with nothing of this machine.
fn view(capture: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    command
        .current_dir(capture.parent().unwrap())
        .arg("view")
        .arg(capture.file_name().unwrap())
        .env("TZ", "UTC")
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR");
    command
}

/// `scap view` on a terminal, with its first screen complete.
fn open(capture: &Path) -> Pty {
    let mut pty = Pty::start(view(capture), SIZE);
    pty.shows("the first screen", &picture(capture, "", SIZE));
    pty
}

/// What a screenshot shows after some keys.
fn picture(capture: &Path, keys: &str, size: (u16, u16)) -> String {
    let output = view(capture)
        .args(["--size", &format!("{}x{}", size.0, size.1)])
        .args(["--script", keys, "--screenshot", "-"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{keys}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}
