//! A command that is held until the probe is attached.
//!
//! The program that holds it (the recorder itself, called once more with [`EXEC_GATE`]) waits for a byte
//! on a pipe and then becomes the command. So nothing of the command happens before it can be seen,
//! without a line of code between fork and exec. Which program that is, the caller says: guessing
//! it from the running one would start a program that does not know its part again and again.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::Path,
    process::{Child, Command, ExitStatus},
};

use super::RecordError;

/// Name of the hidden subcommand; the number of the pipe follows it.
pub const EXEC_GATE: &str = "__hold";

/// Status of a held command that could not be started, as shells have it.
pub const NOT_STARTED: i32 = 127;

/// How the recorded command stood when the recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// There was none.
    None,
    /// It ended.
    Ended(ExitStatus),
    /// It still runs.
    Running(u32),
}

/// A command that waits.
pub(super) struct StoppedChild {
    child: Child,
    gate: Option<io::PipeWriter>,
}

impl StoppedChild {
    /// Starts the command up to the point where it waits.
    pub(super) fn start(holder: &Path, command: &[OsString]) -> Result<Self, RecordError> {
        let fail = |source| RecordError::Command {
            name: command.first().cloned().unwrap_or_default(),
            source,
        };
        let (reader, gate) = io::pipe().map_err(fail)?;
        // The reading end has to survive the exec of the holder, which closes it before the next.
        let reader = inheritable(OwnedFd::from(reader)).map_err(fail)?;
        let child = Command::new(holder)
            .arg(EXEC_GATE)
            .arg(reader.as_raw_fd().to_string())
            .args(command)
            .spawn()
            .map_err(fail)?;
        Ok(Self {
            child,
            gate: Some(gate),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets the command run.
    pub(super) fn release(&mut self) {
        if let Some(mut gate) = self.gate.take() {
            // If it is gone already, waiting for it says how.
            drop(gate.write_all(&[1]));
        }
    }

    /// Its status, if it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Leaves the command alone; the recording has ended before it.
    pub(super) fn abandon(mut self) -> CommandEnd {
        match self.ended() {
            Some(status) => CommandEnd::Ended(status),
            None => CommandEnd::Running(self.pid()),
        }
    }
}

/// What `scap __hold FD COMMAND…` does. Returns only if the command could not be started.
pub fn hold(mut args: impl Iterator<Item = OsString>) -> io::Error {
    let fd = args.next().and_then(|fd| fd.to_str()?.parse().ok());
    let (Some(fd), Some(command)) = (fd, args.next()) else {
        return io::Error::other("not meant to be called by hand");
    };
    let mut byte = [0];
    match gate(fd).read(&mut byte) {
        Ok(1) => Command::new(command).args(args).exec(),
        // The recorder is gone: so is the reason to run.
        _ => std::process::exit(130),
    }
}

/// A file descriptor that was handed over by number.
#[expect(
    unsafe_code,
    reason = "the number is the only thing that survives an exec"
)]
fn gate(fd: i32) -> std::fs::File {
    // SAFETY: the parent opened it for us and nothing else in this process knows it.
    unsafe { std::fs::File::from_raw_fd(fd) }
}

/// A duplicate that an exec does not close.
#[expect(
    unsafe_code,
    reason = "the standard library makes only descriptors that exec closes"
)]
fn inheritable(fd: OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is open; the result is checked and owned by nobody else.
    unsafe {
        let copy = libc::dup(fd.as_raw_fd());
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

/// A status in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => "ended".to_owned(),
    }
}
