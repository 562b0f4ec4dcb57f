//! Which threads share their table of fds, and which their directories.
//!
//! Threads of a process usually share both, but `unshare(2)` and `clone(2)` give a thread its own, and processes can
//! share them too. Equal contents do not mean that a table is shared: the next `close` of one thread would then be
//! taken for one of the other. So the kernel is asked (kcmp(2)); only where it refuses, the links are compared.
#![expect(unsafe_code, reason = "kcmp has no safe form in rustix or libc")]

use std::cmp::Ordering;

use super::{link, numbers};
use crate::record::host::Host;

/// Most links of fds that are read to compare tables, where kcmp is refused. The threads after that count as sharing.
const MAX_LINKS: usize = 200_000;

/// What threads can share; the values are those of kcmp.
// linux v6.12 include/uapi/linux/kcmp.h
#[derive(Clone, Copy, Debug)]
enum Kind {
    Files = 2,
    Directories = 3,
}

/// Compares an object of two threads in the kernel's order of objects; `None` if the kernel refuses.
fn kcmp(a: u32, b: u32, kind: Kind) -> Option<Ordering> {
    // SAFETY: kcmp only takes numbers.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, a, b, kind as libc::c_int, 0, 0) };
    match result {
        0 => Some(Ordering::Equal),
        1 => Some(Ordering::Less),
        2 => Some(Ordering::Greater),
        _ => None,
    }
}

/// A thread that was seen, and its name in the snapshot.
#[derive(Clone, Copy, Debug)]
struct Holder {
    /// A living thread, to compare with.
    task: u32,
    /// The thread that has the object in the snapshot.
    owner: u32,
}

/// The different objects of a kind that were seen.
#[derive(Debug)]
struct Objects {
    kind: Kind,
    /// One holder of each, in the kernel's order.
    holders: Vec<Holder>,
}

impl Objects {
    /// Returns the owner of the object that `task` has, which is `thread` if the object was not seen before. `None` if the
    /// kernel does not compare them.
    fn owner(&mut self, task: u32, thread: u32) -> Option<u32> {
        loop {
            let mut refused = None;
            let found = self.holders.binary_search_by(|holder| {
                kcmp(holder.task, task, self.kind).unwrap_or_else(|| {
                    refused = Some(holder.task);
                    Ordering::Equal
                })
            });
            match (found, refused) {
                (Ok(at), None) => return self.holders.get(at).map(|holder| holder.owner),
                (Err(at), _) => {
                    kcmp(task, task, self.kind)?;
                    let holder = Holder {
                        task,
                        owner: thread,
                    };
                    self.holders.insert(at, holder);
                    return Some(thread);
                }
                (Ok(at), Some(holder)) => {
                    // One of the two has ended: the search goes on without the holder.
                    kcmp(task, task, self.kind)?;
                    if kcmp(holder, holder, self.kind).is_some() {
                        return None;
                    }
                    self.holders.remove(at);
                }
            }
        }
    }
}

/// The owners, in the snapshot, of what a thread has. An owner is the thread itself, or an earlier one that shares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    pub(super) files: u32,
    pub(super) directories: u32,
}

impl Owners {
    /// The owners for a thread that shares nothing.
    pub(super) fn own(thread: u32) -> Self {
        Self {
            files: thread,
            directories: thread,
        }
    }
}

/// The tables of fds and the directories that were seen.
#[derive(Debug)]
pub(super) struct Sharing {
    /// Absent if the numbers in procfs are not those that system calls of this process take.
    objects: Option<[Objects; 2]>,
    links: usize,
}

impl Sharing {
    pub(super) fn new(host: &Host) -> Self {
        let objects = |kind| Objects {
            kind,
            holders: Vec::new(),
        };
        Self {
            objects: host
                .has_own_ids()
                .then(|| [objects(Kind::Files), objects(Kind::Directories)]),
            links: MAX_LINKS,
        }
    }

    /// Returns the owners for a process: `pid` is its main thread's number, `living` that of one of its threads that has
    /// not ended.
    pub(super) fn process(&mut self, living: u32, pid: u32) -> Owners {
        let mut owner = |which: usize| {
            let objects = &mut self.objects.as_mut()?[which];
            objects.owner(living, pid)
        };
        Owners {
            files: owner(0).unwrap_or(pid),
            directories: owner(1).unwrap_or(pid),
        }
    }

    /// Returns the owners for a thread of a process whose owners are `process`. `tasks` is the process's directory of
    /// threads, `living` as above.
    pub(super) fn thread(
        &mut self,
        tasks: &str,
        living: u32,
        process: Owners,
        thread: u32,
    ) -> Owners {
        let mut owner = |which: usize, of_process: u32| {
            let objects = &mut self.objects.as_mut()?[which];
            match kcmp(living, thread, objects.kind)? {
                Ordering::Equal => Some(of_process),
                _ => objects.owner(thread, thread),
            }
        };
        let (files, directories) = (owner(0, process.files), owner(1, process.directories));
        let (a, b) = (format!("{tasks}/{living}"), format!("{tasks}/{thread}"));
        Owners {
            files: files.unwrap_or_else(|| match self.equal_fds(&a, &b) {
                true => process.files,
                false => thread,
            }),
            directories: directories.unwrap_or_else(|| match equal_directories(&a, &b) {
                true => process.directories,
                false => thread,
            }),
        }
    }

    /// Whether the fds of two threads have the same numbers and links.
    fn equal_fds(&mut self, a: &str, b: &str) -> bool {
        if a == b || self.links == 0 {
            return true;
        }
        let fds = numbers(format!("{a}/fd"));
        if numbers(format!("{b}/fd")) != fds {
            return false;
        }
        self.links = self.links.saturating_sub(fds.len());
        fds.iter()
            .all(|fd| link(&format!("{a}/fd/{fd}")) == link(&format!("{b}/fd/{fd}")))
    }
}

fn equal_directories(a: &str, b: &str) -> bool {
    a == b
        || ["cwd", "root"]
            .iter()
            .all(|name| link(&format!("{a}/{name}")) == link(&format!("{b}/{name}")))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, sync::mpsc, thread};

    use super::*;

    fn unshare(flags: libc::c_int) -> u32 {
        // SAFETY: the thread that calls this uses no file of others afterwards.
        unsafe {
            assert_eq!(libc::unshare(flags), 0);
            libc::gettid().cast_unsigned()
        }
    }

    /// Starts a thread that changes what it shares, and lives as long as the sender it returns.
    fn start(change: impl FnOnce() -> u32 + Send + 'static) -> (u32, mpsc::Sender<()>) {
        let (send, id) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            send.send(change()).unwrap();
            // Ends when the sender is dropped.
            assert!(ended.recv().is_err());
        });
        (id.recv().unwrap(), end)
    }

    #[test]
    fn what_is_equal_is_told_from_what_is_shared() {
        let own = std::process::id();
        let tasks = format!("/proc/{own}/task");
        // Threads of other tests open and close files: these are started by one that has its own, and that waits.
        let (send, ids) = mpsc::channel();
        let (living, _end) = start(move || {
            let living = unshare(libc::CLONE_FILES | libc::CLONE_FS);
            let shares = start(|| unshare(0));
            let equal = start(|| unshare(libc::CLONE_FILES | libc::CLONE_FS));
            let files = start(|| {
                let id = unshare(libc::CLONE_FILES);
                std::mem::forget(File::open("/etc/passwd").unwrap());
                id
            });
            let directory = start(|| {
                let id = unshare(libc::CLONE_FS);
                // Of this thread only, since nothing is shared.
                std::env::set_current_dir("/").unwrap();
                id
            });
            send.send([shares, equal, files, directory]).unwrap();
            living
        });
        let [shares, equal, files, directory] = ids.recv().unwrap();
        let mut asked = Sharing::new(&Host::new("/".as_ref()));
        let mut compared = Sharing {
            objects: None,
            links: MAX_LINKS,
        };
        let process = asked.process(living, own);
        assert_eq!(process, Owners::own(own));
        assert_eq!(compared.process(living, own), process);
        let mut both = |thread| {
            [&mut asked, &mut compared].map(|sharing| {
                let owners = sharing.thread(&tasks, living, process, thread);
                (owners.files == own, owners.directories == own)
            })
        };
        assert_eq!(both(shares.0), [(true, true), (true, true)]);
        assert_eq!(both(equal.0), [(false, false), (true, true)]);
        assert_eq!(both(files.0), [(false, true), (false, true)]);
        assert_eq!(both(directory.0), [(true, false), (true, false)]);
    }

    #[test]
    fn a_holder_that_ended_is_forgotten() {
        let own = std::process::id();
        let mut children: Vec<_> = (0..8)
            .map(|_| {
                let mut sleep = std::process::Command::new("sleep");
                sleep.arg("60").spawn().unwrap()
            })
            .collect();
        let mut sharing = Sharing::new(&Host::new("/".as_ref()));
        for child in &children {
            let id = child.id();
            assert_eq!(sharing.process(id, id), Owners::own(id));
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(sharing.process(own, own), Owners::own(own));
        // It is found again.
        assert_eq!(sharing.process(own, own + 1), Owners::own(own));
    }
}
