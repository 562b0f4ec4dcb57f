//! What is done in the background: counting, and answering questions.
//!
//! Two threads answer: one what is quick (lines, details, the state), one what may take long (searches,
//! echoes, saving), so that nobody waits for lines because of a search. Of a kind of question only the newest
//! counts: an older one is given up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::message::{Answer, Message, Question, Ticket};
use super::{notes, save};
use crate::analysis::find::{self, find};
use crate::analysis::page::{Places, page};
use crate::analysis::surveyor::{Progress, Surveyor};
use crate::analysis::table::{Scripted, has_containers};
use crate::analysis::{AnalysisError, Library, Scope, Walker};
use crate::analysis::{detail::detail, echo::echo, moment::moment};
use crate::chisel::{self, Policy};

/// Most threads that count.
const MOST_THREADS: usize = 8;

/// Everything in the background. It ends when this is dropped.
pub(crate) struct Work {
    surveyor: Surveyor,
    desks: [Arc<Desk>; 2],
    threads: Vec<JoinHandle<()>>,
}

/// What waits for one of the threads that answer.
#[derive(Default)]
struct Desk {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Ticket, Question)>,
    /// The question that is being answered, and what gives it up.
    current: Option<(std::mem::Discriminant<Question>, Arc<AtomicBool>)>,
    /// What was counted last.
    progress: Option<Progress>,
    library: Option<Arc<Library>>,
    ended: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in it is left half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for more to do.
    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.more
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// Begins to work on a capture; what it finds is sent.
    pub(crate) fn start(library: &Arc<Library>, send: &Sender<Message>) -> std::io::Result<Self> {
        let desks = [Arc::<Desk>::default(), Arc::<Desk>::default()];
        let mut threads = Vec::new();
        for (desk, name) in desks.iter().zip(["scap-look", "scap-search"]) {
            desk.lock().library = Some(Arc::clone(library));
            let (desk, send) = (Arc::clone(desk), send.clone());
            let work = move || answer_all(&desk, &send);
            threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (quick, send) = (Arc::clone(&desks[0]), Mutex::new(send.clone()));
        let tell = move |progress: Progress| {
            quick.lock().progress = Some(progress.clone());
            let send = send.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody listens when the program ends.
            drop(send.send(Message::Progress(progress)));
        };
        let surveyor = Surveyor::new(Arc::clone(library), cores.min(MOST_THREADS), tell);
        Ok(Self {
            surveyor,
            desks,
            threads,
        })
    }

    /// Counts what happened in a scope.
    pub(crate) fn survey(&self, scope: Scope) {
        self.surveyor.want(scope);
    }

    /// Answers a question.
    pub(crate) fn ask(&self, ticket: Ticket, question: Question) {
        let is_quick = matches!(
            question,
            Question::Page { .. } | Question::Detail(_) | Question::Moment(..)
        );
        let desk = &self.desks[usize::from(!is_quick)];
        let kind = std::mem::discriminant(&question);
        let mut queue = desk.lock();
        queue
            .waiting
            .retain(|(_, other)| std::mem::discriminant(other) != kind);
        if let Some((current, stop)) = &queue.current
            && *current == kind
        {
            stop.store(true, Ordering::Relaxed);
        }
        queue.waiting.push_back((ticket, question));
        desk.more.notify_one();
    }

    /// Goes on with a capture that has grown.
    pub(crate) fn replace(&self, library: &Arc<Library>) {
        self.surveyor.replace(Arc::clone(library));
        for desk in &self.desks {
            desk.lock().library = Some(Arc::clone(library));
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        for desk in &self.desks {
            let mut queue = desk.lock();
            queue.ended = true;
            if let Some((_, stop)) = &queue.current {
                stop.store(true, Ordering::Relaxed);
            }
            desk.more.notify_one();
        }
        for thread in self.threads.drain(..) {
            // One that crashed has said so.
            drop(thread.join());
        }
    }
}

/// What a thread keeps between questions.
struct Memory {
    walker: Walker,
    /// How many events each chunk has of the scope that lines were last asked of.
    places: Option<(Scope, Places)>,
}

/// Answers questions until there are to be no more.
fn answer_all(desk: &Desk, send: &Sender<Message>) {
    let mut memory: Option<Memory> = None;
    loop {
        let mut queue = desk.lock();
        let (ticket, question) = loop {
            if queue.ended {
                return;
            }
            match queue.waiting.pop_front() {
                Some(next) => break next,
                None => queue = desk.wait(queue),
            }
        };
        let stop = Arc::new(AtomicBool::new(false));
        queue.current = Some((std::mem::discriminant(&question), Arc::clone(&stop)));
        let library = queue.library.clone();
        let progress = queue.progress.clone();
        drop(queue);
        let Some(library) = library else {
            return;
        };
        let mut told = 0;
        let mut share = |done: u64, total: u64| {
            let percent = done.saturating_mul(100) / total.max(1);
            let percent = u8::try_from(percent.min(99)).unwrap_or(99);
            if std::mem::replace(&mut told, percent) != percent {
                // Nobody listens when the program ends.
                drop(send.send(Message::Share(ticket, percent)));
            }
        };
        let answered = catch_unwind(AssertUnwindSafe(|| {
            // A walker of a shorter capture does not know the rest.
            let is_old = |m: &Memory| !Arc::ptr_eq(m.walker.library(), &library);
            if memory.as_ref().is_none_or(is_old) {
                memory = Some(Memory {
                    walker: Walker::new(&library)?,
                    places: None,
                });
            }
            match &mut memory {
                Some(memory) => answer(
                    memory,
                    &library,
                    progress.as_ref(),
                    question,
                    &stop,
                    &mut share,
                ),
                None => Ok(Answer::Failed("no capture".to_owned())),
            }
        }));
        desk.lock().current = None;
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            // Somebody asked for something else.
            Ok(Err(AnalysisError::Stopped)) => continue,
            Ok(Err(error)) => Answer::Failed(error.to_string()),
            Err(_) => {
                memory = None;
                Answer::Failed("this could not be answered: please report it".to_owned())
            }
        };
        if send
            .send(Message::Answer(ticket, Box::new(answer)))
            .is_err()
        {
            return;
        }
    }
}

fn answer(
    memory: &mut Memory,
    library: &Arc<Library>,
    progress: Option<&Progress>,
    question: Question,
    stop: &AtomicBool,
    share: &mut dyn FnMut(u64, u64),
) -> Result<Answer, AnalysisError> {
    let walker = &mut memory.walker;
    Ok(match question {
        Question::Page {
            scope,
            at,
            before,
            len,
        } => {
            if memory.places.as_ref().is_none_or(|(of, _)| *of != scope) {
                memory.places = Some((scope.clone(), Places::of(library, &scope)));
            }
            let Some((_, places)) = &mut memory.places else {
                return Err(AnalysisError::Stopped);
            };
            if let Some(progress) = progress.filter(|p| p.scope == scope) {
                places.learn(&progress.tally.matches);
            }
            Answer::Page(page(walker, &scope, places, at, before, len, stop)?)
        }
        Question::Detail(num) => Answer::Detail(detail(walker, num, stop)?),
        Question::Find {
            query,
            span,
            from,
            forward,
        } => Answer::Found(find(walker, &query, Some(span), from, forward, stop)?),
        Question::Opener(num) => Answer::Found(find::opener(walker, num, stop)?),
        Question::Fork(num) => Answer::Found(find::fork(walker, num, stop)?),
        Question::Echo(scope, follow) => Answer::Echo(echo(walker, &scope, &follow, stop)?),
        Question::Moment(time, what) => Answer::Moment(what, moment(walker, time, what, stop)?),
        Question::Views => {
            let views = chisel::views(chisel::Library::from_environment(), Policy::default());
            Answer::Views(Scripted::new(&views, has_containers(library)))
        }
        Question::Scripted(views, view, scope) => {
            match views.table(view, walker, &scope, stop, share)? {
                Some(table) => Answer::Scripted(view, scope, table),
                None => Answer::Failed("there is no such view".to_owned()),
            }
        }
        Question::Save(scope, path) => match save::save(library, &scope, &path) {
            Ok(text) => Answer::Written(text),
            Err(text) => Answer::Failed(text),
        },
        Question::Export(notes) => {
            let path = notes::markdown_path(library.path());
            match std::fs::write(&path, notes.markdown()) {
                Ok(()) => Answer::Written(format!("wrote {}", path.display())),
                Err(error) => Answer::Failed(format!("cannot write {}: {error}", path.display())),
            }
        }
    })
}
