//! Keys, mouse and sizes.

use super::{SIZE, intrusion, open, picture};
use crate::pty::Pty;

/// A mouse event as terminals send it (SGR): button, column and row from 0 on, pressed or moved, else released.
fn mouse(button: u8, column: u16, row: u16, pressed: bool) -> Vec<u8> {
    let end = if pressed { 'M' } else { 'm' };
    format!("\x1b[<{button};{};{}{end}", column + 1, row + 1).into_bytes()
}

fn click(pty: &mut Pty, column: u16, row: u16) {
    pty.send(&mouse(0, column, row, true));
    pty.send(&mouse(0, column, row, false));
}

/// Row and column of a text on the screen.
fn place(pty: &Pty, text: &str) -> (u16, u16) {
    let screen = pty.screen();
    let found = screen.lines().enumerate().find_map(|(row, line)| {
        let at = line.find(text)?;
        Some((line[..at].chars().count() as u16, row as u16))
    });
    found.unwrap_or_else(|| panic!("no {text} in\n{screen}"))
}

#[test]
fn keys_do_what_they_do_in_a_script() {
    let capture = intrusion();
    let mut pty = open(&capture);
    // What a terminal sends, and the same as scripts name it.
    let steps: [(&[u8], &str); 16] = [
        (b"3", "3"),
        (b"\x1b[B", "<Down>"),
        (b"\x1bOB", "<Down>"),
        (b"\r", "<Enter>"),
        (b"\x7f", "<Backspace>"),
        (b"\x1bOQ", "<F2>"),
        (b"\x1b", "<Esc>"),
        (b"5\x1b[1;2C\x1b[1;2C", "5<S-Right><S-Right>"),
        (b"\x1b[1;2D", "<S-Left>"),
        (b"\x1b", "<Esc>"),
        (b":proc.name=pq\x7ferl", ":proc.name=perl"),
        (b"\r", "<Enter>"),
        (b"2", "2"),
        (b"\x1b[6~", "<PageDown>"),
        (b"\x1b[Z\t\x1b[20~", "<S-Tab><Tab><F9>"),
        (b"\x1b[H", "<Home>"),
    ];
    let mut keys = String::new();
    for (bytes, names) in steps {
        pty.send(bytes);
        keys.push_str(names);
        pty.shows(&keys, &picture(&capture, &keys, SIZE));
    }
}

#[test]
fn the_mouse_clicks_drags_and_turns() {
    let capture = intrusion();
    let mut pty = open(&capture);
    let (column, row) = place(&pty, "3 Processes");
    click(&mut pty, column + 2, row);
    pty.shows("a tab", &picture(&capture, "3", SIZE));

    let (column, row) = place(&pty, "EVENTS");
    let before = pty.screen();
    click(&mut pty, column + 1, row);
    pty.wait("sorted", |screen| screen != before);
    let sorted = picture(&capture, "3><Down><Down><Down><Enter>", SIZE);
    pty.shows("a title", &sorted);
    // The other way round.
    click(&mut pty, column + 1, row);
    pty.shows(
        "a title again",
        &picture(&capture, "3><Down><Down><Down><Enter>r", SIZE),
    );
    click(&mut pty, column + 1, row);
    pty.shows("a title a third time", &sorted);

    let lane = place(&pty, "files").1;
    let axis = place(&pty, "20:20:32").1;
    pty.send(&mouse(64, 10, lane, true));
    pty.shows("zoomed in", &{
        picture(&capture, "3><Down><Down><Down><Enter>+", SIZE)
    });
    pty.send(&mouse(65, 40, axis, true));
    pty.shows("zoomed out", &sorted);

    // In the table the wheel moves the selected row.
    pty.send(&mouse(65, 40, axis + 5, true));
    pty.shows("scrolled", &{
        picture(
            &capture,
            "3><Down><Down><Down><Enter><Down><Down><Down>",
            SIZE,
        )
    });
    pty.send(b"\x1b[H");
    pty.shows("back", &sorted);

    // From the cursor's column, four columns are selected: the last one whole.
    pty.send(&mouse(0, 10, lane, true));
    for column in 11..14 {
        pty.send(&mouse(32, column, lane, true));
    }
    pty.send(&mouse(0, 13, lane, false));
    pty.wait("a range", |screen| screen.contains("selected range"));
    let with_keys = picture(
        &capture,
        "3><Down><Down><Down><Enter><S-Right><S-Right><S-Right><S-Right>",
        SIZE,
    );
    // A step of the cursor may be some nanoseconds less than a column.
    let body = |screen: &str| screen.lines().skip(12).collect::<Vec<_>>().join("\n");
    pty.wait("what is in the range", |screen| {
        body(screen) == body(&with_keys)
    });
    pty.send(b"\x1b");
    pty.wait("no range", |screen| body(screen) == body(&sorted));
}

#[test]
fn the_screen_follows_the_terminals_size() {
    let capture = intrusion();
    let mut pty = open(&capture);
    pty.send(b"3");
    for size in [(120, 40), (60, 18), (30, 10), SIZE, (200, 60), SIZE] {
        pty.resize(size);
        pty.shows(&format!("{size:?}"), &picture(&capture, "3", size));
    }
}

#[test]
fn an_unknown_size_is_80x24() {
    let capture = intrusion();
    let mut pty = Pty::start(super::view(&capture), (0, 0));
    pty.shows("80x24", &picture(&capture, "", SIZE));
    pty.send(b"3");
    pty.shows("80x24", &picture(&capture, "3", SIZE));
    pty.resize((120, 40));
    pty.shows("120x40", &picture(&capture, "3", (120, 40)));
}

#[test]
fn bytes_that_are_no_keys_do_no_harm() {
    let capture = intrusion();
    let mut pty = open(&capture);
    // Answers nobody asked for, cut sequences, broken UTF-8, NUL.
    pty.send(b"\x1b[?1;2c\x1b[5;5R\x1b]11;rgb:0000/0000/0000\x07");
    pty.send(b"\xff\xfe\xc3(\xe2\x82\x00\x1b[<9999999999;1;1M\x1b[<0;65535;65535M\x1b[200;9u");
    pty.settle();
    // A paste is what was typed as quickly.
    pty.send(b"\x1b\x1b\x1b1");
    pty.settle();
    pty.send(b":\x1b[200~proc.name=perl\x1b[201~\x1b");
    pty.settle();
    pty.send(b"\x1b\x1b\x1b13");
    pty.wait("alive", |screen| screen.contains("COMMAND"));
    assert!(pty.is_raw());
    // Whatever comes: it has to be taken, and the screen be there afterwards.
    let mut state = 1_u64;
    let mut noise: Vec<u8> = (0..1 << 16)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        })
        // But what ends it, and what writes files.
        .filter(|byte| !matches!(byte, b'q' | 3 | b'w' | b'm'))
        .collect();
    // Should a mouse event have begun, this is its end.
    noise.push(b'M');
    pty.send(&noise);
    // While it is still busy with that, keys pile up: an escape that is read with what follows it is
    // another key, and closes nothing.
    let has_help = |pty: &Pty| pty.screen().contains("everywhere");
    for _ in 0..10 {
        for _ in 0..8 {
            pty.send(b"\x1b");
            pty.settle();
        }
        pty.send(b"?");
        pty.settle();
        if has_help(&pty) {
            break;
        }
    }
    assert!(has_help(&pty), "{}", pty.screen());
}
