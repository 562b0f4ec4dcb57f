//! Fields of alerts that were recorded with the events: scap's own.

use super::info::{FieldFlags, FieldInfo, text, uint};
use super::{Context, Field, Scratch, Value};
use crate::event::alert::{self, Alert};

pub(super) const FIELDS: &[FieldInfo] = &[
    own(text(
        "alert.rule",
        "name of the rule of an alert that was recorded",
        rule,
    )),
    own(text("alert.priority", "priority of the rule", priority)),
    own(text(
        "alert.tags",
        "tags of the rule, separated by commas",
        tags,
    )),
    own(text(
        "alert.source",
        "where the event is from that the alert is about: syscall, k8s_audit",
        source,
    )),
    own(text(
        "alert.message",
        "output of the rule, without time and priority",
        message,
    )),
    own(uint(
        "alert.left_out",
        "how many alerts of the rule the event stands for, which are not in the capture; absent for an alert",
        left_out,
    )),
    own(text(
        "alert.json",
        "the alert as JSON object: with the fields of its output, and more about the event",
        json,
    )),
];

const fn own(info: FieldInfo) -> FieldInfo {
    info.flag(FieldFlags::OURS).of_alert()
}

extract! {
    rule = |_, cx, scratch| of(cx, scratch, |alert| alert.rule);
    priority = |_, cx, scratch| of(cx, scratch, |alert| alert.priority);
    tags = |_, cx, scratch| of(cx, scratch, |alert| alert.tags.join(","));
    source = |_, cx, scratch| of(cx, scratch, |alert| alert.source);
    message = |_, cx, scratch| of(cx, scratch, |alert| alert.message);
    json = |_, cx, _| alert::data(cx.event).map(Value::Text);
    left_out = |_, cx, _| {
        let count = Alert::of(cx.event)?.left_out;
        (count > 0).then_some(Value::Uint(count))
    };
}

/// Returns a text of an alert; an empty one is absent.
fn of<'a>(
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
    part: impl FnOnce(Alert) -> String,
) -> Option<Value<'a>> {
    let text = part(Alert::of(cx.event)?);
    if text.is_empty() {
        return None;
    }
    scratch.text(|out| out.extend_from_slice(text.as_bytes()))
}
