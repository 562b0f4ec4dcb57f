//! Captures whose checksums are right and whose content lies. Every command says that they are damaged, and shows all events
//! that can be read.

use scap_capture_format::event::EventFlags;

use crate::common::{TestEvent, story, write};
use crate::native::{CHUNK, Chunk, FOOTER, File, HEADER, INDEX, PREAMBLE, SNAPSHOT, Section};
use crate::run;
use crate::value::Value;

/// Positions of the fields of a summary.
mod summary {
    pub(super) const MIN_TIME: usize = 0;
    pub(super) const MAX_TIME: usize = 1;
    pub(super) const EVENTS: usize = 3;
    pub(super) const TYPES: usize = 4;
    pub(super) const THREADS: usize = 5;
    pub(super) const FAILED: usize = 7;
    pub(super) const HIDDEN: usize = 8;
    pub(super) const LOST: usize = 9;
    pub(super) const STORED_PARAMS: usize = 12;
}

fn intact() -> File {
    File::of(&write(&story(), 3, true))
}

/// Changes the index, and leaves everything else.
fn with_index(change: impl FnOnce(&mut Value)) -> File {
    let mut file = intact();
    let at = file.all(INDEX)[0];
    let mut value = file.sections[at].value().unwrap();
    change(&mut value);
    file.sections[at].set(&value);
    // The footer still points to it.
    let len = (HEADER + file.sections[at].body.len()) as u64;
    let footer = file.all(FOOTER)[0];
    file.sections[footer].body[8..].copy_from_slice(&len.to_le_bytes());
    file
}

/// Changes the head of the second chunk; the index has the same.
fn with_head(change: impl FnOnce(&mut Value)) -> File {
    let mut file = intact();
    let at = file.all(CHUNK)[1];
    let mut chunk = Chunk::of(&file.sections[at]).unwrap();
    let stored = chunk.head.at(&[0, summary::STORED_PARAMS]).clone();
    change(&mut chunk.head);
    let lies_of_sizes = *chunk.head.at(&[0, summary::STORED_PARAMS]) != stored;
    file.sections[at].body = match lies_of_sizes {
        true => chunk.body_with_sizes(),
        false => chunk.body(),
    };
    file.repair_index();
    file
}

/// Changes the sections; the index is that of the sections.
fn with_sections(change: impl FnOnce(&mut File)) -> File {
    let mut file = intact();
    change(&mut file);
    file.repair_index();
    file
}

fn uint(value: &mut Value, path: &[usize], number: u64) {
    *value.at(path) = Value::Uint(number);
}

/// Returns how many events of the intact capture are shown.
fn shown() -> u64 {
    let is_shown = |e: &&TestEvent| !e.flags.contains(EventFlags::HIDDEN);
    story().iter().filter(is_shown).count() as u64
}

/// Asks all commands; `events` of the capture's events can be shown, or all with `None`.
#[track_caller]
fn check(name: &str, file: &File, events: Option<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.scap"));
    std::fs::write(&path, file.bytes()).unwrap();
    let opinion = run::opinion(dir.path(), &path);
    assert_eq!(
        (opinion.code, opinion.events),
        (3, events.unwrap_or_else(shown)),
        "{name}"
    );
    // Scripts read only a part of each event.
    let path = path.to_str().unwrap();
    assert_eq!(
        run::scap(dir.path(), &["read", "-c", "topscalls", path]).code,
        3,
        "{name}"
    );
}

#[test]
fn an_intact_capture_is_intact() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intact.scap");
    let mut file = intact();
    file.repair_index();
    std::fs::write(&path, file.bytes()).unwrap();
    assert_eq!(run::opinion(dir.path(), &path).code, 0);
}

#[test]
fn an_index_that_lies() {
    let list = |value: &mut Value, which: usize| value.at(&[which]).items().clone();
    check(
        "chunks-omitted",
        &with_index(|v| v.at(&[0]).items().clear()),
        None,
    );
    check(
        "last-chunk-omitted",
        &with_index(|v| drop(v.at(&[0]).items().pop())),
        None,
    );
    check(
        "chunks-repeated",
        &with_index(|v| {
            let chunks = list(v, 0);
            *v.at(&[0]).items() = (0..500).flat_map(|_| chunks.clone()).collect();
        }),
        None,
    );
    check(
        "chunks-reversed",
        &with_index(|v| v.at(&[0]).items().reverse()),
        None,
    );
    check(
        "snapshots-omitted",
        &with_index(|v| v.at(&[1]).items().clear()),
        None,
    );
    check(
        "others-omitted",
        &with_index(|v| v.at(&[2]).items().clear()),
        None,
    );
    check("no-losses", &with_index(|v| uint(v, &[3], 77)), None);
    check(
        "times-false",
        &with_index(|v| {
            for chunk in v.at(&[0]).items() {
                uint(chunk, &[2, summary::MIN_TIME], 5);
                uint(chunk, &[2, summary::MAX_TIME], 5);
            }
        }),
        None,
    );
    check(
        "times-swapped",
        &with_index(|v| {
            let (first, last) = (v.at(&[0, 0, 2, 1]).clone(), v.at(&[0, 1, 2, 1]).clone());
            (*v.at(&[0, 0, 2, 1]), *v.at(&[0, 1, 2, 1])) = (last, first);
        }),
        None,
    );
    check(
        "one-thread-missing",
        &with_index(|v| {
            *v.at(&[0, 0, 2, summary::THREADS]) = Value::Enum(0, vec![Value::List(Vec::new())]);
        }),
        None,
    );
    for (name, offset) in [
        ("into-a-body", 100),
        ("beyond-the-end", 1 << 40),
        ("zero", 0),
        ("huge", u64::MAX),
    ] {
        check(name, &with_index(|v| uint(v, &[0, 1, 0], offset)), None);
        check(name, &with_index(|v| uint(v, &[1, 0, 0], offset)), None);
    }
    check(
        "snapshot-of-another-event",
        &with_index(|v| uint(v, &[1, 0, 3], 7)),
        None,
    );
}

#[test]
fn heads_that_lie() {
    check(
        "all-hidden",
        &with_head(|h| {
            let events = h.at(&[0, summary::EVENTS]).clone();
            *h.at(&[0, summary::HIDDEN]) = events;
        }),
        None,
    );
    for (name, field, number) in [
        ("earlier", summary::MIN_TIME, 5),
        ("later", summary::MAX_TIME, u64::MAX - 1),
        ("before-its-events", summary::MAX_TIME, 5),
        ("failed", summary::FAILED, 1 << 20),
        ("lost", summary::LOST, 1 << 40),
        ("sizes", summary::STORED_PARAMS, 1),
    ] {
        check(name, &with_head(|h| uint(h, &[0, field], number)), None);
    }
    check(
        "types",
        &with_head(|h| uint(h, &[0, summary::TYPES, 0, 0], 9)),
        None,
    );
    check(
        "type-counts",
        &with_head(|h| uint(h, &[0, summary::TYPES, 0, 1], 0)),
        None,
    );
    check(
        "threads",
        &with_head(|h| {
            *h.at(&[0, summary::THREADS]) = Value::Enum(0, vec![Value::List(Vec::new())]);
        }),
        None,
    );
    // Fewer events than rows: those beyond are in no capture that says so.
    let fewer = with_head(|h| uint(h, &[0, summary::EVENTS], 1));
    let opinion = {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fewer.scap");
        std::fs::write(&path, fewer.bytes()).unwrap();
        run::opinion(dir.path(), &path)
    };
    assert_eq!(opinion.code, 3);
}

#[test]
fn a_time_range_is_found_whatever_the_heads_say() {
    let mut file = intact();
    // A snapshot after the chunks, before which nothing is read if the heads are believed.
    let (snapshot, index) = (file.all(SNAPSHOT)[0], file.all(INDEX)[0]);
    let mut value = file.sections[snapshot].value().unwrap();
    for at in file.all(CHUNK) {
        let mut chunk = Chunk::of(&file.sections[at]).unwrap();
        uint(&mut chunk.head, &[0, summary::MIN_TIME], 5);
        uint(&mut chunk.head, &[0, summary::MAX_TIME], 5);
        let number = |head: &mut Value, field| match head.at(&[0, field]) {
            Value::Uint(number) => *number,
            other => panic!("{other:?}"),
        };
        let next = number(&mut chunk.head, 2) + number(&mut chunk.head, summary::EVENTS);
        uint(&mut value, &[1], next);
        file.sections[at].body = chunk.body();
    }
    let mut last = file.sections[snapshot].clone();
    last.set(&value);
    file.sections.insert(index, last);
    file.repair_index();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heads.scap");
    std::fs::write(&path, file.bytes()).unwrap();
    let read = run::scap(
        dir.path(),
        &["read", "-q", "-v", "--from", "+0s", path.to_str().unwrap()],
    );
    let err = String::from_utf8(read.err).unwrap();
    assert_eq!(read.code, 3, "{err}");
    assert!(err.contains(&format!("{} events", shown())), "{err}");
}

#[test]
fn sections_that_are_elsewhere() {
    let copy = |kind: u16| {
        move |file: &mut File| {
            let at = file.all(kind)[0];
            let section = file.sections[at].clone();
            file.sections.insert(at + 1, section);
        }
    };
    let first = intact().all(CHUNK)[0];
    let mut head = Chunk::of(&intact().sections[first]).unwrap().head;
    let mut number = |field| match head.at(&[0, field]) {
        Value::Uint(number) => *number,
        other => panic!("{other:?}"),
    };
    let shown_twice = number(summary::EVENTS) - number(summary::HIDDEN);
    check(
        "chunk-twice",
        &with_sections(copy(CHUNK)),
        Some(shown() + shown_twice),
    );
    check("header-twice", &with_sections(copy(1)), None);
    check("two-indexes", &with_sections(copy(INDEX)), None);
    check("two-footers", &with_sections(copy(FOOTER)), None);
    check(
        "index-in-the-middle",
        &with_sections(|file| {
            let at = file.all(INDEX)[0];
            let index = file.sections.remove(at);
            file.sections.insert(3, index);
        }),
        None,
    );
    check(
        "a-number-jumps",
        &with_sections(|file| {
            let at = file.all(CHUNK)[1];
            for (number, section) in (0..).zip(&mut file.sections).skip(at) {
                section.sequence = Some(number + 5);
            }
        }),
        None,
    );
    check(
        "after-the-end",
        &with_sections(|file| file.sections.push(Section::new(99, vec![0; 9]))),
        None,
    );
    check(
        "snapshot-of-another-place",
        &with_sections(|file| {
            let at = *file.all(SNAPSHOT).last().unwrap();
            let mut value = file.sections[at].value().unwrap();
            uint(&mut value, &[1], 3);
            file.sections.push(file.sections[at].clone());
            let moved = file.sections.pop().unwrap();
            file.sections.insert(file.all(CHUNK)[2], moved);
            let at = *file.all(SNAPSHOT).last().unwrap();
            file.sections[at].set(&value);
        }),
        None,
    );
    let mut cut = intact();
    cut.preamble.truncate(PREAMBLE);
    cut.sections.truncate(cut.all(INDEX)[0]);
    check("no-index", &cut, None);
}

#[test]
fn rows_that_do_not_decode() {
    // Each stream of the second chunk in turn is a byte too short, or has one too many.
    let at = intact().all(CHUNK)[1];
    let streams = Chunk::of(&intact().sections[at]).unwrap().streams.len();
    for stream in 0..streams {
        for longer in [false, true] {
            let mut file = intact();
            let mut chunk = Chunk::of(&file.sections[at]).unwrap();
            let (_, _, bytes) = &mut chunk.streams[stream];
            match longer {
                true => bytes.push(1),
                false if bytes.is_empty() => continue,
                false => drop(bytes.pop()),
            }
            file.sections[at].body = chunk.body();
            file.repair_index();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("rows.scap");
            std::fs::write(&path, file.bytes()).unwrap();
            let opinion = run::opinion(dir.path(), &path);
            assert_eq!(opinion.code, 3, "stream {stream} {longer}");
            let path = path.to_str().unwrap();
            let script = run::scap(dir.path(), &["read", "-c", "topscalls", path]);
            assert_eq!(script.code, 3, "stream {stream} {longer}");
        }
    }
}
