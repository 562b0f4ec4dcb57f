//! Checksums of changed captures: most changes would not be looked at without it.

use scap_capture_format::native::section::{
    HEADER_LEN, PREAMBLE_LEN, SectionHeader, SectionKind, parse_preamble,
};

/// Makes the checksums of sections and of the heads of chunks right, as far as one follows the other.
pub fn right(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let tag = parse_preamble(&bytes).ok()?.tag;
    let mut at = PREAMBLE_LEN;
    while let Some(header) = bytes.get(at..at + HEADER_LEN) {
        let number = |from: usize, to: usize| {
            header[from..to].iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte))
        };
        let (kind, flags, sequence) = (number(8, 10), number(10, 12), number(12, 16));
        let body = at + HEADER_LEN;
        let len = usize::try_from(number(16, 24)).ok()?.min(bytes.len() - body);
        let kind = SectionKind(kind as u16);
        if kind == SectionKind::CHUNK {
            head(&mut bytes[body..body + len]);
        }
        let made = SectionHeader {
            kind,
            flags: flags as u16,
            sequence: sequence as u32,
            body_len: len as u64,
            body_crc: crc32fast::hash(&bytes[body..body + len]),
        };
        bytes[at..body].copy_from_slice(&made.encode(tag));
        at = body + len;
    }
    Some(bytes)
}

/// Makes the checksum of a chunk's head right.
fn head(body: &mut [u8]) {
    let Some((&mut [l0, l1, l2, l3, ref mut crc @ ..], rest)) = body.split_first_chunk_mut::<8>() else {
        return;
    };
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if let Some(head) = rest.get(..len) {
        *crc = crc32fast::hash(head).to_le_bytes();
    }
}
