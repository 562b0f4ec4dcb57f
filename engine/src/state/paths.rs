//! Paths as text, joined and normalised without access to a file system.
//!
//! `..` is resolved textually, as in sysdig: a capture does not contain which components are symbolic links.

use super::limits;

/// Text for an unknown directory.
pub const UNKNOWN: &[u8] = b"<UNKNOWN>";

/// Appends `path`, relative to `dir` unless it is absolute, without `.`, `..` and double slashes. An absolute path begins
/// at `root`, and `..` does not lead out of it.
///
/// A result over the limit is truncated.
pub fn join(out: &mut Vec<u8>, root: &[u8], dir: &[u8], path: &[u8]) {
    let start = out.len();
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let from = match path {
        [b'/', ..] if root.is_empty() => b"/",
        [b'/', ..] => root,
        _ => dir,
    };
    if from.starts_with(b"/") {
        out.push(b'/');
    }
    let mut top = out.len();
    extend(out, start, top, from);
    let is_inside = !root.is_empty() && {
        let rest = out.get(start..).and_then(|dir| dir.strip_prefix(root));
        rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    };
    if is_inside {
        top = start + root.len();
    }
    extend(out, start, top, path);
}

/// Replaces an absolute path, which begins at `start`, by what a symbolic link with this path points to.
pub fn follow_link(out: &mut Vec<u8>, start: usize, target: &[u8]) {
    if target.starts_with(b"/") {
        out.truncate(start);
        return join(out, b"", b"", target);
    }
    let link = out.get(start..).unwrap_or_default();
    let root = match link {
        [b'/', ..] => start + 1,
        // Where the directory is not known, the target's is not either.
        link if link.starts_with(UNKNOWN) => start + UNKNOWN.len(),
        _ => start,
    };
    let directory = out[root..].iter().rposition(|b| *b == b'/');
    out.truncate(root + directory.unwrap_or(0));
    extend(out, root, root, target);
}

/// Appends the components of a path to a path that begins at `start` and does not become shorter than up to `top`.
fn extend(out: &mut Vec<u8>, start: usize, top: usize, path: &[u8]) {
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                let parent = out[top..].iter().rposition(|b| *b == b'/');
                out.truncate(top + parent.unwrap_or(0));
            }
            name => {
                if out.len() > start && !out.ends_with(b"/") {
                    out.push(b'/');
                }
                out.extend_from_slice(name);
            }
        }
        if out.len() - start > limits::NAME {
            out.truncate(start + limits::NAME);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(dir: &str, path: &str) -> String {
        let mut out = b">".to_vec();
        join(&mut out, b"/", dir.as_bytes(), path.as_bytes());
        String::from_utf8(out).unwrap()[1..].to_owned()
    }

    #[test]
    fn links_point_from_their_directory() {
        let target = |link: &str, target: &str| {
            let mut out = format!(">{link}").into_bytes();
            follow_link(&mut out, 1, target.as_bytes());
            String::from_utf8(out).unwrap()[1..].to_owned()
        };
        assert_eq!(target("/tmp/d/one", "hosts"), "/tmp/d/hosts");
        assert_eq!(target("/tmp/d/two", "../x"), "/tmp/x");
        assert_eq!(target("/tmp/d/two", "../../../x"), "/x");
        assert_eq!(target("/one", "x"), "/x");
        assert_eq!(target("/tmp/d/three", "/etc//passwd"), "/etc/passwd");
        assert_eq!(target("/tmp/d/dot", "."), "/tmp/d");
        assert_eq!(target("rel/one", "x"), "rel/x");
        assert_eq!(target("<UNKNOWN>one", "x"), "<UNKNOWN>x");
        assert_eq!(target("<UNKNOWN>d/one", "x"), "<UNKNOWN>d/x");
        assert_eq!(target("one", "x"), "x");
        assert_eq!(target("", ".."), "");
    }

    #[test]
    fn as_sysdig_joins() {
        assert_eq!(joined("/", "etc/../passwd"), "/passwd");
        assert_eq!(joined("/tmp", "./a//b/../c/"), "/tmp/a/c");
        assert_eq!(joined("/tmp", "../../../x"), "/x");
        assert_eq!(joined("/tmp", "."), "/tmp");
        assert_eq!(joined("/tmp", ""), "/tmp");
        assert_eq!(joined("/", ".."), "/");
        assert_eq!(joined("/tmp", "/abs/x"), "/abs/x");
        assert_eq!(joined("./", "rel"), "rel");
        assert_eq!(joined("", "a/../../b"), "b");
    }

    #[test]
    fn a_root_is_not_left() {
        let joined = |root: &str, dir: &str, path: &str| {
            let mut out = b">".to_vec();
            join(&mut out, root.as_bytes(), dir.as_bytes(), path.as_bytes());
            String::from_utf8(out).unwrap()[1..].to_owned()
        };
        for root in ["/jail", "/jail/"] {
            let jailed = |dir, path| joined(root, dir, path);
            assert_eq!(jailed("/", "/etc/passwd"), "/jail/etc/passwd");
            assert_eq!(jailed("/", "/../../x"), "/jail/x");
            assert_eq!(jailed("/", "/"), "/jail");
            assert_eq!(jailed("/jail", "etc"), "/jail/etc");
            assert_eq!(jailed("/jail/", "../.."), "/jail");
            assert_eq!(jailed("/jail/a/b", "../../../../x"), "/jail/x");
            // Directories outside, also one whose name begins like the root's.
            assert_eq!(jailed("/home", "../x"), "/x");
            assert_eq!(jailed("/jailer/a", "../../x"), "/x");
        }
    }

    #[test]
    fn length_is_capped() {
        let long = "x/".repeat(10_000);
        assert_eq!(joined("/", &long).len(), limits::NAME);
        let name = "y".repeat(100_000);
        assert_eq!(joined("/", &name).len(), limits::NAME);
    }
}
