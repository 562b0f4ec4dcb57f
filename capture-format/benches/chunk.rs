//! Measures the chunk path: encode, compress, decode. Plain `Instant`, best of three; takes seconds.
//!
//! `cargo bench -p scap-capture-format [-- CAPTURE]`: without a capture, events similar to those of a shell job, from a
//! fixed pseudo-random sequence, are used.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark reports on stdout and may fail"
)]

use std::env;
use std::fs::File;
use std::hint::black_box;
use std::time::{Duration, Instant};

use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkBuilder, ChunkDecoder, ChunkPool, Compressor, EncodedChunk,
    Header, Load, RawChunk, Want, WriterOptions,
};
use scap_capture_format::schema::{EventType, types};

/// An event that owns its bytes.
struct Owned {
    ts: u64,
    tid: i64,
    cpu: u16,
    ty: EventType,
    latency: u64,
    lens: Vec<u32>,
    bytes: Vec<u8>,
}

impl Owned {
    fn event(&self) -> EventRef<'_> {
        EventRef {
            num: EventNum(0),
            ts: Timestamp(self.ts),
            tid: Tid(self.tid),
            pid: Pid(self.tid),
            cpu: self.cpu,
            ty: self.ty,
            latency: Some(self.latency),
            flags: EventFlags::empty(),
            params: Params::new(&self.lens, &self.bytes).unwrap(),
        }
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Mostly small: below 2^bits, where the bits are between the two.
    fn skewed(&mut self, from: u64, to: u64) -> u64 {
        let bits = from + self.below(to - from);
        self.below(1 << bits)
    }
}

/// `syscall <` repeatedly: a loop of a syscall without a type of its own.
fn storm(count: usize) -> Vec<Owned> {
    let mut random = Random(1);
    let mut ts = 1_800_000_000_000_000_000;
    let lens = [2, 2, 8, 8, 8, 8, 8, 8, 8, 1];
    (0..count)
        .map(|i| {
            ts += 300 + random.below(60);
            let mut bytes = vec![16, 0, 39, 0];
            for word in [
                4711,
                0x7ffd_1234_5678 + (i as u64 % 5) * 16,
                24,
                0x5555_0000,
                1,
                0,
                2,
            ] {
                bytes.extend(u64::to_le_bytes(word));
            }
            bytes.push(0);
            let latency = 60 + random.below(20);
            Owned {
                ts,
                tid: 4711,
                cpu: 1,
                ty: types::GENERIC_X,
                latency,
                lens: lens.to_vec(),
                bytes,
            }
        })
        .collect()
}

/// Opens, reads, writes, closes and generic calls of some dozen threads on two CPUs.
fn mix(count: usize) -> Vec<Owned> {
    let mut random = Random(7);
    let mut ts = 1_800_000_000_000_000_000;
    let mut thread = [100i64, 101];
    let text = include_bytes!("chunk.rs");
    (0..count)
        .map(|_| {
            ts += 200 + random.skewed(6, 12);
            let cpu = random.below(2) as usize;
            if random.below(50) == 0 {
                thread[cpu] = 100 + random.below(40) as i64;
            }
            let latency = 150 + random.skewed(4, 12);
            let mut lens = Vec::new();
            let mut bytes = Vec::new();
            let mut param = |value: &[u8]| {
                lens.push(value.len() as u32);
                bytes.extend_from_slice(value);
            };
            let fd = (3 + random.below(6)).to_le_bytes();
            let ty = match random.below(10) {
                0 | 1 => {
                    param(&0i64.to_le_bytes());
                    param(&fd);
                    types::SYSCALL_CLOSE_X
                }
                2 | 3 => {
                    let file = random.skewed(0, 12);
                    let name = format!("/usr/include/linux/netfilter/part{file}.h\0");
                    param(&fd);
                    param(&(-100i64).to_le_bytes());
                    param(name.as_bytes());
                    param(&1u32.to_le_bytes());
                    param(&0u32.to_le_bytes());
                    param(&0x801u32.to_le_bytes());
                    param(&(100_000 + file * 7).to_le_bytes());
                    types::SYSCALL_OPENAT_2_X
                }
                n @ 4..=7 => {
                    let from = random.skewed(0, 12) as usize;
                    let data = &text[from..from + 20 + random.below(60) as usize];
                    param(&(data.len() as u64).to_le_bytes());
                    param(data);
                    param(&fd);
                    param(&4096u32.to_le_bytes());
                    if n < 7 {
                        types::SYSCALL_READ_X
                    } else {
                        types::SYSCALL_WRITE_X
                    }
                }
                _ => {
                    param(&5u16.to_le_bytes());
                    param(&262u16.to_le_bytes());
                    for _ in 0..3 {
                        param(&(0x7f00_0000_0000 + random.skewed(0, 6) * 4096).to_le_bytes());
                    }
                    for _ in 0..4 {
                        param(&random.skewed(0, 2).to_le_bytes());
                    }
                    param(&[0]);
                    types::GENERIC_X
                }
            };
            Owned {
                ts,
                tid: thread[cpu],
                cpu: cpu as u16,
                ty,
                latency,
                lens,
                bytes,
            }
        })
        .collect()
}

fn load(path: &str) -> Vec<Owned> {
    let mut reader = CaptureReader::new(File::open(path).unwrap()).unwrap();
    let mut decoder = ChunkDecoder::new();
    let mut out = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
        while let Some(e) = rows.next().unwrap() {
            out.push(Owned {
                ts: e.ts.0,
                tid: e.tid.0,
                cpu: e.cpu,
                ty: e.ty,
                latency: e.latency.unwrap_or(0),
                lens: e.params.lens().to_vec(),
                bytes: e.params.iter().flatten().flatten().copied().collect(),
            });
        }
    }
    out
}

/// Best of three.
fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| run()).min().unwrap()
}

fn report(what: &str, events: usize, time: Duration) {
    let ns = time.as_nanos() as f64 / events as f64;
    println!("  {what:<34} {:8.2} M events/s  {ns:7.1} ns", 1000.0 / ns);
}

fn measure(name: &str, events: &[Owned]) {
    let n = events.len();
    let raw: usize = events.iter().map(|e| e.bytes.len()).sum();
    println!(
        "{name}: {n} events, {:.1} parameter bytes an event",
        raw as f64 / n as f64
    );
    let pool = ChunkPool::new();
    let mut builder = ChunkBuilder::new(pool);
    let refs: Vec<EventRef<'_>> = events.iter().map(Owned::event).collect();
    let time = best(|| {
        let start = Instant::now();
        for event in &refs {
            builder.push(event).unwrap();
            if builder.is_full() {
                drop(black_box(builder.finish_raw()));
            }
        }
        drop(black_box(builder.finish_raw()));
        start.elapsed()
    });
    report("encode", n, time);

    let mut raws: Vec<RawChunk> = Vec::new();
    for event in &refs {
        builder.push(event).unwrap();
        if builder.is_full() {
            raws.extend(builder.finish_raw());
        }
    }
    raws.extend(builder.finish_raw());
    for level in [1, 3] {
        let mut compressor = Compressor::new(level).unwrap();
        let mut encoded = EncodedChunk::default();
        let mut sizes = [0u64; 3];
        let time = best(|| {
            sizes = [0; 3];
            let start = Instant::now();
            for raw in &raws {
                raw.compress_into(&mut compressor, &mut encoded).unwrap();
                let s = encoded.summary().sizes;
                sizes[0] += u64::from(s.columns);
                sizes[1] += u64::from(s.params);
                sizes[2] += u64::from(s.io_data);
            }
            start.elapsed()
        });
        report(&format!("compress, level {level}"), n, time);
        let [columns, params, data] = sizes.map(|s| s as f64 / n as f64);
        println!("    columns {columns:.2} + parameters {params:.2} + I/O data {data:.2}");

        let mut writer =
            CaptureWriter::new(Vec::new(), &Header::default(), WriterOptions::default()).unwrap();
        for raw in &raws {
            writer
                .write_chunk(&mut raw.compress(&mut compressor).unwrap())
                .unwrap();
        }
        let file = writer.finish().unwrap();
        println!(
            "    whole file {:.2} bytes an event, {} chunks",
            file.len() as f64 / n as f64,
            raws.len()
        );
        if level == 3 {
            continue;
        }
        let rare = [types::SYSCALL_CLOSE_X];
        for (what, load) in [
            ("read, columns only", Load::COLUMNS),
            (
                "read, parameters of one type",
                Load {
                    params: Want::Types(&rare),
                    ..Load::COLUMNS
                },
            ),
            ("read, all but I/O data", Load::PARAMS),
            ("read, everything", Load::ALL),
        ] {
            let mut decoder = ChunkDecoder::new();
            let time = best(|| {
                let start = Instant::now();
                let mut reader = CaptureReader::new(file.as_slice()).unwrap();
                let mut sum = 0u64;
                while let Some(chunk) = reader.next_chunk().unwrap() {
                    let mut rows = chunk.decode(&mut decoder, load).unwrap();
                    while let Some(event) = rows.next().unwrap() {
                        sum = sum.wrapping_add(event.ts.0);
                        sum = sum.wrapping_add(event.params.get(0).map_or(0, |p| u64::from(p[0])));
                    }
                }
                black_box(sum);
                start.elapsed()
            });
            report(what, n, time);
        }
    }
}

fn main() {
    // `cargo bench` passes `--bench`.
    if let Some(path) = env::args().skip(1).find(|a| !a.starts_with("--")) {
        measure(&path, &load(&path));
        return;
    }
    measure("storm", &storm(1_000_000));
    measure("mix", &mix(1_000_000));
}
