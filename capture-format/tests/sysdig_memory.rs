//! Hostile .scap files cannot make a reader take memory beyond the caps.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics fails, and tells numbers"
)]

mod counting;

use std::io::{self, Read, Write as _};

use scap_capture_format::limits;
use scap_capture_format::native::snapshot::FdEntry;
use scap_capture_format::sysdig::{Converter, Item, SysdigReader};

/// The most memory that reading holds at a time, in bytes; threads and fds of the first section; events.
fn read(input: impl Read) -> (usize, usize, usize, u64) {
    let ((threads, fds, events), most) = counting::peak(|| {
        let (mut threads, mut fds, mut events) = (0, 0, 0);
        let mut reader = SysdigReader::new(input).unwrap();
        let mut converter = Converter::new();
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Metadata(s, _) => (threads, fds) = (s.threads.len(), s.fds.len()),
                Item::Event(event) => {
                    converter.convert(&event);
                    events = event.num.0;
                }
            }
        }
        (threads, fds, events)
    });
    println!(
        "{} KiB, {threads} threads, {fds} fds, {events} events",
        most >> 10
    );
    (most, threads, fds, events)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let total = (12 + body.len().next_multiple_of(4)) as u32;
    let mut out = [kind.to_le_bytes(), total.to_le_bytes()].concat();
    out.extend(body);
    out.resize(total as usize - 4, 0);
    out.extend(total.to_le_bytes());
    out
}

fn section() -> Vec<u8> {
    let mut body = 0x1A2B_3C4Du32.to_le_bytes().to_vec();
    body.extend([1, 0, 2, 0]);
    body.extend([0xff; 8]);
    block(0x0A0D_0D0A, &body)
}

fn thread(tid: u64, parent: u64, env: &[u8]) -> Vec<u8> {
    let mut e = Vec::new();
    for v in [tid, tid, parent, 0, 0] {
        e.extend(v.to_le_bytes());
    }
    for _ in 0..5 {
        e.extend([0; 2]);
    }
    e.extend([0; 8 + 12 + 12 + 16]);
    e.extend((env.len() as u16).to_le_bytes());
    e.extend(env);
    e.extend([0; 16 + 2 + 2]);
    [&(e.len() as u32 + 4).to_le_bytes(), e.as_slice()].concat()
}

fn fd(fd: u64) -> Vec<u8> {
    [&21u32.to_le_bytes()[..], &fd.to_le_bytes(), &[0; 9]].concat()
}

fn event(tid: u64, ty: u16, params: &[&[u8]]) -> Vec<u8> {
    let values = params.concat();
    let len = (26 + 2 * params.len() + values.len()) as u32;
    let mut body = vec![0, 0];
    body.extend([0; 8]);
    body.extend(tid.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(ty.to_le_bytes());
    body.extend((params.len() as u32).to_le_bytes());
    for p in params {
        body.extend((p.len() as u16).to_le_bytes());
    }
    body.extend(values);
    block(0x216, &body)
}

/// Makes a file while it is read.
struct Stream<F> {
    next: F,
    part: io::Cursor<Vec<u8>>,
}

impl<F: FnMut() -> Option<Vec<u8>>> Read for Stream<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.part.read(out)?;
            if n > 0 {
                return Ok(n);
            }
            match (self.next)() {
                None => return Ok(0),
                Some(part) => self.part = io::Cursor::new(part),
            }
        }
    }
}

/// A file of so many parts, and an event.
fn stream(mut parts: u64, mut part: impl FnMut(u64) -> Vec<u8>) -> impl Read {
    let mut end = Some(event(1, 5, &[&[0; 8]]));
    let next = move || {
        if parts == 0 {
            return end.take();
        }
        parts -= 1;
        Some(part(parts))
    };
    Stream {
        next,
        part: io::Cursor::new(section()),
    }
}

// One test: the counter is for the whole process.
#[test]
fn memory_is_bounded() {
    const MIB: usize = 1 << 20;

    // Nothing is taken for what is only claimed.
    for kind in [0x215u32, 0x218, 0x219, 0x220, 0x216, 0x221, 0x201, 0x777] {
        for len in [100u32, 1 << 20, 16 << 20, u32::MAX] {
            let mut file = section();
            file.extend(kind.to_le_bytes());
            file.extend(len.to_le_bytes());
            file.extend([0xff; 64]);
            let (most, ..) = read(file.as_slice());
            assert!(most < 3 * MIB, "{kind:x} {len}: {most}");
        }
    }

    // A million threads, each the other's parent, and more than are kept.
    let most_threads = limits::LIST_THREADS as u64;
    let (most, threads, _, events) = read(stream(most_threads + 1000, |i| {
        block(0x215, &thread(i, (i + 1) % most_threads, b"A=1\0"))
    }));
    assert_eq!((threads, events), (limits::LIST_THREADS, 1));
    // The vector is copied when it grows.
    assert!(most < 512 * MIB, "{} MiB", most / MIB);

    // Text without end.
    let (most, threads, _, events) = read(stream(20_000, |i| {
        let mut text = vec![b'x'; 30_000];
        text[..8].copy_from_slice(&i.to_le_bytes());
        block(0x215, &thread(i, i, &text))
    }));
    assert!(threads < 19_000);
    assert_eq!(events, 1);
    assert!(
        most < limits::LIST_STRING_BYTES + 64 * MIB,
        "{} MiB",
        most / MIB
    );

    // Fds, from a few KiB of gzip.
    let mut list = 1u64.to_le_bytes().to_vec();
    for i in 0..10_000 {
        list.extend(fd(i));
    }
    let list = block(0x218, &list);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&section()).unwrap();
    for _ in 0..limits::LIST_FDS / 10_000 + 10 {
        bomb.write_all(&list).unwrap();
    }
    bomb.write_all(&event(1, 5, &[&[0; 8]])).unwrap();
    let bomb = bomb.finish().unwrap();
    let (most, _, fds, events) = read(bomb.as_slice());
    assert_eq!((fds, events), (limits::LIST_FDS, 1));
    // The vector doubles: while it is copied for the last time there are one and a half.
    let list = limits::LIST_FDS * size_of::<FdEntry>();
    assert!(list <= 320 * MIB, "{} MiB", list / MIB);
    assert!(most < list / 2 * 3 + 4 * MIB, "{} MiB", most / MIB);

    // Enter events of threads without end, small and large ones.
    let (most, _, _, events) = read(stream(600_000, |i| event(i, 6, &[&[0; 8], &[0; 4]])));
    assert_eq!(events, 600_001);
    assert!(most < 128 * MIB, "{} MiB", most / MIB);
    let path = vec![b'x'; 60_000];
    let (most, ..) = read(stream(20_000, |i| event(i, 102, &[&[0; 8], &path])));
    assert!(
        most < limits::CONVERT_BYTES + 32 * MIB,
        "{} MiB",
        most / MIB
    );
}
