//! The lanes of the timeline: categories of events.
//!
//! An event can be in several lanes, or in none: an `open` that failed slowly is in two. The events of each
//! lane are counted per chunk when a capture is written, so that a timeline can be drawn from the index alone.
//! What follows from an event's type, or from the call for generic types, is in a table ([`table`]); the rest depends on
//! the result, the latency and the kind of the fd.

mod table;

pub use scap_capture_format::native::{LANES, Lane, LaneSet};

use scap_capture_format::schema::{EventType, types};

use crate::event::{Event, EventExt as _, EventFlags};
use crate::state::{FdInfo, FdKind, View};
use table::{Known, NO_PARAM, Traits, privilege};

/// Calls that take longer than this are slow, in nanoseconds.
pub const SLOW_NS: u64 = 1_000_000;

/// Returns a filter for the events of a lane. It matches a few more events than are in the lane, such as 32-bit
/// calls by their names.
pub fn filter(lane: Lane) -> &'static str {
    table::filter(lane)
}

/// Returns the lanes of an event.
pub fn lanes_of(event: &Event<'_>, view: &View<'_>) -> LaneSet {
    classify(event, view).0
}

/// Whether an event's call was waiting, so that its latency is not its own: for time to pass, for other
/// processes, or for data from anything other than a file. Reads wait if their fd is not a file, or not
/// known.
pub fn is_waiting(event: &Event<'_>, view: &View<'_>) -> bool {
    classify(event, view).1
}

/// Returns the lanes of an event, and whether its call was waiting.
pub fn classify(event: &Event<'_>, view: &View<'_>) -> (LaneSet, bool) {
    let mut lanes = LaneSet::default();
    // For captures with two events per call, the newest schema has all parameters.
    let full = view.full();
    let known = Known::of(full);
    let traits = known.traits;
    if !traits.has(Traits::CALL) {
        if traits.has(Traits::ENDS) {
            lanes.insert(Lane::Exits);
        }
        return (lanes, false);
    }
    let needs_fd = traits.has(Traits::NEEDS_FD);
    let fd = needs_fd.then(|| fd_of(known, full, view)).flatten();
    let waiting = waits(traits, full, fd);
    match result(known, full) {
        Some(result) if result >= 0 => {
            if traits.has(Traits::FORKS) && result > 0 || traits.has(Traits::EXECUTES) {
                lanes.insert(Lane::Starts);
            }
            let is_written = || fd.is_some_and(|fd| is_file(fd.kind));
            if traits.has(Traits::CHANGES) || traits.has(Traits::WRITES) && is_written() {
                lanes.insert(Lane::Files);
            }
        }
        Some(result) if is_error(result, traits) => lanes.insert(Lane::Errors),
        _ => {}
    }
    if fd.is_some_and(|fd| fd.kind.is_inet()) {
        lanes.insert(Lane::Network);
    }
    if traits.has(Traits::PRIVILEGED) && privilege(full) {
        lanes.insert(Lane::Privileges);
    }
    if !waiting && event.latency.is_some_and(|ns| ns > SLOW_NS) {
        lanes.insert(Lane::Slow);
    }
    (lanes, waiting)
}

/// Returns the fd that an event is about.
fn fd_of<'s>(known: Known, full: &Event<'_>, view: &View<'s>) -> Option<&'s FdInfo> {
    let own = match known.fd {
        NO_PARAM => None,
        at => full.int(usize::from(at)),
    };
    view.fd_of(own.or_else(|| view.fd_number()).filter(|fd| *fd >= 0)?)
}

fn result(known: Known, full: &Event<'_>) -> Option<i64> {
    let has_returned = !full.flags.contains(EventFlags::IN_FLIGHT);
    if !has_returned || !known.traits.has(Traits::RESULT) {
        return None;
    }
    full.int(usize::from(known.result))
}

fn waits(traits: Traits, full: &Event<'_>, fd: Option<&FdInfo>) -> bool {
    if traits.has(Traits::WAITS) {
        return true;
    }
    if traits.has(Traits::READS) {
        return !fd.is_some_and(|fd| match fd.kind {
            FdKind::Directory => true,
            // Reads of terminals and other devices wait.
            kind => {
                is_file(kind)
                    && (!fd.name.starts_with(b"/dev/") || fd.name.starts_with(b"/dev/shm/"))
            }
        });
    }
    // The creator of a process with `vfork` waits until that process executes a program.
    traits.has(Traits::FORKS) && table::clone_flags(full) & table::CLONE_VFORK != 0
}

fn is_file(kind: FdKind) -> bool {
    matches!(kind, FdKind::File | FdKind::Memfd)
}

/// Largest error number.
const MAX_ERRNO: i64 = 4095;

fn is_error(result: i64, traits: Traits) -> bool {
    match result.wrapping_neg() {
        1..=MAX_ERRNO if table::NO_ERRORS.contains(&result) => false,
        table::ETIMEDOUT => !traits.has(Traits::WAITS),
        1..=MAX_ERRNO => true,
        _ => false,
    }
}

/// Whether a call that opens or changes a file has changed it, or has opened it for writing. `full` is the event in
/// the newest schema.
pub fn is_change(full: &Event<'_>) -> bool {
    Known::of(full).traits.has(Traits::CHANGES)
        && table::opens_for(full).is_none_or(table::may_write)
}

/// Estimates the number of events in each lane from the number of each type, for captures without counts in their
/// summaries. Lanes that depend on results and fds are not estimated, except that failed calls are counted.
pub fn estimate(types: &[(EventType, u32)], failed: u32) -> [u32; LANES] {
    let mut counts = [0_u32; LANES];
    for (ty, count) in types {
        // A call that creates a process returns in both.
        let forks = Traits::of_type(*ty).has(Traits::FORKS);
        let count = if forks { count.div_ceil(2) } else { *count };
        for lane in lanes_of_type(*ty).iter() {
            let sum = &mut counts[lane as usize];
            *sum = sum.saturating_add(count);
        }
    }
    counts[Lane::Errors as usize] = failed;
    counts
}

/// Returns the lanes of all events of a type, without lanes that depend on results, latencies and fds.
pub fn lanes_of_type(ty: EventType) -> LaneSet {
    let traits = Traits::of_type(ty);
    let mut lanes = LaneSet::default();
    let of_type = [
        (Traits::ENDS, Lane::Exits),
        (Traits::EXECUTES, Lane::Starts),
        (Traits::FORKS, Lane::Starts),
        (Traits::CHANGES, Lane::Files),
        (Traits::PRIVILEGED, Lane::Privileges),
    ];
    for (trait_, lane) in of_type {
        // Most calls of these two kinds do not change privileges.
        let sometimes = traits.has(Traits::FORKS) || ty == types::SYSCALL_PRCTL_X;
        if traits.has(trait_) && !(lane == Lane::Privileges && sometimes) {
            lanes.insert(lane);
        }
    }
    if traits.has(Traits::NETWORK) {
        lanes.insert(Lane::Network);
    }
    lanes
}
