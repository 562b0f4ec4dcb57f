//! The buffers of a chunk under construction, and the pool that recycles them.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::activity::ChunkActivity;
use super::names::NameSet;
use crate::event::{Pid, Tid, Timestamp};
use crate::schema::EventType;

/// Most buffers in the pool; further ones are dropped.
const KEPT: usize = 16;

/// Recycles the buffers of chunks between the filling thread and the compressing threads, so
/// that a recorder in steady state allocates nothing. Clones share the buffers.
#[derive(Clone, Debug, Default)]
pub struct ChunkPool {
    free: Arc<Mutex<Vec<Buffers>>>,
}

impl ChunkPool {
    /// Makes an empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn take(&self) -> Buffers {
        let recycled = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        recycled.unwrap_or_default()
    }

    fn give_back(&self, mut buffers: Buffers) {
        buffers.clear();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(buffers);
        }
    }
}

/// A finished chunk before compression. Sent to a worker thread; returns its buffers when dropped.
#[derive(Debug)]
pub struct RawChunk {
    pub(super) buffers: Buffers,
    pub(super) pool: ChunkPool,
}

impl RawChunk {
    /// Returns the number of events.
    pub const fn events(&self) -> u32 {
        self.buffers.rows
    }

    /// Returns the size before compression in bytes.
    pub fn raw_bytes(&self) -> usize {
        self.buffers.raw_bytes
    }
}

impl Drop for RawChunk {
    fn drop(&mut self) {
        self.pool.give_back(mem::take(&mut self.buffers));
    }
}

/// A row kind of a chunk under construction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) ty: EventType,
    /// Event flags and [`super::HAS_LATENCY`].
    pub(super) flags: u16,
    /// Start of its parameter lengths in [`Buffers::kind_lens`].
    pub(super) lens_at: u32,
    /// Number of parameters.
    pub(super) params: u16,
    /// Position of the result in the row's fixed bytes, if it is known to be an `i64` there.
    pub(super) result_at: Option<u16>,
    /// Index of the parameter whose bytes go to the I/O data stream.
    pub(super) io_param: Option<u8>,
    /// Number of rows.
    pub(super) rows: u32,
}

/// The streams of one event type.
#[derive(Debug, Default)]
pub(super) struct TypeStreams {
    pub(super) ty: EventType,
    pub(super) params: Vec<u8>,
    /// The kinds of this type; the last used one first.
    pub(super) kinds: Vec<u32>,
    /// Schema lengths of the parameters, [`super::VARIES`] where they vary.
    pub(super) schema_lens: Vec<u32>,
    pub(super) io_param: Option<u8>,
    pub(super) result_param: Option<u8>,
}

/// The contents of a chunk before compression.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) rows: u32,
    pub(super) raw_bytes: usize,
    pub(super) base_time: Timestamp,
    pub(super) min_time: Timestamp,
    pub(super) max_time: Timestamp,
    pub(super) failed: u32,
    /// Counts by lane and latency, of the events with known lanes.
    pub(super) activity: ChunkActivity,
    /// Whether the lanes of an event are not known.
    pub(super) lacks_lanes: bool,
    /// The names of the threads of events that are not hidden.
    pub(super) names: NameSet,
    pub(super) threads: Vec<(Tid, Pid)>,
    pub(super) containers: Vec<Vec<u8>>,
    pub(super) kinds: Vec<Kind>,
    pub(super) kind_lens: Vec<u32>,
    pub(super) row_kind: Vec<u8>,
    pub(super) row_thread: Vec<u8>,
    pub(super) row_cpu: Vec<u8>,
    pub(super) time_low: Vec<u8>,
    pub(super) time_high: Vec<u8>,
    pub(super) latency_low: Vec<u8>,
    pub(super) latency_high: Vec<u8>,
    /// The bytes that I/O calls moved, in row order.
    pub(super) io_data: Vec<u8>,
    /// The first `types_used` are in use; the others keep their memory for reuse.
    pub(super) types: Vec<TypeStreams>,
    pub(super) types_used: usize,
}

impl Buffers {
    fn clear(&mut self) {
        self.rows = 0;
        self.raw_bytes = 0;
        self.failed = 0;
        self.activity = ChunkActivity::default();
        self.lacks_lanes = false;
        self.names.clear();
        self.threads.clear();
        self.containers.clear();
        self.kinds.clear();
        self.kind_lens.clear();
        for column in [
            &mut self.row_kind,
            &mut self.row_thread,
            &mut self.row_cpu,
            &mut self.time_low,
            &mut self.time_high,
            &mut self.latency_low,
            &mut self.latency_high,
            &mut self.io_data,
        ] {
            column.clear();
        }
        for streams in &mut self.types {
            streams.params.clear();
            streams.kinds.clear();
            streams.schema_lens.clear();
        }
        self.types_used = 0;
    }
}
