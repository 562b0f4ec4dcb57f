//! Names of asynchronous events (type 402), which recorders write for anything other than calls.

/// A container was described; the data is JSON.
pub const CONTAINER: &[u8] = b"container";
/// A process was moved to other cgroups; the data is their list, as in `clone` events. Named after the cgroup file that
/// moves processes; scap's own.
pub const CGROUP_PROCS: &[u8] = b"cgroup.procs";
/// A thread was moved to other cgroups; scap's own.
pub const CGROUP_THREADS: &[u8] = b"cgroup.threads";
