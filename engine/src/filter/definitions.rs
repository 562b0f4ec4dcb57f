//! Macros and lists that filters can refer to.

use std::collections::{BTreeMap, HashSet};

use super::ast::{Expr, Literal, Span};
use super::error::{FilterError, FilterErrorKind};
use super::lexer::Lexer;
use super::parser;

/// Limit of the values of one expanded list.
const MAX_VALUES: usize = 1 << 20;

/// Named conditions and lists.
///
/// A macro is replaced by its condition as a whole. A list is replaced by its values in brackets; a
/// list of one value can also be used where one value is expected.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    macros: BTreeMap<String, Macro>,
    lists: BTreeMap<String, Vec<String>>,
}

/// A named condition.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    pub(super) text: String,
    pub(super) expr: Expr,
}

impl Definitions {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a macro, or replaces the one of that name.
    ///
    /// # Errors
    ///
    /// If the text is not a condition. Names in it are looked up where the macro is used.
    pub fn add_macro(&mut self, name: impl Into<String>, text: &str) -> Result<(), FilterError> {
        self.add_tree(name, text, parser::parse(text)?);
        Ok(())
    }

    /// Adds a macro whose text was parsed already, or replaces the one of that name.
    pub fn add_tree(&mut self, name: impl Into<String>, text: &str, expr: Expr) {
        let text = text.to_owned();
        self.macros.insert(name.into(), Macro { text, expr });
    }

    /// Adds a list, or replaces the one of that name.
    ///
    /// An item is written like a value in a filter, quotes included; only here a value with spaces
    /// needs no quotes. An item that is the name of another list is replaced by the items of that
    /// list.
    pub fn add_list(&mut self, name: impl Into<String>, items: impl IntoIterator<Item = String>) {
        self.lists.insert(name.into(), items.into_iter().collect());
    }

    pub(super) fn find_macro(&self, name: &str) -> Option<&Macro> {
        self.macros.get(name)
    }

    pub(super) fn macro_names(&self) -> impl Iterator<Item = &str> {
        self.macros.keys().map(String::as_str)
    }

    pub(super) fn list_names(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }

    /// Returns the name of a list if an unquoted value is one.
    pub(super) fn list_name<'a>(&self, literal: &'a Literal) -> Option<&'a str> {
        if literal.quoted || self.lists.is_empty() {
            return None;
        }
        let name = std::str::from_utf8(&literal.bytes).ok()?;
        self.lists.contains_key(name).then_some(name)
    }

    /// Appends the values of a list; all get the span of the list's name.
    pub(super) fn expand(
        &self,
        name: &str,
        span: &Span,
        out: &mut Vec<Literal>,
    ) -> Result<(), FilterError> {
        let mut expansion = Expansion {
            span,
            outer: HashSet::new(),
            steps: 0,
        };
        self.expand_within(name, &mut expansion, out)
    }

    fn expand_within<'d>(
        &'d self,
        name: &str,
        expansion: &mut Expansion<'d, '_>,
        out: &mut Vec<Literal>,
    ) -> Result<(), FilterError> {
        /// Limit of nested lists; real rule sets nest two levels.
        const MAX_NESTED: usize = 64;
        let span = expansion.span;
        let error = |kind| Err(FilterError::new(kind, span.clone()));
        let Some((name, items)) = self.lists.get_key_value(name) else {
            return error(FilterErrorKind::UnknownList(name.to_owned()));
        };
        if !expansion.outer.insert(name) {
            return error(FilterErrorKind::Recursive {
                what: "list",
                name: name.clone(),
            });
        }
        if expansion.outer.len() > MAX_NESTED {
            return error(FilterErrorKind::TooDeep(MAX_NESTED));
        }
        for item in items {
            let literal = value(item, span)?;
            match self.list_name(&literal) {
                Some(inner) => self.expand_within(inner, expansion, out)?,
                None => out.push(literal),
            }
            expansion.steps += 1;
            if expansion.steps > MAX_VALUES {
                return error(FilterErrorKind::TooLarge {
                    limit: MAX_VALUES,
                    what: "values in a list",
                });
            }
        }
        expansion.outer.remove(name.as_str());
        Ok(())
    }
}

/// The expansion of one mention of a list.
struct Expansion<'d, 's> {
    span: &'s Span,
    /// The lists that enclose the current one.
    outer: HashSet<&'d str>,
    /// Number of items expanded, names of lists included.
    steps: usize,
}

/// Parses an item of a list.
fn value(item: &str, span: &Span) -> Result<Literal, FilterError> {
    let quoted = item.len() > 1 && item.starts_with(['"', '\'']);
    let mut lexer = Lexer::new(item);
    if quoted
        && let Ok(literal) = lexer.take_quoted()
        && lexer.is_end()
    {
        return Ok(Literal {
            span: span.clone(),
            ..literal
        });
    }
    if item.contains('\0') {
        return Err(FilterError::new(FilterErrorKind::Nul, span.clone()));
    }
    Ok(Literal {
        bytes: item.as_bytes().into(),
        quoted: false,
        span: span.clone(),
    })
}
