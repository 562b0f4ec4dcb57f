//! From what was asked for to what the probe is loaded with.

use scap_capture_format::schema::{Arch, syscall, types};
use scap_probe_common::{
    config::{Config, MISSING, filter},
    spec::{ABI_ENTRIES, SOCKETCALL_AT, SOCKETCALLS},
    wire::SEGMENT_BYTES,
};

use super::{ProbeOptions, arg_specs};
use crate::record::{
    Options, RecordError, abi::Call, cgroups::Hierarchy, encode, preflight::Kernel,
};
use crate::{
    event::suggest::similar,
    filter::{Filter, TypeSet},
    state,
};

/// Segments that a ring needs at least: one being written, one being read.
const MIN_SEGMENTS: u32 = 2;

/// Builds the probe's options. Process ids, `own_pid` among them, are the kernel's.
pub(in crate::record) fn plan(
    options: &Options,
    own_pid: u32,
    kernel: &Kernel,
    follow: Option<u32>,
    hierarchy: Hierarchy,
) -> Result<ProbeOptions, RecordError> {
    let mut specs = arg_specs::specs(kernel.arch, options.snaplen);
    for (place, spec) in (0..).zip(&mut specs) {
        if options.excludes(kernel.arch, place) {
            arg_specs::exclude(spec);
        }
    }
    let by_container = options
        .filter
        .as_ref()
        .and_then(Filter::container_prefilter);
    if by_container.is_some() {
        for (place, spec) in (0..).zip(&mut specs) {
            if changes_state(Call::at(kernel.arch, place)) {
                arg_specs::keep_for_state(spec);
            }
        }
    }
    let (pid_filter, pids) = mode(&options.pids, &options.not_pids);
    let (comm_filter, comms) = mode(&options.comms, &options.not_comms);
    let segments = (options.buffer_mib << 20) / SEGMENT_BYTES as u32;
    Ok(ProbeOptions {
        config: Config {
            own_pid,
            snaplen: options.snaplen,
            segments: segments.max(MIN_SEGMENTS),
            pid_filter,
            comm_filter,
            follow: u32::from(follow.is_some()),
            cgroup_filter: u32::from(by_container.is_some()),
            cgroup_hierarchy: MISSING,
            has_task_btf: u32::from(kernel.release >= (5, 11)),
            cgroup_subsys: [0; 5],
            rss_stride: 0,
        },
        specs,
        cpus: kernel.cpus,
        possible_cpus: kernel.possible_cpus,
        pid_max: kernel.pid_max,
        pids: pids.to_vec(),
        comms: comms.iter().map(|comm| comm_key(comm)).collect(),
        follow,
        hierarchy,
    })
}

/// Which way a pair of lists filters, and the list.
fn mode<'a, T>(include: &'a [T], exclude: &'a [T]) -> (u32, &'a [T]) {
    match (include, exclude) {
        ([], []) => (filter::OFF, &[]),
        ([], exclude) => (filter::EXCLUDE, exclude),
        (include, _) => (filter::INCLUDE, include),
    }
}

/// A task name as the kernel keeps it.
fn comm_key(name: &str) -> [u8; 16] {
    let mut key = [0; 16];
    let bytes = name.as_bytes();
    let len = bytes.len().min(15);
    key[..len].copy_from_slice(&bytes[..len]);
    key
}

/// The comm filter for threads that are looked at in /proc.
pub(in crate::record) struct CommSet<'a>(&'a Options);

impl<'a> CommSet<'a> {
    pub(in crate::record) fn new(options: &'a Options) -> Self {
        Self(options)
    }

    /// Whether the thread at this directory of /proc is wanted.
    pub(in crate::record) fn wants(&self, directory: &str) -> bool {
        let (mode, list) = mode(&self.0.comms, &self.0.not_comms);
        if mode == filter::OFF {
            return true;
        }
        let name = std::fs::read(format!("{directory}/comm")).unwrap_or_default();
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        let named = list
            .iter()
            .any(|comm| &comm.as_bytes()[..comm.len().min(15)] == name);
        named == (mode == filter::INCLUDE)
    }
}

impl Options {
    /// Whether the pid filter leaves a process in.
    pub(in crate::record) fn wants_pid(&self, pid: u32) -> bool {
        let (mode, list) = mode(&self.pids, &self.not_pids);
        mode == filter::OFF || list.contains(&pid) == (mode == filter::INCLUDE)
    }

    /// Whether a call is left out: it was excluded by name, or nobody looks at it.
    pub(in crate::record) fn excludes(&self, arch: Arch, place: u32) -> bool {
        let call = Call::at(arch, place);
        if call.is_some_and(|call| call.name == "socketcall" && call.is_ia32) {
            // The probe decides when it knows which one it is.
            let first = (ABI_ENTRIES + SOCKETCALL_AT) as u32;
            return (first + 1..first + SOCKETCALLS as u32).all(|place| self.excludes(arch, place));
        }
        self.excludes_by_name(call) || !self.needs(call)
    }

    /// Whether a call can be one that is looked at, or changes the state that others are seen in.
    fn needs(&self, call: Option<Call>) -> bool {
        let pushdown = self.filter.as_ref().map(Filter::pushdown);
        if pushdown.is_some_and(|pushdown| pushdown.depends_on_all.is_some()) {
            return true;
        }
        let schema = call.and_then(|call| call.schema);
        let is_in = |types: &TypeSet| match schema {
            None => types.contains_call(0),
            Some(call) => match encode::type_of(call) {
                types::GENERIC_X => types.contains_call(call.ppm_sc),
                ty => types.contains(ty),
            },
        };
        let passes = pushdown.is_none_or(|pushdown| is_in(&pushdown.types));
        let is_looked_at = self.types.as_ref().is_none_or(is_in);
        passes && is_looked_at || changes_state(call)
    }

    fn excludes_by_name(&self, call: Option<Call>) -> bool {
        let is_in = |names: &[String]| {
            let is_its = |name: &String| call.is_some_and(|call| call.is_named(name));
            names.iter().any(is_its)
        };
        match self.syscalls.as_slice() {
            [] => is_in(&self.not_syscalls),
            include => !is_in(include),
        }
    }
}

/// Whether a call changes what later events mean.
fn changes_state(call: Option<Call>) -> bool {
    let Some(call) = call.and_then(|call| call.schema) else {
        return true;
    };
    match encode::type_of(call) {
        types::GENERIC_X => state::call_may_affect_state(call.name),
        ty => state::may_affect_state(ty),
    }
}

/// What the kernel is told to leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelChoice {
    /// The syscalls that are recorded.
    pub recorded: Vec<&'static str>,
    /// How many syscalls there are.
    pub all: usize,
    /// The field of the filter because of which none can be left out.
    pub depends_on_all: Option<&'static str>,
    /// How many of them are recorded of threads whose container the filter rules out; `None`: it rules out
    /// none.
    pub elsewhere: Option<usize>,
}

/// Returns what the kernel decides for a recording on this machine.
pub fn kernel_choice(options: &Options) -> KernelChoice {
    let arch = Arch::from_name(std::env::consts::ARCH).unwrap_or(Arch::X86_64);
    let numbered = |call: &syscall::Syscall| call.nr(arch);
    let calls = syscall::SYSCALLS
        .iter()
        .filter(|call| numbered(call).is_some());
    let wanted = |call: &&syscall::Syscall| {
        numbered(call).is_some_and(|nr| !options.excludes(arch, u32::from(nr)))
    };
    let by_container = options
        .filter
        .as_ref()
        .and_then(Filter::container_prefilter);
    let elsewhere = by_container.map(|_| {
        let changes = |call: &&syscall::Syscall| {
            let at = |nr: u16| Call::at(arch, u32::from(nr));
            wanted(call) && numbered(call).is_some_and(|nr| changes_state(at(nr)))
        };
        calls.clone().filter(changes).count()
    });
    let mut recorded: Vec<_> = calls.clone().filter(wanted).map(|call| call.name).collect();
    recorded.sort_unstable();
    let pushdown = options.filter.as_ref().map(|filter| filter.pushdown());
    KernelChoice {
        recorded,
        all: calls.count(),
        depends_on_all: pushdown.and_then(|pushdown| pushdown.depends_on_all),
        elsewhere,
    }
}

/// Checks names of syscalls before anything is started.
pub(in crate::record) fn check_names(options: &Options) -> Result<(), RecordError> {
    for name in options.syscalls.iter().chain(&options.not_syscalls) {
        if syscall::by_name(name).is_none() && !syscall::is_ia32(name) {
            return Err(RecordError::UnknownSyscall {
                name: name.clone(),
                nearest: similar(name, syscall::SYSCALLS.iter().map(|call| call.name))
                    .first()
                    .copied(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_attributes_makes_the_kernel_record_everything() {
        let choice = |text: &str| {
            kernel_choice(&Options {
                filter: Some(Filter::parse(text).unwrap()),
                ..Options::default()
            })
        };
        let few = choice("evt.type = openat and container.id = 0123456789ab");
        assert!(few.recorded.len() < few.all && few.elsewhere.is_some());
        let strict =
            choice("test.strict > 2 and evt.type = openat and container.id = 0123456789ab");
        assert_eq!(strict.recorded.len(), strict.all);
        assert_eq!(strict.depends_on_all, Some("test.strict"));
        assert_eq!(strict.elsewhere, None);
    }
}
