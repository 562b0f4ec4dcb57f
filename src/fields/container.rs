//! Fields of the container and pod that the event's thread is in.

use serde_json::Value as Json;

use super::info::{ArgForm, FieldFlags, FieldInfo, boolean, interval, na, text, time};
use super::{Context, Field, FieldArg, Scratch, Value};
use crate::state::ContainerInfo;

use super::wildcard;

pub(super) const CONTAINER: &[FieldInfo] = &[
    text("container.cni.json", "CNI result JSON", cni_json),
    interval(
        "container.duration",
        "ns since container.start_ts",
        duration,
    ),
    text("container.full_id", "full container id", full_id),
    text("container.healthcheck", "health check command", healthcheck).flag(FieldFlags::DEPRECATED),
    boolean("container.host_ipc", "shares host ipc namespace", host_ipc),
    boolean(
        "container.host_network",
        "shares host network namespace",
        host_network,
    ),
    boolean("container.host_pid", "shares host pid namespace", host_pid),
    text("container.id", "short id (12 hex) or host", id),
    text("container.image", "image name with tag", image),
    text("container.image.digest", "image digest", image_digest),
    text("container.image.id", "image id", image_id),
    text(
        "container.image.repository",
        "image repository",
        image_repository,
    ),
    text("container.image.tag", "image tag", image_tag),
    text("container.ip", "primary IPv4 of the container", ip_address),
    text("container.label", "one label: container.label.foo", label).arg(ArgForm::Key),
    text("container.labels", "all labels k:v comma separated", labels),
    text(
        "container.liveness_probe",
        "liveness probe command",
        liveness_probe,
    )
    .flag(FieldFlags::DEPRECATED),
    text(
        "container.mount",
        "one mount by index or source glob",
        mount,
    )
    .arg(ArgForm::Key),
    text(
        "container.mount.dest",
        "mount destination by index or source glob",
        mount_dest,
    )
    .arg(ArgForm::Key),
    text("container.mount.mode", "mount mode", mount_mode).arg(ArgForm::Key),
    text(
        "container.mount.propagation",
        "mount propagation",
        mount_propagation,
    )
    .arg(ArgForm::Key),
    text("container.mount.rdwr", "mount writable flag", mount_rdwr).arg(ArgForm::Key),
    text(
        "container.mount.source",
        "mount source by index or destination glob",
        mount_source,
    )
    .arg(ArgForm::Key),
    text(
        "container.mounts",
        "all mounts as source:dest:mode:rdwr:propagation",
        mounts,
    ),
    text("container.name", "container name or host", name),
    boolean(
        "container.privileged",
        "container is privileged",
        privileged,
    ),
    text(
        "container.readiness_probe",
        "readiness probe command",
        readiness_probe,
    )
    .flag(FieldFlags::DEPRECATED),
    time(
        "container.start_ts",
        "container start from pid namespace, epoch ns",
        start,
    ),
    text(
        "container.type",
        "docker, podman, cri-o, containerd, lxc, ...",
        kind,
    ),
];

pub(super) const K8S: &[FieldInfo] = &[
    text("k8s.deployment.id", "Kubernetes deployment id", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text(
        "k8s.deployment.label",
        "one label of the deployment: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text(
        "k8s.deployment.labels",
        "labels of the deployment, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text("k8s.deployment.name", "Kubernetes deployment name", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text("k8s.ns.id", "Kubernetes namespace id", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text(
        "k8s.ns.label",
        "one label of the namespace: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text(
        "k8s.ns.labels",
        "labels of the namespace, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text("k8s.ns.name", "Kubernetes namespace name", ns_name),
    text("k8s.pod.cni.json", "pod CNI result JSON", pod_cni_json),
    text(
        "k8s.pod.full_sandbox_id",
        "pod sandbox id, full",
        pod_full_sandbox_id,
    ),
    text("k8s.pod.id", "Kubernetes pod id", pod_uid),
    text("k8s.pod.ip", "pod IP", pod_ip),
    text(
        "k8s.pod.label",
        "one label of the pod: .label.foo or .label[foo]",
        pod_label,
    )
    .arg(ArgForm::Key),
    text(
        "k8s.pod.labels",
        "labels of the pod, k:v comma list",
        pod_labels,
    ),
    text("k8s.pod.name", "Kubernetes pod name", pod_name),
    text(
        "k8s.pod.sandbox_id",
        "pod sandbox id, 12 chars",
        pod_sandbox_id,
    ),
    text("k8s.pod.uid", "pod UID", pod_uid),
    text("k8s.rc.id", "Kubernetes replication controller id", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text(
        "k8s.rc.label",
        "one label of the replication controller: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text(
        "k8s.rc.labels",
        "labels of the replication controller, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text("k8s.rc.name", "Kubernetes replication controller name", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text("k8s.rs.id", "Kubernetes replica set id", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text(
        "k8s.rs.label",
        "one label of the replica set: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text(
        "k8s.rs.labels",
        "labels of the replica set, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text("k8s.rs.name", "Kubernetes replica set name", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text("k8s.svc.id", "Kubernetes service id", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
    text(
        "k8s.svc.label",
        "one label of the service: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text(
        "k8s.svc.labels",
        "labels of the service, k:v comma list",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text("k8s.svc.name", "Kubernetes service name", na)
        .flag(FieldFlags::DEPRECATED)
        .never("no recorder sets it any more"),
];

/// Whether a field has one value in all events of a container.
pub(crate) fn is_of_container(name: &str) -> bool {
    let of_thread = matches!(name, "container.start_ts" | "container.duration");
    !of_thread && (name.starts_with("container.") || name.starts_with("k8s."))
}

/// Whether a field of a container is what its runtime says, not what its cgroups do.
pub(crate) fn is_runtime_metadata(name: &str) -> bool {
    is_of_container(name) && name != "container.id"
}

/// What the container fields say of the host.
const HOST: &[u8] = b"host";

fn info<'a>(cx: &Context<'a>) -> Option<&'a ContainerInfo> {
    cx.view.container()
}

/// Returns a text that was told and is not empty.
fn told<'a>(cx: &Context<'a>, key: &str) -> Option<Value<'a>> {
    let text = info(cx)?.text(key).filter(|t| !t.is_empty())?;
    Some(Value::Text(text.as_bytes()))
}

fn truth<'a>(cx: &Context<'a>, key: &str) -> Option<Value<'a>> {
    info(cx)?.truth(key).map(Value::Bool)
}

extract! {
    id = |_, cx, _| {
        cx.view.thread()?;
        Some(Value::Text(cx.view.container_id().unwrap_or(HOST)))
    };
    name = |_, cx, _| {
        cx.view.thread()?;
        match cx.view.container_id() {
            None => Some(Value::Text(HOST)),
            Some(_) => told(cx, "name"),
        }
    };
    kind = |_, cx, _| {
        let thread = cx.view.thread()?;
        if cx.view.container_id().is_none() {
            return Some(Value::Text(HOST));
        }
        let told = info(cx).and_then(ContainerInfo::runtime);
        let seen = || crate::state::runtime_of(thread.cgroups.as_deref());
        Some(Value::Text(told.or_else(seen)?.as_bytes()))
    };
    full_id = |_, cx, scratch| {
        if let Some(told) = told(cx, "full_id") {
            return Some(told);
        }
        // The cgroups have it, too.
        let found = crate::state::container_of(cx.view.thread()?.cgroups.as_deref())?;
        scratch.text(|out| out.extend_from_slice(&found.full_id))
    };
    image = |_, cx, _| told(cx, "image");
    image_id = |_, cx, _| told(cx, "imageid");
    image_repository = |_, cx, _| told(cx, "imagerepo");
    image_tag = |_, cx, _| told(cx, "imagetag");
    image_digest = |_, cx, _| told(cx, "imagedigest");
    ip_address = |_, cx, _| told(cx, "ip");
    cni_json = |_, cx, _| told(cx, "cni_json");
    privileged = |_, cx, _| truth(cx, "privileged");
    host_ipc = |_, cx, _| truth(cx, "host_ipc");
    host_network = |_, cx, _| truth(cx, "host_network");
    host_pid = |_, cx, _| truth(cx, "host_pid");
    labels = |_, cx, scratch| all_labels(info(cx)?.json("labels")?, scratch);
    label = |field, cx, _| one_label(info(cx)?.json("labels")?, field);
    mounts = |_, cx, scratch| {
        let mounts = info(cx)?.json("Mounts")?.as_array()?;
        scratch.text(|out| {
            for (index, mount) in mounts.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_mount(out, mount);
            }
        })
    };
    mount = |field, cx, scratch| {
        let mount = find_mount(cx, field, "Source")?;
        scratch.text(|out| write_mount(out, mount))
    };
    mount_source = |field, cx, _| member(find_mount(cx, field, "Destination")?, "Source");
    mount_dest = |field, cx, _| member(find_mount(cx, field, "Source")?, "Destination");
    mount_mode = |field, cx, _| member(find_mount(cx, field, "Source")?, "Mode");
    mount_propagation = |field, cx, _| member(find_mount(cx, field, "Source")?, "Propagation");
    mount_rdwr = |field, cx, _| {
        let writable = find_mount(cx, field, "Source")?.get("RW")?.as_bool()?;
        Some(Value::Text(if writable { b"true" } else { b"false" }))
    };
    healthcheck = |_, cx, scratch| probe(cx, "Healthcheck", scratch);
    liveness_probe = |_, cx, scratch| probe(cx, "LivenessProbe", scratch);
    readiness_probe = |_, cx, scratch| probe(cx, "ReadinessProbe", scratch);
    start = |_, cx, _| began(cx).map(Value::Uint);
    duration = |_, cx, _| Some(Value::Uint(cx.event.ts.0.saturating_sub(began(cx)?)));

    pod_name = |_, cx, _| pod_member(cx, "io.kubernetes.pod.name");
    pod_uid = |_, cx, _| pod_member(cx, "io.kubernetes.pod.uid");
    ns_name = |_, cx, _| pod_member(cx, "io.kubernetes.pod.namespace");
    pod_labels = |_, cx, scratch| all_labels(pod_label_table(cx)?, scratch);
    pod_label = |field, cx, _| one_label(pod_label_table(cx)?, field);
    pod_full_sandbox_id = |_, cx, _| told(cx, "pod_sandbox_id");
    pod_sandbox_id = |_, cx, _| {
        const SHOWN: usize = 12;
        let id = info(cx)?.text("pod_sandbox_id").filter(|t| !t.is_empty())?;
        Some(Value::Text(&id.as_bytes()[..id.len().min(SHOWN)]))
    };
    pod_ip = |_, cx, _| {
        pod_table(cx)?;
        told(cx, "ip")
    };
    pod_cni_json = |_, cx, _| {
        pod_table(cx)?;
        told(cx, "cni_json")
    };
}

/// The command of a check that the runtime makes; `NONE` if it makes none.
fn probe<'a>(cx: &Context<'a>, which: &str, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    let Some(probe) = info(cx)?.json(which) else {
        return Some(Value::Text(b"NONE"));
    };
    let args = probe.get("args").and_then(Json::as_array);
    let words = probe
        .get("exe")
        .into_iter()
        .chain(args.into_iter().flatten());
    scratch.text(|out| {
        for (index, word) in words.filter_map(Json::as_str).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word.as_bytes());
        }
    })
}

/// A container begins with its pid namespace.
fn began(cx: &Context<'_>) -> Option<u64> {
    cx.view.container_id()?;
    let start = cx.view.thread()?.pidns_start;
    (start != 0).then(|| start.saturating_add(cx.session.boot_time()))
}

/// Labels of a container of a pod, which name it.
fn pod_table<'a>(cx: &Context<'a>) -> Option<&'a Json> {
    let labels = info(cx)?.json("labels")?;
    labels.get("io.kubernetes.pod.name")?;
    Some(labels)
}

fn pod_member<'a>(cx: &Context<'a>, label: &str) -> Option<Value<'a>> {
    member(pod_table(cx)?, label)
}

/// Labels of the pod: those of its sandbox.
fn pod_label_table<'a>(cx: &Context<'a>) -> Option<&'a Json> {
    pod_table(cx)?;
    info(cx)?.json("pod_sandbox_labels")
}

fn member<'a>(object: &'a Json, key: &str) -> Option<Value<'a>> {
    let text = object.get(key)?.as_str().filter(|t| !t.is_empty())?;
    Some(Value::Text(text.as_bytes()))
}

fn all_labels<'a>(labels: &Json, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    let labels = labels.as_object().filter(|l| !l.is_empty())?;
    scratch.text(|out| {
        for (index, (key, value)) in labels.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(key.as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_str().unwrap_or_default().as_bytes());
        }
    })
}

fn one_label<'a>(labels: &'a Json, field: &Field) -> Option<Value<'a>> {
    let FieldArg::Name(key) = &field.arg else {
        return None;
    };
    let value = labels.get(&**key)?.as_str()?;
    Some(Value::Text(value.as_bytes()))
}

/// Finds a mount by its place in the list, or by a pattern for one of its ends.
fn find_mount<'a>(cx: &Context<'a>, field: &Field, end: &str) -> Option<&'a Json> {
    let mounts = info(cx)?.json("Mounts")?.as_array()?;
    match &field.arg {
        FieldArg::Index(index) => mounts.get(usize::try_from(*index).ok()?),
        FieldArg::Name(pattern) => mounts.iter().find(|mount| {
            let path = mount.get(end).and_then(Json::as_str).unwrap_or_default();
            wildcard(pattern.as_bytes(), path.as_bytes())
        }),
        FieldArg::None => None,
    }
}

fn write_mount(out: &mut Vec<u8>, mount: &Json) {
    let text = |key: &str| mount.get(key).and_then(Json::as_str).unwrap_or_default();
    let writable = mount.get("RW").and_then(Json::as_bool).unwrap_or(false);
    let parts = [
        text("Source"),
        text("Destination"),
        text("Mode"),
        if writable { "true" } else { "false" },
        text("Propagation"),
    ];
    out.extend_from_slice(parts.join(":").as_bytes());
}
