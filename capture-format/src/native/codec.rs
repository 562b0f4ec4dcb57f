//! Encodes metadata with bincode, and zstd for large values.
//!
//! Only this module uses bincode; encoded types derive serde's traits. Its authors stopped at 2.0.1, at which the crate is
//! pinned. The encoding is fixed and small (little-endian, variable-length integers, enumerations by number), is
//! specified in `docs/capture-format.md`, and is never used for events.
//!
//! | bytes | |
//! | --- | --- |
//! | u8 | 0 = not compressed, 1 = a zstd frame |
//! | u32 | length after decompression |
//! | … | the encoded value |

use std::io::Read;

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::check_limit;
use crate::{Error, Result, limits};

/// Bytes after decompression that [`decode_front`] looks at.
const FRONT: u64 = 64;

const STORED: u8 = 0;
const ZSTD: u8 = 1;

/// Shorter values are not compressed, and stay legible in a hex dump.
const COMPRESS_FROM: usize = 1024;

/// Metadata is written rarely, so a higher level than for events is affordable.
const LEVEL: i32 = 6;

type Config = Configuration<LittleEndian, Varint, Limit<{ limits::METADATA_DECODED }>>;

const fn config() -> Config {
    config::standard().with_limit::<{ limits::METADATA_DECODED }>()
}

/// Encodes a value without compression.
pub(crate) fn encode_plain<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    bincode::serde::encode_to_vec(value, config()).map_err(|_| Error::Limit {
        what: "metadata",
        value: u64::MAX,
        limit: limits::METADATA_DECODED as u64,
    })
}

/// Decodes a value that fills `bytes`. `offset` is used in errors.
pub(crate) fn decode_plain<T: DeserializeOwned>(bytes: &[u8], offset: u64) -> Result<T> {
    match bincode::serde::decode_from_slice(bytes, config()) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok(_) => Err(Error::damaged(
            offset,
            "metadata is longer than its content",
        )),
        Err(_) => Err(Error::damaged(offset, "metadata does not decode")),
    }
}

/// Encodes the body of a metadata section.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let raw = encode_plain(value)?;
    check_limit("metadata", raw.len() as u64, limits::METADATA_RAW as u64)?;
    let raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    let packed = if raw.len() >= COMPRESS_FROM {
        Some(zstd::bulk::compress(&raw, LEVEL).map_err(Error::Compress)?)
    } else {
        None
    };
    let (how, payload) = match &packed {
        Some(packed) if packed.len() < raw.len() => (ZSTD, packed),
        _ => (STORED, &raw),
    };
    let mut body = Vec::with_capacity(payload.len().saturating_add(5));
    body.push(how);
    body.extend_from_slice(&raw_len.to_le_bytes());
    body.extend_from_slice(payload);
    Ok(body)
}

/// Decodes the body of a metadata section. `offset` is used in errors.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8], offset: u64) -> Result<T> {
    let cut = Error::damaged(offset, "metadata is cut off");
    let Some((&[how, l0, l1, l2, l3], payload)) = body.split_first_chunk() else {
        return Err(cut);
    };
    let raw_len = u32::from_le_bytes([l0, l1, l2, l3]);
    check_limit("metadata", u64::from(raw_len), limits::METADATA_RAW as u64)?;
    match how {
        STORED => decode_plain(payload, offset),
        ZSTD => {
            // Memory is allocated for the frame's own content size, if it agrees.
            let promised = zstd::zstd_safe::get_frame_content_size(payload)
                .ok()
                .flatten();
            if promised != Some(u64::from(raw_len)) {
                return Err(Error::damaged(offset, "metadata length disagrees"));
            }
            let raw = zstd::bulk::decompress(payload, raw_len as usize)
                .map_err(|_| Error::damaged(offset, "metadata does not decompress"))?;
            decode_plain(&raw, offset)
        }
        _ => Err(Error::damaged(offset, "unknown metadata compression")),
    }
}

/// Decodes a value at the front of a metadata body, without reading more of it than is needed. What is behind it is not
/// checked.
pub(crate) fn decode_front<T: DeserializeOwned>(mut body: impl Read, offset: u64) -> Result<T> {
    let mut front = Vec::new();
    let mut prefix = [0; 5];
    let damaged = |_| Error::damaged(offset, "metadata is cut off");
    body.read_exact(&mut prefix).map_err(damaged)?;
    if prefix.first() == Some(&STORED) {
        body.take(FRONT).read_to_end(&mut front)?;
    } else {
        let decoder = zstd::stream::Decoder::new(body).map_err(Error::Compress)?;
        let read = decoder.take(FRONT).read_to_end(&mut front);
        read.map_err(|_| Error::damaged(offset, "metadata does not decompress"))?;
    }
    match bincode::serde::decode_from_slice(&front, config()) {
        Ok((value, _)) => Ok(value),
        Err(_) => Err(Error::damaged(offset, "metadata does not decode")),
    }
}

/// Lists of byte strings, each of which is copied at once instead of byte by byte.
pub(crate) mod byte_strings {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    pub(crate) fn serialize<S: Serializer>(
        strings: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(strings.iter().map(|string| Bytes::new(string)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let strings = Vec::<ByteBuf>::deserialize(deserializer)?;
        Ok(strings.into_iter().map(ByteBuf::into_vec).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_small_and_large() {
        for len in [0usize, 10, 1023, 100_000] {
            let value: Vec<u32> = (0..len as u32).map(|i| i % 1000).collect();
            let body = encode(&value).unwrap();
            assert_eq!(decode::<Vec<u32>>(&body, 0).unwrap(), value);
        }
    }

    #[test]
    fn a_huge_length_claims_no_memory() {
        let mut body = vec![STORED, 0, 0, 0, 0];
        body.extend([0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        assert!(decode::<Vec<u64>>(&body, 7).unwrap_err().is_damage());
        let body = [ZSTD, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        assert!(matches!(decode::<u8>(&body, 7), Err(Error::Limit { .. })));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut body = encode(&1u8).unwrap();
        body.push(0);
        assert!(decode::<u8>(&body, 0).is_err());
    }
}
