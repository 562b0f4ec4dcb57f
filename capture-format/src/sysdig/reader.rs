//! Reads a file sequentially.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::Read;

use super::block::{self, Block};
use super::cursor::Cursor;
use super::facts::Facts;
use super::lists;
use super::source::Source;
use crate::event::{EventFlags, EventNum, EventRef, Loaded, Params, Pid, Tid, Timestamp};
use crate::native::{Damages, MachineInfo, Snapshot};
use crate::schema::{EventType, types};
use crate::{Error, Result, limits};

/// An item of a file.
#[derive(Debug)]
pub enum Item<'a> {
    /// State at the start of a section: its lists of threads, fds, interfaces, users and groups. Comes before the section's
    /// events. If it is not the first section ([`SysdigReader::section`]), all state of earlier ones has to be dropped.
    ///
    /// The time is 0, since the file does not contain it.
    Metadata(&'a Snapshot, &'a MachineInfo),
    /// A stored event, numbered from 1 on. The process id is -1 and the latency is not known.
    Event(EventRef<'a>),
}

/// Bytes of a block besides its body.
const ENVELOPE: u32 = 12;
/// Block type and length.
const BLOCK_HEAD: usize = 8;
/// A section header block without options.
const SECTION_BYTES: usize = 28;
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
/// The major version of all supported files.
const MAJOR_VERSION: u16 = 1;
/// Longest block of an event, in bytes.
const EVENT_BLOCK: usize = limits::EVENT_BYTES + (1 << 12);
/// Time, thread, length and type of an event of version 1, in bytes.
const HEAD_V1: usize = 22;
/// Flag of an event that is not to be shown.
const STATE_ONLY: u32 = 1;
/// Types whose length in version 1 is too large by 3.
const NOTIFICATION: u16 = types::NOTIFICATION_E.0;
const INFRA: u16 = types::INFRASTRUCTURE_EVENT_E.0;

/// The next item, without borrowing from the reader.
enum Found {
    Metadata,
    Event(Head),
    End,
}

/// An event; the lengths of its parameters are in `lens`.
struct Head {
    ts: u64,
    tid: i64,
    cpu: u16,
    ty: u16,
    flags: EventFlags,
    /// Position of its parameters: distance from the end of the consumed bytes, and length.
    back: usize,
    len: usize,
}

/// The result of parsing an event's block.
enum Parsed {
    Event(Head),
    Unknown(u16),
    Damaged(&'static str),
}

/// Reads a .scap file of sysdig or Falco, raw or compressed with gzip.
///
/// Damage after the first block is never an error: it is added to [`Self::damages`], and the rest is read as far as
/// possible. Errors are those of the input.
pub struct SysdigReader<R> {
    source: Source<R>,
    /// The section's metadata has not been returned yet: no event was found so far.
    in_metadata: bool,
    ended: bool,
    machine: MachineInfo,
    snapshot: Snapshot,
    section: u32,
    /// Bytes of the snapshot's strings.
    string_bytes: usize,
    scratch: Vec<u8>,
    /// Lengths of the current event's parameters.
    lens: Vec<u32>,
    events: u64,
    unknown_types: BTreeMap<u16, u64>,
    damages: Damages,
    complete: bool,
}

impl<R: Read> SysdigReader<R> {
    /// Starts reading: the section header.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NotACapture`]; [`Error::OtherByteOrder`] for a file of a big-endian
    /// machine; [`Error::UnsupportedVersion`]; [`Error::Damaged`] if the section header is incomplete;
    /// [`Error::Io`].
    pub fn new(input: R) -> Result<Self> {
        let mut source = Source::new(input)?;
        let head = source.peek(SECTION_BYTES)?.to_vec();
        let Some(first) = head.first_chunk() else {
            return Err(match source.damages.list().first() {
                Some(damage) => Error::damaged(damage.offset, damage.what),
                None if head.is_empty() => Error::Empty,
                None => Error::NotACapture,
            });
        };
        if u32::from_le_bytes(*first) != block::SECTION {
            return Err(Error::NotACapture);
        }
        let mut reader = Self {
            source,
            in_metadata: true,
            ended: false,
            machine: MachineInfo::default(),
            snapshot: Snapshot::default(),
            section: 1,
            string_bytes: 0,
            scratch: Vec::new(),
            lens: Vec::new(),
            events: 0,
            unknown_types: BTreeMap::new(),
            damages: Damages::default(),
            complete: false,
        };
        let len = section_header(&head)?;
        reader.pass_block(0, len, 0)?;
        // pcapng begins with the same bytes, but its block types are small numbers.
        match reader.source.peek(4)?.first_chunk() {
            Some([1..=u8::MAX, 0, 0, 0]) => Err(Error::NotACapture),
            _ => Ok(reader),
        }
    }

    /// Returns the machine of the current section. Fields that the format lacks are empty.
    pub const fn machine(&self) -> &MachineInfo {
        &self.machine
    }

    /// Returns the number of the last item's section, from 1 on. Concatenated files have several.
    pub const fn section(&self) -> u32 {
        self.section
    }

    /// Returns the damages found so far. Offsets are those of the decompressed stream.
    pub const fn damages(&self) -> &Damages {
        &self.damages
    }

    /// Whether the end was reached and is regular: right after a block, with complete compression.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the types of events that were skipped because this program does not know them, and the number of events
    /// of each.
    pub const fn unknown_types(&self) -> &BTreeMap<u16, u64> {
        &self.unknown_types
    }

    /// Returns the number of bytes read from the decompressed stream.
    pub const fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// Returns the next item, `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the input.
    // Inlined, so that the event is built where it is used: copying it costs as much as reading it.
    #[inline(always)]
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>> {
        match self.find()? {
            Found::Event(head) => {
                let bytes = self.source.taken(head.back, head.len);
                Ok(Some(Item::Event(EventRef {
                    num: EventNum(self.events),
                    ts: Timestamp(head.ts),
                    tid: Tid(head.tid),
                    pid: Pid(-1),
                    cpu: head.cpu,
                    ty: EventType(head.ty),
                    latency: None,
                    flags: head.flags,
                    params: Params::with_data_apart(
                        &self.lens,
                        bytes,
                        usize::MAX,
                        &[],
                        Loaded::All,
                    ),
                })))
            }
            Found::Metadata => Ok(Some(Item::Metadata(&self.snapshot, &self.machine))),
            Found::End => Ok(None),
        }
    }

    /// Returns the next event, if it is completely buffered and valid: the common case.
    #[inline(always)]
    fn next_event(&mut self) -> Option<Head> {
        if self.ended || self.in_metadata {
            return None;
        }
        let bytes = self.source.at_hand();
        let (kind, len) = block_head(bytes)?;
        let (flags, counted) = Block::event(kind)?;
        let size = len as usize;
        if len < ENVELOPE || size > EVENT_BLOCK {
            return None;
        }
        let block = bytes.get(..size)?;
        if *block.last_chunk::<4>()? != len.to_le_bytes() {
            return None;
        }
        let Parsed::Event(head) = parse_event(block, flags, counted, &mut self.lens) else {
            return None;
        };
        self.source.consume(size);
        self.events = self.events.wrapping_add(1);
        Some(head)
    }

    #[inline(always)]
    fn find(&mut self) -> Result<Found> {
        if let Some(head) = self.next_event() {
            return Ok(Found::Event(head));
        }
        self.find_slowly()
    }

    #[cold]
    #[inline(never)]
    fn find_slowly(&mut self) -> Result<Found> {
        loop {
            if self.ended {
                return Ok(self.give_metadata().unwrap_or(Found::End));
            }
            let at = self.source.offset();
            let Some((kind, len)) = block_head(self.source.peek(BLOCK_HEAD)?) else {
                self.end(at)?;
                continue;
            };
            let Some(Block::Event { flags, counted }) = Block::of(kind) else {
                if let Some(found) = self.other_block(at, kind, len)? {
                    return Ok(found);
                }
                continue;
            };
            if let Some(found) = self.give_metadata() {
                return Ok(found);
            }
            let size = len as usize;
            if len < ENVELOPE || size > EVENT_BLOCK {
                self.no_event(at, len)?;
                continue;
            }
            let Some((block, trailer)) = self.source.peek(size)?.split_last_chunk::<4>() else {
                self.cut_off(at);
                continue;
            };
            if block.len() != size.saturating_sub(4) {
                self.cut_off(at);
                continue;
            }
            if u32::from_le_bytes(*trailer) != len && !self.goes_on(at, size)? {
                continue;
            }
            // Peeked again, since checking a wrong trailer has read further.
            let bytes = self.source.peek(size)?;
            let parsed = parse_event(bytes, flags, counted, &mut self.lens);
            self.source.consume(size);
            match parsed {
                Parsed::Event(head) => {
                    self.events = self.events.wrapping_add(1);
                    return Ok(Found::Event(head));
                }
                Parsed::Unknown(ty) => {
                    let count = self.unknown_types.entry(ty).or_default();
                    *count = count.saturating_add(1);
                }
                Parsed::Damaged(what) => self.damages.add(at, what),
            }
        }
    }

    /// Returns the section's metadata, once.
    #[inline]
    fn give_metadata(&mut self) -> Option<Found> {
        if !self.in_metadata {
            return None;
        }
        self.in_metadata = false;
        let boot = self.machine.boot_time.0;
        for thread in &mut self.snapshot.threads {
            // Since the epoch in the file, since boot in the snapshot.
            thread.pidns_init_start = thread.pidns_init_start.saturating_sub(boot);
        }
        self.snapshot.next_event = EventNum(self.events.saturating_add(1));
        Some(Found::Metadata)
    }

    /// Handles a block without an event: metadata, a new section, or the end of the readable part.
    #[cold]
    fn other_block(&mut self, at: u64, kind: u32, len: u32) -> Result<Option<Found>> {
        let block = Block::of(kind);
        if block == Some(Block::Section) {
            // The previous section may have had only metadata.
            if let Some(found) = self.give_metadata() {
                return Ok(Some(found));
            }
            match section_header(self.source.peek(SECTION_BYTES)?) {
                Ok(len) => self.pass_block(at, len, 0)?,
                Err(_) => {
                    self.stop(at, "a section header cannot be read");
                    return Ok(None);
                }
            }
            self.section = self.section.saturating_add(1);
            self.snapshot = Snapshot::default();
            self.machine = MachineInfo::default();
            self.string_bytes = 0;
            self.in_metadata = true;
            return Ok(None);
        }
        match block {
            None if !self.in_metadata => self.stop(at, "a block of unknown kind between events"),
            _ if !self.in_metadata => self.stop(at, "metadata between events"),
            _ if len < ENVELOPE => self.stop(at, "a block has an impossible length"),
            None => self.pass_block(at, len, 0)?,
            Some(block) => {
                self.source.consume(BLOCK_HEAD);
                let body = u64::from(len.saturating_sub(ENVELOPE));
                let taken = self.list(at, block, body)?;
                self.pass_block(at, len, taken.saturating_add(BLOCK_HEAD as u64))?;
            }
        }
        Ok(None)
    }

    /// Reads the body of a metadata block with this length. Returns the number of bytes read.
    fn list(&mut self, at: u64, block: Block, body: u64) -> Result<u64> {
        let mut left = body;
        let mut owner = Tid(-1);
        match block {
            Block::Machine => {
                let bytes = self.source.peek(lists::MACHINE_BYTES)?;
                if left < lists::MACHINE_BYTES as u64 {
                    self.damages.add(at, "the machine block is too short");
                } else if let Some(machine) = lists::machine(bytes) {
                    self.machine = machine;
                }
                return Ok(0);
            }
            Block::Fds { .. } => {
                if left < 8 {
                    self.damages.add(at, "a list of fds is too short");
                    return Ok(0);
                }
                let Some(tid) = self.source.peek(8)?.first_chunk() else {
                    return Ok(0);
                };
                owner = Tid(i64::from_le_bytes(*tid));
                self.source.consume(8);
                left = left.saturating_sub(8);
            }
            // A later list replaces an earlier one.
            Block::Interfaces { .. } => self.snapshot.interfaces.clear(),
            Block::Users { .. } => {
                self.snapshot.users.clear();
                self.snapshot.groups.clear();
            }
            Block::Threads(_) | Block::Section | Block::Event { .. } => {}
        }
        // Bytes shorter than any entry are padding.
        while left >= 4 {
            if let Some(what) = self.full(block) {
                self.damages.add(at, what);
                break;
            }
            let window = usize::try_from(left).unwrap_or(usize::MAX);
            let window = window.min(lists::ENTRY_BYTES);
            let bytes = self.source.peek(window)?;
            let is_all = bytes.len() == window;
            let strings = self.snapshot.strings.len();
            let out = &mut self.snapshot;
            // At the end of a truncated file, the entry has to be complete.
            let most = if is_all { left } else { bytes.len() as u64 };
            let taken = match block {
                Block::Threads(v) => lists::thread(bytes, most, v, out, &mut self.scratch),
                Block::Fds { lengths } => lists::fd(bytes, most, owner, lengths, out),
                Block::Interfaces { lengths } => lists::interface(bytes, most, lengths, out),
                Block::Users { lengths } => lists::user(bytes, most, lengths, out),
                Block::Section | Block::Machine | Block::Event { .. } => break,
            };
            let new = self.snapshot.strings.bytes_since(strings);
            self.string_bytes = self.string_bytes.saturating_add(new);
            let Some(rest) = taken.and_then(|t| left.checked_sub(t)) else {
                // For a truncated file, skipping the block reports it.
                if is_all {
                    self.damages.add(at, "an entry of a list does not fit");
                }
                break;
            };
            if !self.source.skip(left.saturating_sub(rest))? {
                break;
            }
            left = rest;
        }
        Ok(body.saturating_sub(left))
    }

    /// Whether another entry of a list would exceed the limits.
    fn full(&self, block: Block) -> Option<&'static str> {
        let s = &self.snapshot;
        let full = match block {
            Block::Threads(_) => s.threads.len() >= limits::LIST_THREADS,
            Block::Fds { .. } => s.fds.len() >= limits::LIST_FDS,
            Block::Interfaces { .. } => s.interfaces.len() >= limits::LIST_INTERFACES,
            Block::Users { .. } => {
                s.users.len().saturating_add(s.groups.len()) >= limits::LIST_USERS
            }
            Block::Section | Block::Machine | Block::Event { .. } => false,
        };
        if full {
            Some("a list has more entries than the limit")
        } else if self.string_bytes >= limits::LIST_STRING_BYTES {
            Some("the strings of the lists are over the limit")
        } else {
            None
        }
    }

    /// Skips the rest of a block, of which `taken` bytes were read, and checks its trailer.
    fn pass_block(&mut self, at: u64, len: u32, taken: u64) -> Result<()> {
        let rest = u64::from(len).saturating_sub(4).saturating_sub(taken);
        if !self.source.skip(rest)? {
            self.cut_off(at);
            return Ok(());
        }
        let Some(trailer) = self.source.peek(4)?.first_chunk() else {
            self.cut_off(at);
            return Ok(());
        };
        if u32::from_le_bytes(*trailer) == len || self.goes_on(at, 4)? {
            self.source.consume(4);
        }
        Ok(())
    }

    /// Whether a block follows these bytes, although their trailer is wrong. If not, the file ends here.
    #[cold]
    fn goes_on(&mut self, at: u64, bytes: usize) -> Result<bool> {
        let all = self.source.peek(bytes.saturating_add(BLOCK_HEAD))?;
        let next = all.get(bytes..).unwrap_or(&[]);
        let sane = next.is_empty()
            || block_head(next).is_some_and(|(kind, len)| {
                Block::of(kind).is_some() && len >= ENVELOPE && len as usize <= EVENT_BLOCK
            });
        if sane {
            self.damages.add(at, WRONG_TRAILER);
        } else {
            self.stop(at, WRONG_TRAILER);
        }
        Ok(sane)
    }

    /// Handles an event block without a valid event.
    #[cold]
    fn no_event(&mut self, at: u64, len: u32) -> Result<()> {
        if len < ENVELOPE {
            self.stop(at, "a block has an impossible length");
            return Ok(());
        }
        self.damages.add(at, "an event is larger than the limit");
        self.pass_block(at, len, 0)
    }

    /// Handles the end of the file, or of its readable part, at the beginning of a block.
    #[cold]
    fn end(&mut self, at: u64) -> Result<()> {
        if self.source.peek(BLOCK_HEAD)?.is_empty() {
            self.ended = true;
            self.complete = self.source.damages.is_empty();
            self.take_source_damages();
        } else {
            self.cut_off(at);
        }
        Ok(())
    }

    /// Handles the end of the file in the middle of a block.
    #[cold]
    fn cut_off(&mut self, at: u64) {
        self.stop(at, "the file is cut off in a block");
    }

    /// Stops reading at a damage.
    #[cold]
    fn stop(&mut self, at: u64, what: &'static str) {
        self.damages.add(at, what);
        self.take_source_damages();
        self.ended = true;
    }

    fn take_source_damages(&mut self) {
        self.damages.append(&mut self.source.damages);
    }
}

const WRONG_TRAILER: &str = "the two lengths of a block differ";

/// Reads a block's type and length.
#[inline]
fn block_head(bytes: &[u8]) -> Option<(u32, u32)> {
    let &[k0, k1, k2, k3, l0, l1, l2, l3] = bytes.first_chunk::<BLOCK_HEAD>()?;
    let kind = u32::from_le_bytes([k0, k1, k2, k3]);
    Some((kind, u32::from_le_bytes([l0, l1, l2, l3])))
}

/// Checks a section header block whose type is correct. Returns its length.
fn section_header(bytes: &[u8]) -> Result<u32> {
    let mut c = Cursor::new(bytes);
    let mut fields = || Some((c.u32()?, c.u32()?, c.u32()?, c.u16()?, c.u16()?, c.u64()?));
    let Some((_, len, order, major, _minor, _length)) = fields() else {
        return Err(Error::damaged(0, "the section header is cut off"));
    };
    if order == BYTE_ORDER.swap_bytes() {
        return Err(Error::OtherByteOrder);
    }
    if order != BYTE_ORDER {
        return Err(Error::NotACapture);
    }
    if major > MAJOR_VERSION {
        return Err(Error::UnsupportedVersion {
            found: major,
            supported: MAJOR_VERSION,
        });
    }
    if (len as usize) < SECTION_BYTES {
        return Err(Error::damaged(
            0,
            "the section header has an impossible length",
        ));
    }
    Ok(len)
}

/// The beginning of every event.
struct Start<'a> {
    cpu: u16,
    flags: u32,
    /// The event, starting with its time.
    event: &'a [u8],
    ts: u64,
    tid: i64,
    len: u32,
    ty: u16,
    /// The following bytes.
    rest: &'a [u8],
}

impl<'a> Start<'a> {
    /// Parses the beginning of an event's block; `None` if the block is too short.
    #[inline(always)]
    fn of(block: &'a [u8], has_flags: bool) -> Option<Self> {
        let body = block.get(BLOCK_HEAD..block.len().checked_sub(4)?)?;
        let mut c = Cursor::new(body);
        let cpu = c.u16()?;
        let flags = if has_flags { c.u32()? } else { 0 };
        let event = c.rest();
        let mut c = Cursor::new(event.first_chunk::<HEAD_V1>()?);
        Some(Self {
            cpu,
            flags,
            event,
            ts: c.u64()?,
            tid: c.i64()?,
            len: c.u32()?,
            ty: c.u16()?,
            rest: event.get(HEAD_V1..)?,
        })
    }
}

/// Parses the event in a block, and puts the lengths of its parameters into `lens`.
#[inline(always)]
fn parse_event(block: &[u8], has_flags: bool, counted: bool, lens: &mut Vec<u32>) -> Parsed {
    const SHORT: Parsed = Parsed::Damaged("an event is shorter than its header");
    const MISFIT: Parsed = Parsed::Damaged("the parameters of an event do not fit");
    let Some(start) = Start::of(block, has_flags) else {
        return SHORT;
    };
    let Start { event, ty, .. } = start;
    let Some(facts) = Facts::of(EventType(ty)) else {
        return Parsed::Unknown(ty);
    };
    let mut c = Cursor::new(start.rest);
    let mut len = start.len as usize;
    let nparams = if counted {
        let Some(nparams) = c.u32() else { return SHORT };
        nparams as usize
    } else {
        if matches!(ty, NOTIFICATION | INFRA) {
            len = len.saturating_sub(3);
        }
        let Some(params) = event.get(HEAD_V1..len) else {
            return MISFIT;
        };
        let Some(nparams) = count_params(params, usize::from(facts.nparams)) else {
            return MISFIT;
        };
        nparams
    };
    if nparams > limits::EVENT_PARAMS || len > event.len() {
        return MISFIT;
    }
    lens.clear();
    let mut sum = 0usize;
    let mut note = |len: u32| {
        sum = sum.saturating_add(len as usize);
        len
    };
    if counted && facts.is_large() {
        let Some(stored) = c.take(nparams.saturating_mul(4)) else {
            return MISFIT;
        };
        let stored = stored.as_chunks().0.iter();
        lens.extend(stored.map(|len| note(u32::from_le_bytes(*len))));
    } else {
        let Some(stored) = c.take(nparams.saturating_mul(2)) else {
            return MISFIT;
        };
        let stored = stored.as_chunks().0.iter();
        lens.extend(stored.map(|len| note(u32::from(u16::from_le_bytes(*len)))));
    }
    // The event's own length may exceed the sum of its parameters, which is harmless.
    let rest = c.rest().len();
    let before = event.len().saturating_sub(rest);
    if before.saturating_add(sum) > len {
        return MISFIT;
    }
    Parsed::Event(Head {
        ts: start.ts,
        tid: start.tid,
        cpu: start.cpu,
        ty,
        flags: if start.flags & STATE_ONLY == 0 {
            EventFlags::empty()
        } else {
            EventFlags::HIDDEN
        },
        back: rest.saturating_add(4),
        len: sum,
    })
}

/// Finds the number of parameters of an event of version 1, at most `most`, from the bytes after its header: the number
/// with which lengths and values fill the event.
fn count_params(bytes: &[u8], most: usize) -> Option<usize> {
    for n in (0..=most).rev() {
        let Some((lens, values)) = bytes.split_at_checked(n.saturating_mul(2)) else {
            continue;
        };
        let lens = lens.as_chunks().0.iter().map(|l| u16::from_le_bytes(*l));
        let sum: usize = lens.map(usize::from).sum();
        match sum.cmp(&values.len()) {
            Ordering::Equal => return Some(n),
            Ordering::Less => return None,
            Ordering::Greater => {}
        }
    }
    None
}
