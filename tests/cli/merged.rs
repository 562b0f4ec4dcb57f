//! Several captures as one: `read A B`, `read A B -w`, `view A B`, chisels. The machines have the same thread ids,
//! so that a name shown for the wrong machine is seen.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::path::Path;

use crate::common::{START, event, file, header, i64b, push, scap, seen, u32b};
use scap_capture_format::event::{Pid, Tid, Timestamp};
use scap_capture_format::native::snapshot::{FdEntry, ThreadEntry};
use scap_capture_format::native::{CaptureWriter, Snapshot, WriterOptions};
use scap_capture_format::schema::types;
use tempfile::{TempDir, tempdir};

/// Events in a chunk; there are more, so that captures have several chunks and snapshots.
const CHUNK: usize = 4;

/// A machine on which thread 100, called `comm`, reads fd 3, `/comm`, at these times after [`START`].
fn machine(comm: &str, boot: &str, times: &[u64]) -> Vec<u8> {
    let mut header = header();
    header.machine.host_name = format!("host-{comm}");
    header.machine.boot_id = boot.to_owned();
    let mut snapshot = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let name = snapshot.strings.intern(comm.as_bytes());
    let path = snapshot.strings.intern(format!("/{comm}").as_bytes());
    snapshot.threads.push(ThreadEntry {
        tid: Tid(100),
        pid: Pid(100),
        ptid: Pid(1),
        comm: name,
        ..ThreadEntry::default()
    });
    snapshot.fds.push(FdEntry {
        owner: Tid(100),
        fd: 3,
        kind: 16,
        name: path,
        ..FdEntry::default()
    });
    let mut bytes = Vec::new();
    let mut writer = CaptureWriter::new(&mut bytes, &header, WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut snapshot).unwrap();
    for times in times.chunks(CHUNK) {
        for at in times {
            let params: [&[u8]; 4] = [&i64b(2), comm.as_bytes(), &i64b(3), &u32b(16)];
            push(
                &mut writer,
                &event(*at, 100, types::SYSCALL_READ_X, &params),
            );
        }
        writer.flush_chunk().unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// Two machines and one whose capture is a .scap file, in a directory; all have events at 5000.
fn captures() -> (TempDir, [String; 3]) {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let apart: Vec<u64> = (1..40).map(|n| n * 1000).collect();
    let close: Vec<u64> = (1..40).map(|n| 5000 + n / 2 * 10).collect();
    file(dir.path(), "a.scap", &machine("alpha", "a", &apart));
    file(dir.path(), "b.scap", &machine("beta", "b", &close));
    let late: Vec<u64> = (1..40).map(|n| 3000 + n * 2000).collect();
    file(dir.path(), "native.scap", &machine("gamma", "c", &late));
    let (native, pairs) = (path("native.scap"), path("c.scap"));
    let converted = scap(&["convert", &native, &pairs, "--to", "sysdig"], None);
    assert_eq!(seen(&converted), (String::new(), String::new(), 0));
    let paths = [path("a.scap"), path("b.scap"), pairs];
    (dir, paths)
}

fn lines(args: &[&str]) -> Vec<String> {
    let (out, err, code) = seen(&scap(&[&["read"], args].concat(), None));
    assert_eq!((err.as_str(), code), ("", 0), "{args:?}");
    out.lines().map(str::to_owned).collect()
}

/// Time, machine, what the thread is called and what it reads: of one event they all are of one machine.
const FORMAT: &str =
    "%evt.rawtime %evt.dir %evt.hostname %proc.name %thread.tid %fd.name %evt.buffer";

/// What [`FORMAT`] prints of an event.
fn expected(time: u64, dir: char, comm: &str) -> String {
    format!(
        "{} {dir} host-{comm} {comm} 100 /{comm} {comm}",
        START + time
    )
}

#[test]
fn events_come_in_order_each_with_its_own_machine() {
    let (_dir, [a, b, c]) = captures();
    let format = format!("*{FORMAT}");
    for order in [[&a, &b, &c], [&c, &a, &b], [&b, &c, &a]] {
        let printed = lines(&[order[0], order[1], order[2], "-p", &format]);
        // The same by sorting what each capture prints: equal times in the order of the captures.
        let mut sorted: Vec<(u64, usize, String)> = Vec::new();
        for (at, path) in order.iter().enumerate() {
            for line in lines(&[path, "-p", &format]) {
                let time = line.split(' ').next().unwrap().parse().unwrap();
                sorted.push((time, at, line));
            }
        }
        sorted.sort_by_key(|(time, at, _)| (*time, *at));
        let sorted: Vec<String> = sorted.into_iter().map(|(_, _, line)| line).collect();
        assert_eq!(printed, sorted);
        assert_eq!(printed.len(), 39 + 39 + 2 * 39);
        let own = |comm: &str| {
            let host = format!(" {comm} 100 /{comm} ");
            printed.iter().filter(|line| line.contains(&host)).count()
        };
        assert_eq!((own("alpha"), own("beta"), own("gamma")), (39, 39, 78));
    }
    // At 5000 all three have an event.
    let at = format!("evt.rawtime={}", START + 5000);
    assert_eq!(
        lines(&[&b, &a, &c, &at, "-p", &format]),
        [
            expected(5000, '<', "beta"),
            expected(5000, '<', "alpha"),
            expected(5000, '<', "gamma"),
        ]
    );
}

#[test]
fn a_capture_that_is_written_of_several_reads_the_same() {
    let (dir, [a, b, c]) = captures();
    let merged = dir.path().join("merged.scap");
    let merged = merged.to_str().unwrap();
    let same = |files: &[&str], args: &[&str]| {
        let several = lines(&[files, args].concat());
        assert!(!several.is_empty(), "{args:?}");
        let one = lines(&[&[merged], args].concat());
        assert_eq!(one, several, "{files:?} {args:?}");
    };
    let format = format!("*{FORMAT} %evt.reltime %evt.args");
    for files in [[&*a, &b, &c], [&c, &b, &a]] {
        lines(&[&files[..], &["-w", merged]].concat());
        same(&files, &["-p", &format]);
        // Enter events are synthesized for the native captures, and only for them.
        same(&files, &["-p", &format, "evt.dir=>"]);
        same(&files, &["-p", &format, "proc.name=beta"]);
        same(
            &files,
            &["-p", &format, "thread.tid=100 and fd.name=/alpha"],
        );
        same(&files, &["-p", &format, "--from", "+0.00002s"]);
        same(&files, &["-p", &format, "--to", "+0.00002s"]);
        same(&files, &["-c", "topfiles_bytes"]);
        assert_eq!(lines(&[merged, "evt.dir=> and proc.name=gamma"]).len(), 39);
        assert_eq!(lines(&[merged, "evt.dir=> and proc.name=beta"]).len(), 39);
    }
    // What was merged can be merged again, and written with a filter.
    let twice = dir.path().join("twice.scap");
    let twice = twice.to_str().unwrap();
    lines(&[merged, &a, "proc.name in (alpha, gamma)", "-w", twice]);
    let printed = lines(&[twice, "-p", &format!("*{FORMAT}")]);
    assert_eq!(printed.len(), 2 * 39 + 2 * 39);
    assert!(
        printed
            .iter()
            .all(|line| line.contains(" alpha 100 /alpha ") || line.contains(" gamma 100 /gamma "))
    );
    // One .scap file is of one machine.
    let out = dir.path().join("out.scap");
    let convert = ["convert", merged, out.to_str().unwrap(), "--to", "sysdig"];
    let (_, err, code) = seen(&scap(&convert, None));
    assert_eq!(code, 1);
    assert!(err.contains("is merged from several recordings"), "{err}");
}

#[test]
fn info_names_what_was_merged() {
    let (dir, [a, b, c]) = captures();
    let merged = dir.path().join("merged.scap");
    let merged = merged.to_str().unwrap();
    lines(&[&a, &b, &c, "-w", merged]);
    let (out, err, code) = seen(&scap(&["info", merged], None));
    assert_eq!((err.as_str(), code), ("", 0));
    for name in ["a.scap: host-alpha", "b.scap: host-beta", "c.scap"] {
        assert!(out.contains(name), "{name} in {out}");
    }
    assert!(out.contains("events     156"), "{out}");
    let (out, ..) = seen(&scap(&["info", "--json", merged], None));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["origins"].as_array().unwrap().len(), 3);
    assert_eq!(json["origins"][1]["machine"]["host_name"], "host-beta");
    assert_eq!(json["origins"][2]["enter_and_exit"], true);
}

#[test]
fn the_timeline_shows_several() {
    let (_dir, [a, b, c]) = captures();
    let view = |files: &[&str], script: &str| {
        let args = ["--screenshot", "-", "--script", script];
        let (out, err, code) = seen(&scap(&[&["view"], files, &args].concat(), None));
        assert_eq!((err.as_str(), code), ("", 0));
        out
    };
    let files = view(&[&a, &b, &c], "4");
    for name in ["/alpha", "/beta", "/gamma"] {
        assert!(files.contains(name), "{name} in {files}");
    }
    // Same id, same start: still three processes, and each leads to its own events.
    let processes = view(&[&a, &b, &c], "3");
    for name in ["alpha", "beta", "gamma"] {
        assert!(processes.contains(name), "{name} in {processes}");
    }
    for (origin, name) in ["alpha", "beta", "gamma"].iter().enumerate() {
        let row = processes.lines().find(|line| line.contains(name)).unwrap();
        assert!(row.trim_start().starts_with(&format!("{origin} ")), "{row}");
    }
    assert!(processes.contains("ORIGIN"), "{processes}");
    let alone = view(&[&a], "3");
    assert!(!alone.contains("ORIGIN"), "{alone}");
    let one = view(&[&a, &b, &c], "3<Enter>");
    let names = ["alpha", "beta", "gamma"];
    let shown = names
        .iter()
        .filter(|name| one.contains(&format!("/{name}")));
    assert_eq!(shown.count(), 1, "{one}");
    // The state at the cursor is that of all machines.
    let list = view(&[&a, &c], "t<Enter>");
    assert!(list.contains("alpha") && list.contains("gamma"), "{list}");
}

#[test]
fn what_is_wrong_with_one_of_them_is_said_by_name() {
    let (dir, [a, b, _]) = captures();
    let whole = std::fs::read(&b).unwrap();
    let cut = file(dir.path(), "cut.scap", &whole[..whole.len() - 40]);
    let cut = cut.to_str().unwrap();
    let (out, err, code) = seen(&scap(&["read", &a, cut], None));
    assert_eq!(code, 3);
    assert_eq!(out.lines().count(), 78);
    assert!(err.contains("cut.scap: damaged"), "{err}");
    assert!(!err.contains("a.scap:"), "{err}");
    let missing = dir.path().join("missing.scap");
    let (_, err, code) = seen(&scap(
        &["read", "-r", &a, "-r", missing.to_str().unwrap()],
        None,
    ));
    assert_eq!(code, 1);
    assert!(err.contains("missing.scap: No such file"), "{err}");
}

#[test]
fn events_of_an_origin_that_is_not_described_are_damage() {
    let (dir, [a, b, _]) = captures();
    let merged = dir.path().join("merged.scap");
    lines(&[&a, &b, "-w", merged.to_str().unwrap()]);
    assert_eq!(damaged_header(&merged), 3);
}

/// Breaks the header section, so that the origins are not known, and returns how reading ends.
fn damaged_header(path: &Path) -> i32 {
    let mut bytes = std::fs::read(path).unwrap();
    // Preamble, section header, then the body.
    bytes[16 + 32 + 40] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
    let (out, err, code) = seen(&scap(&["read", path.to_str().unwrap()], None));
    // Nothing of the second machine is taken for the first one's.
    assert!(!out.contains("beta"), "{out}");
    assert!(err.contains("damaged"), "{err}");
    code
}
