//! The derivation section: what a capture was made from.
//!
//! A part of a capture, a merged or a redacted one names the files that it was made from, with their hashes, so that whoever
//! has these files can compare.

use serde::{Deserialize, Serialize};

use super::Extra;

/// Body of a derivation section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivation {
    /// How the capture was made: the name of scap's command.
    pub operation: String,
    /// Name and version of the program (`scap 0.1.0`).
    pub writer: String,
    /// Options of the operation as (name, value), as they were given.
    pub options: Vec<(String, String)>,
    /// The captures that it was made from, in the order in which they were given.
    pub parents: Vec<Parent>,
    /// Room for later versions.
    pub extra: Extra,
}

/// A file that a capture was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its name without directories; empty if it is not to be known.
    pub name: String,
    /// The file as it was, unless it was a pipe.
    pub file: Option<FileIdentity>,
    /// Room for later versions.
    pub extra: Extra,
}

/// The identity of a file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Length in bytes.
    pub len: u64,
    /// BLAKE3 hash of all of its bytes.
    pub blake3: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::codec;

    #[test]
    fn the_encoding_is_as_specified() {
        let derivation = Derivation {
            operation: "slice".into(),
            writer: "scap 1".into(),
            options: vec![("from".into(), "+1s".into())],
            parents: vec![
                Parent {
                    name: "a".into(),
                    file: Some(FileIdentity {
                        len: 300,
                        blake3: [7; 32],
                    }),
                    extra: Vec::new(),
                },
                Parent::default(),
            ],
            extra: Vec::new(),
        };
        let body = codec::encode(&derivation).unwrap();
        let mut expected = b"\0\x48\0\0\0\x05slice\x06scap 1\x01\x04from\x03+1s".to_vec();
        expected.extend_from_slice(b"\x02\x01a\x01\xfb\x2c\x01");
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(b"\0\0\0\0\0");
        expected[1] = u8::try_from(expected.len() - 5).unwrap();
        assert_eq!(body, expected);
        assert_eq!(codec::decode::<Derivation>(&body, 0).unwrap(), derivation);
    }
}
