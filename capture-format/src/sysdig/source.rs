//! The decompressed bytes of a file, in a large buffer.

use std::io::{self, Read};

use super::gzip::{Filled, Gzip, MAGIC};
use crate::Result;
use crate::native::Damages;

/// The input, preceded by the first bytes, which were read to detect compression.
type Front<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

enum Input<R> {
    Raw(Front<R>),
    Gzip(Box<Gzip<Front<R>>>),
}

/// Initial size of the buffer in bytes.
const FIRST_BYTES: usize = 32 << 10;

/// Size of the buffer for larger input, in bytes. It grows for a larger block, as far as the block's bytes are really
/// there.
const BUFFER_BYTES: usize = 1 << 20;

/// A stream of bytes, raw or decompressed, with lookahead.
pub(super) struct Source<R> {
    input: Input<R>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of `buffer[start]`.
    offset: u64,
    ended: bool,
    /// Damages of the compression, with offsets in the decompressed stream.
    pub(super) damages: Damages,
}

impl<R: Read> Source<R> {
    pub(super) fn new(mut input: R) -> Result<Self> {
        let mut front = Vec::new();
        input
            .by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut front)?;
        let is_gzip = front == MAGIC;
        let input = io::Cursor::new(front).chain(input);
        Ok(Self {
            input: if is_gzip {
                Input::Gzip(Box::new(Gzip::new(input)))
            } else {
                Input::Raw(input)
            },
            buffer: vec![0; FIRST_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            ended: false,
            damages: Damages::default(),
        })
    }

    /// Returns the offset of the next byte in the stream.
    #[inline]
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the next `n` bytes without consuming them; fewer only at the end.
    #[inline]
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8]> {
        if self.end.saturating_sub(self.start) < n {
            self.fill(n)?;
        }
        let all = self.buffer.get(self.start..self.end).unwrap_or(&[]);
        Ok(all.get(..n).unwrap_or(all))
    }

    /// Returns the buffered bytes, without consuming them or reading more.
    #[inline]
    pub(super) fn at_hand(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or(&[])
    }

    /// Returns consumed bytes, which are still in the buffer if nothing was peeked afterwards.
    #[inline]
    pub(super) fn taken(&self, back: usize, len: usize) -> &[u8] {
        let from = self.start.saturating_sub(back);
        self.buffer
            .get(from..from.saturating_add(len))
            .unwrap_or(&[])
    }

    /// Consumes `n` bytes after a peek.
    #[inline]
    pub(super) fn consume(&mut self, n: usize) {
        let n = n.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(n);
        self.offset = self.offset.saturating_add(n as u64);
    }

    /// Skips `n` bytes. Returns false if there are fewer.
    pub(super) fn skip(&mut self, mut n: u64) -> Result<bool> {
        while n > 0 {
            let step = usize::try_from(n).map_or(BUFFER_BYTES, |n| n.min(BUFFER_BYTES));
            let have = self.peek(step)?.len();
            self.consume(have);
            n = n.saturating_sub(have as u64);
            if have < step {
                return Ok(n == 0);
            }
        }
        Ok(true)
    }

    /// Reads until `n` bytes, or all remaining ones, are buffered.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, n: usize) -> Result<()> {
        if self.end == self.buffer.len() && self.end < BUFFER_BYTES {
            self.buffer.resize(BUFFER_BYTES, 0);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end.saturating_sub(self.start));
        while self.end < n && !self.ended {
            if self.end == self.buffer.len() {
                // Doubles the buffer as bytes arrive, up to the requested size.
                let len = n.min(self.buffer.len().saturating_mul(2));
                self.buffer.resize(len, 0);
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            let filled = match &mut self.input {
                Input::Gzip(gzip) => gzip.fill(room)?,
                Input::Raw(input) => match input.read(room) {
                    Ok(0) => Filled::End,
                    Ok(n) => Filled::Bytes(n.min(room.len())),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error.into()),
                },
            };
            match filled {
                Filled::Bytes(n) => self.end = self.end.saturating_add(n),
                Filled::End => self.ended = true,
                Filled::Damaged { what, fatal } => {
                    let at = self.offset.saturating_add(self.end as u64);
                    self.damages.add(at, what);
                    self.ended = fatal;
                }
            }
        }
        // After a very large block, its memory is released.
        if self.buffer.len() > BUFFER_BYTES && n <= BUFFER_BYTES && self.end <= BUFFER_BYTES {
            self.buffer.truncate(BUFFER_BYTES);
            self.buffer.shrink_to(BUFFER_BYTES);
        }
        Ok(())
    }
}
