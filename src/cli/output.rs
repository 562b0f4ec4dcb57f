//! Standard output through one buffer.

use std::io::{self, StdoutLock, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::error::CliError;
use crate::event::number;

/// Written out when it holds this many bytes.
const FULL: usize = 64 << 10;

/// A buffer in front of standard output.
pub(super) struct Output {
    buffer: Vec<u8>,
    stdout: StdoutLock<'static>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(FULL + (FULL >> 2)),
            stdout: io::stdout().lock(),
        }
    }

    /// The buffer to append to; [`Self::written`] is to follow.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer out if it is full.
    pub(super) fn written(&mut self) -> io::Result<()> {
        if self.buffer.len() >= FULL {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Writes the buffer out.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.stdout.write_all(&self.buffer);
        self.buffer.clear();
        written?;
        self.stdout.flush()
    }

    /// Writes the buffer out; where there is nothing to write, notices that nobody reads any more.
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

    /// Writes the rest out at the end of a command.
    pub(super) fn finish(mut self) -> Result<(), CliError> {
        self.flush().map_err(|e| CliError::output(&e))
    }
}

/// Appends JSON with everything but printable ASCII escaped: strings of a capture can hold what a
/// terminal obeys, and outside of strings JSON is ASCII anyway.
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
