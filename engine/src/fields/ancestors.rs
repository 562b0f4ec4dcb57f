//! Fields of the ancestors of the event's process in the kernel's process tree; see
//! [`super::lineage`] for the processes that really started it.
//!
//! With an index they select one ancestor, 0 being the process itself; without an index all proper
//! ancestors, of which any may match a condition.

use super::process::{comm, exe_of, exepath_of, variable, with_args};
use super::{Context, Field, FieldArg, Scratch, Value, environment, list};
use crate::state::Thread;

/// Writes a text for each ancestor that the argument selects, each followed by a NUL.
fn texts<'a>(
    field: &Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
    write: impl Fn(&mut Vec<u8>, &Thread),
) -> Option<Value<'a>> {
    let out = &mut scratch.bytes;
    out.clear();
    if let FieldArg::Index(index) = field.arg {
        let thread = cx.view.ancestors().nth(usize::try_from(index).ok()?)?;
        write(out, thread);
        return Some(Value::Text(out));
    }
    for thread in cx.view.ancestors().skip(1) {
        write(out, thread);
        out.push(0);
    }
    (!out.is_empty()).then_some(Value::Texts(out))
}

extract! {
    aname = |field, cx, scratch| {
        texts(field, cx, scratch, |out, t| out.extend_from_slice(comm(t)))
    };
    aexe = |field, cx, scratch| {
        texts(field, cx, scratch, |out, t| out.extend_from_slice(exe_of(t)))
    };
    aexepath = |field, cx, scratch| {
        texts(field, cx, scratch, |out, t| out.extend_from_slice(exepath_of(t)))
    };
    aargs = |field, cx, scratch| {
        texts(field, cx, scratch, |out, t| list(out, t.args.as_deref().unwrap_or_default()))
    };
    acmdline = |field, cx, scratch| {
        texts(field, cx, scratch, |out, t| with_args(out, comm(t), t.args.as_deref()))
    };
    aenv = |field, cx, scratch| {
        if let FieldArg::Name(name) = &field.arg {
            cx.view.thread()?;
            // The nearest ancestor that has the variable decides.
            let mut values = cx.view.ancestors().skip(1).filter_map(|t| {
                variable(t.env.as_deref().unwrap_or_default(), name.as_bytes())
            });
            return Some(Value::Text(values.find(|v| !v.is_empty()).unwrap_or_default()));
        }
        texts(field, cx, scratch, |out, t| environment(out, t.env.as_deref().unwrap_or_default()))
    };
    apid = |field, cx, scratch| {
        if let FieldArg::Index(index) = field.arg {
            let thread = cx.view.ancestors().nth(usize::try_from(index).ok()?)?;
            return Some(Value::Int(thread.pid.0));
        }
        scratch.ints.clear();
        scratch.ints.extend(cx.view.ancestors().skip(1).map(|t| t.pid.0));
        (!scratch.ints.is_empty()).then_some(Value::Ints(&scratch.ints))
    };
}
