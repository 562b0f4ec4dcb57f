//! The loads: the loops of `storm.c`, and realistic workloads.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{
    Result,
    child::{cpu_time, pinned, time_on_cpu},
};

/// The loops of `storm.c`.
pub(crate) const LOOPS: [&str; 5] = ["getpid", "file", "null", "exec", "fork"];

/// A load: programs that run at the same time.
pub(crate) struct Load {
    commands: Vec<Command>,
}

/// The result of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// Time from start to the end of the last program.
    pub(crate) wall: Duration,
    /// Calls (for exec and fork: rounds) per second, summed over the programs; 0 if they do not report them.
    pub(crate) rate: f64,
    /// CPU time of the first program, without its children, as a share of its run time.
    pub(crate) share: f64,
    /// CPU time of the programs and their children in seconds.
    pub(crate) cpu: f64,
}

impl Ran {
    /// Parses the output of a loop.
    pub(crate) fn read(output: &Path, wall: Duration) -> Result<Self> {
        let text = fs::read_to_string(output)?;
        let rate = text.lines().filter_map(rate).sum();
        Ok(Self {
            wall,
            rate,
            share: 1.0,
            cpu: 0.0,
        })
    }
}

/// `getpid 9515123 per_s iters 19031000 secs 2.000`
fn rate(line: &str) -> Option<f64> {
    let mut words = line.split_whitespace();
    let number = words.nth(1)?.parse().ok()?;
    (words.next()? == "per_s").then_some(number)
}

impl Load {
    /// One loop on each of `cpus`.
    pub(crate) fn storm(tools: &Tools, mode: &str, seconds: f64, cpus: &[usize]) -> Self {
        let on = |cpu: &usize| {
            let mut command = pinned(Some(&cpu.to_string()), &tools.storm);
            command.arg(mode).arg(seconds.to_string());
            command
        };
        Self {
            commands: cpus.iter().map(on).collect(),
        }
    }

    /// One command.
    pub(crate) fn command(command: Command) -> Self {
        Self {
            commands: vec![command],
        }
    }

    /// Returns the command, if there is only one.
    pub(crate) fn single(&self) -> Option<&Command> {
        match self.commands.as_slice() {
            [command] => Some(command),
            _ => None,
        }
    }

    /// Runs all commands at once and waits for them.
    pub(crate) fn run(&self) -> Result<Ran> {
        let begin = Instant::now();
        let mut children = Vec::new();
        for command in &self.commands {
            let mut copy = Command::new(command.get_program());
            copy.args(command.get_args())
                .stdin(Stdio::null())
                .stdout(Stdio::piped());
            if let Some(dir) = command.get_current_dir() {
                copy.current_dir(dir);
            }
            children.push(copy.stderr(Stdio::inherit()).spawn()?);
        }
        let mut total = 0.0;
        let (mut share, mut cpu) = (None, 0.0);
        for child in children {
            let pid = Pid::from_child(&child);
            // Its output fits into a pipe, so it can end before it is read.
            waitid(
                WaitId::Pid(pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
            )?;
            let used = time_on_cpu(pid).unwrap_or_default();
            share.get_or_insert(used.as_secs_f64() / begin.elapsed().as_secs_f64());
            cpu += cpu_time(pid, true).unwrap_or_default().as_secs_f64();
            let output = child.wait_with_output()?;
            if !output.status.success() {
                return Err(format!("the load failed: {}", output.status).into());
            }
            let text = String::from_utf8_lossy(&output.stdout);
            total += text.lines().filter_map(rate).sum::<f64>();
        }
        Ok(Ran {
            wall: begin.elapsed(),
            rate: total,
            share: share.unwrap_or(1.0),
            cpu,
        })
    }
}

/// The tools that the loads need.
pub(crate) struct Tools {
    storm: PathBuf,
    dir: PathBuf,
    workloads: PathBuf,
}

impl Tools {
    /// Compiles `storm.c` into `dir`.
    pub(crate) fn build(dir: &Path) -> Result<Self> {
        let workloads = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/workloads");
        let storm = dir.join("storm");
        let status = Command::new("cc")
            .arg("-O2")
            .arg("-o")
            .arg(&storm)
            .arg(workloads.join("storm.c"))
            .status()?;
        if !status.success() {
            return Err("cc cannot compile storm.c".into());
        }
        Ok(Self {
            storm,
            dir: dir.to_owned(),
            workloads,
        })
    }

    /// The realistic mix.
    pub(crate) fn realmix(&self) -> Load {
        let mut command = Command::new("bash");
        command.arg(self.workloads.join("realmix.sh")).arg("1");
        Load::command(command)
    }

    /// A small C program, compiled repeatedly.
    pub(crate) fn compile(&self) -> Load {
        let mut command = Command::new("sh");
        let script = r#"for i in $(seq 40); do cc -O2 -o "$1" "$0"; done"#;
        command
            .arg("-c")
            .arg(script)
            .arg(self.workloads.join("storm.c"))
            .arg(self.dir.join("out"));
        Load::command(command)
    }

    /// A redis server on loopback, and a fixed number of requests to it.
    pub(crate) fn redis(&self) -> Result<(Redis, Load)> {
        const PORT: &str = "16399";
        let server = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                PORT,
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("redis-server: {error}"))?;
        let server = Redis(server);
        let mut ping = Command::new("redis-cli");
        ping.args(["-p", PORT, "ping"]).stderr(Stdio::null());
        let begin = Instant::now();
        while !ping.output()?.stdout.starts_with(b"PONG") {
            if begin.elapsed() > Duration::from_secs(10) {
                return Err("redis-server does not answer".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let mut command = Command::new("redis-benchmark");
        command.args(["-h", "127.0.0.1", "-p", PORT, "-c", "50", "-n", "60000"]);
        command.args(["-t", "set,get", "-q"]);
        Ok((server, Load::command(command)))
    }
}

/// A server that is stopped when dropped.
pub(crate) struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
