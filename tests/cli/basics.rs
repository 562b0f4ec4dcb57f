//! The command as a user meets it: what it prints, what it says when something is wrong, how it ends.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;

use crate::common::{event, file, i64b, scap, seen, story, write};
use scap_capture_format::event::EventFlags;
use scap_capture_format::schema::types;
use tempfile::tempdir;

const LINES: &str = "\
1 22:13:20.000001000 1 bash (100) < openat fd=3(<f>/home/alice/notes.txt) dirfd=-100(AT_FDCWD) name=notes.txt(/home/alice/notes.txt) flags=4097(O_RDONLY|O_CLOEXEC) mode=0 dev=801 ino=42 
2 22:13:20.000002000 1 bash (101) < read res=6 data=hi.[2J fd=3(<f>/home/alice/notes.txt) size=16 
3 22:13:20.000003000 1 bash (100) < close res=0 fd=3(<f>/home/alice/notes.txt) 
4 22:13:20.000004000 1 bash (100) < open fd=-2(ENOENT) name=/tmp/\\x1b]0;evil\\x07\\n\\xff flags=1(O_RDONLY) mode=0 dev=0 ino=0 
5 22:13:20.000005000 1 bash (100) < setuid res=0 uid=1000(alice) 
6 22:13:20.000006000 1 <NA> (999) < close res=-9(EBADF) fd=7 
7 22:13:20.000007000 1 bash (100) < ftruncate res=0 fd=5(<4u>10.0.0.5:40000->8.8.8.8:53) length=4096 
8 22:13:20.000008000 1 bash (100) < stat res=-14(EFAULT) path=<unreadable> 
10 22:13:20.000010000 1 bash (100) < read res=<in flight> data= fd=0(<f>/dev/pts/0) size=1 
";

fn capture() -> Vec<u8> {
    write(&story(), 4, true)
}

fn read(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(&[&["read", "-"], args].concat(), Some(&capture())));
    assert_eq!((err.as_str(), code), ("", 0));
    out
}

#[test]
fn every_event_is_a_line() {
    assert_eq!(read(&[]), LINES);
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "a.scap", &capture());
    let path = path.to_str().unwrap();
    let twice = scap(&["read", path, path], None);
    // Several captures are merged by time.
    let both: String = LINES.lines().map(|l| format!("{l}\n{l}\n")).collect();
    assert_eq!(seen(&twice), (both, String::new(), 0));
}

#[test]
fn counts_and_silence() {
    assert_eq!(
        read(&["-n", "2"]),
        LINES
            .lines()
            .take(2)
            .map(|l| format!("{l}\n"))
            .collect::<String>()
    );
    assert_eq!(read(&["-n", "0"]), "");
    assert_eq!(read(&["-q"]), "");
}

#[test]
fn times() {
    let second = |args: &[&str]| {
        let line = read(args).lines().nth(1).unwrap().to_owned();
        line.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(second(&["-t", "h"]), "22:13:20.000002000");
    assert_eq!(second(&["-t", "a"]), "1700000000.000002000");
    assert_eq!(second(&["-t", "r"]), "0.000001000");
    assert_eq!(second(&["-t", "d"]), "0.000000500");
    assert_eq!(second(&["-t", "D"]), "0.000001000");
    let (out, err, code) = seen(&scap(&["read", "-", "-t", "x"], Some(b"")));
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(err.contains("[possible values: h, i, a, r, d, D]"), "{err}");
}

#[test]
fn latencies() {
    let out = read(&["--latency"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].ends_with(" ino=42 <0.000000500>"));
    assert!(lines[8].ends_with(" size=1 <unfinished>"));
}

#[test]
fn a_wait_says_for_what_and_how_long() {
    let list = [&1_u16.to_le_bytes()[..], &i64b(5), &[0, 0]].concat();
    let waited = |at, latency, ty, params: &[&[u8]]| {
        let mut event = event(at, 100, ty, params);
        event.latency = Some(latency);
        event
    };
    let (zero, lock) = (i64b(0), 0x5000_u64.to_le_bytes());
    let mut deadlock = waited(
        9_000_000,
        8_000_000_000,
        types::SYSCALL_FUTEX_X,
        &[b"", &lock, &[0, 0], &zero],
    );
    deadlock.flags = EventFlags::IN_FLIGHT;
    let poll: &[&[u8]] = &[&zero, &list, &zero];
    let events = [
        waited(1_000_000, 2_000_000_000, types::SYSCALL_POLL_X, poll),
        // Too short to be worth a word.
        waited(2_000_000, 2000, types::SYSCALL_POLL_X, poll),
        deadlock,
    ];
    let capture = write(&events, 4, true);
    let (out, err, code) = seen(&scap(&["read", "-", "-T"], Some(&capture)));
    assert_eq!((err.as_str(), code), ("", 0));
    let peer = "5(<4u>10.0.0.5:40000->8.8.8.8:53)";
    assert!(
        out.contains(&format!(" <2.000000000 waiting for {peer}>\n")),
        "{out}"
    );
    assert!(out.contains(" <0.000002000>\n"), "{out}");
    let unfinished = " <8.000000000 unfinished waiting for futex 0x5000>\n";
    assert!(out.contains(unfinished), "{out}");
}

#[test]
fn forms_of_data() {
    let data = |arg| {
        let out = read(&[arg]);
        let start = out.find("data=").unwrap() + 5;
        out[start..out.find(" fd=3(<f>/home/alice/notes.txt) size").unwrap()].to_owned()
    };
    assert_eq!(data("-x"), "\n\t0x0000: 6869 1b5b 324a\n");
    assert_eq!(
        data("-X"),
        format!("\n\t0x0000: 6869 1b5b 324a{}hi.[2J\n", " ".repeat(27))
    );
    assert_eq!(data("-A"), "\nhi[2J");
    assert_eq!(data("-b"), "aGkbWzJK");
    assert_eq!(seen(&scap(&["read", "-", "-x", "-A"], Some(b""))).2, 2);
}

#[test]
fn what_is_in_a_capture() {
    let (out, err, code) = seen(&scap(&["info", "-"], Some(&capture())));
    assert_eq!((err.as_str(), code), ("", 0));
    for line in [
        "machine    web1, Debian GNU/Linux 12, 2 CPUs, 8.0 GiB",
        "kernel     6.18.0 x86_64 #1 SMP",
        "boot       2023-11-14T22:13:20.000000000+01:00, id 0f0f",
        "recorder   scap 0.1.0, snaplen 80, -M 5",
        "from       2023-11-14T23:13:20.000001000+01:00",
        "to         2023-11-14T23:13:20.000010000+01:00",
        "duration   0.000009 s",
        "hidden     1 event kept for state only",
        "seen       3 threads of 2 processes",
        "failed     3 calls returned an error",
        "in flight  1 call had not returned at the end",
        "unreadable arguments of 1 event",
        "lost       12 events",
        "           ring full, CPU 1: 12 events between 2023-11-14T23:13:20.000000000+01:00 and \
         2023-11-14T23:13:20.000005000+01:00",
        "sections   3 chunks, 1 snapshot, index",
        "integrity  intact",
        "             2  20.0%  close",
        "             1  10.0%  ftruncate",
    ] {
        assert!(out.lines().any(|l| l == line), "no line {line:?} in\n{out}");
    }
    let (json, _, code) = seen(&scap(&["info", "-", "--json"], Some(&capture())));
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["events"]["total"], 10);
    assert_eq!(json["events"]["types"].as_array().unwrap().len(), 8);
    assert_eq!(json["lost"]["spans"][0]["cpu"], 1);
    assert_eq!(json["integrity"]["intact"], true);
    assert_eq!(json["machine"]["utc_offset_s"], 3600);
}

#[test]
fn an_incomplete_capture_is_read_and_reported() {
    let capture = write(&story(), 4, false);
    let (out, err, code) = seen(&scap(&["read", "-"], Some(&capture)));
    assert_eq!((out.as_str(), code), (LINES, 3));
    assert_eq!(
        err,
        "scap: warning: standard input: the capture is incomplete; 9 events could be read\n\
         hint: the recorder was killed or is still running, or the copy is not whole\n"
    );
    // Whoever asked only for the first events got them.
    let (_, err, code) = seen(&scap(&["read", "-", "-n", "3"], Some(&capture)));
    assert_eq!((err.as_str(), code), ("", 0));
    let (out, _, code) = seen(&scap(&["info", "-"], Some(&capture)));
    assert_eq!(code, 3);
    let lost = out.lines().find(|line| line.starts_with("lost"));
    assert_eq!(
        lost,
        Some("lost       12 events; not known after the last chunk")
    );
}

#[test]
fn a_damaged_chunk_loses_only_itself() {
    let mut capture = capture();
    // The second chunk: the third section after header and snapshot.
    let marker = &[0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83][..];
    let sections: Vec<usize> = capture
        .windows(8)
        .enumerate()
        .filter(|(_, w)| *w == marker)
        .map(|(i, _)| i)
        .collect();
    capture[sections[3] + 40] ^= 0x10;
    let (out, err, code) = seen(&scap(&["read", "-"], Some(&capture)));
    let expected: Vec<&str> = LINES
        .lines()
        .filter(|l| !"5678".contains(&l[..1]))
        .collect();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(code, 3);
    assert!(
        err.starts_with(&format!(
            "scap: warning: standard input: damaged at byte {}: section checksum",
            sections[3]
        )),
        "{err}"
    );
    assert!(
        err.contains("5 events could be read\nhint: `scap info`"),
        "{err}"
    );
    let (out, _, code) = seen(&scap(&["info", "-"], Some(&capture)));
    assert!(out.contains("integrity  damaged in one place"), "{out}");
    assert_eq!(code, 3);
}

#[test]
fn files_that_are_no_capture() {
    let dir = tempdir().unwrap();
    let try_file = |name: &str, bytes: &[u8]| {
        let path = file(dir.path(), name, bytes);
        let mut all = Vec::new();
        for command in ["read", "info"] {
            let (out, err, code) = seen(&scap(&[command, path.to_str().unwrap()], None));
            assert_eq!(out, "");
            all.push((err.replace(dir.path().to_str().unwrap(), "DIR"), code));
        }
        assert_eq!(all[0], all[1]);
        all.remove(0)
    };
    let (err, code) = try_file("empty", b"");
    assert!(
        err.starts_with("scap: error: DIR/empty: the file is empty\nhint: "),
        "{err}"
    );
    assert_eq!(code, 1);
    let (err, code) = try_file("text", b"hello, this is a text file\n");
    assert_eq!(
        (err.as_str(), code),
        (
            "scap: error: DIR/text: not a scap capture\n\
             hint: `scap record -w FILE` makes captures\n",
            1
        )
    );
    let (err, code) = try_file("cut.scap", &[0x0a, 0x0d, 0x0d, 0x0a, 0x1c, 0, 0, 0]);
    assert_eq!(
        (err.as_str(), code),
        (
            "scap: error: DIR/cut.scap: damaged at offset 0: the section header is cut off\n",
            3
        )
    );
    let (err, code) = try_file("future", b"\x89SCAP\r\n\x1a\xff\0\0\0\0\0\0\0");
    assert!(
        err.contains(
            "version 255, this program reads versions up to 2\nhint: the capture is from a newer"
        ),
        "{err}"
    );
    assert_eq!(code, 1);
    let (err, code) = try_file("\u{1b}[31m", b"no");
    assert!(err.contains("DIR/\\x1b[31m: not a scap capture"), "{err}");
    assert_eq!(code, 1);

    let (_, err, code) = seen(&scap(&["read", dir.path().to_str().unwrap()], None));
    assert!(err.contains(" is a directory\nhint: "), "{err}");
    assert_eq!(code, 1);
    let (_, err, code) = seen(&scap(&["info", "/nowhere/x.scap"], None));
    assert_eq!(
        (err.as_str(), code),
        (
            "scap: error: cannot read /nowhere/x.scap: No such file or directory\n",
            1
        )
    );
    assert_eq!(seen(&scap(&["read"], None)).2, 2);
    assert_eq!(seen(&scap(&["raed", "x"], None)).2, 2);
    assert_eq!(seen(&scap(&["--version"], None)).2, 0);
    assert_eq!(seen(&scap(&["help", "read"], None)).2, 0);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::process::{Command, Stdio};
    let dir = tempdir().unwrap();
    let many: Vec<_> = (0..20_000)
        .map(|n| event(n * 10, 100, types::SYSCALL_CLOSE_X, &[&i64b(0), &i64b(3)]))
        .collect();
    let path = file(dir.path(), "many.scap", &write(&many, 5000, true));
    let mut child = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["read", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn a_later_snapshot_counts_only_where_events_are_missing() {
    use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
    use scap_capture_format::native::loss::{Loss, LossCause, LossReport};
    use scap_capture_format::native::{CaptureWriter, WriterOptions};
    let with_loss = |count| {
        let mut file = Vec::new();
        let mut writer = CaptureWriter::new(
            &mut file,
            &crate::common::header(),
            WriterOptions::default(),
        )
        .unwrap();
        writer
            .write_snapshot(&mut crate::common::snapshot())
            .unwrap();
        let lost = Loss {
            cause: LossCause::RING_FULL,
            cpu: 0,
            count,
            from: Timestamp(crate::common::START),
            to: Timestamp(crate::common::START),
        };
        writer
            .write_loss(&LossReport {
                losses: vec![lost],
                ..LossReport::default()
            })
            .unwrap();
        let mut later = crate::common::snapshot();
        let renamed = later.strings.intern(b"renamed");
        later.threads[0].comm = renamed;
        writer.write_snapshot(&mut later).unwrap();
        let event = EventRef {
            num: EventNum(0),
            ts: Timestamp(crate::common::START),
            tid: Tid(100),
            pid: Pid(100),
            cpu: 0,
            ty: types::SYSCALL_CLOSE_X,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&[8, 8], &[0; 16]).unwrap(),
        };
        writer.push(&event).unwrap();
        writer.finish().unwrap();
        seen(&scap(&["read", "-"], Some(&file))).0
    };
    assert!(with_loss(0).contains(" bash (100) "));
    assert!(with_loss(3).contains(" renamed (100) "));
}

/// Runs both commands on hostile bytes: they end by themselves, with a code of theirs, and print nothing
/// that a terminal obeys.
fn survives(bytes: &[u8], what: &str) {
    for command in ["read", "info"] {
        let output = scap(&[command, "-"], Some(bytes));
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | 1 | 3)),
            "{what}: {command} ended with {code:?}"
        );
        for stream in [&output.stdout, &output.stderr] {
            let text = std::str::from_utf8(stream).unwrap();
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n'),
                "{what}: {text}"
            );
            assert!(!text.contains("panicked"), "{what}: {text}");
        }
    }
}

#[test]
fn cut_anywhere() {
    let capture = capture();
    for len in (0..capture.len()).step_by(97) {
        survives(&capture[..len], &format!("cut at {len}"));
    }
}

#[test]
fn bits_flipped_anywhere() {
    let capture = capture();
    for at in (0..capture.len()).step_by(61) {
        let mut bytes = capture.clone();
        bytes[at] ^= 1 << (at % 8);
        survives(&bytes, &format!("bit of byte {at} flipped"));
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "says why it was skipped")]
fn the_frozen_capture_of_version_1_reads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/native-v1.scap");
    if fs::metadata(path).is_err() {
        eprintln!("skipped: {path} is not there yet");
        return;
    }
    let (out, err, code) = seen(&scap(&["read", path], None));
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(!out.is_empty());
    assert_eq!(seen(&scap(&["info", path], None)).2, 0);
}

#[test]
fn what_was_lost_is_known_only_if_the_recorder_could_say_so() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let whole = "testdata/intrusion.scap";
    let (foreign, back, cut) = (path("foreign.scap"), path("back.scap"), path("cut.scap"));
    for convert in [["sysdig", whole, &foreign], ["native", &foreign, &back]] {
        let (_, _, code) = seen(&scap(&[&["convert", "--to"], &convert[..]].concat(), None));
        assert_eq!(code, 0);
    }
    let bytes = fs::read(whole).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 500]).unwrap();
    for (capture, in_info, in_view) in [
        (whole, "nothing", "nothing lost"),
        (
            &foreign,
            "not known; a .scap file does not say",
            "losses not known",
        ),
        (
            &back,
            "not known; a .scap file does not say",
            "losses not known",
        ),
        (
            &cut,
            "not known after the last chunk; nothing before",
            "losses not known",
        ),
    ] {
        let (info, ..) = seen(&scap(&["info", capture], None));
        assert!(
            info.contains(&format!("\nlost       {in_info}\n")),
            "{info}"
        );
        let view = ["view", capture, "--size", "120x40", "--screenshot", "-"];
        let (screen, ..) = seen(&scap(&view, None));
        assert!(screen.contains(in_view), "{capture} {in_view}\n{screen}");
    }
}
