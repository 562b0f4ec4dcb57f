//! Counts in the background, and remembers.
//!
//! A [`BackgroundAggregator`] has threads that count the segments of a scope, from the first to the last, and tells
//! what they have found so far while they do. Segments that lie wholly in a scope are remembered by filter,
//! so that zooming, panning and going back replay only what was never looked at and the segments at the
//! edges.

mod cache;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::Segment;
use crate::replay::SegmentReplayer;
use crate::stats::tally::{Tally, tally_segment};
use cache::{Cache, Counted};

/// What is known so far is told no more often.
const PAUSE: Duration = Duration::from_millis(150);

/// How far a scope has been looked at.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The scope.
    pub scope: Scope,
    /// What was found.
    pub tally: Arc<Tally>,
    /// Events of the capture that were looked at.
    pub done: u64,
    /// Events of the capture that are to be looked at, in all.
    pub total: u64,
    /// Nothing more will come.
    pub finished: bool,
    /// Why something could not be looked at.
    pub failed: Option<String>,
    /// Damages met.
    pub damages: u64,
}

/// Counts what is in a scope, on threads of its own. They end with it.
pub struct BackgroundAggregator {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    work: Mutex<Work>,
    /// There may be something to do.
    wake: Condvar,
    tell: Box<dyn Fn(Progress) + Send + Sync>,
}

struct Work {
    library: Arc<IndexedCapture>,
    cache: Cache,
    job: Option<Job>,
    /// Jobs begun.
    jobs: u64,
    over: bool,
}

/// One scope that is looked at.
struct Job {
    id: u64,
    scope: Scope,
    library: Arc<IndexedCapture>,
    stop: Arc<AtomicBool>,
    /// Segments that nobody has begun with.
    queue: VecDeque<usize>,
    /// Segments that are not counted.
    left: usize,
    /// Counted, and not yet added up.
    pending: Vec<Counted>,
    /// What is added up; whoever adds has it meanwhile. It is gone when all is told.
    sum: Option<Tally>,
    told: Option<Instant>,
    done: u64,
    total: u64,
    failed: Option<String>,
    damages: u64,
}

/// What a thread does next.
enum Task {
    /// Counts a segment.
    Count(usize),
    /// Adds what others counted.
    Add(Box<Tally>, Vec<Counted>),
}

impl BackgroundAggregator {
    /// Starts threads that will look at a capture. They say what they find through `tell`, also of a scope
    /// that was replaced while they did.
    pub fn new(
        library: Arc<IndexedCapture>,
        threads: usize,
        tell: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            work: Mutex::new(Work {
                library,
                cache: Cache::default(),
                job: None,
                jobs: 0,
                over: false,
            }),
            wake: Condvar::new(),
            tell: Box::new(tell),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            let builder = Builder::new().name(format!("aggregator-{number}"));
            // Without one of its threads the others do the work.
            builder.spawn(move || shared.run()).ok()
        };
        let threads = (0..threads.max(1)).filter_map(start).collect();
        Self { shared, threads }
    }

    /// Looks at a scope from now on, and no longer at another.
    pub fn set_scope(&self, scope: Scope) {
        self.shared.lock().begin(scope);
        self.shared.wake.notify_all();
    }

    /// Takes a newer state of the capture, or another one, for the scopes that come. What did not change
    /// need not be looked at again.
    pub fn replace(&self, library: Arc<IndexedCapture>) {
        let mut work = self.shared.lock();
        let old = std::mem::replace(&mut work.library, library);
        let new = Arc::clone(&work.library);
        work.cache.keep(|segment| is_same(&old, &new, segment));
    }
}

impl Drop for BackgroundAggregator {
    fn drop(&mut self) {
        let mut work = self.shared.lock();
        work.over = true;
        if let Some(job) = work.job.take() {
            job.stop.store(true, Ordering::Relaxed);
        }
        drop(work);
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ended = thread.join();
        }
    }
}

/// Whether a segment is the same in two states of a capture: the last one of the older may have grown.
fn is_same(old: &IndexedCapture, new: &IndexedCapture, segment: usize) -> bool {
    let place = |library: &IndexedCapture, s: &Segment| {
        let chunks = library.index().chunks.get(s.chunks.clone());
        let ends = chunks.and_then(|c| Some((c.first()?, c.last()?)));
        ends.map(|(first, last)| (first.offset, last.offset, last.body_len))
    };
    match (old.segments().get(segment), new.segments().get(segment)) {
        (Some(a), Some(b)) => a == b && place(old, a) == place(new, b),
        _ => false,
    }
}

impl Work {
    fn begin(&mut self, scope: Scope) {
        if let Some(job) = self.job.take() {
            job.stop.store(true, Ordering::Relaxed);
        }
        self.jobs += 1;
        let library = Arc::clone(&self.library);
        let mut job = Job {
            id: self.jobs,
            sum: Some(Tally::over(scope.span)),
            scope,
            stop: Arc::default(),
            queue: VecDeque::new(),
            left: 0,
            pending: Vec::new(),
            told: None,
            done: 0,
            total: 0,
            failed: None,
            damages: 0,
            library,
        };
        for (number, segment) in job.library.segments().iter().enumerate() {
            if segment.span.intersection(job.scope.span).is_none() {
                continue;
            }
            let events = events_in(&job.library, segment, &job.scope);
            job.total += events;
            let known = is_whole(segment, &job.scope)
                .then(|| self.cache.get(&job.scope.filter, number))
                .flatten();
            match known {
                Some(counted) => {
                    job.done += events;
                    job.damages += counted.damages;
                    job.pending.push(counted);
                }
                None => {
                    job.left += 1;
                    job.queue.push_back(number);
                }
            }
        }
        self.job = Some(job);
    }

    /// Returns what is to be done next.
    fn task(&mut self) -> Option<(u64, Task)> {
        let job = self.job.as_mut()?;
        let is_end = job.left == 0;
        if (is_end || !job.pending.is_empty())
            && let Some(sum) = job.sum.take()
        {
            let pending = std::mem::take(&mut job.pending);
            return Some((job.id, Task::Add(Box::new(sum), pending)));
        }
        let segment = job.queue.pop_front()?;
        Some((job.id, Task::Count(segment)))
    }

    /// Returns the job with this number, unless another one took its place.
    fn job(&mut self, id: u64) -> Option<&mut Job> {
        self.job.as_mut().filter(|job| job.id == id)
    }
}

/// Whether a scope has all of a segment.
fn is_whole(segment: &Segment, scope: &Scope) -> bool {
    scope.span.from <= segment.span.from && segment.span.to <= scope.span.to
}

/// Returns how many events the chunks of a segment have that a scope reaches.
fn events_in(library: &IndexedCapture, segment: &Segment, scope: &Scope) -> u64 {
    let chunks = library.index().chunks.get(segment.chunks.clone());
    let summaries = chunks.unwrap_or_default().iter().map(|c| &c.summary);
    let reached =
        summaries.filter(|s| s.min_time.0 <= scope.span.to && s.max_time.0 >= scope.span.from);
    reached.map(|s| u64::from(s.events)).sum()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // Nothing is half done where a thread can panic.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut replayer = None;
        let mut work = self.lock();
        while !work.over {
            match work.task() {
                Some((id, task)) => {
                    let job = work.job(id).map(|job| {
                        let (scope, library) = (job.scope.clone(), Arc::clone(&job.library));
                        (scope, library, Arc::clone(&job.stop))
                    });
                    drop(work);
                    if let Some((scope, library, stop)) = job {
                        match task {
                            Task::Count(segment) => {
                                let counted =
                                    count(&mut replayer, &library, segment, &scope, &stop);
                                self.counted(id, &library, &scope, segment, counted);
                            }
                            Task::Add(sum, pending) => self.add(id, *sum, &pending, &stop),
                        }
                    }
                    work = self.lock();
                }
                None => {
                    work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Takes what a thread counted in a segment.
    fn counted(
        &self,
        id: u64,
        library: &Arc<IndexedCapture>,
        scope: &Scope,
        segment: usize,
        counted: Result<Counted, IndexedCaptureError>,
    ) {
        let mut work = self.lock();
        let Some(part) = library.segments().get(segment) else {
            return;
        };
        let now = Arc::clone(&work.library);
        let is_current = Arc::ptr_eq(library, &now) || is_same(library, &now, segment);
        if let Ok(counted) = &counted
            && is_whole(part, scope)
            && is_current
        {
            work.cache.put(&scope.filter, segment, counted.clone());
        }
        let Some(job) = work.job(id) else {
            return;
        };
        job.left = job.left.saturating_sub(1);
        job.done += events_in(library, part, scope);
        match counted {
            Ok(counted) => {
                job.damages += counted.damages;
                job.pending.push(counted);
            }
            Err(error) => job.failed = Some(error.to_string()),
        }
        drop(work);
        self.wake.notify_all();
    }

    /// Adds what was counted, and tells if it is time.
    fn add(&self, id: u64, mut sum: Tally, pending: &[Counted], stop: &AtomicBool) {
        for counted in pending {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            sum.add(&counted.tally);
        }
        let mut work = self.lock();
        let Some(job) = work.job(id) else {
            return;
        };
        let finished = job.left == 0 && job.pending.is_empty();
        if !finished && job.told.is_some_and(|told| told.elapsed() < PAUSE) {
            job.sum = Some(sum);
            return;
        }
        job.told = Some(Instant::now());
        let mut progress = Progress {
            scope: job.scope.clone(),
            tally: Arc::default(),
            done: job.done,
            total: job.total,
            finished,
            failed: job.failed.clone(),
            damages: job.damages,
        };
        drop(work);
        if finished {
            progress.tally = Arc::new(sum);
            (self.tell)(progress);
            return;
        }
        progress.tally = Arc::new(sum.clone());
        (self.tell)(progress);
        if let Some(job) = self.lock().job(id) {
            job.sum = Some(sum);
        }
        self.wake.notify_all();
    }
}

/// Counts a segment with a thread's replayer, which is made for the library if need be.
fn count(
    replayer: &mut Option<SegmentReplayer>,
    library: &Arc<IndexedCapture>,
    segment: usize,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<Counted, IndexedCaptureError> {
    let known = replayer
        .take()
        .filter(|w| Arc::ptr_eq(w.capture(), library));
    let replayer = replayer.insert(match known {
        Some(replayer) => replayer,
        None => SegmentReplayer::new(library)?,
    });
    let before = replayer.damages().count();
    let tally = tally_segment(replayer, segment, scope, stop)?;
    Ok(Counted {
        tally: Arc::new(tally),
        damages: replayer.damages().count().saturating_sub(before),
    })
}
