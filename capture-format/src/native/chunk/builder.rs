//! Appends events to the columns of a chunk.

use std::mem;

use hashbrown::HashMap;

use super::names::EventNames;
use super::pool::{Buffers, ChunkPool, Kind, RawChunk, TypeStreams};
use super::{HAS_LATENCY, VARIES};
use crate::error::check_limit;
use crate::event::{EventFlags, EventRef, Loaded, Params, Pid, Tid, Timestamp};
use crate::native::lane::LaneSet;
use crate::native::varint;
use crate::schema::{EventType, ParamType, event_info, types};
use crate::{Error, Result, limits};

/// Size before compression at which a chunk counts as full, in bytes.
///
/// Larger chunks compress little better (zstd -1 looks back 512 KiB). Smaller ones are found and skipped more
/// precisely, and less is lost when a file is truncated.
pub const CHUNK_TARGET_BYTES: usize = 2 << 20;

/// Number of events at which a chunk counts as full.
pub const CHUNK_TARGET_EVENTS: u32 = 1 << 17;

/// Most event types of a chunk. Only a converted hostile file has more than the schema.
const MOST_TYPES: usize = 1 << 14;

/// Most kinds of a type before one that fits every shape is used.
const KINDS_PER_TYPE: usize = 32;

/// "No streams yet" in the type table.
const NO_STREAMS: u16 = u16::MAX;

/// One cached thread per CPU (modulo this number), since consecutive events of a CPU are mostly of one thread.
const THREAD_CACHE: usize = 64;

/// Builds chunks: `push` events, `finish_raw` when full.
#[derive(Debug)]
pub struct ChunkBuilder {
    pool: ChunkPool,
    buffers: Buffers,
    last_time: Timestamp,
    /// Index into `buffers.types` by event type.
    streams_of: Vec<u16>,
    thread_index: HashMap<(Tid, Pid), u32>,
    thread_cache: [(Tid, Pid, u32); THREAD_CACHE],
    /// Lengths of an event whose I/O data was not loaded.
    scratch: Vec<u32>,
}

impl ChunkBuilder {
    /// Makes a builder that takes its buffers from `pool`.
    pub fn new(pool: ChunkPool) -> Self {
        let buffers = pool.take();
        Self {
            pool,
            buffers,
            last_time: Timestamp(0),
            streams_of: Vec::new(),
            thread_index: HashMap::new(),
            thread_cache: [(Tid(0), Pid(0), u32::MAX); THREAD_CACHE],
            scratch: Vec::new(),
        }
    }

    /// Returns the number of events in the current chunk.
    pub const fn events(&self) -> u32 {
        self.buffers.rows
    }

    /// Returns the size of the events in the current chunk in bytes before compression.
    pub const fn raw_bytes(&self) -> usize {
        self.buffers.raw_bytes
    }

    /// Whether the current chunk has no events.
    pub const fn is_empty(&self) -> bool {
        self.buffers.rows == 0
    }

    /// Whether the chunk has reached its target size and should be finished. The caller may finish it earlier: a
    /// recorder does so after half a second.
    pub const fn is_full(&self) -> bool {
        self.buffers.raw_bytes >= CHUNK_TARGET_BYTES
            || self.buffers.rows >= CHUNK_TARGET_EVENTS
            || self.buffers.types_used >= MOST_TYPES / 4
            || self.buffers.kind_lens.len() >= limits::CHUNK_KIND_PARAMS / 4
    }

    /// Records that a container has threads in the chunk.
    pub fn add_container(&mut self, id: &[u8]) {
        if !self.buffers.containers.iter().any(|c| c == id) {
            self.buffers.containers.push(id.to_vec());
        }
    }

    /// Appends an event with its lanes and names. `waited`: the call was waiting, so that its latency is not
    /// counted.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    #[inline]
    pub fn push_in_lanes(
        &mut self,
        event: &EventRef<'_>,
        lanes: LaneSet,
        waited: bool,
        names: EventNames<'_>,
    ) -> Result<()> {
        self.append(event)?;
        if !event.flags.contains(EventFlags::HIDDEN) {
            self.buffers.names.add(names);
            let latency = event.latency.filter(|_| !waited && event.ty.is_exit());
            self.buffers.activity.count(lanes, latency);
        }
        Ok(())
    }

    /// Appends an event. It is numbered by its position; `event.num` is ignored. Unless the event is hidden, the summary
    /// of its chunk has no activity counts and no names.
    ///
    /// I/O data that a reader has not loaded is stored as absent.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the event or the chunk is larger than readers accept; the event is then not stored and the
    /// builder is unchanged. [`Error::NotLoaded`] for an event from a reader that loaded only columns.
    pub fn push(&mut self, event: &EventRef<'_>) -> Result<()> {
        self.append(event)?;
        if !event.flags.contains(EventFlags::HIDDEN) {
            self.buffers.lacks_lanes = true;
            self.buffers.names.add(EventNames::UNKNOWN);
        }
        Ok(())
    }

    /// Appends an event without counting it.
    fn append(&mut self, event: &EventRef<'_>) -> Result<()> {
        let params = &event.params;
        match params.loaded() {
            Loaded::All => {}
            Loaded::AllButIoData => return self.push_without_data(event),
            Loaded::Nothing => return Err(Error::NotLoaded),
        }
        check_limit(
            "rows of a chunk",
            u64::from(self.buffers.rows),
            u64::from(limits::CHUNK_EVENTS).saturating_sub(1),
        )?;
        if params.len() > limits::EVENT_PARAMS {
            check_limit(
                "parameters",
                params.len() as u64,
                limits::EVENT_PARAMS as u64,
            )?;
        }
        check_limit(
            "parameters of row kinds",
            self.buffers.kind_lens.len() as u64,
            limits::CHUNK_KIND_PARAMS.saturating_sub(limits::EVENT_PARAMS) as u64,
        )?;
        let streams_at = self.streams_of(event.ty)?;
        let buffers = &mut self.buffers;
        let Some(streams) = buffers.types.get_mut(streams_at) else {
            return Err(Error::damaged(0, "no streams for an event type"));
        };
        let io_param = streams.io_param.map(usize::from);
        let Some((head, data, tail)) = params.split(io_param) else {
            return Err(Error::damaged(0, "parameters do not fit their type"));
        };
        let bytes = head
            .len()
            .saturating_add(data.len())
            .saturating_add(tail.len());
        if bytes > limits::EVENT_BYTES {
            check_limit("event", bytes as u64, limits::EVENT_BYTES as u64)?;
        }

        let lens = params.lens();
        let flags = u16::from(event.flags.bits())
            | if event.latency.is_some() {
                HAS_LATENCY
            } else {
                0
            };
        let kind_at = match streams.kinds.first() {
            Some(&at)
                if buffers
                    .kinds
                    .get(at as usize)
                    .is_some_and(|k| kind_fits(k, &buffers.kind_lens, flags, lens)) =>
            {
                at
            }
            _ => find_kind(
                streams,
                &mut buffers.kinds,
                &mut buffers.kind_lens,
                flags,
                lens,
            ),
        };
        let Some(kind) = buffers.kinds.get_mut(kind_at as usize) else {
            return Err(Error::damaged(0, "no row kind"));
        };
        kind.rows = kind.rows.saturating_add(1);

        // The row's parameters.
        let template = kind_template(kind, &buffers.kind_lens);
        for (len, fixed) in lens.iter().zip(template) {
            if *fixed == VARIES {
                varint::push(&mut streams.params, u64::from(*len));
            }
        }
        streams.params.extend_from_slice(head);
        streams.params.extend_from_slice(tail);
        if !data.is_empty() {
            buffers.io_data.extend_from_slice(data);
        }
        if let Some(at) = kind.result_at {
            let at = usize::from(at);
            if let Some(result) = head.get(at..).and_then(|b| b.first_chunk::<8>()) {
                let result = i64::from_le_bytes(*result);
                buffers.failed = buffers
                    .failed
                    .saturating_add(u32::from((-4095..0).contains(&result)));
            }
        }

        if event.ty == types::GENERIC_X {
            buffers.activity.untyped.add(lens, head);
        }

        // The columns.
        let ts = event.ts;
        if buffers.rows == 0 {
            buffers.base_time = ts;
            buffers.min_time = Timestamp(0);
            buffers.max_time = Timestamp(0);
            self.last_time = ts;
        }
        if ts.known().is_some() {
            buffers.max_time = buffers.max_time.max(ts);
            buffers.min_time = match buffers.min_time.known() {
                Some(_) => buffers.min_time.min(ts),
                None => ts,
            };
        }
        let delta = ts.0.wrapping_sub(self.last_time.0).cast_signed();
        self.last_time = ts;
        let latency = event.latency.unwrap_or(0);
        let gap = delta.checked_sub_unsigned(latency).filter(|gap| *gap >= 0);
        let (value, negative) = match gap {
            Some(gap) => (gap.cast_unsigned(), 0),
            None => (varint::zigzag(delta), 1),
        };
        #[expect(clippy::cast_possible_truncation, reason = "the low byte is wanted")]
        {
            buffers.time_low.push((value << 1) as u8 | negative);
            varint::push_high(&mut buffers.time_high, value >> 7);
            if event.latency.is_some() {
                buffers.latency_low.push(latency as u8);
                varint::push_high(&mut buffers.latency_high, latency >> 8);
            }
        }
        varint::push(&mut buffers.row_kind, u64::from(kind_at));
        varint::push(&mut buffers.row_cpu, u64::from(event.cpu));
        let cached = self
            .thread_cache
            .get_mut(usize::from(event.cpu) % THREAD_CACHE);
        let thread = match cached {
            Some((tid, pid, at)) if *tid == event.tid && *pid == event.pid && *at != u32::MAX => {
                *at
            }
            cached => {
                let next = u32::try_from(buffers.threads.len()).unwrap_or(u32::MAX);
                let at = *self
                    .thread_index
                    .entry((event.tid, event.pid))
                    .or_insert(next);
                if at == next {
                    buffers.threads.push((event.tid, event.pid));
                }
                if let Some(cached) = cached {
                    *cached = (event.tid, event.pid, at);
                }
                at
            }
        };
        varint::push(&mut buffers.row_thread, u64::from(thread));
        buffers.rows = buffers.rows.saturating_add(1);
        buffers.raw_bytes = buffers.raw_bytes.saturating_add(bytes).saturating_add(8);
        Ok(())
    }

    /// Takes the events pushed so far as a chunk, or `None` if there are none.
    pub fn finish_raw(&mut self) -> Option<RawChunk> {
        if self.is_empty() {
            return None;
        }
        self.streams_of.fill(NO_STREAMS);
        self.thread_index.clear();
        self.thread_cache = [(Tid(0), Pid(0), u32::MAX); THREAD_CACHE];
        let buffers = mem::replace(&mut self.buffers, self.pool.take());
        Some(RawChunk {
            buffers,
            pool: self.pool.clone(),
        })
    }

    /// Returns the index of the type's streams, made at its first event in the chunk.
    fn streams_of(&mut self, ty: EventType) -> Result<usize> {
        let at = usize::from(ty.0);
        match self.streams_of.get(at) {
            Some(&streams) if streams != NO_STREAMS => Ok(usize::from(streams)),
            _ => self.add_streams(ty),
        }
    }

    #[cold]
    fn add_streams(&mut self, ty: EventType) -> Result<usize> {
        check_limit(
            "event types of a chunk",
            self.buffers.types_used as u64,
            MOST_TYPES as u64,
        )?;
        let at = usize::from(ty.0);
        if self.streams_of.len() <= at {
            self.streams_of.resize(at.saturating_add(1), NO_STREAMS);
        }
        let used = self.buffers.types_used;
        if self.buffers.types.len() <= used {
            self.buffers.types.push(TypeStreams::default());
        }
        self.buffers.types_used = used.saturating_add(1);
        if let (Some(slot), Ok(index)) = (self.streams_of.get_mut(at), u16::try_from(used)) {
            *slot = index;
        }
        if let Some(streams) = self.buffers.types.get_mut(used) {
            streams.ty = ty;
            let info = event_info(ty);
            streams.io_param = info
                .and_then(|i| i.io_data_param())
                .and_then(|i| u8::try_from(i).ok());
            // The result of a generic syscall follows its ids.
            streams.result_param = match info {
                _ if ty == types::GENERIC_X => Some(2),
                Some(info) if !info.enter => match info.params.first().map(|p| p.ty) {
                    Some(ParamType::Errno | ParamType::Fd | ParamType::Pid) => Some(0),
                    _ => None,
                },
                _ => None,
            };
            let lens = info.map_or(&[][..], |i| i.params).iter();
            streams.schema_lens.extend(lens.map(|p| {
                p.ty.fixed_len()
                    .and_then(|l| u32::try_from(l).ok())
                    .unwrap_or(VARIES)
            }));
        }
        Ok(used)
    }

    #[cold]
    fn push_without_data(&mut self, event: &EventRef<'_>) -> Result<()> {
        let mut lens = mem::take(&mut self.scratch);
        lens.clear();
        lens.extend(
            event
                .params
                .iter()
                .map(|p| p.map_or(0, |b| u32::try_from(b.len()).unwrap_or(0))),
        );
        let bytes = event.params.bytes();
        let params = Params::new(&lens, bytes).unwrap_or(Params::EMPTY);
        let pushed = self.append(&EventRef { params, ..*event });
        self.scratch = lens;
        pushed
    }
}

fn kind_template<'a>(kind: &Kind, lens: &'a [u32]) -> &'a [u32] {
    let from = kind.lens_at as usize;
    lens.get(from..from.saturating_add(usize::from(kind.params)))
        .unwrap_or(&[])
}

/// Whether a row with these flags and lengths can be of this kind.
#[inline]
fn kind_fits(kind: &Kind, kind_lens: &[u32], flags: u16, lens: &[u32]) -> bool {
    if kind.flags != flags || usize::from(kind.params) != lens.len() {
        return false;
    }
    let template = kind_template(kind, kind_lens);
    // No early exit, so that the loop compiles to a few vector instructions.
    let misfits = template
        .iter()
        .zip(lens)
        .fold(0u32, |misfits, (fixed, len)| {
            misfits | u32::from((*fixed != *len) & (*fixed != VARIES))
        });
    misfits == 0
}

/// Finds the kind of a row among those of its type, or adds it, and moves it to the front.
fn find_kind(
    streams: &mut TypeStreams,
    kinds: &mut Vec<Kind>,
    kind_lens: &mut Vec<u32>,
    flags: u16,
    lens: &[u32],
) -> u32 {
    let found = streams.kinds.iter().position(|at| {
        kinds
            .get(*at as usize)
            .is_some_and(|k| kind_fits(k, kind_lens, flags, lens))
    });
    if let Some(i) = found {
        if let Some(front) = streams.kinds.get_mut(..=i) {
            front.rotate_right(1);
        }
        return streams.kinds.first().copied().unwrap_or(0);
    }
    let general = streams.kinds.len() >= KINDS_PER_TYPE;
    let lens_at = u32::try_from(kind_lens.len()).unwrap_or(u32::MAX);
    kind_lens.extend(
        lens.iter()
            .enumerate()
            .map(|(i, len)| match streams.schema_lens.get(i) {
                _ if general => VARIES,
                Some(fixed) if *fixed != VARIES && (*len == *fixed || *len == 0) => *len,
                _ => VARIES,
            }),
    );
    let mut kind = Kind {
        ty: streams.ty,
        flags,
        lens_at,
        params: u16::try_from(lens.len()).unwrap_or(u16::MAX),
        result_at: None,
        io_param: streams.io_param.filter(|i| usize::from(*i) < lens.len()),
        rows: 0,
    };
    let template = kind_template(&kind, kind_lens);
    if let Some(param) = streams.result_param
        && let Some(before) = template.get(..usize::from(param))
        && template.get(usize::from(param)) == Some(&8)
        && !before.contains(&VARIES)
    {
        kind.result_at = u16::try_from(before.iter().map(|l| u64::from(*l)).sum::<u64>()).ok();
    }
    let at = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
    kinds.push(kind);
    streams.kinds.insert(0, at);
    at
}
