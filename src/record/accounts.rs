//! The machine's users and groups: those at the start, and what changes while it is recorded.
//!
//! They are read from `/etc/passwd` and `/etc/group`. Tools replace these files by renaming a new one, and the event of
//! that call says so at once; other changes are found by looking at the files' attributes from time to time.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, StatxFlags};
use scap_capture_format::{
    event::{Params, Timestamp},
    schema::{EventType, types},
};

use super::{encode::Out, host::Host};
use crate::event::{Event, EventExt as _};
use crate::files;

/// Most bytes read of a file; what follows is ignored. Thousands of users have less than one megabyte.
const MAX_BYTES: u64 = 4 << 20;

/// A user, or a group, which has only a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// The name.
    pub(super) name: Vec<u8>,
    /// Primary group.
    pub(super) gid: u32,
    /// Home directory.
    pub(super) home: Vec<u8>,
    /// Login shell.
    pub(super) shell: Vec<u8>,
}

/// Users or groups by id.
pub(super) type Accounts = BTreeMap<u32, Account>;

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// `/etc/passwd`.
    Users,
    /// `/etc/group`.
    Groups,
}

impl Database {
    fn path(self, host: &Host) -> PathBuf {
        host.path(match self {
            Self::Users => "/etc/passwd",
            Self::Groups => "/etc/group",
        })
    }

    /// Reads the file of a machine.
    ///
    /// # Errors
    ///
    /// If it is not a regular file or cannot be read. A missing file is an empty one.
    pub(super) fn read(self, host: &Host) -> io::Result<Accounts> {
        self.read_from(&self.path(host))
    }

    fn read_from(self, path: &Path) -> io::Result<Accounts> {
        let text = match contents(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        Ok(self.parse(&text))
    }

    /// Parses the file.
    pub(super) fn parse(self, text: &[u8]) -> Accounts {
        let mut accounts = Accounts::new();
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((id, account)) = self.account(line) {
                // As for getpwuid(3), the first name of an id counts: another `root` does not rename uid 0.
                accounts.entry(id).or_insert(account);
            }
        }
        accounts
    }

    fn account(self, line: &[u8]) -> Option<(u32, Account)> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.trim().parse().ok();
        match (self, fields.as_slice()) {
            (Self::Users, [name, _, uid, gid, _, home, shell, ..]) => {
                let account = Account {
                    name: name.to_vec(),
                    gid: number(gid)?,
                    home: home.to_vec(),
                    shell: shell.to_vec(),
                };
                Some((number(uid)?, account))
            }
            (Self::Groups, [name, _, gid, ..]) => {
                let account = Account {
                    name: name.to_vec(),
                    ..Account::default()
                };
                Some((number(gid)?, account))
            }
            _ => None,
        }
    }
}

/// Reads the whole lines of a regular file. Whatever has been put in its place, this does not block.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = files::read_regular(path, MAX_BYTES)?;
    if text.len() as u64 == MAX_BYTES {
        let end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        text.truncate(end);
    }
    Ok(text)
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: (u32, u32),
    inode: u64,
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // Attributes that the machine has are good enough, and do not wait for a server.
        let flags = AtFlags::STATX_DONT_SYNC;
        let file = rustix::fs::statx(CWD, path, flags, StatxFlags::BASIC_STATS).ok()?;
        Some(Self {
            device: (file.stx_dev_major, file.stx_dev_minor),
            inode: file.stx_ino,
            size: file.stx_size,
            modified: (file.stx_mtime.tv_sec, file.stx_mtime.tv_nsec),
            changed: (file.stx_ctime.tv_sec, file.stx_ctime.tv_nsec),
        })
    }
}

impl Stamp {
    /// Whether the file was changed, or put in its place, after a time of the wall clock. The kernel's times of files are
    /// up to some milliseconds too early.
    fn changed_after(&self, time: Timestamp) -> bool {
        let (seconds, part) = self.changed;
        let changed = u64::try_from(seconds)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000);
        changed.saturating_add(part.into()) > time.0
    }
}

/// A file that is watched.
#[derive(Debug)]
struct Watched {
    database: Database,
    path: PathBuf,
    /// Its contents when it was last read.
    known: Accounts,
    /// `None`: it could not be accessed at the last look.
    stamp: Option<Stamp>,
    /// It had changed at the last look, and is read when it no longer does.
    is_changing: bool,
}

impl Watched {
    fn new(database: Database, host: &Host) -> Self {
        let path = database.path(host);
        Self {
            stamp: Stamp::of(&path),
            known: database.read_from(&path).unwrap_or_default(),
            // A change in the same tick of the clock leaves no trace.
            is_changing: true,
            database,
            path,
        }
    }

    /// Returns the contents if they are to be compared with the known ones.
    fn look(&mut self, replaced: Option<Timestamp>) -> Option<Found> {
        let stamp = Stamp::of(&self.path);
        if let (Some(replaced), Some(found)) = (replaced, &stamp)
            && found.changed_after(replaced)
        {
            // It has changed again since then. What it was in between is not known; what it is now is seen later.
            let has_changed = stamp != self.stamp;
            return has_changed
                .then(|| self.database.read_from(&self.path).ok().map(Found::Later))?;
        }
        let is_replaced = replaced.is_some();
        let has_changed = stamp != self.stamp;
        self.stamp = stamp;
        let was_changing = std::mem::replace(&mut self.is_changing, has_changed);
        // Half of a file that is being written is not what anybody is called.
        if (has_changed && !is_replaced) || (!has_changed && !was_changing) {
            return None;
        }
        self.database.read_from(&self.path).ok().map(Found::Now)
    }
}

/// What a look at a file finds.
enum Found {
    /// Its contents.
    Now(Accounts),
    /// Its contents at a later time than that of the event for which it was looked at.
    Later(Accounts),
}

/// Watches users and groups, and makes an event of each change.
pub(super) struct AccountWatch {
    files: [Watched; 2],
    out: Out,
}

impl AccountWatch {
    /// Begins with the current users and groups.
    pub(super) fn new(host: &Host) -> Self {
        Self {
            files: [Database::Users, Database::Groups].map(|database| Watched::new(database, host)),
            out: Out::new(),
        }
    }

    /// Whether an event is a call that may have put another file in the place of one that is watched.
    pub(super) fn may_replace(event: &Event<'_>) -> bool {
        let target = match event.ty {
            types::SYSCALL_RENAME_X => 2,
            types::SYSCALL_RENAMEAT_X | types::SYSCALL_RENAMEAT2_X => 4,
            _ => return false,
        };
        let path = event.text(target).unwrap_or_default();
        let name = path.rsplit(|byte| *byte == b'/').next();
        matches!(name, Some(b"passwd" | b"group")) && event.result() == Some(0)
    }

    /// Looks for changes and calls `see` with an event for each. `replaced`: when a file may have been replaced by a
    /// complete one, see [`Self::may_replace`]; otherwise a change counts once it is over.
    pub(super) fn look(
        &mut self,
        replaced: Option<Timestamp>,
        mut see: impl FnMut(EventType, Params<'_>),
    ) {
        for file in &mut self.files {
            let (now, is_later) = match file.look(replaced) {
                Some(Found::Now(now)) => (now, false),
                Some(Found::Later(now)) => (now, true),
                None => continue,
            };
            let (added, deleted) = match file.database {
                Database::Users => (types::USER_ADDED_E, types::USER_DELETED_E),
                Database::Groups => (types::GROUP_ADDED_E, types::GROUP_DELETED_E),
            };
            // Whoever has changed meanwhile has a name that is not known.
            let is_gone = |(id, account): &(&u32, &Account)| match now.get(id) {
                None => true,
                Some(now) => is_later && now != *account,
            };
            let is_new =
                |(id, account): &(&u32, &Account)| !is_later && file.known.get(id) != Some(account);
            let gone = file.known.iter().filter(is_gone);
            let new = now.iter().filter(is_new);
            let changes = gone
                .map(|change| (deleted, change))
                .chain(new.map(|change| (added, change)));
            for (ty, (id, account)) in changes {
                params(file.database, *id, account, &mut self.out);
                if let Some(params) = Params::new(&self.out.lens, &self.out.data) {
                    see(ty, params);
                }
            }
            if is_later {
                file.known
                    .retain(|id, account| now.get(id) == Some(account));
            } else {
                file.known = now;
            }
        }
    }
}

/// The parameters of the events about a user or a group. An empty container is the host.
fn params(database: Database, id: u32, account: &Account, out: &mut Out) {
    out.clear();
    out.u32(id);
    if database == Database::Users {
        out.u32(account.gid);
    }
    out.str(&account.name);
    if database == Database::Users {
        out.str(&account.home);
        out.str(&account.shell);
    }
    out.str(b"");
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event::synthetic_event;

    const ROOT: &str = "root:x:0:0:root:/root:/bin/sh\n";

    /// A machine in a directory.
    struct Machine {
        root: tempfile::TempDir,
        host: Host,
    }

    impl Machine {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("etc")).unwrap();
            let host = Host::new(root.path());
            let machine = Self { root, host };
            machine.write("passwd", ROOT);
            machine.write("group", "root:x:0:\n");
            machine
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join("etc").join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        /// Replaces a file as useradd and usermod do.
        fn replace(&self, name: &str, text: &str) {
            self.write("new", text);
            fs::rename(self.path("new"), self.path(name)).unwrap();
        }
    }

    fn look(watch: &mut AccountWatch, is_replaced: bool) -> Vec<String> {
        look_at(watch, is_replaced.then_some(Timestamp(u64::MAX)))
    }

    fn look_at(watch: &mut AccountWatch, replaced: Option<Timestamp>) -> Vec<String> {
        let mut seen = Vec::new();
        watch.look(replaced, |ty, params| {
            let event = synthetic_event(Timestamp(0), ty, params);
            let name = event.info().unwrap().name;
            let id = event.uint(0).unwrap();
            let text = match name {
                "useradded" | "userdeleted" => 2,
                _ => 1,
            };
            let text = String::from_utf8_lossy(event.text(text).unwrap()).into_owned();
            seen.push(format!("{name} {id} {text}"));
        });
        seen
    }

    #[test]
    fn changes_are_events() {
        let machine = Machine::new();
        let mut watch = AccountWatch::new(&machine.host);
        assert_eq!(look(&mut watch, false), [""; 0]);
        machine.replace(
            "passwd",
            &format!("{ROOT}eve:x:1001:1001::/home/eve:/bin/sh\n"),
        );
        machine.replace("group", "root:x:0:\neve:x:1001:\n");
        let added = ["useradded 1001 eve", "groupadded 1001 eve"];
        assert_eq!(look(&mut watch, true), added);
        // It is read once more when it is quiet, without a change.
        assert_eq!(look(&mut watch, false), [""; 0]);
        machine.replace(
            "passwd",
            &format!("{ROOT}mallory:x:1001:1001::/home/eve:/bin/sh\n"),
        );
        assert_eq!(look(&mut watch, true), ["useradded 1001 mallory"]);
        machine.replace("passwd", ROOT);
        machine.replace("group", "root:x:0:\n");
        let deleted = ["userdeleted 1001 mallory", "groupdeleted 1001 eve"];
        assert_eq!(look(&mut watch, true), deleted);
    }

    #[test]
    fn a_file_that_is_being_written_is_read_when_it_is_complete() {
        let machine = Machine::new();
        let mut watch = AccountWatch::new(&machine.host);
        assert_eq!(look(&mut watch, false), [""; 0]);
        machine.write("passwd", "");
        assert_eq!(look(&mut watch, false), [""; 0]);
        machine.write("passwd", &format!("{ROOT}eve:x:10"));
        assert_eq!(look(&mut watch, false), [""; 0]);
        machine.write("passwd", &format!("{ROOT}eve:x:1001:1001::/:/bin/sh\n"));
        assert_eq!(look(&mut watch, false), [""; 0]);
        assert_eq!(look(&mut watch, false), ["useradded 1001 eve"]);
        assert_eq!(look(&mut watch, false), [""; 0]);
    }

    #[test]
    fn a_file_is_not_taken_for_one_that_it_has_replaced() {
        let machine = Machine::new();
        let mut watch = AccountWatch::new(&machine.host);
        assert_eq!(look(&mut watch, false), [""; 0]);
        let eve = format!("{ROOT}eve:x:1001:1001::/:/bin/sh\n");
        machine.replace("passwd", &eve);
        // The event of an earlier replacement is only seen now.
        assert_eq!(look_at(&mut watch, Some(Timestamp(1))), [""; 0]);
        assert_eq!(look(&mut watch, true), ["useradded 1001 eve"]);
        // Whoever has another name by then has none that is known.
        machine.replace("passwd", &format!("{ROOT}mallory:x:1001:1001::/:/bin/sh\n"));
        let deleted = ["userdeleted 1001 eve"];
        assert_eq!(look_at(&mut watch, Some(Timestamp(1))), deleted);
        assert_eq!(look_at(&mut watch, Some(Timestamp(2))), [""; 0]);
        assert_eq!(look(&mut watch, true), ["useradded 1001 mallory"]);
        machine.replace("passwd", &eve);
        assert_eq!(look(&mut watch, true), ["useradded 1001 eve"]);
        // Or the event of this one is lost.
        machine.replace("passwd", &format!("{eve}adam:x:1002:1001::/:/bin/sh\n"));
        assert_eq!(look_at(&mut watch, Some(Timestamp(1))), [""; 0]);
        assert_eq!(look(&mut watch, false), [""; 0]);
        assert_eq!(look(&mut watch, false), ["useradded 1002 adam"]);
    }

    #[test]
    fn another_name_of_an_id_does_not_count() {
        let machine = Machine::new();
        let mut watch = AccountWatch::new(&machine.host);
        machine.replace("passwd", &format!("{ROOT}toor:x:0:0::/:/bin/sh\n"));
        assert_eq!(look(&mut watch, true), [""; 0]);
        let users = Database::Users.read(&machine.host).unwrap();
        assert_eq!(users[&0].name, b"root");
    }

    #[test]
    fn lines_that_are_none_are_skipped() {
        let machine = Machine::new();
        let mut watch = AccountWatch::new(&machine.host);
        let odd = "\n:\n# a comment\n+::::::\nx:x:-1:0::/:/\ny:x:4294967296:0::/:/\nz:x:7:7:\n";
        machine.replace("passwd", &format!("{odd}{ROOT}a\x1b[2J:x:5:5::/:/bin/sh\n"));
        assert_eq!(look(&mut watch, true), ["useradded 5 a\x1b[2J"]);
    }

    #[test]
    fn a_missing_file_has_nobody_and_what_is_no_file_tells_nothing() {
        let machine = Machine::new();
        let mut watch = AccountWatch::new(&machine.host);
        let passwd = machine.path("passwd");
        fs::remove_file(&passwd).unwrap();
        assert_eq!(look(&mut watch, false), [""; 0]);
        assert_eq!(look(&mut watch, false), ["userdeleted 0 root"]);
        rustix::fs::mkfifoat(CWD, &passwd, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(look(&mut watch, true), [""; 0]);
        fs::remove_file(&passwd).unwrap();
        fs::create_dir(&passwd).unwrap();
        assert_eq!(look(&mut watch, true), [""; 0]);
    }

    #[test]
    fn renames_into_place_are_recognized() {
        let rename = |result: i64, path: &[u8]| {
            let result = result.to_le_bytes();
            let parts: [&[u8]; 3] = [&result, b"/etc/passwd+\0", path];
            let lens = parts.map(|part| part.len() as u32);
            let data = parts.concat();
            let params = Params::new(&lens, &data).unwrap();
            AccountWatch::may_replace(&synthetic_event(
                Timestamp(0),
                types::SYSCALL_RENAME_X,
                params,
            ))
        };
        assert!(rename(0, b"/etc/passwd\0"));
        assert!(rename(0, b"group\0"));
        assert!(!rename(-2, b"/etc/passwd\0"));
        assert!(!rename(0, b"/etc/passwd-\0"));
        assert!(!rename(0, b"/etc/passwd/x\0"));
    }
}
