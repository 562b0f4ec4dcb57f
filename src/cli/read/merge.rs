//! Several captures as one, merged by time.
//!
//! Each is replayed by a thread of its own, with its own state, and its lines are merged. What waits is
//! bounded: a capture that is ahead of the others waits for them.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Args, tell_count};
use crate::cli::error::{CliError, Outcome};
use crate::cli::input::{Input, tell_damage};
use crate::cli::output::Output;
use crate::cli::print::Printer;
use crate::event::EventExt as _;
use crate::fields::Context;
use crate::replay::{self, End, EventSink, Selection};
use crate::state::State;

/// Lines handed over at a time.
const BATCH: usize = 1024;
/// Batches that wait for the other captures.
const BATCHES: usize = 4;

/// Lines of one capture: their times and ends in the text.
#[derive(Default)]
struct Batch {
    lines: Vec<(u64, usize)>,
    text: Vec<u8>,
}

pub(super) fn run(
    args: &Args,
    files: &[PathBuf],
    selection: &Selection,
) -> Result<Outcome, CliError> {
    thread::scope(|scope| {
        let mut captures = Vec::new();
        let mut workers = Vec::new();
        for file in files {
            let (send, receive) = sync_channel(BATCHES);
            captures.push(Lines::new(receive));
            let selection = selection.clone();
            let work = move || replay_one(args, file, selection, send);
            let worker = thread::Builder::new()
                .name("scap-read".to_owned())
                .spawn_scoped(scope, work)
                .map_err(|e| CliError::failed(format!("cannot start a thread: {e}")))?;
            workers.push(worker);
        }
        let mut output = Output::new();
        let merged = merge(&mut captures, &mut output, args);
        // Those who still wait to hand something over see that nobody takes it.
        drop(captures);
        let mut outcome = Outcome::Done;
        let mut failure = None;
        for worker in workers {
            match worker.join() {
                Ok(Ok(Outcome::Done)) => {}
                Ok(Ok(Outcome::Damaged)) => outcome = Outcome::Damaged,
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(_) => failure = failure.or(Some(CliError::failed("a thread crashed"))),
            }
        }
        let events = merged.map_err(|e| CliError::output(&e))?;
        output.finish()?;
        if args.print.verbose {
            tell_count(events);
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(outcome),
        }
    })
}

/// Replays one capture into a channel.
fn replay_one(
    args: &Args,
    file: &std::path::Path,
    mut selection: Selection,
    send: SyncSender<Batch>,
) -> Result<Outcome, CliError> {
    let mut session = args.print.session(None);
    let (name, mut source) = Input::open(file)?.source_from(selection.from, &mut session)?;
    let source = source.as_mut();
    let arch = replay::arch(source.header());
    let mut sink = Sender {
        printer: Printer::new(&args.print, arch)?,
        batch: Batch::default(),
        send,
        events: 0,
        closed: false,
    };
    let mut state = State::new();
    let end = replay::replay(source, &mut state, &mut session, &mut selection, &mut sink)
        .map_err(|error| CliError::replay(&name, &error))?;
    sink.flush();
    let (events, closed) = (sink.events, sink.closed);
    drop(sink);
    let is_all = end == End::Reached && !closed;
    Ok(Outcome::of_damage(
        is_all && tell_damage(&name, source, events),
    ))
}

/// Prints lines into batches.
struct Sender {
    printer: Printer,
    batch: Batch,
    send: SyncSender<Batch>,
    events: u64,
    /// Nobody takes any more.
    closed: bool,
}

impl Sender {
    fn flush(&mut self) {
        if !self.batch.lines.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.closed |= self.send.send(batch).is_err();
        }
    }
}

impl EventSink for Sender {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        self.printer.print(&mut self.batch.text, cx);
        self.batch
            .lines
            .push((cx.event.ts.0, self.batch.text.len()));
        if self.batch.lines.len() >= BATCH {
            self.flush();
        }
        Ok(match self.closed {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}

/// The lines of one capture as they come.
struct Lines {
    receive: Receiver<Batch>,
    batch: Batch,
    next: usize,
}

impl Lines {
    fn new(receive: Receiver<Batch>) -> Self {
        Self {
            receive,
            batch: Batch::default(),
            next: 0,
        }
    }

    /// Returns the time of the next line; waits for it. `None`: there is none.
    fn time(&mut self) -> Option<u64> {
        while self.next >= self.batch.lines.len() {
            self.batch = self.receive.recv().ok()?;
            self.next = 0;
        }
        self.batch.lines.get(self.next).map(|(time, _)| *time)
    }

    /// Takes the next line, which is there.
    fn take(&mut self) -> &[u8] {
        let end_of = |index: usize| self.batch.lines.get(index).map_or(0, |(_, end)| *end);
        let start = match self.next {
            0 => 0,
            next => end_of(next - 1),
        };
        let end = end_of(self.next);
        self.next += 1;
        self.batch.text.get(start..end).unwrap_or_default()
    }
}

/// Writes all lines in order of time; returns how many.
fn merge(captures: &mut [Lines], output: &mut Output, args: &Args) -> io::Result<u64> {
    let limit = args.print.count.unwrap_or(u64::MAX);
    let mut events = 0;
    while events < limit {
        let mut earliest: Option<(u64, usize)> = None;
        for (index, capture) in captures.iter_mut().enumerate() {
            if let Some(time) = capture.time()
                && earliest.is_none_or(|(first, _)| time < first)
            {
                earliest = Some((time, index));
            }
        }
        let Some(capture) = earliest.and_then(|(_, index)| captures.get_mut(index)) else {
            break;
        };
        let line = capture.take();
        if !args.quiet {
            output.buffer().extend_from_slice(line);
            output.written()?;
        }
        events += 1;
    }
    output.flush()?;
    Ok(events)
}
