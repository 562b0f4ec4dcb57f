//! The recorder writes the state into the file again and again, and reading from there shows the same.

use std::{
    fs::File,
    process::{Command, Output, Stdio},
};

use scap::filter::When;
use scap::replay::{Extent, Plan};
use scap_capture_format::native::IndexedReader;

use super::tools::{Bench, bench, number, scap};

/// What `scap read` prints of a capture; by name, with the short way, or through a pipe, from the front.
fn printed(bench: &Bench, capture: &str, from: &str, pipe: bool) -> Output {
    let format = "*%evt.num %evt.rawtime %evt.reltime %proc.name %proc.pname %proc.cmdline %proc.cwd %thread.vmsize \
                  %evt.type %fd.name %evt.args";
    let mut read = scap();
    read.args(["read", "-p", format, "--from", from]);
    if pipe {
        let mut cat = Command::new("cat")
            .arg(bench.path(capture))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = read
            .arg("-")
            .stdin(cat.stdout.take().unwrap())
            .output()
            .unwrap();
        cat.wait().unwrap();
        return output;
    }
    read.arg(bench.path(capture)).output().unwrap()
}

#[test]
fn reading_from_the_middle_shows_the_same() {
    let Some(bench) = bench() else { return };
    // Enough data for snapshots, and something that only the state knows between and after them.
    let script = "cd /usr; exec 5</etc/passwd; for i in 1 2 3; do \
                  dd if=/dev/zero of=/dev/null bs=80 count=300000 2>/dev/null; cat /etc/hostname; \
                  ls /nonexistent 2>/dev/null; done; head -1 <&5";
    // Rings that hold all of it: a recorder without optimization falls behind.
    let buffer = ["--buffer-size", "256"];
    let command = ["--", "/bin/sh", "-c", script];
    bench.record("long.scap", &[&buffer[..], &command].concat());
    let filter = "not evt.type in (read, write) or not proc.name=dd";
    bench.record(
        "filtered.scap",
        &[&buffer[..], &[filter], &command].concat(),
    );
    assert!(number(&bench.summary("filtered.scap"), "left_out") > 1_000_000);

    let file = File::open(bench.path("long.scap")).unwrap();
    let reader = IndexedReader::open(&file).unwrap();
    let index = reader.index();
    // One at the beginning, and as many as a recorder without optimisation has the time for.
    assert!(
        index.snapshots.len() >= 2,
        "{} snapshots",
        index.snapshots.len()
    );
    // The last one that enough comes after: the recording can end just when it takes another one.
    let events = index.events();
    let mut latest_first = index.snapshots.iter().rev();
    let last = latest_first
        .find(|s| s.next_event.0 + 2000 <= events)
        .unwrap();
    let number = format!("#{}", last.next_event.0);
    let before = index.chunks.iter().filter(|c| c.offset < last.offset);
    let latest = before.map(|c| c.summary.max_time.0).max().unwrap();
    let after = format!("+{}ns", latest + 1 - index.chunks[0].summary.min_time.0);
    for (from, snapshot) in [
        (number.as_str(), true),
        (after.as_str(), true),
        ("+0s", false),
    ] {
        let wanted = Extent::All(When::parse(from).ok());
        let plan = Plan::new(&file, wanted).unwrap();
        let skipped = plan.unwrap().amounts().skipped.events;
        let first = index.chunks[0].summary.first_event.0;
        let before = last.next_event.0 - first;
        assert_eq!(skipped, if snapshot { before } else { 0 }, "{from}");
        if !snapshot {
            continue;
        }
        let (short, long) = (
            printed(&bench, "long.scap", from, false),
            printed(&bench, "long.scap", from, true),
        );
        assert!(short.status.success() && long.status.success());
        assert!(
            !short.stdout.is_empty() && short.stdout == long.stdout,
            "from {from}"
        );
    }
}
