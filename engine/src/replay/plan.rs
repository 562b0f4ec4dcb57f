//! Which chunks of a capture in a file a replay has to read.
//!
//! The summary of a chunk can rule out that it has a wanted event. Then only its effect on the state matters, and not even
//! that if the state can be restored from a snapshot before the next chunk that is read.

use std::cmp::Ordering;
use std::io::{Read, Seek};

use scap_capture_format::Result;
use scap_capture_format::event::EventNum;
use scap_capture_format::native::{
    Chunk, ChunkDecoder, ChunkSummary, Index, IndexedReader, Load, LossReport,
};

use super::Selection;
use crate::filter::{Filter, When};

/// How many bytes of chunks without a wanted event are compared with their summaries: a hundredth of a second.
const VERIFIED_BYTES: u64 = 8 << 20;

/// Most threads and fds of a state that each thread has for itself.
const SHARED_STATE: usize = 50_000;

/// What a replay does with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Its events are passed to the sink.
    Events,
    /// Its events only update the state.
    State,
    /// It is not read.
    Skip,
}

/// A chunk.
#[derive(Clone, Copy, Debug)]
struct Planned {
    offset: u64,
    /// Offset of the next section.
    end: u64,
    events: u32,
    part: Part,
}

/// The snapshots between two chunks; a merged capture has one for each origin.
#[derive(Clone, Debug)]
struct Restore {
    /// Offset of the first one.
    offset: u64,
    /// Their positions in the index.
    places: std::ops::Range<usize>,
}

/// Sections that are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jump {
    /// Offset of the first one.
    pub(super) from: u64,
    /// Offset of the snapshot after them; `None`: nothing of the file is read any more.
    pub(super) to: Option<u64>,
}

/// A number of chunks, and of the events in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Chunks.
    pub chunks: u64,
    /// Events.
    pub events: u64,
}

/// How much of a capture a replay reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanAmounts {
    /// What can have wanted events.
    pub events: Amount,
    /// What is read for the state only.
    pub state: Amount,
    /// What is not read.
    pub skipped: Amount,
}

impl Amount {
    const fn plus(self, other: Self) -> Self {
        Self {
            chunks: self.chunks.saturating_add(other.chunks),
            events: self.events.saturating_add(other.events),
        }
    }
}

impl PlanAmounts {
    /// Adds the amounts of another capture.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.plus(other.events),
            state: self.state.plus(other.state),
            skipped: self.skipped.plus(other.skipped),
        }
    }
}

/// What a replay is for.
#[derive(Clone, Copy, Debug)]
pub enum Extent<'s> {
    /// The events of a selection.
    Events(&'s Selection),
    /// The same, of one of many captures: summaries are not compared with events, which takes longer than all else.
    Unverified(&'s Selection),
    /// All events from a place on, and the state after them.
    All(Option<When>),
}

/// How a plan is split among threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// In turns, for output in the order of the capture. With a filter, output is rare and the state takes most of the time, so each
    /// thread reads whole segments, from a snapshot to the next. Without one, the output of a segment would not fit in memory
    /// until its turn comes: each thread reads every so many chunks, and the others for the state.
    Turns,
    /// In turns of segments: for output that is rare, though there is no filter.
    Segments,
    /// In runs of segments, for sinks whose results are joined at the end: each thread reads only its part of the capture.
    Runs,
}

/// What is read of a capture in a file. The events that pass the selection, and the state around them, are the same as if
/// everything were read.
#[derive(Clone, Debug)]
pub struct Plan {
    chunks: Vec<Planned>,
    restores: Vec<Restore>,
    jumps: Vec<Jump>,
    losses: Vec<(u64, LossReport)>,
    first_time: u64,
    /// How many chunks there are up to the first event that does not describe the capture, if they are read for their events.
    front: usize,
    /// Nothing is wanted after a point in time, so that losses after the last chunk that is read are not reported.
    has_end: bool,
    has_filter: bool,
    /// The state after the last event is wanted.
    keeps_state: bool,
}

impl Plan {
    /// Plans a replay.
    ///
    /// `None`: all of the capture has to be read, since it is not whole or has a wrong summary. Only so many summaries are verified
    /// as takes no time that a user notices; `scap verify` verifies all.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn new(input: impl Read + Seek, wanted: Extent<'_>) -> Result<Option<Self>> {
        let all;
        let selection = match wanted {
            Extent::Events(selection) | Extent::Unverified(selection) => selection,
            Extent::All(from) => {
                all = Selection {
                    from,
                    ..Selection::default()
                };
                &all
            }
        };
        let mut reader = IndexedReader::open(input)?;
        if !reader.is_complete() || !reader.damages().is_empty() {
            return Ok(None);
        }
        let is_verified = !matches!(wanted, Extent::Unverified(_));
        if !is_verified && !is_any_wanted(selection, &mut reader)? {
            return Ok(Some(Self::of_nothing(reader.index())));
        }
        let Some((first, first_time)) = first_event(&mut reader) else {
            return Ok(None);
        };
        let index = reader.shared_index();
        let after_first = index.chunk_at_event(first).saturating_add(1);
        let order = index.chunks.iter();
        let order = order.map(|chunk| place_in_window(selection, &chunk.summary, first_time));
        let order: Vec<Ordering> = order.collect();
        let is_in_window = |place: usize| {
            let is_within = |place: Option<usize>| {
                place.and_then(|place| order.get(place)) == Some(&Ordering::Equal)
            };
            // Events without a time are where the event before them is, which can be in the chunk before.
            is_within(Some(place))
                || is_within(place.checked_sub(1))
                || order[place] == Ordering::Greater && is_within(Some(place + 1))
        };
        let mut chunks = Vec::with_capacity(index.chunks.len());
        for (place, chunk) in index.chunks.iter().enumerate() {
            let is_wanted = is_in_window(place) && passes(selection, place, &mut reader)?;
            chunks.push(Planned {
                offset: chunk.offset,
                end: chunk.end(),
                events: chunk.summary.events,
                part: match is_wanted {
                    true => Part::Events,
                    false => Part::State,
                },
            });
        }
        let mut plan = Self {
            chunks,
            restores: restores(&reader),
            jumps: Vec::new(),
            losses: reader.losses()?,
            first_time,
            front: 0,
            has_end: selection.to.is_some(),
            has_filter: selection.filter.is_some(),
            keeps_state: matches!(wanted, Extent::All(_)),
        };
        // Events that describe the capture do not know when it begins, if they come first.
        let mut front = plan.chunks.iter().take(after_first);
        if front.any(|chunk| chunk.part == Part::Events) {
            plan.front = after_first;
            for chunk in plan.chunks.iter_mut().take(after_first) {
                chunk.part = Part::Events;
            }
        }
        if is_verified && !plan.is_as_claimed(&mut reader)? {
            return Ok(None);
        }
        plan.set_readable_jumps(&mut reader);
        Ok(Some(plan))
    }

    /// Returns the plan of a capture without any wanted event.
    fn of_nothing(index: &Index) -> Self {
        let chunks = index.chunks.iter().map(|chunk| Planned {
            offset: chunk.offset,
            end: chunk.end(),
            events: chunk.summary.events,
            part: Part::Skip,
        });
        let mut plan = Self {
            chunks: chunks.collect(),
            restores: Vec::new(),
            jumps: Vec::new(),
            losses: Vec::new(),
            first_time: 0,
            front: 0,
            has_end: false,
            has_filter: true,
            keeps_state: false,
        };
        plan.set_jumps();
        plan
    }

    /// Returns the time of the capture's first event, in nanoseconds since the epoch.
    pub fn first_time(&self) -> u64 {
        self.first_time
    }

    /// Returns true if the event with that time is read, and those before it: the time need not be known before.
    pub fn has_front(&self) -> bool {
        self.front > 0
    }

    /// Splits the plan among threads, each of which reads its share of the events. `input` is the capture. None: one thread reads
    /// as quickly.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn shares(
        &self,
        input: impl Read + Seek,
        threads: usize,
        split: Split,
    ) -> Result<Vec<Self>> {
        let most = usize::try_from(self.amounts().events.chunks / 2).unwrap_or(usize::MAX);
        let threads = threads.min(most);
        if threads < 2 {
            return Ok(Vec::new());
        }
        let mut reader = IndexedReader::open(input)?;
        if !is_small(&mut reader) {
            return Ok(Vec::new());
        }
        let segments = self.segments();
        let count = segments.iter().flatten().max().map_or(0, |last| last + 1);
        let by_segments = match split {
            Split::Turns => self.has_filter && count >= threads,
            Split::Segments | Split::Runs => count >= threads,
        };
        if split == Split::Runs && !by_segments {
            return Ok(Vec::new());
        }
        let owners = match split {
            Split::Turns | Split::Segments => self.turns(&segments, by_segments, threads),
            Split::Runs => self.runs(&segments, threads),
        };
        let share = |thread: usize| {
            let mut share = self.clone();
            for (chunk, owner) in share.chunks.iter_mut().zip(&owners) {
                if owner.is_some_and(|owner| owner != thread) {
                    chunk.part = Part::State;
                }
            }
            if thread > 0 {
                share.front = 0;
            }
            if by_segments {
                share.set_readable_jumps(&mut reader);
            }
            share
        };
        Ok((0..threads).map(share).collect())
    }

    /// Returns the thread of each chunk with wanted events, in turns.
    fn turns(
        &self,
        segments: &[Option<usize>],
        by_segments: bool,
        threads: usize,
    ) -> Vec<Option<usize>> {
        let mut wanted = 0;
        let turns = segments.iter().enumerate().map(|(place, segment)| {
            let turn = match (*segment)? {
                _ if place < self.front => 0,
                segment if by_segments => segment,
                _ => wanted,
            };
            wanted += 1;
            Some(turn % threads)
        });
        turns.collect()
    }

    /// Returns the thread of each chunk with wanted events: each thread has a run of whole segments with about as many events.
    fn runs(&self, segments: &[Option<usize>], threads: usize) -> Vec<Option<usize>> {
        let all = self.amounts().events.events.max(1);
        let mut owners = Vec::with_capacity(segments.len());
        let (mut before, mut current, mut owner) = (0_u64, None, 0);
        for (place, (segment, chunk)) in segments.iter().zip(&self.chunks).enumerate() {
            let Some(segment) = *segment else {
                owners.push(None);
                continue;
            };
            if current != Some(segment) && place >= self.front {
                let part = before.saturating_mul(threads as u64) / all;
                owner = usize::try_from(part).unwrap_or(0).min(threads - 1);
            }
            current = Some(segment);
            before = before.saturating_add(chunk.events.into());
            owners.push(Some(owner));
        }
        owners
    }

    /// Returns the segment of each chunk with wanted events. Segments without any are not counted.
    fn segments(&self) -> Vec<Option<usize>> {
        let mut restores = self.restores.iter().peekable();
        let (mut count, mut is_begun) = (0, false);
        let mut segments = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            while restores.next_if(|r| r.offset < chunk.offset).is_some() {
                count += usize::from(is_begun);
                is_begun = false;
            }
            let is_wanted = chunk.part == Part::Events;
            is_begun |= is_wanted;
            segments.push(is_wanted.then_some(count));
        }
        segments
    }

    /// Returns how much is read.
    pub fn amounts(&self) -> PlanAmounts {
        let mut amounts = PlanAmounts::default();
        for chunk in &self.chunks {
            let amount = match chunk.part {
                Part::Events => &mut amounts.events,
                Part::State => &mut amounts.state,
                Part::Skip => &mut amounts.skipped,
            };
            amount.chunks += 1;
            amount.events += u64::from(chunk.events);
        }
        amounts
    }

    /// Returns what is done with the chunk at `offset`.
    pub(super) fn part(&self, offset: u64) -> Part {
        let found = self.chunks.binary_search_by_key(&offset, |c| c.offset);
        match found {
            Ok(at) => self.chunks[at].part,
            // A chunk that was written since the plan was made.
            Err(_) => Part::Events,
        }
    }

    /// Returns the jump that begins at `offset`.
    pub(super) fn jump(&self, offset: u64) -> Option<Jump> {
        let found = self.jumps.binary_search_by_key(&offset, |jump| jump.from);
        found.ok().map(|at| self.jumps[at])
    }

    /// Returns the losses that a jump passes over.
    pub(super) fn losses(&self, jump: Jump) -> &[(u64, LossReport)] {
        let at = |offset| self.losses.partition_point(|(of, _)| *of < offset);
        let end = match jump.to {
            Some(to) => at(to),
            None if self.has_end => at(jump.from),
            None => self.losses.len(),
        };
        &self.losses[at(jump.from)..end]
    }

    /// Decides which of the chunks that are not read for their events are not read at all.
    fn set_jumps(&mut self) {
        self.jumps.clear();
        let mut end = self.chunks.len();
        // The snapshot that makes all before it unnecessary; `None` after it: nothing more is read.
        let mut target = (!self.keeps_state).then_some(None::<&Restore>);
        let mut restores = self.restores.iter().rev().peekable();
        let mut runs = Vec::new();
        let parts: Vec<bool> = self.chunks.iter().map(|c| c.part == Part::Events).collect();
        while let Some(last) = end.checked_sub(1) {
            let offset = self.chunks[last].offset;
            while let Some(restore) = restores.next_if(|r| r.offset > offset) {
                if target.is_none() {
                    target = Some(Some(restore));
                }
            }
            if parts[last] {
                target = None;
                end = last;
                continue;
            }
            let Some(to) = target else {
                end = last;
                continue;
            };
            let start = parts[..end].iter().rposition(|is_read| *is_read);
            let start = start.map_or(0, |read| read + 1);
            runs.push((start..end, to.map(|to| to.offset)));
            end = start;
        }
        for chunk in &mut self.chunks {
            if chunk.part != Part::Events {
                chunk.part = Part::State;
            }
        }
        for (run, to) in runs.into_iter().rev() {
            let before = run.start.checked_sub(1).map(|before| self.chunks[before]);
            let first = self.chunks[run.start].offset;
            self.jumps.push(Jump {
                from: before.map_or(first, |before| before.end),
                to,
            });
            for chunk in &mut self.chunks[run] {
                chunk.part = Part::Skip;
            }
        }
    }

    /// Sets jumps to snapshots that can be read.
    fn set_readable_jumps(&mut self, reader: &mut IndexedReader<impl Read + Seek>) {
        self.set_jumps();
        while let Some(unreadable) = self.unreadable_target(reader) {
            self.restores.remove(unreadable);
            self.set_jumps();
        }
    }

    /// Returns the position of a snapshot that is the target of a jump, and damaged.
    fn unreadable_target(&self, reader: &mut IndexedReader<impl Read + Seek>) -> Option<usize> {
        self.restores.iter().position(|restore| {
            let is_target = self.jumps.iter().any(|j| j.to == Some(restore.offset));
            is_target && !restore.places.clone().all(|at| reader.snapshot(at).is_ok())
        })
    }

    /// Returns false if a summary of a chunk without wanted events is found to be wrong: it can hide some.
    fn is_as_claimed(&self, reader: &mut IndexedReader<impl Read + Seek>) -> Result<bool> {
        let mut decoder = ChunkDecoder::new();
        let mut left = VERIFIED_BYTES;
        for (place, planned) in self.chunks.iter().enumerate() {
            if planned.part == Part::Events {
                continue;
            }
            let Some(rest) = left.checked_sub(planned.end - planned.offset) else {
                return Ok(true);
            };
            left = rest;
            let is_intact = match reader.chunk(place) {
                Ok(chunk) => columns_are_intact(&chunk, &mut decoder),
                Err(error) if error.is_damage() => false,
                Err(error) => return Err(error),
            };
            if !is_intact {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Compares the summary of a chunk with its columns.
fn columns_are_intact(chunk: &Chunk, decoder: &mut ChunkDecoder) -> bool {
    let Ok(mut rows) = chunk.decode(decoder, Load::COLUMNS) else {
        return false;
    };
    loop {
        match rows.next() {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Returns false if the state is so large that there should be only one in memory.
fn is_small(reader: &mut IndexedReader<impl Read + Seek>) -> bool {
    let last = reader.index().snapshots.len().saturating_sub(1);
    let mut is_small = |at| match reader.snapshot(at) {
        Ok(snapshot) => snapshot.threads.len() + snapshot.fds.len() <= SHARED_STATE,
        Err(_) => false,
    };
    is_small(0) && is_small(last)
}

/// Returns false if no event of a capture can pass a filter.
fn is_any_wanted(
    selection: &Selection,
    reader: &mut IndexedReader<impl Read + Seek>,
) -> Result<bool> {
    if selection.has_window() {
        return Ok(true);
    }
    for place in 0..reader.index().chunks.len() {
        if passes(selection, place, reader)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns false if no event of a chunk can pass a filter.
fn passes(
    selection: &Selection,
    place: usize,
    reader: &mut IndexedReader<impl Read + Seek>,
) -> Result<bool> {
    let index = reader.shared_index();
    let summary = &index.chunks[place].summary;
    let filter = selection.filter.as_ref().map(Filter::pushdown);
    if summary.events <= summary.hidden || !filter.is_none_or(|f| f.may_match(summary, None)) {
        return Ok(false);
    }
    let Some(filter) = filter.filter(|filter| filter.wants_runs()) else {
        return Ok(true);
    };
    Ok(filter.may_match(summary, reader.names_of(place)?))
}

/// Compares the events of a chunk that have a time with a time window: before all of it, perhaps within, or after all of it.
fn place_in_window(selection: &Selection, summary: &ChunkSummary, first_time: u64) -> Ordering {
    let times = summary.min_time.known().zip(summary.max_time.known());
    let is_before = |from: When| match from {
        When::Event(number) => summary.next_event().0 <= number,
        time => match (time.time(first_time), times) {
            (Some(from), Some((_, max))) => max < from,
            _ => false,
        },
    };
    let is_after = |to: When| match to {
        When::Event(number) => summary.first_event.0 > number,
        time => match (time.time(first_time), times) {
            (Some(to), Some((min, _))) => min > to,
            _ => false,
        },
    };
    if selection.from.is_some_and(is_before) {
        Ordering::Less
    } else if selection.to.is_some_and(is_after) {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// Returns the places between chunks where the state can be restored.
fn restores<R>(reader: &IndexedReader<R>) -> Vec<Restore>
where
    R: Read + Seek,
{
    let index = reader.index();
    let mut restores: Vec<Restore> = Vec::new();
    let chunk_of = |offset| index.chunks.partition_point(|c| c.offset < offset);
    for (place, snapshot) in index.snapshots.iter().enumerate() {
        match restores.last_mut() {
            // In other captures the last one of several applies.
            Some(last)
                if reader.is_merged() && chunk_of(last.offset) == chunk_of(snapshot.offset) =>
            {
                last.places.end = place + 1;
            }
            _ => restores.push(Restore {
                offset: snapshot.offset,
                places: place..place + 1,
            }),
        }
    }
    restores
}

/// Returns number and time of the first readable event that does not describe the capture itself.
pub fn first_event(reader: &mut IndexedReader<impl Read + Seek>) -> Option<(EventNum, u64)> {
    let mut decoder = ChunkDecoder::new();
    for index in 0..reader.index().chunks.len() {
        let Ok(chunk) = reader.chunk(index) else {
            continue;
        };
        let Ok(mut rows) = chunk.decode(&mut decoder, Load::COLUMNS) else {
            continue;
        };
        while let Ok(Some(event)) = rows.next() {
            if let Some(time) = event.ts.known()
                && !super::is_about_capture(&event)
            {
                return Some((event.num, time));
            }
        }
    }
    None
}
