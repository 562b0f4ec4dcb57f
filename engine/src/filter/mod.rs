//! The filter language of sysdig and Falco.
//!
//! A text is parsed to a syntax tree ([`parse`]), resolved to checked conditions (names and types
//! are looked up, macros and lists expanded), and compiled to predicates that are evaluated without
//! allocating. All errors are found before the first event and have a position in the text. Fields
//! and their attributes are in [`crate::fields`].
//!
//! ```
//! use scap_engine::filter::Filter;
//!
//! let filter = Filter::parse("evt.type in (open, openat) and not proc.name = cat")?;
//! assert!(!filter.pushdown().is_everything());
//! let error = Filter::parse("proc.nmae = cat").unwrap_err();
//! assert_eq!(error.span, 0..9);
//! # Ok::<(), scap_engine::filter::FilterError>(())
//! ```

pub mod ast;

mod compare;
mod compile;
mod definitions;
mod error;
mod lexer;
mod literal;
mod names;
mod operands;
mod parser;
mod pattern;
mod pushdown;
mod resolve;
mod services;
mod set;
mod standing;
#[cfg(test)]
mod strict_field;
mod time_literal;
mod timetest;
mod transform;
mod types;
mod typeset;
mod when;

pub use definitions::Definitions;
pub use error::{FilterError, FilterErrorKind};
pub use names::NameClause;
pub use parser::{MAX_DEPTH, parse};
pub use pushdown::{Pushdown, may_be_of};
pub use set::FilterSet;
pub use typeset::TypeSet;
pub use when::When;

use crate::fields::{Context, Field, Value};
use compile::Pred;

/// A compiled filter.
///
/// Evaluation needs `&mut`: a filter has buffers for values, and some fields remember the previous
/// event. Each thread uses its own clone.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Pred,
    pushdown: Pushdown,
    /// True if a field depends on earlier evaluations.
    stateful: bool,
}

impl Filter {
    /// Compiles a filter.
    ///
    /// # Errors
    ///
    /// [`FilterError`], with the position in the text.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::with_definitions(text, &Definitions::new())
    }

    /// Compiles a filter that can refer to macros and lists.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn with_definitions(text: &str, definitions: &Definitions) -> Result<Self, FilterError> {
        Self::from_ast(&parse(text)?, definitions)
    }

    /// Compiles a syntax tree.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn from_ast(expr: &ast::Expr, definitions: &Definitions) -> Result<Self, FilterError> {
        let root = compile::compile(resolve::resolve(expr, definitions)?);
        Ok(Self {
            pushdown: Pushdown::of(&root),
            stateful: root.any_field(Field::is_stateful),
            root,
        })
    }

    /// Returns true if an event matches.
    pub fn matches(&mut self, cx: &Context<'_>) -> bool {
        // The type alone decides most events.
        self.evaluated_types().contains(cx.event.ty) && self.root.matches(*cx)
    }

    /// Returns the types of events that the filter evaluates: parameters of other types need not be
    /// loaded.
    pub fn evaluated_types(&self) -> &TypeSet {
        match self.stateful {
            true => &TypeSet::ALL,
            false => &self.pushdown.types,
        }
    }

    /// Returns which part of a capture can match at all.
    pub fn pushdown(&self) -> &Pushdown {
        &self.pushdown
    }

    /// Returns the conditions that depend only on the container of an event's thread and that every
    /// matching event has to meet: in a container where they are false no event matches, so none
    /// has to be evaluated. `None` if there are no such conditions, or if the filter depends on all
    /// events.
    pub fn container_prefilter(&self) -> Option<Self> {
        if self.pushdown.depends_on_all.is_some() {
            return None;
        }
        let parts = match &self.root {
            Pred::All(parts) => &**parts,
            one => std::slice::from_ref(one),
        };
        let about = parts.iter().filter(|part| part.is_container_prefilter());
        let root = Pred::All(about.cloned().collect());
        let none = matches!(&root, Pred::All(parts) if parts.is_empty());
        (!none).then(|| Self {
            pushdown: Pushdown::of(&root),
            stateful: false,
            root,
        })
    }

    /// Returns true if there is a condition on the direction of events.
    pub fn asks_for_direction(&self) -> bool {
        self.root.mentions_dir()
    }

    /// Returns true if only thread- and fd-scoped fields are used, so that the filter can be
    /// evaluated without an event.
    pub fn is_thread_scoped(&self) -> bool {
        !self.root.mentions_event() && !self.root.any_field(|field| !field.is_thread_scoped())
    }

    /// Returns true if a field is used that only the container runtime knows, such as the
    /// container's name.
    pub fn needs_runtime_metadata(&self) -> bool {
        self.root.any_field(Field::needs_runtime_metadata)
    }

    /// Returns true if the filter may use the data of I/O calls, which then has to be loaded.
    pub fn needs_payload(&self) -> bool {
        self.root.any_field(Field::needs_payload)
    }

    /// Returns true if the filter may use the sessions of `kubectl exec`, which have to be found first.
    pub fn needs_sessions(&self) -> bool {
        self.root.any_field(Field::needs_sessions)
    }

    /// Returns the fields of the filter that are always absent, and why: conditions on them are
    /// always false.
    pub fn unanswerable(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        self.root.each_field(&mut |field| {
            found.extend(field.info.unanswerable.map(|why| (field.info.name, why)));
        });
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// A transformer with its arguments, as output formats use it: `tolower(proc.name)`.
#[derive(Clone, Debug)]
pub struct Transform(transform::Operand);

impl Transform {
    /// Parses the transformer at the start of a text; returns it with the offset of its end.
    ///
    /// # Errors
    ///
    /// As [`Filter::parse`].
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), FilterError> {
        let (ast, end) = parser::parse_operand(text)?;
        Ok((Self(operands::left(&ast)?), end))
    }

    /// Returns true if this is true for a field.
    pub fn any_field(&self, test: impl Fn(&Field) -> bool) -> bool {
        let mut found = false;
        self.0.each_field(&mut |field| found |= test(field));
        found
    }

    /// Returns the value for an event; `None` = absent.
    pub fn value<'a>(&'a mut self, cx: Context<'a>) -> Option<Value<'a>> {
        self.0.value(cx)
    }
}
