//! Converts Docker's data about containers and images to a description.

use chrono::DateTime;
use serde_json::Value as Json;

use super::Description;
use super::describe::{Draft, Kind};
use super::image::{self, ImageName};

/// Most names of an image that are read.
const NAMES: usize = 64;

/// Returns the kind of runtime from an answer to `/version`.
pub(super) fn kind(version: &Json) -> Kind {
    let components = version["Components"].as_array();
    let mut names = components
        .into_iter()
        .flatten()
        .filter_map(|component| component["Name"].as_str());
    if names.any(|name| name.starts_with("Podman")) {
        Kind::Podman
    } else {
        Kind::Docker
    }
}

/// A container without the data of its image.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) full_id: String,
    pub(super) image_id: String,
    /// The name with which the container was created.
    image: String,
    draft: Draft,
}

impl Container {
    /// Reads an answer to `/containers/ID/json`; `None` if it has no container id.
    pub(super) fn parse(json: &Json, kind: Kind, env: bool) -> Option<Self> {
        let full_id = text(&json["Id"]);
        if full_id.is_empty() {
            return None;
        }
        let mut draft = Draft::new(full_id, kind);
        let name = text(&json["Name"]);
        draft.text("name", name.strip_prefix('/').unwrap_or(name));
        created(&mut draft, &json["Created"]);
        host_config(&mut draft, &json["HostConfig"]);
        config(&mut draft, &json["Config"], env);
        for mount in json["Mounts"].as_array().into_iter().flatten() {
            draft.mount(
                text(&mount["Source"]),
                text(&mount["Destination"]),
                text(&mount["Mode"]),
                mount["RW"].as_bool().unwrap_or(false),
                text(&mount["Propagation"]),
            );
        }
        network(&mut draft, &json["NetworkSettings"]);
        Some(Self {
            full_id: full_id.to_owned(),
            image_id: text(&json["Image"]).to_owned(),
            image: text(&json["Config"]["Image"]).to_owned(),
            draft,
        })
    }

    /// Adds the image.
    pub(super) fn describe(mut self, image: Option<&Image>) -> Description {
        let tags = image.map_or(&[][..], |image| &image.tags);
        let digests = image.map_or(&[][..], |image| &image.digests);
        // A container may have been created from an id; then the image's name is more useful.
        let is_nameless = image::is_id(&self.image)
            || self.image.len() >= 12 && self.image_id.contains(self.image.as_str());
        let mut name = self.image.clone();
        if is_nameless && let Some(tag) = tags.first() {
            name.clone_from(tag);
        }
        self.draft.image(&name, &self.image_id);
        let parts = ImageName::parse(&name);
        if parts.tag.is_empty() && parts.digest.is_empty() && !parts.repository.is_empty() {
            // Docker's default tag.
            self.draft.text("imagetag", "latest");
        }
        let digest = digests
            .iter()
            .map(|digest| ImageName::parse(digest))
            .find(|digest| digest.repository == parts.repository);
        if let Some(digest) = digest {
            self.draft.text("imagedigest", digest.digest);
        }
        self.draft.finish()
    }
}

/// The names of an image.
#[derive(Debug)]
pub(super) struct Image {
    tags: Vec<String>,
    digests: Vec<String>,
}

impl Image {
    /// Reads an answer to `/images/ID/json`.
    pub(super) fn parse(json: &Json) -> Self {
        let names = |key: &str| {
            let names = json[key].as_array().into_iter().flatten();
            let names = names.filter_map(Json::as_str).take(NAMES);
            names.map(str::to_owned).collect()
        };
        Self {
            tags: names("RepoTags"),
            digests: names("RepoDigests"),
        }
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn created(draft: &mut Draft, json: &Json) {
    if let Ok(time) = DateTime::parse_from_rfc3339(text(json)) {
        draft.created(time.timestamp());
    }
}

fn host_config(draft: &mut Draft, json: &Json) {
    draft.truth("privileged", json["Privileged"].as_bool());
    for (key, member) in [
        ("host_pid", "PidMode"),
        ("host_network", "NetworkMode"),
        ("host_ipc", "IpcMode"),
    ] {
        draft.truth(key, json[member].as_str().map(|mode| mode == "host"));
    }
    for (key, member) in [
        ("cpu_shares", "CpuShares"),
        ("cpu_quota", "CpuQuota"),
        ("cpu_period", "CpuPeriod"),
        ("memory_limit", "Memory"),
        ("swap_limit", "MemorySwap"),
    ] {
        draft.number(key, json[member].as_i64());
    }
    draft.cpus(text(&json["CpusetCpus"]));
}

fn config(draft: &mut Draft, json: &Json, env: bool) {
    let labels = json["Labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    // Labels set by old kubelets and cri-dockerd.
    for (label, value) in labels.clone() {
        match label {
            "io.kubernetes.sandbox.id" => draft.text("pod_sandbox_id", value),
            "io.kubernetes.docker.type" => {
                draft.truth("is_pod_sandbox", Some(value == "podsandbox"));
            }
            _ => {}
        }
    }
    draft.labels(labels);
    draft.text("User", text(&json["User"]));
    if env {
        let variables = json["Env"].as_array().into_iter().flatten();
        for variable in variables.filter_map(Json::as_str) {
            draft.env(variable);
        }
    }
    let test = json["Healthcheck"]["Test"].as_array();
    let test: Vec<&str> = test
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    match test.as_slice() {
        ["CMD", exe, args @ ..] => draft.health_check(exe, args),
        ["CMD-SHELL", command] => draft.health_check("/bin/sh", &["-c", command]),
        _ => {}
    }
}

fn network(draft: &mut Draft, json: &Json) {
    let networks = json["Networks"].as_object().into_iter().flatten();
    let addresses = networks.map(|(_, network)| text(&network["IPAddress"]));
    let address = std::iter::once(text(&json["IPAddress"]))
        .chain(addresses)
        .find(|address| !address.is_empty());
    draft.text("ip", address.unwrap_or_default());
    for (port, bindings) in json["Ports"].as_object().into_iter().flatten() {
        let number = port.split('/').next().unwrap_or_default();
        let Ok(container_port) = number.parse() else {
            continue;
        };
        for binding in bindings.as_array().into_iter().flatten() {
            if let Ok(host_port) = text(&binding["HostPort"]).parse() {
                draft.port(text(&binding["HostIp"]), host_port, container_port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::containers::odd::each_with_odd_members;

    #[test]
    fn whatever_a_member_is_nothing_breaks() {
        let recorded = include_str!("../../../testdata/containers/docker-container.json");
        let recorded = serde_json::from_str(recorded).unwrap();
        let mut described = 0;
        each_with_odd_members(&recorded, &mut |odd| {
            if let Some(container) = Container::parse(odd, Kind::Docker, true) {
                assert!(container.describe(None).json.len() < 64 << 10);
                described += 1;
            }
            kind(odd);
            Image::parse(odd);
        });
        assert!(described > 1000);
    }
}
