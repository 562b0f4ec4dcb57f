//! The containers of exported events, each of which is described once.

use hashbrown::HashSet;
use scap_capture_format::native::ContainerDescription;

use crate::event::Timestamp;
use crate::state::{ContainerInfo, Text, View, limits};

/// Bytes of descriptions that are collected before they are written.
const PENDING: usize = 1 << 20;

/// The containers of written events, and the descriptions that are still to be written.
#[derive(Debug, Default)]
pub(super) struct Containers {
    described: HashSet<Text>,
    /// Containers without a description so far.
    missing: HashSet<Text>,
    /// The container of the last event: consecutive events are often of one container.
    last: Option<Text>,
    pending: Vec<ContainerDescription>,
    bytes: usize,
}

impl Containers {
    /// Records the container of an event, and the one that it describes.
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

    /// Returns the descriptions that are to be written now.
    pub(super) fn due(&mut self) -> Vec<ContainerDescription> {
        match self.bytes < PENDING {
            true => Vec::new(),
            false => self.rest(),
        }
    }

    /// Returns all descriptions that have not been written.
    pub(super) fn rest(&mut self) -> Vec<ContainerDescription> {
        self.bytes = 0;
        std::mem::take(&mut self.pending)
    }
}
