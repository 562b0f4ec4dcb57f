//! What a kubelet would tell a CRI runtime: to make pods and containers.
//!
//! The messages have only the fields that are set (numbers: `k8s.io/cri-api` `runtime/v1/api.proto`).

use std::{collections::BTreeMap, path::Path, time::Duration};

use hyper::http::uri::PathAndQuery;
use prost::Message;
use tonic::{Request, Status, client::Grpc, transport::Endpoint};
use tonic_prost::ProstCodec;

/// `NamespaceMode.NODE`: without a network of its own a pod needs no network plugins.
const NODE: i32 = 2;
/// A call may start a process.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, PartialEq, Message)]
struct PodMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct NamespaceOption {
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, Message)]
struct SecurityContext {
    #[prost(message, optional, tag = "1")]
    namespace_options: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxPod {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security_context: Option<SecurityContext>,
}

#[derive(Clone, PartialEq, Message)]
struct PodConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodMetadata>,
    #[prost(btree_map = "string, string", tag = "6")]
    labels: BTreeMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPod>,
}

#[derive(Clone, PartialEq, Message)]
struct RunPod {
    #[prost(message, optional, tag = "1")]
    config: Option<PodConfig>,
}

/// Requests and answers that are an id.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Mount {
    #[prost(string, tag = "1")]
    container_path: String,
    #[prost(string, tag = "2")]
    host_path: String,
    #[prost(bool, tag = "3")]
    readonly: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Capabilities {
    #[prost(string, repeated, tag = "1")]
    add: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    drop: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerSecurity {
    #[prost(message, optional, tag = "1")]
    capabilities: Option<Capabilities>,
    #[prost(message, optional, tag = "3")]
    namespace_options: Option<NamespaceOption>,
    /// Empty: the runtime's own profile.
    #[prost(message, optional, tag = "15")]
    seccomp: Option<Empty>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxContainer {
    #[prost(message, optional, tag = "2")]
    security_context: Option<ContainerSecurity>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<Named>,
    #[prost(message, optional, tag = "2")]
    image: Option<Named>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    envs: Vec<KeyValue>,
    #[prost(message, repeated, tag = "7")]
    mounts: Vec<Mount>,
    #[prost(btree_map = "string, string", tag = "9")]
    labels: BTreeMap<String, String>,
    #[prost(message, optional, tag = "15")]
    linux: Option<LinuxContainer>,
}

/// What a container is to be.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    /// One of its labels.
    pub(crate) label: (&'a str, &'a str),
    pub(crate) command: &'a [&'a str],
    /// Paths in it, paths of the machine, and whether it may only read them.
    pub(crate) mounts: &'a [(&'a str, &'a str, bool)],
    /// All capabilities that it has; `None`: the usual ones.
    pub(crate) capabilities: Option<&'a [&'a str]>,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainer {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct Pods {
    #[prost(message, repeated, tag = "1")]
    items: Vec<Id>,
}

fn call<Q, A>(socket: &Path, method: &'static str, question: Q) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("unix:{}", socket.display())).unwrap();
        let mut grpc = Grpc::new(endpoint.timeout(TIMEOUT).connect_lazy());
        let unready = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        grpc.ready().await.map_err(unready)?;
        let path = PathAndQuery::from_static(method);
        let answer = grpc.unary(Request::new(question), path, ProstCodec::default());
        Ok(answer.await?.into_inner())
    })
}

fn pod_config([namespace, name, uid]: [&str; 3]) -> PodConfig {
    PodConfig {
        metadata: Some(PodMetadata {
            name: name.to_owned(),
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
        }),
        labels: labels(&[
            ("app", "shop"),
            ("io.kubernetes.pod.name", name),
            ("io.kubernetes.pod.namespace", namespace),
            ("io.kubernetes.pod.uid", uid),
        ]),
        linux: Some(LinuxPod {
            cgroup_parent: format!("/kubepods/besteffort/pod{uid}"),
            security_context: Some(SecurityContext {
                namespace_options: Some(NamespaceOption { network: NODE }),
            }),
        }),
    }
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

/// Makes a pod and returns the id of its sandbox.
pub(crate) fn run_pod(socket: &Path, pod: [&str; 3]) -> String {
    let config = Some(pod_config(pod));
    let method = "/runtime.v1.RuntimeService/RunPodSandbox";
    let answer: Id = call(socket, method, RunPod { config }).unwrap();
    answer.id
}

/// Makes and starts a container, and returns its id.
pub(crate) fn run_container(
    socket: &Path,
    sandbox: &str,
    pod: [&str; 3],
    wanted: &Wanted<'_>,
) -> String {
    let [namespace, pod_name, uid] = pod;
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let named = |name: &str| {
        Some(Named {
            name: name.to_owned(),
        })
    };
    let mounts = wanted
        .mounts
        .iter()
        .map(|(inside, outside, readonly)| Mount {
            container_path: (*inside).to_owned(),
            host_path: (*outside).to_owned(),
            readonly: *readonly,
        });
    let capabilities = wanted.capabilities.map(|capabilities| Capabilities {
        add: owned(capabilities),
        drop: owned(&["ALL"]),
    });
    let config = ContainerConfig {
        metadata: named(wanted.name),
        image: named(super::runtimes::IMAGE),
        command: owned(wanted.command),
        envs: vec![KeyValue {
            key: "TIER".to_owned(),
            value: "front".to_owned(),
        }],
        mounts: mounts.collect(),
        labels: labels(&[
            wanted.label,
            ("io.kubernetes.container.name", wanted.name),
            ("io.kubernetes.pod.name", pod_name),
            ("io.kubernetes.pod.namespace", namespace),
            ("io.kubernetes.pod.uid", uid),
        ]),
        linux: capabilities.map(|capabilities| LinuxContainer {
            security_context: Some(ContainerSecurity {
                capabilities: Some(capabilities),
                namespace_options: Some(NamespaceOption { network: NODE }),
                seccomp: Some(Empty {}),
            }),
        }),
    };
    let create = CreateContainer {
        pod_sandbox_id: sandbox.to_owned(),
        config: Some(config),
        sandbox_config: Some(pod_config(pod)),
    };
    let method = "/runtime.v1.RuntimeService/CreateContainer";
    let id: Id = call(socket, method, create).unwrap();
    let method = "/runtime.v1.RuntimeService/StartContainer";
    let _started: Empty = call(socket, method, id.clone()).unwrap();
    id.id
}

/// Removes all pods with their containers, as far as that goes.
pub(crate) fn remove_pods(socket: &Path) {
    let method = "/runtime.v1.RuntimeService/ListPodSandbox";
    let pods: Pods = call(socket, method, Empty {}).unwrap_or_default();
    for pod in pods.items {
        let method = "/runtime.v1.RuntimeService/StopPodSandbox";
        let _stopped: Result<Empty, Status> = call(socket, method, pod.clone());
        let method = "/runtime.v1.RuntimeService/RemovePodSandbox";
        let _removed: Result<Empty, Status> = call(socket, method, pod);
    }
}
