//! The floor: programs that do (nearly) nothing on the hooks that every recorder needs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::{Ebpf, maps::RingBuf, programs::RawTracePoint};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Result;

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../probe/prebuilt/floor.o");

/// The attached programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Empty programs on entry and exit.
    Empty,
    /// Empty on entry; on exit a record of 64 bytes through the kernel's ring buffer.
    Record,
}

/// Attached programs, and the thread that reads their records.
pub(crate) struct Floor {
    // Detaches when dropped.
    _probe: Ebpf,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<u64>>,
}

impl Floor {
    /// Attaches the programs; pins the reader, if there is one, to `cpu`.
    pub(crate) fn start(level: Level, cpu: Option<usize>) -> Result<Self> {
        let mut probe = Ebpf::load(OBJECT)?;
        let exit = match level {
            Level::Empty => "empty_exit",
            Level::Record => "record_exit",
        };
        let stop = Arc::new(AtomicBool::new(false));
        let mut reader = None;
        if level == Level::Record {
            let ring = probe.take_map("RING").ok_or("the floor has no ring")?;
            let ring = RingBuf::try_from(ring)?;
            let stop = Arc::clone(&stop);
            reader = Some(thread::spawn(move || drain(ring, cpu, &stop)));
        }
        for (name, tracepoint) in [("empty_enter", "sys_enter"), (exit, "sys_exit")] {
            let program: &mut RawTracePoint = probe
                .program_mut(name)
                .ok_or("the floor lacks a program")?
                .try_into()?;
            program.load()?;
            program.attach(tracepoint)?;
        }
        Ok(Self {
            _probe: probe,
            stop,
            reader,
        })
    }

    /// Detaches. Returns the number of records read, for programs that write any.
    pub(crate) fn stop(mut self) -> Option<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.take().and_then(|reader| reader.join().ok())
    }
}

/// Polls the ring, as a recorder does.
fn drain(mut ring: RingBuf<aya::maps::MapData>, cpu: Option<usize>, stop: &AtomicBool) -> u64 {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        if let Err(error) = sched_setaffinity(None, &set) {
            eprintln!("the floor's reader is not pinned: {error}");
        }
    }
    let mut records = 0;
    while !stop.load(Ordering::Relaxed) {
        let before = records;
        while let Some(record) = ring.next() {
            records += u64::from(record.len() == 64);
        }
        if records - before < 1000 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    records
}
