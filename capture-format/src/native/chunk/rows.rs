//! The rows of a decoded chunk.

use std::ops::Range;

use super::calls::UntypedCalls;
use super::check;
use super::head::{ChunkSummary, Head};
use crate::event::{EventFlags, EventNum, EventRef, Loaded, Params, Pid, Tid, Timestamp};
use crate::native::varint;
use crate::schema::EventType;
use crate::{Error, Result};

/// A decoded row kind.
#[derive(Clone, Debug)]
pub(super) struct KindInfo {
    pub(super) ty: EventType,
    pub(super) flags: EventFlags,
    pub(super) has_latency: bool,
    pub(super) io_param: Option<usize>,
    /// Position of its parameter lengths in the decoder's table.
    pub(super) lens: Range<usize>,
    /// Position of the indexes of its varying parameters.
    pub(super) vars: Range<usize>,
    /// Sum of its fixed lengths, without the I/O data.
    pub(super) fixed_bytes: usize,
    /// Index of its [`TypeCursor`].
    pub(super) cursor: usize,
    /// Its rows are calls without a type of their own.
    pub(super) is_generic: bool,
    /// Rows that were decoded.
    pub(super) rows: u32,
}

/// The rest of one type's streams.
#[derive(Debug)]
pub(super) struct TypeCursor<'d> {
    pub(super) ty: EventType,
    pub(super) loaded: bool,
    pub(super) params: &'d [u8],
}

/// The rest of the columns.
#[derive(Debug)]
pub(super) struct Columns<'d> {
    pub(super) kind: &'d [u8],
    pub(super) thread: &'d [u8],
    pub(super) cpu: &'d [u8],
    pub(super) time_low: &'d [u8],
    pub(super) time_high: &'d [u8],
    pub(super) latency_low: &'d [u8],
    pub(super) latency_high: &'d [u8],
    /// The rest of the I/O data, if it was loaded.
    pub(super) io_data: Option<&'d [u8]>,
}

/// Iterates over the events of a chunk; allocates nothing per event.
///
/// Not an `Iterator`, since each event borrows from it until the next one is requested.
#[derive(Debug)]
pub struct Rows<'d> {
    offset: u64,
    head: &'d Head,
    left: u32,
    /// The end was reached and checked, or is not to be checked, or a row did not decode.
    over: bool,
    num: EventNum,
    time: Timestamp,
    seen: Seen,
    columns: Columns<'d>,
    types: Vec<TypeCursor<'d>>,
    tables: Tables<'d>,
}

/// What the rows so far had, besides the rows of each kind.
#[derive(Debug)]
pub(super) struct Seen {
    /// Earliest known time; the maximum before the first one.
    pub(super) min_time: u64,
    /// Latest known time; 0 before the first one.
    pub(super) max_time: u64,
    /// Calls without a type of their own.
    pub(super) untyped: UntypedCalls,
}

/// The tables of a chunk, in the decoder's memory.
#[derive(Debug)]
pub(super) struct Tables<'d> {
    pub(super) kinds: &'d mut [KindInfo],
    pub(super) kind_lens: &'d mut [u32],
    /// The varying parameters of the kinds.
    pub(super) kind_vars: &'d [u8],
    pub(super) threads: &'d [(Tid, Pid)],
}

impl<'d> Rows<'d> {
    pub(super) fn new(
        (offset, checks): (u64, bool),
        head: &'d Head,
        columns: Columns<'d>,
        types: Vec<TypeCursor<'d>>,
        tables: Tables<'d>,
    ) -> Self {
        Self {
            offset,
            head,
            left: head.summary.events,
            over: !checks,
            num: head.summary.first_event,
            time: head.base_time,
            seen: Seen {
                min_time: u64::MAX,
                max_time: 0,
                untyped: UntypedCalls::default(),
            },
            columns,
            types,
            tables,
        }
    }

    /// Returns the number of events left.
    pub const fn remaining(&self) -> u32 {
        self.left
    }

    /// Returns the next event, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the columns contradict each other; there are then no more events. After the last event once,
    /// if the chunk has more bytes than its rows, or if its summary is not that of its rows.
    #[expect(
        clippy::should_implement_trait,
        reason = "the event borrows from the rows"
    )]
    pub fn next(&mut self) -> Result<Option<EventRef<'_>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return self.end();
        };
        self.left = 0;
        let decoded = next_row(
            &mut self.columns,
            &mut self.types,
            &mut self.tables,
            &mut self.seen,
            self.time,
            self.num,
        );
        let Some(event) = decoded else {
            self.over = true;
            return Err(Error::damaged(self.offset, "a row does not decode"));
        };
        self.left = left;
        self.time = event.ts;
        self.num = EventNum(self.num.0.saturating_add(1));
        Ok(Some(event))
    }

    /// Returns a summary of the rows so far; what only the head says is `claimed`.
    pub(super) fn summary(&self, claimed: &ChunkSummary) -> ChunkSummary {
        check::summary(claimed, &self.tables, &self.types, &self.seen)
    }

    /// Checks the chunk after its last row.
    #[cold]
    fn end(&mut self) -> Result<Option<EventRef<'_>>> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(None);
        }
        check::left_over(&self.columns, &self.types)
            .and_then(|()| check::head(self.head, &self.tables, &self.types, &self.seen))
            .map_err(|what| Error::damaged(self.offset, what))?;
        Ok(None)
    }
}

fn next_row<'r, 'd: 'r>(
    columns: &mut Columns<'d>,
    types: &mut [TypeCursor<'d>],
    tables: &'r mut Tables<'d>,
    seen: &mut Seen,
    time: Timestamp,
    num: EventNum,
) -> Option<EventRef<'r>> {
    let Tables {
        kinds,
        kind_lens,
        kind_vars,
        threads,
    } = tables;
    let kind = kinds.get_mut(usize::try_from(varint::take(&mut columns.kind)?).ok()?)?;
    let thread = varint::take(&mut columns.thread)?;
    let (tid, pid) = *threads.get(usize::try_from(thread).ok()?)?;
    let cpu = u16::try_from(varint::take(&mut columns.cpu)?).ok()?;
    let latency = if kind.has_latency {
        let low = take_byte(&mut columns.latency_low)?;
        let high = varint::take_high(&mut columns.latency_high)?;
        if high >> 56 != 0 {
            return None;
        }
        Some(high << 8 | u64::from(low))
    } else {
        None
    };
    let low = take_byte(&mut columns.time_low)?;
    let high = varint::take_high(&mut columns.time_high)?;
    if high >> 57 != 0 {
        return None;
    }
    let value = high << 7 | u64::from(low >> 1);
    let delta = if low & 1 == 0 {
        value.wrapping_add(latency.unwrap_or(0))
    } else {
        varint::unzigzag(value).cast_unsigned()
    };
    let ts = Timestamp(time.0.wrapping_add(delta));

    let streams = types.get_mut(kind.cursor)?;
    let params = if streams.loaded {
        let lens = kind_lens.get_mut(kind.lens.clone())?;
        let mut bytes = kind.fixed_bytes;
        for &i in kind_vars.get(kind.vars.clone())? {
            let i = usize::from(i);
            let len = u32::try_from(varint::take(&mut streams.params)?).ok()?;
            *lens.get_mut(i)? = len;
            if kind.io_param != Some(i) {
                bytes = bytes.checked_add(len as usize)?;
            }
        }
        let (bytes, rest) = streams.params.split_at_checked(bytes)?;
        streams.params = rest;
        let lens: &'r [u32] = lens;
        if kind.is_generic {
            seen.untyped.add(lens, bytes);
        }
        match kind.io_param {
            None => Params::with_data_apart(lens, bytes, usize::MAX, &[], Loaded::All),
            Some(i) => match &mut columns.io_data {
                Some(left) => {
                    let (data, rest) = left.split_at_checked(*lens.get(i)? as usize)?;
                    *left = rest;
                    Params::with_data_apart(lens, bytes, i, data, Loaded::All)
                }
                None => Params::with_data_apart(lens, bytes, i, &[], Loaded::AllButIoData),
            },
        }
    } else {
        Params::NOT_LOADED
    };
    kind.rows = kind.rows.wrapping_add(1);
    if let Some(now) = ts.known() {
        seen.min_time = seen.min_time.min(now);
        seen.max_time = seen.max_time.max(now);
    }
    let (ty, flags) = (kind.ty, kind.flags);
    Some(EventRef {
        num,
        ts,
        tid,
        pid,
        cpu,
        ty,
        latency,
        flags,
        params,
    })
}

#[inline]
fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(byte)
}
