//! The files that scap makes: private, new, and where the user said.
//!
//! Every file of the program is made here (`tests/layers` checks it), so that each has the same promises,
//! also where other users can write to the directory:
//!
//! * Nobody else can read it: its mode is 0600 (0700 for directories) whatever the umask.
//! * It is a new file. An existing one is replaced, not overwritten: its other hard links keep their content,
//!   and a program that has it open keeps what it had.
//! * Nothing is written through a symbolic link at the file's name, or through a link of another user in a
//!   directory that others can write to.
//! * A file of another user in a directory that others can write to is not replaced.
//! * It is locked while it is open, and a locked file is not replaced: two recorders cannot share one file.
//!
//! Devices and pipes are opened as they are. [`create`] is for output that grows, and that readers may follow
//! while it does; [`write`] is for content that is complete; [`create_new`] is for a file that must not exist.

mod pipe;
mod place;
mod watched;

use std::{
    ffi::OsString,
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{
    Access, AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, accessat, fchmod,
    fcntl_getfl, fcntl_setfl, flock, fstat, mkdirat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

pub use pipe::PatientWriter;
use place::{Place, refused};
pub use watched::{Change, WatchedFile};

/// How often the file at a name may change while it is looked at.
const ATTEMPTS: usize = 16;
/// How long the reader of a named pipe is waited for.
const READER: Duration = Duration::from_secs(5);

/// Makes a file for output that grows; it has its name from the beginning.
///
/// An existing file is replaced. A device or a pipe is opened; `/dev/stdout` and `/dev/fd/N` are this
/// program's own descriptors.
///
/// # Errors
///
/// Those of the system, and a refusal to break a promise of this module, with the reason as its text.
pub fn create(path: &Path) -> io::Result<File> {
    create_with(path, &[])
}

/// The same with a beginning: no reader finds the file without it, and if it cannot be written, an existing
/// file stays.
///
/// # Errors
///
/// As [`create`].
pub fn create_with(path: &Path, beginning: &[u8]) -> io::Result<File> {
    make(path, |file| file.write_all(beginning))
}

/// Writes a whole file: readers find the old content or the new one, never a part.
///
/// # Errors
///
/// As [`create`].
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let fill = |file: &mut File| {
        file.write_all(content)?;
        match file.sync_all() {
            // A pipe or a device.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    };
    make(path, fill).map(drop)
}

/// Makes a file, fills it, and only then gives it the name.
fn make(path: &Path, fill: impl Fn(&mut File) -> io::Result<()>) -> io::Result<File> {
    if let Some(mut own) = place::own_descriptor(path)? {
        fill(&mut own)?;
        return Ok(own);
    }
    let place = Place::of(path)?;
    for _ in 0..ATTEMPTS {
        let old = match place.existing()? {
            Existing::Stream(mut stream) => {
                fill(&mut stream)?;
                return Ok(stream);
            }
            Existing::File(old) => Some(old),
            Existing::Nothing => None,
        };
        let is_new = old.is_none();
        match place.put(old, &fill) {
            // Somebody else was quicker.
            Err(error) if is_new && error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Checks what can be checked of a file that is to be made later, by [`write`]: that its directory exists and can be
/// written to, and that what is at the name can be replaced. Opens no pipe, whose reader may come later.
///
/// # Errors
///
/// As [`create`].
pub fn check(path: &Path) -> io::Result<()> {
    if place::own_descriptor(path)?.is_some() {
        return Ok(());
    }
    let place = Place::of(path)?;
    match place.found()? {
        None => {
            let access = Access::WRITE_OK | Access::EXEC_OK;
            accessat(&place.dir, ".", access, AtFlags::EACCESS)?;
        }
        Some(found) if is_regular(&found) => drop(place.existing()?),
        Some(_) => accessat(&place.dir, &place.name, Access::WRITE_OK, AtFlags::EACCESS)?,
    }
    Ok(())
}

/// Whether two paths are the same name in the same directory, however they are written.
pub fn is_same_name(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (Place::of(a), Place::of(b)) else {
        return false;
    };
    let id = |place: &Place| fstat(&place.dir).map(|dir| (dir.st_dev, dir.st_ino));
    a.name == b.name && matches!((id(&a), id(&b)), (Ok(a), Ok(b)) if a == b)
}

fn is_regular(file: &Stat) -> bool {
    FileType::from_raw_mode(file.st_mode) == FileType::RegularFile
}

/// Makes a file that must not exist.
///
/// # Errors
///
/// As [`create`]; [`io::ErrorKind::AlreadyExists`] if there is anything at the name.
pub fn create_new(path: &Path) -> io::Result<File> {
    let place = Place::of(path)?;
    place.create(&place.name)
}

/// Makes a file in a directory under a name that is free: `name`, or `name` with a number at its end.
///
/// # Errors
///
/// As [`create_new`].
pub fn create_unique(dir: &Path, name: &std::ffi::OsStr) -> io::Result<(File, PathBuf)> {
    for number in 1..10_000 {
        let mut name = name.to_owned();
        if number > 1 {
            name.push(format!(".{number}"));
        }
        let path = dir.join(name);
        match create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return Ok((created?, path)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Opens a file to append to; makes it if there is none. An existing one has to be a regular file without other
/// names.
///
/// # Errors
///
/// As [`create`].
pub fn append(path: &Path) -> io::Result<File> {
    match change(path)? {
        Some(file) => Ok(file),
        None => create_new(path),
    }
}

/// Opens an existing file to change it in place; `None` if there is none.
///
/// # Errors
///
/// As [`append`].
pub fn change(path: &Path) -> io::Result<Option<File>> {
    match Place::of(path)?.existing()? {
        Existing::Nothing => Ok(None),
        Existing::File(file) if fstat(&file)?.st_nlink == 1 => Ok(Some(file)),
        Existing::File(_) => Err(refused(
            "it has another name, whose content would change too",
        )),
        Existing::Stream(_) => Err(refused("it is not a regular file")),
    }
}

/// Makes a directory that must not exist.
///
/// # Errors
///
/// As [`create_new`].
pub fn create_dir(path: &Path) -> io::Result<()> {
    let place = Place::of(path)?;
    Ok(mkdirat(&place.dir, &place.name, Mode::RWXU)?)
}

/// Makes a temporary file that has no name: it is gone when the program ends, however that happens.
///
/// # Errors
///
/// Those of the system.
pub fn nameless() -> io::Result<File> {
    tempfile::tempfile()
}

/// Returns the path by which this process can open a file that has no name.
pub fn path_of(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens a file to read it, if it is a regular file: not a link, and not a pipe that blocks.
///
/// # Errors
///
/// As [`create`].
pub fn open(path: &Path) -> io::Result<File> {
    let place = Place::of(path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&place.dir, &place.name, flags, Mode::empty());
    let file = File::from(file.map_err(|errno| match errno {
        Errno::LOOP => refused("it is a symbolic link"),
        other => other.into(),
    })?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(refused("it is not a regular file")),
    }
}

/// Whether a file could not be written because a limit of space was reached: the disk's, a quota's, or that of
/// the size of files.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge
    )
}

/// Reads at most `limit` bytes of a regular file, through links. Whatever has been put in its place, this does not
/// block.
///
/// # Errors
///
/// Those of the system; [`io::ErrorKind::InvalidInput`] if it is not a regular file.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// Opens a regular file to read it, through links.
///
/// # Errors
///
/// As [`read_regular`].
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// What is at a name.
enum Existing {
    Nothing,
    /// A regular file that may be replaced, locked.
    File(File),
    /// A device or a pipe.
    Stream(File),
}

impl Place {
    /// Makes a file that must not exist, and locks it.
    fn create(&self, name: &std::ffi::OsStr) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, name, flags, private())?;
        // The umask may have taken even the owner's permissions.
        fchmod(&file, private())?;
        let file = File::from(file);
        lock(&file)?;
        Ok(file)
    }

    /// Looks at what is there, and refuses what must not be written to.
    fn found(&self) -> io::Result<Option<Stat>> {
        let found = match statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            found => found?,
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile | FileType::Fifo | FileType::CharacterDevice => {}
            FileType::Directory => return Err(io::ErrorKind::IsADirectory.into()),
            FileType::Symlink => {
                return Err(refused(
                    "it is a symbolic link; name the file that it points to",
                ));
            }
            FileType::Socket => return Err(refused("it is a socket")),
            FileType::BlockDevice => return Err(refused("it is a block device")),
            FileType::Unknown => return Err(refused("it is not a regular file")),
        }
        self.check_owner(&found)?;
        Ok(Some(found))
    }

    /// Opens what is there.
    fn existing(&self) -> io::Result<Existing> {
        let Some(found) = self.found()? else {
            return Ok(Existing::Nothing);
        };
        if !is_regular(&found) {
            return self.stream(&found).map(Existing::Stream);
        }
        // Replacing needs no permission on the file; but a file that is protected from writing is meant to stay.
        accessat(&self.dir, &self.name, Access::WRITE_OK, AtFlags::EACCESS)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let old = match openat(&self.dir, &self.name, flags, Mode::empty()) {
            // It is another one now.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(Existing::Nothing),
            old => File::from(old?),
        };
        lock(&old)?;
        // The one who held the lock before may have replaced it.
        let now = fstat(&old)?;
        let is_same = (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino);
        Ok(match is_same && self.is_at_name(&old) {
            true => Existing::File(old),
            false => Existing::Nothing,
        })
    }

    /// Makes a new file, fills it, and gives it the name, which may be that of `old` and nothing else's.
    fn put(
        &self,
        old: Option<File>,
        fill: impl Fn(&mut File) -> io::Result<()>,
    ) -> io::Result<File> {
        let (mut new, name) = match self.temporary() {
            Ok(made) => made,
            // Also a disk without room for another file is an error here; the old one would be lost.
            Err(error) if is_forbidden(&error) => return Self::overwrite(old, error, fill),
            Err(error) => return Err(error),
        };
        let flags = match old {
            Some(_) => RenameFlags::empty(),
            None => RenameFlags::NOREPLACE,
        };
        let placed = fill(&mut new).and_then(|()| {
            Ok(renameat_with(
                &self.dir, &name, &self.dir, &self.name, flags,
            )?)
        });
        let Err(error) = placed else {
            return Ok(new);
        };
        // If it stays, it is an empty or private file that nothing depends on.
        let _stays = unlinkat(&self.dir, &name, AtFlags::empty());
        match (old, error.raw_os_error().map(Errno::from_raw_os_error)) {
            // It is a mount point.
            (old @ Some(_), Some(Errno::BUSY)) => Self::overwrite(old, error, fill),
            // The file system cannot do that.
            (None, Some(Errno::INVAL | Errno::NOSYS)) => {
                let mut new = self.create(&self.name)?;
                fill(&mut new)?;
                Ok(new)
            }
            _ => Err(error),
        }
    }

    /// Writes into the existing file, where the directory permits no other one: a file that was mounted
    /// there, or made for this user. Other names of the file would change too, so it must have none.
    fn overwrite(
        old: Option<File>,
        error: io::Error,
        fill: impl Fn(&mut File) -> io::Result<()>,
    ) -> io::Result<File> {
        let Some(mut old) = old else {
            return Err(error);
        };
        let found = fstat(&old)?;
        if found.st_uid != rustix::process::geteuid().as_raw() || found.st_nlink != 1 {
            return Err(error);
        }
        fchmod(&old, private())?;
        old.set_len(0)?;
        fill(&mut old)?;
        Ok(old)
    }

    fn temporary(&self) -> io::Result<(File, OsString)> {
        for _ in 0..ATTEMPTS {
            // Nobody can have taken a name that cannot be guessed.
            let random = RandomState::new().hash_one(std::process::id());
            let name = OsString::from(format!(".scap-{random:016x}.part"));
            match self.create(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return Ok((created?, name)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Opens a device or a pipe.
    fn stream(&self, found: &Stat) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let begin = Instant::now();
        let file = loop {
            // Opening a pipe waits for its reader, which may never come.
            match openat(
                &self.dir,
                &self.name,
                flags | OFlags::NONBLOCK,
                Mode::empty(),
            ) {
                Err(Errno::NXIO) if begin.elapsed() < READER => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(Errno::NXIO) => return Err(refused("nobody reads from this pipe")),
                file => break file?,
            }
        };
        let now = fstat(&file)?;
        if (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        Ok(File::from(file))
    }

    /// Whether the file still has this name.
    fn is_at_name(&self, file: &File) -> bool {
        let at_name = statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        matches!((fstat(file), at_name), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }
}

/// Whether a directory takes no new files, by its permissions or those of its file system.
fn is_forbidden(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem
    )
}

/// Locks a file for as long as it is open.
fn lock(file: &File) -> io::Result<()> {
    match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(refused(
            "another program is writing to it, such as a running recording",
        )),
        // Some network file systems have no locks.
        Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// The mode of files.
fn private() -> Mode {
    Mode::RUSR | Mode::WUSR
}

/// Returns a name that other programs cannot take for an option: `./-x` for `-x`.
pub fn as_argument(path: &Path) -> PathBuf {
    match path.as_os_str().as_bytes().starts_with(b"-") {
        true => Path::new(".").join(path),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
