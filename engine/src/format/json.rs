//! JSON strings of bytes that need not be UTF-8.

use crate::event::text;

/// Appends bytes as a JSON string that is safe to print: control characters and characters that
/// change how a terminal shows text are escaped, bytes that are not UTF-8 appear as `\xNN`, and a
/// backslash that would look like that is doubled.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, bytes, is_ambiguous);
}

/// Appends text that is escaped already as a JSON string.
pub fn rendered(out: &mut Vec<u8>, text: &[u8]) {
    write(out, text, |_| false);
}

fn write(out: &mut Vec<u8>, bytes: &[u8], is_ambiguous: impl Fn(&[u8]) -> bool) {
    out.push(b'"');
    let special =
        |word| text::unprintable(word) | text::any_is(word, b'"') | text::any_is(word, b'\\');
    if text::is_plain(bytes, special) {
        out.extend_from_slice(bytes);
    } else {
        let mut rest = bytes;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                character(out, c);
                if c == '\\' && is_ambiguous(rest) {
                    character(out, c);
                }
            }
            rest = rest.get(chunk.invalid().len()..).unwrap_or_default();
            for byte in chunk.invalid() {
                out.push(b'\\');
                text::escape_byte(out, *byte);
            }
        }
    }
    out.push(b'"');
}

/// Whether a backslash before these bytes would be taken for a part of `\xNN`.
fn is_ambiguous(after: &[u8]) -> bool {
    match after.utf8_chunks().next() {
        None => false,
        Some(chunk) => chunk.valid().is_empty() || chunk.valid().starts_with(['\\', 'x']),
    }
}

fn character(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c if text::is_unsafe(c) => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(DIGITS[usize::from(*unit >> shift & 15)]);
                }
            }
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_read_back() {
        let shown = |bytes: &[u8]| {
            let mut out = Vec::new();
            string(&mut out, bytes);
            assert!(!out.iter().any(u8::is_ascii_control), "{out:?}");
            serde_json::from_slice::<String>(&out).unwrap()
        };
        assert_eq!(shown(b"plain"), "plain");
        assert_eq!(shown(b"a\"b\\c\n\x1b\0"), "a\"b\\c\n\x1b\0");
        assert_eq!(
            shown("\u{202e}\u{9b}\u{e0001}\u{e9}".as_bytes()),
            "\u{202e}\u{9b}\u{e0001}\u{e9}"
        );
        assert_eq!(shown(b"\xff!"), "\\xff!");
        // A name that has these four characters is another one.
        assert_eq!(shown(b"\\xff!"), "\\\\xff!");
        assert_eq!(shown(b"\\\xff"), "\\\\\\xff");
        assert_eq!(shown(b"\\\\a\\b\\"), "\\\\\\a\\b\\");
        for byte in 0..=255_u8 {
            shown(&[b'x', byte]);
        }
    }
}
