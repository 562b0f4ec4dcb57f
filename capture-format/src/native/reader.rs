//! Reads a capture sequentially: a file, a pipe, a copy in progress, a damaged file.

use std::io::{Read, Seek, SeekFrom};

use super::chunk::Chunk;
use super::codec;
use super::containers::ContainerReport;
use super::derivation::Derivation;
use super::header::Header;
use super::index::Index;
use super::loss::LossReport;
use super::names::NameReport;
use super::seal::Seal;
use super::section::{
    self, FileTag, HEADER_LEN, MARKER, PREAMBLE_LEN, SectionHeader, SectionKind, find_marker,
};
use super::snapshot::Snapshot;
use super::time_stamp::TimeStamp;
use super::walk::{Walk, place_of};
use crate::{Error, Result, limits};

/// A damaged position in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Offset of the damage in the file.
    pub offset: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// The damages found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damages {
    list: Vec<Damage>,
    more: u64,
}

impl Damages {
    /// Returns the first damages, at most [`limits::DAMAGES`].
    pub fn list(&self) -> &[Damage] {
        &self.list
    }

    /// Returns the total number of damages.
    pub fn count(&self) -> u64 {
        self.more.saturating_add(self.list.len() as u64)
    }

    /// Whether there are no damages.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a damage; readers of events do so for chunks that do not decode.
    pub fn add(&mut self, offset: u64, what: &'static str) {
        if self.list.len() < limits::DAMAGES {
            self.list.push(Damage { offset, what });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Adds damage, and returns any other error.
    ///
    /// # Errors
    ///
    /// Errors that are not damage of the file: see [`Error::is_damage`].
    pub fn note(&mut self, error: Error, offset: u64) -> Result<()> {
        match error {
            Error::Damaged { offset, what } => self.add(offset, what),
            Error::Limit { what, .. } => self.add(offset, what),
            other => return Err(other),
        }
        Ok(())
    }

    /// Returns the damages at or after an offset, with the number of damages that are not listed.
    #[must_use]
    pub fn at_or_after(&self, offset: u64) -> Self {
        let later = self.list.iter().filter(|damage| damage.offset >= offset);
        Self {
            list: later.copied().collect(),
            more: self.more,
        }
    }

    /// Returns the damages of several readers of one file, each of them once, by position.
    pub fn union<'a>(lists: impl Iterator<Item = &'a Self>) -> Self {
        let mut all: Vec<Damage> = Vec::new();
        let mut more = 0;
        for list in lists {
            all.extend(&list.list);
            more = more.max(list.more);
        }
        all.sort_by_key(|damage| (damage.offset, damage.what));
        all.dedup();
        let mut union = Self {
            list: Vec::new(),
            more,
        };
        for damage in all {
            union.add(damage.offset, damage.what);
        }
        union
    }

    /// Returns the damages of several parts of a file by position.
    pub fn in_order(parts: Vec<Self>) -> Self {
        let more = parts.iter().map(|part| part.more);
        let mut joined = Self {
            list: Vec::new(),
            more: more.fold(0, u64::saturating_add),
        };
        let mut all: Vec<Damage> = parts.into_iter().flat_map(|part| part.list).collect();
        all.sort_by_key(|damage| damage.offset);
        for damage in all {
            joined.add(damage.offset, damage.what);
        }
        joined
    }

    /// Moves the damages of another list to the end of this one.
    pub fn append(&mut self, other: &mut Self) {
        for damage in other.list.drain(..) {
            self.add(damage.offset, damage.what);
        }
        self.more = self.more.saturating_add(std::mem::take(&mut other.more));
    }
}

/// A section of a capture, decoded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// State at one time.
    Snapshot(Box<Snapshot>),
    /// Events.
    Chunk(Box<Chunk>),
    /// Losses.
    Loss(LossReport),
    /// Descriptions of containers.
    Containers(ContainerReport),
    /// What the capture was made from.
    Derivation(Box<Derivation>),
    /// A signature over all bytes before it.
    Seal(Box<Seal>),
    /// A time stamp of a seal.
    TimeStamp(Box<TimeStamp>),
    /// Names in the events of the chunks before it.
    Names(Box<NameReport>),
    /// The index; only the footer should follow.
    Index(Index),
    /// The end of a complete capture; only seals and time stamps should follow.
    Footer,
    /// An optional section of a newer scap; to be ignored.
    Unknown {
        /// Its kind.
        kind: u16,
        /// Its body.
        body: Vec<u8>,
    },
}

/// Reads the sections of a capture in order, from any input.
///
/// Damage is not an error: the reader adds it to [`Self::damages`] and continues with the next intact section. Errors
/// make the rest unreadable: a device error, or a mandatory section of a newer scap.
#[derive(Debug)]
pub struct CaptureReader<R> {
    source: Source<R>,
    tag: FileTag,
    is_merged: bool,
    header: Header,
    /// The number of origins that the header describes.
    origins: usize,
    walk: Walk,
}

impl<R: Read> CaptureReader<R> {
    /// Starts reading: preamble and header.
    ///
    /// # Errors
    ///
    /// Those of [`section::parse_preamble`]; [`Error::Damaged`] if no section is intact;
    /// [`Error::Io`].
    pub fn new(input: R) -> Result<Self> {
        let mut source = Source::new(input);
        let preamble = section::parse_preamble(source.peek(PREAMBLE_LEN)?)?;
        source.consume(PREAMBLE_LEN);
        let mut reader = Self {
            source,
            tag: preamble.tag,
            is_merged: preamble.is_merged,
            header: Header::default(),
            origins: 1,
            walk: Walk::default(),
        };
        // Events can be read without the header, but the machine is not known then. A lost header is replaced by the default,
        // and reported as damage.
        match reader.next_section()? {
            Some((at, found, body)) if found.kind == SectionKind::HEADER => {
                reader.walk.other(found.kind, at, found.body_len);
                match codec::decode(&body, at) {
                    Ok(header) => reader.header = header,
                    Err(error) => reader.walk.damages.note(error, at)?,
                }
            }
            Some((at, header, body)) => {
                reader
                    .walk
                    .damages
                    .add(PREAMBLE_LEN as u64, "the header section is missing");
                reader.source.unread(&header.encode(reader.tag), &body, at);
                reader.walk.expect(header.sequence);
            }
            None => return Err(Error::damaged(PREAMBLE_LEN as u64, "no whole section")),
        }
        reader.origins = reader.header.origins().len().max(1);
        Ok(reader)
    }

    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the capture was merged from several recordings: see [`super::origin`].
    pub const fn is_merged(&self) -> bool {
        self.is_merged
    }

    /// Returns the damages found so far.
    pub const fn damages(&self) -> &Damages {
        &self.walk.damages
    }

    /// Whether the footer was reached: the recorder finished the file, and its end is not missing.
    pub const fn is_complete(&self) -> bool {
        self.walk.is_complete()
    }

    /// Returns the number of bytes read so far.
    pub const fn offset(&self) -> u64 {
        self.source.offset
    }

    /// Returns the next intact section, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownMandatorySection`], [`Error::Io`].
    pub fn next_item(&mut self) -> Result<Option<Item>> {
        loop {
            let Some((offset, header, body)) = self.next_section()? else {
                return Ok(None);
            };
            if header.kind == SectionKind::FOOTER {
                self.walk.footer(offset, &body);
                return Ok(Some(Item::Footer));
            }
            match decode_item(offset, header.kind, header.is_mandatory(), body) {
                Ok(mut item) => {
                    if let (true, Item::Chunk(chunk)) = (self.is_merged, &mut item) {
                        chunk.of_origins(self.origins);
                    }
                    self.note(offset, &header, &item);
                    return Ok(Some(item));
                }
                Err(error) => self.walk.damages.note(error, offset)?,
            }
        }
    }

    /// Notes a section for the comparison with the index.
    fn note(&mut self, offset: u64, header: &SectionHeader, item: &Item) {
        let len = header.body_len;
        match item {
            Item::Chunk(chunk) => self.walk.chunk(offset, len, chunk.summary()),
            Item::Snapshot(s) => self.walk.snapshot(offset, len, place_of(s)),
            Item::Index(index) => self.walk.index(offset, len, index),
            other => {
                self.walk.other(header.kind, offset, len);
                if let Item::Loss(report) = other {
                    self.walk.loss(report);
                }
            }
        }
    }

    /// Returns the next chunk, skipping everything else, or `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`Self::next_item`].
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        while let Some(item) = self.next_item()? {
            if let Item::Chunk(chunk) = item {
                return Ok(Some(*chunk));
            }
        }
        Ok(None)
    }

    /// Returns offset, header and body of the next section with correct checksums.
    fn next_section(&mut self) -> Result<Option<(u64, SectionHeader, Vec<u8>)>> {
        loop {
            let offset = self.source.offset;
            let front = self.source.peek(HEADER_LEN)?;
            if front.is_empty() {
                return Ok(None);
            }
            let header = front
                .first_chunk()
                .and_then(|h| SectionHeader::parse(h, self.tag));
            let Some(header) = header else {
                let what = if front.len() < HEADER_LEN {
                    "cut off inside a section header"
                } else {
                    "no section header"
                };
                self.walk.damages.add(offset, what);
                self.source.consume(1);
                self.resynchronise()?;
                continue;
            };
            if !self.walk.header(offset, &header) {
                self.source.consume(HEADER_LEN);
                self.resynchronise()?;
                continue;
            }
            self.source.consume(HEADER_LEN);
            let body = self.source.take(header.body_len)?;
            let len = body.len() as u64;
            let whole = len == header.body_len;
            if whole && crc32fast::hash(&body) == header.body_crc {
                return Ok(Some((offset, header, body)));
            }
            let what = if whole {
                "section checksum"
            } else {
                "cut off inside a section"
            };
            self.walk.damages.add(offset, what);
            if whole && self.is_at_section()? {
                // The length is right, and only bytes of the body are wrong.
                continue;
            }
            // Bytes are missing, so that the body includes bytes of the following sections: search for sections inside.
            let start = offset.saturating_add(HEADER_LEN as u64);
            if self.walk.may_search(len, start.saturating_add(len)) {
                self.source.unread(&[], &body, start);
                self.resynchronise()?;
            }
        }
    }

    /// Whether a section follows, or the file ends.
    fn is_at_section(&mut self) -> Result<bool> {
        let tag = self.tag;
        let front = self.source.peek(HEADER_LEN)?;
        let header = front.first_chunk();
        let is_header = header.is_some_and(|h| SectionHeader::parse(h, tag).is_some());
        Ok(front.is_empty() || is_header)
    }

    /// Skips to the next section header, or to the end.
    fn resynchronise(&mut self) -> Result<()> {
        self.walk.jump();
        loop {
            let bytes = self.source.peek(SCAN_STEP)?;
            let end = bytes.len() < SCAN_STEP;
            match find_marker(bytes) {
                Some(at) => {
                    self.source.consume(at);
                    let front = self.source.peek(HEADER_LEN)?;
                    let header = front
                        .first_chunk()
                        .and_then(|h| SectionHeader::parse(h, self.tag));
                    if header.is_some() {
                        return Ok(());
                    }
                    self.source.consume(1);
                }
                None if end => {
                    let rest = bytes.len();
                    self.source.consume(rest);
                    return Ok(());
                }
                // The last bytes can be the beginning of a marker.
                None => self.source.consume(SCAN_STEP.saturating_sub(MARKER.len())),
            }
        }
    }
}

impl<R: Read + Seek> CaptureReader<R> {
    /// Continues at a section at `offset`, as given by an index.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn skip_to(&mut self, offset: u64) -> Result<()> {
        self.source.input.seek(SeekFrom::Start(offset))?;
        self.source.buffer.clear();
        self.source.start = 0;
        self.source.offset = offset;
        self.walk.skip();
        Ok(())
    }
}

/// Bytes that are searched for a marker at a time.
const SCAN_STEP: usize = 64 << 10;

/// Decodes a section's body.
pub(crate) fn decode_item(
    offset: u64,
    kind: SectionKind,
    is_mandatory: bool,
    body: Vec<u8>,
) -> Result<Item> {
    Ok(match kind {
        SectionKind::SNAPSHOT => Item::Snapshot(Box::new(codec::decode(&body, offset)?)),
        SectionKind::CHUNK => Item::Chunk(Box::new(Chunk::parse(body, offset)?)),
        SectionKind::LOSS => Item::Loss(codec::decode(&body, offset)?),
        SectionKind::CONTAINERS => Item::Containers(codec::decode(&body, offset)?),
        SectionKind::DERIVATION => Item::Derivation(codec::decode(&body, offset)?),
        SectionKind::SEAL => Item::Seal(Box::new(Seal::parse(&body, offset)?.0)),
        SectionKind::TIME_STAMP => Item::TimeStamp(Box::new(TimeStamp::parse(&body, offset)?)),
        SectionKind::NAMES => Item::Names(codec::decode(&body, offset)?),
        SectionKind::INDEX => Item::Index(codec::decode(&body, offset)?),
        SectionKind::FOOTER => Item::Footer,
        SectionKind::HEADER => {
            return Err(Error::damaged(offset, "a second header section"));
        }
        SectionKind(kind) if is_mandatory => {
            return Err(Error::UnknownMandatorySection { kind, offset });
        }
        SectionKind(kind) => Item::Unknown { kind, body },
    })
}

/// A reader that can peek, and take bytes back.
#[derive(Debug)]
struct Source<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
}

impl<R: Read> Source<R> {
    const fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
        }
    }

    /// Returns the next `n` bytes without consuming them; fewer only at the end.
    fn peek(&mut self, n: usize) -> Result<&[u8]> {
        let have = self.buffer.len().saturating_sub(self.start);
        if have < n {
            // Not at every call, or a run of false markers would be moved again and again.
            if self.start >= SCAN_STEP {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let missing = n.saturating_sub(have);
            self.input
                .by_ref()
                .take(missing as u64)
                .read_to_end(&mut self.buffer)?;
        }
        let all = self.buffer.get(self.start..).unwrap_or(&[]);
        Ok(all.get(..n).unwrap_or(all))
    }

    /// Consumes `n` bytes after a peek.
    fn consume(&mut self, n: usize) {
        let n = n.min(self.buffer.len().saturating_sub(self.start));
        self.start = self.start.saturating_add(n);
        self.offset = self.offset.saturating_add(n as u64);
    }

    /// Consumes the next `n` bytes; fewer only at the end. Memory grows with the bytes that are really there.
    fn take(&mut self, n: u64) -> Result<Vec<u8>> {
        let want = usize::try_from(n).unwrap_or(usize::MAX);
        let buffered = self.buffer.get(self.start..).unwrap_or(&[]);
        let mut out = buffered.get(..want).unwrap_or(buffered).to_vec();
        self.consume(out.len());
        let missing = n.saturating_sub(out.len() as u64);
        if missing > 0 {
            out.reserve_exact(usize::try_from(missing.min(4 << 20)).unwrap_or(0));
            let read = self.input.by_ref().take(missing).read_to_end(&mut out)?;
            self.offset = self.offset.saturating_add(read as u64);
        }
        Ok(out)
    }

    /// Puts bytes back in front; `offset` is that of the first one.
    fn unread(&mut self, first: &[u8], then: &[u8], offset: u64) {
        let rest = self.buffer.get(self.start..).unwrap_or(&[]);
        self.buffer = [first, then, rest].concat();
        self.start = 0;
        self.offset = offset;
    }
}
