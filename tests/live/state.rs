//! The state at the end of a fresh capture is what `/proc` says now.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    recorder::Recorder,
    tools::{bench, scap},
};

/// The parent of kernel threads.
const KTHREADD: i64 = 2;

/// What `/proc` says of a process: name, parent, threads.
type Facts = (String, i64, u64);

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
    Some((name, parent, value("Threads:")?.parse().ok()?))
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
    let mut child = Command::new("sleep")
        .arg("77")
        .stdin(File::open(&text).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let before = machine();
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

    let known: BTreeMap<i64, Facts> = rows("ps", "")
        .iter()
        .map(|row| {
            let parent = row["ppid"].as_i64().unwrap_or(0);
            let name = row["name"].as_str().filter(|_| parent != KTHREADD);
            let name = name.unwrap_or_default().to_owned();
            (
                row["pid"].as_i64().unwrap(),
                (name, parent, row["threads"].as_u64().unwrap()),
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
    let gone: Vec<_> = known
        .iter()
        .filter(|(pid, _)| !before.contains_key(pid))
        .collect();
    assert!(
        gone.iter().all(|(pid, _)| !after.contains_key(pid)),
        "{gone:?}"
    );

    let pid = child.id();
    let files = rows("lsof", &format!("proc.pid={pid}"));
    let files: Vec<_> = files
        .iter()
        .map(|row| (row["fd"].as_i64(), row["file"].as_str()))
        .collect();
    assert!(files.contains(&(Some(0), text.to_str())), "{files:?}");
    let own = std::process::id();
    let port = client.local_addr().unwrap().port();
    fs::copy(bench.path("now.scap"), "/tmp/now.scap").unwrap();
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
    child.kill().unwrap();
    child.wait().unwrap();
}
