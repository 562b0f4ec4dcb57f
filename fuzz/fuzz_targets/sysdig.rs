//! Any bytes as a `.scap` file: its lists, its events, and what they are in scap's own schema, applied to a state.
//!
//! `.ci/fuzz sysdig` from the project's root.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use scap::state::State;
use scap_capture_format::sysdig::{Converter, Item, SysdigReader};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = SysdigReader::new(Cursor::new(bytes)) else {
        return;
    };
    let mut state = State::new();
    let mut converter = Converter::new();
    while let Ok(Some(item)) = reader.next_item() {
        match item {
            Item::Metadata(snapshot, _) => {
                converter.clear();
                state = State::new();
                state.restore(snapshot);
            }
            Item::Event(event) => {
                let converted = converter.convert(&event);
                state.apply(converted.merged.as_ref().unwrap_or(&event));
            }
        }
    }
});
