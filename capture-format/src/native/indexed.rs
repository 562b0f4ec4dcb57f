//! Reads a capture in any order.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use super::chunk::{Chunk, HeadError, parse_head, split_head};
use super::codec;
use super::header::Header;
use super::index::{ChunkEntry, Index, OtherEntry, SnapshotEntry, parse_footer};
use super::loss::LossReport;
use super::reader::Damages;
use super::section::{
    self, FileTag, HEADER_LEN, PREAMBLE_LEN, SectionHeader, SectionKind, find_marker,
};
use super::snapshot::Snapshot;
use crate::error::check_limit;
use crate::event::EventNum;
use crate::{Error, Result, limits};

/// Length of the footer section in bytes.
const FOOTER_LEN: u64 = (HEADER_LEN as u64).saturating_add(16);

/// Reads a capture in any order: by the index, or by one rebuilt from the section headers.
#[derive(Debug)]
pub struct IndexedReader<R> {
    input: R,
    len: u64,
    tag: FileTag,
    is_merged: bool,
    header: Arc<Header>,
    index: Arc<Index>,
    rebuilt: bool,
    damages: Damages,
}

impl<R: Read + Seek> IndexedReader<R> {
    /// Opens a capture. Reads header and index, or without an index all section headers and chunk heads.
    ///
    /// # Errors
    ///
    /// Those of [`section::parse_preamble`]; [`Error::Damaged`] if no section is intact;
    /// [`Error::UnknownMandatorySection`]; [`Error::Io`].
    pub fn open(input: R) -> Result<Self> {
        let mut reader = Self::unopened(input)?;
        match reader.stored_index()? {
            Some(index) => {
                reader.refuse_mandatory(&index)?;
                reader.index = Arc::new(index);
            }
            None => reader.rebuild()?,
        }
        let header = reader
            .index
            .others
            .iter()
            .find(|s| s.kind() == SectionKind::HEADER)
            .copied();
        match header.map(|s| reader.metadata(s.offset, SectionKind::HEADER)) {
            Some(Ok(header)) => reader.header = Arc::new(header),
            Some(Err(error)) if !error.is_damage() => return Err(error),
            Some(Err(_)) => {
                reader
                    .damages
                    .add(PREAMBLE_LEN as u64, "the header section is damaged");
            }
            None => reader
                .damages
                .add(PREAMBLE_LEN as u64, "the header section is missing"),
        }
        if header.is_none() && reader.index.chunks.is_empty() && reader.index.snapshots.is_empty() {
            return Err(Error::damaged(PREAMBLE_LEN as u64, "no whole section"));
        }
        Ok(reader)
    }

    /// Reads the preamble only.
    pub(super) fn unopened(mut input: R) -> Result<Self> {
        let len = input.seek(SeekFrom::End(0))?;
        let mut front = Vec::new();
        input.seek(SeekFrom::Start(0))?;
        input
            .by_ref()
            .take(PREAMBLE_LEN as u64)
            .read_to_end(&mut front)?;
        let preamble = section::parse_preamble(&front)?;
        Ok(Self {
            input,
            len,
            tag: preamble.tag,
            is_merged: preamble.is_merged,
            header: Arc::default(),
            index: Arc::default(),
            rebuilt: false,
            damages: Damages::default(),
        })
    }

    /// Makes another reader of the same capture on another file handle, without reading anything; for parallel scans with
    /// one reader per thread.
    pub fn with_input<S: Read + Seek>(&self, input: S) -> IndexedReader<S> {
        IndexedReader {
            input,
            len: self.len,
            tag: self.tag,
            is_merged: self.is_merged,
            header: Arc::clone(&self.header),
            index: Arc::clone(&self.index),
            rebuilt: self.rebuilt,
            damages: Damages::default(),
        }
    }

    /// Whether the capture was merged from several recordings: see [`super::origin`].
    pub const fn is_merged(&self) -> bool {
        self.is_merged
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Whether the file had no usable index: the recorder was killed, or the file is damaged.
    pub const fn is_rebuilt(&self) -> bool {
        self.rebuilt
    }

    /// Returns the damages found so far. Chunks and snapshots are checked when they are read.
    pub const fn damages(&self) -> &Damages {
        &self.damages
    }

    /// Returns the length of the file in bytes.
    pub const fn file_len(&self) -> u64 {
        self.len
    }

    /// Reads chunk `i` of the index.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if chunk `i` is missing or damaged; [`Error::Io`].
    pub fn chunk(&mut self, i: usize) -> Result<Chunk> {
        let Some(entry) = self.index.chunks.get(i) else {
            return Err(Error::damaged(self.len, "no such chunk"));
        };
        let offset = entry.offset;
        let body = self.body(offset, SectionKind::CHUNK)?;
        Chunk::parse(body, offset)
    }

    /// Reads snapshot `i` of the index.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if snapshot `i` is missing or damaged; [`Error::Io`].
    pub fn snapshot(&mut self, i: usize) -> Result<Snapshot> {
        let Some(entry) = self.index.snapshots.get(i) else {
            return Err(Error::damaged(self.len, "no such snapshot"));
        };
        let offset = entry.offset;
        self.metadata(offset, SectionKind::SNAPSHOT)
    }

    /// Returns the position in the index of the last snapshot before an event.
    pub fn snapshot_before(&self, num: EventNum) -> Option<usize> {
        self.index
            .snapshots
            .iter()
            .rposition(|s| s.next_event <= num)
    }

    /// Reads every loss report.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if one is damaged; [`Error::Io`].
    pub fn losses(&mut self) -> Result<Vec<LossReport>> {
        let loss = |s: &&OtherEntry| s.kind() == SectionKind::LOSS;
        let entries: Vec<_> = self.index.others.iter().filter(loss).copied().collect();
        entries
            .iter()
            .map(|s| self.metadata(s.offset, SectionKind::LOSS))
            .collect()
    }

    /// Reads the index that the footer points to, if both are intact.
    pub(super) fn stored_index(&mut self) -> Result<Option<Index>> {
        let Some(at) = self.len.checked_sub(FOOTER_LEN) else {
            return Ok(None);
        };
        let footer = match self.body(at, SectionKind::FOOTER) {
            Ok(body) => parse_footer(&body),
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error),
        };
        let Some((offset, _)) = footer else {
            return Ok(None);
        };
        match self.metadata::<Index>(offset, SectionKind::INDEX) {
            Ok(index) if self.is_plausible(&index) => Ok(Some(index)),
            Ok(_) => Ok(None),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether all sections of an index can be in the file.
    fn is_plausible(&self, index: &Index) -> bool {
        let fits =
            |offset: u64, len: u64| offset.checked_add(len).is_some_and(|end| end <= self.len);
        index.chunks.iter().all(|s| fits(s.offset, s.body_len))
            && index.snapshots.iter().all(|s| fits(s.offset, s.body_len))
            && index.others.iter().all(|s| fits(s.offset, s.body_len))
    }

    /// Fails if the file has a mandatory section of an unknown kind.
    fn refuse_mandatory(&mut self, index: &Index) -> Result<()> {
        for &OtherEntry { kind, offset, .. } in &index.others {
            if !SectionKind(kind).is_known()
                && self
                    .section_header(offset)?
                    .is_some_and(|h| h.is_mandatory())
            {
                return Err(Error::UnknownMandatorySection { kind, offset });
            }
        }
        Ok(())
    }

    /// Reads the header of the section at `offset`.
    pub(super) fn section_header(&mut self, offset: u64) -> Result<Option<SectionHeader>> {
        let mut bytes = [0; HEADER_LEN];
        if self.len.saturating_sub(offset) < HEADER_LEN as u64 {
            return Ok(None);
        }
        self.input.seek(SeekFrom::Start(offset))?;
        self.input.read_exact(&mut bytes)?;
        Ok(SectionHeader::parse(&bytes, self.tag))
    }

    /// Reads and checks the body of the section at `offset`.
    fn body(&mut self, offset: u64, kind: SectionKind) -> Result<Vec<u8>> {
        let Some(header) = self.section_header(offset)? else {
            return Err(Error::damaged(offset, "no section header"));
        };
        if header.kind != kind {
            return Err(Error::damaged(offset, "a section of another kind"));
        }
        check_limit("section", header.body_len, limits::SECTION_BODY)?;
        let start = offset.saturating_add(HEADER_LEN as u64);
        if header.body_len > self.len.saturating_sub(start) {
            return Err(Error::damaged(offset, "cut off inside a section"));
        }
        let mut body = Vec::with_capacity(usize::try_from(header.body_len).unwrap_or(0));
        self.input
            .by_ref()
            .take(header.body_len)
            .read_to_end(&mut body)?;
        if body.len() as u64 != header.body_len || crc32fast::hash(&body) != header.body_crc {
            return Err(Error::damaged(offset, "section checksum"));
        }
        Ok(body)
    }

    /// Reads and decodes the section at `offset`.
    pub(super) fn metadata<T: serde::de::DeserializeOwned>(
        &mut self,
        offset: u64,
        kind: SectionKind,
    ) -> Result<T> {
        let body = self.body(offset, kind)?;
        codec::decode(&body, offset)
    }

    /// Rebuilds the index by walking over the section headers.
    ///
    /// Only the heads of chunks are read. Checksums of bodies are not verified, but if no section follows a body, the next
    /// one is searched for inside it.
    fn rebuild(&mut self) -> Result<()> {
        self.rebuilt = true;
        let mut offset = PREAMBLE_LEN as u64;
        let mut rescans = 0u32;
        while offset < self.len {
            let Some(header) = self.section_header(offset)? else {
                self.damages.add(offset, "no section header");
                match self.search(offset.saturating_add(1))? {
                    Some(next) => offset = next,
                    None => break,
                }
                continue;
            };
            let start = offset.saturating_add(HEADER_LEN as u64);
            let next = start.saturating_add(header.body_len);
            let follows =
                next == self.len || (next < self.len && self.section_header(next)?.is_some());
            if header.body_len > limits::SECTION_BODY || next > self.len {
                self.damages.add(offset, "cut off inside a section");
                match self.search(start)? {
                    Some(next) => offset = next,
                    None => break,
                }
                continue;
            }
            self.index_section(offset, &header)?;
            if follows || rescans >= limits::RESCANS {
                offset = next;
            } else {
                rescans = rescans.saturating_add(1);
                match self.search(start)? {
                    Some(inside) if inside < next => {
                        self.damages.add(offset, "a section inside a section");
                        offset = inside;
                    }
                    _ => offset = next,
                }
            }
        }
        Ok(())
    }

    /// Adds a section to the index being rebuilt.
    fn index_section(&mut self, offset: u64, header: &SectionHeader) -> Result<()> {
        let body_len = header.body_len;
        let outcome = match header.kind {
            SectionKind::CHUNK => self.chunk_head(offset, body_len).map(|summary| {
                Arc::make_mut(&mut self.index).chunks.push(ChunkEntry {
                    offset,
                    body_len,
                    summary,
                });
            }),
            SectionKind::SNAPSHOT => self
                .metadata::<Snapshot>(offset, SectionKind::SNAPSHOT)
                .map(|s| {
                    let (time, next_event) = (s.time, s.next_event);
                    Arc::make_mut(&mut self.index)
                        .snapshots
                        .push(SnapshotEntry {
                            offset,
                            body_len,
                            time,
                            next_event,
                        });
                }),
            SectionKind::LOSS => self
                .metadata::<LossReport>(offset, SectionKind::LOSS)
                .map(|r| {
                    let lost = r
                        .losses
                        .iter()
                        .fold(0u64, |sum, l| sum.saturating_add(l.count));
                    let index = Arc::make_mut(&mut self.index);
                    index.lost = index.lost.saturating_add(lost);
                    Arc::make_mut(&mut self.index).others.push(OtherEntry {
                        kind: header.kind.0,
                        offset,
                        body_len,
                    });
                }),
            SectionKind::INDEX | SectionKind::FOOTER => Ok(()),
            SectionKind(kind) if !header.kind.is_known() && header.is_mandatory() => {
                return Err(Error::UnknownMandatorySection { kind, offset });
            }
            SectionKind(kind) => {
                Arc::make_mut(&mut self.index).others.push(OtherEntry {
                    kind,
                    offset,
                    body_len,
                });
                Ok(())
            }
        };
        match outcome {
            Err(Error::Damaged { offset, what }) => self.damages.add(offset, what),
            Err(Error::Limit { what, .. }) => self.damages.add(offset, what),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        Ok(())
    }

    fn chunk_head(&mut self, offset: u64, body_len: u64) -> Result<super::ChunkSummary> {
        let mut front = Vec::new();
        let mut want = 4096usize;
        loop {
            let have = front.len() as u64;
            let step = (want as u64).min(body_len).saturating_sub(have);
            if step == 0 {
                return Err(Error::damaged(offset, "chunk head is cut off"));
            }
            let at = offset
                .saturating_add(HEADER_LEN as u64)
                .saturating_add(have);
            self.input.seek(SeekFrom::Start(at))?;
            self.input.by_ref().take(step).read_to_end(&mut front)?;
            match split_head(&front, offset) {
                Ok((head, _)) => return Ok(parse_head(head, offset)?.summary),
                Err(HeadError::Bad(error)) => return Err(error),
                Err(HeadError::Short(need)) => want = need,
            }
        }
    }

    /// Finds the next section header at or after `from`.
    pub(super) fn search(&mut self, mut from: u64) -> Result<Option<u64>> {
        const STEP: u64 = 256 << 10;
        let mut window = Vec::new();
        while from < self.len {
            window.clear();
            self.input.seek(SeekFrom::Start(from))?;
            self.input.by_ref().take(STEP).read_to_end(&mut window)?;
            if window.is_empty() {
                break;
            }
            let mut at = 0usize;
            while let Some(found) = window.get(at..).and_then(find_marker) {
                at = at.saturating_add(found);
                let offset = from.saturating_add(at as u64);
                let whole = match window.get(at..).and_then(|b| b.first_chunk()) {
                    Some(bytes) => SectionHeader::parse(bytes, self.tag).is_some(),
                    None => self.section_header(offset)?.is_some(),
                };
                if whole {
                    return Ok(Some(offset));
                }
                at = at.saturating_add(1);
            }
            if (window.len() as u64) < STEP {
                break;
            }
            // The last bytes can be the beginning of a marker.
            from = from.saturating_add(STEP.saturating_sub(8));
        }
        Ok(None)
    }
}
