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
