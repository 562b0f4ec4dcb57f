//! One socket, from connecting until it is removed: events and look-ups.
//!
//! A runtime that fails or hangs is paused for a time that doubles with each failure, while other runtimes are
//! asked. Few look-ups run at a time, newest containers first.

use std::{cell::Cell, collections::VecDeque, fmt::Display, io, pin::pin, rc::Rc, time::Duration};

use hashbrown::HashSet;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Description,
    describe::Kind,
    docker::Docker,
    grpc_runtime::GrpcRuntime,
    known::CONTAINERS,
    sockets::{Protocol, Socket},
};

/// Most concurrent look-ups.
const IN_FLIGHT: usize = 4;
/// Consecutive failed look-ups after which the runtime is paused.
const FAILURES: u32 = 4;
/// First pause.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Why a runtime did not answer a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Io(io::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("connection closed")]
    Closed,
    #[error("answer larger than {} KiB", .0 >> 10)]
    TooLarge(usize),
    #[error("{0}")]
    Invalid(String),
}

/// Options of look-ups.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookupOptions {
    /// Time limit of a look-up.
    pub(super) timeout: Duration,
    /// Whether environment variables are kept.
    pub(super) env: bool,
}

/// A notification from a runtime.
#[derive(Debug)]
pub(super) enum RuntimeEvent {
    /// A container existed when the connection was made.
    There(String),
    /// All existing containers have been reported.
    All,
    /// A container is new or has changed.
    Changed(String),
    /// A container has ended: the last chance to learn about it.
    Ended(String),
    /// The runtime sends no events, it can only be asked.
    Mute(String),
}

/// The result of a look-up.
#[derive(Debug)]
pub(super) enum LookupResult {
    /// The complete description.
    Found(Description),
    /// An incomplete description; a better one will follow.
    Partial(Description),
    /// The runtime does not know the id.
    Unknown,
}

/// A source's message to the coordinator.
#[derive(Debug)]
pub(super) enum SourceUpdate {
    /// The runtime can be asked.
    Up(Kind),
    /// The runtime cannot be asked for some time; the text is a warning for the user.
    Down(Option<String>),
    /// A warning for the user.
    Warning(String),
    /// A description, requested or not.
    Described(Description),
    /// An incomplete description; a better one will follow.
    PartlyDescribed(Description),
    /// The runtime does not know this id; others may, or it may later.
    Unknown(String),
    /// A container that ended.
    Ended(String),
    /// The socket was removed.
    Gone,
}

/// The client for the runtime behind a socket.
enum Client {
    Docker(Docker),
    Grpc(Box<GrpcRuntime>),
}

impl Client {
    async fn connect(socket: &Socket, manner: LookupOptions) -> Result<Self, Failure> {
        let (path, protocol) = (&socket.path, socket.protocol);
        if protocol != Protocol::Docker {
            match GrpcRuntime::connect(path, manner).await {
                Ok(runtime) => return Ok(Self::Grpc(Box::new(runtime))),
                Err(failure) if protocol == Protocol::Grpc => return Err(failure),
                // In this order, as HTTP servers reject gRPC at once, but gRPC servers do not reject HTTP.
                Err(_) => {}
            }
        }
        Ok(Self::Docker(Docker::connect(path, manner).await?))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Docker(docker) => docker.kind(),
            Self::Grpc(runtime) => runtime.kind(),
        }
    }

    /// Reports containers until the connection fails.
    async fn follow(&self, seen: &Sender<RuntimeEvent>) -> Failure {
        match self {
            Self::Docker(docker) => docker.follow(seen).await,
            Self::Grpc(runtime) => runtime.follow(seen).await,
        }
    }

    /// Describes a container by its id or a prefix of it.
    async fn look_up(&self, id: &str) -> Result<LookupResult, Failure> {
        match self {
            Self::Docker(docker) => docker.look_up(id).await,
            Self::Grpc(runtime) => runtime.look_up(id).await,
        }
    }
}

/// The ids that are to be looked up, and those being looked up.
#[derive(Default)]
struct Queue {
    ids: VecDeque<String>,
    members: HashSet<String>,
    under_way: Vec<String>,
}

impl Queue {
    fn push(&mut self, id: String, first: bool) {
        if self.members.contains(&id) {
            return;
        }
        if self.ids.len() >= CONTAINERS
            && let Some(dropped) = self.ids.pop_back()
        {
            self.members.remove(&dropped);
        }
        self.members.insert(id.clone());
        if first {
            self.ids.push_front(id);
        } else {
            self.ids.push_back(id);
        }
    }

    /// Takes the next id, except those being looked up: an older answer must not follow a newer one.
    fn begin(&mut self) -> Option<String> {
        if self.under_way.len() >= IN_FLIGHT {
            return None;
        }
        let at = self
            .ids
            .iter()
            .position(|id| !self.under_way.contains(id))?;
        let id = self.ids.remove(at)?;
        self.members.remove(&id);
        self.under_way.push(id.clone());
        Some(id)
    }

    fn end(&mut self, id: &str) {
        self.under_way.retain(|other| other != id);
    }
}

/// The task of one socket.
pub(super) struct Source {
    pub(super) socket: Socket,
    pub(super) manner: LookupOptions,
    /// Ids to look up.
    pub(super) asks: Receiver<String>,
    /// The coordinator's queue; messages carry the number of this source.
    pub(super) news: Sender<(u32, SourceUpdate)>,
    pub(super) number: u32,
    /// Whether answers are still pending.
    pub(super) busy: Rc<Cell<bool>>,
}

impl Source {
    /// Runs until the socket is removed.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut answered = false;
            self.busy.set(true);
            let failure = match Client::connect(&self.socket, self.manner).await {
                Ok(client) => self.session(Rc::new(client), &mut answered).await,
                Err(failure) => failure,
            };
            if !self.socket.path.exists() {
                self.send(SourceUpdate::Gone).await;
                return;
            }
            // A runtime that answered and then closed the connection is being restarted; no warning.
            let is_end = answered && matches!(failure, Failure::Closed);
            let warning = (!is_end).then(|| self.about(&failure));
            self.busy.set(false);
            self.send(SourceUpdate::Down(warning)).await;
            if answered {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Receives events and performs look-ups until something fails.
    async fn session(&mut self, client: Rc<Client>, answered: &mut bool) -> Failure {
        self.send(SourceUpdate::Up(client.kind())).await;
        let (seen, mut sightings) = channel(256);
        let mut follow = pin!(client.follow(&seen));
        let mut queue = Queue::default();
        let mut under_way = JoinSet::new();
        let mut failures = 0;
        let mut listed = false;
        let began = Instant::now();
        loop {
            while let Some(id) = queue.begin() {
                let client = Rc::clone(&client);
                under_way.spawn_local(async move { (client.look_up(&id).await, id) });
            }
            self.busy.set(!listed || !under_way.is_empty());
            tokio::select! {
                failure = &mut follow => {
                    *answered |= began.elapsed() > LAST_PAUSE;
                    return failure;
                }
                Some(seen) = sightings.recv() => match seen {
                    RuntimeEvent::There(id) => queue.push(id, false),
                    RuntimeEvent::All => listed = true,
                    RuntimeEvent::Changed(id) => queue.push(id, true),
                    RuntimeEvent::Ended(id) => self.send(SourceUpdate::Ended(id)).await,
                    RuntimeEvent::Mute(why) => self.send(SourceUpdate::Warning(self.about(&why))).await,
                },
                Some(id) = self.asks.recv() => queue.push(id, true),
                Some(Ok((result, id))) = under_way.join_next() => {
                    queue.end(&id);
                    failures = if result.is_ok() { 0 } else { failures + 1 };
                    *answered |= result.is_ok();
                    match result {
                        Ok(LookupResult::Found(description)) => self.send(SourceUpdate::Described(description)).await,
                        Ok(LookupResult::Partial(description)) => {
                            self.send(SourceUpdate::PartlyDescribed(description)).await;
                        }
                        Ok(LookupResult::Unknown) => self.send(SourceUpdate::Unknown(id)).await,
                        Err(failure) if failures >= FAILURES => return failure,
                        Err(failure) => self.send(SourceUpdate::Warning(self.about(&failure))).await,
                    }
                }
            }
        }
    }

    async fn send(&self, news: SourceUpdate) {
        // The receiver is gone once the recording has ended.
        let _over = self.news.send((self.number, news)).await;
    }

    fn about(&self, what: &impl Display) -> String {
        format!("{}: {what}", self.socket.path.display())
    }
}

/// Reports a container; waits while the source is busy.
pub(super) async fn send(seen: &Sender<RuntimeEvent>, what: RuntimeEvent) {
    // The receiver is gone once the session has ended.
    let _over = seen.send(what).await;
}
