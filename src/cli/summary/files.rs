//! Changed files: created, written, renamed, removed, made executable.

use super::kinds::Call;
use super::{param, who};
use crate::event::{Event, EventExt as _, Names as _};
use crate::state::{Mounts, View};
use crate::stats::groups::Groups;

/// Open flags of the schema (table `file_flags`): opened for writing, and created by the call.
const O_WRONLY: u64 = 0x2;
const O_TRUNC: u64 = 0x100;
const O_F_CREATED: u64 = 0x4000;

/// Execute permission for user, group or others.
const EXECUTABLE: u64 = 0o111;

/// Longest name kept.
const NAME: usize = 4096;

/// Files in the order of their first change.
#[derive(Debug)]
pub(super) struct Files {
    groups: Groups<(Vec<u8>, Mounts), Changed>,
}

/// What happened to one file.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// How often it was changed.
    times: u64,
    /// The process that changed the file first.
    pub(super) by: Vec<u8>,
    pub(super) written: u64,
    pub(super) created: bool,
    pub(super) emptied: bool,
    pub(super) made_executable: bool,
    pub(super) removed: bool,
    /// The new name.
    pub(super) renamed: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn new(limit: usize, bytes: usize) -> Self {
        Self {
            groups: Groups::with_bytes(limit, bytes),
        }
    }

    /// Returns the files by name and the mounts that it is of; its count of omitted rows is that of changes beyond the limit.
    pub(super) fn changed(&self) -> &Groups<(Vec<u8>, Mounts), Changed> {
        &self.groups
    }

    /// Adds the files of a later part of the capture. Returns false if a limit was reached there.
    pub(super) fn join(&mut self, later: Self) -> bool {
        let is_whole = later.groups.omitted() == 0;
        for (key, more) in later.groups.into_rows() {
            match self.current(&key.0, &key.1) {
                Some(place) => self.groups.row(place).join(more),
                None => {
                    let times = more.times;
                    if self.groups.replace(key, more, 0).is_none() {
                        self.groups.omit_more(times.saturating_sub(1));
                    }
                }
            }
        }
        is_whole
    }

    /// Returns the row of a file.
    fn current(&self, name: &[u8], mounts: &Mounts) -> Option<usize> {
        let is = |other: &(Vec<u8>, Mounts)| other.0 == name && other.1 == *mounts;
        let known = self.groups.find(&(name, mounts), is);
        // A file that gets the name of a removed or renamed one is another file.
        known.filter(|at| {
            let (_, file) = self.groups.get(*at);
            !(file.removed || file.renamed.is_some())
        })
    }

    /// Adds a successful call.
    pub(super) fn add(&mut self, call: Call, event: &Event<'_>, view: &View<'_>) {
        match call {
            Call::Write(fd) => self.written(event, view, fd),
            Call::Open => self.opened(event, view, 0),
            Call::Creat => self.opened(event, view, O_WRONLY | O_TRUNC),
            Call::Remove => {
                let path = path(event, view, "path").or_else(|| path(event, view, "name"));
                self.change(event, view, path.as_deref(), |file| file.removed = true);
            }
            Call::Rename => {
                let to = path(event, view, "newpath");
                let from = path(event, view, "oldpath");
                self.change(event, view, from.as_deref(), |file| file.renamed = to);
            }
            Call::Chmod => {
                let mode = param(event, "mode").and_then(|i| event.uint(i));
                if mode.unwrap_or(0) & EXECUTABLE == 0 {
                    return;
                }
                let path = path(event, view, "filename");
                let fd = || name_of(event, view, param(event, "fd")?);
                let name = path.as_deref().or_else(fd);
                self.change(event, view, name, |file| file.made_executable = true);
            }
            _ => {}
        }
    }

    /// Adds an `open`; `flags` are those of a call that has none.
    fn opened(&mut self, event: &Event<'_>, view: &View<'_>, flags: u64) {
        let own = param(event, "flags").and_then(|i| event.uint(i));
        let flags = own.unwrap_or(flags);
        if flags & (O_WRONLY | O_F_CREATED) == 0 {
            return;
        }
        // Opening for writing does not change a file; creating and truncating do.
        let (created, emptied) = (flags & O_F_CREATED != 0, flags & O_TRUNC != 0);
        if created || emptied {
            let name = name_of(event, view, 0);
            self.change(event, view, name, |file| {
                file.created |= created;
                file.emptied |= emptied;
            });
        }
    }

    fn written(&mut self, event: &Event<'_>, view: &View<'_>, fd: u8) {
        let Some(bytes) = event.result().and_then(|r| u64::try_from(r).ok()) else {
            return;
        };
        let label = event.int(fd.into()).and_then(|fd| view.fd(fd));
        if let Some(label) = label.filter(|label| bytes > 0 && label.typechar == b'f') {
            let name = Some(label.name).filter(|name| !name.is_empty());
            self.change(event, view, name, |file| {
                file.written = file.written.saturating_add(bytes);
            });
        }
    }

    fn change(
        &mut self,
        event: &Event<'_>,
        view: &View<'_>,
        name: Option<&[u8]>,
        change: impl FnOnce(&mut Changed),
    ) {
        // Devices and files of the kernel are written constantly and store nothing.
        let Some(name) = name.filter(|name| {
            !(name.starts_with(b"/dev/") || name.starts_with(b"/proc/")) && name.len() <= NAME
        }) else {
            return;
        };
        let mounts = view.thread().map(|t| view.mounts(t)).unwrap_or_default();
        let place = self.current(name, &mounts).or_else(|| {
            let mut by = Vec::new();
            who(&mut by, event, view);
            let file = Changed {
                by,
                ..Changed::default()
            };
            self.groups
                .replace((name.to_vec(), mounts), file, name.len())
        });
        if let Some(place) = place {
            let file = self.groups.row(place);
            file.times = file.times.saturating_add(1);
            change(file);
        }
    }
}

impl Changed {
    /// Adds later changes of the same file.
    fn join(&mut self, later: Self) {
        self.times = self.times.saturating_add(later.times);
        self.written = self.written.saturating_add(later.written);
        self.created |= later.created;
        self.emptied |= later.emptied;
        self.made_executable |= later.made_executable;
        self.removed |= later.removed;
        self.renamed = later.renamed.or(self.renamed.take());
    }
}

/// Returns the name of the fd in a parameter.
fn name_of<'v>(event: &Event<'_>, view: &'v View<'_>, index: usize) -> Option<&'v [u8]> {
    let label = view.fd(event.int(index)?)?;
    Some(label.name).filter(|name| !name.is_empty())
}

/// Returns the absolute path of a parameter, as far as it is known.
fn path(event: &Event<'_>, view: &View<'_>, name: &str) -> Option<Vec<u8>> {
    use scap_capture_format::schema::ParamDetail;
    let (index, info) = event.info()?.param(name)?;
    let given = event.text(index)?;
    let dirfd = match info.info {
        ParamDetail::DirFd(dirfd) => event.int(usize::from(dirfd)),
        _ => None,
    };
    let mut path = Vec::new();
    if !view.resolve_path(dirfd, given, &mut path) {
        path.extend_from_slice(given);
    }
    Some(path)
}
