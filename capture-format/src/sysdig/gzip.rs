//! Decompresses a gzip stream of any number of members, and recovers as much as possible of a damaged one.
//!
//! `flate2`'s reader of whole gzip streams drops the data that it has decompressed from a block with an error, and so up
//! to a buffer of intact events; this one does not.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// The first bytes of every member.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

const INPUT_BYTES: usize = 64 << 10;

/// Position of the stream relative to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a member; the first one is required.
    Head {
        first: bool,
    },
    Body,
    Tail,
    End,
}

/// Result of filling a buffer.
pub(super) enum Filled {
    /// This number of bytes was written; more can follow.
    Bytes(usize),
    /// The stream is at its end.
    End,
    /// The stream is damaged; the data before is intact. `fatal`: nothing can follow.
    Damaged { what: &'static str, fatal: bool },
}

/// A gzip stream being decompressed.
pub(super) struct Gzip<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    input_ended: bool,
    inflate: Decompress,
    place: Place,
    crc: crc32fast::Hasher,
    len: u32,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; INPUT_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            input_ended: false,
            inflate: Decompress::new(false),
            place: Place::Head { first: true },
            crc: crc32fast::Hasher::new(),
            len: 0,
        }
    }

    /// Decompresses into `out`, which is not empty.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> io::Result<Filled> {
        loop {
            match self.place {
                Place::End => return Ok(Filled::End),
                Place::Head { first } => {
                    if let Some(end) = self.head(first)? {
                        return Ok(end);
                    }
                }
                Place::Body => {
                    if let Some(filled) = self.body(out)? {
                        return Ok(filled);
                    }
                }
                Place::Tail => {
                    if let Some(damaged) = self.tail()? {
                        return Ok(damaged);
                    }
                }
            }
        }
    }

    /// Ends the stream with a damage.
    fn fail(&mut self, what: &'static str) -> Filled {
        self.place = Place::End;
        Filled::Damaged { what, fatal: true }
    }

    /// Reads more input if the buffer is empty. Returns false at the end of the input.
    fn have(&mut self) -> io::Result<bool> {
        while self.start == self.end && !self.input_ended {
            match self.input.read(&mut self.buffer) {
                Ok(0) => self.input_ended = true,
                Ok(n) => (self.start, self.end) = (0, n.min(self.buffer.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.start < self.end)
    }

    /// Reads one byte of input, `None` at its end.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        if !self.have()? {
            return Ok(None);
        }
        let byte = self.buffer.get(self.start).copied();
        self.start = self.start.saturating_add(1);
        Ok(byte)
    }

    /// Reads N bytes of input, `None` if there are fewer.
    fn bytes<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        for place in &mut bytes {
            let Some(byte) = self.byte()? else {
                return Ok(None);
            };
            *place = byte;
        }
        Ok(Some(bytes))
    }

    fn head(&mut self, first: bool) -> io::Result<Option<Filled>> {
        if !self.have()? {
            self.place = Place::End;
            return Ok(Some(Filled::End));
        }
        if !first {
            // Padding with zeros is harmless, as from a tape or a block device.
            let rest = self.buffer.get(self.start..self.end).unwrap_or(&[]);
            if let Some(zeros) = rest.iter().position(|b| *b != 0) {
                self.start = self.start.saturating_add(zeros);
            } else {
                self.start = self.end;
                return Ok(None);
            }
        }
        match self.skip_head()? {
            Some(true) => {
                self.inflate.reset(false);
                self.crc = crc32fast::Hasher::new();
                self.len = 0;
                self.place = Place::Body;
                Ok(None)
            }
            Some(false) if first => Ok(Some(self.fail("the gzip header is damaged"))),
            Some(false) => Ok(Some(
                self.fail("the data after a gzip stream is not a gzip stream"),
            )),
            None => Ok(Some(self.fail("the gzip stream is cut off"))),
        }
    }

    /// Reads a member's header; returns false if it is invalid, `None` if the input ends in it.
    fn skip_head(&mut self) -> io::Result<Option<bool>> {
        const EXTRA: u8 = 4;
        const NAME: u8 = 8;
        const COMMENT: u8 = 16;
        const CHECKSUM: u8 = 2;
        const DEFLATE: u8 = 8;
        let Some(magic) = self.bytes::<2>()? else {
            return Ok(None);
        };
        if magic != MAGIC {
            return Ok(Some(false));
        }
        let Some([method, flags, ..]) = self.bytes::<8>()? else {
            return Ok(None);
        };
        if method != DEFLATE || flags & 0xe0 != 0 {
            return Ok(Some(false));
        }
        if flags & EXTRA != 0 {
            let Some(len) = self.bytes::<2>()? else {
                return Ok(None);
            };
            for _ in 0..u16::from_le_bytes(len) {
                if self.byte()?.is_none() {
                    return Ok(None);
                }
            }
        }
        for text in [NAME, COMMENT] {
            if flags & text == 0 {
                continue;
            }
            loop {
                match self.byte()? {
                    None => return Ok(None),
                    Some(0) => break,
                    Some(_) => {}
                }
            }
        }
        if flags & CHECKSUM != 0 && self.bytes::<2>()?.is_none() {
            return Ok(None);
        }
        Ok(Some(true))
    }

    fn body(&mut self, out: &mut [u8]) -> io::Result<Option<Filled>> {
        let more = self.have()?;
        let input = self.buffer.get(self.start..self.end).unwrap_or(&[]);
        let (was_in, was_out) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, out, FlushDecompress::None);
        let moved = |now: u64, was: u64| usize::try_from(now.saturating_sub(was)).unwrap_or(0);
        let taken = moved(self.inflate.total_in(), was_in);
        let given = moved(self.inflate.total_out(), was_out).min(out.len());
        self.start = self.start.saturating_add(taken).min(self.end);
        self.crc.update(out.get(..given).unwrap_or(&[]));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "gzip keeps the length modulo 2^32"
        )]
        {
            self.len = self.len.wrapping_add(given as u32);
        }
        match result {
            Ok(Status::StreamEnd) => self.place = Place::Tail,
            Ok(_) if given == 0 && taken == 0 && !more => {
                return Ok(Some(self.fail("the gzip stream is cut off")));
            }
            Ok(_) => {}
            // Data decompressed before the error is returned first; the next call fails again.
            Err(_) if given > 0 => {}
            Err(_) => return Ok(Some(self.fail("the gzip stream is damaged"))),
        }
        Ok((given > 0).then_some(Filled::Bytes(given)))
    }

    fn tail(&mut self) -> io::Result<Option<Filled>> {
        let Some([c0, c1, c2, c3, l0, l1, l2, l3]) = self.bytes::<8>()? else {
            return Ok(Some(self.fail("the gzip stream is cut off")));
        };
        self.place = Place::Head { first: false };
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        let right = crc == self.crc.clone().finalize() && len == self.len;
        Ok((!right).then_some(Filled::Damaged {
            what: "a gzip checksum does not match",
            fatal: false,
        }))
    }
}
