//! What is written of containers into a capture: each that the events are of, once.

use hashbrown::HashSet;
use scap_capture_format::native::ContainerDescription;

use crate::event::Timestamp;
use crate::state::{ContainerInfo, Text, View, limits};

/// Bytes of descriptions that are gathered before they are written.
const PENDING: usize = 1 << 20;

/// The containers of the events that were written, and what is still to be written of them.
#[derive(Debug, Default)]
pub(super) struct Containers {
    described: HashSet<Text>,
    /// Those that nobody has described yet.
    missing: HashSet<Text>,
    /// The container of the last event: events come in runs.
    last: Option<Text>,
    pending: Vec<ContainerDescription>,
    bytes: usize,
}

impl Containers {
    /// Takes note of the container that an event is of, and of the one that it describes.
    pub(super) fn meet(&mut self, time: Timestamp, view: &View<'_>) {
        if !self.missing.is_empty() && ContainerInfo::is_description(view.full()) {
            for id in std::mem::take(&mut self.missing) {
                self.describe(time, view, &id);
            }
        }
        let Some(id) = view.thread().and_then(|t| t.container.as_ref()) else {
            return;
        };
        if self
            .last
            .as_ref()
            .is_some_and(|last| Text::ptr_eq(last, id))
        {
            return;
        }
        self.last = Some(id.clone());
        let is_new = !self.described.contains(id) && !self.missing.contains(id);
        if is_new && self.described.len() + self.missing.len() < limits::CONTAINERS {
            self.describe(time, view, id);
        }
    }

    fn describe(&mut self, time: Timestamp, view: &View<'_>, id: &Text) {
        let complete = |info: &&ContainerInfo| !info.is_incomplete();
        let Some(info) = view.state().container(id).filter(complete) else {
            self.missing.insert(id.clone());
            return;
        };
        self.described.insert(id.clone());
        let json = info.to_json().into_bytes();
        self.bytes += json.len();
        self.pending.push(ContainerDescription {
            time,
            id: id.to_vec(),
            json,
        });
    }

    /// Returns what is to be written now.
    pub(super) fn due(&mut self) -> Vec<ContainerDescription> {
        match self.bytes < PENDING {
            true => Vec::new(),
            false => self.rest(),
        }
    }

    /// Returns what was not written yet.
    pub(super) fn rest(&mut self) -> Vec<ContainerDescription> {
        self.bytes = 0;
        std::mem::take(&mut self.pending)
    }
}
