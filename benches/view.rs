//! Measures `scap view` on one capture; prints a Markdown table.
//!
//! `cargo bench --bench view -- CAPTURE.scap [ROUNDS]` opens the capture and presses keys, in rounds (5).
//! `cargo bench --bench view -- CAPTURE.scap --repeat GIB FILE` makes a capture of this size by repeating it with
//! later times, opens that, and removes it again.
#![allow(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Seek as _};
use std::path::Path;
use std::time::{Duration, Instant};

use scap::tui::{Options, Theme, Timing, timed};
use scap_capture_format::native::chunk::EncodedChunk;
use scap_capture_format::native::{CaptureWriter, IndexedReader, Snapshot, WriterOptions};

/// A benchmark stops at the first unexpected result, and reports it.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The steps: description, and keys.
const STEPS: &[(&str, &str)] = &[
    ("zoom in", "+"),
    ("zoom in", "+"),
    ("zoom out", "-"),
    ("zoom out", "-"),
    ("Events", "2"),
    ("last event", "<End>"),
    ("Processes", "3"),
    ("Files", "4"),
    ("sort by name", "s<End><Enter>"),
    ("Connections", "5"),
    ("Syscalls", "8"),
    ("narrow to the first call", "<Enter>"),
    ("back", "<Backspace>"),
    ("filter by name", ":proc.name=redis-server<Enter>"),
    ("filter by a rare type", ":<C-u>evt.type=execve<Enter>"),
    ("no filter", ":<C-u><Enter>"),
];

/// Steps for a capture that is too large to be counted completely meanwhile.
const LARGE: &[(&str, &str)] = &[
    ("zoom in 10 times", "++++++++++"),
    ("pan", "]"),
    ("zoom out", "-"),
    ("Events", "2"),
    ("Processes", "3"),
];

fn main() -> Result<()> {
    // Cargo adds one argument.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match &args[..] {
        [capture] => keys(Path::new(capture), 5),
        [capture, rounds] => keys(Path::new(capture), rounds.parse()?),
        [capture, repeat, gib, file] if repeat == "--repeat" => {
            large(Path::new(capture), gib.parse()?, Path::new(file))
        }
        _ => Err("CAPTURE.scap [ROUNDS], or CAPTURE.scap --repeat GIB FILE".into()),
    }
}

fn options() -> Options {
    Options {
        name: "benchmark".to_owned(),
        theme: Theme::Dark,
        filter: String::new(),
        range: None,
        live: false,
        beside: None,
        of_damaged: false,
        parents: Vec::new(),
        rules: None,
    }
}

fn keys(capture: &Path, rounds: usize) -> Result<()> {
    let scripts: Vec<&str> = STEPS.iter().map(|(_, keys)| *keys).collect();
    let mut all: Vec<Vec<Timing>> = Vec::new();
    for _ in 0..rounds {
        all.push(timed(capture, options(), &scripts, (160, 50), true)?);
    }
    println!("| what | picture | all counted |");
    println!("| --- | --- | --- |");
    let names = ["index read", "first picture"].into_iter();
    for (at, name) in names.chain(STEPS.iter().map(|(name, _)| *name)).enumerate() {
        let median = |of: &dyn Fn(&Timing) -> Duration| {
            let mut times: Vec<Duration> = all.iter().filter_map(|t| t.get(at).map(of)).collect();
            times.sort();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        println!(
            "| {name} | {:.1?} | {:.1?} |",
            median(&|t| t.picture),
            median(&|t| t.settled)
        );
    }
    println!("\nmost memory: {} MiB", peak_mib()?);
    Ok(())
}

fn large(capture: &Path, gib: u64, file: &Path) -> Result<()> {
    let begun = Instant::now();
    let (events, bytes) = repeat(capture, gib << 30, file)?;
    println!(
        "{events} events in {bytes} bytes, made in {:.0?}\n",
        begun.elapsed()
    );
    let opened = open_large(file);
    fs::remove_file(file)?;
    opened
}

fn open_large(file: &Path) -> Result<()> {
    // While the range is narrowed, the background counts that range first.
    let scripts: Vec<&str> = LARGE.iter().map(|(_, keys)| *keys).collect();
    let timings = timed(file, options(), &scripts, (160, 50), false)?;
    println!("| what | picture | all counted |");
    println!("| --- | --- | --- |");
    let names = ["index read", "first picture"].into_iter();
    for (timing, name) in timings
        .iter()
        .zip(names.chain(LARGE.iter().map(|(name, _)| *name)))
    {
        println!(
            "| {name} | {:.1?} | {:.1?} |",
            timing.picture, timing.settled
        );
    }
    println!("\nmost memory: {} MiB", peak_mib()?);
    Ok(())
}

/// Returns the peak memory of this process in MiB.
fn peak_mib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|l| l.split_whitespace().next())
        .ok_or("no VmHWM")?
        .parse()?;
    Ok(kib >> 10)
}

/// Repeats the capture's chunks and snapshots, without recompressing them, up to a size in bytes.
fn repeat(capture: &Path, bytes: u64, file: &Path) -> Result<(u64, u64)> {
    let mut reader = IndexedReader::open(File::open(capture)?)?;
    let (first, last) = reader.index().time_range().ok_or("the capture is empty")?;
    let len = last.0 - first.0 + 1_000_000;
    enum Part {
        Chunk(Box<EncodedChunk>),
        Snapshot(Box<Snapshot>),
    }
    let mut parts = Vec::new();
    for at in 0..reader.index().chunks.len() {
        let offset = reader.index().chunks[at].offset;
        parts.push((
            offset,
            Part::Chunk(Box::new(reader.chunk(at)?.to_encoded())),
        ));
    }
    for at in 0..reader.index().snapshots.len() {
        let offset = reader.index().snapshots[at].offset;
        parts.push((offset, Part::Snapshot(Box::new(reader.snapshot(at)?))));
    }
    parts.sort_by_key(|(offset, _)| *offset);
    let out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    let header = reader.header().clone();
    let mut writer = CaptureWriter::new(out, &header, WriterOptions::default())?;
    let mut written = 0;
    let mut events = 0;
    while written < bytes {
        for (_, part) in &mut parts {
            match part {
                Part::Chunk(chunk) => {
                    writer.write_chunk(chunk)?;
                    written += chunk.stored_bytes() as u64;
                    events += u64::from(chunk.summary().events);
                    chunk.delay(len);
                }
                Part::Snapshot(snapshot) => {
                    writer.write_snapshot(snapshot)?;
                    snapshot.time.0 += len;
                }
            }
        }
    }
    let mut out = writer.finish()?.into_inner()?;
    Ok((events, out.stream_position()?))
}
