//! The entries of the metadata lists, from bytes to [`Snapshot`].
//!
//! Each function reads one entry from the remaining bytes of its block (or a window of them that is larger than the known
//! part of any entry), adds it to the snapshot, and returns its length, at most `left`. If it returns `None`, the entry is
//! incomplete or invalid, and nothing was added.

use super::cursor::Cursor;
use crate::event::{Pid, Tid, Timestamp};
use crate::native::MachineInfo;
use crate::native::Snapshot;
use crate::native::snapshot::{
    FdEntry, GroupEntry, InterfaceEntry, SocketEntry, StringId, ThreadEntry, UserEntry,
};

/// Upper bound of the known fields of an entry in bytes: eight strings of 64 KiB.
pub(super) const ENTRY_BYTES: usize = 10 << 16;

/// Largest tail of a thread's entry in an old format (libs before 0.10), in bytes.
const OLD_TAIL: usize = 29;

/// The kind of unsupported fds.
const FD_UNSUPPORTED: u8 = 10;

/// Interns a list of NUL-terminated strings; some writers omit the last NUL.
fn intern_list(out: &mut Snapshot, scratch: &mut Vec<u8>, list: &[u8]) -> StringId {
    if list.is_empty() || list.ends_with(&[0]) {
        return out.strings.intern(list);
    }
    scratch.clear();
    scratch.extend_from_slice(list);
    scratch.push(0);
    out.strings.intern(scratch)
}

/// Reads one thread of a list of this version.
pub(super) fn thread(
    bytes: &[u8],
    left: u64,
    version: u8,
    out: &mut Snapshot,
    scratch: &mut Vec<u8>,
) -> Option<u64> {
    let mut c = Cursor::new(bytes);
    let since = |v: u8| version >= v;
    let len = if since(9) { c.u32()? } else { 0 };
    let mut t = ThreadEntry {
        tid: Tid(c.i64()?),
        pid: Pid(c.i64()?),
        ptid: Pid(c.i64()?),
        sid: if since(6) { c.i64()? } else { -1 },
        vpgid: if since(8) { c.i64()? } else { -1 },
        pgid: -1,
        vtid: -1,
        vpid: -1,
        loginuid: u32::MAX,
        ..ThreadEntry::default()
    };
    let comm = c.str16()?;
    let exe = c.str16()?;
    let exepath = if since(7) { c.str16()? } else { &[] };
    let args = c.str16()?;
    let cwd = c.str16()?;
    t.fdlimit = c.i64()?;
    t.flags = c.u32()?;
    t.uid = c.u32()?;
    t.gid = c.u32()?;
    if since(2) {
        t.vm_size_kb = c.u32()?;
        t.vm_rss_kb = c.u32()?;
        t.vm_swap_kb = c.u32()?;
        t.pf_major = c.u64()?;
        t.pf_minor = c.u64()?;
    }
    let env = if since(3) { c.str16()? } else { &[] };
    let mut cgroups: &[u8] = &[];
    if since(4) {
        t.vtid = c.i64()?;
        t.vpid = c.i64()?;
        cgroups = c.str16()?;
    }
    let root = if since(5) { c.str16()? } else { &[] };
    let mut taken = c.position() as u64;
    if len > 0 {
        // Unknown fields can make the entry longer than the available bytes.
        let tail = usize::try_from(u64::from(len).checked_sub(taken)?).ok()?;
        let rest = bytes.get(c.position()..).unwrap_or(&[]);
        let _ = thread_tail(rest.get(..tail).unwrap_or(rest), tail <= OLD_TAIL, &mut t);
        taken = u64::from(len);
    }
    if taken > left {
        return None;
    }
    t.comm = out.strings.intern(comm);
    t.exe = out.strings.intern(exe);
    t.exepath = out.strings.intern(exepath);
    t.args = intern_list(out, scratch, args);
    t.cwd = out.strings.intern(cwd);
    t.env = intern_list(out, scratch, env);
    t.cgroups = intern_list(out, scratch, cgroups);
    t.root = out.strings.intern(root);
    out.threads.push(t);
    Some(taken)
}

/// Reads the tail; a field exists only if it fits.
fn thread_tail(bytes: &[u8], old: bool, t: &mut ThreadEntry) -> Option<()> {
    let mut c = Cursor::new(bytes);
    if !old {
        t.pidns_init_start = c.u64()?;
        t.tty = c.u32()?;
    }
    t.loginuid = c.u32()?;
    t.exe_writable = c.u8()? != 0;
    t.cap_inheritable = c.u64()?;
    t.cap_permitted = c.u64()?;
    t.cap_effective = c.u64()?;
    t.exe_upper_layer = c.u8()? != 0;
    t.exe_ino = c.u64()?;
    t.exe_ctime = Timestamp(c.u64()?);
    t.exe_mtime = Timestamp(c.u64()?);
    t.exe_from_memfd = c.u8()? != 0;
    t.exe_lower_layer = c.u8()? != 0;
    t.pgid = c.i64()?;
    Some(())
}

/// Reads one fd of a thread.
pub(super) fn fd(
    bytes: &[u8],
    left: u64,
    owner: Tid,
    lengths: bool,
    out: &mut Snapshot,
) -> Option<u64> {
    let mut c = Cursor::new(bytes);
    let len = if lengths { c.u32()? as usize } else { 0 };
    if len as u64 > left {
        return None;
    }
    if len > 0 {
        // All known fields together are far shorter than the available bytes.
        c = Cursor::new(bytes.get(..len.min(bytes.len()))?);
        c.u32()?;
    }
    let mut f = FdEntry {
        owner,
        fd: c.i64()?,
        inode: c.u64()?,
        kind: c.u8()?,
        ..FdEntry::default()
    };
    let unknown;
    let mut name: &[u8] = &[];
    match f.kind {
        0 => {}
        3 | 5 => {
            let listening = f.kind == 5;
            let source = c.array()?;
            let dest = if listening { [0; 4] } else { c.array()? };
            f.socket = SocketEntry::Inet {
                source,
                dest,
                source_port: c.u16()?,
                dest_port: if listening { 0 } else { c.u16()? },
                l4proto: c.u8()?,
            };
        }
        4 | 6 => {
            let listening = f.kind == 6;
            let source = c.array()?;
            let dest = if listening { [0; 16] } else { c.array()? };
            f.socket = SocketEntry::Inet6 {
                source,
                dest,
                source_port: c.u16()?,
                dest_port: if listening { 0 } else { c.u16()? },
                l4proto: c.u8()?,
            };
        }
        8 => {
            f.socket = SocketEntry::Unix {
                source: c.u64()?,
                dest: c.u64()?,
            };
            name = c.str16()?;
            // Some recorders took the path from /proc/net/unix with the end of its line.
            name = name.strip_suffix(b"\n").unwrap_or(name);
        }
        16 => {
            f.open_flags = c.u32()?;
            name = c.str16()?;
            if len > 0 {
                f.dev = c.u32().unwrap_or(0);
            }
        }
        1 | 2 | 7 | 9..=15 | 17..=21 => name = c.str16()?,
        kind if len > 0 => {
            unknown = format!("unknown-type:[{kind}]");
            name = unknown.as_bytes();
            f.kind = FD_UNSUPPORTED;
        }
        _ => return None,
    }
    f.name = out.strings.intern(name);
    out.fds.push(f);
    Some(if len > 0 {
        len as u64
    } else {
        c.position() as u64
    })
}

/// Reads one network interface.
pub(super) fn interface(bytes: &[u8], left: u64, lengths: bool, out: &mut Snapshot) -> Option<u64> {
    let mut c = Cursor::new(bytes);
    // The only list whose lengths do not include themselves.
    let len = if lengths { u64::from(c.u32()?) } else { 0 };
    let kind = c.u16()?;
    let name_len = usize::from(c.u16()?);
    let (size, has_speed) = match kind {
        1 => (4, true),
        2 => (16, true),
        3 => (4, false),
        4 => (16, false),
        _ => return None,
    };
    let entry = InterfaceEntry {
        address: c.take(size)?.to_vec(),
        netmask: c.take(size)?.to_vec(),
        broadcast: c.take(size)?.to_vec(),
        link_speed: if has_speed { c.u64()? } else { 0 },
        name: out.strings.intern(c.take(name_len)?),
    };
    let end = if lengths { len.checked_add(4)? } else { 0 };
    let taken = c.position() as u64;
    if end > left || (lengths && end < taken) {
        return None;
    }
    out.interfaces.push(entry);
    Some(end.max(taken))
}

/// Reads one user or group.
pub(super) fn user(bytes: &[u8], left: u64, lengths: bool, out: &mut Snapshot) -> Option<u64> {
    let mut c = Cursor::new(bytes);
    let len = if lengths { u64::from(c.u32()?) } else { 0 };
    let is_group = c.u8()? != 0;
    let id = c.u32()?;
    let gid = if is_group { id } else { c.u32()? };
    let name = c.str16()?;
    let mut home: &[u8] = &[];
    let mut shell: &[u8] = &[];
    if !is_group {
        home = c.str16()?;
        shell = c.str16()?;
    }
    let taken = c.position() as u64;
    if len > left || (len > 0 && len < taken) {
        return None;
    }
    let name = out.strings.intern(name);
    if is_group {
        out.groups.push(GroupEntry {
            gid,
            name,
            ..GroupEntry::default()
        });
    } else {
        out.users.push(UserEntry {
            uid: id,
            gid,
            name,
            home: out.strings.intern(home),
            shell: out.strings.intern(shell),
            ..UserEntry::default()
        });
    }
    Some(len.max(taken))
}

/// Length of the machine block's body, in bytes.
pub(super) const MACHINE_BYTES: usize = 180;

/// Reads the machine block's body.
pub(super) fn machine(bytes: &[u8]) -> Option<MachineInfo> {
    let mut c = Cursor::new(bytes);
    let cpus = c.u32()?;
    let memory = c.u64()?;
    let _highest_pid = c.u64()?;
    let name: [u8; 128] = c.array()?;
    let name = name.split(|b| *b == 0).next().unwrap_or(&[]);
    Some(MachineInfo {
        cpus,
        memory,
        host_name: String::from_utf8_lossy(name).into_owned(),
        boot_time: Timestamp(c.u64()?),
        ..MachineInfo::default()
    })
}

// Fixed fields and the known tail of a thread, and its eight strings.
const _: () = assert!(200 + 76 + 8 * (2 + 0xffff) < ENTRY_BYTES);
