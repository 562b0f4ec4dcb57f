//! `audit.*`: what the fields of Falco's plugin do not say, or only as text.

use super::super::info::{FieldFlags, FieldInfo, boolean, interval, text, uint};
use super::super::{Context, Field, Scratch, Value};
use super::ka::LIST;
use super::walk::{Missing, flat, list};
use super::{in_event, scalar, text_of};
use crate::audit::event::timestamp;
use crate::audit::json::Json;
use crate::audit::{summary, uri};

/// Keys of `user.extra`.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

pub(in crate::fields) const FIELDS: &[FieldInfo] = &[
    own(text(
        "audit.id",
        "id of the request; the client can choose it",
        id,
    )),
    own(text("audit.user", "user who made the request", user)),
    own(text("audit.groups", "groups of the user", groups)).flag(LIST),
    own(text(
        "audit.source_ip",
        "address that the request came from: the last one, which no client can make up",
        source_ip,
    )),
    own(text(
        "audit.impersonated_user",
        "user whom the caller acted as",
        impersonated_user,
    )),
    own(text(
        "audit.credential",
        "id of the token or certificate of the caller, the same in all requests with it",
        credential,
    )),
    own(text(
        "audit.pod.name",
        "pod that made the request, by its token",
        pod_name,
    )),
    own(text(
        "audit.pod.uid",
        "uid of the pod that made the request",
        pod_uid,
    )),
    own(text(
        "audit.node.name",
        "node of the pod that made the request",
        node_name,
    )),
    own(text(
        "audit.target",
        "object of the request: pods/exec shop/web",
        target,
    )),
    own(uint("audit.code", "HTTP status, as a number", code)),
    own(interval(
        "audit.latency",
        "from the receipt of the request to this stage",
        latency,
    )),
    own(text(
        "audit.exec.command",
        "command that an exec runs in a container, its words separated by blanks",
        exec_command,
    )),
    own(text(
        "audit.exec.args",
        "words of the command that an exec runs in a container",
        exec_args,
    ))
    .flag(LIST),
    own(text(
        "audit.exec.container",
        "container that an exec or attach asks for; absent if it is the pod's default one",
        exec_container,
    )),
    own(boolean(
        "audit.exec.tty",
        "whether an exec or attach asks for a terminal",
        exec_tty,
    )),
    own(boolean(
        "audit.exec.stdin",
        "whether an exec or attach passes on input",
        exec_stdin,
    )),
];

const fn own(info: FieldInfo) -> FieldInfo {
    info.flag(FieldFlags::OURS).of_plugin()
}

extract! {
    id = |_, cx, scratch| scalar(cx, scratch, &["auditID"]);
    user = |_, cx, scratch| scalar(cx, scratch, &["user", "username"]);
    groups = |field, cx, scratch| {
        list(field, cx, scratch, &["user", "groups"], Missing::Skip, flat)
    };
    source_ip = |_, cx, scratch| in_event(cx, |event| {
        text_of(event.get("sourceIPs")?.items().last()?, scratch)
    });
    impersonated_user = |_, cx, scratch| scalar(cx, scratch, &["impersonatedUser", "username"]);
    credential = |_, cx, scratch| extra(cx, scratch, CREDENTIAL);
    pod_name = |_, cx, scratch| extra(cx, scratch, POD_NAME);
    pod_uid = |_, cx, scratch| extra(cx, scratch, POD_UID);
    node_name = |_, cx, scratch| extra(cx, scratch, NODE_NAME);
    target = |_, cx, scratch| in_event(cx, |event| {
        scratch.text(|out| summary::object(out, event, |out, part| part.write(out)))
    });
    code = |_, cx, _| in_event(cx, |event| {
        let code = event.path(&["responseStatus", "code"])?;
        let code = std::str::from_utf8(code.raw()).ok()?;
        Some(Value::Uint(code.parse().ok()?))
    });
    latency = |_, cx, _| in_event(cx, |event| {
        let received = timestamp(event.get("requestReceivedTimestamp")?)?;
        let reached = timestamp(event.get("stageTimestamp")?)?;
        Some(Value::Uint(reached.checked_sub(received)?))
    });
    exec_command = |_, cx, scratch| in_event(cx, |event| {
        scratch.bytes.clear();
        summary::command_line(&mut scratch.bytes, event);
        (!scratch.bytes.is_empty()).then_some(Value::Text(&scratch.bytes))
    });
    exec_args = |_, cx, scratch| in_event(cx, |event| {
        scratch.bytes.clear();
        summary::each_word(event, |word| {
            uri::decode(&mut scratch.bytes, word);
            scratch.bytes.push(0);
        });
        (!scratch.bytes.is_empty()).then_some(Value::Texts(&scratch.bytes))
    });
    exec_container = |_, cx, scratch| in_event(cx, |event| {
        scratch.bytes.clear();
        stream_parameter(event, "container", |value| uri::decode(&mut scratch.bytes, value))??;
        (!scratch.bytes.is_empty()).then_some(Value::Text(&scratch.bytes))
    });
    exec_tty = |_, cx, _| flag(cx, "tty");
    exec_stdin = |_, cx, _| flag(cx, "stdin");
}

/// The first value of a key of `user.extra`.
fn extra<'a>(cx: &Context<'a>, scratch: &'a mut Scratch, key: &str) -> Option<Value<'a>> {
    in_event(cx, |event| {
        let values = event.path(&["user", "extra", key])?;
        text_of(values.items().next()?, scratch)
    })
}

/// Calls `look` with the first value of a parameter of an exec or attach. `None` for other requests, and within for a
/// parameter that is missing.
fn stream_parameter<T>(
    event: Json<'_, '_>,
    name: &str,
    look: impl FnOnce(&[u8]) -> T,
) -> Option<Option<T>> {
    if !summary::is_of_subresource(event, &["exec", "attach"]) {
        return None;
    }
    summary::with_uri(event, |uri| uri::values(uri, name).next().map(look))
}

fn flag(cx: &Context<'_>, name: &str) -> Option<Value<'static>> {
    in_event(cx, |event| {
        let is_set =
            |value: &[u8]| matches!(value, b"true" | b"1" | b"t" | b"T" | b"TRUE" | b"True");
        let value = stream_parameter(event, name, is_set)?;
        Some(Value::Bool(value.unwrap_or(false)))
    })
}
