//! What the seals of a capture prove, for `scap verify`.

use std::fs::File;

use scap_capture_format::native::seal::Hash;
use scap_capture_format::native::{IndexedReader, SealedBy, TimeStamp, check_seals};
use serde::Serialize;

use super::report::Report;
use crate::cli::error::CliError;
use crate::event::number::counted;
use crate::event::text::{escape, short};
use crate::event::time;
use crate::seal::{self, stamp};

/// Facts of a seal that are shown.
const FACTS: usize = 32;

/// What the seals of a capture prove.
#[derive(Debug, Serialize)]
pub(super) struct Seals {
    /// Whether the capture was compared with its seals, which needs a plain file.
    checked: bool,
    /// In how many places the capture is not what was sealed.
    contradictions: u64,
    /// Why the capture is not sealed as it should be.
    pub(super) problem: Option<&'static str>,
    keys: Vec<Key>,
    time_stamps: Vec<StampedSeal>,
}

/// A time stamp of a seal. Whether the authority has signed it, is not checked.
#[derive(Debug, Serialize)]
struct StampedSeal {
    root: String,
    /// What the answer says; `None` if it is not about this root.
    time: Option<String>,
    authority: Option<String>,
}

impl StampedSeal {
    fn new(stamp: &TimeStamp) -> Self {
        let stamped = stamp::parse(&stamp.response).ok();
        let stamped = stamped.filter(|stamped| stamped.imprint == stamp.root);
        Self {
            root: seal::hex(&stamp.root),
            time: stamped.as_ref().map(|stamped| stamped.time.clone()),
            authority: stamped.map(|stamped| stamped.authority),
        }
    }
}

/// What the seals by one key prove.
#[derive(Debug, Serialize)]
struct Key {
    key: String,
    /// Whether it is the one of `--pub`.
    proved: bool,
    seals: u64,
    /// The time of the last seal.
    time: String,
    root: String,
    /// The bytes from the beginning of the file to here are sealed.
    sealed_to: u64,
    sealed_events: u64,
    /// The latest time of these events.
    last_event: Option<String>,
    /// What follows, other than seals.
    unsealed_bytes: u64,
    unsealed_events: u64,
    facts: Vec<(String, String)>,
}

/// Compares a capture with its seals; adds what contradicts them to the damages of the report. `None` for a capture without a
/// seal, if no key is asked for.
pub(super) fn check(
    report: &mut Report<'_>,
    file: Option<File>,
    expected: Option<&Hash>,
) -> Result<Option<Seals>, CliError> {
    let is_native = report.is_native();
    if report.integrity.seals == 0 && expected.is_none() {
        return Ok(None);
    }
    let mut seals = Seals {
        checked: false,
        contradictions: 0,
        problem: None,
        keys: Vec::new(),
        time_stamps: Vec::new(),
    };
    match file.filter(|_| is_native) {
        Some(file) => compare(report, file, expected, &mut seals)?,
        None if report.integrity.seals > 0 => {
            seals.problem = Some("its seals can be checked in a plain file only");
        }
        None => seals.problem = Some("not sealed"),
    }
    report.integrity.intact &= seals.problem.is_none();
    Ok(Some(seals))
}

fn compare(
    report: &mut Report<'_>,
    file: File,
    expected: Option<&Hash>,
    seals: &mut Seals,
) -> Result<(), CliError> {
    let failed = |error| CliError::capture(report.file, &error);
    let mut reader = IndexedReader::open(file).map_err(failed)?;
    let check = check_seals(&mut reader, &seal::is_signature).map_err(failed)?;
    seals.checked = true;
    let utc_offset_s = report.machine.utc_offset_s;
    let of = |by: &SealedBy| key(&reader, by, expected == Some(&by.key), utc_offset_s);
    seals.keys = check.keys.iter().map(of).collect();
    seals.time_stamps = check.time_stamps.iter().map(StampedSeal::new).collect();
    let integrity = &mut report.integrity;
    for damage in check.damages.list() {
        // What the capture itself shows to be damaged is not what was sealed, either.
        if integrity
            .first_damages
            .iter()
            .all(|d| d.offset != damage.offset)
        {
            integrity.note(damage.offset, damage.what);
        }
    }
    seals.contradictions = check.damages.count();
    let has_more = check.damages.count() > check.damages.list().len() as u64;
    integrity.intact &= check.damages.is_empty() && !has_more;
    let mut wanted = seals
        .keys
        .iter()
        .filter(|key| key.proved || expected.is_none());
    seals.problem = match (wanted.clone().next(), expected) {
        _ if wanted.any(|key| key.sealed_to > 0 && key.unsealed_bytes == 0) => None,
        (Some(_), _) => Some("only a part of it is sealed"),
        (None, Some(_)) => Some("not sealed with this key"),
        (None, None) => Some("no seal of it is valid"),
    };
    if seals.time_stamps.iter().any(|stamp| stamp.time.is_none()) {
        seals.problem = Some("a time stamp is not of the seal that it names");
    }
    Ok(())
}

fn key(reader: &IndexedReader<File>, by: &SealedBy, is_expected: bool, utc_offset_s: i32) -> Key {
    let index = reader.index();
    let iso = |ns| time::iso8601(ns, utc_offset_s);
    let sealed = index.chunks.partition_point(|c| c.offset < by.sealed_to);
    let (sealed, unsealed) = index.chunks.split_at(sealed);
    let events = |chunks: &[scap_capture_format::native::index::ChunkEntry]| {
        let counts = chunks.iter().map(|c| u64::from(c.summary.events));
        counts.sum::<u64>()
    };
    // Others may have sealed the whole after that, or stamped the seal.
    let appended = index.others.iter().filter(|s| s.kind().is_appended());
    let mut end = by.sealed_to;
    for other in appended.filter(|s| s.offset >= by.sealed_to) {
        if other.offset == end {
            end = other.end();
        }
    }
    let last = sealed.iter().map(|c| c.summary.max_time);
    Key {
        key: seal::fingerprint(&by.key),
        proved: is_expected,
        seals: by.seals,
        time: iso(by.last.time.0),
        root: seal::hex(&by.root),
        sealed_to: by.sealed_to,
        sealed_events: events(sealed),
        last_event: last.max().and_then(|t| t.known()).map(iso),
        unsealed_bytes: reader.file_len().saturating_sub(end),
        unsealed_events: events(unsealed),
        facts: by.last.facts.iter().take(FACTS).cloned().collect(),
    }
}

impl Seals {
    /// Writes a few lines for each key.
    pub(super) fn text(&self, out: &mut Vec<u8>) {
        for key in &self.keys {
            let whose = match key.proved {
                true => "",
                false => " (whose it is, is not proved: --pub)",
            };
            let mut what = counted(key.sealed_events, "event");
            if let Some(last) = &key.last_event {
                what += &format!(" up to {last}");
            }
            let mut lines = vec![
                format!(
                    "{} by {}{whose}, the last at {}",
                    counted(key.seals, "seal"),
                    key.key,
                    key.time
                ),
                match (key.sealed_to, key.unsealed_bytes) {
                    (0, _) => "sealed: nothing".to_owned(),
                    (_, 0) => format!("sealed: all, {what}"),
                    (to, bytes) => format!(
                        "sealed: byte 0 to {to}, {what}; not sealed: {} after that, with {}",
                        counted(bytes, "byte"),
                        counted(key.unsealed_events, "event")
                    ),
                },
                format!("root: {}", key.root),
            ];
            if self.contradictions > 0 {
                let places = counted(self.contradictions, "place");
                lines.insert(2, format!("changed after it was sealed: in {places}"));
            }
            let facts = key.facts.iter();
            lines.extend(facts.map(|(name, value)| format!("{}: {}", short(name), short(value))));
            for (nr, line) in lines.iter().enumerate() {
                out.extend_from_slice(if nr == 0 { b"    " } else { b"        " });
                escape(out, line.as_bytes());
                out.push(b'\n');
            }
        }
        for stamp in &self.time_stamps {
            let what = match (&stamp.time, &stamp.authority) {
                (Some(time), Some(authority)) => format!(
                    "time stamp: {} by {}, whose signature `openssl ts -verify` can check",
                    short(time),
                    match &**authority {
                        "" => "an authority without a name".into(),
                        name => short(name),
                    }
                ),
                _ => "time stamp: not of this root".to_owned(),
            };
            for line in [what, format!("    root: {}", stamp.root)] {
                out.extend_from_slice(b"    ");
                escape(out, line.as_bytes());
                out.push(b'\n');
            }
        }
    }
}
