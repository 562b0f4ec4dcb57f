//! The fields requested by a script, and their values in Lua.

use std::cell::{Cell, UnsafeCell};

use super::error::ApiError;
use super::run::Run;
use super::script_state::ScriptState;
use crate::event::bytes;
use crate::event::number;
use crate::fields::{self, Context, Field, FieldFlags, FieldType, LookupError, Scratch, Value};

/// The fields of a script. A handle is the index of a field, starting at 1.
#[derive(Default)]
pub(super) struct Fields {
    inner: UnsafeCell<Inner>,
    /// True while Lua copies a text that borrows from `inner`. Making a string can collect garbage, and what is collected
    /// can have a finalizer that asks for a field again: that is refused.
    lent: Cell<bool>,
}

#[derive(Default)]
struct Inner {
    /// `None` = always absent.
    fields: Vec<Option<Field>>,
    /// Bytes of the names of all that were requested.
    names: usize,
    scratch: Scratch,
    rendered: Vec<u8>,
}

/// The error for a finalizer that requests a field while a text is lent to Lua.
const IN_FINALIZER: &str = "fields cannot be requested in a finalizer";

/// Limits of the fields that a script can request: their number, and the bytes of their names.
const MAX_FIELDS: usize = 4096;
const MAX_NAMES: usize = 4 << 20;

/// A value for Lua; text borrows from a buffer, from the event or from the state, and is valid until the next value or
/// field is requested.
pub(super) enum Found {
    Nil,
    Number(f64),
    Bool(bool),
    Text(*const u8, usize),
}

impl Fields {
    /// Looks up a field and returns its handle.
    pub(super) fn request(&self, name: &str, run: &Run) -> Result<usize, ApiError> {
        let field = match fields::lookup(name.trim()) {
            Ok(field) => Some(field),
            // Scripts still use parameter names of older versions of sysdig.
            Err(LookupError::UnknownParameter { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let info = field.as_ref().map(|field| field.info);
        if let Some(info) = info.filter(|i| i.flags.contains(FieldFlags::FILTER_ONLY)) {
            return Err(ApiError::FilterOnly(info.name));
        }
        run.check_loaded(field.as_ref().is_some_and(Field::needs_payload), None)?;
        if self.lent.get() {
            return Err(ApiError::Misuse(IN_FINALIZER));
        }
        // SAFETY: no other reference into the cell is alive: those of `value` end with it, except for a text that is
        // lent to Lua, which was checked; and nothing between here and the end of this one calls Lua.
        let inner = unsafe { &mut *self.inner.get() };
        inner.names = inner.names.saturating_add(name.len());
        if inner.fields.len() >= MAX_FIELDS || inner.names > MAX_NAMES {
            return Err(ApiError::Misuse("too many fields are requested"));
        }
        inner.fields.push(field);
        Ok(inner.fields.len())
    }

    /// Returns true if a field of the script meets a condition.
    pub(super) fn any(&self, mut test: impl FnMut(&Field) -> bool) -> bool {
        // SAFETY: as in `request`; a text that is lent to Lua is only read, too.
        let inner = unsafe { &*self.inner.get() };
        let mut fields = inner.fields.iter().flatten();
        fields.any(&mut test)
    }

    /// Returns true while a text is lent to Lua.
    #[inline]
    pub(super) fn is_lent(&self) -> bool {
        self.lent.get()
    }

    /// Notes that a text is being copied by Lua, or that it no longer is. An error of Lua, which leaves the copying by a
    /// long jump, leaves it lent until the next call into the script.
    #[inline]
    pub(super) fn lend(&self, lent: bool) {
        self.lent.set(lent);
    }

    /// Returns the value of a field in an event. No text may be lent.
    pub(super) fn value(&self, handle: usize, cx: &Context<'_>, shared: &ScriptState) -> Found {
        debug_assert!(!self.is_lent());
        // SAFETY: as in `request`; extracting and rendering a value never calls Lua.
        let inner = unsafe { &mut *self.inner.get() };
        let Some(Some(field)) = handle.checked_sub(1).and_then(|i| inner.fields.get(i)) else {
            return Found::Nil;
        };
        let Some(value) = field.extract(cx, &mut inner.scratch) else {
            return Found::Nil;
        };
        let text = |text: &[u8]| {
            shared.run.handed(text);
            Found::Text(text.as_ptr(), text.len())
        };
        match value {
            Value::Int(n) => Found::Number(n as f64),
            Value::Uint(n) => Found::Number(n as f64),
            Value::Double(n) => Found::Number(n),
            Value::Bool(b) => Found::Bool(b),
            Value::Text(value) => text(value),
            Value::Rendered(value) => {
                shared.run.handed_escaped();
                text(value)
            }
            // Data is raw in `evt.rawarg`; in all other fields it has the selected format.
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
            // The first of several values.
            Value::Texts(list) => fields::items(list).next().map_or(Found::Nil, text),
            Value::Ints(list) => list
                .first()
                .map_or(Found::Nil, |n| Found::Number(*n as f64)),
            Value::Ips(..) | Value::Ports(..) => Found::Nil,
        }
    }
}
