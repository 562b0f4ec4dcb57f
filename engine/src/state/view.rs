//! The state around one event.

use scap_capture_format::schema::{Arch, EventType, EventTypeFlags, SourceCategory, types};

use super::apply::files;
use super::{Ancestor, ContainerInfo, FdInfo, Mounts, State, Thread, User, paths};
use crate::event::{Event, EventExt as _, FdLabel, Names, PairedEvent, Tid, fds, syscall};

/// Most ancestors followed; a hostile capture can have parents in a cycle.
const MAX_ANCESTORS: usize = 512;

/// Whether events of a type have an fd.
pub fn has_fd(ty: EventType) -> bool {
    let about = EventTypeFlags::CREATES_FD | EventTypeFlags::USES_FD | EventTypeFlags::DESTROYS_FD;
    ty.info().is_some_and(|i| i.flags.intersects(about))
}

/// The state as seen by the thread of one event.
#[derive(Clone, Copy, Debug)]
pub struct View<'s> {
    state: &'s State,
    paired: PairedEvent<'s>,
    /// No call is looked at: fds are what they are now, not what they were when it entered.
    is_between: bool,
}

impl<'s> View<'s> {
    pub(super) fn new(state: &'s State, paired: PairedEvent<'s>) -> Self {
        Self {
            state,
            paired,
            is_between: false,
        }
    }

    /// Makes a view for an event that stands for no call.
    pub(super) fn between(state: &'s State, paired: PairedEvent<'s>) -> Self {
        Self {
            is_between: true,
            ..Self::new(state, paired)
        }
    }

    /// Returns the whole state.
    pub fn state(&self) -> &'s State {
        self.state
    }

    /// Returns the event in the newest schema, with the parameters of its enter event.
    pub fn full(&self) -> &'s Event<'s> {
        self.paired.full
    }

    /// Whether an id of a thread in the event's parameters is from a pid namespace other than the initial one, whose
    /// ids identify all threads. Ids that the program passed or received are; ids that the probe read in the kernel are
    /// not.
    fn is_foreign_number(&self, number: i64) -> bool {
        let Some(own) = self.thread() else {
            return false;
        };
        if own.vtid < 0 || own.vtid == own.tid.0 || number == own.tid.0 || number == own.pid.0 {
            return false;
        }
        let event = self.full();
        let is_result = event.result() == Some(number);
        let told_by_kernel = match event.ty {
            types::SYSCALL_EXECVE_19_X | types::SYSCALL_EXECVEAT_X | types::PROCEXIT_1_E => true,
            types::SYSCALL_CLONE_20_X
            | types::SYSCALL_CLONE3_X
            | types::SYSCALL_FORK_20_X
            | types::SYSCALL_VFORK_20_X => !is_result,
            types::SIGNALDELIVER_E => false,
            ty => ty
                .info()
                .is_some_and(|i| !i.source_category.contains(SourceCategory::SYSCALL)),
        };
        !told_by_kernel
    }

    /// Returns the event's thread.
    #[inline]
    pub fn thread(&self) -> Option<&'s Thread> {
        self.state.thread(self.paired.event.tid)
    }

    /// Returns the name of the event's thread.
    pub fn own_comm(&self) -> Option<&'s [u8]> {
        self.thread().and_then(|t| t.comm.as_deref())
    }

    /// Returns the main thread of a thread's process; the thread itself if that is not known.
    pub fn main(&self, thread: &'s Thread) -> Option<&'s Thread> {
        if thread.is_main() || thread.pid.0 < 0 {
            return Some(thread);
        }
        self.state.thread(Tid(thread.pid.0))
    }

    /// Iterates over the event's process and its ancestors, each by its main thread, youngest first.
    pub fn ancestors(&self) -> impl Iterator<Item = &'s Thread> + use<'s> {
        let view = *self;
        let own = view.thread().and_then(|t| view.main(t));
        // Brent's cycle detection: the tortoise is moved to the hare's position after 1, 2, 4… steps; if the hare meets
        // the tortoise, the parents form a cycle.
        let (mut seen, mut tortoise, mut next) = (0_usize, own.map(|t| t.tid), 1);
        std::iter::successors(own, move |thread| {
            let parent = view.parent(thread).and_then(|t| view.main(t))?;
            if Some(parent.tid) == tortoise || seen >= MAX_ANCESTORS {
                return None;
            }
            seen += 1;
            if seen == next {
                (tortoise, next) = (Some(parent.tid), next * 2);
            }
            Some(parent)
        })
    }

    /// Iterates over the event's process and its starters, nearest first, as they were when they started the next one.
    pub fn lineage(&self) -> impl Iterator<Item = Ancestor<'s>> + use<'s> {
        let own = self.thread().and_then(|t| self.main(t));
        own.into_iter().flat_map(Thread::lineage)
    }

    /// Returns the process that started the event's process, as it was then, and the process that
    /// has adopted it since: the parent, if that is another one.
    pub fn starter(&self) -> (Option<Ancestor<'s>>, Option<&'s Thread>) {
        let starter = self.lineage().nth(1);
        let adopter = self
            .thread()
            .and_then(|t| self.state.adopter(self.main(t)?));
        (starter, adopter)
    }

    /// Returns a thread's parent, if it is known.
    pub fn parent(&self, thread: &Thread) -> Option<&'s Thread> {
        self.state.thread(thread.ptid).filter(|_| thread.ptid.0 > 0)
    }

    /// Returns the fd that the event is about: the one it uses, creates or closes.
    pub fn fd_number(&self) -> Option<i64> {
        event_fd(&self.paired, self.state.arch)
    }

    /// Whether the event is about an fd.
    pub fn has_fd(&self) -> bool {
        let ty = self.paired.event.ty;
        match ty.exit() {
            // An anonymous mapping has none.
            types::SYSCALL_MMAP_X | types::SYSCALL_MMAP2_X => {
                event_fd(&self.paired, self.state.arch)
                    .is_some_and(|fd| fd >= 0 && fd != i64::from(u32::MAX))
            }
            types::GENERIC_X => event_fd(&self.paired, self.state.arch).is_some(),
            _ => fds::may_be_used(ty),
        }
    }

    /// Returns the fd that the event is about, if it is known.
    pub fn fd_info(&self) -> Option<&'s FdInfo> {
        // What has no number with a meaning is in no table.
        if !fds::may_be_used(self.paired.event.ty) {
            return None;
        }
        self.fd_of(self.fd_number()?)
    }

    /// Returns an fd of the event's thread.
    pub fn fd_of(&self, fd: i64) -> Option<&'s FdInfo> {
        match self.is_between {
            true => self.open_fd(fd),
            false => self.state.fd(self.paired.event.tid, fd),
        }
    }

    /// Returns what an fd of the event's thread is now, whatever it was when the event's call entered.
    pub fn open_fd(&self, fd: i64) -> Option<&'s FdInfo> {
        self.state.files.get(self.thread()?.files?)?.get(fd)
    }

    /// Whether the event created an fd with this number in its thread: opened, duplicated or received it.
    pub fn has_made_fd(&self, fd: i64) -> bool {
        let moves = EventTypeFlags::READS_FROM_FD | EventTypeFlags::WRITES_TO_FD;
        let full = self.full();
        // An fd that was unknown before becomes known when data is transferred on it.
        let only_used =
            full.info().is_some_and(|i| i.flags.intersects(moves)) && self.fd_number() == Some(fd);
        self.state.made.contains(&fd) && !only_used
    }

    /// Whether the event changed the name of its fd.
    pub fn has_changed_name(&self) -> bool {
        self.state.changed_name
    }

    /// Returns the id of the container of the event's thread; `None` = the host, or not known.
    pub fn container_id(&self) -> Option<&'s [u8]> {
        self.thread()?.container.as_deref()
    }

    /// Returns the description of that container.
    pub fn container(&self) -> Option<&'s ContainerInfo> {
        self.state.container(self.container_id()?)
    }

    /// Returns a user, by an id of the event's thread.
    pub fn user_info(&self, uid: u32) -> Option<&'s User> {
        self.state.user(self.container_id(), uid)
    }

    /// Returns a group, by an id of the event's thread.
    pub fn group_info(&self, gid: u32) -> Option<&'s User> {
        self.state.group(self.container_id(), gid)
    }

    /// Returns the name of a user, by an id of the event's thread.
    pub fn user_name(&self, uid: u32) -> Option<&'s [u8]> {
        named(self.user_info(uid), uid)
    }

    /// Returns the name of a group, by an id of the event's thread.
    pub fn group_name(&self, gid: u32) -> Option<&'s [u8]> {
        named(self.group_info(gid), gid)
    }

    /// Returns the root directory of the thread, as its mount namespace has it.
    pub fn root(&self) -> Option<&'s [u8]> {
        self.state.root(self.thread()?.tid)
    }

    /// Returns the inode number of the thread's mount namespace.
    pub fn mount_ns(&self) -> Option<u32> {
        self.state.mount_ns(self.thread()?.tid)
    }

    /// Returns the inode number of the machine's own mount namespace, which its first process is in.
    pub fn host_mount_ns(&self) -> Option<u32> {
        self.state.host_mount_ns
    }

    /// Returns whose file names the paths of a thread are.
    pub fn mounts(&self, thread: &Thread) -> Mounts {
        self.state.mounts(thread)
    }

    /// Returns the working directory of the event's thread.
    pub fn cwd(&self) -> Option<&'s [u8]> {
        self.state.cwd(self.thread()?.tid)
    }

    /// Appends the absolute form of what a new symbolic link points to: its path is relative to the directory of the link.
    pub fn link_target(&self, dirfd: Option<i64>, link: &[u8], target: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        self.absolute_path(dirfd, link, out);
        paths::follow_link(out, start, target);
    }

    /// Appends the absolute form of a path that the event's thread passed.
    pub fn absolute_path(&self, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) {
        let event = self.paired.full;
        if event.ty == types::SYSCALL_CHROOT_X && event.result() == Some(0) {
            // The root is the new one already, in which the path meant something else.
            out.extend_from_slice(self.state.root(event.tid).unwrap_or(path));
            return;
        }
        self.state.resolve_for(event, dirfd, path, out);
    }
}

/// Returns the fd that an event is about, if its parameters have it.
fn event_fd(paired: &PairedEvent<'_>, arch: Option<Arch>) -> Option<i64> {
    let full = paired.full;
    let info = full.info()?;
    if syscall::is_generic(full.ty) {
        return match files::makes_fd(full, arch) {
            true => full.result().filter(|fd| *fd >= 0),
            false => syscall::fd_argument(full, arch),
        };
    }
    let used = || fds::param(full.ty).and_then(|index| full.int(index));
    if info.flags.contains(EventTypeFlags::CREATES_FD) {
        let made = match full.ty {
            // Of two new fds, the second, as in sysdig.
            types::SYSCALL_PIPE_X | types::SYSCALL_PIPE2_X | types::SOCKET_SOCKETPAIR_X => {
                full.result().filter(|r| *r == 0).and_then(|_| full.int(2))
            }
            _ => full.result().filter(|fd| *fd >= 0),
        };
        // A duplicate that was not made, or not yet.
        return made.or_else(used);
    }
    used().or(paired.enter_fd)
}

impl Names for View<'_> {
    fn comm(&self, tid: i64) -> Option<&[u8]> {
        if self.is_foreign_number(tid) {
            return None;
        }
        self.state.thread(Tid(tid))?.comm.as_deref()
    }

    fn fd(&self, fd: i64) -> Option<FdLabel<'_>> {
        self.fd_of(fd).map(FdInfo::label)
    }

    fn user(&self, uid: u32) -> Option<&[u8]> {
        self.user_name(uid)
    }

    fn group(&self, gid: u32) -> Option<&[u8]> {
        self.group_name(gid)
    }

    fn resolve_path(&self, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) -> bool {
        let event = self.paired.full;
        // In another root, an absolute path is not yet one of the mount namespace.
        let root = self.state.root(event.tid);
        let is_of_namespace = root.is_none_or(|root| root == b"/") && !is_in_root(event);
        if path.starts_with(b"/") && is_of_namespace {
            return false;
        }
        let before = out.len();
        self.absolute_path(dirfd, path, out);
        if path.starts_with(b"/") && out.get(before..) == Some(path) {
            out.truncate(before);
        }
        out.len() > before
    }
}

/// Returns the name of a user or group. Id 0 is root everywhere, even without a table of users.
fn named(user: Option<&User>, id: u32) -> Option<&[u8]> {
    match user {
        Some(user) => Some(&user.name),
        None if id == 0 => Some(b"root"),
        None => None,
    }
}

/// Whether a call takes the directory of its path for the root (`RESOLVE_IN_ROOT`).
fn is_in_root(event: &Event<'_>) -> bool {
    /// In the schema's flags.
    const RESOLVE_IN_ROOT: u64 = 2;
    let is_openat2 = matches!(
        event.ty,
        types::SYSCALL_OPENAT2_X | types::SYSCALL_OPENAT2_E
    );
    is_openat2 && argument(event, "resolve").is_some_and(|how| how & RESOLVE_IN_ROOT != 0)
}

/// Whether an empty path is the file of the fd itself: otherwise it names nothing.
fn takes_empty_path(event: &Event<'_>) -> bool {
    let at_empty_path = match event.ty {
        types::SYSCALL_LINKAT_2_X | types::SYSCALL_FCHOWNAT_X | types::SYSCALL_NEWFSTATAT_X => {
            0x1000
        }
        // In the schema's flags.
        types::SYSCALL_EXECVEAT_E | types::SYSCALL_EXECVEAT_X => 1,
        _ => return false,
    };
    argument(event, "flags").is_some_and(|flags| flags & at_empty_path != 0)
}

fn argument(event: &Event<'_>, name: &str) -> Option<u64> {
    event.uint(event.info()?.param(name)?.0)
}

impl State {
    /// Appends the absolute form of a path that a call passed, if its directory is known; nothing if the path names
    /// nothing.
    pub(super) fn resolve_for(
        &self,
        event: &Event<'_>,
        dirfd: Option<i64>,
        path: &[u8],
        out: &mut Vec<u8>,
    ) {
        if path.is_empty() && !takes_empty_path(event) {
            return;
        }
        if !is_in_root(event) {
            return self.resolve(event.tid, dirfd, path, out);
        }
        let relative = path.iter().position(|b| *b != b'/');
        let relative = &path[relative.unwrap_or(path.len())..];
        let dir = self.directory(event.tid, dirfd, relative, out);
        // The directory is the root: `..` does not lead out of it.
        paths::join(out, dir, dir, relative);
    }

    /// Appends the absolute form of a path that a thread passed, if its directory is known.
    pub(super) fn resolve(&self, tid: Tid, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) {
        let dir = self.directory(tid, dirfd, path, out);
        paths::join(out, self.root(tid).unwrap_or(b""), dir, path);
    }

    /// Returns the directory that a path is relative to; appends a text in its place if it is not known.
    fn directory(&self, tid: Tid, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) -> &[u8] {
        match dirfd {
            None | Some(fds::AT_FDCWD) => self.base(tid).unwrap_or(b""),
            Some(fd) => match self.fd(tid, fd) {
                Some(info) => info.name.as_ref(),
                None if path.starts_with(b"/") => b"",
                None => {
                    out.extend_from_slice(paths::UNKNOWN);
                    b""
                }
            },
        }
    }
}
