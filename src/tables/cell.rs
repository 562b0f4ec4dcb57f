//! Rows as bytes, in which they are passed between threads: one cell after the other.

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// It is not known, or there is none.
    Null,
    /// A number.
    Integer(i64),
    /// A floating point number.
    Real(f64),
    /// Text, valid UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Appends a number.
pub fn integer(out: &mut Vec<u8>, value: i64) {
    out.push(INTEGER);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a floating point number.
pub fn real(out: &mut Vec<u8>, value: f64) {
    out.push(REAL);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends NULL.
pub fn null(out: &mut Vec<u8>) {
    out.push(NULL);
}

/// Appends text. Bytes that are not valid UTF-8 are replaced by U+FFFD.
pub fn text(out: &mut Vec<u8>, value: &[u8]) {
    written(out, TEXT, |out| lossy(out, value));
}

/// Appends bytes.
pub fn blob(out: &mut Vec<u8>, value: &[u8]) {
    written(out, BLOB, |out| out.extend_from_slice(value));
}

/// Appends text that a function appends, which is valid UTF-8.
pub fn text_of(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    written(out, TEXT, write);
}

fn written(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let len = out.len() - at - 4;
    // A value is part of an event, which is much smaller than that.
    let len = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&len);
    }
}

/// Appends text, with U+FFFD in place of what is not valid UTF-8.
pub fn lossy(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Takes the next cell from the front of `bytes`; `None` at the end.
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Cell<'a>> {
    let (tag, rest) = bytes.split_first()?;
    let (cell, rest) = match *tag {
        NULL => (Cell::Null, rest),
        INTEGER | REAL => {
            let (value, rest) = rest.split_first_chunk::<8>()?;
            let cell = match *tag {
                INTEGER => Cell::Integer(i64::from_le_bytes(*value)),
                _ => Cell::Real(f64::from_le_bytes(*value)),
            };
            (cell, rest)
        }
        _ => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            let cell = match *tag {
                BLOB => Cell::Blob(value),
                _ => Cell::Text(value),
            };
            (cell, rest)
        }
    };
    *bytes = rest;
    Some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        integer(&mut out, -7);
        null(&mut out);
        text(&mut out, b"a\xffb\xe2\x82");
        blob(&mut out, b"\xff\0");
        real(&mut out, 0.5);
        let mut rest = &out[..];
        let cells: Vec<Cell<'_>> = std::iter::from_fn(|| take(&mut rest)).collect();
        let expected = [
            Cell::Integer(-7),
            Cell::Null,
            Cell::Text("a\u{fffd}b\u{fffd}".as_bytes()),
            Cell::Blob(b"\xff\0"),
            Cell::Real(0.5),
        ];
        assert_eq!(cells, expected);
        assert!(rest.is_empty());
        for len in 0..out.len() {
            let mut rest = &out[..len];
            let read = std::iter::from_fn(|| take(&mut rest)).count();
            assert!(read < cells.len(), "{len}");
        }
    }
}
