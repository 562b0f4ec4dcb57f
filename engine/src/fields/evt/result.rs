//! The result of a call.

use scap_capture_format::schema::{EventInfo, ParamInfo, ParamType, errno};

use super::super::{Context, Field, Scratch, Value};
use crate::event::{EventExt as _, EventFlags, syscall};

/// Returns the result of the event's call, if it has one: a parameter `res`, or the fd it made.
fn result(cx: &Context<'_>) -> Option<i64> {
    let event = cx.event;
    let info = event.info()?;
    let index = syscall::result_param(event.ty);
    if !is_result(info, index) {
        return None;
    }
    let result = event.result()?;
    match info.params.get(index).is_some_and(is_id) {
        true => event.uint(index).and_then(|id| i64::try_from(id).ok()),
        false => Some(result),
    }
}

fn is_result(info: &EventInfo, index: usize) -> bool {
    let Some(param) = info.params.get(index) else {
        return false;
    };
    param.name == "res" || (param.name == "fd" && param.ty == ParamType::Fd) || is_id(param)
}

/// Whether a result is the id that a call like `getuid` returns, which cannot fail.
fn is_id(param: &ParamInfo) -> bool {
    matches!(param.ty, ParamType::Uid | ParamType::Gid)
}

/// Returns the error number of a failed call.
pub(super) fn error_number(cx: &Context<'_>) -> Option<i64> {
    result(cx).filter(|r| *r < 0).and_then(i64::checked_neg)
}

pub(super) fn rawres<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    result(cx).map(Value::Int)
}

pub(super) fn args_changed<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Bool(cx.event.flags.contains(EventFlags::CHANGED)))
}

pub(super) fn failed<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    if let Some(result) = result(cx) {
        return Some(Value::Bool(result < 0));
    }
    // A call whose result is not known, or that never ran, has neither failed nor succeeded.
    let event = cx.event;
    let index = syscall::result_param(event.ty);
    let has_none = event.flags.contains(EventFlags::IN_FLIGHT)
        || !event.ty.is_enter()
            // Older events end before it, and count as sysdig counts them.
            && index < event.params.len()
            && event.info().is_some_and(|info| is_result(info, index));
    (!has_none).then_some(Value::Bool(false))
}

pub(super) fn res<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let result = result(cx)?;
    if result >= 0 {
        return Some(Value::Text(b"SUCCESS"));
    }
    let number = i32::try_from(result).ok()?;
    errno::name(number).map(|name| Value::Text(name.as_bytes()))
}

pub(super) fn error<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    error_number(cx).map(|_| Value::Uint(1))
}
