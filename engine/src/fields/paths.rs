//! Fields of the paths of successful calls.

use std::sync::LazyLock;

use scap_capture_format::native::NameKind;
use scap_capture_format::schema::{self, EventInfo, EventType, ParamDetail, ParamType};

use super::attributes::Role;
use super::info::{FieldInfo, text};
use super::{Context, Field, Scratch, Value};
use crate::event::{EventExt as _, value};
use crate::state::View;

pub(super) const FIELDS: &[FieldInfo] = &[
    text("fs.path.name", "path operated on, absolute", name)
        .role(Role::Name(NameKind::Path))
        .of_event(),
    text("fs.path.nameraw", "path operated on, as given", nameraw).of_event(),
    text(
        "fs.path.source",
        "source path of two-path calls, absolute",
        source,
    )
    .role(Role::Name(NameKind::Path))
    .of_event(),
    text("fs.path.sourceraw", "source path as given", sourceraw).of_event(),
    text("fs.path.target", "target path, absolute", target)
        .role(Role::Name(NameKind::Path))
        .of_event(),
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
fn successful(view: &View<'_>) -> Option<&'static EventInfo> {
    let full = view.full();
    let info = full.info()?;
    let result = full.result()?;
    let makes_fd = matches!(info.name, "creat" | "open" | "openat" | "openat2");
    (result == 0 || (makes_fd && result > 0)).then_some(info)
}

/// Returns a path as passed by the program.
fn given<'a>(view: &View<'a>, info: &EventInfo, name: &str) -> Option<&'a [u8]> {
    let (index, _) = info.param(name)?;
    Some(value::text(view.full().params.get(index)?))
}

/// Returns a path as passed by the program, and the fd of the directory that it is relative to, if
/// the call has one.
fn with_directory<'a>(
    view: &View<'a>,
    info: &EventInfo,
    name: &str,
) -> Option<(Option<i64>, &'a [u8])> {
    let full = view.full();
    let (index, param) = info.param(name)?;
    let path = value::text(full.params.get(index)?);
    let dirfd = match (param.ty, param.info) {
        (ParamType::FsRelPath, ParamDetail::DirFd(dirfd)) => full.int(usize::from(dirfd)),
        _ => None,
    };
    Some((dirfd, path))
}

/// Whether the source of a mount is a path: that of other file systems than those on devices is only a name.
fn mounts_a_path(view: &View<'_>, info: &EventInfo) -> bool {
    const MS_BIND: u64 = 0x1000;
    const MS_MOVE: u64 = 0x2000;
    let full = view.full();
    let flags = info.param("flags").and_then(|(index, _)| full.uint(index));
    flags.is_some_and(|flags| flags & (MS_BIND | MS_MOVE) != 0)
        || given(view, info, "dev").is_some_and(|source| source.starts_with(b"/"))
}

/// Writes the absolute form of a path.
fn absolute<'a>(
    view: &View<'_>,
    info: &EventInfo,
    name: &str,
    out: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let (dirfd, path) = with_directory(view, info, name)?;
    out.clear();
    view.absolute_path(dirfd, path, out);
    Some(out)
}

/// Returns the path that the event's call operated on, if it has succeeded and has one path.
pub(super) fn name_of<'a>(view: &View<'a>, out: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let info = successful(view)?;
    match one(info)? {
        Object::Path(param) => absolute(view, info, param, out),
        Object::Fd(param) => {
            let fd = view.full().int(info.param(param)?.0)?;
            Some(&view.fd_of(fd)?.name)
        }
    }
}

/// Returns the source of a successful call with two paths.
pub(super) fn source_of<'a>(view: &View<'_>, out: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let info = successful(view)?;
    if info.name == "mount" && !mounts_a_path(view, info) {
        return None;
    }
    absolute(view, info, two(info)?.0, out)
}

/// Returns the target of a successful call with two paths.
pub(super) fn target_of<'a>(view: &View<'_>, out: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let info = successful(view)?;
    let (source, target) = two(info)?;
    if matches!(info.name, "symlink" | "symlinkat") {
        let (dirfd, link) = with_directory(view, info, source)?;
        let target = given(view, info, target)?;
        out.clear();
        view.link_target(dirfd, link, target, out);
        return Some(out);
    }
    absolute(view, info, target, out)
}

/// Whether calls of this type have a path that conditions are compared with.
pub(super) fn has_path(ty: EventType) -> bool {
    static HAVE: LazyLock<Vec<bool>> = LazyLock::new(|| {
        let has = |info: &EventInfo| one(info).is_some() || two(info).is_some();
        schema::EVENTS.iter().map(has).collect()
    });
    HAVE.get(usize::from(ty.0)) == Some(&true)
}

extract! {
    name = |_, cx, scratch| name_of(cx.view, &mut scratch.bytes).map(Value::Text);
    nameraw = |_, cx, _| {
        let info = successful(cx.view)?;
        match one(info)? {
            Object::Path(param) => given(cx.view, info, param).map(Value::Text),
            Object::Fd(param) => {
                let fd = cx.view.full().int(info.param(param)?.0)?;
                Some(Value::Text(&cx.view.fd_of(fd)?.name))
            }
        }
    };
    source = |_, cx, scratch| source_of(cx.view, &mut scratch.bytes).map(Value::Text);
    sourceraw = |_, cx, _| {
        let info = successful(cx.view)?;
        given(cx.view, info, two(info)?.0).map(Value::Text)
    };
    target = |_, cx, scratch| target_of(cx.view, &mut scratch.bytes).map(Value::Text);
    targetraw = |_, cx, _| {
        let info = successful(cx.view)?;
        given(cx.view, info, two(info)?.1).map(Value::Text)
    };
}
