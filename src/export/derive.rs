//! What captures that are made from others say about these.

use std::fs::File;
use std::io;
use std::path::Path;

use scap_capture_format::native::{Derivation, FileIdentity, Parent};

/// Describes a capture that an operation makes from others. `options` are those of the operation that were given.
pub fn derivation(
    operation: &str,
    options: &[(&str, Option<&str>)],
    parents: Vec<Parent>,
) -> Derivation {
    let given = options.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        Some(((*name).to_owned(), (*value).to_owned()))
    });
    Derivation {
        operation: operation.to_owned(),
        writer: concat!("scap ", env!("CARGO_PKG_VERSION")).to_owned(),
        options: given.collect(),
        parents,
        extra: Vec::new(),
    }
}

/// Describes a file that a capture is made from; `identity` as from [`file_identity`].
pub fn parent(path: &Path, identity: Option<FileIdentity>) -> Parent {
    let name = match path.file_name() {
        _ if path.as_os_str() == "-" => "standard input".to_owned(),
        Some(name) => name.to_string_lossy().into_owned(),
        None => String::new(),
    };
    Parent {
        name,
        file: identity,
        extra: Vec::new(),
    }
}

/// Returns length and hash of a file, which is read for it; `None` for what can be read only once.
///
/// # Errors
///
/// If it cannot be read.
pub fn file_identity(path: &Path) -> io::Result<Option<FileIdentity>> {
    if path.as_os_str() == "-" || !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(Some(FileIdentity {
        len: hasher.count(),
        blake3: *hasher.finalize().as_bytes(),
    }))
}
