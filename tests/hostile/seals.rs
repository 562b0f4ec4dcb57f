//! Sealed captures that somebody changed: always found out, also where all checksums, the index and the numbers of the sections
//! are made right.
//!
//! `SCAP_SEAL_MUTATIONS=10000` tries more of them. A failure says its seed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use scap::seal::SealKey;
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::{
    CaptureWriter, IndexedReader, SchemaDescription, WriterOptions, check_seals, seal_file,
};

use crate::common::{header, push, snapshot, story};
use crate::native::{File, HEADER, PREAMBLE, Section};
use crate::random::Random;

/// Mutations in an ordinary run.
const ORDINARY: u64 = 500;

const SEAL: u16 = 8;

fn key_file(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/seal");
    dir.join(name)
}

fn key(name: &str) -> SealKey {
    SealKey::read(&key_file(name)).unwrap()
}

/// Writes a capture as a recorder does: chunks of a few events, and a seal after each if there is a key.
fn recorded(host: &str, shift: i64, key: Option<&SealKey>) -> Vec<u8> {
    let options = WriterOptions {
        is_sealed: key.is_some(),
        ..WriterOptions::default()
    };
    let mut header = header();
    header.machine.host_name = host.to_owned();
    // Most of the time would be spent with it.
    header.schema = SchemaDescription::default();
    let mut writer = CaptureWriter::new(Vec::new(), &header, options).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    for (nr, events) in story().chunks_mut(3).enumerate() {
        for event in events {
            event.tid += shift;
            push(&mut writer, event);
        }
        writer.flush_chunk().unwrap();
        let time = Timestamp(nr as u64);
        if let Some(key) = key {
            writer.write_seal(time, &[], key).unwrap();
        }
    }
    writer.finish_index().unwrap();
    let facts = [("host".to_owned(), host.to_owned())];
    if let Some(key) = key {
        writer.write_seal(Timestamp(9), &facts, key).unwrap();
    }
    writer.into_inner()
}

/// Seals a file afterwards.
fn sealed(bytes: &[u8], key: &SealKey) -> Vec<u8> {
    let seal = seal_file(std::io::Cursor::new(bytes), (Timestamp(1), &[]), key).unwrap();
    [bytes, &seal.bytes].concat()
}

/// What `scap verify` says with the right public key.
fn is_found_out(path: &Path) -> bool {
    let public = key_file("zeros.pub.pem");
    let args = ["scap", "verify", "-q", "--pub"].map(Into::into);
    let files = [public.into(), path.into()];
    scap::cli::run(args.into_iter().chain(files)) != ExitCode::SUCCESS
}

/// Encodes sections with the numbers and checksums that they would have.
fn rebuilt(mut file: File, random: &mut Random) -> Vec<u8> {
    if random.chance(2) {
        file.repair_index();
    }
    file.bytes()
}

/// Returns a changed file.
fn mutated(random: &mut Random, whole: &[Vec<u8>], others: &[File]) -> Vec<u8> {
    let bytes = &whole[random.below(whole.len())];
    let mut file = File::of(bytes);
    let at = random.below(file.sections.len());
    match random.below(10) {
        // Bytes.
        0 => {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(changed.len());
                changed[at] ^= 1 << random.below(8);
            }
            changed
        }
        // A byte of a body or a flag, with the checksums made right.
        1 => {
            let section = &mut file.sections[at];
            if random.chance(8) {
                section.flags ^= 1;
            } else {
                let at = random.below(section.body.len());
                section.body[at] ^= 1 << random.below(8);
            }
            rebuilt(file, random)
        }
        // The content of a section, by its structure.
        2 | 3 => {
            file.mutate(random);
            rebuilt(file, random)
        }
        // Sections dropped, moved, doubled.
        4 => {
            let many = 1 + random.below(file.sections.len() - at);
            file.sections.drain(at..at + many);
            rebuilt(file, random)
        }
        5 => {
            let to = random.below(file.sections.len());
            file.sections.swap(at, to);
            rebuilt(file, random)
        }
        6 => {
            let to = random.below(file.sections.len());
            file.sections.insert(to, file.sections[at].clone());
            rebuilt(file, random)
        }
        // From another file that is sealed with the same key.
        7 => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.sections.len());
            match random.below(3) {
                0 => file.sections[at] = other.sections[from].clone(),
                1 => file.sections.insert(at, other.sections[from].clone()),
                _ => {
                    file.sections.truncate(at);
                    file.sections.extend_from_slice(&other.sections[from..]);
                }
            }
            rebuilt(file, random)
        }
        // Cut, at a section or anywhere, also with an end that makes it look complete.
        8 => {
            if random.chance(3) {
                return bytes[..random.below(bytes.len())].to_vec();
            }
            let ends: Vec<_> = file.sections.iter().rev().take(3).cloned().collect();
            file.sections.truncate(at);
            if random.chance(2) {
                let is_end = |s: &&Section| s.kind != SEAL;
                file.sections
                    .extend(ends.iter().rev().filter(is_end).cloned());
                file.repair_index();
            }
            file.bytes()
        }
        // Something between the sections, and at the end.
        _ => {
            let (mut changed, mut to) = (bytes.clone(), PREAMBLE);
            for section in &file.sections[..at] {
                to += HEADER + section.body.len();
            }
            let many = 1 + random.below(40);
            let new: Vec<u8> = (0..many).map(|_| random.next() as u8).collect();
            if random.chance(4) {
                to = changed.len();
            }
            changed.splice(to..to, new);
            changed
        }
    }
}

#[test]
fn whatever_is_changed_in_a_sealed_capture_is_found_out() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let total = number("SCAP_SEAL_MUTATIONS").unwrap_or(ORDINARY);
    let mine = key("zeros.pem");
    let plain = recorded("web1", 0, None);
    let whole = [
        sealed(&plain, &mine),
        // Sealed once more by somebody else.
        sealed(&sealed(&plain, &mine), &key("elevens.pem")),
        recorded("web1", 0, Some(&mine)),
    ];
    let others = [
        recorded("web2", 0, Some(&mine)),
        recorded("web1", 7, Some(&mine)),
        sealed(&recorded("web1", 7, None), &mine),
    ];
    let others = others.map(|bytes| File::of(&bytes));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sealed.scap");
    for bytes in &whole {
        std::fs::write(&path, bytes).unwrap();
        assert!(!is_found_out(&path), "a sealed capture is in order");
    }
    let mut tried = 0;
    for seed in 0..total {
        let bytes = mutated(&mut Random(seed), &whole, &others);
        if whole.contains(&bytes) {
            continue;
        }
        tried += 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(is_found_out(&path), "mutation {seed} is not found out");
    }
    assert!(tried > total * 9 / 10, "{tried} of {total}");
}

#[test]
fn a_killed_recorder_and_a_damaged_file_can_be_sealed() {
    let mine = key("zeros.pem");
    let whole = recorded("web1", 0, None);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.scap");
    let cuts = (PREAMBLE + HEADER..whole.len()).rev();
    for cut in cuts.clone().take(400).chain(cuts.step_by(997)) {
        let bytes = sealed(&whole[..cut], &mine);
        let reader = IndexedReader::open(std::io::Cursor::new(&bytes));
        let Ok(mut reader) = reader else { continue };
        let check = check_seals(&mut reader, &scap::seal::is_signature).unwrap();
        assert!(check.damages.is_empty(), "{cut}: {:?}", check.damages);
        assert_eq!(check.keys.len(), 1, "{cut}");
        assert_eq!(check.keys[0].sealed_to, bytes.len() as u64, "{cut}");
    }
    // It is still damaged.
    std::fs::write(&path, sealed(&whole[..whole.len() - 60], &mine)).unwrap();
    assert!(is_found_out(&path));
}
