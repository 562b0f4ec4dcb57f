//! The containers as a Lua table.

use mlua::{Lua, Table};

use crate::chisel::error::ApiError;
use crate::chisel::script_state::ScriptState;

/// Returns `{ {id=, name=, image=, type=}, … }`.
pub(super) fn table(lua: &Lua, script: &ScriptState) -> mlua::Result<Table> {
    let found = script.call_context.world(|world| {
        let table = lua.create_table()?;
        for info in world.state.containers() {
            let row = lua.create_table()?;
            for (name, text) in [
                ("id", Some(info.id.as_str())),
                ("name", info.text("name")),
                ("image", info.text("image")),
                ("type", info.runtime()),
            ] {
                let text = text.unwrap_or_default();
                script.run.handed(text.as_bytes());
                row.set(name, text)?;
            }
            table.push(row)?;
        }
        Ok(table)
    });
    found.unwrap_or_else(|| Err(ApiError::Misuse("the capture is not open yet").into()))
}
