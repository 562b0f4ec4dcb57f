//! Any bytes as a capture: read front to back and by index, everything touched.
//!
//! `cargo +nightly fuzz run native ../testdata` from `capture-format/fuzz`.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use scap_capture_format::native::{
    CaptureReader, Chunk, ChunkDecoder, ContainerPreload, IndexedReader, Item, Load,
};

fn touch(chunk: &Chunk) {
    let _activity = chunk.summary().activity();
    let mut decoder = ChunkDecoder::new();
    for load in [Load::COLUMNS, Load::PARAMS, Load::ALL] {
        let Ok(mut rows) = chunk.decode(&mut decoder, load) else { continue };
        while let Ok(Some(event)) = rows.next() {
            assert_eq!(event.params.iter().count(), event.params.len());
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut reader) = CaptureReader::new(Cursor::new(bytes)) {
        while let Ok(Some(item)) = reader.next_item() {
            if let Item::Chunk(chunk) = item {
                touch(&chunk);
            }
        }
    }
    if let Ok(mut ahead) = ContainerPreload::find(Cursor::new(bytes)) {
        while let Ok(Some(report)) = ahead.next_report() {
            drop(report);
        }
    }
    if let Ok(mut reader) = IndexedReader::open(Cursor::new(bytes)) {
        for i in 0..reader.index().chunks.len() {
            if let Ok(chunk) = reader.chunk(i) {
                touch(&chunk);
            }
        }
        for i in 0..reader.index().snapshots.len() {
            drop(reader.snapshot(i));
        }
    }
});
