//! `scap verify --parent`: whether the events of a capture are those of the captures that it was made from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use scap_capture_format::event::{EventFlags, Timestamp};
use scap_capture_format::native::{CaptureReader, ChunkDecoder, Derivation, Item, Load, OriginId};
use scap_capture_format::schema::ParamType;
use serde::Serialize;

use crate::cli::convert::to_native;
use crate::cli::derive::identity;
use crate::cli::error::CliError;
use crate::cli::input::Input;
use crate::event::number::counted;
use crate::event::{
    BufferCursor, BufferedEvent, Event, EventBuffer, EventExt as _, OwnedEvent, text,
};
use crate::export::is_enter_of_call;

/// The result of a comparison.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// Every event is one of a parent, in order.
    pub(super) proved: bool,
    /// How many events were found in the parents.
    pub(super) events: u64,
    /// What was not compared, since the operation may change it: type of parameter and number.
    pub(super) not_compared: BTreeMap<&'static str, u64>,
    /// Why it is not proved.
    pub(super) problem: Option<String>,
}

impl Comparison {
    /// Appends what was found as lines.
    pub(super) fn text(&self, out: &mut Vec<u8>) {
        let events = counted(self.events, "event");
        let found = match &self.problem {
            None => format!("{events} of the parents, in their order"),
            Some(problem) => format!("not proved: {problem}; {events} before it"),
        };
        text::escape(out, format!("    {found}").as_bytes());
        out.push(b'\n');
        if !self.not_compared.is_empty() {
            let names: Vec<&str> = self.not_compared.keys().copied().collect();
            let line = format!(
                "    not compared, since redaction changes it: {}",
                names.join(", ")
            );
            text::escape(out, line.as_bytes());
            out.push(b'\n');
        }
    }
}

/// Compares a capture with its parents.
pub(super) fn compare(file: &Path, parents: &[PathBuf]) -> Result<Comparison, CliError> {
    let mut comparison = Comparison {
        proved: false,
        events: 0,
        not_compared: BTreeMap::new(),
        problem: None,
    };
    let mut child = Events::open(file)?;
    let Some(derivation) = child.derivation.take() else {
        comparison.problem = Some("the capture does not say what it was made from".to_owned());
        return Ok(comparison);
    };
    let mut sources = match in_order(&derivation, parents)? {
        Ok(sources) => sources,
        Err(problem) => {
            comparison.problem = Some(problem);
            return Ok(comparison);
        }
    };
    let rules = Rules::of(&derivation);
    // Joined parents follow each other.
    let mut joined = 0;
    while let Some((origin, found)) = child.next()? {
        let is_there = loop {
            let at = match rules.is_joined {
                true => joined,
                false => source_of(&sources, origin),
            };
            let Some(parent) = sources.get_mut(at) else {
                break false;
            };
            if parent.finds(origin, &found.event, &rules, &mut comparison.not_compared)? {
                break true;
            }
            if !rules.is_joined {
                break false;
            }
            joined += 1;
        };
        if !is_there {
            comparison.problem = Some(describe(&found.event));
            return Ok(comparison);
        }
        comparison.events += 1;
    }
    match child.is_damaged() {
        true => comparison.problem = Some("the capture is damaged".to_owned()),
        false => comparison.proved = true,
    }
    Ok(comparison)
}

/// Describes an event that no parent has.
fn describe(event: &Event<'_>) -> String {
    let name = event.info().map_or("of an unknown type", |info| info.name);
    format!(
        "event {} ({name}, thread {}) is not in the parent, or not at this place",
        event.num.0, event.tid.0
    )
}

/// What an operation may change.
struct Rules {
    /// The parents follow each other.
    is_joined: bool,
    /// Texts, data and addresses can be others.
    is_redacted: bool,
    /// Nanoseconds that were added to the times of each origin.
    shifts: Vec<i64>,
}

impl Rules {
    fn of(derivation: &Derivation) -> Self {
        Self {
            is_joined: derivation.operation == "cat",
            is_redacted: derivation.operation == "redact",
            shifts: shifts(derivation).unwrap_or_default(),
        }
    }

    /// Returns the time that an event of an origin has in the copy.
    fn time(&self, origin: OriginId, time: Timestamp) -> Timestamp {
        let by = self.shifts.get(usize::from(origin.0)).copied().unwrap_or(0);
        match time.known() {
            Some(known) if known > 0 => Timestamp(known.saturating_add_signed(by)),
            _ => time,
        }
    }

    /// Whether a value that is no number, where the schema has one, was left out.
    fn may_leave_out(&self, copy: Option<&[u8]>, parent: Option<&[u8]>) -> bool {
        let is_longer = parent.is_some_and(|value| value.len() > NUMBER);
        self.is_redacted && is_longer && copy.is_none_or(<[u8]>::is_empty)
    }

    fn may_change(&self, ty: Option<ParamType>) -> bool {
        self.is_redacted
            && ty.is_none_or(|ty| ty.fixed_len().is_none() || ty == ParamType::Ipv4Addr)
    }
}

/// Most threads whose enter events are remembered.
const THREADS: usize = 1 << 18;

/// Longest number.
const NUMBER: usize = 8;

/// Returns how `merge --align` has shifted the times.
fn shifts(derivation: &Derivation) -> Option<Vec<i64>> {
    let mut options = derivation.options.iter();
    let (_, shifts) = options.find(|(name, _)| name == "shift-ns")?;
    shifts.split(' ').map(|by| by.parse().ok()).collect()
}

/// A parent, and which origins of the capture are its own.
struct Parent {
    events: Events,
    first: u16,
    origins: u16,
    /// The last enter event of each thread: copies have hidden ones just before the exit events.
    enters: HashMap<i64, OwnedEvent>,
}

impl Parent {
    /// Whether the parent has an event, after the events found before.
    fn finds(
        &mut self,
        origin: OriginId,
        wanted: &Event<'_>,
        rules: &Rules,
        not_compared: &mut BTreeMap<&'static str, u64>,
    ) -> Result<bool, CliError> {
        // Joined captures have one origin each.
        let own = OriginId(origin.0.saturating_sub(self.first));
        if is_enter_of_call(wanted)
            && wanted.flags.contains(EventFlags::HIDDEN)
            && let Some(passed) = self.enters.get_mut(&own.tag(wanted).tid.0)
            && passed.is_set()
        {
            let mut expected = passed.event();
            expected.ts = rules.time(origin, expected.ts);
            if is_same(wanted, &expected, rules) {
                passed.clear();
                return Ok(true);
            }
        }
        while let Some((of, event)) = self.events.next()? {
            let mut expected = event.event;
            expected.ts = rules.time(origin, expected.ts);
            if of == own && is_same(wanted, &expected, rules) {
                note_not_compared(wanted, rules, not_compared);
                return Ok(true);
            }
            if is_enter_of_call(&event.event) {
                let thread = of.tag(&event.event).tid.0;
                if self.enters.len() >= THREADS && !self.enters.contains_key(&thread) {
                    self.enters.clear();
                }
                self.enters.entry(thread).or_default().set(&event.event);
            }
        }
        Ok(false)
    }
}

/// Returns the parent of an origin.
fn source_of(sources: &[Parent], origin: OriginId) -> usize {
    let is_of = |parent: &Parent| {
        let range = parent.first..parent.first.saturating_add(parent.origins);
        range.contains(&origin.0)
    };
    sources.iter().position(is_of).unwrap_or(sources.len())
}

/// Opens the parents in the order of the derivation; or says which is not there.
fn in_order(
    derivation: &Derivation,
    files: &[PathBuf],
) -> Result<Result<Vec<Parent>, String>, CliError> {
    let mut given = Vec::new();
    for file in files {
        given.push((file, identity(file)?));
    }
    let mut first = 0_u16;
    let mut sources = Vec::new();
    for (number, parent) in (1..).zip(&derivation.parents) {
        let named = match parent.name.as_str() {
            "" => format!("parent {number}"),
            name => format!("parent {number}, {name},"),
        };
        if parent.file.is_none() {
            return Ok(Err(format!(
                "{named} was a pipe, or was still being recorded, and cannot be compared"
            )));
        }
        let Some((file, _)) = given.iter().find(|(_, identity)| *identity == parent.file) else {
            return Ok(Err(format!(
                "{named} is none of the given files: its BLAKE3 hash is another one"
            )));
        };
        let events = Events::open(file)?;
        let origins = events.origins;
        sources.push(Parent {
            events,
            first,
            origins,
            enters: HashMap::new(),
        });
        first = first.saturating_add(origins);
    }
    let is_of = |identity| {
        derivation
            .parents
            .iter()
            .any(|parent| parent.file == identity)
    };
    match given.iter().find(|(_, identity)| !is_of(*identity)) {
        Some((file, _)) => Ok(Err(format!(
            "it was not made from {}: the BLAKE3 hash of that file is another one",
            file.display()
        ))),
        None => Ok(Ok(sources)),
    }
}

/// Whether an event of the capture is this one of the parent.
fn is_same(copy: &Event<'_>, parent: &Event<'_>, rules: &Rules) -> bool {
    let is_hidden = copy.flags.contains(EventFlags::HIDDEN);
    // Hidden events have lost their data, redacted ones data and environments, which their flags say.
    let mut added = EventFlags::empty();
    if is_hidden {
        added |= EventFlags::HIDDEN | EventFlags::TRUNCATED;
    }
    if rules.is_redacted {
        added |= EventFlags::TRUNCATED | EventFlags::CUT_ENV;
    }
    let head = copy.ts == parent.ts
        && copy.tid == parent.tid
        && copy.ty == parent.ty
        && copy.cpu == parent.cpu
        && copy.latency == parent.latency
        && copy.flags | added == parent.flags | added
        && copy.params.lens().len() == parent.params.lens().len();
    if !head {
        return false;
    }
    let info = copy.info();
    let data = info.and_then(|info| info.io_data_param());
    (0..copy.params.lens().len()).all(|index| {
        let (own, other) = (copy.params.get(index), parent.params.get(index));
        let ty = info.and_then(|info| Some(info.params.get(index)?.ty));
        own == other
            || is_hidden && data == Some(index) && own.is_none_or(<[u8]>::is_empty)
            || rules.may_change(ty)
            || rules.may_leave_out(own, other)
    })
}

fn note_not_compared(
    event: &Event<'_>,
    rules: &Rules,
    not_compared: &mut BTreeMap<&'static str, u64>,
) {
    if !rules.is_redacted {
        return;
    }
    let params = event.info().map_or(&[][..], |info| info.params);
    for param in params
        .iter()
        .filter(|param| rules.may_change(Some(param.ty)))
    {
        *not_compared.entry(param.name).or_default() += 1;
    }
}

/// The events of a capture, one after the other.
struct Events {
    reader: CaptureReader<Box<dyn Read + Send>>,
    decoder: ChunkDecoder,
    buffer: EventBuffer,
    cursor: BufferCursor,
    derivation: Option<Derivation>,
    origins: u16,
    name: String,
    has_damage: bool,
}

impl Events {
    fn open(path: &Path) -> Result<Self, CliError> {
        let mut input = Input::open(path)?;
        let name = input.name.clone();
        if input.is_sysdig {
            let failed = |error: std::io::Error| {
                CliError::failed(format!("cannot write a temporary file: {error}"))
            };
            let copy = crate::files::nameless().map_err(failed)?;
            to_native(vec![input], None, &copy)?;
            let mut copy: File = copy;
            std::io::Seek::rewind(&mut copy).map_err(failed)?;
            input = Input::open(path)?;
            input.bytes = Box::new(BufReader::new(copy));
        }
        let reader = CaptureReader::new(input.bytes);
        let reader = reader.map_err(|error| CliError::capture(&name, &error))?;
        let origins = u16::try_from(reader.header().origins().len()).unwrap_or(u16::MAX);
        let mut events = Self {
            origins: origins.max(1),
            reader,
            decoder: ChunkDecoder::new(),
            buffer: EventBuffer::default(),
            cursor: BufferCursor::default(),
            derivation: None,
            name,
            has_damage: false,
        };
        // The derivation is before the events.
        events.fill()?;
        Ok(events)
    }

    /// Whether a part of the capture was not readable.
    fn is_damaged(&self) -> bool {
        self.has_damage || !self.reader.damages().is_empty() || !self.reader.is_complete()
    }

    /// Reads the next chunk; false at the end.
    fn fill(&mut self) -> Result<bool, CliError> {
        self.buffer.clear();
        self.cursor = BufferCursor::default();
        let failed = |error| CliError::capture(&self.name, &error);
        while let Some(item) = self.reader.next_item().map_err(failed)? {
            match item {
                Item::Derivation(derivation) => {
                    self.derivation.get_or_insert(*derivation);
                }
                Item::Chunk(chunk) => {
                    let rows = chunk.decode(&mut self.decoder, Load::ALL);
                    let mut rows = match rows {
                        Ok(rows) => rows,
                        Err(error) if error.is_damage() => {
                            self.has_damage = true;
                            continue;
                        }
                        Err(error) => return Err(failed(error)),
                    };
                    loop {
                        match rows.next() {
                            Ok(Some(event)) => self.buffer.push((&event).into()),
                            Ok(None) => break,
                            Err(_) => {
                                self.has_damage = true;
                                break;
                            }
                        }
                    }
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Returns the next event with its origin.
    fn next(&mut self) -> Result<Option<(OriginId, BufferedEvent<'_>)>, CliError> {
        while self.buffer.time(self.cursor).is_none() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        let Some(mut event) = self.buffer.next(&mut self.cursor) else {
            return Ok(None);
        };
        let (origin, own) = OriginId::split(&event.event);
        event.event = own;
        Ok(Some((origin, event)))
    }
}
