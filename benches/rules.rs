//! What rules cost: a scan of a native capture without them, with all rules together, and with each rule as a filter of
//! its own; prints a Markdown table.
//!
//! `cargo bench --bench rules -- CAPTURE RULES.yaml [ROUNDS]`: rounds (5) are interleaved, medians are printed.
#![allow(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::filter::{Definitions, Filter};
use scap::replay::{self, EventSink, EventSource as _, NativeSource, Pipeline};
use scap::rules::{Engine, Loader, Matching, Selection, Settings};

/// What is done with each event.
enum Work {
    Nothing,
    Together(Box<Engine>),
    Alone(Vec<Filter>),
}

struct Sink {
    work: Work,
    events: u64,
    matches: u64,
}

impl EventSink for Sink {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.events += 1;
        match &mut self.work {
            Work::Nothing => {}
            Work::Together(engine) => engine.evaluate(cx, |_| {
                self.matches += 1;
                Ok::<(), io::Error>(())
            })?,
            Work::Alone(filters) => {
                for filter in filters {
                    self.matches += u64::from(filter.matches(cx));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn pass(capture: &str, work: Work) -> Result<(f64, u64, u64), Box<dyn Error>> {
    let mut source = NativeSource::new(File::open(capture)?)?;
    let session = Session::new(
        replay::arch(source.header()),
        BufferFormat::Dots,
        TimeFormat::Human,
    );
    let mut sink = Sink {
        work,
        events: 0,
        matches: 0,
    };
    let started = Instant::now();
    let origins = source.origins().to_vec();
    let mut pipeline = Pipeline::new(session, &origins, replay::Selection::default());
    pipeline.run(&mut source, &mut sink)?;
    Ok((started.elapsed().as_secs_f64(), sink.events, sink.matches))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [capture, rules, rest @ ..] = &args[..] else {
        println!("skipped: cargo bench --bench rules -- CAPTURE RULES.yaml [ROUNDS]");
        return Ok(());
    };
    let rounds = rest.first().map_or(Ok(5), |text| text.parse())?;
    let text = fs::read_to_string(rules)?;
    let load = || {
        let mut loader = Loader::new(Settings::default());
        loader.add(rules, &text);
        loader.finish().1.ok_or("the rules have an error")
    };
    let started = Instant::now();
    let count = load()?.rules().len();
    println!(
        "{count} rules, loaded in {:.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut events = 0;
    for _ in 0..rounds {
        let set = load()?;
        let mut definitions = Definitions::new();
        for (name, text) in set.macro_texts() {
            definitions.add_macro(name, text)?;
        }
        let filters = set.rules().iter();
        let filters =
            filters.map(|rule| Filter::with_definitions(rule.condition_text(), &definitions));
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        let engine = set.into_engine(&Selection::default(), Matching::All)?;
        let works = [
            Work::Nothing,
            Work::Together(Box::new(engine)),
            Work::Alone(filters),
        ];
        for (work, times) in works.into_iter().zip(&mut times) {
            let (seconds, seen, _) = pass(capture, work)?;
            events = seen;
            times.push(seconds);
        }
    }
    let mut median = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    });
    let [scan, together, alone] = &mut median;
    println!("\n| {events} events | seconds | speed of the scan | rules alone, ns an event |");
    println!("| --- | --- | --- | --- |");
    for (name, seconds) in [
        ("scan", *scan),
        ("all rules together", *together),
        ("each rule as a filter", *alone),
    ] {
        let extra = (seconds - *scan) * 1e9 / events as f64;
        println!(
            "| {name} | {seconds:.3} | {:.0} % | {extra:.0} |",
            100.0 * *scan / seconds
        );
    }
    Ok(())
}
