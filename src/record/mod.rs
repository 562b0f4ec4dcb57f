//! The recorder: loads the probe, drains its rings, and writes the capture file.
//!
//! ```text
//! preflight -> probe (btf, arg_specs, setup) -> ring -> merge -> encode -> pipeline -> output -> file
//!                                           /proc -> snapshot -^            `-> sink
//! ```
//!
//! Only this module needs privileges and a kernel. It does not depend on the command line: [`record`] takes
//! [`Options`] and returns a [`Summary`].

mod abi;
mod accounts;
mod audit;
mod cgroups;
mod clock;
pub mod command;
mod container_stage;
pub mod containers;
mod detect;
mod encode;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod host;
mod inflight;
mod losses;
mod machine;
mod machine_watch;
mod merge;
mod output;
mod pipeline;
mod preflight;
mod probe;
mod procfs;
mod session;
mod target;
mod unmatched;

use std::{ffi::OsString, fs::File, io, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

pub use audit::{AuditCounts, AuditOptions, TlsOptions, WebhookOptions};
pub use command::CommandEnd;
pub use containers::ContainerOptions;
pub use detect::{ALERTS_PER_SECOND, AlertCounts, Detector, RuleCount};
pub use preflight::Missing;
pub use probe::ProbeError;
pub use probe::ring::CpuCounters;
pub use probe::setup::{KernelChoice, kernel_choice};
pub use session::{Notice, Status};
pub use target::Trouble;
pub use unmatched::Unmatched;

use host::Host;
use scap_capture_format::native::Signer;

use crate::fields::Session;
use crate::replay::EventSink;

use crate::filter::{Filter, TypeSet};

/// Default limit of the bytes kept of a data buffer.
pub const DEFAULT_SNAPLEN: u32 = 80;
/// The largest snaplen.
pub const MAX_SNAPLEN: u32 = 65_000;
/// Default size of one CPU's ring in MiB.
pub const DEFAULT_BUFFER_MIB: u32 = 8;
/// The largest ring in MiB.
pub const MAX_BUFFER_MIB: u32 = 1024;

/// Options of a recording.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Stop after this number of events.
    pub max_events: Option<u64>,
    /// Most bytes kept of a data buffer, at most [`MAX_SNAPLEN`].
    pub snaplen: u32,
    /// Size of one CPU's ring in MiB, at most [`MAX_BUFFER_MIB`].
    pub buffer_mib: u32,
    /// Record only these processes.
    pub pids: Vec<u32>,
    /// Exclude these processes.
    pub not_pids: Vec<u32>,
    /// Record only threads with these names.
    pub comms: Vec<String>,
    /// Exclude threads with these names.
    pub not_comms: Vec<String>,
    /// Record only these syscalls.
    pub syscalls: Vec<String>,
    /// Exclude these syscalls.
    pub not_syscalls: Vec<String>,
    /// Record only events that pass this filter; those needed to understand them are kept as hidden events.
    pub filter: Option<Filter>,
    /// Of the events that pass, the sink uses only these types; `None` = all.
    pub types: Option<TypeSet>,
    /// Where the root directory of the recorded machine is mounted: `/`, except in a container.
    pub host_root: PathBuf,
    /// How container runtimes are asked; their root directory is that of `host_root`.
    pub containers: ContainerOptions,
    /// Kubernetes audit events to record with those of the machine.
    pub audit: AuditOptions,
    /// Run this command and record it and its descendants.
    pub command: Vec<OsString>,
    /// The program that holds the command until the probe is attached: it is called with
    /// [`command::EXEC_GATE`] and has to answer with [`command::hold`].
    pub holder: PathBuf,
    /// The options as given by the user, for the file's header.
    pub given: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            duration: None,
            max_events: None,
            snaplen: DEFAULT_SNAPLEN,
            buffer_mib: DEFAULT_BUFFER_MIB,
            pids: Vec::new(),
            not_pids: Vec::new(),
            comms: Vec::new(),
            not_comms: Vec::new(),
            syscalls: Vec::new(),
            not_syscalls: Vec::new(),
            filter: None,
            types: None,
            host_root: PathBuf::from("/"),
            containers: ContainerOptions::default(),
            audit: AuditOptions::default(),
            command: Vec::new(),
            holder: PathBuf::new(),
            given: Vec::new(),
        }
    }
}

/// Where the capture goes.
#[derive(Debug)]
pub enum Destination {
    /// A file, see [`files`](crate::files).
    Path {
        /// Its path.
        path: PathBuf,
        /// A directory for a copy, which is kept if something happens to the file.
        fallback: Option<PathBuf>,
    },
    /// A pipe, or a file that has no name.
    Stream(File),
}

/// Errors that prevent a recording or end it.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The machine or the caller lacks something.
    #[error("cannot record on this machine")]
    Preflight(Vec<Missing>),
    /// There is no syscall of this name.
    #[error("unknown syscall {name:?}")]
    UnknownSyscall {
        /// The name as given.
        name: String,
        /// The most similar name, if there is one.
        nearest: Option<&'static str>,
    },
    /// A source of audit events cannot be opened.
    #[error("cannot {what}: {source}")]
    Audit {
        /// What was to be done.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The probe could not be loaded.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The file could not be created.
    #[error("cannot create {path}: {source}")]
    Create {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
        /// How many bytes there was no room for, if that is the cause.
        needed: Option<u64>,
    },
    /// Something happened to the file while it was written.
    #[error("{path} {trouble}")]
    Lost {
        /// The path of the file.
        path: PathBuf,
        /// What happened.
        trouble: Trouble,
        /// How many bytes had been written.
        kept: u64,
        /// The copy, which is complete.
        saved: Option<PathBuf>,
    },
    /// The command could not be started.
    #[error("cannot run {name:?}: {source}")]
    Command {
        /// The command.
        name: OsString,
        /// The cause.
        source: io::Error,
    },
    /// Writing failed; the file is valid up to `kept`.
    #[error("writing the capture failed: {error}; the first {kept} bytes are kept and readable")]
    Write {
        /// The path of the file; `None` for a pipe.
        path: Option<PathBuf>,
        /// Length of the valid part of the file in bytes.
        kept: u64,
        /// Why the file could not be cut to this length, if so: the beginning of a section follows.
        torn: Option<io::Error>,
        /// The cause.
        error: scap_capture_format::Error,
    },
    /// The capture could not be encoded.
    #[error(transparent)]
    Format(#[from] scap_capture_format::Error),
    /// The output failed.
    #[error("writing the capture failed: {0}")]
    Output(#[from] io::Error),
    /// The sink that received the events failed.
    #[error("the output failed")]
    Sink(#[source] io::Error),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A thread panicked.
    #[error("internal error: {0} crashed")]
    Crashed(&'static str),
}

/// The result of a recording.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Time from attach to detach.
    pub elapsed: Duration,
    /// Events in the file, or passed to the sink.
    pub events: u64,
    /// Events that are not from the kernel: descriptions of containers, changes of users, groups and the clock.
    pub described: u64,
    /// Events of which something other than data was cut: a command line, an environment, a path, a list.
    pub cut: u64,
    /// Events that the filter rejected.
    pub left_out: u64,
    /// The alerts, if rules were evaluated.
    pub alerts: Option<AlertCounts>,
    /// Audit events, if there are sources of them. Those that were taken are in `events`, too, unless the filter rejected
    /// them.
    pub audit: Option<AuditCounts>,
    /// The choices that matched nothing.
    pub unmatched: Unmatched,
    /// Of the rejected events, those kept hidden in the file for the state.
    pub hidden: u64,
    /// Of the rejected events, those whose container's runtime had not reported yet what the filter needs.
    pub undescribed: u64,
    /// Of the events in the file, calls that had not returned.
    pub in_flight: u64,
    /// Events after the limit of [`Options::max_events`].
    pub surplus: u64,
    /// Records that became part of another event.
    pub joined: u64,
    /// Events beyond the first of their record: the further messages of one call.
    pub expanded: u64,
    /// Events that were too large for the format.
    pub refused: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The probe's counters, by CPU.
    pub cpus: Vec<CpuCounters>,
    /// CPU time of the recorder.
    pub cpu_time: Duration,
    /// Peak resident memory of the recorder in bytes, rings included.
    pub peak_memory: u64,
    /// Size of the rings in bytes.
    pub ring_bytes: u64,
    /// State of the command.
    pub command: CommandEnd,
}

impl Summary {
    /// Returns the number of events that the probe saw and that were not excluded.
    pub fn seen(&self) -> u64 {
        self.cpus.iter().map(|cpu| cpu.seen).sum()
    }

    /// Returns the number of events lost between the probe and the file.
    pub fn lost(&self) -> u64 {
        self.cpus.iter().map(CpuCounters::lost).sum::<u64>() + self.refused
    }
}

/// Records until `stop` is set or a limit of `options` is reached. `detector` has rules that are evaluated for the
/// recorded events; their alerts are events of the capture, too. With a `signer`, the capture is sealed, about every second and at its end.
///
/// # Errors
///
/// See [`RecordError`]. Whatever happens, no program stays attached.
pub fn record(
    options: &Options,
    destination: Destination,
    detector: Option<Detector>,
    signer: Option<Box<dyn Signer>>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Notice<'_>),
) -> Result<Summary, RecordError> {
    probe::setup::check_names(options)?;
    let host = Host::new(&options.host_root);
    let kernel = preflight::check(&host)?;
    let child = child(options)?;
    let mode = session::Mode::Capture(destination, detector.map(Box::new), signer);
    session::run(options, mode, &host, &kernel, child, stop, watch)
}

/// Passes events to a sink as they happen, until `stop` is set, a limit of `options` is reached, or the sink
/// stops. `session` says how fields print.
///
/// # Errors
///
/// As [`record`].
pub fn observe(
    options: &Options,
    session: Session,
    sink: &mut dyn EventSink,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Notice<'_>),
) -> Result<Summary, RecordError> {
    probe::setup::check_names(options)?;
    let host = Host::new(&options.host_root);
    let kernel = preflight::check(&host)?;
    let child = child(options)?;
    let mode = session::Mode::Sink(Box::new(session), sink);
    session::run(options, mode, &host, &kernel, child, stop, watch)
}

/// Returns the name of the machine that is recorded.
pub fn machine_name(options: &Options) -> String {
    machine::name(&Host::new(&options.host_root))
}

/// Starts the holder of the command, if there is a command.
fn child(options: &Options) -> Result<Option<command::StoppedChild>, RecordError> {
    match options.command.as_slice() {
        [] => Ok(None),
        command => command::StoppedChild::start(&options.holder, command).map(Some),
    }
}

/// Peak resident memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|value| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes << 10)
}
