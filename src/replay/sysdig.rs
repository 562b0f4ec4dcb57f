//! The .scap files of sysdig and Falco as a source.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

use scap_capture_format::Result;
use scap_capture_format::native::{Damages, Header};
use scap_capture_format::sysdig::{Converter, Item, SysdigReader};

use super::{Each, EventSource, ReplayError};
use crate::event::Occurrence;

/// A .scap file of sysdig or Falco, or several put together.
pub struct SysdigSource<R> {
    reader: SysdigReader<R>,
    converter: Converter,
    header: Header,
}

impl<R: Read> SysdigSource<R> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// What is no such file.
    pub fn new(input: R) -> Result<Self> {
        Ok(Self {
            reader: SysdigReader::new(input)?,
            converter: Converter::new(),
            header: Header::default(),
        })
    }
}

impl<R: Read> EventSource for SysdigSource<R> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn read(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        loop {
            let Some(item) = self.reader.next_item()? else {
                return Ok(());
            };
            let flow = match item {
                Item::Metadata(snapshot, machine) => {
                    self.converter.clear();
                    let items = [
                        super::Item::Machine(machine),
                        // What was known is of another recording.
                        super::Item::Gap,
                        super::Item::Snapshot(snapshot),
                    ];
                    let mut flow = Ok(ControlFlow::Continue(()));
                    for item in items {
                        flow = each(item);
                        if !matches!(flow, Ok(ControlFlow::Continue(()))) {
                            break;
                        }
                    }
                    flow
                }
                Item::Event(mut event) => {
                    let converted = self.converter.convert(&event);
                    let mut enter_fd = None;
                    if let Some(enter) = converted.enter {
                        enter_fd = enter.fd;
                        event.latency = Some(event.ts.0.saturating_sub(enter.ts.0));
                    }
                    each(super::Item::Event(Occurrence {
                        event: &event,
                        full: converted.merged.as_ref().unwrap_or(&event),
                        enter_fd,
                    }))
                }
            };
            if flow.map_err(ReplayError::Sink)?.is_break() {
                return Ok(());
            }
        }
    }

    fn is_in_pairs(&self) -> bool {
        // Also where the newest recorders write no enter events: nothing is made up for a foreign file.
        true
    }

    fn damages(&self) -> &Damages {
        self.reader.damages()
    }

    fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        Some(self.reader.unknown_types())
    }
}
