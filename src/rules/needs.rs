//! What a rule needs of events, so that its author sees whether a capture can answer it.

use std::collections::BTreeSet;

use super::rule::Rule;
use crate::filter::{Definitions, Filter};
use crate::format::Template;

/// What a rule looks at.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Names of the types of events, sorted; empty = all.
    pub events: Vec<String>,
    /// Fields of the condition, macros included, sorted.
    pub fields: Vec<String>,
    /// Fields of the output, sorted.
    pub output_fields: Vec<String>,
    /// Macros of the condition, also those within macros, sorted.
    pub macros: Vec<String>,
    /// Fields that are always absent, and why.
    pub unanswerable: Vec<(&'static str, &'static str)>,
}

impl Needs {
    pub(super) fn of(rule: &Rule, definitions: &Definitions) -> Self {
        let mut events = BTreeSet::new();
        let mut is_all = false;
        let mut unanswerable = Vec::new();
        for condition in std::iter::once(&rule.condition).chain(&rule.steps) {
            // Conditions were checked when the rule was loaded.
            let Ok(filter) = Filter::from_ast(&condition.expr, definitions) else {
                continue;
            };
            let types = filter.pushdown().types;
            is_all |= types.is_all();
            events.extend(types.names());
            unanswerable.extend(filter.unanswerable());
        }
        if is_all {
            events.clear();
        }
        let output = Template::new(&format!("*{}", rule.output));
        let fields = output
            .map(|template| template.field_names())
            .unwrap_or_default();
        Self {
            events: events.into_iter().map(str::to_owned).collect(),
            fields: rule.fields.iter().cloned().collect(),
            output_fields: fields,
            macros: rule.macros.iter().cloned().collect(),
            unanswerable,
        }
    }
}
