//! Fields of any JSON document: what Falco's plugin `json` calls `json.*`, and with the older name `jevt.*`.

use super::super::attributes::{ArgNames, Listing};
use super::super::info::{ArgForm, FieldInfo, text};
use super::super::{Context, Field, FieldArg, Scratch, Value};
use super::{in_document, text_of};
use crate::audit::json::{Json, Kind};
use crate::audit::plugin_data;
use crate::event::number;

macro_rules! fields {
    ($class:literal, $other:literal) => {
        &[
            text(
                concat!($class, ".value"),
                concat!(
                    "value at a JSON pointer: ",
                    $class,
                    ".value[/user/username]; `~1` stands for `/`, `~0` for `~`"
                ),
                value,
            )
            .arg(ArgForm::Key)
            .arg_names(ArgNames::Pointer)
            .of_plugin(),
            text(
                concat!($class, ".obj"),
                concat!("the whole document, indented; as ", $other, ".obj"),
                object,
            )
            .listing(Listing::Hidden)
            .of_plugin(),
            text(
                concat!($class, ".rawtime"),
                "time of the event in nanoseconds since the epoch, as text",
                rawtime,
            )
            .listing(Listing::Hidden)
            .of_plugin(),
        ]
    };
}

pub(in crate::fields) const JSON: &[FieldInfo] = fields!("json", "jevt");
pub(in crate::fields) const JEVT: &[FieldInfo] = fields!("jevt", "json");

extract! {
    value = |field, cx, scratch| in_document(cx, |document| {
        let found = match &field.arg {
            FieldArg::Name(pointer) => follow(document, pointer),
            FieldArg::Index(key) => follow(document, &key.to_string()),
            FieldArg::None => None,
        };
        text_of(found?, scratch)
    });
    object = |_, cx, scratch| in_document(cx, |document| {
        scratch.text(|out| document.write_indented(out, 0))
    });
    rawtime = |_, cx, scratch| {
        plugin_data(cx.event)?;
        let time = cx.event.ts.known()?;
        scratch.text(|out| number::udec(out, time))
    };
}

/// Returns the value at a JSON pointer (RFC 6901), whose first slash may be left out.
fn follow<'d, 't>(document: Json<'d, 't>, pointer: &str) -> Option<Json<'d, 't>> {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    if pointer.is_empty() {
        return Some(document);
    }
    pointer
        .split('/')
        .try_fold(document, |value, part| match value.kind() {
            Kind::Array => {
                // Nothing but digits is the number of an element.
                let index = part.bytes().all(|b| b.is_ascii_digit()).then_some(part)?;
                value.items().nth(index.parse().ok()?)
            }
            _ if part.contains('~') => value.get(&part.replace("~1", "/").replace("~0", "~")),
            _ => value.get(part),
        })
}
