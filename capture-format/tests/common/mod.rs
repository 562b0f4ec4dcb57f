//! Captures for tests, and a text form of what a capture holds.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics fails"
)]

use std::fmt::Write as _;
use std::io::Cursor;

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::section::FileTag;
use scap_capture_format::native::snapshot::{FdEntry, SocketEntry, ThreadEntry};
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Header, Item, Load, Loss, LossCause, LossReport,
    MachineInfo, SchemaDescription, Snapshot, WriterOptions,
};
use scap_capture_format::schema::{EventType, event_info, types};

/// 2026-01-01T00:00:00Z.
pub(crate) const T0: u64 = 1_767_225_600_000_000_000;

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) ts: u64,
    pub(crate) tid: i64,
    pub(crate) pid: i64,
    pub(crate) cpu: u16,
    pub(crate) ty: u16,
    pub(crate) latency: Option<u64>,
    pub(crate) flags: u8,
    pub(crate) params: Vec<Vec<u8>>,
}

impl Owned {
    pub(crate) fn new(
        ts: u64,
        tid: i64,
        ty: EventType,
        latency: Option<u64>,
        params: &[&[u8]],
    ) -> Self {
        let params = params.iter().map(|p| p.to_vec()).collect();
        Self {
            ts,
            tid,
            pid: tid,
            cpu: 0,
            ty: ty.0,
            latency,
            flags: 0,
            params,
        }
    }

    pub(crate) fn of(e: &EventRef<'_>) -> Self {
        let params = e.params.iter().map(|p| p.unwrap_or(&[]).to_vec()).collect();
        Self {
            ts: e.ts.0,
            tid: e.tid.0,
            pid: e.pid.0,
            cpu: e.cpu,
            ty: e.ty.0,
            latency: e.latency,
            flags: e.flags.bits(),
            params,
        }
    }

    /// Lends the event to `f`.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&EventRef<'_>) -> T) -> T {
        let lens: Vec<u32> = self.params.iter().map(|p| p.len() as u32).collect();
        let bytes = self.params.concat();
        f(&EventRef {
            num: EventNum(0),
            ts: Timestamp(self.ts),
            tid: Tid(self.tid),
            pid: Pid(self.pid),
            cpu: self.cpu,
            ty: EventType(self.ty),
            latency: self.latency,
            flags: EventFlags::from_bits_retain(self.flags),
            params: Params::new(&lens, &bytes).unwrap(),
        })
    }
}

pub(crate) fn options() -> WriterOptions {
    WriterOptions {
        file_tag: Some(FileTag(0x5eed_5eed)),
        ..WriterOptions::default()
    }
}

pub(crate) fn header() -> Header {
    Header {
        machine: MachineInfo {
            host_name: "web-1".into(),
            kernel_release: "6.12.0".into(),
            arch: "x86_64".into(),
            cpus: 2,
            memory: 1 << 30,
            boot_time: Timestamp(T0 - 3_600_000_000_000),
            page_size: 4096,
            hz: 100,
            ..MachineInfo::default()
        },
        writer: "scap test".into(),
        options: vec![("-s".into(), "80".into())],
        snaplen: 80,
        start: Timestamp(T0),
        schema: SchemaDescription::of_events(
            [types::SYSCALL_OPENAT_2_X, types::SYSCALL_READ_X]
                .iter()
                .filter_map(|t| event_info(*t)),
        ),
        extra: Vec::new(),
    }
}

/// A few events of different shapes.
pub(crate) fn events() -> Vec<Owned> {
    let le = i64::to_le_bytes;
    let openat = |ts, tid, fd: i64, name: &[u8]| {
        Owned::new(
            ts,
            tid,
            types::SYSCALL_OPENAT_2_X,
            Some(1500),
            &[
                &le(fd),
                &le(-100),
                name,
                &1u32.to_le_bytes(),
                &[0; 4],
                &[1, 8, 0, 0],
                &le(77),
            ],
        )
    };
    let read = |ts, tid, res: i64, data: &[u8]| {
        Owned::new(
            ts,
            tid,
            types::SYSCALL_READ_X,
            Some(300),
            &[&le(res), data, &le(3), &64u32.to_le_bytes()],
        )
    };
    let mut list = vec![
        openat(T0 + 1000, 10, 3, b"/etc/passwd\0"),
        read(T0 + 2100, 10, 5, b"root:"),
        read(T0 + 3000, 11, -11, b""),
        openat(T0 + 2900, 11, -2, b"/nope\0"),
        Owned::new(T0 + 4000, 10, types::PROCEXIT_1_E, None, &[&le(0)]),
        // A type and parameters that nobody knows yet.
        Owned::new(
            T0 + 9_000_000_000,
            -1,
            EventType(60_000),
            Some(u64::MAX),
            &[b"?", b"", b"future"],
        ),
    ];
    list[3].flags = (EventFlags::HIDDEN | EventFlags::FAULT).bits();
    list[4].cpu = 300;
    list[4].pid = 9;
    list
}

pub(crate) fn snapshot() -> Snapshot {
    let mut s = Snapshot {
        time: Timestamp(T0),
        ..Snapshot::default()
    };
    let comm = s.strings.intern(b"bash");
    let exepath = s.strings.intern(b"/usr/bin/bash");
    let name = s.strings.intern(b"/etc/passwd");
    for tid in [10, 11] {
        s.threads.push(ThreadEntry {
            tid: Tid(tid),
            pid: Pid(10),
            ptid: Pid(1),
            comm,
            exe: comm,
            exepath,
            fdlimit: 1024,
            ..ThreadEntry::default()
        });
    }
    s.fds.push(FdEntry {
        owner: Tid(10),
        fd: 3,
        kind: 16,
        inode: 77,
        name,
        ..FdEntry::default()
    });
    s.fds.push(FdEntry {
        owner: Tid(10),
        fd: 4,
        kind: 3,
        socket: SocketEntry::Inet {
            source: [127, 0, 0, 1],
            dest: [127, 0, 0, 1],
            source_port: 4000,
            dest_port: 80,
            l4proto: 2,
        },
        ..FdEntry::default()
    });
    s
}

pub(crate) fn loss() -> LossReport {
    let loss = Loss {
        cause: LossCause::RING_FULL,
        cpu: 1,
        count: 17,
        from: Timestamp(T0 + 1500),
        to: Timestamp(T0 + 2500),
    };
    LossReport {
        losses: vec![loss],
        faults: 1,
        extra: Vec::new(),
    }
}

/// A capture with every kind of section, three chunks, two snapshots.
pub(crate) fn small_file() -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    for round in 0..3 {
        for mut event in events() {
            event.ts += round * 10_000_000_000;
            event.with(|e| writer.push(e)).unwrap();
        }
        if round == 0 {
            writer.write_loss(&loss()).unwrap();
        }
        writer.flush_chunk().unwrap();
        if round == 1 {
            writer.write_snapshot(&mut snapshot()).unwrap();
        }
    }
    writer.finish().unwrap()
}

/// Reads everything from front to back: events, and the text form of the whole.
pub(crate) fn read_all(bytes: &[u8]) -> scap_capture_format::Result<(Vec<Owned>, String)> {
    let mut reader = CaptureReader::new(Cursor::new(bytes))?;
    let mut text = String::new();
    let mut list = Vec::new();
    let mut decoder = ChunkDecoder::new();
    let h = reader.header();
    writeln!(
        text,
        "header {:?} {:?} {:?} snaplen {}",
        h.machine, h.writer, h.options, h.snaplen
    )
    .unwrap();
    for e in &h.schema.events {
        let params: Vec<_> = e
            .params
            .iter()
            .map(|p| format!("{}:{}", p.name, p.ty))
            .collect();
        writeln!(text, "  type {} {} {}", e.ty.0, e.name, params.join(" ")).unwrap();
    }
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Chunk(chunk) => {
                let s = chunk.summary();
                writeln!(
                    text,
                    "chunk from event {} at {}..{}: {} events, {} failed, {} hidden, {} lost, types {:?}, threads {:?}",
                    s.first_event.0, s.min_time.0, s.max_time.0, s.events, s.failed, s.hidden, s.lost,
                    s.types.iter().map(|t| (t.0.0, t.1)).collect::<Vec<_>>(), s.threads
                )
                .unwrap();
                let mut rows = match chunk.decode(&mut decoder, Load::ALL) {
                    Ok(rows) => rows,
                    Err(error) => {
                        writeln!(text, "  {error}").unwrap();
                        continue;
                    }
                };
                loop {
                    match rows.next() {
                        Ok(Some(e)) => {
                            let owned = Owned::of(&e);
                            writeln!(
                                text,
                                "  {} {} {}/{} cpu {} type {} latency {:?} flags {} {:?}",
                                e.num.0,
                                owned.ts,
                                owned.tid,
                                owned.pid,
                                owned.cpu,
                                owned.ty,
                                owned.latency,
                                owned.flags,
                                owned
                                    .params
                                    .iter()
                                    .map(|p| p.escape_ascii().to_string())
                                    .collect::<Vec<_>>()
                            )
                            .unwrap();
                            list.push(owned);
                        }
                        Ok(None) => break,
                        Err(error) => {
                            writeln!(text, "  {error}").unwrap();
                            break;
                        }
                    }
                }
            }
            Item::Snapshot(s) => {
                writeln!(
                    text,
                    "snapshot at {} before event {}",
                    s.time.0, s.next_event.0
                )
                .unwrap();
                for t in &s.threads {
                    let name = s.string(t.comm).escape_ascii();
                    writeln!(
                        text,
                        "  thread {}/{} {name} of {}",
                        t.tid.0, t.pid.0, t.ptid.0
                    )
                    .unwrap();
                }
                for f in &s.fds {
                    let name = s.string(f.name).escape_ascii();
                    writeln!(
                        text,
                        "  fd {} {} kind {} {name} {:?}",
                        f.owner.0, f.fd, f.kind, f.socket
                    )
                    .unwrap();
                }
            }
            Item::Loss(report) => {
                writeln!(text, "loss {:?} faults {}", report.losses, report.faults).unwrap();
            }
            Item::Index(index) => {
                writeln!(
                    text,
                    "index of {} chunks, {} events, {} lost",
                    index.chunks.len(),
                    index.events(),
                    index.lost
                )
                .unwrap();
            }
            Item::Footer => writeln!(text, "end").unwrap(),
            other => writeln!(text, "{other:?}").unwrap(),
        }
    }
    for damage in reader.damages().list() {
        writeln!(text, "damage at {}: {}", damage.offset, damage.what).unwrap();
    }
    Ok((list, text))
}
