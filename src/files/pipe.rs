//! Output that somebody may stop reading.

use std::{
    fs::File,
    io::{self, Write},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long the output may accept nothing once its writer wants to end.
const STALLED: Duration = Duration::from_secs(2);
/// Interval at which a stalled pipe is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// The most that a pipe accepts without waiting, if it accepts anything.
const PIPE_BYTES: usize = 4096;

/// A pipe, a terminal, or another descriptor of the caller. Writing waits for the reader, but not for ever once
/// the writer wants to end.
pub struct PatientWriter {
    file: File,
    /// Writing to it can wait for somebody.
    can_stall: bool,
    /// Whether the writer wants to end.
    is_over: Box<dyn Fn() -> bool + Send>,
}

impl PatientWriter {
    /// Makes a writer; `is_over` says whether it wants to end.
    pub fn new(file: File, is_over: impl Fn() -> bool + Send + 'static) -> Self {
        let can_stall = !file.metadata().is_ok_and(|found| found.is_file());
        Self {
            file,
            can_stall,
            is_over: Box::new(is_over),
        }
    }
}

impl Write for PatientWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.can_stall {
            return self.file.write(bytes);
        }
        // Since when nothing has been accepted although the writer wants to end.
        let mut stalled: Option<Instant> = None;
        loop {
            let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
            match poll(&mut fds, Some(&LOOK)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.file.write(&bytes[..bytes.len().min(PIPE_BYTES)]),
                Err(error) => return Err(error.into()),
            }
            if (self.is_over)() && stalled.get_or_insert_with(Instant::now).elapsed() > STALLED {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the reader does not read",
                ));
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
