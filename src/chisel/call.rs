//! The call for each event, without the overhead of a call through `mlua`.
//!
//! The function is kept on the stack of its own coroutine, where it can be called directly and
//! leaves nothing behind.

use std::ffi::c_int;

use mlua::{Function, Lua, Thread, Value, ffi};

/// A function without arguments that returns a boolean.
pub(super) struct Callback {
    /// Keeps `stack` from being collected; who has the callback has the Lua state, too.
    _thread: Thread,
    /// A coroutine's state; the function is its only value between two calls.
    stack: *mut ffi::lua_State,
}

impl Callback {
    /// Prepares a function for calls.
    pub(super) fn new(lua: &Lua, function: &Function) -> mlua::Result<Self> {
        let thread = lua.create_thread(function.clone())?;
        let mut stack = std::ptr::null_mut();
        // SAFETY: the closure takes the one value it was given, a coroutine that has not begun, whose stack
        // holds the function, and leaves none.
        unsafe {
            lua.exec_raw::<()>(thread.clone(), |state| {
                stack = ffi::lua_tothread(state, -1);
                ffi::lua_settop(state, 0);
            })?;
        }
        Ok(Self {
            _thread: thread,
            stack,
        })
    }

    /// Calls the function in its Lua state; returns true if it returned `true` and the result is wanted.
    #[inline]
    pub(super) fn call(&self, lua: &Lua, wants_result: bool) -> mlua::Result<bool> {
        let stack = self.stack;
        // SAFETY: the state is alive: the caller has `lua`, and `_thread` holds the coroutine. The function is at index 1: scripts cannot get hold of a coroutine
        // that they have not made (`coroutine.running`), so none of them has resumed it, but that is checked. The call is
        // protected: an error is left on the stack as the only value above the function.
        let status = unsafe {
            if ffi::lua_gettop(stack) != 1 || ffi::lua_status(stack) != ffi::LUA_OK {
                let lost = "the coroutine in which on_event is called was resumed by the script";
                return Err(mlua::Error::RuntimeError(lost.to_owned()));
            }
            ffi::lua_pushvalue(stack, 1);
            ffi::lua_pcall(stack, 0, c_int::from(wants_result), 0)
        };
        if status != ffi::LUA_OK {
            return Err(self.error(lua, status));
        }
        // SAFETY: the result is on the stack.
        Ok(wants_result
            && unsafe {
                let is_true = ffi::lua_type(stack, -1) == ffi::LUA_TBOOLEAN
                    && ffi::lua_toboolean(stack, -1) != 0;
                ffi::lua_settop(stack, 1);
                is_true
            })
    }

    /// Takes the error from the stack.
    #[cold]
    fn error(&self, lua: &Lua, status: i32) -> mlua::Error {
        let stack = self.stack;
        // SAFETY: moves the one value from one stack of the same Lua to the other, which has room for it.
        let value = unsafe {
            lua.exec_raw::<Value>((), |state| {
                ffi::lua_xmove(stack, state, 1);
            })
        };
        // SAFETY: an error can have left more on the stack only if memory is short.
        unsafe { ffi::lua_settop(stack, 1) };
        match value {
            _ if status == ffi::LUA_ERRMEM => {
                mlua::Error::MemoryError("not enough memory".to_owned())
            }
            Ok(Value::Error(error)) => *error,
            Ok(Value::String(text)) => mlua::Error::RuntimeError(text.to_string_lossy()),
            Ok(other) => mlua::Error::RuntimeError(format!(
                "(error object is a {} value)",
                other.type_name()
            )),
            Err(error) => error,
        }
    }
}
