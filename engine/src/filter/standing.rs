//! Filters over the state between events: threads and their fds.

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Timestamp};
use scap_capture_format::schema::types;

use super::Filter;
use crate::fields::{Context, Session};
use crate::state::{State, Thread};

impl Filter {
    /// Returns true if a thread matches in its current state, outside of any call, and if there is one, an fd of it.
    /// Fields of events are absent; a [thread-scoped](Self::is_thread_scoped) filter has none.
    pub fn matches_thread(
        &mut self,
        state: &State,
        session: &Session,
        thread: &Thread,
        fd: Option<i64>,
    ) -> bool {
        // An event that reads from the fd, which changes nothing.
        let mut bytes = [0; 20];
        bytes[8..16].copy_from_slice(&fd.unwrap_or(-1).to_le_bytes());
        let read = Params::new(&[8, 0, 8, 4], &bytes).unwrap_or(Params::EMPTY);
        let (ty, params) = match fd {
            Some(_) => (types::SYSCALL_READ_X, read),
            None => (types::PROCINFO_E, Params::EMPTY),
        };
        let event = EventRef {
            num: EventNum(0),
            ts: Timestamp(session.first_time),
            tid: thread.tid,
            pid: thread.pid,
            cpu: 0,
            ty,
            latency: None,
            flags: EventFlags::empty(),
            params,
        };
        let view = state.view_between(&event);
        self.matches(&Context {
            event: &event,
            view: &view,
            session,
        })
    }
}
