//! The crate's error type.

use std::io;

/// Result of a capture operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a capture could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not start with a capture's magic.
    #[error("not a scap capture")]
    NotACapture,
    /// The file holds no byte at all.
    #[error("the file is empty")]
    Empty,
    /// The file is of another version of the format.
    #[error("capture format version {found}, this program reads versions up to {supported}")]
    UnsupportedVersion {
        /// The version in the file.
        found: u16,
        /// The version that can be read.
        supported: u16,
    },
    /// The file was written on a machine whose byte order is the other one.
    #[error("a sysdig capture of a big-endian machine, which cannot be read")]
    OtherByteOrder,
    /// The file has a section that must be understood to read it right, and is not known.
    #[error(
        "section of unknown kind {kind} at offset {offset} must be understood; a newer scap wrote it"
    )]
    UnknownMandatorySection {
        /// The section kind.
        kind: u16,
        /// Where it starts in the file.
        offset: u64,
    },
    /// Bytes are not what the format demands.
    #[error("damaged at offset {offset}: {what}")]
    Damaged {
        /// Offset in the file of the section (or preamble) concerned.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A length or count is over the cap of [`crate::limits`].
    #[error("{what} is {value}, the limit is {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The cap.
        limit: u64,
    },
    /// An event was to be written whose parameters its reader had not loaded.
    #[error("the event's parameters were not loaded")]
    NotLoaded,
    /// Compression failed, which means that memory ran out.
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

    /// Whether the output was a pipe that nobody reads any more.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the bytes are wrong, as opposed to the device, the version or the program: then the
    /// rest of the file can still be good.
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
