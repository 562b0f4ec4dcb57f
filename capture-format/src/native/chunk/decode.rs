//! A stored chunk, and its decoding into rows.

use std::ops::Range;

use zstd::bulk;

use super::head::{Frame, Head, STORED, Stream, ZSTD};
use super::rows::{Columns, KindInfo, Rows, Tables, TypeCursor};
use super::{
    COLUMNS, ChunkSummary, EncodedChunk, HAS_LATENCY, IO_DATA, KINDS, LATENCY_HIGH, LATENCY_LOW,
    PARAMS, ROW_CPU, ROW_KIND, ROW_THREAD, THREADS, TIME_HIGH, TIME_LOW,
};
use crate::error::check_limit;
use crate::event::{EventFlags, Pid, Tid};
use crate::native::{codec, origin, varint};
use crate::schema::{EventType, types};
use crate::{Error, Result, limits};

/// The event types whose payload a reader loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want<'a> {
    /// No types.
    Nothing,
    /// These types.
    Types(&'a [EventType]),
    /// All types.
    All,
}

impl Want<'_> {
    fn wants(self, ty: EventType) -> bool {
        match self {
            Self::Nothing => false,
            Self::Types(types) => types.contains(&ty),
            Self::All => true,
        }
    }
}

/// The parts of a chunk to decompress besides the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load<'a> {
    /// Parameters: lengths and values.
    pub params: Want<'a>,
    /// The bytes that I/O calls moved. To locate them, the parameters of all types with I/O data are loaded too.
    pub io_data: bool,
}

impl Load<'_> {
    /// Everything.
    pub const ALL: Self = Self {
        params: Want::All,
        io_data: true,
    };
    /// Times, types, threads, CPUs, latencies and flags only.
    pub const COLUMNS: Self = Self {
        params: Want::Nothing,
        io_data: false,
    };
    /// Everything except I/O data.
    pub const PARAMS: Self = Self {
        params: Want::All,
        io_data: false,
    };
}

/// A stored chunk: the head is decoded, the frames are still compressed.
#[derive(Clone, Debug)]
pub struct Chunk {
    offset: u64,
    head: Head,
    body: Vec<u8>,
    frames_at: usize,
    /// How many rows the stored head claims.
    rows: u32,
    /// The summary is not the stored one.
    is_corrected: bool,
    /// The number of origins that ids can have, in a merged capture.
    origins: Option<usize>,
}

/// Returns the head's bytes from the front of a body. `Err` has the required length of the front, if it is known.
pub(crate) fn split_head(front: &[u8], offset: u64) -> Result<(&[u8], usize), HeadError> {
    let Some((&[l0, l1, l2, l3, c0, c1, c2, c3], rest)) = front.split_first_chunk() else {
        return Err(HeadError::Short(8));
    };
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    check_limit("chunk head", len as u64, limits::CHUNK_HEAD as u64).map_err(HeadError::Bad)?;
    let end = len.saturating_add(8);
    let Some(head) = rest.get(..len) else {
        return Err(HeadError::Short(end));
    };
    if crc32fast::hash(head) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(HeadError::Bad(Error::damaged(
            offset,
            "chunk head checksum",
        )));
    }
    Ok((head, end))
}

/// Why [`split_head`] returns no head.
pub(crate) enum HeadError {
    /// The front needs this number of bytes.
    Short(usize),
    /// The head is invalid.
    Bad(Error),
}

/// Decodes a chunk's head.
pub(crate) fn parse_head(bytes: &[u8], offset: u64) -> Result<Head> {
    codec::decode_plain(bytes, offset)
}

/// Encodes the body of a chunk section.
pub(crate) fn encode_body(chunk: &EncodedChunk) -> Result<Vec<u8>> {
    let head = codec::encode_plain(&chunk.head)?;
    check_limit("chunk head", head.len() as u64, limits::CHUNK_HEAD as u64)?;
    let len = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let size = head
        .len()
        .saturating_add(chunk.frames.len())
        .saturating_add(8);
    let mut body = Vec::with_capacity(size);
    body.extend_from_slice(&len.to_le_bytes());
    body.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    body.extend_from_slice(&head);
    body.extend_from_slice(&chunk.frames);
    Ok(body)
}

impl Chunk {
    /// Reads a chunk from the body of its section, which starts at `offset` in the file.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Limit`] if the head is wrong.
    pub fn parse(body: Vec<u8>, offset: u64) -> Result<Self> {
        let (head, frames_at) = match split_head(&body, offset) {
            Ok((bytes, end)) => (parse_head(bytes, offset)?, end),
            Err(HeadError::Short(_)) => {
                return Err(Error::damaged(offset, "chunk head is cut off"));
            }
            Err(HeadError::Bad(error)) => return Err(error),
        };
        check_limit(
            "events",
            head.summary.events.into(),
            limits::CHUNK_EVENTS.into(),
        )?;
        check_limit(
            "frames",
            head.frames.len() as u64,
            limits::CHUNK_STREAMS as u64,
        )?;
        check_limit(
            "streams",
            head.streams.len() as u64,
            limits::CHUNK_STREAMS as u64,
        )?;
        let raw: u64 = head.frames.iter().map(|f| u64::from(f.raw_len)).sum();
        check_limit("chunk", raw, limits::CHUNK_RAW)?;
        Ok(Self {
            offset,
            rows: head.summary.events,
            head,
            body,
            frames_at,
            is_corrected: false,
            origins: None,
        })
    }

    /// Sets how many origins the header of a merged capture describes.
    pub(crate) const fn of_origins(&mut self, origins: usize) {
        self.origins = Some(origins);
    }

    /// Replaces a summary that was found to be wrong; rows beyond its number of events do not exist then, and the end of the chunk
    /// is not checked.
    pub(crate) fn correct(&mut self, summary: &ChunkSummary) {
        self.is_corrected = self.head.summary != *summary;
        if self.is_corrected {
            self.head.summary = summary.clone();
        }
    }

    /// Decodes everything, and checks it. Returns the events that can be read as a summary, and what is wrong
    /// with the chunk, if anything.
    pub fn verify(&self, decoder: &mut ChunkDecoder) -> (ChunkSummary, Option<Error>) {
        let mut rows = match self.decode(decoder, Load::ALL) {
            Ok(rows) => rows,
            Err(error) => return (self.head.summary.without_events(), Some(error)),
        };
        let wrong = loop {
            match rows.next() {
                Ok(Some(_)) => {}
                Ok(None) => return (self.head.summary.clone(), None),
                Err(error) => break error,
            }
        };
        (rows.summary(&self.head.summary), Some(wrong))
    }

    /// Returns the offset of the chunk's section in the file.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the summary.
    pub const fn summary(&self) -> &ChunkSummary {
        &self.head.summary
    }

    /// Returns the chunk for a writer, without decompressing it.
    pub fn to_encoded(&self) -> EncodedChunk {
        let frames = self.body.get(self.frames_at..).unwrap_or_default();
        EncodedChunk::of_parts(self.head.clone(), frames.to_vec())
    }

    /// Decompresses the parts in `load` and returns the rows.
    ///
    /// What is loaded is checked: after the last row, [`Rows::next`] fails once if bytes are left over, or if the
    /// summary is not that of the rows. With [`Load::ALL`], a chunk whose rows all decode is intact.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if a frame or the tables of kinds and threads are wrong.
    pub fn decode<'d>(&'d self, decoder: &'d mut ChunkDecoder, load: Load<'_>) -> Result<Rows<'d>> {
        let damaged = |what| Error::damaged(self.offset, what);
        decoder.found.clear();
        decoder.load(self, |s| s.class == COLUMNS)?;
        decoder
            .load_kinds()
            .ok_or(damaged("row kinds do not decode"))?;
        let mut with_data: Vec<EventType> = Vec::new();
        if load.io_data {
            with_data.extend(
                decoder
                    .kinds
                    .iter()
                    .filter(|k| k.io_param.is_some())
                    .map(|k| k.ty),
            );
            with_data.sort_unstable();
            with_data.dedup();
        }
        let wants_params = |ty| load.params.wants(ty) || with_data.binary_search(&ty).is_ok();
        decoder.load(self, |s| match s.class {
            PARAMS => wants_params(EventType(s.id)),
            IO_DATA => load.io_data,
            _ => false,
        })?;

        let ChunkDecoder {
            raw,
            found,
            kinds,
            kind_lens,
            kind_vars,
            threads,
            ..
        } = decoder;
        let raw: &'d [u8] = raw;
        let stream = |class, id| -> &'d [u8] {
            find(found, class, id)
                .and_then(|r| raw.get(r))
                .unwrap_or(&[])
        };
        let column = |id| stream(COLUMNS, id);
        decode_threads(column(THREADS), self.rows, threads)
            .ok_or(damaged("threads do not decode"))?;
        let is_of = |stored: i64, origins| usize::from(origin::split(stored).0.0) < origins;
        if let Some(origins) = self.origins
            && !threads.iter().all(|(tid, _)| is_of(tid.0, origins))
        {
            return Err(damaged(
                "an event is of an origin that the header does not describe",
            ));
        }

        // One cursor per type in the chunk.
        let mut cursors: Vec<TypeCursor<'d>> = Vec::new();
        let mut order: Vec<EventType> = kinds.iter().map(|k| k.ty).collect();
        order.sort_unstable();
        order.dedup();
        for ty in &order {
            cursors.push(TypeCursor {
                ty: *ty,
                loaded: wants_params(*ty),
                params: stream(PARAMS, ty.0),
            });
        }
        for kind in kinds.iter_mut() {
            kind.cursor = order.binary_search(&kind.ty).unwrap_or(usize::MAX);
        }
        let columns = Columns {
            kind: column(ROW_KIND),
            thread: column(ROW_THREAD),
            cpu: column(ROW_CPU),
            time_low: column(TIME_LOW),
            time_high: column(TIME_HIGH),
            latency_low: column(LATENCY_LOW),
            latency_high: column(LATENCY_HIGH),
            io_data: load.io_data.then(|| stream(IO_DATA, 0)),
        };
        let tables = Tables {
            kinds,
            kind_lens,
            kind_vars,
            threads,
        };
        Ok(Rows::new(
            (self.offset, !self.is_corrected),
            &self.head,
            columns,
            cursors,
            tables,
        ))
    }
}

/// A loaded stream: class, id, and position in the decoder's memory.
type Found = ((u8, u16), Range<usize>);

fn find(found: &[Found], class: u8, id: u16) -> Option<Range<usize>> {
    let i = found.binary_search_by_key(&(class, id), |f| f.0).ok()?;
    found.get(i).map(|f| f.1.clone())
}

/// Memory for decoding chunks, reused from chunk to chunk.
#[derive(Default)]
pub struct ChunkDecoder {
    zstd: Option<bulk::Decompressor<'static>>,
    raw: Vec<u8>,
    found: Vec<Found>,
    kinds: Vec<KindInfo>,
    kind_lens: Vec<u32>,
    kind_vars: Vec<u8>,
    threads: Vec<(Tid, Pid)>,
}

impl std::fmt::Debug for ChunkDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkDecoder")
            .field("raw", &self.raw.len())
            .finish_non_exhaustive()
    }
}

impl ChunkDecoder {
    /// Makes a decoder without allocating.
    pub fn new() -> Self {
        Self::default()
    }

    fn load_kinds(&mut self) -> Option<()> {
        let bytes = find(&self.found, COLUMNS, KINDS)
            .and_then(|r| self.raw.get(r))
            .unwrap_or(&[]);
        decode_kinds(
            bytes,
            &mut self.kinds,
            &mut self.kind_lens,
            &mut self.kind_vars,
        )
    }

    /// Decompresses the frames with wanted streams, after those loaded before, and records the positions of their
    /// streams.
    fn load(&mut self, chunk: &Chunk, wanted: impl Fn(&Stream) -> bool) -> Result<()> {
        let damaged = |what| Error::damaged(chunk.offset, what);
        let Self {
            zstd, raw, found, ..
        } = self;
        let mut stored = chunk.body.get(chunk.frames_at..).unwrap_or(&[]);
        let mut streams = chunk.head.streams.as_slice();
        let mut used = found.iter().map(|f| f.1.end).max().unwrap_or(0);
        for (index, frame) in chunk.head.frames.iter().enumerate() {
            let (bytes, rest) = stored
                .split_at_checked(frame.stored_len as usize)
                .ok_or(damaged("frames are cut off"))?;
            stored = rest;
            let of_frame = streams
                .iter()
                .take_while(|s| s.frame as usize == index)
                .count();
            let (of_frame, rest) = streams.split_at_checked(of_frame).unwrap_or((streams, &[]));
            streams = rest;
            let sum: u64 = of_frame.iter().map(|s| u64::from(s.raw_len)).sum();
            if sum != u64::from(frame.raw_len) {
                return Err(damaged("streams do not fill their frame"));
            }
            if !of_frame.iter().any(&wanted) {
                continue;
            }
            let end = used.saturating_add(frame.raw_len as usize);
            if raw.len() < end {
                raw.resize(end, 0);
            }
            let target = raw.get_mut(used..end).unwrap_or(&mut []);
            decompress(zstd, frame, bytes, target).map_err(damaged)?;
            for stream in of_frame {
                let end = used.saturating_add(stream.raw_len as usize);
                found.push(((stream.class, stream.id), used..end));
                used = end;
            }
        }
        if !stored.is_empty() || !streams.is_empty() {
            return Err(damaged("bytes or streams beyond the last frame"));
        }
        found.sort_by_key(|f| f.0);
        if found.windows(2).any(|w| matches!(w, [a, b] if a.0 == b.0)) {
            return Err(damaged("a stream occurs twice"));
        }
        Ok(())
    }
}

/// Decompresses a frame, which has to fill `target`.
fn decompress(
    zstd: &mut Option<bulk::Decompressor<'static>>,
    frame: &Frame,
    bytes: &[u8],
    target: &mut [u8],
) -> Result<(), &'static str> {
    match frame.codec {
        STORED if bytes.len() == target.len() => target.copy_from_slice(bytes),
        ZSTD => {
            let zstd = match zstd {
                Some(zstd) => zstd,
                none => none.insert(bulk::Decompressor::new().map_err(|_| "no memory for zstd")?),
            };
            let written = zstd.decompress_to_buffer(bytes, target);
            if written.map_err(|_| "a frame does not decompress")? != frame.raw_len as usize {
                return Err("a frame is shorter than it should be");
            }
        }
        _ => return Err("a frame of unknown compression"),
    }
    Ok(())
}

fn decode_kinds(
    mut bytes: &[u8],
    kinds: &mut Vec<KindInfo>,
    lens: &mut Vec<u32>,
    vars: &mut Vec<u8>,
) -> Option<()> {
    kinds.clear();
    lens.clear();
    vars.clear();
    let count = varint::take(&mut bytes)?;
    if count > limits::CHUNK_KINDS as u64 {
        return None;
    }
    for _ in 0..count {
        let ty = EventType(u16::try_from(varint::take(&mut bytes)?).ok()?);
        let flags = u16::try_from(varint::take(&mut bytes)?).ok()?;
        let io_param = u8::try_from(varint::take(&mut bytes)?).ok()?.checked_sub(1);
        let params = u8::try_from(varint::take(&mut bytes)?).ok()?;
        if io_param.is_some_and(|i| i >= params) {
            return None;
        }
        let (lens_at, vars_at) = (lens.len(), vars.len());
        let mut fixed_bytes = 0usize;
        for i in 0..params {
            let len = match varint::take(&mut bytes)?.checked_sub(1) {
                None => {
                    vars.push(i);
                    0
                }
                Some(len) if len <= limits::EVENT_BYTES as u64 => u32::try_from(len).ok()?,
                Some(_) => return None,
            };
            if io_param != Some(i) {
                fixed_bytes = fixed_bytes.checked_add(len as usize)?;
            }
            lens.push(len);
        }
        if lens.len() > limits::CHUNK_KIND_PARAMS {
            return None;
        }
        let [event_flags, _] = flags.to_le_bytes();
        kinds.push(KindInfo {
            ty,
            flags: EventFlags::from_bits_retain(event_flags),
            has_latency: flags & HAS_LATENCY != 0,
            io_param: io_param.map(usize::from),
            lens: lens_at..lens.len(),
            vars: vars_at..vars.len(),
            fixed_bytes,
            cursor: usize::MAX,
            is_generic: ty == types::GENERIC_X,
            rows: 0,
        });
    }
    bytes.is_empty().then_some(())
}

/// At most one thread per row, so that the table is not larger than its use.
fn decode_threads(mut bytes: &[u8], rows: u32, threads: &mut Vec<(Tid, Pid)>) -> Option<()> {
    threads.clear();
    while !bytes.is_empty() {
        if threads.len() >= rows as usize {
            return None;
        }
        let tid = varint::unzigzag(varint::take(&mut bytes)?);
        let pid = varint::unzigzag(varint::take(&mut bytes)?);
        threads.push((Tid(tid), Pid(pid)));
    }
    Some(())
}
