//! Hostile captures cannot make a reader take memory beyond the caps.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;
mod counting;

use std::io::Cursor;

use common::{read_all, small_file};
use scap_capture_format::limits;
use scap_capture_format::native::IndexedReader;
use scap_capture_format::native::section::{
    FileTag, HEADER_LEN, MARKER, SectionHeader, SectionKind,
};

/// A capture whose header is followed by one section of this content, with right checksums.
fn file_with(kind: SectionKind, claimed: Option<u64>, body: &[u8]) -> Vec<u8> {
    let mut file = small_file();
    let second = (HEADER_LEN..file.len())
        .find(|i| file[*i..].starts_with(&MARKER))
        .unwrap();
    file.truncate(second);
    let header = SectionHeader {
        kind,
        flags: kind.flags(),
        sequence: 1,
        body_len: claimed.unwrap_or(body.len() as u64),
        body_crc: crc32fast::hash(body),
    };
    file.extend(header.encode(FileTag(0x5eed_5eed)));
    file.extend(body);
    file
}

fn read_both_ways(file: &[u8]) {
    drop(read_all(file));
    let Ok(mut reader) = IndexedReader::open(Cursor::new(file)) else {
        return;
    };
    for i in 0..reader.index().chunks.len() {
        drop(reader.chunk(i));
    }
    for i in 0..reader.index().snapshots.len() {
        drop(reader.snapshot(i));
    }
}

// One test: the counter is for the whole process.
#[test]
fn claims_cost_nothing() {
    let all_ones = [0xff; 64];
    let mut worst = 0;
    for kind in (0..8).map(SectionKind) {
        for claimed in [None, Some(limits::SECTION_BODY), Some(u64::MAX)] {
            let mut bodies = vec![vec![0; 64], all_ones.to_vec()];
            // Metadata that claims long lists; chunks that claim long heads.
            for lead in [
                &[0u8, 64, 0, 0, 0][..],
                &[1, 0xff, 0xff, 0xff, 0x0f],
                &[0xff, 0xff, 0x3f, 0],
            ] {
                bodies.push([lead, &all_ones].concat());
                bodies.push([lead, &[0xfc; 64]].concat());
            }
            for body in bodies {
                let file = file_with(kind, claimed, &body);
                worst = worst.max(counting::peak(|| read_both_ways(&file)).1);
            }
        }
    }
    // The step in which a long body is read, and buffers.
    assert!(worst < 8 << 20, "{worst} bytes for files of a few hundred");

    // A zstd frame of a few KiB that is 100 MiB of zeros.
    let zeros = vec![0u8; 100 << 20];
    let bomb = zstd::bulk::compress(&zeros, 1).unwrap();
    drop(zeros);
    let len = (100u32 << 20).to_le_bytes();
    let body = [&[1][..], &len, &bomb].concat();
    for kind in [SectionKind::SNAPSHOT, SectionKind::LOSS, SectionKind::INDEX] {
        let file = file_with(kind, None, &body);
        let most = counting::peak(|| read_both_ways(&file)).1;
        assert!(
            most < limits::METADATA_RAW + limits::METADATA_DECODED,
            "{most}"
        );
    }
}
