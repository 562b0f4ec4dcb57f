//! The state at the end of a fresh capture is what `/proc` says now.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    recorder::Recorder,
    tools::{bench, scap},
};

/// The parent of kernel threads.
const KTHREADD: i64 = 2;

/// What `/proc` says of a process: name, parent, threads, effective user.
type Facts = (String, i64, u64, u32);

fn facts(pid: i64) -> Option<Facts> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    // Those that have ended and are waited for are not there any more.
    (!value("State:")?.starts_with('Z')).then_some(())?;
    let parent = value("PPid:")?.parse().ok()?;
    // A kernel thread is named after what it works on at the moment.
    let name = value("Name:")?;
    let name = match parent {
        KTHREADD => String::new(),
        _ => name,
    };
    let user = value("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
    Some((name, parent, value("Threads:")?.parse().ok()?, user))
}

/// Names of users by id.
fn user_names() -> BTreeMap<u32, String> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let user = |line: &str| {
        let mut parts = line.split(':');
        let name = parts.next()?.to_owned();
        Some((parts.nth(1)?.parse().ok()?, name))
    };
    // Of several names of an id, the first counts.
    passwd.lines().rev().filter_map(user).collect()
}

/// When a process began, in nanoseconds since the epoch, to the 10 ms of the kernel.
fn began(pid: i64) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: u64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    let clock = |id| {
        let time = rustix::time::clock_gettime(id);
        u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
    };
    let boot = clock(rustix::time::ClockId::Realtime) - clock(rustix::time::ClockId::Boottime);
    Some(boot + ticks * 10_000_000)
}

/// The calls that the threads of a process are in, by name; `None`: it runs.
fn blocked(pid: u32) -> BTreeMap<i64, Option<String>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let call = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("syscall")).ok()?;
        let name = match text.split_whitespace().next()? {
            "running" => None,
            "0" => Some("read"),
            "202" => Some("futex"),
            "230" => Some("clock_nanosleep"),
            "232" => Some("epoll_wait"),
            other => panic!("call {other}"),
        };
        Some((
            entry.file_name().to_str()?.parse().ok()?,
            name.map(str::to_owned),
        ))
    };
    tasks.filter_map(|entry| call(entry.ok()?)).collect()
}

fn machine() -> BTreeMap<i64, Facts> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, facts(pid)?))).collect()
}

#[test]
fn the_end_of_a_capture_is_as_proc_says() {
    let Some(bench) = bench() else { return };
    let text = bench.path("text");
    let recorder = Recorder::start(&bench, "now.scap", &[]);
    fs::write(&text, "x").unwrap();
    let child = Command::new("sleep")
        .arg("77")
        .stdin(File::open(&text).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let mut waiting = Command::new(bench.compile("waits.c"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut ready = BufReader::new(waiting.stdout.take().unwrap());
    ready.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    thread::sleep(Duration::from_millis(300));
    let before = machine();
    let calls = blocked(waiting.id());
    recorder.signal(Signal::INT);
    let (code, said) = recorder.end();
    let after = machine();
    assert_eq!(code, Some(0), "{said}");
    let rows = |command: &str, filter: &str| -> Vec<Value> {
        let mut all = scap();
        all.args([command, "--json"]).arg(bench.path("now.scap"));
        let output = all
            .args((!filter.is_empty()).then_some(filter))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };

    let names = user_names();
    let processes = rows("ps", "");
    let known: BTreeMap<i64, Facts> = processes
        .iter()
        .map(|row| {
            let uid = names.iter().find(|(_, name)| row["user"] == **name);
            let uid = uid.map(|(uid, _)| *uid);
            let parent = row["ppid"].as_i64().unwrap_or(0);
            let name = row["name"].as_str().filter(|_| parent != KTHREADD);
            let name = name.unwrap_or_default().to_owned();
            (
                row["pid"].as_i64().unwrap(),
                (
                    name,
                    parent,
                    row["threads"].as_u64().unwrap(),
                    uid.unwrap_or_else(|| u32::try_from(row["user"].as_i64().unwrap()).unwrap()),
                ),
            )
        })
        .collect();
    // What changed while it ended can be either.
    let stable: BTreeMap<_, _> = before
        .iter()
        .filter(|(pid, facts)| after.get(pid) == Some(facts))
        .collect();
    assert!(stable.len() > 20, "{stable:?}");
    let wrong: Vec<_> = stable
        .into_iter()
        .map(|(pid, facts)| (pid, facts, known.get(pid)))
        .filter(|(_, facts, known)| *known != Some(*facts))
        .collect();
    assert!(wrong.is_empty(), "pid, /proc, scap: {wrong:?}");
    for row in &processes {
        let pid = row["pid"].as_i64().unwrap();
        if let (Some(began), Some(known)) = (began(pid), row["start"].as_str()) {
            let known = chrono::DateTime::parse_from_rfc3339(known).unwrap();
            let known = u64::try_from(known.timestamp_nanos_opt().unwrap()).unwrap();
            assert!(began.abs_diff(known) < 30_000_000, "{pid}: {began} {known}");
        }
    }
    let gone: Vec<_> = known
        .iter()
        .filter(|(pid, _)| !before.contains_key(pid))
        .collect();
    assert!(
        gone.iter().all(|(pid, _)| !after.contains_key(pid)),
        "{gone:?}"
    );

    let pid = child.id();
    // The calls of all threads that wait since the recording began.
    let mut all = scap();
    all.args(["ps", "--threads", "--json"])
        .arg(bench.path("now.scap"));
    let output = all
        .arg(format!("proc.pid={}", waiting.id()))
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let found = output.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        (
            row["tid"].as_i64().unwrap(),
            row["call"].as_str().map(str::to_owned),
        )
    });
    let found: BTreeMap<i64, Option<String>> = found.collect();
    assert_eq!(found, calls);
    let mut kinds: Vec<_> = calls.values().flatten().map(String::as_str).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["clock_nanosleep", "epoll_wait", "futex", "read"]);

    let files = rows("lsof", &format!("proc.pid={pid}"));
    let files: Vec<_> = files
        .iter()
        .map(|row| (row["fd"].as_i64(), row["file"].as_str()))
        .collect();
    assert!(files.contains(&(Some(0), text.to_str())), "{files:?}");
    let own = std::process::id();
    let port = client.local_addr().unwrap().port();
    let sockets = rows("netstat", &format!("proc.pid={own} and fd.port={port}"));
    let peers: Vec<_> = sockets
        .iter()
        .map(|row| row["peer"][0].as_str().unwrap_or(""))
        .collect();
    assert!(
        peers.len() == 2 && peers.iter().all(|peer| peer.ends_with(&format!(" {own}"))),
        "{sockets:?}"
    );
    drop((client, server));
    for mut child in [child, waiting] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
