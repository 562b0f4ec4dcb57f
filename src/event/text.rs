//! Text from a capture, made safe to print.
//!
//! File names, command lines and socket paths are chosen by whoever was recorded, and a terminal obeys
//! control sequences in them. Printed text therefore holds no control character and nothing invisible
//! that reorders what is seen. This differs from sysdig, which prints such bytes raw: `ESC` appears as
//! `\x1b`, a newline as `\n`, a bidirectional override as `\u{202e}`, a byte that is not UTF-8 as
//! `\xff`. Backslashes stay single, as in sysdig, so that ordinary names look the same in both.

use std::borrow::Cow;

use super::number;

/// Appends `text` with everything unsafe replaced by a visible escape.
pub fn escape(out: &mut Vec<u8>, text: &[u8]) {
    // Nearly every text is plain ASCII: one scan, one copy.
    if text.iter().all(|b| matches!(b, 0x20..=0x7e)) {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unsafe(c) {
                escape_char(out, c);
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        for byte in chunk.invalid() {
            escape_byte(out, *byte);
        }
    }
}

/// Whether a character must not reach a terminal as it is.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Arabic letter mark, soft hyphen, zero-width and direction marks, line and paragraph
            // separators, embeddings and overrides, invisible operators and isolates, byte order mark,
            // interlinear annotations, tags.
            '\u{61c}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn escape_char(out: &mut Vec<u8>, c: char) {
    match c {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ => match u8::try_from(c) {
            Ok(byte) if byte < 0x80 => escape_byte(out, byte),
            _ => {
                out.extend_from_slice(b"\\u{");
                number::hex_lower(out, u64::from(u32::from(c)));
                out.push(b'}');
            }
        },
    }
}

/// Appends a byte as `\\xNN`.
pub(crate) fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[
        b'\\',
        b'x',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

/// Returns the beginning of a word that a message names: nobody reads a megabyte.
pub(crate) fn short(word: &str) -> Cow<'_, str> {
    /// Bytes of a word that are shown.
    const MOST: usize = 200;
    if word.len() <= MOST {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("{}…", &word[..word.floor_char_boundary(MOST)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_text_is_untouched() {
        assert_eq!(escaped(b"/etc/passwd"), "/etc/passwd");
        assert_eq!(escaped(b"a b\\c"), "a b\\c");
        assert_eq!(
            escaped("/tmp/h\u{e9}llo \u{65e5}".as_bytes()),
            "/tmp/h\u{e9}llo \u{65e5}"
        );
        assert_eq!(escaped(b""), "");
    }

    #[test]
    fn nothing_reaches_a_terminal_raw() {
        assert_eq!(escaped(b"\x1b[2J"), "\\x1b[2J");
        assert_eq!(escaped(b"a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(escaped(b"\0\x07\x7f"), "\\x00\\x07\\x7f");
        assert_eq!(escaped("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        assert_eq!(
            escaped("x\u{202e}y\u{2066}".as_bytes()),
            "x\\u{202e}y\\u{2066}"
        );
        assert_eq!(escaped(b"\xff\x9b ok"), "\\xff\\x9b ok");
        assert_eq!(escaped(b"cut \xe2\x80"), "cut \\xe2\\x80");
        for byte in 0..=255_u8 {
            let text = escaped(&[byte, b'a']);
            assert!(!text.chars().any(char::is_control), "{byte}");
        }
    }
}
