//! What is wanted, what was told, and who is there to ask: the one place that knows all three.
//!
//! A question goes to the runtime that the hint names, else to all. A runtime may not know a container
//! yet when its first process runs, so the question is repeated a few times, to all; then it waits for a
//! runtime that comes. What is told again is passed on if it differs.

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

/// Sockets that are spoken to at a time.
const SOURCES: usize = 32;
/// When a question is repeated.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(3200),
];
/// How often sockets are looked for while a question is open.
const SOON: Duration = Duration::from_secs(2);
/// And while none is.
const LATER: Duration = Duration::from_secs(15);
/// Time between looks at whether all is answered, when it is over.
const TICK: Duration = Duration::from_millis(2);

/// What goes back to the event path.
pub(super) struct Outbox {
    pub(super) descriptions: mpsc::Sender<QueuedDescription>,
    /// Bytes that may be on their way.
    pub(super) room: Arc<Semaphore>,
    pub(super) warnings: mpsc::SyncSender<String>,
}

/// What is known about a container.
#[derive(Default)]
struct Entry {
    told: Option<Told>,
    /// What is to be found out, or found out more about.
    wanted: Option<Wanted>,
    /// The user in whose slice it was found.
    user: Option<u32>,
}

struct Told {
    /// The source that described it.
    by: u32,
    /// Of the description.
    hash: u64,
}

struct Wanted {
    question: LookupRequest,
    /// How often it was repeated.
    repeats: usize,
}

/// A source as the coordinator sees it.
struct Contact {
    number: u32,
    path: PathBuf,
    /// Whose runtime it is; `None`: the machine's, which may speak of all.
    user: Option<u32>,
    /// `None`: it cannot be asked at the moment.
    kind: Option<Kind>,
    asks: Sender<String>,
    busy: Rc<Cell<bool>>,
}

impl Contact {
    /// Asks a question, if this one may speak of such.
    fn ask(&self, question: &LookupRequest) {
        if !self.may_tell_of(question.origin.user) {
            return;
        }
        let id = if question.full.is_empty() {
            &question.id
        } else {
            &question.full
        };
        // A full queue means that its runtime hangs; the question is repeated.
        let _full = self.asks.try_send(id.clone());
    }

    /// Whether it is to be believed about containers in this user's slice, or in none.
    fn may_tell_of(&self, user: Option<u32>) -> bool {
        self.user.is_none() || self.user == user
    }

    /// Whether no answer is to be expected soon.
    fn is_idle(&self) -> bool {
        let is_asked = self.asks.capacity() < self.asks.max_capacity();
        !(self.busy.get() || is_asked && self.kind.is_some())
    }
}

/// Works until `left` says for how long to go on, and then so long at most.
pub(super) async fn run(
    options: ContainerOptions,
    mut questions: Receiver<LookupRequest>,
    outbox: Outbox,
    mut left: watch::Receiver<Option<Duration>>,
) {
    let (tell, mut news) = channel(64);
    let mut coordinator = LookupCoordinator::new(options, outbox, tell);
    // In this order, so that even the shortest recording looks for sockets.
    let patience = tokio::select! {
        biased;
        never = coordinator.work(&mut questions, &mut news) => match never {},
        patience = left.wait_for(Option::is_some) => patience.ok().and_then(|patience| *patience),
    };
    let end = Instant::now() + patience.unwrap_or_default();
    let _late = timeout_at(end, coordinator.wrap_up(&mut questions, &mut news)).await;
}

struct LookupCoordinator {
    options: ContainerOptions,
    outbox: Outbox,
    /// For the sources.
    tell: Sender<(u32, SourceUpdate)>,
    known: Known<Entry>,
    hasher: DefaultHashBuilder,
    contacts: Vec<Contact>,
    sources: JoinSet<()>,
    next_number: u32,
    /// When which question is to be repeated.
    repeats: BinaryHeap<Reverse<(Instant, String)>>,
    warned: HashSet<String>,
    scanned: Instant,
    scan_at: Instant,
}

impl LookupCoordinator {
    fn new(options: ContainerOptions, outbox: Outbox, tell: Sender<(u32, SourceUpdate)>) -> Self {
        let now = Instant::now();
        Self {
            options,
            outbox,
            tell,
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
        questions: &mut Receiver<LookupRequest>,
        news: &mut Receiver<(u32, SourceUpdate)>,
    ) -> Infallible {
        self.scan();
        for path in self.options.sockets.clone() {
            if !path.exists() {
                self.warn(format!("{}: there is no such socket yet", path.display()));
            }
        }
        loop {
            let repeat_at = self.repeats.peek().map(|Reverse((at, _))| *at);
            tokio::select! {
                Some(question) = questions.recv() => self.ask(question),
                Some((number, news)) = news.recv() => self.hear(number, news).await,
                () = sleep_until(self.scan_at) => self.scan(),
                () = sleep_until(repeat_at.unwrap_or_else(Instant::now)), if repeat_at.is_some() => {
                    self.repeat();
                }
            }
        }
    }

    /// Goes on until all that is under way is answered.
    async fn wrap_up(
        &mut self,
        questions: &mut Receiver<LookupRequest>,
        news: &mut Receiver<(u32, SourceUpdate)>,
    ) {
        loop {
            while let Ok(question) = questions.try_recv() {
                self.ask(question);
            }
            while let Ok((number, news)) = news.try_recv() {
                self.hear(number, news).await;
            }
            if self.contacts.iter().all(Contact::is_idle) && news.is_empty() {
                return;
            }
            sleep(TICK).await;
        }
    }

    /// Looks for sockets that are not known yet.
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
                news: self.tell.clone(),
                number,
                busy,
            };
            self.sources.spawn_local(source.run());
        }
        while self.sources.try_join_next().is_some() {}
        let mut entries = self.known.iter();
        let is_open = entries.any(|(_, entry)| entry.told.is_none());
        self.scan_at = self.scanned + if is_open { SOON } else { LATER };
    }

    /// Takes a question.
    fn ask(&mut self, question: LookupRequest) {
        if self.known.get(&question.id).is_some() {
            return;
        }
        let entry = Entry {
            user: question.origin.user,
            ..Entry::default()
        };
        self.known.insert(&question.id, entry);
        let hinted = |contact: &&Contact| {
            let kind = contact.kind.zip(question.origin.runtime);
            kind.is_some_and(|(kind, runtime)| kind.fits(runtime))
                && contact.may_tell_of(question.origin.user)
        };
        let mut asked: Vec<&Contact> = self.contacts.iter().filter(hinted).collect();
        if asked.is_empty() {
            asked.extend(self.contacts.iter().filter(|c| c.kind.is_some()));
        }
        for contact in asked {
            contact.ask(&question);
        }
        self.want(question);
        // A runtime may have come with its first container.
        self.scan_at = self.scan_at.min(self.scanned + SOON);
    }

    /// Takes note that a question is open, and when to repeat it.
    fn want(&mut self, question: LookupRequest) {
        let id = question.id.clone();
        if self.known.get(&id).is_none() {
            self.known.insert(&id, Entry::default());
        }
        if let Some(entry) = self.known.get_mut(&id)
            && entry.wanted.is_none()
        {
            entry.wanted = Some(Wanted {
                question,
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

    /// Repeats the question that is due.
    fn repeat(&mut self) {
        let Some(Reverse((_, id))) = self.repeats.pop() else {
            return;
        };
        let entry = self.known.get_mut(&id);
        let Some(Wanted { question, repeats }) = entry.and_then(|entry| entry.wanted.as_mut())
        else {
            return;
        };
        *repeats += 1;
        let repeats = *repeats;
        for contact in self.contacts.iter().filter(|c| c.kind.is_some()) {
            contact.ask(question);
        }
        self.repeat_later(&id, repeats);
    }

    /// Makes a question about an id that a runtime named.
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

    async fn hear(&mut self, number: u32, news: SourceUpdate) {
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
            if !self.contacts[index].may_tell_of(user) {
                return;
            }
        }
        match news {
            SourceUpdate::Up(kind) => {
                let contact = &mut self.contacts[index];
                contact.kind = Some(kind);
                for (_, entry) in self.known.iter() {
                    if let Some(wanted) = &entry.wanted {
                        contact.ask(&wanted.question);
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
                let question = self.about(id);
                let entry = self.known.get(&question.id);
                if entry.is_none_or(|entry| entry.told.is_none() || entry.wanted.is_some()) {
                    self.contacts[index].ask(&question);
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
                let question = self.about(id);
                let entry = self.known.get(&question.id);
                if entry.is_none_or(|entry| entry.told.is_none()) {
                    self.want(question);
                }
            }
        }
    }

    /// Passes a description on, unless it is no news, or another runtime described the same container
    /// first.
    async fn pass_on(&mut self, number: u32, description: Description) {
        let hash = self.hasher.hash_one(&description.json);
        let told = Some(Told { by: number, hash });
        match self.known.get_mut(&description.id) {
            Some(entry) => {
                if let Some(old) = &entry.told {
                    let is_others =
                        old.by != number && self.contacts.iter().any(|c| c.number == old.by);
                    if is_others || old.hash == hash {
                        return;
                    }
                }
                entry.told = told;
            }
            None => {
                let entry = Entry {
                    told,
                    ..Entry::default()
                };
                self.known.insert(&description.id, entry);
            }
        }
        let size = description.id.len() + description.json.len();
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.outbox.room);
        if let Ok(room) = room.acquire_many_owned(size).await {
            // Nobody fetches it once the recording is over.
            let _over = self.outbox.descriptions.send((description, room));
        }
    }

    /// Passes a warning on, the first time.
    fn warn(&mut self, text: String) {
        if self.warned.len() < WARNINGS && self.warned.insert(text.clone()) {
            let _over = self.outbox.warnings.try_send(text);
        }
    }
}
