//! Searches: the next matching event, the event that opened an fd, the event that created a
//! process.

use std::sync::atomic::AtomicBool;

use scap_capture_format::event::{Pid, Tid};
use scap_capture_format::native::ChunkSummary;
use scap_capture_format::schema::EventTypeFlags;

use super::line::write_line;
use super::seek::{Search, at_event};
use crate::event::EventExt as _;
use crate::event::time::{LocalClock, short_duration};
use crate::fields::Context;
use crate::filter::may_be_of;
use crate::replay::IndexedCaptureError;
use crate::replay::SegmentReplayer;
use crate::replay::Span;
use crate::replay::matcher::Matcher;
use crate::replay::segment::Need;

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Events that match a filter, which has to be valid.
    Filter(String),
    /// Events whose line contains a text as it is shown, ignoring case: with escapes, resolved names,
    /// number, time, CPU and latency.
    Text {
        /// The text.
        text: String,
        /// An additional filter; empty = none.
        filter: String,
    },
}

/// Finds the next event after `from`, or before it, that is in `span` and matches the query.
///
/// Segments without possible matches are skipped.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn find(
    replayer: &mut SegmentReplayer,
    query: &Query,
    span: Option<Span>,
    from: u64,
    forward: bool,
    stop: &AtomicBool,
) -> Result<Option<u64>, IndexedCaptureError> {
    let (filter, text) = match query {
        Query::Filter(filter) => (&**filter, None),
        Query::Text { text, filter } => (&**filter, Some(text.to_lowercase())),
    };
    let mut matcher = Matcher::with(span, filter);
    let summaries = matcher.clone();
    let mut search = Search {
        replayer,
        stop,
        may: &|summary| summaries.may_match(summary),
        need: match query {
            Query::Filter(_) => summaries.need(),
            Query::Text { .. } => Need::Everything,
        },
    };
    let mut clock = LocalClock::default();
    let mut is = |cx: &Context<'_>| {
        let mut has = |text: &String| line_has(cx, text, &mut clock);
        matcher.matches(cx) && text.as_ref().is_none_or(&mut has)
    };
    match forward {
        true => search.first_after(from, &mut is),
        false => search.last_before(from, &mut is),
    }
}

/// Returns true if the line of an event, as the list shows it, contains a text, which has to be lower
/// case.
fn line_has(cx: &Context<'_>, text: &str, clock: &mut LocalClock) -> bool {
    let line = write_line(cx);
    let mark = if line.enter { ">" } else { "" };
    let (comm, tid, name, args) = (&line.comm, line.tid, &line.name, &line.args);
    let mut shown = format!("{comm} {tid} {mark}{name} {args}");
    if !line.container.is_empty() {
        shown.push(' ');
        shown.push_str(&line.container);
    }
    match shown.is_ascii() {
        true => shown.make_ascii_lowercase(),
        false => shown = shown.to_lowercase(),
    }
    if shown.contains(text) {
        return true;
    }
    // The numbers of the line: rarely looked for, and not worth printing for a word.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let latency = line.latency.map_or_else(String::new, short_duration);
    let numbers = [
        line.num.to_string(),
        clock.microseconds(line.ts),
        line.cpu.to_string(),
        latency,
    ];
    numbers.iter().any(|number| number.contains(text)) || numbers.join(" ").contains(text)
}

/// A process, distinguished from others with the same pid by the event of the capture that created
/// it (0 = it is older than the capture).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i64,
    pub(super) made: u64,
    /// The pid in its own pid namespace.
    vpid: i64,
    /// The process that created it; -1 = not known.
    maker: i64,
}

impl Process {
    /// Returns the process of an event.
    pub(super) fn of(cx: &Context<'_>) -> Option<Self> {
        let main = cx.view.main(cx.view.thread()?)?;
        Some(Self {
            pid: main.pid.0,
            made: main.clone_ts,
            vpid: main.vpid,
            maker: cx.view.lineage().nth(1).map_or(-1, |maker| maker.pid.0),
        })
    }

    /// Returns true if the process is the one with its pid in the state around an event.
    pub(super) fn is_there(&self, cx: &Context<'_>) -> bool {
        let main = cx.view.state().thread(Tid(self.pid));
        main.is_some_and(|main| main.clone_ts == self.made)
    }

    /// Returns true if an event's thread shares the fd table.
    pub(super) fn shares_fds(&self, cx: &Context<'_>) -> bool {
        self.is_there(cx) && cx.view.state().share_fds(cx.event.tid, Tid(self.pid))
    }
}

/// Limit of the processes through which an fd is traced.
const MAX_HOPS: usize = 64;

/// Finds the event that opened the fd of an event: an `open`, `socket`, `accept`, `dup` and so on,
/// in a process that shares the fd table, before the event, or in a process from which the fd was
/// inherited.
///
/// `None`: the event has no fd, or the fd is older than the capture.
///
/// # Errors
///
/// As [`find`].
pub fn opener(
    replayer: &mut SegmentReplayer,
    num: u64,
    stop: &AtomicBool,
) -> Result<Option<u64>, IndexedCaptureError> {
    let about = |cx: &Context<'_>| {
        let fd = cx.view.fd_number().filter(|_| cx.view.has_fd())?;
        Some((fd, Process::of(cx)?, cx.view.has_made_fd(fd)))
    };
    let Some((fd, mut process, is_maker)) = at_event(replayer, num, stop, about)?.flatten() else {
        return Ok(None);
    };
    if is_maker {
        return Ok(Some(num));
    }
    let mut before = num;
    let mut latest = u64::MAX;
    for _ in 0..MAX_HOPS {
        let makes_fd = EventTypeFlags::CREATES_FD | EventTypeFlags::MODIFIES_STATE;
        let may = |summary: &ChunkSummary| {
            let mut types = summary.types.iter().filter_map(|(ty, _)| ty.info());
            summary.max_time.0 >= process.made
                && may_be_of(summary, Pid(process.pid))
                && types.any(|info| info.flags.intersects(makes_fd) || info.name == "fcntl")
        };
        let mut search = Search {
            replayer: &mut *replayer,
            stop,
            may: &may,
            need: Need::Events,
        };
        let found = search.last_before(before, &mut |cx| {
            cx.event.ts.0 <= latest && cx.view.has_made_fd(fd) && process.shares_fds(cx)
        })?;
        if found.is_some() {
            return Ok(found);
        }
        // The fd was inherited from the parent when the process was created.
        let Some((made_by, maker)) = maker_of(replayer, &process, stop)? else {
            return Ok(None);
        };
        (before, latest) = (made_by.min(before), process.made);
        process = maker;
    }
    Ok(None)
}

/// Finds the event that created the process of an event: the `clone` or `fork` of its parent; if
/// that is not in the capture, the return of the call in the new process.
///
/// `None`: the process is older than the capture.
///
/// # Errors
///
/// As [`find`].
pub fn fork(
    replayer: &mut SegmentReplayer,
    num: u64,
    stop: &AtomicBool,
) -> Result<Option<u64>, IndexedCaptureError> {
    let Some(process) = at_event(replayer, num, stop, Process::of)?.flatten() else {
        return Ok(None);
    };
    Ok(maker_of(replayer, &process, stop)?.map(|(num, _)| num))
}

/// How far the two events of a `clone` can be out of order, in nanoseconds.
const DISORDER_NS: u64 = 1_000_000;

/// Finds the event that created a process, and the process that called.
fn maker_of(
    replayer: &mut SegmentReplayer,
    process: &Process,
    stop: &AtomicBool,
) -> Result<Option<(u64, Process)>, IndexedCaptureError> {
    /// With `vfork` the parent returns when the new process has executed a program or exited.
    const PATIENCE_NS: u64 = 60_000_000_000;
    if process.made == 0 {
        return Ok(None);
    }
    let from = process.made.saturating_sub(DISORDER_NS);
    let to = process.made.saturating_add(PATIENCE_NS);
    let may = |summary: &ChunkSummary| {
        let mut types = summary.types.iter().filter_map(|(ty, _)| ty.info());
        let is_then = summary.min_time.0 <= to && from <= summary.max_time.0;
        is_then && types.any(|info| is_clone(info.name))
    };
    let mut search = Search {
        replayer,
        stop,
        may: &may,
        need: Need::Events,
    };
    let mut own = None;
    let mut maker = None;
    let found = search.first_after(0, &mut |cx| {
        let full = cx.view.full();
        if !(from..=to).contains(&cx.event.ts.0) || !full.info().is_some_and(|i| is_clone(i.name)) {
            return false;
        }
        match full.result() {
            Some(0) if cx.event.tid.0 == process.pid && own.is_none() => {
                own = Some(cx.event.num.0);
                false
            }
            Some(child) if child == process.pid || child == process.vpid => {
                let by = Process::of(cx).filter(|by| process.maker < 0 || by.pid == process.maker);
                maker = by;
                by.is_some()
            }
            _ => false,
        }
    })?;
    let unknown = Process {
        pid: process.maker,
        made: 0,
        vpid: -1,
        maker: -1,
    };
    let found = found.zip(maker);
    Ok(found.or_else(|| own.map(|own| (own, unknown))))
}

fn is_clone(name: &str) -> bool {
    matches!(name, "clone" | "clone3" | "fork" | "vfork")
}
