//! Makes events of the newest schema from those of older recorders.

use hashbrown::HashMap;

use super::facts::{Facts, Row, Source};
use crate::event::{EventRef, Loaded, Params, Timestamp};
use crate::limits;
use crate::schema::{EventType, types};

/// Most parameters an enter event has that a conversion takes some from.
const ENTER_PARAMS: usize = 8;

/// The type of the enter event of an execveat, which ends as an execve if it succeeds.
const EXECVEAT: EventType = types::SYSCALL_EXECVEAT_E;

/// What the enter event of a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// Its type.
    pub ty: EventType,
    /// When it was: when the call began.
    pub ts: Timestamp,
    /// The fd that it names, if it names one.
    pub fd: Option<i64>,
}

/// What a converter makes of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Converted<'s> {
    /// The event in the newest schema, with what its enter event said, if that differs from the event
    /// as stored.
    pub merged: Option<EventRef<'s>>,
    /// The enter event, if this is an exit event and its enter event was there.
    pub enter: Option<Enter>,
}

/// The last enter event of a thread.
#[derive(Debug)]
struct Slot {
    /// `None` once its exit event was met.
    enter: Option<Enter>,
    /// Lengths of its parameters, as far as they are kept.
    lens: [u32; ENTER_PARAMS],
    nparams: usize,
    bytes: Vec<u8>,
}

impl Slot {
    const fn new() -> Self {
        Self {
            enter: None,
            lens: [0; ENTER_PARAMS],
            nparams: 0,
            bytes: Vec::new(),
        }
    }

    /// Returns a parameter, `None` if it is absent.
    fn param(&self, i: u8) -> Option<&[u8]> {
        let lens = self.lens.get(..self.nparams)?;
        Params::with_data_apart(lens, &self.bytes, usize::MAX, &[], Loaded::All).get(usize::from(i))
    }
}

/// Brings events of older recorders into the form of the newest schema.
///
/// Recorders used to emit two events for a call, `read > fd, size` and `read < res, data`; the newest
/// emit one that says everything. State and rules are written for that one form, so this gives it to
/// them: it remembers the enter event of each thread and adds what it said to the exit event, and it
/// changes the types that were replaced (`execve` twelve times). It follows the field's own conversion
/// table (`schema/event-conversions.csv`) but invents nothing: what no event says is absent, where the
/// field's converter fills in zeros. Nothing is hidden either; the event as stored is the caller's to
/// show.
///
/// Types that scap extends (`schema/native-params.csv`) are converted to the field's length, the rest of
/// their parameters is absent.
#[derive(Debug, Default)]
pub struct Converter {
    slots: HashMap<i64, Slot>,
    /// Bytes held in the slots.
    held: usize,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

impl Converter {
    /// Makes a converter that has seen no event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all enter events, as at the start of another section.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.held = 0;
    }

    /// Takes the next event of the file in order.
    pub fn convert<'s>(&'s mut self, event: &EventRef<'_>) -> Converted<'s> {
        let nothing = Converted {
            merged: None,
            enter: None,
        };
        let Some(facts) = Facts::of(event.ty) else {
            return nothing;
        };
        if facts.is_enter() {
            self.remember(event, facts);
        } else if matches!(event.ty, types::PROCEXIT_E | types::PROCEXIT_1_E)
            && let Some(slot) = self.slots.remove(&event.tid.0)
        {
            self.held = self.held.saturating_sub(slot.bytes.capacity());
        }
        let mut slot = None;
        let mut enter = None;
        if facts.is_exit() {
            slot = self.slots.get_mut(&event.tid.0);
            // Whatever the enter event was, it is over.
            enter = slot.as_mut().and_then(|s| s.enter.take());
            let pairs = |e: &Enter| {
                e.ty == event.ty.enter() || (facts.is_execve_exit() && e.ty == EXECVEAT)
            };
            enter = enter.filter(pairs);
            if enter.is_none_or(|e| e.ty != event.ty.enter()) {
                slot = None;
            }
        }
        let Some(row) = facts.row(event.params.len()) else {
            return Converted {
                merged: None,
                enter,
            };
        };
        if event.params.loaded() != Loaded::All {
            return Converted {
                merged: None,
                enter,
            };
        }
        self.lens.clear();
        self.bytes.clear();
        merge(
            row,
            &event.params,
            slot.as_deref(),
            &mut self.lens,
            &mut self.bytes,
        );
        let params = Params::with_data_apart(&self.lens, &self.bytes, usize::MAX, &[], Loaded::All);
        Converted {
            merged: Some(EventRef {
                num: event.num,
                ts: event.ts,
                tid: event.tid,
                pid: event.pid,
                cpu: event.cpu,
                ty: row.to,
                latency: event.latency,
                flags: event.flags,
                params,
            }),
            enter,
        }
    }

    /// Keeps what is needed of an enter event.
    fn remember(&mut self, event: &EventRef<'_>, facts: &Facts) {
        if self.slots.len() >= limits::CONVERT_THREADS && !self.slots.contains_key(&event.tid.0) {
            self.clear();
        }
        let slot = self.slots.entry(event.tid.0).or_insert_with(Slot::new);
        slot.enter = Some(Enter {
            ty: event.ty,
            ts: event.ts,
            fd: event.params.get(usize::from(facts.fd_param)).and_then(fd),
        });
        slot.nparams = 0;
        if facts.needs_enter_params() {
            let before = slot.bytes.capacity();
            slot.bytes.clear();
            for (value, len) in event.params.iter().zip(&mut slot.lens) {
                let value = value.unwrap_or(&[]);
                // Loaded from memory, so that it fits; 0 would only make the parameter absent.
                *len = u32::try_from(value.len()).unwrap_or(0);
                slot.bytes.extend_from_slice(value);
                slot.nparams = slot.nparams.saturating_add(1);
            }
            let grown = slot.bytes.capacity().saturating_sub(before);
            self.held = self.held.saturating_add(grown);
            if self.held > limits::CONVERT_BYTES {
                self.clear();
            }
        }
    }
}

/// Reads an fd parameter.
fn fd(bytes: &[u8]) -> Option<i64> {
    if let Ok(bytes) = <[u8; 8]>::try_from(bytes) {
        return Some(i64::from_le_bytes(bytes));
    }
    let bytes = <[u8; 4]>::try_from(bytes).ok()?;
    Some(i64::from(i32::from_le_bytes(bytes)))
}

/// Appends the parameters of the converted event to `lens` and `bytes`.
fn merge(
    row: &Row,
    old: &Params<'_>,
    enter: Option<&Slot>,
    lens: &mut Vec<u32>,
    bytes: &mut Vec<u8>,
) {
    let mut push = |value: Option<&[u8]>| {
        let value = value.unwrap_or(&[]);
        lens.push(u32::try_from(value.len()).unwrap_or(0));
        bytes.extend_from_slice(value);
    };
    let enter = |i: u8| enter.and_then(|e| e.param(i));
    if row.to == types::SYSCALL_BPF_2_X {
        // The one type whose parameters changed their width: from a variant number and an fd or error to
        // an fd, from 64 bits to 32.
        push(old.get(0).and_then(|v| v.get(1..)));
        push(enter(0).and_then(|v| v.get(..4)));
        return;
    }
    for value in old.iter().take(usize::from(row.keep)) {
        push(value);
    }
    for source in row.rest {
        match *source {
            Source::Old(i) => push(old.get(usize::from(i))),
            Source::Enter(i) => push(enter(i)),
            Source::Empty => push(None),
            Source::ContainerJson => {
                let json = super::container::json(old);
                push(Some(&json));
            }
        }
    }
}
