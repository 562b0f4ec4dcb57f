//! Kubernetes audit logs as a source.
//!
//! Logs are in the order in which they were written, which is not that of time, and those of several API servers, or
//! the files of one after rotation, overlap. They are read twice: first an index of all events is made and sorted, of
//! a few bytes for each event, then the events are read in its order. Identical events are passed on once.
//!
//! Whatever is no event is counted and listed with its file and line, and does not end the reading.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, Read, Seek as _, SeekFrom};

use hashbrown::{DefaultHashBuilder, HashSet};
use scap_capture_format::Error;
use scap_capture_format::event::{EventNum, Params, Timestamp};
use scap_capture_format::native::{Damages, Header, Origin, OriginId};
use scap_capture_format::schema::types;

use super::{Each, EventSource, Item, ReplayError};
use crate::audit::event::{Reader, Refusal, foreign};
use crate::audit::frames::{Frames, Part};
use crate::audit::limits::{MAX_EVENTS, MAX_HELD, MAX_PROBLEMS};
use crate::audit::{PLUGIN_ID, SOURCE};
use crate::event::{PairedEvent, synthetic_event};

/// How much of a file is read at once, in order.
const READ: usize = 256 << 10;
/// How much is read elsewhere.
const READ_FAR: usize = 8 << 10;

/// A log, with the name that reports give it.
pub struct AuditInput {
    /// The name, safe to print.
    pub name: String,
    /// Its bytes.
    pub content: AuditContent,
}

/// Where the bytes of a log are.
pub enum AuditContent {
    /// In a file, which is read at any place.
    File(File),
    /// In a stream that can be read once; it is kept in memory.
    Once(Box<dyn Read + Send>),
    /// In a stream that can be opened again, which is kept in memory while its events are due.
    Again(Box<dyn Read + Send>, Open),
}

/// Opens a stream from its beginning.
pub type Open = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send>;

/// A log that is not readable.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {source}")]
pub struct AuditError {
    /// The name of the log.
    name: String,
    /// The reason.
    source: io::Error,
}

/// What was found in one log.
#[derive(Clone, Debug, Default)]
pub struct AuditReport {
    /// The name of the log.
    pub name: String,
    /// The number of events.
    pub events: u64,
    /// The first parts that are no events, with their lines.
    pub problems: Vec<(u64, Refusal)>,
    /// How many parts are no events, by reason.
    pub counts: BTreeMap<Refusal, u64>,
}

impl AuditReport {
    fn refuse(&mut self, line: u64, refusal: Refusal) {
        *self.counts.entry(refusal).or_default() += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push((line, refusal));
        }
    }
}

/// An event of the index.
#[derive(Clone, Copy, Debug)]
struct Entry {
    time: u64,
    offset: u64,
    /// The hash of its content.
    hash: u64,
    len: u32,
    file: u32,
}

const _: () = assert!(size_of::<Entry>() == 32, "as the documentation says");

/// Kubernetes audit logs, sorted by time.
pub struct AuditSource {
    logs: Vec<Log>,
    reports: Vec<AuditReport>,
    index: Vec<Entry>,
    duplicates: u64,
    hasher: DefaultHashBuilder,
    header: Header,
    origins: Vec<Origin>,
    damages: Damages,
}

impl AuditSource {
    /// Reads logs to their ends and sorts their events.
    ///
    /// # Errors
    ///
    /// If a log cannot be read; what it contains is no reason.
    pub fn open(inputs: Vec<AuditInput>) -> Result<Self, AuditError> {
        let mut source = Self {
            logs: Vec::new(),
            reports: Vec::new(),
            index: Vec::new(),
            duplicates: 0,
            hasher: DefaultHashBuilder::default(),
            header: Header::default(),
            origins: Vec::new(),
            damages: Damages::default(),
        };
        let name = match &inputs[..] {
            [] => String::new(),
            [one] => one.name.clone(),
            [first, others @ ..] => format!("{} and {} more", first.name, others.len()),
        };
        for input in inputs {
            let name = input.name.clone();
            source
                .add(input)
                .map_err(|source| AuditError { name, source })?;
        }
        source
            .index
            .sort_unstable_by_key(|entry| (entry.time, entry.file, entry.offset));
        source.drop_duplicates();
        for entry in &source.index {
            source.logs[entry.file as usize].left += 1;
        }
        source.header.start = Timestamp(source.times().map_or(0, |(first, _)| first));
        source.origins.push(Origin {
            name,
            ..Origin::default()
        });
        Ok(source)
    }

    /// Returns what was found in each log.
    pub fn reports(&self) -> &[AuditReport] {
        &self.reports
    }

    /// Returns how many events were left out because an identical one is there.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Returns the times of the first and the last event.
    pub fn times(&self) -> Option<(u64, u64)> {
        Some((self.index.first()?.time, self.index.last()?.time))
    }

    /// Adds the events of a log to the index.
    fn add(&mut self, input: AuditInput) -> io::Result<()> {
        let mut report = AuditReport {
            name: input.name,
            ..AuditReport::default()
        };
        let mut log = Log::default();
        match input.content {
            AuditContent::File(mut file) => {
                file.rewind()?;
                self.scan(&mut file, &mut report)?;
                log.file = Some(file);
            }
            AuditContent::Once(stream) => {
                let mut kept = Kept {
                    stream,
                    bytes: Vec::new(),
                };
                self.scan(&mut kept, &mut report)?;
                log.window = kept.bytes;
                log.is_whole = true;
            }
            AuditContent::Again(stream, open) => {
                self.scan(stream, &mut report)?;
                log.open = Some(open);
            }
        }
        self.logs.push(log);
        self.reports.push(report);
        Ok(())
    }

    fn scan(&mut self, stream: impl Read, report: &mut AuditReport) -> io::Result<()> {
        let file = u32::try_from(self.logs.len()).unwrap_or(u32::MAX);
        let Self {
            index,
            hasher,
            damages,
            ..
        } = self;
        let mut reader = Reader::default();
        let mut frames = Frames::new(stream);
        while let Some(frame) = frames.next_frame()? {
            let (offset, line) = (frame.offset, frame.line);
            let mut refuse = |refusal: Refusal| {
                damages.add(offset, refusal.text());
                report.refuse(line, refusal);
            };
            match frame.part {
                Part::Foreign(head) => refuse(foreign(head)),
                Part::Broken => refuse(Refusal::Broken),
                Part::TooDeep => refuse(Refusal::TooDeep),
                Part::TooLong => refuse(Refusal::TooLong),
                Part::CutOff => refuse(Refusal::CutOff),
                Part::Object(text) => {
                    let mut events = 0;
                    let mut is_full = false;
                    reader.each(text, &mut |found| match found {
                        _ if is_full => {}
                        Ok(_) if index.len() >= MAX_EVENTS => {
                            refuse(Refusal::TooMany);
                            is_full = true;
                        }
                        Ok(found) => {
                            events += 1;
                            index.push(Entry {
                                time: found.time,
                                offset: offset + found.start as u64,
                                hash: hasher.hash_one(found.json),
                                // A text has less than 4 GiB.
                                len: u32::try_from(found.len).unwrap_or(u32::MAX),
                                file,
                            });
                        }
                        Err(refusal) => refuse(refusal),
                    });
                    report.events += events;
                    if is_full {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves out events that are identical to an earlier one.
    fn drop_duplicates(&mut self) {
        let mut seen = HashSet::new();
        let mut now = 0;
        let before = self.index.len();
        self.index.retain(|entry| {
            if entry.time != now {
                now = entry.time;
                seen.clear();
            }
            seen.insert(entry.hash)
        });
        self.duplicates = (before - self.index.len()) as u64;
    }

    fn pass_on(&mut self, each: Each<'_>) -> Result<(), ReplayError> {
        let Self {
            logs,
            reports,
            index,
            hasher,
            damages,
            ..
        } = self;
        let mut reader = Reader::default();
        let mut bytes = Vec::new();
        let mut held = 0;
        for (num, entry) in (1..).zip(index.iter()) {
            let log = &mut logs[entry.file as usize];
            let text = log.text(entry, &mut held).map_err(|error| {
                let name = reports[entry.file as usize].name.clone();
                Error::Io(io::Error::new(error.kind(), format!("{name}: {error}")))
            })?;
            let mut is_same = false;
            reader.each(text.unwrap_or_default(), &mut |found| {
                if let Ok(found) = found
                    && hasher.hash_one(found.json) == entry.hash
                {
                    is_same = true;
                    bytes.clear();
                    bytes.extend_from_slice(&PLUGIN_ID.to_le_bytes());
                    bytes.extend_from_slice(found.json);
                }
            });
            log.done(&mut held);
            if !is_same {
                damages.add(entry.offset, CHANGED);
                continue;
            }
            let id = size_of_val(&PLUGIN_ID);
            // An event has less than 4 GiB.
            let lens = [id, bytes.len() - id].map(|len| u32::try_from(len).unwrap_or(0));
            let params = Params::new(&lens, &bytes).unwrap_or(Params::EMPTY);
            let mut event = synthetic_event(Timestamp(entry.time), types::PLUGINEVENT_E, params);
            event.num = EventNum(num);
            let item = Item::Event(PairedEvent::from(&event));
            if each(OriginId::FIRST, item)
                .map_err(ReplayError::Sink)?
                .is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The damage of a log that is not what it was when the index was made.
pub const CHANGED: &str = "the audit log was changed while it was read";

impl EventSource for AuditSource {
    fn header(&self) -> &Header {
        &self.header
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError> {
        self.pass_on(each)
    }

    fn damages(&self) -> &Damages {
        &self.damages
    }

    fn is_complete(&self) -> bool {
        true
    }

    fn has_machine(&self) -> bool {
        false
    }
}

impl std::fmt::Debug for AuditSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditSource")
            .field("source", &SOURCE)
            .field("reports", &self.reports)
            .finish_non_exhaustive()
    }
}

/// The bytes of a log while its events are passed on.
#[derive(Default)]
struct Log {
    file: Option<File>,
    open: Option<Open>,
    /// A part of the log: of a stream the whole.
    window: Vec<u8>,
    /// Where the window begins.
    start: u64,
    is_whole: bool,
    /// Events that have not been passed on.
    left: u64,
}

impl Log {
    /// Returns the text of an event; `None` if the log does not have it any more. `held` is the memory for streams.
    fn text(&mut self, entry: &Entry, held: &mut usize) -> io::Result<Option<&[u8]>> {
        let len = entry.len as usize;
        let within = |log: &Self| {
            let at = usize::try_from(entry.offset.checked_sub(log.start)?).ok()?;
            (log.window.len() >= at.checked_add(len)?).then_some(at)
        };
        if within(self).is_none() && !self.is_whole {
            self.load(entry.offset, len, held)?;
        }
        let at = within(self);
        Ok(at.and_then(|at| self.window.get(at..at + len)))
    }

    fn load(&mut self, offset: u64, len: usize, held: &mut usize) -> io::Result<()> {
        self.window.clear();
        if let Some(file) = &mut self.file {
            // Events of two logs in one file lie far from each other: little is read for each.
            let distance = offset.checked_sub(self.start);
            let is_near = distance.is_some_and(|distance| distance <= 2 * READ as u64);
            let ahead = if is_near { READ } else { READ_FAR };
            self.start = offset;
            file.seek(SeekFrom::Start(offset))?;
            file.take(len.max(ahead) as u64)
                .read_to_end(&mut self.window)?;
        } else if let Some(open) = &self.open {
            let left = MAX_HELD.saturating_sub(*held) as u64;
            open()?.take(left + 1).read_to_end(&mut self.window)?;
            if self.window.len() as u64 > left {
                return Err(too_much());
            }
            self.is_whole = true;
            *held += self.window.len();
        }
        Ok(())
    }

    /// Counts an event that was passed on; after the last one the memory is freed.
    fn done(&mut self, held: &mut usize) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            if self.open.is_some() {
                *held -= self.window.len();
            }
            self.window = Vec::new();
            self.start = 0;
            self.is_whole = false;
            self.file = None;
        }
    }
}

/// A stream whose bytes are kept.
struct Kept<R> {
    stream: R,
    bytes: Vec<u8>,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        if self.bytes.len() + count > MAX_HELD {
            return Err(too_much());
        }
        self.bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

fn too_much() -> io::Error {
    let message = "audit logs in pipes, and compressed ones that overlap in time, are kept in memory, up to 1 GiB; \
                   store or decompress them in files";
    io::Error::new(io::ErrorKind::OutOfMemory, message)
}
