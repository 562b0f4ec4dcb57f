//! A thread that works on the newest of what it is given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// A thread that it owns, and ends when it is dropped.
pub(super) struct Worker<T> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<T> {
    work: Mutex<Work<T>>,
    /// Signalled when there may be work.
    wake: Condvar,
    /// What is worked on is to end early: the program ends, or it was replaced.
    stop: Arc<AtomicBool>,
}

struct Work<T> {
    next: Option<T>,
    over: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Work<T>> {
        // No thread can panic while the data is inconsistent.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next piece of work; `None` at the end.
    fn next(&self) -> Option<T> {
        let mut work = self.lock();
        while !work.over {
            if let Some(next) = work.next.take() {
                self.stop.store(false, Ordering::Relaxed);
                return Some(next);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl<T: Send + 'static> Worker<T> {
    /// Starts a thread, which calls `run` with what it is given, and with what tells it to stop.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(super) fn start(
        name: &str,
        mut run: impl FnMut(T, &Arc<AtomicBool>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            work: Mutex::new(Work {
                next: None,
                over: false,
            }),
            wake: Condvar::new(),
            stop: Arc::default(),
        });
        let own = Arc::clone(&shared);
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(next) = own.next() {
                run(next, &own.stop);
            }
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Makes the next piece of work from the one that waits, if one does.
    pub(super) fn give(&self, make: impl FnOnce(Option<T>) -> T) {
        let mut work = self.shared.lock();
        work.next = Some(make(work.next.take()));
        self.shared.wake.notify_one();
    }

    /// Replaces what waits, and ends what is worked on early.
    pub(super) fn replace(&self, next: T) {
        let mut work = self.shared.lock();
        work.next = Some(next);
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
    }
}

impl<T> Drop for Worker<T> {
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
