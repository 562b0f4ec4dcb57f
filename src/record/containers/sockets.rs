//! The usual sockets of container runtimes.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

/// Most users whose own runtimes are searched for.
const USERS: usize = 1000;

/// Sockets of the machine, below its root.
const MACHINE: &[(&str, Protocol)] = &[
    ("run/docker.sock", Protocol::Docker),
    ("var/run/docker.sock", Protocol::Docker),
    ("run/podman/podman.sock", Protocol::Docker),
    ("run/containerd/containerd.sock", Protocol::Grpc),
    ("run/k3s/containerd/containerd.sock", Protocol::Grpc),
    ("run/crio/crio.sock", Protocol::Grpc),
    ("run/cri-dockerd.sock", Protocol::Grpc),
];
/// Sockets of one user, below `/run/user/UID`.
const USER: &[(&str, Protocol)] = &[
    ("docker.sock", Protocol::Docker),
    ("podman/podman.sock", Protocol::Docker),
];

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Docker's API over HTTP, which podman implements too.
    Docker,
    /// CRI, containerd's own API, or both over gRPC.
    Grpc,
    /// Unknown: one of the above.
    Any,
}

/// An existing socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// Without symbolic links, so that one socket has one name.
    pub(super) path: PathBuf,
    pub(super) protocol: Protocol,
    /// The owner of a user's own runtime; `None`: a runtime of the machine.
    pub(super) user: Option<u32>,
}

/// Returns the existing sockets below `root` and those of `named`, each once.
pub(super) fn find(root: &Path, named: &[PathBuf]) -> Vec<Socket> {
    let mut found = Vec::new();
    for path in named {
        add(&mut found, path, Path::new("/"), Protocol::Any, None);
    }
    let Ok(root) = root.canonicalize() else {
        return found;
    };
    for (path, protocol) in MACHINE {
        add(&mut found, &root.join(path), &root, *protocol, None);
    }
    let users = fs::read_dir(root.join("run/user"));
    for user in users.into_iter().flatten().flatten().take(USERS) {
        let Some(id) = user.file_name().to_str().and_then(|id| id.parse().ok()) else {
            continue;
        };
        for (path, protocol) in USER {
            let path = user.path().join(path);
            add(&mut found, &path, &root, *protocol, Some(id));
        }
    }
    found
}

/// Adds a socket if it is one and, after resolving links, still below `root`: in a container, `/host/var/run`
/// links to the container's own `/run`.
fn add(found: &mut Vec<Socket>, path: &Path, root: &Path, protocol: Protocol, user: Option<u32>) {
    let Ok(path) = path.canonicalize() else {
        return;
    };
    let is_socket = fs::metadata(&path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && path.starts_with(root) && !found.iter().any(|known| known.path == path) {
        found.push(Socket {
            path,
            protocol,
            user,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::symlink, net::UnixListener};

    #[test]
    fn each_socket_is_found_once_and_only_below_the_root() {
        let outside = tempfile::tempdir().unwrap();
        let outside = outside.path();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("run/podman")).unwrap();
        fs::create_dir_all(root.join("run/user/1000")).unwrap();
        let _docker = UnixListener::bind(root.join("run/docker.sock")).unwrap();
        let _user = UnixListener::bind(root.join("run/user/1000/docker.sock")).unwrap();
        fs::write(root.join("run/podman/podman.sock"), "no socket").unwrap();
        fs::create_dir(root.join("var")).unwrap();
        symlink(root.join("run"), root.join("var/run")).unwrap();
        let names = |found: Vec<Socket>| -> Vec<PathBuf> {
            found.into_iter().map(|socket| socket.path).collect()
        };
        let root = root.canonicalize().unwrap();
        let both = [
            root.join("run/docker.sock"),
            root.join("run/user/1000/docker.sock"),
        ];
        assert_eq!(names(find(&root, &[])), both);
        let users: Vec<_> = find(&root, &[]).into_iter().map(|s| s.user).collect();
        assert_eq!(users, [None, Some(1000)]);
        // The same socket by name, and one that does not exist.
        let named = [root.join("var/run/docker.sock"), root.join("nothing")];
        assert_eq!(names(find(&root, &named)), both);

        let _other = UnixListener::bind(outside.join("docker.sock")).unwrap();
        fs::remove_file(root.join("var/run")).unwrap();
        symlink(outside, root.join("var/run")).unwrap();
        assert_eq!(names(find(&root, &[])), both, "a link that leads elsewhere");
    }
}
