//! Reading by a plan, and by several threads, gives what reading everything gives: of captures whose events are any bytes, and
//! of a recorded one with any bytes changed.
//!
//! The first bytes choose what is selected. With the checksums of a changed capture made right, it can claim anything, also in
//! snapshots, which are only read where something is skipped: then threads that have read everything have to find it damaged, too.
//!
//! `.ci/fuzz skip` from the project's root.
#![no_main]

#[path = "../checksums.rs"]
mod checksums;
#[path = "../../tests/common/repeat.rs"]
mod repeat;
#[path = "../../tests/common/skip.rs"]
mod skip;

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use scap::fields::NameScratch;
use scap::filter::{Filter, When};
use scap::replay::{Selection, Split};
use scap::state::State;
use scap::{fields, lanes};
use scap_capture_format::event::{
    EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp,
};
use scap_capture_format::native::{CaptureWriter, Header, WriterOptions};
use scap_capture_format::schema::{EVENTS, EventInfo, ParamType};
use skip::{Bytes, plan, read, read_shared};

const FILTERS: [&str; 16] = [
    "",
    "evt.type = openat",
    "evt.type in (close, dup, clone)",
    "evt.type = execve and proc.name = a",
    "proc.name = ab",
    "proc.name != ab and fd.num > 3",
    "proc.exepath contains b",
    "proc.pid = 1",
    "thread.tid in (2, 3)",
    "fd.name contains a",
    "fd.num = 3 and evt.dir = <",
    "evt.failed = true",
    "proc.pname = a or proc.apid = 1",
    "not fd.name exists",
    "container.id != host",
    "evt.is_io_write = true and fd.typechar = f",
];

/// What is printed of each event: of the event, and of the state.
const FORMAT: &str = "*%evt.num %evt.type %evt.rawtime %evt.reltime %thread.tid %proc.pid %proc.name %proc.exepath \
    %proc.pname %proc.aname[2] %proc.cmdline %proc.cwd %fd.num %fd.name %fd.typechar %user.uid %container.id %evt.failed \
    %evt.args";

const TEXTS: [&str; 8] = ["a", "ab", "/", "/a", "/b/ab", "../a", "", "3"];

/// Most events of a capture that is made: more find nothing new, and are slow.
const MAX_EVENTS: usize = 400;

static RECORDED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/sample.scap");
    let to = std::env::temp_dir().join(format!("scap-fuzz-skip-{}", std::process::id()));
    repeat::repeated(&from, &to, 400, 40, 120).expect("the capture is intact");
    let bytes = std::fs::read(&to).expect("it was written");
    let _gone = std::fs::remove_file(&to);
    bytes
});

/// Numbers from the input, zeros after it.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn up_to(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn selection(&mut self) -> Option<Selection> {
        let filter = FILTERS[self.up_to(FILTERS.len())];
        let mut when = || match self.byte() {
            place @ 0..64 => Some(When::Event(place.into())),
            time @ 64..96 => Some(When::After(u64::from(time - 64) * 1_000)),
            _ => None,
        };
        Some(Selection {
            from: when(),
            to: when(),
            filter: match filter {
                "" => None,
                text => Some(Filter::parse(text).expect("valid")),
            },
        })
    }

    /// Appends a parameter, nearly always of the right length.
    fn param(&mut self, ty: ParamType, out: &mut Vec<u8>) -> u32 {
        use ParamType as P;
        let before = out.len();
        let number = |own: &mut Self, len: usize| {
            // Small numbers are the ids of threads, fds and errors.
            let value = i64::from(own.byte().cast_signed()) >> 2;
            value.to_le_bytes()[..len].to_vec()
        };
        match ty {
            P::CharBuf | P::FsPath | P::FsRelPath => {
                let text = TEXTS[self.up_to(TEXTS.len())];
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
            P::Int8 | P::Uint8 | P::SigType | P::L4Proto | P::SockFamily | P::Flags8 | P::EnumFlags8 => {
                out.extend(number(self, 1));
            }
            P::Int16 | P::Uint16 | P::SyscallId | P::Port | P::Flags16 | P::EnumFlags16 => {
                out.extend(number(self, 2));
            }
            P::Int32 | P::Uint32 | P::Bool | P::Flags32 | P::Uid | P::Gid | P::Mode | P::EnumFlags32
            | P::Ipv4Addr => out.extend(number(self, 4)),
            P::Int64 | P::Uint64 | P::Errno | P::Fd | P::Pid | P::RelTime | P::AbsTime => {
                out.extend(number(self, 8));
            }
            _ => {
                let len = self.up_to(24);
                out.extend((0..len).map(|_| self.byte()));
            }
        }
        (out.len() - before) as u32
    }

    /// Makes a capture.
    fn capture(&mut self) -> Option<Vec<u8>> {
        let (chunk, snapshot) = (1 + self.up_to(20), 1 + self.up_to(60));
        let mut state = State::new();
        let mut scratch = NameScratch::default();
        let mut writer =
            CaptureWriter::new(Vec::new(), &Header::default(), WriterOptions::default()).ok()?;
        let mut time = 1_000_000_u64;
        let (mut lens, mut bytes) = (Vec::new(), Vec::new());
        for number in 0..MAX_EVENTS {
            if self.0.is_empty() {
                break;
            }
            let info: &EventInfo = &EVENTS[usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % EVENTS.len()];
            let (who, about) = (self.byte(), self.byte());
            lens.clear();
            bytes.clear();
            let count = match about & 7 {
                7 => self.up_to(info.params.len() + 2),
                _ => info.params.len(),
            };
            for place in 0..count {
                let ty = info.params.get(place).map_or(ParamType::ByteBuf, |param| param.ty);
                lens.push(self.param(ty, &mut bytes));
            }
            time += u64::from(about >> 4) * 100;
            let event = EventRef {
                num: EventNum(number as u64 + 1),
                ts: Timestamp(if about & 8 == 0 { time } else { 0 }),
                tid: Tid(i64::from(who & 7)),
                pid: Pid(i64::from(who >> 3 & 7)),
                cpu: u16::from(who >> 6),
                ty: info.ty,
                latency: (about & 16 == 0).then_some(u64::from(who)),
                flags: EventFlags::from_bits_truncate(if about & 7 == 6 { who } else { 0 }),
                params: Params::new(&lens, &bytes)?,
            };
            if number % snapshot == 0 && !state.awaits_threads(time) {
                let mut snapshot = state.snapshot();
                snapshot.time = Timestamp(time);
                writer.write_snapshot(&mut snapshot).ok()?;
            } else if number % chunk == 0 {
                writer.flush_chunk().ok()?;
            }
            state.apply(&event);
            let view = state.view(&event);
            let (lanes, waited) = lanes::classify(&event, &view);
            let names = fields::names(&event, &view, &mut scratch);
            writer.push_in_lanes(&event, lanes, waited, names).ok()?;
        }
        writer.finish().ok()
    }

    /// Changes the recorded capture.
    fn changed(&mut self) -> Vec<u8> {
        let mut bytes = RECORDED.clone();
        while !self.0.is_empty() {
            let at = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
            let len = bytes.len();
            bytes[at % len] ^= self.byte();
        }
        bytes
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some(selection) = input.selection() else { return };
    let how = input.byte();
    let threads = 2 + usize::from(how >> 2 & 3);
    let (capture, is_forged) = match how & 3 {
        0 => (Some(input.changed()), false),
        1 => (checksums::right(input.changed()), true),
        _ => (input.capture(), false),
    };
    let Some(capture) = capture else { return };
    let capture = Bytes::from(capture);
    let Some(all) = read(&capture, &selection, FORMAT, None) else { return };
    let planned = plan(&capture, &selection);
    let planned = planned.and_then(|plan| read(&capture, &selection, FORMAT, Some(plan)));
    let [turns, runs] = [Split::Turns, Split::Runs]
        .map(|split| read_shared(&capture, &selection, FORMAT, (threads, split)));
    for (found, what) in [(planned, "plan"), (turns, "turns"), (runs, "runs")] {
        let Some(found) = found else { continue };
        if is_forged {
            // Each chunk is read for its events by one of the threads.
            let has_all = what == "turns" && selection.filter.is_none();
            assert!(!has_all || all.is_damaged == found.is_damaged, "{threads} {selection:?}");
            continue;
        }
        assert!(all.is_damaged || !found.is_damaged, "it is intact");
        if !all.is_damaged || !found.is_damaged {
            let lines = all.lines.lines().zip(found.lines.lines());
            let differ = lines.into_iter().find(|(a, b)| a != b);
            assert_eq!(differ, None, "{what} {threads} {selection:?}");
            assert_eq!(all.lines.len(), found.lines.len(), "{what} {threads} {selection:?}");
        }
    }
});
