//! `scap live`: lines come as things happen, and whatever ends it leaves nothing in the kernel.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    lifecycle::attached,
    tools::{bench, need, scap},
};

/// The filter of these tests: a program that only they run so.
const FILTER: &str = "evt.type=execve and proc.cmdline contains scap-live-mark";

/// Does what [`FILTER`] finds.
fn mark(word: &str) {
    let status = Command::new("/bin/true")
        .args(["scap-live-mark", word])
        .status()
        .unwrap();
    assert!(status.success());
}

/// A running `scap live`, attached.
fn start() -> (Child, BufReader<ChildStdout>) {
    let mut child = scap()
        .args(["live", "-p", "%proc.cmdline", FILTER])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (done, is_done) = std::sync::mpsc::channel();
    let marker = std::thread::spawn(move || {
        let begin = Instant::now();
        while is_done.recv_timeout(Duration::from_millis(20)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "it does not start"
            );
            mark("first");
        }
    });
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "true scap-live-mark first\n");
    done.send(()).unwrap();
    marker.join().unwrap();
    (child, lines)
}

/// Waits until the kernel has freed the probe: not at once after a kill.
pub(crate) fn nothing_is_attached() {
    let begin = Instant::now();
    while !attached().is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{:?}",
            attached()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn lines_come_as_things_happen() {
    let (Some(_bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    for signal in [Signal::INT, Signal::TERM] {
        let (child, mut lines) = start();
        assert!(!attached().is_empty());
        let mut waits = Vec::new();
        for round in 0..20 {
            let word = format!("round-{round}");
            let begin = Instant::now();
            mark(&word);
            let mut line = String::new();
            while !line.ends_with(&format!("{word}\n")) {
                line.clear();
                assert!(lines.read_line(&mut line).unwrap() > 0, "it has ended");
            }
            waits.push(begin.elapsed());
        }
        waits.sort();
        let median = waits[waits.len() / 2];
        println!(
            "from the start of a program to its line: {median:?}, at most {:?}",
            waits[19]
        );
        assert!(median < Duration::from_millis(100), "{waits:?}");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains(" events in ") && said.ends_with(" 0 lost\n"),
            "{said}"
        );
        nothing_is_attached();
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (Some(_bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    // Also when there is nothing to print.
    for is_busy in [true, false] {
        reader_goes_away(is_busy);
    }
}

fn reader_goes_away(is_busy: bool) {
    let (mut child, lines) = start();
    drop(lines);
    let begin = Instant::now();
    let status = loop {
        if is_busy {
            mark("more");
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    nothing_is_attached();
}

#[test]
fn a_command_and_a_count_are_shown_like_a_capture() {
    let Some(bench) = bench() else { return };
    let run = |args: &[&str]| {
        let output = scap().arg("live").args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let command = ["--", "cat", "/etc/hostname"];
    let mut args = vec![
        "-p",
        "%evt.type %fd.name %evt.res",
        "evt.type=openat",
        "and",
        "proc.name=cat",
    ];
    args.extend(command);
    let (shown, said) = run(&args);
    bench.record("same.scap", &command);
    let output = scap()
        .args(["read", "-p", args[1], "-r"])
        .arg(bench.path("same.scap"))
        .args(&args[2..5])
        .output()
        .unwrap();
    let recorded = String::from_utf8(output.stdout).unwrap();
    let hostname = std::fs::read_to_string("/etc/hostname").unwrap();
    // What the command prints is in between. (What it reads depends on where it prints to.)
    let shown: Vec<_> = shown.lines().filter(|l| !hostname.contains(l)).collect();
    assert_eq!(shown, recorded.lines().collect::<Vec<_>>());
    assert!(said.contains("the command ended with status 0"), "{said}");

    let (shown, said) = run(&[
        "-n",
        "3",
        "-j",
        "evt.type=openat",
        "--",
        "cat",
        "/etc/hostname",
        "/dev/null",
    ]);
    let objects = shown.lines().filter(|line| line.starts_with('{'));
    assert_eq!(objects.clone().count(), 3, "{shown}");
    assert!(said.starts_with("3 events in "), "{said}");
    for object in objects {
        let value: serde_json::Value = serde_json::from_str(object).unwrap();
        assert_eq!(value["evt.type"], "openat");
    }
}

/// Nobody takes the lines while the program runs: what does not fit into the rings is lost, and told.
#[test]
fn losses_from_a_slow_reader_are_reported() {
    let Some(bench) = bench() else { return };
    const CALLS: u64 = 600_000;
    let done = bench.path("done");
    let script = format!(
        "dd if=/dev/zero of=/dev/null bs=1 count={} 2>/dev/null; touch {}",
        CALLS / 2,
        done.display()
    );
    let mut child = scap()
        .args(["live", "--buffer-size", "1", "-p", "%evt.type"])
        .args([
            "proc.name=dd and evt.type in (read, write)",
            "--",
            "sh",
            "-c",
            &script,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !done.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "dd does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().count();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    // `N events in S s, LOST lost`.
    let account = said.lines().find(|l| l.contains(" events in ")).unwrap();
    let number = |word: &str| word.replace(',', "").parse::<u64>().unwrap();
    let shown = number(account.split(' ').next().unwrap());
    let lost = number(account.rsplit(' ').nth(1).unwrap());
    assert_eq!(shown, lines as u64, "{account}");
    assert!(lost > 0 && said.contains("events were lost here"), "{said}");
    // dd reads and writes a little more than that, and others' calls may be among the lost.
    assert!(
        (CALLS..CALLS + 20_000).contains(&(shown + lost)),
        "{account}"
    );
}
