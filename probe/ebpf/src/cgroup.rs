//! Which cgroups a task is in: what containers are made of.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_ktime_get_boot_ns, programs::BtfTracePointContext,
};
use scap_probe_common::{
    config::{CGROUP_UNIFIED, MISSING},
    wire::{LATENCY_UNKNOWN, RecordHeader, item_flag, kind, tag},
};

use crate::{
    exit::wanted_process,
    global::{GO_ON, STOP, each},
    globals::{CGROUPS_OUT, config, offset},
    path::PATH_BYTES,
    read::{self, at, field},
    ring::Record,
};

/// Cgroups that are followed upwards.
const MAX_DEPTH: u64 = 16;
/// Room for the record of a move.
const MOVE_BYTES: u32 = size_of::<RecordHeader>() as u32 + 6 * (8 + PATH_BYTES) + 16;

/// Appends the cgroups of a task: the unified one and those of the controllers with their own hierarchy.
#[inline(always)]
pub fn append(record: &Record, task: u64) {
    let Some(set) = field!(task, task_cgroups) else {
        return;
    };
    let set: u64 = set;
    let unified: u64 = field!(set, css_set_dfl).unwrap_or(0);
    cgroup_path(CGROUP_UNIFIED as u64, unified);
    macro_rules! controller {
        ($($index:literal)*) => {$(
            if config!(cgroup_subsys[$index]) != MISSING
                && let Some(cgroup) = of_controller(set, config!(cgroup_subsys[$index]))
                && cgroup != unified
            {
                cgroup_path($index, cgroup);
            }
        )*};
    }
    controller!(0 1 2 3 4);
    if config!(cgroup_filter) != 0
        && let Some(own) = id(task)
    {
        record.structure(tag::CGROUP_ID, 0, |to: *mut u64| {
            // SAFETY: `to` is room for a word in the ring.
            unsafe { *to = own };
        });
    }
}

/// Appends the path of a cgroup.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn cgroup_path(arg: u64, cgroup: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    let Some(mut node) = field!(cgroup, cgroup_kn) else {
        return STOP;
    };
    let Some(pieces) = record.pieces(PATH_BYTES) else {
        return STOP;
    };
    // Until a node says that it is the root.
    pieces.flag(item_flag::PARTIAL);
    each(MAX_DEPTH, |_| {
        node = cgroup_name(node, pieces.place());
        if node == 0 { STOP } else { GO_ON }
    });
    pieces.finish(tag::CGROUP, arg as u8);
    GO_ON
}

/// Appends the name of a cgroup's node; returns its parent, or 0 at the end of the path.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn cgroup_name(node: u64, place: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return 0;
    };
    let pieces = record.pieces_at(place);
    let parent: u64 = field!(node, kernfs_parent).unwrap_or(0);
    if parent == 0 {
        pieces.unflag(item_flag::PARTIAL);
        return 0;
    }
    let name: u64 = field!(node, kernfs_name).unwrap_or(0);
    if pieces.len() > PATH_BYTES - 256 || !pieces.kernel_name(name) {
        return 0;
    }
    parent
}

/// The cgroup of a task for a controller.
#[inline(always)]
fn of_controller(css_set: u64, subsystem: u32) -> Option<u64> {
    let slots = at(css_set, offset!(css_set_subsys))?;
    let css: u64 = read::kernel(slots + subsystem as u64 * 8)?;
    field!(css, css_cgroup)
}

/// Id of the cgroup of a task that the recorder's filter goes by: its inode.
#[inline(always)]
fn id(task: u64) -> Option<u64> {
    let set: u64 = field!(task, task_cgroups)?;
    let hierarchy = config!(cgroup_hierarchy);
    let cgroup: u64 = if hierarchy == MISSING {
        field!(set, css_set_dfl)?
    } else {
        of_controller(set, hierarchy)?
    };
    let node: u64 = field!(cgroup, cgroup_kn)?;
    field!(node, kernfs_id)
}

/// Whether the recorder has ruled out the cgroup of the current task.
#[inline(always)]
pub fn is_out() -> bool {
    match id(read::current()) {
        Some(id) => CGROUPS_OUT.get_ptr(&id).is_some(),
        None => false,
    }
}

/// A task was moved: to a cgroup, its path, the task, whether its whole group was.
#[inline(always)]
pub fn attached(ctx: &BtfTracePointContext) {
    // SAFETY: the verifier knows how many arguments the tracepoint has; the helpers have no
    // preconditions; the header is ours.
    unsafe {
        let args = ctx.as_ptr() as *const u64;
        let task = *args.add(2);
        let group = *args.add(3) & 1;
        let pid: u32 = field!(task, task_tgid).unwrap_or(0);
        if pid == config!(own_pid) || !wanted_process(pid) {
            return;
        }
        let now = bpf_ktime_get_boot_ns();
        let Some(record) = Record::begin(MOVE_BYTES, now) else {
            return;
        };
        let header = record.header();
        (*header).kind = kind::CGROUP;
        (*header).flags = 0;
        (*header).nr = 0;
        (*header).tid = field!(task, task_pid).unwrap_or(pid);
        (*header).pid = pid;
        (*header).ts = now;
        (*header).latency = LATENCY_UNKNOWN;
        (*header).ret = 0;
        (*header).args[0] = group;
        append(&record, task);
        record.commit();
    }
}
