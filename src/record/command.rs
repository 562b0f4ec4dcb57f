//! A command that is stopped until the probe is attached.
//!
//! The holder, which is this program run with [`EXEC_GATE`], waits for a byte on a pipe and then executes the
//! command. So no call of the command is missed, and no code runs between fork and exec. The caller names the
//! program to run as the holder: guessing it from the running process could start a program that does not
//! implement the gate, again and again.

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

use rustix::io::{FdFlags, fcntl_setfd};

use super::RecordError;

/// Name of the hidden subcommand; the number of the pipe's fd follows it.
pub const EXEC_GATE: &str = "__hold";

/// Exit status if the command could not be started, as in shells.
pub const NOT_STARTED: i32 = 127;

/// State of the recorded command when the recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// There was no command.
    None,
    /// It ended.
    Ended(ExitStatus),
    /// It is still running, with this pid.
    Running(u32),
}

/// A command that waits to be released.
pub(super) struct StoppedChild {
    child: Child,
    gate: Option<io::PipeWriter>,
}

impl StoppedChild {
    /// Starts the holder, which waits to be released.
    pub(super) fn start(holder: &Path, command: &[OsString]) -> Result<Self, RecordError> {
        let fail = |source| RecordError::Command {
            name: command.first().cloned().unwrap_or_default(),
            source,
        };
        let (reader, gate) = io::pipe().map_err(fail)?;
        // The read end has to survive the exec of the holder, but not that of the command.
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
            // If the command has ended already, waiting for it returns its status.
            drop(gate.write_all(&[1]));
        }
    }

    /// Its status, if it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Leaves the command running; the recording has ended before it.
    pub(super) fn abandon(mut self) -> CommandEnd {
        match self.ended() {
            Some(status) => CommandEnd::Ended(status),
            None => CommandEnd::Running(self.pid()),
        }
    }
}

/// Implements `scap __hold FD COMMAND…`. Returns only if the command could not be started.
pub fn hold(mut args: impl Iterator<Item = OsString>) -> io::Error {
    let fd = args.next().and_then(|fd| fd.to_str()?.parse().ok());
    let (Some(fd), Some(command)) = (fd, args.next()) else {
        return io::Error::other("not meant to be called by hand");
    };
    let mut gate = gate(fd);
    // From here on it is closed by exec, which the recorder sees in /proc. Closing it before would not be recorded: the
    // recording of the command begins with the exec.
    if let Err(error) = fcntl_setfd(&gate, FdFlags::CLOEXEC) {
        return error.into();
    }
    let mut byte = [0];
    match gate.read(&mut byte) {
        Ok(1) => Command::new(command).args(args).exec(),
        // The recorder has ended, so the command must not run.
        _ => std::process::exit(130),
    }
}

/// Takes over a file descriptor passed by number.
#[expect(
    unsafe_code,
    reason = "the number is the only thing that survives an exec"
)]
fn gate(fd: i32) -> std::fs::File {
    // SAFETY: the parent opened it for this process, and nothing else here uses it.
    unsafe { std::fs::File::from_raw_fd(fd) }
}

/// Duplicates a file descriptor without close-on-exec.
#[expect(
    unsafe_code,
    reason = "the standard library makes only descriptors that exec closes"
)]
fn inheritable(fd: OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is open; the result is checked, and owned only here.
    unsafe {
        let copy = libc::dup(fd.as_raw_fd());
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

/// Describes an exit status.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => "ended".to_owned(),
    }
}
