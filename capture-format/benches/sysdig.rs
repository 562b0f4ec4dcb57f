//! Measures reading and converting .scap files. Plain `Instant`, best of five; takes seconds.
//!
//! `cargo bench -p scap-capture-format --bench sysdig [-- CAPTURE]`: without a capture, pairs of enter and
//! exit events of open, read, write and close on eight threads.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark reports on stdout and may fail"
)]

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};
use std::{env, fs};

use scap_capture_format::native::{MachineInfo, Snapshot};
use scap_capture_format::sysdig::{
    Converter, Downgrade, Item, SysdigReader, SysdigWriter, WriterOptions,
};

fn block(out: &mut Vec<u8>, ts: u64, tid: u64, ty: u16, params: &[&[u8]]) {
    let values: usize = params.iter().map(|p| p.len()).sum();
    let len = 26 + 2 * params.len() + values;
    let total = (14 + len).next_multiple_of(4);
    out.extend(0x216u32.to_le_bytes());
    out.extend((total as u32).to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(ts.to_le_bytes());
    out.extend(tid.to_le_bytes());
    out.extend((len as u32).to_le_bytes());
    out.extend(ty.to_le_bytes());
    out.extend((params.len() as u32).to_le_bytes());
    for p in params {
        out.extend((p.len() as u16).to_le_bytes());
    }
    for p in params {
        out.extend(*p);
    }
    out.resize(out.len() + total - 14 - len, 0);
    out.extend((total as u32).to_le_bytes());
}

/// About a million events.
fn sample() -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0x0A0D_0D0Au32.to_le_bytes());
    out.extend(28u32.to_le_bytes());
    out.extend(0x1A2B_3C4Du32.to_le_bytes());
    out.extend([1, 0, 2, 0]);
    out.extend([0xff; 8]);
    out.extend(28u32.to_le_bytes());
    let (fd, res) = (3u64.to_le_bytes(), 80u64.to_le_bytes());
    let (size, flags) = (4096u32.to_le_bytes(), 1u32.to_le_bytes());
    let data = [b'x'; 80];
    let name = b"/usr/lib/x86_64-linux-gnu/libc.so.6\0";
    let mut ts = 1_800_000_000_000_000_000;
    let mut step = || {
        ts += 500;
        ts
    };
    for i in 0..1_000_000 / 20 {
        let tid = 1000 + i % 8;
        block(&mut out, step(), tid, 306, &[&fd, name, &flags, &flags]);
        let open: [&[u8]; 7] = [&fd, &fd, name, &flags, &flags, &flags, &fd];
        block(&mut out, step(), tid, 307, &open);
        for _ in 0..5 {
            block(&mut out, step(), tid, 6, &[&fd, &size]);
            block(&mut out, step(), tid, 7, &[&res, &data]);
        }
        for _ in 0..3 {
            block(&mut out, step(), tid, 8, &[&fd, &size]);
            block(&mut out, step(), tid, 9, &[&res, &data]);
        }
        block(&mut out, step(), tid, 4, &[&fd]);
        block(&mut out, step(), tid, 5, &[&res]);
    }
    out
}

fn run(bytes: &[u8], convert: bool) -> (u64, Duration) {
    let start = Instant::now();
    let mut reader = SysdigReader::new(bytes).unwrap();
    let mut converter = Converter::new();
    let mut events = 0;
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Event(event) = item {
            events = event.num.0;
            if convert {
                black_box(converter.convert(&event));
            } else {
                black_box(event);
            }
        }
    }
    (events, start.elapsed())
}

/// Writes the events that were read, as pairs for older readers or unchanged.
fn write(bytes: &[u8], pairs: bool) -> Duration {
    let start = Instant::now();
    let mut reader = SysdigReader::new(bytes).unwrap();
    let mut converter = Converter::new();
    let mut downgrade = Downgrade::new();
    let (machine, snapshot) = (MachineInfo::default(), Snapshot::default());
    let options = WriterOptions::default();
    let mut writer = SysdigWriter::new(io::sink(), &machine, &snapshot, options).unwrap();
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Event(event) = item else { continue };
        if pairs {
            let converted = converter.convert(&event);
            let pair = downgrade.pair(converted.merged.as_ref().unwrap_or(&event));
            for event in pair.enter.iter().chain(&pair.exit) {
                writer.event(event).unwrap();
            }
        } else {
            writer.event(&event).unwrap();
        }
    }
    writer.finish().unwrap();
    start.elapsed()
}

fn report(name: &str, bytes: &[u8]) {
    let best = |convert| {
        (0..5)
            .map(|_| run(bytes, convert))
            .min_by_key(|r| r.1)
            .unwrap()
    };
    let (events, read) = best(false);
    let (_, both) = best(true);
    let per = |d: Duration| d.as_nanos() as f64 / events as f64;
    println!(
        "{name}: {events} events, {} bytes: read {:.1} ns/event ({:.1} M/s, {:.0} MB/s), convert {:.1} ns/event",
        bytes.len(),
        per(read),
        1e3 / per(read),
        bytes.len() as f64 / read.as_secs_f64() / 1e6,
        per(both.saturating_sub(read)),
    );
    let best = |pairs| (0..5).map(|_| write(bytes, pairs)).min().unwrap();
    println!(
        "    write {:.1} ns/event, convert to the newest form and back to pairs {:.1} ns/event",
        per(best(false).saturating_sub(read)),
        per(best(true).saturating_sub(best(false))),
    );
}

fn main() {
    let file = env::args().skip(1).find(|a| !a.starts_with('-'));
    let bytes = file.map_or_else(sample, |f| fs::read(f).unwrap());
    report("as is", &bytes);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&bytes).unwrap();
        report("gzip", &packed.finish().unwrap());
    }
}
