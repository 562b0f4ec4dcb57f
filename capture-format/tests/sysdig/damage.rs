//! Files that are cut off, changed, or made to break a reader.

use std::fs;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use scap_capture_format::Error;
use scap_capture_format::sysdig::{Converter, Item, SysdigReader};

use crate::bytes::*;
use crate::real::captures;
use crate::{All, read, read_whole};

fn whats(all: &All) -> Vec<&'static str> {
    all.damages.iter().map(|d| d.what).collect()
}

#[test]
fn cut_anywhere() {
    let file = sample();
    assert!((4_000..9_000).contains(&file.len()), "{}", file.len());
    let whole = read_whole(&file);
    assert_eq!(whole.events.len(), 80);
    let mut most = 0;
    for len in 28..file.len() {
        let all = read(&file[..len]).unwrap();
        assert_eq!(all.events, whole.events[..all.events.len()], "at {len}");
        assert!(all.events.len() >= most);
        most = all.events.len();
        assert_eq!(all.snapshots.len(), 1);
        assert_eq!(all.complete, all.damages.is_empty());
        if let [damage] = all.damages.as_slice() {
            assert_eq!(damage.what, "the file is cut off in a block");
            assert!(damage.offset <= len as u64);
        } else {
            // Right between two blocks.
            assert!(all.complete);
        }
        // All entries that are whole are there.
        if len > 900 {
            assert!(!all.snapshots[0].threads.is_empty());
        }
    }
}

#[test]
fn cut_gzip_gives_all_that_is_in_it() {
    let file = sample();
    let packed = gzip(&file);
    let whole = read_whole(&packed);
    for len in 2..packed.len() {
        match read(&packed[..len]) {
            Ok(all) => {
                assert_eq!(all.events, whole.events[..all.events.len()]);
                assert!(!all.complete);
                assert!(
                    whats(&all).contains(&"the gzip stream is cut off"),
                    "{len} {:?}",
                    all.damages
                );
            }
            Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{len}: {error}"),
        }
    }
    let all = read(&packed[..packed.len() - 1]).unwrap();
    assert_eq!((all.events.len(), all.complete), (80, false));
}

#[test]
fn changed_gzip_gives_what_is_before_the_change() {
    let mut random = 1u32;
    let mut file = section(2, b"");
    for i in 0..20_000 {
        let noise: Vec<u8> = (0..16)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            })
            .collect();
        file.extend(read_pair(i * 10, &noise));
    }
    let mut packed = gzip(&file);
    let at = packed.len() / 2;
    packed[at..at + 8].fill(0xff);
    let all = read(&packed).unwrap();
    assert!(!all.complete);
    // About half, not a buffer less.
    assert!(
        (19_000..22_000).contains(&all.events.len()),
        "{}",
        all.events.len()
    );
    // A wrong checksum alone costs nothing.
    let mut packed = gzip(&file);
    let at = packed.len() - 8;
    packed[at] ^= 1;
    let second = gzip(&section(2, b""));
    let all = read(&[packed, second].concat()).unwrap();
    assert_eq!(
        (all.events.len(), all.snapshots.len(), all.complete),
        (40_000, 2, false)
    );
    assert_eq!(whats(&all), ["a gzip checksum does not match"]);
    let all = read(&[gzip(&file), b"garbage".to_vec()].concat()).unwrap();
    assert_eq!((all.events.len(), all.complete), (40_000, false));
    assert_eq!(
        whats(&all),
        ["the data after a gzip stream is not a gzip stream"]
    );
}

#[test]
fn every_bit_flipped() {
    let file = sample();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut bytes = file.clone();
            bytes[at] ^= 1 << bit;
            drop(read(&bytes));
        }
    }
    let packed = gzip(&file);
    for at in 0..packed.len() {
        for bit in 0..8 {
            let mut bytes = packed.clone();
            bytes[at] ^= 1 << bit;
            drop(read(&bytes));
        }
    }
}

#[test]
fn every_length_made_huge() {
    let file = sample();
    for at in 0..file.len() - 4 {
        for value in [0u32, 1, 11, 12, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let mut bytes = file.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            drop(read(&bytes));
        }
    }
}

#[test]
fn a_damaged_event_costs_only_itself() {
    let good = event(EV_V2, None, 1, 42, 5, &[&le64(0)]);
    let whole = [section(2, b""), good.clone(), good.clone(), good.clone()].concat();
    let second = 28 + good.len();
    // Offsets in the second event's block: its length, the number of parameters, their length.
    for (at, value) in [
        (26usize, 0u32),
        (26, 35),
        (26, 1000),
        (32, 2),
        (32, 1 << 31),
        (36, 0xffff),
    ] {
        let mut bytes = whole.clone();
        bytes[second + at..second + at + 4].copy_from_slice(&value.to_le_bytes());
        let all = read(&bytes).unwrap();
        assert_eq!(
            (all.events.len(), all.damages.len()),
            (2, 1),
            "{at} {value}"
        );
        assert_eq!(all.damages[0].offset, second as u64);
        assert!(all.complete);
    }
    // More than its parameters take is no damage.
    let mut bytes = whole.clone();
    bytes.truncate(28);
    let mut padded = event(EV_V2, None, 1, 42, 5, &[&le64(0), b"12"]);
    padded[32] = 1;
    let len = u32::from_le_bytes(padded[26..30].try_into().unwrap());
    padded[26..30].copy_from_slice(&len.to_le_bytes());
    bytes.extend(padded);
    assert_eq!(read_whole(&bytes).events[0].params.len(), 1);
    // The trailer alone.
    let mut bytes = whole.clone();
    bytes[second + good.len() - 1] ^= 0x40;
    let all = read(&bytes).unwrap();
    assert_eq!(
        (all.events.len(), all.damages.len(), all.complete),
        (3, 1, true)
    );
    // The length: where the block ends is not known.
    let mut bytes = whole.clone();
    bytes[second + 4] ^= 0x08;
    let all = read(&bytes).unwrap();
    assert_eq!(
        (all.events.len(), all.damages.len(), all.complete),
        (1, 1, false)
    );
}

#[test]
fn blocks_out_of_place_end_the_reading() {
    let good = event(EV_V2, None, 1, 42, 5, &[&le64(0)]);
    for (block, what) in [
        (block(0x777, b"x"), "a block of unknown kind between events"),
        (machine(0x201), "metadata between events"),
        (vec![0; 12], "a block of unknown kind between events"),
    ] {
        let all = read(&[section(2, b""), good.clone(), block, good.clone()].concat()).unwrap();
        assert_eq!(
            (all.events.len(), whats(&all), all.complete),
            (1, vec![what], false)
        );
    }
    let mut bad = section(2, b"");
    bad[8] = 0;
    let all = read(&[section(2, b""), good.clone(), bad, good].concat()).unwrap();
    assert_eq!(whats(&all), ["a section header cannot be read"]);
}

#[test]
fn a_damaged_list_keeps_its_first_entries_and_the_next_list() {
    let good = event(EV_V2, None, 1, 42, 5, &[&le64(0)]);
    let mut bad = thread(9, 11, b"");
    bad[0] = 30;
    let list = block(
        0x215,
        &[thread(9, 10, b""), bad, thread(9, 12, b"")].concat(),
    );
    let next = block(0x215, &thread(9, 13, b""));
    let kind = interface(true, 7);
    let file = [
        section(2, b""),
        list,
        next,
        block(0x219, &kind),
        machine(0x201),
        good,
    ]
    .concat();
    let all = read(&file).unwrap();
    let tids: Vec<_> = all.snapshots[0].threads.iter().map(|t| t.tid.0).collect();
    assert_eq!(
        (tids, all.machines[0].cpus, all.events.len()),
        (vec![10, 13], 4, 1)
    );
    assert_eq!(whats(&all), ["an entry of a list does not fit"; 2]);
    assert!(all.complete);
}

/// An entry that is longer than its list is not added.
#[test]
fn entries_longer_than_their_list() {
    let entries: [(u32, Vec<u8>, usize); 4] = [
        (0x215, thread(9, 11, b""), 0),
        (0x218, fd(true, 1, 200, b"of unknown kind"), 8),
        (0x219, interface(true, 1), 0),
        (0x220, group(true), 0),
    ];
    for (kind, entry, at) in entries {
        for len in [200u32, 1 << 20, u32::MAX] {
            let mut bad = [vec![0; at], entry.clone()].concat();
            bad[at..at + 4].copy_from_slice(&len.to_le_bytes());
            let file = [
                section(2, b""),
                block(kind, &bad),
                block(0x215, &thread(9, 13, b"")),
            ]
            .concat();
            let all = read(&file).unwrap();
            let s = &all.snapshots[0];
            let found = (
                s.threads.len(),
                s.fds.len(),
                s.interfaces.len(),
                s.groups.len(),
            );
            assert_eq!(
                (found, all.damages.len()),
                ((1, 0, 0, 0), 1),
                "{kind:x} {len}"
            );
        }
    }
}

#[test]
fn only_metadata() {
    let all = read_whole(&[section(2, b""), machine(0x201)].concat());
    assert_eq!(
        (all.events.len(), all.snapshots.len(), all.machines[0].cpus),
        (0, 1, 4)
    );
    let all = read_whole(&section(2, b""));
    assert_eq!((all.events.len(), all.snapshots.len()), (0, 1));
}

/// The first bytes of a real capture, unpacked.
fn real(name: &str, most: usize) -> Option<Vec<u8>> {
    let file = fs::read(captures()?.join(name)).unwrap();
    let mut bytes = Vec::new();
    if file.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = MultiGzDecoder::new(file.as_slice()).take(most as u64);
        unpacked.read_to_end(&mut bytes).unwrap();
    } else {
        bytes = file;
        bytes.truncate(most);
    }
    Some(bytes)
}

/// Every truncation of the first 64 KiB, as they are in the file and unpacked: lists of processes and
/// events. Event by event only some are compared, since that takes longer than reading.
#[test]
fn a_real_capture_cut() {
    const MOST: usize = 64 << 10;
    let Some(dir) = captures() else { return };
    let packed = fs::read(dir.join("falco-cat-write.scap")).unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]));
    let lists = real("libs-sample.scap", MOST).unwrap();
    let events = real("sysdig-0.40-container.scap", MOST).unwrap();
    for (file, min) in [(packed, 100), (lists, 0), (events, 500)] {
        let whole = read(&file).unwrap();
        assert!(whole.events.len() >= min, "{}", whole.events.len());
        let mut most = 0;
        for len in 0..=file.len() {
            let part = &file[..len];
            let count = if len % 97 == 0 || len == file.len() {
                read(part).map(|all| {
                    assert_eq!(all.events, whole.events[..all.events.len()], "at {len}");
                    all.events.len()
                })
            } else {
                skim(part)
            };
            match count {
                Ok(count) => {
                    assert!(count >= most, "at {len}");
                    most = count;
                }
                Err(error) => assert!(is_clean(&error), "at {len}: {error}"),
            }
        }
        assert_eq!(most, whole.events.len());
    }
}

/// Bits and lengths of a real capture changed: nothing is read that was not there.
#[test]
fn a_real_capture_changed() {
    let Some(file) = real("sysdig-0.40-container.scap", 64 << 10) else {
        return;
    };
    let whole = skim(&file).unwrap();
    let mut bytes = file.clone();
    for at in (0..file.len() - 4).step_by(7) {
        bytes[at] ^= 1 << (at / 7 % 8);
        if let Ok(events) = skim(&bytes) {
            assert!(events <= whole, "at {at}");
        }
        bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, (at % 256) as u8]);
        if let Ok(events) = skim(&bytes) {
            assert!(events <= whole, "at {at}");
        }
        bytes[at..at + 4].copy_from_slice(&file[at..at + 4]);
    }
}

/// Reads everything and keeps nothing: how many events there are.
fn skim(bytes: &[u8]) -> scap_capture_format::Result<usize> {
    let mut reader = SysdigReader::new(bytes)?;
    let mut converter = Converter::new();
    let mut events = 0;
    while let Some(item) = reader.next_item()? {
        if let Item::Event(event) = item {
            converter.convert(&event);
            events += 1;
        }
    }
    Ok(events)
}

fn is_clean(error: &Error) -> bool {
    matches!(
        error,
        Error::Empty | Error::NotACapture | Error::Damaged { .. }
    )
}
