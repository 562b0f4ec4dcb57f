//! The buffers of a chunk being built, and the pool that they come from and go back to.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::activity::ChunkActivity;
use crate::event::{Pid, Tid, Timestamp};
use crate::schema::EventType;

/// Buffers kept for reuse beyond which they are dropped.
const KEPT: usize = 16;

/// Recycles the buffers of chunks between the thread that fills them and those that compress them, so
/// that a recorder in steady state allocates nothing. Clones share the same buffers.
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

/// A finished, not yet compressed chunk. Goes to a worker thread; gives its buffers back when dropped.
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

/// A row kind while a chunk is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) ty: EventType,
    /// Event flags and [`super::HAS_LATENCY`].
    pub(super) flags: u16,
    /// Where its parameter lengths start in [`Buffers::kind_lens`].
    pub(super) lens_at: u32,
    /// How many parameters.
    pub(super) params: u16,
    /// Where the result stands in the row's fixed bytes, if it is known to be an `i64` there.
    pub(super) result_at: Option<u16>,
    /// Index of the parameter whose bytes go to the I/O data stream.
    pub(super) io_param: Option<u8>,
    /// How many rows.
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

/// Everything a chunk is made of before compression.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) rows: u32,
    pub(super) raw_bytes: usize,
    pub(super) base_time: Timestamp,
    pub(super) min_time: Timestamp,
    pub(super) max_time: Timestamp,
    pub(super) failed: u32,
    /// By lane and latency, as far as told.
    pub(super) activity: ChunkActivity,
    /// Of an event it was not told.
    pub(super) is_untold: bool,
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
    /// The first `types_used` are in use; the others keep their memory for later.
    pub(super) types: Vec<TypeStreams>,
    pub(super) types_used: usize,
}

impl Buffers {
    fn clear(&mut self) {
        self.rows = 0;
        self.raw_bytes = 0;
        self.failed = 0;
        self.activity = ChunkActivity::default();
        self.is_untold = false;
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
