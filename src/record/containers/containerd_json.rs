//! Converts containerd's data about a container to a description.

use serde_json::Value as Json;

use super::Description;
use super::describe::{Draft, Kind};
use super::messages::containerd::{Any, Container, Timestamp};
use super::oci::Spec;

/// Describes a container. `digest` is that of its image, empty if it is not known.
pub(super) fn describe(container: &Container, digest: &str, env: bool) -> Description {
    let label = |key: &str| container.labels.get(key).map_or("", String::as_str);
    let mut draft = Draft::new(&container.id, Kind::Containerd);
    // Clients with names keep them in labels: nerdctl, and Kubernetes by way of containerd.
    let name = [label("nerdctl/name"), label("io.kubernetes.container.name")];
    let name = name.into_iter().find(|name| !name.is_empty());
    draft.text("name", name.unwrap_or(&container.id));
    draft.truth(
        "is_pod_sandbox",
        Some(label("io.cri-containerd.kind") == "sandbox"),
    );
    if let Some(Timestamp { seconds }) = container.created_at {
        draft.created(seconds);
    }
    draft.image(&container.image, "");
    draft.text("imagedigest", digest);
    let labels = container.labels.iter();
    draft.labels(labels.map(|(key, value)| (key.as_str(), value.as_str())));
    let spec = container
        .spec
        .as_ref()
        .map_or(&[][..], |Any { value }| value);
    let spec: Json = serde_json::from_slice(spec).unwrap_or_default();
    let spec = Spec(&spec);
    spec.privileged(&mut draft);
    spec.namespaces(&mut draft);
    spec.resources(&mut draft);
    spec.mounts(&mut draft);
    spec.process(&mut draft, env);
    draft.finish()
}
