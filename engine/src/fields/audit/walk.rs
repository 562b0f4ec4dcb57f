//! Values in the arrays of an audit event, as lists of texts.

use super::super::{Context, Field, FieldArg, Scratch, Value};
use super::in_event;
use crate::audit::json::{Json, Kind};

/// The texts of a list field, each followed by a NUL.
pub(super) struct List<'s> {
    bytes: &'s mut Vec<u8>,
}

impl List<'_> {
    /// Adds a text that `write` appends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.bytes);
        self.bytes.push(0);
    }

    /// Adds a value.
    pub(super) fn value(&mut self, value: Json<'_, '_>) {
        self.add(|out| value.write(out));
    }
}

/// What a missing value in one of several elements means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The element is skipped.
    Skip,
    /// The field is absent.
    Fail,
}

/// Returns the element that the argument of a field selects; `None` = all.
pub(super) fn index(field: &Field) -> Option<usize> {
    match &field.arg {
        FieldArg::Index(index) => usize::try_from(*index).ok(),
        _ => None,
    }
}

/// Builds a list from the values that a chain of keys leads to, through every element of the arrays on the way, or
/// through the one that the field's argument selects. An empty list is absent.
pub(super) fn list<'a>(
    field: &Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
    keys: &[&str],
    missing: Missing,
    add: impl Fn(&mut List<'_>, Json<'_, 'a>),
) -> Option<Value<'a>> {
    let bytes = &mut scratch.bytes;
    bytes.clear();
    let mut list = List { bytes };
    let is_whole = in_event(cx, |event| {
        let mut is_whole = true;
        each(event, keys, index(field), &mut |value| match value {
            Some(value) => add(&mut list, value),
            None => is_whole &= missing == Missing::Skip,
        });
        Some(is_whole)
    })?;
    (is_whole && !scratch.bytes.is_empty()).then_some(Value::Texts(&scratch.bytes))
}

/// Adds a value.
pub(super) fn one(list: &mut List<'_>, value: Json<'_, '_>) {
    list.value(value);
}

/// Adds the elements of a list, or a value that is none.
pub(super) fn flat(list: &mut List<'_>, value: Json<'_, '_>) {
    match value.kind() {
        Kind::Array => value.items().for_each(|item| list.value(item)),
        _ => list.value(value),
    }
}

/// Calls `see` with each value that a chain of keys leads to; with `None` where a key is missing.
pub(super) fn each<'d, 't>(
    value: Json<'d, 't>,
    keys: &[&str],
    index: Option<usize>,
    see: &mut dyn FnMut(Option<Json<'d, 't>>),
) {
    let Some((key, rest)) = keys.split_first() else {
        return see(Some(value));
    };
    match (value.kind(), index) {
        (Kind::Array, Some(index)) => match value.items().nth(index) {
            Some(item) => each(item, keys, Some(index), see),
            None => see(None),
        },
        (Kind::Array, None) => value.items().for_each(|item| each(item, keys, None, see)),
        _ => match value.get(key) {
            Some(value) => each(value, rest, index, see),
            None => see(None),
        },
    }
}
