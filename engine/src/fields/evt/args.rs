//! The arguments of an event.

use scap_capture_format::schema::{ParamDetail, ParamInfo, ParamType, types};

use super::super::{Context, Field, FieldArg, Scratch, Value};
use crate::event::fds::{self, FdValue};
use crate::event::value::{self, Value as Param};
use crate::event::{Event, EventExt as _, Names as _, errno_name, number, syscall};
use crate::state::View;

pub(super) fn args<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    scratch.bytes.clear();
    let mut renderer = cx.session.renderer.borrow_mut();
    renderer.info(&mut scratch.bytes, cx.event, cx.view);
    Some(Value::Rendered(&scratch.bytes))
}

/// Returns true if an argument names a parameter that is not the payload.
pub(super) fn is_other_parameter(arg: &FieldArg) -> bool {
    matches!(arg, FieldArg::Name(name) if &**name != "data")
}

/// Finds the parameter that an argument names, if the event stores it.
fn find<'a>(event: &Event<'a>, arg: &FieldArg) -> Option<(usize, &'static ParamInfo, &'a [u8])> {
    let info = event.info()?;
    let index = match arg {
        FieldArg::Index(index) => usize::try_from(*index).ok()?,
        FieldArg::Name(name) => info.param(name)?.0,
        FieldArg::None => return None,
    };
    let param = info.params.get(index)?;
    if index >= event.params.len() {
        return None;
    }
    Some((index, param, event.params.get(index).unwrap_or_default()))
}

pub(super) fn arg<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let out = &mut scratch.bytes;
    out.clear();
    let Some((index, info, bytes)) = find(cx.event, &field.arg) else {
        return generic_arg(field, cx, out).then_some(Value::Text(out));
    };
    if bytes.is_empty() && info.ty != ParamType::ByteBuf {
        return match info.ty {
            // sysdig prints a missing tuple like this, and chisels compare with it.
            ParamType::SockTuple | ParamType::Dyn => Some(Value::Text(b"NULL")),
            _ => None,
        };
    }
    match Param::decode(info, bytes).0 {
        Param::Text(text) => return Some(Value::Text(text)),
        Param::Path(path, dirfd) => {
            let dirfd = dirfd.and_then(|i| cx.event.int(usize::from(i)));
            if !cx.view.resolve_path(dirfd, path, out) {
                return Some(Value::Text(path));
            }
        }
        Param::Bytes(_) => {
            let renderer = cx.session.renderer.borrow();
            renderer.argument(out, info, bytes, cx.view);
            return Some(Value::Rendered(out));
        }
        Param::Fd(fd) => fd_text(out, cx.view, fds::meaning(cx.event, index, fd)),
        _ => cx
            .session
            .renderer
            .borrow()
            .argument(out, info, bytes, cx.view),
    }
    Some(Value::Text(out))
}

/// Writes an argument of a call without an event type, by its name in the kernel.
fn generic_arg(field: &Field, cx: &Context<'_>, out: &mut Vec<u8>) -> bool {
    let FieldArg::Name(name) = &field.arg else {
        return false;
    };
    syscall::is_generic(cx.event.ty)
        && syscall::argument_named(out, cx.event, cx.session.arch, name, cx.view)
}

/// Writes what an fd refers to, unescaped.
fn fd_text(out: &mut Vec<u8>, view: &View<'_>, value: FdValue) {
    match value {
        FdValue::WorkingDirectory => out.extend_from_slice(b"AT_FDCWD"),
        FdValue::Error(error) => match errno_name(error) {
            Some(name) => out.extend_from_slice(name),
            None => number::dec(out, error),
        },
        FdValue::Number(number) => number::dec(out, number),
        FdValue::Fd(fd) => match view.fd_of(fd).map(crate::state::FdInfo::label) {
            Some(label) => {
                out.push(b'<');
                out.push(label.typechar);
                out.extend(label.l4);
                out.push(b'>');
                out.extend_from_slice(label.name);
            }
            None => number::dec(out, fd),
        },
    }
}

pub(super) fn rawarg<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let (_, info, bytes) = find(cx.event, &field.arg)?;
    raw(Param::decode(info, bytes).0)
}

/// The native form of a parameter.
fn raw(param: Param<'_>) -> Option<Value<'_>> {
    Some(match param {
        Param::Absent | Param::Invalid(_) => return None,
        Param::Int { value, .. } | Param::Errno(value) | Param::Fd(value) | Param::Pid(value) => {
            Value::Int(value)
        }
        Param::Uint { value, .. } | Param::Flags(value, ..) | Param::Enum(value, ..) => {
            Value::Uint(value)
        }
        Param::Text(text) | Param::Path(text, _) => Value::Text(text),
        Param::Bytes(bytes) => Value::Bytes(bytes),
        Param::SyscallId(code) => Value::Uint(u64::from(code)),
        Param::Signal(number) => Value::Uint(u64::from(number)),
        Param::RelTime(time) | Param::AbsTime(time) => Value::Uint(time?),
        Param::Bool(truth) => Value::Bool(truth),
        Param::Ipv4(octets) => Value::Ip(octets.into()),
        Param::Ipv6(octets) => Value::Ip(octets.into()),
        Param::Mode(bits, _) | Param::SigSet(bits) => Value::Uint(u64::from(bits)),
        Param::Uid(id) | Param::Gid(id) => Value::Uint(u64::from(id.unwrap_or(u32::MAX))),
        Param::Double(number) => Value::Double(number),
        Param::List(items) => Value::Texts(items),
        Param::SockAddr(_) | Param::SockTuple(_) | Param::FdList(_) => return None,
    })
}

pub(super) fn buffer<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let (index, _) = cx.event.info()?.param("data")?;
    if index >= cx.event.params.len() {
        return None;
    }
    Some(Value::Bytes(cx.event.params.get(index).unwrap_or_default()))
}

/// The parameters that a path is made of: directory fd and name.
type PathParams = (Option<usize>, usize);

/// The path of the event's call that is relative to the fd of a directory; of two, the first or the
/// last.
fn relative_path(cx: &Context<'_>, last: bool) -> Option<PathParams> {
    let full = cx.view.full();
    if full.ty == types::SYSCALL_OPEN_BY_HANDLE_AT_X {
        return Some((None, 3));
    }
    let params = full.info()?.params;
    let mut paths =
        params
            .iter()
            .enumerate()
            .filter_map(|(at, param)| match (param.ty, param.info) {
                (ParamType::FsRelPath, ParamDetail::DirFd(dirfd)) => Some((Some(dirfd.into()), at)),
                _ => None,
            });
    if last {
        paths.next_back()
    } else {
        paths.next()
    }
}

pub(super) fn abspath<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let (dirfd, path) = match &field.arg {
        FieldArg::Name(which) => relative_path(cx, &**which != "src")?,
        // Without a choice, calls with two paths have none.
        _ => relative_path(cx, false).filter(|path| relative_path(cx, true) == Some(*path))?,
    };
    let full = cx.view.full();
    let path = value::text(full.params.get(path)?);
    let dirfd = dirfd.and_then(|i| full.int(i));
    scratch.bytes.clear();
    cx.view.absolute_path(dirfd, path, &mut scratch.bytes);
    (!scratch.bytes.is_empty()).then_some(Value::Text(&scratch.bytes))
}
