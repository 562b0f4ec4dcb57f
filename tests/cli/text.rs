//! Text that looks like an escape, and bytes that are escaped.

use crate::common::{event, i64b, scap, seen, u32b, write};
use scap_capture_format::schema::types;

/// What `scap read` prints of failed opens of these names.
fn printed(args: &[&str]) -> Vec<String> {
    let names: [&[u8]; 6] = [
        b"/\x1b[2J\0",
        b"/\\x1b[2J\0",
        b"/\xff\0",
        b"/\\xff\0",
        b"/a\\b\0",
        b"/a\nb\0",
    ];
    let open = |(at, name): (u64, &&[u8])| {
        event(
            at * 1000,
            100,
            types::SYSCALL_OPEN_X,
            &[&i64b(-2), name, &u32b(1), &u32b(0), &u32b(0), &i64b(0)],
        )
    };
    let events: Vec<_> = (1..).zip(&names).map(open).collect();
    let capture = write(&events, 4, true);
    let (out, err, code) = seen(&scap(&[&["read", "-"], args].concat(), Some(&capture)));
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(!out.contains('\u{1b}'));
    out.lines().map(str::to_owned).collect()
}

const SHOWN: [&str; 6] = [
    r"/\x1b[2J",
    r"/\\x1b[2J",
    r"/\xff",
    r"/\\xff",
    r"/a\b",
    r"/a\nb",
];

#[test]
fn names_that_look_like_escapes_differ_from_them() {
    assert_eq!(printed(&["-p", "%fd.name"]), SHOWN);
    assert_eq!(printed(&["-p", "%evt.arg.name"]), SHOWN);
    let lines = printed(&[]);
    let args = printed(&["-p", "%evt.args"]);
    for (at, shown) in SHOWN.iter().enumerate() {
        assert!(
            lines[at].contains(&format!(" name={shown} ")),
            "{}",
            lines[at]
        );
        assert!(
            args[at].contains(&format!(" name={shown} ")),
            "{}",
            args[at]
        );
    }
}

#[test]
fn in_json_as_well() {
    let values: Vec<String> = printed(&["-j", "-p", "%evt.arg.name"])
        .iter()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["evt.arg.name"].as_str().unwrap().to_owned()
        })
        .collect();
    // What JSON can express is as it is.
    assert_eq!(
        values,
        [
            "/\u{1b}[2J",
            r"/\\x1b[2J",
            r"/\xff",
            r"/\\xff",
            r"/a\b",
            "/a\nb"
        ]
    );
}

/// Files, and how each is displayed.
const FILES: [(&[u8], &str); 9] = [
    (b"/d/a\\nb", r"/d/a\\nb"),
    (b"/d/a\nb", r"/d/a\nb"),
    (b"/d/\\x01", r"/d/\\x01"),
    (b"/d/\x01", r"/d/\x01"),
    (b"/d/\\xff", r"/d/\\xff"),
    (b"/d/\xff", r"/d/\xff"),
    ("/d/\u{202e}c".as_bytes(), r"/d/\u{202e}c"),
    (b"/d/\\u{202e}c", r"/d/\\u{202e}c"),
    (b"/d/\\\x01", r"/d/\\\x01"),
];

/// A capture in which each file is opened, written, and left open; and a directory for each.
fn files() -> Vec<u8> {
    let mut events = Vec::new();
    for (at, (name, _)) in (1..).zip(&FILES) {
        let name = [*name, b"\0"].concat();
        let number: i64 = at;
        let (at, fd) = (number.unsigned_abs(), i64b(10 + number));
        let none = u32b(0);
        let open: &[&[u8]] = &[&fd, &name, &u32b(2), &none, &none, &i64b(number)];
        events.push(event(at * 3000, 100, types::SYSCALL_OPEN_X, open));
        let written: &[&[u8]] = &[&i64b(4), b"data", &fd, &u32b(4)];
        let at = at * 3000 + 1000;
        events.push(event(at, 100, types::SYSCALL_WRITE_X, written));
        let made: &[&[u8]] = &[&i64b(0), &name, &u32b(0o755)];
        events.push(event(at + 1000, 100, types::SYSCALL_MKDIR_2_X, made));
    }
    write(&events, 100, true)
}

/// Returns the words of some lines.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn names_differ_from_their_escapes_wherever_they_are_displayed() {
    let dir = tempfile::tempdir().unwrap();
    let capture = crate::common::file(dir.path(), "names.scap", &files());
    let capture = capture.to_str().unwrap();
    let script = "description='' short_description='' category='' args={} \
        function on_init() name = chisel.request_field('fd.name') chisel.set_filter('evt.type=write') return true end \
        function on_event() print(scap.clean(evt.field(name))) scap.finding('kind', evt.field(name)) return true end";
    let script = crate::common::file(dir.path(), "names.lua", script.as_bytes());
    let script = script.to_str().unwrap();
    let read = ["read", capture];
    let ways: [&[&str]; 8] = [
        &[&read[..], &["-p", "%fd.name"]].concat(),
        &[&read[..], &["-c", "topfiles_bytes"]].concat(),
        &[&read[..], &["-c", "fdbytes_by", "fd.name"]].concat(),
        &[&read[..], &["evt.num=27", "-c", "lsof"]].concat(),
        &[&read[..], &["-c", "v_files"]].concat(),
        &[&read[..], &["-c", "fdcount_by", "fd.name"]].concat(),
        &[&read[..], &["-c", script]].concat(),
        &[
            "view",
            capture,
            "--size",
            "120x40",
            "--script",
            "4",
            "--screenshot",
            "-",
        ],
    ];
    for way in ways {
        let (out, err, code) = seen(&scap(way, None));
        assert_eq!((err.as_str(), code), ("", 0), "{way:?}");
        let words = words(&out);
        for (_, shown) in FILES {
            assert!(words.contains(&shown), "{way:?}: {shown}\n{out}");
        }
        assert!(!out.contains(['\u{202e}', '\u{1}', '\u{fffd}']), "{way:?}");
    }
}

#[test]
fn view_finds_and_narrows_to_a_name_as_it_is_displayed() {
    let dir = tempfile::tempdir().unwrap();
    let capture = crate::common::file(dir.path(), "names.scap", &files());
    let capture = capture.to_str().unwrap();
    for (at, (_, shown)) in FILES.iter().enumerate() {
        // Only the rows that contain the name remain; the trail says to which the events were narrowed.
        let script = format!("4\\{shown}<Enter><Enter>");
        let (out, ..) = seen(&scap(
            &[
                "view",
                capture,
                "--size",
                "120x40",
                "--script",
                &script,
                "--screenshot",
                "-",
            ],
            None,
        ));
        assert!(out.contains(&format!("file {shown}")), "{shown}\n{out}");
        for (other, (_, not_shown)) in FILES.iter().enumerate() {
            let is_there = words(&out)
                .iter()
                .any(|word| word.contains(&format!("name={not_shown}")));
            assert!(at == other || !is_there, "{shown} {not_shown}\n{out}");
        }
    }
}
