//! How recordings begin and end: limits, signals, filters, trouble. Whatever happens, the file is
//! readable and no program stays in the kernel.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use scap_capture_format::event::EventFlags;
use serde_json::Value;

use super::{
    capture::{Event, read},
    recorder::Recorder,
    tools::{bench, need, number, scap},
};

/// Makes system calls that are easy to find: `count` times getppid-like work of a shell.
fn work(seconds: f64) {
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < seconds {
        let status = Command::new("/bin/true").status().unwrap();
        assert!(status.success());
    }
}

/// Names of our programs in the kernel.
pub(crate) fn attached() -> Vec<String> {
    let output = Command::new("bpftool")
        .args(["prog", "show"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter(|line| line.contains("name sys_exit") || line.contains("name exit_ops"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_signal_finishes_the_file() {
    let Some(bench) = bench() else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let recorder = Recorder::start(&bench, "signal.scap", &[]);
        let own = i64::from(recorder.child().id());
        work(0.3);
        recorder.signal(signal);
        let (code, said) = recorder.end();
        assert_eq!(code, Some(0), "{said}");
        let capture = read(&bench.path("signal.scap"));
        assert!(capture.complete && !capture.damaged && capture.snapshots == 1);
        assert!(capture.events.iter().any(|event| event.name == "execve"));
        assert!(
            capture.events.iter().all(|event| event.pid != own),
            "it records itself"
        );
        let summary = bench.summary("signal.scap");
        assert_eq!(number(&summary, "events"), capture.events.len() as u64);
        assert!(said.contains("seen by the kernel"), "{said}");
    }
}

#[test]
fn kill_9_leaves_a_readable_file_and_nothing_in_the_kernel() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/seal");
    let (key, public) = (keys.join("zeros.pem"), keys.join("zeros.pub.pem"));
    let seal = ["--seal", key.to_str().unwrap()];
    let recorder = Recorder::start(&bench, "killed.scap", &seal);
    assert!(
        !attached().is_empty(),
        "the probe is attached while it records"
    );
    work(3.0);
    let killed = std::time::SystemTime::now();
    recorder.signal(Signal::KILL);
    drop(recorder.end());
    let capture = read(&bench.path("killed.scap"));
    assert!(!capture.complete && !capture.damaged);
    let last = capture.events.last().expect("events").ts;
    let killed = killed
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let missing = killed.saturating_sub(last) as f64 / 1e9;
    assert!(missing <= 1.0, "the last {missing:.2} seconds are missing");
    // All but the last second is sealed, too.
    let verified = scap()
        .args(["verify", "--json", "--pub"])
        .args([public, bench.path("killed.scap")])
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(3), "it is not complete");
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verified["damages"], 0);
    let by = &verified["seal"]["keys"][0];
    assert_eq!(by["proved"], true);
    let unsealed = by["unsealed_events"].as_u64().unwrap();
    let sealed = by["sealed_events"].as_u64().unwrap();
    assert_eq!((sealed + unsealed) as usize, capture.events.len());
    let second = last - 1_000_000_000;
    let late = capture.events.iter().filter(|event| event.ts > second);
    assert!(
        unsealed as usize <= late.count(),
        "{unsealed} are not sealed"
    );
    // The kernel frees what nobody holds, but not at once.
    let begin = Instant::now();
    while !attached().is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "still attached: {:?}",
            attached()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_command_gets_the_same_fds_as_without_a_recorder() {
    let Some(bench) = bench() else { return };
    // The shell's own are the first; `*` opens the directory, whose number is among them.
    const LIST: &str = "echo /proc/$$/fd/*";
    let plain = Command::new("sh").args(["-c", LIST]).output().unwrap();
    let recorded = scap()
        .args(["record", "-q", "-w"])
        .arg(bench.path("fds.scap"))
        .args(["--", "sh", "-c", LIST])
        .output()
        .unwrap();
    let numbers = |out: &[u8]| {
        let out = String::from_utf8_lossy(out).into_owned();
        let fds = out
            .split_whitespace()
            .filter_map(|path| path.rsplit('/').next());
        fds.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(numbers(&plain.stdout).len() >= 3);
    assert_eq!(numbers(&recorded.stdout), numbers(&plain.stdout));
}

#[test]
fn limits_end_a_recording() {
    let Some(bench) = bench() else { return };
    bench.record(
        "count.scap",
        &[
            "-n",
            "500",
            "--",
            "/bin/sh",
            "-c",
            "ls -lR /etc; ls -lR /etc",
        ],
    );
    assert_eq!(read(&bench.path("count.scap")).events.len(), 500);
    let begin = Instant::now();
    bench.record("time.scap", &["-M", "0.5"]);
    assert!(begin.elapsed() < Duration::from_secs(30));
    let capture = read(&bench.path("time.scap"));
    assert!(capture.complete);
}

#[test]
fn a_pipe_gets_the_same_capture() {
    let Some(bench) = bench() else { return };
    let output = scap()
        .args(["record", "-w", "-", "--", "/bin/true"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success());
    std::fs::write(bench.path("piped.scap"), &output.stdout).unwrap();
    let capture = read(&bench.path("piped.scap"));
    assert!(capture.complete && capture.events.iter().any(|event| event.name == "execve"));
}

#[test]
fn filters_decide_in_the_kernel() {
    let Some(bench) = bench() else { return };
    let script = "for i in 1 2 3 4 5; do cat /etc/hostname; ls /; done";
    let names = |capture: &str| -> Vec<String> {
        read(&bench.path(capture))
            .events
            .into_iter()
            .filter(|event| event.name != "procexit" && event.name != "signaldeliver")
            .map(|event| event.name)
            .collect()
    };
    bench.record(
        "only.scap",
        &["--syscall", "openat,close", "--", "/bin/sh", "-c", script],
    );
    let only = names("only.scap");
    assert!(only.len() > 20 && only.iter().all(|name| name == "openat" || name == "close"));
    assert!(number(&bench.summary("only.scap"), "excluded") > 0);

    bench.record(
        "not.scap",
        &["--syscall", "!openat", "--", "/bin/sh", "-c", script],
    );
    let not = names("not.scap");
    assert!(not.len() > 20 && !not.iter().any(|name| name == "openat"));
    assert!(not.iter().any(|name| name == "close"));

    bench.record(
        "comm.scap",
        &["--comm", "cat", "--", "/bin/sh", "-c", script],
    );
    let cats = read(&bench.path("comm.scap")).events;
    let opened = |event: &&Event| event.text("name") == Some(b"/etc/hostname");
    assert_eq!(
        cats.iter().filter(opened).count(),
        5,
        "each cat opens its file"
    );
    assert!(
        !cats.iter().any(|event| event.name == "getdents64"),
        "nothing of ls"
    );

    let mut sleeper = Command::new("/bin/sleep").arg("60").spawn().unwrap();
    let pid = sleeper.id().to_string();
    let recorder = Recorder::start(&bench, "pid.scap", &["--pid", &pid]);
    work(0.2);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    recorder.signal(Signal::INT);
    recorder.end();
    let capture = read(&bench.path("pid.scap"));
    assert!(
        capture
            .events
            .iter()
            .all(|event| event.pid.to_string() == pid)
    );
    let exit = capture
        .events
        .iter()
        .find(|event| event.name == "procexit")
        .expect("its end");
    assert_eq!(exit.number("sig"), Some(9));
}

#[test]
fn calls_in_flight_are_recorded_as_such() {
    let Some(bench) = bench() else { return };
    bench.record("flight.scap", &["-M", "0.7", "--", "/bin/sleep", "60"]);
    let capture = read(&bench.path("flight.scap"));
    let flying: Vec<_> = capture
        .events
        .iter()
        .filter(|event| event.flags.contains(EventFlags::IN_FLIGHT))
        .collect();
    assert_eq!(flying.len(), 1, "{flying:?}");
    assert_eq!(flying[0].name, "clock_nanosleep");
    assert_eq!(
        (flying[0].result(), flying[0].number("arg0")),
        (None, Some(0))
    );
    let latency = flying[0].latency.unwrap();
    assert!(
        (100_000_000..30_000_000_000).contains(&latency),
        "{latency} ns"
    );
    // It was left running; it is ours to end.
    let pid = Pid::from_raw(flying[0].pid as i32).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_full_disk_leaves_a_valid_file() {
    let Some(bench) = bench() else { return };
    let disk = bench.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=640k", "tmpfs"])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(mounted.success(), "a small file system for the test");
    let file = disk.join("full.scap");
    // The command outlives the recording, so it must end by itself.
    let script = "for i in 1 2 3 4 5 6 7 8; do ls -lR /etc /usr/share/doc >/dev/null; done";
    let output = scap()
        .args(["record", "-M", "20", "-w"])
        .arg(&file)
        .args(["--", "timeout", "15", "/bin/sh", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let capture = read(&file);
    let status = Command::new("umount")
        .arg("-l")
        .arg(&disk)
        .status()
        .unwrap();
    assert!(status.success());
    drop(
        Command::new("pkill")
            .args(["-f", "ls -lR /etc /usr/share/doc"])
            .status(),
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("No space left") && said.contains("bytes are kept"),
        "{said}"
    );
    assert!(!capture.damaged && !capture.events.is_empty());
}

#[test]
fn errors_are_reported_with_the_next_step() {
    let Some(bench) = bench() else { return };
    let run = |args: &[&str]| {
        let output = scap().args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let file = bench.path("x.scap");
    let file = file.to_str().unwrap();

    let (code, said) = run(&["record", "-w", file, "--syscall", "opnat"]);
    assert!(
        code == Some(2) && said.contains("did you mean `openat`"),
        "{code:?} {said}"
    );
    assert!(
        !Path::new(file).exists(),
        "nothing is created for a wrong command line"
    );
    let (code, said) = run(&["record", "-w", file, "--pid", "1,!2"]);
    assert!(
        code == Some(2) && said.contains("use only included or only excluded values"),
        "{code:?} {said}"
    );
    let (code, said) = run(&["record", "-M", "1", "-w", "/nonexistent/x.scap"]);
    assert!(
        code == Some(1) && said.contains("/nonexistent/x.scap"),
        "{code:?} {said}"
    );
    let (code, said) = run(&["record", "-w", file, "--", "/nonexistent/command"]);
    assert!(
        code == Some(1) && said.contains("cannot run"),
        "{code:?} {said}"
    );

    // A terminal is no place for a capture.
    let scap_path = env!("CARGO_BIN_EXE_scap");
    let output = Command::new("script")
        .args([
            "-qec",
            &format!("{scap_path} record -M 1 -w -"),
            "/dev/null",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.code() == Some(2) && said.contains("cannot be written to a terminal"),
        "{said}"
    );

    // Somebody without privileges, who can read the program.
    let copy = Path::new("/tmp").join(format!("scap-live-{}", std::process::id()));
    std::fs::copy(scap_path, &copy).unwrap();
    let output = Command::new(&copy)
        .args(["record", "-M", "1", "-w", "/tmp/never.scap"])
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    std::fs::remove_file(&copy).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("CAP_BPF") && said.contains("as root"),
        "{said}"
    );
}

#[test]
fn what_the_machine_lacks_is_named() {
    let (Some(bench), Some(())) = (bench(), need("unshare")) else {
        return;
    };
    let scap_path = env!("CARGO_BIN_EXE_scap");
    let file = bench.path("never.scap");
    let inside = |namespaces: &[&str], before: &str| {
        let script = format!(
            "{before} exec {scap_path} record -M 1 -w {}",
            file.display()
        );
        let output = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(!file.exists(), "nothing is created that cannot be filled");
        said
    };
    let said = inside(&["-m"], "mount -t tmpfs none /sys/kernel/btf &&");
    assert!(
        said.contains("/sys/kernel/btf/vmlinux") && said.contains("CONFIG_DEBUG_INFO_BTF"),
        "{said}"
    );
    let said = inside(&["-fp", "--mount-proc"], "");
    assert!(
        said.contains("pid namespace") && said.contains("--pid=host"),
        "{said}"
    );
}
