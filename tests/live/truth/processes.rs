//! What `/proc` knows of a process, by the names of fields.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _};

use scap_capture_format::schema::capability;
use serde_json::{Value, json};

use super::{link, proc};

/// The fields compared, and `thread.tid`.
pub(super) const FIELDS: &[&str] = &[
    "thread.tid",
    "thread.vtid",
    "thread.ismain",
    "thread.cap_effective",
    "thread.cap_permitted",
    "thread.cap_inheritable",
    "proc.pid",
    "proc.vpid",
    "proc.ppid",
    "proc.pvpid",
    "proc.name",
    "proc.exe",
    "proc.args",
    "proc.cmdline",
    "proc.exeline",
    "proc.cmdnargs",
    "proc.exepath",
    "proc.cwd",
    "proc.root",
    "proc.mntns",
    "proc.pgid",
    "proc.vpgid",
    "proc.sid",
    "proc.sname",
    "proc.sid.exepath",
    "proc.pgid.name",
    "proc.is_sid_leader",
    "proc.is_pgid_leader",
    "proc.is_vpgid_leader",
    "proc.pname",
    "proc.pexepath",
    "proc.pcmdline",
    "proc.tty",
    "proc.fdlimit",
    "proc.fdopencount",
    "proc.nthreads",
    "proc.nchilds",
    "proc.aname[2]",
    "proc.aname[3]",
    "proc.apid[1]",
    "proc.apid[2]",
    "proc.apid[3]",
    "proc.aexepath[2]",
    "proc.loginshellid",
    "proc.exe_ino",
    "proc.exe_ino.mtime",
    "proc.exe_ino.ctime",
    "proc.is_exe_writable",
    "proc.is_exe_from_memfd",
    "proc.env[TRUTH]",
    "proc.stdin.name",
    "proc.stdout.name",
    "user.uid",
    "user.name",
    "user.loginuid",
    "group.gid",
    "group.name",
];

/// `Key:\tvalue` of a status.
fn entry<'s>(status: &'s str, key: &str) -> Vec<&'s str> {
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.map(|l| l.split_whitespace().collect())
        .unwrap_or_default()
}

/// A process as it is in `/proc`.
struct Process {
    pid: i64,
    ppid: i64,
    comm: String,
    argv: Vec<String>,
    exepath: Option<String>,
}

impl Process {
    fn of(pid: i64) -> Option<Self> {
        let status = proc(pid, "status");
        let id = |key| entry(&status, key).first()?.parse().ok();
        let cmdline = proc(pid, "cmdline");
        let argv = cmdline
            .strip_suffix('\0')
            .map(|c| c.split('\0').map(str::to_owned).collect());
        Some(Self {
            pid: id("Tgid")?,
            ppid: id("PPid")?,
            comm: proc(pid, "comm").trim_end_matches('\n').to_owned(),
            argv: argv.unwrap_or_default(),
            exepath: exepath(pid),
        })
    }

    /// Its ancestors, the parent first.
    fn ancestors(&self) -> Vec<Self> {
        let parent = |p: &Self| Self::of(p.ppid).filter(|p| p.pid > 0);
        std::iter::successors(parent(self), parent).collect()
    }

    fn cmdline(&self) -> String {
        let args = self.argv.iter().skip(1);
        args.fold(self.comm.clone(), |all, arg| all + " " + arg)
    }
}

fn exepath(pid: i64) -> Option<String> {
    let path = link(pid, "exe")?;
    Some(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
}

/// A name of `/etc/passwd` or `/etc/group`.
fn name_of(file: &str, id: i64) -> Option<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find(|l| l.split(':').nth(2) == Some(&id.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

/// A set of capabilities as the field prints it.
fn capabilities(hex: &str) -> Value {
    let bits = u64::from_str_radix(hex, 16).unwrap();
    json!(capability::names(bits).collect::<Vec<_>>().join(" "))
}

/// Whether a thread may write its own program, were it not running.
fn writable(exe: &std::fs::Metadata, status: &str) -> bool {
    const DAC_OVERRIDE: u64 = 1 << 1;
    let id = |key| entry(status, key)[1].parse::<u32>().unwrap();
    let capabilities = u64::from_str_radix(entry(status, "CapEff")[0], 16).unwrap();
    let bit = match () {
        () if exe.uid() == id("Uid") => 0o200,
        () if exe.gid() == id("Gid") => 0o020,
        () => 0o002,
    };
    capabilities & DAC_OVERRIDE != 0 || exe.mode() & bit != 0
}

/// Adds what is known.
fn learn(facts: &mut BTreeMap<&'static str, Value>, field: &'static str, value: Option<String>) {
    if let Some(value) = value {
        facts.insert(field, json!(value));
    }
}

/// Everything that `/proc` says about a thread, by field.
pub(super) fn facts(tid: i64) -> BTreeMap<&'static str, Value> {
    let status = proc(tid, "status");
    let ids = |key| -> Vec<i64> {
        entry(&status, key)
            .iter()
            .map(|w| w.parse().unwrap())
            .collect()
    };
    let innermost = |key| *ids(key).last().unwrap();
    let own = Process::of(tid).unwrap();
    let pid = own.pid;
    let ancestors = own.ancestors();
    let stat = proc(tid, "stat");
    // After the name, which may hold anything: state, ppid, pgrp, session, tty.
    let stat: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let number = |at: usize| stat[at].parse::<i64>().unwrap();
    let (pgid, sid) = (number(2), number(3));
    let (uid, gid) = (ids("Uid")[1], ids("Gid")[1]);
    let (vpid, vpgid) = (innermost("NStgid"), innermost("NSpgid"));
    let cwd = link(tid, "cwd").unwrap();
    let cwd = cwd.strip_suffix(" (deleted)").unwrap_or(&cwd).to_owned();
    let mount_ns = link(tid, "ns/mnt").unwrap();
    let mount_ns = mount_ns
        .strip_prefix("mnt:[")
        .and_then(|n| n.strip_suffix(']'));
    let mount_ns: u32 = mount_ns.unwrap().parse().unwrap();
    let limits = proc(tid, "limits");
    let files = limits
        .lines()
        .find(|l| l.starts_with("Max open files"))
        .unwrap();
    let loginuid: u32 = proc(tid, "loginuid").trim().parse().unwrap_or(u32::MAX);
    let count = |directory: &str| {
        std::fs::read_dir(format!("/proc/{tid}/{directory}"))
            .unwrap()
            .count()
    };
    let environ = proc(pid, "environ");
    let variable = environ.split('\0').find_map(|v| v.strip_prefix("TRUTH="));
    let exe = std::fs::metadata(format!("/proc/{tid}/exe")).unwrap();
    let is_memfd = link(tid, "exe").is_some_and(|l| l.starts_with("/memfd:"));
    let ns = |seconds: i64, ns: i64| json!(seconds * 1_000_000_000 + ns);
    let fd_name = |fd| link(pid, &format!("fd/{fd}")).filter(|l| l.starts_with('/'));
    let fd_name = |fd| fd_name(fd).map(|l| l.strip_suffix(" (deleted)").unwrap_or(&l).to_owned());

    let mut facts = BTreeMap::from([
        ("thread.tid", json!(tid)),
        ("thread.vtid", json!(innermost("NSpid"))),
        ("thread.ismain", json!(tid == pid)),
        (
            "thread.cap_effective",
            capabilities(entry(&status, "CapEff")[0]),
        ),
        (
            "thread.cap_permitted",
            capabilities(entry(&status, "CapPrm")[0]),
        ),
        (
            "thread.cap_inheritable",
            capabilities(entry(&status, "CapInh")[0]),
        ),
        ("proc.pid", json!(pid)),
        ("proc.vpid", json!(vpid)),
        ("proc.ppid", json!(own.ppid)),
        ("proc.exe", json!(own.argv[0])),
        ("proc.name", json!(own.comm)),
        ("proc.args", json!(own.argv[1..].join(" "))),
        ("proc.cmdline", json!(own.cmdline())),
        ("proc.exeline", json!(own.argv.join(" "))),
        ("proc.cmdnargs", json!(own.argv.len() - 1)),
        ("proc.exepath", json!(own.exepath)),
        (
            "proc.cwd",
            json!(if cwd.ends_with('/') {
                cwd
            } else {
                format!("{cwd}/")
            }),
        ),
        ("proc.root", json!(link(tid, "root").unwrap())),
        ("proc.mntns", json!(mount_ns)),
        ("proc.pgid", json!(pgid)),
        ("proc.vpgid", json!(vpgid)),
        ("proc.sid", json!(sid)),
        ("proc.is_sid_leader", json!(sid == pid)),
        ("proc.is_pgid_leader", json!(pgid == pid)),
        ("proc.is_vpgid_leader", json!(vpgid == vpid)),
        ("proc.tty", json!(number(4))),
        (
            "proc.fdlimit",
            json!(
                files
                    .split_whitespace()
                    .nth(3)
                    .unwrap()
                    .parse::<i64>()
                    .unwrap()
            ),
        ),
        ("proc.fdopencount", json!(count("fd"))),
        ("proc.nthreads", json!(ids("Threads")[0])),
        ("proc.exe_ino", json!(exe.ino())),
        ("proc.exe_ino.mtime", ns(exe.mtime(), exe.mtime_nsec())),
        ("proc.exe_ino.ctime", ns(exe.ctime(), exe.ctime_nsec())),
        // sysdig means its threads but the first.
        ("proc.nchilds", json!(ids("Threads")[0] - 1)),
        ("proc.is_exe_writable", json!(writable(&exe, &status))),
        ("proc.is_exe_from_memfd", json!(is_memfd)),
        ("user.uid", json!(uid)),
        ("group.gid", json!(gid)),
        (
            "user.loginuid",
            json!(if loginuid == u32::MAX {
                -1
            } else {
                i64::from(loginuid)
            }),
        ),
    ]);
    learn(&mut facts, "user.name", name_of("/etc/passwd", uid));
    learn(&mut facts, "group.name", name_of("/etc/group", gid));
    learn(&mut facts, "proc.env[TRUTH]", variable.map(str::to_owned));
    learn(&mut facts, "proc.stdin.name", fd_name(0));
    learn(&mut facts, "proc.stdout.name", fd_name(1));
    learn(&mut facts, "proc.sname", Process::of(sid).map(|p| p.comm));
    learn(
        &mut facts,
        "proc.sid.exepath",
        Process::of(sid).and_then(|p| p.exepath),
    );
    learn(
        &mut facts,
        "proc.pgid.name",
        Process::of(pgid).map(|p| p.comm),
    );
    if let Some(parent) = ancestors.first() {
        let vpid = entry(&proc(parent.pid, "status"), "NStgid")
            .last()
            .unwrap()
            .parse::<i64>();
        facts.insert("proc.pvpid", json!(vpid.unwrap()));
        learn(&mut facts, "proc.pname", Some(parent.comm.clone()));
        learn(&mut facts, "proc.pcmdline", Some(parent.cmdline()));
        learn(&mut facts, "proc.pexepath", parent.exepath.clone());
    }
    for (at, names) in [
        (1, ["proc.aname[2]", "proc.aexepath[2]"]),
        (2, ["proc.aname[3]", ""]),
    ] {
        if let Some(ancestor) = ancestors.get(at) {
            learn(&mut facts, names[0], Some(ancestor.comm.clone()));
            if at == 1 {
                learn(&mut facts, names[1], ancestor.exepath.clone());
            }
        }
    }
    for (ancestor, field) in ancestors
        .iter()
        .zip(["proc.apid[1]", "proc.apid[2]", "proc.apid[3]"])
    {
        facts.insert(field, json!(ancestor.pid));
    }
    let shells = ancestors
        .iter()
        .rev()
        .chain([&own])
        .find(|p| p.comm.ends_with("sh"));
    if let Some(shell) = shells {
        facts.insert("proc.loginshellid", json!(shell.pid));
    }
    facts
}
