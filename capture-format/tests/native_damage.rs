//! Damaged captures: an error or fewer events, never a panic, and all that is whole is read.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::io::Cursor;

use common::{Owned, read_all, small_file};
use scap_capture_format::Error;
use scap_capture_format::native::section::{
    FileTag, HEADER_LEN, MARKER, PREAMBLE_LEN, SectionHeader, SectionKind,
};
use scap_capture_format::native::{ChunkDecoder, IndexedReader, Load};

/// Reads through the index, skipping what is damaged.
fn read_indexed(bytes: &[u8]) -> Result<Vec<Owned>, Error> {
    let mut reader = IndexedReader::open(Cursor::new(bytes))?;
    let mut decoder = ChunkDecoder::new();
    let mut list = Vec::new();
    for i in 0..reader.index().chunks.len() {
        let chunk = match reader.chunk(i) {
            Ok(chunk) => chunk,
            Err(error) if error.is_damage() => continue,
            Err(error) => return Err(error),
        };
        let Ok(mut rows) = chunk.decode(&mut decoder, Load::ALL) else {
            continue;
        };
        while let Ok(Some(e)) = rows.next() {
            list.push(Owned::of(&e));
        }
    }
    for i in 0..reader.index().snapshots.len() {
        match reader.snapshot(i) {
            Err(error) if !error.is_damage() => return Err(error),
            _ => {}
        }
    }
    Ok(list)
}

/// Offsets of the sections.
fn sections(file: &[u8]) -> Vec<usize> {
    (0..file.len())
        .filter(|i| file[*i..].starts_with(&MARKER))
        .collect()
}

/// Whether `part` is what is left of `whole` when whole chunks of six events are taken away.
fn is_remainder(part: &[Owned], whole: &[Owned]) -> bool {
    let mut chunks = whole.chunks(6);
    part.len().is_multiple_of(6) && part.chunks(6).all(|p| chunks.any(|w| w == p))
}

#[test]
fn truncation_at_every_byte() {
    let file = small_file();
    let (whole, _) = read_all(&file).unwrap();
    let mut most = 0;
    for len in 0..file.len() {
        for read in [
            read_all(&file[..len]).map(|r| r.0),
            read_indexed(&file[..len]),
        ] {
            match read {
                Ok(events) => {
                    assert_eq!(events, whole[..events.len()], "cut at {len}");
                    assert!(events.len() >= most, "cut at {len}");
                    most = most.max(events.len());
                }
                Err(error) => {
                    assert!(len < sections(&file)[1], "cut at {len}: {error}");
                    assert!(
                        matches!(error, Error::Empty | Error::Damaged { .. }),
                        "{error}"
                    );
                }
            }
        }
    }
    assert_eq!(most, whole.len());
    // Cut off in the middle of the last chunk: the others are there, and the damage is told.
    let (events, text) = read_all(&file[..sections(&file)[6] + 50]).unwrap();
    assert_eq!(events.len(), 12);
    assert!(text.contains("cut off inside a section"), "{text}");
}

#[test]
fn every_bit_flipped() {
    let file = small_file();
    let (whole, _) = read_all(&file).unwrap();
    for bit in 0..file.len() * 8 {
        let mut bytes = file.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let checks_cover_it = bit / 8 >= PREAMBLE_LEN;
        for read in [read_all(&bytes).map(|r| r.0), read_indexed(&bytes)] {
            match read {
                Ok(events) if checks_cover_it => {
                    assert!(
                        is_remainder(&events, &whole),
                        "bit {bit}: {} events",
                        events.len()
                    );
                    assert!(events.len() >= 12, "bit {bit}: {} events", events.len());
                }
                Ok(_) => {}
                Err(error) => assert!(bit / 8 < PREAMBLE_LEN, "bit {bit}: {error}"),
            }
        }
    }
}

/// An attacker can make every checksum right: what is behind them must hold too.
#[test]
fn wrong_bytes_behind_right_checksums() {
    let frozen = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/native-v1.scap");
    // Of the larger file every 11th byte: it has the compressed frames.
    for (file, step) in [(small_file(), 1), (std::fs::read(frozen).unwrap(), 11)] {
        let at = sections(&file);
        for (i, start) in at.iter().enumerate() {
            let end = at.get(i + 1).copied().unwrap_or(file.len());
            let first = start + HEADER_LEN;
            for byte in (first..end).step_by(step) {
                for pattern in [1 << (byte % 8), 0x80, 0xff] {
                    let mut bytes = file.clone();
                    bytes[byte] ^= pattern;
                    seal(&mut bytes, *start, end);
                    drop(read_all(&bytes));
                    drop(read_indexed(&bytes));
                }
            }
        }
    }
}

/// Makes the checksums of the section from `start` to `end` right again.
fn seal(bytes: &mut [u8], start: usize, end: usize) {
    let first = start + HEADER_LEN;
    let header: [u8; HEADER_LEN] = bytes[start..first].try_into().unwrap();
    let mut header = SectionHeader::parse(&header, FileTag(0x5eed_5eed)).unwrap();
    if header.kind == SectionKind::CHUNK {
        let len = u32::from_le_bytes(bytes[first..first + 4].try_into().unwrap()) as usize;
        if let Some(head) = bytes[first + 8..end].get(..len) {
            let crc = crc32fast::hash(head);
            bytes[first + 4..first + 8].copy_from_slice(&crc.to_le_bytes());
        }
    }
    header.body_crc = crc32fast::hash(&bytes[first..end]);
    bytes[start..first].copy_from_slice(&header.encode(FileTag(0x5eed_5eed)));
}

#[test]
fn a_hole_takes_only_the_sections_it_touches() {
    let file = small_file();
    let (whole, _) = read_all(&file).unwrap();
    let at = sections(&file);
    // Bytes missing, and bytes overwritten, from the middle of the first chunk into the second.
    let (from, to) = (at[3] + 60, at[4] + 40);
    let cut = [&file[..from], &file[to..]].concat();
    let mut zeroed = file.clone();
    zeroed[from..to].fill(0);
    for bytes in [cut, zeroed] {
        let (events, text) = read_all(&bytes).unwrap();
        assert_eq!(events, whole[12..], "{text}");
        assert!(text.contains("damage") && text.contains("end\n"), "{text}");
        assert_eq!(read_indexed(&bytes).unwrap(), whole[12..]);
    }
}

#[test]
fn a_capture_inside_a_capture_is_data() {
    // The data of a read call is another capture's section; then the chunk around it is damaged.
    let inner = small_file();
    let mut writer = scap_capture_format::native::CaptureWriter::new(
        Vec::new(),
        &common::header(),
        Default::default(),
    )
    .unwrap();
    let mut noise: Vec<u8> = (0..2000u32)
        .map(|i| i.wrapping_mul(i).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ (i >> 3) as u8)
        .collect();
    noise.extend(&inner);
    let ty = scap_capture_format::schema::types::SYSCALL_READ_X;
    let event = Owned::new(
        common::T0,
        1,
        ty,
        None,
        &[&[0; 8], &noise, &[0; 8], &[0; 4]],
    );
    event.with(|e| writer.push(e)).unwrap();
    writer.flush_chunk().unwrap();
    event.with(|e| writer.push(e)).unwrap();
    let mut file = writer.finish().unwrap();
    let first_chunk = sections(&file)[1];
    file[first_chunk + HEADER_LEN + 20] ^= 1;
    let (events, _) = read_all(&file).unwrap();
    assert_eq!(events, [event]);
}

/// Sections that claim to reach to the end, one inside the other, are not read in quadratic time.
#[test]
fn nested_sections_and_false_markers_end_soon() {
    let mut file = small_file();
    file.truncate(sections(&file)[1]);
    let mut markers = file.clone();
    markers.extend(MARKER.repeat(250_000));
    for i in 0..60_000u64 {
        let header = SectionHeader {
            kind: SectionKind::SNAPSHOT,
            flags: 1,
            sequence: i as u32,
            body_len: (60_000 - i - 1) * HEADER_LEN as u64,
            body_crc: 0,
        };
        file.extend(header.encode(FileTag(0x5eed_5eed)));
    }
    let start = std::time::Instant::now();
    for bytes in [&file, &markers] {
        assert_eq!(read_all(bytes).unwrap().0, []);
        assert_eq!(read_indexed(bytes).unwrap(), []);
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn foreign_files() {
    for bytes in [
        &b""[..],
        b"\n",
        b"\x7fELF\x02\x01\x01",
        &[0; 64],
        b"\x0a\x0d\x0d\x0a\x1c\0\0\0",
    ] {
        let expected = if bytes.is_empty() {
            "the file is empty"
        } else {
            "not a scap capture"
        };
        assert_eq!(read_all(bytes).unwrap_err().to_string(), expected);
        assert_eq!(read_indexed(bytes).unwrap_err().to_string(), expected);
    }
}
