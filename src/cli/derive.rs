//! What captures that are made from others say about these.

use std::fs::File;
use std::path::{Path, PathBuf};

use scap_capture_format::native::{Derivation, FileIdentity, Parent};

use super::error::CliError;
use super::input::reason;

/// Describes a capture that an operation makes from files, which are read for it. `options` are those of the
/// operation that were given.
pub(super) fn derivation(
    operation: &str,
    options: &[(&str, Option<&str>)],
    files: &[PathBuf],
) -> Result<Derivation, CliError> {
    let given = options.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        Some(((*name).to_owned(), (*value).to_owned()))
    });
    let parents = files.iter().map(|file| parent(file));
    Ok(Derivation {
        operation: operation.to_owned(),
        writer: concat!("scap ", env!("CARGO_PKG_VERSION")).to_owned(),
        options: given.collect(),
        parents: parents.collect::<Result<_, _>>()?,
        extra: Vec::new(),
    })
}

fn parent(path: &Path) -> Result<Parent, CliError> {
    let name = match path.file_name() {
        _ if path.as_os_str() == "-" => "standard input".to_owned(),
        Some(name) => name.to_string_lossy().into_owned(),
        None => String::new(),
    };
    Ok(Parent {
        name,
        file: identity(path)?,
        extra: Vec::new(),
    })
}

/// Returns length and hash of a file; `None` for what can be read only once.
pub(super) fn identity(path: &Path) -> Result<Option<FileIdentity>, CliError> {
    let fail = |error: std::io::Error| {
        CliError::failed(format!(
            "cannot read {}: {}",
            path.display(),
            reason(&error)
        ))
    };
    if path.as_os_str() == "-" || !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(fail)?;
    hasher.update_reader(file).map_err(fail)?;
    Ok(Some(FileIdentity {
        len: hasher.count(),
        blake3: *hasher.finalize().as_bytes(),
    }))
}

/// Returns a hash as it is printed.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}
