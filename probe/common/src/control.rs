//! The block that each CPU's ring is controlled by. It lies in memory that the kernel program and
//! the recorder both map, so the hot path costs neither of them a call.

/// Bytes of one control block.
pub const CONTROL_BYTES: usize = 256;

/// One CPU's ring: positions, and what happened to the events of that CPU.
///
/// Only the probe writes the first part, only the recorder writes `tail`; they lie on different
/// cache lines. The counters are plain numbers because the probe never runs twice at once on a CPU
/// (`busy` makes sure).
#[repr(C, align(64))]
pub struct RingControl {
    /// Bytes produced since the start. The record before it is complete.
    pub head: u64,
    /// Segment that `head` lies in.
    pub segment: u32,
    /// Place of `head` in that segment.
    pub offset: u32,
    /// Where the next item of the record under construction goes, in the same segment.
    pub cursor: u32,
    /// Where the room of that record ends.
    pub limit: u32,
    /// Not 0 while a record is being built.
    pub busy: u32,
    /// Events that passed the exclusions: the written and the lost.
    pub seen: u64,
    /// Events written.
    pub written: u64,
    /// Lost because the ring was full.
    pub drop_full: u64,
    /// Lost because another event of this CPU was under construction.
    pub drop_busy: u64,
    /// Time of the last loss.
    pub last_drop: u64,
    /// Events kept with an argument missing because its memory could not be read.
    pub faults: u64,
    /// Events kept with an item missing because the record was full.
    pub short: u64,
    /// Descendants that could not be remembered because the map was full.
    pub map_full: u64,
    /// Events that an exclusion left out.
    pub excluded: u64,
    /// Lost because the CPU has no ring (it came online after the start).
    pub drop_no_ring: u64,
    reserved: [u64; 2],
    /// Bytes consumed since the start; written by the recorder.
    pub tail: u64,
    reserved2: [u64; 7],
    /// What the functions of the probe that build one record together hand each other: a global
    /// function takes scalars only. Means nothing between records, and is on a cache line that the
    /// recorder never touches.
    pub scratch: [u64; 8],
}

const _: () = assert!(size_of::<RingControl>() == CONTROL_BYTES);
const _: () = assert!(core::mem::offset_of!(RingControl, tail) == 128);
const _: () = assert!(core::mem::offset_of!(RingControl, scratch) == 192);
