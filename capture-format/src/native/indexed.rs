//! Reads a capture in any order.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use super::chunk::{Chunk, ChunkSummary, HeadError, parse_head, split_head};
use super::codec;
use super::header::Header;
use super::index::{ChunkEntry, Index, OtherEntry, SnapshotEntry};
use super::loss::LossReport;
use super::names::RunNames;
use super::reader::{Damages, Item, decode_item};
use super::section::{
    self, FileTag, HEADER_LEN, MARKER, PREAMBLE_LEN, SectionHeader, SectionKind, find_marker,
};
use super::snapshot::Snapshot;
use super::walk::Walk;
use crate::error::check_limit;
use crate::event::EventNum;
use crate::{Error, Result, limits};

/// Reads a capture in any order.
///
/// What is where is found from the section headers and the heads of the chunks, and the file's own index is only
/// compared with that: an index can be wrong, and reading all headers takes a few microseconds for each chunk.
#[derive(Debug)]
pub struct IndexedReader<R> {
    input: R,
    /// What was read last, the window that was used last first: while the head of a section is read, the header of the next one
    /// stays in the other.
    windows: [Window; 2],
    len: u64,
    tag: FileTag,
    is_merged: bool,
    header: Arc<Header>,
    /// The number of origins that the header describes.
    origins: usize,
    index: Arc<Index>,
    complete: bool,
    damages: Damages,
    /// The names section that was read last, and its offset.
    names: Option<(u64, RunNames)>,
}

/// Bytes of the file.
#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Returns the bytes from `offset` on; `None`: the window is elsewhere.
    fn from(&self, offset: u64) -> Option<&[u8]> {
        let skip = offset.checked_sub(self.at)?;
        self.bytes.get(usize::try_from(skip).ok()?..)
    }

    /// Whether at least `least` bytes from `offset` on are there, or all to the end of the file.
    fn has(&self, offset: u64, least: usize, file_len: u64) -> bool {
        let is_end = self.at.saturating_add(self.bytes.len() as u64) >= file_len;
        self.from(offset)
            .is_some_and(|bytes| bytes.len() >= least || is_end)
    }
}

/// A section of the file, found by its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) header: SectionHeader,
}

/// Bytes that are read at once when a header is looked at: enough for the head of most chunks.
const WINDOW: usize = 8 << 10;
/// Bytes that are read at once when the next section is searched for.
const SEARCH_WINDOW: usize = 64 << 10;

impl Place {
    /// Returns the offset of what is behind the section.
    pub(super) const fn end(&self) -> u64 {
        end_of(self.offset, &self.header)
    }
}

const fn end_of(offset: u64, header: &SectionHeader) -> u64 {
    offset
        .saturating_add(HEADER_LEN as u64)
        .saturating_add(header.body_len)
}

impl<R: Read + Seek> IndexedReader<R> {
    /// Opens a capture. Reads all section headers, the heads of the chunks and the index, but no events.
    ///
    /// # Errors
    ///
    /// Those of [`section::parse_preamble`]; [`Error::Damaged`] if no section is intact;
    /// [`Error::UnknownMandatorySection`]; [`Error::Io`].
    pub fn open(input: R) -> Result<Self> {
        let mut reader = Self::unopened(input)?;
        let mut walk = Walk::default();
        let mut index = Index::default();
        let (mut header, mut is_empty) = (None, true);
        reader.walk(&mut walk, &mut |reader, walk, place| {
            is_empty = false;
            if place.offset == PREAMBLE_LEN as u64 && place.header.kind == SectionKind::HEADER {
                walk.other(SectionKind::HEADER, place.offset, place.header.body_len);
                index.others.push(OtherEntry::of(place));
                let body = reader.body(place.offset, SectionKind::HEADER)?;
                header = Some(codec::decode(&body, place.offset)?);
                return Ok(());
            }
            reader.section(walk, &mut index, place)
        })?;
        index.lost = walk.lost();
        if is_empty {
            return Err(Error::damaged(PREAMBLE_LEN as u64, "no whole section"));
        }
        reader.complete = walk.is_complete();
        reader.damages = walk.damages;
        reader.index = Arc::new(index);
        match header {
            Some(header) => reader.header = Arc::new(header),
            None => reader
                .damages
                .add(PREAMBLE_LEN as u64, "the header section is missing"),
        }
        reader.origins = reader.header.origins().len().max(1);
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
            windows: Default::default(),
            len,
            tag: preamble.tag,
            is_merged: preamble.is_merged,
            header: Arc::default(),
            origins: 1,
            index: Arc::default(),
            complete: false,
            damages: Damages::default(),
            names: None,
        })
    }

    /// Makes another reader of the same capture on another file handle, without reading anything; for parallel scans with
    /// one reader per thread.
    pub fn with_input<S: Read + Seek>(&self, input: S) -> IndexedReader<S> {
        IndexedReader {
            input,
            windows: Default::default(),
            len: self.len,
            tag: self.tag,
            is_merged: self.is_merged,
            header: Arc::clone(&self.header),
            origins: self.origins,
            index: Arc::clone(&self.index),
            complete: self.complete,
            damages: Damages::default(),
            names: None,
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

    /// Returns the index, as found from the sections.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the index, to keep while sections are read.
    pub fn shared_index(&self) -> Arc<Index> {
        Arc::clone(&self.index)
    }

    /// Whether the file ends with an index and a footer: the recorder finished it, and its end is not missing.
    pub const fn is_complete(&self) -> bool {
        self.complete
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
        let mut chunk = Chunk::parse(body, offset)?;
        if self.is_merged {
            chunk.of_origins(self.origins);
        }
        if let Some(entry) = self.index.chunks.get(i) {
            chunk.correct(&entry.summary);
        }
        Ok(chunk)
    }

    /// Replaces summaries of chunks that were found to be wrong, by position in the index, and adds the damage. Events beyond
    /// those of the new summary are not read any more.
    pub fn correct(&mut self, summaries: &BTreeMap<usize, ChunkSummary>, damages: &Damages) {
        let index = Arc::make_mut(&mut self.index);
        for (i, summary) in summaries {
            if let Some(entry) = index.chunks.get_mut(*i) {
                entry.summary.clone_from(summary);
            }
        }
        self.damages.append(&mut damages.clone());
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
        match self.item(offset, SectionKind::SNAPSHOT)? {
            Item::Snapshot(snapshot) => Ok(*snapshot),
            _ => Err(Error::damaged(offset, "no such snapshot")),
        }
    }

    /// Returns the position in the index of the last snapshot before an event.
    pub fn snapshot_before(&self, num: EventNum) -> Option<usize> {
        self.index
            .snapshots
            .iter()
            .rposition(|s| s.next_event <= num)
    }

    /// Reads and decodes a section that is neither a chunk nor a snapshot, to check it.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it is damaged; [`Error::Io`].
    pub fn check(&mut self, section: OtherEntry) -> Result<()> {
        match section.kind() {
            // Only the first section is one, and was decoded when the file was opened.
            SectionKind::HEADER => Ok(()),
            kind => self.item(section.offset, kind).map(drop),
        }
    }

    /// Reads every loss report, with the offset of its section. Damaged ones are skipped; [`Self::open`] noted them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn losses(&mut self) -> Result<Vec<(u64, LossReport)>> {
        let loss = |s: &&OtherEntry| s.kind() == SectionKind::LOSS;
        let entries: Vec<_> = self.index.others.iter().filter(loss).copied().collect();
        let mut reports = Vec::new();
        for section in entries {
            match self.item(section.offset, SectionKind::LOSS) {
                Ok(Item::Loss(report)) => reports.push((section.offset, report)),
                Ok(_) => {}
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    /// Returns the names of the run of a chunk, and of its neighbours; `None` if there are none, or they cannot be read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn names_of(&mut self, place: usize) -> Result<Option<&RunNames>> {
        let Some(chunk) = self.index.chunks.get(place) else {
            return Ok(None);
        };
        let others = &self.index.others;
        let first = others.partition_point(|other| other.offset < chunk.end());
        let mut later = others.iter().skip(first);
        let Some(section) = later.find(|other| other.kind() == SectionKind::NAMES) else {
            return Ok(None);
        };
        let offset = section.offset;
        if self.names.as_ref().is_none_or(|(at, _)| *at != offset) {
            let names = match self.item(offset, SectionKind::NAMES) {
                Ok(Item::Names(names)) => RunNames::from(&*names),
                Ok(_) => return Ok(None),
                Err(error) if error.is_damage() => return Ok(None),
                Err(error) => return Err(error),
            };
            self.names = Some((offset, names));
        }
        let names = self.names.as_ref().map(|(_, names)| names);
        let chunk = self.index.chunks.get(place);
        Ok(names.filter(|names| chunk.is_some_and(|chunk| names.covers(&chunk.summary))))
    }

    /// Reads the header of the section at `offset`.
    fn section_header(&mut self, offset: u64) -> Result<Option<SectionHeader>> {
        let tag = self.tag;
        let bytes = self.bytes(offset, HEADER_LEN, WINDOW)?;
        Ok(bytes
            .first_chunk()
            .and_then(|h| SectionHeader::parse(h, tag)))
    }

    /// Returns the bytes from `offset` on: at least `least`, unless the file ends. If fewer are in the window, `most` are read.
    fn bytes(&mut self, offset: u64, least: usize, most: usize) -> Result<&[u8]> {
        let has = |window: &Window| window.has(offset, least, self.len);
        let place = self.windows.iter().position(has);
        if place != Some(0) {
            self.windows.rotate_right(1);
            let [window, _] = &mut self.windows;
            if place.is_none() {
                window.bytes.clear();
                window.at = offset;
                self.input.seek(SeekFrom::Start(offset))?;
                let most = most.max(least) as u64;
                self.input
                    .by_ref()
                    .take(most)
                    .read_to_end(&mut window.bytes)?;
            }
        }
        let [window, _] = &self.windows;
        Ok(window.from(offset).unwrap_or(&[]))
    }

    /// Returns the end of the section at `offset` by its header; `None` if there is no header.
    pub(super) fn end_of_section(&mut self, offset: u64) -> Result<Option<u64>> {
        let header = self.section_header(offset)?;
        Ok(header.map(|header| end_of(offset, &header)))
    }

    /// Returns header and body of the section at `offset`.
    pub(super) fn section_at(
        &mut self,
        offset: u64,
        kind: SectionKind,
    ) -> Result<(SectionHeader, Vec<u8>)> {
        let body = self.body(offset, kind)?;
        match self.section_header(offset)? {
            Some(header) => Ok((header, body)),
            None => Err(Error::damaged(offset, "no section header")),
        }
    }

    /// Returns the input.
    pub(super) const fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Returns what connects the sections.
    pub(super) const fn tag(&self) -> FileTag {
        self.tag
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
        self.input.seek(SeekFrom::Start(start))?;
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
    pub(super) fn item(&mut self, offset: u64, kind: SectionKind) -> Result<Item> {
        let body = self.body(offset, kind)?;
        decode_item(offset, kind, false, body)
    }

    /// Walks over the section headers, as [`super::CaptureReader`] does. Bodies are read only where no section follows them.
    pub(super) fn walk(
        &mut self,
        walk: &mut Walk,
        each: &mut dyn FnMut(&mut Self, &mut Walk, Place) -> Result<()>,
    ) -> Result<()> {
        let mut offset = PREAMBLE_LEN as u64;
        while offset < self.len {
            let Some(header) = self.section_header(offset)? else {
                let what = if self.len.saturating_sub(offset) < HEADER_LEN as u64 {
                    "cut off inside a section header"
                } else {
                    "no section header"
                };
                walk.damages.add(offset, what);
                match self.search(walk, offset.saturating_add(1))? {
                    Some(next) => offset = next,
                    None => break,
                }
                continue;
            };
            let start = offset.saturating_add(HEADER_LEN as u64);
            let next = start.saturating_add(header.body_len);
            let is_whole = next <= self.len;
            let mut may_search = true;
            let outcome = if walk.header(offset, &header) {
                may_search = false;
                let follows =
                    is_whole && (next == self.len || self.section_header(next)?.is_some());
                let checked = match follows {
                    true => Ok(Vec::new()),
                    false => self.body(offset, header.kind),
                };
                match checked {
                    Ok(_) => each(self, walk, Place { offset, header }),
                    Err(error) => {
                        let end = next.min(self.len);
                        may_search = walk.may_search(end.saturating_sub(start), end);
                        Err(error)
                    }
                }
            } else {
                Ok(())
            };
            if let Err(error) = outcome {
                walk.damages.note(error, offset)?;
            }
            offset = match may_search {
                true => match self.search(walk, start)? {
                    Some(next) => next,
                    None => break,
                },
                false => next,
            };
        }
        Ok(())
    }

    /// Adds a section to the index.
    fn section(&mut self, walk: &mut Walk, index: &mut Index, place: Place) -> Result<()> {
        let Place { offset, header } = place;
        let body_len = header.body_len;
        match header.kind {
            SectionKind::CHUNK => {
                let summary = self.chunk_head(offset, body_len)?;
                walk.chunk(offset, body_len, &summary);
                index.chunks.push(ChunkEntry {
                    offset,
                    body_len,
                    summary,
                });
            }
            SectionKind::SNAPSHOT => {
                let start = offset.saturating_add(HEADER_LEN as u64);
                self.input.seek(SeekFrom::Start(start))?;
                let body = self.input.by_ref().take(body_len);
                let (time, next_event) = codec::decode_front(body, offset)?;
                walk.snapshot(offset, body_len, (time, next_event));
                index.snapshots.push(SnapshotEntry {
                    offset,
                    body_len,
                    time,
                    next_event,
                });
            }
            SectionKind::INDEX => {
                if let Item::Index(stored) = self.item(offset, SectionKind::INDEX)? {
                    walk.index(offset, body_len, &stored);
                }
            }
            SectionKind::FOOTER => {
                let body = self.body(offset, SectionKind::FOOTER)?;
                walk.footer(offset, &body);
            }
            SectionKind::HEADER => {
                return Err(Error::damaged(offset, "a second header section"));
            }
            SectionKind(kind) if !header.kind.is_known() && header.is_mandatory() => {
                return Err(Error::UnknownMandatorySection { kind, offset });
            }
            kind => {
                walk.other(kind, offset, body_len);
                index.others.push(OtherEntry::of(place));
                if kind == SectionKind::LOSS
                    && let Item::Loss(report) = self.item(offset, kind)?
                {
                    walk.loss(&report);
                }
            }
        }
        Ok(())
    }

    fn chunk_head(&mut self, offset: u64, body_len: u64) -> Result<ChunkSummary> {
        let start = offset.saturating_add(HEADER_LEN as u64);
        let mut want = 4096usize;
        loop {
            let front = self.bytes(start, want, WINDOW)?;
            let body = usize::try_from(body_len).unwrap_or(usize::MAX);
            let front = front.get(..body).unwrap_or(front);
            match split_head(front, offset) {
                Ok((head, _)) => return Ok(parse_head(head, offset)?.summary),
                Err(HeadError::Bad(error)) => return Err(error),
                Err(HeadError::Short(need)) if need > want && need <= body => want = need,
                Err(HeadError::Short(_)) => {
                    return Err(Error::damaged(offset, "chunk head is cut off"));
                }
            }
        }
    }

    /// Finds the next section header at or after `from`.
    fn search(&mut self, walk: &mut Walk, mut from: u64) -> Result<Option<u64>> {
        walk.jump();
        let tag = self.tag;
        while from < self.len {
            let window = self.bytes(from, HEADER_LEN, SEARCH_WINDOW)?;
            if let Some(at) = find_marker(window) {
                let header = window.get(at..).and_then(|b| b.first_chunk());
                let is_near_end = window.len().saturating_sub(at) < HEADER_LEN;
                from = from.saturating_add(at as u64);
                match header {
                    Some(header) if SectionHeader::parse(header, tag).is_some() => {
                        return Ok(Some(from));
                    }
                    // The rest of the header is beyond the window.
                    None if is_near_end && at > 0 => {}
                    _ => from = from.saturating_add(1),
                }
            } else {
                // The last bytes can be the beginning of a marker.
                let step = window.len().saturating_sub(MARKER.len().saturating_sub(1));
                if step == 0 {
                    break;
                }
                from = from.saturating_add(step as u64);
            }
        }
        Ok(None)
    }
}

impl OtherEntry {
    const fn of(place: Place) -> Self {
        Self {
            kind: place.header.kind.0,
            offset: place.offset,
            body_len: place.header.body_len,
        }
    }
}
