//! The API tables of scripts: `sysdig`, `chisel`, `evt`, and scap's own, `scap`.
//!
//! The arguments and results of the functions are documented in `docs/chisels.md`.

mod chisel;
mod containers;
mod evt;
mod scap;
mod sysdig;
mod threads;

use std::rc::Rc;

use mlua::{Lua, Value};

use super::error::ApiError;
use super::script_state::ScriptState;

/// Creates the tables.
pub(super) fn install(lua: &Lua, script: &Rc<ScriptState>) -> mlua::Result<()> {
    let globals = lua.globals();
    globals.set("sysdig", sysdig::table(lua, script)?)?;
    globals.set("chisel", chisel::table(lua, script)?)?;
    globals.set("evt", evt::table(lua, script)?)?;
    globals.set("scap", scap::table(lua, script)?)
}

/// Longest text that is passed to the program to be parsed, in bytes: what is made of it is not in Lua's memory, which is
/// limited.
const MAX_TEXT: usize = 1 << 20;

/// Converts an argument to text; like sysdig it accepts numbers.
fn text(lua: &Lua, value: Value, what: &'static str) -> mlua::Result<String> {
    match lua.coerce_string(value)? {
        Some(text) if text.as_bytes().len() > MAX_TEXT => {
            Err(ApiError::Misuse("a text of more than 1 MiB").into())
        }
        Some(text) => Ok(text.to_string_lossy()),
        None => Err(ApiError::Misuse(what).into()),
    }
}

/// Converts an argument to a number; like sysdig it accepts texts of numbers.
fn number(lua: &Lua, value: Value, what: &'static str) -> mlua::Result<u64> {
    match lua.coerce_number(value)? {
        // Saturates.
        Some(number) if number >= 0.0 => Ok(number as u64),
        _ => Err(ApiError::Misuse(what).into()),
    }
}
