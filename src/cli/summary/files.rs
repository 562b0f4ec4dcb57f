//! Changed files: created, written, renamed, removed, made executable.

use scap_capture_format::schema::{Category, EventTypeFlags};

use super::{KINDS, param, who};
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
pub(super) struct Files(Groups<(Vec<u8>, Mounts), Changed>);

/// What happened to one file.
#[derive(Debug, Default)]
pub(super) struct Changed {
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
    pub(super) fn new() -> Self {
        Self(Groups::new(KINDS))
    }

    /// Returns the files by name and the mounts that it is of; its count of omitted rows is that of changes beyond the limit.
    pub(super) fn changed(&self) -> &Groups<(Vec<u8>, Mounts), Changed> {
        &self.0
    }

    /// Adds a successful call.
    pub(super) fn add(&mut self, event: &Event<'_>, view: &View<'_>) {
        let Some(info) = event.info() else {
            return;
        };
        if info.flags.contains(EventTypeFlags::WRITES_TO_FD) && info.category == Category::IoWrite {
            self.written(event, view, info.fd_param);
            return;
        }
        match info.name {
            "open" | "openat" | "openat2" | "open_by_handle_at" | "creat" => {
                self.opened(event, view, info.name == "creat");
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let path = path(event, view, "path").or_else(|| path(event, view, "name"));
                self.change(event, view, path, |file| file.removed = true);
            }
            "rename" | "renameat" | "renameat2" => {
                let to = path(event, view, "newpath");
                let from = path(event, view, "oldpath");
                self.change(event, view, from, |file| file.renamed = to);
            }
            "chmod" | "fchmod" | "fchmodat" => {
                let mode = param(event, "mode").and_then(|i| event.uint(i));
                if mode.unwrap_or(0) & EXECUTABLE == 0 {
                    return;
                }
                let fd = || name_of(event, view, param(event, "fd")?);
                let path = path(event, view, "filename").or_else(fd);
                self.change(event, view, path, |file| file.made_executable = true);
            }
            _ => {}
        }
    }

    fn opened(&mut self, event: &Event<'_>, view: &View<'_>, creat: bool) {
        let flags = param(event, "flags").and_then(|i| event.uint(i));
        let flags = flags.unwrap_or(if creat { O_WRONLY | O_TRUNC } else { 0 });
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

    fn written(&mut self, event: &Event<'_>, view: &View<'_>, fd_param: Option<u8>) {
        let Some(bytes) = event.result().and_then(|r| u64::try_from(r).ok()) else {
            return;
        };
        let Some(fd) = fd_param.map(usize::from) else {
            return;
        };
        let is_file = event.int(fd).and_then(|fd| view.fd(fd));
        if bytes > 0 && is_file.is_some_and(|label| label.typechar == b'f') {
            let name = name_of(event, view, fd);
            self.change(event, view, name, |file| {
                file.written = file.written.saturating_add(bytes);
            });
        }
    }

    fn change(
        &mut self,
        event: &Event<'_>,
        view: &View<'_>,
        name: Option<Vec<u8>>,
        change: impl FnOnce(&mut Changed),
    ) {
        // Devices and files of the kernel are written constantly and store nothing.
        let Some(name) = name.filter(|name| {
            !(name.starts_with(b"/dev/") || name.starts_with(b"/proc/")) && name.len() <= NAME
        }) else {
            return;
        };
        let key = (
            name,
            view.thread().map(|t| view.mounts(t)).unwrap_or_default(),
        );
        let known = self.0.find(&key, |other| *other == key);
        // A file that gets the name of a removed or renamed one is another file.
        let known = known.filter(|at| {
            let (_, file) = self.0.get(*at);
            !(file.removed || file.renamed.is_some())
        });
        let place = known.or_else(|| {
            let mut by = Vec::new();
            who(&mut by, event, view);
            let file = Changed {
                by,
                ..Changed::default()
            };
            self.0.replace(key, file, 0)
        });
        if let Some(place) = place {
            change(self.0.row(place));
        }
    }
}

/// Returns the name of the fd in a parameter.
fn name_of(event: &Event<'_>, view: &View<'_>, index: usize) -> Option<Vec<u8>> {
    let label = view.fd(event.int(index)?)?;
    (!label.name.is_empty()).then(|| label.name.to_vec())
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
