//! Which of the choices of a recording matched nothing: a mistyped name would otherwise look like a quiet machine.

use super::Options;
use crate::{event::Event, state::State};

/// Length of a thread's name in the kernel.
const COMM_LEN: usize = 15;

/// The choices that matched nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Unmatched {
    /// Processes of [`Options::pids`] without an event.
    pub pids: Vec<u32>,
    /// Names of [`Options::comms`] whose threads had no event.
    pub comms: Vec<String>,
    /// No event passed [`Options::filter`].
    pub filter: bool,
}

impl Unmatched {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            pids: options.pids.clone(),
            comms: options.comms.clone(),
            filter: options.filter.is_some(),
        }
    }

    /// Removes what an event matches. The state is that after the event.
    #[inline]
    pub(super) fn see(&mut self, event: &Event<'_>, state: &State) {
        if !self.pids.is_empty() {
            self.pids.retain(|pid| i64::from(*pid) != event.pid.0);
        }
        if !self.comms.is_empty() {
            self.see_comm(event, state);
        }
    }

    fn see_comm(&mut self, event: &Event<'_>, state: &State) {
        if event.tid.0 < 0 {
            return;
        }
        match state.thread(event.tid).and_then(|t| t.comm.as_deref()) {
            Some(comm) => self.comms.retain(|name| !is_comm(name, comm)),
            // It has one of the names, since the kernel chose it: nothing can be said of any.
            None => self.comms.clear(),
        }
    }
}

/// Whether threads with this name have the name that was asked for.
fn is_comm(name: &str, comm: &[u8]) -> bool {
    let cut = |text: &[u8]| text.len().min(COMM_LEN);
    name.as_bytes()[..cut(name.as_bytes())] == comm[..cut(comm)]
}
