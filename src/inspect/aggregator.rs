//! Background counting with a cache.
//!
//! A [`BackgroundAggregator`] has threads that count the segments of a scope in order, and reports
//! partial results meanwhile. Segments that lie entirely in a scope are cached by filter, so that
//! zooming, panning and going back replay only segments that are not cached and those at the edges.

mod cache;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// Minimum time between two progress reports.
const PAUSE: Duration = Duration::from_millis(150);

/// Progress of counting a scope.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The capture.
    pub capture: Arc<IndexedCapture>,
    /// The scope.
    pub scope: Scope,
    /// The counts so far.
    pub tally: Arc<Tally>,
    /// Number of the capture's events that were processed.
    pub done: u64,
    /// Number of the capture's events to process in total.
    pub total: u64,
    /// True if this is the last report.
    pub finished: bool,
    /// The error that stopped the count of a segment, if any.
    pub failed: Option<String>,
    /// Number of damaged places found.
    pub damages: u64,
}

/// Counts the events of a scope, on threads that it owns.
pub struct BackgroundAggregator {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    work: Mutex<Work>,
    /// Signalled when there may be work.
    wake: Condvar,
    report: Box<dyn Fn(Progress) + Send + Sync>,
}

struct Work {
    capture: Arc<IndexedCapture>,
    cache: Cache,
    job: Option<Job>,
    /// Number of jobs started.
    jobs: u64,
    over: bool,
}

/// The counting of one scope.
struct Job {
    id: u64,
    scope: Scope,
    capture: Arc<IndexedCapture>,
    stop: Arc<AtomicBool>,
    /// Segments that no thread has taken yet.
    queue: VecDeque<usize>,
    /// Number of segments not counted yet.
    left: usize,
    /// Counted segments that are not merged yet.
    pending: Vec<Counted>,
    /// The merged counts; taken out while a thread merges, `None` after the last report.
    sum: Option<Tally>,
    reported: Option<Instant>,
    done: u64,
    total: u64,
    failed: Option<String>,
    damages: u64,
}

/// The next work item of a thread.
enum Task {
    /// Counts a segment.
    Count(usize),
    /// Merges the counts of other threads.
    Add(Box<Tally>, Vec<Counted>),
}

impl BackgroundAggregator {
    /// Starts threads to count a capture. They report progress through `report`, possibly once more
    /// for a scope that was just replaced.
    pub fn new(
        capture: Arc<IndexedCapture>,
        threads: usize,
        report: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            work: Mutex::new(Work {
                capture,
                cache: Cache::default(),
                job: None,
                jobs: 0,
                over: false,
            }),
            wake: Condvar::new(),
            report: Box::new(report),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            let builder = Builder::new().name(format!("aggregator-{number}"));
            // If a thread cannot be started, the others do its work.
            builder.spawn(move || shared.run()).ok()
        };
        let threads = (0..threads.max(1)).filter_map(start).collect();
        Self { shared, threads }
    }

    /// Starts counting a scope and cancels the previous one.
    pub fn set_scope(&self, scope: Scope) {
        self.shared.lock().begin(scope);
        self.shared.wake.notify_all();
    }

    /// Replaces the capture, by a newer state of the file or by another one, for later scopes.
    /// Cached segments that did not change stay valid.
    pub fn replace(&self, capture: Arc<IndexedCapture>) {
        let mut work = self.shared.lock();
        let old = std::mem::replace(&mut work.capture, capture);
        let new = Arc::clone(&work.capture);
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
            // A panic was already reported.
            let _ended = thread.join();
        }
    }
}

/// Returns true if a segment is the same in two states of a capture: the last segment of the older
/// one may have grown, and summaries may have been corrected.
fn is_same(old: &IndexedCapture, new: &IndexedCapture, segment: usize) -> bool {
    // Filters can be about sessions.
    if old.exec_sessions().is_some() != new.exec_sessions().is_some() {
        return false;
    }
    let part = old.segments().get(segment);
    match (part, new.segments().get(segment)) {
        (Some(a), Some(b)) if a == b => {
            let chunks = a.chunks.clone();
            old.index().chunks.get(chunks.clone()) == new.index().chunks.get(chunks)
        }
        _ => false,
    }
}

impl Work {
    fn begin(&mut self, scope: Scope) {
        if let Some(job) = self.job.take() {
            job.stop.store(true, Ordering::Relaxed);
        }
        self.jobs += 1;
        let capture = Arc::clone(&self.capture);
        let mut job = Job {
            id: self.jobs,
            sum: Some(Tally::over(scope.span)),
            scope,
            stop: Arc::default(),
            queue: VecDeque::new(),
            left: 0,
            pending: Vec::new(),
            reported: None,
            done: 0,
            total: 0,
            failed: None,
            damages: 0,
            capture,
        };
        for (number, segment) in job.capture.segments().iter().enumerate() {
            if segment.span.intersection(job.scope.span).is_none() {
                continue;
            }
            let events = events_in(&job.capture, segment, &job.scope);
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

    /// Returns the next work item.
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

    /// Returns the job with this number, unless it was replaced.
    fn job(&mut self, id: u64) -> Option<&mut Job> {
        self.job.as_mut().filter(|job| job.id == id)
    }
}

/// Returns true if a scope contains a whole segment.
fn is_whole(segment: &Segment, scope: &Scope) -> bool {
    scope.span.from <= segment.span.from && segment.span.to <= scope.span.to
}

/// Returns how many events a segment has in the chunks that overlap a scope.
fn events_in(capture: &IndexedCapture, segment: &Segment, scope: &Scope) -> u64 {
    let chunks = capture.index().chunks.get(segment.chunks.clone());
    let summaries = chunks.unwrap_or_default().iter().map(|c| &c.summary);
    let reached =
        summaries.filter(|s| s.min_time.0 <= scope.span.to && s.max_time.0 >= scope.span.from);
    reached.map(|s| u64::from(s.events)).sum()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // No thread can panic while the data is inconsistent.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut replayer = None;
        let mut work = self.lock();
        while !work.over {
            match work.task() {
                Some((id, task)) => {
                    let job = work.job(id).map(|job| {
                        let (scope, capture) = (job.scope.clone(), Arc::clone(&job.capture));
                        (scope, capture, Arc::clone(&job.stop))
                    });
                    drop(work);
                    if let Some((scope, capture, stop)) = job {
                        match task {
                            Task::Count(segment) => {
                                // Whoever waits for the count would wait for ever.
                                let counted = catch_unwind(AssertUnwindSafe(|| {
                                    count(&mut replayer, &capture, segment, &scope, &stop)
                                }));
                                let counted = counted.unwrap_or_else(|_| {
                                    replayer = None;
                                    Err(IndexedCaptureError::Crashed)
                                });
                                self.counted(id, &capture, &scope, segment, counted);
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

    /// Takes the counts of a segment.
    fn counted(
        &self,
        id: u64,
        capture: &Arc<IndexedCapture>,
        scope: &Scope,
        segment: usize,
        counted: Result<Counted, IndexedCaptureError>,
    ) {
        let mut work = self.lock();
        let Some(part) = capture.segments().get(segment) else {
            return;
        };
        let now = Arc::clone(&work.capture);
        let is_current = Arc::ptr_eq(capture, &now) || is_same(capture, &now, segment);
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
        job.done += events_in(capture, part, scope);
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

    /// Merges counts, and reports progress if it is due.
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
        if !finished
            && job
                .reported
                .is_some_and(|reported| reported.elapsed() < PAUSE)
        {
            job.sum = Some(sum);
            return;
        }
        job.reported = Some(Instant::now());
        let mut progress = Progress {
            capture: Arc::clone(&job.capture),
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
            (self.report)(progress);
            return;
        }
        progress.tally = Arc::new(sum.clone());
        (self.report)(progress);
        if let Some(job) = self.lock().job(id) {
            job.sum = Some(sum);
        }
        self.wake.notify_all();
    }
}

/// Counts a segment with the thread's replayer, which is made anew if the capture was replaced.
fn count(
    replayer: &mut Option<SegmentReplayer>,
    capture: &Arc<IndexedCapture>,
    segment: usize,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<Counted, IndexedCaptureError> {
    let known = replayer
        .take()
        .filter(|w| Arc::ptr_eq(w.capture(), capture));
    let replayer = replayer.insert(match known {
        Some(replayer) => replayer,
        None => SegmentReplayer::new(capture)?,
    });
    let before = replayer.damages().count();
    let tally = tally_segment(replayer, segment, scope, stop)?;
    Ok(Counted {
        tally: Arc::new(tally),
        damages: replayer.damages().count().saturating_sub(before),
    })
}
