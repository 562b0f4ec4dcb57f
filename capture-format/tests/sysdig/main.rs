//! The .scap files of sysdig and Falco.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that panics fails, one that cannot run says so"
)]

#[path = "../common/mod.rs"]
mod common;

mod bytes;
mod convert;
mod damage;
mod downgrade;
mod real;
mod versions;
mod write;

use std::collections::BTreeMap;

use common::Owned;
use scap_capture_format::native::{Damage, MachineInfo, Snapshot};
use scap_capture_format::sysdig::{Converter, Item, SysdigReader};

/// Everything of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct All {
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) machines: Vec<MachineInfo>,
    pub(crate) events: Vec<Owned>,
    pub(crate) damages: Vec<Damage>,
    pub(crate) complete: bool,
    pub(crate) unknown: BTreeMap<u16, u64>,
    pub(crate) offset: u64,
}

/// Reads everything, and converts every event.
pub(crate) fn read(bytes: &[u8]) -> scap_capture_format::Result<All> {
    let mut reader = SysdigReader::new(bytes)?;
    let mut converter = Converter::new();
    let mut all = All::default();
    let mut section = 0;
    loop {
        let mut metadata = None;
        match reader.next_item()? {
            Some(Item::Metadata(snapshot, _)) => metadata = Some(snapshot.clone()),
            Some(Item::Event(event)) => {
                assert_eq!(event.num.0, all.events.len() as u64 + 1);
                assert_eq!(event.params.iter().count(), event.params.len());
                all.events.push(Owned::of(&event));
                if let Some(merged) = converter.convert(&event).merged {
                    assert_eq!(
                        (merged.num, merged.ts, merged.tid, merged.cpu, merged.flags),
                        (event.num, event.ts, event.tid, event.cpu, event.flags)
                    );
                    let info = merged.ty.info().unwrap();
                    assert!(merged.params.len() <= info.params.len(), "{merged:?}");
                    Owned::of(&merged);
                }
            }
            None => break,
        }
        if let Some(snapshot) = metadata {
            section += 1;
            assert_eq!(reader.section(), section);
            assert_eq!(snapshot.next_event.0, all.events.len() as u64 + 1);
            all.snapshots.push(snapshot);
            all.machines.push(reader.machine().clone());
        }
    }
    assert!(reader.next_item()?.is_none());
    all.damages = reader.damages().list().to_vec();
    all.complete = reader.is_complete();
    all.unknown = reader.unknown_types().clone();
    all.offset = reader.offset();
    Ok(all)
}

/// Reads what has nothing wrong.
pub(crate) fn read_whole(bytes: &[u8]) -> All {
    let all = read(bytes).unwrap();
    assert_eq!(all.damages, []);
    assert!(all.complete);
    all
}
