//! Producers of events.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use scap_capture_format::native::{
    ContainerReport, Damages, Header, Loss, LossReport, MachineInfo, Origin, OriginId, Snapshot,
};

use super::ReplayError;
use crate::event::PairedEvent;
use crate::filter::TypeSet;

/// An item of a source, in the order of the capture.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The recorded machine of the following items, if the header does not describe it.
    Machine(&'a MachineInfo),
    /// State at one instant.
    Snapshot(&'a Snapshot),
    /// An event.
    Event(PairedEvent<'a>),
    /// An event that only updates the state; its other parts are not needed or were not loaded.
    StateOnly(PairedEvent<'a>),
    /// Descriptions of containers that later events repeat, for this number of origins from the item's on.
    Containers(&'a ContainerReport, usize),
    /// Lost events.
    Loss(&'a LossReport),
    /// A part of the capture that was not read, because of damage or by choice.
    Gap,
    /// No item is available at the moment: output should be flushed.
    Pause,
}

/// Receives a source's items, each with its origin. [`ControlFlow::Break`] ends the reading.
pub type Each<'e> = &'e mut dyn FnMut(OriginId, Item<'_>) -> io::Result<ControlFlow<()>>;

/// The parts of events that a sink uses.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Types of the events whose parameters are used.
    pub types: TypeSet,
    /// True if the data of I/O calls is used.
    pub data: bool,
    /// True if other parts are decoded by another thread, only to find damage that the checksums of sections do not show.
    pub verifies: bool,
}

impl Needs {
    /// Everything.
    pub const ALL: Self = Self {
        types: TypeSet::ALL,
        data: true,
        verifies: true,
    };
}

/// A producer of events: a capture file, several merged ones, or the recorder's rings.
///
/// Calls come in this order: [`Self::origins`] and [`Self::header`] at any time; [`Self::set_needs`] at
/// most once, before [`Self::read`]; `read` once; [`Self::damages`], [`Self::is_complete`] and
/// [`Self::unknown_types`] after it.
pub trait EventSource {
    /// Returns the header of the capture.
    fn header(&self) -> &Header;

    /// Returns the origins of the events; at least one. Their order determines their [`OriginId`]s.
    fn origins(&self) -> &[Origin];

    /// Passes on all items in order. For each origin, `Machine` and `Snapshot` come before the
    /// events that they apply to, `Gap` where events are missing, and events in stored order.
    ///
    /// # Errors
    ///
    /// If the capture cannot be read further, or what `each` returned. Damage is not an error: it
    /// is skipped and listed in [`Self::damages`].
    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError>;

    /// Declares which parts of events the sink uses; other parts need not be loaded, except for the
    /// needs of the state.
    fn set_needs(&mut self, _: &Needs) {}

    /// Returns the damage that is known: in what was read, and of a native capture in a file all that the headers
    /// of its sections show, also where reading stopped before.
    fn damages(&self) -> &Damages;

    /// Returns false if the recorder did not complete the capture, or its end is missing, as far as that is known:
    /// where reading stopped before the end, only of a native capture in a file.
    fn is_complete(&self) -> bool;

    /// Returns the unknown event types that were skipped, with their counts; `None` if that cannot
    /// happen.
    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        None
    }

    /// Returns true if the events are those of a machine, and false for events of a whole cluster.
    fn has_machine(&self) -> bool {
        true
    }

    /// Returns the gaps between captures that were joined, after [`Self::read`].
    fn gaps(&self) -> &[Loss] {
        &[]
    }

    /// Returns the sources that this one is merged from, in order; empty for other sources.
    fn parts(&self) -> Vec<&dyn EventSource> {
        Vec::new()
    }
}

/// What was found in the sources that another one is made of.
#[derive(Debug, Default)]
pub(super) struct FoundInParts {
    pub(super) damages: Damages,
    pub(super) unknown_types: BTreeMap<u16, u64>,
}

impl FoundInParts {
    /// Adds what sources have found, after they were read.
    pub(super) fn collect(&mut self, sources: &[Box<dyn EventSource + Send>]) {
        for source in sources {
            for damage in source.damages().list() {
                self.damages.add(damage.offset, damage.what);
            }
            for (ty, count) in source.unknown_types().into_iter().flatten() {
                *self.unknown_types.entry(*ty).or_default() += count;
            }
        }
    }
}

/// Returns the only origin of a capture that is not merged.
pub(super) fn single_origin(header: &Header) -> Vec<Origin> {
    vec![Origin {
        machine: header.machine.clone(),
        is_paired: header.is_paired(),
        is_filtered: header.has_recorder_filter(),
        ..Origin::default()
    }]
}

/// Returns the origins that the header of a native capture describes.
pub(super) fn origins_of(header: &Header) -> Vec<Origin> {
    match header.origins() {
        origins if origins.is_empty() => single_origin(header),
        origins => origins,
    }
}
