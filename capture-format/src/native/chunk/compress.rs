//! Compresses a raw chunk into frames, on worker threads.

use zstd::bulk;

use super::activity;
use super::head::{Frame, Head, STORED, Stream, ThreadSet, ZSTD};
use super::pool::{Buffers, RawChunk};
use super::{
    COLUMNS, ChunkSummary, IO_DATA, KINDS, LATENCY_HIGH, LATENCY_LOW, PARAMS, ROW_CPU, ROW_KIND,
    ROW_THREAD, THREADS, TIME_HIGH, TIME_LOW, VARIES,
};
use crate::error::check_limit;
use crate::event::EventFlags;
use hashbrown::HashSet;

use crate::native::Extra;
use crate::native::varint;
use crate::{Error, Result, limits};

/// A frame is closed when it has at least this many bytes before compression, so that rare event types share frames and
/// frequent ones have their own.
const FRAME_TARGET: usize = 32 << 10;

/// Shorter frames are not compressed.
const COMPRESS_FROM: usize = 64;

/// A compressor of chunks; each worker thread has its own.
pub struct Compressor {
    zstd: bulk::Compressor<'static>,
    /// Streams of a shared frame, one after the other.
    joined: Vec<u8>,
    packed: Vec<u8>,
    kinds: Vec<u8>,
    threads: Vec<u8>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// Makes a compressor with this zstd level. A recorder uses 1; 3 takes about half again the time and
    /// saves a few percent.
    ///
    /// # Errors
    ///
    /// [`Error::Compress`] if there is not enough memory.
    pub fn new(level: i32) -> Result<Self> {
        Ok(Self {
            zstd: bulk::Compressor::new(level).map_err(Error::Compress)?,
            joined: Vec::new(),
            packed: Vec::new(),
            kinds: Vec::new(),
            threads: Vec::new(),
        })
    }
}

/// A compressed chunk, ready to be written.
#[derive(Clone, Debug, Default)]
pub struct EncodedChunk {
    pub(crate) head: Head,
    pub(crate) frames: Vec<u8>,
    /// Fingerprints of what the events are about.
    objects: HashSet<u32>,
    /// All of them are there.
    knows_objects: bool,
}

impl EncodedChunk {
    /// Makes one of a chunk that was read.
    pub(super) fn of_parts(head: Head, frames: Vec<u8>) -> Self {
        Self {
            head,
            frames,
            ..Self::default()
        }
    }

    /// Returns fingerprints of what the events are about; `None` if not all are known.
    pub(crate) fn objects(&self) -> Option<&HashSet<u32>> {
        self.knows_objects.then_some(&self.objects)
    }

    /// Returns the summary. The writer sets the number of the first event and the losses.
    pub const fn summary(&self) -> &ChunkSummary {
        &self.head.summary
    }

    /// Moves all events to a later time, by a number of nanoseconds, for captures made of repeated ones.
    pub fn delay(&mut self, ns: u64) {
        let head = &mut self.head;
        let summary = &mut head.summary;
        let times = [
            &mut head.base_time,
            &mut summary.min_time,
            &mut summary.max_time,
        ];
        for time in times {
            time.0 = time.0.saturating_add(ns);
        }
    }

    /// Returns the size of the frames in bytes.
    pub fn stored_bytes(&self) -> usize {
        self.frames.len()
    }
}

impl RawChunk {
    /// Compresses the chunk.
    ///
    /// # Errors
    ///
    /// [`Error::Compress`] if memory runs out, [`Error::Limit`] if the chunk is larger than readers accept.
    pub fn compress(&self, compressor: &mut Compressor) -> Result<EncodedChunk> {
        let mut out = EncodedChunk::default();
        self.compress_into(compressor, &mut out)?;
        Ok(out)
    }

    /// Compresses the chunk into `out`, reusing its memory.
    ///
    /// # Errors
    ///
    /// As [`Self::compress`].
    pub fn compress_into(&self, compressor: &mut Compressor, out: &mut EncodedChunk) -> Result<()> {
        let b = &self.buffers;
        out.frames.clear();
        out.head.frames.clear();
        out.head.streams.clear();
        out.head.base_time = b.base_time;
        out.head.summary = summary(b);
        out.knows_objects = b.names.objects().is_some();
        out.objects.clear();
        out.objects.extend(b.names.objects().into_iter().flatten());

        let Compressor {
            zstd,
            joined,
            packed,
            kinds,
            threads,
        } = compressor;
        encode_kinds(b, kinds);
        threads.clear();
        for (tid, pid) in &b.threads {
            varint::push(threads, varint::zigzag(tid.0));
            varint::push(threads, varint::zigzag(pid.0));
        }
        let mut frames = Frames {
            zstd,
            joined,
            packed,
            out,
        };
        frames.add(
            COLUMNS,
            &[
                (KINDS, kinds),
                (THREADS, threads),
                (ROW_KIND, &b.row_kind),
                (ROW_THREAD, &b.row_thread),
                (ROW_CPU, &b.row_cpu),
            ],
        )?;
        // Each column separately: they have no common patterns, and noise is stored instead of searched.
        for column in [
            (TIME_LOW, &b.time_low),
            (TIME_HIGH, &b.time_high),
            (LATENCY_LOW, &b.latency_low),
            (LATENCY_HIGH, &b.latency_high),
        ] {
            frames.add(COLUMNS, &[(column.0, column.1)])?;
        }
        let mut order: Vec<_> = b.types.iter().take(b.types_used).collect();
        order.sort_by_key(|t| t.ty);
        let params = order.iter().map(|t| (t.ty.0, t.params.as_slice()));
        frames.add_grouped(PARAMS, params)?;
        frames.add(IO_DATA, &[(0, &b.io_data)])?;
        let raw: u64 = out.head.frames.iter().map(|f| u64::from(f.raw_len)).sum();
        check_limit("chunk", raw, limits::CHUNK_RAW)?;
        Ok(())
    }
}

struct Frames<'a> {
    zstd: &'a mut bulk::Compressor<'static>,
    joined: &'a mut Vec<u8>,
    packed: &'a mut Vec<u8>,
    out: &'a mut EncodedChunk,
}

impl Frames<'_> {
    /// Adds streams, closing a frame whenever it is large enough.
    fn add_grouped<'s>(
        &mut self,
        class: u8,
        streams: impl Iterator<Item = (u16, &'s [u8])>,
    ) -> Result<()> {
        let mut group: Vec<(u16, &[u8])> = Vec::new();
        let mut size = 0usize;
        for stream in streams.filter(|s| !s.1.is_empty()) {
            // A frequent type has its own frame, so that it is not decompressed for a rare one.
            if stream.1.len() >= FRAME_TARGET {
                self.add(class, &[stream])?;
                continue;
            }
            size = size.saturating_add(stream.1.len());
            group.push(stream);
            if size >= FRAME_TARGET {
                self.add(class, &group)?;
                group.clear();
                size = 0;
            }
        }
        self.add(class, &group)
    }

    /// Adds one frame with these streams.
    fn add(&mut self, class: u8, streams: &[(u16, &[u8])]) -> Result<()> {
        let raw: &[u8] = match streams {
            [] => return Ok(()),
            [one] => one.1,
            several => {
                self.joined.clear();
                several
                    .iter()
                    .for_each(|s| self.joined.extend_from_slice(s.1));
                self.joined
            }
        };
        if raw.is_empty() {
            return Ok(());
        }
        self.packed.clear();
        if raw.len() >= COMPRESS_FROM {
            self.packed
                .reserve(zstd::zstd_safe::compress_bound(raw.len()));
            self.zstd
                .compress_to_buffer(raw, self.packed)
                .map_err(Error::Compress)?;
        }
        // The saving has to be worth the decompression.
        let worth =
            !self.packed.is_empty() && self.packed.len() < raw.len().saturating_sub(raw.len() / 32);
        let (codec, stored) = if worth {
            (ZSTD, &**self.packed)
        } else {
            (STORED, raw)
        };
        let index = length(self.out.head.frames.len())?;
        let (raw_len, stored_len) = (length(raw.len())?, length(stored.len())?);
        self.out.head.frames.push(Frame {
            codec,
            raw_len,
            stored_len,
        });
        for (id, bytes) in streams {
            let raw_len = length(bytes.len())?;
            self.out.head.streams.push(Stream {
                class,
                id: *id,
                frame: index,
                raw_len,
            });
        }
        let sizes = &mut self.out.head.summary.sizes;
        let (total, total_raw) = match class {
            COLUMNS => (&mut sizes.columns, &mut sizes.columns_raw),
            PARAMS => (&mut sizes.params, &mut sizes.params_raw),
            _ => (&mut sizes.io_data, &mut sizes.io_data_raw),
        };
        *total = total.saturating_add(stored_len);
        *total_raw = total_raw.saturating_add(raw_len);
        self.out.frames.extend_from_slice(stored);
        Ok(())
    }
}

fn length(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::Limit {
        what: "chunk",
        value: len as u64,
        limit: limits::CHUNK_RAW,
    })
}

fn extra(b: &Buffers) -> Extra {
    let activity = (!b.lacks_lanes).then(|| (activity::EXTRA, b.activity.encode()));
    activity.into_iter().chain(b.names.entry()).collect()
}

fn summary(b: &Buffers) -> ChunkSummary {
    let mut summary = ChunkSummary {
        min_time: b.min_time,
        max_time: b.max_time,
        events: b.rows,
        threads: ThreadSet::from_threads(&b.threads),
        containers: b.containers.clone(),
        failed: b.failed,
        extra: extra(b),
        ..ChunkSummary::default()
    };
    for kind in &b.kinds {
        if u16::from(EventFlags::HIDDEN.bits()) & kind.flags != 0 {
            summary.hidden = summary.hidden.saturating_add(kind.rows);
        }
        match summary.types.binary_search_by_key(&kind.ty, |t| t.0) {
            Ok(i) => {
                if let Some(entry) = summary.types.get_mut(i) {
                    entry.1 = entry.1.saturating_add(kind.rows);
                }
            }
            Err(i) => summary.types.insert(i, (kind.ty, kind.rows)),
        }
    }
    summary
}

/// Encodes the row kinds: count, then for each type, flags, I/O data parameter + 1, parameter count, and per
/// parameter its length + 1, or 0 if it varies.
fn encode_kinds(b: &Buffers, out: &mut Vec<u8>) {
    out.clear();
    varint::push(out, b.kinds.len() as u64);
    for kind in &b.kinds {
        varint::push(out, u64::from(kind.ty.0));
        varint::push(out, u64::from(kind.flags));
        varint::push(
            out,
            kind.io_param.map_or(0, |i| u64::from(i).saturating_add(1)),
        );
        varint::push(out, u64::from(kind.params));
        let from = kind.lens_at as usize;
        let lens = b
            .kind_lens
            .get(from..from.saturating_add(usize::from(kind.params)));
        for len in lens.unwrap_or(&[]) {
            varint::push(
                out,
                if *len == VARIES {
                    0
                } else {
                    u64::from(*len).saturating_add(1)
                },
            );
        }
    }
}
