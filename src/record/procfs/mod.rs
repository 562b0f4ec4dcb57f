//! The state of the machine when the recording began, from /proc.
//!
//! It is read after the probe was attached, so that a change is in the snapshot, in the events, or in both, but
//! never in neither. Everything in /proc can vanish between two reads, and its texts are chosen by the running
//! programs: unreadable values are omitted, names are bytes, not UTF-8. File systems behind the names, which can
//! hang, are accessed only through [`files`].

mod fds;
mod files;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod net;
mod process;
mod sharing;

pub(in crate::record) use fds::{classify, kind, name as fd_name};

use std::{collections::HashSet, fs, io::Read as _, os::unix::ffi::OsStringExt as _, path::Path};

use scap_capture_format::{
    event::Timestamp,
    native::snapshot::{GroupEntry, InterfaceEntry, Snapshot, UserEntry},
};

use super::{
    accounts::Database,
    clock,
    host::{CgroupPaths, Host},
};

/// Data shared between processes, read once.
struct Seen {
    cgroups: CgroupPaths,
    sockets: net::Sockets,
    mounts: fds::Mounts,
    files: files::Files,
    sharing: sharing::Sharing,
    /// How many fds of threads with tables of their own are still read.
    thread_fds: usize,
}

impl Seen {
    fn new(host: &Host, cgroups: CgroupPaths) -> Self {
        Self {
            cgroups,
            sockets: net::Sockets::default(),
            mounts: fds::Mounts::default(),
            files: files::Files::default(),
            sharing: sharing::Sharing::new(host),
            thread_fds: fds::MAX_THREAD_FDS,
        }
    }
}

/// Takes a snapshot of a machine. `boot_to_wall` is wall clock minus boot clock, in nanoseconds.
pub(super) fn take(host: &Host, cgroups: CgroupPaths, boot_to_wall: u64) -> Snapshot {
    let mut snapshot = Snapshot {
        time: Timestamp(clock::boot().wrapping_add(boot_to_wall)),
        ..Snapshot::default()
    };
    interfaces(&mut snapshot);
    users(&mut snapshot, host);
    groups(&mut snapshot, host);
    let mut seen = Seen::new(host, cgroups);
    for pid in numbers(host.proc()) {
        process::add(&mut snapshot, host.proc(), pid, &mut seen);
    }
    snapshot
}

/// Returns the different lists of cgroups of the machine's processes, as [`ThreadEntry::cgroups`].
///
/// [`ThreadEntry::cgroups`]: scap_capture_format::native::snapshot::ThreadEntry::cgroups
pub(super) fn cgroup_lists(host: &Host, paths: &CgroupPaths) -> HashSet<Vec<u8>> {
    let pids = numbers(host.proc()).into_iter();
    pids.map(|pid| process::cgroups_of(&format!("{}/{pid}", host.proc()), paths))
        .collect()
}

/// Returns the entries of a directory that are numbers, in order.
pub(super) fn numbers(directory: impl AsRef<Path>) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut numbers: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Reads at most `limit` bytes of a file of /proc.
fn bytes(path: &str, limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // After an error, the bytes read so far are kept.
        drop(file.take(limit as u64).read_to_end(&mut out));
    }
    out
}

/// Returns the target of a link of /proc; empty if it cannot be read.
fn link(path: &str) -> Vec<u8> {
    fs::read_link(path)
        .map(|target| target.into_os_string().into_vec())
        .unwrap_or_default()
}

fn interfaces(snapshot: &mut Snapshot) {
    let Ok(addresses) = if_addrs::get_if_addrs() else {
        return;
    };
    for interface in addresses {
        let speed = fs::read_to_string(format!("/sys/class/net/{}/speed", interface.name));
        let megabits: u64 = speed
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let (address, netmask, broadcast) = match &interface.addr {
            if_addrs::IfAddr::V4(v4) => (
                v4.ip.octets().to_vec(),
                v4.netmask.octets().to_vec(),
                v4.broadcast
                    .map_or(vec![0; 4], |address| address.octets().to_vec()),
            ),
            if_addrs::IfAddr::V6(v6) => (
                v6.ip.octets().to_vec(),
                v6.netmask.octets().to_vec(),
                v6.broadcast
                    .map_or(vec![0; 16], |address| address.octets().to_vec()),
            ),
        };
        let name = snapshot.strings.intern(interface.name.as_bytes());
        snapshot.interfaces.push(InterfaceEntry {
            name,
            address,
            netmask,
            broadcast,
            link_speed: megabits.saturating_mul(1_000_000),
        });
    }
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

fn hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

fn users(snapshot: &mut Snapshot, host: &Host) {
    for (uid, user) in Database::Users.read(host).unwrap_or_default() {
        let entry = UserEntry {
            uid,
            gid: user.gid,
            name: snapshot.strings.intern(&user.name),
            home: snapshot.strings.intern(&user.home),
            shell: snapshot.strings.intern(&user.shell),
            ..UserEntry::default()
        };
        snapshot.users.push(entry);
    }
}

fn groups(snapshot: &mut Snapshot, host: &Host) {
    for (gid, group) in Database::Groups.read(host).unwrap_or_default() {
        let entry = GroupEntry {
            gid,
            name: snapshot.strings.intern(&group.name),
            ..GroupEntry::default()
        };
        snapshot.groups.push(entry);
    }
}
