//! Captures named on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use scap_capture_format::native::section::MAGIC;
use scap_capture_format::native::{Damages, Header, IndexedReader, Origin};

use super::audit::{AuditLogs, AuditProblems};
use super::compressed::{self, Bytes, Compression};
use super::error::{CliError, EXIT_DAMAGED, warn};
use crate::chisel::Progress;
use crate::event::number::{self, counted};
use crate::event::text;
use crate::fields::Session;
use crate::filter::When;
use crate::replay::{
    Amount, End, EventSource, Extent, JoinedSource, MergedSource, NativeSource, Plan, PlanAmounts,
    ShiftedSource, Split, SysdigSource,
};
use crate::stats;

/// Returns the number of threads where none is given.
pub(super) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get().min(8))
}

/// How many compressed streams a capture can be in, one in another.
const MAX_COMPRESSIONS: usize = 3;

/// An open capture and its name.
pub(super) struct Input {
    /// Its name, safe to print.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// True for .scap files of sysdig.
    pub(super) is_sysdig: bool,
    /// The compressed streams that it was in, outermost first; gzip is a part of the .scap format.
    pub(super) compressions: Vec<Compression>,
    /// Damage of the compressed streams.
    pub(super) stream_damage: compressed::Damage,
    /// The content begins like JSON.
    pub(super) is_json: bool,
    /// The path of the capture, if it is a seekable file.
    path: Option<PathBuf>,
}

impl Input {
    /// Opens a file, or standard input for `-`, and checks that it starts like a capture.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            return Self::checked("standard input".to_owned(), Box::new(io::stdin()));
        }
        let mut name = Vec::new();
        text::escape_exact(&mut name, path.as_os_str().as_encoded_bytes());
        let name = String::from_utf8_lossy(&name).into_owned();
        let fail = |error: io::Error| {
            let failed = CliError::failed(format!("cannot read {name}: {}", reason(&error)));
            if error.kind() == io::ErrorKind::PermissionDenied {
                return failed.hint("captures belong to the user who recorded them, usually root");
            }
            failed
        };
        let file = File::open(path).map_err(fail)?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(CliError::failed(format!("{name} is a directory"))
                .hint("name capture files instead"));
        }
        let is_regular = file.metadata().is_ok_and(|m| m.is_file());
        let mut input = Self::checked(name, Box::new(file))?;
        let is_plain = input.compressions.is_empty();
        input.path = (is_regular && is_plain).then(|| path.to_owned());
        Ok(input)
    }

    /// Detects the file format from the first bytes, within compressed streams.
    fn checked(name: String, mut bytes: Bytes) -> Result<Self, CliError> {
        const SYSDIG: [u8; 4] = 0x0a0d_0d0a_u32.to_le_bytes();
        let failed = |e| CliError::failed(format!("cannot read {name}: {}", reason(&e)));
        let stream_damage = compressed::Damage::default();
        let mut compressions = Vec::new();
        let mut is_json;
        let is_sysdig = loop {
            let mut first = Vec::new();
            let mut head = bytes.by_ref().take(compressed::MAGIC_BYTES as u64);
            head.read_to_end(&mut first).map_err(failed)?;
            let compression = Compression::of(&first);
            let is_sysdig = first.starts_with(&SYSDIG);
            is_json = matches!(first.trim_ascii_start(), [b'{' | b'[', ..]);
            bytes = Box::new(io::Cursor::new(first).chain(bytes));
            let Some(compression) = compression else {
                break is_sysdig;
            };
            if let Compression::Unsupported(_, command) = compression {
                return Err(CliError::failed(format!(
                    "{name} is compressed with {compression}, which scap does not read"
                ))
                .hint(format!("decompress it first: `{command}`")));
            }
            if compression == Compression::Gzip {
                let (head, again) = compressed::gzip_head::<4>(bytes);
                bytes = again;
                // The reader of .scap files recovers more from a damaged gzip stream.
                if head == SYSDIG {
                    break true;
                }
            }
            if compressions.len() == MAX_COMPRESSIONS {
                let message = format!("{name} is compressed more than {MAX_COMPRESSIONS} times");
                return Err(CliError::failed(message).hint("decompress it first"));
            }
            bytes = compressed::decompress(compression, bytes, &stream_damage).map_err(failed)?;
            compressions.push(compression);
        };
        Ok(Self {
            name,
            bytes,
            is_sysdig,
            compressions,
            stream_damage,
            is_json,
            path: None,
        })
    }

    /// Makes the error of a capture that is not readable.
    pub(super) fn unreadable(
        name: &str,
        damage: &compressed::Damage,
        is_json: bool,
        error: &scap_capture_format::Error,
    ) -> CliError {
        match damage.get() {
            Some(what) => CliError::failed(format!("{name}: {what}")).code(EXIT_DAMAGED),
            None if is_json => CliError::capture(name, error).hint(format!(
                "`scap read --audit {name}` reads Kubernetes audit logs"
            )),
            None => CliError::capture(name, error),
        }
    }

    /// Updates `progress` with the percentage of the file that was read.
    pub(super) fn watch(&mut self, progress: Arc<Progress>) {
        let total = self
            .again()
            .and_then(|file| Some(file.metadata().ok()?.len()));
        let bytes = std::mem::replace(&mut self.bytes, Box::new(io::empty()));
        self.bytes = Box::new(Watched {
            bytes,
            total: total.unwrap_or(0),
            read: 0,
            progress,
        });
    }

    /// Whether the content is that of a capture, whole or not.
    pub(super) fn begins_like_capture(mut self) -> bool {
        let mut magic = [0; MAGIC.len()];
        self.is_sysdig || self.bytes.read_exact(&mut magic).is_ok() && magic == MAGIC
    }

    /// Returns true if the capture is seekable.
    pub(super) fn is_seekable(&self) -> bool {
        self.path.is_some() && !self.is_sysdig
    }

    /// Opens the capture file again.
    pub(super) fn again(&self) -> Option<File> {
        File::open(self.path.as_ref()?).ok()
    }

    /// Returns the times of the first and the last event. Reads the whole capture if it has no index.
    pub(super) fn times(self) -> Result<Option<(u64, u64)>, CliError> {
        let index = self
            .again()
            .filter(|_| !self.is_sysdig)
            .and_then(|file| IndexedReader::open(file).ok());
        if let Some(range) = index.and_then(|reader| reader.index().time_range()) {
            return Ok(Some((range.0.0, range.1.0)));
        }
        let read = match self.is_sysdig {
            true => stats::sysdig_capture_info(self.bytes),
            false => stats::capture_info(self.bytes, default_threads()),
        };
        let info =
            read.map_err(|e| Self::unreadable(&self.name, &self.stream_damage, self.is_json, &e))?;
        Ok(info.times)
    }

    /// Plans what is read, if the capture is a file with summaries.
    fn plan(&self, wanted: Extent<'_>) -> Option<Plan> {
        let file = self.again().filter(|_| !self.is_sysdig)?;
        // A capture that cannot be read is reported where it is opened.
        Plan::new(file, wanted).ok().flatten()
    }

    /// Opens the capture as a source of events.
    fn source(self, plan: Option<Plan>) -> Result<(Name, Source), CliError> {
        let again = self.again();
        let planned = plan.zip(self.again());
        let name = Name {
            text: self.name,
            stream_damage: self.stream_damage,
        };
        let failed = |e| Self::unreadable(&name.text, &name.stream_damage, self.is_json, &e);
        let source: Source = if self.is_sysdig {
            Box::new(SysdigSource::new(self.bytes).map_err(failed)?)
        } else if let Some((plan, file)) = planned {
            let mut source = NativeSource::new(file).map_err(failed)?;
            if let Some(again) = again {
                source.preload_containers(again).map_err(failed)?;
            }
            source.set_plan(plan);
            Box::new(source)
        } else {
            let mut source = NativeSource::new(self.bytes).map_err(failed)?;
            if let Some(again) = again {
                source.preload_containers(again).map_err(failed)?;
            }
            Box::new(source)
        };
        Ok((name, source))
    }
}

type Source = Box<dyn EventSource + Send>;

/// What reports about a capture need.
struct Name {
    /// Its name, safe to print.
    text: String,
    stream_damage: compressed::Damage,
}

/// Captures and audit logs opened as one source of events; several are merged by time.
pub(super) struct Captures {
    names: Vec<Name>,
    /// What is reported about the audit logs, which are the last of the merged sources.
    audit: Option<AuditProblems>,
    source: Source,
    /// How much is read, if a part is not.
    amounts: Option<PlanAmounts>,
}

impl Captures {
    /// Opens captures, with audit logs. Of captures in files only what is needed for `wanted` is read; without it, everything.
    pub(super) fn open(
        files: &[PathBuf],
        audit: Option<AuditLogs>,
        wanted: Option<Extent<'_>>,
        session: &mut Session,
    ) -> Result<Self, CliError> {
        let inputs = files.iter().map(|file| Input::open(file));
        Self::of(inputs.collect::<Result<_, _>>()?, audit, wanted, session)
    }

    /// As [`Self::open`], of one capture; `None`: its summaries say that no event of it is selected.
    pub(super) fn with_any(
        file: &Path,
        wanted: Option<Extent<'_>>,
        session: &mut Session,
    ) -> Result<Option<Self>, CliError> {
        let input = Input::open(file)?;
        let plan = wanted.map(|wanted| input.plan(wanted));
        if let Some(Some(plan)) = &plan
            && plan.amounts().events == Amount::default()
        {
            return Ok(None);
        }
        let plans = plan.into_iter().collect();
        Self::planned(vec![input], None, wanted, plans, session).map(Some)
    }

    /// Opens captures from inputs.
    pub(super) fn of(
        inputs: Vec<Input>,
        audit: Option<AuditLogs>,
        wanted: Option<Extent<'_>>,
        session: &mut Session,
    ) -> Result<Self, CliError> {
        let plans = wanted.map(|wanted| inputs.iter().map(|input| input.plan(wanted)).collect());
        Self::planned(inputs, audit, wanted, plans.unwrap_or_default(), session)
    }

    /// Opens captures for up to so many threads, each with a share of what is read; for one only if that is as quick, or if the
    /// captures have to be read from front to back.
    pub(super) fn shares(
        files: &[PathBuf],
        audit: Option<AuditLogs>,
        wanted: Option<Extent<'_>>,
        (threads, split): (usize, Split),
        session: &dyn Fn() -> Session,
    ) -> Result<Vec<(Self, Session)>, CliError> {
        let inputs = files.iter().map(|file| Input::open(file));
        let inputs: Vec<Input> = inputs.collect::<Result<_, _>>()?;
        // With all of a file wanted, a plan still has the shares.
        let planned = |input: &Input| input.plan(wanted.unwrap_or(Extent::All(None)));
        let plans: Vec<Option<Plan>> = match threads > 1 || wanted.is_some() {
            true => inputs.iter().map(planned).collect(),
            false => Vec::new(),
        };
        if let ([input], [Some(plan)], None) = (&*inputs, &*plans, &audit)
            && let Some(file) = input.again()
        {
            let amounts = plan.amounts();
            let shares = plan.shares(file, threads, split);
            let shares = shares.map_err(|error| CliError::capture(&input.name, &error))?;
            let share = |plan| {
                let mut session = session();
                let inputs = vec![Input::open(&files[0])?];
                let plans = vec![Some(plan)];
                let mut captures = Self::planned(inputs, None, wanted, plans, &mut session)?;
                captures.amounts = Some(amounts);
                Ok((captures, session))
            };
            if !shares.is_empty() {
                return shares.into_iter().map(share).collect();
            }
        }
        let mut session = session();
        let captures = Self::planned(inputs, audit, wanted, plans, &mut session)?;
        Ok(vec![(captures, session)])
    }

    /// Opens captures with a plan for each; without any, everything is read.
    fn planned(
        inputs: Vec<Input>,
        audit: Option<AuditLogs>,
        wanted: Option<Extent<'_>>,
        mut plans: Vec<Option<Plan>>,
        session: &mut Session,
    ) -> Result<Self, CliError> {
        // `+5s` counts from the first event of all captures. If the beginning of one capture is
        // skipped, every capture has to know the time of its first event.
        let is_relative = |when| matches!(when, Some(When::After(_) | When::TimeOfDay(_)));
        let is_absolute = match wanted {
            Some(Extent::Events(of) | Extent::Unverified(of)) => {
                !is_relative(of.from) && !is_relative(of.to)
            }
            Some(Extent::All(from)) => !is_relative(from),
            None => true,
        };
        let first_times = plans.iter().map(|plan| Some(plan.as_ref()?.first_time()));
        let is_alone = inputs.len() == 1 && audit.is_none();
        match first_times.collect::<Option<Vec<u64>>>() {
            Some(_) if plans.iter().flatten().all(Plan::has_front) => {}
            Some(times) if is_alone || is_absolute => {
                let of_audit = audit.as_ref().and_then(|logs| logs.source.times());
                let of_audit = of_audit.map_or(u64::MAX, |(first, _)| first);
                let earliest = times.into_iter().min();
                session.first_time = earliest.map_or(0, |first| first.min(of_audit));
            }
            _ => plans.clear(),
        }
        let amounts = plans.iter().flatten().map(Plan::amounts);
        let amounts = amounts.reduce(PlanAmounts::plus);
        plans.resize(inputs.len(), None);
        let mut names = Vec::new();
        let mut sources = Vec::new();
        for (input, plan) in inputs.into_iter().zip(plans) {
            let (name, source) = input.source(plan)?;
            sources.push((name.text.clone(), source));
            names.push(name);
        }
        let audit = audit.map(|logs| {
            let origins = logs.source.origins().iter();
            let text = origins.map(|origin| origin.name.clone()).collect();
            sources.push((text, Box::new(logs.source) as Source));
            logs.problems
        });
        let source = match sources.len() {
            1 => sources.remove(0).1,
            _ => {
                let merged = MergedSource::new(sources);
                Box::new(merged.map_err(|error| CliError::failed(error.to_string()))?)
            }
        };
        Ok(Self {
            names,
            audit,
            source,
            amounts,
        })
    }

    /// Opens captures to be merged by time, after `shifts` nanoseconds were added to the times of each origin; without
    /// `shifts` they are not changed.
    pub(super) fn aligned(files: &[PathBuf], shifts: &[i64]) -> Result<Self, CliError> {
        let mut names = Vec::new();
        let mut sources = Vec::new();
        let mut shifts = shifts.iter();
        for file in files {
            let (name, source) = Input::open(file)?.source(None)?;
            let own = shifts.by_ref().take(source.origins().len());
            let own: Vec<i64> = own.copied().collect();
            let source: Source = match own.iter().all(|by| *by == 0) {
                true => source,
                false => Box::new(ShiftedSource::new(source, own)),
            };
            sources.push((name.text.clone(), source));
            names.push(name);
        }
        let merged = MergedSource::new(sources);
        let merged = merged.map_err(|error| CliError::failed(error.to_string()))?;
        Ok(Self {
            names,
            audit: None,
            source: Box::new(merged),
            amounts: None,
        })
    }

    /// Opens the captures of one recording, which follow each other.
    pub(super) fn joined(files: &[PathBuf]) -> Result<Self, CliError> {
        let mut names: Vec<Name> = Vec::new();
        let mut sources: Vec<Source> = Vec::new();
        let mut last = None;
        for file in files {
            let times = match file.as_os_str() == "-" {
                true => None,
                false => Input::open(file)?.times()?,
            };
            let (name, source) = Input::open(file)?.source(None)?;
            if source.origins().len() > 1 {
                let message = format!("{} is merged from several recordings", name.text);
                return Err(CliError::failed(message)
                    .hint("join the captures of each machine, then merge these"));
            }
            if let (Some(before), Some(first)) = (names.last(), sources.first()) {
                same_boot(before, first.as_ref(), &name, source.as_ref())?;
                if let (Some(last), Some((begin, _))) = (last, times)
                    && begin.saturating_add(DISORDER_NS) < last
                {
                    let message = format!("{} begins before the end of {}", name.text, before.text);
                    return Err(CliError::failed(message).hint(
                        "name the captures in the order in which they were recorded; `scap merge` \
                         merges captures of the same time",
                    ));
                }
            }
            last = last.max(times.map(|(_, end)| end));
            names.push(name);
            sources.push(source);
        }
        Ok(Self {
            names,
            audit: None,
            source: Box::new(JoinedSource::new(sources)),
            amounts: None,
        })
    }

    /// Returns a name for all captures in messages.
    pub(super) fn name(&self) -> String {
        let mut names: Vec<&str> = self.names.iter().map(|name| &*name.text).collect();
        names.extend(self.audit.is_some().then_some("audit logs"));
        names.join(", ")
    }

    /// Returns the names of the captures and audit logs by origin; none if there is one origin.
    pub(super) fn names(&self) -> Vec<String> {
        let origins = self.origins();
        let merged = origins.iter().filter(|_| origins.len() > 1);
        merged.map(|origin| origin.name.clone()).collect()
    }

    /// Says how much was read and skipped, for `-v`.
    pub(super) fn print_amounts(&self) {
        let Some(amounts) = self.amounts else {
            return;
        };
        let text = |what: &str, amount: Amount| {
            format!(
                "{what}{} with {}",
                counted(amount.chunks, "chunk"),
                counted(amount.events, "event")
            )
        };
        let texts = [
            text("read: ", amounts.events),
            text("for the state only: ", amounts.state),
            text("skipped: ", amounts.skipped),
        ];
        super::stderr::print(&format!("{}\n", texts.join("; ")));
    }

    /// Returns the source of the events.
    pub(super) fn source(&mut self) -> &mut (dyn EventSource + Send) {
        self.source.as_mut()
    }

    /// Returns the origins of the events.
    pub(super) fn origins(&self) -> &[Origin] {
        self.source.origins()
    }

    /// Returns the header of the capture.
    pub(super) fn header(&self) -> &Header {
        self.source.header()
    }

    /// As [`Self::report_damage`], of a capture that several threads read, each a share of it.
    pub(super) fn report_shares(shares: &[Self], end: End, events: u64) -> bool {
        let first = match shares {
            [] => return false,
            [alone] => return alone.report_damage(end, events),
            [first, ..] => first,
        };
        let (Some(name), source) = (first.names.first(), first.source.as_ref()) else {
            return false;
        };
        // Each thread sees what is wrong with the file, and one what is wrong with a chunk.
        let lists = shares.iter().map(|share| share.source.damages());
        let events = (end == End::Reached).then_some(events);
        report_damage(name, source, &Damages::union(lists), events)
    }

    /// Warns about damage in captures that were read, to their end or not; returns true if there is any that is known.
    /// `events` is how many were read.
    pub(super) fn report_damage(&self, end: End, events: u64) -> bool {
        let parts = self.source.parts();
        if let (true, [name]) = (parts.is_empty(), &self.names[..]) {
            // How many there are is known at the end.
            let events = (end == End::Reached).then_some(events);
            let source = self.source.as_ref();
            return report_damage(name, source, source.damages(), events);
        }
        let mut is_damaged = false;
        if let Some(problems) = &self.audit {
            let source = parts.last().copied().unwrap_or(self.source.as_ref());
            is_damaged |= problems.report(source.damages().count());
        }
        for (name, source) in self.names.iter().zip(parts) {
            is_damaged |= report_damage(name, source, source.damages(), None);
        }
        is_damaged
    }
}

/// How far events of different CPUs can be out of order, also at the end of a file, in nanoseconds.
const DISORDER_NS: u64 = 5_000_000_000;

/// Fails if two captures are not of one boot of one machine.
fn same_boot(
    before: &Name,
    first: &dyn EventSource,
    name: &Name,
    source: &dyn EventSource,
) -> Result<(), CliError> {
    let (a, b) = (&first.header().machine, &source.header().machine);
    let differ = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
    let what = if differ(&a.host_name, &b.host_name) {
        "another machine than"
    } else if differ(&a.boot_id, &b.boot_id) {
        "another boot of the machine than"
    } else if first.header().is_paired() != source.header().is_paired() {
        "another kind of recorder than"
    } else {
        return Ok(());
    };
    let message = format!("{} is of {what} {}", name.text, before.text);
    Err(CliError::failed(message).hint("`scap merge` merges captures of several recordings"))
}

/// A reader that counts its bytes.
struct Watched {
    bytes: Box<dyn Read + Send>,
    total: u64,
    read: u64,
    progress: Arc<Progress>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read += count as u64;
        if self.total > 0 {
            let percent = self.read as f64 * 100.0 / self.total as f64;
            self.progress.set(percent.min(100.0));
        }
        Ok(count)
    }
}

/// Returns the message of the system, without the error number that `io::Error` adds.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// Warns about damage in a capture that was read; returns true if there is any. `events` is how many events were
/// readable, if known.
fn report_damage(
    name: &Name,
    source: &dyn EventSource,
    damages: &Damages,
    events: Option<u64>,
) -> bool {
    let Name {
        text: name,
        stream_damage,
    } = name;
    let read = match events {
        Some(events) => format!(
            "; {events} {} could be read",
            number::plural(events, "event")
        ),
        None => String::new(),
    };
    if let Some(unknown) = source.unknown_types().filter(|u| !u.is_empty()) {
        let count: u64 = unknown.values().sum();
        let types: Vec<String> = unknown.keys().take(8).map(u16::to_string).collect();
        warn(
            &format!(
                "{name}: {count} {} of unknown types skipped ({} {})",
                number::plural(count, "event"),
                number::plural(unknown.len() as u64, "type"),
                types.join(", ")
            ),
            None,
        );
    }
    if let Some(what) = stream_damage.get() {
        warn(
            &format!("{name}: {what}{read}"),
            Some("the file is not whole; only what is before the damage can be read"),
        );
        return true;
    }
    if let Some(first) = damages.list().first() {
        let more = match damages.count() {
            1 => String::new(),
            2 => " and in one more place".to_owned(),
            n => format!(" and in {} more places", n - 1),
        };
        warn(
            &format!(
                "{name}: damaged at byte {}: {}{more}{read}",
                first.offset, first.what
            ),
            Some("`scap info` lists the damage and what is readable"),
        );
        return true;
    }
    if !source.is_complete() {
        warn(
            &format!("{name}: the capture is incomplete{read}"),
            Some("the recorder was killed or is still running, or the copy is not whole"),
        );
        return true;
    }
    false
}
