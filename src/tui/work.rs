//! Background work: aggregation, verification and requests.
//!
//! Two threads process requests: one for fast requests (lines, details, the state), one for slow
//! ones (searches, I/O streams, saving), so that lines never wait for a search. Only the newest
//! request of a kind matters: an older one is cancelled.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::message::{Message, Request, RequestId, Response};
use super::save;
use crate::chisel::{self, Policy};
use crate::inspect::aggregator::{BackgroundAggregator, Progress};
use crate::inspect::alerts::{Rules, matching, raised};
use crate::inspect::detail::detail;
use crate::inspect::detector::BackgroundDetector;
use crate::inspect::find::{self, find};
use crate::inspect::io_stream::echo;
use crate::inspect::page::{Places, page};
use crate::inspect::scripted::Scripted;
use crate::inspect::scripted::has_containers;
use crate::inspect::system_view::system_view;
use crate::inspect::verifier::BackgroundVerifier;
use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::SegmentReplayer;
use crate::rules::Engine;

/// Limit of the aggregation threads.
const MOST_THREADS: usize = 8;

/// The background work. It ends when this is dropped.
pub(crate) struct Work {
    aggregator: BackgroundAggregator,
    verifier: BackgroundVerifier,
    detector: Option<Arc<BackgroundDetector>>,
    queues: [Arc<RequestQueue>; 2],
    threads: Vec<JoinHandle<()>>,
}

/// The queue of a request thread.
#[derive(Default)]
struct RequestQueue {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(RequestId, Request)>,
    /// The current request, and the flag that cancels it.
    current: Option<(std::mem::Discriminant<Request>, Arc<AtomicBool>)>,
    /// The last progress of the aggregation.
    progress: Option<Progress>,
    capture: Option<Arc<IndexedCapture>>,
    ended: bool,
}

impl RequestQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No thread can panic while the queue is inconsistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change of the queue.
    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.more
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// Starts working on a capture; results are sent to `send`.
    pub(crate) fn start(
        capture: &Arc<IndexedCapture>,
        rules: Option<&Arc<Rules>>,
        is_live: bool,
        send: &Sender<Message>,
    ) -> std::io::Result<Self> {
        let queues = [
            Arc::<RequestQueue>::default(),
            Arc::<RequestQueue>::default(),
        ];
        let mut threads = Vec::new();
        for (requests, name) in queues.iter().zip(["scap-look", "scap-search"]) {
            requests.lock().capture = Some(Arc::clone(capture));
            let (requests, send, rules) = (Arc::clone(requests), send.clone(), rules.cloned());
            let work = move || answer_all(&requests, rules.as_deref(), &send);
            threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        }
        let send_verified = send.clone();
        let send_detected = send.clone();
        let report = move |detected| drop(send_detected.send(Message::Detected(detected)));
        let detector = rules.map(|rules| {
            BackgroundDetector::new(Arc::clone(capture), Arc::clone(rules), report).map(Arc::new)
        });
        let detector = detector.transpose()?;
        let counted = detector.clone();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (quick, send) = (Arc::clone(&queues[0]), Mutex::new(send.clone()));
        let report = move |progress: Progress| {
            quick.lock().progress = Some(progress.clone());
            // What is shown first is counted before rules are evaluated.
            if let Some(detector) = counted.as_ref().filter(|_| progress.finished) {
                detector.begin();
            }
            let send = send.lock().unwrap_or_else(PoisonError::into_inner);
            // When the program ends the receiver is gone.
            drop(send.send(Message::Progress(progress)));
        };
        let aggregator =
            BackgroundAggregator::new(Arc::clone(capture), cores.min(MOST_THREADS), report);
        let send = send_verified;
        let report = move |verified| drop(send.send(Message::Verified(verified)));
        let verifier = BackgroundVerifier::new(Arc::clone(capture), !is_live, report)?;
        Ok(Self {
            aggregator,
            verifier,
            detector,
            queues,
            threads,
        })
    }

    /// Aggregates a scope.
    pub(crate) fn set_scope(&self, scope: Scope) {
        self.aggregator.set_scope(scope);
    }

    /// Queues a request.
    pub(crate) fn ask(&self, id: RequestId, request: Request) {
        let is_quick = matches!(
            request,
            Request::Page { .. } | Request::Detail(..) | Request::SystemView(..)
        );
        let requests = &self.queues[usize::from(!is_quick)];
        let kind = std::mem::discriminant(&request);
        let mut queue = requests.lock();
        queue
            .waiting
            .retain(|(_, other)| std::mem::discriminant(other) != kind);
        if let Some((current, stop)) = &queue.current
            && *current == kind
        {
            stop.store(true, Ordering::Relaxed);
        }
        queue.waiting.push_back((id, request));
        requests.more.notify_one();
    }

    /// Replaces the capture, if a message says so.
    pub(crate) fn follow(&self, message: &Message, current: &Arc<IndexedCapture>) {
        if let Some(capture) = message.replacement(current) {
            self.replace(capture);
            if let Some(detector) = &self.detector {
                let has_grown = matches!(message, Message::Grown(_));
                detector.replace(Arc::clone(capture), has_grown);
            }
        }
        if let Message::Grown(capture) = message {
            self.verifier.verify(Arc::clone(capture));
        }
    }

    fn replace(&self, capture: &Arc<IndexedCapture>) {
        self.aggregator.replace(Arc::clone(capture));
        for requests in &self.queues {
            requests.lock().capture = Some(Arc::clone(capture));
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        for requests in &self.queues {
            let mut queue = requests.lock();
            queue.ended = true;
            if let Some((_, stop)) = &queue.current {
                stop.store(true, Ordering::Relaxed);
            }
            requests.more.notify_one();
        }
        for thread in self.threads.drain(..) {
            // A panic was already reported.
            drop(thread.join());
        }
    }
}

/// The data that a request thread keeps between requests.
struct Memory {
    replayer: SegmentReplayer,
    /// The number of events in each chunk for the scope of the last request for lines.
    places: Option<(Scope, Places)>,
    /// The rules, to find alerts again that are not kept.
    engine: Option<Engine>,
}

/// Processes requests until the queue is closed.
fn answer_all(requests: &RequestQueue, rules: Option<&Rules>, send: &Sender<Message>) {
    let mut memory: Option<Memory> = None;
    loop {
        let mut queue = requests.lock();
        let (id, request) = loop {
            if queue.ended {
                return;
            }
            match queue.waiting.pop_front() {
                Some(next) => break next,
                None => queue = requests.wait(queue),
            }
        };
        let stop = Arc::new(AtomicBool::new(false));
        queue.current = Some((std::mem::discriminant(&request), Arc::clone(&stop)));
        let capture = queue.capture.clone();
        let progress = queue.progress.clone();
        drop(queue);
        let Some(capture) = capture else {
            return;
        };
        let mut reported = 0;
        let mut share = |done: u64, total: u64| {
            let percent = done.saturating_mul(100) / total.max(1);
            let percent = u8::try_from(percent.min(99)).unwrap_or(99);
            if std::mem::replace(&mut reported, percent) != percent {
                // When the program ends the receiver is gone.
                drop(send.send(Message::Share(id, percent)));
            }
        };
        let answered = catch_unwind(AssertUnwindSafe(|| {
            // A replayer of a shorter capture lacks the new part.
            let is_old = |m: &Memory| !Arc::ptr_eq(m.replayer.capture(), &capture);
            if memory.as_ref().is_none_or(is_old) {
                memory = Some(Memory {
                    replayer: SegmentReplayer::new(&capture)?,
                    places: None,
                    engine: None,
                });
            }
            match &mut memory {
                Some(memory) => answer(
                    memory,
                    &capture,
                    rules,
                    progress.as_ref(),
                    request,
                    &stop,
                    &mut share,
                ),
                None => Ok(Response::Failed("no capture".to_owned())),
            }
        }));
        requests.lock().current = None;
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            // Superseded by a newer request.
            Ok(Err(IndexedCaptureError::Stopped)) => continue,
            Ok(Err(error)) => Response::Failed(error.to_string()),
            Err(_) => {
                memory = None;
                Response::Failed("internal error: please report it".to_owned())
            }
        };
        if send.send(Message::Response(id, Box::new(answer))).is_err() {
            return;
        }
    }
}

fn answer(
    memory: &mut Memory,
    capture: &Arc<IndexedCapture>,
    rules: Option<&Rules>,
    progress: Option<&Progress>,
    request: Request,
    stop: &AtomicBool,
    share: &mut dyn FnMut(u64, u64),
) -> Result<Response, IndexedCaptureError> {
    let replayer = &mut memory.replayer;
    Ok(match request {
        Request::Page {
            scope,
            at,
            before,
            len,
        } => {
            if memory.places.as_ref().is_none_or(|(of, _)| *of != scope) {
                memory.places = Some((scope.clone(), Places::of(capture, &scope)));
            }
            let Some((_, places)) = &mut memory.places else {
                return Err(IndexedCaptureError::Stopped);
            };
            let is_of = |p: &&Progress| p.scope == scope && Arc::ptr_eq(&p.capture, capture);
            if let Some(progress) = progress.filter(is_of) {
                places.learn(&progress.tally.matches);
            }
            Response::Page(page(replayer, &scope, places, at, before, len, stop)?)
        }
        Request::Detail(num, finds_alerts) => {
            if let (true, None, Some(rules)) = (finds_alerts, &memory.engine, rules) {
                // If there is none, that is reported where all events are looked at.
                memory.engine = rules.engine().ok();
            }
            let detail = detail(replayer, num, stop)?;
            let alerts = match &mut memory.engine {
                Some(engine) if finds_alerts => raised(replayer, engine, num, stop)?,
                _ => Vec::new(),
            };
            Response::Detail(detail, alerts)
        }
        Request::Alerts(alerts, scope) => {
            let found = matching(replayer, &alerts, &scope, stop)?;
            Response::Alerts(scope, found)
        }
        Request::Find {
            query,
            span,
            from,
            forward,
        } => Response::Found(find(replayer, &query, Some(span), from, forward, stop)?),
        Request::Opener(num) => Response::Found(find::opener(replayer, num, stop)?),
        Request::Fork(num) => Response::Found(find::fork(replayer, num, stop)?),
        Request::IoStream(scope, follow) => {
            Response::IoStream(echo(replayer, &scope, &follow, stop)?)
        }
        Request::SystemView(time, what) => {
            Response::SystemView(what, system_view(replayer, time, what, stop)?)
        }
        Request::Views => {
            let views = chisel::views(
                chisel::ScriptRegistry::from_environment(),
                Policy::default(),
            );
            Response::Views(Scripted::new(&views, has_containers(capture)))
        }
        Request::Scripted(views, view, scope) => {
            match views.table(view, replayer, &scope, stop, share)? {
                Some(table) => Response::Scripted(view, scope, table),
                None => Response::Failed("no such view".to_owned()),
            }
        }
        Request::Save(scope, parents, path) => match save::save(capture, &scope, &parents, &path) {
            Ok(text) => Response::Written(text),
            Err(text) => Response::Failed(text),
        },
        Request::SaveText(text, path) => match save::save_text(&text, &path) {
            Ok(text) => Response::Written(text),
            Err(text) => Response::Failed(text),
        },
        Request::Export(notes) => match notes.export() {
            Ok(path) => Response::Written(format!("wrote {}", path.display())),
            Err(error) => Response::Failed(format!("cannot export the notes: {error}")),
        },
    })
}
