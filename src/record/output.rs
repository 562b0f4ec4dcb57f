//! From finished chunks to the file: compression on worker threads, writing in order on one thread.
//!
//! Every queue is bounded. If the disk is too slow, the drain waits, the rings fill up, and the probe counts
//! what does not fit, so losses happen in one place only.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use scap_capture_format::{
    Error as FormatError,
    event::Timestamp,
    native::{
        Compressor, ContainerDescription, EncodedChunk, Header, LossReport, RawChunk, Signer,
        snapshot::Snapshot,
        writer::{CaptureWriter, WriterOptions},
    },
};

use super::{
    Destination, RecordError, clock,
    target::{Progress, Target},
};
use crate::seal;

/// Most chunks that wait for compression, and for writing.
const QUEUE: usize = 8;
/// How long to wait before a full queue is tried again.
const FULL_QUEUE: Duration = Duration::from_millis(1);
/// A seal follows what was written once the last seal is older than this: where little happens, each chunk.
const SEAL: Duration = Duration::from_millis(400);
/// How often the file is looked at while nothing is written.
const LOOK: Duration = Duration::from_secs(1);

/// A section to be written, in the order of its number.
#[expect(clippy::large_enum_variant, reason = "nearly all are chunks")]
enum Work {
    Chunk(RawChunk),
    Loss(LossReport),
    Containers(Vec<ContainerDescription>),
    Snapshot(Box<Snapshot>),
}

#[expect(clippy::large_enum_variant, reason = "nearly all are chunks")]
enum Written {
    Chunk(EncodedChunk),
    Loss(LossReport),
    Containers(Vec<ContainerDescription>),
    Snapshot(Box<Snapshot>),
}

/// When a recording ends, for those who wait for the output meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Until<'a> {
    /// A signal has ended it.
    pub(super) stop: &'a AtomicBool,
    /// Its time limit.
    pub(super) deadline: Option<Instant>,
}

impl Until<'_> {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Seals a capture as it is written, so that the file of a recorder that is killed is sealed up to its last seconds.
struct Sealer {
    signer: Box<dyn Signer>,
    facts: Vec<(String, String)>,
    /// The time of the last seal.
    last: Option<Instant>,
}

impl Sealer {
    fn new(signer: Box<dyn Signer>, header: &Header) -> Self {
        let mut facts = seal::facts(header);
        facts.push(("probe".to_owned(), super::probe::hash()));
        Self {
            signer,
            facts,
            last: None,
        }
    }

    /// Seals what was written, if it is time.
    fn seal_if_due(&mut self, writer: &mut CaptureWriter<Target>) -> Result<(), FormatError> {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= SEAL);
        match is_due && writer.has_unsealed() {
            true => self.seal(writer),
            false => Ok(()),
        }
    }

    fn seal(&mut self, writer: &mut CaptureWriter<Target>) -> Result<(), FormatError> {
        self.last = Some(Instant::now());
        let now = Timestamp(clock::wall());
        writer.write_seal(now, &self.facts, &*self.signer).map(drop)
    }
}

/// A capture that has a header and nothing else.
pub(super) struct BegunCapture {
    writer: CaptureWriter<Target>,
    sealer: Option<Sealer>,
    progress: Arc<Progress>,
}

impl BegunCapture {
    /// Begins a capture. A file is not touched yet.
    pub(super) fn new(
        destination: Destination,
        signer: Option<Box<dyn Signer>>,
        header: &Header,
    ) -> Result<Self, RecordError> {
        let progress = Arc::new(Progress::default());
        let target = Target::new(destination, Arc::clone(&progress));
        let options = WriterOptions {
            is_sealed: signer.is_some(),
            ..WriterOptions::default()
        };
        let writer = CaptureWriter::new(target, header, options)?;
        let sealer = signer.map(|signer| Sealer::new(signer, header));
        Ok(Self {
            writer,
            sealer,
            progress,
        })
    }

    /// Whether nothing is lost if the file is made now.
    pub(super) fn is_new(&self) -> bool {
        self.writer.get_ref().is_new()
    }

    /// Makes the file with the header, unless that was done, so that a recorder that is killed leaves a capture.
    pub(super) fn open(mut self) -> Result<Self, RecordError> {
        match self.writer.flush() {
            Ok(()) => Ok(self),
            Err(error) => Err(self.writer.into_inner().unopened(error)),
        }
    }

    /// Removes what has been made.
    pub(super) fn discard(self) {
        self.writer.into_inner().discard();
    }
}

/// The threads that compress and write.
pub(crate) struct ChunkOutput<'a> {
    work: Option<SyncSender<(u64, Work)>>,
    next: u64,
    compressors: Vec<JoinHandle<Result<(), FormatError>>>,
    writer: JoinHandle<Result<u64, RecordError>>,
    pub(super) progress: Arc<Progress>,
    until: Until<'a>,
}

impl<'a> ChunkOutput<'a> {
    /// Starts the threads.
    pub(super) fn start(
        capture: BegunCapture,
        workers: usize,
        until: Until<'a>,
    ) -> Result<Self, RecordError> {
        let BegunCapture {
            writer,
            sealer,
            progress,
        } = capture.open()?;
        let (work, todo) = mpsc::sync_channel::<(u64, Work)>(QUEUE);
        let (done, ready) = mpsc::sync_channel(QUEUE);
        let todo = Arc::new(Mutex::new(todo));
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        let mut compressors = Vec::new();
        for _ in 0..workers {
            let todo = Arc::clone(&todo);
            let done = done.clone();
            let job = move || compress(&todo, &done);
            compressors.push(
                spawn("scap-compress")
                    .spawn(job)
                    .map_err(RecordError::Thread)?,
            );
        }
        let shared = Arc::clone(&progress);
        let job = move || {
            let result = write(writer, sealer, &ready, &shared);
            if result.is_err() {
                shared.failed.store(true, Ordering::Relaxed);
            }
            result
        };
        let writer = spawn("scap-write")
            .spawn(job)
            .map_err(RecordError::Thread)?;
        Ok(Self {
            work: Some(work),
            next: 0,
            compressors,
            writer,
            progress,
            until,
        })
    }

    /// Queues a chunk. Waits while the queue is full.
    pub(crate) fn chunk(&mut self, chunk: RawChunk) {
        self.send(Work::Chunk(chunk));
    }

    /// Queues descriptions of containers.
    pub(crate) fn containers(&mut self, descriptions: Vec<ContainerDescription>) {
        self.send(Work::Containers(descriptions));
    }

    /// Queues the state after the last chunk.
    pub(crate) fn snapshot(&mut self, snapshot: Snapshot) {
        self.send(Work::Snapshot(Box::new(snapshot)));
    }

    /// Queues a report of losses.
    pub(crate) fn loss(&mut self, report: LossReport) {
        self.send(Work::Loss(report));
    }

    fn send(&mut self, work: Work) {
        let Some(queue) = &self.work else {
            return;
        };
        let mut work = (self.next, work);
        self.next += 1;
        // The receivers end early only if writing failed, which `finish` reports.
        while let Err(TrySendError::Full(refused)) = queue.try_send(work) {
            work = refused;
            // Whoever reads the output may never do so again; the recording ends all the same.
            if self.until.is_over() {
                self.progress.end();
            }
            thread::sleep(FULL_QUEUE);
        }
    }

    /// Writes everything queued and the index. Returns the length of the file in bytes.
    pub(crate) fn finish(mut self) -> Result<u64, RecordError> {
        self.progress.end();
        self.work = None;
        let mut compression = Ok(());
        for thread in self.compressors {
            if let Ok(Err(error)) = thread.join() {
                compression = Err(RecordError::Format(error));
            }
        }
        match self.writer.join() {
            Ok(result) => compression.and(result),
            Err(_) => Err(RecordError::Crashed("the writer")),
        }
    }
}

fn compress(
    todo: &Mutex<Receiver<(u64, Work)>>,
    done: &SyncSender<(u64, Written)>,
) -> Result<(), FormatError> {
    let mut compressor = Compressor::new(1)?;
    loop {
        let received = match todo.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return Ok(()),
        };
        let Ok((number, work)) = received else {
            return Ok(());
        };
        let written = match work {
            Work::Chunk(raw) => Written::Chunk(raw.compress(&mut compressor)?),
            Work::Loss(report) => Written::Loss(report),
            Work::Containers(descriptions) => Written::Containers(descriptions),
            Work::Snapshot(snapshot) => Written::Snapshot(snapshot),
        };
        if done.send((number, written)).is_err() {
            return Ok(());
        }
    }
}

fn write(
    mut writer: CaptureWriter<Target>,
    mut sealer: Option<Sealer>,
    ready: &Receiver<(u64, Written)>,
    progress: &Progress,
) -> Result<u64, RecordError> {
    let result = write_all(&mut writer, sealer.as_mut(), ready, progress);
    let kept = writer.bytes_written();
    let ended = result.and_then(|()| {
        writer.finish_index()?;
        if let Some(sealer) = &mut sealer {
            sealer.seal(&mut writer)?;
        }
        Ok(writer.bytes_written())
    });
    let mut target = writer.into_inner();
    match ended {
        Ok(bytes) => {
            target.is_usable(bytes);
            target.finish(bytes).map(|()| bytes)
        }
        Err(error) => Err(target.fail(kept, error)),
    }
}

fn write_all(
    writer: &mut CaptureWriter<Target>,
    mut sealer: Option<&mut Sealer>,
    ready: &Receiver<(u64, Written)>,
    progress: &Progress,
) -> Result<(), FormatError> {
    // Several compressors finish out of order.
    let mut waiting = BTreeMap::new();
    let mut next = 0u64;
    loop {
        let bytes = writer.bytes_written();
        progress.bytes.store(bytes, Ordering::Relaxed);
        let received = ready.recv_timeout(LOOK);
        // Before anything is written, and while nothing happens.
        if !writer.get_mut().is_usable(bytes) {
            return Err(io::Error::other("the file was changed").into());
        }
        match received {
            Ok((number, written)) => drop(waiting.insert(number, written)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while let Some(written) = waiting.remove(&next) {
            match written {
                Written::Chunk(mut chunk) => writer.write_chunk(&mut chunk)?,
                Written::Loss(report) => writer.write_loss(&report)?,
                Written::Containers(descriptions) => writer.write_containers(&descriptions)?,
                Written::Snapshot(mut snapshot) => writer.write_snapshot(&mut snapshot)?,
            }
            next += 1;
        }
        if let Some(sealer) = &mut sealer {
            sealer.seal_if_due(writer)?;
        }
    }
}
