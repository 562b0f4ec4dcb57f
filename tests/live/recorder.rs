//! A recording in the background.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    capture::has_snapshot,
    tools::{Bench, scap},
};

/// A recording in the background.
pub(crate) struct Recorder(Option<Child>);

impl Drop for Recorder {
    /// A test that fails leaves no recorder behind for others to find.
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Recorder {
    /// Starts it and waits until the probe is attached: the snapshot is taken after that.
    pub(crate) fn start(bench: &Bench, capture: &str, args: &[&str]) -> Self {
        let path = bench.path(capture);
        // One of an earlier recording would look like a beginning.
        drop(std::fs::remove_file(&path));
        let child = scap()
            .args(["record", "-w"])
            .arg(&path)
            .args(["--summary-json"])
            .arg(bench.summary_path(capture))
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let recorder = Self(Some(child));
        let begin = Instant::now();
        while !has_snapshot(&path) {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "the recorder does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        recorder
    }

    pub(crate) fn child(&self) -> &Child {
        self.0.as_ref().expect("not ended yet")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).unwrap();
    }

    /// Its exit code and what it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let child = self.0.take().expect("not ended yet");
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}
