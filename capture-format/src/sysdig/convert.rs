//! Converts events of older recorders to the newest schema.

use hashbrown::HashMap;

use super::facts::{Facts, Row, Source};
use crate::event::{EventRef, Loaded, Params, Timestamp};
use crate::limits;
use crate::schema::{EventType, types};

/// Most parameters of an enter event that a conversion uses.
const ENTER_PARAMS: usize = 8;

/// The enter event type of execveat, whose exit event is execve's if it succeeds.
const EXECVEAT: EventType = types::SYSCALL_EXECVEAT_E;

/// The enter event of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// Its type.
    pub ty: EventType,
    /// Its time, at which the call began.
    pub ts: Timestamp,
    /// Its fd parameter, if it has one.
    pub fd: Option<i64>,
}

/// The result of a conversion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Converted<'s> {
    /// The event in the newest schema, with the parameters of its enter event, if that differs from the stored event.
    pub merged: Option<EventRef<'s>>,
    /// The enter event, if this is an exit event whose enter event was seen.
    pub enter: Option<Enter>,
}

/// The last enter event of a thread.
#[derive(Debug)]
struct Slot {
    /// `None` after its exit event.
    enter: Option<Enter>,
    /// Lengths of the kept parameters.
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

/// Converts events of older recorders to the newest schema.
///
/// Recorders used to emit two events per call, `read > fd, size` and `read < res, data`; the newest emit one with all
/// parameters. State and rules are written for that one form. The converter keeps the enter event of each thread, adds its
/// parameters to the exit event, and replaces old types (`execve` twelve times). It follows falcosecurity's own conversion
/// table (`schema/event-conversions.csv`), except that a parameter that no event has stays absent, where
/// falcosecurity's converter fills in zeros. No event is dropped; the caller still has the stored event for printing.
///
/// Types that scap extends (`schema/native-params.csv`) are converted to falcosecurity's length, and the rest of
/// their parameters is absent.
#[derive(Debug, Default)]
pub struct Converter {
    /// By type; all types beyond the end are wanted.
    unwanted: Vec<bool>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_tid: HashMap<i64, u32>,
    /// The thread of the last look-up, and its slot.
    last: (i64, Option<u32>),
    /// The slot with the enter event of the last exit event.
    paired: Option<u32>,
    /// Bytes of kept parameters.
    held: usize,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

impl Converter {
    /// Makes a converter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a converter that converts only exit events of some types, and pairs all: for callers that know which events
    /// are looked at.
    pub fn for_types(wanted: impl Fn(EventType) -> bool) -> Self {
        let types = (0..=u16::MAX).take_while(|ty| Facts::of(EventType(*ty)).is_some());
        Self {
            unwanted: types.map(|ty| !wanted(EventType(ty))).collect(),
            ..Self::default()
        }
    }

    /// Whether events of this type are to be converted.
    #[inline]
    pub fn wants(&self, ty: EventType) -> bool {
        !self.unwanted.get(usize::from(ty.0)).is_some_and(|u| *u)
    }

    /// Drops all enter events, as at the start of another section.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.by_tid.clear();
        self.last = (0, None);
        self.paired = None;
        self.held = 0;
    }

    /// Takes the next event of the file in order.
    pub fn convert<'s>(&'s mut self, event: &EventRef<'_>) -> Converted<'s> {
        let enter = self.pair(event);
        let merged = if self.wants(event.ty) {
            self.merged(event)
        } else {
            None
        };
        Converted { merged, enter }
    }

    /// Takes the next event of the file in order, and returns its enter event if it is an exit event.
    #[inline(always)]
    pub fn pair(&mut self, event: &EventRef<'_>) -> Option<Enter> {
        self.paired = None;
        let facts = Facts::of(event.ty)?;
        if facts.is_enter() {
            self.remember(event, facts);
            return None;
        }
        if !facts.is_exit() {
            if matches!(event.ty, types::PROCEXIT_E | types::PROCEXIT_1_E) {
                self.forget(event.tid.0);
            }
            return None;
        }
        let index = self.index(event.tid.0)?;
        let slot = self.slots.get_mut(index as usize)?;
        // The enter event is used up in any case.
        let enter = slot.enter.take()?;
        if enter.ty == event.ty.enter() {
            self.paired = Some(index);
            return Some(enter);
        }
        (facts.is_execve_exit() && enter.ty == EXECVEAT).then_some(enter)
    }

    /// Returns the last paired event in the newest schema, with the parameters of its enter event, if that differs from the
    /// stored event.
    pub fn merged<'s>(&'s mut self, event: &EventRef<'_>) -> Option<EventRef<'s>> {
        let row = Facts::of(event.ty)?.row(event.params.len())?;
        if event.params.loaded() != Loaded::All {
            return None;
        }
        let slot = self.paired.and_then(|index| self.slots.get(index as usize));
        self.lens.clear();
        self.bytes.clear();
        merge(row, &event.params, slot, &mut self.lens, &mut self.bytes);
        let params = Params::with_data_apart(&self.lens, &self.bytes, usize::MAX, &[], Loaded::All);
        Some(EventRef {
            ty: row.to,
            params,
            num: event.num,
            ts: event.ts,
            tid: event.tid,
            pid: event.pid,
            cpu: event.cpu,
            latency: event.latency,
            flags: event.flags,
        })
    }

    /// Finds the slot of a thread; consecutive events are often of one thread.
    #[inline]
    fn index(&mut self, tid: i64) -> Option<u32> {
        if self.last.0 == tid {
            return self.last.1;
        }
        let index = self.by_tid.get(&tid).copied();
        self.last = (tid, index);
        index
    }

    fn forget(&mut self, tid: i64) {
        let Some(index) = self.by_tid.remove(&tid) else {
            return;
        };
        self.last = (tid, None);
        self.free.push(index);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.held = self.held.saturating_sub(slot.bytes.capacity());
            *slot = Slot::new();
        }
    }

    /// Adds a slot for a new thread.
    fn add(&mut self, tid: i64) -> u32 {
        if self.by_tid.len() >= limits::CONVERT_THREADS {
            self.clear();
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::new());
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        self.by_tid.insert(tid, index);
        self.last = (tid, Some(index));
        index
    }

    /// Keeps the parameters of an enter event that a conversion uses.
    fn remember(&mut self, event: &EventRef<'_>, facts: &Facts) {
        let needs_params = facts.needs_enter_params() && self.wants(event.ty.exit());
        let index = match self.index(event.tid.0) {
            Some(index) => index,
            None => self.add(event.tid.0),
        };
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        slot.enter = Some(Enter {
            ty: event.ty,
            ts: event.ts,
            fd: event.params.get(usize::from(facts.fd_param)).and_then(fd),
        });
        slot.nparams = 0;
        if needs_params {
            let before = slot.bytes.capacity();
            slot.bytes.clear();
            for (value, len) in event.params.iter().zip(&mut slot.lens) {
                let value = value.unwrap_or(&[]);
                // The value is in memory, so its length fits; 0 would only make the parameter absent.
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
        // The only type whose parameters changed in width: from a variant number and a 64-bit fd or error to a 32-bit fd.
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
