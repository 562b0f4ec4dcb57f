//! `audit.*`: what the fields of Falco's plugin do not say, or only as text.

use super::super::attributes::Needs;
use super::super::info::{FieldFlags, FieldInfo, boolean, int, interval, text, uint};
use super::super::{Context, Field, Scratch, Value};
use super::ka::LIST;
use super::walk::{Missing, flat, list};
use super::{in_event, scalar, text_of};
use crate::audit::event::timestamp;
use crate::audit::json::Json;
use crate::audit::sessions::{ApiClient, Confidence, ExecRequest, ProcessKey};
use crate::audit::{summary, uri};
use crate::state::Ancestor;

/// Keys of `user.extra`.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// How the user of a pod's token begins; its namespace follows.
const SERVICE_ACCOUNT: &[u8] = b"system:serviceaccount:";
/// Characters of a container's id that are shown, as by `container.id`.
const SHORT_ID: usize = 12;

pub(in crate::fields) const FIELDS: &[FieldInfo] = &[
    of_session(text(
        "audit.id",
        "id of the request; the client can choose it",
        id,
    )),
    of_session(text("audit.user", "user who made the request", user)),
    of_session(text("audit.groups", "groups of the user", groups)).flag(LIST),
    of_session(text(
        "audit.source_ip",
        "address that the request came from: the last one, which no client can make up",
        source_ip,
    )),
    of_session(text(
        "audit.impersonated_user",
        "user whom the caller acted as",
        impersonated_user,
    )),
    of_session(text(
        "audit.credential",
        "id of the token or certificate of the caller, the same in all requests with it",
        credential,
    )),
    of_session(text(
        "audit.session",
        "whether the audit log has the exec that the process belongs to: certain, likely or none; attached while somebody sends input to it",
        session,
    )),
    of_caller(text(
        "audit.caller.name",
        "program of the process in a pod that made the request, found by its connection to the API server",
        caller_name,
    )),
    of_caller(text(
        "audit.caller.cmdline",
        "command line of the process that made the request",
        caller_cmdline,
    )),
    of_caller(int(
        "audit.caller.pid",
        "pid of the process that made the request",
        caller_pid,
    )),
    of_caller(text(
        "audit.caller.container",
        "id of the container of the process that made the request",
        caller_container,
    )),
    of_caller(text(
        "audit.caller.confidence",
        "certain if no other process of the pod was connected to the API server at the time; likely if only this one has the name in the user agent",
        caller_confidence,
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

/// A field that the processes of an exec have too.
const fn of_session(info: FieldInfo) -> FieldInfo {
    info.flag(FieldFlags::OURS)
        .of_every_source()
        .needs(Needs::SESSIONS)
}

/// A field of a request, whose process is found by a pass over the captures.
const fn of_caller(info: FieldInfo) -> FieldInfo {
    own(info).needs(Needs::SESSIONS)
}

const fn own(info: FieldInfo) -> FieldInfo {
    info.flag(FieldFlags::OURS).of_plugin()
}

extract! {
    id = |_, cx, scratch| match request(cx) {
        Some(request) => Some(Value::Text(&request.id)),
        None => scalar(cx, scratch, &["auditID"]),
    };
    user = |_, cx, scratch| match request(cx) {
        Some(request) => Some(Value::Text(&request.user)),
        None => scalar(cx, scratch, &["user", "username"]),
    };
    groups = |field, cx, scratch| match request(cx) {
        Some(request) => {
            (!request.groups.is_empty()).then_some(Value::Texts(&request.groups))
        }
        None => list(field, cx, scratch, &["user", "groups"], Missing::Skip, flat),
    };
    source_ip = |_, cx, scratch| match request(cx) {
        Some(request) => request.source_ip.as_deref().map(Value::Text),
        None => in_event(cx, |event| {
            text_of(event.get("sourceIPs")?.items().last()?, scratch)
        }),
    };
    impersonated_user = |_, cx, scratch| match request(cx) {
        Some(request) => request.impersonated_user.as_deref().map(Value::Text),
        None => scalar(cx, scratch, &["impersonatedUser", "username"]),
    };
    credential = |_, cx, scratch| match request(cx) {
        Some(request) => request.credential.as_deref().map(Value::Text),
        None => extra(cx, scratch, CREDENTIAL),
    };
    caller_name = |_, cx, scratch| Some(Value::Text(&caller(cx, scratch)?.0.name));
    caller_cmdline = |_, cx, scratch| Some(Value::Text(&caller(cx, scratch)?.0.command));
    caller_pid = |_, cx, scratch| Some(Value::Int(caller(cx, scratch)?.0.process.pid));
    caller_container = |_, cx, scratch| {
        let id = &caller(cx, scratch)?.0.container;
        Some(Value::Text(&id[..id.len().min(SHORT_ID)]))
    };
    caller_confidence = |_, cx, scratch| Some(Value::Text(match caller(cx, scratch)?.1 {
        Confidence::Certain => b"certain",
        Confidence::Likely => b"likely",
    }));
    session = |_, cx, _| Some(Value::Text(session_of(cx)?.1));
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
        summary::with_uri(event, |uri| {
            let value = uri::values(uri, "container").next().filter(|_| is_stream(event));
            uri::decode(&mut scratch.bytes, value.unwrap_or_default());
        })?;
        (!scratch.bytes.is_empty()).then_some(Value::Text(&scratch.bytes))
    });
    exec_tty = |_, cx, _| flag(cx, "tty");
    exec_stdin = |_, cx, _| flag(cx, "stdin");
}

/// The request that the event's process belongs to, and how sure that is: one that started it or one of its
/// ancestors, or one that sent input to it at the time.
fn session_of<'a>(cx: &Context<'a>) -> Option<(Option<&'a ExecRequest>, &'static [u8])> {
    let sessions = cx.session.exec_sessions.as_deref()?;
    let origin = cx.session.origin.unwrap_or_default().0;
    let key = |process: Ancestor<'_>| ProcessKey {
        origin,
        pid: process.pid.0,
        start: process.start,
        clone_ts: process.clone_ts,
    };
    let now = cx.event.ts.0;
    for (index, process) in cx.view.lineage().map(key).enumerate() {
        if let Some(session) = sessions.of(&process) {
            // Before it executed the program, the process was the runtime's.
            return (index > 0 || now >= session.root.time).then(|| match &session.request {
                Some((request, Confidence::Certain)) => (Some(request), &b"certain"[..]),
                Some((request, Confidence::Likely)) => (Some(request), &b"likely"[..]),
                None => (None, &b"none"[..]),
            });
        }
        if let Some(request) = sessions.attached(&process, now) {
            return Some((Some(request), b"attached"));
        }
    }
    None
}

/// The process in a pod that made the request, and how sure that is.
fn caller<'a>(cx: &Context<'a>, scratch: &mut Scratch) -> Option<(&'a ApiClient, Confidence)> {
    let sessions = cx.session.exec_sessions.as_deref()?;
    let bytes = &mut scratch.bytes;
    bytes.clear();
    let (time, end) = in_event(cx, |event| {
        let pod = event.path(&["user", "extra", POD_NAME])?.items().next()?;
        event.path(&["user", "username"])?.write(bytes);
        let namespace = bytes.strip_prefix(SERVICE_ACCOUNT)?;
        let namespace = namespace.split(|byte| *byte == b':').next()?.len();
        bytes.drain(..SERVICE_ACCOUNT.len());
        bytes.truncate(namespace);
        bytes.push(0);
        pod.write(bytes);
        let end = bytes.len();
        if let Some(agent) = event.get("userAgent") {
            agent.write(bytes);
        }
        Some((timestamp(event.get("requestReceivedTimestamp")?)?, end))
    })?;
    let (pod, agent) = bytes.split_at(end);
    sessions.caller(pod, time, agent)
}

/// That request.
fn request<'a>(cx: &Context<'a>) -> Option<&'a ExecRequest> {
    session_of(cx)?.0
}

/// The first value of a key of `user.extra`.
fn extra<'a>(cx: &Context<'a>, scratch: &'a mut Scratch, key: &str) -> Option<Value<'a>> {
    in_event(cx, |event| {
        let values = event.path(&["user", "extra", key])?;
        text_of(values.items().next()?, scratch)
    })
}

/// Whether the request is an exec or attach.
fn is_stream(event: Json<'_, '_>) -> bool {
    summary::is_of_subresource(event, &["exec", "attach"])
}

fn flag(cx: &Context<'_>, name: &str) -> Option<Value<'static>> {
    in_event(cx, |event| match is_stream(event) {
        true => summary::is_set(event, name).map(Value::Bool),
        false => None,
    })
}
