//! Fields of the container and pod that the event's thread is in.

use scap_capture_format::native::NameKind;

use crate::fields::attributes::Role;
use serde_json::Value as Json;

use super::attributes::{ArgNames, Narrow};
use super::info::{ArgForm, FieldFlags, FieldInfo, boolean, interval, text, time};
use super::{Context, Field, FieldArg, Scratch, Value};
use crate::state::ContainerInfo;

pub(super) const FIELDS: &[FieldInfo] = &[
    text("container.cni.json", "CNI result JSON", cni_json).of_runtime(),
    interval(
        "container.duration",
        "ns since container.start_ts",
        duration,
    )
    .of_thread(),
    text("container.full_id", "full container id", full_id).of_runtime(),
    text("container.healthcheck", "health check command", healthcheck)
        .flag(FieldFlags::DEPRECATED)
        .of_runtime(),
    boolean("container.host_ipc", "shares host ipc namespace", host_ipc).of_runtime(),
    boolean(
        "container.host_network",
        "shares host network namespace",
        host_network,
    )
    .of_runtime(),
    boolean("container.host_pid", "shares host pid namespace", host_pid).of_runtime(),
    text("container.id", "short id (12 hex) or host", id)
        .of_container()
        .role(Role::Name(NameKind::Container)),
    text("container.image", "image name with tag", image).of_runtime(),
    text("container.image.digest", "image digest", image_digest).of_runtime(),
    text("container.image.id", "image id", image_id).of_runtime(),
    text(
        "container.image.repository",
        "image repository",
        image_repository,
    )
    .of_runtime(),
    text("container.image.tag", "image tag", image_tag).of_runtime(),
    text("container.ip", "primary IPv4 of the container", ip_address).of_runtime(),
    text("container.label", "one label: container.label.foo", label)
        .arg(ArgForm::Key)
        .of_runtime(),
    text("container.labels", "all labels k:v comma separated", labels).of_runtime(),
    text(
        "container.liveness_probe",
        "liveness probe command",
        liveness_probe,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_runtime(),
    text(
        "container.mount",
        "one mount by index or source glob",
        mount,
    )
    .arg(ArgForm::Key)
    .arg_names(ArgNames::Pattern)
    .of_runtime(),
    text(
        "container.mount.dest",
        "mount destination by index or source glob",
        mount_dest,
    )
    .arg(ArgForm::Key)
    .arg_names(ArgNames::Pattern)
    .of_runtime(),
    text("container.mount.mode", "mount mode", mount_mode)
        .arg(ArgForm::Key)
        .arg_names(ArgNames::Pattern)
        .of_runtime(),
    text(
        "container.mount.propagation",
        "mount propagation",
        mount_propagation,
    )
    .arg(ArgForm::Key)
    .arg_names(ArgNames::Pattern)
    .of_runtime(),
    text("container.mount.rdwr", "mount writable flag", mount_rdwr)
        .arg(ArgForm::Key)
        .arg_names(ArgNames::Pattern)
        .of_runtime(),
    text(
        "container.mount.source",
        "mount source by index or destination glob",
        mount_source,
    )
    .arg(ArgForm::Key)
    .arg_names(ArgNames::Pattern)
    .of_runtime(),
    text(
        "container.mounts",
        "all mounts as source:dest:mode:rdwr:propagation",
        mounts,
    )
    .of_runtime(),
    text("container.name", "container name or host", name)
        .of_runtime()
        .narrow(Narrow::Or("container.id")),
    boolean(
        "container.privileged",
        "container is privileged",
        privileged,
    )
    .of_runtime(),
    text(
        "container.readiness_probe",
        "readiness probe command",
        readiness_probe,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_runtime(),
    time(
        "container.start_ts",
        "container start from pid namespace, epoch ns",
        start,
    )
    .of_thread(),
    text(
        "container.type",
        "docker, podman, cri-o, containerd, lxc, ...",
        kind,
    )
    .of_runtime(),
];

pub(super) fn info<'a>(cx: &Context<'a>) -> Option<&'a ContainerInfo> {
    cx.view.container()
}

/// Returns a text of the description that is not empty.
pub(super) fn described<'a>(cx: &Context<'a>, key: &str) -> Option<Value<'a>> {
    let text = info(cx)?.text(key).filter(|t| !t.is_empty())?;
    Some(Value::Text(text.as_bytes()))
}

fn truth<'a>(cx: &Context<'a>, key: &str) -> Option<Value<'a>> {
    info(cx)?.truth(key).map(Value::Bool)
}

extract! {
    id = |_, cx, _| cx.view.thread()?.container_or_host().map(Value::Text);
    name = |_, cx, _| match cx.view.container_id() {
        None => cx.view.thread()?.container_or_host().map(Value::Text),
        Some(_) => described(cx, "name"),
    };
    kind = |_, cx, _| {
        let thread = cx.view.thread()?;
        if thread.container.is_none() {
            return thread.container_or_host().map(Value::Text);
        }
        let known = info(cx).and_then(ContainerInfo::runtime);
        let seen = || thread.located.as_ref()?.runtime;
        Some(Value::Text(known.or_else(seen)?.as_bytes()))
    };
    full_id = |_, cx, _| {
        // The cgroups also contain the id.
        let seen = || Some(Value::Text(&cx.view.thread()?.located.as_ref()?.full_id));
        described(cx, "full_id").or_else(seen)
    };
    image = |_, cx, _| described(cx, "image");
    image_id = |_, cx, _| described(cx, "imageid");
    image_repository = |_, cx, _| described(cx, "imagerepo");
    image_tag = |_, cx, _| described(cx, "imagetag");
    image_digest = |_, cx, _| described(cx, "imagedigest");
    ip_address = |_, cx, _| described(cx, "ip");
    cni_json = |_, cx, _| described(cx, "cni_json");
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
}

/// The command of a check that the runtime performs; `NONE` if it performs none.
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

/// Returns the start of the container, which is the start of its pid namespace.
fn began(cx: &Context<'_>) -> Option<u64> {
    cx.view.container_id()?;
    let start = cx.view.thread()?.pidns_start;
    (start != 0).then(|| start.saturating_add(cx.session.boot_time()))
}

pub(super) fn member<'a>(object: &'a Json, key: &str) -> Option<Value<'a>> {
    let text = object.get(key)?.as_str().filter(|t| !t.is_empty())?;
    Some(Value::Text(text.as_bytes()))
}

pub(super) fn all_labels<'a>(labels: &Json, scratch: &'a mut Scratch) -> Option<Value<'a>> {
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

pub(super) fn one_label<'a>(labels: &'a Json, field: &Field) -> Option<Value<'a>> {
    let FieldArg::Name(key) = &field.arg else {
        return None;
    };
    let value = labels.get(&**key)?.as_str()?;
    Some(Value::Text(value.as_bytes()))
}

/// Finds a mount by its index in the list, or by a pattern for source or destination.
fn find_mount<'a>(cx: &Context<'a>, field: &Field, end: &str) -> Option<&'a Json> {
    let mounts = info(cx)?.json("Mounts")?.as_array()?;
    if let FieldArg::Index(index) = field.arg {
        return mounts.get(usize::try_from(index).ok()?);
    }
    let pattern = field.pattern.as_ref()?;
    mounts.iter().find(|mount| {
        let path = mount.get(end).and_then(Json::as_str).unwrap_or_default();
        pattern.is_match(path.as_bytes())
    })
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
