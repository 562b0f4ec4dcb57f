//! One replay by several threads.
//!
//! Each thread replays the capture by a plan of its own, which has a share of the chunks with wanted events
//! ([`super::Plan::shares`]). The output of a chunk waits for the output of all chunks before it.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{End, EventSink, EventSource, Item, Pipeline, ReplayError};

/// Bytes of output that wait for that of other threads, in all; each thread can have one piece more.
const WAITING_BYTES: usize = 48 << 20;

/// A sink whose output can be taken piece by piece.
pub trait PieceSink: EventSink + Send {
    /// Takes the output since the last call, and leaves an empty buffer for the next.
    fn take(&mut self, empty: Vec<u8>) -> Vec<u8>;

    /// Returns true if the output should be taken before the end of the chunk.
    fn is_full(&self) -> bool {
        false
    }
}

/// What one thread replays.
pub struct Share<'s, S> {
    /// The source, with a share of a plan.
    pub source: &'s mut (dyn EventSource + Send),
    /// The state and the selection.
    pub pipeline: Pipeline,
    /// The sink.
    pub sink: S,
}

/// Replays all shares at once. `each` takes the pieces in the order of the capture, and can stop the replay.
///
/// # Errors
///
/// As [`Pipeline::run`]; the first error of a share, or that of `each`.
pub fn replay_shares<S: PieceSink>(
    shares: &mut [Share<'_, S>],
    each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> Result<End, ReplayError> {
    let most = WAITING_BYTES / shares.len().max(1);
    let queues: Vec<Queue> = shares.iter().map(|_| Queue::new(most)).collect();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (share, queue) in shares.iter_mut().zip(&queues) {
            threads.push(scope.spawn(|| {
                let _done = Done(queue);
                share.run(queue)
            }));
        }
        let ordered = in_order(&queues, each);
        // Threads that are not done stop at their next piece.
        queues.iter().for_each(Queue::refuse);
        let end = joined(threads)?;
        match ordered.map_err(ReplayError::Sink)? {
            ControlFlow::Continue(()) => Ok(end),
            ControlFlow::Break(()) => Ok(End::Stopped),
        }
    })
}

/// Replays all shares at once, each of which has the events of one run ([`super::Split::Runs`]). What the sinks have found is joined by the
/// caller, in the order of the shares.
///
/// # Errors
///
/// As [`Pipeline::run`]; the first error of a share.
pub fn replay_runs<S: EventSink + Send>(shares: &mut [Share<'_, S>]) -> Result<End, ReplayError> {
    thread::scope(|scope| {
        let threads = shares
            .iter_mut()
            .map(|share| scope.spawn(|| share.pipeline.run(share.source, &mut share.sink)));
        let threads: Vec<_> = threads.collect();
        joined(threads)
    })
}

/// Waits for threads.
fn joined(
    threads: Vec<thread::ScopedJoinHandle<'_, Result<End, ReplayError>>>,
) -> Result<End, ReplayError> {
    let mut end = End::Reached;
    for thread in threads {
        let crashed = |_| Err(ReplayError::Sink(io::Error::other("a thread crashed")));
        if thread.join().unwrap_or_else(crashed)? == End::Stopped {
            end = End::Stopped;
        }
    }
    Ok(end)
}

impl<S: PieceSink> Share<'_, S> {
    fn run(&mut self, queue: &Queue) -> Result<End, ReplayError> {
        let Self {
            source,
            pipeline,
            sink,
        } = self;
        let mut end = End::Reached;
        let mut first = None;
        source.read(&mut |origin, item| {
            if let Item::Event(event) = &item {
                first.get_or_insert(event.event.num.0);
            }
            let is_end_of_chunk = matches!(item, Item::Pause);
            let mut flow = pipeline.item(origin, item, sink)?;
            if (is_end_of_chunk || sink.is_full() || flow.is_break())
                && let Some(first) = first.take()
                && queue
                    .push(Piece::new(first, sink.take(queue.buffer())))
                    .is_break()
            {
                flow = ControlFlow::Break(());
            }
            if flow.is_break() {
                end = End::Stopped;
            }
            Ok(flow)
        })?;
        // A damaged chunk can end without a pause; if the queue refuses this, nobody waits for it.
        if let Some(first) = first {
            let _flow = queue.push(Piece::new(first, sink.take(Vec::new())));
        }
        Ok(end)
    }
}

/// The output of a chunk, or of a part of one.
struct Piece {
    /// The number of its first event.
    first: u64,
    bytes: Vec<u8>,
}

impl Piece {
    const fn new(first: u64, bytes: Vec<u8>) -> Self {
        Self { first, bytes }
    }
}

/// The output of one thread that was not taken yet.
struct Queue {
    content: Mutex<Content>,
    changed: Condvar,
    /// Bytes from which on the thread waits.
    most: usize,
}

#[derive(Default)]
struct Content {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Buffers of pieces that were taken, for the next ones.
    free: Vec<Vec<u8>>,
    /// The thread pushes nothing more.
    is_done: bool,
    /// Nothing more is taken.
    is_refused: bool,
}

/// Marks a queue as done, also when its thread panics.
struct Done<'q>(&'q Queue);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.content().is_done = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn new(most: usize) -> Self {
        Self {
            content: Mutex::default(),
            changed: Condvar::new(),
            most,
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a piece, when there is room for it. `Break`: it is not wanted.
    fn push(&self, piece: Piece) -> ControlFlow<()> {
        let is_full = |content: &mut Content| content.bytes > self.most && !content.is_refused;
        let content = self.changed.wait_while(self.content(), is_full);
        let mut content = content.unwrap_or_else(PoisonError::into_inner);
        if content.is_refused {
            return ControlFlow::Break(());
        }
        content.bytes += piece.bytes.len();
        content.pieces.push_back(piece);
        self.changed.notify_all();
        ControlFlow::Continue(())
    }

    /// Waits for the next piece, and returns the number of its first event; `None` at the end.
    fn next(&self) -> Option<u64> {
        let is_open = |content: &mut Content| content.pieces.is_empty() && !content.is_done;
        let content = self.changed.wait_while(self.content(), is_open);
        let content = content.unwrap_or_else(PoisonError::into_inner);
        content.pieces.front().map(|piece| piece.first)
    }

    fn take(&self) -> Option<Vec<u8>> {
        let mut content = self.content();
        let piece = content.pieces.pop_front()?;
        content.bytes -= piece.bytes.len();
        self.changed.notify_all();
        Some(piece.bytes)
    }

    /// Returns an empty buffer.
    fn buffer(&self) -> Vec<u8> {
        self.content().free.pop().unwrap_or_default()
    }

    /// Gives the buffer of a piece back.
    fn reuse(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut content = self.content();
        if content.free.is_empty() {
            content.free.push(buffer);
        }
    }

    fn refuse(&self) {
        self.content().is_refused = true;
        self.changed.notify_all();
    }
}

/// Passes on pieces in the order of their first events.
fn in_order(
    queues: &[Queue],
    each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> io::Result<ControlFlow<()>> {
    loop {
        let next = queues.iter().map(|queue| (queue.next(), queue));
        let earliest = next.filter_map(|(first, queue)| Some((first?, queue)));
        let Some((_, queue)) = earliest.min_by_key(|(first, _)| *first) else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(bytes) = queue.take() else {
            continue;
        };
        if each(&bytes)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        queue.reuse(bytes);
    }
}
