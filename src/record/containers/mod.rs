//! Container metadata from the container runtimes of this machine.
//!
//! ```text
//!  event path                      thread "scap-containers"
//!  ask(id)  -- bounded queue -->   coordinator: pending requests, known descriptions
//!  poll()   <-- bounded bytes --    |  source, one per socket: connect, follow, look up, pause
//!                                   |    docker (HTTP, also podman's) | grpc (CRI, containerd)
//!                                   `- sockets: where runtimes listen
//! ```
//!
//! Invariant: no runtime can delay the event path. [`Resolver`] never blocks; all waiting, and all
//! asynchronous code, is in the one thread. Everything that a runtime sends is limited in size and time, and so
//! is everything that is stored. docs/adr/0009-container-metadata.md has the reasons.

mod containerd;
mod containerd_json;
mod coordinator;
mod cri;
mod cri_json;
mod describe;
mod docker;
mod docker_json;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod grpc;
mod grpc_runtime;
mod http;
mod image;
mod known;
mod messages;
mod oci;
#[cfg(test)]
mod odd;
mod sockets;
mod source;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc as queue, watch};

use known::Known;

/// Default time limit of one look-up.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// Most requests that wait for the thread.
const REQUESTS: usize = 1024;
/// Most bytes of descriptions that wait to be polled; beyond that, runtimes are not read from.
const UNFETCHED_BYTES: usize = 8 << 20;
/// Most warnings that wait to be polled.
const WARNINGS: usize = 64;
/// How far the thread stands back behind others that want the CPU.
const NICENESS: i32 = 10;
/// Time that the thread gets to end, after the timeout of the last answers.
const LEAVING: Duration = Duration::from_millis(50);

/// How container runtimes are asked.
#[derive(Clone, Debug)]
pub struct ContainerOptions {
    /// Whether runtimes are asked at all.
    pub enabled: bool,
    /// Sockets of runtimes in addition to those at the usual paths.
    pub sockets: Vec<PathBuf>,
    /// Root of the host's files, below which sockets are searched for.
    pub host_root: PathBuf,
    /// Whether environment variables, which may hold secrets, are kept.
    pub env: bool,
    /// Time limit of one look-up.
    pub timeout: Duration,
}

impl Default for ContainerOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            sockets: Vec::new(),
            host_root: PathBuf::from("/"),
            env: false,
            timeout: DEFAULT_TIMEOUT,
        }
    }
}

/// A runtime's description of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The displayed id: the first 12 characters of the full one.
    pub id: String,
    /// `{"container":{…}}` in the format of falcosecurity's `container` events, at most 64 KiB.
    pub json: String,
}

/// Where a container was found, according to its cgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The runtime with this layout of cgroups.
    pub runtime: Option<&'static str>,
    /// The user in whose slice it is.
    pub user: Option<u32>,
}

impl Origin {
    /// A container of one of the machine's own runtimes.
    pub fn of(runtime: &'static str) -> Self {
        Self {
            runtime: Some(runtime),
            user: None,
        }
    }
}

/// A request for the description of a container.
#[derive(Clone, Debug)]
struct LookupRequest {
    /// The displayed id.
    id: String,
    /// The runtime's full id, or the part of it that is known.
    full: String,
    origin: Origin,
}

/// A description with the permit for its size, which is released when it is polled.
type QueuedDescription = (Description, OwnedSemaphorePermit);

/// Requests descriptions from the container runtimes, and receives their updates.
#[derive(Debug)]
pub struct Resolver {
    /// `None`: runtimes are not asked, or the resolver has finished.
    requests: Option<queue::Sender<LookupRequest>>,
    descriptions: mpsc::Receiver<QueuedDescription>,
    warnings: mpsc::Receiver<String>,
    /// Ids that have been requested or described.
    asked: Known<()>,
    /// Sends the timeout after which the thread has to end.
    leave: watch::Sender<Option<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Starts searching for runtimes, and requests all of their containers.
    ///
    /// # Errors
    ///
    /// If no thread or no poll descriptor can be created.
    pub fn start(options: ContainerOptions) -> io::Result<Self> {
        let (requests, asked) = queue::channel(REQUESTS);
        let (send, descriptions) = mpsc::channel();
        let (warn, warnings) = mpsc::sync_channel(WARNINGS);
        let (leave, left) = watch::channel(None);
        let mut resolver = Self {
            requests: None,
            descriptions,
            warnings,
            asked: Known::default(),
            leave,
            thread: None,
        };
        if options.enabled {
            let outbox = coordinator::Outbox {
                descriptions: send,
                room: Arc::new(Semaphore::new(UNFETCHED_BYTES)),
                warnings: warn,
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()?;
            let thread = thread::Builder::new()
                .name("scap-containers".to_owned())
                .spawn(move || {
                    // A runtime that sends without end must not take the CPU of the drain. On Linux this is the
                    // niceness of the thread.
                    let _as_before = rustix::process::nice(NICENESS);
                    let local = tokio::task::LocalSet::new();
                    local.block_on(&runtime, coordinator::run(options, asked, outbox, left));
                })?;
            resolver.thread = Some(thread);
            resolver.requests = Some(requests);
        }
        Ok(resolver)
    }

    /// Whether a container, by its displayed id, has been requested or described.
    pub fn has_asked(&self, id: &[u8]) -> bool {
        str::from_utf8(id).is_ok_and(|id| self.asked.get(id).is_some())
    }

    /// Requests a container by its displayed id, unless that was done before. `full` is the whole id, or empty if it is
    /// not known.
    ///
    /// A user's own runtime is asked only about containers in that user's slice, and trusted only about these, since
    /// it could claim anything about any id.
    ///
    /// Never blocks: if the queue is full, the request is dropped and can be repeated.
    pub fn ask(&mut self, id: &[u8], full: &[u8], origin: Origin) {
        let Some(requests) = &self.requests else {
            return;
        };
        let Ok(text) = str::from_utf8(id) else {
            return;
        };
        if self.asked.get(text).is_some() {
            return;
        }
        let request = LookupRequest {
            id: text.to_owned(),
            full: str::from_utf8(full).unwrap_or_default().to_owned(),
            origin,
        };
        if requests.try_send(request).is_ok() {
            self.asked.insert(text, ());
        }
    }

    /// Returns the next description, if there is one. Containers are also described without a request, and again when
    /// they change.
    pub fn poll(&mut self) -> Option<Description> {
        let (description, _room) = self.descriptions.try_recv().ok()?;
        if self.asked.get(&description.id).is_none() {
            self.asked.insert(&description.id, ());
        }
        Some(description)
    }

    /// Returns the next warning about a runtime, if there is one; each is returned once.
    pub fn warning(&mut self) -> Option<String> {
        self.warnings.try_recv().ok()
    }

    /// Waits up to `patience` for pending look-ups, and ends the thread. Descriptions that arrived can be polled
    /// as before.
    pub fn finish(&mut self, patience: Duration) {
        self.requests = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.leave.send_replace(Some(patience));
        // The thread is abandoned if it does not end, which only a hanging file system can cause.
        let end = std::time::Instant::now() + patience + LEAVING;
        while !thread.is_finished() && std::time::Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            // If it panicked, the panic has been printed.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.finish(Duration::ZERO);
    }
}
