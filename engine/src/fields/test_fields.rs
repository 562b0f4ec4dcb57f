//! Fields for tests: lookups find them, but they are not listed.

use super::info::{FieldInfo, uint};
use super::{Context, Field, Scratch, Value};

/// Only a name, a type and a value: `test.strict` has the strictest attributes.
pub(super) const FIELDS: &[FieldInfo] = &[uint(
    "test.strict",
    "how often this use of it was evaluated",
    evaluations,
)];

fn evaluations<'a>(field: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let count = field.memory.get() + 1;
    field.memory.set(count);
    Some(Value::Uint(count))
}
