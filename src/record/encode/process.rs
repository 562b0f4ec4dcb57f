//! Processes: clone, exec, exit, credentials, tracing.

use scap_probe_common::{
    config::{CGROUP_CONTROLLERS, CGROUP_UNIFIED},
    wire::{TaskFacts, item_flag, layer, tag},
};

use super::{Out, Raw, flags, out::kilobytes, raw::Item};
use crate::event::async_event::{CGROUP_PROCS, CGROUP_THREADS, COMM};

/// Flags of the schema about the executed file.
const EXE_WRITABLE: u32 = 1;
const EXE_UPPER_LAYER: u32 = 2;
const EXE_FROM_MEMFD: u32 = 4;
const EXE_LOWER_LAYER: u32 = 8;
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
/// Most bytes that the probe reads of each string of an `execve` that fails, without the NUL.
const LONGEST: usize = 1023;

/// The end of a thread: wait status, exit code, signal, core, the reaper of its children.
pub(super) fn exit(raw: &Raw<'_>, out: &mut Out) {
    let status = raw.header.args[0];
    let signal = (status & 0x7f) as u8;
    out.i64(status as i64);
    out.i64(if signal == 0 {
        (status >> 8) as i64 & 0xff
    } else {
        0
    });
    out.u8(signal);
    out.u8(u8::from(status & 0x80 != 0));
    match raw.header.args[2] {
        0 => out.absent(),
        adopter => out.i64(adopter as i64),
    }
}

/// Splits texts that are each followed by a NUL into the first and the rest.
fn first_and_rest(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Returns texts that are each followed by a NUL, but for the last one if there were more.
fn item<'a>(raw: &Raw<'a>, tag: u8) -> &'a [u8] {
    let Some(item) = raw.find(tag, 0) else {
        return &[];
    };
    let mut list = item.bytes;
    if item.flags & item_flag::TRUNCATED != 0 {
        // Empty strings at the end, too, or the list would look complete.
        while let Some(rest) = list.strip_suffix(&[0]) {
            list = rest;
        }
    }
    list
}

/// Adds the strings of an `execve`. Of one that failed, each is cut to a length of its own, which the probe does not say.
fn strings(raw: &Raw<'_>, list: &[u8], out: &mut Out) {
    if raw.header.ret >= 0 || !has_long(list) {
        return out.bytes(list);
    }
    let start = out.begin();
    for string in list.split_inclusive(|byte| *byte == 0) {
        match string.strip_suffix(&[0]) {
            Some(text) if text.len() == LONGEST => {
                out.data.extend_from_slice(text);
                out.data.extend_from_slice(b"...\0");
            }
            _ => out.data.extend_from_slice(string),
        }
    }
    out.end(start);
}

/// Whether one of the strings of a failed `execve` is as long as the probe reads, and so most likely was cut.
pub(super) fn has_long(list: &[u8]) -> bool {
    let mut strings = list.split(|byte| *byte == 0);
    list.len() >= LONGEST && strings.any(|string| string.len() == LONGEST)
}

/// Appends `names`, leaf first, as a path.
pub(super) fn path(names: Item<'_>, out: &mut Vec<u8>) {
    let mut rest = names.bytes.strip_suffix(&[0]).unwrap_or(names.bytes);
    if rest.is_empty() {
        out.push(b'/');
        return;
    }
    while !rest.is_empty() {
        let start = rest
            .iter()
            .rposition(|byte| *byte == 0)
            .map_or(0, |at| at + 1);
        out.push(b'/');
        out.extend_from_slice(&rest[start..]);
        rest = &rest[..start.saturating_sub(1)];
    }
}

/// Appends a `subsystem=path` text.
fn cgroup(subsystem: &str, names: Item<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(subsystem.as_bytes());
    out.push(b'=');
    // Only the end of a deep path is known.
    if names.flags & item_flag::PARTIAL != 0 {
        out.extend_from_slice(b"...");
    }
    path(names, out);
    out.push(0);
}

/// `subsystem=path` texts.
fn cgroups(raw: &Raw<'_>, out: &mut Out) {
    let start = out.begin();
    let unified = raw.find(tag::CGROUP, CGROUP_UNIFIED);
    for (index, controller) in (0u8..).zip(CGROUP_CONTROLLERS) {
        // A controller without a hierarchy of its own belongs to the unified one.
        let Some(names) = raw.find(tag::CGROUP, index).or(unified) else {
            continue;
        };
        let name = if controller == "io" {
            "blkio"
        } else {
            controller
        };
        cgroup(name, names, &mut out.data);
    }
    if let Some(names) = unified {
        cgroup("", names, &mut out.data);
    }
    out.end(start);
}

/// A move to other cgroups: source, name, and the cgroups in the format of `cgroups`.
pub(super) fn moved(raw: &Raw<'_>, out: &mut Out) {
    out.u32(0);
    out.str(if raw.header.args[0] == 0 {
        CGROUP_THREADS
    } else {
        CGROUP_PROCS
    });
    cgroups(raw, out);
}

/// A thread's new name: source, name and the text.
pub(super) fn renamed(raw: &Raw<'_>, out: &mut Out) {
    out.u32(0);
    out.str(COMM);
    match raw.memory(0) {
        Some(name) => out.str(first_and_rest(name).0),
        None => out.absent(),
    }
}

fn comm(facts: &TaskFacts) -> &[u8] {
    first_and_rest(&facts.comm).0
}

/// exe, args, tid, pid, ptid, cwd, limits, memory, comm, cgroups: parameters 1 to 14 of clone and
/// exec.
fn common(raw: &Raw<'_>, facts: &TaskFacts, out: &mut Out) {
    let (exe, args) = first_and_rest(item(raw, tag::ARGV));
    // The name alone can be longer than what is kept of the list.
    match args.is_empty() && raw.cut_of(tag::ARGV) {
        true => out.bytes(exe),
        false => out.str(exe),
    }
    strings(raw, args, out);
    out.i64(i64::from(facts.tid));
    out.i64(i64::from(facts.pid));
    out.i64(i64::from(facts.ppid));
    // The working directory is followed by the state, from chdir and /proc.
    out.str(b"");
    out.u64(facts.fdlimit);
    out.u64(facts.maj_flt);
    out.u64(facts.min_flt);
    for pages in facts.vm_pages {
        out.u32(kilobytes(pages));
    }
    out.str(comm(facts));
    cgroups(raw, out);
}

/// Everything after the result is unknown.
fn unknown(count: usize, out: &mut Out) {
    for _ in 0..count {
        out.absent();
    }
}

fn clone_with(raw: &Raw<'_>, clone_flags: Option<u64>, out: &mut Out) {
    out.ret(raw);
    let Some(facts) = raw.task() else {
        return unknown(20, out);
    };
    common(raw, &facts, out);
    match clone_flags {
        Some(kernel) => {
            let inside = if facts.pidns_level > 0 {
                flags::CHILD_IN_PIDNS
            } else {
                0
            };
            out.u32(flags::bits(kernel, flags::CLONE) | inside);
        }
        None => out.absent(),
    }
    out.u32(facts.euid);
    out.u32(facts.egid);
    out.i64(i64::from(facts.vtid));
    out.i64(i64::from(facts.vpid));
    out.u64(facts.pidns_start);
}

/// The flags are those from the kernel; for a failed call, the requested ones.
pub(super) fn clone(raw: &Raw<'_>, out: &mut Out) {
    // The low byte is the signal that the parent gets.
    let asked = (raw.header.ret < 0).then_some(raw.header.args[0] & !0xff);
    clone_with(raw, raw.clone_flags().or(asked), out);
}

pub(super) fn clone3(raw: &Raw<'_>, out: &mut Out) {
    clone_with(raw, raw.clone_flags().or(raw.memory_u64(0, 0)), out);
}

/// fork and vfork.
pub(super) fn fork(raw: &Raw<'_>, out: &mut Out) {
    clone_with(raw, raw.clone_flags(), out);
}

/// Whether the task may write the file that it executes.
fn writable(facts: &TaskFacts) -> bool {
    let caps = facts.caps[2];
    may_write(
        facts.exe_mode,
        (facts.exe_uid, facts.exe_gid),
        (facts.euid, facts.egid),
        if caps == u64::MAX { 0 } else { caps },
    )
}

/// Whether a user with effective capabilities may write a file, by owner and mode alone; a mode of 0 means
/// unknown.
pub(in crate::record) fn may_write(
    mode: u32,
    owner: (u32, u32),
    user: (u32, u32),
    caps: u64,
) -> bool {
    let bit = if user.0 == owner.0 {
        0o200
    } else if user.1 == owner.1 {
        0o020
    } else {
        0o002
    };
    mode != 0 && (caps & CAP_DAC_OVERRIDE != 0 || mode & bit != 0)
}

/// execve and execveat; [`super::Encoder`] adds the requested name.
pub(super) fn exec(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    let Some(facts) = raw.task() else {
        return unknown(29, out);
    };
    common(raw, &facts, out);
    strings(raw, item(raw, tag::ENV), out);
    out.u32(facts.tty);
    out.i64(i64::from(facts.vpgid));
    out.u32(facts.loginuid);
    let exe_path = raw.find(tag::EXE_PATH, 0);
    let memfd = exe_path.is_some_and(|path| path.bytes.starts_with(b"memfd:"));
    let mut exe_flags = 0;
    if writable(&facts) {
        exe_flags |= EXE_WRITABLE;
    }
    if memfd {
        exe_flags |= EXE_FROM_MEMFD;
    }
    exe_flags |= match u16::try_from(facts.exe_layer) {
        Ok(layer::UPPER) => EXE_UPPER_LAYER,
        Ok(layer::LOWER) => EXE_LOWER_LAYER,
        _ => 0,
    };
    out.u32(exe_flags);
    for caps in facts.caps {
        out.u64(caps);
    }
    out.u64(facts.exe_ino);
    out.u64(facts.exe_ctime);
    out.u64(facts.exe_mtime);
    out.u32(facts.euid);
    match exe_path {
        // An incomplete path is used only for a memfd, which has no other.
        Some(names) if names.flags & item_flag::PARTIAL == 0 || memfd => {
            let start = out.begin();
            path(names, &mut out.data);
            out.data.push(0);
            out.end(start);
        }
        _ => out.absent(),
    }
    out.i64(i64::from(facts.pgid));
    out.u32(facts.egid);
}

pub(super) fn capset(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    // Two `struct __user_cap_data_struct`: effective, permitted, inheritable; low words, high words.
    let set = |nth: usize| {
        let low = raw.memory_u32(1, nth)?;
        let high = raw.memory_u32(1, nth + 3)?;
        Some(u64::from(low) | u64::from(high) << 32)
    };
    for nth in [2, 1, 0] {
        match set(nth) {
            Some(caps) => out.u64(caps),
            None => out.absent(),
        }
    }
}

pub(super) fn prctl(raw: &Raw<'_>, out: &mut Out) {
    const PR_SET_NAME: u64 = 15;
    const PR_GET_NAME: u64 = 16;
    let [option, arg2, ..] = raw.header.args;
    out.ret(raw);
    out.u32(option as u32);
    match option {
        PR_SET_NAME | PR_GET_NAME => {
            // The kernel keeps 15 bytes and a NUL.
            let name = raw.string(1).map(|name| &name[..name.len().min(15)]);
            out.opt_str(name);
            out.i64(0);
        }
        _ => {
            out.absent();
            out.i64(arg2 as i64);
        }
    }
    for arg in &raw.header.args[2..5] {
        out.u64(*arg);
    }
}

pub(super) fn ptrace(raw: &Raw<'_>, out: &mut Out) {
    const PEEKS: [u64; 3] = [1, 2, 3];
    /// Requests whose data is a signal: CONT, SINGLESTEP, DETACH, SYSCALL.
    const SIGNALS: [u64; 4] = [7, 9, 17, 24];
    let [request, pid, addr, data, ..] = raw.header.args;
    out.ret(raw);
    let number = |value: u64, out: &mut Out| {
        let start = out.begin();
        out.data.push(0);
        out.data.extend_from_slice(&value.to_le_bytes());
        out.end(start);
    };
    number(addr, out);
    if SIGNALS.contains(&request) {
        out.bytes(&[1, data as u8]);
    } else if PEEKS.contains(&request) {
        match raw.memory_u64(3, 0).filter(|_| raw.header.ret >= 0) {
            Some(word) => number(word, out),
            None => out.absent(),
        }
    } else {
        number(data, out);
    }
    out.u16(flags::one(request, flags::PTRACE, 0) as u16);
    out.i64(i64::from(pid as i32));
}

pub(super) fn keyctl(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.u32(raw.header.args[0] as u32);
    for arg in &raw.header.args[1..5] {
        let start = out.begin();
        out.data.push(0);
        out.data.extend_from_slice(&arg.to_le_bytes());
        out.end(start);
    }
}

/// quotactl: command, type and device; the quota itself is not fetched.
pub(super) fn quotactl(raw: &Raw<'_>, out: &mut Out) {
    let [command, _, id, ..] = raw.header.args;
    out.ret(raw);
    out.string(raw, 1);
    unknown(12, out);
    // The low byte is the type, the rest the command.
    out.u16(flags::one(u64::from(command as u32 >> 8), flags::QUOTACTL, 0) as u16);
    out.u8(match command & 0xff {
        0 => 1,
        1 => 2,
        _ => 0,
    });
    out.u32(id as u32);
    out.absent();
}
