//! Escapes text from a capture for printing.
//!
//! File names, command lines and socket paths are chosen by the recorded programs, and a terminal obeys
//! control sequences in them. Printed text therefore contains no control characters, and no invisible characters
//! that reorder it. This differs from sysdig, which prints such bytes raw: `ESC` appears as
//! `\x1b`, a newline as `\n`, a bidirectional override as `\u{202e}`, a byte that is not UTF-8 as
//! `\xff`. A backslash is doubled where it would look like the beginning of such an escape, and only there, so that
//! ordinary names look the same as in sysdig.

use std::borrow::Cow;

use super::number;

/// How text from a capture is appended to a value.
pub type Put = fn(&mut Vec<u8>, &[u8]);

/// Appends text unchanged, for a value that is escaped as a whole.
pub fn raw(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
}

/// Appends text from a capture with visible escapes, from which it can be read back.
pub fn escape_exact(out: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text, |word| unprintable(word) | any_is(word, b'\\')) {
        out.extend_from_slice(text);
        return;
    }
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        escape(out, &rest[..=at]);
        if looks_escaped(&rest[at..]) {
            out.push(b'\\');
        }
        rest = &rest[at + 1..];
    }
    escape(out, rest);
}

/// Whether a text that begins with a backslash would be taken for an escape, or its first one be added to one.
fn looks_escaped(text: &[u8]) -> bool {
    let escaped_next = match text[1..].utf8_chunks().next() {
        None => false,
        Some(chunk) => chunk.valid().chars().next().is_none_or(is_unsafe),
    };
    escaped_next || read_escape(text).is_some()
}

/// Appends the text that [`escape_exact`] made an escaped one of. Backslashes that begin no escape stay.
pub fn unescape(out: &mut Vec<u8>, escaped: &[u8]) {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let len = match read_escape(rest) {
            None => {
                out.push(b'\\');
                1
            }
            Some((len, Escaped::Byte(byte))) => {
                out.push(byte);
                len
            }
            Some((len, Escaped::Char(c))) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                len
            }
        };
        rest = &rest[len..];
    }
    out.extend_from_slice(rest);
}

/// What an escape stands for.
enum Escaped {
    Byte(u8),
    Char(char),
}

/// Reads the escape at the beginning of a text, and returns its length, too.
fn read_escape(text: &[u8]) -> Option<(usize, Escaped)> {
    let number = |digits: &[u8]| {
        // A sign is not one of them.
        let are_digits = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = str::from_utf8(digits).ok().filter(|_| are_digits)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let byte = match *text {
        [_, b'\\', ..] => b'\\',
        [_, b'n', ..] => b'\n',
        [_, b'r', ..] => b'\r',
        [_, b't', ..] => b'\t',
        [_, b'x', high, low, ..] => {
            let byte = u8::try_from(number(&[high, low])?).ok()?;
            return Some((4, Escaped::Byte(byte)));
        }
        [_, b'u', b'{', ..] => {
            let most = "\\u{10ffff}".len();
            let end = text.iter().take(most).position(|b| *b == b'}')?;
            let c = char::from_u32(number(&text[3..end])?)?;
            return Some((end + 1, Escaped::Char(c)));
        }
        _ => return None,
    };
    Some((2, Escaped::Byte(byte)))
}

/// Appends `text` with all unsafe characters replaced by visible escapes. What is escaped already stays as it is: for
/// messages and lines that have escaped text in them. Text of a capture itself is escaped by [`escape_exact`].
pub fn escape(out: &mut Vec<u8>, text: &[u8]) {
    // Nearly every text is plain ASCII: one scan, one copy.
    if is_plain(text, unprintable) {
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

/// Every byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Whether a text has no byte for which `special` returns a bit. Tests eight bytes at a time; the last word is padded
/// with blanks, which must not be special.
#[inline]
pub fn is_plain(text: &[u8], special: impl Fn(u64) -> u64) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    words
        .iter()
        .all(|word| special(u64::from_le_bytes(*word)) == 0)
        && special(u64::from_le_bytes(last)) == 0
}

/// Returns 0 if all bytes of a word are printable ASCII characters.
#[inline]
pub fn unprintable(word: u64) -> u64 {
    let below_blank = word.wrapping_sub(ONES * 0x20) & !word;
    ((below_blank | word) & (ONES * 0x80)) | any_is(word, 0x7f)
}

/// Returns 0 if no byte of a word of ASCII characters is this one.
#[inline]
pub(crate) fn any_is(word: u64, byte: u8) -> u64 {
    let same_is_0 = word ^ (ONES * u64::from(byte));
    same_is_0.wrapping_sub(ONES) & !same_is_0 & (ONES * 0x80)
}

/// Whether a character must not reach a terminal unescaped.
pub fn is_unsafe(c: char) -> bool {
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

/// Returns the beginning of a word for a message, which a long word would make unreadable.
pub fn short(word: &str) -> Cow<'_, str> {
    /// Most bytes of a word that are printed.
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
    fn words_are_looked_at_as_their_bytes_would_be() {
        let quote = |word| unprintable(word) | any_is(word, b'"');
        for len in [1, 7, 8, 9, 15, 16, 17] {
            for (at, byte) in (0..len).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                for other in [b' ', b'a', b'~'] {
                    let mut text = vec![other; len];
                    text[at] = byte;
                    let is_printable = matches!(byte, 0x20..=0x7e);
                    assert_eq!(is_plain(&text, unprintable), is_printable, "{text:?}");
                    let is_plain_string = is_printable && byte != b'"';
                    assert_eq!(is_plain(&text, quote), is_plain_string, "{text:?}");
                }
            }
        }
        assert!(is_plain(b"", unprintable));
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
    fn escapes_can_be_read_back() {
        let exact = |text: &[u8]| {
            let mut out = Vec::new();
            escape_exact(&mut out, text);
            String::from_utf8(out).unwrap()
        };
        let read_back = |text: &str| {
            let mut out = Vec::new();
            unescape(&mut out, text.as_bytes());
            out
        };
        assert_eq!(exact(b"\\x \\u \\u{ \\x1g"), "\\x \\u \\u{ \\x1g");
        assert_eq!(exact(b"a\\c C:\\Dir\\"), "a\\c C:\\Dir\\");
        assert_eq!(exact(b"\x1b \\x1b"), "\\x1b \\\\x1b");
        assert_eq!(exact(b"\n\\n"), "\\n\\\\n");
        assert_eq!(exact(b"\xff\\xff"), "\\xff\\\\xff");
        let parts: [&[u8]; 14] = [
            b"\\",
            b"x",
            b"n",
            b"u{9b}",
            b"u{",
            b"}",
            b"\x1b",
            b"\n",
            b"\xff",
            b"1b",
            "\u{9b}".as_bytes(),
            "\u{e9}".as_bytes(),
            b"\xe2\x80",
            b"a",
        ];
        for number in 0..parts.len().pow(4) {
            let text: Vec<u8> = (0..4)
                .flat_map(|at| parts[number / parts.len().pow(at) % parts.len()])
                .copied()
                .collect();
            let shown = exact(&text);
            assert_eq!(read_back(&shown), text, "{shown}");
        }
        for kept in [
            "\\",
            "\\a",
            "\\x",
            "\\x1",
            "\\xg1",
            "\\x+1",
            "\\u{",
            "\\u{d800}",
            "\\u{}",
            "\\u{1234567890}",
        ] {
            assert_eq!(read_back(kept), kept.as_bytes());
        }
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
