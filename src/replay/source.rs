//! Where events come from.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use scap_capture_format::native::{
    ContainerReport, Damages, Header, LossReport, MachineInfo, Origin, OriginId, Snapshot,
};

use super::ReplayError;
use crate::event::PairedEvent;
use crate::filter::TypeSet;

/// What a source hands over, in the order of the capture.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The machine that what follows was recorded on, where the header did not say.
    Machine(&'a MachineInfo),
    /// State at one instant.
    Snapshot(&'a Snapshot),
    /// An event.
    Event(PairedEvent<'a>),
    /// An event that only changes the state: nothing else of it is wanted, or was loaded.
    StateOnly(PairedEvent<'a>),
    /// Descriptions of containers that later events repeat.
    Containers(&'a ContainerReport),
    /// Events that the capture lacks.
    Loss(&'a LossReport),
    /// A part of the capture that could not be read, or was not.
    Gap,
    /// Nothing more is at hand: what was taken so far can be shown.
    Pause,
}

/// What receives a source's items, each with the origin it belongs to. [`ControlFlow::Break`] ends the
/// reading.
pub type Each<'e> = &'e mut dyn FnMut(OriginId, Item<'_>) -> io::Result<ControlFlow<()>>;

/// What of the events a sink looks at.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Types of the events whose parameters are.
    pub types: TypeSet,
    /// Whether the bytes that calls moved are.
    pub data: bool,
}

impl Needs {
    /// Everything.
    pub const ALL: Self = Self {
        types: TypeSet::ALL,
        data: true,
    };
}

/// Something that events come from: a capture file, several, or the recorder's rings.
///
/// Calls come in this order: [`Self::origins`] and [`Self::header`] at any time; [`Self::set_needs`] at
/// most once, before [`Self::read`]; `read` once; [`Self::damages`], [`Self::is_complete`] and
/// [`Self::unknown_types`] after it.
pub trait EventSource {
    /// Returns what the capture says about itself.
    fn header(&self) -> &Header;

    /// Returns the recordings that the events are from; never empty. Their order gives them their
    /// [`OriginId`]s.
    fn origins(&self) -> &[Origin];

    /// Hands over everything in order. Per origin that is: `Machine` and `Snapshot` before the events they
    /// are about, `Gap` where something is missing, and events in the order in which they are stored.
    ///
    /// # Errors
    ///
    /// What makes reading on impossible, or what `each` returned. Damage is not an error: it is skipped and
    /// listed in [`Self::damages`].
    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError>;

    /// Says what of the events the sink will look at; the rest need not be loaded. The state's own needs
    /// come on top.
    fn set_needs(&mut self, _: &Needs) {}

    /// Returns the damage found so far.
    fn damages(&self) -> &Damages;

    /// Whether the recorder had finished the capture, and its end was reached.
    fn is_complete(&self) -> bool;

    /// Returns the types of events that were skipped because this program does not know them, with their
    /// counts; `None` if that cannot happen.
    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        None
    }

    /// Returns the sources that this one was merged from, in order; empty if it was not.
    fn parts(&self) -> Vec<&dyn EventSource> {
        Vec::new()
    }
}

/// Returns the only origin of a capture that was not merged.
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
