//! Builds files byte by byte, without the crate's writer.

use std::io::Write as _;

pub(crate) const EV_V1: u32 = 0x204;
pub(crate) const EV_V2: u32 = 0x216;
pub(crate) const EVF_V1: u32 = 0x208;
pub(crate) const EVF_V2: u32 = 0x217;

pub(crate) fn le64(v: u64) -> [u8; 8] {
    v.to_le_bytes()
}

pub(crate) fn str16(s: &[u8]) -> Vec<u8> {
    [&(s.len() as u16).to_le_bytes(), s].concat()
}

pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let pad = body.len().next_multiple_of(4) - body.len();
    let total = (12 + body.len() + pad) as u32;
    let mut out = kind.to_le_bytes().to_vec();
    out.extend(total.to_le_bytes());
    out.extend(body);
    out.extend(vec![0; pad]);
    out.extend(total.to_le_bytes());
    out
}

/// A section header with these bytes of options.
pub(crate) fn section(minor: u16, options: &[u8]) -> Vec<u8> {
    let mut body = 0x1A2B_3C4Du32.to_le_bytes().to_vec();
    body.extend(1u16.to_le_bytes());
    body.extend(minor.to_le_bytes());
    body.extend([0xff; 8]);
    body.extend(options);
    block(0x0A0D_0D0A, &body)
}

pub(crate) fn machine(kind: u32) -> Vec<u8> {
    let mut body = 4u32.to_le_bytes().to_vec();
    body.extend(le64(8 << 30));
    body.extend(le64(32768));
    let mut name = b"web-1".to_vec();
    name.resize(128, 0);
    body.extend(name);
    body.extend(le64(1_000_000));
    body.extend([0; 24]);
    assert_eq!(body.len(), 180);
    block(kind, &body)
}

/// One entry of a list of threads, with this tail if the list is of version 9.
pub(crate) fn thread(version: u8, tid: u64, tail: &[u8]) -> Vec<u8> {
    let mut e = Vec::new();
    for v in [tid, tid, 1] {
        e.extend(le64(v));
    }
    if version >= 6 {
        e.extend(le64(77));
    }
    if version >= 8 {
        e.extend(le64(78));
    }
    e.extend(str16(b"bash"));
    e.extend(str16(b"-bash"));
    if version >= 7 {
        e.extend(str16(b"/bin/bash"));
    }
    // The last NUL is missing, as in some files.
    e.extend(str16(b"-c\0ls"));
    e.extend(str16(b"/root"));
    e.extend(le64(1024));
    for v in [5u32, 1000, 1001] {
        e.extend(v.to_le_bytes());
    }
    if version >= 2 {
        for v in [11u32, 12, 13] {
            e.extend(v.to_le_bytes());
        }
        e.extend(le64(14));
        e.extend(le64(15));
    }
    if version >= 3 {
        e.extend(str16(b"A=1\0B=2\0"));
    }
    if version >= 4 {
        e.extend(le64(2));
        e.extend(le64(3));
        e.extend(str16(b"cpu=/\0"));
    }
    if version >= 5 {
        e.extend(str16(b"/srv"));
    }
    if version >= 9 {
        e.extend(tail);
        let len = (e.len() + 4) as u32;
        e = [&len.to_le_bytes(), e.as_slice()].concat();
    }
    e
}

/// The whole tail of libs 0.10 and later, and more that is not known yet.
pub(crate) fn full_tail() -> Vec<u8> {
    let mut t = le64(3_000_000).to_vec();
    t.extend(0x8801u32.to_le_bytes());
    t.extend(old_tail());
    t.push(1);
    for v in [21, 22, 23] {
        t.extend(le64(v));
    }
    t.extend([1, 0]);
    t.extend(le64(99));
    t
}

/// The whole tail before libs 0.10.
pub(crate) fn old_tail() -> Vec<u8> {
    let mut t = 500u32.to_le_bytes().to_vec();
    t.push(1);
    for v in [7, 8, 9] {
        t.extend(le64(v));
    }
    t
}

/// One entry of a list of fds: number, kind, and what is particular to the kind.
pub(crate) fn fd(lengths: bool, fd: u64, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut e = le64(fd).to_vec();
    e.extend(le64(1000 + fd));
    e.push(kind);
    e.extend(rest);
    if lengths {
        let len = (e.len() + 4) as u32;
        e = [&len.to_le_bytes(), e.as_slice()].concat();
    }
    e
}

pub(crate) fn fds(kind: u32, tid: u64, entries: &[Vec<u8>]) -> Vec<u8> {
    block(kind, &[le64(tid).to_vec(), entries.concat()].concat())
}

pub(crate) fn user(lengths: bool) -> Vec<u8> {
    let mut e = vec![0];
    e.extend(1000u32.to_le_bytes());
    e.extend(1001u32.to_le_bytes());
    for s in [&b"alice"[..], b"/home/alice", b"/bin/sh"] {
        e.extend(str16(s));
    }
    prefixed(lengths, 4, e)
}

pub(crate) fn group(lengths: bool) -> Vec<u8> {
    let mut e = vec![1];
    e.extend(1001u32.to_le_bytes());
    e.extend(str16(b"staff"));
    prefixed(lengths, 4, e)
}

pub(crate) fn interface(lengths: bool, kind: u16) -> Vec<u8> {
    let size = if kind % 2 == 1 { 4 } else { 16 };
    let mut e = kind.to_le_bytes().to_vec();
    e.extend(4u16.to_le_bytes());
    for v in [10, 255, 11] {
        e.extend(vec![v; size]);
    }
    if kind < 3 {
        e.extend(le64(1_000_000));
    }
    e.extend(b"eth0");
    prefixed(lengths, 0, e)
}

fn prefixed(lengths: bool, itself: u32, e: Vec<u8>) -> Vec<u8> {
    if lengths {
        [&(e.len() as u32 + itself).to_le_bytes(), e.as_slice()].concat()
    } else {
        e
    }
}

/// An event's block. Large lengths and v1 as the block and the type demand.
pub(crate) fn event(
    kind: u32,
    flags: Option<u32>,
    ts: u64,
    tid: u64,
    ty: u16,
    params: &[&[u8]],
) -> Vec<u8> {
    let large = matches!(ty, 322 | 324 | 402);
    let counted = !matches!(kind, EV_V1 | EVF_V1 | 0x8010_ABCD);
    let mut lens = Vec::new();
    for p in params {
        if large {
            lens.extend((p.len() as u32).to_le_bytes());
        } else {
            lens.extend((p.len() as u16).to_le_bytes());
        }
    }
    let head = if counted { 26 } else { 22 };
    let values = params.concat();
    let len = (head + lens.len() + values.len()) as u32;
    let mut body = 3u16.to_le_bytes().to_vec();
    if let Some(flags) = flags {
        body.extend(flags.to_le_bytes());
    }
    body.extend(le64(ts));
    body.extend(le64(tid));
    body.extend(len.to_le_bytes());
    body.extend(ty.to_le_bytes());
    if counted {
        body.extend((params.len() as u32).to_le_bytes());
    }
    body.extend(lens);
    body.extend(values);
    block(kind, &body)
}

/// A pair `read > fd, size`, `read < res, data`.
pub(crate) fn read_pair(ts: u64, data: &[u8]) -> Vec<u8> {
    let enter = event(EV_V2, None, ts, 42, 6, &[&le64(3), &100u32.to_le_bytes()]);
    let res = le64(data.len() as u64);
    [enter, event(EV_V2, None, ts + 5, 42, 7, &[&res, data])].concat()
}

/// About 5 KiB with a bit of everything.
pub(crate) fn sample() -> Vec<u8> {
    let mut file = section(2, b"");
    file.extend(machine(0x201));
    file.extend(block(
        0x219,
        &[interface(true, 1), interface(true, 2)].concat(),
    ));
    file.extend(block(0x220, &[user(true), group(true)].concat()));
    file.extend(block(
        0x215,
        &[thread(9, 42, &full_tail()), thread(9, 43, &old_tail())].concat(),
    ));
    let file16 = [
        &1u32.to_le_bytes(),
        str16(b"/etc/passwd").as_slice(),
        &[1, 8, 0, 0],
    ]
    .concat();
    file.extend(fds(
        0x218,
        42,
        &[
            fd(true, 3, 16, &file16),
            fd(true, 4, 5, &[1, 2, 3, 4, 80, 0, 2]),
        ],
    ));
    for i in 0..20 {
        file.extend(read_pair(1000 + 100 * i, b"0123456789"));
        file.extend(event(
            EVF_V2,
            Some(1),
            1050 + 100 * i,
            43,
            307,
            &[&le64(5), b"", b"/x\0"],
        ));
        file.extend(event(0x221, None, 1060 + 100 * i, 43, 324, &[b"{}\0"]));
    }
    file
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}
