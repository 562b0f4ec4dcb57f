//! Chunks: a few megabytes of events as compressed columns.
//!
//! Body of a chunk section:
//!
//! | bytes | |
//! | --- | --- |
//! | u32 | length of the head |
//! | u32 | CRC-32 of the head |
//! | … | the head: bincode of [`ChunkSummary`], frames, streams |
//! | … | the frames back to back |
//!
//! A *stream* is a column of the rows, or the parameters of one event type's rows. A *frame* is one
//! zstd frame (or stored bytes) with one or more whole streams. A reader decompresses only the frames
//! whose streams it needs.
//!
//! | class | id | stream |
//! | --- | --- | --- |
//! | 0 columns | 0 | the row kinds, see below |
//! | | 1 | the threads: (tid, pid) as zigzag varints |
//! | | 2 | kind of each row, varint |
//! | | 3 | thread of each row, varint index |
//! | | 4 | CPU of each row, varint |
//! | | 5, 6 | time of each row: low byte; high part |
//! | | 7, 8 | latency of each row that has one: low byte; high part |
//! | 1 parameters | type | rows of that type: lengths of the variable parameters (varints), then the bytes |
//! | 2 I/O data | 0 | the bytes that rows of all types moved |
//!
//! A *row kind* has everything that its rows have in common: type, flags, whether there is a latency, and for every
//! parameter its length, or that the length varies. So a row's shape costs one small number, and events of
//! types or with parameters that a reader does not know are still decoded correctly.
//!
//! The time of a row is stored as the delta minus its latency: for a thread with consecutive calls, "the next call starts
//! where the last one ended" is a good prediction. Low bytes are noise and are stored separately, so that the high parts
//! compress and the noise costs no time. docs/capture-format.md has the measurements.

mod activity;
mod builder;
mod calls;
mod check;
mod compress;
mod decode;
mod head;
mod names;
mod pool;
mod rows;

pub use activity::{
    ChunkActivity, LATENCIES, LATENCIES_PER_DECADE, latency_bounds, latency_interval,
};
pub use builder::{CHUNK_TARGET_BYTES, CHUNK_TARGET_EVENTS, ChunkBuilder};
pub use calls::{CallCodes, UntypedCalls};
pub use compress::{Compressor, EncodedChunk};
pub use decode::{Chunk, ChunkDecoder, Load, Want};
pub(crate) use decode::{HeadError, encode_body, parse_head, split_head};
pub use head::{BLOOM_WORDS, ChunkSummary, FrameSizes, ThreadSet};
pub use names::{ChunkNames, EventNames, NameKind, Names, Objects};
pub use pool::{ChunkPool, RawChunk};
pub use rows::Rows;

/// Stream classes.
const COLUMNS: u8 = 0;
const PARAMS: u8 = 1;
const IO_DATA: u8 = 2;

/// Stream ids of class [`COLUMNS`].
const KINDS: u16 = 0;
const THREADS: u16 = 1;
const ROW_KIND: u16 = 2;
const ROW_THREAD: u16 = 3;
const ROW_CPU: u16 = 4;
const TIME_LOW: u16 = 5;
const TIME_HIGH: u16 = 6;
const LATENCY_LOW: u16 = 7;
const LATENCY_HIGH: u16 = 8;

/// In a kind's flags: its rows have a latency. The low eight bits are the event flags.
const HAS_LATENCY: u16 = 0x100;

/// Marks a parameter length that varies and is stored with each row.
const VARIES: u32 = u32::MAX;
