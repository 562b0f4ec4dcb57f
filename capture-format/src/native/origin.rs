//! Captures with the events of several recordings, merged by time.
//!
//! Thread and process ids are unique within one machine only, so a merged capture stores the recording of each event.
//! Format version 2 stores its number, the [`OriginId`], in the ids themselves:
//! a stored id is `id + (origin << 32)`, which leaves the ids of origin 0 unchanged. Ids fit 32 bits
//! on every recorded architecture. The header describes the origins ([`Header::origins`]); a
//! snapshot or a loss report has its origin in its `extra` list.

use serde::{Deserialize, Serialize};

use super::header::{Header, MachineInfo};
use super::{Extra, codec};
use crate::event::{EventRef, Pid, Tid};

/// Number of an entry of an [`Extra`] list: in a header the origins, elsewhere the origin's number.
const EXTRA: u32 = 0x4f52_4947;

/// One of the recordings that a capture was merged from; 0 in all other captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(pub u16);

/// The properties of one of the recordings that a capture was merged from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// File name of the capture.
    pub name: String,
    /// The machine.
    pub machine: MachineInfo,
    /// Calls have two events, enter and exit.
    pub is_paired: bool,
    /// Its recorder had a filter, so that events are missing that no loss report counts.
    pub is_filtered: bool,
    /// Room for later versions.
    pub extra: Extra,
}

impl OriginId {
    /// The only origin of a capture that was not merged.
    pub const FIRST: Self = Self(0);

    /// Returns the stored form of an id of this origin.
    const fn store(self, id: i64) -> i64 {
        id.wrapping_add((self.0 as i64) << 32)
    }

    /// Returns the stored form of an event's ids.
    pub fn tag<'a>(self, event: &EventRef<'a>) -> EventRef<'a> {
        EventRef {
            tid: Tid(self.store(event.tid.0)),
            pid: Pid(self.store(event.pid.0)),
            ..*event
        }
    }

    /// Returns the origin of an event with stored ids, and the event with the machine's ids.
    pub fn split<'a>(event: &EventRef<'a>) -> (Self, EventRef<'a>) {
        let (origin, tid) = split(event.tid.0);
        let event = EventRef {
            tid: Tid(tid),
            pid: Pid(split(event.pid.0).1),
            ..*event
        };
        (origin, event)
    }

    /// Returns the origin in an `extra` list.
    pub fn of(extra: &Extra) -> Self {
        let bytes = find(extra).and_then(|bytes| bytes.try_into().ok());
        Self(bytes.map_or(0, u16::from_le_bytes))
    }

    /// Adds this origin to an `extra` list. The first one needs no entry.
    pub fn note(self, extra: &mut Extra) {
        extra.retain(|(number, _)| *number != EXTRA);
        if self != Self::FIRST {
            extra.push((EXTRA, self.0.to_le_bytes().to_vec()));
        }
    }
}

/// Splits a stored id into origin and id.
pub(crate) fn split(stored: i64) -> (OriginId, i64) {
    // Ids can be negative (-1: no thread), hence the rounding.
    let origin = stored.wrapping_add(1 << 31) >> 32;
    match u16::try_from(origin) {
        Ok(origin) => {
            let tag = i64::from(origin) << 32;
            (OriginId(origin), stored.wrapping_sub(tag))
        }
        // No writer stores such an id; it is kept unchanged.
        Err(_) => (OriginId::FIRST, stored),
    }
}

fn find(extra: &Extra) -> Option<&[u8]> {
    let entry = extra.iter().find(|(number, _)| *number == EXTRA);
    entry.map(|(_, bytes)| &**bytes)
}

impl Header {
    /// Returns the recordings that the capture was merged from; empty for captures with one origin, and if the
    /// description is damaged.
    pub fn origins(&self) -> Vec<Origin> {
        let bytes = find(&self.extra);
        bytes
            .and_then(|bytes| codec::decode(bytes, 0).ok())
            .unwrap_or_default()
    }

    /// Sets the origins, before [`super::CaptureWriter::new`]; with two or more, the file has version 2 of the format.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Limit`] for more origins than a reader accepts.
    pub fn set_origins(&mut self, origins: &[Origin]) -> crate::Result<()> {
        let bytes = codec::encode(&origins.to_vec())?;
        self.extra.retain(|(number, _)| *number != EXTRA);
        self.extra.push((EXTRA, bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventNum, Params, Timestamp};
    use crate::schema::types;

    #[test]
    fn ids_of_every_origin_come_back() {
        for origin in [0, 1, 7, u16::MAX] {
            for id in [
                -1,
                0,
                1,
                4_194_304,
                i64::from(i32::MAX),
                i64::from(i32::MIN),
            ] {
                let event = EventRef {
                    num: EventNum(1),
                    ts: Timestamp(2),
                    tid: Tid(id),
                    pid: Pid(-1),
                    cpu: 0,
                    ty: types::SYSCALL_CLOSE_X,
                    latency: None,
                    flags: crate::event::EventFlags::empty(),
                    params: Params::EMPTY,
                };
                let stored = OriginId(origin).tag(&event);
                assert_eq!(OriginId::split(&stored), (OriginId(origin), event));
                assert!(origin != 0 || stored == event);
            }
        }
        assert_eq!(split(i64::MAX), (OriginId::FIRST, i64::MAX));
        assert_eq!(split(i64::MIN), (OriginId::FIRST, i64::MIN));
    }

    #[test]
    fn origins_are_found_in_header_and_lists() {
        let mut header = Header::default();
        assert!(header.origins().is_empty());
        let origins = vec![
            Origin::default(),
            Origin {
                name: "b.scap".to_owned(),
                is_paired: true,
                ..Origin::default()
            },
        ];
        header.set_origins(&origins).unwrap();
        assert_eq!(header.origins(), origins);
        let mut extra = vec![(1, vec![2])];
        OriginId(3).note(&mut extra);
        OriginId(4).note(&mut extra);
        assert_eq!((OriginId::of(&extra), extra.len()), (OriginId(4), 2));
        OriginId::FIRST.note(&mut extra);
        assert_eq!((OriginId::of(&extra), extra.len()), (OriginId::FIRST, 1));
    }
}
