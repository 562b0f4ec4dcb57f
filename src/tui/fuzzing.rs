//! The parsers of files that `view` reads, for the fuzzer; see [`crate::fuzzing`].

use super::model::Play;
use super::notes::Notes;
use crate::inspect::io_stream::IoChunk;
use crate::state::Text;

/// Notes on a capture: those that are read can be written, read again, and printed.
pub(crate) fn notes(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(notes) = Notes::parse(text) else {
        return;
    };
    let again = notes.toml().map(|text| Notes::parse(&text));
    assert_eq!(again, Ok(Ok(notes.clone())));
    let markdown = notes.markdown();
    assert!(!markdown.chars().any(|c| c.is_control() && c != '\n'));
}

/// What was written to a terminal, played back in a small one.
pub(crate) fn terminal(bytes: &[u8]) {
    let Some((&[rows, columns], data)) = bytes.split_first_chunk() else {
        return;
    };
    let (rows, columns) = (u16::from(rows % 32), u16::from(columns % 96));
    let mut play = Play::new(rows, columns, 0, 0, 0);
    let chunk = |ts: u64, data: &[u8]| IoChunk {
        num: ts,
        ts,
        pid: 1,
        comm: Text::default(),
        fd: 1,
        name: Text::default(),
        read: false,
        data: data.to_vec(),
        len: data.len() as u64,
    };
    let (first, second) = data.split_at(data.len() / 2);
    play.go_on(&[chunk(0, first), chunk(1, second)], u64::MAX);
    for row in 0..rows {
        for column in 0..columns {
            let cell = play.screen.screen().cell(row, column);
            let text = cell.map(|cell| cell.contents()).unwrap_or_default();
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
