//! Paths as text, joined and normalised without access to a file system.
//!
//! `..` is resolved textually, as in sysdig: a capture does not contain which components are symbolic links.

use super::limits;

/// Text for an unknown directory.
pub const UNKNOWN: &[u8] = b"<UNKNOWN>";

/// Appends `path`, relative to `dir` unless it is absolute, without `.`, `..` and double slashes.
///
/// A result over the limit is truncated.
pub fn join(out: &mut Vec<u8>, dir: &[u8], path: &[u8]) {
    let start = out.len();
    let pieces: [&[u8]; 2] = if path.starts_with(b"/") {
        [b"", path]
    } else {
        [dir, path]
    };
    let absolute = path.starts_with(b"/") || dir.starts_with(b"/");
    if absolute {
        out.push(b'/');
    }
    let root = out.len();
    for piece in pieces {
        extend(out, start, root, piece);
    }
}

/// Replaces an absolute path, which begins at `start`, by what a symbolic link with this path points to.
pub fn follow_link(out: &mut Vec<u8>, start: usize, target: &[u8]) {
    if target.starts_with(b"/") {
        out.truncate(start);
        return join(out, b"", target);
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
    extend(out, start, root, target);
}

/// Appends the components of a path to a path that begins at `start` and does not go above `root`.
fn extend(out: &mut Vec<u8>, start: usize, root: usize, path: &[u8]) {
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                let parent = out[root..].iter().rposition(|b| *b == b'/');
                out.truncate(root + parent.unwrap_or(0));
            }
            name => {
                if out.len() > root {
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
        join(&mut out, dir.as_bytes(), path.as_bytes());
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
    fn length_is_capped() {
        let long = "x/".repeat(10_000);
        assert_eq!(joined("/", &long).len(), limits::NAME);
        let name = "y".repeat(100_000);
        assert_eq!(joined("/", &name).len(), limits::NAME);
    }
}
