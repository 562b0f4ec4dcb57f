//! Any bytes as the body of a chunk, its head's checksum made right, so that the fuzzer gets past it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scap_capture_format::native::{Chunk, ChunkDecoder, Load};

fuzz_target!(|bytes: &[u8]| {
    let mut body = bytes.to_vec();
    if let Some((&[l0, l1, l2, l3, ..], rest)) = bytes.split_first_chunk::<8>() {
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if let Some(head) = rest.get(..len) {
            body[4..8].copy_from_slice(&crc32fast::hash(head).to_le_bytes());
        }
    }
    let Ok(chunk) = Chunk::parse(body, 0) else { return };
    let _activity = chunk.summary().activity();
    let mut decoder = ChunkDecoder::new();
    for load in [Load::COLUMNS, Load::PARAMS, Load::ALL] {
        let Ok(mut rows) = chunk.decode(&mut decoder, load) else { continue };
        while let Ok(Some(event)) = rows.next() {
            assert_eq!(event.params.iter().count(), event.params.len());
        }
    }
});
