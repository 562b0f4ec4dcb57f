//! What others do to a recording: to its file, its reader, its clock and the sockets that it asks. Each time it says what happened, keeps what it can, and ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    capture::{has_snapshot, read},
    live::nothing_is_attached,
    recorder::Recorder,
    tools::{bench, need, number, scap},
};

/// Somebody who makes events all the time.
pub(super) struct Busy(std::process::Child);

impl Busy {
    pub(super) fn start() -> Self {
        let script = "while :; do ls -l /usr/bin; done";
        let mut command = Command::new("timeout");
        command.args(["30", "sh", "-c", script]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // The program that it started ends with it.
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

/// Makes events.
fn work() {
    for _ in 0..20 {
        assert!(Command::new("/bin/true").status().unwrap().success());
    }
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits for a recorder that has to end by itself.
fn end_soon(recorder: Recorder) -> (Option<i32>, String) {
    let begin = Instant::now();
    let ended = recorder.end();
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "it goes on: {ended:?}"
    );
    ended
}

#[test]
fn a_second_recorder_is_refused() {
    let Some(bench) = bench() else { return };
    let recorder = Recorder::start(&bench, "two.scap", &[]);
    let path = bench.path("two.scap");
    fs::hard_link(&path, bench.path("other.scap")).unwrap();
    for (command, name) in [
        ("record", "two.scap"),
        ("record", "other.scap"),
        ("try", "two.scap"),
    ] {
        let mut second = scap();
        second
            .args([command, "-M", "0.5", "-w"])
            .arg(bench.path(name));
        let second = second.output().unwrap();
        assert_eq!(second.status.code(), Some(1), "{}", said(&second));
        assert!(
            said(&second).contains("another program is writing to it"),
            "{}",
            said(&second)
        );
    }
    work();
    recorder.signal(Signal::INT);
    let (code, text) = recorder.end();
    assert_eq!(code, Some(0), "{text}");
    let capture = read(&path);
    assert!(capture.complete && !capture.damaged && !capture.events.is_empty());
}

#[test]
fn a_recording_is_private_and_not_written_through_planted_names() {
    let Some(bench) = bench() else { return };
    let shared = bench.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let victim = bench.path("victim");
    let run = |path: &Path, more: &[&str]| {
        let mut command = scap();
        command
            .args(["record", "-q", "-w"])
            .arg(path)
            .args(more)
            .args(["--", "/bin/true"]);
        command.output().unwrap()
    };
    fs::write(&victim, "precious").unwrap();
    let link = shared.join("link.scap");
    symlink(&victim, &link).unwrap();
    let output = run(&link, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("symbolic link"), "{}", said(&output));
    // The name of the summary, and a hard link.
    let hard = shared.join("hard.scap");
    fs::hard_link(&victim, &hard).unwrap();
    let output = run(&hard, &["--summary-json", link.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("symbolic link"), "{}", said(&output));
    // Which is said before anything is recorded.
    for file in [&victim, &hard] {
        assert_eq!(fs::read(file).unwrap(), b"precious");
    }
    let json = shared.join("s.json");
    let output = run(&hard, &["--summary-json", json.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for file in [&hard, &json] {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, 0o600);
    }
    // In a directory, under a name of its own.
    let output = run(&shared, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// What is done to a file, what is said of it, and whether the file of this name is still a capture.
type Attack = (fn(&Path), &'static str);

const ATTACKS: &[Attack] = &[
    (
        |path| fs::remove_file(path).unwrap(),
        "was removed while it was recorded",
    ),
    (
        |path| drop(fs::File::create(path).unwrap()),
        "was truncated to 0 bytes",
    ),
    (
        |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(1000).unwrap();
        },
        "was truncated to 1000 bytes",
    ),
    (
        |path| {
            let fake = path.with_extension("fake");
            fs::write(&fake, "fake").unwrap();
            fs::rename(fake, path).unwrap();
        },
        "was replaced by another file",
    ),
    (
        |path| fs::rename(path, path.with_extension("moved")).unwrap(),
        "was moved to ",
    ),
    (
        |path| {
            let file = fs::OpenOptions::new().append(true).open(path);
            file.unwrap().write_all(b"\0").unwrap();
        },
        "was written to by another program",
    ),
];

#[test]
fn a_file_that_is_touched_ends_the_recording() {
    let Some(bench) = bench() else { return };
    for (attack, what) in ATTACKS {
        // Of a program that does nothing: the file does not grow.
        let mut idle = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = idle.id().to_string();
        let recorder = Recorder::start(&bench, "touched.scap", &["--pid", &pid]);
        attack(&bench.path("touched.scap"));
        let (code, text) = end_soon(recorder);
        idle.kill().unwrap();
        idle.wait().unwrap();
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains(what) && text.contains("touched.scap"),
            "{what}: {text}"
        );
        assert!(text.contains("--fallback"), "{text}");
    }
    let moved = read(&bench.path("touched.moved"));
    assert!(moved.complete && !moved.damaged);
}

#[test]
fn a_fallback_has_everything() {
    let Some(bench) = bench() else { return };
    let dir = bench.path("fallback");
    fs::create_dir(&dir).unwrap();
    let copies = || {
        fs::read_dir(&dir)
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .collect::<Vec<_>>()
    };
    let fallback = ["--fallback", dir.to_str().unwrap()];
    for (attack, what) in ATTACKS {
        let recorder = Recorder::start(&bench, "lost.scap", &fallback);
        work();
        std::thread::sleep(Duration::from_millis(300));
        attack(&bench.path("lost.scap"));
        work();
        std::thread::sleep(Duration::from_millis(1100));
        work();
        recorder.signal(Signal::INT);
        let (code, text) = recorder.end();
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains(what) && text.contains("scap: warning: "),
            "{text}"
        );
        let [copy] = &copies()[..] else {
            panic!("{:?}", copies())
        };
        assert!(text.contains(copy.to_str().unwrap()), "{text}");
        assert_eq!(fs::metadata(copy).unwrap().mode() & 0o7777, 0o600);
        let capture = read(copy);
        assert!(capture.complete && !capture.damaged);
        let starts = capture.starts();
        // On a busy machine events can be lost, which is said.
        assert!(
            starts as u64 + capture.lost >= 60,
            "{starts} of 60 programs, before and after: {text}"
        );
        fs::remove_file(copy).unwrap();
    }
    // A copy that is gone, too, is not said to be there; and what is at its name is not ours to remove.
    let copy = dir.join("lost.scap");
    let recorder = Recorder::start(&bench, "lost.scap", &fallback);
    fs::rename(&copy, bench.path("stolen")).unwrap();
    fs::write(&copy, "theirs").unwrap();
    fs::remove_file(bench.path("lost.scap")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    recorder.signal(Signal::INT);
    let (code, text) = recorder.end();
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("the capture is in"), "{text}");
    let recorder = Recorder::start(&bench, "lost.scap", &fallback);
    let second = dir.join("lost.scap.2");
    fs::remove_file(&second).unwrap();
    fs::write(&second, "theirs").unwrap();
    recorder.signal(Signal::INT);
    let (code, text) = recorder.end();
    assert_eq!(code, Some(0), "{text}");
    for theirs in [copy, second] {
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
        fs::remove_file(theirs).unwrap();
    }
    // Of a recording that ends well, none is left.
    bench.record("well.scap", &[&fallback[..], &["--", "/bin/true"]].concat());
    assert!(copies().is_empty());
    let mut command = scap();
    command.args(["record", "-w", "x.scap", "--fallback", "/nonexistent"]);
    assert_eq!(command.output().unwrap().status.code(), Some(2));
}

#[test]
fn a_reader_that_stalls_does_not_hold_the_end() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    let fifo = bench.path("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let fifo = fifo.to_str().unwrap();
    // It opens the pipe, and reads nothing.
    let script = format!("exec sleep 60 < {fifo}");
    let mut reader = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let _busy = Busy::start();
    for (args, signal) in [
        (&["record", "-q", "-M", "1", "-w", "-"][..], None),
        (&["record", "-q", "-M", "60", "-w", "-"], Some(Signal::INT)),
        (&["record", "-q", "-M", "1", "-w", fifo], None),
        (&["live", "-M", "1"], None),
        (&["live", "-M", "1", "-c", "spy_file"], None),
        (&["live"], Some(Signal::TERM)),
    ] {
        let begin = Instant::now();
        let mut child = scap()
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(signal) = signal {
            std::thread::sleep(Duration::from_secs(2));
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let status = child.wait().unwrap();
        let mut text = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(
            begin.elapsed() < Duration::from_secs(8),
            "{args:?}: {:?}",
            begin.elapsed()
        );
        assert_eq!(status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains("does not read"), "{args:?}: {text}");
    }
    reader.kill().unwrap();
    reader.wait().unwrap();
    nothing_is_attached();
}

#[test]
fn an_early_kill_leaves_a_capture_or_nothing() {
    let Some(bench) = bench() else { return };
    let path = bench.path("early.scap");
    let mut opened = 0;
    for round in 0..6 {
        drop(fs::remove_file(&path));
        let mut child = scap().args(["record", "-w"]).arg(&path).spawn().unwrap();
        // As soon as the file is there, and some milliseconds later.
        let begin = Instant::now();
        while !path.exists() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "it does not begin"
            );
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(round));
        child.kill().unwrap();
        child.wait().unwrap();
        let info = scap().arg("info").arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&info.stdout).into_owned();
        assert!(text.contains("incomplete"), "{text} {}", said(&info));
        opened += usize::from(!has_snapshot(&path));
    }
    assert!(opened > 0, "at least once before the first event");
}

#[test]
fn a_killed_screen_leaves_no_file() {
    let Some(bench) = bench() else { return };
    let dir = bench.path("temporary");
    fs::create_dir(&dir).unwrap();
    let count = |dir: &PathBuf| fs::read_dir(dir).unwrap().count();
    bench.record("c.scap", &["--", "/bin/true"]);
    let old = bench.path("old.scap");
    let mut convert = scap();
    convert
        .args(["convert", "--to", "sysdig", "-q"])
        .arg(bench.path("c.scap"))
        .arg(&old);
    assert!(convert.status().unwrap().success());
    for args in [&["--live"][..], &[old.to_str().unwrap()]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
        command.arg("view").args(args).env("TMPDIR", &dir);
        let mut pty = super::pty::Pty::start(command, (120, 40));
        pty.wait_at_most(Duration::from_secs(20), "the screen", |screen| {
            screen.contains("F2 views")
        });
        // Nobody finds it while it is shown, either.
        assert_eq!(count(&dir), 0);
        pty.signal(Signal::KILL);
        pty.end(Duration::from_secs(10));
        assert_eq!(count(&dir), 0);
    }
}

/// What a hostile runtime does with whoever connects.
const RUNTIMES: &[fn(UnixStream)] = &[
    // Says nothing.
    |mut stream| drop(stream.read(&mut [0])),
    // Hangs up.
    drop,
    // A byte at a time, for ever.
    |mut stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{";
        for byte in answer.iter().chain(std::iter::repeat(&b' ')) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    },
    |stream| flood(stream, b"HTTP/1.1 200 OK\r\n", &b"X-A: a\r\n".repeat(8000)),
    |stream| {
        flood(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n",
            &[b'['; 65_536],
        );
    },
    |stream| flood(stream, b"", &[0xff; 65_536]),
    // Frames of HTTP/2 without an end.
    |stream| {
        flood(
            stream,
            b"\0\0\0\x04\0\0\0\0\0",
            &b"\0\0\x08\x06\0\0\0\0\0pingpong".repeat(4000),
        );
    },
    // A version, and then events of containers without an end.
    |mut stream| {
        let mut request = [0; 4096];
        let count = stream.read(&mut request).unwrap_or(0);
        let body = "{\"Version\":\"28\",\"ApiVersion\":\"1.50\"}";
        if request[..count].starts_with(b"GET /version") {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(head.as_bytes()));
        } else if request[..count].starts_with(b"GET /events") {
            let id = "ab".repeat(32);
            let line = format!("{{\"Action\":\"create\",\"Actor\":{{\"ID\":\"{id}\"}}}}\n");
            let part = format!("{:x}\r\n{line}\r\n", line.len()).repeat(500);
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            flood(stream, head, part.as_bytes());
        }
    },
];

/// Sends something, and then the same for as long as somebody listens.
fn flood(mut stream: UnixStream, first: &[u8], again: &[u8]) {
    let mut sent = stream.write_all(first);
    while sent.is_ok() {
        sent = stream.write_all(again);
    }
}

#[test]
fn hostile_runtimes_do_no_harm() {
    let Some(bench) = bench() else { return };
    let mut args = vec!["-M".to_owned(), "4".to_owned()];
    for (number, serve) in RUNTIMES.iter().enumerate() {
        let path = bench.path(&format!("{number}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        args.extend([
            "--container-socket".to_owned(),
            path.to_str().unwrap().to_owned(),
        ]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let begin = Instant::now();
    let recorder = Recorder::start(&bench, "runtimes.scap", &args);
    for _ in 0..5 {
        work();
        std::thread::sleep(Duration::from_millis(200));
    }
    let (code, text) = recorder.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        begin.elapsed() < Duration::from_secs(12),
        "{:?}",
        begin.elapsed()
    );
    let capture = read(&bench.path("runtimes.scap"));
    assert!(capture.complete && !capture.damaged);
    let starts = capture.starts();
    assert!(starts >= 100, "{starts}");
    let summary = bench.summary("runtimes.scap");
    let peak = number(&summary, "peak_memory_bytes");
    assert!(peak < 256 << 20, "{peak} bytes");
}

#[test]
fn a_clock_that_jumps_changes_neither_the_length_nor_the_order() {
    use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
    let Some(bench) = bench() else { return };
    let step = |seconds: i64| {
        let now = clock_gettime(ClockId::Realtime);
        let tv_sec = now.tv_sec + seconds;
        clock_settime(ClockId::Realtime, Timespec { tv_sec, ..now })
    };
    if step(0).is_err() {
        eprintln!("skipped: the clock cannot be set here");
        return;
    }
    let begin = Instant::now();
    let recorder = Recorder::start(&bench, "clock.scap", &["-M", "2"]);
    work();
    for seconds in [5, -10, 5] {
        step(seconds).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        work();
    }
    let (code, text) = recorder.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
    let capture = read(&bench.path("clock.scap"));
    assert!(capture.complete && !capture.damaged);
    // The recorder's own events may be some milliseconds early; the clock jumps by seconds.
    let mut pairs = capture.events.windows(2);
    assert!(pairs.all(|pair| pair[1].ts + 100_000_000 > pair[0].ts));
    let (first, last) = (&capture.events[0], capture.events.last().unwrap());
    assert!(
        last.ts - first.ts < 5_000_000_000,
        "{} ns",
        last.ts - first.ts
    );
    let info = scap()
        .arg("info")
        .arg(bench.path("clock.scap"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(
        shown.contains("intact") && shown.contains("clock"),
        "{shown}"
    );
}
