//! The recorded machine, as seen by this process.
//!
//! In a container the host's files are mounted elsewhere (`--host-root`), and namespaces change what procfs
//! shows: process ids are those of the procfs instance, and paths of cgroups are relative to the cgroup of the
//! reading process.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::procfs::numbers;

/// The initial pid namespace, whose ids the kernel and the probe use.
// linux v6.12 include/linux/proc_ns.h: PROC_PID_INIT_INO
const INITIAL_PID_NS: &str = "pid:[4026531836]";

/// Limit of directories searched for this process's own cgroup.
const MAX_CGROUPS: usize = 100_000;

/// Where the host's files are.
#[derive(Clone, Debug)]
pub(super) struct Host {
    root: PathBuf,
    proc: String,
}

impl Host {
    /// Describes the machine whose root directory is mounted at `root`.
    pub(super) fn new(root: &Path) -> Self {
        let proc = root.join("proc").to_string_lossy().into_owned();
        Self {
            root: root.to_owned(),
            proc,
        }
    }

    /// Whether the host's files are mounted in this container.
    pub(super) fn is_mounted(&self) -> bool {
        self.root != Path::new("/")
    }

    /// The path of the host's procfs.
    pub(super) fn proc(&self) -> &str {
        &self.proc
    }

    /// The path of a file of the host, from its absolute path there.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Id of this process in the host's procfs; `None` if it is not shown there.
    pub(super) fn own_pid(&self) -> Option<u32> {
        let own = fs::read_link(format!("{}/self", self.proc)).ok()?;
        own.to_str()?.parse().ok()
    }

    /// Id in the host's procfs of a child of this process, from its id in this process's pid namespace.
    pub(super) fn child(&self, pid: u32) -> Option<u32> {
        let own = self.own_pid()?;
        if own == std::process::id() {
            return Some(pid);
        }
        let is_it = |child: &u32| {
            let status = fs::read_to_string(format!("{}/{child}/status", self.proc));
            let status = status.unwrap_or_default();
            let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
            let parent = field("PPid:").and_then(|parent| parent.trim().parse().ok());
            // From the outermost namespace to the innermost, which is this process's or one below.
            let ids = field("NSpid:").unwrap_or_default();
            let mut inner = ids.split_ascii_whitespace().skip(1);
            parent == Some(own) && inner.any(|id| id.parse() == Ok(pid))
        };
        numbers(&self.proc).into_iter().find(is_it)
    }

    /// Whether the ids in the host's procfs are those that system calls of this process take.
    pub(super) fn has_own_ids(&self) -> bool {
        let status = fs::read_to_string(format!("{}/self/status", self.proc)).unwrap_or_default();
        // From the procfs's namespace to the innermost one, which is this process's.
        let mut lines = status
            .lines()
            .filter_map(|line| line.strip_prefix("NSpid:"));
        let mut ids = lines.next().unwrap_or_default().split_ascii_whitespace();
        ids.next().is_some() && ids.next().is_none()
    }

    /// Whether the host's procfs uses the ids of the kernel.
    pub(super) fn counts_as_kernel(&self) -> bool {
        match fs::read_link(format!("{}/1/ns/pid", self.proc)) {
            Ok(namespace) => namespace.as_os_str() == INITIAL_PID_NS,
            // Without permission to read the link: only there is process 2 a kernel thread.
            Err(_) => fs::read_to_string(format!("{}/2/comm", self.proc))
                .is_ok_and(|name| name.trim_end() == "kthreadd"),
        }
    }
}

/// Converts paths of cgroups that procfs shows to this process into the host's paths.
#[derive(Debug, Default)]
pub(super) struct CgroupPaths {
    /// The cgroup that this process sees as `/`; `None` if it sees all cgroups.
    root: Option<Vec<u8>>,
}

impl CgroupPaths {
    /// A process that sees only the cgroups below `root`.
    #[cfg(any(test, fuzzing))]
    pub(super) fn below(root: &[u8]) -> Self {
        Self {
            root: Some(root.to_vec()),
        }
    }

    /// Determines what this process sees. `hierarchy` is the mount point of the containers' cgroups on the host,
    /// `own` the one in this process's mount namespace.
    pub(super) fn find(host: &Host, hierarchy: Option<&Path>, own: Option<&Path>) -> Self {
        let first = fs::read_to_string(format!("{}/1/cgroup", host.proc)).unwrap_or_default();
        let is_inside = first.lines().any(|line| {
            line.splitn(3, ':')
                .nth(2)
                .is_some_and(|p| p.starts_with("/.."))
        });
        if !is_inside {
            return Self::default();
        }
        let found = || {
            let inode = fs::metadata(own?).ok()?.ino();
            let top = hierarchy?;
            let path = directory_of(top, inode)?;
            let below = path.strip_prefix(top).ok()?;
            Some([b"/", below.as_os_str().as_encoded_bytes()].concat())
        };
        Self {
            root: Some(found().unwrap_or_default()),
        }
    }

    /// Returns the host's path of the cgroup that procfs shows as `path`.
    pub(super) fn full(&self, path: &[u8]) -> Vec<u8> {
        let Some(root) = &self.root else {
            return path.to_vec();
        };
        let mut out = root.clone();
        for part in path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
        {
            if part == b".." {
                let end = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(end);
            } else {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
        if out.is_empty() {
            out.push(b'/');
        }
        out
    }
}

/// Finds the directory with this inode, at or below `top`.
fn directory_of(top: &Path, inode: u64) -> Option<PathBuf> {
    let mut waiting = vec![top.to_owned()];
    let mut seen = 0;
    while let Some(directory) = waiting.pop() {
        seen += 1;
        if seen > MAX_CGROUPS {
            return None;
        }
        if fs::metadata(&directory).is_ok_and(|found| found.ino() == inode) {
            return Some(directory);
        }
        let below = fs::read_dir(&directory).into_iter().flatten().flatten();
        waiting.extend(
            below
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_its_own_host() {
        let host = Host::new(Path::new("/"));
        assert_eq!(host.proc(), "/proc");
        assert_eq!(host.own_pid(), Some(std::process::id()));
        assert_eq!(host.child(12_345), Some(12_345));
        assert_eq!(host.path("/etc/passwd"), Path::new("/etc/passwd"));
        assert!(!host.is_mounted());
        assert!(host.has_own_ids());
        let mounted = Host::new(Path::new("/host"));
        assert_eq!(mounted.proc(), "/host/proc");
        assert_eq!(mounted.own_pid(), None);
        assert!(mounted.is_mounted());
        assert!(!mounted.has_own_ids());
    }

    #[test]
    fn paths_seen_from_inside_a_cgroup() {
        let all = CgroupPaths::default();
        assert_eq!(all.full(b"/docker/a"), b"/docker/a");
        let inside = CgroupPaths::below(b"/kubepods/pod1/own");
        for (shown, full) in [
            (&b"/"[..], &b"/kubepods/pod1/own"[..]),
            (b"/below", b"/kubepods/pod1/own/below"),
            (b"/../other", b"/kubepods/pod1/other"),
            (b"/../../..", b"/"),
            (b"/../../../../..", b"/"),
            (b"/../../../system.slice/a", b"/system.slice/a"),
        ] {
            assert_eq!(inside.full(shown), full);
        }
    }

    #[test]
    fn a_directory_is_found_by_its_inode() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("a/b/c");
        fs::create_dir_all(&wanted).unwrap();
        fs::create_dir_all(dir.path().join("d")).unwrap();
        let inode = fs::metadata(&wanted).unwrap().ino();
        assert_eq!(directory_of(dir.path(), inode), Some(wanted));
        assert_eq!(directory_of(&dir.path().join("d"), inode), None);
    }
}
