//! The parsers of what a machine says of itself, for the fuzzer; see [`crate::fuzzing`].

use scap_capture_format::{
    event::{EventNum, Params, Pid, Tid, Timestamp},
    schema::Arch,
};
use scap_probe_common::wire::RecordHeader;

use super::{
    accounts::Database, cgroups, containers, encode::Encoder, probe::ring::Record, procfs,
};
use crate::event::synthetic_event;
use crate::state::State;

/// A parser of foreign bytes, with the name that its seeds begin with.
pub(crate) type Parser = (&'static str, fn(&[u8]));

pub(crate) const PARSERS: &[Parser] = &[
    ("records", records),
    ("proc", procfs::fuzzing::files),
    ("sockets", procfs::fuzzing::sockets),
    ("accounts", accounts),
    ("mountinfo", mountinfo),
    ("docker", containers::fuzzing::docker),
    ("cri", containers::fuzzing::cri),
    ("containerd", containers::fuzzing::containerd),
    ("http", containers::fuzzing::http),
    ("grpc", containers::fuzzing::grpc),
];

/// Takes bytes off the front, as many as there are.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(len.min(rest.len()));
    *rest = left;
    taken
}

fn word(rest: &mut &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let taken = take(rest, 8);
    bytes[..taken.len()].copy_from_slice(taken);
    u64::from_le_bytes(bytes)
}

/// Records of calls: the probe makes their form, the caller their contents. Events are made of them and applied.
fn records(bytes: &[u8]) {
    let mut rest = bytes;
    let mut encoder = Encoder::new(Arch::X86_64);
    let mut state = State::new();
    while !rest.is_empty() {
        // Kind, flags, number; few threads, so that they meet.
        let head = word(&mut rest).to_le_bytes();
        let header = RecordHeader {
            kind: head[0] % 10,
            flags: head[1],
            nr: u16::from_le_bytes([head[2], head[3] % 4]),
            tid: u32::from(head[4] % 4) + 1,
            pid: u32::from(head[5] % 4) + 1,
            ret: i64::from(head[6].cast_signed()),
            args: std::array::from_fn(|nth| match head[7] >> nth & 1 {
                0 => nth as u64,
                _ => word(&mut rest),
            }),
            ..RecordHeader::default()
        };
        let mut items = Vec::new();
        let count = take(&mut rest, 1).first().map_or(0, |count| count % 8);
        for _ in 0..count {
            // Tag, flags, argument, length.
            let item = take(&mut rest, 4);
            let &[tag, flags, arg, len] = item else {
                break;
            };
            let content = take(&mut rest, usize::from(len));
            items.extend_from_slice(&(content.len() as u32).to_le_bytes());
            items.extend_from_slice(&[tag, flags, arg, 0]);
            items.extend_from_slice(content);
            items.resize(items.len().next_multiple_of(8), 0);
        }
        let record = Record {
            header,
            args: 6,
            items: &items,
        };
        for part in 0..encoder.parts(&record) {
            let Some((head, out)) = encoder.encode(&record, part) else {
                continue;
            };
            let params = Params::new(&out.lens, &out.data);
            assert!(params.is_some(), "lengths and bytes of {:?}", head.ty);
            let Some(params) = params else { return };
            let known = head.ty.info().map_or(0, |info| info.params.len());
            assert!(out.lens.len() <= known, "parameters of {:?}", head.ty);
            let mut event = synthetic_event(Timestamp(1), head.ty, params);
            event.num = EventNum(1);
            event.tid = Tid(i64::from(header.tid));
            event.pid = Pid(i64::from(header.pid));
            state.apply(&event);
        }
    }
}

/// `/etc/passwd` and `/etc/group`.
fn accounts(bytes: &[u8]) {
    for database in [Database::Users, Database::Groups] {
        for account in database.parse(bytes).values() {
            assert!(!account.name.contains(&b'\n') && !account.name.contains(&b':'));
        }
    }
}

/// The lines that name the hierarchies of cgroups.
fn mountinfo(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        for controller in [None, Some("memory"), Some("io")] {
            if let Some(mount) = cgroups::mounted(line, controller) {
                assert!(!mount.contains(' '));
            }
        }
    }
    procfs::fuzzing::mounts(bytes);
}
