//! From finished chunks to the file: compression on worker threads, writing in order on one thread.
//!
//! Every queue is bounded. If the disk is too slow, the drain waits, the rings fill up, and the probe counts
//! what does not fit, so losses happen in one place only.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Seek as _, SeekFrom, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
};

use scap_capture_format::{
    Error as FormatError,
    native::{
        Compressor, ContainerDescription, EncodedChunk, Header, LossReport, RawChunk,
        snapshot::Snapshot,
        writer::{CaptureWriter, WriterOptions},
    },
};

use super::RecordError;

/// Most chunks that wait for compression, and for writing.
const QUEUE: usize = 8;

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

/// Where the capture goes.
pub(crate) enum Target {
    /// A file, which can be truncated to its valid part when the disk is full.
    File(File),
    /// A pipe.
    Stream(Box<dyn Write + Send>),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

/// The progress of writing, shared with other threads.
#[derive(Default)]
pub(crate) struct Progress {
    /// Bytes written.
    pub(crate) bytes: AtomicU64,
    /// Writing failed, so the recording has to end.
    pub(crate) failed: AtomicBool,
}

/// The threads that compress and write.
pub(crate) struct ChunkOutput {
    work: Option<SyncSender<(u64, Work)>>,
    next: u64,
    compressors: Vec<JoinHandle<Result<(), FormatError>>>,
    writer: JoinHandle<Result<u64, RecordError>>,
    pub(crate) progress: Arc<Progress>,
}

impl ChunkOutput {
    /// Starts the threads. The header is written at once.
    pub(crate) fn start(
        target: Target,
        header: Header,
        workers: usize,
    ) -> Result<Self, RecordError> {
        let (work, todo) = mpsc::sync_channel::<(u64, Work)>(QUEUE);
        let (done, ready) = mpsc::sync_channel(QUEUE);
        let todo = Arc::new(Mutex::new(todo));
        let progress = Arc::new(Progress::default());
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
            let result = write(target, &header, &ready, &shared);
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
        if let Some(queue) = &self.work {
            // The receivers end early only if writing failed, which `finish` reports.
            drop(queue.send((self.next, work)));
            self.next += 1;
        }
    }

    /// Writes everything queued and the index. Returns the length of the file in bytes.
    pub(crate) fn finish(mut self) -> Result<u64, RecordError> {
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
    target: Target,
    header: &Header,
    ready: &Receiver<(u64, Written)>,
    progress: &Progress,
) -> Result<u64, RecordError> {
    let mut writer = CaptureWriter::new(target, header, WriterOptions::default())?;
    let result = write_all(&mut writer, ready, progress);
    match result {
        Ok(()) => {
            let (kept, handle) = (writer.bytes_written(), file_handle(writer.get_ref()));
            match writer.finish() {
                Ok(mut target) => match &mut target {
                    Target::File(file) => Ok(file.stream_position()?),
                    Target::Stream(_) => Ok(progress.bytes.load(Ordering::Relaxed)),
                },
                Err(error) => Err(cut(handle, kept, error)),
            }
        }
        Err(RecordError::Format(error)) => {
            let (kept, handle) = (writer.bytes_written(), file_handle(writer.get_ref()));
            Err(cut(handle, kept, error))
        }
        Err(other) => Err(other),
    }
}

fn file_handle(target: &Target) -> Option<File> {
    match target {
        Target::File(file) => file.try_clone().ok(),
        Target::Stream(_) => None,
    }
}

/// Truncates the file before an incompletely written section, so that the rest is valid.
fn cut(handle: Option<File>, kept: u64, error: FormatError) -> RecordError {
    if let Some(mut file) = handle
        && file.set_len(kept).is_ok()
    {
        drop(file.seek(SeekFrom::Start(kept)));
    }
    RecordError::Write { kept, error }
}

fn write_all(
    writer: &mut CaptureWriter<Target>,
    ready: &Receiver<(u64, Written)>,
    progress: &Progress,
) -> Result<(), RecordError> {
    writer.flush()?;
    progress
        .bytes
        .store(writer.bytes_written(), Ordering::Relaxed);
    // Several compressors finish out of order.
    let mut waiting = BTreeMap::new();
    let mut next = 0u64;
    for (number, written) in ready {
        waiting.insert(number, written);
        while let Some(written) = waiting.remove(&next) {
            match written {
                Written::Chunk(mut chunk) => writer.write_chunk(&mut chunk)?,
                Written::Loss(report) => writer.write_loss(&report)?,
                Written::Containers(descriptions) => writer.write_containers(&descriptions)?,
                Written::Snapshot(mut snapshot) => writer.write_snapshot(&mut snapshot)?,
            }
            next += 1;
        }
        writer.flush()?;
        progress
            .bytes
            .store(writer.bytes_written(), Ordering::Relaxed);
    }
    Ok(())
}
