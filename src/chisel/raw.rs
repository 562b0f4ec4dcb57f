//! API functions that are called many times for each event, as C functions of Lua.
//!
//! Calling them through `mlua` takes twice as long. They own nothing while they call Lua, since an
//! error of Lua leaves them by a long jump.

use std::ffi::{c_int, c_void};

use mlua::ffi;

use super::fields::Found;
use super::script_state::ScriptState;

/// Returns the data to which a C function is bound.
///
/// # Safety
///
/// `state` is one in which such a function runs, whose first upvalue is a pointer to a living [`ScriptState`].
unsafe fn shared<'a>(state: *mut ffi::lua_State) -> &'a ScriptState {
    // SAFETY: as above.
    unsafe { &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<ScriptState>() }
}

/// `evt.field(handle)`: as a C function, since it is called several times for each event.
///
/// # Safety
///
/// As [`shared`].
pub(super) unsafe extern "C-unwind" fn evt_field(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the state is valid, and Lua leaves room for 20 values in a C function. Pushing a text collects garbage
    // first, so it can run finalizers: while it is lent, none of them gets another value, which would overwrite it or
    // move it, and the event and the state, from which it can borrow, are borrowed by who called the script. It can also
    // raise an error that leaves this function; nothing in it has to be dropped then.
    unsafe {
        let own = shared(state);
        if own.fields.is_lent() {
            ffi::luaL_error(state, c"evt.field cannot be used in a finalizer".as_ptr());
        }
        let handle = ffi::lua_touserdata(state, 1) as usize;
        let found = if handle == 0 {
            if ffi::lua_isnoneornil(state, 1) == 0 {
                ffi::luaL_error(
                    state,
                    c"evt.field takes what chisel.request_field returned".as_ptr(),
                );
            }
            Found::Nil
        } else {
            let found = own
                .call_context
                .event(|cx| own.fields.value(handle, cx, own));
            found.unwrap_or(Found::Nil)
        };
        match found {
            Found::Nil => ffi::lua_pushnil(state),
            Found::Number(number) => ffi::lua_pushnumber(state, number),
            Found::Bool(value) => ffi::lua_pushboolean(state, c_int::from(value)),
            Found::Text(start, len) => {
                own.fields.lend(true);
                ffi::lua_pushlstring(state, start.cast(), len);
                own.fields.lend(false);
            }
        }
        1
    }
}

/// `evt.get_num()`.
///
/// # Safety
///
/// As [`shared`].
pub(super) unsafe extern "C-unwind" fn evt_get_num(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `evt_field`.
    unsafe {
        let number = shared(state).call_context.event(|cx| cx.event.num.0 as f64);
        push(state, number)
    }
}

/// `evt.get_ts()`: seconds and nanoseconds.
///
/// # Safety
///
/// As [`shared`].
pub(super) unsafe extern "C-unwind" fn evt_get_ts(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `evt_field`.
    unsafe {
        let time = shared(state).call_context.event(|cx| cx.event.ts.0);
        let parts = time.map(|ns| ((ns / 1_000_000_000) as f64, (ns % 1_000_000_000) as f64));
        push(state, parts.map(|p| p.0)) + push(state, parts.map(|p| p.1))
    }
}

/// `evt.rel_ns()`: nanoseconds since the first event, which a number holds exactly for 104 days.
///
/// # Safety
///
/// As [`shared`].
pub(super) unsafe extern "C-unwind" fn evt_rel_ns(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `evt_field`.
    unsafe {
        let since = shared(state).call_context.event(|cx| {
            let (time, first) = (cx.event.ts.0, cx.session.first_time);
            // Events of different CPUs can be slightly out of order.
            (i128::from(time) - i128::from(first)) as f64
        });
        push(state, since)
    }
}

/// `host.put(text, …)`: prints texts and numbers.
///
/// # Safety
///
/// As [`shared`].
pub(super) unsafe extern "C-unwind" fn put(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `evt_field`. A text stays where it is while it is on the stack. Making one of a number
    // can raise an error, while nothing is borrowed.
    unsafe {
        let own = shared(state);
        for index in 1..=ffi::lua_gettop(state) {
            let mut len = 0;
            let start = ffi::lua_tolstring(state, index, &raw mut len);
            if start.is_null() {
                ffi::luaL_error(state, c"only texts and numbers can be written".as_ptr());
            }
            let text = std::slice::from_raw_parts(start.cast::<u8>(), len);
            own.run.print(|output| output.write(text));
        }
        0
    }
}

/// Pushes a number or nil.
///
/// # Safety
///
/// The state is valid and has room for a value.
unsafe fn push(state: *mut ffi::lua_State, number: Option<f64>) -> c_int {
    // SAFETY: as above.
    unsafe {
        match number {
            Some(number) => ffi::lua_pushnumber(state, number),
            None => ffi::lua_pushnil(state),
        }
    }
    1
}

/// Creates Lua functions for these C functions.
pub(super) fn bind(
    lua: &mlua::Lua,
    shared: *const ScriptState,
    function: ffi::lua_CFunction,
) -> mlua::Result<mlua::Function> {
    // SAFETY: the closure pushes one value more than it takes, onto a stack that has room. The pointer
    // stays valid: the chisel that owns the state keeps what it points to for as long.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::lua_pushlightuserdata(state, shared.cast_mut().cast::<c_void>());
            ffi::lua_pushcclosure(state, function, 1);
        })
    }
}
