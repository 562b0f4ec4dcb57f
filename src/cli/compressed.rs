//! Captures wrapped in a compressed file.
//!
//! The streams are read as they come, with bounded memory. Damage ends a stream: the data before it
//! is intact and is used, the damage is kept for the report at the end.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;

/// How many bytes of a file [`Compression::of`] looks at.
pub(super) const MAGIC_BYTES: usize = 6;
/// The largest window of a zstd or xz stream, as a power of two. It is the limit of `zstd -d` too,
/// and twice what `xz -9` makes.
const WINDOW_LOG: u32 = 27;
/// How much of a gzip stream is searched for the first bytes of its content.
const GZIP_HEAD: u64 = 1 << 20;

/// A compressed stream, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    /// `legacy`: without a mark at the end.
    Lz4 {
        legacy: bool,
    },
    Xz,
    /// One that cannot be read, with its name and the command that decompresses it.
    Unsupported(&'static str, &'static str),
}

impl Compression {
    /// Detects a compressed stream from its first bytes.
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        const LZ4: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
        const LZ4_LEGACY: [u8; 4] = 0x184c_2102_u32.to_le_bytes();
        const UNSUPPORTED: [(&[u8], &str, &str); 8] = [
            (b"BZh", "bzip2", "bzip2 -dk"),
            (b"PK\x03\x04", "zip", "unzip"),
            (b"7z\xbc\xaf\x27\x1c", "7z", "7z x"),
            (b"LZIP", "lzip", "lzip -dk"),
            (b"\x89LZO", "lzop", "lzop -d"),
            (b"\x1f\x9d", "compress", "gzip -dk"),
            (b"\x5d\x00\x00", "lzma", "xz -dk"),
            (b"\xff\x06\x00\x00sN", "snappy", "snzip -dk"),
        ];
        // pzstd starts its files with a skippable frame.
        let is_skippable = matches!(first, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if first.starts_with(&[0x1f, 0x8b]) {
            Some(Self::Gzip)
        } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || is_skippable {
            Some(Self::Zstd)
        } else if first.starts_with(&LZ4) || first.starts_with(&LZ4_LEGACY) {
            let legacy = first.starts_with(&LZ4_LEGACY);
            Some(Self::Lz4 { legacy })
        } else if first.starts_with(b"\xfd7zXZ\0") {
            Some(Self::Xz)
        } else {
            let mut unsupported = UNSUPPORTED.iter();
            unsupported
                .find(|(magic, ..)| first.starts_with(magic))
                .map(|(_, name, command)| Self::Unsupported(name, command))
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 { .. } => "lz4",
            Self::Xz => "xz",
            Self::Unsupported(name, _) => name,
        })
    }
}

/// Bytes to be read.
pub(super) type Bytes = Box<dyn Read + Send>;

/// Where a damaged stream leaves what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage(Arc<OnceLock<String>>);

impl Damage {
    /// Returns what is wrong, if damage was found so far.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Returns the content of a compressed stream, which ends at the first damage.
pub(super) fn decompress(
    compression: Compression,
    bytes: Bytes,
    damage: &Damage,
) -> io::Result<Bytes> {
    let decoder = match compression {
        Compression::Gzip => Decoder::Other(Box::new(MultiGzDecoder::new(bytes))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(bytes)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Decoder::Other(Box::new(decoder))
        }
        Compression::Lz4 { legacy } => Decoder::Lz4 {
            frames: Box::new(FrameDecoder::new(Marked {
                bytes: io::BufReader::new(bytes),
                count: 0,
                is_at_end: false,
            })),
            legacy,
        },
        Compression::Xz => {
            let kib = (1 << (WINDOW_LOG - 10)) + 1024;
            let bytes = io::BufReader::new(bytes);
            Decoder::Other(Box::new(XzReader::new_mem_limit(bytes, true, kib)))
        }
        Compression::Unsupported(..) => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(Box::new(Content {
        compression,
        decoder,
        damage: damage.clone(),
    }))
}

/// Returns the first bytes of the content of a gzip stream, at most `N`, and the stream again from
/// its beginning.
pub(super) fn gzip_head<const N: usize>(bytes: Bytes) -> (Vec<u8>, Bytes) {
    let mut head = Vec::new();
    let mut tee = Tee {
        bytes,
        seen: Vec::new(),
    };
    let limited = tee.by_ref().take(GZIP_HEAD);
    // An error shows again when the stream is read.
    let _shown_later = MultiGzDecoder::new(limited)
        .take(N as u64)
        .read_to_end(&mut head);
    (head, Box::new(io::Cursor::new(tee.seen).chain(tee.bytes)))
}

/// A reader that keeps what it has read.
struct Tee {
    bytes: Bytes,
    seen: Vec<u8>,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.seen.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// A reader that remembers how much it has read and whether it has come to its end.
struct Marked {
    bytes: io::BufReader<Bytes>,
    count: u64,
    is_at_end: bool,
}

impl Read for Marked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.count += count as u64;
        self.is_at_end |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

enum Decoder {
    Lz4 {
        frames: Box<FrameDecoder<Marked>>,
        legacy: bool,
    },
    Other(Bytes),
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (frames, legacy) = match self {
            Self::Other(bytes) => return bytes.read(buffer),
            Self::Lz4 { frames, legacy } => (frames, *legacy),
        };
        // The decoder returns 0 at the end of each frame, and also where the input ends within one.
        let mut frame_end = None;
        loop {
            match frames.read(buffer)? {
                0 if !frames.get_ref().is_at_end => frame_end = Some(frames.get_ref().count),
                0 if legacy || frame_end == Some(frames.get_ref().count) => return Ok(0),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => return Ok(count),
            }
        }
    }
}

/// The content of a compressed stream.
struct Content {
    compression: Compression,
    decoder: Decoder,
    damage: Damage,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.damage.get().is_some() {
            return Ok(0);
        }
        match self.decoder.read(buffer) {
            // The file is not readable, as opposed to its content.
            Err(error)
                if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted =>
            {
                Err(error)
            }
            Err(error) => {
                let compression = self.compression;
                let what = match error.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        format!("the {compression} stream around the capture is cut off")
                    }
                    io::ErrorKind::OutOfMemory => format!(
                        "the {compression} stream around the capture needs a window of more than {} MiB",
                        1 << (WINDOW_LOG - 20)
                    ),
                    _ => format!("the {compression} stream around the capture is damaged: {error}"),
                };
                let _first = self.damage.0.set(what);
                Ok(0)
            }
            read => read,
        }
    }
}
