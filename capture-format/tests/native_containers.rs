//! What runtimes said of containers is found before the first event, in whole files and in what is left
//! of them.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::io::Cursor;

use common::{T0, events, header, options};
use scap_capture_format::event::Timestamp;
use scap_capture_format::limits;
use scap_capture_format::native::section::{MANDATORY, SectionKind};
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ContainerDescription, ContainerPreload, IndexedReader, Item,
};

fn description(n: u64, len: usize) -> ContainerDescription {
    let id = format!("{n:012x}");
    let pad = "x".repeat(len);
    ContainerDescription {
        time: Timestamp(T0 + n),
        json: format!(r#"{{"container":{{"id":"{id}","name":"{pad}"}}}}"#).into_bytes(),
        id: id.into_bytes(),
    }
}

/// Three reports among events.
fn file() -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    for n in 0..3 {
        for event in events() {
            event.with(|e| writer.push(e)).unwrap();
        }
        writer.flush_chunk().unwrap();
        let two = [description(n, 3), description(n + 10, 3)];
        writer.write_containers(&two).unwrap();
    }
    writer.write_containers(&[]).unwrap();
    writer.finish().unwrap()
}

fn ahead(file: &[u8]) -> Vec<ContainerDescription> {
    let Ok(mut ahead) = ContainerPreload::find(Cursor::new(file)) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    while let Some(report) = ahead.next_report().unwrap() {
        all.extend(report.descriptions);
    }
    all
}

fn expected() -> Vec<ContainerDescription> {
    [0, 10, 1, 11, 2, 12].map(|n| description(n, 3)).to_vec()
}

#[test]
fn found_by_the_index_and_in_passing() {
    let file = file();
    assert_eq!(ahead(&file), expected());
    let mut reader = CaptureReader::new(file.as_slice()).unwrap();
    let mut met = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Containers(report) = item {
            met.extend(report.descriptions);
        }
    }
    assert!(reader.damages().is_empty());
    assert_eq!(met, expected());
    let reader = IndexedReader::open(Cursor::new(&file)).unwrap();
    let others = &reader.index().others;
    let ours = |kind| others.iter().filter(|s| s.kind() == kind).count();
    assert_eq!(ours(SectionKind::CONTAINERS), 3);
    assert_eq!(SectionKind::CONTAINERS.flags() & MANDATORY, 0);
}

#[test]
fn found_in_what_a_killed_recorder_leaves() {
    let whole = file();
    let mut most = 0;
    for end in 0..whole.len() {
        let found = ahead(&whole[..end]);
        assert!(expected().starts_with(&found), "{end}");
        assert!(found.len() >= most, "{end}");
        most = found.len();
    }
    assert_eq!(most, 6);
}

#[test]
fn damage_takes_only_what_it_touches() {
    let whole = file();
    for at in 0..whole.len() {
        let mut file = whole.clone();
        file[at] ^= 0x10;
        let found = ahead(&file);
        assert!(found.iter().all(|d| expected().contains(d)), "{at}");
        if at >= 16 {
            assert!(found.len() >= 4, "{at}: {}", found.len());
        }
    }
}

#[test]
fn large_lists_are_parted_and_reading_ends() {
    let many: Vec<_> = (0..100).map(|n| description(n, 100_000)).collect();
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    writer.write_containers(&many).unwrap();
    let sections = writer.index().others.len() - 1;
    assert!((10..=12).contains(&sections), "{sections}");
    assert_eq!(ahead(&writer.finish().unwrap()), many);

    // More than is read ahead: a body of zeros is small in the file.
    let huge = description(1, 64 << 20);
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    for _ in 0..10 {
        writer
            .write_containers(std::slice::from_ref(&huge))
            .unwrap();
    }
    let found = ahead(&writer.finish().unwrap()).len();
    assert_eq!(found, limits::CONTAINER_BYTES.div_ceil(huge.json.len()));
}
