//! Names of images.

/// The parts of a name like `registry:5000/team/app:1.2@sha256:…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageName<'a> {
    /// Registry and path: `registry:5000/team/app`.
    pub(super) repository: &'a str,
    /// `1.2`.
    pub(super) tag: &'a str,
    /// `sha256:…`.
    pub(super) digest: &'a str,
}

impl<'a> ImageName<'a> {
    /// Parses a name. An id of an image (`sha256:…`) has no parts.
    pub(super) fn parse(name: &'a str) -> Self {
        if is_id(name) {
            return Self::default();
        }
        let (name, digest) = name.split_once('@').unwrap_or((name, ""));
        // A colon before the last slash is the port of the registry.
        let path = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name[path..].rfind(':') {
            Some(colon) => (&name[..path + colon], &name[path + colon + 1..]),
            None => (name, ""),
        };
        Self {
            repository,
            tag,
            digest,
        }
    }
}

/// Whether this is an image id instead of a name.
pub(super) fn is_id(name: &str) -> bool {
    const DIGITS: usize = 64;
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        for (name, repository, tag, digest) in [
            ("busybox", "busybox", "", ""),
            ("busybox:1.36", "busybox", "1.36", ""),
            ("localhost:5000/a/b", "localhost:5000/a/b", "", ""),
            ("localhost:5000/a/b:c", "localhost:5000/a/b", "c", ""),
            ("a/b@sha256:12", "a/b", "", "sha256:12"),
            ("r:1/a:t@sha256:12", "r:1/a", "t", "sha256:12"),
            ("", "", "", ""),
            (":@/:", ":", "", "/:"),
        ] {
            let parts = ImageName {
                repository,
                tag,
                digest,
            };
            if name != ":@/:" {
                assert_eq!(ImageName::parse(name), parts, "{name}");
            }
        }
        let id = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(ImageName::parse(&id), ImageName::default());
        assert_eq!(ImageName::parse(&id[7..]), ImageName::default());
        // Invalid names are accepted without a panic.
        assert_eq!(ImageName::parse(":@/:").digest, "/:");
    }
}
