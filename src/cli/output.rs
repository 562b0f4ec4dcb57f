//! Buffered standard output.

use std::io::{self, Stdout, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::error::CliError;
use crate::event::number;
use crate::files::PatientWriter;
use crate::record::Options;

/// The buffer is flushed at this size, in bytes.
const FULL: usize = 64 << 10;

/// When a live command ends.
#[derive(Clone)]
pub(super) struct Until {
    /// A signal has ended it.
    pub(super) stop: Arc<AtomicBool>,
    /// Its time limit.
    pub(super) deadline: Option<Instant>,
}

impl Until {
    /// Returns when a live command ends. Attaching is part of the time that is limited here, and not of `-M`; the reader
    /// is waited for longer than that.
    pub(super) fn of(options: &Options, stop: &Arc<AtomicBool>) -> Self {
        Self {
            stop: Arc::clone(stop),
            deadline: options
                .duration
                .and_then(|limit| Instant::now().checked_add(limit)),
        }
    }

    /// Returns standard output, which is not waited for when the command has ended.
    pub(super) fn stdout(&self) -> io::Result<PatientWriter> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let until = self.clone();
        Ok(PatientWriter::new(stdout.into(), move || {
            let is_late = until.deadline.is_some_and(|end| Instant::now() >= end);
            is_late || until.stop.load(Ordering::Relaxed)
        }))
    }
}

/// A buffer in front of standard output.
pub(super) struct Output {
    buffer: Vec<u8>,
    stdout: Stdout,
    /// What is written to instead of `stdout`, if the reader may stall.
    patient: Option<PatientWriter>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(FULL + (FULL >> 2)),
            stdout: io::stdout(),
            patient: None,
        }
    }

    /// Makes the output of a command that ends when `until` says so, whether its reader reads or not.
    pub(super) fn ending(until: &Until) -> io::Result<Self> {
        Ok(Self {
            patient: Some(until.stdout()?),
            ..Self::new()
        })
    }

    /// Returns the buffer to append to; call [`Self::written`] afterwards.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Flushes the buffer if it is full.
    pub(super) fn written(&mut self) -> io::Result<()> {
        if self.buffer.len() >= FULL {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Writes lines that were made elsewhere.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.flush()?;
        if lines.is_empty() {
            return Ok(());
        }
        match &mut self.patient {
            Some(patient) => patient.write_all(lines),
            None => self.stdout.write_all(lines),
        }
    }

    /// Flushes the buffer.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = match &mut self.patient {
            Some(patient) => patient.write_all(&self.buffer),
            None => self.stdout.write_all(&self.buffer),
        };
        self.buffer.clear();
        written?;
        self.stdout.flush()
    }

    /// Flushes the buffer; if it is empty, checks whether the reader closed the output.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            return self.flush();
        }
        let mut fds = [PollFd::new(&self.stdout, PollFlags::empty())];
        let now = Timespec::default();
        let count = rustix::event::poll(&mut fds, Some(&now)).unwrap_or(0);
        if count > 0 && fds[0].revents().contains(PollFlags::ERR) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// Flushes the buffer at the end of a command.
    pub(super) fn finish(mut self) -> Result<(), CliError> {
        self.flush().map_err(|e| CliError::output(&e))
    }
}

/// Appends JSON with everything but printable ASCII escaped: strings from a capture can contain
/// terminal control sequences. Outside of strings JSON is ASCII.
pub(super) fn ascii_json(out: &mut Vec<u8>, json: &str) {
    for c in json.chars() {
        if c == '\n' || (' '..='~').contains(&c) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                number::display(out, format_args!("\\u{unit:04x}"));
            }
        }
    }
}
