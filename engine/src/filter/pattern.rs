//! Path prefixes, compared as bytes.

use hashbrown::HashSet;

use crate::event::glob::Glob;

/// Paths of which one has to be a prefix of a value, component by component.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    /// Paths without patterns: `/a/b`; the root is empty.
    plain: HashSet<Box<[u8]>>,
    /// Paths with patterns.
    globs: Vec<Box<[Glob]>>,
    /// Buffer for the value without empty components.
    value: Vec<u8>,
}

impl Paths {
    pub(super) fn add(&mut self, path: &[u8]) {
        let is_glob = |c: &[u8]| c.iter().any(|b| matches!(b, b'?' | b'*' | b'['));
        if components(path).any(is_glob) {
            let globs = components(path).map(|c| Glob::new(c, false));
            self.globs.push(globs.collect());
        } else {
            let mut plain = Vec::new();
            normalise(&mut plain, path);
            self.plain.insert(plain.into());
        }
    }

    /// Returns the paths; `None` if some have patterns.
    pub(super) fn plain(&self) -> Option<Vec<&[u8]>> {
        let plain = self.plain.iter().map(|path| &**path);
        self.globs.is_empty().then(|| plain.collect())
    }

    pub(super) fn is_match(&mut self, value: &[u8]) -> bool {
        let begins = |globs: &[Glob]| {
            let mut parts = components(value);
            globs
                .iter()
                .all(|g| parts.next().is_some_and(|c| g.is_match(c)))
        };
        if self.globs.iter().any(|globs| begins(globs)) {
            return true;
        }
        if self.plain.is_empty() {
            return false;
        }
        self.value.clear();
        normalise(&mut self.value, value);
        let ends = memchr::memchr_iter(b'/', &self.value).chain([self.value.len()]);
        ends.into_iter()
            .any(|end| self.plain.contains(&self.value[..end]))
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|c| !c.is_empty())
}

fn normalise(out: &mut Vec<u8>, path: &[u8]) {
    for component in components(path) {
        out.push(b'/');
        out.extend_from_slice(component);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_by_component() {
        let mut paths = Paths::default();
        paths.add(b"/var/run");
        paths.add(b"/usr/*/bin");
        let mut is = |t: &str| paths.is_match(t.as_bytes());
        assert!(is("/var/run"));
        assert!(is("/var/run/x"));
        assert!(is("//var//run/"));
        assert!(!is("/var/running"));
        assert!(!is("/var"));
        assert!(is("/usr/local/bin/x"));
        assert!(!is("/usr/bin"));
        assert!(!is(""));
        let mut root = Paths::default();
        root.add(b"/");
        assert!(root.is_match(b"/x") && root.is_match(b""));
    }
}
