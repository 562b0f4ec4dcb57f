//! What every call's fd is open on, as `strace -yy` says of the same call of the same thread.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::super::tools::{Bench, bench, need, number, scap};

/// Calls whose first argument is an fd, and the events that they are.
const CALLS: &[(&str, &str)] = &[
    ("read", "read"),
    ("write", "write"),
    ("pread64", "pread"),
    ("lseek", "lseek"),
    ("close", "close"),
    ("fstat", "fstat"),
    ("getdents64", "getdents64"),
    ("fcntl", "fcntl"),
    ("ioctl", "ioctl"),
    ("sendto", "sendto"),
    ("recvfrom", "recvfrom"),
    ("listen", "listen"),
    ("writev", "writev"),
    ("fchdir", "fchdir"),
    ("ftruncate", "ftruncate"),
];

/// A call on an fd: its name, the fd and what that is open on.
type Use = (String, i64, String);

/// `name(3</etc/passwd>, …` of each thread's file.
fn traced(directory: &Path) -> BTreeMap<i64, Vec<Use>> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(tid) = name.strip_prefix("trace.") else {
            continue;
        };
        let text = std::fs::read_to_string(entry.path()).unwrap();
        threads.insert(
            tid.parse().unwrap(),
            text.lines().filter_map(used).collect(),
        );
    }
    threads
}

fn used(line: &str) -> Option<Use> {
    let (name, args) = line.split_once('(')?;
    CALLS.iter().find(|(call, _)| *call == name)?;
    let digits = args.find(|c: char| !c.is_ascii_digit())?;
    let fd = args[..digits].parse().ok()?;
    // Names hold no such brackets of their own; an fd that is not open has none.
    let label = args[digits..]
        .strip_prefix('<')
        .map_or("", |rest| &rest[..end(rest)]);
    // A device has its numbers behind its name.
    let label = label.split('<').next().unwrap_or_default();
    Some((name.to_owned(), fd, label.to_owned()))
}

/// Where the bracket that is open ends.
fn end(text: &str) -> usize {
    let mut depth = 1;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            // The arrow of a connection is no bracket.
            '>' if before == '-' => {}
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
        before = c;
    }
    text.len()
}

/// Events on fds of each thread, from the program that strace started on.
fn recorded(bench: &Bench, capture: &str) -> BTreeMap<i64, Vec<(Use, Value)>> {
    let types: Vec<_> = CALLS.iter().map(|(_, event)| *event).collect();
    let filter = format!("evt.type in (execve, {})", types.join(", "));
    let fields =
        "*%evt.type %evt.rawres %thread.tid %proc.pid %proc.name %fd.num %fd.name %fd.type %fd.ino";
    let output = scap()
        .args(["read", "-j", "-p", fields, "-r"])
        .arg(bench.path(capture))
        .arg(filter)
        .output()
        .unwrap();
    let mut threads: BTreeMap<i64, Vec<(Use, Value)>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let tid = event["thread.tid"].as_i64().unwrap();
        let ty = event["evt.type"].as_str().unwrap();
        let own = threads.entry(tid).or_default();
        if ty == "execve" {
            // What strace's own child does before is not traced.
            let is_start =
                event["evt.rawres"] == 0 && own.iter().all(|(_, e)| e["proc.name"] == "strace");
            if is_start {
                own.clear();
            }
            continue;
        }
        let call = CALLS.iter().find(|(_, event)| *event == ty).unwrap().0;
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let seen = (
            call.to_owned(),
            event["fd.num"].as_i64().unwrap_or(-1),
            text("fd.name"),
        );
        own.push((seen, event));
    }
    threads
}

/// Whether both mean the same.
fn agree(strace: &str, name: &str, event: &Value) -> bool {
    let kind = event["fd.type"].as_str().unwrap_or_default();
    if let Some(inode) = strace.strip_prefix("pipe:[") {
        return kind == "pipe"
            && inode.trim_end_matches(']').parse().ok() == event["fd.ino"].as_u64();
    }
    if strace.starts_with("UNIX") {
        return kind == "unix";
    }
    if strace.starts_with("NETLINK") {
        return kind == "netlink";
    }
    if let Some((_, ends)) = strace.strip_suffix(']').and_then(|s| s.split_once(":[")) {
        if strace.starts_with("anon_inode") {
            return ends.starts_with(kind);
        }
        // Its own end first, and brackets around IPv6; ours begins with the client.
        let ends = ends.replace(['[', ']'], "");
        let turned = ends.split_once("->").map(|(a, b)| format!("{b}->{a}"));
        // An inode alone: not bound yet.
        let unbound = ends.bytes().all(|b| b.is_ascii_digit());
        return (unbound && name.is_empty()) || ends == name || turned.is_some_and(|t| t == name);
    }
    let strace = strace
        .strip_suffix("(deleted)")
        .unwrap_or(strace)
        .trim_end();
    // Opened through links, which strace has followed.
    let own = format!("/proc/{}", event["proc.pid"]);
    let name = &name.replacen("/proc/self", &own, 1);
    let real = std::fs::canonicalize(name).map(|p| p.to_string_lossy().into_owned());
    strace == *name || real.is_ok_and(|real| real == strace)
}

/// Records a command under strace. Returns how many calls were compared.
fn compare(bench: &Bench, label: &str, command: &[&str]) -> usize {
    let directory = bench.path(label);
    std::fs::create_dir(&directory).unwrap();
    let output = directory.join("trace");
    let capture = format!("{label}.scap");
    let mut args = vec![
        "--",
        "strace",
        "-ff",
        "-y",
        "-y",
        "-o",
        output.to_str().unwrap(),
    ];
    args.extend(command);
    bench.record(&capture, &args);
    let summary = bench.summary(&capture);
    assert_eq!(number(&summary, "lost"), 0, "{summary}");
    let mut recorded = recorded(bench, &capture);
    let (mut compared, mut wrong) = (0, Vec::new());
    for (tid, calls) in traced(&directory) {
        let events = recorded.remove(&tid).unwrap_or_default();
        for at in 0..calls.len().max(events.len()) {
            let (call, event) = (calls.get(at), events.get(at).map(|(seen, _)| seen));
            let same = call
                .zip(event)
                .is_some_and(|(a, b)| (&a.0, a.1) == (&b.0, b.1));
            assert!(
                same,
                "{label}: call {at} of {tid}: strace {call:?}, scap {event:?}"
            );
        }
        for ((name, fd, strace), (seen, event)) in calls.iter().zip(&events) {
            compared += 1;
            if !agree(strace, &seen.2, event) {
                wrong.push(format!(
                    "{tid} {name}({fd}): {:?} {}, strace: {strace:?}",
                    seen.2, event["fd.type"]
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{label}: {} of {compared} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    compared
}

#[test]
fn names_of_fds_as_strace_has_them() {
    let (Some(bench), Some(())) = (bench(), need("strace")) else {
        return;
    };
    let shell = "ls -l /etc | sort -r | head -3; for i in 1 2 3; do echo $i | sed s/1/x/; done; \
                 cat /etc/passwd > copy; wc -l < copy; exec 5<copy; rm copy; head -2 <&5; mkdir d; cd d; echo x >>y; \
                 (cat y; cd ..; grep x d/y) | tee z >/dev/null; exec 6<>w 5<&-; echo in >&6; true";
    let echo = bench.compile("echo.c");
    let compared = compare(&bench, "shell", &["/bin/bash", "-c", shell])
        + compare(&bench, "network", &[echo.to_str().unwrap()]);
    assert!(compared > 500, "{compared}");
    println!("{compared} calls have the fd that strace shows");
}
