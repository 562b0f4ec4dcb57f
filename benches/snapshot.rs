//! Measures writing the state while recording: `cargo bench --bench snapshot`.
//!
//! The thread that drains the rings makes the snapshot, another one encodes and writes it. The machine is synthetic:
//! processes of four threads, each with its own command line, 2 KiB of environment and 40 fds, which is more than
//! the average of servers.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and panics if it fails"
)]

use std::time::{Duration, Instant};

use scap::state::State;
use scap_capture_format::event::{Pid, Tid};
use scap_capture_format::native::snapshot::{FdEntry, ThreadEntry};
use scap_capture_format::native::{CaptureWriter, Header, Snapshot, WriterOptions};

const ROUNDS: usize = 21;
const THREADS_OF_PROCESS: i64 = 4;
const FDS_OF_PROCESS: i64 = 40;

fn machine(threads: i64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for tid in 1..=threads {
        let pid = tid - (tid - 1) % THREADS_OF_PROCESS;
        let mut own = |text: String| snapshot.strings.intern(text.as_bytes());
        let entry = ThreadEntry {
            tid: Tid(tid),
            pid: Pid(pid),
            ptid: Pid(1),
            comm: own(format!("worker-{}", pid % 50)),
            exe: own("/usr/sbin/server".to_owned()),
            exepath: own("/usr/sbin/server".to_owned()),
            args: own(format!("--listen\0127.0.0.1:{pid}\0")),
            env: own(format!("ID={pid}\0{}", "PATH=/usr/bin:/bin\0".repeat(105))),
            cwd: own(format!("/srv/{pid}/")),
            cgroups: own(format!("cpu=/system.slice/server-{}.service\0", pid % 50)),
            ..ThreadEntry::default()
        };
        snapshot.threads.push(entry);
        if tid != pid {
            continue;
        }
        for fd in 0..FDS_OF_PROCESS {
            let name = format!("/srv/{pid}/data/file-{fd}");
            let name = snapshot.strings.intern(name.as_bytes());
            snapshot.fds.push(FdEntry {
                owner: Tid(pid),
                fd,
                kind: 16,
                name,
                ..FdEntry::default()
            });
        }
    }
    snapshot
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    println!("| threads | fds | making it | encoding and writing it | bytes |");
    println!("| --: | --: | --: | --: | --: |");
    for threads in [500, 10_000, 100_000] {
        let begin = machine(threads);
        let fds = begin.fds.len();
        let mut state = State::new();
        state.restore(&begin);
        assert_eq!(state.thread_count() as i64, threads);
        let (mut making, mut writing, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let clock = Instant::now();
            let mut snapshot = state.snapshot();
            making.push(clock.elapsed());
            let options = WriterOptions::default();
            let mut writer = CaptureWriter::new(Vec::new(), &Header::default(), options).unwrap();
            let before = writer.bytes_written();
            let clock = Instant::now();
            writer.write_snapshot(&mut snapshot).unwrap();
            writing.push(clock.elapsed());
            bytes = writer.bytes_written() - before;
        }
        println!(
            "| {threads} | {fds} | {:.1?} | {:.1?} | {bytes} |",
            median(making),
            median(writing)
        );
    }
}
