//! I/O streams: the data that calls read and wrote.

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
use crate::filter::may_be_of;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::SegmentReplayer;
use crate::replay::matcher::Matcher;
use crate::replay::segment::Need;
use crate::state::Text;

/// Limit of the data kept, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Limit of the calls kept.
pub const MAX_PIECES: usize = 20_000;

/// The source of an I/O stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The fd of an event, from its opening to its close, in the process and in processes that share
    /// its fd table; the scope does not apply.
    FdOf(u64),
    /// All events of the scope.
    Scope,
}

/// The data of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoChunk {
    /// The event.
    pub num: u64,
    /// The time, in nanoseconds since the epoch.
    pub ts: u64,
    /// The process.
    pub pid: i64,
    /// The name of the process.
    pub comm: Text,
    /// The fd.
    pub fd: i64,
    /// The name of the fd.
    pub name: Text,
    /// True for reads, false for writes.
    pub read: bool,
    /// The data in the capture.
    pub data: Vec<u8>,
    /// The number of bytes transferred.
    pub len: u64,
}

/// The data that was read and written, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoStream {
    /// The data of the calls.
    pub pieces: Vec<IoChunk>,
    /// True if data was left out because of the limits.
    pub cut: bool,
}

/// Calls closer together than this, in nanoseconds, can be joined.
const PAUSE_NS: u64 = 1_000_000_000;

impl IoStream {
    /// Returns the stream with consecutive calls of the same kind joined, which makes the data of
    /// programs that read byte by byte readable.
    pub fn joined(&self) -> Self {
        let mut pieces: Vec<IoChunk> = Vec::new();
        let mut last_ts = 0;
        for piece in &self.pieces {
            let goes_on = |last: &&mut IoChunk| {
                let same = (last.pid, last.fd, last.read) == (piece.pid, piece.fd, piece.read);
                // Truncated data would leave a hole in the middle.
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

/// Reads an I/O stream.
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

/// Reads the stream of an event's fd.
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
    // An fd inherited from another process or older than the capture is followed from the start.
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

/// Returns true if an event closes its fd.
fn closes(cx: &Context<'_>) -> bool {
    let info = cx.view.full().info();
    info.is_some_and(|i| i.flags.contains(EventTypeFlags::DESTROYS_FD)) && cx.event.ty.is_exit()
}

/// Returns true if a chunk can have calls with data.
fn moves_data(summary: &ChunkSummary) -> bool {
    let mut infos = summary.types.iter().filter_map(|(ty, _)| ty.info());
    infos.any(|info| info.io_data_param().is_some())
}

/// Collects the data of calls up to the limits.
#[derive(Default)]
struct IoChunks {
    echo: IoStream,
    bytes: usize,
}

impl IoChunks {
    /// Adds the data of a call; returns true if a limit is reached.
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

/// Returns the data of a call, if there is any.
fn piece(cx: &Context<'_>) -> Option<IoChunk> {
    let (event, view) = (cx.event, cx.view);
    let info = event.info()?;
    let data = event.params.get(info.io_data_param()?).unwrap_or_default();
    let result = u64::try_from(event.result()?).ok()?;
    // The result of these calls is the number of messages.
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
