//! A recorder as a child process: started, known to be at work, ended, and paid for.

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

/// Longest time that a recorder may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(5);

/// A command line that keeps a program on the CPUs of `cpus`, a list as `taskset -c` has it.
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

/// What a process used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, without that of its children.
    pub(crate) cpu: Duration,
    /// Most resident memory in bytes, as seen before it was told to end.
    pub(crate) memory: u64,
}

/// A running recorder.
pub(crate) struct Recorder {
    child: Child,
    /// What it prints.
    log: PathBuf,
}

impl Recorder {
    /// Starts `command`; what it prints goes to `log`.
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

    /// Waits until `ready` says so. It is an error if the recorder ends before.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended ({status}): {}", self.printed()).into());
            }
            if begin.elapsed() > PATIENCE {
                return Err("it does not start".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Ends it as Ctrl-C does, and waits until its files are whole.
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

    /// Waits for the end without collecting the process, whose times can then still be read.
    fn ended(&self, pid: Pid) -> Result<Duration> {
        let begin = Instant::now();
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(pid), look)?.is_none() {
            if begin.elapsed() > PATIENCE {
                kill_process(pid, Signal::KILL)?;
                return Err("it does not end".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(cpu_time(pid, false).unwrap_or_default())
    }

    fn check(&self, status: ExitStatus) -> Result<()> {
        use std::os::unix::process::ExitStatusExt as _;
        // perf dies of the signal itself after it has finished the file.
        if status.success() || status.signal() == Some(Signal::INT.as_raw()) {
            return Ok(());
        }
        Err(format!("it failed ({status}): {}", self.printed()).into())
    }

    /// What it has printed, on one line.
    pub(crate) fn printed(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(200).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Ended already, unless something went wrong.
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

/// User and system time of a process, also of one that has ended and was not collected; with that
/// of the children that it has collected, if wanted.
pub(crate) fn cpu_time(pid: Pid, children: bool) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces; from the 12th field after it on: user and system
    // time, and those of the children.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let times = fields.take(if children { 4 } else { 2 });
    let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_nanos(
        ticks * 1_000_000_000 / per_second.max(1),
    ))
}

/// Time that a process of one thread was on a CPU, to the nanosecond.
pub(crate) fn time_on_cpu(pid: Pid) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    Some(Duration::from_nanos(
        stat.split_whitespace().next()?.parse().ok()?,
    ))
}
