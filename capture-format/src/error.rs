//! The crate's error type.

use std::io;

/// Result of a capture operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of reading and writing captures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not start with a capture's magic.
    #[error("not a scap capture")]
    NotACapture,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file has an unsupported version of the format.
    #[error("capture format version {found}, this program reads versions up to {supported}")]
    UnsupportedVersion {
        /// The version in the file.
        found: u16,
        /// The version that can be read.
        supported: u16,
    },
    /// The file was written on a big-endian machine.
    #[error("a sysdig capture of a big-endian machine, which cannot be read")]
    OtherByteOrder,
    /// The file has a mandatory section of an unknown kind.
    #[error(
        "mandatory section of unknown kind {kind} at offset {offset}; the file was written by a newer scap"
    )]
    UnknownMandatorySection {
        /// The section kind.
        kind: u16,
        /// Offset of the section in the file.
        offset: u64,
    },
    /// Bytes violate the format.
    #[error("damaged at offset {offset}: {what}")]
    Damaged {
        /// Offset in the file of the damaged section (or preamble).
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A length or count exceeds a limit of [`crate::limits`].
    #[error("{what} is {value}, the limit is {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// An event was to be written, but its parameters had not been loaded.
    #[error("the event's parameters were not loaded")]
    NotLoaded,
    /// Compression failed, for lack of memory.
    #[error("compression failed")]
    Compress(#[source] io::Error),
    /// Reading or writing failed.
    #[error("input/output failed")]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) const fn damaged(offset: u64, what: &'static str) -> Self {
        Self::Damaged { offset, what }
    }

    /// Whether the output was a pipe that its reader has closed.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the bytes are wrong, as opposed to the device, the version or the program; then the rest of the file may still
    /// be intact.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Limit { .. })
    }
}

/// Fails with [`Error::Limit`] if `value` is over `limit`.
pub(crate) fn check_limit(what: &'static str, value: u64, limit: u64) -> Result<()> {
    if value > limit {
        Err(Error::Limit { what, value, limit })
    } else {
        Ok(())
    }
}
