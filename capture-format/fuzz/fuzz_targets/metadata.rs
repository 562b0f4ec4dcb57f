//! Any bytes as the body of a section of metadata, its checksums made right: the first byte says of which.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use scap_capture_format::native::section::SectionKind;
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ContainerPreload, Header, IndexedReader, WriterOptions,
};

const KINDS: [SectionKind; 3] = [SectionKind::CONTAINERS, SectionKind::SNAPSHOT, SectionKind::LOSS];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    let header = Header::default();
    let Ok(mut writer) = CaptureWriter::new(Vec::new(), &header, WriterOptions::default()) else {
        return;
    };
    let _written = writer.write_section(kind, kind.flags(), body);
    let Ok(file) = writer.finish() else { return };
    let passed = CaptureReader::new(Cursor::new(&file)).map(|mut reader| {
        let items = std::iter::from_fn(|| reader.next_item().ok().flatten()).count();
        (items, reader.damages().count())
    });
    // The header, this section, the index and the footer, of which only this one can be damaged.
    let (items, damages) = passed.unwrap_or_default();
    assert_eq!(items as u64 + damages, 3);
    // With the index and without it the same is found.
    let ahead = |file: &[u8]| {
        let mut ahead = ContainerPreload::find(Cursor::new(file)).ok()?;
        ahead.next_report().ok()?
    };
    let found = ahead(&file);
    assert_eq!(found, ahead(&file[..file.len() - 1]));
    assert!(found.is_none() || kind == SectionKind::CONTAINERS);
    if let Ok(mut reader) = IndexedReader::open(Cursor::new(&file)) {
        drop(reader.losses());
        for i in 0..reader.index().snapshots.len() {
            drop(reader.snapshot(i));
        }
    }
});
