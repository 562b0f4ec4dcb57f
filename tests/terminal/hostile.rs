//! Nothing that a capture says reaches the terminal as a control sequence, and colours only where they are wanted.

use std::path::{Path, PathBuf};

use super::{SIZE, common, open, root, view};
use crate::pty::Pty;
use scap_capture_format::schema::types;

/// Whatever a terminal could be made to do: another title, the clipboard, an answer typed, the screen
/// cleared; as eight bit controls, too, and where a cut could leave half of a sequence.
const EVIL: [&[u8]; 8] = [
    b"\x1b]0;evil-title\x07",
    b"\x1b]52;c;ZXZpbA==\x07",
    b"\x1bP$q\"p\x1b\\",
    b"\x1b[2J\x1b[3J\x1b[?1049l",
    b"\x1b[6n\x1b[c\x05",
    b"\xc2\x9b31m\xc2\x9d0;evil\xc2\x9c",
    b"\x9b31m\x9d0;evil\x9c\r\n\x08\x7f",
    b"\xe2\x80\xae\xe2\x81\xa6wide\xef\xbc\xa1\xcc\x81\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
];

fn hostile(dir: &Path) -> PathBuf {
    let mut events = common::story();
    for (at, evil) in EVIL.iter().enumerate() {
        let at = 20_000 + at as u64 * 10_000;
        let path = [&b"/tmp/"[..], evil, b"\0"].concat();
        events.push(common::event(
            at,
            100,
            types::SYSCALL_OPEN_X,
            &[
                &common::i64b(-2),
                &path,
                &common::u32b(1),
                &common::u32b(0),
                &common::u32b(0),
                &common::i64b(0),
            ],
        ));
        let data = evil.repeat(2);
        events.push(common::event(
            at + 1000,
            100,
            types::SYSCALL_READ_X,
            &[&common::i64b(8), &data, &common::i64b(5), &common::u32b(64)],
        ));
    }
    let path = dir.join("hostile\u{1b}[31m.scap");
    std::fs::write(&path, common::write(&events, 8, true)).unwrap();
    path
}

/// The control sequences that were written, without what they are about: `[m`, `[?h`, `]52;`.
fn sequences(written: &[u8]) -> Vec<String> {
    let text = String::from_utf8(written.to_vec()).expect("UTF-8");
    let mut found = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => {
                let kind = chars.next().unwrap();
                let mut name = kind.to_string();
                match kind {
                    '[' => {
                        for char in chars.by_ref() {
                            if !char.is_ascii_digit() && char != ';' {
                                name.push(char);
                            }
                            if ('@'..='~').contains(&char) {
                                break;
                            }
                        }
                    }
                    ']' => {
                        let text: String = chars.by_ref().take_while(|c| *c != '\u{7}').collect();
                        name.extend(text.chars().take(3));
                    }
                    _ => {}
                }
                found.push(name);
            }
            char => assert!(!char.is_control(), "{char:?} is written"),
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn nothing_of_a_capture_controls_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let capture = hostile(dir.path());
    let mut pty = Pty::start(view(&capture), SIZE);
    pty.wait("the first screen", |screen| screen.contains("events"));
    // All views, the details of every event, an echo, the state, the help, a filter with its suggestions.
    for key in [
        "2", "3", "4", "5", "6", "7", "8", "9", "0", "\t", "\t", "\t", "\t", "2", "\x1b[H",
    ] {
        pty.send(key.as_bytes());
        pty.settle();
    }
    pty.send(b"\r");
    let mut seen = String::new();
    for _ in 0..30 {
        pty.send(b"]");
        pty.settle();
        seen.push_str(&pty.screen());
    }
    assert!(
        seen.contains(r"\u001B]0;evil-title") || seen.contains("evil-title"),
        "{seen}"
    );
    for key in [
        "x",
        "x",
        "\x7f",
        "e",
        "x",
        "x",
        "p",
        "\x7f",
        "t",
        "\r",
        "\x7f",
        "3",
        "e",
        "\x7f",
        "=",
        "\r",
        ":fd.name=",
        "\t",
        "\r",
        "?",
        "\x7f",
        "T",
        "T",
    ] {
        pty.send(key.as_bytes());
        pty.settle();
    }
    // Moves, colours and attributes, modes, what is cleared: and nothing that answers or talks to the system.
    let expected = ["[?h", "[?l", "[H", "[J", "[m"];
    let found = sequences(&pty.written);
    assert!(
        found.iter().all(|name| expected.contains(&name.as_str())),
        "{found:?}"
    );
    let before = pty.written.len();
    pty.send(b"\x1b\x1b");
    pty.settle();
    pty.send(b"7");
    pty.settle();
    pty.send(b"y");
    pty.wait("copied", |screen| screen.contains("copied"));
    let found = sequences(&pty.written[before..]);
    assert!(found.iter().any(|name| name == "]52;"), "{found:?}");
    assert_eq!(
        found.iter().filter(|name| name.starts_with(']')).count(),
        1,
        "{found:?}"
    );
}

#[test]
fn no_colour_is_no_colour_until_a_theme_is_chosen() {
    let capture = root().join("testdata/intrusion.scap");
    let has_colours = |pty: &Pty| {
        let (rows, columns) = pty.terminal().size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |at| (row, at)));
        cells.into_iter().any(|(row, at)| {
            let cell = pty.terminal().cell(row, at).unwrap();
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    };
    assert!(has_colours(&open(&capture)));

    let mut command = view(&capture);
    command.env("NO_COLOR", "1");
    let mut pty = Pty::start(command, SIZE);
    pty.wait("the first screen", |screen| screen.contains("17,280"));
    pty.settle();
    assert!(!has_colours(&pty));
    // What is selected is seen nevertheless.
    let is_reversed = |pty: &Pty| {
        let row = pty.terminal().size().0.get();
        (0..row).any(|row| pty.terminal().cell(row, 1).unwrap().inverse())
    };
    assert!(is_reversed(&pty));
    pty.send(b"3T");
    pty.settle();
    assert!(has_colours(&pty) && is_reversed(&pty));
}
