//! The kind of activity of an event, and the bytes it transferred.

use scap_capture_format::schema::{
    Category, EventInfo, EventType, EventTypeFlags, SourceCategory, types,
};

use super::super::attributes::ByType;
use super::super::{Context, Field, Scratch, Value};
use super::result::error_number;
use crate::event::{EventExt as _, syscall};
use crate::state::{FdKind, View};

/// Activity as in `evt.category`; I/O is divided by the kind of its fd.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    Named(&'static str),
    File,
    Net,
    Ipc,
    Unknown,
}

impl Activity {
    fn name(self) -> &'static str {
        match self {
            Self::Named(name) => name,
            Self::File => "file",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Unknown => "unknown",
        }
    }
}

fn activity(cx: &Context<'_>, info: &EventInfo) -> Activity {
    if syscall::is_generic(cx.event.ty) {
        let call = syscall::call(cx.event, cx.session.arch);
        return Activity::Named(call.name.map_or("other", syscall::category));
    }
    if info.source_category.contains(SourceCategory::SCHEDULER) {
        return Activity::Named("scheduler");
    }
    if info.source_category.contains(SourceCategory::INTERNAL) {
        return Activity::Named("internal");
    }
    Activity::Named(match info.category {
        Category::Other => "other",
        Category::File => return Activity::File,
        Category::Net => return Activity::Net,
        Category::Ipc => "IPC",
        Category::Memory => "memory",
        Category::Process => "process",
        Category::Sleep => "sleep",
        Category::System => "system",
        Category::Signal => "signal",
        Category::User => "user",
        Category::Time => "time",
        Category::Processing => "processing",
        Category::IoRead | Category::IoWrite | Category::IoOther => return of_fd(cx.view),
        _ if info.source_category.contains(SourceCategory::WAIT) => "wait",
        _ => return Activity::Unknown,
    })
}

fn of_fd(view: &View<'_>) -> Activity {
    match view.fd_info().map(|f| f.kind) {
        Some(FdKind::File | FdKind::Directory) => Activity::File,
        Some(FdKind::Ipv4 | FdKind::Ipv6) => Activity::Net,
        Some(FdKind::Pipe | FdKind::Unix | FdKind::Event | FdKind::Signal | FdKind::Inotify) => {
            Activity::Ipc
        }
        _ => Activity::Unknown,
    }
}

pub(super) fn category<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let info = cx.event.info()?;
    Some(Value::Text(activity(cx, info).name().as_bytes()))
}

fn has(ty: EventType, flags: EventTypeFlags) -> bool {
    ty.info().is_some_and(|i| i.flags.intersects(flags))
}

const READS: EventTypeFlags = EventTypeFlags::READS_FROM_FD;
const WRITES: EventTypeFlags = EventTypeFlags::WRITES_TO_FD;

pub(super) const IO: ByType = |ty| Some(Value::Bool(has(ty, READS.union(WRITES))));
pub(super) const IO_READ: ByType = |ty| Some(Value::Bool(has(ty, READS)));
pub(super) const IO_WRITE: ByType = |ty| Some(Value::Bool(has(ty, WRITES)));
pub(super) const WAIT: ByType = |ty| Some(Value::Bool(has(ty, EventTypeFlags::WAITS)));
pub(super) const IO_DIR: ByType = |ty| match ty {
    _ if has(ty, READS) => Some(Value::Text(b"read")),
    _ if has(ty, WRITES) => Some(Value::Text(b"write")),
    _ => None,
};

pub(super) fn is_syslog<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let is_syslog = has(cx.event.ty, WRITES)
        && cx
            .view
            .fd_info()
            .is_some_and(|f| f.kind == FdKind::Unix && f.name.ends_with(b"/dev/log"));
    Some(Value::Bool(is_syslog))
}

/// Returns the bytes that a call on an fd transferred.
fn moved(cx: &Context<'_>) -> Option<u64> {
    let info = cx.event.info()?;
    let is_io = matches!(
        info.category,
        Category::IoRead | Category::IoWrite | Category::IoOther
    );
    if !is_io || cx.event.ty.is_enter() {
        return None;
    }
    u64::try_from(cx.event.result()?).ok()
}

pub(super) fn buflen<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    moved(cx).map(Value::Uint)
}

macro_rules! buflens {
    ($($name:ident $way:expr, $activity:expr;)*) => {$(
        pub(super) fn $name<'a>(
            _: &'a Field,
            cx: &Context<'a>,
            _: &'a mut Scratch,
        ) -> Option<Value<'a>> {
            let wanted: Option<Activity> = $activity;
            if !has(cx.event.ty, $way) || wanted.is_some_and(|w| w != of_fd(cx.view)) {
                return None;
            }
            // Directories are not read as bytes; other calls on them transfer none.
            if wanted == Some(Activity::File)
                && cx.view.fd_info().is_some_and(|f| f.kind == FdKind::Directory)
            {
                return None;
            }
            moved(cx).map(Value::Uint)
        }
    )*};
}

buflens! {
    buflen_in READS, None;
    buflen_out WRITES, None;
    buflen_file EventTypeFlags::all(), Some(Activity::File);
    buflen_file_in READS, Some(Activity::File);
    buflen_file_out WRITES, Some(Activity::File);
    buflen_net EventTypeFlags::all(), Some(Activity::Net);
    buflen_net_in READS, Some(Activity::Net);
    buflen_net_out WRITES, Some(Activity::Net);
}

/// Returns the kind of object of a failed call: the kind of its fd, or the one implied by its name.
fn failed_activity(cx: &Context<'_>) -> Option<Activity> {
    error_number(cx)?;
    let info = cx.event.info()?;
    if let on_fd @ (Activity::File | Activity::Net) = of_fd(cx.view) {
        return Some(on_fd);
    }
    Some(match info.name {
        _ if cx.view.fd_info().is_some_and(|f| f.kind == FdKind::Unix) => Activity::Net,
        "open" | "openat" | "openat2" | "creat" => Activity::File,
        "socket" | "connect" | "accept" | "accept4" | "bind" | "listen" => Activity::Net,
        _ if info.category == Category::Memory => Activity::Named("memory"),
        _ => Activity::Unknown,
    })
}

extract! {
    error_file = |_, cx, _| (failed_activity(cx)? == Activity::File).then_some(Value::Uint(1));
    error_net = |_, cx, _| (failed_activity(cx)? == Activity::Net).then_some(Value::Uint(1));
    error_memory = |_, cx, _| {
        (failed_activity(cx)? == Activity::Named("memory")).then_some(Value::Uint(1))
    };
    error_other = |_, cx, _| (failed_activity(cx)? == Activity::Unknown).then_some(Value::Uint(1));
}

/// Open flags in the encoding of the field.
mod open_flags {
    pub(super) const READ: u64 = 0x1;
    pub(super) const WRITE: u64 = 0x2;
    pub(super) const CREAT: u64 = 0x4;
    pub(super) const TMPFILE: u64 = 0x800;
    pub(super) const CREATED: u64 = 0x4000;
}

/// Returns the parameters with flags and mode of an open call.
fn open_params(cx: &Context<'_>) -> Option<(usize, usize)> {
    match cx.view.full().ty {
        types::SYSCALL_OPEN_X => Some((2, 3)),
        types::SYSCALL_OPENAT_2_X | types::SYSCALL_OPENAT2_X => Some((3, 4)),
        types::SYSCALL_OPEN_BY_HANDLE_AT_X => Some((2, usize::MAX)),
        _ => None,
    }
}

fn open_flag(cx: &Context<'_>, wanted: u64) -> bool {
    let flags = open_params(cx).and_then(|(flags, _)| cx.view.full().uint(flags));
    flags.is_some_and(|f| f & wanted != 0)
}

pub(super) fn is_open_read<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Bool(open_flag(cx, open_flags::READ)))
}

pub(super) fn is_open_write<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Bool(open_flag(cx, open_flags::WRITE)))
}

pub(super) fn is_open_create<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let made = cx.view.full().result().is_some_and(|fd| fd >= 0);
    let creates = open_flag(cx, open_flags::CREATED)
        || (made && open_flag(cx, open_flags::TMPFILE))
        || (made && cx.view.full().ty == types::SYSCALL_CREAT_X);
    Some(Value::Bool(creates))
}

pub(super) fn is_open_exec<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    const EXECUTE: u64 = 0o111;
    let full = cx.view.full();
    let mode = match open_params(cx) {
        Some((_, mode)) if open_flag(cx, open_flags::CREAT | open_flags::TMPFILE) => {
            full.uint(mode)
        }
        None if full.ty == types::SYSCALL_CREAT_X => full.uint(2),
        _ => None,
    };
    Some(Value::Bool(mode.is_some_and(|m| m & EXECUTE != 0)))
}
