//! The rows of a decoded chunk.

use std::ops::Range;

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
}

/// The rest of one type's streams.
#[derive(Debug)]
pub(super) struct TypeCursor<'d> {
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
    left: u32,
    num: EventNum,
    time: Timestamp,
    columns: Columns<'d>,
    types: Vec<TypeCursor<'d>>,
    kinds: &'d [KindInfo],
    kind_lens: &'d mut [u32],
    kind_vars: &'d [u8],
    threads: &'d [(Tid, Pid)],
}

/// Row kinds, their lengths, their varying parameters, threads.
type Tables<'d> = (&'d [KindInfo], &'d mut [u32], &'d [u8], &'d [(Tid, Pid)]);

impl<'d> Rows<'d> {
    pub(super) fn new(
        offset: u64,
        events: u32,
        (num, time): (EventNum, Timestamp),
        columns: Columns<'d>,
        types: Vec<TypeCursor<'d>>,
        (kinds, kind_lens, kind_vars, threads): Tables<'d>,
    ) -> Self {
        Self {
            offset,
            left: events,
            num,
            time,
            columns,
            types,
            kinds,
            kind_lens,
            kind_vars,
            threads,
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
    /// [`Error::Damaged`] if the columns contradict each other; there are then no more events.
    #[expect(
        clippy::should_implement_trait,
        reason = "the event borrows from the rows"
    )]
    pub fn next(&mut self) -> Result<Option<EventRef<'_>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = 0;
        let Some(event) = next_row(
            &mut self.columns,
            &mut self.types,
            self.kinds,
            self.kind_lens,
            self.kind_vars,
            self.threads,
            self.time,
            self.num,
        ) else {
            return Err(Error::damaged(self.offset, "a row does not decode"));
        };
        self.left = left;
        self.time = event.ts;
        self.num = EventNum(self.num.0.saturating_add(1));
        Ok(Some(event))
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "parts of Rows that are borrowed differently"
)]
fn next_row<'r, 'd: 'r>(
    columns: &mut Columns<'d>,
    types: &mut [TypeCursor<'d>],
    kinds: &[KindInfo],
    kind_lens: &'r mut [u32],
    kind_vars: &[u8],
    threads: &[(Tid, Pid)],
    time: Timestamp,
    num: EventNum,
) -> Option<EventRef<'r>> {
    let kind = kinds.get(usize::try_from(varint::take(&mut columns.kind)?).ok()?)?;
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
