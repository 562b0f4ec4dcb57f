//! A rule, compiled, and how rules are loaded.

use std::collections::BTreeSet;

use super::collection::{Priority, Source};
use super::correlation::Correlation;
use super::text::{Mapped, Text};
use crate::fields;
use crate::filter::ast::Expr;
use crate::format::Template;

/// A compiled condition with the way back to the text of the files.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) expr: Expr,
    pub(super) mapped: Mapped,
    pub(super) source: Text,
}

/// A rule, compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// How severe what it finds is.
    pub priority: Priority,
    /// Where its events come from.
    pub source: Source,
    /// Sorted.
    pub tags: Vec<String>,
    /// Whether the files switch it on.
    pub enabled: bool,
    /// Whether a match starts a capture.
    pub capture: bool,
    /// How long such a capture is, in milliseconds.
    pub capture_duration: u64,
    /// The output, with what is added to it.
    pub output: String,
    pub(super) condition: Condition,
    /// The conditions of the steps before.
    pub(super) steps: Vec<Condition>,
    pub(super) correlation: Option<Correlation>,
    /// Fields of the condition, macros included, as written.
    pub(super) fields: BTreeSet<String>,
    /// Macros and lists that the condition uses.
    pub(super) macros: BTreeSet<String>,
}

impl Rule {
    /// Returns true if the condition or the output has fields of the sessions of `kubectl exec`, which are found in a pass
    /// of their own.
    pub fn needs_sessions(&self) -> bool {
        let is_of_session =
            |field: &String| fields::lookup(field).is_ok_and(|f| f.needs_sessions());
        let output = Template::new(&format!("*{}", self.output));
        let by = self.correlation.iter().flat_map(|c| &c.by);
        self.fields.iter().chain(by).any(is_of_session)
            || output.is_ok_and(|template| template.needs_sessions())
    }

    /// Returns the condition with its lists, as it is evaluated.
    pub fn condition_text(&self) -> &str {
        self.condition.mapped.text.trim()
    }
}

/// What the compiler adds to outputs, and which rules it leaves out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rules of lower priority are not loaded.
    pub minimum: Priority,
    /// What is added to the output of each rule of syscalls.
    pub suggested: bool,
    /// What is added to the output of all rules.
    pub extra: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            minimum: Priority::Debug,
            suggested: true,
            extra: String::new(),
        }
    }
}
