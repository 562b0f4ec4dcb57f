//! Reading a capture back, with parameters by name.

use std::{collections::HashMap, path::Path};

use scap_capture_format::{
    event::EventFlags,
    native::{CaptureReader, ChunkDecoder, Item, Load},
    schema::{Arch, EventType, event_info, syscall, types},
};

/// One event, owned.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) ts: u64,
    pub(crate) tid: i64,
    pub(crate) pid: i64,
    pub(crate) ty: EventType,
    pub(crate) latency: Option<u64>,
    pub(crate) flags: EventFlags,
    /// Name of the event; of the syscall for a generic one.
    pub(crate) name: String,
    params: HashMap<&'static str, Vec<u8>>,
}

impl Event {
    /// A parameter's bytes; `None` if it is absent.
    pub(crate) fn bytes(&self, param: &str) -> Option<&[u8]> {
        self.params.get(param).map(Vec::as_slice)
    }

    /// A text without its NUL.
    pub(crate) fn text(&self, param: &str) -> Option<&[u8]> {
        self.bytes(param)?.strip_suffix(&[0])
    }

    /// A number of any width, sign-extended.
    pub(crate) fn number(&self, param: &str) -> Option<i64> {
        let bytes = self.bytes(param)?;
        Some(match bytes.len() {
            1 => i64::from(bytes[0]),
            2 => i64::from(u16::from_le_bytes(bytes.try_into().unwrap())),
            4 => i64::from(i32::from_le_bytes(bytes.try_into().unwrap())),
            8 => i64::from_le_bytes(bytes.try_into().unwrap()),
            other => panic!("{param} of {} has {other} bytes", self.name),
        })
    }

    /// What the call returned.
    pub(crate) fn result(&self) -> Option<i64> {
        if self.ty == types::GENERIC_X {
            return self.number("res");
        }
        let first = event_info(self.ty)?.params.first()?.name;
        self.number(first)
    }
}

/// A whole capture.
pub(crate) struct Capture {
    pub(crate) events: Vec<Event>,
    pub(crate) lost: u64,
    pub(crate) complete: bool,
    pub(crate) damaged: bool,
    pub(crate) snapshots: usize,
}

impl Capture {
    /// How many programs were started.
    pub(crate) fn starts(&self) -> usize {
        let is_start = |event: &&Event| event.name == "execve";
        self.events.iter().filter(is_start).count()
    }
}

/// Whether a capture, which may be being written, has a snapshot already.
pub(crate) fn has_snapshot(path: &Path) -> bool {
    let reader = std::fs::File::open(path)
        .ok()
        .and_then(|file| CaptureReader::new(file).ok());
    let Some(mut reader) = reader else {
        return false;
    };
    while let Ok(Some(item)) = reader.next_item() {
        if matches!(item, Item::Snapshot(_)) {
            return true;
        }
    }
    false
}

pub(crate) fn read(path: &Path) -> Capture {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = CaptureReader::new(file).unwrap();
    let mut decoder = ChunkDecoder::new();
    let (mut events, mut lost, mut snapshots) = (Vec::new(), 0, 0);
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(_) => snapshots += 1,
            Item::Loss(report) => lost += report.losses.iter().map(|loss| loss.count).sum::<u64>(),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    let info = event_info(event.ty).unwrap();
                    let params: HashMap<_, _> = info
                        .params
                        .iter()
                        .zip(event.params.iter())
                        .filter_map(|(param, value)| Some((param.name, value?.to_vec())))
                        .collect();
                    let name = if event.ty == types::GENERIC_X {
                        let nr =
                            u16::from_le_bytes(params["nativeID"].as_slice().try_into().unwrap());
                        match params["abi"].as_slice() {
                            [1] => format!("ia32 {}", syscall::ia32_name(u32::from(nr)).unwrap()),
                            _ => syscall::by_nr(Arch::X86_64, u32::from(nr))
                                .unwrap()
                                .name
                                .to_owned(),
                        }
                    } else {
                        info.name.to_owned()
                    };
                    events.push(Event {
                        ts: event.ts.0,
                        tid: event.tid.0,
                        pid: event.pid.0,
                        ty: event.ty,
                        latency: event.latency,
                        flags: event.flags,
                        name,
                        params,
                    });
                }
            }
            _ => {}
        }
    }
    Capture {
        events,
        lost,
        complete: reader.is_complete(),
        damaged: !reader.damages().is_empty(),
        snapshots,
    }
}
