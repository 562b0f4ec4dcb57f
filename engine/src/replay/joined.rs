//! Captures of one machine, one after the other: the files of a rotated recording as one source.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::{Damages, Header, Loss, LossCause, LossReport, Origin, OriginId};

use super::source::FoundInParts;
use super::{Each, EventSource, Item, Needs, ReplayError};

/// Captures that follow each other.
///
/// Where a capture continues with the next event number, nothing is between the two. Everywhere else there is a
/// gap, in which an unknown number of events is missing: it is reported as a loss ([`LossCause::BETWEEN`]), and the state is
/// taken from the next capture.
pub struct JoinedSource {
    sources: Vec<Box<dyn EventSource + Send>>,
    found: FoundInParts,
    gaps: Vec<Loss>,
}

/// Where a capture ended.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    number: u64,
    time: u64,
}

impl JoinedSource {
    /// Joins captures; there is at least one, each with one origin.
    pub fn new(sources: Vec<Box<dyn EventSource + Send>>) -> Self {
        Self {
            sources,
            found: FoundInParts::default(),
            gaps: Vec::new(),
        }
    }

    fn read_all(&mut self, each: Each<'_>) -> Result<(), ReplayError> {
        let mut last = None;
        let gaps = &mut self.gaps;
        for source in &mut self.sources {
            let before: Option<Last> = last;
            let mut is_open = before.is_some();
            let mut is_stopped = false;
            source.read(&mut |_, item| {
                // What a capture begins with says whether it continues the one before.
                let begins = match &item {
                    Item::Snapshot(snapshot) => Some((snapshot.next_event.0, snapshot.time)),
                    Item::Event(paired) => Some((paired.event.num.0, paired.event.ts)),
                    _ => None,
                };
                if let (true, Some((number, time)), Some(before)) = (is_open, begins, before) {
                    is_open = false;
                    if before.number == 0 || number != before.number + 1 {
                        let gap = gap(before.time, time);
                        gaps.push(gap);
                        let report = LossReport {
                            losses: vec![gap],
                            ..LossReport::default()
                        };
                        if each(OriginId::FIRST, Item::Loss(&report))?.is_break() {
                            is_stopped = true;
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                }
                if let Item::Event(paired) = &item {
                    let last = last.get_or_insert(Last::default());
                    last.number = paired.event.num.0;
                    last.time = paired
                        .event
                        .ts
                        .known()
                        .map_or(last.time, |t| t.max(last.time));
                }
                let flow = each(OriginId::FIRST, item)?;
                is_stopped |= flow.is_break();
                Ok(flow)
            })?;
            last.get_or_insert(Last::default());
            if is_stopped {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the loss of a gap. How many events are missing is not known; there is at least one.
fn gap(from: u64, to: Timestamp) -> Loss {
    Loss {
        cause: LossCause::BETWEEN,
        cpu: Loss::ANY_CPU,
        count: 1,
        from: Timestamp(from),
        to: Timestamp(to.known().unwrap_or(from).max(from)),
    }
}

impl EventSource for JoinedSource {
    fn header(&self) -> &Header {
        self.sources[0].header()
    }

    fn origins(&self) -> &[Origin] {
        self.sources[0].origins()
    }

    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError> {
        let result = self.read_all(each);
        self.found.collect(&self.sources);
        result
    }

    fn set_needs(&mut self, needs: &Needs) {
        self.sources.iter_mut().for_each(|s| s.set_needs(needs));
    }

    fn damages(&self) -> &Damages {
        &self.found.damages
    }

    fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.is_complete())
    }

    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        Some(&self.found.unknown_types)
    }

    fn gaps(&self) -> &[Loss] {
        &self.gaps
    }

    fn parts(&self) -> Vec<&dyn EventSource> {
        let parts = self.sources.iter().map(|s| s.as_ref() as &dyn EventSource);
        parts.collect()
    }
}
