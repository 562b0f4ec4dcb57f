//! Versions that rule files require.

use std::fmt;

/// A version of three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64, pub u64, pub u64);

/// The version of Falco's rule engine whose rule files are understood.
pub const ENGINE: Version = Version(0, 63, 0);

/// Plugins whose events and fields scap has itself, with the versions that it answers for.
pub const PLUGINS: &[(&str, Version)] = &[
    ("container", Version(0, 7, 0)),
    ("json", Version(0, 7, 4)),
    ("k8saudit", Version(0, 18, 0)),
];

impl Version {
    /// Parses `x.y.z`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }

    /// Returns true if what needs `required` works with this version: same major version, and not older.
    pub(super) fn satisfies(self, required: Self) -> bool {
        self.0 == required.0 && self >= required
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A requirement of `required_plugin_versions`: one of these has to be there.
pub(super) type Alternatives = Vec<(String, Version)>;

/// Returns the message about a requirement that is not met.
pub(super) fn unmet(alternatives: &Alternatives) -> Option<String> {
    let is_met = alternatives.iter().any(|(name, required)| {
        let mut plugins = PLUGINS.iter();
        plugins.any(|(plugin, version)| plugin == name && version.satisfies(*required))
    });
    let names = alternatives
        .iter()
        .map(|(name, version)| format!("{name} (>= {version})"));
    let names: Vec<String> = names.collect();
    (!is_met).then(|| {
        let names = names.join(", ");
        format!("Plugin requirement not satisfied, must load one of: {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compatible_within_a_major_version() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("0.63.0").satisfies(version("0.57.0")));
        assert!(!version("0.56.9").satisfies(version("0.57.0")));
        assert!(!version("1.0.0").satisfies(version("0.57.0")));
        for wrong in ["", "1", "1.2", "1.2.3.4", "1.x.3", "-1.0.0"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_alternative_is_enough() {
        let of = |list: &[(&str, &str)]| {
            let one =
                |(name, text): &(&str, &str)| ((*name).to_owned(), Version::parse(text).unwrap());
            list.iter().map(one).collect::<Alternatives>()
        };
        assert_eq!(unmet(&of(&[("other", "1.0.0"), ("json", "0.7.0")])), None);
        assert_eq!(
            unmet(&of(&[("other", "1.0.0"), ("json", "0.8.0")])).unwrap(),
            "Plugin requirement not satisfied, must load one of: other (>= 1.0.0), json (>= 0.8.0)"
        );
    }
}
