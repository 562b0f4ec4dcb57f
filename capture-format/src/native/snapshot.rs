//! The snapshot section: threads, fds, users and so on at one time.
//!
//! A snapshot is complete in itself: replay can start at any of them. Strings are stored once and referred to by
//! number. Values are encoded as in the .scap format where it has them, see the fields.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Extra;
use super::codec::byte_strings;
use crate::event::{EventNum, Pid, Tid, Timestamp};

/// The number of a string in the same snapshot; 0 is the empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StringId(pub u32);

/// The strings of a snapshot, each stored once. Bytes, since paths and arguments need not be UTF-8.
#[derive(Clone, Debug, Default)]
pub struct StringTable {
    list: Vec<Vec<u8>>,
    /// Ids by the hash of their strings. The hash is stored, as growing the table would otherwise read all strings again.
    ids: HashTable<(u64, StringId)>,
    hasher: DefaultHashBuilder,
}

impl StringTable {
    /// Returns the id of a string, storing it if it is new.
    pub fn intern(&mut self, string: &[u8]) -> StringId {
        if string.is_empty() {
            return StringId(0);
        }
        let hash = self.hasher.hash_one(string);
        let same =
            |(other, id): &(u64, StringId)| *other == hash && string_at(&self.list, *id) == string;
        if let Some((_, id)) = self.ids.find(hash, same) {
            return *id;
        }
        self.list.push(string.to_vec());
        let id = StringId(u32::try_from(self.list.len()).unwrap_or(0));
        self.ids.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }

    /// Returns the approximate memory use of the strings after the first `n`, in bytes.
    pub(crate) fn bytes_since(&self, n: usize) -> usize {
        const EACH: usize = 64;
        let new = self.list.get(n..).unwrap_or(&[]);
        new.iter()
            .fold(0, |sum, s| s.len().saturating_add(EACH).saturating_add(sum))
    }

    /// Returns the string with this id; empty if there is none, which occurs only in a damaged file.
    pub fn get(&self, id: StringId) -> &[u8] {
        string_at(&self.list, id)
    }

    /// Returns the number of strings.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

fn string_at(list: &[Vec<u8>], id: StringId) -> &[u8] {
    let index = (id.0 as usize).checked_sub(1);
    index.and_then(|i| list.get(i)).map_or(&[], Vec::as_slice)
}

impl PartialEq for StringTable {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for StringTable {}

impl Serialize for StringTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        byte_strings::serialize(&self.list, serializer)
    }
}

// Decoding leaves `ids` empty: strings of a decoded snapshot are looked up by id only.
impl<'de> Deserialize<'de> for StringTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            list: byte_strings::deserialize(deserializer)?,
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        })
    }
}

/// Body of a snapshot section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The time.
    pub time: Timestamp,
    /// The first event that is not yet part of the state; set by the writer.
    pub next_event: EventNum,
    /// The strings of the entries below.
    pub strings: StringTable,
    /// Threads.
    pub threads: Vec<ThreadEntry>,
    /// Open fds.
    pub fds: Vec<FdEntry>,
    /// Network interfaces.
    pub interfaces: Vec<InterfaceEntry>,
    /// Users.
    pub users: Vec<UserEntry>,
    /// Groups.
    pub groups: Vec<GroupEntry>,
    /// Containers.
    pub containers: Vec<ContainerEntry>,
    /// Room for later versions.
    pub extra: Extra,
}

impl Snapshot {
    /// Returns the string with this id.
    pub fn string(&self, id: StringId) -> &[u8] {
        self.strings.get(id)
    }
}

/// A thread. Ids are in the initial pid namespace unless said otherwise; -1 = not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadEntry {
    /// Thread id.
    pub tid: Tid,
    /// Process (thread group) id.
    pub pid: Pid,
    /// Parent process id.
    pub ptid: Pid,
    /// Session id.
    pub sid: i64,
    /// Process group id.
    pub pgid: i64,
    /// Process group id in its own pid namespace.
    pub vpgid: i64,
    /// Thread id in its own pid namespace.
    pub vtid: i64,
    /// Process id in its own pid namespace.
    pub vpid: i64,
    /// Start of the pid namespace's init, in nanoseconds of the boot clock.
    pub pidns_init_start: u64,
    /// Start of the thread, in nanoseconds of the boot clock; 0 = not known.
    pub start_time: u64,
    /// Thread name.
    pub comm: StringId,
    /// `argv[0]`.
    pub exe: StringId,
    /// Path of the executable.
    pub exepath: StringId,
    /// The other arguments, each NUL-terminated.
    pub args: StringId,
    /// The environment, each variable NUL-terminated.
    pub env: StringId,
    /// Working directory.
    pub cwd: StringId,
    /// Root directory.
    pub root: StringId,
    /// `subsystem=path` of each cgroup, NUL-terminated.
    pub cgroups: StringId,
    /// Container id; empty = host.
    pub container: StringId,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Login user id; `u32::MAX` = none.
    pub loginuid: u32,
    /// Terminal as the kernel's device number; 0 = none.
    pub tty: u32,
    /// Limit of open fds.
    pub fdlimit: i64,
    /// Inheritable capabilities.
    pub cap_inheritable: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Clone flags (flag table `clone_flags`).
    pub flags: u32,
    /// Virtual memory in KiB.
    pub vm_size_kb: u32,
    /// Resident memory in KiB.
    pub vm_rss_kb: u32,
    /// Swapped memory in KiB.
    pub vm_swap_kb: u32,
    /// Major page faults.
    pub pf_major: u64,
    /// Minor page faults.
    pub pf_minor: u64,
    /// Inode of the executable.
    pub exe_ino: u64,
    /// Its change time.
    pub exe_ctime: Timestamp,
    /// Its modification time.
    pub exe_mtime: Timestamp,
    /// The user may write the executable.
    pub exe_writable: bool,
    /// The executable is in the upper layer of an overlay file system.
    pub exe_upper_layer: bool,
    /// The executable is in a lower layer of an overlay file system.
    pub exe_lower_layer: bool,
    /// The executable is a memfd.
    pub exe_from_memfd: bool,
    /// Room for later versions.
    pub extra: Extra,
}

/// An open fd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdEntry {
    /// The thread that owns the table; for a shared table, the main thread.
    pub owner: Tid,
    /// The fd number.
    pub fd: i64,
    /// The kind, numbered as in .scap files (16 = file with flags and device).
    pub kind: u8,
    /// Inode.
    pub inode: u64,
    /// Device in the kernel's encoding.
    pub dev: u32,
    /// Open flags (flag table `file_flags`).
    pub open_flags: u32,
    /// Position-independent name: path, `pipe:[1]`, path of a unix socket.
    pub name: StringId,
    /// The addresses, if it is a socket.
    pub socket: SocketEntry,
    /// Room for later versions.
    pub extra: Extra,
}

/// The addresses of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketEntry {
    /// No socket, or one without addresses.
    #[default]
    None,
    /// IPv4: addresses and ports; a listening socket has only the source.
    Inet {
        /// Source address.
        source: [u8; 4],
        /// Destination address.
        dest: [u8; 4],
        /// Source port.
        source_port: u16,
        /// Destination port.
        dest_port: u16,
        /// 0 unknown, 1 none, 2 TCP, 3 UDP, 4 ICMP, 5 raw.
        l4proto: u8,
    },
    /// IPv6: addresses and ports; a listening socket has only the source.
    Inet6 {
        /// Source address.
        source: [u8; 16],
        /// Destination address.
        dest: [u8; 16],
        /// Source port.
        source_port: u16,
        /// Destination port.
        dest_port: u16,
        /// 0 unknown, 1 none, 2 TCP, 3 UDP, 4 ICMP, 5 raw.
        l4proto: u8,
    },
    /// Unix: kernel addresses of the two ends, which identify them.
    Unix {
        /// Own end.
        source: u64,
        /// Other end.
        dest: u64,
    },
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceEntry {
    /// The name.
    pub name: StringId,
    /// The address: 4 or 16 bytes.
    #[serde(with = "serde_bytes")]
    pub address: Vec<u8>,
    /// The netmask, of the same length.
    #[serde(with = "serde_bytes")]
    pub netmask: Vec<u8>,
    /// The broadcast address, of the same length.
    #[serde(with = "serde_bytes")]
    pub broadcast: Vec<u8>,
    /// Link speed in bits per second; 0 = not known.
    pub link_speed: u64,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// The container in which the user is defined; empty = host.
    pub container: StringId,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// The name.
    pub name: StringId,
    /// Home directory.
    pub home: StringId,
    /// Login shell.
    pub shell: StringId,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// The container in which the group is defined; empty = host.
    pub container: StringId,
    /// Group id.
    pub gid: u32,
    /// The name.
    pub name: StringId,
}

/// A container and its description in JSON, whose contents this crate does not interpret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEntry {
    /// The id.
    pub id: StringId,
    /// The description.
    pub json: StringId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::codec;

    #[test]
    fn strings_are_stored_once() {
        let mut snapshot = Snapshot::default();
        for tid in 0..1000 {
            let env = snapshot.strings.intern(b"PATH=/bin\0HOME=/root\0");
            let comm = snapshot
                .strings
                .intern(format!("worker-{}", tid % 10).as_bytes());
            snapshot.threads.push(ThreadEntry {
                tid: Tid(tid),
                env,
                comm,
                ..Default::default()
            });
        }
        assert_eq!(snapshot.strings.len(), 11);
        assert_eq!(snapshot.strings.intern(b""), StringId(0));
        let body = codec::encode(&snapshot).unwrap();
        assert!(body.len() < 10_000, "{}", body.len());
        let read: Snapshot = codec::decode(&body, 0).unwrap();
        assert_eq!(read, snapshot);
        assert_eq!(read.string(read.threads[17].comm), b"worker-7");
        assert_eq!(read.string(StringId(999)), b"");
    }
}
