//! The fields that a script asked for, and their values as Lua has them.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};

use mlua::ffi;

use super::error::ApiError;
use super::shared::{Run, Shared};
use crate::event::bytes;
use crate::event::number;
use crate::filter::fields::{
    self, Context, Field, FieldFlags, FieldType, LookupError, Scratch, Value, can_show_data,
};

/// The fields of one script. A handle is a field's place in the list, from 1 on.
#[derive(Default)]
pub(super) struct Fields(UnsafeCell<Inner>);

#[derive(Default)]
struct Inner {
    fields: Vec<Requested>,
    scratch: Scratch,
    rendered: Vec<u8>,
}

/// A field and what of its value Lua gets.
struct Requested {
    /// `None`: always absent.
    field: Option<Field>,
    /// A truth value that is a number in sysdig.
    as_number: bool,
}

/// Most fields that a script can ask for.
const MAX_FIELDS: usize = 65_536;

/// A value for Lua; text is borrowed from where nothing moves before the next value is asked for.
enum Found {
    Nil,
    Number(f64),
    Bool(bool),
    Text(*const u8, usize),
}

impl Fields {
    /// Looks a field up and returns its handle.
    pub(super) fn request(&self, name: &str, run: &Run) -> Result<usize, ApiError> {
        let field = match fields::lookup(name.trim()) {
            Ok(field) => Some(field),
            // Parameters were named otherwise once, and scripts still ask for them.
            Err(LookupError::ArgumentInvalid {
                field: "evt.arg" | "evt.rawarg",
                ..
            }) => None,
            Err(error) => return Err(error.into()),
        };
        let info = field.as_ref().map(|field| field.info);
        if let Some(info) = info.filter(|i| i.flags.contains(FieldFlags::FILTER_ONLY)) {
            return Err(ApiError::FilterOnly(info.name));
        }
        run.check_loaded(field.as_ref().is_some_and(can_show_data), None)?;
        let requested = Requested {
            as_number: info.is_some_and(|info| info.name == "evt.type.is"),
            field,
        };
        // SAFETY: no other reference into the cell is alive: those of `value` end with it, and it calls
        // nothing that comes back here.
        let inner = unsafe { &mut *self.0.get() };
        if inner.fields.len() >= MAX_FIELDS {
            return Err(ApiError::Misuse("too many fields are requested"));
        }
        inner.fields.push(requested);
        Ok(inner.fields.len())
    }

    /// Whether a field of the script fulfils a condition.
    pub(super) fn any(&self, mut test: impl FnMut(&Field) -> bool) -> bool {
        // SAFETY: as in `request`.
        let inner = unsafe { &*self.0.get() };
        let mut fields = inner.fields.iter().filter_map(|r| r.field.as_ref());
        fields.any(|field| test(field))
    }

    /// Returns the value of a field in an event.
    fn value(&self, handle: usize, cx: &Context<'_>, shared: &Shared) -> Found {
        // SAFETY: as in `request`; extracting and rendering a value never calls Lua.
        let inner = unsafe { &mut *self.0.get() };
        let Some(requested) = handle.checked_sub(1).and_then(|i| inner.fields.get(i)) else {
            return Found::Nil;
        };
        let Some(field) = &requested.field else {
            return Found::Nil;
        };
        let Some(value) = field.extract(cx, &mut inner.scratch) else {
            return Found::Nil;
        };
        let text = |text: &[u8]| {
            shared.run.output.borrow_mut().handed(text);
            Found::Text(text.as_ptr(), text.len())
        };
        match value {
            Value::Int(n) => Found::Number(n as f64),
            Value::Uint(n) => Found::Number(n as f64),
            Value::Double(n) => Found::Number(n),
            Value::Bool(b) if requested.as_number => Found::Number(f64::from(u8::from(b))),
            Value::Bool(b) => Found::Bool(b),
            Value::Text(value) => text(value),
            // What a call moved is raw in `evt.rawarg`, elsewhere in the form that is set.
            Value::Bytes(value) if field.info.ty == FieldType::Dynamic => text(value),
            Value::Bytes(value) => {
                inner.rendered.clear();
                bytes::render(&mut inner.rendered, value, shared.run.buffer_format());
                text(&inner.rendered)
            }
            Value::Ip(address) => {
                inner.rendered.clear();
                number::display(&mut inner.rendered, format_args!("{address}"));
                text(&inner.rendered)
            }
            // Of several values the first.
            Value::Texts(list) => fields::items(list).next().map_or(Found::Nil, text),
            Value::Ints(list) => list
                .first()
                .map_or(Found::Nil, |n| Found::Number(*n as f64)),
            Value::Ips(..) | Value::Ports(..) => Found::Nil,
        }
    }
}

/// Returns what a C function of ours was bound to.
///
/// # Safety
///
/// `state` is one in which such a function runs, whose first upvalue is a pointer to a living [`Shared`].
unsafe fn shared<'a>(state: *mut ffi::lua_State) -> &'a Shared {
    // SAFETY: as above.
    unsafe { &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Shared>() }
}

/// `evt.field(handle)`: as a C function, since it is called several times for each event.
///
/// # Safety
///
/// As [`shared`].
pub(super) unsafe extern "C-unwind" fn evt_field(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the state is valid, and Lua leaves room for 20 values in a C function. Pushing a text can
    // raise an error that leaves this function; nothing in it has to be dropped then.
    unsafe {
        let own = shared(state);
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
            let found = own.scene.event(|cx| own.fields.value(handle, cx, own));
            found.unwrap_or(Found::Nil)
        };
        match found {
            Found::Nil => ffi::lua_pushnil(state),
            Found::Number(number) => ffi::lua_pushnumber(state, number),
            Found::Bool(value) => ffi::lua_pushboolean(state, c_int::from(value)),
            Found::Text(start, len) => {
                ffi::lua_pushlstring(state, start.cast(), len);
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
        let number = shared(state).scene.event(|cx| cx.event.num.0 as f64);
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
        let time = shared(state).scene.event(|cx| cx.event.ts.0);
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
        let since = shared(state).scene.event(|cx| {
            let (time, first) = (cx.event.ts.0, cx.session.first_time);
            // Events of several CPUs can be a little out of order.
            (i128::from(time) - i128::from(first)) as f64
        });
        push(state, since)
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

/// Makes functions of these.
pub(super) fn bind(
    lua: &mlua::Lua,
    shared: *const Shared,
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
