//! Users and groups of the caller, which are the machine's: a call in a user namespace passes and returns other
//! numbers for them.

use scap_probe_common::wire::OwnerFacts;

use super::{Out, Raw};

/// Which of the caller's ids: places in [`OwnerFacts::ids`].
#[derive(Clone, Copy)]
enum Id {
    Real = 0,
    Saved = 2,
    Effective = 4,
}

/// Users or groups.
#[derive(Clone, Copy)]
enum Of {
    User = 0,
    Group = 1,
}

fn id(facts: &OwnerFacts, of: Of, which: Id) -> u32 {
    facts.ids[which as usize + of as usize]
}

/// Appends the ids that a call sets, by argument.
fn set(raw: &Raw<'_>, of: Of, ids: &[Id], out: &mut Out) {
    const UNCHANGED: u32 = u32::MAX;
    out.ret(raw);
    let facts = raw.owners();
    let has_succeeded = raw.returned && raw.header.ret == 0;
    for (which, arg) in ids.iter().zip(&raw.header.args) {
        match (*arg as u32, &facts) {
            (UNCHANGED, _) => out.u32(UNCHANGED),
            (_, Some(facts)) if has_succeeded => out.u32(id(facts, of, *which)),
            // In a namespace, a number that was refused is no id of the machine.
            (_, Some(facts)) if facts.level != 0 => out.absent(),
            (arg, _) => out.u32(arg),
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
