//! The fields that a script asked for, and their values as Lua has them.

use std::cell::UnsafeCell;

use super::error::ApiError;
use super::shared::{Run, Shared};
use crate::event::bytes;
use crate::event::number;
use crate::fields::{
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
pub(super) enum Found {
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
        fields.any(&mut test)
    }

    /// Returns the value of a field in an event.
    pub(super) fn value(&self, handle: usize, cx: &Context<'_>, shared: &Shared) -> Found {
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
            shared.run.handed(text);
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
