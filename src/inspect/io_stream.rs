//! What was read and written.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use scap_capture_format::event::Pid;
use scap_capture_format::native::ChunkSummary;
use scap_capture_format::schema::EventTypeFlags;

use super::find::{Process, opener};
use super::line::pid_of;
use super::seek::{Search, at_event};
use crate::event::EventExt as _;
use crate::fields::Context;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::SegmentReplayer;
use crate::replay::matcher::{Matcher, may_be_of};
use crate::replay::segment::Need;
use crate::state::Text;

/// Most bytes that are kept.
pub const MAX_BYTES: usize = 4 << 20;
/// Most calls that are kept.
pub const MAX_PIECES: usize = 20_000;

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The fd that an event is about, from its opening to its close, in the process and whoever shares its
    /// fds; the scope does not matter.
    FdOf(u64),
    /// All events of the scope.
    Scope,
}

/// What one call moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoChunk {
    /// The event.
    pub num: u64,
    /// When, in nanoseconds since the epoch.
    pub ts: u64,
    /// The process.
    pub pid: i64,
    /// Its name.
    pub comm: Text,
    /// The fd.
    pub fd: i64,
    /// Its name.
    pub name: Text,
    /// It was read, else written.
    pub read: bool,
    /// The bytes that the capture has.
    pub data: Vec<u8>,
    /// How many were moved.
    pub len: u64,
}

/// What was read and written, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoStream {
    /// The pieces.
    pub pieces: Vec<IoChunk>,
    /// There is more than is kept.
    pub cut: bool,
}

/// What moves between two calls so close together is one piece, in nanoseconds.
const PAUSE_NS: u64 = 1_000_000_000;

impl IoStream {
    /// Returns the same with calls that went on with what the one before them did as one: programs that read
    /// byte by byte can be read then.
    pub fn joined(&self) -> Self {
        let mut pieces: Vec<IoChunk> = Vec::new();
        let mut last_ts = 0;
        for piece in &self.pieces {
            let goes_on = |last: &&mut IoChunk| {
                let same = (last.pid, last.fd, last.read) == (piece.pid, piece.fd, piece.read);
                // What is not kept would be missing in the middle.
                let is_whole = last.len == last.data.len() as u64;
                same && is_whole
                    && last.name == piece.name
                    && piece.ts.saturating_sub(last_ts) < PAUSE_NS
            };
            match pieces.last_mut().filter(goes_on) {
                Some(last) => {
                    last.data.extend_from_slice(&piece.data);
                    last.len = last.len.saturating_add(piece.len);
                }
                None => pieces.push(piece.clone()),
            }
            last_ts = piece.ts;
        }
        Self {
            pieces,
            cut: self.cut,
        }
    }
}

/// Gathers what was read and written.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn echo(
    replayer: &mut SegmentReplayer,
    scope: &Scope,
    follow: &Follow,
    stop: &AtomicBool,
) -> Result<IoStream, IndexedCaptureError> {
    let mut pieces = IoChunks::default();
    match follow {
        Follow::Scope => {
            let mut matcher = Matcher::new(scope);
            let summaries = matcher.clone();
            let mut search = Search {
                replayer,
                stop,
                may: &|summary| moves_data(summary) && summaries.may_match(summary),
                need: Need::Everything,
            };
            let _last = search.first_after(0, &mut |cx| matcher.matches(cx) && pieces.add(cx))?;
        }
        Follow::FdOf(num) => of_fd(replayer, *num, stop, &mut pieces)?,
    }
    Ok(pieces.echo)
}

/// Follows the fd that an event is about.
fn of_fd(
    replayer: &mut SegmentReplayer,
    num: u64,
    stop: &AtomicBool,
    pieces: &mut IoChunks,
) -> Result<(), IndexedCaptureError> {
    let about = |cx: &Context<'_>| {
        let fd = cx.view.fd_number().filter(|_| cx.view.has_fd())?;
        Some((fd, Process::of(cx)?))
    };
    let Some((fd, process)) = at_event(replayer, num, stop, about)?.flatten() else {
        return Ok(());
    };
    // What has it from another process, or from before the capture, has it from its own beginning on.
    let made = opener(replayer, num, stop)?.unwrap_or(0);
    let mut search = Search {
        replayer,
        stop,
        may: &|summary| summary.max_time.0 >= process.made && may_be_of(summary, Pid(process.pid)),
        need: Need::Everything,
    };
    let mut began = false;
    let _last = search.first_after(made, &mut |cx| {
        if !process.is_there(cx) {
            return began;
        }
        began = true;
        if !process.shares_fds(cx) {
            return false;
        }
        let is_about = cx.view.has_fd() && cx.view.fd_number() == Some(fd);
        let is_full = is_about && pieces.add(cx);
        is_full || cx.view.has_made_fd(fd) || (is_about && closes(cx))
    })?;
    Ok(())
}

/// Whether an event closes its fd.
fn closes(cx: &Context<'_>) -> bool {
    let info = cx.view.full().info();
    info.is_some_and(|i| i.flags.contains(EventTypeFlags::DESTROYS_FD)) && cx.event.ty.is_exit()
}

/// Whether a chunk can have calls that moved data.
fn moves_data(summary: &ChunkSummary) -> bool {
    let mut infos = summary.types.iter().filter_map(|(ty, _)| ty.info());
    infos.any(|info| info.io_data_param().is_some())
}

/// Keeps what calls moved, as long as there is room.
#[derive(Default)]
struct IoChunks {
    echo: IoStream,
    bytes: usize,
}

impl IoChunks {
    /// Takes what a call moved; true: there is no room for it.
    fn add(&mut self, cx: &Context<'_>) -> bool {
        let Some(piece) = piece(cx) else {
            return false;
        };
        let echo = &mut self.echo;
        self.bytes += piece.data.len();
        echo.cut = echo.pieces.len() >= MAX_PIECES || self.bytes > MAX_BYTES;
        if !echo.cut {
            echo.pieces.push(piece);
        }
        echo.cut
    }
}

/// Returns what a call moved, if it moved anything.
fn piece(cx: &Context<'_>) -> Option<IoChunk> {
    let (event, view) = (cx.event, cx.view);
    let info = event.info()?;
    let data = event.params.get(info.io_data_param()?).unwrap_or_default();
    let result = u64::try_from(event.result()?).ok()?;
    // The result of these is how many messages there were.
    let counts_messages = matches!(info.name, "sendmmsg" | "recvmmsg");
    let len = match counts_messages {
        true => data.len() as u64,
        false => result,
    };
    if len == 0 {
        return None;
    }
    let fd = view.fd_number().unwrap_or(-1);
    let known = view.fd_info();
    Some(IoChunk {
        num: event.num.0,
        ts: event.ts.0,
        pid: pid_of(cx),
        comm: view
            .thread()
            .and_then(|t| t.comm.clone())
            .unwrap_or_default(),
        fd,
        name: known.map_or_else(Text::default, |fd| Arc::clone(&fd.name)),
        read: info.flags.contains(EventTypeFlags::READS_FROM_FD),
        data: data.to_vec(),
        len,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(ts: u64, fd: i64, data: &[u8], len: u64) -> IoChunk {
        IoChunk {
            num: ts,
            ts,
            pid: 1,
            comm: b"sh"[..].into(),
            fd,
            name: b"tty"[..].into(),
            read: true,
            data: data.to_vec(),
            len,
        }
    }

    #[test]
    fn calls_that_go_on_are_one_piece() {
        let echo = IoStream {
            pieces: vec![
                piece(1, 3, b"u", 1),
                piece(2, 3, b"n", 1),
                piece(3, 4, b"x", 1),
                piece(4, 3, b"am", 9),
                piece(5, 3, b"e", 1),
                piece(5 + PAUSE_NS, 3, b"later", 5),
            ],
            cut: true,
        };
        let joined = echo.joined();
        let shown: Vec<_> = joined
            .pieces
            .iter()
            .map(|p| (p.num, &p.data[..], p.len))
            .collect();
        let expected: [(u64, &[u8], u64); 5] = [
            (1, b"un", 2),
            (3, b"x", 1),
            (4, b"am", 9),
            (5, b"e", 1),
            (5 + PAUSE_NS, b"later", 5),
        ];
        assert_eq!(shown, expected);
        assert!(joined.cut);
    }
}
