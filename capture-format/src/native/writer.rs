//! Writes capture files.

use std::io::Write;

use super::chunk::{
    ChunkBuilder, ChunkPool, Compressor, EncodedChunk, EventNames, ThreadSet, encode_body,
};
use super::codec;
use super::containers::{ContainerDescription, ContainerReport};
use super::derivation::Derivation;
use super::header::Header;
use super::index::{ChunkEntry, Index, OtherEntry, SnapshotEntry, footer};
use super::lane::LaneSet;
use super::loss::LossReport;
use super::names::{NameReport, Run};
use super::seal::{Hash, Signer, Unsealed};
use super::section::{
    self, FileTag, HEADER_LEN, PREAMBLE_LEN, Preamble, SectionHeader, SectionKind,
};
use super::snapshot::Snapshot;
use crate::error::check_limit;
use crate::event::{EventNum, EventRef, Timestamp};
use crate::{Error, Result, limits};

/// Bytes of descriptions of containers after which another section begins, so that a reader needs little memory per
/// section.
const SECTION_OF_CONTAINERS: usize = 1 << 20;

/// Options of writing a capture.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// zstd level of the chunks written by [`CaptureWriter::push`].
    pub level: i32,
    /// Number of the first event.
    pub first_event: EventNum,
    /// Connects the sections; random, except in tests that need reproducible bytes.
    pub file_tag: Option<FileTag>,
    /// Whether what is written is hashed, for [`CaptureWriter::write_seal`].
    pub is_sealed: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            level: 1,
            first_event: EventNum(1),
            file_tag: None,
            is_sealed: false,
        }
    }
}

/// Writes a capture file, section by section, to a file or a pipe.
///
/// There are two ways to write events, not to be mixed within a chunk: [`Self::push`] does everything here; a recorder builds
/// and compresses chunks elsewhere and passes them to [`Self::write_chunk`] in order. Without
/// [`Self::finish`] the file lacks its index, which readers then rebuild.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    tag: FileTag,
    options: WriterOptions,
    offset: u64,
    sequence: u32,
    next_event: EventNum,
    index: Index,
    /// Losses that were reported but not counted in a chunk yet.
    losses: Vec<super::Loss>,
    builder: ChunkBuilder,
    compressor: Option<Compressor>,
    encoded: EncodedChunk,
    /// What the next seal is over, if there will be one.
    unsealed: Option<Unsealed>,
    /// The names since the last names section.
    run: Run,
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a capture: writes preamble and header.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from `out`; [`Error::Limit`] for a header that no reader accepts.
    pub fn new(out: W, header: &Header, options: WriterOptions) -> Result<Self> {
        let tag = options.file_tag.unwrap_or_else(FileTag::random);
        let is_merged = header.origins().len() > 1;
        let mut writer = Self {
            out,
            tag,
            options,
            offset: PREAMBLE_LEN as u64,
            sequence: 0,
            next_event: options.first_event,
            index: Index::default(),
            losses: Vec::new(),
            builder: ChunkBuilder::new(ChunkPool::new()),
            compressor: None,
            encoded: EncodedChunk::default(),
            unsealed: options.is_sealed.then(Unsealed::default),
            run: Run::default(),
        };
        let preamble = section::preamble(Preamble { tag, is_merged });
        writer.out.write_all(&preamble)?;
        if let Some(unsealed) = &mut writer.unsealed {
            unsealed.add(0, &[&preamble]);
        }
        let body = codec::encode(header)?;
        writer.other_section(SectionKind::HEADER, &body)?;
        Ok(writer)
    }

    /// Returns the number of bytes written.
    pub const fn bytes_written(&self) -> u64 {
        self.offset
    }

    /// Returns the number of the next event, not counting events in the builder.
    pub const fn next_event(&self) -> EventNum {
        self.next_event
    }

    /// Sets the number of the first event; nothing numbered may have been written.
    pub(crate) const fn start_at(&mut self, first: EventNum) {
        self.next_event = first;
    }

    /// Returns the index of the sections written so far.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the output. Writing to it corrupts the capture.
    pub const fn get_ref(&self) -> &W {
        &self.out
    }

    /// Returns the output. Writing to it corrupts the capture.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Returns the output without completing the capture.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Appends an event to the current chunk, which is written when it is full.
    ///
    /// # Errors
    ///
    /// As [`ChunkBuilder::push`] and [`Self::write_chunk`].
    pub fn push(&mut self, event: &EventRef<'_>) -> Result<()> {
        self.builder.push(event)?;
        if self.builder.is_full() {
            self.flush_chunk()
        } else {
            Ok(())
        }
    }

    /// Appends an event with its lanes and names, see [`ChunkBuilder::push_in_lanes`].
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn push_in_lanes(
        &mut self,
        event: &EventRef<'_>,
        lanes: LaneSet,
        waited: bool,
        names: EventNames<'_>,
    ) -> Result<()> {
        self.builder.push_in_lanes(event, lanes, waited, names)?;
        if self.builder.is_full() {
            self.flush_chunk()
        } else {
            Ok(())
        }
    }

    /// Records that a container has threads in the current chunk.
    pub fn add_container(&mut self, id: &[u8]) {
        self.builder.add_container(id);
    }

    /// Writes the events pushed so far as a chunk, if there are any.
    ///
    /// # Errors
    ///
    /// As [`Self::write_chunk`].
    pub fn flush_chunk(&mut self) -> Result<()> {
        let Some(raw) = self.builder.finish_raw() else {
            return Ok(());
        };
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(self.options.level)?),
        };
        let mut encoded = std::mem::take(&mut self.encoded);
        raw.compress_into(compressor, &mut encoded)?;
        let written = self.write_chunk(&mut encoded);
        self.encoded = encoded;
        written
    }

    /// Writes a chunk; sets the number of its first event and the losses in its time range.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output.
    pub fn write_chunk(&mut self, chunk: &mut EncodedChunk) -> Result<()> {
        let summary = &mut chunk.head.summary;
        summary.first_event = self.next_event;
        let to = summary.max_time;
        // Each loss is counted in one chunk, at the latest in the next one after its report.
        summary.lost = 0;
        self.losses.retain(|loss| {
            let later = loss.from > to;
            if !later {
                summary.lost = summary.lost.saturating_add(loss.count);
            }
            later
        });
        let body = encode_body(chunk)?;
        let report = self.run.add(&chunk.head.summary, chunk.objects());
        self.write_names(report)?;
        let offset = self.section(SectionKind::CHUNK, &body)?;
        let summary = chunk.head.summary.clone();
        self.next_event = summary.next_event();
        self.index.chunks.push(ChunkEntry {
            offset,
            body_len: body.len() as u64,
            summary,
        });
        Ok(())
    }

    fn write_names(&mut self, report: Option<NameReport>) -> Result<()> {
        let Some(report) = report else {
            return Ok(());
        };
        self.other_section(SectionKind::NAMES, &codec::encode(&report)?)
    }

    /// Writes a snapshot; sets the number of the next event. Pushed events are written first.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output; [`Error::Limit`] for a snapshot that no reader accepts.
    pub fn write_snapshot(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        self.flush_chunk()?;
        let report = self.run.end();
        self.write_names(report)?;
        snapshot.next_event = self.next_event;
        let body = codec::encode(snapshot)?;
        let offset = self.section(SectionKind::SNAPSHOT, &body)?;
        self.index.snapshots.push(SnapshotEntry {
            offset,
            body_len: body.len() as u64,
            time: snapshot.time,
            next_event: snapshot.next_event,
        });
        Ok(())
    }

    /// Writes a loss report, preferably before the chunk of the same time, which then counts the losses.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output.
    pub fn write_loss(&mut self, report: &LossReport) -> Result<()> {
        let body = codec::encode(report)?;
        self.other_section(SectionKind::LOSS, &body)?;
        for loss in &report.losses {
            self.index.lost = self.index.lost.saturating_add(loss.count);
            self.losses.push(*loss);
        }
        Ok(())
    }

    /// Writes descriptions of containers; an empty list writes nothing. Large lists become several sections.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output; [`Error::Limit`] for a description that no reader accepts.
    pub fn write_containers(&mut self, mut descriptions: &[ContainerDescription]) -> Result<()> {
        while !descriptions.is_empty() {
            let mut bytes = 0usize;
            let fits = descriptions.iter().take_while(|d| {
                bytes = bytes.saturating_add(d.json.len());
                bytes <= SECTION_OF_CONTAINERS
            });
            let (now, later) = descriptions.split_at(fits.count().max(1).min(descriptions.len()));
            let body = codec::encode(&ContainerReport {
                descriptions: now.to_vec(),
                ..ContainerReport::default()
            })?;
            self.other_section(SectionKind::CONTAINERS, &body)?;
            descriptions = later;
        }
        Ok(())
    }

    /// Writes what the capture was made from.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output; [`Error::Limit`] for more than a reader accepts.
    pub fn write_derivation(&mut self, derivation: &Derivation) -> Result<()> {
        self.flush_chunk()?;
        let body = codec::encode(derivation)?;
        self.other_section(SectionKind::DERIVATION, &body)
    }

    /// Writes a section of a kind that this crate does not know, for tests and extensions.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output.
    pub fn write_section(&mut self, kind: SectionKind, flags: u16, body: &[u8]) -> Result<()> {
        self.flush_chunk()?;
        let offset = self.section_with_flags(kind, flags, body)?;
        let body_len = body.len() as u64;
        self.index.others.push(OtherEntry {
            kind: kind.0,
            offset,
            body_len,
        });
        Ok(())
    }

    /// Whether anything was written since the last seal; false if what is written is not hashed.
    pub fn has_unsealed(&self) -> bool {
        self.unsealed.as_ref().is_some_and(Unsealed::is_any)
    }

    /// Writes a seal over everything before it, also after [`Self::finish_index`]; returns its root. Without
    /// [`WriterOptions::is_sealed`], nothing is written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output; [`Error::Limit`] for a seal that no reader accepts.
    pub fn write_seal(
        &mut self,
        time: Timestamp,
        facts: &[(String, String)],
        signer: &dyn Signer,
    ) -> Result<Option<Hash>> {
        self.flush_chunk()?;
        let place = (self.offset, self.sequence);
        let Some(unsealed) = &mut self.unsealed else {
            return Ok(None);
        };
        let (body, root) = unsealed.seal(place, (time, facts), signer)?;
        self.other_section(SectionKind::SEAL, &body)?;
        self.flush()?;
        Ok(Some(root))
    }

    /// Flushes the output, so that concurrent readers see every section written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// Writes pending events, the index and the footer, and returns the output.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the output; [`Error::Limit`] if the index is too large: then the file has no index, and is read
    /// without it.
    pub fn finish(mut self) -> Result<W> {
        self.finish_index()?;
        Ok(self.out)
    }

    /// Writes pending events, the index and the footer; only a seal may follow them.
    ///
    /// # Errors
    ///
    /// As [`Self::finish`].
    pub fn finish_index(&mut self) -> Result<()> {
        self.flush_chunk()?;
        let report = self.run.end();
        self.write_names(report)?;
        let body = match codec::encode(&self.index) {
            Err(Error::Limit { .. }) => {
                // In a file of a terabyte, the thread sets are the bulk of the index, and can be omitted.
                for chunk in &mut self.index.chunks {
                    chunk.summary.threads = ThreadSet::unknown();
                }
                codec::encode(&self.index)?
            }
            body => body?,
        };
        let offset = self.section(SectionKind::INDEX, &body)?;
        let len = self.offset.saturating_sub(offset);
        self.section(SectionKind::FOOTER, &footer(offset, len))?;
        self.flush()
    }

    fn other_section(&mut self, kind: SectionKind, body: &[u8]) -> Result<()> {
        let offset = self.section(kind, body)?;
        let body_len = body.len() as u64;
        self.index.others.push(OtherEntry {
            kind: kind.0,
            offset,
            body_len,
        });
        Ok(())
    }

    /// Writes a section and returns its offset.
    fn section(&mut self, kind: SectionKind, body: &[u8]) -> Result<u64> {
        self.section_with_flags(kind, kind.flags(), body)
    }

    fn section_with_flags(&mut self, kind: SectionKind, flags: u16, body: &[u8]) -> Result<u64> {
        let body_len = body.len() as u64;
        check_limit("section", body_len, limits::SECTION_BODY)?;
        let header = SectionHeader {
            kind,
            flags,
            sequence: self.sequence,
            body_len,
            body_crc: crc32fast::hash(body),
        };
        let offset = self.offset;
        let header = header.encode(self.tag);
        self.out.write_all(&header).map_err(Error::Io)?;
        self.out.write_all(body)?;
        if let Some(unsealed) = &mut self.unsealed {
            unsealed.add(offset, &[&header, body]);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.offset = offset
            .saturating_add(HEADER_LEN as u64)
            .saturating_add(body_len);
        Ok(offset)
    }
}
