//! Fields of the processes that started the event's process, even if they have exited since. Not in
//! sysdig or Falco.
//!
//! With an index they select one process, 0 being the event's process and 1 the one that started
//! it; without an index all but the event's process, of which any may match a condition.

use super::process::{UNKNOWN, exe_or_none, with_args};
use super::{Context, Field, FieldArg, Scratch, Value};
use crate::state::Ancestor;

/// Returns the process that an index selects.
fn nth<'a>(index: i64, cx: &Context<'a>) -> Option<Ancestor<'a>> {
    cx.view.lineage().nth(usize::try_from(index).ok()?)
}

/// Writes a text for each process that the argument selects, each followed by a NUL.
fn texts<'a>(
    field: &Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
    write: impl Fn(&mut Vec<u8>, &Ancestor<'_>),
) -> Option<Value<'a>> {
    let out = &mut scratch.bytes;
    out.clear();
    if let FieldArg::Index(index) = field.arg {
        write(out, &nth(index, cx)?);
        return Some(Value::Text(out));
    }
    for ancestor in cx.view.lineage().skip(1) {
        write(out, &ancestor);
        out.push(0);
    }
    (!out.is_empty()).then_some(Value::Texts(out))
}

fn comm<'a>(ancestor: &Ancestor<'a>) -> &'a [u8] {
    ancestor.comm.unwrap_or(UNKNOWN)
}

extract! {
    name = |field, cx, scratch| {
        texts(field, cx, scratch, |out, a| out.extend_from_slice(comm(a)))
    };
    exe = |field, cx, scratch| {
        texts(field, cx, scratch, |out, a| out.extend_from_slice(exe_or_none(a.exe, a.comm)))
    };
    exepath = |field, cx, scratch| {
        texts(field, cx, scratch, |out, a| out.extend_from_slice(a.exepath.unwrap_or_default()))
    };
    cmdline = |field, cx, scratch| {
        texts(field, cx, scratch, |out, a| with_args(out, comm(a), a.args))
    };
    pid = |field, cx, scratch| {
        if let FieldArg::Index(index) = field.arg {
            return Some(Value::Int(nth(index, cx)?.pid.0));
        }
        scratch.ints.clear();
        scratch.ints.extend(cx.view.lineage().skip(1).map(|a| a.pid.0));
        (!scratch.ints.is_empty()).then_some(Value::Ints(&scratch.ints))
    };
}
