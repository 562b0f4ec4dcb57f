//! .scap files of sysdig and Falco as a source.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

use scap_capture_format::Result;
use scap_capture_format::native::{Damages, Header, Origin, OriginId};
use scap_capture_format::schema::{EventType, EventTypeFlags};
use scap_capture_format::sysdig::{Converter, Item as Block, SysdigReader};

use super::{Each, EventSource, Item, ReplayError};
use crate::event::PairedEvent;

/// A .scap file of sysdig or Falco, or several concatenated ones.
pub struct SysdigSource<R> {
    reader: SysdigReader<R>,
    converter: Converter,
    header: Header,
    origins: Vec<Origin>,
    /// Reading ended before the end of the file.
    is_stopped: bool,
}

impl<R: Read> SysdigSource<R> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// If the input is not such a file.
    pub fn new(input: R) -> Result<Self> {
        Ok(Self {
            reader: SysdigReader::new(input)?,
            converter: Converter::for_types(says_more_in_full),
            header: Header::default(),
            // Also for recorders that write no enter events: none are synthesized for foreign files.
            origins: vec![Origin {
                is_paired: true,
                ..Origin::default()
            }],
            is_stopped: false,
        })
    }
}

/// Returns true if the newest form of an exit event has more information for the state or a field
/// than the stored event with the fd of its enter event. Reads and writes, most of a capture, do
/// not.
fn says_more_in_full(ty: EventType) -> bool {
    let Some(info) = ty.info() else {
        return false;
    };
    let io = EventTypeFlags::READS_FROM_FD | EventTypeFlags::WRITES_TO_FD;
    if info.flags.intersects(io) {
        return info.flags.contains(EventTypeFlags::MODIFIES_STATE);
    }
    !matches!(
        info.name,
        "futex"
            | "poll"
            | "ppoll"
            | "epoll_wait"
            | "select"
            | "lseek"
            | "llseek"
            | "fstat"
            | "fstat64"
            | "ioctl"
            | "getdents"
            | "getdents64"
            | "nanosleep"
            | "mmap"
            | "mmap2"
            | "munmap"
    )
}

impl<R: Read> EventSource for SysdigSource<R> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn read(&mut self, each: Each<'_>) -> std::result::Result<(), ReplayError> {
        loop {
            let Some(item) = self.reader.next_item()? else {
                return Ok(());
            };
            let flow = match item {
                Block::Metadata(snapshot, machine) => {
                    self.converter.clear();
                    let items = [
                        Item::Machine(machine),
                        // The state so far belongs to another recording.
                        Item::Gap,
                        Item::Snapshot(snapshot),
                    ];
                    let mut flow = Ok(ControlFlow::Continue(()));
                    for item in items {
                        flow = each(OriginId::FIRST, item);
                        if !matches!(flow, Ok(ControlFlow::Continue(()))) {
                            break;
                        }
                    }
                    flow
                }
                Block::Event(mut event) => {
                    let mut enter_fd = None;
                    if let Some(enter) = self.converter.pair(&event) {
                        enter_fd = enter.fd;
                        let times = event.ts.known().zip(enter.ts.known());
                        event.latency = times.map(|(end, begin)| end.saturating_sub(begin));
                    }
                    let merged = match self.converter.wants(event.ty) {
                        true => self.converter.merged(&event),
                        false => None,
                    };
                    each(
                        OriginId::FIRST,
                        Item::Event(PairedEvent {
                            event: &event,
                            full: merged.as_ref().unwrap_or(&event),
                            enter_fd,
                        }),
                    )
                }
            };
            if flow.map_err(ReplayError::Sink)?.is_break() {
                self.is_stopped = true;
                return Ok(());
            }
        }
    }

    fn damages(&self) -> &Damages {
        self.reader.damages()
    }

    fn is_complete(&self) -> bool {
        self.reader.is_complete() || self.is_stopped
    }

    fn unknown_types(&self) -> Option<&BTreeMap<u16, u64>> {
        Some(self.reader.unknown_types())
    }
}
