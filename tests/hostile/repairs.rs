//! Repaired captures: intact, with exactly the events that a reader finds in the damaged one.
//!
//! `SCAP_REPAIR_MUTATIONS=20000` tries more of them. A failure says its seed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use scap::stats::capture_info;
use scap_capture_format::native::LossCause;
use scap_capture_format::native::{CaptureReader, ChunkDecoder, Item, Load, Repaired, repair};

use crate::common::{story, write};
use crate::native::{File, HEADER, PREAMBLE};
use crate::random::Random;
use crate::run;

/// Mutations in an ordinary run.
const ORDINARY: u64 = 200;

/// Returns the events of a capture without their numbers; `None` if it cannot be read to its end.
fn events(bytes: &[u8]) -> Option<String> {
    let mut reader = CaptureReader::new(bytes).ok()?;
    let mut decoder = ChunkDecoder::new();
    let mut all = String::new();
    while let Some(item) = reader.next_item().ok()? {
        let Item::Chunk(chunk) = item else { continue };
        let Ok(mut rows) = chunk.decode(&mut decoder, Load::ALL) else {
            continue;
        };
        while let Ok(Some(event)) = rows.next() {
            let params: Vec<_> = event.params.iter().collect();
            writeln!(
                all,
                "{} {} {} {} {} {:?} {:?} {params:?}",
                event.ts.0,
                event.tid.0,
                event.pid.0,
                event.cpu,
                event.ty.0,
                event.latency,
                event.flags
            )
            .unwrap();
        }
    }
    Some(all)
}

/// Repairs a capture, and checks what must be true of every repair; `None` if it cannot be read at all.
fn repaired(bytes: &[u8], what: &str) -> Option<(Repaired, Vec<u8>)> {
    let before = events(bytes);
    let mended =
        CaptureReader::new(bytes).and_then(|reader| repair(reader, Vec::new(), "before.scap"));
    let Ok((saved, after)) = mended else {
        assert_eq!(before, None, "{what}");
        return None;
    };
    assert_eq!(events(&after), before, "{what}: {saved:?}");
    let info = capture_info(&*after, 2).unwrap();
    assert!(
        info.damages.is_empty() && info.complete,
        "{what}: {:?}",
        info.damages
    );
    assert_eq!(info.events, saved.events, "{what}");
    let before = capture_info(bytes, 2).unwrap();
    assert_eq!(
        saved.was_intact(),
        before.damages.is_empty() && before.complete,
        "{what}"
    );
    // Once is enough.
    let (again, _) = repair(CaptureReader::new(&*after).unwrap(), Vec::new(), "again").unwrap();
    assert!(
        again.was_intact() && again.missing == 0,
        "{what}: {again:?}"
    );
    Some((saved, after))
}

/// What `scap read` shows, without the numbers of events.
fn shown(dir: &Path, file: &Path) -> Vec<u8> {
    let format =
        "*%evt.rawtime %proc.name %thread.tid %evt.type %fd.name %proc.cwd %user.name %evt.args";
    let ran = run::scap(dir, &["read", "-p", format, file.to_str().unwrap()]);
    assert!(
        matches!(ran.code, 0 | 3),
        "{}",
        String::from_utf8_lossy(&ran.err)
    );
    ran.out
}

/// A small capture: header, snapshot, four chunks of 3, 3, 3 and 1 events, losses, index, footer.
fn small() -> File {
    File::of(&write(&story(), 3, true)).without_schema()
}

fn testdata(name: &str) -> Vec<u8> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata");
    std::fs::read(dir.join(name)).unwrap()
}

/// Offsets of the sections, and of the end.
fn offsets(file: &File) -> Vec<usize> {
    let mut at = PREAMBLE;
    let ends = file.sections.iter().map(|section| {
        at += HEADER + section.body.len();
        at
    });
    std::iter::once(PREAMBLE).chain(ends).collect()
}

#[test]
fn an_intact_capture_stays_as_it_is() {
    for bytes in [
        write(&story(), 3, true),
        testdata("sample.scap"),
        testdata("intrusion.scap"),
    ] {
        let (saved, after) = repaired(&bytes, "intact").unwrap();
        assert!(saved.was_intact());
        assert_eq!(
            (
                saved.missing,
                saved.has_unknown_missing,
                saved.chunks_in_part
            ),
            (0, false, 0)
        );
        let (before, after) = (File::of(&bytes), File::of(&after));
        let chunks = |file: &File| {
            let chunks = file
                .sections
                .iter()
                .filter(|s| s.kind == crate::native::CHUNK);
            chunks.map(|s| s.body.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            chunks(&before),
            chunks(&after),
            "chunks are copied as they are"
        );
    }
}

#[test]
fn damage_in_each_section_and_at_each_cut() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = small().bytes();
    let offsets = offsets(&small());
    let (damaged, mended) = (dir.path().join("damaged"), dir.path().join("mended"));
    let mut compared = 0;
    for section in offsets.windows(2) {
        for at in [
            section[0] + 3,
            section[0] + 30,
            section[0] + HEADER + 1,
            section[1] - 1,
        ] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            let cut = &bytes[..at];
            let without = [&bytes[..section[0]], &bytes[section[1]..]].concat();
            for (nr, bytes) in [&*changed, cut, &without].into_iter().enumerate() {
                let Some((_, after)) = repaired(bytes, &format!("{nr} at {at}")) else {
                    continue;
                };
                // The state around the events is the same, too; a few places are enough.
                if at == section[1] - 1 {
                    std::fs::write(&damaged, bytes).unwrap();
                    std::fs::write(&mended, after).unwrap();
                    let (before, after) = (shown(dir.path(), &damaged), shown(dir.path(), &mended));
                    assert_eq!(before, after, "{nr} at {at}");
                    compared += before.len();
                }
            }
        }
    }
    assert!(compared > 10_000, "{compared} bytes of events");
}

#[test]
fn what_is_missing_is_counted() {
    let bytes = small().bytes();
    let offsets = offsets(&small());
    let without = |nr: usize| [&bytes[..offsets[nr]], &bytes[offsets[nr + 1]..]].concat();
    let missing = |bytes: &[u8]| {
        let (saved, after) = repaired(bytes, "missing").unwrap();
        let info = capture_info(&*after, 2).unwrap();
        assert_eq!(info.has_unknown_losses, saved.has_unknown_missing);
        let of_damage = info
            .losses
            .iter()
            .filter(|((cause, _), _)| *cause == LossCause::DAMAGE);
        let counted: u64 = of_damage.map(|(_, span)| span.count).sum();
        assert_eq!(counted, saved.missing);
        (saved.events, saved.missing, saved.has_unknown_missing)
    };
    assert_eq!(missing(&bytes), (10, 0, false));
    assert_eq!(missing(&without(3)), (7, 3, false));
    assert_eq!(
        missing(&without(5)),
        (9, 1, false),
        "the index knows the last one"
    );
    let two = [&bytes[..offsets[3]], &bytes[offsets[5]..]].concat();
    assert_eq!(missing(&two), (4, 6, false));
    assert_eq!(
        missing(&bytes[..offsets[4]]),
        (6, 0, true),
        "it was cut off"
    );
    assert_eq!(
        missing(&bytes[..offsets[8]]),
        (10, 0, true),
        "it was not completed"
    );
}

#[test]
fn repaired_captures_have_what_readers_find() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let total = number("SCAP_REPAIR_MUTATIONS").unwrap_or(ORDINARY);
    let natives = [
        small(),
        File::of(&write(&story(), 2, false)).without_schema(),
        File::of(&testdata("sample.scap")),
    ];
    let dir = tempfile::tempdir().unwrap();
    let (damaged, mended) = (dir.path().join("damaged"), dir.path().join("mended"));
    for seed in 0..total {
        let mut random = Random(seed);
        let mut file = natives[random.below(17) / 8].clone();
        (0..=random.below(3)).for_each(|_| file.mutate(&mut random));
        if random.chance(2) {
            file.repair_index();
        }
        let mut bytes = file.bytes();
        if random.chance(4) {
            bytes.truncate(random.below(bytes.len()));
        }
        let what = format!("seed {seed}");
        let Some((_, after)) = repaired(&bytes, &what) else {
            continue;
        };
        if seed.is_multiple_of(40) {
            std::fs::write(&damaged, &bytes).unwrap();
            std::fs::write(&mended, after).unwrap();
            let (before, after) = (shown(dir.path(), &damaged), shown(dir.path(), &mended));
            assert_eq!(before, after, "{what}");
        }
    }
}
