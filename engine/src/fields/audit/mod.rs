//! Fields of Kubernetes audit events: `ka.*` and `jevt.*` (`json.*`) as Falco's plugins `k8saudit` and `json` have
//! them, and `audit.*` of our own.
//!
//! All values of the plugins' fields are text, also numbers and truth values. A value is absent if a key on the way to
//! it is missing. docs/audit.md lists where we differ from the plugins, whose mistakes are not repeated.

mod document;
mod ka;
mod own;
mod pod;
mod walk;

pub(super) use document::{JEVT, JSON};
pub(super) use ka::FIELDS as KA;
pub(super) use own::FIELDS as AUDIT;

use super::{Context, Scratch, Value};
use crate::audit::json::{Json, Text};
use crate::audit::{is_audit, plugin_data};

/// Looks into the JSON of an event of any plugin.
fn in_document<'a, T>(cx: &Context<'a>, look: impl FnOnce(Json<'_, 'a>) -> Option<T>) -> Option<T> {
    let text = plugin_data(cx.event)?;
    let mut latest = cx.session.document.borrow_mut();
    look(latest.of(cx.event, text)?)
}

/// Looks into a Kubernetes audit event; one without `auditID` has no fields.
fn in_event<'a, T>(cx: &Context<'a>, look: impl FnOnce(Json<'_, 'a>) -> Option<T>) -> Option<T> {
    if !is_audit(cx.event) {
        return None;
    }
    in_document(cx, |event| {
        event.get("auditID")?;
        look(event)
    })
}

/// The text of a value: the content of a text, all else as JSON.
fn text_of<'a>(value: Json<'_, 'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    match value.text().and_then(Text::plain) {
        Some(text) => Some(Value::Text(text)),
        None => scratch.text(|out| value.write(out)),
    }
}

/// The value that a chain of keys leads to.
fn scalar<'a>(cx: &Context<'a>, scratch: &'a mut Scratch, keys: &[&str]) -> Option<Value<'a>> {
    in_event(cx, |event| text_of(event.path(keys)?, scratch))
}
