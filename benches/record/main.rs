//! What recording costs: syscalls with and without a recorder, round by round, as Markdown tables.
//!
//! `cargo bench --bench record [-- --rounds N --seconds S --only LOAD,… --recorders NAME,…]`, as
//! root, on a machine with nothing else to do. Loads: the loops getpid, file, null, exec, fork; both
//! (storm on two CPUs), realmix, compile, redis. Recorders: empty and ring (the floor), scap, perf,
//! strace, bpftrace; one that cannot run is named with the reason. Rounds are interleaved, so that what
//! else happens on the machine hits all alike, and every ratio is one to the bare run of its own round.
//! The loops that never wait (getpid, file, null) are rated by the time that they were on their CPU.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a benchmark reports on stdout"
)]

mod child;
mod floor;
mod load;
mod perf_file;
mod recorder;
mod report;

use std::{env, error::Error, fs, process::ExitCode};

use load::{LOOPS, Load, Tools};
use recorder::{Kind, Place, measure};
use report::{Group, Series};

/// A benchmark stops at the first unexpected result, and reports it.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Loads whose wall time is measured.
const REAL: [&str; 3] = ["realmix", "compile", "redis"];
/// CPU of the loop.
const STORM: usize = 0;
/// CPU of the recorder.
const RECORDER: usize = 1;
struct Args {
    rounds: usize,
    seconds: f64,
    only: Vec<String>,
    recorders: Vec<String>,
}

impl Args {
    fn parse() -> Result<Self> {
        let mut args = Self {
            rounds: 5,
            seconds: 1.5,
            only: Vec::new(),
            recorders: Vec::new(),
        };
        let words = |text: String| text.split(',').map(str::to_owned).collect();
        let mut given = env::args().skip(1);
        while let Some(name) = given.next() {
            if name == "--bench" {
                continue;
            }
            let value = given
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => args.rounds = value.parse()?,
                "--seconds" => args.seconds = value.parse()?,
                "--only" => args.only = words(value),
                "--recorders" => args.recorders = words(value),
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(args)
    }

    fn wants(&self, load: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == load)
    }

    /// The bare run and those of `kinds` that are wanted.
    fn kinds(&self, kinds: &[Kind]) -> Vec<Kind> {
        let wanted = |kind: &&Kind| {
            **kind == Kind::Bare
                || self.recorders.is_empty()
                || self.recorders.iter().any(|word| word == kind.word())
        };
        kinds.iter().filter(wanted).copied().collect()
    }
}

fn main() -> ExitCode {
    match Args::parse().and_then(|args| run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err("recording needs root".into());
    }
    let dir = tempfile::tempdir()?;
    let tools = Tools::build(dir.path())?;
    let mut place = Place {
        dir: dir.path().to_owned(),
        recorder_cpu: Some(RECORDER),
        audit: false,
        storm_is_busy: false,
    };
    println!("{}\n", machine());
    if LOOPS.iter().any(|name| args.wants(name)) {
        storms(args, &tools, &mut place)?;
    }

    place.recorder_cpu = None;
    place.audit = true;
    let mut groups = Vec::new();
    if args.wants("both") {
        for (name, mode) in [
            ("getpid on both CPUs", "getpid"),
            ("file on both CPUs", "file"),
        ] {
            let load = Load::storm(&tools, mode, args.seconds, &[STORM, RECORDER]);
            let group = rounds(
                args,
                name,
                &load,
                &[Kind::Bare, Kind::Scap, Kind::Perf],
                &place,
            )?;
            print!("{}", group.storm_table());
            groups.push(group);
        }
    }
    if REAL.iter().any(|name| args.wants(name)) {
        println!("\n### Realistic loads\n\n{}", report::WALL_HEAD.trim_end());
    }
    let kinds = [Kind::Bare, Kind::Scap, Kind::Perf];
    let mut mixed = |name: &'static str, load: &Load| -> Result<()> {
        let group = rounds(args, name, load, &kinds, &place)?;
        let mut lines = String::new();
        group.wall_lines(&mut lines);
        print!("{lines}");
        groups.push(group);
        Ok(())
    };
    if args.wants("realmix") {
        mixed("realmix", &tools.realmix())?;
    }
    if args.wants("compile") {
        mixed("compile", &tools.compile())?;
    }
    if args.wants("redis") {
        match tools.redis() {
            Ok((_server, load)) => mixed("redis", &load)?,
            Err(error) => println!("| redis | could not run: {error} | | | | | | | | | |"),
        }
    }
    let mut books = String::new();
    for group in &groups {
        group.books(&mut books);
    }
    if !books.is_empty() {
        println!(
            "\n### Every event accounted for\n\n{}{books}",
            report::BOOKS_HEAD
        );
    }
    Ok(())
}

/// The loops on one CPU, the recorder on another.
fn storms(args: &Args, tools: &Tools, place: &mut Place) -> Result<()> {
    let mut groups = Vec::new();
    for name in LOOPS.into_iter().filter(|name| args.wants(name)) {
        let load = Load::storm(tools, name, args.seconds, &[STORM]);
        // The other loops wait for their children, so that their CPU is idle at times.
        place.storm_is_busy = ["getpid", "file", "null"].contains(&name);
        let group = rounds(args, name, &load, &Kind::ALL, place)?;
        place.storm_is_busy = false;
        print!("{}", group.storm_table());
        groups.push(group);
    }
    println!("\n### Levels\n\n{}", report::levels(&groups));
    Ok(())
}

/// All rounds of one load. A recorder that fails is skipped in the following rounds.
fn rounds(
    args: &Args,
    name: &'static str,
    load: &Load,
    kinds: &[Kind],
    place: &Place,
) -> Result<Group> {
    let series = |kind| Series {
        kind,
        rounds: Vec::new(),
        failed: None,
    };
    let mut group = Group {
        name,
        busy: place.storm_is_busy,
        series: args.kinds(kinds).into_iter().map(series).collect(),
    };
    for round in 0..args.rounds {
        for series in &mut group.series {
            if series.failed.is_some() {
                continue;
            }
            eprintln!("{name}, round {}: {}", round + 1, series.kind);
            match measure(series.kind, load, place) {
                Ok((mut ran, cost)) => {
                    // Without the time in which another process ran on the CPU of the loop.
                    if place.storm_is_busy && series.kind != Kind::Strace {
                        ran.rate /= ran.share;
                    }
                    series.rounds.push((round, ran, cost));
                }
                Err(error) if series.kind == Kind::Bare => return Err(error),
                Err(error) => {
                    eprintln!("  {error}");
                    series.failed = Some(error.to_string());
                }
            }
        }
    }
    Ok(group)
}

/// Describes the machine.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .unwrap_or_default()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let flags = field("flags");
    let kind = if flags.split(' ').any(|flag| flag == "hypervisor") {
        "virtual machine"
    } else {
        "no virtual machine"
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} (family {}), {cpus} CPUs, {kind}, Linux {}, load average {} at the start",
        field("model name"),
        field("cpu family"),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default(),
    )
}
