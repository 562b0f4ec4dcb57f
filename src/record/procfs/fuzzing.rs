//! The parsers of /proc, for the fuzzer; see [`crate::fuzzing`].

use scap_capture_format::native::snapshot::{Snapshot, ThreadEntry};

use super::{fds, net, process};
use crate::record::host::CgroupPaths;
use crate::state::{self, State};

/// Divides the files in one text.
const NEXT_FILE: u8 = 0xff;

/// `status`, `stat`, `cgroup`, `limits` and `fdinfo` of a thread, and the target of a link.
pub(in crate::record) fn files(bytes: &[u8]) {
    let mut files = bytes.split(|byte| *byte == NEXT_FILE);
    let mut file = || files.next().unwrap_or_default();
    let (status, stat, cgroup) = (file(), file(), file());
    let mut snapshot = Snapshot::default();
    let cgroups = process::cgroups(cgroup, &CgroupPaths::default());
    let inside = process::cgroups(cgroup, &CgroupPaths::below(b"/own/one"));
    for list in [&cgroups, &inside] {
        let _container = state::container_of(Some(list));
        let _user = state::user_of(list);
    }
    let common = ThreadEntry {
        cgroups: snapshot.strings.intern(&cgroups),
        fdlimit: process::fdlimit(file()),
        ..ThreadEntry::default()
    };
    let _life = process::life_in(stat);
    if let Some(mut thread) = process::status(status, &common) {
        process::stat(stat, &mut thread);
        snapshot.threads.push(thread);
    }
    let info = fds::fdinfo(file());
    let target = file();
    let (kind, _inode) = fds::classify(target, info.flags);
    assert!(target.ends_with(fds::name(kind, target)));
    let mut state = State::new();
    state.restore(&snapshot);
}

/// Tables of sockets.
pub(in crate::record) fn sockets(bytes: &[u8]) {
    let mut sockets = net::Sockets::default();
    for (nth, table) in bytes.split(|byte| *byte == NEXT_FILE).enumerate() {
        match nth % 3 {
            0 => sockets.inet(table, 2),
            1 => sockets.unix(table),
            _ => sockets.netlink(table),
        }
    }
}

/// `mountinfo`.
pub(in crate::record) fn mounts(bytes: &[u8]) {
    fds::Mounts::default().add(bytes);
}
