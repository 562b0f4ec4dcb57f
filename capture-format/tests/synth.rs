//! A capture laid out by hand, without the crate's writer, so that a change of the bytes cannot go
//! unnoticed: it must equal what the writer makes, and is the worked example of the specification.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use common::{Owned, read_all};
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::section::FileTag;
use scap_capture_format::native::{CaptureWriter, Header, MachineInfo, WriterOptions};
use scap_capture_format::schema::types;

const T: u64 = 1_700_000_000_000_000_000;

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            c >> 1 ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// Bytes with the reason for each group of them.
#[derive(Default)]
struct Hand(Vec<(Vec<u8>, String)>);

impl Hand {
    fn raw(&mut self, bytes: &[u8], why: &str) -> &mut Self {
        self.0.push((bytes.to_vec(), why.to_owned()));
        self
    }

    /// bincode's unsigned integers: below 251 one byte, else 251, 252, 253 and 2, 4, 8 bytes.
    fn int(&mut self, value: u64, why: &str) -> &mut Self {
        let le = value.to_le_bytes();
        let bytes = match value {
            0..251 => vec![le[0]],
            251..0x1_0000 => [&[251], &le[..2]].concat(),
            0x1_0000..0x1_0000_0000 => [&[252], &le[..4]].concat(),
            _ => [&[253], &le[..]].concat(),
        };
        self.raw(&bytes, why)
    }

    fn ints(&mut self, values: &[u64], why: &str) -> &mut Self {
        let mut all = Self::default();
        values.iter().for_each(|v| {
            all.int(*v, "");
        });
        self.raw(&all.bytes(), why)
    }

    fn string(&mut self, text: &str, why: &str) -> &mut Self {
        let mut bytes = vec![u8::try_from(text.len()).unwrap()];
        bytes.extend(text.as_bytes());
        self.raw(&bytes, why)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|p| p.0.clone()).collect()
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|p| p.0.len() as u64).sum()
    }

    fn section(
        &mut self,
        name: &str,
        kind: u16,
        flags: u16,
        sequence: u32,
        body: Self,
    ) -> &mut Self {
        let content = body.bytes();
        let mut header = vec![0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83];
        self.raw(&header, &format!("{name} section: marker"));
        header.extend(kind.to_le_bytes());
        header.extend(flags.to_le_bytes());
        header.extend(sequence.to_le_bytes());
        header.extend((content.len() as u64).to_le_bytes());
        header.extend(crc32(&content).to_le_bytes());
        self.raw(
            &header[8..16],
            &format!("kind {kind}, flags {flags}, sequence number {sequence}"),
        );
        self.raw(&header[16..24], &format!("body of {} bytes", content.len()));
        self.raw(&header[24..], "CRC-32 of the body");
        let crc = crc32(&[&0x2167_6174u32.to_le_bytes()[..], &header].concat());
        self.raw(
            &crc.to_le_bytes(),
            "CRC-32 of the file tag and the 28 bytes before",
        );
        self.0.extend(body.0);
        self
    }

    fn metadata(value: Self) -> Self {
        let mut body = Self::default();
        body.raw(&[0], "metadata, not compressed");
        body.raw(
            &u32::try_from(value.len()).unwrap().to_le_bytes(),
            &format!("{} bytes", value.len()),
        );
        body.0.extend(value.0);
        body
    }
}

fn header_by_hand() -> Hand {
    let mut h = Hand::default();
    h.string("web", "machine: host name");
    for (text, why) in [
        ("6.12", "kernel release"),
        ("", "kernel version"),
        ("x86_64", "architecture"),
        ("", "boot id"),
        ("", "distribution"),
    ] {
        h.string(text, why);
    }
    h.int(2, "CPUs")
        .int(1 << 30, "memory in bytes")
        .int(T - 1_000_000_000, "boot time");
    h.ints(&[0, 0], "boot and monotonic clock to real time");
    h.int(7200, "UTC offset in seconds, zigzag of 3600")
        .string("", "time zone");
    h.ints(&[4096, 100], "page size; clock ticks per second")
        .int(0, "machine: extra");
    h.string("scap", "writer");
    h.int(1, "one option")
        .string("-s", "its name")
        .string("80", "its value");
    h.int(80, "snaplen").int(T, "start");
    h.ints(
        &[0, 0, 0, 0, 0],
        "schema: no events, flag tables, dynamic tables, syscalls, extra",
    );
    h.int(0, "extra");
    h
}

fn summary_by_hand(h: &mut Hand) {
    h.int(T, "summary: earliest time")
        .int(T + 1000, "latest time");
    h.int(1, "number of the first event").int(2, "events");
    h.ints(&[2, 5, 1, 7, 1], "two types: 5 (close) once, 7 (read) once");
    h.ints(
        &[0, 1, 14, 14],
        "threads: exact, one: tid 7, pid 7 (zigzag)",
    );
    h.int(0, "no containers")
        .ints(&[0, 0, 0], "failed, hidden, lost");
    h.ints(
        &[33, 33, 37, 37, 2, 2],
        "bytes of columns, parameters, I/O data: stored, raw",
    );
    h.int(0, "extra");
}

fn head_by_hand() -> Hand {
    let mut h = Hand::default();
    summary_by_hand(&mut h);
    h.int(T, "base time");
    h.int(7, "seven frames: codec (0 = stored), raw and stored length");
    h.ints(&[0, 25, 25], "0: five columns");
    h.ints(
        &[0, 2, 2, 0, 2, 2, 0, 2, 2, 0, 2, 2],
        "1 to 4: a column each",
    );
    h.ints(&[0, 37, 37], "5: parameters")
        .ints(&[0, 2, 2], "6: I/O data");
    h.int(12, "twelve streams: class, id, frame, raw length");
    h.ints(&[0, 0, 0, 17], "row kinds")
        .ints(&[0, 1, 0, 2], "threads");
    h.ints(
        &[0, 2, 0, 2, 0, 3, 0, 2, 0, 4, 0, 2],
        "kind, thread, CPU of each row",
    );
    h.ints(&[0, 5, 1, 2, 0, 6, 2, 2], "times: low bytes, high parts");
    h.ints(
        &[0, 7, 3, 2, 0, 8, 4, 2],
        "latencies: low bytes, high parts",
    );
    h.ints(&[1, 5, 5, 16], "parameters of type 5")
        .ints(&[1, 7, 5, 21], "parameters of type 7");
    h.ints(&[2, 0, 6, 2], "I/O data");
    h
}

fn chunk_by_hand() -> Hand {
    let head = head_by_hand();
    let mut c = Hand::default();
    c.raw(
        &u32::try_from(head.len()).unwrap().to_le_bytes(),
        &format!("head of {} bytes", head.len()),
    );
    c.raw(&crc32(&head.bytes()).to_le_bytes(), "CRC-32 of the head");
    c.0.extend(head.0);
    c.raw(&[2], "row kinds: two");
    c.raw(
        &[5, 0x80, 2, 0, 2, 9, 9],
        "type 5, has latency, no I/O data, 2 parameters of 8 and 8 bytes",
    );
    c.raw(
        &[7, 0x80, 2, 2, 4, 9, 0, 9, 5],
        "type 7, I/O data is parameter 1; 8, varies, 8, 4 bytes",
    );
    c.raw(&[14, 14], "threads: tid 7, pid 7 (zigzag)");
    c.raw(&[0, 1], "kind of each row")
        .raw(&[0, 0], "thread of each row")
        .raw(&[1, 1], "CPU of each row");
    c.raw(
        &[0x01, 0x40],
        "times, low: 0 as delta (bit 0 set); 1000 - 200 = 800 after the latency",
    );
    c.raw(&[0, 6], "times, high: 800 >> 7");
    c.raw(&[0x2c, 0xc8], "latencies, low: 300, 200")
        .raw(&[1, 0], "latencies, high");
    c.raw(&[0, 0, 0, 0, 0, 0, 0, 0], "close: res 0")
        .raw(&[3, 0, 0, 0, 0, 0, 0, 0], "fd 3");
    c.raw(&[2], "read: length of parameter 1")
        .raw(&[2, 0, 0, 0, 0, 0, 0, 0], "res 2");
    c.raw(&[3, 0, 0, 0, 0, 0, 0, 0], "fd 3")
        .raw(&[64, 0, 0, 0], "size 64");
    c.raw(b"hi", "I/O data of the read");
    c
}

/// The whole file: header, a chunk with a close and a read, index, footer.
fn tiny_by_hand() -> Hand {
    let mut f = Hand::default();
    f.raw(b"\x89SCAP\r\n\x1a", "magic")
        .raw(&[1, 0, 0, 0], "version 1");
    f.raw(b"tag!", "file tag");
    let header = Hand::metadata(header_by_hand());
    let header_len = header.len();
    f.section("header", 1, 1, 0, header);
    let chunk_at = f.len();
    let chunk = chunk_by_hand();
    let chunk_len = chunk.len();
    f.section("chunk", 3, 1, 1, chunk);
    let mut index = Hand::default();
    index
        .int(1, "one chunk")
        .int(chunk_at, "its offset")
        .int(chunk_len, "length of its body");
    summary_by_hand(&mut index);
    index.int(0, "no snapshots");
    index
        .int(1, "one other section")
        .ints(&[1, 16, header_len], "kind 1, offset, length of its body");
    index.int(0, "events lost").int(0, "extra");
    let index_at = f.len();
    f.section("index", 5, 0, 2, Hand::metadata(index));
    let index_len = f.len() - index_at;
    let mut footer = Hand::default();
    footer.raw(&index_at.to_le_bytes(), "offset of the index section");
    footer.raw(&index_len.to_le_bytes(), "its length with its header");
    f.section("footer", 6, 0, 3, footer);
    f
}

fn events() -> [Owned; 2] {
    let (zero, two, three) = (0i64.to_le_bytes(), 2i64.to_le_bytes(), 3i64.to_le_bytes());
    let close = Owned::new(T, 7, types::SYSCALL_CLOSE_X, Some(300), &[&zero, &three]);
    let read = [&two[..], b"hi", &three, &64u32.to_le_bytes()];
    let read = Owned::new(T + 1000, 7, types::SYSCALL_READ_X, Some(200), &read);
    [close, read].map(|e| Owned { cpu: 1, ..e })
}

fn tiny_by_writer() -> Vec<u8> {
    let header = Header {
        machine: MachineInfo {
            host_name: "web".into(),
            kernel_release: "6.12".into(),
            arch: "x86_64".into(),
            cpus: 2,
            memory: 1 << 30,
            boot_time: Timestamp(T - 1_000_000_000),
            utc_offset_s: 3600,
            page_size: 4096,
            hz: 100,
            ..MachineInfo::default()
        },
        writer: "scap".into(),
        options: vec![("-s".into(), "80".into())],
        snaplen: 80,
        start: Timestamp(T),
        ..Header::default()
    };
    let tag = Some(FileTag(u32::from_le_bytes(*b"tag!")));
    let options = WriterOptions {
        file_tag: tag,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::new(Vec::new(), &header, options).unwrap();
    for event in events() {
        event.with(|e| writer.push(e)).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn the_writer_writes_what_was_laid_by_hand() {
    let (ours, by_hand) = (tiny_by_writer(), tiny_by_hand());
    let mut at = 0;
    for (bytes, why) in &by_hand.0 {
        assert_eq!(&ours[at..at + bytes.len()], bytes, "at {at}: {why}");
        at += bytes.len();
    }
    assert_eq!(ours.len(), at);
}

#[test]
fn the_reader_reads_what_was_laid_by_hand() {
    let (list, text) = read_all(&tiny_by_hand().bytes()).unwrap();
    assert_eq!(list, events());
    assert!(
        text.ends_with("index of 1 chunks, 2 events, 0 lost\nend\n"),
        "{text}"
    );
}

/// The specification's worked example is this file; `SCAP_UPDATE=1` rewrites it.
#[test]
fn the_specification_shows_this_file() {
    let mut dump = String::new();
    let mut at = 0;
    for (bytes, why) in &tiny_by_hand().0 {
        if bytes.is_empty() {
            continue;
        }
        for (i, row) in bytes.chunks(12).enumerate() {
            let hex: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
            let why = if i == 0 { why.as_str() } else { "" };
            writeln!(
                dump,
                "{}",
                format!("{at:04x}  {:<37}{why}", hex.join(" ")).trim_end()
            )
            .unwrap();
            at += row.len();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/capture-format.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- dump -->\n```text\n").unwrap();
    let (shown, after) = rest.split_once("```\n").unwrap();
    if std::env::var_os("SCAP_UPDATE").is_some() {
        let text = format!("{before}<!-- dump -->\n```text\n{dump}```\n{after}");
        std::fs::write(&path, text).unwrap();
    } else {
        assert_eq!(
            shown, dump,
            "docs/capture-format.md; SCAP_UPDATE=1 rewrites it"
        );
    }
}
