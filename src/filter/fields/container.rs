//! Fields of the class container.

use super::info::{ArgForm, FieldFlags, FieldInfo, boolean, interval, na, text, time};

pub(super) const CONTAINER: &[FieldInfo] = &[
    text("container.cni.json", "CNI result JSON", na),
    interval("container.duration", "ns since container.start_ts", na),
    text("container.full_id", "full container id", na),
    text(
        "container.healthcheck",
        "health check command (newest: never set)",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    boolean("container.host_ipc", "shares host ipc namespace", na),
    boolean(
        "container.host_network",
        "shares host network namespace",
        na,
    ),
    boolean("container.host_pid", "shares host pid namespace", na),
    text("container.id", "short id (12 hex) or host", na),
    text("container.image", "image name with tag", na),
    text("container.image.digest", "image digest", na),
    text("container.image.id", "image id", na),
    text("container.image.repository", "image repository", na),
    text("container.image.tag", "image tag", na),
    text("container.ip", "primary IPv4 of the container", na),
    text("container.label", "one label: container.label.foo", na).arg(ArgForm::Key),
    text("container.labels", "all labels k:v comma separated", na),
    text(
        "container.liveness_probe",
        "liveness probe command (newest: never set)",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    text("container.mount", "one mount by index or source glob", na).arg(ArgForm::Key),
    text(
        "container.mount.dest",
        "mount destination by index or source glob",
        na,
    )
    .arg(ArgForm::Key),
    text("container.mount.mode", "mount mode", na).arg(ArgForm::Key),
    text("container.mount.propagation", "mount propagation", na).arg(ArgForm::Key),
    text("container.mount.rdwr", "mount writable flag", na).arg(ArgForm::Key),
    text(
        "container.mount.source",
        "mount source by index or destination glob",
        na,
    )
    .arg(ArgForm::Key),
    text(
        "container.mounts",
        "all mounts as source:dest:mode:rdwr:propagation",
        na,
    ),
    text("container.name", "container name or host", na),
    boolean("container.privileged", "container is privileged", na),
    text(
        "container.readiness_probe",
        "readiness probe command (newest: never set)",
        na,
    )
    .flag(FieldFlags::DEPRECATED)
    .never("no recorder sets it any more"),
    time(
        "container.start_ts",
        "container start from pid namespace, epoch ns",
        na,
    ),
    text(
        "container.type",
        "docker, podman, cri-o, containerd, lxc, ...",
        na,
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
    text("k8s.ns.name", "Kubernetes namespace name", na),
    text("k8s.pod.cni.json", "pod CNI result JSON", na),
    text("k8s.pod.full_sandbox_id", "pod sandbox id, full", na),
    text("k8s.pod.id", "Kubernetes pod id", na),
    text("k8s.pod.ip", "pod IP", na),
    text(
        "k8s.pod.label",
        "one label of the pod: .label.foo or .label[foo]",
        na,
    )
    .arg(ArgForm::Key),
    text("k8s.pod.labels", "labels of the pod, k:v comma list", na),
    text("k8s.pod.name", "Kubernetes pod name", na),
    text("k8s.pod.sandbox_id", "pod sandbox id, 12 chars", na),
    text("k8s.pod.uid", "pod UID", na),
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
