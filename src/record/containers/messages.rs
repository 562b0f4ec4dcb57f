//! The messages of the runtimes' gRPC interfaces, with the members that are read.
//!
//! Written by hand, so that building needs no `protoc`; members that are not listed are skipped.
//! Numbers are those of `k8s.io/cri-api` `pkg/apis/runtime/v1/api.proto` (as in crate k8s-cri 0.11.0,
//! `proto/v1.proto`), and of containerd's `api/` (as in crate containerd-client 0.9.0, `vendor/`).

/// `runtime.v1`, the interface between Kubernetes and container runtimes.
pub(crate) mod cri {
    use std::collections::BTreeMap;

    use prost::Message;

    /// `NamespaceMode.NODE`: the namespace of the host.
    pub(crate) const NODE: i32 = 2;
    /// `ContainerState.CONTAINER_EXITED`.
    pub(crate) const EXITED: i32 = 2;
    /// `ContainerEventType.CONTAINER_STOPPED_EVENT`; smaller values are created and started.
    pub(crate) const STOPPED: i32 = 2;

    /// `VersionRequest`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct VersionRequest {}

    /// `VersionResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Version {
        /// `containerd`, `cri-o`.
        #[prost(string, tag = "2")]
        pub(crate) runtime_name: String,
    }

    /// `ListContainersRequest` and `ListPodSandboxRequest` without a filter, `GetEventsRequest`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct All {}

    /// `ListContainersResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Containers {
        /// All containers.
        #[prost(message, repeated, tag = "1")]
        pub(crate) containers: Vec<Container>,
    }

    /// `Container`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Container {
        /// The full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// `ContainerState`.
        #[prost(int32, tag = "6")]
        pub(crate) state: i32,
    }

    /// `ListPodSandboxResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxes {
        /// All sandboxes.
        #[prost(message, repeated, tag = "1")]
        pub(crate) items: Vec<PodSandbox>,
    }

    /// `PodSandbox`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandbox {
        /// The full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// `PodSandboxState`: 0 is ready.
        #[prost(int32, tag = "3")]
        pub(crate) state: i32,
    }

    /// `ContainerStatusRequest` and `PodSandboxStatusRequest`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct StatusRequest {
        /// The id, or a prefix of it.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// Whether `info` is requested.
        #[prost(bool, tag = "2")]
        pub(crate) verbose: bool,
    }

    /// `ContainerStatusResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerStatusResponse {
        /// The data of the interface.
        #[prost(message, optional, tag = "1")]
        pub(crate) status: Option<ContainerStatus>,
        /// The runtime's additional data, as JSON.
        #[prost(btree_map = "string, string", tag = "2")]
        pub(crate) info: BTreeMap<String, String>,
    }

    /// `ContainerStatus`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerStatus {
        /// The full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// The name.
        #[prost(message, optional, tag = "2")]
        pub(crate) metadata: Option<ContainerMetadata>,
        /// Nanoseconds since the Unix epoch.
        #[prost(int64, tag = "4")]
        pub(crate) created_at: i64,
        /// The image as requested.
        #[prost(message, optional, tag = "8")]
        pub(crate) image: Option<ImageSpec>,
        /// The resolved image, by digest or id.
        #[prost(string, tag = "9")]
        pub(crate) image_ref: String,
        /// Labels, including those of the kubelet.
        #[prost(btree_map = "string, string", tag = "12")]
        pub(crate) labels: BTreeMap<String, String>,
        /// Mounts, except the runtime's own.
        #[prost(message, repeated, tag = "14")]
        pub(crate) mounts: Vec<Mount>,
        /// Resource limits.
        #[prost(message, optional, tag = "16")]
        pub(crate) resources: Option<ContainerResources>,
        /// The id of the image, if it is known.
        #[prost(string, tag = "17")]
        pub(crate) image_id: String,
    }

    /// `ContainerMetadata`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerMetadata {
        /// The name in the pod's specification.
        #[prost(string, tag = "1")]
        pub(crate) name: String,
    }

    /// `ImageSpec`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ImageSpec {
        /// Name, or id.
        #[prost(string, tag = "1")]
        pub(crate) image: String,
        /// The name that the user specified.
        #[prost(string, tag = "18")]
        pub(crate) user_specified_image: String,
    }

    /// `Mount`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Mount {
        /// The path in the container.
        #[prost(string, tag = "1")]
        pub(crate) container_path: String,
        /// The path on the host.
        #[prost(string, tag = "2")]
        pub(crate) host_path: String,
        /// Whether the mount is read-only.
        #[prost(bool, tag = "3")]
        pub(crate) readonly: bool,
        /// `MountPropagation`.
        #[prost(int32, tag = "5")]
        pub(crate) propagation: i32,
    }

    /// `ContainerResources`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerResources {
        /// Limits on Linux.
        #[prost(message, optional, tag = "1")]
        pub(crate) linux: Option<LinuxResources>,
    }

    /// `LinuxContainerResources`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct LinuxResources {
        /// `cpu_period`, in microseconds.
        #[prost(int64, tag = "1")]
        pub(crate) cpu_period: i64,
        /// `cpu_quota`, in microseconds.
        #[prost(int64, tag = "2")]
        pub(crate) cpu_quota: i64,
        /// `cpu_shares`.
        #[prost(int64, tag = "3")]
        pub(crate) cpu_shares: i64,
        /// `memory_limit_in_bytes`.
        #[prost(int64, tag = "4")]
        pub(crate) memory_limit: i64,
        /// `cpuset_cpus`: a list of CPUs.
        #[prost(string, tag = "6")]
        pub(crate) cpuset_cpus: String,
        /// `memory_swap_limit_in_bytes`.
        #[prost(int64, tag = "10")]
        pub(crate) swap_limit: i64,
    }

    /// `PodSandboxStatusResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxStatusResponse {
        /// The data of the interface.
        #[prost(message, optional, tag = "1")]
        pub(crate) status: Option<PodSandboxStatus>,
        /// The runtime's additional data, as JSON.
        #[prost(btree_map = "string, string", tag = "2")]
        pub(crate) info: BTreeMap<String, String>,
    }

    /// `PodSandboxStatus`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxStatus {
        /// The full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// The names of the pod.
        #[prost(message, optional, tag = "2")]
        pub(crate) metadata: Option<PodSandboxMetadata>,
        /// Nanoseconds since the Unix epoch.
        #[prost(int64, tag = "4")]
        pub(crate) created_at: i64,
        /// The addresses of the pod.
        #[prost(message, optional, tag = "5")]
        pub(crate) network: Option<PodSandboxNetworkStatus>,
        /// The namespaces of the pod.
        #[prost(message, optional, tag = "6")]
        pub(crate) linux: Option<LinuxPodSandboxStatus>,
        /// Labels of the pod and of the kubelet.
        #[prost(btree_map = "string, string", tag = "7")]
        pub(crate) labels: BTreeMap<String, String>,
    }

    /// `PodSandboxMetadata`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxMetadata {
        /// The pod's name.
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        /// The pod's uid.
        #[prost(string, tag = "2")]
        pub(crate) uid: String,
        /// The pod's namespace in Kubernetes.
        #[prost(string, tag = "3")]
        pub(crate) namespace: String,
    }

    /// `PodSandboxNetworkStatus`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxNetworkStatus {
        /// The first address.
        #[prost(string, tag = "1")]
        pub(crate) ip: String,
    }

    /// `LinuxPodSandboxStatus`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct LinuxPodSandboxStatus {
        /// The namespaces.
        #[prost(message, optional, tag = "1")]
        pub(crate) namespaces: Option<Namespaces>,
    }

    /// `Namespace`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Namespaces {
        /// The namespace modes.
        #[prost(message, optional, tag = "2")]
        pub(crate) options: Option<NamespaceOption>,
    }

    /// `NamespaceOption`; members are `NamespaceMode`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct NamespaceOption {
        /// The network namespace.
        #[prost(int32, tag = "1")]
        pub(crate) network: i32,
        /// The pid namespace.
        #[prost(int32, tag = "2")]
        pub(crate) pid: i32,
        /// The IPC namespace.
        #[prost(int32, tag = "3")]
        pub(crate) ipc: i32,
    }

    /// `ContainerEventResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerEvent {
        /// The id of the container or sandbox.
        #[prost(string, tag = "1")]
        pub(crate) container_id: String,
        /// `ContainerEventType`.
        #[prost(int32, tag = "2")]
        pub(crate) kind: i32,
    }
}

/// containerd's own API: `containerd.services.*.v1`.
pub(crate) mod containerd {
    use std::collections::BTreeMap;

    use prost::Message;

    /// `ListNamespacesRequest` without a filter.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct All {}

    /// `ListNamespacesResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Namespaces {
        /// All namespaces.
        #[prost(message, repeated, tag = "1")]
        pub(crate) namespaces: Vec<Namespace>,
    }

    /// `Namespace`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Namespace {
        /// `default`, `k8s.io`, `moby`.
        #[prost(string, tag = "1")]
        pub(crate) name: String,
    }

    /// `ListContainersRequest`, `SubscribeRequest`, `ListImagesRequest`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Filters {
        /// Filters; an object has to match one of them.
        #[prost(string, repeated, tag = "1")]
        pub(crate) filters: Vec<String>,
    }

    /// `ListContainersResponse`, with ids only.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Ids {
        /// The containers that match the filter.
        #[prost(message, repeated, tag = "1")]
        pub(crate) containers: Vec<Id>,
    }

    /// An id: `Container` with its id only, and the messages of its events.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Id {
        /// Unique in its namespace.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
    }

    /// `ListContainersResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Containers {
        /// The containers that match the filter.
        #[prost(message, repeated, tag = "1")]
        pub(crate) containers: Vec<Container>,
    }

    /// `Container`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Container {
        /// Unique in its namespace.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// Labels of the image, the user, and the client.
        #[prost(btree_map = "string, string", tag = "2")]
        pub(crate) labels: BTreeMap<String, String>,
        /// The name of the image.
        #[prost(string, tag = "3")]
        pub(crate) image: String,
        /// The OCI specification.
        #[prost(message, optional, tag = "5")]
        pub(crate) spec: Option<Any>,
        /// Time of creation.
        #[prost(message, optional, tag = "8")]
        pub(crate) created_at: Option<Timestamp>,
    }

    /// `google.protobuf.Any`; containerd stores JSON in some of them.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Any {
        /// The bytes.
        #[prost(bytes = "vec", tag = "2")]
        pub(crate) value: Vec<u8>,
    }

    /// `google.protobuf.Timestamp`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Timestamp {
        /// Seconds since the Unix epoch.
        #[prost(int64, tag = "1")]
        pub(crate) seconds: i64,
    }

    /// `ListImagesResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Images {
        /// The images that match the filter.
        #[prost(message, repeated, tag = "1")]
        pub(crate) images: Vec<Image>,
    }

    /// `Image`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Image {
        /// The descriptor that the name refers to.
        #[prost(message, optional, tag = "3")]
        pub(crate) target: Option<Descriptor>,
    }

    /// `containerd.types.Descriptor`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Descriptor {
        /// `sha256:…`.
        #[prost(string, tag = "2")]
        pub(crate) digest: String,
    }

    /// `containerd.types.Envelope`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Envelope {
        /// The namespace of the event.
        #[prost(string, tag = "2")]
        pub(crate) namespace: String,
        /// The topic: `/containers/create`.
        #[prost(string, tag = "3")]
        pub(crate) topic: String,
        /// The event, which is an [`Id`] in all subscribed topics.
        #[prost(message, optional, tag = "4")]
        pub(crate) event: Option<Any>,
    }
}
