//! Fields of the event itself.

mod args;
mod io;
mod result;
mod table;
mod time;

pub(super) use table::{FIELDS, SYSCALL, UTIL};

use scap_capture_format::schema::{SourceCategory, types};

use super::{Context, Field, FieldArg, Scratch, Value};
use crate::audit;
use crate::event::{EventExt as _, syscall};

fn num<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Uint(cx.event.num.0))
}

fn cpu<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Int(i64::from(cx.event.cpu)))
}

fn dir<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let arrow: &[u8] = if cx.event.ty.is_enter() { b">" } else { b"<" };
    Some(Value::Text(arrow))
}

fn name<'a>(_: &'a Field, cx: &Context<'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    scratch.bytes.clear();
    syscall::event_name(&mut scratch.bytes, cx.event, cx.session.arch);
    Some(Value::Text(&scratch.bytes))
}

fn syscall_name<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let source = cx.event.info()?.source_category;
    let no_call = SourceCategory::INTERNAL
        | SourceCategory::TRACEPOINT
        | SourceCategory::SCHEDULER
        | SourceCategory::METAEVENT
        | SourceCategory::PLUGIN;
    // Types that are not in use have no source.
    if source.is_empty() || source.intersects(no_call) {
        return None;
    }
    name(field, cx, scratch)
}

fn type_is<'a>(field: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let is = match &field.arg {
        FieldArg::Index(number) => i64::from(cx.event.ty.0) == *number,
        FieldArg::Name(name) => match name.parse::<u16>() {
            Ok(number) => cx.event.ty.0 == number,
            Err(_) => cx.event.info().is_some_and(|i| i.name == &**name),
        },
        FieldArg::None => return None,
    };
    Some(Value::Uint(u64::from(is)))
}

fn count<'a>(_: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Uint(1))
}

fn count_exit<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    cx.event.ty.is_exit().then_some(Value::Uint(1))
}

fn threadinfo<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    (cx.event.ty == types::PROCINFO_E).then_some(Value::Uint(1))
}

fn procinfo<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let is_main = cx.view.thread().is_some_and(crate::state::Thread::is_main);
    (cx.event.ty == types::PROCINFO_E && is_main).then_some(Value::Uint(1))
}

fn hostname<'a>(_: &'a Field, cx: &Context<'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    scratch.bytes.clear();
    scratch
        .bytes
        .extend_from_slice(cx.session.machine.host_name.as_bytes());
    (!scratch.bytes.is_empty()).then_some(Value::Text(&scratch.bytes))
}

/// The origin of an event of a merged capture; absent in all others.
fn origin<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    cx.session.origin.map(|origin| Value::Uint(origin.0.into()))
}

fn source<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    if audit::is_audit(cx.event) {
        return Some(Value::Text(audit::SOURCE.as_bytes()));
    }
    let source = cx.event.info()?.source_category;
    (!source.intersects(SourceCategory::PLUGIN | SourceCategory::METAEVENT))
        .then_some(Value::Text(b"syscall"))
}

fn plugin_name<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    audit::is_audit(cx.event).then_some(Value::Text(audit::PLUGIN.as_bytes()))
}

fn plugin_info<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    audit::plugin_data(cx.event).map(Value::Text)
}

fn is_async<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let source = cx.event.info()?.source_category;
    Some(Value::Bool(source.contains(SourceCategory::METAEVENT)))
}

fn asynctype<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    if cx.event.ty != types::ASYNCEVENT_E {
        return None;
    }
    cx.event.text(1).map(Value::Text)
}

fn counter<'a>(field: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let next = field.memory.get().saturating_add(1);
    field.memory.set(next);
    Some(Value::Uint(next))
}
