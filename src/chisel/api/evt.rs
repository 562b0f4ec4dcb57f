//! `evt.*`: the current event.

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::chisel::raw;
use crate::chisel::script_state::ScriptState;
use crate::event::time;
use crate::fields::{FieldFlags, Scratch, Value, lookup};

pub(super) fn table(lua: &Lua, script: &Rc<ScriptState>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let pointer = Rc::as_ptr(script);
    table.set("field", raw::bind(lua, pointer, raw::evt_field)?)?;
    table.set("get_num", raw::bind(lua, pointer, raw::evt_get_num)?)?;
    table.set("get_ts", raw::bind(lua, pointer, raw::evt_get_ts)?)?;
    table.set("rel_ns", raw::bind(lua, pointer, raw::evt_rel_ns)?)?;

    let own = script.clone();
    let ty = lookup("evt.type").ok();
    debug_assert!(
        ty.as_ref()
            .is_some_and(|f| !f.info.flags.contains(FieldFlags::FILTER_ONLY))
    );
    let get_type = lua.create_function(move |lua, ()| {
        let mut scratch = Scratch::default();
        let name = own
            .call_context
            .event(|cx| match ty.as_ref()?.extract(cx, &mut scratch)? {
                Value::Text(name) | Value::Rendered(name) => Some(lua.create_string(name)),
                _ => None,
            });
        name.flatten().transpose()
    })?;
    table.set("get_type", get_type)?;

    let own = script.clone();
    let get_cpuid =
        lua.create_function(move |_, ()| Ok(own.call_context.event(|cx| cx.event.cpu)))?;
    table.set("get_cpuid", get_cpuid)?;

    let own = script.clone();
    let iso = lua.create_function(move |lua, ()| {
        let text = own.call_context.event(|cx| {
            lua.create_string(time::iso8601(
                cx.event.ts.0,
                cx.session.machine.utc_offset_s,
            ))
        });
        text.transpose()
    })?;
    table.set("iso", iso)?;
    Ok(table)
}
