//! Loads the probe: offsets of this kernel, choices of this recording, maps, programs.

mod arg_specs;
mod btf;
pub(super) mod ring;
pub(super) mod setup;

use std::collections::HashMap;

use aya::{
    Btf as AyaBtf, Ebpf, EbpfError, EbpfLoader,
    maps::{Array, HashMap as BpfHashMap, Map, MapError, ProgramArray},
    programs::{BtfTracePoint, ProgramError},
};
use scap_probe_common::{
    config::{CGROUP_CONTROLLERS, Config, MISSING, Offsets, followed},
    control::CONTROL_BYTES,
    spec::{SYSCALL_ENTRIES, SyscallSpec, family},
    wire::SEGMENT_BYTES,
};

use btf::{Btf, BtfError};
use ring::{MapMemory, Rings};

use super::cgroups::{Hierarchy, TellKernel};
use crate::seal;

/// The probe, built ahead so that nothing needs to be compiled on the target.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../probe/prebuilt/scap-probe.o");

/// Returns the hash of the probe.
pub(super) fn hash() -> String {
    seal::hash(OBJECT)
}

/// Where the kernel describes its own types.
pub(crate) const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The program of each family that has one.
const FAMILIES: &[(u8, &str)] = &[
    (family::OPS, "exit_ops"),
    (family::VECTOR, "exit_vector"),
    (family::MESSAGE, "exit_message"),
    (family::CLONE, "exit_clone"),
    (family::EXEC, "exit_exec"),
    (family::SOCKETCALL, "exit_socketcall"),
    (family::RIGHTS, "exit_rights"),
    (family::NEW_FD, "exit_new_fd"),
    (family::DIRECTORIES, "exit_directories"),
];

/// Programs and their tracepoints, in the order in which they are attached: whoever leaves a stamp
/// comes before whoever takes it.
const TRACEPOINTS: &[(&str, &str)] = &[
    ("sys_enter", "sys_enter"),
    ("task_newtask", "task_newtask"),
    ("sched_process_fork", "sched_process_fork"),
    ("sched_process_exec", "sched_process_exec"),
    ("sched_process_exit", "sched_process_exit"),
    ("signal_deliver", "signal_deliver"),
    ("task_rename", "task_rename"),
    (CGROUP_MOVES, CGROUP_MOVES),
    ("sys_exit", "sys_exit"),
];

/// Where the entry of a call goes on that is more than a stamp.
const ENTER_MORE: &str = "enter_more";

/// The one that a kernel without control groups lacks.
const CGROUP_MOVES: &str = "cgroup_attach_task";

/// Why the probe could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The kernel's types cannot be read.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The kernel lacks a field that the probe cannot do without.
    #[error("this kernel has no field {0}, which the probe cannot do without")]
    MissingField(&'static str),
    /// A map or the object was refused.
    #[error("the kernel refused the probe: {0}")]
    Load(#[from] EbpfError),
    /// A program was refused or could not be attached.
    #[error("the kernel refused the program {program}: {source}")]
    Program {
        /// Which one.
        program: &'static str,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A map could not be used.
    #[error("a map of the probe cannot be used: {0}")]
    Map(#[from] MapError),
    /// The object lacks a part.
    #[error("the probe's object lacks {0}")]
    Incomplete(&'static str),
    /// Memory of the rings could not be mapped.
    #[error("cannot map the rings: {0}")]
    Mmap(std::io::Error),
}

/// What the probe is loaded with.
pub(crate) struct ProbeOptions {
    /// Values frozen into the probe.
    pub(crate) config: Config,
    /// What to fetch, by syscall number.
    pub(crate) specs: Vec<SyscallSpec>,
    /// CPUs that get a ring.
    pub(crate) cpus: u32,
    /// CPUs that the kernel may ever have.
    pub(crate) possible_cpus: u32,
    /// One past the highest thread id.
    pub(crate) pid_max: u32,
    /// Processes of the pid filter.
    pub(crate) pids: Vec<u32>,
    /// Names of the comm filter.
    pub(crate) comms: Vec<[u8; 16]>,
    /// Process whose descendants are recorded.
    pub(crate) follow: Option<u32>,
    /// The hierarchy whose cgroups a filter by container goes by.
    pub(crate) hierarchy: Hierarchy,
}

/// The loaded probe. Everything is detached and freed when it is dropped, and by the kernel when
/// the process ends in any other way: nothing is pinned.
pub(crate) struct Probe {
    ebpf: Ebpf,
    attached: bool,
}

impl Probe {
    /// Loads the probe and maps its rings; nothing is attached yet.
    pub(crate) fn load(mut options: ProbeOptions) -> Result<(Self, Rings), ProbeError> {
        let kernel = Btf::from_kernel(KERNEL_BTF)?;
        let mut offsets =
            Offsets::resolve(|field| field.paths.iter().find_map(|path| kernel.offset(path)));
        let inode = kernel.offset("ovl_inode.vfs_inode");
        offsets.ovl_upper = match inode.and_then(|inode| offsets.ovl_upper.checked_sub(inode)) {
            Some(upper) if offsets.ovl_upper != MISSING => upper,
            _ => kernel.size("inode").unwrap_or(MISSING),
        };
        if offsets.regs_nr == MISSING || offsets.regs_arg0 == MISSING {
            return Err(ProbeError::MissingField("pt_regs.orig_ax"));
        }
        for (index, name) in CGROUP_CONTROLLERS.iter().enumerate() {
            options.config.cgroup_subsys[index] = kernel
                .enumerator(&format!("{name}_cgrp_id"))
                .unwrap_or(MISSING);
        }
        options.config.cgroup_hierarchy = options.hierarchy.index(&options.config.cgroup_subsys);
        // Since Linux 6.2 each counter is a structure of its own.
        options.config.rss_stride = if kernel.is_array("mm_struct.rss_stat") {
            kernel.size("percpu_counter").unwrap_or(8)
        } else {
            8
        };
        let segments = options.config.segments * options.cpus;
        let config = Frozen(options.config);
        let offsets = Frozen(offsets);
        let mut ebpf = EbpfLoader::new()
            .override_global("CONFIG", &config, true)
            .override_global("OFFSETS", &offsets, true)
            .map_max_entries("STAMPS", options.pid_max)
            .map_max_entries("UNSEEN", options.pid_max)
            .map_max_entries("CONTROL", options.possible_cpus)
            .map_max_entries("SEGMENTS", segments)
            .load(OBJECT)?;

        let mut specs: Array<_, Frozen<SyscallSpec>> = map_mut(&mut ebpf, "SPECS")?;
        for (nr, spec) in (0..SYSCALL_ENTRIES as u32).zip(&options.specs) {
            specs.set(nr, Frozen(*spec), 0)?;
        }
        let mut pids: BpfHashMap<_, u32, u8> = map_mut(&mut ebpf, "PIDS")?;
        for pid in &options.pids {
            pids.insert(pid, 1, 0)?;
        }
        let mut comms: BpfHashMap<_, [u8; 16], u8> = map_mut(&mut ebpf, "COMMS")?;
        for comm in &options.comms {
            comms.insert(comm, 1, 0)?;
        }
        let mut followed: BpfHashMap<_, u32, u8> = map_mut(&mut ebpf, "FOLLOWED")?;
        if let Some(pid) = options.follow {
            followed.insert(pid, followed::HELD, 0)?;
        }

        let btf = AyaBtf::from_sys_fs().map_err(EbpfError::BtfError)?;
        for (name, tracepoint) in TRACEPOINTS {
            if *name == CGROUP_MOVES && !kernel.has_tracepoint(CGROUP_MOVES) {
                continue;
            }
            load_program(&mut ebpf, name, tracepoint, &btf)?;
        }
        let mut fds = HashMap::new();
        for (family, name) in FAMILIES {
            load_program(&mut ebpf, name, "sys_exit", &btf)?;
            let program = program_mut(&mut ebpf, name)?;
            let fd = program.fd().map_err(|source| refused(name, source))?;
            fds.insert(*family, fd.try_clone().map_err(ProbeError::Mmap)?);
        }
        let mut families: ProgramArray<_> = map_mut(&mut ebpf, "FAMILIES")?;
        for (family, fd) in &fds {
            families.set(u32::from(*family), fd, 0)?;
        }

        load_program(&mut ebpf, ENTER_MORE, "sys_enter", &btf)?;
        let program = program_mut(&mut ebpf, ENTER_MORE)?;
        let fd = program
            .fd()
            .and_then(|fd| fd.try_clone().map_err(ProgramError::IOError))
            .map_err(|source| refused(ENTER_MORE, source))?;
        let mut entries: ProgramArray<_> = map_mut(&mut ebpf, "ENTRIES")?;
        entries.set(0, &fd, 0)?;

        let control = map_memory(
            &ebpf,
            "CONTROL",
            options.possible_cpus as usize * CONTROL_BYTES,
        )?;
        let memory = map_memory(&ebpf, "SEGMENTS", segments as usize * SEGMENT_BYTES)?;
        let stamps = map_memory(&ebpf, "STAMPS", options.pid_max as usize * 8)?;
        let rings = Rings::new(
            control,
            memory,
            stamps,
            options.cpus as usize,
            options.possible_cpus as usize,
            options.config.segments as usize,
        );
        let probe = Self {
            ebpf,
            attached: false,
        };
        Ok((probe, rings))
    }

    /// Starts recording.
    pub(crate) fn attach(&mut self) -> Result<(), ProbeError> {
        for (name, _) in TRACEPOINTS {
            let program = program_mut(&mut self.ebpf, name)?;
            if *name == CGROUP_MOVES && program.fd().is_err() {
                continue;
            }
            program.attach().map_err(|source| refused(name, source))?;
        }
        self.attached = true;
        Ok(())
    }

    /// Whether a process is recorded in a recording that follows one command.
    pub(crate) fn follows(&self, pid: u32) -> bool {
        let Some(map) = self.ebpf.map("FOLLOWED") else {
            return false;
        };
        BpfHashMap::<_, u32, u8>::try_from(map)
            .and_then(|map| map.get(&pid, 0))
            .is_ok_and(|state| state == followed::RUNNING)
    }

    /// Returns what tells the probe that threads of a cgroup are out, or no longer.
    pub(crate) fn cgroups_out(&mut self) -> Result<TellKernel, ProbeError> {
        const NAME: &str = "CGROUPS_OUT";
        let map = self
            .ebpf
            .take_map(NAME)
            .ok_or(ProbeError::Incomplete(NAME))?;
        let mut map = BpfHashMap::<_, u64, u8>::try_from(map)?;
        Ok(Box::new(move |id, is_out| {
            // A full map means that the cgroup is recorded; one that is not in it is not out.
            let told = if is_out {
                map.insert(id, 1, 0)
            } else {
                map.remove(&id)
            };
            drop(told);
        }))
    }

    /// Stops recording: when this returns, no program runs any more.
    pub(crate) fn detach(&mut self) {
        if !self.attached {
            return;
        }
        self.attached = false;
        for (name, _) in TRACEPOINTS.iter().rev() {
            if let Ok(program) = program_mut(&mut self.ebpf, name) {
                // It cannot fail for a program that is loaded; if it did, the drop frees it.
                drop(program.unload());
            }
        }
    }
}

/// A plain value of both sides.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Frozen<T: Copy>(T);

// SAFETY: the wrapped types are `repr(C)`, made of integers, without padding that matters.
#[expect(unsafe_code, reason = "the loader's interface wants the promise")]
unsafe impl<T: Copy + 'static> aya::Pod for Frozen<T> {}

fn refused(program: &'static str, source: ProgramError) -> ProbeError {
    ProbeError::Program {
        program,
        source: Box::new(source),
    }
}

fn program_mut<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut BtfTracePoint, ProbeError> {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(ProbeError::Incomplete(name))
}

fn load_program(
    ebpf: &mut Ebpf,
    name: &'static str,
    tracepoint: &str,
    btf: &AyaBtf,
) -> Result<(), ProbeError> {
    program_mut(ebpf, name)?
        .load(tracepoint, btf)
        .map_err(|source| refused(name, source))
}

fn map_mut<'a, M>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<M, ProbeError>
where
    M: TryFrom<&'a mut Map, Error = MapError>,
{
    let map = ebpf.map_mut(name).ok_or(ProbeError::Incomplete(name))?;
    Ok(M::try_from(map)?)
}

fn map_memory(ebpf: &Ebpf, name: &'static str, bytes: usize) -> Result<MapMemory, ProbeError> {
    let Some(Map::Array(data)) = ebpf.map(name) else {
        return Err(ProbeError::Incomplete(name));
    };
    MapMemory::new(data.fd(), bytes).map_err(ProbeError::Mmap)
}
