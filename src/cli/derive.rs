//! What captures that are made from others say about these.

use std::path::{Path, PathBuf};

use scap_capture_format::native::{Derivation, FileIdentity};

use super::error::CliError;
use super::input::reason;
use crate::export;

/// Describes a capture that an operation makes from files, which are read for it. `options` are those of the
/// operation that were given.
pub(super) fn derivation(
    operation: &str,
    options: &[(&str, Option<&str>)],
    files: &[PathBuf],
) -> Result<Derivation, CliError> {
    let parents = files
        .iter()
        .map(|file| Ok(export::parent(file, identity(file)?)));
    let parents = parents.collect::<Result<_, CliError>>()?;
    Ok(export::derivation(operation, options, parents))
}

/// Returns length and hash of a file; `None` for what can be read only once.
pub(super) fn identity(path: &Path) -> Result<Option<FileIdentity>, CliError> {
    export::file_identity(path).map_err(|error| {
        CliError::failed(format!(
            "cannot read {}: {}",
            path.display(),
            reason(&error)
        ))
    })
}

/// Returns a hash as it is printed.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}
