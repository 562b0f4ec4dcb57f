//! Follows an audit log, as `tail -F` does: what is appended, to the file that has the name.
//!
//! A log that is there at the start is read from its end, from the line that is being written on. A file that appears
//! later under the name, after a rotation, is read from its beginning, once the one before it was read to its end. A file
//! that becomes shorter was truncated, and is read from its beginning.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use super::inbox::{Batch, Inbox};
use crate::audit::event::{Reader, Refusal, foreign};
use crate::audit::limits::MAX_TEXT;
use crate::event::text::escape;
use crate::files;
use crate::record::RecordError;

/// Time between two looks at the file.
const INTERVAL: Duration = Duration::from_millis(20);
/// How much is read at once.
const READ: usize = 256 << 10;

/// Follows a log.
pub(super) struct Follower {
    path: PathBuf,
    /// For messages, safe to print.
    name: String,
    inbox: Arc<Inbox>,
    /// The file that had the name; `None` if there was none yet.
    file: Option<File>,
    lines: Lines,
    reader: Reader,
    /// The file cannot be opened, and the user was told.
    is_missing: bool,
}

/// The line that is being read.
#[derive(Default)]
struct Lines {
    /// Its beginning.
    text: Vec<u8>,
    /// It is too long: the rest is skipped.
    is_too_long: bool,
}

impl Follower {
    /// Opens the log. A log that is not there yet is waited for.
    pub(super) fn open(path: &Path, inbox: Arc<Inbox>) -> Result<Self, RecordError> {
        let mut name = Vec::new();
        escape(&mut name, path.to_string_lossy().as_bytes());
        let mut follower = Self {
            path: path.to_owned(),
            name: String::from_utf8_lossy(&name).into_owned(),
            inbox,
            file: None,
            lines: Lines::default(),
            reader: Reader::default(),
            is_missing: false,
        };
        let failed = |error: io::Error| RecordError::Audit {
            what: format!("follow {}", follower.name),
            source: error,
        };
        match files::open_regular(path) {
            Ok(mut file) => {
                to_last_line(&mut file).map_err(failed)?;
                follower.file = Some(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("{}: there is no such file yet", follower.name);
                follower.inbox.warn(text);
                follower.is_missing = true;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(follower)
    }

    /// Follows the log until the recording ends.
    pub(super) fn run(mut self) {
        loop {
            // What was written before the end is read after it.
            let stops = self.inbox.stops();
            self.look(stops);
            if stops {
                return self.end_of_file();
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Reads what there is.
    fn look(&mut self, stops: bool) {
        // A file that has lost its name is complete when it is read to its end after that.
        let new = self.replacement();
        self.read_on(stops);
        if let Some(new) = new {
            self.end_of_file();
            self.file = Some(new);
            self.read_on(stops);
        }
    }

    /// Returns the file that has the name, if it is another one than before.
    fn replacement(&mut self) -> Option<File> {
        let own = self.file.as_ref().and_then(|file| file.metadata().ok());
        let same = |found: &std::fs::Metadata| {
            own.as_ref()
                .is_some_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
        };
        match std::fs::metadata(&self.path) {
            Ok(found) if same(&found) => None,
            // It is between two names.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => self.missing(&error),
            Ok(_) => match files::open_regular(&self.path) {
                Ok(file) => {
                    self.is_missing = false;
                    Some(file)
                }
                Err(error) => self.missing(&error),
            },
        }
    }

    fn missing(&mut self, error: &io::Error) -> Option<File> {
        if !std::mem::replace(&mut self.is_missing, true) {
            self.inbox
                .warn(format!("{} cannot be opened any more: {error}", self.name));
        }
        None
    }

    /// Reads the file to its present end.
    fn read_on(&mut self, stops: bool) {
        let Some(mut file) = self.file.take() else {
            return;
        };
        if let Err(error) = self.read(&mut file, stops)
            && !std::mem::replace(&mut self.is_missing, true)
        {
            self.inbox
                .warn(format!("{} cannot be read: {error}", self.name));
        }
        self.file = Some(file);
    }

    fn read(&mut self, file: &mut File, stops: bool) -> io::Result<()> {
        let end = file.metadata()?.len();
        if end < file.stream_position()? {
            self.inbox
                .warn(format!("{} was truncated: lines may be missing", self.name));
            self.end_of_file();
            file.rewind()?;
        }
        let mut buffer = vec![0; READ];
        // A log that grows as fast as it is read must not keep the recording from ending.
        let mut left = if stops { end } else { u64::MAX };
        while left > 0 {
            let len = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            left = left.saturating_sub(len as u64);
            self.bytes(&buffer[..len]);
        }
        Ok(())
    }

    /// Takes bytes of the log.
    fn bytes(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.lines.add(&bytes[..end]);
            self.line();
            bytes = &bytes[end + 1..];
        }
        self.lines.add(bytes);
    }

    /// The file ends here: what is there of a line will not become more.
    fn end_of_file(&mut self) {
        if !self.lines.text.is_empty() || self.lines.is_too_long {
            self.line();
        }
    }

    /// Takes the line.
    fn line(&mut self) {
        let is_too_long = std::mem::take(&mut self.lines.is_too_long);
        let text = self.lines.text.trim_ascii();
        if is_too_long {
            self.inbox.refuse(Refusal::TooLong, &self.name);
        } else if text.is_empty() {
        } else if !matches!(text.first(), Some(b'{' | b'[')) {
            self.inbox.refuse(foreign(text), &self.name);
        } else {
            let mut batch = Batch::read(&mut self.reader, text);
            while !self.inbox.put(&mut batch, &self.name) {
                // The log waits; but not the end of the recording.
                if self.inbox.stops() {
                    self.inbox.reject("the recording ended", &self.name);
                    break;
                }
                thread::sleep(INTERVAL / 4);
            }
        }
        self.lines.text.clear();
        self.lines.text.shrink_to(READ);
    }
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.text.len() + bytes.len() > MAX_TEXT {
            self.is_too_long = true;
            self.text.clear();
        } else {
            self.text.extend_from_slice(bytes);
        }
    }
}

/// Goes to the beginning of the last line, which may be half written.
fn to_last_line(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let mut buffer = vec![0; READ];
    let mut end = len;
    while end > 0 && len - end < MAX_TEXT as u64 {
        let start = end.saturating_sub(READ as u64);
        let part = &mut buffer[..usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(part, start)?;
        if let Some(at) = memchr::memrchr(b'\n', part) {
            file.seek(SeekFrom::Start(start + at as u64 + 1))?;
            return Ok(());
        }
        end = start;
    }
    // A line that is too long is skipped to its end.
    file.seek(SeekFrom::Start(end))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    struct Log {
        dir: tempfile::TempDir,
        inbox: Arc<Inbox>,
        follower: Follower,
    }

    fn event(id: &str) -> String {
        format!(
            "{{\"kind\":\"Event\",\"auditID\":\"{id}\",\"stageTimestamp\":\"2026-07-21T15:25:11Z\"}}\n"
        )
    }

    impl Log {
        fn new(before: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("audit.log"), before).unwrap();
            let inbox = Arc::new(Inbox::default());
            let follower = Follower::open(&dir.path().join("audit.log"), Arc::clone(&inbox));
            Self {
                follower: follower.unwrap(),
                inbox,
                dir,
            }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("audit.log")
        }

        fn append(&self, text: &str) {
            let mut options = File::options();
            let mut file = options.append(true).create(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// The ids of the events that are new.
        fn ids(&mut self) -> Vec<String> {
            self.follower.look(false);
            let mut events = Vec::new();
            self.inbox.take(&mut events);
            let id = |json: &[u8]| {
                let value: serde_json::Value = serde_json::from_slice(json).unwrap();
                value["auditID"].as_str().unwrap().to_owned()
            };
            events.iter().map(|event| id(&event.json)).collect()
        }
    }

    #[test]
    fn what_is_appended_is_read_line_by_line() {
        let (half, rest) = (&event("half")[..20], &event("half")[20..]);
        let mut log = Log::new(&(event("old") + half));
        assert!(log.ids().is_empty());
        log.append(&rest[..5]);
        assert!(log.ids().is_empty());
        log.append(&rest[5..]);
        log.append(&event("a"));
        assert_eq!(log.ids(), ["half", "a"]);
        log.append("broken {\n\n{\"kind\":\"Event\"\n");
        log.append(&event("b"));
        assert_eq!(log.ids(), ["b"]);
        let refused = log.inbox.counts().refused;
        assert_eq!(refused[&Refusal::Foreign], 1);
        assert_eq!(refused[&Refusal::Broken], 1);
    }

    #[test]
    fn a_rotated_log_is_read_to_its_end_and_the_new_one_from_its_beginning() {
        let mut log = Log::new("");
        log.append(&event("a"));
        assert_eq!(log.ids(), ["a"]);
        log.append(&event("b"));
        std::fs::rename(log.path(), log.dir.path().join("audit-1.log")).unwrap();
        assert_eq!(log.ids(), ["b"]);
        // Still written to the old one, which lacks its last line break.
        let mut old = File::options()
            .append(true)
            .open(log.dir.path().join("audit-1.log"))
            .unwrap();
        old.write_all(event("c").trim_end().as_bytes()).unwrap();
        log.append(&(event("d") + &event("e")));
        assert_eq!(log.ids(), ["c", "d", "e"]);
        // By a link, as some rotate.
        std::fs::remove_file(log.path()).unwrap();
        std::fs::write(log.dir.path().join("other"), event("f")).unwrap();
        std::os::unix::fs::symlink("other", log.path()).unwrap();
        assert_eq!(log.ids(), ["f"]);
        assert_eq!(log.inbox.counts().lost(), 0);
    }

    #[test]
    fn a_truncated_log_is_read_from_its_beginning() {
        let mut log = Log::new(&event("old"));
        log.append(&event("a"));
        assert_eq!(log.ids(), ["a"]);
        log.append("{\"kind\":");
        log.ids();
        std::fs::write(log.path(), event("b")).unwrap();
        assert_eq!(log.ids(), ["b"]);
        assert_eq!(log.inbox.counts().refused[&Refusal::Broken], 1);
        assert!(log.inbox.warning().unwrap().contains("was truncated"));
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_an_event() {
        let mut log = Log::new("");
        let part = "x".repeat(1 << 20);
        for _ in 0..20 {
            log.append(&part);
        }
        assert!(log.ids().is_empty());
        assert!(log.follower.lines.text.capacity() <= MAX_TEXT + READ);
        log.append(&format!("\n{}", event("a")));
        assert_eq!(log.ids(), ["a"]);
        assert_eq!(log.inbox.counts().refused[&Refusal::TooLong], 1);
    }

    #[test]
    fn only_ordinary_files_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = Arc::new(Inbox::default());
        let opened = |name: &str| Follower::open(&dir.path().join(name), Arc::clone(&inbox));
        assert!(opened(".").is_err());
        // It may come.
        assert!(opened("none").is_ok());
        assert!(inbox.warning().unwrap().contains("no such file yet"));
    }
}
