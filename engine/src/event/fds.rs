//! Which parameters of an event are fds, and what their values mean.

use std::sync::LazyLock;

use scap_capture_format::schema::{EventInfo, EventType, EventTypeFlags, ParamType, types};

use super::{Event, EventExt as _, syscall};

/// The directory fd that means the working directory.
pub const AT_FDCWD: i64 = -100;

/// The value of an fd parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdValue {
    /// An fd, open or not.
    Fd(i64),
    /// The working directory instead of a directory's fd.
    WorkingDirectory,
    /// The negative error number of a call that creates fds.
    Error(i64),
    /// A number that is no fd: `-1` of an anonymous mapping, the flags that `fcntl` returns.
    Number(i64),
}

/// Returns the meaning of the value of a parameter whose type is that of fds.
pub fn meaning(event: &Event<'_>, index: usize, value: i64) -> FdValue {
    let name = || {
        let param = event.info().and_then(|info| info.params.get(index));
        param.map_or("", |param| param.name)
    };
    if index == 0 && event.ty.is_exit() && matches!(name(), "res" | "fd") {
        return match value {
            error if error < 0 => FdValue::Error(error),
            number if !returns_fd(event) => FdValue::Number(number),
            fd => FdValue::Fd(fd),
        };
    }
    passed(value, name)
}

/// Returns the meaning of an fd that a program passed as an argument with this name.
pub(super) fn passed<'n>(value: i64, name: impl FnOnce() -> &'n str) -> FdValue {
    match value {
        AT_FDCWD if is_directory(name()) => FdValue::WorkingDirectory,
        // Some recorders store the fd like the 32-bit register.
        value if value == i64::from(u32::MAX) => FdValue::Number(-1),
        value if value < 0 => FdValue::Number(value),
        fd => FdValue::Fd(fd),
    }
}

/// Whether an argument with this name is the fd of a directory that a path is relative to.
fn is_directory(name: &str) -> bool {
    name.contains("dir") || name.ends_with("dfd")
}

/// Whether the result of a successful call whose result has the type of fds is one.
fn returns_fd(event: &Event<'_>) -> bool {
    // Commands as encoded by the schema.
    const F_DUPFD: u64 = 1;
    const F_DUPFD_CLOEXEC: u64 = 26;
    event.ty != types::SYSCALL_FCNTL_X || matches!(event.uint(2), Some(F_DUPFD | F_DUPFD_CLOEXEC))
}

/// By type: the parameter with the fd that the call uses.
static PARAMS: LazyLock<Vec<Option<u8>>> = LazyLock::new(|| {
    let infos = (0..).map_while(|number| EventType(number).info());
    infos.map(param_of).collect()
});

/// The schema marks it; of unmarked calls it is the first fd, except where fds are what the call creates.
fn param_of(info: &EventInfo) -> Option<u8> {
    let first = || {
        let at = info.params.iter().position(|p| p.ty == ParamType::Fd)?;
        u8::try_from(at).ok()
    };
    let creates = info.flags.contains(EventTypeFlags::CREATES_FD);
    info.fd_param.or_else(|| first().filter(|_| !creates))
}

/// Returns the index of the parameter with the fd that events of a type use.
#[inline]
pub fn param(ty: EventType) -> Option<usize> {
    let index = PARAMS.get(usize::from(ty.0)).copied().flatten();
    index.map(usize::from)
}

/// Whether events of a type can be about an fd.
pub fn may_be_used(ty: EventType) -> bool {
    let about = EventTypeFlags::CREATES_FD | EventTypeFlags::USES_FD | EventTypeFlags::DESTROYS_FD;
    syscall::is_generic(ty)
        || param(ty).is_some()
        || ty.info().is_some_and(|i| i.flags.intersects(about))
}
