//! The messages of the runtimes' gRPC interfaces, as far as they are read.
//!
//! Written by hand, so that building needs no `protoc`; what is not named here is skipped when it comes.
//! Numbers are those of `k8s.io/cri-api` `pkg/apis/runtime/v1/api.proto` (as in crate k8s-cri 0.11.0,
//! `proto/v1.proto`), and of containerd's `api/` (as in crate containerd-client 0.9.0, `vendor/`).

/// `runtime.v1`, the interface between Kubernetes and container runtimes.
pub(crate) mod cri {
    use std::collections::BTreeMap;

    use prost::Message;

    /// `NamespaceMode.NODE`: that of the host.
    pub(crate) const NODE: i32 = 2;
    /// `ContainerState.CONTAINER_EXITED`.
    pub(crate) const EXITED: i32 = 2;
    /// `ContainerEventType.CONTAINER_STOPPED_EVENT`; what is less is a beginning.
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
        /// Its full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// Whether it runs.
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
        /// Its full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// `PodSandboxState`: 0 is ready.
        #[prost(int32, tag = "3")]
        pub(crate) state: i32,
    }

    /// `ContainerStatusRequest` and `PodSandboxStatusRequest`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct StatusRequest {
        /// As much of the id as is known.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// Whether `info` is wanted.
        #[prost(bool, tag = "2")]
        pub(crate) verbose: bool,
    }

    /// `ContainerStatusResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerStatusResponse {
        /// What every runtime tells.
        #[prost(message, optional, tag = "1")]
        pub(crate) status: Option<ContainerStatus>,
        /// What this one tells besides, as JSON.
        #[prost(btree_map = "string, string", tag = "2")]
        pub(crate) info: BTreeMap<String, String>,
    }

    /// `ContainerStatus`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerStatus {
        /// Its full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// Its name.
        #[prost(message, optional, tag = "2")]
        pub(crate) metadata: Option<ContainerMetadata>,
        /// Nanoseconds since the Unix epoch.
        #[prost(int64, tag = "4")]
        pub(crate) created_at: i64,
        /// The image as it was asked for.
        #[prost(message, optional, tag = "8")]
        pub(crate) image: Option<ImageSpec>,
        /// The image that was found, by digest or id.
        #[prost(string, tag = "9")]
        pub(crate) image_ref: String,
        /// With those that the kubelet gives.
        #[prost(btree_map = "string, string", tag = "12")]
        pub(crate) labels: BTreeMap<String, String>,
        /// Without those that the runtime makes by itself.
        #[prost(message, repeated, tag = "14")]
        pub(crate) mounts: Vec<Mount>,
        /// Limits.
        #[prost(message, optional, tag = "16")]
        pub(crate) resources: Option<ContainerResources>,
        /// The image's id, where it is known.
        #[prost(string, tag = "17")]
        pub(crate) image_id: String,
    }

    /// `ContainerMetadata`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerMetadata {
        /// That of the pod's specification.
        #[prost(string, tag = "1")]
        pub(crate) name: String,
    }

    /// `ImageSpec`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ImageSpec {
        /// Name, or id.
        #[prost(string, tag = "1")]
        pub(crate) image: String,
        /// The name that the user gave.
        #[prost(string, tag = "18")]
        pub(crate) user_specified_image: String,
    }

    /// `Mount`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Mount {
        /// Where it is in the container.
        #[prost(string, tag = "1")]
        pub(crate) container_path: String,
        /// Where it is on the host.
        #[prost(string, tag = "2")]
        pub(crate) host_path: String,
        /// Whether it cannot be written.
        #[prost(bool, tag = "3")]
        pub(crate) readonly: bool,
        /// `MountPropagation`.
        #[prost(int32, tag = "5")]
        pub(crate) propagation: i32,
    }

    /// `ContainerResources`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerResources {
        /// Those of Linux.
        #[prost(message, optional, tag = "1")]
        pub(crate) linux: Option<LinuxResources>,
    }

    /// `LinuxContainerResources`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct LinuxResources {
        /// Microseconds.
        #[prost(int64, tag = "1")]
        pub(crate) cpu_period: i64,
        /// Microseconds.
        #[prost(int64, tag = "2")]
        pub(crate) cpu_quota: i64,
        /// A weight.
        #[prost(int64, tag = "3")]
        pub(crate) cpu_shares: i64,
        /// Bytes.
        #[prost(int64, tag = "4")]
        pub(crate) memory_limit: i64,
        /// A list of CPUs.
        #[prost(string, tag = "6")]
        pub(crate) cpuset_cpus: String,
        /// Bytes.
        #[prost(int64, tag = "10")]
        pub(crate) swap_limit: i64,
    }

    /// `PodSandboxStatusResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxStatusResponse {
        /// What every runtime tells.
        #[prost(message, optional, tag = "1")]
        pub(crate) status: Option<PodSandboxStatus>,
        /// What this one tells besides, as JSON.
        #[prost(btree_map = "string, string", tag = "2")]
        pub(crate) info: BTreeMap<String, String>,
    }

    /// `PodSandboxStatus`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct PodSandboxStatus {
        /// Its full id.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// The pod's names.
        #[prost(message, optional, tag = "2")]
        pub(crate) metadata: Option<PodSandboxMetadata>,
        /// Nanoseconds since the Unix epoch.
        #[prost(int64, tag = "4")]
        pub(crate) created_at: i64,
        /// Its addresses.
        #[prost(message, optional, tag = "5")]
        pub(crate) network: Option<PodSandboxNetworkStatus>,
        /// Its namespaces.
        #[prost(message, optional, tag = "6")]
        pub(crate) linux: Option<LinuxPodSandboxStatus>,
        /// Those of the pod, and those that the kubelet gives.
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
        /// Its namespaces.
        #[prost(message, optional, tag = "1")]
        pub(crate) namespaces: Option<Namespaces>,
    }

    /// `Namespace`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Namespaces {
        /// Whose they are.
        #[prost(message, optional, tag = "2")]
        pub(crate) options: Option<NamespaceOption>,
    }

    /// `NamespaceOption`; members are `NamespaceMode`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct NamespaceOption {
        /// The network's.
        #[prost(int32, tag = "1")]
        pub(crate) network: i32,
        /// That of process ids.
        #[prost(int32, tag = "2")]
        pub(crate) pid: i32,
        /// That of shared memory and message queues.
        #[prost(int32, tag = "3")]
        pub(crate) ipc: i32,
    }

    /// `ContainerEventResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct ContainerEvent {
        /// Container or sandbox.
        #[prost(string, tag = "1")]
        pub(crate) container_id: String,
        /// `ContainerEventType`.
        #[prost(int32, tag = "2")]
        pub(crate) kind: i32,
    }
}

/// containerd's own interface: `containerd.services.*.v1`.
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
        /// One of them has to hold.
        #[prost(string, repeated, tag = "1")]
        pub(crate) filters: Vec<String>,
    }

    /// `ListContainersResponse`, as far as ids are asked for.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Ids {
        /// All that pass the filter.
        #[prost(message, repeated, tag = "1")]
        pub(crate) containers: Vec<Id>,
    }

    /// An id: `Container` as far as asked for, and the messages of its events.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Id {
        /// Unique in its namespace.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
    }

    /// `ListContainersResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Containers {
        /// All that pass the filter.
        #[prost(message, repeated, tag = "1")]
        pub(crate) containers: Vec<Container>,
    }

    /// `Container`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Container {
        /// Unique in its namespace.
        #[prost(string, tag = "1")]
        pub(crate) id: String,
        /// Those of the image, of the user, and of the client.
        #[prost(btree_map = "string, string", tag = "2")]
        pub(crate) labels: BTreeMap<String, String>,
        /// The image's name.
        #[prost(string, tag = "3")]
        pub(crate) image: String,
        /// The OCI specification.
        #[prost(message, optional, tag = "5")]
        pub(crate) spec: Option<Any>,
        /// When it was created.
        #[prost(message, optional, tag = "8")]
        pub(crate) created_at: Option<Timestamp>,
    }

    /// `google.protobuf.Any`; containerd keeps JSON in some.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Any {
        /// The bytes.
        #[prost(bytes = "vec", tag = "2")]
        pub(crate) value: Vec<u8>,
    }

    /// `google.protobuf.Timestamp`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Timestamp {
        /// Since the Unix epoch.
        #[prost(int64, tag = "1")]
        pub(crate) seconds: i64,
    }

    /// `ListImagesResponse`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Images {
        /// All that pass the filter.
        #[prost(message, repeated, tag = "1")]
        pub(crate) images: Vec<Image>,
    }

    /// `Image`.
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Image {
        /// What its name stands for.
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
        /// Where it happened.
        #[prost(string, tag = "2")]
        pub(crate) namespace: String,
        /// What happened: `/containers/create`.
        #[prost(string, tag = "3")]
        pub(crate) topic: String,
        /// To which, an [`Id`] in all that are asked for.
        #[prost(message, optional, tag = "4")]
        pub(crate) event: Option<Any>,
    }
}
