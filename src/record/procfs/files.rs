//! Files behind the links of /proc.

use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags};

use super::link;

/// A file system that takes longer is not accessed again.
const PATIENCE: Duration = Duration::from_millis(200);

/// Stats files. A file system that hangs, such as that of an unreachable server, blocks only the thread that
/// accesses it, not the recorder; no file is accessed from then on.
#[derive(Debug)]
pub(super) struct Files {
    requests: Sender<String>,
    answers: Receiver<Option<Statx>>,
    has_given_up: bool,
}

impl Default for Files {
    fn default() -> Self {
        let (requests, asked) = mpsc::channel::<String>();
        let (answer, answers) = mpsc::channel();
        let work = move || {
            // Cached attributes are good enough.
            let flags = AtFlags::STATX_DONT_SYNC;
            for path in asked {
                let found = rustix::fs::statx(CWD, path, flags, StatxFlags::BASIC_STATS).ok();
                if answer.send(found).is_err() {
                    break;
                }
            }
        };
        let started = thread::Builder::new()
            .name("scap-files".to_owned())
            .spawn(work);
        Self {
            requests,
            answers,
            has_given_up: started.is_err(),
        }
    }
}

impl Files {
    /// Returns the attributes of the file behind a link of /proc.
    pub(super) fn stat(&mut self, link: &str) -> Option<Statx> {
        if self.has_given_up || self.requests.send(link.to_owned()).is_err() {
            return None;
        }
        match self.answers.recv_timeout(PATIENCE) {
            Ok(found) => found,
            Err(_) => {
                self.has_given_up = true;
                None
            }
        }
    }

    /// Returns the path of the file behind a link of /proc as it was when the file was opened: the kernel appends a
    /// suffix for files that have been removed since.
    pub(super) fn path(&mut self, link_path: &str) -> Vec<u8> {
        let mut target = link(link_path);
        if let Some(path) = target.strip_suffix(b" (deleted)")
            && self.stat(link_path).is_some_and(|file| file.stx_nlink == 0)
        {
            target.truncate(path.len());
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_removed_file_keeps_its_name() {
        let mut files = Files::default();
        let dir = tempfile::tempdir().unwrap();
        let [gone, there] = ["gone", "there (deleted)"].map(|name| {
            let path = dir.path().join(name);
            (std::fs::File::create(&path).unwrap(), path)
        });
        std::fs::remove_file(&gone.1).unwrap();
        for (file, path) in [gone, there] {
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            assert_eq!(files.path(&link), path.as_os_str().as_encoded_bytes());
        }
    }
}
