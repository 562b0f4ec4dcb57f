//! Names of asynchronous events (type 402): what a recorder tells besides calls.

/// A container was described; the data is JSON.
pub const CONTAINER: &[u8] = b"container";
/// A process was moved to other cgroups; the data is their list, as in `clone` events. Called after the
/// file of the cgroup through which it happens (ours).
pub const CGROUP_PROCS: &[u8] = b"cgroup.procs";
/// The same of one thread (ours).
pub const CGROUP_THREADS: &[u8] = b"cgroup.threads";
