//! What the container runtimes of this machine say about its containers.
//!
//! ```text
//!  event path                      thread "scap-containers"
//!  ask(id)  -- bounded queue -->   coordinator: what is wanted, what was told
//!  poll()   <-- bounded bytes --    |  source, one per socket: connect, follow, look up, pause
//!                                   |    docker (HTTP, also podman's) | grpc (CRI, containerd)
//!                                   `- sockets: where runtimes listen
//! ```
//!
//! The invariant: nothing a runtime does can delay the event path. [`Resolver`] only ever tries; all
//! waiting, and all of what is asynchronous, is in the one thread. Whatever a runtime sends is limited in
//! size and time, and so is what is remembered. docs/adr/0009-container-metadata.md has the reasons.

mod containerd;
mod containerd_json;
mod coordinator;
mod cri;
mod cri_json;
mod describe;
mod docker;
mod docker_json;
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

/// Time that one look-up may take unless asked otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// Questions that wait for the thread.
const QUESTIONS: usize = 1024;
/// Bytes of descriptions that wait to be fetched; beyond that the runtimes are not listened to.
const UNFETCHED_BYTES: usize = 8 << 20;
/// Warnings that wait to be fetched.
const WARNINGS: usize = 64;
/// How long the thread may take to end once it was told to.
const LEAVING: Duration = Duration::from_millis(50);

/// Whom to ask, and for what.
#[derive(Clone, Debug)]
pub struct ContainerOptions {
    /// Whether to ask at all.
    pub enabled: bool,
    /// Sockets of runtimes besides those that are found.
    pub sockets: Vec<PathBuf>,
    /// Where the machine's files are: sockets are looked for below it.
    pub host_root: PathBuf,
    /// Whether environment variables, which may hold secrets, are kept.
    pub env: bool,
    /// Time that one look-up may take.
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

/// What a runtime said about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The id as it is shown: the first 12 characters of the full one.
    pub id: String,
    /// `{"container":{…}}` in the form of falcosecurity's `container` events, at most 64 KiB.
    pub json: String,
}

/// Where a container was found, told by its cgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The runtime that lays out cgroups like these.
    pub runtime: Option<&'static str>,
    /// The user in whose slice it is.
    pub user: Option<u32>,
}

impl Origin {
    /// The machine's own containers of a runtime.
    pub fn of(runtime: &'static str) -> Self {
        Self {
            runtime: Some(runtime),
            user: None,
        }
    }
}

/// Which container to find out about.
#[derive(Clone, Debug)]
struct LookupRequest {
    /// As it is shown.
    id: String,
    /// As the runtime has it, as far as it is known.
    full: String,
    origin: Origin,
}

/// A description on its way, and the room that it takes until it is fetched.
type QueuedDescription = (Description, OwnedSemaphorePermit);

/// Asks the container runtimes, and listens to them.
#[derive(Debug)]
pub struct Resolver {
    /// `None`: nothing is asked, or it is over.
    questions: Option<queue::Sender<LookupRequest>>,
    descriptions: mpsc::Receiver<QueuedDescription>,
    warnings: mpsc::Receiver<String>,
    /// Ids that need not be asked for again.
    asked: Known<()>,
    /// Tells the thread how long it may go on.
    leave: watch::Sender<Option<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Starts looking for runtimes, and asks those that are there for all their containers.
    ///
    /// # Errors
    ///
    /// If the system gives no thread or no poll descriptor.
    pub fn start(options: ContainerOptions) -> io::Result<Self> {
        let (questions, asked) = queue::channel(QUESTIONS);
        let (told, descriptions) = mpsc::channel();
        let (warn, warnings) = mpsc::sync_channel(WARNINGS);
        let (leave, left) = watch::channel(None);
        let mut resolver = Self {
            questions: None,
            descriptions,
            warnings,
            asked: Known::default(),
            leave,
            thread: None,
        };
        if options.enabled {
            let outbox = coordinator::Outbox {
                descriptions: told,
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
                    let local = tokio::task::LocalSet::new();
                    local.block_on(&runtime, coordinator::run(options, asked, outbox, left));
                })?;
            resolver.thread = Some(thread);
            resolver.questions = Some(questions);
        }
        Ok(resolver)
    }

    /// Whether a container, by its id as shown, need not be asked for.
    pub fn has_asked(&self, id: &[u8]) -> bool {
        str::from_utf8(id).is_ok_and(|id| self.asked.get(id).is_some())
    }

    /// Asks for a container by its id as shown, unless that was done. `full` is its whole id, or empty
    /// if that is not known.
    ///
    /// A user's own runtime is asked only about containers in that user's slice, and believed only about
    /// these: anybody could say anything about any id.
    ///
    /// Never waits: if too much is asked at once, this is not asked and may be asked again.
    pub fn ask(&mut self, id: &[u8], full: &[u8], origin: Origin) {
        let Some(questions) = &self.questions else {
            return;
        };
        let Ok(text) = str::from_utf8(id) else {
            return;
        };
        if self.asked.get(text).is_some() {
            return;
        }
        let question = LookupRequest {
            id: text.to_owned(),
            full: str::from_utf8(full).unwrap_or_default().to_owned(),
            origin,
        };
        if questions.try_send(question).is_ok() {
            self.asked.insert(text, ());
        }
    }

    /// Returns the next description, if there is one. Containers that nobody asked for are described,
    /// too, and those that changed are described again.
    pub fn poll(&mut self) -> Option<Description> {
        let (description, _room) = self.descriptions.try_recv().ok()?;
        if self.asked.get(&description.id).is_none() {
            self.asked.insert(&description.id, ());
        }
        Some(description)
    }

    /// Returns the next thing that stands in the way of asking; each is told once.
    pub fn warning(&mut self) -> Option<String> {
        self.warnings.try_recv().ok()
    }

    /// Lets look-ups under way end for as long as `patience`, and ends. What was told meanwhile can be
    /// fetched as before.
    pub fn finish(&mut self, patience: Duration) {
        self.questions = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.leave.send_replace(Some(patience));
        // A thread that does not come back, which only a file system that hangs can bring about, is
        // left behind.
        let end = std::time::Instant::now() + patience + LEAVING;
        while !thread.is_finished() && std::time::Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            // It panicked at worst, which it said.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.finish(Duration::ZERO);
    }
}
