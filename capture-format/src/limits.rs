//! All limits of lengths and counts from a file.
//!
//! A capture is hostile input: a length is accepted only up to these limits, and memory is allocated in proportion to the
//! bytes that are really there. The limits are far above what scap writes.

/// Largest section body, in bytes as stored.
pub const SECTION_BODY: u64 = 256 << 20;

/// Largest metadata section (header, snapshot, loss, index) after decompression, in bytes.
pub const METADATA_RAW: usize = 128 << 20;

/// Most memory that decoding one metadata section may allocate, in bytes; the limit passed to bincode.
pub const METADATA_DECODED: usize = 256 << 20;

/// Largest chunk head (summary and stream table), in bytes.
pub const CHUNK_HEAD: usize = 4 << 20;

/// Largest chunk after decompression of all its frames, in bytes.
pub const CHUNK_RAW: u64 = 128 << 20;

/// Most events in a chunk.
pub const CHUNK_EVENTS: u32 = 1 << 22;

/// Most frames, and most streams, in a chunk.
pub const CHUNK_STREAMS: usize = 1 << 17;

/// Most row kinds in a chunk.
pub const CHUNK_KINDS: usize = 1 << 18;

/// Most parameters of all row kinds of a chunk in total.
pub const CHUNK_KIND_PARAMS: usize = 1 << 22;

/// Most parameters of an event.
pub const EVENT_PARAMS: usize = 255;

/// Largest sum of the parameter lengths of one event, in bytes.
pub const EVENT_BYTES: usize = 16 << 20;

/// How many times over a reader searches the bodies of damaged sections for other sections.
///
/// Each search reads a body again, so that without a limit a file of nested damaged sections would be read in
/// quadratic time. All bodies searched so far may together have at most this multiple of the bytes read so far; beyond
/// the limit, damaged bodies are skipped. Bodies beside each other do not reach it.
pub const RESCANS: u64 = 4;

/// Most damages that are listed; further ones are only counted.
pub const DAMAGES: usize = 1024;

/// Most threads in the lists of one section of a .scap file.
pub const LIST_THREADS: usize = 1 << 20;

/// Most fds in the lists of one section of a .scap file; in memory 320 MiB.
///
/// A process can have 2^20 by the kernel's default (`fs.nr_open`). Servers with two million connections exist, and all other
/// processes of a host add little.
pub const LIST_FDS: usize = 2 << 20;

/// Most network interfaces in the list of a .scap file.
pub const LIST_INTERFACES: usize = 1 << 16;

/// Most users and groups in the list of a .scap file.
pub const LIST_USERS: usize = 1 << 20;

/// Most memory of the strings in the lists of one section of a .scap file, in bytes.
pub const LIST_STRING_BYTES: usize = 512 << 20;

/// Most threads whose enter events are kept; beyond the limit, all are dropped.
pub const CONVERT_THREADS: usize = 1 << 18;

/// Most memory of the parameters of kept enter events, in bytes; beyond the limit, all are dropped.
pub const CONVERT_BYTES: usize = 64 << 20;

/// Most memory of events that are held back for sorting by time, in bytes.
pub const ORDER_BYTES: usize = 64 << 20;

/// Most sections with descriptions of containers that are read before the events.
pub const CONTAINER_SECTIONS: usize = 1 << 16;

/// Most bytes of descriptions of containers that are read before the events.
pub const CONTAINER_BYTES: usize = 256 << 20;
