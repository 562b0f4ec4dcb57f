//! `scap search` and `scap first-seen`: many captures at once.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::common::{event, file, i64b, scap, seen, u32b, write};
use scap_capture_format::schema::types;

const INTRUSION: &str = "testdata/intrusion.scap";
const SAMPLE: &str = "testdata/sample.scap";

/// Two captures in a directory, one of them below it and with another name; a file that is none, and a link.
fn archive() -> TempDir {
    let dir = tempdir().unwrap();
    let below = dir.path().join("2026/11");
    fs::create_dir_all(&below).unwrap();
    fs::copy(INTRUSION, dir.path().join("shop.scap")).unwrap();
    fs::copy(SAMPLE, below.join("demo.bin")).unwrap();
    file(dir.path(), "notes.scap", b"not a capture");
    symlink(dir.path(), below.join("around")).unwrap();
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the rows, the messages and the exit code.
fn rows(args: &[&str]) -> (Vec<Value>, String, i32) {
    let (out, err, code) = seen(&scap(&[args, &["--json"]].concat(), None));
    let rows = out.lines().map(|line| serde_json::from_str(line).unwrap());
    (rows.collect(), err, code)
}

fn search(args: &[&str]) -> (Vec<Value>, String, i32) {
    rows(&[&["search"], args].concat())
}

/// Returns the numbers and times of the events that `read` prints.
fn read(path: &str, filter: &str) -> Vec<(u64, u64)> {
    let format = "%evt.num %evt.rawtime";
    let (out, _, code) = seen(&scap(&["read", path, filter, "-p", format], None));
    assert_eq!(code, 0, "{filter}");
    let number = |text: Option<&str>| text.unwrap().parse().unwrap();
    let pair = |line: &str| {
        let mut words = line.split(' ');
        (number(words.next()), number(words.next()))
    };
    out.lines().map(pair).collect()
}

#[test]
fn every_kind_of_indicator_is_found_where_its_filter_finds_it() {
    let addresses = "fd.ip=198.51.100.77";
    let dropped = "fd.name=/tmp/.cache-upd or fs.path.name=/tmp/.cache-upd or fs.path.source=/tmp/.cache-upd \
        or fs.path.target=/tmp/.cache-upd or proc.exepath=/tmp/.cache-upd \
        or (evt.type=execve and evt.arg.filename=/tmp/.cache-upd)";
    for (word, kind, filter) in [
        ("198.51.100.77", "ip", addresses),
        ("198.51.100.64/26", "net", addresses),
        ("/tmp/.cache-upd", "path", dropped),
        ("/tmp/.cache*", "path", dropped),
        (".cache-upd", "name", "proc.name=.cache-upd"),
        (
            "text:perl shop",
            "text",
            "proc.cmdline contains 'perl shop'",
        ),
        (
            "bytes:63 75 72 6C",
            "bytes",
            "evt.buffer bcontains 6375726c",
        ),
    ] {
        let (found, err, code) = search(&[word, INTRUSION]);
        assert_eq!(code, 0, "{word}: {err}");
        assert_eq!(
            err, "searched 1 capture; found 1 of 1 indicator\n",
            "{word}"
        );
        let expected = read(INTRUSION, filter);
        let numbers = |member: &str| -> Vec<u64> {
            found
                .iter()
                .map(|row| row[member].as_u64().unwrap())
                .collect()
        };
        let total: u64 = numbers("events").iter().sum();
        assert_eq!(total, expected.len() as u64, "{word}");
        let first = numbers("first_event").into_iter().min();
        assert_eq!(first, expected.first().map(|(number, _)| *number), "{word}");
        let last = numbers("last_event").into_iter().max();
        assert_eq!(last, expected.last().map(|(number, _)| *number), "{word}");
        for row in &found {
            assert_eq!(
                (&row["kind"], &row["file"]),
                (&kind.into(), &INTRUSION.into())
            );
            assert_eq!(
                (&row["host"], &row["container"]),
                (&"demo".into(), &"host".into())
            );
        }
    }
}

#[test]
fn an_archive_is_searched_by_content() {
    let dir = archive();
    let (found, err, code) = search(&["/etc/shadow", "nowhere-else", text(dir.path())]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("searched 2 captures, 2 other files; found 1 of 2 indicators"),
        "{err}"
    );
    let shown: Vec<_> = found
        .iter()
        .map(|row| (&row["file"], &row["process"], &row["events"]))
        .collect();
    let (below, above) = (
        dir.path().join("2026/11/demo.bin"),
        dir.path().join("shop.scap"),
    );
    let expected = [text(&below), text(&above)].map(Value::from);
    assert_eq!(
        shown,
        [
            (&expected[0], &"cat".into(), &1.into()),
            (&expected[1], &"cat".into(), &1.into()),
        ]
    );
    // The table has a place that `read` takes.
    let (out, _, _) = seen(&scap(&["search", "/etc/shadow", text(dir.path())], None));
    let place = out
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap();
    let (path, number) = place.split_once('#').unwrap();
    let from = format!("#{number}");
    let (line, _, _) = seen(&scap(&["read", path, "--from", &from, "-n", "1"], None));
    assert!(
        line.contains("/etc/shadow") && line.starts_with(number),
        "{line}"
    );
}

#[test]
fn the_exit_code_tells_what_was_found_only_if_asked() {
    for (word, options, expected) in [
        ("/etc/shadow", &[][..], 0),
        ("/etc/shadow", &["--exit-code"], 5),
        ("/absent", &["--exit-code"], 0),
        ("/absent", &[], 0),
    ] {
        let (_, err, code) = search(&[&[word, SAMPLE], options].concat());
        assert_eq!(code, expected, "{word} {options:?}: {err}");
    }
    let (_, err, code) = search(&["/absent"]);
    assert!(err.contains("no capture is named") && code == 2, "{err}");
    let (_, err, code) = search(&["a/b", SAMPLE]);
    assert!(err.contains("`a/b` is no indicator") && code == 2, "{err}");
}

#[test]
fn hashes_are_said_not_to_be_in_captures() {
    let hash = "d41d8cd98f00b204e9800998ecf8427e";
    let (found, err, code) = search(&[hash, "/etc/shadow", SAMPLE]);
    assert!(
        err.contains("1 hash cannot be found: captures have no hashes"),
        "{err}"
    );
    assert_eq!((found.len(), code), (1, 0));
    let (_, err, code) = search(&[hash, SAMPLE]);
    assert!(err.contains("no indicator to search for"), "{err}");
    assert_eq!(code, 1);
}

#[test]
fn damaged_captures_are_searched_and_said() {
    let dir = tempdir().unwrap();
    let bytes = fs::read(INTRUSION).unwrap();
    file(dir.path(), "a.scap", &bytes[..bytes.len() - 40]);
    fs::copy(SAMPLE, dir.path().join("b.scap")).unwrap();
    let (found, err, code) = search(&["/etc/shadow", text(dir.path())]);
    assert_eq!((found.len(), code), (2, 3), "{err}");
    assert!(err.contains("a.scap: damaged at byte"), "{err}");
}

#[test]
fn domains_are_found_in_dns_and_in_the_first_message_of_tls() {
    let dns = |name: &[u8]| {
        [
            &[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            name,
            &[0, 0, 1, 0, 1],
        ]
        .concat()
    };
    let hello = |name: &[u8]| {
        let length = (name.len() as u16).to_be_bytes();
        let end = [0, 23, 0, 0];
        [
            &[0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..],
            &[7; 40],
            &[0],
            &length,
            name,
            &end,
        ]
        .concat()
    };
    // Fd 5 of the common snapshot is a socket to port 53.
    for (data, is_found) in [
        (dns(b"\x04evil\x07example"), true),
        (dns(b"\x03cdn\x04evil\x07example"), true),
        (dns(b"\x07notevil\x07example"), false),
        (dns(b"\x04evil\x07example\x03com"), false),
        (hello(b"evil.example"), true),
        (hello(b"cdn.evil.example"), true),
        (hello(b"notevil.example"), false),
        (hello(b"evil.example.com"), false),
        (b"GET http://evil.example/ HTTP/1.1".to_vec(), false),
    ] {
        let size = u32b(data.len() as u32);
        let sent: &[&[u8]] = &[&i64b(data.len() as i64), &data, &i64b(5), &size];
        let events = [event(1000, 100, types::SYSCALL_WRITE_X, sent)];
        let dir = tempdir().unwrap();
        let path = file(dir.path(), "a.scap", &write(&events, 1, true));
        let (found, err, code) = search(&["domain:Evil.Example", text(&path)]);
        assert_eq!(code, 0, "{err}");
        assert_eq!(
            found.len(),
            usize::from(is_found),
            "{}",
            data.escape_ascii()
        );
    }
}

#[test]
fn connections_that_failed_are_found_by_their_address() {
    let refused = |address: &[u8]| {
        let params: &[&[u8]] = &[&i64b(-111), b"", &i64b(7), address];
        event(1000, 100, types::SOCKET_CONNECT_X, params)
    };
    let v4 = [&[2][..], &[203, 0, 113, 9], &443_u16.to_le_bytes()].concat();
    let mut v6 = vec![10, 0x20, 1, 0xd, 0xb8];
    v6.extend([0; 11]);
    v6.push(1);
    v6.extend(443_u16.to_le_bytes());
    for (word, address, is_found) in [
        ("203.0.113.9", &v4, true),
        ("203.0.113.90", &v4, false),
        ("3.0.113.9", &v4, false),
        ("2001:db8::1", &v6, true),
        ("2001:db8::10", &v6, false),
        ("2001:db8::", &v6, false),
    ] {
        let dir = tempdir().unwrap();
        let path = file(dir.path(), "a.scap", &write(&[refused(address)], 1, true));
        let (found, err, _) = search(&[word, text(&path)]);
        assert_eq!(found.len(), usize::from(is_found), "{word}: {err}");
    }
}

#[test]
fn datagrams_without_a_connection_are_found_by_their_address() {
    let tuple = [&[2, 10, 0, 0, 1][..], &[1, 2], &[203, 0, 113, 9], &[3, 4]].concat();
    let sent: &[&[u8]] = &[&i64b(2), b"hi", &i64b(7), &u32b(2), &tuple];
    let socket: [&[u8]; 4] = [&i64b(7), &u32b(2), &u32b(2), &u32b(0)];
    let events = [
        event(1000, 100, types::SOCKET_SOCKET_X, &socket),
        event(2000, 100, types::SOCKET_SENDTO_X, sent),
    ];
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "a.scap", &write(&events, 1, true));
    for word in ["203.0.113.9", "203.0.113.0/24"] {
        let (found, err, _) = search(&[word, text(&path)]);
        assert_eq!(found.len(), 1, "{word}: {err}");
    }
}

#[test]
fn lists_are_read_and_what_is_not_searched_for_is_said() {
    let dir = tempdir().unwrap();
    let csv = file(
        dir.path(),
        "a.csv",
        b"type,value\nip-dst,198.51.100.77\nurl,http://x/\nmd5,d41d8cd98f00b204e9800998ecf8427e\n",
    );
    let stix = file(
        dir.path(),
        "a.json",
        br#"{"type":"bundle","objects":[{"type":"indicator","pattern_type":"stix","pattern":"[file:name = '.cache-upd']"},
            {"type":"indicator","pattern_type":"yara","pattern":"rule x {}"}]}"#,
    );
    let misp = file(
        dir.path(),
        "b.json",
        br#"{"Event":{"Attribute":[{"type":"filename","value":"/etc/shadow"}]}}"#,
    );
    let lists = [
        "--list",
        text(&csv),
        "--list",
        text(&stix),
        "--list",
        text(&misp),
    ];
    let (found, err, code) = search(&[&lists[..], &[INTRUSION]].concat());
    assert_eq!(code, 0, "{err}");
    let kinds = |kind: &str| found.iter().filter(|row| row["kind"] == kind).count();
    assert!(kinds("ip") > 0 && kinds("file") > 0 && kinds("path") == 1);
    for said in [
        "a.csv: not searched for: 1 url",
        "a.json: not searched for: 1 patterns",
        "1 hash cannot be found",
        "found 3 of 3 indicators",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    let broken = file(dir.path(), "c.json", b"{\"type\": \"bundle\"");
    let (_, err, code) = search(&["--list", text(&broken), INTRUSION]);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn values_are_listed_by_their_first_event() {
    let dir = archive();
    let args = [
        "first-seen",
        "--by",
        "proc.exepath,proc.name",
        text(dir.path()),
        "evt.type=execve",
    ];
    let (found, err, code) = rows(&args);
    assert_eq!((code, &*err), (0, "read 2 captures, 2 other files\n"));
    let times: Vec<&str> = found
        .iter()
        .map(|row| row["first"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let of = |name: &str| found.iter().find(|row| row["proc.name"] == name).unwrap();
    let filter = "evt.type=execve and proc.name=cat";
    let (sample, intrusion) = (read(SAMPLE, filter), read(INTRUSION, filter));
    assert_eq!(of("cat")["captures"], 2);
    assert_eq!(of("cat")["events"], sample.len() + intrusion.len());
    // The sample is the older one.
    assert_eq!(of("cat")["event"], sample[0].0);
    assert!(of("cat")["file"].as_str().unwrap().ends_with("demo.bin"));
    assert_eq!(of(".cache-upd")["captures"], 1);
    let (few, _, _) = rows(&[&args[..], &["-n", "1"]].concat());
    assert_eq!(few[..], found[..1]);
}
