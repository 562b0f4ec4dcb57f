//! Any bytes as a native capture: read from front to back, and by its index.
//!
//! Checksums keep most changed bytes from being looked at: `tests/hostile` changes captures and repairs them.
//!
//! `.ci/fuzz native` from the project's root.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use scap::state::State;
use scap_capture_format::native::{CaptureReader, ChunkDecoder, IndexedReader, Item, Load};

fuzz_target!(|bytes: &[u8]| {
    let _ = IndexedReader::open(Cursor::new(bytes));
    let Ok(mut reader) = CaptureReader::new(Cursor::new(bytes)) else {
        return;
    };
    let mut state = State::new();
    let mut decoder = ChunkDecoder::default();
    while let Ok(Some(item)) = reader.next_item() {
        match item {
            Item::Snapshot(snapshot) => state.restore(&snapshot),
            Item::Chunk(chunk) => {
                let Ok(mut rows) = chunk.decode(&mut decoder, Load::ALL) else {
                    continue;
                };
                while let Ok(Some(event)) = rows.next() {
                    state.apply(&event);
                }
            }
            _ => {}
        }
    }
});
