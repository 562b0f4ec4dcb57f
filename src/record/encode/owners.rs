//! Users and groups of the caller, which are the machine's: a call in a user namespace passes and returns other
//! numbers for them.

use scap_probe_common::wire::{OwnerFacts, tag};

use super::{Out, Raw};

/// Which of the caller's ids: places in [`OwnerFacts::ids`].
#[derive(Clone, Copy)]
enum Id {
    Real = 0,
    Saved = 2,
    Effective = 4,
}

/// Users or groups.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    User = 0,
    Group = 1,
}

/// An id that no change is asked for with.
const UNCHANGED: u32 = u32::MAX;

fn id(facts: &OwnerFacts, of: Of, which: Id) -> u32 {
    facts.ids[which as usize + of as usize]
}

/// Extents that the kernel keeps in the map itself; longer maps are elsewhere.
const EXTENTS: usize = 5;

/// Returns the machine's number for an id as the caller passed it; `None` if it is not known.
fn of_machine(raw: &Raw<'_>, of: Of, passed: u32) -> Option<u32> {
    match raw.owners() {
        Some(facts) if facts.level != 0 => {
            let maps = raw.items().find(|item| item.tag == tag::OWNER_MAPS)?;
            let len = usize::from(maps.arg);
            mapped(maps.bytes.get(of as usize * len..)?.get(..len)?, passed)
        }
        // Calls that have not returned come without facts.
        None if !raw.returned => None,
        _ => Some(passed),
    }
}

/// Looks an id up in a `struct uid_gid_map`, whose extents have the machine's numbers already.
// linux v6.12 include/linux/user_namespace.h; v5.10 has the number of extents first, and is 72 bytes long.
fn mapped(map: &[u8], passed: u32) -> Option<u32> {
    let word = |at: usize| {
        let bytes = map.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let (extents, count) = match map.len() {
        64 => (0, word(60)?),
        72 => (8, word(0)?),
        _ => return None,
    };
    if count as usize > EXTENTS {
        return None;
    }
    (0..count as usize).find_map(|nth| {
        let at = extents + 12 * nth;
        let (first, lower, len) = (word(at)?, word(at + 4)?, word(at + 8)?);
        let within = passed.checked_sub(first).filter(|within| *within < len)?;
        lower.checked_add(within)
    })
}

/// Appends an id that the caller passed.
pub(super) fn passed(raw: &Raw<'_>, of: Of, passed: u32, out: &mut Out) {
    match passed {
        UNCHANGED => out.u32(UNCHANGED),
        _ => match of_machine(raw, of, passed) {
            Some(id) => out.u32(id),
            None => out.absent(),
        },
    }
}

/// Appends the result and the argument of a call that takes an id and returns the one before.
pub(super) fn exchanged(raw: &Raw<'_>, of: Of, out: &mut Out) {
    let header = raw.header;
    let before = u32::try_from(header.ret).ok();
    match before.and_then(|before| of_machine(raw, of, before)) {
        Some(before) if raw.returned => out.i64(before.into()),
        // Also where the namespace has no number for it.
        _ => out.ret(raw),
    }
    let id = header.args[0] as u32;
    let of_machine = match id {
        UNCHANGED => Some(id),
        _ => of_machine(raw, of, id),
    };
    match of_machine {
        Some(id) => out.u64(id.into()),
        None => out.absent(),
    }
}

/// Appends the ids that a call sets, by argument.
fn set(raw: &Raw<'_>, of: Of, ids: &[Id], out: &mut Out) {
    out.ret(raw);
    let facts = raw.owners();
    let has_succeeded = raw.returned && raw.header.ret == 0;
    for (which, arg) in ids.iter().zip(&raw.header.args) {
        match (*arg as u32, &facts) {
            (UNCHANGED, _) => out.u32(UNCHANGED),
            (_, Some(facts)) if has_succeeded => out.u32(id(facts, of, *which)),
            // In a namespace, a number that was refused need not be an id of the machine.
            (arg, _) => passed(raw, of, arg, out),
        }
    }
}

/// Appends an id that a call returns.
fn get(raw: &Raw<'_>, of: Of, which: Id, out: &mut Out) {
    match raw.owners().filter(|_| raw.returned) {
        Some(facts) => out.u32(id(&facts, of, which)),
        None => out.absent(),
    }
}

/// Appends the three ids that a call leaves in memory.
fn get_all(raw: &Raw<'_>, of: Of, out: &mut Out) {
    out.ret(raw);
    for which in [Id::Real, Id::Effective, Id::Saved] {
        if raw.header.ret == 0 {
            get(raw, of, which, out);
        } else {
            out.absent();
        }
    }
}

pub(super) fn setuid(raw: &Raw<'_>, out: &mut Out) {
    set(raw, Of::User, &[Id::Effective], out);
}

pub(super) fn setgid(raw: &Raw<'_>, out: &mut Out) {
    set(raw, Of::Group, &[Id::Effective], out);
}

pub(super) fn setreuid(raw: &Raw<'_>, out: &mut Out) {
    set(raw, Of::User, &[Id::Real, Id::Effective], out);
}

pub(super) fn setregid(raw: &Raw<'_>, out: &mut Out) {
    set(raw, Of::Group, &[Id::Real, Id::Effective], out);
}

pub(super) fn setresuid(raw: &Raw<'_>, out: &mut Out) {
    set(raw, Of::User, &[Id::Real, Id::Effective, Id::Saved], out);
}

pub(super) fn setresgid(raw: &Raw<'_>, out: &mut Out) {
    set(raw, Of::Group, &[Id::Real, Id::Effective, Id::Saved], out);
}

pub(super) fn getuid(raw: &Raw<'_>, out: &mut Out) {
    get(raw, Of::User, Id::Real, out);
}

pub(super) fn geteuid(raw: &Raw<'_>, out: &mut Out) {
    get(raw, Of::User, Id::Effective, out);
}

pub(super) fn getgid(raw: &Raw<'_>, out: &mut Out) {
    get(raw, Of::Group, Id::Real, out);
}

pub(super) fn getegid(raw: &Raw<'_>, out: &mut Out) {
    get(raw, Of::Group, Id::Effective, out);
}

pub(super) fn getresuid(raw: &Raw<'_>, out: &mut Out) {
    get_all(raw, Of::User, out);
}

pub(super) fn getresgid(raw: &Raw<'_>, out: &mut Out) {
    get_all(raw, Of::Group, out);
}
