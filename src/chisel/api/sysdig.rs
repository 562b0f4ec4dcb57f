//! `sysdig.*`: functions that concern the whole run.

use std::net::{Ipv4Addr, UdpSocket};
use std::rc::Rc;

use mlua::{Lua, LuaString, Table, Value};

use super::{containers, number, text, threads};
use crate::chisel::error::ApiError;
use crate::chisel::script_state::ScriptState;
use crate::event::bytes::BufferFormat;
use crate::event::time::NS_PER_S;
use crate::filter::Filter;

pub(super) fn table(lua: &Lua, script: &Rc<ScriptState>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    asks(lua, script, &table)?;
    sets(lua, script, &table)?;
    times(lua, script, &table)?;
    network(lua, script, &table)?;
    for (name, parts) in threads::VARIANTS {
        let own = script.clone();
        let get = lua.create_function(move |lua, filter: Option<LuaString>| {
            let filter = filter.map(|f| f.to_string_lossy());
            threads::table(lua, &own, filter.as_deref(), *parts)
        })?;
        table.set(*name, get)?;
    }
    let own = script.clone();
    let get_container_table = lua.create_function(move |lua, ()| containers::table(lua, &own))?;
    table.set("get_container_table", get_container_table)?;
    Ok(table)
}

/// Functions that return information.
fn asks(lua: &Lua, script: &Rc<ScriptState>, table: &Table) -> mlua::Result<()> {
    let own = script.clone();
    table.set(
        "is_live",
        lua.create_function(move |_, ()| Ok(own.run.is_live))?,
    )?;

    let own = script.clone();
    let is_tty = lua.create_function(move |_, ()| Ok(own.run.is_terminal))?;
    table.set("is_tty", is_tty)?;

    let own = script.clone();
    let get_terminal_info = lua.create_function(move |lua, ()| {
        let size = own.run.terminal_size;
        let (width, height) = size.map_or((-1, -1), |(w, h)| (i32::from(w), i32::from(h)));
        let table = lua.create_table()?;
        table.set("width", width)?;
        table.set("height", height)?;
        Ok(table)
    })?;
    table.set("get_terminal_info", get_terminal_info)?;

    let own = script.clone();
    let get_filter = lua.create_function(move |_, ()| {
        let (filter, _) = &*own.run.filter.borrow();
        Ok(filter.clone().unwrap_or_default())
    })?;
    table.set("get_filter", get_filter)?;

    let own = script.clone();
    let get_machine_info = lua.create_function(move |lua, ()| {
        let info = own.call_context.world(|world| {
            let machine = &world.session.machine;
            let table = lua.create_table()?;
            table.set("num_cpus", machine.cpus)?;
            table.set("memory_size_bytes", machine.memory as f64)?;
            // scap's captures do not store it; this is the default of 64-bit machines.
            table.set("max_pid", 4_194_304)?;
            table.set("hostname", machine.host_name.as_str())?;
            Ok(table)
        });
        info.unwrap_or_else(|| Err(ApiError::Misuse("the machine is not known yet").into()))
    })?;
    table.set("get_machine_info", get_machine_info)?;

    let own = script.clone();
    let is_print_container_data = lua.create_function(move |_, ()| Ok(own.run.shows_containers))?;
    table.set("is_print_container_data", is_print_container_data)?;

    let own = script.clone();
    let get_output_format =
        lua.create_function(move |_, ()| Ok(if own.run.json { "json" } else { "normal" }))?;
    table.set("get_output_format", get_output_format)?;

    let own = script.clone();
    let get_evtsource_name = lua.create_function(move |_, ()| {
        let is_open = own.run.is_open.get();
        Ok(if is_open {
            own.run.capture.clone()
        } else {
            String::new()
        })
    })?;
    table.set("get_evtsource_name", get_evtsource_name)?;

    let own = script.clone();
    let get_read_progress = lua.create_function(move |_, ()| {
        if !own.run.is_open.get() {
            return Err(ApiError::Misuse("the capture is not open yet").into());
        }
        Ok(own.run.progress.get())
    })?;
    table.set("get_read_progress", get_read_progress)
}

/// Functions that change settings of the whole run.
fn sets(lua: &Lua, script: &Rc<ScriptState>, table: &Table) -> mlua::Result<()> {
    let own = script.clone();
    let set_filter = lua.create_function(move |lua, filter: Value| {
        let filter = text(lua, filter, "sysdig.set_filter takes the text of a filter")?;
        let mut set = own.run.filter.borrow_mut();
        if set.0.is_some() {
            return Err(ApiError::Misuse("filter can only be set once").into());
        }
        if let Err(error) = Filter::parse(&filter) {
            return Err(ApiError::Filter {
                text: filter,
                error: Box::new(error),
            }
            .into());
        }
        *set = (Some(filter), true);
        Ok(())
    })?;
    table.set("set_filter", set_filter)?;

    let own = script.clone();
    let set_snaplen = lua.create_function(move |lua, len: Value| {
        let len = number(lua, len, "sysdig.set_snaplen takes a number of bytes")?;
        own.run
            .snaplen
            .set(Some(u32::try_from(len).unwrap_or(u32::MAX)));
        Ok(())
    })?;
    table.set("set_snaplen", set_snaplen)?;

    let own = script.clone();
    let set_output_format = lua.create_function(move |lua, name: Value| {
        let name = text(
            lua,
            name,
            "sysdig.set_output_format takes the name of a format",
        )?;
        let format = match name.as_str() {
            "normal" | "simple" | "json" => BufferFormat::AllDots,
            "hex" => BufferFormat::Hex,
            "hexascii" => BufferFormat::HexAscii,
            "ascii" => BufferFormat::Ascii,
            "base64" | "jsonbase64" => BufferFormat::Base64,
            _ => return Err(ApiError::Misuse("unknown output format").into()),
        };
        if !own.run.buffers_chosen {
            own.run.buffers.set(Some(format));
        }
        Ok(())
    })?;
    table.set("set_output_format", set_output_format)?;

    // A written capture always keeps the events that later ones depend on.
    let set_fatfile = lua.create_function(|_, _: Value| Ok(()))?;
    table.set("set_fatfile_dump_mode", set_fatfile)?;

    let own = script.clone();
    let end_capture = lua.create_function(move |_, ()| {
        own.run.ends.set(true);
        Ok(())
    })?;
    table.set("end_capture", end_capture)?;

    let own = script.clone();
    let run_app = lua.create_function(move |lua, line: Value| {
        let line = text(lua, line, "sysdig.run_app takes a command line")?;
        *own.run.again.borrow_mut() = Some(line);
        Ok(())
    })?;
    table.set("run_app", run_app)?;

    let own = script.clone();
    let log = lua.create_function(move |lua, (message, severity): (Value, Value)| {
        let message = text(lua, message, "sysdig.log takes a message and a severity")?;
        let severity = text(lua, severity, "sysdig.log takes a message and a severity")?;
        let line = format!("{} {severity}: {message}\n", own.script.name);
        own.run.write_error(line.as_bytes());
        Ok(())
    })?;
    table.set("log", log)?;
    // Metrics were sent to an agent that is not part of sysdig.
    let push_metric = lua.create_function(|_, _: mlua::MultiValue| Ok(()))?;
    table.set("push_metric", push_metric)
}

/// Times are texts: as numbers they would lose their last digits.
fn times(lua: &Lua, script: &Rc<ScriptState>, table: &Table) -> mlua::Result<()> {
    let own = script.clone();
    let first = lua.create_function(move |_, ()| Ok(own.run.first_time.get().to_string()))?;
    table.set("get_firstevent_ts", first)?;
    let own = script.clone();
    let last = lua.create_function(move |_, ()| Ok(own.run.last_time.get().to_string()))?;
    table.set("get_lastevent_ts", last)?;

    let make_ts = lua.create_function(|lua, (seconds, ns): (Value, Value)| {
        let what = "sysdig.make_ts takes seconds and nanoseconds";
        let seconds = number(lua, seconds, what)? & 0xffff_ffff;
        let ns = number(lua, ns, what)? & 0xffff_ffff;
        Ok((seconds * NS_PER_S).saturating_add(ns).to_string())
    })?;
    table.set("make_ts", make_ts)?;

    let sum: fn(i64, i64) -> i64 = i64::wrapping_add;
    let difference: fn(i64, i64) -> i64 = i64::wrapping_sub;
    for (name, operation) in [("add_ts", sum), ("subtract_ts", difference)] {
        let compute = lua.create_function(move |lua, (a, b): (Value, Value)| {
            let time = |value| {
                let what = "a time is a number of nanoseconds, as text";
                let text = text(lua, value, what)?;
                let parsed: Result<u64, _> = text.trim().parse();
                let time = parsed.map_err(|_| ApiError::Misuse(what))?;
                mlua::Result::Ok(time.cast_signed())
            };
            Ok(operation(time(a)?, time(b)?).to_string())
        })?;
        table.set(name, compute)?;
    }
    Ok(())
}

/// Datagrams, for chisels that feed a monitor; only without the sandbox.
fn network(lua: &Lua, script: &Rc<ScriptState>, table: &Table) -> mlua::Result<()> {
    let own = script.clone();
    let set_peer = lua.create_function(move |lua, (ip, port): (Value, Value)| {
        let what = "sysdig.udp_setpeername takes an IPv4 address and a port";
        if !own.run.policy.unrestricted {
            return Err(ApiError::Denied(
                "sending is not allowed in a chisel (`--chisel-unsafe` allows it)".to_owned(),
            )
            .into());
        }
        let ip: Ipv4Addr = text(lua, ip, what)?
            .parse()
            .map_err(|_| ApiError::Misuse(what))?;
        let port: u16 = text(lua, port, what)?
            .parse()
            .map_err(|_| ApiError::Misuse(what))?;
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
        let connected = socket.and_then(|s| s.connect((ip, port)).map(|()| s));
        let socket = connected.map_err(|e| ApiError::Denied(format!("cannot send: {e}")))?;
        *own.run.socket.borrow_mut() = Some(socket);
        Ok(())
    })?;
    table.set("udp_setpeername", set_peer)?;
    let own = script.clone();
    let send = lua.create_function(move |_, message: LuaString| {
        match &*own.run.socket.borrow() {
            // Datagrams can be lost anyway, so a failure is not an error.
            Some(socket) => Ok(socket.send(&message.as_bytes()).is_ok()),
            None => Err(ApiError::Misuse("udp_send comes after udp_setpeername").into()),
        }
    })?;
    table.set("udp_send", send)
}
