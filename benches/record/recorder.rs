//! The recorders, with a common interface: record while a load runs, and return the cost.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    Result,
    child::{Recorder, Usage, pinned},
    floor::{Floor, Level},
    load::{Load, Ran},
    perf_file,
};

/// Time after a recorder reports that it is attached.
const MOMENT: Duration = Duration::from_millis(500);

/// The recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None.
    Bare,
    /// Empty hooks.
    Empty,
    /// Empty hook on entry, a 64-byte ring record on exit.
    Ring,
    /// `scap record -w`.
    Scap,
    /// `perf trace record -a`.
    Perf,
    /// `strace -f -o`.
    Strace,
    /// bpftrace counting entries and exits.
    Bpftrace,
}

impl Kind {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 7] = [
        Self::Bare,
        Self::Empty,
        Self::Ring,
        Self::Scap,
        Self::Perf,
        Self::Strace,
        Self::Bpftrace,
    ];

    /// Its name on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Empty => "empty",
            Self::Ring => "ring",
            Self::Scap => "scap",
            Self::Perf => "perf",
            Self::Strace => "strace",
            Self::Bpftrace => "bpftrace",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare",
            Self::Empty => "floor: empty hooks",
            Self::Ring => "floor: 64-byte ring record",
            Self::Scap => "**scap record -w**",
            Self::Perf => "perf trace record -a",
            Self::Strace => "strace -f -o",
            Self::Bpftrace => "bpftrace counting",
        })
    }
}

/// The cost of a recording. `None`: the recorder does not report it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    /// Events recorded.
    pub(crate) events: Option<u64>,
    /// Events lost.
    pub(crate) lost: Option<u64>,
    /// Size of the file.
    pub(crate) bytes: Option<u64>,
    /// CPU time of the recorder in seconds.
    pub(crate) cpu: Option<f64>,
    /// Peak resident memory in bytes.
    pub(crate) memory: Option<u64>,
    /// The part of the memory that is rings.
    pub(crate) rings: Option<u64>,
    /// The accounting of scap's events.
    pub(crate) books: Option<Books>,
}

/// The accounting of the events that the probe saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Books {
    /// Events counted by the probe, before any could be lost.
    pub(crate) seen: u64,
    /// Calls that had returned, counted in the file.
    pub(crate) in_file: u64,
    /// Records that are part of another event of the file.
    pub(crate) joined: u64,
    /// Events beyond the first of one record (several messages of one call).
    pub(crate) expanded: u64,
    /// Lost events, according to the summary.
    pub(crate) lost: u64,
    /// Lost events, according to the file.
    pub(crate) lost_in_file: u64,
}

impl Books {
    /// Whether every event is accounted for, and file and summary agree.
    pub(crate) fn balance(&self) -> bool {
        self.in_file + self.joined + self.lost == self.seen + self.expanded
            && self.lost == self.lost_in_file
    }
}

/// Directories and CPUs.
pub(crate) struct Place {
    /// Directory for captures.
    pub(crate) dir: PathBuf,
    /// CPU of the recorder; `None` = anywhere.
    pub(crate) recorder_cpu: Option<usize>,
    /// Whether the file is read to compare it with the summary.
    pub(crate) audit: bool,
    /// Whether the load is one program that never waits, so that it uses its whole CPU unless disturbed.
    pub(crate) storm_is_busy: bool,
}

/// Records while `load` runs, and returns the results of both.
pub(crate) fn measure(kind: Kind, load: &Load, place: &Place) -> Result<(Ran, Cost)> {
    let cpus = place.recorder_cpu.map(|cpu| cpu.to_string());
    let cpus = cpus.as_deref();
    let log = place.dir.join("recorder.log");
    match kind {
        Kind::Bare => Ok((load.run()?, Cost::default())),
        Kind::Empty | Kind::Ring => {
            let level = if kind == Kind::Ring {
                Level::Record
            } else {
                Level::Empty
            };
            let floor = Floor::start(level, place.recorder_cpu)?;
            let ran = load.run();
            let events = floor.stop();
            Ok((
                ran?,
                Cost {
                    events,
                    ..Cost::default()
                },
            ))
        }
        Kind::Scap => scap(load, place, cpus, &log),
        Kind::Perf => {
            let file = Capture::new(place, "perf.data");
            let mut command = pinned(cpus, "perf");
            command
                .args(["trace", "record", "-a", "-o"])
                .arg(file.path());
            let mut recorder = Recorder::start(command, &log)?;
            recorder.wait_until(|| file.len() > 0)?;
            thread::sleep(MOMENT * 2);
            let ran = load.run();
            let usage = recorder.interrupt()?;
            let counts = perf_file::count(file.path())?;
            Ok((
                ran?,
                Cost::of(usage, counts.samples, Some(counts.lost), Some(file.len())),
            ))
        }
        Kind::Strace => {
            let file = Capture::new(place, "strace.out");
            let begin = Instant::now();
            let mut command = pinned(cpus, "strace");
            command.args(["-f", "-o"]).arg(file.path());
            let Some(inner) = load.single() else {
                return Err("it runs one command".into());
            };
            command.arg(inner.get_program()).args(inner.get_args());
            let recorder = Recorder::start(command, &log)?;
            let usage = recorder.join()?;
            let ran = Ran::read(&log, begin.elapsed())?;
            Ok((ran, Cost::of(usage, file.lines()?, None, Some(file.len()))))
        }
        Kind::Bpftrace => {
            const COUNT: &str = "BEGIN { printf(\"ready\\n\"); } \
                tracepoint:raw_syscalls:sys_enter { @enter = count(); } \
                tracepoint:raw_syscalls:sys_exit { @exit = count(); }";
            let mut command = pinned(cpus, "bpftrace");
            command.args(["-B", "none", "-e", COUNT]);
            let mut recorder = Recorder::start(command, &log)?;
            let ready = || fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"));
            recorder.wait_until(ready)?;
            thread::sleep(MOMENT);
            let ran = load.run();
            let usage = recorder.interrupt()?;
            let text = fs::read_to_string(&log)?;
            let events = text
                .lines()
                .find_map(|line| line.strip_prefix("@exit:")?.trim().parse().ok());
            Ok((ran?, Cost::of(usage, events.unwrap_or(0), None, None)))
        }
    }
}

fn scap(load: &Load, place: &Place, cpus: Option<&str>, log: &Path) -> Result<(Ran, Cost)> {
    const SCAP: &str = env!("CARGO_BIN_EXE_scap");
    let file = Capture::new(place, "bench.scap");
    let summary = place.dir.join("summary.json");
    let mut command = pinned(cpus, SCAP);
    command
        .args(["record", "-w"])
        .arg(file.path())
        .arg("--summary-json")
        .arg(&summary);
    let mut recorder = Recorder::start(command, log)?;
    // The header is written before the probe is attached; chunks are written later.
    recorder.wait_until(|| file.len() > 0)?;
    let header = file.len();
    recorder.wait_until(|| file.len() > header)?;
    let ran = load.run();
    let usage = recorder.interrupt()?;
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let number = |name: &str| summary[name].as_u64().unwrap_or(0);
    let books = if place.audit {
        Some(audit(file.path(), &summary)?)
    } else {
        None
    };
    let cost = Cost {
        events: Some(number("events")),
        lost: Some(number("lost")),
        bytes: Some(file.len()),
        cpu: Some(usage.cpu.as_secs_f64()),
        memory: Some(number("peak_memory_bytes")),
        rings: Some(number("ring_bytes")),
        books,
    };
    Ok((ran?, cost))
}

/// Compares the file with the summary.
fn audit(file: &Path, summary: &Value) -> Result<Books> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_scap"))
        .arg("info")
        .arg(file)
        .arg("--json")
        .output()?;
    if !output.status.success() {
        return Err(format!("scap info: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let info: Value = serde_json::from_slice(&output.stdout)?;
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    Ok(Books {
        seen: count(&summary["seen_by_kernel"]),
        in_file: count(&info["events"]["total"]) - count(&info["events"]["in_flight"]),
        joined: count(&summary["joined"]) + count(&summary["surplus"]),
        expanded: count(&summary["expanded"]),
        lost: count(&summary["lost"]),
        lost_in_file: count(&info["lost"]["total"]),
    })
}

impl Cost {
    fn of(usage: Usage, events: u64, lost: Option<u64>, bytes: Option<u64>) -> Self {
        Self {
            events: Some(events),
            lost,
            bytes,
            cpu: Some(usage.cpu.as_secs_f64()),
            memory: (usage.memory > 0).then_some(usage.memory),
            ..Self::default()
        }
    }
}

/// A file that is deleted when dropped: those of other recorders are large.
struct Capture(PathBuf);

impl Capture {
    fn new(place: &Place, name: &str) -> Self {
        Self(place.dir.join(name))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn len(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |data| data.len())
    }

    fn lines(&self) -> Result<u64> {
        Ok(fs::read(&self.0)?
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It may not exist.
        drop(fs::remove_file(&self.0));
    }
}
