//! A recorder as a child process: start, readiness, end, resource usage.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::Result;

/// Longest time for a recorder to start or to end.
const PATIENCE: Duration = Duration::from_secs(120);
/// Interval of checks.
const PAUSE: Duration = Duration::from_millis(5);

/// A command line that pins a program to the CPUs of `cpus`, a list as for `taskset -c`.
pub(crate) fn pinned(cpus: Option<&str>, program: impl AsRef<OsStr>) -> Command {
    match cpus {
        None => Command::new(program),
        Some(cpus) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cpus]).arg(program);
            command
        }
    }
}

/// The resources that a process used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time, without that of its children.
    pub(crate) cpu: Duration,
    /// Peak resident memory in bytes, read before the process was ended.
    pub(crate) memory: u64,
}

/// A running recorder.
pub(crate) struct Recorder {
    child: Child,
    /// Its output.
    log: PathBuf,
}

impl Recorder {
    /// Starts `command`, with its output to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let out = File::create(log)?;
        let name = command.get_program().to_owned();
        let child = command
            .stdin(std::process::Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|error| format!("{}: {error}", name.display()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until `ready` returns true. Fails if the recorder ends before.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the recorder ended ({status}): {}", self.printed()).into());
            }
            if begin.elapsed() > PATIENCE {
                return Err("the recorder does not start".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Interrupts it like Ctrl-C, and waits until its files are complete.
    pub(crate) fn interrupt(mut self) -> Result<Usage> {
        let pid = Pid::from_child(&self.child);
        let memory = peak_memory(pid);
        kill_process(pid, Signal::INT)?;
        let cpu = self.ended(pid)?;
        let status = self.child.wait()?;
        self.check(status)?;
        Ok(Usage { cpu, memory })
    }

    /// Waits for a recorder that ends by itself.
    pub(crate) fn join(mut self) -> Result<Usage> {
        let pid = Pid::from_child(&self.child);
        let cpu = self.ended(pid)?;
        let status = self.child.wait()?;
        self.check(status)?;
        Ok(Usage { cpu, memory: 0 })
    }

    /// Waits for the end without reaping the process, so that its times can still be read.
    fn ended(&self, pid: Pid) -> Result<Duration> {
        let begin = Instant::now();
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(pid), look)?.is_none() {
            if begin.elapsed() > PATIENCE {
                kill_process(pid, Signal::KILL)?;
                return Err("the recorder does not end".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(cpu_time(pid, false).unwrap_or_default())
    }

    fn check(&self, status: ExitStatus) -> Result<()> {
        use std::os::unix::process::ExitStatusExt as _;
        // perf is killed by the signal itself, after it has finished the file.
        if status.success() || status.signal() == Some(Signal::INT.as_raw()) {
            return Ok(());
        }
        Err(format!("the recorder failed ({status}): {}", self.printed()).into())
    }

    /// Returns its output, on one line.
    pub(crate) fn printed(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(200).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It has ended already, except after an error.
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn peak_memory(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib << 10)
}

/// Returns user and system time of a process, also if it has ended and was not reaped; optionally with that of its
/// reaped children.
pub(crate) fn cpu_time(pid: Pid, children: bool) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, can contain spaces. From the 12th field after it on: user and system time, and those of
    // the children.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let times = fields.take(if children { 4 } else { 2 });
    let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_nanos(
        ticks * 1_000_000_000 / per_second.max(1),
    ))
}

/// Returns the time that a process with one thread was on a CPU, to the nanosecond.
pub(crate) fn time_on_cpu(pid: Pid) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    Some(Duration::from_nanos(
        stat.split_whitespace().next()?.parse().ok()?,
    ))
}
