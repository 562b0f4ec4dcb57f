//! The borrowed event of writers and readers, and its ids.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::schema::EventType;

/// A thread id in the initial pid namespace; -1 for events without a thread.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Tid(pub i64);

/// A process id (thread group id) in the initial pid namespace; -1 if not known.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Pid(pub i64);

/// The position of an event in its capture, from 1 on (`evt.num`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EventNum(pub u64);

/// A point in time, in nanoseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns the time; `None` for the two values by which recorders say that an event has none: .scap files have container events
    /// at 0, and events that a recorder makes up can be at 2^64-1.
    #[inline]
    pub const fn known(self) -> Option<u64> {
        match self.0 {
            0 | u64::MAX => None,
            ns => Some(ns),
        }
    }
}

bitflags! {
    /// Flags of a stored event.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EventFlags: u8 {
        /// Rejected by the filter, and kept only for its effect on the state; not to be shown.
        const HIDDEN = 1;
        /// The call had not returned when the capture ended; the time is the end of the capture.
        const IN_FLIGHT = 2;
        /// An argument could not be read from the process's memory and is absent.
        const FAULT = 4;
        /// Data was truncated to the capture's snaplen.
        const TRUNCATED = 8;
        /// Memory that an argument points to was another one when the call returned; the event has what it was when the
        /// call began, and an `argument` event follows.
        const CHANGED = 16;
        /// A path, another text or a structure was cut. A text that was cut lacks its NUL.
        const CUT_TEXT = 32;
        /// A list was cut: the arguments of a program, whose last string then lacks its NUL, or the buffers, messages or fds of a
        /// call.
        const CUT_LIST = 64;
        /// The environment of a program was cut; its last string lacks its NUL.
        const CUT_ENV = 128;
        // Other bits belong to newer writers and are preserved.
        const _ = !0;
    }
}

impl EventFlags {
    /// All that say that something other than data was cut.
    pub const CUT: Self = Self::CUT_TEXT.union(Self::CUT_LIST).union(Self::CUT_ENV);
}

/// One event, borrowed from the buffer that it was recorded or read into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventRef<'a> {
    /// Position in the capture. Set by readers; writers number by position and ignore it.
    pub num: EventNum,
    /// Time of the event; for an exit event, the time of the call's return.
    pub ts: Timestamp,
    /// The thread.
    pub tid: Tid,
    /// The thread's process.
    pub pid: Pid,
    /// The CPU.
    pub cpu: u16,
    /// The type.
    pub ty: EventType,
    /// Duration of the call in nanoseconds, if it is known.
    pub latency: Option<u64>,
    /// Flags of this event.
    pub flags: EventFlags,
    /// The parameters, in the schema's encoding.
    pub params: Params<'a>,
}

/// No parameter is stored separately.
const NONE: usize = usize::MAX;

/// The parameters of an event: lengths and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params<'a> {
    lens: &'a [u32],
    /// All parameters back to back, except the one stored separately.
    bytes: &'a [u8],
    /// Index of the I/O data parameter if its bytes are in `data` instead of `bytes`.
    apart: usize,
    data: &'a [u8],
    loaded: Loaded,
}

/// Which parts of the parameters a reader has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Nothing: neither lengths nor values are known.
    Nothing,
    /// Everything except the bytes of the I/O data parameter, whose length is known.
    AllButIoData,
    /// Everything.
    All,
}

impl<'a> Params<'a> {
    /// No parameters.
    pub const EMPTY: Self = Self {
        lens: &[],
        bytes: &[],
        apart: NONE,
        data: &[],
        loaded: Loaded::All,
    };

    /// Parameters of an event whose payload was not loaded.
    pub(crate) const NOT_LOADED: Self = Self {
        lens: &[],
        bytes: &[],
        apart: NONE,
        data: &[],
        loaded: Loaded::Nothing,
    };

    /// Makes parameters from their lengths and the bytes back to back; `None` if the lengths do not
    /// add up to the bytes.
    #[inline]
    pub fn new(lens: &'a [u32], bytes: &'a [u8]) -> Option<Self> {
        let sum: u64 = lens.iter().map(|l| u64::from(*l)).sum();
        (sum == bytes.len() as u64).then_some(Self {
            lens,
            bytes,
            apart: NONE,
            data: &[],
            loaded: Loaded::All,
        })
    }

    /// Makes parameters with the I/O data in another buffer. `data` is empty if it was not loaded.
    #[inline]
    pub(crate) const fn with_data_apart(
        lens: &'a [u32],
        bytes: &'a [u8],
        apart: usize,
        data: &'a [u8],
        loaded: Loaded,
    ) -> Self {
        Self {
            lens,
            bytes,
            apart,
            data,
            loaded,
        }
    }

    /// Returns the number of parameters stored; 0 if they were not loaded.
    #[inline]
    pub const fn len(&self) -> usize {
        self.lens.len()
    }

    /// Whether there are no parameters.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.lens.is_empty()
    }

    /// Returns which parts a reader has loaded. A missing value means absent only if its part was loaded.
    #[inline]
    pub const fn loaded(&self) -> Loaded {
        self.loaded
    }

    /// Returns the lengths in bytes.
    #[inline]
    pub const fn lens(&self) -> &'a [u32] {
        self.lens
    }

    /// Returns the loaded bytes back to back, without the parameter stored separately.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the bytes of parameter `i`; `None` if there is no such parameter, or it is absent
    /// (zero length), or it was not loaded.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        let len = *self.lens.get(i)? as usize;
        if len == 0 {
            return None;
        }
        if i == self.apart {
            return self.data.get(..len);
        }
        let before = self.lens.get(..i)?;
        let mut start: usize = before
            .iter()
            .fold(0, |sum, l| sum.wrapping_add(*l as usize));
        if self.apart < i {
            start = start.wrapping_sub(*self.lens.get(self.apart)? as usize);
        }
        self.bytes.get(start..start.checked_add(len)?)
    }

    /// Iterates over the parameters in order, `None` for those absent or not loaded.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let this = *self;
        let mut rest = this.bytes;
        this.lens.iter().enumerate().map(move |(i, len)| {
            let len = *len as usize;
            if len == 0 {
                return None;
            }
            if i == this.apart {
                return this.data.get(..len);
            }
            let (value, tail) = rest.split_at_checked(len)?;
            rest = tail;
            Some(value)
        })
    }

    /// Splits into (bytes before, the I/O data, bytes after) for a writer that stores parameter `io` separately; `None` if not
    /// all parts are loaded.
    pub(crate) fn split(&self, io: Option<usize>) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        if self.loaded == Loaded::AllButIoData {
            return None;
        }
        match io {
            Some(i) if i == self.apart => Some((self.bytes, self.data, &[])),
            _ if self.apart != NONE => None,
            Some(i) if i < self.lens.len() => {
                let before = self
                    .lens
                    .get(..i)?
                    .iter()
                    .fold(0usize, |s, l| s.wrapping_add(*l as usize));
                let (head, rest) = self.bytes.split_at_checked(before)?;
                let (data, tail) = rest.split_at_checked(*self.lens.get(i)? as usize)?;
                Some((head, data, tail))
            }
            _ => Some((self.bytes, &[], &[])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_length_is_absent() {
        let p = Params::new(&[2, 0, 1], b"abc").unwrap();
        assert_eq!(p.len(), 3);
        assert_eq!(
            (p.get(0), p.get(1), p.get(2), p.get(3)),
            (Some(&b"ab"[..]), None, Some(&b"c"[..]), None)
        );
        assert_eq!(p.iter().collect::<Vec<_>>(), [p.get(0), p.get(1), p.get(2)]);
        assert_eq!(Params::new(&[2], b"abc"), None);
        assert_eq!(Params::new(&[u32::MAX, u32::MAX], b"abc"), None);
    }

    #[test]
    fn data_apart() {
        let lens = [1, 3, 2];
        let p = Params::with_data_apart(&lens, b"acc", 1, b"bbb", Loaded::All);
        let all: Vec<_> = p.iter().map(Option::unwrap).collect();
        assert_eq!(all, [&b"a"[..], b"bbb", b"cc"]);
        assert_eq!(all, [0, 1, 2].map(|i| p.get(i).unwrap()));
        assert_eq!(p.split(Some(1)), Some((&b"acc"[..], &b"bbb"[..], &b""[..])));
        let cut = Params::with_data_apart(&lens, b"acc", 1, b"", Loaded::AllButIoData);
        assert_eq!(
            (cut.get(0), cut.get(1), cut.get(2)),
            (Some(&b"a"[..]), None, Some(&b"cc"[..]))
        );
        assert_eq!(cut.split(Some(1)), None);
    }
}
