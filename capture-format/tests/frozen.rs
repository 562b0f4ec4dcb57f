//! The captures of each version of the format that were written once and must be readable for ever.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{events, header, loss, options, read_all, snapshot};
use scap_capture_format::native::{CaptureWriter, Header, IndexedReader, SchemaDescription};
use scap_capture_format::schema::EVENTS;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(name)
}

/// A capture with everything that the format has: compressed and stored frames and metadata, few and
/// many threads, all kinds of sections.
fn rich_file() -> Vec<u8> {
    let schema = SchemaDescription::of_events(EVENTS.iter().take(60));
    let header = Header { schema, ..header() };
    let mut writer = CaptureWriter::new(Vec::new(), &header, options()).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    for event in events() {
        event.with(|e| writer.push(e)).unwrap();
    }
    writer.add_container(b"0123456789ab");
    writer.write_loss(&loss()).unwrap();
    writer.flush_chunk().unwrap();
    for round in 1..50 {
        for (i, mut event) in events().into_iter().enumerate() {
            event.ts += round * 10_000_000_000;
            event.tid += (round * 3) as i64 + i as i64;
            event.with(|e| writer.push(e)).unwrap();
        }
    }
    let mut large = snapshot();
    for i in 0..200 {
        let mut thread = large.threads[0].clone();
        thread.tid.0 = 1000 + i;
        thread.env = large.strings.intern(format!("N={i}\0").as_bytes());
        large.threads.push(thread);
    }
    writer.write_snapshot(&mut large).unwrap();
    writer.finish().unwrap()
}

/// Writes the fixture of the current version; run once when a version is made, then never again.
#[test]
#[ignore = "writes testdata/; only for a new version of the format"]
fn create_v1() {
    assert!(
        !fixture("native-v1.scap").exists(),
        "a frozen file must not change"
    );
    let file = rich_file();
    fs::write(fixture("native-v1.txt"), read_all(&file).unwrap().1).unwrap();
    fs::write(fixture("native-v1.scap"), file).unwrap();
}

#[test]
fn version_1_is_readable() {
    let file = fs::read(fixture("native-v1.scap")).unwrap();
    let (_, text) = read_all(&file).unwrap();
    assert_eq!(text, fs::read_to_string(fixture("native-v1.txt")).unwrap());
    let index = IndexedReader::open(fs::File::open(fixture("native-v1.scap")).unwrap()).unwrap();
    assert!(index.is_complete());
    assert_eq!(index.index().events(), 300);
    let mut chunks = index.index().chunks.iter();
    assert!(chunks.all(|chunk| chunk.summary.activity().is_none()));
}
