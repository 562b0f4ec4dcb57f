//! Evaluates rules for all events of a capture, on a thread of its own.
//!
//! Rules about several events have to see the events in order, so that this is one pass over the whole capture,
//! whatever range and filter are shown. A capture that grows is continued where the pass had ended.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::alerts::{Alerts, Collector, Rules};
use super::worker::Worker;
use crate::fields::Context;
use crate::replay::segment::Need;
use crate::replay::{IndexedCapture, IndexedCaptureError, SegmentReplayer};

/// Minimum time between two reports.
const PAUSE: Duration = Duration::from_millis(500);

/// What rules found so far.
#[derive(Clone, Debug)]
pub struct Detected {
    /// The capture.
    pub capture: Arc<IndexedCapture>,
    /// The alerts.
    pub alerts: Arc<Alerts>,
    /// Number of chunks that were processed.
    pub done: usize,
    /// Number of chunks.
    pub total: usize,
    /// Why the rules could not be evaluated, or not for all events.
    pub failed: Option<String>,
}

impl Detected {
    /// Returns true if all events were processed.
    pub fn is_finished(&self) -> bool {
        self.failed.is_some() || self.done >= self.total
    }
}

/// Evaluates rules on a thread that it owns.
pub struct BackgroundDetector {
    worker: Worker<Next>,
    /// The newest state of the capture, until the pass begins.
    waiting: Mutex<Option<Arc<IndexedCapture>>>,
}

/// A capture to look at.
struct Next {
    capture: Arc<IndexedCapture>,
    /// The events that were processed are in it unchanged.
    has_grown: bool,
}

impl BackgroundDetector {
    /// Starts a thread, which waits until it is to begin, and passes on what rules find to `report`.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn new(
        capture: Arc<IndexedCapture>,
        rules: Arc<Rules>,
        report: impl Fn(Detected) + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut pass = None;
        let run = move |next: Next, stop: &Arc<AtomicBool>| {
            // Whoever waits for the result would wait for ever.
            let looked = catch_unwind(AssertUnwindSafe(|| {
                look(&mut pass, &rules, &next, stop, &report)
            }));
            let failed = match looked {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => IndexedCaptureError::Crashed.to_string(),
            };
            let alerts = pass.take().map(|mut pass: Pass| pass.collector.so_far());
            report(Detected {
                total: next.capture.index().chunks.len(),
                capture: next.capture,
                alerts: alerts.unwrap_or_default(),
                done: 0,
                failed: Some(failed),
            });
        };
        Ok(Self {
            worker: Worker::start("scap-rules", run)?,
            waiting: Mutex::new(Some(capture)),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Arc<IndexedCapture>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins, if it has not begun. What is shown first comes before it.
    pub fn begin(&self) {
        if let Some(capture) = self.waiting().take() {
            self.worker.give(|_| Next {
                capture,
                has_grown: false,
            });
        }
    }

    /// Replaces the capture, by another one or by one that has grown. Of that the part before is not read again.
    pub fn replace(&self, capture: Arc<IndexedCapture>, has_grown: bool) {
        if let Some(waiting) = &mut *self.waiting() {
            *waiting = capture;
        } else if has_grown {
            self.worker.give(|next| Next {
                capture,
                // What waits may be another capture, whose beginning was not processed.
                has_grown: next.is_none_or(|next| next.has_grown),
            });
        } else {
            self.worker.replace(Next { capture, has_grown });
        }
    }
}

/// A pass over a capture.
struct Pass {
    collector: Collector,
    /// Number of chunks that were processed.
    done: usize,
}

/// Looks at a capture, or at what is new in it.
fn look(
    pass: &mut Option<Pass>,
    rules: &Rules,
    next: &Next,
    stop: &AtomicBool,
    report: &dyn Fn(Detected),
) -> Result<(), String> {
    let pass = match pass.take().filter(|_| next.has_grown) {
        Some(before) => pass.insert(before),
        None => {
            let engine = rules.engine().map_err(|error| error.to_string())?;
            let collector = Collector::new(engine).map_err(|error| error.to_string())?;
            pass.insert(Pass { collector, done: 0 })
        }
    };
    let mut replayer = SegmentReplayer::new(&next.capture).map_err(|error| error.to_string())?;
    let mut reported = Instant::now();
    let mut report = |pass: &mut Pass, is_due: bool| {
        if is_due || reported.elapsed() >= PAUSE {
            reported = Instant::now();
            report(Detected {
                capture: Arc::clone(&next.capture),
                alerts: pass.collector.so_far(),
                done: pass.done,
                total: next.capture.index().chunks.len(),
                failed: None,
            });
        }
    };
    let first = next.capture.segment_of(pass.done);
    for segment in first.unwrap_or(usize::MAX)..next.capture.segments().len() {
        let evaluated = evaluate(pass, &mut replayer, segment, stop, &mut report);
        evaluated.map_err(|error| error.to_string())?;
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
    report(pass, true);
    Ok(())
}

/// Evaluates the rules for the events of a segment that were not processed.
fn evaluate(
    pass: &mut Pass,
    replayer: &mut SegmentReplayer,
    segment: usize,
    stop: &AtomicBool,
    report: &mut dyn FnMut(&mut Pass, bool),
) -> Result<(), IndexedCaptureError> {
    let end = replayer.capture().segments().get(segment);
    let end = end.map_or(pass.done, |segment| segment.chunks.end);
    let first = pass.done;
    let pass = RefCell::new(pass);
    let mut need = |place: usize| match place {
        _ if stop.load(Ordering::Relaxed) => Need::Stop,
        _ if place < first => Need::State,
        _ => {
            let pass = &mut **pass.borrow_mut();
            pass.done = place;
            report(pass, false);
            Need::Everything
        }
    };
    let mut each = |cx: &Context<'_>, place: usize| {
        if place >= first {
            pass.borrow_mut().collector.event(cx);
        }
        ControlFlow::Continue(())
    };
    let _end = replayer.segment(segment, &mut need, &mut each)?;
    pass.borrow_mut().done = end;
    Ok(())
}
