//! What starting a recording asks of the kernel.

use std::{fs, process::Command, time::Duration};

use rustix::process::Signal;

use super::{recorder::Recorder, tools::bench};

/// The most instructions that the verifier may go through for the whole probe: 74,000 to 79,300 on Linux 6.18,
/// depending on the filters. Each 1,000 take about a millisecond.
const CEILING: u64 = 80_000;

/// A program that a process holds.
struct Program {
    id: String,
    verified: u64,
}

impl Program {
    /// Its name, where bpftool is there to ask for it.
    fn name(&self) -> String {
        let output = Command::new("bpftool")
            .args(["prog", "show", "id", &self.id])
            .output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let text = text.unwrap_or_default();
        let mut words = text.split_whitespace().skip_while(|word| *word != "name");
        words.nth(1).unwrap_or(&self.id).to_owned()
    }
}

/// The programs that a process holds, and how many instructions the kernel went through to verify each.
/// The kernel counts the same for the same program, however busy the machine is. Empty before Linux 5.16.
fn programs(pid: u32) -> Vec<Program> {
    let directory = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    directory
        .filter_map(|entry| {
            let info = fs::read_to_string(entry.unwrap().path()).ok()?;
            let fact = |key: &str| {
                let line = info.lines().find_map(|line| line.strip_prefix(key))?;
                Some(line.trim().to_owned())
            };
            Some(Program {
                id: fact("prog_id:")?,
                verified: fact("verified_insns:")?.parse().ok()?,
            })
        })
        .collect()
}

#[test]
fn the_verifier_has_little_to_do() {
    let Some(bench) = bench() else { return };
    let filters: &[&[&str]] = &[
        &[],
        &["--snaplen", "65000"],
        &[
            "--pid",
            "!1",
            "--comm",
            "!nobody",
            "container.id=0123456789ab",
        ],
    ];
    for args in filters {
        let recorder = Recorder::start(&bench, "startup.scap", args);
        let pid = recorder.child().id();
        let programs = programs(pid);
        let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
        for program in &programs {
            println!("{:20} {:8}", program.name(), program.verified);
        }
        recorder.signal(Signal::INT);
        let (code, said) = recorder.end();
        assert_eq!(code, Some(0), "{said}");
        if programs.is_empty() {
            eprintln!("skipped: this kernel does not say what its verifier did");
            return;
        }
        let sum: u64 = programs.iter().map(|program| program.verified).sum();
        let cpu = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
        println!(
            "{args:?}: {} programs, {sum} instructions verified, {:?} of CPU by the first thread",
            programs.len(),
            Duration::from_nanos(cpu.unwrap_or(0))
        );
        assert!(programs.len() >= 12, "programs are missing");
        assert!(sum < CEILING, "{sum} instructions");
    }
}
