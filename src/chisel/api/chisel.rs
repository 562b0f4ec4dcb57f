//! `chisel.*`: the settings of a script.

use std::ffi::c_void;
use std::rc::Rc;

use mlua::{LightUserData, Lua, MultiValue, Table, Value};

use super::{number, text};
use crate::chisel::error::ApiError;
use crate::chisel::script_state::{ScriptState, Successor};
use crate::event::time::NS_PER_S;
use crate::filter::{Filter, TypeSet};
use crate::format::Template;

/// The default format of `chisel.set_event_formatter`.
const DEFAULT_FORMAT: &str =
    "*%evt.num %evt.time %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.args";

pub(super) fn table(lua: &Lua, script: &Rc<ScriptState>) -> mlua::Result<Table> {
    let table = lua.create_table()?;

    let own = script.clone();
    let request_field = lua.create_function(move |lua, name: Value| {
        let name = text(lua, name, "chisel.request_field takes the name of a field")?;
        let handle = own.fields.request(&name, &own.run)?;
        Ok(LightUserData(handle as *mut c_void))
    })?;
    table.set("request_field", request_field)?;

    let own = script.clone();
    let set_filter = lua.create_function(move |lua, filter: Value| {
        let filter = text(lua, filter, "chisel.set_filter takes the text of a filter")?;
        let parsed = if filter.trim().is_empty() {
            None
        } else {
            let parsed = Filter::parse(&filter);
            Some(parsed.map_err(|error| ApiError::Filter {
                text: filter,
                error: Box::new(error),
            })?)
        };
        let needs_payload = parsed.as_ref().is_some_and(Filter::needs_payload);
        let types = parsed
            .as_ref()
            .map_or(&TypeSet::ALL, Filter::evaluated_types);
        own.run.check_loaded(needs_payload, Some(types))?;
        *own.filter.borrow_mut() = parsed;
        own.run.changed();
        Ok(())
    })?;
    table.set("set_filter", set_filter)?;

    let own = script.clone();
    let set_event_formatter = lua.create_function(move |lua, format: Value| {
        let format = text(lua, format, "chisel.set_event_formatter takes a format")?;
        let format = match format.as_str() {
            "" | "default" => DEFAULT_FORMAT.to_owned(),
            _ => format,
        };
        let template = Template::new(&format);
        let template = template.map_err(|error| ApiError::Format {
            text: format,
            error: Box::new(error),
        })?;
        own.run.check_loaded(true, None)?;
        *own.formatter.borrow_mut() = Some(template);
        Ok(())
    })?;
    table.set("set_event_formatter", set_event_formatter)?;

    for (name, unit, is_precise) in [
        ("set_interval_ns", 1, false),
        ("set_interval_s", NS_PER_S, false),
        ("set_precise_interval_ns", 1, true),
    ] {
        let own = script.clone();
        let set = lua.create_function(move |lua, interval: Value| {
            let interval = number(lua, interval, "an interval is a number")?.saturating_mul(unit);
            let mut set = own.interval.get();
            if is_precise {
                set.precise = interval;
            } else {
                set.aligned = interval;
            }
            own.interval.set(set);
            own.run.changed();
            Ok(())
        })?;
        table.set(name, set)?;
    }

    let own = script.clone();
    let exec = lua.create_function(move |lua, (name, rest): (Value, MultiValue)| {
        let name = text(lua, name, "chisel.exec takes the name of a chisel")?;
        let arguments = rest
            .into_iter()
            .map(|value| text(lua, value, "arguments for chisel.exec are texts or numbers"))
            .collect::<mlua::Result<_>>()?;
        *own.successor.borrow_mut() = Some(Successor { name, arguments });
        Ok(())
    })?;
    table.set("exec", exec)?;
    Ok(table)
}
