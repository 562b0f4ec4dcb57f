//! Compares reading the same .scap file with sysdig, on one CPU; prints a Markdown table.
//!
//! `cargo bench --bench replay -- CAPTURE.scap [MILLIONS [ROUNDS [PART]]]`: the events of the capture are repeated with
//! later times up to a number (4 million by default), uncompressed as sysdig writes them; both programs then read
//! that file. PART selects measurements by a part of their names (`chisel`). Rounds (5) are interleaved. Needs
//! `sysdig` and `taskset`.
//!
//! `… -- native NATIVE.scap [ROUNDS]`: a native capture is converted to sysdig's format; sysdig reads that file, scap
//! both. Chisels only.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark reports on stdout"
)]

mod big;

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

/// A benchmark stops at the first unexpected result, and reports it.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A measurement: name, arguments of sysdig and of scap besides the file, target ratio.
struct Job {
    name: &'static str,
    sysdig: &'static [&'static str],
    scap: &'static [&'static str],
    goal: f64,
}

const FILTER: &str = "proc.name=bash and fd.name contains /etc";
const NAME: &str = "proc.name=bash";

const EMPTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/replay/empty.lua");

const JOBS: &[Job] = &[
    Job {
        name: "scan with state, print nothing",
        sysdig: &["evt.num=0"],
        scap: &["-q"],
        goal: 1.5,
    },
    Job {
        name: "filter `proc.name=bash and fd.name contains /etc`",
        sysdig: &[FILTER],
        scap: &[FILTER],
        goal: 1.5,
    },
    Job {
        name: "filter `proc.name=bash`",
        sysdig: &[NAME],
        scap: &[NAME],
        goal: 1.5,
    },
    Job {
        name: "print as text",
        sysdig: &[],
        scap: &[],
        goal: 5.0,
    },
    Job {
        name: "print as JSON",
        sysdig: &["-j"],
        scap: &["-j"],
        goal: 10.0,
    },
    Job {
        name: "chisel with an empty on_event",
        sysdig: &["-c", EMPTY],
        scap: &["-c", EMPTY],
        goal: 2.0,
    },
    Job {
        name: "sysdig's chisel topprocs_net",
        sysdig: &["-c", "topprocs_net"],
        scap: &["-c", "/usr/share/sysdig/chisels/topprocs_net.lua"],
        goal: 2.0,
    },
    Job {
        name: "sysdig's chisel fileslower 1",
        sysdig: &["-c", "fileslower", "1"],
        scap: &["-c", "/usr/share/sysdig/chisels/fileslower.lua", "1"],
        goal: 2.0,
    },
    Job {
        name: "sysdig's chisel echo_fds",
        sysdig: &["-c", "echo_fds"],
        scap: &["-c", "/usr/share/sysdig/chisels/echo_fds.lua"],
        goal: 2.0,
    },
];

fn main() -> Result<()> {
    let mut args = env::args().skip(1).filter(|a| a != "--bench");
    let first = args
        .next()
        .ok_or("usage: replay -- CAPTURE.scap [MILLIONS [ROUNDS [PART]]]")?;
    if first == "native" {
        let capture = args
            .next()
            .ok_or("usage: replay -- native NATIVE.scap [ROUNDS]")?;
        let rounds: usize = args.next().map_or(Ok(5), |a| a.parse())?;
        return native(Path::new(&capture), rounds);
    }
    let millions: f64 = args.next().map_or(Ok(4.0), |a| a.parse())?;
    let rounds: usize = args.next().map_or(Ok(5), |a| a.parse())?;
    let only = args.next().unwrap_or_default();
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("big.scap");
    let events = big::write(Path::new(&first), &path, (millions * 1e6) as u64)?;
    let bytes = fs::metadata(&path)?.len();
    println!(
        "{events} events, {:.0} MiB; medians of {rounds} interleaved rounds on one CPU\n",
        bytes as f64 / f64::from(1 << 20)
    );
    println!("| | sysdig, s | scap, s | ratio | target | million events/s |");
    println!("| --- | --: | --: | --: | --: | --: |");
    for job in JOBS.iter().filter(|job| job.name.contains(&only)) {
        let mut runs = [
            Run::new("sysdig", &["-r"], &path, job.sysdig),
            Run::new(SCAP, &["read"], &path, job.scap),
        ];
        let [sysdig, scap] = interleaved(&mut runs, rounds)?;
        println!(
            "| {} | {sysdig:.2} | {scap:.2} | {:.1} | {} | {:.1} |",
            job.name,
            sysdig / scap,
            job.goal,
            events as f64 / 1e6 / scap
        );
    }
    Ok(())
}

const SCAP: &str = env!("CARGO_BIN_EXE_scap");

/// Runs the chisels on a native capture, and on its conversion to sysdig's format.
fn native(capture: &Path, rounds: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let converted = dir.path().join("converted.scap");
    let status = Command::new(SCAP)
        .args(["convert", "--to", "sysdig"])
        .args([capture, &converted])
        .status()?;
    if !status.success() {
        return Err(format!("scap convert: {status}").into());
    }
    println!("medians of {rounds} interleaved rounds on one CPU\n");
    println!(
        "| | sysdig, .scap, s | scap, .scap, s | scap, native, s | ratio, .scap | ratio, native |"
    );
    println!("| --- | --: | --: | --: | --: | --: |");
    for job in JOBS.iter().filter(|job| job.name.contains("chisel")) {
        let mut runs = [
            Run::new("sysdig", &["-r"], &converted, job.sysdig),
            Run::new(SCAP, &["read"], &converted, job.scap),
            Run::new(SCAP, &["read"], capture, job.scap),
        ];
        let [sysdig, scap, native] = interleaved(&mut runs, rounds)?;
        println!(
            "| {} | {sysdig:.2} | {scap:.2} | {native:.2} | {:.1} | {:.1} |",
            job.name,
            sysdig / scap,
            sysdig / native
        );
    }
    Ok(())
}

/// A command line, and its run times so far in seconds.
struct Run<'a> {
    program: &'a str,
    before: &'a [&'a str],
    path: &'a Path,
    after: &'a [&'a str],
    times: Vec<f64>,
}

impl<'a> Run<'a> {
    fn new(program: &'a str, before: &'a [&'a str], path: &'a Path, after: &'a [&'a str]) -> Self {
        Self {
            program,
            before,
            path,
            after,
            times: Vec::new(),
        }
    }
}

/// Runs all in turns, and returns the median of each.
fn interleaved<const N: usize>(runs: &mut [Run<'_>; N], rounds: usize) -> Result<[f64; N]> {
    // The first round warms the page cache.
    for round in 0..=rounds {
        for run in &mut *runs {
            let seconds = time(run.program, run.before, run.path, run.after)?;
            if round > 0 {
                run.times.push(seconds);
            }
        }
    }
    Ok(runs
        .each_mut()
        .map(|run| median(std::mem::take(&mut run.times))))
}

/// Runs a program on one CPU, and returns its run time in seconds.
fn time(program: &str, before: &[&str], path: &Path, after: &[&str]) -> Result<f64> {
    let begin = Instant::now();
    let status = Command::new("taskset")
        .args(["-c", "1", program])
        .args(before)
        .arg(path)
        .args(after)
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("{program}: {status}").into());
    }
    Ok(begin.elapsed().as_secs_f64())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
