//! The queue between the threads that take audit events and the recorder.

use std::{
    collections::VecDeque,
    hash::BuildHasher as _,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use hashbrown::{DefaultHashBuilder, HashSet};

use super::AuditCounts;
use crate::audit::event::{Reader, Refusal};

/// Most bytes of events that the recorder has not written yet.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that an event takes besides its text.
const EVENT_BYTES: usize = 64;
/// Latest events among which an identical one is a repetition.
const RECENT: usize = 1 << 16;

/// An event, as a capture has it.
#[derive(Debug)]
pub(super) struct AuditEvent {
    /// Its `stageTimestamp`, in nanoseconds since the epoch.
    pub(super) time: u64,
    /// Its JSON.
    pub(super) json: Vec<u8>,
}

impl AuditEvent {
    /// What it takes of the room.
    pub(super) fn bytes(&self) -> usize {
        self.json.len() + EVENT_BYTES
    }
}

/// The events of one text, and what else is in it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<AuditEvent>,
    pub(super) refused: Vec<Refusal>,
}

/// Most refusals of one text that are kept: a list can be long.
const MAX_REFUSED: usize = 1 << 16;

impl Batch {
    /// Reads a text.
    pub(super) fn read(reader: &mut Reader, text: &[u8]) -> Self {
        let mut batch = Self::default();
        reader.each(text, &mut |found| match found {
            Ok(found) => batch.events.push(AuditEvent {
                time: found.time,
                json: found.json.to_vec(),
            }),
            Err(refusal) if batch.refused.len() < MAX_REFUSED => batch.refused.push(refusal),
            Err(_) => {}
        });
        batch
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    queue: Mutex<Queue>,
    /// Bytes of the events in the queue, and of those that the recorder has taken and not written.
    bytes: AtomicUsize,
    stops: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    events: Vec<AuditEvent>,
    recent: Recent,
    counts: AuditCounts,
    /// Problems of which the user has not been told.
    warnings: VecDeque<String>,
}

impl Inbox {
    /// Adds all events of a batch, or none if there is no room. Repeated ones count as added.
    pub(super) fn put(&self, batch: &mut Batch, name: &str) -> bool {
        let bytes: usize = batch.events.iter().map(AuditEvent::bytes).sum();
        if self.bytes.load(Ordering::Relaxed) + bytes > MAX_BYTES {
            return false;
        }
        let mut queue = self.lock();
        for refusal in batch.refused.drain(..) {
            queue.refuse(refusal, name);
        }
        for event in batch.events.drain(..) {
            if queue.recent.is_new(&event.json) {
                self.bytes.fetch_add(event.bytes(), Ordering::Relaxed);
                queue.counts.events += 1;
                queue.events.push(event);
            } else {
                queue.counts.duplicates += 1;
            }
        }
        true
    }

    /// Counts what is no event. The first of its kind is a warning.
    pub(super) fn refuse(&self, refusal: Refusal, name: &str) {
        self.lock().refuse(refusal, name);
    }

    /// Counts a request that was refused. The first one is a warning.
    pub(super) fn reject(&self, why: &str, name: &str) {
        let mut queue = self.lock();
        queue.counts.rejected += 1;
        if queue.counts.rejected == 1 {
            queue.warnings.push_back(format!(
                "{name}: a request was refused: {why}; further ones are counted"
            ));
        }
    }

    /// Adds a warning.
    pub(super) fn warn(&self, text: String) {
        /// Most warnings that wait.
        const MAX: usize = 16;
        let mut queue = self.lock();
        if queue.warnings.len() < MAX {
            queue.warnings.push_back(text);
        }
    }

    /// Moves the events to `out`, unless another thread adds some at the moment.
    pub(super) fn take(&self, out: &mut Vec<AuditEvent>) {
        if let Ok(mut queue) = self.queue.try_lock() {
            out.append(&mut queue.events);
        }
    }

    /// Makes the room of events available that were written.
    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the next warning.
    pub(super) fn warning(&self) -> Option<String> {
        self.lock().warnings.pop_front()
    }

    /// Returns the counts so far.
    pub(super) fn counts(&self) -> AuditCounts {
        self.lock().counts.clone()
    }

    /// Asks the threads to end.
    pub(super) fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Whether the threads have to end.
    pub(super) fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    /// A thread that panicked leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn refuse(&mut self, refusal: Refusal, name: &str) {
        let count = self.counts.refused.entry(refusal).or_default();
        *count += 1;
        if *count == 1 {
            self.warnings
                .push_back(format!("{name}: {refusal}; further ones are counted"));
        }
    }
}

/// The hashes of the latest events. Nobody can choose an event that has the hash of another one, as the hasher is seeded.
#[derive(Debug, Default)]
struct Recent {
    hasher: DefaultHashBuilder,
    seen: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    fn is_new(&mut self, json: &[u8]) -> bool {
        let hash = self.hasher.hash_one(json);
        if !self.seen.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &str) -> Batch {
        Batch::read(&mut Reader::default(), text.as_bytes())
    }

    fn event(id: usize) -> String {
        format!(r#"{{"kind":"Event","auditID":"{id}","stageTimestamp":"2026-07-21T15:25:11Z"}}"#)
    }

    #[test]
    fn a_repeated_event_is_taken_once() {
        let inbox = Inbox::default();
        let list = format!(
            r#"{{"kind":"EventList","items":[{},3,{}]}}"#,
            event(1),
            event(2)
        );
        for _ in 0..2 {
            assert!(inbox.put(&mut batch(&list), "webhook"));
        }
        let mut events = Vec::new();
        inbox.take(&mut events);
        assert_eq!(events.len(), 2);
        let counts = inbox.counts();
        assert_eq!((counts.events, counts.duplicates), (2, 2));
        assert_eq!(counts.refused[&Refusal::NotAnEvent], 2);
        assert_eq!(counts.lost(), 2);
        // One warning of each kind.
        assert!(inbox.warning().is_some());
        assert!(inbox.warning().is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_as_a_whole() {
        let inbox = Inbox::default();
        let long = "x".repeat(15 << 20);
        let large =
            |id: usize| event(id).replace("\"Event\"", &format!("\"Event\",\"x\":\"{long}\""));
        let mut taken = Vec::new();
        for id in 0..4 {
            assert!(inbox.put(&mut batch(&large(id)), "log"));
        }
        assert!(!inbox.put(&mut batch(&format!("[{},{}]", event(10), large(11))), "log"));
        inbox.take(&mut taken);
        // There is room only when they have been written.
        assert!(!inbox.put(&mut batch(&large(11)), "log"));
        inbox.release(taken.iter().map(AuditEvent::bytes).sum());
        assert!(inbox.put(&mut batch(&large(11)), "log"));
        assert_eq!(inbox.counts().events, 5);
    }

    #[test]
    fn the_memory_of_what_came_is_bounded() {
        let mut recent = Recent::default();
        for id in 0..RECENT + 100 {
            assert!(recent.is_new(&id.to_le_bytes()));
        }
        assert_eq!((recent.seen.len(), recent.order.len()), (RECENT, RECENT));
        assert!(!recent.is_new(&(RECENT + 99).to_le_bytes()));
        assert!(recent.is_new(&0_usize.to_le_bytes()));
    }
}
