//! Where a capture goes: into a file that others may touch meanwhile, or into a pipe that may stall.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use scap_capture_format::Error as FormatError;

use super::{Destination, RecordError};
use crate::files::{self, Change, PatientWriter, WatchedFile};

/// The progress of writing, shared with other threads.
#[derive(Default)]
pub(super) struct Progress {
    /// Bytes written.
    pub(super) bytes: AtomicU64,
    /// Writing failed, so the recording has to end.
    pub(super) failed: AtomicBool,
    /// The recording has ended.
    ended: AtomicBool,
    warnings: Mutex<Vec<String>>,
}

impl Progress {
    /// Notes that the recording has ended: from now on a pipe that accepts nothing is given up.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Returns a problem that does not end the recording.
    pub(super) fn warning(&self) -> Option<String> {
        self.warnings.try_lock().ok()?.pop()
    }

    fn warn(&self, text: String) {
        if let Ok(mut warnings) = self.warnings.lock() {
            warnings.push(text);
        }
    }
}

/// Where the capture goes.
pub(super) struct Target {
    state: State,
    progress: Arc<Progress>,
}

enum State {
    /// A file that will be made at the first flush, with what was written until then.
    Unopened {
        path: PathBuf,
        fallback: Option<PathBuf>,
        head: Vec<u8>,
    },
    File(Box<CaptureFile>),
    Stream(PatientWriter),
}

impl Target {
    /// Makes a target. A file is not touched before the first flush.
    pub(super) fn new(destination: Destination, progress: Arc<Progress>) -> Self {
        let state = match destination {
            Destination::Path { path, fallback } => State::Unopened {
                path,
                fallback,
                head: Vec::new(),
            },
            Destination::Stream(file) => State::Stream(patient(file, &progress)),
        };
        Self { state, progress }
    }

    /// Whether the output is a file that will be made where there is nothing.
    pub(super) fn is_new(&self) -> bool {
        match &self.state {
            State::Unopened { path, .. } => std::fs::symlink_metadata(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound),
            State::File(_) | State::Stream(_) => false,
        }
    }

    /// Removes the files that were made.
    pub(super) fn discard(self) {
        if let State::File(file) = self.state {
            file.file.remove();
            if let Some(copy) = file.copy {
                copy.remove();
            }
        }
    }

    /// Looks whether the output is as this program left it, `written` bytes long. Returns false if nothing
    /// more can be written to it.
    pub(super) fn is_usable(&mut self, written: u64) -> bool {
        match &mut self.state {
            State::File(file) => file.is_usable(written, &self.progress),
            State::Unopened { .. } | State::Stream(_) => true,
        }
    }

    /// Ends the output, to which `written` bytes were written.
    pub(super) fn finish(self, written: u64) -> Result<(), RecordError> {
        match self.state {
            State::File(file) => file.finish(written),
            State::Unopened { .. } | State::Stream(_) => Ok(()),
        }
    }

    /// Ends the output after writing failed; truncates a file to its first `kept` bytes, so that they are
    /// readable.
    pub(super) fn fail(self, kept: u64, error: FormatError) -> RecordError {
        let mut torn = None;
        // A file system can need room for that, too.
        let mut cut = |file: &WatchedFile| {
            let is_longer = file.file().metadata().is_ok_and(|found| found.len() > kept);
            torn = file.file().set_len(kept).err().filter(|_| is_longer);
        };
        let path = match self.state {
            State::File(file) if file.trouble.is_some() => match file.copy {
                // The copy has failed, too.
                Some(copy) => {
                    cut(&copy);
                    Some(copy.path().to_owned())
                }
                None => match file.finish(kept) {
                    Err(lost) => return lost,
                    Ok(()) => None,
                },
            },
            State::File(file) => {
                cut(&file.file);
                Some(file.path)
            }
            State::Unopened { path, .. } => Some(path),
            State::Stream(_) => None,
        };
        RecordError::Write {
            path,
            kept,
            torn,
            error,
        }
    }

    /// Returns the error of a first flush that failed.
    pub(super) fn unopened(self, error: FormatError) -> RecordError {
        match (self.state, error) {
            (State::Unopened { path, head, .. }, FormatError::Io(source)) => {
                let needed = files::is_full(&source).then_some(head.len() as u64);
                RecordError::Create {
                    path,
                    source,
                    needed,
                }
            }
            (state, error) => {
                let progress = self.progress;
                Self { state, progress }.fail(0, error)
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Unopened { head, .. } => head.write(bytes),
            State::File(file) => file.write(bytes),
            State::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let State::Unopened {
            path,
            fallback,
            head,
        } = &self.state
        else {
            return Ok(());
        };
        self.state = match WatchedFile::new(files::create_with(path, head)?, path)? {
            Ok(file) => {
                let copy = fallback.as_deref().map(|dir| copy(dir, path, head));
                State::File(Box::new(CaptureFile {
                    path: path.clone(),
                    file,
                    copy: copy.transpose()?,
                    trouble: None,
                    is_reported: false,
                    copy_trouble: None,
                }))
            }
            Err(file) => State::Stream(patient(file, &self.progress)),
        };
        Ok(())
    }
}

/// Makes the writer of a pipe, which waits for its reader as long as the recording goes on.
fn patient(file: File, progress: &Arc<Progress>) -> PatientWriter {
    let progress = Arc::clone(progress);
    PatientWriter::new(file, move || progress.ended.load(Ordering::Relaxed))
}

/// Makes the copy of a capture in the directory `dir`.
fn copy(dir: &Path, path: &Path, head: &[u8]) -> io::Result<WatchedFile> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let failed = |error| io::Error::other(format!("its copy in {}: {error}", dir.display()));
    let (mut copy, path) = files::create_unique(dir, name).map_err(failed)?;
    copy.write_all(head).map_err(failed)?;
    WatchedFile::new(copy, &path)
        .map_err(failed)?
        .map_err(|_| failed(io::ErrorKind::InvalidInput.into()))
}

/// What went wrong with a file.
#[derive(Debug)]
pub enum Trouble {
    /// Another program did this to it.
    Changed(Change),
    /// It could not be written to.
    Failed(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(change) => write!(f, "{change} while it was recorded"),
            Self::Failed(error) => write!(f, "could not be written: {error}"),
        }
    }
}

/// A capture in a file.
pub(super) struct CaptureFile {
    path: PathBuf,
    file: WatchedFile,
    /// The same capture elsewhere, which counts if something happens to the file.
    copy: Option<WatchedFile>,
    trouble: Option<Trouble>,
    /// The trouble was reported.
    is_reported: bool,
    /// Why there is no copy any more.
    copy_trouble: Option<String>,
}

impl CaptureFile {
    /// Whether the file itself still gets what is written.
    fn is_written(&self) -> bool {
        !matches!(
            self.trouble,
            Some(Trouble::Failed(_) | Trouble::Changed(Change::Truncated(_) | Change::Written))
        )
    }

    fn is_usable(&mut self, written: u64, progress: &Progress) -> bool {
        if let Some(text) = self.copy_trouble.take() {
            progress.warn(text);
        }
        if self.trouble.is_none()
            && let Some(change) = self.file.change(written)
        {
            self.trouble = Some(Trouble::Changed(change));
        }
        let Some(trouble) = &self.trouble else {
            return true;
        };
        let Some(copy) = &self.copy else {
            progress.failed.store(true, Ordering::Relaxed);
            // A file that was moved gets the rest of the capture.
            return self.is_written();
        };
        if !std::mem::replace(&mut self.is_reported, true) {
            let (path, copy) = (self.path.display(), copy.path().display());
            progress.warn(format!("{path} {trouble}; the recording goes on in {copy}"));
        }
        true
    }

    fn finish(self, written: u64) -> Result<(), RecordError> {
        let Some(trouble) = self.trouble else {
            if let Some(copy) = self.copy {
                copy.remove();
            }
            return Ok(());
        };
        let is_there = |copy: &WatchedFile| copy.change(written).is_none();
        let saved = self.copy.filter(is_there);
        let saved = saved.map(|copy| copy.path().to_owned());
        Err(RecordError::Lost {
            path: self.path,
            trouble,
            kept: written,
            saved,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_written() {
            match self.file.file_mut().write(bytes) {
                Err(error) if self.copy.is_some() && error.kind() != io::ErrorKind::Interrupted => {
                    self.trouble = Some(Trouble::Failed(error));
                }
                Ok(count) => {
                    let copied = match &mut self.copy {
                        Some(copy) => copy.file_mut().write_all(&bytes[..count]),
                        None => Ok(()),
                    };
                    if let Err(error) = copied
                        && let Some(copy) = self.copy.take()
                    {
                        let path = copy.path().display();
                        self.copy_trouble = Some(format!("the copy {path} ends: {error}"));
                    }
                    return Ok(count);
                }
                failed => return failed,
            }
        }
        match &mut self.copy {
            Some(copy) => copy.file_mut().write(bytes),
            None => Err(io::Error::other("the file was changed by another program")),
        }
    }
}
