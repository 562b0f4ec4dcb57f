//! The output of chisels.
//!
//! A script may use colours and draw on the terminal; text of a capture may not. In a printed line
//! the two cannot be distinguished, so once a script has received text with control characters, its
//! output to a terminal keeps only colours and loses all other control sequences. Output to a file
//! or a pipe is unchanged, as with sysdig.

use std::io::{self, Write};

use crate::event::text::{self, Put};

/// The buffer is flushed at this size, in bytes.
const FULL: usize = 64 << 10;
/// Length limit of an escape sequence that is passed through.
const MAX_SEQUENCE: usize = 32;

/// The buffered output of chisels.
pub(super) struct Output {
    buffer: Vec<u8>,
    to: Box<dyn Write>,
    failed: Option<io::Error>,
    is_terminal: bool,
    /// True until a script receives text with control characters.
    trusted: bool,
    /// True until a script has text that is escaped already, whose backslashes have to stay as they are.
    is_raw: bool,
}

impl Output {
    pub(super) fn new(to: Box<dyn Write>, is_terminal: bool) -> Self {
        Self {
            buffer: Vec::new(),
            to,
            failed: None,
            is_terminal,
            trusted: true,
            is_raw: true,
        }
    }

    /// Notes that a script has escaped text.
    pub(super) fn handed_escaped(&mut self) {
        self.is_raw = false;
    }

    /// Checks text of a capture that a script receives.
    pub(super) fn handed(&mut self, text: &[u8]) {
        if self.is_terminal && self.trusted && text.iter().any(|b| !matches!(b, 0x20..=0x7e)) {
            let clean = |chunk: std::str::Utf8Chunk<'_>| {
                chunk.invalid().is_empty() && !chunk.valid().chars().any(text::is_unsafe)
            };
            self.trusted = text.utf8_chunks().all(clean);
        }
    }

    /// Prints.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.is_terminal {
            let put = if self.is_raw {
                text::escape_exact
            } else {
                text::escape
            };
            for_terminal(&mut self.buffer, bytes, self.trusted, put);
        } else if bytes.len() < FULL {
            self.buffer.extend_from_slice(bytes);
        } else {
            // It needs no copy.
            self.flush();
            if self.failed.is_none() {
                self.failed = self.to.write_all(bytes).err();
            }
        }
        if self.buffer.len() >= FULL {
            self.flush();
        }
    }

    /// Returns the buffer, for lines that are already escaped; call [`Self::written`] afterwards.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Flushes the buffer if it is full.
    pub(super) fn written(&mut self) {
        if self.buffer.len() >= FULL {
            self.flush();
        }
    }

    /// Flushes the buffer.
    pub(super) fn flush(&mut self) {
        if self.failed.is_none() && !self.buffer.is_empty() {
            let written = self.to.write_all(&self.buffer);
            self.failed = written.and_then(|()| self.to.flush()).err();
        }
        self.buffer.clear();
    }

    /// Returns the error of the output, once.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Returns true if the output has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
}

/// Appends the output of a script, without control sequences that are not allowed; `put` escapes.
fn for_terminal(out: &mut Vec<u8>, bytes: &[u8], trusted: bool, put: Put) {
    let mut rest = bytes;
    while !rest.is_empty() {
        // What is escaped is escaped in one piece: a backslash before it has to be told from its own.
        let escaped = (0..rest.len())
            .find(|at| passed(&rest[*at..], trusted) > 0)
            .unwrap_or(rest.len());
        let (head, tail) = rest.split_at(escaped);
        put(out, head);
        let (as_is, more) = tail.split_at(passed(tail, trusted));
        out.extend_from_slice(as_is);
        rest = more;
    }
}

/// Returns the length of what is printed unescaped at the start of a text.
fn passed(text: &[u8], trusted: bool) -> usize {
    match text {
        [b'\n' | b'\t', ..] => 1,
        [b'\r', ..] => usize::from(trusted),
        [0x1b, ..] => sequence(text, trusted),
        _ => 0,
    }
}

/// Returns the length of an allowed escape sequence at the start of a text; 0 = there is none.
fn sequence(text: &[u8], trusted: bool) -> usize {
    let Some(body) = text.strip_prefix(b"\x1b[") else {
        return 0;
    };
    let parameters = body
        .iter()
        .take(MAX_SEQUENCE)
        .take_while(|b| matches!(b, b'0'..=b'9' | b';' | b'?'))
        .count();
    let (parameters, end) = body.split_at(parameters);
    let harmless = match end.first() {
        Some(b'm') if trusted => true,
        // Text colours, except colours that hide text.
        Some(b'm') => parameters.split(|b| *b == b';').all(|p| {
            matches!(p, b"" | b"0" | b"00" | b"1" | b"01" | b"2" | b"4" | b"39")
                || matches!(p, [b'3', b'1'..=b'7'] | [b'9', b'1'..=b'7'])
        }),
        // Cursor positions and erasing.
        Some(b'A'..=b'H' | b'J' | b'K') => trusted && !parameters.contains(&b'?'),
        Some(b'h' | b'l') => trusted && parameters == b"?25",
        _ => false,
    };
    if harmless {
        2 + parameters.len() + 1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], trusted: bool) -> String {
        let mut out = Vec::new();
        for_terminal(&mut out, bytes, trusted, text::escape);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_script_draws() {
        let drawing = "\x1b[2J\x1b[0;0H\x1b[?25l\x1b[48;5;22m x\t\x1b[00m\r\n";
        assert_eq!(shown(drawing.as_bytes(), true), drawing);
    }

    #[test]
    fn what_a_terminal_must_not_obey_is_shown() {
        for trusted in [true, false] {
            assert_eq!(shown(b"\x1b]0;title\x07", trusted), "\\x1b]0;title\\x07");
            assert_eq!(shown(b"\x1bc\x9b2J", trusted), "\\x1bc\\x9b2J");
            assert_eq!(
                shown(b"\x1b[?1049h\x1b[31", trusted),
                "\\x1b[?1049h\\x1b[31"
            );
            assert_eq!(shown("a\u{202e}b é".as_bytes(), trusted), "a\\u{202e}b é");
        }
    }

    #[test]
    fn a_text_of_the_capture_takes_the_trust() {
        let mut output = Output::new(Box::new(io::sink()), true);
        output.handed("plain é".as_bytes());
        assert!(output.trusted);
        output.handed(b"\x1b[2J");
        assert!(!output.trusted);
        assert_eq!(shown(b"\x1b[1A\x1b[2Kx\r", false), "\\x1b[1A\\x1b[2Kx\\r");
        assert_eq!(shown(b"\x1b[31mred\x1b[0m", false), "\x1b[31mred\x1b[0m");
        assert_eq!(
            shown(b"\x1b[8mhidden\x1b[30m", false),
            "\\x1b[8mhidden\\x1b[30m"
        );
    }
}
