//! A small capture of a made-up machine, written with the format's own writer.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests, one of which says what is skipped"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::header::{Header, MachineInfo, SchemaDescription};
use scap_capture_format::native::loss::{Loss, LossCause, LossReport};
use scap_capture_format::native::section::FileTag;
use scap_capture_format::native::snapshot::{
    FdEntry, GroupEntry, SocketEntry, ThreadEntry, UserEntry,
};
use scap_capture_format::native::{CaptureWriter, Snapshot, WriterOptions};
use scap_capture_format::schema::{EventType, types};

/// Returns a file or directory of the extra test data, which is not part of the repository: captures that
/// others recorded, stock rules, the reference tables. `SCAP_TEST_DATA` names its directory; what it lacks
/// is a failure. `None`, and a word on standard error, without it.
pub(crate) fn extra_data(path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("SCAP_TEST_DATA") else {
        eprintln!("skipped: SCAP_TEST_DATA names no directory with {path}");
        return None;
    };
    let path = PathBuf::from(root).join(path);
    assert!(path.exists(), "no {}", path.display());
    Some(path)
}

/// 2023-11-14T22:13:20Z
pub(crate) const START: u64 = 1_700_000_000_000_000_000;

/// One event of the made-up machine.
pub(crate) struct TestEvent {
    pub(crate) at: u64,
    pub(crate) tid: i64,
    pub(crate) pid: i64,
    pub(crate) ty: EventType,
    pub(crate) latency: Option<u64>,
    pub(crate) flags: EventFlags,
    pub(crate) params: Vec<Vec<u8>>,
}

pub(crate) fn event(at: u64, tid: i64, ty: EventType, params: &[&[u8]]) -> TestEvent {
    TestEvent {
        at,
        tid,
        pid: tid,
        ty,
        latency: Some(500),
        flags: EventFlags::empty(),
        params: params.iter().map(|p| p.to_vec()).collect(),
    }
}

pub(crate) fn i64b(v: i64) -> [u8; 8] {
    v.to_le_bytes()
}

pub(crate) fn u32b(v: u32) -> [u8; 4] {
    v.to_le_bytes()
}

pub(crate) fn header() -> Header {
    Header {
        machine: MachineInfo {
            host_name: "web1".into(),
            kernel_release: "6.18.0".into(),
            kernel_version: "#1 SMP".into(),
            arch: "x86_64".into(),
            boot_id: "0f0f".into(),
            os: "Debian GNU/Linux 12".into(),
            cpus: 2,
            memory: 8 << 30,
            boot_time: Timestamp(START - 3_600_000_000_000),
            utc_offset_s: 3600,
            time_zone: "Europe/Berlin".into(),
            ..MachineInfo::default()
        },
        writer: "scap 0.1.0".into(),
        options: vec![("-M".into(), "5".into())],
        snaplen: 80,
        start: Timestamp(START),
        schema: SchemaDescription::full(),
        ..Header::default()
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let mut s = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let comm = s.strings.intern(b"bash");
    let cwd = s.strings.intern(b"/home/alice");
    let tty = s.strings.intern(b"/dev/pts/0");
    let alice = s.strings.intern(b"alice");
    for (tid, pid) in [(100, 100), (101, 100)] {
        s.threads.push(ThreadEntry {
            tid: Tid(tid),
            pid: Pid(pid),
            ptid: Pid(1),
            comm,
            cwd,
            uid: 1000,
            gid: 1000,
            ..ThreadEntry::default()
        });
    }
    s.fds.push(FdEntry {
        owner: Tid(100),
        fd: 0,
        kind: 16,
        name: tty,
        ..FdEntry::default()
    });
    s.fds.push(FdEntry {
        owner: Tid(100),
        fd: 5,
        kind: 3,
        socket: SocketEntry::Inet {
            source: [10, 0, 0, 5],
            dest: [8, 8, 8, 8],
            source_port: 40_000,
            dest_port: 53,
            l4proto: 3,
        },
        ..FdEntry::default()
    });
    s.users.push(UserEntry {
        uid: 1000,
        gid: 1000,
        name: alice,
        ..UserEntry::default()
    });
    s.groups.push(GroupEntry {
        gid: 1000,
        name: alice,
        ..GroupEntry::default()
    });
    s
}

/// What the machine did: a shell reads a file, fails to open another, forks, and is left waiting.
pub(crate) fn story() -> Vec<TestEvent> {
    let generic = |nr: u16, res: i64, args: [u64; 6]| {
        let mut params = vec![vec![0, 0], nr.to_le_bytes().to_vec(), i64b(res).to_vec()];
        params.extend(args.map(|a| a.to_le_bytes().to_vec()));
        params.push(vec![0]);
        params
    };
    let mut events = vec![
        event(
            1000,
            100,
            types::SYSCALL_OPENAT_2_X,
            &[
                &i64b(3),
                &i64b(-100),
                b"notes.txt\0",
                &u32b(4097),
                &u32b(0),
                &u32b(0x801),
                &i64b(42),
            ],
        ),
        event(
            2000,
            101,
            types::SYSCALL_READ_X,
            &[&i64b(6), b"hi\x1b[2J", &i64b(3), &u32b(16)],
        ),
        event(3000, 100, types::SYSCALL_CLOSE_X, &[&i64b(0), &i64b(3)]),
        event(
            4000,
            100,
            types::SYSCALL_OPEN_X,
            &[
                &i64b(-2),
                b"/tmp/\x1b]0;evil\x07\n\xff\0",
                &u32b(1),
                &u32b(0),
                &u32b(0),
                &i64b(0),
            ],
        ),
        event(5000, 100, types::SYSCALL_SETUID_X, &[&i64b(0), &u32b(1000)]),
        event(6000, 999, types::SYSCALL_CLOSE_X, &[&i64b(-9), &i64b(7)]),
    ];
    let mut ftruncate = event(7000, 100, types::GENERIC_X, &[]);
    ftruncate.params = generic(77, 0, [5, 4096, 0, 0, 0, 0]);
    events.push(ftruncate);
    let mut fault = event(8000, 100, types::SYSCALL_STAT_X, &[&i64b(-14), b""]);
    fault.flags = EventFlags::FAULT;
    events.push(fault);
    let mut hidden = event(9000, 100, types::SYSCALL_CHDIR_X, &[&i64b(0), b"/srv\0"]);
    hidden.flags = EventFlags::HIDDEN;
    events.push(hidden);
    let mut flight = event(
        10_000,
        100,
        types::SYSCALL_READ_X,
        &[b"", b"", &i64b(0), &u32b(1)],
    );
    flight.flags = EventFlags::IN_FLIGHT;
    flight.latency = None;
    events.push(flight);
    for e in &mut events {
        e.pid = if e.tid == 101 { 100 } else { e.tid };
    }
    events
}

/// Writes a capture; `finish` says whether the recorder got to its end.
pub(crate) fn write(events: &[TestEvent], chunk: usize, finish: bool) -> Vec<u8> {
    let options = WriterOptions {
        file_tag: Some(FileTag(7)),
        ..WriterOptions::default()
    };
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new(&mut file, &header(), options).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    for events in events.chunks(chunk) {
        for e in events {
            push(&mut writer, e);
        }
        writer.flush_chunk().unwrap();
    }
    let lost = Loss {
        cause: LossCause::RING_FULL,
        cpu: 1,
        count: 12,
        from: Timestamp(START),
        to: Timestamp(START + 5000),
    };
    writer
        .write_loss(&LossReport {
            losses: vec![lost],
            ..LossReport::default()
        })
        .unwrap();
    if finish {
        writer.finish().unwrap();
    }
    file
}

/// Writes one event.
pub(crate) fn push<W: std::io::Write>(writer: &mut CaptureWriter<W>, e: &TestEvent) {
    let lens: Vec<u32> = e.params.iter().map(|p| p.len() as u32).collect();
    let bytes = e.params.concat();
    writer
        .push(&EventRef {
            num: EventNum(0),
            ts: Timestamp(START.wrapping_add(e.at)),
            tid: Tid(e.tid),
            pid: Pid(e.pid),
            cpu: 1,
            ty: e.ty,
            latency: e.latency,
            flags: e.flags,
            params: Params::new(&lens, &bytes).unwrap(),
        })
        .unwrap();
}

/// Runs scap in UTC.
pub(crate) fn scap(args: &[&str], stdin: Option<&[u8]>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
    command
        .args(args)
        .env("TZ", "UTC")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.stdin(if stdin.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command.spawn().unwrap();
    if let Some(bytes) = stdin {
        use std::io::Write as _;
        // A program that stops reading early closes its end.
        let _closed = child.stdin.take().unwrap().write_all(bytes);
    }
    child.wait_with_output().unwrap()
}

/// Standard output, standard error and the exit code, as a user sees them.
pub(crate) fn seen(output: &Output) -> (String, String, i32) {
    (
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
        output.status.code().unwrap(),
    )
}

/// Puts bytes into a file of a temporary directory.
pub(crate) fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns everything that is in a file: its bytes, and what is in each of its compressed frames.
pub(crate) fn raw(file: &[u8]) -> Vec<u8> {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let mut all = file.to_vec();
    for at in 0..file.len() {
        let rest = &file[at..];
        if rest.starts_with(&FRAME)
            && let Ok(decoder) = zstd::stream::read::Decoder::with_buffer(rest)
        {
            let frame = &mut decoder.single_frame();
            // What only looks like a frame ends in an error.
            let _end = std::io::Read::read_to_end(frame, &mut all);
        }
    }
    all
}

/// Whether bytes are in others.
pub(crate) fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}
