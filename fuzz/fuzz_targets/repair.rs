//! Any bytes as a damaged capture: its repair is intact. And seals, whose signatures all count as right, and time stamps.
//!
//! Checksums keep most changed bytes from being looked at, so the checksums are made right, too.
//!
//! `.ci/fuzz repair` from the project's root.
#![no_main]

#[path = "../checksums.rs"]
mod checksums;

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use scap::stats::capture_info;
use scap_capture_format::native::{CaptureReader, IndexedReader, check_seals, repair};

fn check(bytes: &[u8]) {
    if let Ok(mut reader) = IndexedReader::open(Cursor::new(bytes)) {
        let _check = check_seals(&mut reader, &|_, _, _| true);
    }
    let Ok(reader) = CaptureReader::new(bytes) else { return };
    let Ok((saved, after)) = repair(reader, Vec::new(), "fuzzed") else { return };
    let info = capture_info(&*after, 1).expect("it can be read");
    assert!(info.complete && info.damages.is_empty(), "{saved:?} {:?}", info.damages);
    assert_eq!(info.events, saved.events);
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let _stamped = scap::seal::stamp::parse(bytes);
    if let Some(bytes) = checksums::right(bytes.to_vec()) {
        check(&bytes);
    }
});
