//! The names that printing an event needs from the state.

/// The label of an fd: `<typechar><l4>name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdLabel<'a> {
    /// The letter of its kind (`f` file, `4` IPv4 socket, ...).
    pub typechar: u8,
    /// The letter of the transport protocol, for internet sockets if it is known.
    pub l4: Option<u8>,
    /// Its name, unescaped; can be empty.
    pub name: &'a [u8],
}

/// Names of objects that an event refers to by number, at the time of the event.
///
/// `None` means unknown; then only the number is printed.
pub trait Names {
    /// Returns the command name of a thread.
    fn comm(&self, tid: i64) -> Option<&[u8]>;

    /// Returns the label of an fd of the event's own thread.
    fn fd(&self, fd: i64) -> Option<FdLabel<'_>>;

    /// Returns the name of a user.
    fn user(&self, uid: u32) -> Option<&[u8]>;

    /// Returns the name of a group.
    fn group(&self, gid: u32) -> Option<&[u8]>;

    /// Appends the absolute form of `path` to `out`: relative to `dirfd` if there is one, else to the
    /// event's thread's working directory.
    ///
    /// Returns false and appends nothing if `path` is absolute already, or cannot be resolved.
    fn resolve_path(&self, dirfd: Option<i64>, path: &[u8], out: &mut Vec<u8>) -> bool;
}

/// Has no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn comm(&self, _tid: i64) -> Option<&[u8]> {
        None
    }

    fn fd(&self, _fd: i64) -> Option<FdLabel<'_>> {
        None
    }

    fn user(&self, _uid: u32) -> Option<&[u8]> {
        None
    }

    fn group(&self, _gid: u32) -> Option<&[u8]> {
        None
    }

    fn resolve_path(&self, _dirfd: Option<i64>, _path: &[u8], _out: &mut Vec<u8>) -> bool {
        false
    }
}
