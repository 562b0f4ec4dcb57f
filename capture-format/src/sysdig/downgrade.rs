//! Splits an event of the newest schema into the enter and exit events of older recorders.
//!
//! The inverse of [`super::convert`], with the same table: a parameter taken from the enter event there is put into the
//! enter event here.

use std::collections::BTreeMap;

use super::facts::{Facts, Source};
use crate::event::{EventFlags, EventRef, Loaded, Params, Timestamp};
use crate::schema::{
    Arch, EVENTS, EventInfo, EventType, ParamType, Status, event_info, syscall, types,
};

/// The target of the conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// sysdig 0.29.3: only types and parameters that it knows.
    Sysdig029,
    /// Filters that select enter events: the newest schema's own enter types. The exit event is unchanged, and not
    /// returned.
    EnterEvents,
}

/// The events made from one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<'s> {
    /// Begin of the call, with its arguments; `None` for an event that is not a call, and for a new thread's return from the
    /// clone that created it.
    pub enter: Option<EventRef<'s>>,
    /// End of the call, with its results; `None` if it had not ended or cannot be expressed.
    pub exit: Option<EventRef<'s>>,
}

/// What could not be expressed of the events with one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Number of events that lost something.
    pub events: u64,
    /// Number of events that were dropped.
    pub dropped: u64,
    /// Names of the lost parameters.
    pub params: Vec<&'static str>,
}

/// The highest syscall code of sysdig 0.29.3, which crashes on higher ones.
const HIGHEST_CODE: u16 = 328;

/// The source of a parameter of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// A parameter of the event.
    Param(u8),
    /// A parameter of the event, resized to a number of bytes.
    Resized(u8, u8),
    /// A parameter that is an fd or an error, preceded by the number of the variant.
    FdOrError(u8),
    /// A parameter that is a syscall code; 0 if the target does not know it.
    Code(u8),
    /// A syscall's code or number.
    Number(u16),
    /// A parameter that is a list of fds; without one, an empty list.
    Fds(Option<u8>),
    /// A parameter that is a text; one that was cut gets a mark and a NUL.
    Text(u8),
    /// Absent.
    Nothing,
}

/// The conversion of a type.
#[derive(Clone, Debug, Default)]
struct Plan {
    enter: Option<EventType>,
    enter_from: Vec<From>,
    exit: Option<EventType>,
    exit_from: Vec<From>,
    /// One bit for each parameter that one of the two events has.
    placed: u64,
    /// The return of a new thread, which has no enter event.
    clone: bool,
}

/// Types of older recorders for calls that have types of their own now, where the conversion table lacks them: newest
/// exit type, older exit type, exit parameters, enter parameters; -1 = absent.
#[rustfmt::skip]
const OLDER: [(EventType, EventType, &[i8], &[i8]); 7] = [
    (types::SYSCALL_DUP2_X, types::SYSCALL_DUP_X, &[0], &[1]),
    (types::SYSCALL_DUP3_X, types::SYSCALL_DUP_X, &[0], &[1]),
    (types::SYSCALL_UMOUNT2_X, types::SYSCALL_UMOUNT_X, &[0, 1], &[2]),
    (types::SYSCALL_PIPE2_X, types::SYSCALL_PIPE_X, &[0, 1, 2, 3], &[]),
    (types::SYSCALL_INOTIFY_INIT1_X, types::SYSCALL_INOTIFY_INIT_X, &[0], &[-1]),
    (types::SYSCALL_EVENTFD2_X, types::SYSCALL_EVENTFD_X, &[0], &[2, 1]),
    (types::SYSCALL_SIGNALFD4_X, types::SYSCALL_SIGNALFD_X, &[0], &[2, 3, -1]),
];

/// Enter types whose parameters are repeated by the exit event under the same names.
const REPEATED: [EventType; 5] = [
    types::GENERIC_E,
    types::SYSCALL_OPEN_E,
    types::SYSCALL_CREAT_E,
    types::SYSCALL_OPENAT_2_E,
    types::SYSCALL_OPENAT2_E,
];

/// Enter types with one parameter that has another name in the exit event: its index there.
const RENAMED: [(EventType, u8); 2] = [(types::SYSCALL_DUP2_E, 1), (types::SYSCALL_DUP3_E, 1)];

/// Converts events of the newest schema to enter and exit events of older recorders.
///
/// Pairs are returned as the events come, so that enter events are not in order of time: a long call began before events that
/// were returned earlier. Events for sysdig have to be sorted by time first, keeping the order of equal times, or it computes
/// negative times between events.
#[derive(Debug)]
pub struct Downgrade {
    target: Target,
    plans: Vec<Plan>,
    enter: Buffer,
    exit: Buffer,
    /// By type: number of events that lost something, number of dropped events, lost parameters.
    lost: Vec<(u64, u64, u64)>,
    unknown: u64,
}

#[derive(Debug, Default)]
struct Buffer {
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for Downgrade {
    fn default() -> Self {
        Self::new()
    }
}

impl Downgrade {
    /// Converts for sysdig 0.29.3, with the syscall numbers of x86-64.
    pub fn new() -> Self {
        Self::with_target(Target::Sysdig029, Arch::X86_64)
    }

    /// Converts for a target. Calls without a type of their own there get a syscall number of this architecture.
    pub fn with_target(target: Target, arch: Arch) -> Self {
        let plan = |info: &EventInfo| match target {
            Target::Sysdig029 => old_plan(info, arch),
            Target::EnterEvents => enter_plan(info),
        };
        Self {
            target,
            plans: EVENTS.iter().map(plan).collect(),
            enter: Buffer::default(),
            exit: Buffer::default(),
            lost: vec![(0, 0, 0); EVENTS.len()],
            unknown: 0,
        }
    }

    /// Makes the events for one event of the newest schema.
    ///
    /// Enter events are skipped: the exit event has their parameters. An event whose parameters were not loaded
    /// yields none.
    pub fn pair<'s>(&'s mut self, event: &EventRef<'_>) -> Pair<'s> {
        let nothing = Pair {
            enter: None,
            exit: None,
        };
        let index = usize::from(event.ty.0);
        let (Some(plan), Some(lost)) = (self.plans.get(index), self.lost.get_mut(index)) else {
            self.unknown = self.unknown.saturating_add(1);
            return nothing;
        };
        let is_exit = event.ty.is_exit();
        if !is_exit && Facts::of(event.ty).is_some_and(Facts::is_enter) {
            return nothing;
        }
        if self.target == Target::Sysdig029 {
            // A container in the form of newer recorders.
            if event.ty == types::ASYNCEVENT_E && event.params.get(1) == Some(b"container\0") {
                self.exit.fill(&[From::Param(2)], event);
                return Pair {
                    enter: None,
                    exit: Some(self.exit.event(event, types::CONTAINER_JSON_2_E, event.ts)),
                };
            }
            // An alert, whose data is a text.
            if event.ty == types::ASYNCEVENT_E
                && event.params.get(1) == Some(b"alert\0")
                && event
                    .params
                    .get(2)
                    .is_some_and(|data| data.len() <= usize::from(u16::MAX))
            {
                self.exit.fill(&[From::Param(1), From::Param(2)], event);
                return Pair {
                    enter: None,
                    exit: Some(self.exit.event(event, types::NOTIFICATION_E, event.ts)),
                };
            }
            if plan.exit.is_none() {
                *lost = (lost.0.saturating_add(1), lost.1.saturating_add(1), lost.2);
                return nothing;
            }
            let mut gone = 0_u64;
            for (i, len) in event.params.lens().iter().enumerate() {
                let bit = 1_u64.checked_shl(u32::try_from(i).unwrap_or(u32::MAX));
                if *len > 0 {
                    gone |= bit.unwrap_or(0);
                }
            }
            gone &= !plan.placed;
            if gone != 0 {
                *lost = (lost.0.saturating_add(1), lost.1, lost.2 | gone);
            }
        }
        let in_flight = event.flags.contains(EventFlags::IN_FLIGHT);
        let res = event.params.get(0);
        let is_child = plan.clone && res.is_some_and(|r| r.iter().all(|b| *b == 0));
        let enter = plan.enter.filter(|_| !is_child);
        if enter.is_some() {
            self.enter.fill(&plan.enter_from, event);
        }
        let exit = plan.exit.filter(|_| !(in_flight && enter.is_some()));
        if exit.is_some() {
            self.exit.fill(&plan.exit_from, event);
        }
        let began = match event.ts.known() {
            Some(ts) => ts.saturating_sub(event.latency.unwrap_or(0)),
            None => event.ts.0,
        };
        Pair {
            enter: enter.map(|ty| self.enter.event(event, ty, Timestamp(began))),
            exit: exit.map(|ty| self.exit.event(event, ty, event.ts)),
        }
    }

    /// Returns the losses so far, by event name.
    pub fn report(&self) -> BTreeMap<&'static str, Lost> {
        let mut report: BTreeMap<&'static str, Lost> = BTreeMap::new();
        for (info, &(events, dropped, params)) in EVENTS.iter().zip(&self.lost) {
            if events == 0 {
                continue;
            }
            let lost = report.entry(info.name).or_default();
            lost.events = lost.events.saturating_add(events);
            lost.dropped = lost.dropped.saturating_add(dropped);
            for (i, param) in (0..u64::BITS).zip(info.params) {
                let is_lost = params.checked_shr(i).is_some_and(|p| p & 1 == 1);
                if is_lost && !lost.params.contains(&param.name) {
                    lost.params.push(param.name);
                }
            }
        }
        if self.unknown > 0 {
            report.entry("unknown").or_default().events = self.unknown;
            report.entry("unknown").or_default().dropped = self.unknown;
        }
        report
    }
}

impl Buffer {
    /// Collects the parameters of an event.
    fn fill(&mut self, from: &[From], event: &EventRef<'_>) {
        let params = &event.params;
        let is_cut = event.flags.intersects(EventFlags::CUT);
        self.lens.clear();
        self.bytes.clear();
        for from in from {
            let before = self.bytes.len();
            match *from {
                From::Param(i) => {
                    let value = params.get(usize::from(i)).unwrap_or(&[]);
                    self.bytes.extend_from_slice(value);
                }
                From::Resized(i, width) => {
                    if let Some(value) = params.get(usize::from(i)) {
                        let width = usize::from(width);
                        let value = value.get(..width).unwrap_or(value);
                        self.bytes.extend_from_slice(value);
                        self.bytes.resize(before.saturating_add(width), 0);
                    }
                }
                From::FdOrError(i) => {
                    if let Some(value) = params.get(usize::from(i)) {
                        let is_error = value.last().is_some_and(|b| b & 0x80 != 0);
                        self.bytes.push(u8::from(is_error));
                        self.bytes.extend_from_slice(value);
                    }
                }
                From::Code(i) => {
                    if let Some(code) = params.get(usize::from(i)).and_then(|v| v.first_chunk()) {
                        let code = u16::from_le_bytes(*code);
                        let code = if code <= HIGHEST_CODE { code } else { 0 };
                        self.bytes.extend_from_slice(&code.to_le_bytes());
                    }
                }
                From::Number(number) => self.bytes.extend_from_slice(&number.to_le_bytes()),
                From::Nothing => {}
                From::Fds(i) => {
                    const ENTRY: usize = 10;
                    let value = i.and_then(|i| params.get(usize::from(i)));
                    let none = 0_u16.to_le_bytes();
                    let value = value.filter(|list| !list.is_empty()).unwrap_or(&none);
                    self.bytes.extend_from_slice(value);
                    // Readers take as many entries as the count says, even if the list was cut.
                    if is_cut
                        && let Some((count, entries)) = self
                            .bytes
                            .get_mut(before..)
                            .and_then(<[u8]>::split_first_chunk_mut)
                    {
                        let there = u16::try_from(entries.len() / ENTRY).unwrap_or(u16::MAX);
                        *count = u16::from_le_bytes(*count).min(there).to_le_bytes();
                    }
                }
                From::Text(i) => {
                    let value = params.get(usize::from(i)).unwrap_or(&[]);
                    self.bytes.extend_from_slice(value);
                    if is_cut && value.last().is_some_and(|last| *last != 0) {
                        self.bytes.extend_from_slice(b"...\0");
                    }
                }
            }
            let len = self.bytes.len().saturating_sub(before);
            // Lengths of an event's parameters fit.
            self.lens.push(u32::try_from(len).unwrap_or(0));
        }
    }

    /// Returns the event with these parameters.
    fn event(&self, of: &EventRef<'_>, ty: EventType, ts: Timestamp) -> EventRef<'_> {
        EventRef {
            num: of.num,
            ts,
            tid: of.tid,
            pid: of.pid,
            cpu: of.cpu,
            ty,
            latency: None,
            flags: of.flags.difference(EventFlags::IN_FLIGHT),
            params: Params::with_data_apart(&self.lens, &self.bytes, usize::MAX, &[], Loaded::All),
        }
    }
}

/// The conversion of a type of the newest schema for sysdig 0.29.3.
fn old_plan(info: &EventInfo, arch: Arch) -> Plan {
    let Some(facts) = Facts::of(info.ty) else {
        return Plan::default();
    };
    let mut plan = Plan::default();
    if let Some((_, exit, exit_from, enter_from)) = OLDER.iter().find(|o| o.0 == info.ty) {
        plan.set(info, *exit, &by_index(exit_from), &by_index(enter_from));
    } else if facts.known == u8::MAX {
        // The most complete of the types from which the table converts to this one.
        let older = EVENTS.iter().filter_map(|old| {
            let facts = Facts::of(old.ty)?;
            let row = facts.row(usize::from(facts.known))?;
            (row.to == info.ty && facts.known < u8::MAX).then_some((old, facts.known))
        });
        if let Some((old, known)) = older.max_by_key(|o| o.1) {
            let (exit, enter) = invert(old, known, enter_len(old));
            plan.set(info, old.ty, &exit, &enter);
        } else if facts.is_exit() {
            plan.generic(info, arch);
        }
    } else if facts.is_exit() && info.status == Status::Current {
        let (exit, enter) = invert(info, facts.known, enter_len(info));
        plan.set(info, info.ty, &exit, &enter);
    } else if info.status != Status::Unused {
        let all: Vec<From> = (0..facts.known).map(From::Param).collect();
        plan.set(info, info.ty, &all, &[]);
        plan.enter = None;
    }
    plan.complete();
    plan
}

/// The conversion of a type to the newest schema's enter event.
fn enter_plan(info: &EventInfo) -> Plan {
    let has_enter = Facts::of(info.ty.enter()).is_some_and(Facts::is_enter);
    if info.ty.is_enter() || !has_enter {
        return Plan::default();
    }
    let rows = Facts::of(info.ty).map_or(&[][..], Facts::rows);
    let says = |r: &&super::facts::Row| {
        let from_enter = |s: &&Source| matches!(s, Source::Enter(_));
        (r.to == info.ty, r.rest.iter().filter(from_enter).count())
    };
    let best = rows.iter().max_by_key(says).map_or(0, |r| r.nparams);
    let all = Facts::of(info.ty.enter()).map_or(0, |f| f.nparams);
    let (_, mut enter) = invert(info, best, all);
    let mut renamed = RENAMED.iter();
    if let Some((_, i)) = renamed.find(|r| r.0 == info.ty.enter()) {
        enter = vec![From::Param(*i)];
    }
    let mut plan = Plan::default();
    plan.set(info, info.ty, &[], &enter);
    plan.exit = None;
    plan
}

/// Number of parameters of the enter event in sysdig 0.29.3.
fn enter_len(info: &EventInfo) -> u8 {
    Facts::of(info.ty.enter()).map_or(0, |f| f.known.min(f.nparams))
}

/// Inverts the conversion of a type with this number of parameters: returns the positions of its parameters, and of
/// those of its enter event, in the converted event.
fn invert(old: &EventInfo, nparams: u8, enter_len: u8) -> (Vec<From>, Vec<From>) {
    let enter_ty = old.ty.enter();
    let mut exit: Vec<From> = (0..nparams).map(From::Param).collect();
    let mut enter = vec![From::Nothing; usize::from(enter_len)];
    let facts = Facts::of(old.ty);
    if let Some(row) = facts.and_then(|f| f.row(usize::from(nparams))) {
        for (at, source) in (row.keep..).zip(row.rest) {
            let (list, i) = match *source {
                Source::Old(i) => (&mut exit, i),
                Source::Enter(i) => (&mut enter, i),
                Source::Empty | Source::ContainerJson => continue,
            };
            if let Some(place) = list.get_mut(usize::from(i)) {
                *place = From::Param(at);
            }
        }
    }
    if REPEATED.contains(&enter_ty) {
        let enter_info = event_info(enter_ty).map_or(&[][..], |i| i.params);
        for (place, param) in enter.iter_mut().zip(enter_info) {
            if let (From::Nothing, Some((at, _))) = (*place, old.param(param.name)) {
                *place = From::Param(u8::try_from(at).unwrap_or(0));
            }
        }
    }
    (exit, enter)
}

fn is_text(ty: ParamType) -> bool {
    matches!(
        ty,
        ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath
    )
}

fn by_index(list: &[i8]) -> Vec<From> {
    list.iter()
        .map(|i| u8::try_from(*i).map_or(From::Nothing, From::Param))
        .collect()
}

impl Plan {
    /// Sets the exit event type, and its enter event type.
    fn set(&mut self, info: &EventInfo, exit: EventType, exit_from: &[From], enter_from: &[From]) {
        let fit = |made: EventType, list: &[From]| -> Vec<From> {
            let to = event_info(made).map_or(&[][..], |i| i.params);
            let resized = |(i, from): (usize, &From)| {
                let From::Param(at) = *from else { return *from };
                let width = |p: Option<&crate::schema::ParamInfo>| p.and_then(|p| p.ty.fixed_len());
                let was = width(info.params.get(usize::from(at)));
                match width(to.get(i)) {
                    _ if made == types::SYSCALL_BPF_X => From::FdOrError(at),
                    _ if made.enter() == types::GENERIC_E && i == 0 => From::Code(at),
                    Some(width) if was.is_some_and(|w| w != width) => {
                        From::Resized(at, u8::try_from(width).unwrap_or(0))
                    }
                    _ => *from,
                }
            };
            list.iter().enumerate().map(resized).collect()
        };
        self.exit_from = fit(exit, exit_from);
        self.enter_from = fit(exit.enter(), enter_from);
        self.exit = Some(exit);
        self.enter = Facts::of(exit.enter())
            .is_some_and(Facts::is_enter)
            .then_some(exit.enter());
        self.clone = matches!(info.name, "clone" | "clone3" | "fork" | "vfork");
        for from in self.exit_from.iter().chain(&self.enter_from) {
            if let From::Param(i) | From::Resized(i, _) | From::FdOrError(i) | From::Code(i) = *from
            {
                self.placed |= 1_u64.checked_shl(u32::from(i)).unwrap_or(0);
            }
        }
    }

    /// Lists of fds are never absent: sysdig 0.29.3 would read their count from the following bytes. Nor do texts lack
    /// their NUL.
    fn complete(&mut self) {
        let sides = [
            (self.exit, &mut self.exit_from),
            (self.enter, &mut self.enter_from),
        ];
        for (ty, from) in sides {
            let info = ty.and_then(event_info).map_or(&[][..], |i| i.params);
            for (from, param) in from.iter_mut().zip(info) {
                match *from {
                    From::Param(i) if param.ty == ParamType::FdList => *from = From::Fds(Some(i)),
                    From::Param(i) if is_text(param.ty) => *from = From::Text(i),
                    From::Nothing if param.ty == ParamType::FdList => *from = From::Fds(None),
                    _ => {}
                }
            }
        }
    }

    /// Sets the conversion of calls without a type of their own, whose events only name the call.
    fn generic(&mut self, info: &EventInfo, arch: Arch) {
        let call = syscall::by_name(info.name);
        let code = call.map_or(0, |c| c.ppm_sc);
        let code = if code <= HIGHEST_CODE { code } else { 0 };
        let number = call.and_then(|c| c.nr(arch)).unwrap_or(0);
        self.enter = Some(types::GENERIC_E);
        self.enter_from = vec![From::Number(code), From::Number(number)];
        self.exit = Some(types::GENERIC_X);
        self.exit_from = vec![From::Number(code)];
    }
}
