//! Lists, macros and rules, as the items of all files have defined and changed them.

use std::collections::{BTreeMap, BTreeSet};

use super::correlation::Correlation;
use super::exceptions::Exception;
use super::node::Item;
use super::report::Step;
use super::text::Text;
use super::yaml::Node;

/// How severe what a rule found is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The system is unusable.
    Emergency,
    /// Act at once.
    Alert,
    /// Critical.
    Critical,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Normal, but worth a look.
    Notice,
    /// Informational.
    Informational,
    /// For finding faults of rules.
    Debug,
}

impl Priority {
    /// All of them, the most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// Returns the name, capitalised.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency",
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Informational => "Informational",
            Self::Debug => "Debug",
        }
    }

    /// Returns the priority of a name in any case; `INFO` is `Informational`.
    pub fn parse(name: &str) -> Option<Self> {
        let is = |p: &Self| p.name().eq_ignore_ascii_case(name);
        let info = name.eq_ignore_ascii_case("info");
        let found = Self::ALL.into_iter().find(is);
        found.or(info.then_some(Self::Informational))
    }
}

/// Where events that a rule looks at come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// System calls.
    Syscall,
    /// The audit log of Kubernetes.
    K8sAudit,
}

impl Source {
    /// Returns the name in rule files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::K8sAudit => "k8s_audit",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Syscall, Self::K8sAudit]
            .into_iter()
            .find(|s| s.name() == name)
    }
}

/// When an object was defined and last changed, by the numbers of items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// The number of the first definition.
    pub(super) index: usize,
    /// The number of the last change.
    pub(super) visibility: usize,
}

/// The place of an object's last definition.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The number of the file.
    pub(super) file: usize,
    pub(super) context: Vec<Step>,
    pub(super) span: std::ops::Range<usize>,
}

impl Place {
    pub(super) fn of(item: &Item<'_>, file: usize) -> Self {
        Self {
            file,
            context: item.context.clone(),
            span: item.node.span.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) items: Vec<String>,
    pub(super) order: Order,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct Macro {
    pub(super) condition: Text,
    pub(super) order: Order,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct RuleItem {
    pub(super) condition: Text,
    pub(super) output: Text,
    pub(super) description: String,
    pub(super) priority: Priority,
    /// The name of the source, which may be unknown.
    pub(super) source: String,
    pub(super) enabled: bool,
    pub(super) tags: BTreeSet<String>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) warns_of_types: bool,
    pub(super) skips_unknown: bool,
    pub(super) capture: bool,
    /// Milliseconds.
    pub(super) capture_duration: u64,
    pub(super) correlation: Option<Correlation>,
    pub(super) order: Order,
    pub(super) place: Place,
}

/// A macro or list by name, and the order of definition.
#[derive(Clone, Debug)]
pub(super) struct Table<T> {
    by_name: BTreeMap<String, usize>,
    entries: Vec<(String, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            entries: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        let at = self.by_name.get(name)?;
        self.entries.get(*at).map(|(_, entry)| entry)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let at = self.by_name.get(name)?;
        self.entries.get_mut(*at).map(|(_, entry)| entry)
    }

    /// Adds an entry, or replaces the one of that name, which keeps its position.
    pub(super) fn set(&mut self, name: &str, entry: T) {
        match self.get_mut(name) {
            Some(old) => *old = entry,
            None => {
                self.by_name.insert(name.to_owned(), self.entries.len());
                self.entries.push((name.to_owned(), entry));
            }
        }
    }

    /// Iterates in order of definition.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
    }
}

/// Everything that the files have defined so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Collection {
    pub(super) lists: Table<List>,
    pub(super) macros: Table<Macro>,
    pub(super) rules: Table<RuleItem>,
    /// Requirements of plugins, with their places.
    pub(super) plugins: Vec<(super::version::Alternatives, Place)>,
    /// The number of items so far.
    pub(super) items: usize,
}

/// Returns the text of a scalar with its place in a file.
pub(super) fn text(value: &str, file: usize, node: &Node) -> Text {
    Text::new(value, file, node.span.clone())
}
