//! What the clone and exec families say of the task itself.

use aya_ebpf::helpers::generated::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task_btf,
};
use scap_probe_common::{
    config::MISSING,
    spec::{MAX_MEMORY, family},
    wire::{OWNER_MAPS_BYTES, OwnerFacts, TaskFacts, item_flag, tag},
};

use crate::{
    cgroup,
    global::{GO_ON, STOP, each},
    globals::{CLONES, SPECS, config, offset},
    path,
    read::{self, at, field},
    ring::Record,
};

const RLIMIT_NOFILE: u64 = 7;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_NEWNS: u64 = 0x2_0000;
const UNKNOWN: u32 = u32::MAX;
/// Argument pointers of a failed execve that are followed.
const MAX_STRINGS: u64 = 20;

/// `enum pid_type`.
#[derive(Clone, Copy)]
enum PidType {
    Group = 1,
    ProcessGroup = 2,
    Session = 3,
}

/// `thread_info::status` bit of a call through the 32-bit entry.
// linux v6.12 arch/x86/include/asm/thread_info.h: TS_COMPAT
const TS_COMPAT: u32 = 2;

/// Who makes a call, and through which entry.
pub struct Caller {
    pub pid: u32,
    pub tid: u32,
    pub is_ia32: bool,
}

/// One call of a helper where the kernel can hand out a typed pointer, three where it cannot.
#[inline(always)]
pub unsafe fn caller() -> Caller {
    let (tid, pid) = (offset!(task_pid), offset!(task_tgid));
    let status = offset!(task_status);
    if config!(has_task_btf) != 0 && tid != MISSING && pid != MISSING {
        // SAFETY: the verifier knows the pointer's type and checks the loads.
        unsafe {
            let task = bpf_get_current_task_btf() as *const u8;
            let load = |offset: u32| *(task.add(offset as usize) as *const u32);
            return Caller {
                tid: load(tid),
                pid: load(pid),
                is_ia32: status != MISSING && load(status) & TS_COMPAT != 0,
            };
        }
    }
    // SAFETY: the helper has no preconditions.
    let pid_tgid = unsafe { bpf_get_current_pid_tgid() };
    Caller {
        tid: pid_tgid as u32,
        pid: (pid_tgid >> 32) as u32,
        is_ia32: read::member::<u32>(read::current(), status).unwrap_or(0) & TS_COMPAT != 0,
    }
}

/// Appends who the current task acts for.
#[inline(always)]
pub fn owners(record: &Record) {
    let cred: u64 = field!(read::current(), task_cred).unwrap_or(0);
    let Some(ids) = field!(cred, cred_uid) else {
        return;
    };
    let namespace: u64 = field!(cred, cred_user_ns).unwrap_or(0);
    let level = field!(namespace, user_ns_level).unwrap_or(UNKNOWN);
    record.structure(tag::OWNERS, 0, |facts: *mut OwnerFacts| unsafe {
        (*facts).ids = ids;
        (*facts).level = level;
    });
    let users = offset!(user_ns_users);
    if level != 0
        && let Some(maps) = at(namespace, users)
    {
        let len = OWNER_MAPS_BYTES;
        let each = offset!(user_ns_groups).wrapping_sub(users) as u8;
        record.kernel(tag::OWNER_MAPS, each, maps, len as u64, len);
    }
}

/// clone, fork and vfork, in the parent and in the child. Returns the family that goes on: the parent got a pidfd, or
/// the child is in a mount namespace of its own.
#[inline(always)]
pub fn clone() -> u8 {
    let Some(record) = Record::resume() else {
        return family::NONE;
    };
    let task = read::current();
    task_facts(task);
    let header = record.header();
    let mut next = family::NONE;
    // SAFETY: the header is initialised; the pointer is into the map.
    unsafe {
        let tid = (*header).tid;
        if let Some(flags) = CLONES.get_ptr(&tid) {
            let flags = *flags;
            let ret = (*header).ret;
            if flags & CLONE_PIDFD != 0 && ret > 0 {
                next = family::NEW_FD;
            } else if flags & CLONE_NEWNS != 0 && ret == 0 {
                next = family::DIRECTORIES;
            }
            record.structure(tag::CLONE_FLAGS, 0, |to: *mut u64| *to = flags);
            let _ = CLONES.remove(&tid);
        } else if (*header).ret < 0 {
            // clone3 that failed: its flags are the first word of a structure.
            record.user(tag::MEMORY, 0, (*header).args[0], 8, 8, true);
        }
    }
    let mm: u64 = field!(task, task_mm).unwrap_or(0);
    strings(
        &record,
        tag::ARGV,
        mm,
        offset!(mm_arg_start),
        offset!(mm_arg_end),
    );
    cgroup::append(&record, task);
    record.commit();
    next
}

/// execve and execveat.
#[inline(always)]
pub fn exec() {
    let Some(record) = Record::resume() else {
        return;
    };
    let task = read::current();
    let header = record.header();
    task_facts(task);
    // SAFETY: the header is initialised.
    let failed = unsafe { (*header).ret } < 0;
    if failed {
        // execveat has its arguments one place further on.
        // SAFETY: the header is initialised.
        let (name, argv, env) = unsafe {
            let spec = SPECS.get((*header).place());
            match spec {
                Some(spec) if spec.ops[0].n == 1 => {
                    ((*header).args[1], (*header).args[2], (*header).args[3])
                }
                _ => ((*header).args[0], (*header).args[1], (*header).args[2]),
            }
        };
        record.user_string(tag::MEMORY, 0, name, false);
        // SAFETY: the header is initialised.
        let width = read::pointer_bytes(unsafe { (*header).flags });
        pointers(tag::ARGV as u64, argv, width);
        pointers(tag::ENV as u64, env, width);
    } else {
        let mm: u64 = field!(task, task_mm).unwrap_or(0);
        strings(
            &record,
            tag::ARGV,
            mm,
            offset!(mm_arg_start),
            offset!(mm_arg_end),
        );
        strings(
            &record,
            tag::ENV,
            mm,
            offset!(mm_env_start),
            offset!(mm_env_end),
        );
        if let Some(file) = field!(mm, mm_exe_file) {
            path::file(tag::EXE_PATH, file);
        }
    }
    cgroup::append(&record, task);
    record.commit();
}

/// The strings that lie between two addresses of the caller.
#[inline(always)]
fn strings(record: &Record, tag: u8, mm: u64, start: u32, end: u32) {
    let Some(start) = read::member::<u64>(mm, start) else {
        return;
    };
    let Some(end) = read::member::<u64>(mm, end) else {
        return;
    };
    if end > start {
        record.user(tag, 0, start, end - start, MAX_MEMORY as u32, false);
    }
}

/// The strings that a NULL-terminated array of the caller points to.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pointers(tag: u64, array: u64, width: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let Some(pieces) = record.pieces(2 * MAX_MEMORY as u32) else {
        return STOP;
    };
    let end = each(MAX_STRINGS, |index| {
        pointer(array + index * width, width, pieces.place())
    });
    if end == GO_ON {
        pieces.flag(item_flag::TRUNCATED);
    }
    pieces.finish(tag as u8, 0);
    GO_ON
}

/// One of these strings.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pointer(element: u64, width: u64, place: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let pieces = record.pieces_at(place);
    let pointer = read::user_word(element, width).unwrap_or(0);
    if pointer == 0 || pieces.len() >= MAX_MEMORY as u32 || !pieces.user_string(pointer) {
        return STOP;
    }
    GO_ON
}

/// How deep a task's pid namespace is; 0 = the initial one.
#[inline(always)]
pub fn level(task: u64) -> u32 {
    let pid: u64 = field!(task, task_thread_pid).unwrap_or(0);
    field!(pid, pid_level).unwrap_or(0) & 31
}

/// The number of a `struct pid` at `level`, and where the namespace that it counts in is kept.
/// `struct upid` is 16 bytes.
#[inline(always)]
fn upid(pid: u64, level: u32) -> Option<u64> {
    Some(at(pid, offset!(pid_numbers))? + level as u64 * 16)
}

/// The pid namespace of a `struct pid` at `level`.
#[inline(always)]
pub fn namespace(pid: u64, level: u32) -> Option<u64> {
    read::member(upid(pid, level)?, offset!(upid_ns))
}

/// Number of a `struct pid` in the namespace at `level`; 0 where it is not visible, since it is of a
/// namespace further out.
#[inline(always)]
fn number(pid: u64, level: u32) -> Option<u32> {
    let own: u32 = field!(pid, pid_level)?;
    if own < level {
        return Some(0);
    }
    read::kernel(upid(pid, level)?)
}

/// The `struct pid` of a process for a group.
#[inline(always)]
fn pid_of(signal: u64, which: PidType) -> Option<u64> {
    let slots = at(signal, offset!(signal_pids))?;
    read::kernel(slots + which as u64 * 8)
}

/// Time in nanoseconds from the two halves that the kernel keeps.
#[inline(always)]
fn time(inode: u64, seconds: u32, nanoseconds: u32) -> u64 {
    let Some(whole) = read::member::<u64>(inode, seconds) else {
        return 0;
    };
    let part = read::member::<u32>(inode, nanoseconds).unwrap_or(0);
    // Since Linux 6.13 the top bit of a ctime's nanoseconds says whether anybody has asked for it.
    whole * 1_000_000_000 + (part & 0x7fff_ffff) as u64
}

/// Appends the facts of the current task.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn task_facts(task: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    record.structure(tag::TASK, 0, |facts: *mut TaskFacts| unsafe {
        let leader: u64 = field!(task, task_group_leader).unwrap_or(0);
        let parent: u64 = field!(task, task_real_parent).unwrap_or(0);
        let signal: u64 = field!(task, task_signal).unwrap_or(0);
        (*facts).start_time = field!(leader, task_start).unwrap_or(u64::MAX);
        (*facts).tid = field!(task, task_pid).unwrap_or(UNKNOWN);
        (*facts).pid = field!(task, task_tgid).unwrap_or(UNKNOWN);
        (*facts).ppid = field!(parent, task_tgid).unwrap_or(UNKNOWN);
        (*facts).loginuid = field!(task, task_loginuid).unwrap_or(UNKNOWN);
        (*facts).maj_flt = field!(task, task_maj_flt).unwrap_or(0);
        (*facts).min_flt = field!(task, task_min_flt).unwrap_or(0);
        (*facts).fdlimit = at(signal, offset!(signal_rlim))
            .and_then(|limits| read::kernel(limits + RLIMIT_NOFILE * 16))
            .unwrap_or(u64::MAX);
        bpf_get_current_comm((&raw mut (*facts).comm).cast(), 16);

        let thread: u64 = field!(task, task_thread_pid).unwrap_or(0);
        let level = level(task);
        let group = pid_of(signal, PidType::ProcessGroup).unwrap_or(0);
        (*facts).pidns_level = level;
        (*facts).vtid = number(thread, level).unwrap_or(UNKNOWN);
        (*facts).vpid = pid_of(signal, PidType::Group)
            .and_then(|pid| number(pid, level))
            .unwrap_or(UNKNOWN);
        (*facts).pgid = number(group, 0).unwrap_or(UNKNOWN);
        (*facts).vpgid = number(group, level).unwrap_or(UNKNOWN);
        (*facts).sid = pid_of(signal, PidType::Session)
            .and_then(|pid| number(pid, 0))
            .unwrap_or(UNKNOWN);
        (*facts).pidns_start = namespace(thread, level)
            .and_then(|namespace| field!(namespace, pidns_child_reaper))
            .and_then(|init: u64| field!(init, task_start))
            .unwrap_or(0);

        (*facts).tty = field!(signal, signal_tty)
            .and_then(|tty: u64| device(tty))
            .unwrap_or(0);

        let cred: u64 = field!(task, task_cred).unwrap_or(0);
        (*facts).euid = field!(cred, cred_euid).unwrap_or(UNKNOWN);
        (*facts).egid = field!(cred, cred_egid).unwrap_or(UNKNOWN);
        (*facts).caps[0] = field!(cred, cred_cap_inheritable).unwrap_or(u64::MAX);
        (*facts).caps[1] = field!(cred, cred_cap_permitted).unwrap_or(u64::MAX);
        (*facts).caps[2] = field!(cred, cred_cap_effective).unwrap_or(u64::MAX);

        let mm: u64 = field!(task, task_mm).unwrap_or(0);
        pages(mm, &raw mut (*facts).vm_pages);

        let exe: u64 = field!(mm, mm_exe_file).unwrap_or(0);
        let inode: u64 = field!(exe, file_inode).unwrap_or(0);
        let superblock: u64 = field!(inode, inode_sb).unwrap_or(0);
        let mode: u16 = field!(inode, inode_mode).unwrap_or(0);
        (*facts).exe_ino = field!(inode, inode_ino).unwrap_or(0);
        (*facts).exe_ctime = time(inode, offset!(inode_ctime_sec), offset!(inode_ctime_nsec));
        (*facts).exe_mtime = time(inode, offset!(inode_mtime_sec), offset!(inode_mtime_nsec));
        (*facts).exe_uid = field!(inode, inode_uid).unwrap_or(UNKNOWN);
        (*facts).exe_gid = field!(inode, inode_gid).unwrap_or(UNKNOWN);
        (*facts).exe_mode = mode as u32;
        (*facts).exe_layer = read::layer_of(inode, superblock) as u32;
        (*facts).exe_dev = field!(superblock, sb_dev).unwrap_or(0);
    });
    GO_ON
}

/// Device number of a terminal, as user space writes it.
#[inline(always)]
fn device(tty: u64) -> Option<u32> {
    let driver: u64 = field!(tty, tty_driver)?;
    let index: u32 = field!(tty, tty_index)?;
    let major: u32 = field!(driver, tty_driver_major)?;
    let minor: u32 = field!(driver, tty_driver_minor)?;
    let minor = minor.wrapping_add(index);
    Some((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
}

/// Appends the memory use of the current process.
#[inline(always)]
pub fn vm(record: &Record) {
    let Some(mm) = field!(read::current(), task_mm) else {
        return;
    };
    if let Some((place, to)) = record.room::<[u64; 3]>() {
        pages(mm, to);
        record.filled::<[u64; 3]>(place, tag::VM, 0);
    }
}

/// Pages of address space, resident, swapped.
#[inline(always)]
fn pages(mm: u64, to: *mut [u64; 3]) {
    let (resident, swapped) = resident(mm);
    // SAFETY: `to` is room for three words in the ring.
    unsafe {
        (*to)[0] = field!(mm, mm_total_vm).unwrap_or(0);
        (*to)[1] = resident;
        (*to)[2] = swapped;
    }
}

/// Resident and swapped pages. The kernel keeps a counter per kind; what CPUs have not yet added
/// is missing, as it is in /proc.
#[inline(always)]
fn resident(mm: u64) -> (u64, u64) {
    let Some(counters) = at(mm, offset!(mm_rss)) else {
        return (0, 0);
    };
    let stride = config!(rss_stride) as u64;
    let inner = offset!(percpu_counter_count);
    let inner = if stride > 8 && inner != MISSING {
        inner as u64
    } else {
        0
    };
    // File, anonymous, swap, shared memory.
    let read = |index: u64| {
        let count = read::kernel::<i64>(counters + index * stride + inner).unwrap_or(0);
        if count < 0 { 0 } else { count as u64 }
    };
    (read(0) + read(1) + read(3), read(2))
}
