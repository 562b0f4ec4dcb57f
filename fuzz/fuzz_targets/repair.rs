//! Any bytes as a damaged capture: its repair is intact. And seals, whose signatures all count as right, and time stamps.
//!
//! Checksums keep most changed bytes from being looked at, so the checksums are made right, too.
//!
//! `.ci/fuzz repair` from the project's root.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use scap::stats::capture_info;
use scap_capture_format::native::section::{HEADER_LEN, PREAMBLE_LEN, SectionHeader, parse_preamble};
use scap_capture_format::native::{CaptureReader, IndexedReader, check_seals, repair};

fn check(bytes: &[u8]) {
    if let Ok(mut reader) = IndexedReader::open(Cursor::new(bytes)) {
        let _check = check_seals(&mut reader, &|_, _, _| true);
    }
    let Ok(reader) = CaptureReader::new(bytes) else { return };
    let Ok((saved, after)) = repair(reader, Vec::new(), "fuzzed") else { return };
    let info = capture_info(&*after).expect("it can be read");
    assert!(info.complete && info.damages.is_empty(), "{saved:?} {:?}", info.damages);
    assert_eq!(info.events, saved.events);
}

/// Makes the checksums of sections right, as far as one follows the other.
fn with_checksums(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let tag = parse_preamble(&bytes).ok()?.tag;
    let mut at = PREAMBLE_LEN;
    while let Some(header) = bytes.get(at..at + HEADER_LEN) {
        let number = |from: usize, to: usize| {
            header[from..to].iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte))
        };
        let body = at + HEADER_LEN;
        let len = usize::try_from(number(16, 24)).ok()?.min(bytes.len() - body);
        let made = SectionHeader {
            kind: scap_capture_format::native::section::SectionKind(number(8, 10) as u16),
            flags: number(10, 12) as u16,
            sequence: number(12, 16) as u32,
            body_len: len as u64,
            body_crc: crc32fast::hash(&bytes[body..body + len]),
        };
        bytes[at..body].copy_from_slice(&made.encode(tag));
        at = body + len;
    }
    Some(bytes)
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let _stamped = scap::seal::stamp::parse(bytes);
    if let Some(bytes) = with_checksums(bytes.to_vec()) {
        check(&bytes);
    }
});
