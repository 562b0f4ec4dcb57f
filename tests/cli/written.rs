//! Captures that scap writes from others can be sought as a recorder's can: the state is in them again and
//! again, and reading from there shows the same.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;

use crate::common::{file, scap, seen};
use scap::filter::When;
use scap::replay::{self, EventSource as _, Extent, NativeSource, Plan};
use scap::state::State;
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, IndexedReader, Item, Load, WriterOptions,
};

/// The sample again and again, two seconds each, with the state only at the beginning.
fn long(dir: &Path, times: u64) -> String {
    let source =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap")).unwrap();
    let mut writer = None;
    for round in 0..times {
        let mut reader = CaptureReader::new(&source[..]).unwrap();
        let mut decoder = ChunkDecoder::new();
        let writer = writer.get_or_insert_with(|| {
            CaptureWriter::new(Vec::new(), reader.header(), WriterOptions::default()).unwrap()
        });
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Snapshot(mut snapshot) if round == 0 => {
                    writer.write_snapshot(&mut snapshot).unwrap();
                }
                Item::Chunk(chunk) => {
                    let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                    while let Some(mut event) = rows.next().unwrap() {
                        event.ts = Timestamp(event.ts.0 + round * 2_000_000_000);
                        writer.push(&event).unwrap();
                    }
                }
                _ => {}
            }
        }
    }
    let bytes = writer.unwrap().finish().unwrap();
    file(dir, "long.scap", &bytes).to_str().unwrap().to_owned()
}

fn run(args: &[&str], stdin: Option<&[u8]>) -> String {
    let (out, err, code) = seen(&scap(args, stdin));
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

#[test]
fn reading_from_the_middle_of_a_written_capture_shows_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let long = long(dir.path(), 80);
    let [filtered, sysdig, pairs] = ["filtered.scap", "sysdig.scap", "pairs.scap"].map(path);
    run(
        &[
            "read",
            &long,
            "-w",
            &filtered,
            "not evt.type in (close, openat)",
        ],
        None,
    );
    run(
        &["convert", "--quiet", "--to", "sysdig", &long, &sysdig],
        None,
    );
    run(&["convert", "--to", "native", &sysdig, &pairs], None);

    for name in [&filtered, &pairs] {
        let reader = IndexedReader::open(File::open(name).unwrap()).unwrap();
        let index = reader.index();
        assert!(
            index.snapshots.len() > 2,
            "{name}: {}",
            index.snapshots.len()
        );
        for pair in index.snapshots[1..].windows(2) {
            let after = pair[1].time.0.saturating_sub(pair[0].time.0);
            assert!(after >= 10_000_000_000, "no sooner than after ten seconds");
        }
        compare(name, 1);
    }
}

#[test]
fn a_call_may_return_after_the_snapshot_that_reading_begins_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let long = long(dir.path(), 1);
    let [sysdig, pairs] = ["sysdig.scap", "pairs.scap"].map(path);
    run(
        &["convert", "--quiet", "--to", "sysdig", &long, &sysdig],
        None,
    );
    run(&["convert", "--to", "native", &sysdig, &pairs], None);
    // The same with the state after every 101 events, which are half of them between the two of a call.
    let mut source = NativeSource::new(File::open(&pairs).unwrap()).unwrap();
    let header = source.header().clone();
    let mut writer = CaptureWriter::new(Vec::new(), &header, WriterOptions::default()).unwrap();
    let mut state = State::new();
    let mut events = 0_u64;
    source
        .read(&mut |_, item| {
            match item {
                replay::Item::Snapshot(snapshot) => state.restore(snapshot),
                replay::Item::Event(paired) => {
                    if events.is_multiple_of(101) {
                        writer.write_snapshot(&mut state.snapshot()).unwrap();
                    }
                    events += 1;
                    state.apply(paired);
                    writer.push(paired.event).unwrap();
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    let cut = file(dir.path(), "cut.scap", &writer.finish().unwrap());
    compare(cut.to_str().unwrap(), 3);
}

/// Reads a capture from its snapshots, each so many, and from the front.
fn compare(name: &str, step: usize) {
    let format = "*%evt.num %evt.rawtime %evt.reltime %proc.name %proc.pname %proc.cmdline %proc.cwd \
                  %evt.type %evt.dir %fd.name %fd.num %evt.args";
    let reader = IndexedReader::open(File::open(name).unwrap()).unwrap();
    let whole = fs::read(name).unwrap();
    for snapshot in reader.index().snapshots[1..].iter().step_by(step) {
        let from = format!("#{}", snapshot.next_event.0);
        let wanted = Extent::All(When::parse(&from).ok());
        let plan = Plan::new(File::open(name).unwrap(), wanted).unwrap();
        let skipped = plan.unwrap().amounts().skipped.events;
        let first = reader.index().chunks[0].summary.first_event.0;
        assert_eq!(first + skipped, snapshot.next_event.0, "{name} {from}");
        // Few enough for a pipe: whoever writes to the program does not read meanwhile.
        let args = ["-n", "60", "-p", format, "--from", &from];
        let short = run(&[&["read", name], &args[..]].concat(), None);
        let front = run(&[&["read", "-"], &args[..]].concat(), Some(&whole));
        assert!(short.lines().count() > 10, "{name} {from}");
        let other = short.lines().zip(front.lines()).find(|(a, b)| a != b);
        assert_eq!(other, None, "{name} {from}");
        assert_eq!(short, front);
    }
}

#[test]
fn in_a_filtered_copy_memory_is_known_only_where_an_event_says_it() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.scap").to_str().unwrap().to_owned();
    let whole = "testdata/intrusion.scap";
    let format = ["-p", "*%evt.type %proc.vmsize %thread.vmsize.b %proc.vmrss"];
    let (out, _, code) = seen(&scap(
        &["read", whole, "evt.type in (openat,brk)", "-w", &copy],
        None,
    ));
    assert_eq!((out.as_str(), code), ("", 0));
    for (capture, is_copy) in [(whole, false), (&copy, true)] {
        for (call, is_said) in [("openat", false), ("brk", true)] {
            let filter = format!("evt.type={call}");
            let (out, ..) = seen(&scap(
                &[&["read", capture, &filter], &format[..]].concat(),
                None,
            ));
            let unknown = format!("{call} <NA> <NA> <NA>");
            assert!(out.lines().count() > 10);
            for line in out.lines() {
                assert_eq!(line == unknown, is_copy && !is_said, "{capture} {line}");
            }
        }
    }
}

#[test]
fn what_is_skipped_is_told() {
    let name = "testdata/sample.scap";
    let read = |args: &[&str]| seen(&scap(&[&["read", name], args].concat(), None));
    let (out, err, code) = read(&["-v", "proc.pid=99999999"]);
    assert_eq!((&*out, code), ("", 0));
    assert!(
        err.starts_with("0 events\nread: 0 chunks with 0 events; "),
        "{err}"
    );
    assert!(err.contains("; skipped: "), "{err}");
    let all = read(&["-v", "--no-skip", "proc.pid=99999999"]).1;
    assert!(
        all.ends_with("; skipped: 0 chunks with 0 events\n"),
        "{all}"
    );
    // Of a pipe everything is read.
    let bytes = fs::read(name).unwrap();
    let piped = seen(&scap(
        &["read", "-", "-v", "proc.pid=99999999"],
        Some(&bytes),
    ));
    assert_eq!(piped.1, "0 events\n");
    // Memory is what any event says, so that all are read.
    let all = read(&["-v", "-p", "%proc.vmsize", "proc.pid=99999999"]).1;
    assert_eq!(all, "0 events\n");
    let lines = read(&["--threads", "1"]).0;
    assert_eq!(read(&["--threads", "3"]).0, lines);
    assert!(lines.lines().count() > 100);
}
