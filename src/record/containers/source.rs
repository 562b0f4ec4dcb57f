//! One socket: it is connected to, listened to and asked, for as long as it is there.
//!
//! A runtime that fails or hangs is left alone for a while that doubles from failure to failure, while
//! others are asked. Few look-ups are under way at a time, newest containers first.

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

/// Look-ups under way at a time.
const IN_FLIGHT: usize = 4;
/// After so many look-ups in a row that failed, the runtime is left alone.
const FAILURES: u32 = 4;
/// How long it is left alone at first.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// And at last.
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Why a runtime did not say what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Io(io::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("it closed the connection")]
    Closed,
    #[error("an answer of more than {} KiB", .0 >> 10)]
    TooLarge(usize),
    #[error("{0}")]
    Nonsense(String),
}

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookupOptions {
    /// Time that a look-up may take.
    pub(super) timeout: Duration,
    /// Whether environment variables are kept.
    pub(super) env: bool,
}

/// What a runtime tells of its own accord.
#[derive(Debug)]
pub(super) enum RuntimeEvent {
    /// A container was there when we came.
    There(String),
    /// These were all that were there.
    All,
    /// A container is new or has changed.
    Changed(String),
    /// A container has ended: the last chance to learn about it.
    Ended(String),
    /// It cannot be listened to, only asked.
    Mute(String),
}

/// What is known about an id.
#[derive(Debug)]
pub(super) enum LookupResult {
    /// All of it.
    Found(Description),
    /// Some; there will be more.
    Partial(Description),
    /// Nothing.
    Unknown,
}

/// What a source tells the coordinator.
#[derive(Debug)]
pub(super) enum SourceUpdate {
    /// It can be asked.
    Up(Kind),
    /// It cannot for a while; the text is for the user.
    Down(Option<String>),
    /// Something that the user should know.
    Warning(String),
    /// A container, whether it was asked for or not.
    Described(Description),
    /// A container of which there will be more to tell.
    PartlyDescribed(Description),
    /// It does not know of this one, but others may, or it may later.
    Unknown(String),
    /// A container that ended.
    Ended(String),
    /// There is no socket any more.
    Gone,
}

/// The runtime behind a socket.
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
                // In this order, as servers of HTTP turn gRPC down at once, but not the other way round.
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

    /// Tells of containers until that fails.
    async fn follow(&self, seen: &Sender<RuntimeEvent>) -> Failure {
        match self {
            Self::Docker(docker) => docker.follow(seen).await,
            Self::Grpc(runtime) => runtime.follow(seen).await,
        }
    }

    /// Describes a container by as much of its id as is known.
    async fn look_up(&self, id: &str) -> Result<LookupResult, Failure> {
        match self {
            Self::Docker(docker) => docker.look_up(id).await,
            Self::Grpc(runtime) => runtime.look_up(id).await,
        }
    }
}

/// The ids that a source is yet to look up, and those that it looks up now.
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

    /// Takes the next, but for those that are under way: an older answer must not come after a newer.
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

/// One socket's life.
pub(super) struct Source {
    pub(super) socket: Socket,
    pub(super) manner: LookupOptions,
    /// Ids to look up.
    pub(super) asks: Receiver<String>,
    /// What the coordinator gets to hear, with this source's number.
    pub(super) news: Sender<(u32, SourceUpdate)>,
    pub(super) number: u32,
    /// Whether it is yet to answer something.
    pub(super) busy: Rc<Cell<bool>>,
}

impl Source {
    /// Goes on until the socket is gone.
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
                self.tell(SourceUpdate::Gone).await;
                return;
            }
            // A runtime that answered and went away is being restarted: no news.
            let is_end = answered && matches!(failure, Failure::Closed);
            let warning = (!is_end).then(|| self.about(&failure));
            self.busy.set(false);
            self.tell(SourceUpdate::Down(warning)).await;
            if answered {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Listens and asks until something fails.
    async fn session(&mut self, client: Rc<Client>, answered: &mut bool) -> Failure {
        self.tell(SourceUpdate::Up(client.kind())).await;
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
                    RuntimeEvent::Ended(id) => self.tell(SourceUpdate::Ended(id)).await,
                    RuntimeEvent::Mute(why) => self.tell(SourceUpdate::Warning(self.about(&why))).await,
                },
                Some(id) = self.asks.recv() => queue.push(id, true),
                Some(Ok((result, id))) = under_way.join_next() => {
                    queue.end(&id);
                    failures = if result.is_ok() { 0 } else { failures + 1 };
                    *answered |= result.is_ok();
                    match result {
                        Ok(LookupResult::Found(description)) => self.tell(SourceUpdate::Described(description)).await,
                        Ok(LookupResult::Partial(description)) => {
                            self.tell(SourceUpdate::PartlyDescribed(description)).await;
                        }
                        Ok(LookupResult::Unknown) => self.tell(SourceUpdate::Unknown(id)).await,
                        Err(failure) if failures >= FAILURES => return failure,
                        Err(failure) => self.tell(SourceUpdate::Warning(self.about(&failure))).await,
                    }
                }
            }
        }
    }

    async fn tell(&self, news: SourceUpdate) {
        // Nobody listens once the recording is over.
        let _over = self.news.send((self.number, news)).await;
    }

    fn about(&self, what: &impl Display) -> String {
        format!("{}: {what}", self.socket.path.display())
    }
}

/// Tells of a container; waits while the source is busy.
pub(super) async fn tell(seen: &Sender<RuntimeEvent>, what: RuntimeEvent) {
    // Nobody listens once the session is over.
    let _over = seen.send(what).await;
}
