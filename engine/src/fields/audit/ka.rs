//! `ka.*`: the request of an audit event, except for the fields of the containers of a pod.

use super::super::info::{ArgForm, FieldFlags, FieldInfo, text};
use super::super::{Context, Field, FieldArg, Scratch, Value};
use super::walk::{List, Missing, flat, index, list, one};
use super::{in_event, pod, scalar, text_of};
use crate::audit::json::{Json, Text};
use crate::audit::{summary, uri};

/// A text that is read from a chain of keys.
macro_rules! scalars {
    ($(($name:literal, $meaning:literal, $keys:expr)),* $(,)?) => {
        [$(text($name, $meaning, |_, cx, scratch| scalar(cx, scratch, &$keys)).of_plugin()),*]
    };
}

/// A list of the texts that a chain of keys leads to.
macro_rules! lists {
    ($(($name:literal, $meaning:literal, $arg:ident, $keys:expr, $add:expr)),* $(,)?) => {
        [$(text($name, $meaning, |field, cx, scratch| {
            list(field, cx, scratch, &$keys, Missing::Skip, $add)
        })
        .arg(ArgForm::$arg)
        .flag(LIST)
        .of_plugin()),*]
    };
}

/// A list, with and without an index.
pub(super) const LIST: FieldFlags = FieldFlags::IS_LIST.union(FieldFlags::LIST_BY_INDEX);

/// The object that the client sent.
pub(super) const REQUEST: &str = "requestObject";
/// Its part with the wanted state.
pub(super) const SPEC: &str = "spec";

const PARTS: &[&[FieldInfo]] = &[
    SCALARS,
    LISTS,
    OTHERS,
    pod::POD,
    pod::CONTAINERS,
    pod::INIT_CONTAINERS,
    pod::EPHEMERAL_CONTAINERS,
    pod::EFFECTIVE_IDS,
];
const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};
const ALL: [FieldInfo; COUNT] = {
    let mut all = [SCALARS[0]; COUNT];
    let (mut next, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            all[next] = PARTS[part][row];
            next += 1;
            row += 1;
        }
        part += 1;
    }
    all
};
pub(in crate::fields) const FIELDS: &[FieldInfo] = &ALL;

const SCALARS: &[FieldInfo] = &scalars![
    (
        "ka.auditid",
        "id of the request, the same in all of its stages",
        ["auditID"]
    ),
    (
        "ka.stage",
        "RequestReceived, ResponseStarted, ResponseComplete or Panic",
        ["stage"]
    ),
    (
        "ka.auth.decision",
        "allow or forbid",
        ["annotations", "authorization.k8s.io/decision"]
    ),
    (
        "ka.auth.reason",
        "why the request was allowed or forbidden",
        ["annotations", "authorization.k8s.io/reason"]
    ),
    (
        "ka.auth.openshift.decision",
        "OpenShift's authentication decision",
        ["annotations", "authentication.openshift.io/decision"]
    ),
    (
        "ka.auth.openshift.username",
        "OpenShift's authentication user",
        ["annotations", "authentication.openshift.io/username"]
    ),
    (
        "ka.validations.admission.policy.failure",
        "failures of admission policies that only audit, a JSON array as text",
        [
            "annotations",
            "validation.policy.admission.k8s.io/validation_failure"
        ]
    ),
    (
        "ka.security.pod.violations",
        "violations of the Pod Security admission in audit mode",
        ["annotations", "pod-security.kubernetes.io/audit-violations"]
    ),
    (
        "ka.user.name",
        "user who made the request",
        ["user", "username"]
    ),
    (
        "ka.impuser.name",
        "user whom the caller impersonated",
        ["impersonatedUser", "username"]
    ),
    ("ka.verb", "verb of the request", ["verb"]),
    (
        "ka.uri",
        "path and query, as the client sent them",
        ["requestURI"]
    ),
    (
        "ka.target.name",
        "name of the object",
        ["objectRef", "name"]
    ),
    (
        "ka.target.namespace",
        "namespace of the object",
        ["objectRef", "namespace"]
    ),
    (
        "ka.target.resource",
        "resource of the object, in the plural",
        ["objectRef", "resource"]
    ),
    (
        "ka.target.subresource",
        "subresource of the object",
        ["objectRef", "subresource"]
    ),
    (
        "ka.req.binding.role",
        "role that a binding binds",
        [REQUEST, "roleRef", "name"]
    ),
    (
        "ka.req.configmap.name",
        "name of the object: of a config map",
        ["objectRef", "name"]
    ),
    (
        "ka.req.configmap.obj",
        "data of a config map, as JSON",
        [REQUEST, "data"]
    ),
    (
        "ka.req.pod.host_ipc",
        "hostIPC of a pod",
        [REQUEST, SPEC, "hostIPC"]
    ),
    (
        "ka.req.pod.host_network",
        "hostNetwork of a pod",
        [REQUEST, SPEC, "hostNetwork"]
    ),
    (
        "ka.req.pod.host_pid",
        "hostPID of a pod",
        [REQUEST, SPEC, "hostPID"]
    ),
    (
        "ka.req.pod.run_as_user",
        "uid of a pod",
        [REQUEST, SPEC, "securityContext", "runAsUser"]
    ),
    (
        "ka.req.pod.run_as_group",
        "gid of a pod",
        [REQUEST, SPEC, "securityContext", "runAsGroup"]
    ),
    (
        "ka.req.pod.fs_group",
        "fsGroup of a pod",
        [REQUEST, SPEC, "securityContext", "fsGroup"]
    ),
    (
        "ka.req.service.type",
        "type of a service",
        [REQUEST, SPEC, "type"]
    ),
    (
        "ka.resp.name",
        "name of the object in the response; generated names are only there",
        ["responseObject", "metadata", "name"]
    ),
    (
        "ka.response.code",
        "HTTP status, as text",
        ["responseStatus", "code"]
    ),
    (
        "ka.response.reason",
        "reason of a failure",
        ["responseStatus", "reason"]
    ),
    (
        "ka.useragent",
        "user agent, as the client says",
        ["userAgent"]
    ),
    (
        "ka.cluster.name",
        "cluster, in logs of some clouds",
        ["annotations", "cluster_name"]
    ),
];

const LISTS: &[FieldInfo] = &lists![
    (
        "ka.user.groups",
        "groups of the user",
        None,
        ["user", "groups"],
        flat
    ),
    (
        "ka.req.binding.subjects",
        "subjects of a binding, as JSON",
        None,
        [REQUEST, "subjects"],
        flat
    ),
    (
        "ka.req.binding.subjects.user_names",
        "names of the users of a binding",
        None,
        [REQUEST, "subjects"],
        |list, subjects| subject_names(list, subjects, "User")
    ),
    (
        "ka.req.binding.subjects.serviceaccount_names",
        "names of the service accounts of a binding",
        None,
        [REQUEST, "subjects"],
        |list, subjects| subject_names(list, subjects, "ServiceAccount")
    ),
    (
        "ka.req.binding.subjects.serviceaccount_ns_names",
        "service accounts of a binding, as namespace:name",
        None,
        [REQUEST, "subjects"],
        service_accounts
    ),
    (
        "ka.req.binding.subjects.group_names",
        "names of the groups of a binding",
        None,
        [REQUEST, "subjects"],
        |list, subjects| subject_names(list, subjects, "Group")
    ),
    (
        "ka.req.role.rules",
        "rules of a role, as JSON",
        None,
        [REQUEST, "rules"],
        flat
    ),
    (
        "ka.req.role.rules.apiGroups",
        "API groups of the rules of a role",
        OptIndex,
        [REQUEST, "rules", "apiGroups"],
        flat
    ),
    (
        "ka.req.role.rules.nonResourceURLs",
        "paths of the rules of a role",
        OptIndex,
        [REQUEST, "rules", "nonResourceURLs"],
        flat
    ),
    (
        "ka.req.role.rules.verbs",
        "verbs of the rules of a role",
        OptIndex,
        [REQUEST, "rules", "verbs"],
        flat
    ),
    (
        "ka.req.role.rules.resources",
        "resources of the rules of a role, such as pods/exec",
        OptIndex,
        [REQUEST, "rules", "resources"],
        flat
    ),
    (
        "ka.req.service.ports",
        "ports of a service, as one JSON array",
        OptIndex,
        [REQUEST, SPEC, "ports"],
        one
    ),
];

const OTHERS: &[FieldInfo] = &[
    text(
        "ka.uri.param",
        "one parameter of the query, decoded: ka.uri.param[command]; of several values the first",
        uri_param,
    )
    .arg(ArgForm::Key)
    .of_plugin(),
    text(
        "ka.target.pod.name",
        "name of the pod in the response, if the request is for pods",
        target_pod,
    )
    .of_plugin(),
    text(
        "ka.sourceips",
        "addresses of the client and of proxies; only the last one can be trusted",
        source_ips,
    )
    .arg(ArgForm::OptIndex)
    .flag(LIST)
    .of_plugin(),
    text("ka.req.binding.subject.has_name", "always true", has_name)
        .arg(ArgForm::Key)
        .flag(FieldFlags::DEPRECATED)
        .of_plugin(),
];

extract! {
    uri_param = |field, cx, scratch| in_event(cx, |event| {
        let number;
        let name = match &field.arg {
            FieldArg::Name(name) => name,
            FieldArg::Index(index) => {
                number = index.to_string();
                &*number
            }
            FieldArg::None => return None,
        };
        scratch.bytes.clear();
        summary::with_uri(event, |uri| {
            let value = uri::values(uri, name).next()?;
            uri::decode(&mut scratch.bytes, value);
            Some(())
        })??;
        Some(Value::Text(&scratch.bytes))
    });
    target_pod = |_, cx, scratch| in_event(cx, |event| {
        let object = event.get("objectRef")?;
        let resource = object.get("resource").and_then(Json::text);
        if !resource.is_some_and(|r| r.is("pods")) || object.get("subresource").is_some() {
            return None;
        }
        text_of(event.path(&["responseObject", "metadata", "name"])?, scratch)
    });
    source_ips = |field, cx, scratch| list(field, cx, scratch, &["sourceIPs"], Missing::Skip, |list, ips| {
        match index(field) {
            Some(index) => ips.items().nth(index).into_iter().for_each(|ip| list.value(ip)),
            None => flat(list, ips),
        }
    });
    has_name = |_, cx, _| in_event(cx, |_| Some(Value::Text(b"true")));
}

/// Calls `see` with each subject of a kind.
fn each_subject<'d, 't>(subjects: Json<'d, 't>, kind: &str, mut see: impl FnMut(Json<'d, 't>)) {
    for subject in subjects.items() {
        let found = subject.get("kind").and_then(Json::text);
        if found.is_some_and(|found: Text<'_>| found.is(kind)) {
            see(subject);
        }
    }
}

fn subject_names(list: &mut List<'_>, subjects: Json<'_, '_>, kind: &str) {
    each_subject(subjects, kind, |subject| {
        if let Some(name) = subject.get("name") {
            list.value(name);
        }
    });
}

fn service_accounts(list: &mut List<'_>, subjects: Json<'_, '_>) {
    each_subject(subjects, "ServiceAccount", |subject| {
        if let (Some(namespace), Some(name)) = (subject.get("namespace"), subject.get("name")) {
            list.add(|out| {
                namespace.write(out);
                out.push(b':');
                name.write(out);
            });
        }
    });
}
