//! The preamble and the section headers.
//!
//! Preamble, 16 bytes at offset 0:
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | magic `89 53 43 41 50 0d 0a 1a` |
//! | 8 | 2 | version of the format: 1, or 2 for captures merged from several recordings |
//! | 10 | 2 | 0 |
//! | 12 | 4 | file tag, a random number |
//!
//! Section header, 32 bytes in front of every body:
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | marker |
//! | 8 | 2 | kind |
//! | 10 | 2 | flags; bit 0: a reader that does not know the kind must stop |
//! | 12 | 4 | sequence number, from 0 on |
//! | 16 | 8 | length of the body |
//! | 24 | 4 | CRC-32 of the body |
//! | 28 | 4 | CRC-32 of the file tag and the 28 bytes before |
//!
//! The file tag is part of the header's checksum: a capture (or an attacker's imitation of one) that was read or
//! written during the recording is part of a chunk's data, and its sections must not be mistaken for those of
//! the file when a reader searches damaged bytes.

use std::hash::{BuildHasher as _, RandomState};

use crate::{Error, Result};

/// The first bytes of every capture: not text, and changed by every transfer that converts line ends.
pub const MAGIC: [u8; 8] = *b"\x89SCAP\r\n\x1a";

/// The version of the format for captures of one recording.
pub const VERSION: u16 = 1;

/// The version for captures merged from several recordings, see [`super::origin`].
pub const VERSION_MERGED: u16 = 2;

/// Length of the preamble in bytes.
pub const PREAMBLE_LEN: usize = 16;

/// Length of a section header in bytes.
pub const HEADER_LEN: usize = 32;

/// Marks the start of a section; random, with no byte twice.
pub const MARKER: [u8; 8] = [0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83];

/// Flag: a reader that does not know the kind cannot read the file correctly.
pub const MANDATORY: u16 = 1;

/// The kind of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SectionKind(pub u16);

impl SectionKind {
    /// Machine, options, schema; the first section.
    pub const HEADER: Self = Self(1);
    /// State at one time.
    pub const SNAPSHOT: Self = Self(2);
    /// Events.
    pub const CHUNK: Self = Self(3);
    /// Lost events.
    pub const LOSS: Self = Self(4);
    /// Positions of the sections.
    pub const INDEX: Self = Self(5);
    /// Position of the index; the last section.
    pub const FOOTER: Self = Self(6);
    /// Descriptions of containers.
    pub const CONTAINERS: Self = Self(7);
    /// What the capture was made from.
    pub const DERIVATION: Self = Self(9);
    /// A signature over all bytes before it.
    pub const SEAL: Self = Self(8);
    /// A time stamp of a seal.
    pub const TIME_STAMP: Self = Self(10);
    /// Names in the events of the chunks before it.
    pub const NAMES: Self = Self(11);

    /// Whether this program knows the kind.
    pub const fn is_known(self) -> bool {
        self.0 >= 1 && self.0 <= 11
    }

    /// Whether such a section may be appended to a complete capture: it can be sealed and stamped later, and by several
    /// people.
    pub const fn is_appended(self) -> bool {
        matches!(self, Self::SEAL | Self::TIME_STAMP)
    }

    /// Returns the flags of sections of this kind.
    pub const fn flags(self) -> u16 {
        match self {
            Self::HEADER | Self::SNAPSHOT | Self::CHUNK => MANDATORY,
            _ => 0,
        }
    }
}

/// Connects the section headers of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTag(pub u32);

impl FileTag {
    /// Returns an unpredictable tag.
    pub fn random() -> Self {
        let bits = RandomState::new().hash_one(0u8);
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits do")]
        Self(bits as u32)
    }
}

/// The contents of the preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// The file tag.
    pub tag: FileTag,
    /// Events come from several recordings: see [`super::origin`].
    pub is_merged: bool,
}

/// Writes the preamble.
pub fn preamble(preamble: Preamble) -> [u8; PREAMBLE_LEN] {
    let mut out = [0; PREAMBLE_LEN];
    out[..8].copy_from_slice(&MAGIC);
    let version = match preamble.is_merged {
        true => VERSION_MERGED,
        false => VERSION,
    };
    out[8..10].copy_from_slice(&version.to_le_bytes());
    out[12..].copy_from_slice(&preamble.tag.0.to_le_bytes());
    out
}

/// Reads the preamble from the first bytes of a file, as many as there are.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NotACapture`], [`Error::UnsupportedVersion`], or [`Error::Damaged`] for a
/// capture that ends inside the preamble.
pub fn parse_preamble(bytes: &[u8]) -> Result<Preamble> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if !bytes.starts_with(&MAGIC) {
        // A capture truncated inside its magic is distinguished from a foreign file as far as possible.
        return Err(if MAGIC.starts_with(bytes) {
            Error::damaged(0, "cut off inside the preamble")
        } else {
            Error::NotACapture
        });
    }
    let Some(bytes) = bytes.first_chunk::<PREAMBLE_LEN>() else {
        return Err(Error::damaged(0, "cut off inside the preamble"));
    };
    let [.., v0, v1, _, _, t0, t1, t2, t3] = *bytes;
    let found = u16::from_le_bytes([v0, v1]);
    let is_merged = match found {
        VERSION => false,
        VERSION_MERGED => true,
        _ => {
            return Err(Error::UnsupportedVersion {
                found,
                supported: VERSION_MERGED,
            });
        }
    };
    Ok(Preamble {
        tag: FileTag(u32::from_le_bytes([t0, t1, t2, t3])),
        is_merged,
    })
}

/// A section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionHeader {
    /// The kind.
    pub kind: SectionKind,
    /// Bit 0: [`MANDATORY`].
    pub flags: u16,
    /// Position of the section in the file, from 0 on; a gap shows that sections are missing.
    pub sequence: u32,
    /// Length of the body in bytes.
    pub body_len: u64,
    /// CRC-32 of the body.
    pub body_crc: u32,
}

impl SectionHeader {
    /// Writes the header.
    pub fn encode(&self, tag: FileTag) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MARKER);
        out[8..10].copy_from_slice(&self.kind.0.to_le_bytes());
        out[10..12].copy_from_slice(&self.flags.to_le_bytes());
        out[12..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16..24].copy_from_slice(&self.body_len.to_le_bytes());
        out[24..28].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = header_crc(tag, out.first_chunk().unwrap_or(&[0; 28]));
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Parses a header; `None` if the bytes are not a header, or damaged.
    pub fn parse(bytes: &[u8; HEADER_LEN], tag: FileTag) -> Option<Self> {
        if !bytes.starts_with(&MARKER) {
            return None;
        }
        let (fields, crc) = bytes.split_first_chunk::<28>()?;
        if header_crc(tag, fields).to_le_bytes() != crc {
            return None;
        }
        let [
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            k0,
            k1,
            f0,
            f1,
            s0,
            s1,
            s2,
            s3,
            rest @ ..,
        ] = *fields;
        let (len, crc) = rest.split_first_chunk::<8>()?;
        Some(Self {
            kind: SectionKind(u16::from_le_bytes([k0, k1])),
            flags: u16::from_le_bytes([f0, f1]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            body_len: u64::from_le_bytes(*len),
            body_crc: u32::from_le_bytes(*crc.first_chunk()?),
        })
    }

    /// Whether a reader that does not know the kind must stop.
    pub const fn is_mandatory(&self) -> bool {
        self.flags & MANDATORY != 0
    }
}

fn header_crc(tag: FileTag, fields: &[u8; 28]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&tag.0.to_le_bytes());
    hasher.update(fields);
    hasher.finalize()
}

/// Returns the position of the first marker in `bytes`.
pub(crate) fn find_marker(bytes: &[u8]) -> Option<usize> {
    let mut from = 0usize;
    while let Some(rest) = bytes.get(from..) {
        let at = from.saturating_add(rest.iter().position(|b| *b == MARKER[0])?);
        if bytes.get(at..).is_some_and(|b| b.starts_with(&MARKER)) {
            return Some(at);
        }
        from = at.saturating_add(1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_every_bit_counts() {
        let tag = FileTag(0x0102_0304);
        let header = SectionHeader {
            kind: SectionKind::CHUNK,
            flags: MANDATORY,
            sequence: 7,
            body_len: 1 << 40,
            body_crc: 0xdead_beef,
        };
        let bytes = header.encode(tag);
        assert_eq!(SectionHeader::parse(&bytes, tag), Some(header));
        assert_eq!(SectionHeader::parse(&bytes, FileTag(0x0102_0305)), None);
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SectionHeader::parse(&flipped, tag), None, "bit {bit}");
        }
    }

    #[test]
    fn versions_have_their_own_messages() {
        for is_merged in [true, false] {
            let tag = FileTag(5);
            let expected = Preamble { tag, is_merged };
            assert_eq!(parse_preamble(&preamble(expected)).unwrap(), expected);
        }
        let mut bytes = preamble(Preamble {
            tag: FileTag(5),
            is_merged: false,
        });
        for (version, text) in [
            (
                0u16,
                "capture format version 0, this program reads versions up to 2",
            ),
            (
                3,
                "capture format version 3, this program reads versions up to 2",
            ),
        ] {
            bytes[8..10].copy_from_slice(&version.to_le_bytes());
            assert_eq!(parse_preamble(&bytes).unwrap_err().to_string(), text);
        }
        assert!(matches!(parse_preamble(b""), Err(Error::Empty)));
        assert!(matches!(
            parse_preamble(b"\x89SC"),
            Err(Error::Damaged { .. })
        ));
        assert!(matches!(
            parse_preamble(b"\x7fELF"),
            Err(Error::NotACapture)
        ));
        assert!(matches!(parse_preamble(&MAGIC), Err(Error::Damaged { .. })));
    }

    #[test]
    fn markers_are_found() {
        let mut bytes = vec![0xd5; 9];
        assert_eq!(find_marker(&bytes), None);
        bytes.extend(MARKER);
        assert_eq!(find_marker(&bytes), Some(9));
        assert_eq!(find_marker(&bytes[10..]), None);
    }
}
