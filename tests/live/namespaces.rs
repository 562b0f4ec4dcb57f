//! Namespaces, roots and cgroups: the same path, number or id is another elsewhere.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{cases::Case, recorder::Recorder, tools::bench};

#[test]
fn paths_in_other_roots_and_mount_namespaces_are_not_the_machines() {
    let Some(bench) = bench() else { return };
    let program = bench.compile_with("cases/roots.c", &["-w"]);
    let dir = bench.path("rooted");
    std::fs::create_dir(&dir).unwrap();
    let dir = std::fs::canonicalize(&dir).unwrap();
    let dir = dir.to_str().unwrap();
    bench.record("case.scap", &["--", program.to_str().unwrap(), dir]);
    let lines = bench.printed(
        "case.scap",
        "*%proc.is_in_host_mntns %proc.root %evt.type %fd.name",
        &[
            "evt.type=openat and proc.name=roots and (fd.name contains /etc/name or \
           fd.name contains hostname or fd.name endswith none)",
        ],
    );
    let lines: Vec<_> = lines.iter().map(|line| line.replace(dir, "D")).collect();
    assert_eq!(
        lines,
        [
            "true / openat D/jail/etc/name",
            // In a chroot: absolute, from a directory outside, below, out of it, in a second one.
            "true D/jail openat D/jail/etc/name",
            "true D/jail openat D/etc/name",
            "true D/jail openat D/jail/etc/name",
            "true D/jail openat D/jail/etc/name",
            "true D/jail/inner openat D/jail/inner/none",
            // Out of it by a directory that was open.
            "true D openat D/etc/name",
            // Something else is mounted over /etc, by unshare and by clone.
            "false / openat /etc/hostname",
            "false / openat /etc/hostname",
            "false / openat /etc/hostname",
            "false / openat /etc/hostname",
            // Another root by pivot_root.
            "false / openat /etc/name",
            "false / openat /etc/name",
            "false / openat /old/etc/hostname",
            // Back to the machine's by setns.
            "false / openat /etc/hostname",
            "true / openat /etc/hostname",
            "true / openat /etc/hostname",
        ]
    );
    // The names of the fds are the same, and so is what is read through them.
    let read = bench.printed(
        "case.scap",
        "*%proc.is_in_host_mntns %fd.name",
        &["evt.type=read and evt.rawres>=0 and proc.name=roots and not fd.name contains lib"],
    );
    let read: Vec<_> = read.iter().map(|line| line.replace(dir, "D")).collect();
    let expected = [
        ("true D/jail/etc/name", 3),
        ("false /etc/hostname", 3),
        ("false /etc/name", 2),
        ("false /old/etc/hostname", 1),
        ("true /etc/hostname", 2),
    ];
    for (line, count) in expected {
        assert_eq!(
            read.iter().filter(|read| *read == line).count(),
            count,
            "{line}: {read:?}"
        );
    }
    // A root from before the recording.
    let mut jailed = Command::new("chroot")
        .args([
            "/usr",
            "/bin/sh",
            "-c",
            "read go; read first < /bin/sh; cd share; read first < .",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let pid = jailed.id().to_string();
    let recorder = Recorder::start(&bench, "start.scap", &["--pid", &pid]);
    jailed.stdin.take().unwrap().write_all(b"\n").unwrap();
    let _ = jailed.wait().unwrap();
    recorder.signal(Signal::INT);
    assert_eq!(recorder.end().0, Some(0));
    let lines = bench.printed(
        "start.scap",
        "*%proc.is_in_host_mntns %proc.root %proc.cwd %fd.name",
        &["evt.type=openat"],
    );
    assert_eq!(
        lines,
        [
            "true /usr /usr/ /usr/bin/sh",
            "true /usr /usr/share/ /usr/share"
        ]
    );
}

/// Unmounts a directory in the end.
struct Mounted<'a>(&'a str);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

#[test]
fn who_begins_in_a_cgroup_is_in_its_container_from_the_first_event() {
    let Some(bench) = bench() else { return };
    let program = bench.compile_with("cases/into_cgroup.c", &["-w", "-pthread"]);
    let unified = bench.path("unified");
    std::fs::create_dir(&unified).unwrap();
    let unified = unified.to_str().unwrap();
    let mount = ["-t", "cgroup2", "none", unified];
    assert!(
        Command::new("mount")
            .args(mount)
            .status()
            .unwrap()
            .success()
    );
    let _mounted = Mounted(unified);
    let id = "0123456789abcdef".repeat(4);
    let cgroup = format!("{unified}/scap-{}/docker/{id}", std::process::id());
    std::fs::create_dir_all(&cgroup).unwrap();
    bench.record("case.scap", &["--", program.to_str().unwrap(), &cgroup]);
    let above = std::path::Path::new(&cgroup).ancestors().take(3);
    for directory in above {
        std::fs::remove_dir(directory).unwrap();
    }
    let marks = bench.printed(
        "case.scap",
        "*%container.id %evt.arg.name",
        &["evt.type=access and evt.arg.name startswith /mark"],
    );
    assert_eq!(
        marks,
        [
            "0123456789ab /mark/child",
            "0123456789ab /mark/thread",
            "0123456789ab /mark/grandchild",
            "host /mark/outside",
        ]
    );
    let first = bench.printed(
        "case.scap",
        "*%container.id",
        &["evt.type=clone3 and evt.rawres=0 and thread.ismain=true"],
    );
    assert_eq!(first.first().map(String::as_str), Some("0123456789ab"));
}

#[test]
fn owners_in_a_user_namespace_are_the_machines() {
    let Some(case) = Case::new("user_namespace", &["-w"], &[]) else {
        return;
    };
    let lines = case.bench.printed(
        "case.scap",
        "*%evt.type %evt.args %user.uid",
        &["evt.type in (setresuid, setresgid, setreuid, setuid, geteuid, getresuid, fchown, chown, fchownat, lchown, \
           setfsuid, setfsgid)"],
    );
    // Names of the machine's users are beside the point.
    let bare = |line: &String| {
        let mut text = String::new();
        let mut depth = 0;
        for letter in line.chars() {
            depth += i32::from(letter == '(');
            if depth == 0 {
                text.push(letter);
            }
            depth -= i32::from(letter == ')');
        }
        text
    };
    let lines: Vec<_> = lines.iter().map(bare).collect();
    assert_eq!(
        lines,
        [
            "setresgid res=0 rgid=1000 egid=1000 sgid=1000  0",
            "setresuid res=0 ruid=1000 euid=1000 suid=1000  1000",
            "setresuid res=0 ruid=1000 euid=1000 suid=1000  1000",
            "geteuid euid=1000  1000",
            "setresgid res=0 rgid=1000 egid=-1 sgid=1000  1000",
            "fchown res=0 fd=20 uid=100033 gid=4294967295  1000",
            "chown res=0 path=/proc/self/fd/20 uid=100034 gid=1000  1000",
            "fchownat res=0 dirfd=-100 pathname=/proc/self/fd/20 uid=1000 gid=4294967295 flags=0  1000",
            "lchown res=-2 path=/nowhere uid=<NA> gid=<NA>  1000",
            "setfsuid res=1000 uid=100035  1000",
            "setfsuid res=100035 uid=4294967295  1000",
            "setfsgid res=1000 gid=<NA>  1000",
            "setreuid res=0 ruid=-1 euid=100032  100032",
            "getresuid res=0 ruid=1000 euid=100032 suid=100032  100032",
            "setresuid res=-22 ruid=<NA> euid=1000 suid=1000  100032",
            "setuid res=-22 uid=<NA>  100032",
        ]
    );
}

#[test]
fn at_the_start_threads_have_their_own_fds_and_directories() {
    let Some(bench) = bench() else { return };
    let program = bench.compile("cases/own_tables.c");
    let dir = bench.dir.path();
    let mut child = Command::new(&program).arg(dir).spawn().unwrap();
    let begin = Instant::now();
    while !dir.join("ready").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it is not ready");
        std::thread::sleep(Duration::from_millis(2));
    }
    let recorder = Recorder::start(&bench, "start.scap", &["--comm", "own_tables"]);
    std::fs::write(dir.join("go"), "").unwrap();
    child.wait().unwrap();
    recorder.signal(Signal::INT);
    let (code, printed) = recorder.end();
    assert_eq!(code, Some(0), "{printed}");
    let lines = bench.printed(
        "start.scap",
        "*%evt.type %evt.rawres %fd.name",
        &["evt.type=read and fd.num != 3 or evt.type=open or evt.type=openat"],
    );
    let inside = dir.join("inside");
    let inside = format!("openat 3 {}", inside.display());
    assert_eq!(
        lines,
        [
            // The process that shares the table in which main closed it.
            "read -9 ",
            "read 1 /etc/hosts",
            "read 1 /etc/group",
            "read 1 /etc/group",
            "openat 3 /etc/shells",
            "read 1 /etc/shells",
            "read 1 /etc/shells",
            "read -9 ",
            "openat 0 /etc/hostname",
            "read 1 /etc/hostname",
            "openat 3 /usr/share",
            &inside,
            // The process that shares main's directories went there.
            "openat 3 /etc/hosts",
        ]
    );
}
