//! The lanes of the timeline: what kinds of things an event can be an instance of.
//!
//! An event is in no lane, in one or in several: an `open` that failed slowly is in two. The lanes of
//! every event are counted per chunk when a capture is written, so that a timeline can be drawn from its
//! index alone. What is decided by the type of an event, or by the call where the type stands for many,
//! is looked up in a table ([`table`]); the rest is its result, its latency and what its fd is open on.

mod table;

pub use scap_capture_format::native::{LANES, Lane, LaneSet};

use scap_capture_format::schema::{EventType, types};

use crate::event::{Event, EventExt as _, EventFlags};
use crate::state::{FdInfo, FdKind, View};
use table::{Known, NO_PARAM, Traits, privilege};

/// Calls that take longer than this are slow, in nanoseconds.
pub const SLOW_NS: u64 = 1_000_000;

/// Returns a condition for filters that the events of a lane fulfil. It finds a few events that are not in the
/// lane, such as 32-bit calls by their names.
pub fn filter(lane: Lane) -> &'static str {
    table::filter(lane)
}

/// Returns the lanes of an event.
pub fn lanes_of(event: &Event<'_>, view: &View<'_>) -> LaneSet {
    classify(event, view).0
}

/// Whether an event's call was waiting for somebody else, so that its latency says nothing of itself: for
/// time to pass, for other processes, for what comes through anything that is no file. What its fd is
/// open on counts for reads; one that is not known is taken for no file.
pub fn is_waiting(event: &Event<'_>, view: &View<'_>) -> bool {
    classify(event, view).1
}

/// Returns the lanes of an event, and whether its call was waiting for somebody else.
pub fn classify(event: &Event<'_>, view: &View<'_>) -> (LaneSet, bool) {
    let mut lanes = LaneSet::default();
    // What is stored as a pair says more of its call in the newest form.
    let full = view.full();
    let known = Known::of(full);
    let traits = known.traits;
    if !traits.has(Traits::CALL) {
        if traits.has(Traits::ENDS) {
            lanes.insert(Lane::Exits);
        }
        return (lanes, false);
    }
    let asks = traits.has(Traits::ASKS_FD);
    let fd = asks.then(|| fd_of(known, full, view)).flatten();
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

/// Returns what the fd that an event is about is open on.
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
            // Terminals and other devices are waited for.
            kind => {
                is_file(kind)
                    && (!fd.name.starts_with(b"/dev/") || fd.name.starts_with(b"/dev/shm/"))
            }
        });
    }
    // Whoever makes a process with `vfork` goes on when that executes a program.
    traits.has(Traits::FORKS) && table::clone_flags(full) & table::CLONE_VFORK != 0
}

fn is_file(kind: FdKind) -> bool {
    matches!(kind, FdKind::File | FdKind::Memfd)
}

/// Largest error number.
const MAX_ERRNO: i64 = 4095;

fn is_error(result: i64, traits: Traits) -> bool {
    match -result {
        1..=MAX_ERRNO if table::NO_ERRORS.contains(&result) => false,
        table::ETIMEDOUT => !traits.has(Traits::WAITS),
        1..=MAX_ERRNO => true,
        _ => false,
    }
}

/// Whether a call that opens or changes a file changes it, or can with what it opened. `full` is the event in the
/// newest schema.
pub fn is_change(full: &Event<'_>) -> bool {
    Known::of(full).traits.has(Traits::CHANGES)
        && table::opens_for(full).is_none_or(table::may_write)
}

/// Estimates how many events are in each lane from how many there are of each type, for captures whose
/// summaries do not tell: what depends on results and fds is left out, but that failed calls are counted.
pub fn estimate(types: &[(EventType, u32)], failed: u32) -> [u32; LANES] {
    let mut counts = [0_u32; LANES];
    for (ty, count) in types {
        // Both processes return from a call that makes one.
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

/// Returns the lanes that all events of a type are in, as far as the type alone tells; those that depend on
/// results, latencies and fds are not among them.
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
        // Most of these two have no privilege to do with.
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
