//! Buffers in sysdig's formats: dots, hex, hex with text, text, base64.

/// The format of buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferFormat {
    /// Printable bytes, `.` for all others, truncated to [`MAX_DOTS`] bytes.
    #[default]
    Dots,
    /// The same, not truncated.
    AllDots,
    /// Rows of hexadecimal (`-x`).
    Hex,
    /// Rows of hexadecimal and text (`-X`).
    HexAscii,
    /// Printable bytes and line breaks (`-A`).
    Ascii,
    /// One base64 text (`-b`).
    Base64,
}

/// The most bytes of a buffer that one line shows; a longer one ends in `...` within this limit.
pub const MAX_DOTS: usize = 80;

/// Bytes in a row of hexadecimal.
const ROW: usize = 16;
/// Columns of a full row of hexadecimal: eight groups of four digits, seven spaces.
const ROW_COLUMNS: usize = 39;

/// Appends `data` in the chosen form.
pub fn render(out: &mut Vec<u8>, data: &[u8], format: BufferFormat) {
    if data.is_empty() {
        return;
    }
    match format {
        BufferFormat::Dots => dots(out, data),
        BufferFormat::AllDots => out.extend(data.iter().map(|b| dot(*b))),
        BufferFormat::Hex => rows(out, data, false),
        BufferFormat::HexAscii => rows(out, data, true),
        BufferFormat::Ascii => ascii(out, data),
        BufferFormat::Base64 => base64(out, data),
    }
}

/// Whether [`render`] leaves out the end of `data` and marks that.
pub fn is_shortened(data: &[u8], format: BufferFormat) -> bool {
    format == BufferFormat::Dots && data.len() > MAX_DOTS
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

fn dot(byte: u8) -> u8 {
    if is_printable(byte) { byte } else { b'.' }
}

fn dots(out: &mut Vec<u8>, data: &[u8]) {
    if data.len() > MAX_DOTS {
        out.extend(data[..MAX_DOTS - 3].iter().map(|b| dot(*b)));
        out.extend_from_slice(b"...");
    } else {
        out.extend(data.iter().map(|b| dot(*b)));
    }
}

fn rows(out: &mut Vec<u8>, data: &[u8], with_text: bool) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hex = |out: &mut Vec<u8>, byte: u8| {
        out.extend_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    };
    for (index, row) in data.chunks(ROW).enumerate() {
        out.extend_from_slice(b"\n\t0x");
        let offset = index * ROW;
        let shift = if offset > 0xffff { 32 } else { 16 };
        for bits in (0..shift).step_by(8).rev() {
            hex(out, u8::try_from(offset >> bits & 0xff).unwrap_or(0));
        }
        out.extend_from_slice(b": ");
        let start = out.len();
        for (i, pair) in row.chunks(2).enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            for byte in pair {
                hex(out, *byte);
            }
        }
        if with_text {
            out.resize(start + ROW_COLUMNS + 2, b' ');
            out.extend(row.iter().map(|b| dot(*b)));
        }
    }
    out.push(b'\n');
}

/// Prints text with its line breaks, of which a carriage return is one. All other unprintable bytes are omitted, so that
/// no control sequence reaches the terminal.
fn ascii(out: &mut Vec<u8>, data: &[u8]) {
    out.push(b'\n');
    let mut after_return = false;
    for byte in data {
        match byte {
            b'\r' => out.push(b'\n'),
            b'\n' if after_return => {}
            b'\n' => out.push(b'\n'),
            b if is_printable(*b) => out.push(*b),
            _ => {}
        }
        after_return = *byte == b'\r';
    }
}

fn base64(out: &mut Vec<u8>, data: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in data.chunks(3) {
        let word = group
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for i in 0..4 {
            if i <= group.len() {
                let index = usize::try_from(word >> (18 - 6 * i) & 63).unwrap_or(0);
                out.push(ALPHABET[index]);
            } else {
                out.push(b'=');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: &[u8], format: BufferFormat) -> String {
        let mut out = Vec::new();
        render(&mut out, data, format);
        String::from_utf8(out).unwrap()
    }

    /// The input given to sysdig 0.29.3, with every special byte.
    const AWKWARD: &[u8] = b"\x01\x1b[31m\r\n\t\n\r \xc3\xa9\xff\x7f\nend";

    #[test]
    fn dots_are_cut() {
        assert_eq!(shown(AWKWARD, BufferFormat::Dots), "..[31m..... .....end");
        assert_eq!(shown(&[b'a'; 80], BufferFormat::Dots), "a".repeat(80));
        assert_eq!(
            shown(&[b'a'; 81], BufferFormat::Dots),
            "a".repeat(77) + "..."
        );
        assert_eq!(shown(b"", BufferFormat::Dots), "");
    }

    #[test]
    fn hex_rows() {
        assert_eq!(
            shown(AWKWARD, BufferFormat::Hex),
            "\n\t0x0000: 011b 5b33 316d 0d0a 090a 0d20 c3a9 ff7f\n\t0x0010: 0a65 6e64\n"
        );
        assert_eq!(
            shown(AWKWARD, BufferFormat::HexAscii),
            "\n\t0x0000: 011b 5b33 316d 0d0a 090a 0d20 c3a9 ff7f  ..[31m..... ....\n\
             \t0x0010: 0a65 6e64                                .end\n"
        );
        assert!(shown(&[b'z'; 33], BufferFormat::Hex).ends_with("\n\t0x0020: 7a\n"));
        assert!(shown(&[0; 0x1_0010], BufferFormat::Hex).contains("\n\t0x00010000: 0000"));
    }

    #[test]
    fn ascii_keeps_line_ends_only() {
        assert_eq!(shown(AWKWARD, BufferFormat::Ascii), "\n[31m\n\n\n \nend");
        assert_eq!(shown(b"\r\r\n\n", BufferFormat::Ascii), "\n\n\n\n");
    }

    #[test]
    fn base64_pads() {
        assert_eq!(
            shown(AWKWARD, BufferFormat::Base64),
            "ARtbMzFtDQoJCg0gw6n/fwplbmQ="
        );
        assert_eq!(shown(b"\r\r\n\n", BufferFormat::Base64), "DQ0KCg==");
        assert_eq!(shown(b"zzz", BufferFormat::Base64), "enp6");
    }
}
