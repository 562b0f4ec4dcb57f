//! Where a file is to be: its directory, opened without following what others can plant.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Component, Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, fstatfs, openat, readlinkat};
use rustix::io::Errno;

/// Most links in a path, as in the kernel.
const LINKS: usize = 40;
/// The type of /proc, whose links lead to open files and directories, not to names.
const PROC: i64 = 0x9fa0;

/// A name in a directory.
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) name: OsString,
}

impl Place {
    /// Opens the directory of a path, and refuses links that another user can have planted on the way.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut left = components(path);
        let name = match left.pop_back() {
            Some(name) if name != ".." && !bytes.ends_with(b"/") => name,
            _ => return Err(io::ErrorKind::IsADirectory.into()),
        };
        let mut dir = start(path)?;
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = openat(&dir, &part, flags, Mode::empty())?;
            let found = fstat(&next)?;
            if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
                dir = next;
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(Errno::LOOP.into());
            }
            if fstatfs(&next)?.f_type as i64 == PROC {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                dir = openat(&dir, &part, flags, Mode::empty())?;
                continue;
            }
            check_link(&fstat(&dir)?, &found, &part)?;
            let target = readlinkat(&dir, &part, Vec::new())?;
            let target = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
            if target.is_absolute() {
                dir = start(&target)?;
            }
            let mut inside = components(&target);
            inside.append(&mut left);
            left = inside;
        }
        Ok(Self { dir, name })
    }

    /// Refuses a file of another user where others can write.
    pub(super) fn check_owner(&self, file: &Stat) -> io::Result<()> {
        let dir = fstat(&self.dir)?;
        let is_ours = file.st_uid == me() || is_device(file) && file.st_uid == 0;
        // Who owns the directory decides about its files anyway, unless it is open to all.
        let is_theirs = dir.st_mode & 0o002 == 0 && file.st_uid == dir.st_uid;
        if is_ours || is_theirs || dir.st_mode & 0o022 == 0 {
            return Ok(());
        }
        Err(refused(
            "it belongs to another user, in a directory that others can write to",
        ))
    }
}

/// Refuses a link that another user can have planted: the kernel's `protected_symlinks`, wherever others
/// can write.
fn check_link(dir: &Stat, link: &Stat, name: &OsStr) -> io::Result<()> {
    let is_trusted = [me(), 0].contains(&link.st_uid);
    let is_of_directory = dir.st_mode & 0o002 == 0 && link.st_uid == dir.st_uid;
    if is_trusted || is_of_directory {
        return Ok(());
    }
    Err(refused(&format!(
        "{} is a symbolic link of another user",
        Path::new(name).display()
    )))
}

fn is_device(file: &Stat) -> bool {
    FileType::from_raw_mode(file.st_mode) == FileType::CharacterDevice
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Opens the directory that a path begins in.
fn start(path: &Path) -> io::Result<OwnedFd> {
    let at = if path.is_absolute() { "/" } else { "." };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, at, flags, Mode::empty())?)
}

fn components(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

/// Opens this program's own descriptor, if the path names one: `/dev/stdout`, or what a shell makes of
/// `>(COMMAND)`.
#[expect(
    unsafe_code,
    reason = "a descriptor that the user names is only a number"
)]
pub(super) fn own_descriptor(path: &Path) -> io::Result<Option<File>> {
    let number = match path.to_str() {
        Some("/dev/stdout") => Some(1),
        Some("/dev/stderr") => Some(2),
        Some(text) => ["/dev/fd/", "/proc/self/fd/"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix)?.parse::<i32>().ok())
            .filter(|number| *number >= 0),
        None => None,
    };
    let Some(number) = number else {
        return Ok(None);
    };
    // SAFETY: the borrow ends with this statement, which only duplicates the number; one that is not open is
    // an error of the system.
    let own = rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(number) }, 3)?;
    Ok(Some(File::from(own)))
}

/// The error of a refusal.
pub(super) fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
