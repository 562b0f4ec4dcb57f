//! Fields of the paths of successful calls.

use scap_capture_format::schema::{EventInfo, ParamDetail, ParamType};

use super::info::{FieldInfo, text};
use super::{Context, Field, Scratch, Value};
use crate::event::{EventExt as _, value};

pub(super) const FIELDS: &[FieldInfo] = &[
    text("fs.path.name", "path operated on, absolute", name).of_event(),
    text("fs.path.nameraw", "path operated on, as given", nameraw).of_event(),
    text(
        "fs.path.source",
        "source path of two-path calls, absolute",
        source,
    )
    .of_event(),
    text("fs.path.sourceraw", "source path as given", sourceraw).of_event(),
    text("fs.path.target", "target path, absolute", target).of_event(),
    text("fs.path.targetraw", "target path as given", targetraw).of_event(),
];

/// What identifies the file of a call.
#[derive(Clone, Copy)]
enum Object {
    /// The parameter with the path.
    Path(&'static str),
    /// The parameter with the fd.
    Fd(&'static str),
}

/// Returns the object of calls with one path.
fn one(info: &EventInfo) -> Option<Object> {
    use Object::{Fd, Path};
    Some(match info.name {
        "mkdir" | "mkdirat" | "rmdir" | "unlink" | "chown" | "lchown" | "mknod" | "mknodat" => {
            Path("path")
        }
        "unlinkat" | "creat" | "open" | "openat" | "openat2" | "umount" | "umount2" => Path("name"),
        "chmod" | "fchmodat" => Path("filename"),
        "fchownat" => Path("pathname"),
        "quotactl" => Path("special"),
        "fchmod" | "fchown" => Fd("fd"),
        _ => return None,
    })
}

/// Returns source and target of the calls with two paths; the source of a link is the link.
fn two(info: &EventInfo) -> Option<(&'static str, &'static str)> {
    Some(match info.name {
        "rename" | "renameat" | "renameat2" => ("oldpath", "newpath"),
        "link" | "linkat" => ("newpath", "oldpath"),
        "symlink" | "symlinkat" => ("linkpath", "target"),
        "mount" => ("dev", "dir"),
        _ => return None,
    })
}

/// Returns the event's type if the call succeeded.
fn successful(cx: &Context<'_>) -> Option<&'static EventInfo> {
    let full = cx.view.full();
    let info = full.info()?;
    let result = full.result()?;
    let makes_fd = matches!(info.name, "creat" | "open" | "openat" | "openat2");
    (result == 0 || (makes_fd && result > 0)).then_some(info)
}

/// Returns a path as passed by the program.
fn given<'a>(cx: &Context<'a>, info: &EventInfo, name: &str) -> Option<&'a [u8]> {
    let (index, _) = info.param(name)?;
    Some(value::text(cx.view.full().params.get(index)?))
}

/// Writes the absolute form of a path.
fn absolute<'a>(
    cx: &Context<'a>,
    info: &EventInfo,
    name: &str,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let (dirfd, path) = with_directory(cx, info, name)?;
    scratch.text(|out| cx.view.absolute_path(dirfd, path, out))
}

/// Returns a path as passed by the program, and the fd of the directory that it is relative to, if
/// the call has one.
fn with_directory<'a>(
    cx: &Context<'a>,
    info: &EventInfo,
    name: &str,
) -> Option<(Option<i64>, &'a [u8])> {
    let full = cx.view.full();
    let (index, param) = info.param(name)?;
    let path = value::text(full.params.get(index)?);
    let dirfd = match (param.ty, param.info) {
        (ParamType::FsRelPath, ParamDetail::DirFd(dirfd)) => full.int(usize::from(dirfd)),
        _ => None,
    };
    Some((dirfd, path))
}

/// Whether the source of a mount is a path: that of other file systems than those on devices is only a name.
fn mounts_a_path(cx: &Context<'_>, info: &EventInfo) -> bool {
    const MS_BIND: u64 = 0x1000;
    const MS_MOVE: u64 = 0x2000;
    let full = cx.view.full();
    let flags = info.param("flags").and_then(|(index, _)| full.uint(index));
    flags.is_some_and(|flags| flags & (MS_BIND | MS_MOVE) != 0)
        || given(cx, info, "dev").is_some_and(|source| source.starts_with(b"/"))
}

extract! {
    name = |_, cx, scratch| {
        let info = successful(cx)?;
        match one(info)? {
            Object::Path(param) => absolute(cx, info, param, scratch),
            Object::Fd(param) => {
                let fd = cx.view.full().int(info.param(param)?.0)?;
                Some(Value::Text(&cx.view.fd_of(fd)?.name))
            }
        }
    };
    nameraw = |_, cx, _| {
        let info = successful(cx)?;
        match one(info)? {
            Object::Path(param) => given(cx, info, param).map(Value::Text),
            Object::Fd(param) => {
                let fd = cx.view.full().int(info.param(param)?.0)?;
                Some(Value::Text(&cx.view.fd_of(fd)?.name))
            }
        }
    };
    source = |_, cx, scratch| {
        let info = successful(cx)?;
        if info.name == "mount" && !mounts_a_path(cx, info) {
            return None;
        }
        absolute(cx, info, two(info)?.0, scratch)
    };
    sourceraw = |_, cx, _| {
        let info = successful(cx)?;
        given(cx, info, two(info)?.0).map(Value::Text)
    };
    target = |_, cx, scratch| {
        let info = successful(cx)?;
        let (source, target) = two(info)?;
        if matches!(info.name, "symlink" | "symlinkat") {
            let (dirfd, link) = with_directory(cx, info, source)?;
            let target = given(cx, info, target)?;
            return scratch.text(|out| cx.view.link_target(dirfd, link, target, out));
        }
        absolute(cx, info, target, scratch)
    };
    targetraw = |_, cx, _| {
        let info = successful(cx)?;
        given(cx, info, two(info)?.1).map(Value::Text)
    };
}
