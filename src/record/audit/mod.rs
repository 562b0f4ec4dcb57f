//! Kubernetes audit events that arrive while a machine is recorded: a log that is followed, and the webhook of an API
//! server.
//!
//! ```text
//! follow  (a thread: the log file)    -> inbox (bounded) -> stage: in order of time -> pipeline
//! webhook (a thread: HTTP, with TLS) -^
//! ```
//!
//! The threads parse; the recorder only takes what is ready and never waits for them. What is no event is counted, and what
//! does not fit is refused, so that its sender can send it again.

mod follow;
mod inbox;
mod stage;
mod tls;
mod webhook;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::audit::event::Refusal;

use super::RecordError;
use inbox::Inbox;
pub(super) use stage::AuditStage;

/// Niceness of the threads: what others send must not take the CPU of the drain.
const NICENESS: i32 = 10;
/// Time for requests that are under way when the recording ends.
const LEAVING: Duration = Duration::from_millis(500);

/// Where audit events come from.
#[derive(Clone, Debug, Default)]
pub struct AuditOptions {
    /// A log to follow.
    pub log: Option<PathBuf>,
    /// A webhook to listen for.
    pub webhook: Option<WebhookOptions>,
}

/// How to listen for the webhook of an API server.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// The address.
    pub address: SocketAddr,
    /// Files for TLS; `None` = plain HTTP.
    pub tls: Option<TlsOptions>,
}

/// Files for TLS, in PEM.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certificates that clients have to be signed by; `None` = every client is accepted.
    pub client_ca: Option<PathBuf>,
}

/// What became of audit events.
#[derive(Clone, Debug, Default)]
pub struct AuditCounts {
    /// Events that were taken.
    pub events: u64,
    /// Of them, those that came too late, or were too far ahead, for their own time: they have the time at which they came.
    pub moved: u64,
    /// Events that were left out since they had come before: a sender repeats what it got no answer for.
    pub duplicates: u64,
    /// What was no event, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Requests that were refused: too large, too slow, or at a time when there was no room.
    pub rejected: u64,
}

impl AuditCounts {
    /// Returns how much was not taken.
    pub fn lost(&self) -> u64 {
        self.rejected + self.refused.values().sum::<u64>()
    }
}

/// The threads that take audit events. They end when this is dropped.
struct Intake {
    inbox: Arc<Inbox>,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Where the webhook is listened for.
    address: Option<SocketAddr>,
}

impl Intake {
    /// Opens the sources, and starts to read them; `None` if there are none.
    fn start(options: &AuditOptions) -> Result<Option<Self>, RecordError> {
        if options.log.is_none() && options.webhook.is_none() {
            return Ok(None);
        }
        let mut intake = Self {
            inbox: Arc::new(Inbox::default()),
            threads: Vec::new(),
            address: None,
        };
        if let Some(path) = &options.log {
            let follower = follow::Follower::open(path, Arc::clone(&intake.inbox))?;
            intake.spawn("scap-audit-log", move || follower.run())?;
        }
        if let Some(webhook) = &options.webhook {
            let server = webhook::Server::bind(webhook, Arc::clone(&intake.inbox))?;
            intake.address = Some(server.address());
            intake.spawn("scap-audit-web", move || server.run())?;
        }
        Ok(Some(intake))
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), RecordError> {
        let run = move || {
            // On Linux this is the niceness of the thread.
            let _as_before = rustix::process::nice(NICENESS);
            run();
        };
        let builder = std::thread::Builder::new().name(name.to_owned());
        self.threads
            .push(builder.spawn(run).map_err(RecordError::Thread)?);
        Ok(())
    }

    /// Whether all threads have ended.
    fn is_over(&self) -> bool {
        self.threads
            .iter()
            .all(std::thread::JoinHandle::is_finished)
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.inbox.stop();
    }
}
