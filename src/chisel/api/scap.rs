//! `scap.*`: functions that sysdig does not have.

use std::rc::Rc;

use mlua::{Lua, LuaString, Table, Value};

use super::threads;
use crate::chisel::native::{Histogram, Native, Top};
use crate::chisel::script_state::ScriptState;
use crate::event::{number, text};
use crate::fields::{Context, Scratch, Value as FieldValue, lookup};
use crate::format::json;
use crate::stats::tiles::TILES;

/// Longest text that is escaped, in bytes: until Lua has it, it is not in Lua's memory.
const MAX_CLEANED: usize = 16 << 20;

pub(super) fn table(lua: &Lua, script: &Rc<ScriptState>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("version", env!("CARGO_PKG_VERSION"))?;

    let own = script.clone();
    let clean = lua.create_function(move |lua, dirty: LuaString| {
        own.run.handed_escaped();
        let dirty = dirty.as_bytes();
        if dirty.len() > MAX_CLEANED {
            let misuse = "scap.clean takes texts of at most 16 MiB";
            return Err(crate::chisel::error::ApiError::Misuse(misuse).into());
        }
        let mut safe = Vec::new();
        text::escape_exact(&mut safe, &dirty);
        lua.create_string(safe)
    })?;
    table.set("clean", clean)?;

    let own = script.clone();
    let processes = lua.create_function(move |lua, filter: Option<String>| {
        threads::processes(lua, &own, filter.as_deref())
    })?;
    table.set("processes", processes)?;

    let tile = lua.create_function(|_, title: String| {
        let found = TILES.iter().find(|tile| tile.title == title);
        found.map(|tile| tile.filter).ok_or_else(|| {
            let misuse = "scap.tile takes the title of a tile of the overview of `scap view`";
            crate::chisel::error::ApiError::Misuse(misuse).into()
        })
    })?;
    table.set("tile", tile)?;

    let own = script.clone();
    let arg = lua.create_function(move |lua, (name, default): (String, Value)| {
        let given = own.arguments.borrow().get(&name).cloned();
        match given {
            Some(given) => Ok(Value::String(lua.create_string(given)?)),
            None => Ok(default),
        }
    })?;
    table.set("arg", arg)?;

    let own = script.clone();
    let finding = lua.create_function(
        move |lua, (kind, what, extra): (LuaString, LuaString, Option<Table>)| {
            let mut facts = Vec::new();
            if let Some(extra) = extra {
                for pair in extra.pairs::<LuaString, Value>() {
                    let (name, value) = pair?;
                    let value = match lua.coerce_string(value.clone())? {
                        Some(text) => text.as_bytes().to_vec(),
                        None => format!("{value:?}").into_bytes(),
                    };
                    facts.push((name.as_bytes().to_vec(), value));
                }
            }
            facts.sort();
            let mut line = Vec::new();
            let found = own.call_context.event(|cx| {
                let facts = &facts[..];
                if own.run.json {
                    finding_json(&mut line, cx, &kind.as_bytes(), &what.as_bytes(), facts);
                } else {
                    finding_line(&mut line, cx, &kind.as_bytes(), &what.as_bytes(), facts);
                }
            });
            if found.is_none() {
                let misuse = "scap.finding is only valid in on_event: it reports the event";
                return Err(crate::chisel::error::ApiError::Misuse(misuse).into());
            }
            own.run.print(|output| {
                output.buffer().extend_from_slice(&line);
                output.written();
            });
            Ok(())
        },
    )?;
    table.set("finding", finding)?;

    let own = script.clone();
    let top = lua.create_function(move |_, described: Table| {
        let top = Top::from_script(&described)?;
        make_native(&own, Native::Top(Box::new(top)))
    })?;
    table.set("top", top)?;

    let own = script.clone();
    let histogram = lua.create_function(move |_, described: Table| {
        let histogram = Histogram::from_script(&described)?;
        make_native(&own, Native::Histogram(Box::new(histogram)))
    })?;
    table.set("histogram", histogram)?;
    Ok(table)
}

/// Makes a chisel that is run natively.
fn make_native(script: &ScriptState, native: Native) -> mlua::Result<()> {
    let mut place = script.native.borrow_mut();
    if place.is_some() || script.run.is_open.get() {
        let misuse = "scap.top and scap.histogram make a whole chisel: call one of them, once, before the capture starts";
        return Err(crate::chisel::error::ApiError::Misuse(misuse).into());
    }
    *place = Some(native);
    Ok(())
}

/// The fields that identify the process of a finding, with the text before each.
const WHO: &[&str] = &[
    "proc.name",
    "proc.pid",
    "user.name",
    "container.id",
    "container.name",
    "proc.exeline",
];

/// Returns the text of a field; empty if it is absent.
fn value(cx: &Context<'_>, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut scratch = Scratch::default();
    let field = lookup(name).ok();
    match field.as_ref().and_then(|f| f.extract(cx, &mut scratch)) {
        Some(FieldValue::Text(value)) => out.extend_from_slice(value),
        Some(FieldValue::Rendered(value)) => text::unescape(&mut out, value),
        Some(FieldValue::Int(value)) => number::display(&mut out, value),
        _ => {}
    }
    out
}

/// `TIME #NUMBER NAME(PID) by USER in CONTAINER: KIND: WHAT (NAME=VALUE …)`
fn finding_line(
    out: &mut Vec<u8>,
    cx: &Context<'_>,
    kind: &[u8],
    what: &[u8],
    facts: &[(Vec<u8>, Vec<u8>)],
) {
    let time = crate::event::time::iso8601(cx.event.ts.0, cx.session.machine.utc_offset_s);
    number::display(out, format_args!("{time} #{} ", cx.event.num.0));
    let or_unknown = |text: Vec<u8>| if text.is_empty() { b"?".to_vec() } else { text };
    text::escape_exact(out, &or_unknown(value(cx, "proc.name")));
    out.push(b'(');
    out.extend_from_slice(&or_unknown(value(cx, "proc.pid")));
    out.extend_from_slice(b") by ");
    text::escape_exact(out, &or_unknown(value(cx, "user.name")));
    let mut container = value(cx, "container.name");
    if container.is_empty() {
        container = value(cx, "container.id");
    }
    if !container.is_empty() && container != b"host" {
        out.extend_from_slice(b" in ");
        text::escape_exact(out, &container);
    }
    out.extend_from_slice(b": ");
    text::escape_exact(out, kind);
    out.extend_from_slice(b": ");
    text::escape_exact(out, what);
    for (index, (name, value)) in facts.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b" (" } else { b" " });
        text::escape_exact(out, name);
        out.push(b'=');
        text::escape_exact(out, value);
    }
    if !facts.is_empty() {
        out.push(b')');
    }
    out.push(b'\n');
}

fn finding_json(
    out: &mut Vec<u8>,
    cx: &Context<'_>,
    kind: &[u8],
    what: &[u8],
    facts: &[(Vec<u8>, Vec<u8>)],
) {
    let time = crate::event::time::iso8601(cx.event.ts.0, cx.session.machine.utc_offset_s);
    number::display(
        out,
        format_args!(
            "{{\"time\":\"{time}\",\"evt.num\":{},\"evt.rawtime\":{}",
            cx.event.num.0, cx.event.ts.0
        ),
    );
    let mut member = |name: &[u8], text: &[u8]| {
        out.push(b',');
        json::string(out, name);
        out.push(b':');
        json::string(out, text);
    };
    member(b"kind", kind);
    member(b"text", what);
    for name in WHO {
        let text = value(cx, name);
        if !text.is_empty() {
            member(name.as_bytes(), &text);
        }
    }
    for (name, value) in facts {
        member(name, value);
    }
    out.extend_from_slice(b"}\n");
}
