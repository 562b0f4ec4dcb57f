//! A capture with other times, for a machine whose clock was ahead or behind.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::{Damages, Header, Origin};

use super::{Each, EventSource, Item, Needs, ReplayError};
use crate::event::PairedEvent;
use crate::state::shift_times;

/// A source whose times are shifted.
pub struct ShiftedSource {
    source: Box<dyn EventSource + Send>,
    /// Nanoseconds that are added to the times of each origin.
    by: Vec<i64>,
    header: Header,
    origins: Vec<Origin>,
}

impl ShiftedSource {
    /// Adds nanoseconds to the times of a source, for each of its origins.
    pub fn new(source: Box<dyn EventSource + Send>, by: Vec<i64>) -> Self {
        let first = by.first().copied().unwrap_or(0);
        let mut header = source.header().clone();
        header.start = shifted(header.start, first);
        header.machine.boot_time = shifted(header.machine.boot_time, first);
        let mut origins = source.origins().to_vec();
        for (origin, by) in origins.iter_mut().zip(&by) {
            origin.machine.boot_time = shifted(origin.machine.boot_time, *by);
        }
        Self {
            source,
            by,
            header,
            origins,
        }
    }
}

/// Returns a time with an addition, unless it is not known.
fn shifted(time: Timestamp, by: i64) -> Timestamp {
    match time.known() {
        Some(0) | None => time,
        Some(known) => Timestamp(known.saturating_add_signed(by)),
    }
}

impl EventSource for ShiftedSource {
    fn header(&self) -> &Header {
        &self.header
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError> {
        let all = &self.by;
        self.source.read(&mut |origin, item| {
            let by = all.get(usize::from(origin.0)).copied().unwrap_or(0);
            match item {
                Item::Event(paired) => {
                    shift_event(paired, by, |paired| each(origin, Item::Event(paired)))
                }
                Item::StateOnly(paired) => {
                    shift_event(paired, by, |paired| each(origin, Item::StateOnly(paired)))
                }
                Item::Machine(machine) => {
                    let mut machine = machine.clone();
                    machine.boot_time = shifted(machine.boot_time, by);
                    each(origin, Item::Machine(&machine))
                }
                Item::Snapshot(snapshot) => {
                    let mut snapshot = snapshot.clone();
                    snapshot.time = shifted(snapshot.time, by);
                    shift_times(&mut snapshot, by);
                    each(origin, Item::Snapshot(&snapshot))
                }
                Item::Loss(report) => {
                    let mut report = report.clone();
                    for loss in &mut report.losses {
                        loss.from = shifted(loss.from, by);
                        loss.to = shifted(loss.to, by);
                    }
                    each(origin, Item::Loss(&report))
                }
                other => each(origin, other),
            }
        })
    }

    fn set_needs(&mut self, needs: &Needs) {
        self.source.set_needs(needs);
    }

    fn damages(&self) -> &Damages {
        self.source.damages()
    }

    fn is_complete(&self) -> bool {
        self.source.is_complete()
    }

    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        self.source.unknown_types()
    }

    fn has_machine(&self) -> bool {
        self.source.has_machine()
    }
}

fn shift_event(
    paired: PairedEvent<'_>,
    by: i64,
    each: impl FnOnce(PairedEvent<'_>) -> std::io::Result<ControlFlow<()>>,
) -> std::io::Result<ControlFlow<()>> {
    let mut event = *paired.event;
    event.ts = shifted(event.ts, by);
    let mut full = *paired.full;
    full.ts = event.ts;
    let is_same = std::ptr::eq(paired.event, paired.full);
    each(PairedEvent {
        event: &event,
        full: if is_same { &event } else { &full },
        enter_fd: paired.enter_fd,
    })
}
