//! The filter language of sysdig and Falco: fields of an event and conditions on them.
//!
//! A text becomes a syntax tree ([`parse`]), then checked conditions (names and types are looked up,
//! macros and lists expanded), then predicates that decide events without allocating. All errors are
//! found before the first event and say where in the text they are. The fields and what may be concluded
//! about their values are in [`crate::fields`].
//!
//! ```
//! use scap::filter::Filter;
//!
//! let filter = Filter::parse("evt.type in (open, openat) and not proc.name = cat")?;
//! assert!(!filter.pushdown().is_everything());
//! let error = Filter::parse("proc.nmae = cat").unwrap_err();
//! assert_eq!(error.span, 0..9);
//! # Ok::<(), scap::filter::FilterError>(())
//! ```

pub mod ast;

mod compare;
mod compile;
mod definitions;
mod error;
mod lexer;
mod literal;
mod operands;
mod parser;
mod pattern;
mod pushdown;
mod resolve;
mod services;
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
pub use parser::{MAX_DEPTH, parse};
pub use pushdown::Pushdown;
pub use typeset::TypeSet;
pub use when::When;

use crate::fields::{Context, Field, Value};
use compile::Pred;

/// A filter, ready to decide events.
///
/// Deciding needs `&mut`: a filter keeps room for values between events, and some fields remember the
/// previous event. Other threads use clones.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Pred,
    pushdown: Pushdown,
    /// Whether a field depends on the events on which it was evaluated before.
    stateful: bool,
}

impl Filter {
    /// Makes a filter from a text.
    ///
    /// # Errors
    ///
    /// [`FilterError`], with the place in the text.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::with_definitions(text, &Definitions::new())
    }

    /// Makes a filter from a text that can refer to macros and lists.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn with_definitions(text: &str, definitions: &Definitions) -> Result<Self, FilterError> {
        Self::from_ast(&parse(text)?, definitions)
    }

    /// Makes a filter from a syntax tree.
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

    /// Whether an event passes.
    pub fn matches(&mut self, cx: &Context<'_>) -> bool {
        // Most events are decided by their type alone.
        self.evaluated_types().contains(cx.event.ty) && self.root.matches(*cx)
    }

    /// Returns the types of the events on which it is evaluated: the parameters of others need not be loaded.
    pub fn evaluated_types(&self) -> &TypeSet {
        match self.stateful {
            true => &TypeSet::ALL,
            false => &self.pushdown.types,
        }
    }

    /// Returns which part of a capture can pass at all.
    pub fn pushdown(&self) -> &Pushdown {
        &self.pushdown
    }

    /// Returns the conditions that depend only on the container of an event's thread and that every event
    /// has to fulfil: in a container where they fail, no event passes and none has to be evaluated. `None`:
    /// there are no such conditions, or the filter depends on all events.
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

    /// Whether it has a condition on the direction of events.
    pub fn asks_for_direction(&self) -> bool {
        self.root.mentions_dir()
    }

    /// Whether only thread- and fd-scoped fields are used, so that it can be evaluated between events.
    pub fn is_thread_scoped(&self) -> bool {
        !self.root.mentions_event() && !self.root.any_field(|field| !field.is_thread_scoped())
    }

    /// Whether it uses a field that only a container's runtime knows, such as its name.
    pub fn needs_runtime_metadata(&self) -> bool {
        self.root.any_field(Field::needs_runtime_metadata)
    }

    /// Whether it may look at the bytes that calls moved, so that they must be loaded.
    pub fn needs_payload(&self) -> bool {
        self.root.any_field(Field::needs_payload)
    }

    /// Returns the fields of the filter that are always absent, and why: conditions on them never hold.
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
    /// Parses the transformer at the start of a text; returns it and where it ends.
    ///
    /// # Errors
    ///
    /// As [`Filter::parse`].
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), FilterError> {
        let (ast, end) = parser::parse_operand(text)?;
        Ok((Self(operands::left(&ast)?), end))
    }

    /// Returns the value in an event; `None` = absent.
    pub fn value<'a>(&'a mut self, cx: Context<'a>) -> Option<Value<'a>> {
        self.0.value(cx)
    }
}
