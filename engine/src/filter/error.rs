//! Errors in filters, with their position.

use super::ast::Span;
use crate::event::suggest::{did_you_mean, similar};
use crate::event::text::short;
use crate::fields::LookupError;

/// An error in a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct FilterError {
    /// The kind of error.
    #[source]
    pub kind: FilterErrorKind,
    /// The span of the error in the text.
    pub span: Span,
    /// How to correct it.
    pub hint: Option<String>,
}

/// Kinds of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterErrorKind {
    /// The text is empty or blank.
    #[error("the filter is empty")]
    Empty,
    /// A syntax error.
    #[error("expected {expected}, found {}", short(.found))]
    Expected {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A quote is not closed.
    #[error("the quote is not closed")]
    UnclosedQuote,
    /// A bracket is not closed.
    #[error("the bracket is not closed")]
    UnclosedBracket,
    /// A backslash before a character that has no escape meaning.
    #[error("`\\{0}` is not an escape sequence")]
    Escape(String),
    /// A value contains a NUL, which no text of an event contains.
    #[error("a value cannot hold a NUL")]
    Nul,
    /// Brackets, negations or transformers are nested too deeply.
    #[error("nested more than {0} levels deep")]
    TooDeep(usize),
    /// The filter is too large after expansion of macros and lists.
    #[error("the filter has more than {limit} {what}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What is limited.
        what: &'static str,
    },
    /// No operator has this spelling.
    #[error("unknown operator `{}`", short(.0))]
    UnknownOperator(String),
    /// A name without a class in the place of a field.
    #[error("`{}` is not a field; write CLASS.NAME, e.g. `proc.name`", short(.0))]
    NoClass(String),
    /// The field does not exist or its argument is invalid.
    #[error(transparent)]
    Field(#[from] LookupError),
    /// No macro has this name.
    #[error("unknown macro `{}`", short(.0))]
    UnknownMacro(String),
    /// No list has this name.
    #[error("unknown list `{}`", short(.0))]
    UnknownList(String),
    /// A macro or list refers to itself, directly or through others.
    #[error("{what} `{}` refers to itself", short(.name))]
    Recursive {
        /// Macro or list.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A list in the place of a single value has more or fewer values than one.
    #[error("list `{}` has {count} values where one is needed", short(.name))]
    ListAsValue {
        /// The list.
        name: String,
        /// How many values it has.
        count: usize,
    },
    /// An error inside a macro; its span is in the macro's text.
    #[error("in macro `{}`: {error}", short(.name))]
    InMacro {
        /// The macro.
        name: String,
        /// Its text.
        text: String,
        /// The error.
        error: Box<FilterError>,
    },
    /// No transformer has this name.
    #[error("unknown transformer `{}`", short(.0))]
    UnknownTransformer(String),
    /// A transformer has the wrong number or kind of arguments.
    #[error("`{name}` {problem}")]
    TransformerArguments {
        /// The transformer.
        name: &'static str,
        /// What it needs.
        problem: &'static str,
    },
    /// A transformer cannot be applied to the field.
    #[error("transformers do not apply to `{0}`")]
    NoTransformer(&'static str),
    /// The field cannot be used on the right-hand side.
    #[error("`{0}` cannot stand on the right-hand side")]
    NoRightHandSide(&'static str),
    /// The field can only be printed.
    #[error("`{0}` can only be printed, not compared")]
    PrintOnly(&'static str),
    /// The operator does not apply to the type of its operand.
    #[error("`{op}` does not apply to {what}")]
    OperatorNotAllowed {
        /// The operator.
        op: &'static str,
        /// The type of the operand.
        what: &'static str,
    },
    /// The operator cannot compare two fields.
    #[error("`{0}` cannot compare with another field")]
    OperatorNeedsValues(&'static str),
    /// The types of the two sides are not comparable.
    #[error("{left} cannot be compared with {right}")]
    TypesDiffer {
        /// Type of the left-hand side.
        left: &'static str,
        /// Type of the right-hand side.
        right: &'static str,
    },
    /// The value is invalid for the type of the field.
    #[error("`{}` is not a valid {expected}", short(.value))]
    InvalidValue {
        /// The value.
        value: String,
        /// The expected type.
        expected: &'static str,
    },
    /// No event type and no syscall has this name.
    #[error("unknown event type `{}`", short(.0))]
    UnknownEventType(String),
    /// The regular expression is invalid or too large.
    #[error("bad regular expression: {}", short(.0))]
    Regex(String),
}

impl FilterError {
    pub(super) fn new(kind: FilterErrorKind, span: Span) -> Self {
        Self {
            kind,
            span,
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" if one of the candidates is similar to the name.
    pub(super) fn suggest<'a>(
        mut self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        if let Some(hint) = did_you_mean(&similar(name, candidates)) {
            self.hint = Some(hint);
        }
        self
    }
}
