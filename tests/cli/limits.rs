//! Limits of the process: an end by a message and an exit code, or none at all.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::process::{Command, Output};

use crate::common::{file, story, write};
use tempfile::tempdir;

/// Runs scap under `ulimit` with these arguments, without an environment, which takes stack, too.
fn limited(limit: &str, args: &[&str]) -> Output {
    let line = format!("ulimit -c 0; ulimit {limit}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.env_clear();
    command.args(["-c", &line, "sh", env!("CARGO_BIN_EXE_scap")]);
    command.args(args).output().unwrap()
}

#[test]
fn a_small_stack_is_enough() {
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "cap.scap", &write(&story(), 3, true));
    let capture = capture.to_str().unwrap();
    let sysdig = dir.path().join("sysdig.scap");
    let screen = dir.path().join("screen.txt");
    let (sysdig, screen) = (sysdig.to_str().unwrap(), screen.to_str().unwrap());
    let deep = format!("{}proc.pid>0{}", "(".repeat(100), ")".repeat(100));
    for (args, code) in [
        (&["--help"][..], 0),
        (&["fields"], 0),
        (&["nosuch"], 2),
        (&["read", capture], 0),
        (&["read", capture, &deep], 0),
        (&["read", capture, "-c", "topprocs_cpu"], 0),
        (&["info", capture], 0),
        (&["containers", capture], 0),
        (&["convert", capture, sysdig, "--to", "sysdig"], 0),
        (&["read", sysdig], 0),
        (&["view", capture, "--screenshot", screen], 0),
        (&["try", "--sample"], 0),
        (&["chisel", "list"], 0),
        (&["record", "--syscall", "nosuch", "-w", "-"], 2),
    ] {
        for limit in ["-s 64", "-s 16", "-s unlimited"] {
            let output = limited(limit, args);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{limit}, {args:?}: {output:?}"
            );
        }
    }
}
