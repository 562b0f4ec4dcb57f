//! Verifies the capture on a thread of its own, and finds the sessions of `kubectl exec` in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::worker::Worker;
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
pub struct BackgroundVerifier(Worker<Arc<IndexedCapture>>);

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
        let mut verifier = Verifier::default();
        let run = move |capture: Arc<IndexedCapture>, stop: &Arc<AtomicBool>| {
            // Whoever waits for the result would wait for ever.
            let verified = catch_unwind(AssertUnwindSafe(|| {
                let corrected = verifier.verify(&capture, stop)?;
                let now = corrected.as_ref().unwrap_or(&capture);
                let lacks_sessions = now.has_audit_events() && now.exec_sessions().is_none();
                if !finds_sessions || !lacks_sessions {
                    return Ok((corrected, None));
                }
                match with_exec_sessions(now, stop) {
                    Ok(now) => Ok((Some(Arc::new(now)), None)),
                    Err(IndexedCaptureError::Stopped) => Err(IndexedCaptureError::Stopped),
                    Err(error) => Ok((corrected, Some(error.to_string()))),
                }
            }));
            let verified = verified.unwrap_or(Err(IndexedCaptureError::Crashed));
            let (corrected, failed) = match verified {
                Ok(found) => found,
                Err(IndexedCaptureError::Stopped) => return,
                Err(error) => (None, Some(error.to_string())),
            };
            report(Verified {
                capture,
                corrected,
                failed,
            });
        };
        let verifier = Self(Worker::start("scap-verify", run)?);
        verifier.verify(capture);
        Ok(verifier)
    }

    /// Continues with a capture that has grown: what was verified before is not read again.
    pub fn verify(&self, capture: Arc<IndexedCapture>) {
        self.0.give(|_| capture);
    }
}
