//! A file that is written for a long time, and what others do to it meanwhile.

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A file with the name that it was made under.
#[derive(Debug)]
pub struct WatchedFile {
    file: File,
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

/// What somebody did to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has no name any more; only who has it open can read it.
    Removed,
    /// It has no name any more, and there is another file at its name.
    Replaced,
    /// It has another name now, if it is known.
    Moved(Option<PathBuf>),
    /// It is shorter than what was written: this many bytes are left.
    Truncated(u64),
    /// It is longer than what was written.
    Written,
}

impl WatchedFile {
    /// Makes a file that is watched, see [`super::create`]; `None` for a device or a pipe.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn new(file: File, path: &Path) -> io::Result<Result<Self, File>> {
        let found = file.metadata()?;
        if !found.is_file() {
            return Ok(Err(file));
        }
        // A write behind the end of a truncated file would fill the gap with zeros and hide it.
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags | rustix::fs::OFlags::APPEND)?;
        Ok(Ok(Self {
            id: (found.dev(), found.ino()),
            path: path.to_owned(),
            file,
        }))
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns the file, to write to it.
    pub fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Returns the path that it was made under.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what was done to the file since the program wrote to it, `written` bytes in all.
    pub fn change(&self, written: u64) -> Option<Change> {
        let found = self.file.metadata().ok()?;
        if found.len() < written {
            return Some(Change::Truncated(found.len()));
        }
        if found.len() > written {
            return Some(Change::Written);
        }
        let is_there = match std::fs::symlink_metadata(&self.path) {
            Ok(at_name) if (at_name.dev(), at_name.ino()) == self.id => return None,
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            // Whether it is there cannot be said.
            Err(_) => return None,
        };
        Some(match (found.nlink(), is_there) {
            (0, true) => Change::Replaced,
            (0, false) => Change::Removed,
            _ => Change::Moved(self.path_now()),
        })
    }

    /// Removes the file, if it still has its name.
    pub fn remove(self) {
        if let Ok(at_name) = std::fs::symlink_metadata(&self.path)
            && (at_name.dev(), at_name.ino()) == self.id
        {
            drop(std::fs::remove_file(&self.path));
        }
    }

    /// Returns the name that the file has now.
    fn path_now(&self) -> Option<PathBuf> {
        let path = std::fs::read_link(super::path_of(&self.file)).ok()?;
        let found = std::fs::symlink_metadata(&path).ok()?;
        ((found.dev(), found.ino()) == self.id).then_some(path)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("was removed"),
            Self::Replaced => f.write_str("was replaced by another file"),
            Self::Moved(Some(path)) => write!(f, "was moved to {}", path.display()),
            Self::Moved(None) => f.write_str("was moved"),
            Self::Truncated(left) => write!(f, "was truncated to {left} bytes"),
            Self::Written => f.write_str("was written to by another program"),
        }
    }
}
