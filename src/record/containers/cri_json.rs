//! Converts a CRI runtime's data about containers and pods to a description.

use serde_json::{Map, Value as Json};

use super::Description;
use super::describe::{Draft, Kind};
use super::image::{ImageName, is_id};
use super::messages::cri::{ContainerStatus, Mount, NODE, NamespaceOption, PodSandboxStatus};
use super::oci::Spec;

/// `MountPropagation`, by number.
const PROPAGATION: [&str; 3] = ["private", "rslave", "rshared"];

/// The data about a pod's sandbox.
pub(super) struct Sandbox {
    pub(super) status: PodSandboxStatus,
    /// The runtime's data beyond the interface; null if there is none.
    pub(super) info: Json,
}

impl Sandbox {
    /// Returns the labels with the pod's Kubernetes names. They are always present, even if the pod's creator did not
    /// set them.
    fn names(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let of = self.status.metadata.as_ref();
        let names = of.map_or([""; 3], |of| [&of.name, &of.namespace, &of.uid]);
        [
            "io.kubernetes.pod.name",
            "io.kubernetes.pod.namespace",
            "io.kubernetes.pod.uid",
        ]
        .into_iter()
        .zip(names)
        .filter(|(_, name)| !name.is_empty())
    }

    fn labels(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let labels = self.status.labels.iter();
        labels.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Adds the properties that all containers of a pod share.
    fn shared(&self, draft: &mut Draft) {
        let ip = self.status.network.as_ref().map(|network| &network.ip);
        draft.text("ip", ip.map_or("", String::as_str));
        draft.pod_labels(self.labels());
        draft.cni(&interfaces(&self.info["cniResult"]["Interfaces"]));
        let namespaces = self.status.linux.as_ref();
        let options = namespaces.and_then(|linux| linux.namespaces.as_ref()?.options.as_ref());
        if let Some(NamespaceOption { network, pid, ipc }) = options {
            draft.truth("host_network", Some(*network == NODE));
            draft.truth("host_pid", Some(*pid == NODE));
            draft.truth("host_ipc", Some(*ipc == NODE));
        }
        for port in self.info["config"]["port_mappings"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let number = |key: &str| port[key].as_u64().and_then(|n| u16::try_from(n).ok());
            if let (Some(host), Some(container)) = (number("host_port"), number("container_port")) {
                let ip = port["host_ip"].as_str().unwrap_or_default();
                draft.port(ip, host, container);
            }
        }
    }

    /// Describes the container that holds the pod's namespaces.
    pub(super) fn describe(&self, kind: Kind) -> Description {
        let status = &self.status;
        let mut draft = Draft::new(&status.id, kind);
        let name = status.metadata.as_ref().map(|of| &of.name);
        draft.text("name", name.map_or("", String::as_str));
        draft.truth("is_pod_sandbox", Some(true));
        draft.text("pod_sandbox_id", &status.id);
        draft.created(status.created_at / 1_000_000_000);
        draft.labels(self.names().chain(self.labels()));
        draft.image(text(&self.info["image"]), "");
        self.shared(&mut draft);
        let security = &self.info["config"]["linux"]["security_context"];
        let is_known = self.info["config"].is_object();
        let privileged = security["privileged"].as_bool();
        draft.truth("privileged", privileged.or(is_known.then_some(false)));
        Spec(&self.info["runtimeSpec"]).resources(&mut draft);
        draft.finish()
    }
}

/// Describes a container of a pod. `info` is the runtime's data beyond the interface; null if there is none.
pub(super) fn container(
    status: &ContainerStatus,
    info: &Json,
    sandbox: Option<&Sandbox>,
    kind: Kind,
    env: bool,
) -> Description {
    let mut draft = Draft::new(&status.id, kind);
    let name = status.metadata.as_ref().map(|of| &of.name);
    draft.text("name", name.map_or("", String::as_str));
    draft.truth("is_pod_sandbox", Some(false));
    draft.created(status.created_at / 1_000_000_000);
    let labels = status.labels.iter();
    let labels = labels.map(|(key, value)| (key.as_str(), value.as_str()));
    let name = name.map(|name| ("io.kubernetes.container.name", name.as_str()));
    // The runtime's own labels come last, and so take precedence.
    let names = sandbox.into_iter().flat_map(Sandbox::names);
    draft.labels(names.chain(name).chain(labels));
    image(&mut draft, status, info);
    for Mount {
        container_path,
        host_path,
        readonly,
        propagation,
    } in &status.mounts
    {
        let propagation = usize::try_from(*propagation).unwrap_or_default();
        let propagation = PROPAGATION.get(propagation).copied().unwrap_or_default();
        draft.mount(host_path, container_path, "", !readonly, propagation);
    }
    let config = &info["config"];
    let privileged = config["linux"]["security_context"]["privileged"].as_bool();
    // containerd omits false values.
    draft.truth(
        "privileged",
        privileged
            .or(info["privileged"].as_bool())
            .or(config.is_object().then_some(false)),
    );
    let spec = Spec(&info["runtimeSpec"]);
    spec.resources(&mut draft);
    spec.process(&mut draft, env);
    let limits = status.resources.as_ref();
    if let Some(limits) = limits.and_then(|limits| limits.linux.as_ref()) {
        draft.number("cpu_shares", Some(limits.cpu_shares));
        draft.number("cpu_quota", Some(limits.cpu_quota));
        draft.number("cpu_period", Some(limits.cpu_period));
        draft.cpus(&limits.cpuset_cpus);
        draft.number("memory_limit", Some(limits.memory_limit));
        draft.number("swap_limit", Some(limits.swap_limit));
    }
    draft.text("pod_sandbox_id", sandbox_id(info).unwrap_or_default());
    if let Some(sandbox) = sandbox {
        draft.text("pod_sandbox_id", &sandbox.status.id);
        sandbox.shared(&mut draft);
    }
    draft.finish()
}

/// Returns the id of a container's sandbox from the additional data of containerd or CRI-O.
pub(super) fn sandbox_id(info: &Json) -> Option<&str> {
    info["sandboxID"].as_str().or(info["sandboxId"].as_str())
}

/// Adds the image. Runtimes return the requested name, an id, or the name with a digest, in several places.
fn image(draft: &mut Draft, status: &ContainerStatus, info: &Json) {
    let spec = status.image.as_ref();
    let (asked, specified) = spec.map_or(("", ""), |spec| {
        (spec.image.as_str(), spec.user_specified_image.as_str())
    });
    let configured = text(&info["config"]["image"]["image"]);
    let reference = status.image_ref.as_str();
    // The name in the pod's specification comes first: an image can have many names.
    let name = [specified, configured, asked, reference]
        .into_iter()
        .find(|name| !name.is_empty() && !is_id(name));
    let id = [status.image_id.as_str(), configured, asked, reference]
        .into_iter()
        .find(|id| is_id(id));
    draft.image(name.or(id).unwrap_or_default(), id.unwrap_or_default());
    draft.text("imagedigest", ImageName::parse(reference).digest);
}

/// Returns the interfaces that network plugins created, without loopback and the host's ends of veth pairs.
fn interfaces(all: &Json) -> String {
    let Some(all) = all.as_object() else {
        return String::new();
    };
    let found = all
        .iter()
        .filter(|(name, _)| *name != "lo" && !name.starts_with("veth"))
        .map(|(name, interface)| (name.clone(), interface.clone()));
    let found: Map<String, Json> = found.collect();
    if found.is_empty() {
        return String::new();
    }
    Json::Object(found).to_string()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::record::containers::messages::cri::{
        ContainerStatusResponse, PodSandboxStatusResponse,
    };
    use crate::record::containers::odd::each_with_odd_members;

    const CONTAINER: &[u8] = include_bytes!("../../../testdata/containers/cri-container.pb");
    const SANDBOX: &[u8] = include_bytes!("../../../testdata/containers/cri-sandbox.pb");

    #[test]
    fn whatever_a_member_is_nothing_breaks() {
        let container_answer = ContainerStatusResponse::decode(CONTAINER).unwrap();
        let sandbox_answer = PodSandboxStatusResponse::decode(SANDBOX).unwrap();
        let status = container_answer.status.unwrap();
        let infos = [&container_answer.info["info"], &sandbox_answer.info["info"]];
        for info in infos {
            let info = serde_json::from_str(info).unwrap();
            let mut sandbox = Sandbox {
                status: sandbox_answer.status.clone().unwrap(),
                info: Json::Null,
            };
            each_with_odd_members(&info, &mut |odd| {
                sandbox.info.clone_from(odd);
                let whole = container(&status, odd, Some(&sandbox), Kind::Cri, true);
                assert!(whole.json.contains("\"name\":\"nginx\""));
                let alone = container(&status, odd, None, Kind::Cri, false);
                assert!(!alone.json.contains("pod_sandbox_labels"));
                assert!(sandbox.describe(Kind::Cri).json.contains("web-0"));
            });
        }
    }

    #[test]
    fn messages_cut_anywhere_or_changed_do_not_break() {
        for length in 0..CONTAINER.len() {
            let _refused = ContainerStatusResponse::decode(&CONTAINER[..length]);
        }
        let mut understood = 0;
        for place in 0..CONTAINER.len() {
            let mut changed = CONTAINER.to_vec();
            changed[place] ^= 0x15;
            let answer = ContainerStatusResponse::decode(&*changed);
            if let Some(status) = answer.ok().and_then(|answer| answer.status) {
                container(&status, &Json::Null, None, Kind::Cri, true);
                understood += 1;
            }
        }
        assert!(understood > 1000);
    }

    #[test]
    fn what_the_network_plugins_made() {
        let all = serde_json::json!({
            "lo": { "IPConfigs": [] },
            "veth12": {},
            "eth0": { "Mac": "02:00:00:00:00:01" },
        });
        assert_eq!(interfaces(&all), r#"{"eth0":{"Mac":"02:00:00:00:00:01"}}"#);
        assert_eq!(interfaces(&Json::Null), "");
        assert_eq!(interfaces(&serde_json::json!({ "lo": {} })), "");
    }
}
