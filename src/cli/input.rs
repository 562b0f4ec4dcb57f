//! Captures named on the command line.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{CliError, warn};
use crate::event::text;
use crate::fields::Session;
use crate::filter::When;
use crate::replay::{self, EventSource, NativeSource, SysdigSource};

/// An open capture and what to call it.
pub(super) struct Input {
    /// Its name, safe to print.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: Box<dyn Read>,
    /// It is one of sysdig's.
    pub(super) is_sysdig: bool,
    /// Where the capture is, if it is a file that can be read in any order.
    path: Option<PathBuf>,
}

impl Input {
    /// Opens a file, or standard input for `-`. Nothing is read before it is known to be a capture.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            return Self::checked("standard input".to_owned(), Box::new(io::stdin()));
        }
        let mut name = Vec::new();
        text::escape(&mut name, path.as_os_str().as_encoded_bytes());
        let name = String::from_utf8_lossy(&name).into_owned();
        let fail = |error: io::Error| {
            let failed = CliError::failed(format!("cannot read {name}: {}", reason(&error)));
            if error.kind() == io::ErrorKind::PermissionDenied {
                return failed.hint("captures belong to whoever recorded them, usually root");
            }
            failed
        };
        let file = File::open(path).map_err(fail)?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(CliError::failed(format!("{name} is a directory"))
                .hint("name the capture files in it"));
        }
        let is_regular = file.metadata().is_ok_and(|m| m.is_file());
        let mut input = Self::checked(name, Box::new(file))?;
        input.path = is_regular.then(|| path.to_owned());
        Ok(input)
    }

    /// Looks at the first bytes: they tell what kind of file it is.
    fn checked(name: String, mut bytes: Box<dyn Read>) -> Result<Self, CliError> {
        const SYSDIG: [u8; 4] = 0x0a0d_0d0a_u32.to_le_bytes();
        const GZIP: [u8; 2] = [0x1f, 0x8b];
        let mut first = Vec::new();
        let limit = SYSDIG.len() as u64;
        bytes
            .by_ref()
            .take(limit)
            .read_to_end(&mut first)
            .map_err(|e| CliError::failed(format!("cannot read {name}: {}", reason(&e))))?;
        Ok(Self {
            name,
            is_sysdig: first.starts_with(&SYSDIG) || first.starts_with(&GZIP),
            bytes: Box::new(io::Cursor::new(first).chain(bytes)),
            path: None,
        })
    }

    /// Notes in `progress` how much of the file was read, in percent.
    pub(super) fn watch(&mut self, progress: Rc<Cell<f64>>) {
        let total = self
            .again()
            .and_then(|file| Some(file.metadata().ok()?.len()));
        let bytes = std::mem::replace(&mut self.bytes, Box::new(io::empty()));
        self.bytes = Box::new(Watched {
            bytes,
            total: total.unwrap_or(0),
            read: 0,
            progress,
        });
    }

    /// Opens the capture as a source of the events from `from` on. Where an index says that an earlier
    /// part is not needed it is passed over.
    pub(super) fn source_from(
        self,
        from: Option<When>,
        session: &mut Session,
    ) -> Result<(String, Box<dyn EventSource>), CliError> {
        if let (Some(from), Some(mut file), false) = (from, self.again(), self.is_sysdig)
            && let Some(start) = replay::start(&mut file, from)
            && file.rewind().is_ok()
        {
            let failed = |e| CliError::capture(&self.name, &e);
            let mut source = NativeSource::new(file).map_err(failed)?;
            if let Some(again) = self.again() {
                source.know_ahead(again).map_err(failed)?;
            }
            source.skip_to(start.offset).map_err(failed)?;
            session.first_time = start.first_time;
            return Ok((self.name, Box::new(source)));
        }
        self.source()
    }

    /// Whether the capture can be read in any order.
    pub(super) fn is_seekable(&self) -> bool {
        self.path.is_some() && !self.is_sysdig
    }

    /// Opens the capture once more, if it is a file.
    fn again(&self) -> Option<File> {
        File::open(self.path.as_ref()?).ok()
    }

    /// Opens the capture as a source of events.
    pub(super) fn source(self) -> Result<(String, Box<dyn EventSource>), CliError> {
        let again = self.again();
        let name = self.name;
        let failed = |e| CliError::capture(&name, &e);
        let source: Box<dyn EventSource> = if self.is_sysdig {
            Box::new(SysdigSource::new(self.bytes).map_err(failed)?)
        } else {
            let mut source = NativeSource::new(self.bytes).map_err(failed)?;
            if let Some(again) = again {
                source.know_ahead(again).map_err(failed)?;
            }
            Box::new(source)
        };
        Ok((name, source))
    }
}

/// Bytes that are counted as they are read.
struct Watched {
    bytes: Box<dyn Read>,
    total: u64,
    read: u64,
    progress: Rc<Cell<f64>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read += count as u64;
        if self.total > 0 {
            let percent = self.read as f64 * 100.0 / self.total as f64;
            self.progress.set(percent.min(100.0));
        }
        Ok(count)
    }
}

/// What the system says, without the number that `io::Error` adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// Tells what is wrong with a capture that was read to its end; returns whether anything is.
pub(super) fn tell_damage(name: &str, source: &dyn EventSource, events: u64) -> bool {
    if let Some(unknown) = source.unknown_types().filter(|u| !u.is_empty()) {
        let count: u64 = unknown.values().sum();
        let types: Vec<String> = unknown.keys().take(8).map(u16::to_string).collect();
        warn(
            &format!(
                "{name}: {count} events of types that this version does not know were passed over (types {})",
                types.join(", ")
            ),
            None,
        );
    }
    let damages = source.damages();
    if let Some(first) = damages.list().first() {
        let more = match damages.count() {
            1 => String::new(),
            2 => " and in one more place".to_owned(),
            n => format!(" and in {} more places", n - 1),
        };
        warn(
            &format!(
                "{name}: damaged at byte {}: {}{more}; {events} events could be read",
                first.offset, first.what
            ),
            Some("`scap info` lists the damage and says what is left"),
        );
        return true;
    }
    if !source.is_complete() {
        warn(
            &format!("{name}: the capture has no end; {events} events could be read"),
            Some("its recorder was killed or is still running, or the copy is not complete"),
        );
        return true;
    }
    false
}
