//! The state at an instant: `ps`, `tree`, `lsof`, `netstat`, `users`.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use serde_json::Value;
use tempfile::tempdir;

use crate::common::{
    START, TestEvent, event, file, header, i64b, push, scap, seen, snapshot, story, u32b, write,
};
use scap_capture_format::event::{EventFlags, Timestamp};
use scap_capture_format::native::{CaptureWriter, Loss, LossCause, LossReport, WriterOptions};
use scap_capture_format::schema::types;

/// A child of the shell, which executes a program, opens a file and ends.
fn child() -> Vec<TestEvent> {
    let mut events = story();
    let flags = u32b(0);
    let (zero, child, parent) = (i64b(0), i64b(200), i64b(100));
    let mut params: Vec<&[u8]> = vec![b""; 16];
    (
        params[0], params[1], params[2], params[3], params[4], params[5],
    ) = (&zero, b"bash\0", b"", &child, &child, &parent);
    (params[13], params[15]) = (b"bash\0", &flags);
    events.push(event(11_000, 200, types::SYSCALL_CLONE_20_X, &params));
    let mut params: Vec<&[u8]> = vec![b""; 14];
    (
        params[0], params[1], params[2], params[3], params[4], params[5],
    ) = (&zero, b"vi\0", b"notes.txt\0", &child, &child, &parent);
    params[13] = b"vi\0";
    events.push(event(12_000, 200, types::SYSCALL_EXECVE_19_X, &params));
    let open: [&[u8]; 7] = [
        &i64b(4),
        &i64b(-100),
        b"/etc/motd\0",
        &u32b(1),
        &u32b(0),
        &u32b(0x801),
        &i64b(43),
    ];
    events.push(event(13_000, 200, types::SYSCALL_OPENAT_2_X, &open));
    let end: [&[u8]; 5] = [&zero, &zero, &[0], &[0], &zero];
    events.push(event(14_000, 200, types::PROCEXIT_1_E, &end));
    events.push(event(
        15_000,
        100,
        types::SYSCALL_CLOSE_X,
        &[&zero, &i64b(5)],
    ));
    let open: [&[u8]; 7] = [
        &i64b(6),
        &i64b(-100),
        b"/srv/late\0",
        &u32b(1),
        &u32b(0),
        &u32b(0x801),
        &i64b(44),
    ];
    events.push(event(16_000, 100, types::SYSCALL_OPENAT_2_X, &open));
    // A call that began before the file was open.
    let read: [&[u8]; 4] = [&zero, b"", &i64b(0), &u32b(1)];
    let mut read = event(17_000, 100, types::SYSCALL_READ_X, &read);
    read.latency = Some(15_000);
    events.push(read);
    for event in &mut events[10..] {
        event.pid = event.tid;
    }
    events
}

struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        file(dir.path(), "a.scap", &write(&child(), 3, true));
        Self { dir }
    }

    fn path(&self) -> String {
        self.dir.path().join("a.scap").to_str().unwrap().to_owned()
    }

    /// The lines of a command without the head, each with its words separated by one blank.
    fn lines(&self, command: &str, args: &[&str]) -> Vec<String> {
        let (out, err, code) = seen(&scap(&[&[command, &self.path()], args].concat(), None));
        assert_eq!((code, &*err), (0, ""), "{command} {args:?}");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        out.lines().skip(1).map(words).collect()
    }

    fn json(&self, command: &str, args: &[&str]) -> Vec<Value> {
        let path = self.path();
        let all = [&[command, &path, "--json"], args].concat();
        let (out, err, code) = seen(&scap(&all, None));
        assert_eq!((code, &*err), (0, ""), "{command} {args:?}");
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The value of a member of each row.
    fn column(&self, command: &str, args: &[&str], member: &str) -> Vec<String> {
        let text = |row: &Value| match &row[member] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.json(command, args).iter().map(text).collect()
    }
}

#[test]
fn processes_of_any_instant() {
    let case = Case::new();
    assert_eq!(
        case.lines("ps", &["--at", "start"]),
        ["100 1 alice - 2 2 - - bash bash"]
    );
    for (at, pids) in [
        ("start", &["100"][..]),
        ("#5", &["100"]),
        ("#6", &["100", "999"]),
        ("#11", &["100", "200", "999"]),
        ("+12us", &["100", "200", "999"]),
        ("#14", &["100", "999"]),
        ("end", &["100", "999"]),
    ] {
        assert_eq!(case.column("ps", &["--at", at], "pid"), pids, "{at}");
    }
    assert_eq!(case.column("ps", &[], "pid"), ["100", "999"]);
    let name = |at| case.column("ps", &["--at", at, "proc.pid=200"], "name");
    assert_eq!(
        (name("#11"), name("#12")),
        (vec!["bash".into()], vec!["vi".into()])
    );
    let line = case.json("ps", &["--at", "#13", "proc.name=vi"]);
    assert_eq!(line.len(), 1);
    assert_eq!(line[0]["ppid"], 100);
    assert_eq!(line[0]["command"], "vi notes.txt");
    assert_eq!(line[0]["fds"], 3);
    // What is not known is null, not a number.
    assert_eq!(line[0]["rss_bytes"], Value::Null);
}

#[test]
fn a_tree_has_the_ancestors_of_what_is_asked_for() {
    let case = Case::new();
    let names = |args: &[&str]| {
        let path = case.path();
        let all = [&["tree", &path, "--at", "#13"], args].concat();
        let (out, err, code) = seen(&scap(&all, None));
        assert_eq!((code, &*err), (0, ""));
        let head = out.lines().next().unwrap();
        let at = head.find("NAME").unwrap();
        let name = |line: &str| {
            line[at..]
                .split("  ")
                .find(|w| !w.is_empty())
                .unwrap()
                .trim_end()
                .to_owned()
        };
        let indent = |line: &str| line[at..].len() - line[at..].trim_start().len();
        out.lines()
            .skip(1)
            .map(|line| format!("{}{}", indent(line), name(line)))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["proc.name=vi"]), ["0bash", "2vi"]);
    assert_eq!(names(&["--lineage", "200"]), ["0bash", "2vi"]);
    assert_eq!(names(&["--lineage", "100"]), ["0bash", "2vi"]);
    assert_eq!(names(&["--lineage", "4711"]), [""; 0]);
    assert_eq!(names(&["--session", "4711"]), [""; 0]);
    assert_eq!(names(&[]).len(), 3);
}

#[test]
fn files_and_sockets_are_those_of_the_instant() {
    let case = Case::new();
    let files = |at| case.column("lsof", &["--at", at, "proc.pid=100"], "file");
    let socket = "10.0.0.5:40000->8.8.8.8:53";
    assert_eq!(files("start"), ["/dev/pts/0", socket]);
    assert_eq!(files("#1"), ["/dev/pts/0", "/home/alice/notes.txt", socket]);
    assert_eq!(files("#3"), ["/dev/pts/0", socket]);
    assert_eq!(files("end"), ["/dev/pts/0", "/srv/late"]);
    assert_eq!(case.column("lsof", &["fd.name=/srv/late"], "fd"), ["6"]);
    let filter = ["--at", "#13", "fd.name=/etc/motd"];
    assert_eq!(case.column("lsof", &filter, "pid"), ["200"]);
    assert_eq!(
        case.lines("netstat", &["--at", "#12", "proc.pid=100"]),
        ["udp 10.0.0.5:40000 8.8.8.8:53 connected client 100 bash 5"]
    );
    assert_eq!(case.lines("netstat", &[]), [""; 0]);
    assert_eq!(case.lines("users", &[]), ["alice 1000 1000 - - - 1"]);
}

#[test]
fn what_changed_between_two_instants() {
    let case = Case::new();
    assert_eq!(
        case.lines("lsof", &["--diff", "#10", "end"]),
        [
            "- 100 bash alice 5 ipv4 - 10.0.0.5:40000->8.8.8.8:53",
            "+ 100 bash alice 6 file r /srv/late"
        ]
    );
    let changes = case.json("ps", &["--diff", "#11", "#12", "proc.pid=200"]);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["before"]["name"], "bash");
    assert_eq!(changes[0]["after"]["name"], "vi");
    let changes = case.json("ps", &["--diff", "start", "#13"]);
    let news = changes.iter().filter(|c| c["before"].is_null());
    assert_eq!(
        news.map(|c| c["after"]["pid"].as_i64().unwrap())
            .collect::<Vec<_>>(),
        [200, 999]
    );
    assert_eq!(case.lines("ps", &["--diff", "end", "end"]), [""; 0]);
}

#[test]
fn every_kind_of_capture_has_the_same_state() {
    let case = Case::new();
    let theirs = case.dir.path().join("b.scap");
    let theirs = theirs.to_str().unwrap();
    let (_, err, code) = seen(&scap(
        &["convert", &case.path(), theirs, "--to", "sysdig"],
        None,
    ));
    assert_eq!(code, 0, "{err}");
    let bytes = std::fs::read(case.path()).unwrap();
    for command in ["ps", "tree", "lsof", "netstat", "users"] {
        let own = seen(&scap(&[command, &case.path()], None));
        assert_eq!(own.2, 0);
        let piped = seen(&scap(&[command, "-"], Some(&bytes)));
        assert_eq!(piped.0, own.0, "{command} of a pipe");
        let theirs = seen(&scap(&[command, theirs], None));
        assert_eq!(theirs.2, 0, "{}", theirs.1);
        if command != "ps" && command != "tree" {
            assert_eq!(theirs.0, own.0, "{command} of sysdig's format");
        }
    }
}

/// A child that becomes another user and program and is killed, in a session of its own, and one whose end is not there.
fn killed() -> Vec<TestEvent> {
    let mut events = child();
    let (zero, pid, parent, flags) = (i64b(0), i64b(300), i64b(100), u32b(0));
    let mut params: Vec<&[u8]> = vec![b""; 17];
    (params[0], params[1], params[3], params[4], params[5]) =
        (&zero, b"bash\0", &pid, &pid, &parent);
    let alice = u32b(1000);
    (params[13], params[15], params[16]) = (b"bash\0", &flags, &alice);
    let uid = u32b(0);
    let end: [&[u8]; 5] = [&i64b(9), &zero, &[9], &[0], &zero];
    events.extend([
        event(18_000, 300, types::SYSCALL_CLONE_20_X, &params),
        event(18_500, 300, types::SYSCALL_SETSID_X, &[&pid]),
        event(19_000, 300, types::SYSCALL_SETUID_X, &[&zero, &uid]),
        event(20_000, 300, types::PROCEXIT_1_E, &end),
    ]);
    events
}

#[test]
fn the_history_has_processes_that_have_ended() {
    let dir = tempdir().unwrap();
    file(dir.path(), "a.scap", &write(&killed(), 3, true));
    let case = Case { dir };
    let row = |args: &[&str], pid: i64| {
        let rows = case.json("ps", &[&["--history"], args].concat());
        rows.into_iter().find(|row| row["pid"] == pid)
    };
    let shell = row(&[], 100).unwrap();
    assert_eq!(
        (&shell["state"], &shell["end"], &shell["status"]),
        (&"running".into(), &Value::Null, &Value::Null)
    );
    let values = |row: &Value, member: &str| {
        let values = row[member].as_array().unwrap().iter();
        let value = |one: &Value| one["value"].as_str().unwrap().to_owned();
        values.map(value).collect::<Vec<_>>()
    };
    // It was there before the capture: since when it has been alice is not known.
    assert_eq!(values(&shell, "users"), ["alice"]);
    assert_eq!(shell["users"][0]["from"], Value::Null);

    let editor = row(&[], 200).unwrap();
    assert_eq!(
        (&editor["state"], &editor["status"], &editor["signal"]),
        (&"ended".into(), &0.into(), &Value::Null)
    );
    assert_eq!(values(&editor, "programs"), ["bash", "vi notes.txt"]);
    let times = [
        &editor["start"],
        &editor["programs"][0]["from"],
        &editor["programs"][1]["from"],
        &editor["end"],
    ];
    let nanoseconds =
        |time: &&Value| time.as_str().unwrap().split('.').nth(1).unwrap()[..9].to_owned();
    assert_eq!(
        times.iter().map(nanoseconds).collect::<Vec<_>>(),
        ["000011000", "000011000", "000012000", "000014000"]
    );

    let killed = row(&[], 300).unwrap();
    assert_eq!(
        (&killed["state"], &killed["status"], &killed["signal"]),
        (&"ended".into(), &Value::Null, &"SIGKILL".into())
    );
    assert_eq!(values(&killed, "users"), ["alice", "root"]);
    // Up to the instant, and by what a process has been at any time.
    assert_eq!(row(&["--at", "#13"], 300), None);
    assert_eq!(row(&["--at", "#13"], 200).unwrap()["state"], "running");
    assert!(row(&["proc.name=vi"], 200).is_some() && row(&["user.name=root"], 300).is_some());
    assert_eq!(row(&["proc.name=vi"], 300), None);
    assert_eq!(
        case.column("ps", &["--history", "--lineage", "300"], "pid"),
        ["100", "300"]
    );
    assert_eq!(
        case.column("ps", &["--history", "--session", "300"], "pid"),
        ["300"]
    );
    assert_eq!(
        case.column("tree", &["--history", "proc.name=vi"], "pid"),
        ["100", "200"]
    );
    let (out, _, _) = seen(&scap(&["tree", &case.path(), "--history"], None));
    let editor = out.lines().find(|line| line.contains("  vi ")).unwrap();
    assert!(
        editor.contains(" ended ") && editor.ends_with(" vi notes.txt"),
        "{out}"
    );
    // A pipe has the same.
    let bytes = std::fs::read(case.path()).unwrap();
    let own = seen(&scap(&["ps", "--history", &case.path()], None));
    let piped = seen(&scap(&["ps", "--history", "-"], Some(&bytes)));
    assert_eq!(own, piped);
}

#[test]
fn an_end_that_was_not_recorded_is_not_made_up() {
    // After a loss, another snapshot does not have the process.
    let mut bytes = Vec::new();
    let mut writer = CaptureWriter::new(&mut bytes, &header(), WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    let events = child();
    events[..13].iter().for_each(|e| push(&mut writer, e));
    writer.flush_chunk().unwrap();
    let lost = Loss {
        cause: LossCause::RING_FULL,
        cpu: 1,
        count: 12,
        from: Timestamp(START + 13_500),
        to: Timestamp(START + 14_500),
    };
    let report = LossReport {
        losses: vec![lost],
        ..LossReport::default()
    };
    writer.write_loss(&report).unwrap();
    let mut later = snapshot();
    later.time = Timestamp(START + 14_600);
    writer.write_snapshot(&mut later).unwrap();
    events[14..].iter().for_each(|e| push(&mut writer, e));
    writer.finish().unwrap();
    let dir = tempdir().unwrap();
    file(dir.path(), "a.scap", &bytes);
    let case = Case { dir };
    let rows = case.json("ps", &["--history", "proc.pid=200"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["state"], &rows[0]["end"]),
        (&"lost".into(), &Value::Null)
    );
}

/// A thread waits on the terminal from 8 µs to 20 µs, another one for a socket from 17 µs on.
fn waiting() -> Vec<TestEvent> {
    let close = |at| event(at, 100, types::SYSCALL_CLOSE_X, &[&i64b(-9), &i64b(77)]);
    let read = |at, tid, latency, fd| {
        let mut read = event(
            at,
            tid,
            types::SYSCALL_READ_X,
            &[&i64b(0), b"", &i64b(fd), &u32b(16)],
        );
        (read.pid, read.latency) = (100, Some(latency));
        read
    };
    let mut unfinished = read(21_000, 100, 4000, 5);
    unfinished.flags = EventFlags::IN_FLIGHT;
    unfinished.params[0].clear();
    vec![
        close(6000),
        close(12_000),
        read(20_000, 101, 12_000, 0),
        unfinished,
    ]
}

#[test]
fn threads_are_in_the_call_that_began_before_and_ended_after() {
    let dir = tempdir().unwrap();
    file(dir.path(), "a.scap", &write(&waiting(), 1, true));
    let case = Case { dir };
    let calls = |args: &[&str]| {
        let rows = case.json("ps", &[&["--threads"], args].concat());
        let call = |row: &Value| {
            let since = row["since"]
                .as_str()
                .map(|time| time.split('.').nth(1).unwrap()[..9].to_owned());
            let text = |member: &str| row[member].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {}",
                row["tid"],
                text("call"),
                since.as_deref().unwrap_or("-"),
                text("waits_for")
            )
        };
        rows.iter().map(call).collect::<Vec<_>>()
    };
    let terminal = "101 read 000008000 0(<f>/dev/pts/0)";
    // Events of the first microseconds were lost.
    assert_eq!(calls(&["--at", "start"]), ["100 - - -", "101 - - -"]);
    assert_eq!(calls(&["--at", "#1"]), ["100 none - -", "101 none - -"]);
    assert_eq!(calls(&["--at", "+4us"]), ["100 none - -", terminal]);
    assert_eq!(
        calls(&["--at", "+5600ns"]),
        ["100 close 000011500 77", terminal]
    );
    let socket = "100 read 000017000 5(<4u>10.0.0.5:40000->8.8.8.8:53)";
    assert_eq!(calls(&["--at", "+13us"]), [socket, terminal]);
    // Nothing is known of a thread without a later event.
    assert_eq!(calls(&[]), [socket, "101 - - -"]);
    assert_eq!(calls(&["thread.tid=101", "--at", "+4us"]), [terminal]);
    // Captures that are read from front to back know the same, without an index and with one.
    let bytes = std::fs::read(case.path()).unwrap();
    for at in ["start", "#1", "+4us", "+5600ns", "+13us", "end"] {
        let own = seen(&scap(&["ps", "--threads", &case.path(), "--at", at], None));
        let piped = seen(&scap(&["ps", "--threads", "-", "--at", at], Some(&bytes)));
        assert_eq!(own, piped, "{at}");
    }
    // With a recorder's filter, calls are missing; with a loss, they can be.
    let name = ["ps", "--threads", "--history"];
    assert_eq!(
        seen(&scap(&[&name[..], &[&case.path()]].concat(), None)).2,
        2
    );
}

#[test]
fn instants_and_filters_that_cannot_be() {
    let case = Case::new();
    let fails = |args: &[&str], what: &str, code: i32| {
        let (out, err, status) = seen(&scap(&[&["ps", &case.path()], args].concat(), None));
        assert!(err.contains(what) && status == code, "{status} {err}");
        out
    };
    fails(&["evt.type=open"], "the filter has fields of events", 2);
    fails(&["--at", "never"], "--at", 2);
    fails(&["--diff", "start", "x"], "--diff", 2);
    fails(
        &["--at", "start", "--diff", "start", "end"],
        "cannot be used with",
        2,
    );
    // What is not known of a later time is said.
    let out = fails(&["--at", "+1h"], "the events end before this instant", 0);
    assert_eq!(out, fails(&[], "", 0));
    fails(&["--at", "#99"], "the events end before this instant", 0);
    let (_, err, code) = seen(&scap(&["ps", "-", "--diff", "start", "end"], Some(b"")));
    assert!(code == 2 && err.contains("only once"), "{err}");
    // Damage is data.
    let bytes = std::fs::read(case.path()).unwrap();
    let cut = file(case.dir.path(), "cut.scap", &bytes[..bytes.len() - 40]);
    let (out, _, code) = seen(&scap(&["ps", cut.to_str().unwrap()], None));
    assert!(code == 3 && out.contains("bash"), "{code} {out}");
}
