//! Fields of the pod that the event's thread is in.

use serde_json::Value as Json;

use super::container::{all_labels, described, info, member, one_label};
use super::info::{ArgForm, FieldFlags, FieldInfo, na, text};
use super::{Context, Field, Scratch, Value};

/// Why most of them are always absent.
const GONE: &str = "recorders no longer set it";

pub(super) const FIELDS: &[FieldInfo] = &[
    text("k8s.deployment.id", "Kubernetes deployment id", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text(
        "k8s.deployment.label",
        "one label of the deployment: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text(
        "k8s.deployment.labels",
        "labels of the deployment, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text("k8s.deployment.name", "Kubernetes deployment name", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text("k8s.ns.id", "Kubernetes namespace id", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text(
        "k8s.ns.label",
        "one label of the namespace: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text(
        "k8s.ns.labels",
        "labels of the namespace, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text("k8s.ns.name", "Kubernetes namespace name", ns_name).of_runtime(),
    text("k8s.pod.cni.json", "pod CNI result JSON", pod_cni_json).of_runtime(),
    text(
        "k8s.pod.full_sandbox_id",
        "pod sandbox id, full",
        pod_full_sandbox_id,
    )
    .of_runtime(),
    text("k8s.pod.id", "Kubernetes pod id", pod_uid).of_runtime(),
    text("k8s.pod.ip", "pod IP", pod_ip).of_runtime(),
    text(
        "k8s.pod.label",
        "one label of the pod: .label.foo or .label[foo]",
        pod_label,
    )
    .arg(ArgForm::Key)
    .of_runtime(),
    text(
        "k8s.pod.labels",
        "labels of the pod, k:v comma list",
        pod_labels,
    )
    .of_runtime(),
    text("k8s.pod.name", "Kubernetes pod name", pod_name).of_runtime(),
    text(
        "k8s.pod.sandbox_id",
        "pod sandbox id, 12 chars",
        pod_sandbox_id,
    )
    .of_runtime(),
    text("k8s.pod.uid", "pod UID", pod_uid).of_runtime(),
    text("k8s.rc.id", "Kubernetes replication controller id", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text(
        "k8s.rc.label",
        "one label of the replication controller: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text(
        "k8s.rc.labels",
        "labels of the replication controller, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text("k8s.rc.name", "Kubernetes replication controller name", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text("k8s.rs.id", "Kubernetes replica set id", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text(
        "k8s.rs.label",
        "one label of the replica set: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text(
        "k8s.rs.labels",
        "labels of the replica set, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text("k8s.rs.name", "Kubernetes replica set name", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text("k8s.svc.id", "Kubernetes service id", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
    text(
        "k8s.svc.label",
        "one label of the service: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text(
        "k8s.svc.labels",
        "labels of the service, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never(GONE)
    .of_runtime(),
    text("k8s.svc.name", "Kubernetes service name", na)
        .flag(FieldFlags::DEPRECATED)
        .never(GONE)
        .of_runtime(),
];

extract! {
    pod_name = |_, cx, _| pod_member(cx, "io.kubernetes.pod.name");
    pod_uid = |_, cx, _| pod_member(cx, "io.kubernetes.pod.uid");
    ns_name = |_, cx, _| pod_member(cx, "io.kubernetes.pod.namespace");
    pod_labels = |_, cx, scratch| all_labels(pod_label_table(cx)?, scratch);
    pod_label = |field, cx, _| one_label(pod_label_table(cx)?, field);
    pod_full_sandbox_id = |_, cx, _| described(cx, "pod_sandbox_id");
    pod_sandbox_id = |_, cx, _| {
        const SHOWN: usize = 12;
        let id = info(cx)?.text("pod_sandbox_id").filter(|t| !t.is_empty())?;
        Some(Value::Text(&id.as_bytes()[..id.len().min(SHOWN)]))
    };
    pod_ip = |_, cx, _| {
        pod_table(cx)?;
        described(cx, "ip")
    };
    pod_cni_json = |_, cx, _| {
        pod_table(cx)?;
        described(cx, "cni_json")
    };
}

/// Labels of a container of a pod, which identify the pod.
fn pod_table<'a>(cx: &Context<'a>) -> Option<&'a Json> {
    let labels = info(cx)?.json("labels")?;
    labels.get("io.kubernetes.pod.name")?;
    Some(labels)
}

fn pod_member<'a>(cx: &Context<'a>, label: &str) -> Option<Value<'a>> {
    member(pod_table(cx)?, label)
}

/// Labels of the pod: the labels of its sandbox.
fn pod_label_table<'a>(cx: &Context<'a>) -> Option<&'a Json> {
    pod_table(cx)?;
    info(cx)?.json("pod_sandbox_labels")
}
