//! Coordinates container look-ups: pending requests, known descriptions, connected runtimes.
//!
//! A request is sent to the runtime that the cgroup layout suggests, or to all. A runtime may not know a
//! container yet when its first process runs, so the request is repeated a few times, to all runtimes; after that
//! it waits for new runtimes. A further description of a container is passed on if it differs.

use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BinaryHeap,
    convert::Infallible,
    hash::BuildHasher as _,
    path::PathBuf,
    rc::Rc,
    sync::{Arc, mpsc},
    time::Duration,
};

use hashbrown::{DefaultHashBuilder, HashSet};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{Receiver, Sender, channel},
        watch,
    },
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    ContainerOptions, Description, LookupRequest, Origin, QueuedDescription, WARNINGS,
    describe::{Kind, short_id},
    known::{CONTAINERS, Known},
    sockets,
    source::{LookupOptions, Source, SourceUpdate},
};

/// Most sockets that are used at a time.
const SOURCES: usize = 32;
/// Delays after which a request is repeated.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(3200),
];
/// Interval of the search for sockets while a request is pending.
const SOON: Duration = Duration::from_secs(2);
/// Interval while no request is pending.
const LATER: Duration = Duration::from_secs(15);
/// Interval of checks for pending answers at the end of the recording.
const TICK: Duration = Duration::from_millis(2);

/// The way back to the event path.
pub(super) struct Outbox {
    pub(super) descriptions: mpsc::Sender<QueuedDescription>,
    /// Limits the bytes of descriptions that have not been polled yet.
    pub(super) room: Arc<Semaphore>,
    pub(super) warnings: mpsc::SyncSender<String>,
}

/// State of one container.
#[derive(Default)]
struct Entry {
    described: Option<Described>,
    /// The pending request, for a first or a more complete description.
    wanted: Option<Wanted>,
    /// The user in whose slice it was found.
    user: Option<u32>,
}

struct Described {
    /// The source of the description.
    by: u32,
    /// Hash of the description.
    hash: u64,
}

struct Wanted {
    request: LookupRequest,
    /// Number of repetitions so far.
    repeats: usize,
}

/// The coordinator's side of a source.
struct Contact {
    number: u32,
    path: PathBuf,
    /// The owner of a user's own runtime; `None`: a runtime of the machine, trusted about all containers.
    user: Option<u32>,
    /// `None`: the source is not available at the moment.
    kind: Option<Kind>,
    asks: Sender<String>,
    busy: Rc<Cell<bool>>,
}

impl Contact {
    /// Sends a request, if this source is trusted for it.
    fn ask(&self, request: &LookupRequest) {
        if !self.is_trusted_for(request.origin.user) {
            return;
        }
        let id = if request.full.is_empty() {
            &request.id
        } else {
            &request.full
        };
        // A full queue means that the runtime hangs; the request is repeated later.
        let _full = self.asks.try_send(id.clone());
    }

    /// Whether the source is trusted about containers in this user's slice, or in none.
    fn is_trusted_for(&self, user: Option<u32>) -> bool {
        self.user.is_none() || self.user == user
    }

    /// Whether no answer is expected soon.
    fn is_idle(&self) -> bool {
        let is_asked = self.asks.capacity() < self.asks.max_capacity();
        !(self.busy.get() || is_asked && self.kind.is_some())
    }
}

/// Runs until `left` has a timeout, and then until all is answered or the timeout has passed.
pub(super) async fn run(
    options: ContainerOptions,
    mut requests: Receiver<LookupRequest>,
    outbox: Outbox,
    mut left: watch::Receiver<Option<Duration>>,
) {
    let (updates, mut news) = channel(64);
    let mut coordinator = LookupCoordinator::new(options, outbox, updates);
    // In this order, so that even the shortest recording searches for sockets.
    let patience = tokio::select! {
        biased;
        never = coordinator.work(&mut requests, &mut news) => match never {},
        patience = left.wait_for(Option::is_some) => patience.ok().and_then(|patience| *patience),
    };
    let end = Instant::now() + patience.unwrap_or_default();
    let _late = timeout_at(end, coordinator.wrap_up(&mut requests, &mut news)).await;
}

struct LookupCoordinator {
    options: ContainerOptions,
    outbox: Outbox,
    /// For the sources' updates.
    updates: Sender<(u32, SourceUpdate)>,
    known: Known<Entry>,
    hasher: DefaultHashBuilder,
    contacts: Vec<Contact>,
    sources: JoinSet<()>,
    next_number: u32,
    /// Times at which requests are to be repeated.
    repeats: BinaryHeap<Reverse<(Instant, String)>>,
    warned: HashSet<String>,
    scanned: Instant,
    scan_at: Instant,
}

impl LookupCoordinator {
    fn new(
        options: ContainerOptions,
        outbox: Outbox,
        updates: Sender<(u32, SourceUpdate)>,
    ) -> Self {
        let now = Instant::now();
        Self {
            options,
            outbox,
            updates,
            known: Known::default(),
            hasher: DefaultHashBuilder::default(),
            contacts: Vec::new(),
            sources: JoinSet::new(),
            next_number: 0,
            repeats: BinaryHeap::new(),
            warned: HashSet::new(),
            scanned: now,
            scan_at: now,
        }
    }

    async fn work(
        &mut self,
        requests: &mut Receiver<LookupRequest>,
        news: &mut Receiver<(u32, SourceUpdate)>,
    ) -> Infallible {
        self.scan();
        for path in self.options.sockets.clone() {
            if !path.exists() {
                self.warn(format!("{}: the socket does not exist yet", path.display()));
            }
        }
        loop {
            let repeat_at = self.repeats.peek().map(|Reverse((at, _))| *at);
            tokio::select! {
                Some(request) = requests.recv() => self.ask(request),
                Some((number, news)) = news.recv() => self.update(number, news).await,
                () = sleep_until(self.scan_at) => self.scan(),
                () = sleep_until(repeat_at.unwrap_or_else(Instant::now)), if repeat_at.is_some() => {
                    self.repeat();
                }
            }
        }
    }

    /// Continues until all pending requests are answered.
    async fn wrap_up(
        &mut self,
        requests: &mut Receiver<LookupRequest>,
        news: &mut Receiver<(u32, SourceUpdate)>,
    ) {
        loop {
            while let Ok(request) = requests.try_recv() {
                self.ask(request);
            }
            while let Ok((number, news)) = news.try_recv() {
                self.update(number, news).await;
            }
            if self.contacts.iter().all(Contact::is_idle) && news.is_empty() {
                return;
            }
            sleep(TICK).await;
        }
    }

    /// Searches for new sockets.
    fn scan(&mut self) {
        self.scanned = Instant::now();
        for socket in sockets::find(&self.options.host_root, &self.options.sockets) {
            let is_known = self.contacts.iter().any(|c| c.path == socket.path);
            if is_known || self.contacts.len() >= SOURCES {
                continue;
            }
            let number = self.next_number;
            self.next_number += 1;
            let (asks, asked) = channel(CONTAINERS);
            let busy = Rc::new(Cell::new(true));
            self.contacts.push(Contact {
                number,
                path: socket.path.clone(),
                user: socket.user,
                kind: None,
                asks,
                busy: Rc::clone(&busy),
            });
            let source = Source {
                socket,
                manner: LookupOptions {
                    timeout: self.options.timeout,
                    env: self.options.env,
                },
                asks: asked,
                news: self.updates.clone(),
                number,
                busy,
            };
            self.sources.spawn_local(source.run());
        }
        while self.sources.try_join_next().is_some() {}
        let mut entries = self.known.iter();
        let is_open = entries.any(|(_, entry)| entry.described.is_none());
        self.scan_at = self.scanned + if is_open { SOON } else { LATER };
    }

    /// Handles a request from the event path.
    fn ask(&mut self, request: LookupRequest) {
        if self.known.get(&request.id).is_some() {
            return;
        }
        let entry = Entry {
            user: request.origin.user,
            ..Entry::default()
        };
        self.known.insert(&request.id, entry);
        let hinted = |contact: &&Contact| {
            let kind = contact.kind.zip(request.origin.runtime);
            kind.is_some_and(|(kind, runtime)| kind.fits(runtime))
                && contact.is_trusted_for(request.origin.user)
        };
        let mut asked: Vec<&Contact> = self.contacts.iter().filter(hinted).collect();
        if asked.is_empty() {
            asked.extend(self.contacts.iter().filter(|c| c.kind.is_some()));
        }
        for contact in asked {
            contact.ask(&request);
        }
        self.want(request);
        // The container can be the first one of a runtime that has just started.
        self.scan_at = self.scan_at.min(self.scanned + SOON);
    }

    /// Marks a request as pending, and schedules its repetition.
    fn want(&mut self, request: LookupRequest) {
        let id = request.id.clone();
        if self.known.get(&id).is_none() {
            self.known.insert(&id, Entry::default());
        }
        if let Some(entry) = self.known.get_mut(&id)
            && entry.wanted.is_none()
        {
            entry.wanted = Some(Wanted {
                request,
                repeats: 0,
            });
            self.repeat_later(&id, 0);
        }
    }

    fn repeat_later(&mut self, id: &str, repeats: usize) {
        if let Some(pause) = REPEATS.get(repeats) {
            let at = Instant::now() + *pause;
            self.repeats.push(Reverse((at, id.to_owned())));
        }
    }

    /// Repeats the request that is due.
    fn repeat(&mut self) {
        let Some(Reverse((_, id))) = self.repeats.pop() else {
            return;
        };
        let entry = self.known.get_mut(&id);
        let Some(Wanted { request, repeats }) = entry.and_then(|entry| entry.wanted.as_mut())
        else {
            return;
        };
        *repeats += 1;
        let repeats = *repeats;
        for contact in self.contacts.iter().filter(|c| c.kind.is_some()) {
            contact.ask(request);
        }
        self.repeat_later(&id, repeats);
    }

    /// Makes a request for an id that a runtime reported.
    fn about(&self, full: String) -> LookupRequest {
        let id = short_id(&full).to_owned();
        let user = self.known.get(&id).and_then(|entry| entry.user);
        LookupRequest {
            id,
            full,
            origin: Origin {
                runtime: None,
                user,
            },
        }
    }

    async fn update(&mut self, number: u32, news: SourceUpdate) {
        let Some(index) = self.contacts.iter().position(|c| c.number == number) else {
            return;
        };
        let named = match &news {
            SourceUpdate::Described(description) | SourceUpdate::PartlyDescribed(description) => {
                Some(&*description.id)
            }
            SourceUpdate::Ended(id) | SourceUpdate::Unknown(id) => Some(short_id(id)),
            _ => None,
        };
        if let Some(id) = named {
            let user = self.known.get(id).and_then(|entry| entry.user);
            if !self.contacts[index].is_trusted_for(user) {
                return;
            }
        }
        match news {
            SourceUpdate::Up(kind) => {
                let contact = &mut self.contacts[index];
                contact.kind = Some(kind);
                for (_, entry) in self.known.iter() {
                    if let Some(wanted) = &entry.wanted {
                        contact.ask(&wanted.request);
                    }
                }
            }
            SourceUpdate::Down(why) => {
                self.contacts[index].kind = None;
                if let Some(why) = why {
                    self.warn(why);
                }
            }
            SourceUpdate::Gone => {
                self.contacts.swap_remove(index);
            }
            SourceUpdate::Warning(text) => self.warn(text),
            SourceUpdate::Ended(id) => {
                let request = self.about(id);
                let entry = self.known.get(&request.id);
                if entry.is_none_or(|entry| entry.described.is_none() || entry.wanted.is_some()) {
                    self.contacts[index].ask(&request);
                }
            }
            SourceUpdate::Described(description) => {
                if let Some(entry) = self.known.get_mut(&description.id) {
                    entry.wanted = None;
                }
                self.pass_on(number, description).await;
            }
            SourceUpdate::PartlyDescribed(description) => {
                self.want(self.about(description.id.clone()));
                self.pass_on(number, description).await;
            }
            SourceUpdate::Unknown(id) => {
                let request = self.about(id);
                let entry = self.known.get(&request.id);
                if entry.is_none_or(|entry| entry.described.is_none()) {
                    self.want(request);
                }
            }
        }
    }

    /// Passes a description on, unless it is unchanged or another runtime described the container first.
    async fn pass_on(&mut self, number: u32, description: Description) {
        let hash = self.hasher.hash_one(&description.json);
        let described = Some(Described { by: number, hash });
        match self.known.get_mut(&description.id) {
            Some(entry) => {
                if let Some(old) = &entry.described {
                    let is_others =
                        old.by != number && self.contacts.iter().any(|c| c.number == old.by);
                    if is_others || old.hash == hash {
                        return;
                    }
                }
                entry.described = described;
            }
            None => {
                let entry = Entry {
                    described,
                    ..Entry::default()
                };
                self.known.insert(&description.id, entry);
            }
        }
        let size = description.id.len() + description.json.len();
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.outbox.room);
        if let Ok(room) = room.acquire_many_owned(size).await {
            // The receiver is gone once the recording has ended.
            let _over = self.outbox.descriptions.send((description, room));
        }
    }

    /// Passes a warning on, once.
    fn warn(&mut self, text: String) {
        if self.warned.len() < WARNINGS && self.warned.insert(text.clone()) {
            let _over = self.outbox.warnings.try_send(text);
        }
    }
}
