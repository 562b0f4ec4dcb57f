//! Audit logs that were made to be hard to read: errors within time and memory, and no event lost beside them.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use crate::random::Random;
use crate::run::{Ran, scap};
use scap::fields::{self, Context, Field, Scratch, Session, Value};
use scap::replay::audit::{AuditContent, AuditInput};
use scap::replay::{AuditSource, EventSource as _, Item};
use scap::state::State;

const EVENT: &str =
    r#"{"kind":"Event","auditID":"a","verb":"get","stageTimestamp":"2026-07-21T15:25:11.901891Z"}"#;
const MIB: usize = 1 << 20;

/// Reads a log of a part that is repeated up to about this size, with a good event after it.
fn read(dir: &Path, before: &str, repeated: &str, size: usize, after: &str) -> Ran {
    let path = dir.join("audit.log");
    let mut out = BufWriter::new(File::create(&path).unwrap());
    out.write_all(before.as_bytes()).unwrap();
    for _ in 0..size / repeated.len() {
        out.write_all(repeated.as_bytes()).unwrap();
    }
    writeln!(out, "{after}\n{EVENT}").unwrap();
    drop(out);
    scap(
        dir,
        &["read", "--audit", path.to_str().unwrap(), "-p", "%ka.verb"],
    )
}

#[test]
fn long_lines_are_skipped_and_located() {
    let dir = tempfile::tempdir().unwrap();
    for (before, repeated, after, problem) in [
        (
            "{\"a\":\"",
            "xxxxxxxxxxxxxxx\\n",
            "\"}",
            "line 1: JSON of more than 16 MiB",
        ),
        (
            "{\"a\":\"",
            "xxxxxxxxxxxxxxxx",
            "",
            "line 1: JSON of more than 16 MiB",
        ),
        (
            "{\"a\":[",
            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",",
            "1]}",
            "line 1: JSON of more than 16 MiB",
        ),
        ("", "yyyyyyyyyyyyyyyy", "", "line 1: not JSON"),
        (
            "",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "",
            "line 1: not JSON",
        ),
    ] {
        let ran = read(dir.path(), before, repeated, 100 * MIB, after);
        let err = String::from_utf8_lossy(&ran.err);
        assert!(err.contains(problem), "{err}");
        assert_eq!((ran.code, &ran.out[..]), (3, &b"get\n"[..]), "{err}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for (repeated, problem) in [
        (
            "{\"a\":",
            "line 1: JSON that is nested more than 128 levels deep",
        ),
        (
            "{\"a\":[",
            "line 1: JSON that is nested more than 128 levels deep",
        ),
    ] {
        let ran = read(dir.path(), "", repeated, 10 * MIB, "");
        let err = String::from_utf8_lossy(&ran.err);
        assert!(err.contains(problem), "{err}");
        assert_eq!((ran.code, &ran.out[..]), (3, &b"get\n"[..]));
    }
    // An array that is never closed hides no event.
    let ran = read(dir.path(), "", "[[[[[[[[[[[[[[[[", 100 * MIB, "");
    assert_eq!((ran.code, &ran.out[..]), (3, &b"get\n"[..]));
    assert!(String::from_utf8_lossy(&ran.err).contains("the log is cut off here"));
}

#[test]
fn many_broken_parts() {
    let dir = tempfile::tempdir().unwrap();
    for repeated in [
        "{\n",
        "{\"a\":[\n[],\n",
        "{\"a\":1,\n",
        "}\n",
        "\"\n",
        "{}x\n",
        "\r",
    ] {
        let ran = read(dir.path(), "", repeated, 2 * MIB, "");
        assert!(ran.out.ends_with(b"get\n"), "{repeated:?}");
        assert_eq!(
            ran.code,
            if repeated == "\r" { 0 } else { 3 },
            "{repeated:?}"
        );
        assert!(ran.err.len() < 4096);
    }
}

#[test]
fn hostile_values_reach_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let nasty = "\\u001b[2J\\u0000\\n\\u202e";
    let event = format!(
        "{{\"auditID\":\"{nasty}\",\"verb\":\"{nasty}\",\"user\":{{\"username\":\"{nasty}\",\"groups\":[\"{nasty}\"]}},\
         \"sourceIPs\":[\"{nasty}\"],\"objectRef\":{{\"resource\":\"{nasty}\",\"name\":\"{nasty}\",\"subresource\":\"exec\"}},\
         \"requestURI\":\"/exec?command=%1b[2J%0a%00\",\"stage\":\"{nasty}\",\"responseStatus\":{{\"code\":\"{nasty}\"}},\
         \"stageTimestamp\":\"2026-07-21T15:25:11.901891Z\"}}"
    );
    let path = dir.path().join("nasty.log");
    std::fs::write(&path, event).unwrap();
    let path = path.to_str().unwrap();
    let fields = "*%ka.verb %ka.user.groups %jevt.obj %jevt.value[] %evt.plugininfo %audit.exec.args %evt.args %audit.target";
    // Control characters in the output are a failure of the run.
    for args in [
        &[][..],
        &["-p", fields],
        &["-j"],
        &["-j", "-p", fields],
        &["-v"],
        &["-x"],
        &["-A"],
    ] {
        let ran = scap(dir.path(), &[&["read", "--audit", path], args].concat());
        assert_eq!(ran.code, 0);
        assert!(!ran.out.is_empty());
    }
}

/// Changes a log at a few places: bytes, and parts that are copied, moved or left out.
fn mutate(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    const PARTS: [&[u8]; 12] = [
        b"{", b"}", b"[", b"]", b"\"", b"\\", b"\n", b",", b":", b"\\u0000", b"null", b"\xff",
    ];
    let mut log = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(log.len() + 1);
        let end = (at + random.below(64)).min(log.len());
        match random.below(5) {
            0 => drop(log.drain(at..end)),
            1 => {
                let copy = log[at..end].to_vec();
                let to = random.below(log.len() + 1);
                log.splice(to..to, copy);
            }
            2 if at < log.len() => log[at] ^= 1 << random.below(8),
            3 => log.truncate(at.max(1)),
            _ => drop(log.splice(at..at, PARTS[random.below(12)].iter().copied())),
        }
    }
    log
}

#[test]
fn changed_logs_are_read_and_looked_into() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/audit");
    let seeds: Vec<Vec<u8>> = std::fs::read_dir(seeds)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let infos =
        fields::all().filter(|info| ["audit", "ka", "json", "jevt"].contains(&info.class()));
    let names = infos.flat_map(|info| [info.name.to_owned(), format!("{}[0]", info.name)]);
    let fields: Vec<Field> = names
        .filter_map(|name| fields::lookup(&name).ok())
        .collect();
    let state = State::new();
    let session = Session::default();
    let mut random = Random(1);
    let mut looked = 0;
    for round in 0..1500 {
        let log = mutate(&mut random, &seeds[round % seeds.len()]);
        let input = AuditInput {
            name: "log".to_owned(),
            content: AuditContent::Once(Box::new(Cursor::new(log.clone()))),
        };
        let mut source = AuditSource::open(vec![input]).unwrap();
        let known = source.damages().count();
        let read = source.read(&mut |_, item| {
            let Item::Event(paired) = item else {
                return Ok(ControlFlow::Continue(()));
            };
            looked += 1;
            let view = state.view(paired);
            let cx = Context {
                event: paired.event,
                view: &view,
                session: &session,
            };
            for field in &fields {
                let mut scratch = Scratch::default();
                let value = field.extract(&cx, &mut scratch);
                let has_nul = matches!(value, Some(Value::Text(text)) if text.contains(&0));
                assert!(!has_nul, "{field}");
            }
            Ok(ControlFlow::Continue(()))
        });
        read.unwrap();
        let log = String::from_utf8_lossy(&log);
        assert_eq!(source.damages().count(), known, "not found again: {log}");
    }
    assert!(looked > 400, "{looked}");
}
