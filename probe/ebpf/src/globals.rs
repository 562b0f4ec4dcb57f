//! The frozen configuration and the maps.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, ProgramArray},
};
use scap_probe_common::{
    config::{Config, Offsets},
    control::RingControl,
    inputs::{INPUT_SLOTS, Inputs},
    spec::{SYSCALL_ENTRIES, SyscallSpec, family},
    wire::SEGMENT_BYTES,
};

/// Lets the recorder map the memory of an array.
const BPF_F_MMAPABLE: u32 = 1 << 10;
/// Takes memory for a hash map's element only when it is inserted.
const BPF_F_NO_PREALLOC: u32 = 1;

#[unsafe(no_mangle)]
pub static CONFIG: Config = Config {
    own_pid: 0,
    snaplen: 80,
    segments: 1,
    pid_filter: 0,
    comm_filter: 0,
    follow: 0,
    cgroup_filter: 0,
    cgroup_hierarchy: u32::MAX,
    has_task_btf: 0,
    cgroup_subsys: [u32::MAX; 5],
    rss_stride: 8,
};

#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::NONE;

/// Reads a frozen value. The read is volatile because the compiler would otherwise put the
/// placeholder in.
#[inline(always)]
pub fn frozen<T: Copy>(value: &'static T) -> T {
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(value) }
}

/// A field of the configuration, as the loader set it.
macro_rules! config {
    ($($field:tt)+) => {
        $crate::globals::frozen(&$crate::globals::CONFIG.$($field)+)
    };
}
pub(crate) use config;

/// Where this kernel keeps a field.
macro_rules! offset {
    ($field:ident) => {
        $crate::globals::frozen(&$crate::globals::OFFSETS.$field)
    };
}
pub(crate) use offset;

/// By thread id: entry time << 10 | syscall number, 0 = not in a call. Sized by the loader.
#[map]
pub static STAMPS: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// By syscall number.
#[map]
pub static SPECS: Array<SyscallSpec> = Array::with_max_entries(SYSCALL_ENTRIES as u32, 0);

/// One control block per CPU.
#[map]
pub static CONTROL: Array<RingControl> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Memory of the rings: `Config::segments` segments for each CPU.
#[map]
pub static SEGMENTS: Array<[u8; SEGMENT_BYTES]> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The program of each family.
#[map]
pub static FAMILIES: ProgramArray = ProgramArray::with_max_entries(family::COUNT, 0);

/// Processes that `Config::pid_filter` is about.
#[map]
pub static PIDS: HashMap<u32, u8> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Task names that `Config::comm_filter` is about.
#[map]
pub static COMMS: HashMap<[u8; 16], u8> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Processes that descend from the command that is recorded.
#[map]
pub static FOLLOWED: HashMap<u32, u8> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// Cgroups, by id, whose threads no filter can match.
#[map]
pub static CGROUPS_OUT: HashMap<u64, u8> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// By process whose fds can change without calls that would be seen: 1 and how often a call has changed them, too.
/// 0 = all others. Sized by the loader.
#[map]
pub static UNSEEN: Array<u32> = Array::with_max_entries(1, 0);

/// What a record said last of an fd, by process and number.
#[map]
pub static KNOWN_FDS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(32_768, 0);

/// What calls were given, by the low bits of the thread id.
#[map]
pub static INPUTS_BY_TID: Array<Inputs> = Array::with_max_entries(INPUT_SLOTS, 0);

/// The program that the entry of a call goes on with where it is more than a stamp.
#[map]
pub static ENTRIES: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Flags that a task was cloned with, by thread id of the parent and of the child, until their
/// calls return. The caller's memory cannot be asked: by then others may have written to it.
#[map]
pub static CLONES: LruHashMap<u32, u64> = LruHashMap::with_max_entries(16_384, 0);
