//! Verifies the capture on a thread of its own, and finds the sessions of `kubectl exec` in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::replay::{IndexedCapture, IndexedCaptureError, Verifier, with_exec_sessions};

/// The result of verifying a capture.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The capture.
    pub capture: Arc<IndexedCapture>,
    /// The capture with its damage and corrected summaries, if it is damaged, and with its sessions, if it has audit
    /// events.
    pub corrected: Option<Arc<IndexedCapture>>,
    /// Why it could not be verified.
    pub failed: Option<String>,
}

/// Verifies captures, one after the other, on a thread that it owns.
pub struct BackgroundVerifier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    /// Signalled when there may be work.
    wake: Condvar,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Work {
    next: Option<Arc<IndexedCapture>>,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // No thread can panic while the data is inconsistent.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next capture; `None` at the end.
    fn next(&self) -> Option<Arc<IndexedCapture>> {
        let mut work = self.lock();
        while !work.over {
            if let Some(next) = work.next.take() {
                return Some(next);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl BackgroundVerifier {
    /// Starts a thread, which passes on its results to `report`. Sessions are only found in captures that do not grow:
    /// each time all of the capture is read.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn new(
        capture: Arc<IndexedCapture>,
        finds_sessions: bool,
        report: impl Fn(Verified) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let run = move || {
            let mut verifier = Verifier::default();
            while let Some(capture) = own.next() {
                // Whoever waits for the result would wait for ever.
                let verified = catch_unwind(AssertUnwindSafe(|| {
                    let corrected = verifier.verify(&capture, &own.stop)?;
                    let now = corrected.as_ref().unwrap_or(&capture);
                    let lacks_sessions = now.has_audit_events() && now.exec_sessions().is_none();
                    if !finds_sessions || !lacks_sessions {
                        return Ok((corrected, None));
                    }
                    match with_exec_sessions(now, &own.stop) {
                        Ok(now) => Ok((Some(Arc::new(now)), None)),
                        Err(IndexedCaptureError::Stopped) => Err(IndexedCaptureError::Stopped),
                        Err(error) => Ok((corrected, Some(error.to_string()))),
                    }
                }));
                let verified = verified.unwrap_or(Err(IndexedCaptureError::Crashed));
                let (corrected, failed) = match verified {
                    Ok(found) => found,
                    Err(IndexedCaptureError::Stopped) => continue,
                    Err(error) => (None, Some(error.to_string())),
                };
                report(Verified {
                    capture,
                    corrected,
                    failed,
                });
            }
        };
        let thread = Builder::new().name("scap-verify".to_owned()).spawn(run)?;
        let verifier = Self {
            shared,
            thread: Some(thread),
        };
        verifier.verify(capture);
        Ok(verifier)
    }

    /// Continues with a capture that has grown: what was verified before is not read again.
    pub fn verify(&self, capture: Arc<IndexedCapture>) {
        self.shared.lock().next = Some(capture);
        self.shared.wake.notify_one();
    }
}

impl Drop for BackgroundVerifier {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic was already reported.
            let _ended = thread.join();
        }
    }
}
