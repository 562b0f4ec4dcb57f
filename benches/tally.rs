//! Measures counting a capture for the timeline: `cargo bench --bench tally [-- CAPTURE [MILLIONS]]`.
//!
//! The events of a capture (the sample by default) are repeated with later times up to ten million, with a snapshot after
//! every half million. One thread then decodes them, follows the state, and counts, each separately, so that the
//! differences are the costs of the steps.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark reports on stdout"
)]

#[path = "../tests/common/repeat.rs"]
mod repeat;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{env, fs};

use scap::fields::Context;
use scap::inspect::aggregator::BackgroundAggregator;
use scap::replay::IndexedCapture;
use scap::replay::Scope;
use scap::replay::SegmentReplayer;
use scap::replay::segment::Need;
use scap::stats::table::{View, table};
use scap::stats::tally::{Tally, tally_segment};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SAMPLE: &str = "testdata/sample.scap";
const PER_CHUNK: u64 = 65_536;
const PER_SEGMENT: u64 = 500_000;

fn main() -> Result<()> {
    let mut args = env::args().skip(1).filter(|a| a != "--bench");
    let capture = args.next().unwrap_or_else(|| SAMPLE.to_owned());
    let millions: f64 = args.next().map_or(Ok(10.0), |a| a.parse())?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("long.scap");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "arguments of the command line"
    )]
    let wanted = (millions * 1e6) as u64;
    let events = repeat::repeated(Path::new(&capture), &path, wanted, PER_CHUNK, PER_SEGMENT)?;
    let bytes = fs::metadata(&path)?.len();
    println!(
        "{events} events, {:.0} MiB",
        bytes as f64 / f64::from(1 << 20)
    );
    let begin = Instant::now();
    let library = Arc::new(IndexedCapture::open(&path)?);
    println!("opened in {:?}", begin.elapsed());
    let span = library.span().ok_or("no events")?;
    let everything = Scope {
        span,
        filter: String::new(),
    };
    let report = |what: &str, begin: (Instant, f64)| {
        let (begin, used) = (begin.0, cpu_seconds() - begin.1);
        let seconds = begin.elapsed().as_secs_f64();
        let rate = events as f64 / seconds / 1e6;
        println!("{what}: {seconds:.2} s, {used:.2} s of CPU, {rate:.2} million events/s");
    };
    let mut replayer = SegmentReplayer::new(&library)?;
    for (need, what) in [(Need::State, "state"), (Need::Events, "state and events")] {
        let begin = (Instant::now(), cpu_seconds());
        for segment in 0..library.segments().len() {
            let mut count = |_: &Context<'_>, _: usize| ControlFlow::Continue(());
            let _all = replayer.segment(segment, &mut |_| need, &mut count)?;
        }
        report(what, begin);
    }
    let go = AtomicBool::new(false);
    let begin = (Instant::now(), cpu_seconds());
    let mut parts = Vec::new();
    for segment in 0..library.segments().len() {
        parts.push(tally_segment(&mut replayer, segment, &everything, &go)?);
    }
    report("counted on one core", begin);
    let begin = Instant::now();
    let mut whole = Tally::over(span);
    parts.iter().for_each(|part| whole.add(part));
    println!("{} parts added up in {:?}", parts.len(), begin.elapsed());
    let sizes: usize = parts.iter().map(Tally::bytes).sum();
    println!(
        "{} KiB a part, {} KiB in all",
        (sizes / parts.len().max(1)) >> 10,
        whole.bytes() >> 10
    );
    for view in View::ALL {
        let begin = Instant::now();
        if let Some(table) = table(view, &whole) {
            println!(
                "{view:?}: {} rows in {:?}",
                table.rows.len(),
                begin.elapsed()
            );
        }
    }
    let (send, updates) = channel();
    let send = Mutex::new(send);
    let aggregator = BackgroundAggregator::new(library, 2, move |progress| {
        if let Ok(send) = send.lock() {
            let _closed = send.send(progress);
        }
    });
    for what in ["on two threads", "cached"] {
        let begin = (Instant::now(), cpu_seconds());
        aggregator.set_scope(everything.clone());
        let mut first = None;
        while let Ok(progress) = updates.recv() {
            first.get_or_insert_with(|| begin.0.elapsed());
            if progress.finished {
                break;
            }
        }
        report(what, begin);
        println!("  the first picture after {:?}", first.unwrap_or_default());
    }
    Ok(())
}

/// Returns the CPU time of the process so far, to a hundredth of a second.
fn cpu_seconds() -> f64 {
    /// `utime` and `stime` in `/proc/PID/stat`, counted after the name.
    const TIMES: std::ops::Range<usize> = 11..13;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = fields.get(TIMES).unwrap_or_default().iter();
    let ticks: u32 = ticks.filter_map(|t| t.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}
