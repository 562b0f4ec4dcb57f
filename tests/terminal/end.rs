//! Whatever ends it gives the terminal back.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{SIZE, intrusion, open, view};
use crate::pty::Pty;

/// How long an end may take.
const SOON: Duration = Duration::from_secs(2);

/// Fails unless the bytes that give a terminal back were written after all others.
fn is_left_last(pty: &Pty) {
    let written = String::from_utf8_lossy(&pty.written);
    let left = written
        .rfind("\x1b[?1049l")
        .expect("the alternate screen is left");
    for mode in [1000, 1002, 1006] {
        let on = written.rfind(&format!("\x1b[?{mode}h"));
        let off = written.rfind(&format!("\x1b[?{mode}l"));
        assert!(on.is_some() && on < off, "mouse mode {mode}");
    }
    let after = written[left..].trim_start_matches("\x1b[?1049l");
    let after = after.replace("\x1b[?25h", "");
    assert_eq!(after, "", "nothing is written to the shell's screen");
}

#[test]
fn keys_end_it() {
    for key in [&b"q"[..], b"\x1b[21~", b"\x03"] {
        let mut pty = open(&intrusion());
        assert!(pty.is_raw() && pty.terminal().alternate_screen());
        pty.send(key);
        let status = pty.end(SOON);
        assert_eq!(status.code(), Some(0), "{key:?}");
        pty.is_given_back();
        is_left_last(&pty);
    }
}

#[test]
fn signals_end_it() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut pty = open(&intrusion());
        pty.signal(signal);
        let status = pty.end(SOON);
        assert_eq!(status.code(), Some(0), "{signal:?}");
        pty.is_given_back();
        is_left_last(&pty);
    }
}

#[test]
fn two_hangups_are_one() {
    // A shell whose connection is cut passes the hangup on, and so does the kernel when the shell ends.
    let mut pty = open(&intrusion());
    pty.signal(Signal::HUP);
    pty.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(1));
    pty.signal(Signal::HUP);
    let status = pty.end(SOON);
    assert_eq!(status.code(), Some(0), "{status:?}");
    pty.is_given_back();
}

/// Processor time that a process has used.
fn used(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[test]
fn a_terminal_that_is_gone_ends_it() {
    for controlling in [true, false] {
        let mut pty = Pty::start_on(view(&intrusion()), SIZE, controlling);
        pty.wait("the first screen", |screen| {
            screen.contains("17,280 events")
        });
        pty.settle();
        pty.cut();
        let status = pty.end(SOON);
        assert!(!status.core_dumped(), "{status:?}");
        assert_eq!(status.signal(), None);
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn a_screen_at_rest_needs_no_processor() {
    let mut pty = open(&intrusion());
    pty.settle();
    let (before, written) = (used(pty.pid()), pty.written.len());
    let begin = Instant::now();
    while begin.elapsed() < SOON {
        pty.pump(Duration::from_millis(100));
    }
    let used = used(pty.pid()).saturating_sub(before);
    assert!(used < SOON / 10, "{used:?} in {SOON:?}");
    assert_eq!(pty.written.len(), written, "nothing is written either");
}
